package account_test

import (
	"math/big"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"cpaas.dev/child-account-operator/internal/account"
)

func TestCanonical(t *testing.T) {
	type pairs map[string]string
	for name, table := range map[string]struct {
		canonical account.Canonical
		want      pairs
	}{
		"bool": {account.CanonicalBool, pairs{
			"true": "true", "True": "true", " TRUE ": "true", "1": "true", "yes": "true",
			"false": "false", "False": "false", "0": "false", "No": "false",
			"": "", "on": "on", "2": "2", " maybe ": " maybe ", "truee": "truee",
		}},
		"decimal": {account.CanonicalDecimal, pairs{
			"5": "5", "5.0": "5", "05.00": "5", " 5.00 ": "5", "5.": "5", "5.10": "5.1", "0.50": "0.5", ".5": "0.5",
			"0": "0", "00": "0", "0.000": "0", "-0": "0", "-0.0": "0", "-05.50": "-5.5", "-.5": "-0.5",
			"123456789.1234": "123456789.1234", "100": "100", "10.01": "10.01",
			strings.Repeat("9", 400): strings.Repeat("9", 400),
			// What is no decimal stays as it is.
			"": "", ".": ".", "-": "-", "-.": "-.", " ": " ", "--5": "--5", "+5": "+5", "- 5": "- 5",
			"1e3": "1e3", "5,0": "5,0", "1.2.3": "1.2.3", "0x10": "0x10", "NaN": "NaN", " a ": " a ", "٥": "٥", "1 000": "1 000",
		}},
		"email": {account.CanonicalEmail, pairs{
			"a@b.example": "a@b.example", "A@B.Example": "a@b.example", " a@b.example\n": "a@b.example", "": "",
			"ÄÖ@b.example": "äö@b.example",
		}},
		"language": {account.CanonicalLanguage, pairs{
			"en": "en", "EN": "en", " de ": "de", "": "",
			"iw": "he", "he": "he", "in": "id", "id": "id", "ji": "yi", "yi": "yi", "mo": "ro", "ro": "ro", "sh": "sr", "sr": "sr",
			"IW": "he", "is": "is", "it": "it", "english": "english",
		}},
	} {
		t.Run(name, func(t *testing.T) {
			for in, want := range table.want {
				if got := table.canonical(in); got != want {
					t.Errorf("%q became %q, want %q", in, got, want)
				}
			}
		})
	}
}

// A canonical spelling is its own: of every function, and of every row of the real table.
func TestCanonicalIsIdempotent(t *testing.T) {
	canonicals := map[string]account.Canonical{
		"bool": account.CanonicalBool, "decimal": account.CanonicalDecimal, "email": account.CanonicalEmail, "language": account.CanonicalLanguage,
	}
	for _, f := range schema {
		canonicals[f.Path] = f.Normal
	}
	values := []string{"", " ", "true", "FALSE", "1", "0", "-0.00", "iw", "MO"}
	for _, known := range spellings {
		values = append(values, known...)
	}
	rapid.Check(t, func(t *rapid.T) {
		v := rapid.OneOf(
			rapid.String(),
			rapid.SampledFrom(values),
			rapid.StringMatching(`\s?-?[0-9]{0,5}\.?[0-9]{0,5}\s?`),
			rapid.Map(rapid.SliceOf(rapid.Byte()), func(b []byte) string { return string(b) }),
		).Draw(t, "value")
		for name, canonical := range canonicals {
			if once := canonical(v); canonical(once) != once {
				t.Errorf("%s: %q becomes %q, and that %q", name, v, once, canonical(once))
			}
		}
	})
}

// Two decimals have one spelling exactly where they have one value.
func TestCanonicalDecimalComparesByValue(t *testing.T) {
	decimal := rapid.StringMatching(`-?0{0,3}[0-9]{1,3}(\.[0-9]{1,3}0{0,3})?`)
	value := func(t *rapid.T, s string) *big.Rat {
		r, ok := new(big.Rat).SetString(s)
		if !ok {
			t.Fatalf("%q is no decimal", s)
		}
		return r
	}
	rapid.Check(t, func(t *rapid.T) {
		a, b := decimal.Draw(t, "a"), decimal.Draw(t, "b")
		same := value(t, a).Cmp(value(t, b)) == 0
		if got := account.CanonicalDecimal(a) == account.CanonicalDecimal(b); got != same {
			t.Errorf("%q and %q: same spelling %v, same value %v", a, b, got, same)
		}
		if c := account.CanonicalDecimal(a); value(t, c).Cmp(value(t, a)) != 0 {
			t.Errorf("%q became another value: %q", a, c)
		}
	})
}

func FuzzCanonicalDecimal(f *testing.F) {
	for _, s := range []string{"5", "05.00", "-0.0", ".5", "5.", "-", "", "1e9", " 7 ", "1.2.3", "00000000000000000001.10"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, in string) {
		once := account.CanonicalDecimal(in)
		if account.CanonicalDecimal(once) != once {
			t.Errorf("%q becomes %q, and that %q", in, once, account.CanonicalDecimal(once))
		}
		if once == in {
			return
		}
		// What it respelled is a decimal, and all spellings of the value are one.
		was, ok := new(big.Rat).SetString(strings.TrimSpace(in))
		is, stillOK := new(big.Rat).SetString(once)
		if !ok || !stillOK || was.Cmp(is) != 0 {
			t.Errorf("%q became %q, which is not the same value", in, once)
		}
		padded := once + ".0"
		if strings.Contains(once, ".") {
			padded = once + "0"
		}
		if account.CanonicalDecimal(padded) != once {
			t.Errorf("%q and %q are one value but two spellings", padded, once)
		}
	})
}
