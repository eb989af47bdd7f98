package voximplant

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"cpaas.dev/child-account-operator/internal/account"
	"cpaas.dev/child-account-operator/internal/provider"
	"cpaas.dev/child-account-operator/internal/simulator"
)

func TestGetAccountPlans(t *testing.T) {
	w := newWorld(t, simulator.Settings{})
	id := w.children(1)[0]
	plans, err := w.Client().GetAccountPlans(background, id, PlansParams{Types: []string{"MAU", "IM"}, TemplateIDs: []string{"10"}})
	if err != nil || len(plans) != 1 {
		t.Fatalf("%v, %v", plans, err)
	}
	p := plans[0]
	if p.TemplateID != "10" || p.Type != "MAU" || p.Name != "MAU Free" || p.PeriodicCharge != "0" || len(p.NextCharge) != len("2026-11-28") || len(p.Packages) != 1 {
		t.Errorf("%+v", p)
	}
	want := PlanPackage{
		PriceGroupIDs: []string{"100"}, Name: "MAU Free", MayOverrun: "true", OverrunPrice: "0.02", OverrunResources: "1",
		ResourceLeft: "1000", Size: "1000", OriginalSize: "1000",
	}
	if got := p.Packages[0]; fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("%+v", got)
	}
	c := w.Calls()[0]
	if c.Auth != simulator.AuthJWT || fmt.Sprint(c.Account) != id || c.Params["plan_type"] != "MAU;IM" || c.Params["plan_subscription_template_id"] != "10" || len(c.Params) != 2 {
		t.Errorf("by %s as %d: %v", c.Auth, c.Account, c.Params)
	}
	offers, err := w.Client().GetAvailablePlans(background, id, PlansParams{})
	if err != nil || len(offers) != 4 || offers[0].NextCharge != "" || len(w.Calls()[1].Params) != 0 {
		t.Errorf("%v, %v", offers, err)
	}
	want.ResourceLeft, want.OriginalSize, want.PriceGroupIDs, want.Name = "", "", []string{"110"}, "MAU Start"
	if got := offers[0].Packages[0]; fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("offered: %+v", got)
	}
}

func TestChangeAccountPlan(t *testing.T) {
	w := newWorld(t, simulator.Settings{ChargePlans: true})
	id := w.children(1)[0]
	if err := w.SetField(idOf(t, id), "balance", 70); err != nil {
		t.Fatal(err)
	}
	state, err := w.Client().ChangeAccountPlan(background, id, "MAU", "11")
	if err != nil || *state != (AccountState{ID: id, Frozen: "false", Balance: "20", Currency: "USD"}) {
		t.Fatalf("%+v, %v", state, err)
	}
	c := w.Calls()[0]
	if fmt.Sprint(c.Account) != id || c.Auth != simulator.AuthJWT || len(c.Params) != 2 || simulator.PlanOf(w.Simulator, idOf(t, id), "MAU") != 11 {
		t.Errorf("as %d by %s: %v", c.Account, c.Auth, c.Params)
	}
	e := wantError(t, w.ChangePlan(background, id, account.Plan{Type: "MAU", ID: "12"}), account.BalanceTooLow, false)
	if !strings.Contains(e.Message, "the account's own balance") || !strings.Contains(e.Next, "not its parent") {
		t.Errorf("%+v", e)
	}
}

// What can't be a plan, or a type of plans, never leaves.
func TestPlansAreCheckedBeforeTheCall(t *testing.T) {
	w := newWorld(t, simulator.Settings{})
	for name, call := range map[string]func() error{
		"no account":   func() error { _, err := w.Client().GetAccountPlans(background, "", PlansParams{}); return err },
		"all accounts": func() error { _, err := w.Client().GetAvailablePlans(background, "all", PlansParams{}); return err },
		"a list of types": func() error {
			_, err := w.Client().GetAccountPlans(background, "7", PlansParams{Types: []string{"MAU;IM"}})
			return err
		},
		"no template": func() error {
			_, err := w.Client().GetAccountPlans(background, "7", PlansParams{TemplateIDs: []string{"x"}})
			return err
		},
		"change of no account": func() error { _, err := w.Client().ChangeAccountPlan(background, "0", "MAU", "11"); return err },
		"change without type":  func() error { _, err := w.Client().ChangeAccountPlan(background, "7", "", "11"); return err },
		"change without plan":  func() error { _, err := w.Client().ChangeAccountPlan(background, "7", "MAU", ""); return err },
	} {
		if e := account.AsError(call()); e == nil || e.Class != account.Invalid || e.OutcomeUnknown {
			t.Errorf("%s: %#v", name, e)
		}
	}
	if n := len(w.Calls()); n != 0 {
		t.Errorf("%d calls", n)
	}
}

// Each code of the plan methods says what it means there, and what to do.
func TestPlanRefusals(t *testing.T) {
	for _, test := range []struct {
		code    int
		class   account.Class
		unknown bool
		field   string
		text    string
	}{
		{100, account.RoleMissing, false, "", "this capability is not granted"},
		{104, account.RoleMissing, false, "", "this capability is not granted"},
		{110, account.Invalid, false, "plans", "no such plan"},
		{127, account.BalanceTooLow, false, "", "the account's own balance is too low"},
		{131, account.BlockedVerification, false, "", "not activated"},
		{281, account.BlockedVerification, false, "", "must be verified"},
		{282, account.BlockedVerification, false, "", "in progress"},
		{340, account.Throttled, false, "", "Rate limit"},
		{379, account.BlockedNotEnabled, false, "", "forbids to change the plan"},
		{426, account.Invalid, false, "plans", "no such type of plan"},
		{515, account.Throttled, true, "", "performed recently"},
		{516, account.InProgress, true, "", "a payment of this account is in progress"},
		{2, account.Unavailable, true, "", "Internal error"},
	} {
		w := newWorld(t, simulator.Settings{})
		id := w.children(1)[0]
		w.AddFault(simulator.Fault{Kind: simulator.FaultError, Code: test.code})
		e := wantError(t, w.ChangePlan(background, id, account.Plan{Type: "MAU", ID: "11"}), test.class, test.unknown)
		if e.Field != test.field || e.Code != test.code || !strings.Contains(e.Message, test.text) {
			t.Errorf("%d: %#v", test.code, e)
		}
		if row, ok := planRefusals[test.code]; ok && (e.Next != row.next || e.Next == "") {
			t.Errorf("%d: what next is %q", test.code, e.Next)
		}
		_, err := w.Plans(background, id)
		if e := account.AsError(err); e == nil || e.OutcomeUnknown || e.Class != test.class {
			t.Errorf("%d, of a read: %#v", test.code, e)
		}
	}
}

// Where acting as a child is not granted, nothing follows for the parent's own calls.
func TestPlansAreNotGranted(t *testing.T) {
	w := newWorld(t, simulator.Settings{NoActAsChild: true})
	id := w.children(1)[0]
	before := evidenceOf(w.Remote)
	_, err := w.Plans(background, id)
	wantError(t, err, account.RoleMissing, false)
	_, err = w.PlanOffers(background, id)
	wantError(t, err, account.RoleMissing, false)
	wantError(t, w.ChangePlan(background, id, account.Plan{Type: "MAU", ID: "11"}), account.RoleMissing, false)
	if after := evidenceOf(w.Remote); after != before {
		t.Errorf("evidence %s; was %s", after, before)
	}
	if _, err := w.Get(background, provider.Selector{IDs: []string{id}}); err != nil {
		t.Error(err)
	}
}

// Answers that are none leave a change unknown, and a read without a result. Numbers may come as strings, and the other way round.
func TestPlansAnsweredOddly(t *testing.T) {
	for body, want := range map[string]string{
		`{"result":[]}`:                    "[]",
		`{"result":null}`:                  "not a list",
		`{"result":{}}`:                    "not a list",
		`{"result":1}`:                     "not a list",
		`{"result":[null]}`:                "not a list",
		`{"result":[{"plan_type":"MAU"}]}`: "not a list",
		`{"result":[{"plan_subscription_template_id":7}]}`: "not a list",
		`{"result":[{"plan_subscription_template_id":"7","plan_type":"MAU","periodic_charge":"12.50","plan_name":5,"packages":null}]}`: "[{MAU 7 5 12.50}]",
		`{"result":[{"plan_subscription_template_id":7,"plan_type":"MAU","periodic_charge":1e2}]}`:                                     "[{MAU 7  100}]",
		`{"result":[{"plan_subscription_template_id":7,"plan_type":"MAU","packages":"none"}]}`:                                         "not a list",
		`{"result":[{"plan_subscription_template_id":-7,"plan_type":"MAU"}]}`:                                                          "not a list",
	} {
		client := stub(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(body)) })
		plans, err := client.Plans(background, "7")
		switch {
		case strings.HasPrefix(want, "["):
			got := make([]string, len(plans))
			for i, p := range plans {
				got[i] = fmt.Sprintf("{%s %s %s %s}", p.Type, p.ID, p.Name, p.Charge)
			}
			if err != nil || fmt.Sprint(got) != want {
				t.Errorf("%s: %v, %v", body, got, err)
			}
		default:
			if e := account.AsError(err); e == nil || e.Class != account.Unavailable || e.OutcomeUnknown || !strings.Contains(e.Message, want) {
				t.Errorf("%s: %#v", body, e)
			}
		}
	}
	for body, done := range map[string]bool{
		`{"result":1}`: true, `{"result":"1","account_info":{"balance":"5"}}`: true, `{"result":1,"account_info":[]}`: true,
		`{"result":0}`: false, `{"result":[]}`: false,
	} {
		client := stub(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(body)) })
		err := client.ChangePlan(background, "7", account.Plan{Type: "MAU", ID: "11"})
		if e := account.AsError(err); done != (e == nil) || e != nil && !e.OutcomeUnknown {
			t.Errorf("%s: %#v", body, e)
		}
	}
}
