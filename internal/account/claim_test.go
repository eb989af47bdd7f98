package account_test

import (
	"encoding/json"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"cpaas.dev/child-account-operator/internal/account"
)

const claimKey = "accounts.cpaas.dev/claim"

func TestClaimCustomData(t *testing.T) {
	c := account.Claim{Installation: "blue", Namespace: "telephony", Name: "acme-support"}
	// Accounts that exist carry this text: it must be understood for ever.
	const text = `{"accounts.cpaas.dev/claim":{"installation":"blue","namespace":"telephony","name":"acme-support"}}`
	if got := c.CustomData(); got != text {
		t.Errorf("%s, want %s", got, text)
	}
	if got, ok := account.ParseClaim(text); !ok || got != c {
		t.Errorf("%v %v, want %v", got, ok, c)
	}
	if got := c.String(); got != "telephony/acme-support of installation blue" {
		t.Errorf("for people: %q", got)
	}
	a := account.Account{CustomData: text}
	if got, ok := a.Claim(); !ok || got != c {
		t.Errorf("of an account: %v %v", got, ok)
	}
}

func TestParseClaim(t *testing.T) {
	const whole = `{"installation":"i","namespace":"n","name":"r"}`
	for name, c := range map[string]struct {
		text string
		ok   bool
	}{
		"whole":                      {`{"` + claimKey + `":` + whole + `}`, true},
		"with blanks around":         {" \n{\"" + claimKey + `": ` + whole + "}\t", true},
		"beside somebody's data":     {`{"crm":{"id":7},"` + claimKey + `":` + whole + `}`, true},
		"with a later field":         {`{"` + claimKey + `":{"installation":"i","namespace":"n","name":"r","since":"2026"}}`, true},
		"nothing":                    {``, false},
		"text":                       {`customer 4711`, false},
		"a number":                   {`4711`, false},
		"null":                       {`null`, false},
		"an empty object":            {`{}`, false},
		"a list":                     {`[` + whole + `]`, false},
		"somebody's JSON":            {`{"claim":` + whole + `}`, false},
		"the claim without its key":  {whole, false},
		"no claim in it":             {`{"` + claimKey + `":null}`, false},
		"an empty claim":             {`{"` + claimKey + `":{}}`, false},
		"a claim that is a text":     {`{"` + claimKey + `":"i/n/r"}`, false},
		"no installation":            {`{"` + claimKey + `":{"namespace":"n","name":"r"}}`, false},
		"an empty installation":      {`{"` + claimKey + `":{"installation":"","namespace":"n","name":"r"}}`, false},
		"no namespace":               {`{"` + claimKey + `":{"installation":"i","name":"r"}}`, false},
		"no name":                    {`{"` + claimKey + `":{"installation":"i","namespace":"n"}}`, false},
		"wrong types":                {`{"` + claimKey + `":{"installation":1,"namespace":"n","name":"r"}}`, false},
		"cut off":                    {`{"` + claimKey + `":{"installation":"i","namespace":"n","na`, false},
		"something after it":         {`{"` + claimKey + `":` + whole + `} and more`, false},
		"huge text":                  {strings.Repeat("x", 8<<20), false},
		"huge nesting":               {strings.Repeat("[", 1<<20), false},
		"huge JSON with a claim":     {`{"notes":"` + strings.Repeat("x", 1<<20) + `","` + claimKey + `":` + whole + `}`, true},
		"a claim nested in the rest": {`{"data":{"` + claimKey + `":` + whole + `}}`, false},
	} {
		t.Run(name, func(t *testing.T) {
			got, ok := account.ParseClaim(c.text)
			if ok != c.ok {
				t.Fatalf("a claim: %v, want %v", ok, c.ok)
			}
			if want := (account.Claim{Installation: "i", Namespace: "n", Name: "r"}); ok && got != want {
				t.Errorf("%v, want %v", got, want)
			}
		})
	}
}

func TestClaimRoundTrip(t *testing.T) {
	part := rapid.StringN(1, 60, -1).Filter(account.PlainWord)
	rapid.Check(t, func(t *rapid.T) {
		c := account.Claim{Installation: part.Draw(t, "installation"), Namespace: part.Draw(t, "namespace"), Name: part.Draw(t, "name")}
		if got, ok := account.ParseClaim(c.CustomData()); !ok || got != c {
			t.Errorf("%#v came back as %#v, %v", c, got, ok)
		}
	})
}

// What can't be seen, or goes on for long, is nobody's name.
func TestPlainWord(t *testing.T) {
	for word, want := range map[string]bool{
		"": false, "prod-eu": true, "9f0c1c5e-6b0e-4c3b-9a53-0f5a2a8d1b11": true, "köln": true, "a b": false, "a\n": false,
		"a\u202eb": false, "a\x1b[2J": false, "\xff": false, "a\u00a0b": false,
		strings.Repeat("x", 253): true, strings.Repeat("x", 254): false,
	} {
		if got := account.PlainWord(word); got != want {
			t.Errorf("%q: %v, want %v", word, got, want)
		}
	}
}

func FuzzParseClaim(f *testing.F) {
	for _, s := range []string{
		``, `{}`, `null`, `[]`, `"x"`, `{"` + claimKey + `":null}`,
		account.Claim{Installation: "i", Namespace: "n", Name: "r"}.CustomData(),
		`{"` + claimKey + `":{"installation":"i","namespace":"n"}}`,
		`{"` + claimKey + `":{"installation":"\ud800","namespace":"<&>","name":"\u0000"}}`,
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		c, ok := account.ParseClaim(text)
		if !ok {
			return
		}
		if c.Installation == "" || c.Namespace == "" || c.Name == "" {
			t.Errorf("half a claim counts: %#v", c)
		}
		if !json.Valid([]byte(text)) {
			t.Errorf("a claim in what is not JSON: %q", text)
		}
		if again, ok := account.ParseClaim(c.CustomData()); !ok || again != c {
			t.Errorf("%#v came back as %#v, %v", c, again, ok)
		}
	})
}
