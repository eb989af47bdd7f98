package simulator

import (
	"encoding/json"
	"fmt"
	"testing"
)

func TestGetCurrencyRate(t *testing.T) {
	f := newFixture(t)
	f.creds = f.newKey(f.parent.ID, RoleDeveloper) // any key will do
	var rates map[string]float64
	r := f.call("GetCurrencyRate", form{"currency": "EUR;RUR", "date": "2026-05-06"})
	if err := json.Unmarshal(r.Result, &rates); err != nil || len(rates) != 2 || rates["EUR"] != currencyRates["EUR"] || rates["RUR"] != currencyRates["RUR"] {
		t.Errorf("%s", r.body)
	}
	for _, test := range []struct {
		form form
		code int
	}{
		{nil, codeSpecify},
		{form{"currency": "EUR;XXX"}, codeCurrency},
		{form{"currency": "EUR,USD"}, codeCurrency},
		{form{"currency": "EUR", "date": "2026-05-07"}, codeInvalidParameter}, // the fixture's tomorrow
		{form{"currency": "EUR", "date": "2012-12-31"}, codeInvalidParameter},
		{form{"currency": "EUR", "date": "today"}, codeInvalidParameter},
	} {
		wantCode(t, f.call("GetCurrencyRate", test.form), test.code)
	}
}

func TestGetMoneyAmountToCharge(t *testing.T) {
	f := newFixture(t)
	amounts := func(form form) string {
		t.Helper()
		var m struct {
			Amount        float64          `json:"amount"`
			MinAmount     float64          `json:"min_amount"`
			Subscriptions []map[string]any `json:"subscriptions"`
		}
		r := f.call("GetMoneyAmountToCharge", form)
		if err := json.Unmarshal(r.Result, &m); err != nil {
			t.Fatalf("%s: %v", r.body, err)
		}
		return fmt.Sprintf("%v %v of %d", m.Amount, m.MinAmount, len(m.Subscriptions))
	}
	set := func(field string, value any) {
		t.Helper()
		if err := f.SetField(f.parent.ID, field, value); err != nil {
			t.Fatal(err)
		}
	}
	if got := amounts(nil); got != "0 0 of 0" {
		t.Errorf("without subscriptions: %s", got)
	}
	set(fieldSubscriptions, []Subscription{{Amount: 30, Type: "PHONE_NUM", NextRenewal: "2026-05-06"}, {Amount: 20, Type: "SIP_REGISTRATION", NextRenewal: "2026-06-06"}})
	set("balance", 10.0)
	set("credit_limit", 5.0)
	for text, form := range map[string]form{
		"20 15 of 2":     nil,
		"40 35 of 2":     {"charge_date": "2026-06-06"},
		"18.4 13.8 of 2": {"currency": "EUR"},
	} {
		if got := amounts(form); got != text {
			t.Errorf("%v: %s, want %s", form, got, text)
		}
	}
	set("balance", 100.0)
	if got := amounts(nil); got != "0 0 of 2" {
		t.Errorf("with enough money: %s", got)
	}
	wantCode(t, f.call("GetMoneyAmountToCharge", form{"charge_date": "2026-05-05"}), codeInvalidParameter)
	wantCode(t, f.call("GetMoneyAmountToCharge", form{"currency": "GBP"}), codeCurrency)
	f.creds = f.newKey(f.parent.ID, RoleDeveloper)
	wantCode(t, f.call("GetMoneyAmountToCharge", nil), codeUnauthorized)
}
