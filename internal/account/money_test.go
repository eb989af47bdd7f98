package account

import "testing"

func TestParseAmount(t *testing.T) {
	for text, want := range map[string]float64{"5": 5, " -12.50 ": -12.5, "0": 0, "1e3": 1000} {
		if got, ok := ParseAmount(text); !ok || got != want {
			t.Errorf("%q is %v, %v", text, got, ok)
		}
	}
	for _, text := range []string{"", "five", "NaN", "inf", "-Infinity", "1,5", "1e999"} {
		if got, ok := ParseAmount(text); ok {
			t.Errorf("%q is %v", text, got)
		}
	}
}

func TestCurrencyCode(t *testing.T) {
	for currency, want := range map[string]string{"USD": "USD", "": "other", "usd": "other", "EURO": "other", "U\"}": "other", "ÄÖ": "other"} {
		if got := CurrencyCode(currency); got != want {
			t.Errorf("%q is %q", currency, got)
		}
	}
}
