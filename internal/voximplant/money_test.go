package voximplant

import (
	"context"
	"reflect"
	"testing"
	"time"

	"cpaas.dev/child-account-operator/internal/account"
	"cpaas.dev/child-account-operator/internal/provider"
	"cpaas.dev/child-account-operator/internal/simulator"
)

func TestGetMoneyAmountToCharge(t *testing.T) {
	w := newWorld(t, simulator.Settings{})
	if err := w.SetField(w.parent.ID, "subscriptions", []simulator.Subscription{{Amount: 30, Type: "PHONE_NUM", Description: "Phone DE", AutoCharge: true, NextRenewal: "2020-01-02"}}); err != nil {
		t.Fatal(err)
	}
	if err := w.SetField(w.parent.ID, "credit_limit", 10); err != nil {
		t.Fatal(err)
	}
	got, err := w.client.GetMoneyAmountToCharge(context.Background(), time.Date(2126, 1, 2, 0, 0, 0, 0, time.UTC), "EUR")
	want := &MoneyAmount{
		Amount: "27.6", MinAmount: "18.4", BankCardUSD: "30", MinBankCardUSD: "20",
		Subscriptions: []ChargedSubscription{{Amount: "30", Type: "PHONE_NUM", Description: "Phone DE", AutoCharge: true, NextRenewal: "2020-01-02"}},
	}
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("%+v, %v", got, err)
	}
	if charge, err := w.AmountToCharge(context.Background()); err != nil || charge != (account.Charge{Amount: 30, Minimum: 20}) {
		t.Errorf("%+v, %v", charge, err)
	}
}

func TestGetCurrencyRate(t *testing.T) {
	w := newWorld(t, simulator.Settings{})
	got, err := w.client.GetCurrencyRate(context.Background(), []string{"EUR", "KZT"}, time.Date(2026, 1, 2, 0, 0, 0, 0, time.UTC))
	if want := map[string]string{"EUR": "0.92", "KZT": "470.25"}; err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("%v, %v", got, err)
	}
	rates, err := w.ExchangeRates(context.Background())
	if want := map[string]float64{"EUR": 0.92, "KZT": 470.25, "RUR": 90.5, "USD": 1}; err != nil || !reflect.DeepEqual(rates, want) {
		t.Errorf("%v, %v", rates, err)
	}
}

// Balances come with the accounts that are read anyway, where they are asked for, and are in no State.
func TestBalances(t *testing.T) {
	withBalances := func(c *Config) { c.Balances = true }
	for _, asked := range []bool{false, true} {
		var change []func(*Config)
		if asked {
			change = append(change, withBalances)
		}
		w := newWorld(t, simulator.Settings{}, change...)
		ids := w.children(1)
		for field, value := range map[string]any{"balance": -1.5, "credit_limit": 20, "currency": "EUR"} {
			if err := w.SetField(idOf(t, ids[0]), field, value); err != nil {
				t.Fatal(err)
			}
			if err := w.SetField(w.parent.ID, field, value); err != nil {
				t.Fatal(err)
			}
		}
		limit := 20.0
		want := &account.Balance{Amount: -1.5, CreditLimit: &limit, Currency: "EUR"}
		if !asked {
			want = nil
		}
		listed, _, err := list(w.Remote, provider.Known{})
		if err != nil || !reflect.DeepEqual(listed[0].Balance, want) {
			t.Errorf("asked %v: the list has %+v, %v", asked, listed, err)
		}
		self, err := w.Self(context.Background())
		if err != nil || !reflect.DeepEqual(self.Balance, want) {
			t.Errorf("asked %v: Self has %+v, %v", asked, self, err)
		}
		if _, ok := listed[0].State["balance"]; ok {
			t.Error("the balance is part of the state")
		}
		if b, err := w.Balance(context.Background()); err != nil || b.Amount != -1.5 || *b.CreditLimit != 20 || b.Currency != "EUR" {
			t.Errorf("%+v, %v", b, err)
		}
	}
}
