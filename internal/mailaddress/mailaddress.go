// Package mailaddress says which e-mail addresses can be declared, whatever the provider.
package mailaddress

import (
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"golang.org/x/net/idna"
)

// The longest e-mail address, and the longest parts of one. The providers' APIs document no lengths: these are those of SMTP (RFC 5321), less
// what would make the whole too long.
const (
	maxAddress   = 254
	maxUser      = 64
	maxHost      = 190
	maxHostLabel = 63
)

// mailSigns are what the part before the @ may have beside letters and digits: the "valid e-mail address" of the WHATWG's HTML standard.
const mailSigns = ".!#$%&'*+/=?^_`{|}~-"

// Check accepts what HTML's <input type=email> accepts, within the lengths. The CRD has the same rule, with the same words.
func Check(v string) error {
	if problem := problemOf(v); problem != "" {
		return errors.New("must be one e-mail address, such as support@acme.example: " + problem)
	}
	return nil
}

// problemOf says what is wrong with an e-mail address and what to do, "" where nothing is.
func problemOf(v string) string {
	user, host, found := strings.Cut(v, "@")
	switch {
	case strings.ContainsAny(v, " \t\n\f\r"):
		return "it has a space. Remove the space"
	case !found:
		return "it has no @"
	case strings.Contains(host, "@"):
		return "it has more than one @. Declare one address, not a list"
	case user == "":
		return "nothing is before the @"
	case host == "":
		return "nothing is after the @"
	case !ascii(user):
		return "characters other than ASCII before the @ are not possible. Choose another address"
	case !ascii(host):
		return "its domain has characters other than ASCII. Declare the ASCII form of the domain, which begins with xn--" + punycode(user, host)
	case strings.HasSuffix(host, "."):
		return "it ends with a dot. Remove the dot"
	case len(v) > maxAddress || len(user) > maxUser || len(host) > maxHost:
		return fmt.Sprintf("it is too long. Choose one of at most %d characters, of which at most %d are before the @ and at most %d after it", maxAddress, maxUser, maxHost)
	case strings.ContainsFunc(user, func(r rune) bool { return !letterOrDigit(r) && !strings.ContainsRune(mailSigns, r) }):
		return "before the @ only letters, digits and " + mailSigns + " are possible. Choose another address"
	case !validHost(host):
		return fmt.Sprintf("after the @ there must be names of at most %d letters, digits and hyphens, which neither begin nor end with a hyphen, with one dot between two. Correct the domain", maxHostLabel)
	}
	return ""
}

// punycode is the e-mail address with the ASCII form of its domain, for the end of a message; "" where it has none that is valid.
func punycode(user, host string) string {
	to, err := idna.Lookup.ToASCII(host)
	if err != nil {
		return ""
	}
	if address := user + "@" + to; problemOf(address) == "" {
		return ": " + address
	}
	return ""
}

func validHost(host string) bool {
	for label := range strings.SplitSeq(host, ".") {
		if label == "" || len(label) > maxHostLabel || label[0] == '-' || label[len(label)-1] == '-' ||
			strings.ContainsFunc(label, func(r rune) bool { return !letterOrDigit(r) && r != '-' }) {
			return false
		}
	}
	return true
}

func letterOrDigit(r rune) bool {
	return 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9'
}

func ascii(text string) bool {
	return !strings.ContainsFunc(text, func(r rune) bool { return r >= utf8.RuneSelf })
}
