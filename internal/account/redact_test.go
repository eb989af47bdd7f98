package account_test

import (
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"html"
	"net/url"
	"strings"
	"testing"

	"cpaas.dev/child-account-operator/internal/account"
)

const shown = account.Secret(`Pa55 "wörd"/+&<x>`)

// In whatever spelling, at whatever place of whatever else, and in part.
func TestRedact(t *testing.T) {
	plain := shown.Reveal()
	quoted, _ := json.Marshal(plain)
	texts := map[string]string{
		"plain": plain, "quoted": string(quoted), "by Go": fmt.Sprintf("%q", plain), "HTML": html.EscapeString(plain),
		"query": url.QueryEscape(plain), "path": url.PathEscape(plain), "small letters": strings.ToLower(url.QueryEscape(plain)),
		"hex": hex.EncodeToString([]byte(plain)), "its beginning": plain[:8], "its end": plain[len(plain)-8:], "all but its ends": plain[1 : len(plain)-1],
	}
	for _, before := range []string{"", "a", "ab", "abc"} {
		texts["base64 after "+before] = base64.StdEncoding.EncodeToString([]byte(before + plain + "more"))
		texts["base64 for URLs after "+before] = base64.RawURLEncoding.EncodeToString([]byte(before + plain))
	}
	for name, text := range texts {
		got := account.Redactor{"another", shown}.Redact("before " + text + " after")
		if !strings.HasPrefix(got, "before ") || !strings.HasSuffix(got, " after") || !strings.Contains(got, "[redacted]") {
			t.Errorf("%s: %q", name, got)
		}
		for i := 0; i+8 <= len(text); i++ {
			if strings.Contains(got, text[i:i+8]) && !strings.HasPrefix(name, "base64") { // which begins and ends with something else
				t.Errorf("%s: %q is left of %q", name, text[i:i+8], text)
				break
			}
		}
	}
}

func TestRedactLeavesTheRest(t *testing.T) {
	for text, want := range map[string]string{
		"":                    "",
		"nothing":             "nothing",
		"abc":                 "[redacted]",
		"x abc, ABC; abcabc.": "x [redacted], [redacted]; [redacted].",
		"longer-s":            "[redacted]",
		"longer- is less":     "longer- is less",
		"ü longer-secret ü":   "ü [redacted] ü",
	} {
		if got := (account.Redactor{"", "abc", "longer-secret"}).Redact(text); got != want {
			t.Errorf("%q is %q; want %q", text, got, want)
		}
	}
	if got := (account.Redactor{}).Redact("as it is"); got != "as it is" {
		t.Error(got)
	}
}

func FuzzRedact(f *testing.F) {
	hidden := "[redacted]"
	f.Add("x %s y", "Pa55word!/+ x", 3)
	f.Add("%s", "short", 0)
	f.Add("\xff%s\x00%s", "\xff\xfe secret with bytes", 9)
	f.Fuzz(func(t *testing.T, text, secret string, cut int) {
		if len(secret) < 8 || cut < 0 || cut > len(secret)-8 || strings.Contains(hidden, strings.ToLower(secret[cut:cut+8])) {
			return
		}
		for _, spelling := range []string{secret, url.QueryEscape(secret), secret[cut:]} {
			got := account.Redactor{account.Secret(secret)}.Redact(strings.ReplaceAll(text, "%s", spelling))
			for left := range strings.SplitSeq(got, "[redacted]") {
				if part := secret[cut : cut+8]; strings.Contains(left, part) {
					t.Errorf("%q is left in %q", part, got)
				}
			}
		}
	})
}
