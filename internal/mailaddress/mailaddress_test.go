package mailaddress

import (
	"regexp"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// whatwgEmail is the "valid e-mail address" of the HTML standard, as it stands there.
var whatwgEmail = regexp.MustCompile("^[a-zA-Z0-9.!#$%&'*+\\/=?^_`{|}~-]+@[a-zA-Z0-9](?:[a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?(?:\\.[a-zA-Z0-9](?:[a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?)*$")

// longHost is a domain of so many characters.
func longHost(n int) string {
	host := strings.Repeat(strings.Repeat("b", 62)+".", n/63+1)[:n]
	return strings.TrimSuffix(host, ".") + strings.Repeat("b", n-len(strings.TrimSuffix(host, ".")))
}

// valid says whether an address is valid by the HTML standard, and not too long.
func valid(v string) bool {
	user, host, _ := strings.Cut(v, "@")
	return whatwgEmail.MatchString(v) && len(v) <= 254 && len(user) <= 64 && len(host) <= 190
}

func FuzzCheck(f *testing.F) {
	for _, seed := range []string{
		"a@b", "o'brien@acme.example", "back`tick@acme.example", "a@b.", "a@.b", "a@b..c", "a@-b", "a@b-", "a@b_c", "a b@c", "a@b@c", "@", "", "bücher@acme.example",
		"info@bücher.example", "info@bu\u0308cher.example", "a@\u3002", "a\u00a0@b", "\"a b\"@c", "a@[127.0.0.1]", "a@xn--bcher-kva.example", "a@b\n", "\x00@b", "a@" + strings.Repeat("b", 64),
		strings.Repeat("a", 64) + "@b", strings.Repeat("a", 65) + "@b", "a@" + longHost(190), "a@" + longHost(191), "a@\xff", "a@ß", "a@\u200d",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, v string) {
		if err := Check(v); (err == nil) != valid(v) {
			t.Errorf("%q: %v, but the rule says %v", v, err, valid(v))
		} else if err != nil && len(err.Error()) > 500 {
			t.Errorf("%q: a message of %d bytes", v, len(err.Error()))
		}
	})
}

// Addresses that are nearly good, which bytes drawn by chance never are.
func TestEmailsAreWhatHTMLTakes(t *testing.T) {
	label := rapid.OneOf(rapid.StringMatching(`[a-zA-Z0-9]([a-zA-Z0-9-]{0,70}[a-zA-Z0-9])?`), rapid.StringMatching(`[a-z0-9_äß.-]{0,5}`))
	rapid.Check(t, func(t *rapid.T) {
		user := rapid.OneOf(rapid.StringMatching("[a-zA-Z0-9.!#$%&'*+/=?^_`{|}~-]{0,70}"), rapid.StringMatching("[a-z\"(),:;<>@\\[\\] ä-]{0,8}")).Draw(t, "user")
		v := user + "@" + strings.Join(rapid.SliceOfN(label, 1, 5).Draw(t, "host"), ".")
		if err := Check(v); (err == nil) != valid(v) {
			t.Fatalf("%q: %v, but the rule says %v", v, err, valid(v))
		}
	})
}

func TestEmailProblems(t *testing.T) {
	for v, want := range map[string]string{
		"a b@c.example":                       "it has a space",
		"acme.example":                        "it has no @",
		"a@b.example,c@d.example":             "more than one @",
		"@b.example":                          "nothing is before the @",
		"a@":                                  "nothing is after the @",
		"jörg@acme.example":                   "other than ASCII before the @ are not possible. Choose another address",
		"info@bücher.example":                 "begins with xn--: info@xn--bcher-kva.example",
		"info@Bücher.Example":                 "begins with xn--: info@xn--bcher-kva.example",
		"info@почта.рф":                       "begins with xn--: info@xn--80a1acny.xn--p1ai",
		"info@bü_cher.example":                "which begins with xn--",
		"a@b.example.":                        "ends with a dot. Remove the dot",
		strings.Repeat("a", 65) + "@b":        "too long",
		"a(b)@c.example":                      "before the @ only letters",
		"a@b_c.example":                       "after the @ there must be names",
		"a@b..example":                        "after the @ there must be names",
		"a@-b.example":                        "after the @ there must be names",
		"a@" + strings.Repeat("b", 64) + ".c": "at most 63",
	} {
		if err := Check(v); err == nil || !strings.Contains(err.Error(), want) || !strings.HasPrefix(err.Error(), "must be one e-mail address") {
			t.Errorf("%q: %v, want %q", v, err, want)
		}
	}
}
