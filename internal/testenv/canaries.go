package testenv

import (
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"html"
	"net/url"
	"strings"
	"sync"
)

// shownFrom is from how many characters on the beginning of a secret counts as shown.
const shownFrom = 8

// Canaries are secrets that must show nowhere, by what their spellings begin with. It knows nothing of how the operator
// hides them.
type Canaries struct {
	mu     sync.Mutex
	pieces map[string]string
	known  map[[2]string]bool
	// Kinds is how many there are of each kind.
	Kinds map[string]int
}

// Add makes a secret known, once; text in lines (PEM) and tokens count by their parts.
func (c *Canaries) Add(kind, secret string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.pieces == nil {
		c.pieces, c.known, c.Kinds = map[string]string{}, map[[2]string]bool{}, map[string]int{}
	}
	if c.known[[2]string{kind, secret}] || len(secret) < shownFrom {
		return
	}
	c.known[[2]string{kind, secret}] = true
	c.Kinds[kind]++
	parts := strings.FieldsFunc(secret, func(r rune) bool { return r == '\n' })
	if strings.HasPrefix(secret, "eyJ") {
		parts = strings.Split(secret, ".")
	}
	for _, part := range parts {
		if len(part) < shownFrom || strings.HasPrefix(part, "-----") {
			continue
		}
		for how, spelling := range spelled(part) {
			c.pieces[spelling[:shownFrom]] = kind + ", " + how
		}
	}
}

// spelled are the ways in which a value is written, by name.
func spelled(plain string) map[string]string {
	quoted, err := json.Marshal(plain)
	if err != nil {
		panic(err)
	}
	goQuoted := fmt.Sprintf("%q", plain)
	out := map[string]string{
		"plain": plain, "in JSON": string(quoted[1 : len(quoted)-1]), "quoted": goQuoted[1 : len(goQuoted)-1], "in HTML": html.EscapeString(plain),
		"in a query": url.QueryEscape(plain), "in a path": url.PathEscape(plain), "in hex": hex.EncodeToString([]byte(plain)),
		"as bytes": strings.Trim(fmt.Sprint([]byte(plain)), "[]"),
	}
	for before := range 3 { // bytes of something else in the same group of three
		skip := []int{0, 2, 3}[before]
		out[fmt.Sprintf("in base64 (%d)", before)] = base64.StdEncoding.EncodeToString([]byte("xx"[:before] + plain + "xx"))[skip:]
		out[fmt.Sprintf("in base64 for URLs (%d)", before)] = base64.URLEncoding.EncodeToString([]byte("xx"[:before] + plain + "xx"))[skip:]
	}
	return out
}

// In says which canaries a text shows, each once, with what stands around it.
func (c *Canaries) In(text string) []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	var found []string
	seen := map[string]bool{}
	for i := 0; i+shownFrom <= len(text); i++ {
		piece := text[i : i+shownFrom]
		if what := c.pieces[piece]; what != "" && !seen[piece] {
			seen[piece] = true
			found = append(found, fmt.Sprintf("%s: …%s…", what, text[max(0, i-200):min(len(text), i+60)]))
		}
	}
	return found
}
