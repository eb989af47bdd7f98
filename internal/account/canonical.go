package account

import (
	"strings"
)

// Canonical turns a value into the spelling in which equal values are equal strings.
// It must be idempotent; a value that it does not understand comes back as it is.
type Canonical func(string) string

// CanonicalBool knows the spellings of booleans that APIs use.
func CanonicalBool(v string) string {
	switch strings.ToLower(strings.TrimSpace(v)) {
	case "true", "1", "yes":
		return "true"
	case "false", "0", "no":
		return "false"
	}
	return v
}

// CanonicalDecimal compares by value: "5", "5.0" and "05.00" are one. Exponents and signs of large amounts
// don't occur in this API; such a value comes back as it is.
func CanonicalDecimal(v string) string {
	s, negative := strings.CutPrefix(strings.TrimSpace(v), "-")
	whole, fraction, _ := strings.Cut(s, ".")
	if s == "" || s == "." || !digits(whole) || !digits(fraction) {
		return v
	}
	whole = strings.TrimLeft(whole, "0")
	if whole == "" {
		whole = "0"
	}
	if fraction = strings.TrimRight(fraction, "0"); fraction != "" {
		whole += "." + fraction
	}
	if negative && whole != "0" {
		whole = "-" + whole
	}
	return whole
}

func digits(s string) bool {
	return strings.Trim(s, "0123456789") == ""
}

// CanonicalEmail ignores case, as the provider does when it looks for a second account with the same address.
func CanonicalEmail(v string) string { return strings.ToLower(strings.TrimSpace(v)) }

// languageTwins maps the withdrawn ISO 639-1 codes to the present ones; the service may answer with either.
var languageTwins = map[string]string{"iw": "he", "in": "id", "ji": "yi", "mo": "ro", "sh": "sr"}

// CanonicalLanguage maps an old language code to its present twin.
func CanonicalLanguage(v string) string {
	v = strings.ToLower(strings.TrimSpace(v))
	if twin, ok := languageTwins[v]; ok {
		return twin
	}
	return v
}
