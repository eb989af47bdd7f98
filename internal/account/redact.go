package account

import (
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"html"
	"net/url"
	"strconv"
	"strings"
)

// fragment is how many characters of a secret in a row tell too much.
const fragment = 8

// Redactor holds the secrets that a text from outside may repeat.
type Redactor []Secret

// Redact takes the secrets out of a text: whole or in part, in whatever spelling something on the way has given them.
func (r Redactor) Redact(text string) string {
	folded := fold(text)
	pieces := r.pieces(folded)
	var b strings.Builder
	shown := 0 // up to here the text is dealt with
	for at := range len(folded) {
		end := at + longest(pieces, folded[at:])
		if end <= max(at, shown) {
			continue
		}
		if at > shown || shown == 0 {
			b.WriteString(text[shown:at])
			b.WriteString(redacted)
		}
		shown = end
	}
	b.WriteString(text[shown:])
	return b.String()
}

// pieces are the parts of the secrets' spellings that tell too much and are in the text, by length.
func (r Redactor) pieces(folded string) map[int]map[string]bool {
	pieces := map[int]map[string]bool{}
	for _, s := range r {
		for _, spelling := range spellings(s.Reveal()) {
			n := min(len(spelling), fragment)
			if pieces[n] == nil {
				pieces[n] = windows(folded, n)
			}
			spelling = fold(spelling)
			for i := 0; n > 0 && i+n <= len(spelling); i++ {
				if _, there := pieces[n][spelling[i:i+n]]; there {
					pieces[n][spelling[i:i+n]] = true
				}
			}
		}
	}
	return pieces
}

// windows are all parts of a text that have n characters, none of them marked. A text has fewer than the spellings of a secret.
func windows(text string, n int) map[string]bool {
	all := map[string]bool{}
	for i := 0; n > 0 && i+n <= len(text); i++ {
		all[text[i:i+n]] = false
	}
	return all
}

// longest is the length of the longest piece that the text begins with.
func longest(pieces map[int]map[string]bool, text string) int {
	found := 0
	for n, of := range pieces {
		if n > found && n <= len(text) && of[text[:n]] {
			found = n
		}
	}
	return found
}

// spellings are the ways in which answers, logs and address lines write a value.
func spellings(plain string) []string {
	inJSON, err := json.Marshal(plain)
	if err != nil { // a string always marshals
		panic(err)
	}
	quoted := strconv.Quote(plain)
	out := []string{
		plain, string(inJSON[1 : len(inJSON)-1]), quoted[1 : len(quoted)-1], html.EscapeString(plain), url.QueryEscape(plain), url.PathEscape(plain), hex.EncodeToString([]byte(plain)),
	}
	for before := range 3 { // wherever it begins within what was encoded
		out = append(out, within(base64.StdEncoding, before, plain), within(base64.URLEncoding, before, plain))
	}
	return out
}

// within is what the value becomes where so many other bytes come before it, as far as it does not depend on others.
func within(e *base64.Encoding, before int, plain string) string {
	text := e.WithPadding(base64.NoPadding).EncodeToString([]byte(strings.Repeat("\x00", before) + plain))
	first, end := (before*8+5)/6, (before+len(plain))*8/6
	return text[min(first, end):end]
}

// fold makes one of upper and lower case and keeps every byte at its place.
func fold(text string) string {
	folded := []byte(text)
	for i, c := range folded {
		if 'A' <= c && c <= 'Z' {
			folded[i] = c + ('a' - 'A')
		}
	}
	return string(folded)
}
