package simulator

import (
	"fmt"
	"path/filepath"
	"slices"
	"testing"

	"github.com/golang-jwt/jwt/v5"
)

// callAsChild makes a call with a token that the parent's key signed for a child.
func (f *fixture) callAsChild(child int64, method string, params form) response {
	f.t.Helper()
	return f.callAs(f.token(f.creds, jwt.MapClaims{"iss": child}), method, params)
}

// planIDs are the templates in an answer.
func planIDs(t *testing.T, r response) (ids []string) {
	t.Helper()
	wantCode(t, r, 0)
	for _, row := range r.rows(t) {
		if row["plan_name"] == "" || row["periodic_charge"] == nil || row["packages"] == nil {
			t.Errorf("plan %v", row)
		}
		ids = append(ids, fmt.Sprint(row["plan_subscription_template_id"]))
	}
	return ids
}

func plan(kind, id string) form {
	return form{"plan_type": kind, "plan_subscription_template_id": id}
}

func TestPlans(t *testing.T) {
	f := newFixture(t)
	one, other := f.child("acme-one").ID, f.child("acme-two").ID
	for _, test := range []struct {
		method string
		params form
		want   []string
	}{
		{"GetAccountPlans", nil, []string{"10", "20"}},
		{"GetAccountPlans", form{"plan_type": "IM"}, []string{"20"}},
		{"GetAccountPlans", form{"plan_subscription_template_id": "10;11"}, []string{"10"}},
		{"GetAvailablePlans", nil, []string{"11", "12", "21", "22"}},
		{"GetAvailablePlans", form{"plan_type": "MAU;IM", "plan_subscription_template_id": "12;22"}, []string{"12", "22"}},
	} {
		if got := planIDs(t, f.callAsChild(one, test.method, test.params)); !slices.Equal(got, test.want) {
			t.Errorf("%s %v: %v, want %v", test.method, test.params, got, test.want)
		}
	}
	r := f.callAsChild(one, "ChangeAccountPlan", plan("MAU", "11"))
	wantCode(t, r, 0)
	if string(r.Result) != "1" || !f.lastCall().Changed || f.lastCall().Account != one {
		t.Errorf("%s", r.body)
	}
	if PlanOf(f.Simulator, one, "MAU") != 11 || PlanOf(f.Simulator, one, "IM") != 20 || PlanOf(f.Simulator, other, "MAU") != 10 {
		t.Error("the plan of another account or type was changed")
	}
	account := f.callAsChild(one, "GetAccountPlans", form{"plan_type": "MAU"}).rows(t)[0]
	if account["next_charge"] != "2026-06-06" || account["plan_subscription_template_id"] != 11.0 {
		t.Errorf("%v", account)
	}
	if got := planIDs(t, f.callAsChild(one, "GetAvailablePlans", form{"plan_type": "MAU"})); !slices.Equal(got, []string{"12"}) {
		t.Errorf("offered after it: %v", got)
	}
	// The parent has plans of its own.
	if got := planIDs(t, f.call("GetAccountPlans", nil)); !slices.Equal(got, []string{"10", "20"}) {
		t.Errorf("the parent's: %v", got)
	}
}

func TestChangeAccountPlanIsRefused(t *testing.T) {
	for _, test := range []struct {
		name     string
		settings Settings
		params   form
		code     int
	}{
		{"no type", Settings{}, plan("", "11"), codeEmptyParameter},
		{"a type that there is not", Settings{}, plan("SMS", "11"), codePlanType},
		{"no template", Settings{}, form{"plan_type": "MAU"}, codeSpecify},
		{"a template that there is not", Settings{}, plan("MAU", "99"), codePlan},
		{"a template of another type", Settings{}, plan("MAU", "21"), codePlan},
		{"a template that is no number", Settings{}, plan("MAU", "abc"), codePlan},
		{"the present plan", Settings{}, plan("MAU", "10"), codePlanForbidden},
		{"forbidden", Settings{ForbidPlanChange: true}, plan("MAU", "11"), codePlanForbidden},
		{"a payment in progress", Settings{PaymentInProgress: true}, plan("MAU", "11"), codePaymentInProgress},
		{"no money", Settings{ChargePlans: true}, plan("MAU", "11"), codeMoney},
		{"a parameter that it does not have", Settings{}, form{"plan_type": "MAU", "plan_subscription_template_id": "11", "force": "true"}, codeForbiddenParameter},
		{"not as the child", Settings{NoActAsChild: true}, plan("MAU", "11"), codeUnauthorized},
	} {
		f := newFixture(t, func(s *Settings) { *s = test.settings })
		child := f.child("acme-one").ID
		wantCode(t, f.callAsChild(child, "ChangeAccountPlan", test.params), test.code)
		if PlanOf(f.Simulator, child, "MAU") != 10 || f.lastCall().Changed {
			t.Errorf("%s: changed", test.name)
		}
	}
}

func TestPlansByTheSettings(t *testing.T) {
	f := newFixture(t, func(s *Settings) { s.ChargePlans, s.OfferAllPlans = true, true })
	child := f.child("acme-one").ID
	if err := f.SetField(child, "balance", 60); err != nil {
		t.Fatal(err)
	}
	wantCode(t, f.callAsChild(child, "ChangeAccountPlan", plan("MAU", "11")), 0)
	if a, _ := f.AccountByID(child); a.Fields["balance"] != 10.0 {
		t.Errorf("balance %v", a.Fields["balance"])
	}
	wantCode(t, f.callAsChild(child, "ChangeAccountPlan", plan("MAU", "12")), codeMoney)
	if got := planIDs(t, f.callAsChild(child, "GetAvailablePlans", form{"plan_type": "MAU"})); !slices.Equal(got, []string{"10", "11", "12"}) {
		t.Errorf("offered: %v", got)
	}
	f.Update(func(s *Settings) { *s = Settings{IgnorePlanChange: true} })
	wantCode(t, f.callAsChild(child, "ChangeAccountPlan", plan("MAU", "12")), 0)
	if PlanOf(f.Simulator, child, "MAU") != 11 {
		t.Error("a change is kept that is to be ignored")
	}
}

// Plans are in the state file, and go with their account.
func TestPlansInTheStateFile(t *testing.T) {
	file := filepath.Join(t.TempDir(), "state.json")
	s := New(Options{StateFile: file})
	parent := s.AddParent(Parent{Name: "acme", Email: "owner@acme.example"})
	put := func(name string) int64 {
		return s.PutAccount(Account{ParentID: parent.ID, Fields: Fields{"account_name": name, "account_email": name + "@acme.example"}}).ID
	}
	stays, goes := put("acme-one"), put("acme-two")
	SetPlan(s, stays, 12)
	SetPlan(s, stays, 21)
	SetPlan(s, goes, 11)
	s.Remove(goes)
	again := New(Options{StateFile: file})
	if PlanOf(again, stays, "MAU") != 12 || PlanOf(again, stays, "IM") != 21 || PlanOf(again, goes, "MAU") != 10 || len(again.plans) != 1 {
		t.Errorf("%v", again.plans)
	}
}
