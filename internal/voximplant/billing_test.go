package voximplant

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"cpaas.dev/child-account-operator/internal/account"
	"cpaas.dev/child-account-operator/internal/simulator"
)

// withPhones is a world whose child has a balance and two phone numbers that are charged by hand, and one that is not.
func withPhones(t *testing.T) (w *world, child string) {
	t.Helper()
	w = newWorld(t, simulator.Settings{})
	a := w.PutAccount(simulator.Account{ParentID: w.parent.ID, Fields: simulator.Fields{
		"account_name": "child-1", "account_email": "child-1@example.com", "active": true, "balance": 10.0, "currency": "EUR",
		"phones": []map[string]any{
			{"phone_id": 11, "phone_number": "4930111", "price": 2.5, "deactivated": true},
			{"phone_id": 12, "phone_number": "4930112", "price": 3.0},
			{"phone_id": 13, "phone_number": "4930113", "price": 100.0, "auto_charge": true},
		},
	}})
	return w, fmt.Sprint(a.ID)
}

func TestChargeAccount(t *testing.T) {
	w, child := withPhones(t)
	b := BillingOf(w.Client(), child)
	got, err := b.ChargeAccount(context.Background(), ChargeAccountParams{PhoneIDs: []string{"11"}})
	if err != nil || got.Amount != "2.5" || len(got.Phones) != 1 || got.Phones[0] != (ChargedPhone{"11", "4930111", "true", "false"}) {
		t.Fatalf("%+v, %v", got, err)
	}
	if got.Account != (ChargedAccount{Scalar(child), "false", "7.5", "EUR"}) {
		t.Errorf("%+v", got.Account)
	}
	got, err = b.ChargeAccount(context.Background(), ChargeAccountParams{All: true})
	if err != nil || got.Amount != "3" || got.Account.Balance != "4.5" || len(got.Phones) != 3 || got.Phones[0].Charged != "false" {
		t.Errorf("what was paid is paid again: %+v, %v", got, err)
	}
	got, err = b.ChargeAccount(context.Background(), ChargeAccountParams{PhoneNumbers: []string{"4930113"}})
	if err != nil || got.Amount != "0" {
		t.Errorf("%+v, %v", got, err)
	}
}

func TestChargeAccountRefusals(t *testing.T) {
	w, child := withPhones(t)
	b := BillingOf(w.Client(), child)
	charge := func(p ChargeAccountParams) error { _, err := b.ChargeAccount(context.Background(), p); return err }
	for name, p := range map[string]ChargeAccountParams{
		"nothing": {}, "two ways": {All: true, PhoneIDs: []string{"11"}}, "both": {PhoneIDs: []string{"11"}, PhoneNumbers: []string{"4930111"}},
		"all as an id": {PhoneIDs: []string{"all"}}, "all as a number": {PhoneNumbers: []string{"all"}}, "a list as a number": {PhoneNumbers: []string{"1;2"}},
	} {
		if e := account.AsError(charge(p)); e == nil || e.Class != account.Invalid || e.Answered {
			t.Errorf("%s: %v", name, e)
		}
	}
	if n := len(w.Calls()); n != 0 {
		t.Errorf("%d calls for what is refused before", n)
	}
	wantError(t, charge(ChargeAccountParams{PhoneIDs: []string{"99"}}), account.Invalid, false)
	w.Simulator.Update(func(s *simulator.Settings) { s.NoActAsChild = true })
	wantError(t, charge(ChargeAccountParams{All: true}), account.RoleMissing, false)
	w.Simulator.Update(func(s *simulator.Settings) { s.NoActAsChild = false })

	w.AddFault(simulator.Fault{Kind: simulator.FaultLoseAnswer, Times: 1})
	wantError(t, charge(ChargeAccountParams{All: true}), account.Unavailable, true)
	if a, _ := w.Account("child-1"); fmt.Sprint(a.Fields["balance"]) != "4.5" {
		t.Errorf("the balance is %v", a.Fields["balance"])
	}
}

func TestChargeAccountWithTooLittle(t *testing.T) {
	w, child := withPhones(t)
	if err := w.SetField(mustID(t, child), "balance", 5.0); err != nil {
		t.Fatal(err)
	}
	_, err := BillingOf(w.Client(), child).ChargeAccount(context.Background(), ChargeAccountParams{All: true})
	wantError(t, err, account.BalanceTooLow, false)
	if a, _ := w.Account("child-1"); fmt.Sprint(a.Fields["balance"]) != "5" {
		t.Errorf("the balance is %v", a.Fields["balance"])
	}
}

func mustID(t *testing.T, text string) (id int64) {
	t.Helper()
	if _, err := fmt.Sscan(text, &id); err != nil {
		t.Fatal(err)
	}
	return id
}

func TestPrices(t *testing.T) {
	w, child := withPhones(t)
	for _, id := range []string{"", child} {
		b := BillingOf(w.Client(), id)
		prices, err := b.GetResourcePrice(context.Background(), ResourcePriceParams{Types: []string{"PSTNOUT", "SMSOUT"}, For: []string{"4930123456"}, GroupName: "germany"})
		if err != nil || len(prices) != 2 || prices[0].Type != "PSTNOUT" || len(prices[0].Groups) != 1 {
			t.Fatalf("%+v, %v", prices, err)
		}
		g := prices[0].Groups[0]
		if g.Price != "0.012" || g.Quantum != "60" || len(g.Params.Requested) != 1 || g.Params.Requested[0] != "4930123456" {
			t.Errorf("%+v", g)
		}
		templates, err := b.GetSubscriptionPrice(context.Background(), SubscriptionPriceParams{Type: "PHONE_NUM", Offset: 1, Count: 1})
		if err != nil || len(templates) != 1 || templates[0].Name != "Phone RU 495" || templates[0].Price != "5.25" || templates[0].VerificationStatus != "REQUIRED" {
			t.Errorf("%+v, %v", templates, err)
		}
	}
	b := BillingOf(w.Client(), child)
	if byID, err := b.GetSubscriptionPrice(context.Background(), SubscriptionPriceParams{TemplateIDs: []string{"1", "2"}}); err != nil || len(byID) != 2 || byID[0].Currency != "EUR" {
		t.Errorf("%+v, %v", byID, err)
	}
	if groups, err := b.GetResourcePrice(context.Background(), ResourcePriceParams{GroupIDs: []string{"401"}}); err != nil || len(groups) != 1 || groups[0].Type != "AUDIORECORD" {
		t.Errorf("%+v, %v", groups, err)
	}
	_, err := b.GetResourcePrice(context.Background(), ResourcePriceParams{GroupIDs: []string{"x"}})
	wantError(t, err, account.Invalid, false)
	_, err = b.GetResourcePrice(context.Background(), ResourcePriceParams{Types: []string{"PSTNOUT;SMSOUT"}})
	wantError(t, err, account.Invalid, false)
	_, err = b.GetSubscriptionPrice(context.Background(), SubscriptionPriceParams{Type: "NONSENSE"})
	wantError(t, err, account.Invalid, false)
	_, err = BillingOf(w.Client(), "5;6").GetSubscriptionPrice(context.Background(), SubscriptionPriceParams{})
	wantError(t, err, account.Invalid, false)
}

// An answer that is none of the method's is no success.
func TestBillingAnswers(t *testing.T) {
	for body, unknown := range map[string]bool{
		`{"result": 1}`:                       true,
		`{"result": {}}`:                      true,
		`{"result": {"phones": 5}}`:           true,
		`{"result": [{"resource_type": 5}`:    true,
		strings.Repeat("x", 10):               true,
		`{"error": {"code": 127, "msg": ""}}`: false,
	} {
		r := stub(t, respond(200, "application/json", body))
		_, err := BillingOf(r.Client(), "").ChargeAccount(context.Background(), ChargeAccountParams{All: true})
		if e := account.AsError(err); e == nil || e.OutcomeUnknown != unknown {
			t.Errorf("%s: %#v", body, e)
		}
	}
	r := stub(t, respond(200, "application/json", `{"result": 1}`))
	_, err := BillingOf(r.Client(), "").GetResourcePrice(context.Background(), ResourcePriceParams{})
	wantError(t, err, account.Unavailable, false)
	_, err = BillingOf(r.Client(), "").GetSubscriptionPrice(context.Background(), SubscriptionPriceParams{})
	wantError(t, err, account.Unavailable, false)
}
