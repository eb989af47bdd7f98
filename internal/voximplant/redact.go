package voximplant

import (
	"cmp"
	"net/url"
	"slices"
	"strings"
	"unicode"

	"cpaas.dev/child-account-operator/internal/account"
)

const (
	redactedText = "[redacted]"
	// longestMessage is how many runes of a text from outside an error carries.
	longestMessage = 256
)

// redactor takes the secrets that one request carried out of texts from outside.
type redactor []string

func newRedactor(secrets ...account.Secret) redactor {
	var r redactor
	for _, s := range secrets {
		if plain := s.Reveal(); plain != "" {
			r = append(r, plain, url.QueryEscape(plain), url.PathEscape(plain))
		}
	}
	// The longest first, so that none is left over in part.
	slices.SortFunc(r, func(a, b string) int { return cmp.Or(len(b)-len(a), strings.Compare(a, b)) })
	return slices.Compact(r)
}

// clean makes a text from outside fit for an error: no secret, no control character, at most longestMessage runes.
func (r redactor) clean(text string) string {
	for _, secret := range r {
		text = strings.ReplaceAll(text, secret, redactedText)
	}
	text = strings.ToValidUTF8(text, string(unicode.ReplacementChar))
	text = strings.Join(strings.FieldsFunc(text, func(c rune) bool { return unicode.IsSpace(c) || !unicode.IsPrint(c) }), " ")
	if runes := []rune(text); len(runes) > longestMessage {
		text = string(runes[:longestMessage-1]) + "…"
	}
	return text
}
