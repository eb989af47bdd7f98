package voximplant

import (
	"strings"
	"unicode"

	"cpaas.dev/child-account-operator/internal/account"
)

const (
	// longestMessage is how many runes of a text from outside an error carries.
	longestMessage = 256
	// longestText is how many bytes of it are looked at.
	longestText = 16 << 10
)

// redactor takes the secrets that one request carried out of texts from outside.
type redactor account.Redactor

func newRedactor(secrets ...account.Secret) redactor { return secrets }

// clean makes a text from outside fit for an error: no secret, no control character, at most longestMessage runes.
func (r redactor) clean(text string) string {
	text = account.Redactor(r).Redact(text[:min(len(text), longestText)])
	text = strings.ToValidUTF8(text, string(unicode.ReplacementChar))
	text = strings.Join(strings.FieldsFunc(text, func(c rune) bool { return unicode.IsSpace(c) || !unicode.IsPrint(c) }), " ")
	if runes := []rune(text); len(runes) > longestMessage {
		text = string(runes[:longestMessage-1]) + "…"
	}
	return text
}
