package secrets_test

import (
	"fmt"
	"regexp"
	"testing"

	"cpaas.dev/child-account-operator/internal/secrets"
)

func TestGeneratePassword(t *testing.T) {
	const draws = 10_000
	rules := map[string]*regexp.Regexp{
		"an upper-case letter":         regexp.MustCompile(`[A-Z]`),
		"a lower-case letter":          regexp.MustCompile(`[a-z]`),
		"a digit":                      regexp.MustCompile(`[0-9]`),
		"a special character":          regexp.MustCompile(`[^A-Za-z0-9]`),
		"a letter first":               regexp.MustCompile(`^[A-Za-z]`),
		"24 characters, all printable": regexp.MustCompile(`^[!-~]{24}$`),
		"no separator, quote or sign of shells and URLs": regexp.MustCompile("^[^;:,&=?#%/\\\\\"'`$<>|(){}\\[\\]@ ]*$"),
		"nothing that is easily mixed up":                regexp.MustCompile(`^[^0O1lI]*$`),
	}
	seen := map[string]bool{}
	used := map[rune]int{}
	for range draws {
		p := secrets.GeneratePassword().Reveal()
		for rule, want := range rules {
			if !want.MatchString(p) {
				t.Fatalf("%q: %s is missing", p, rule)
			}
		}
		if seen[p] {
			t.Fatalf("%q came twice", p)
		}
		seen[p] = true
		for _, c := range p {
			used[c]++
		}
	}
	// Every character has its share: nothing is left out, nothing stands out.
	if len(used) != 25+24+8+6 {
		t.Errorf("%d characters are used", len(used))
	}
	for c, n := range used {
		if share := float64(n) / (24 * draws); share < 0.005 || share > 0.05 {
			t.Errorf("%q has a share of %.3f", c, share)
		}
	}
	if s := fmt.Sprint(secrets.GeneratePassword()); s != "[redacted]" {
		t.Errorf("a password can be printed: %s", s)
	}
}
