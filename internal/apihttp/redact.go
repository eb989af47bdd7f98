package apihttp

import (
	"strings"
	"unicode"

	"cpaas.dev/child-account-operator/internal/account"
)

const (
	// LongestMessage is how many runes of a text from outside an error carries.
	LongestMessage = 256
	// longestText is how many bytes of it are looked at.
	longestText = 16 << 10
)

// Redactor takes the secrets that one request carried out of texts from outside.
type Redactor account.Redactor

// NewRedactor makes one of these secrets.
func NewRedactor(secrets ...account.Secret) Redactor { return secrets }

// Clean makes a text from outside fit for an error: no secret, no control character, at most LongestMessage runes.
func (r Redactor) Clean(text string) string {
	text = account.Redactor(r).Redact(text[:min(len(text), longestText)])
	text = strings.ToValidUTF8(text, string(unicode.ReplacementChar))
	text = strings.Join(strings.FieldsFunc(text, func(c rune) bool { return unicode.IsSpace(c) || !unicode.IsPrint(c) }), " ")
	if runes := []rune(text); len(runes) > LongestMessage {
		text = string(runes[:LongestMessage-1]) + "…"
	}
	return text
}
