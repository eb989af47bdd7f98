package voximplant

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"cpaas.dev/child-account-operator/internal/account"
	"cpaas.dev/child-account-operator/internal/simulator"
)

// ownValues are a value for every field of the parent account itself.
var ownValues = map[string]string{
	"languageCode": "de", "location": "Europe/Berlin", "notifications.account": "true", "notifications.tariffChanges": "false", "notifications.news": "true",
	"minBalanceToNotify": "50.00", "callback.url": "https://hooks.example.com/a?b=c&d", "profile.firstName": "Ada", "profile.lastName": "Lovelace",
	"profile.mobilePhone": "+4915112345678", "profile.customData": "ours", "profile.sendJSErrors": "true", "profile.storeInboundSMS": "true",
	"profile.storeOutboundSMS": "false", "profile.billingAddress.name": "Acme", "profile.billingAddress.countryCode": "DE",
	"profile.billingAddress.address": "Hauptstr. 1", "profile.billingAddress.zip": "10115", "profile.billingAddress.phone": "030",
}

func ownChanges(t *testing.T) (changes []account.Change) {
	t.Helper()
	for _, f := range OwnFields() {
		value, ok := ownValues[f.Path]
		if !ok || f.Delegated || f.Batchable || f.Settable || !f.Updatable || f.Mark != account.MarkNone {
			t.Errorf("%+v: value %q", f, value)
		}
		changes = append(changes, account.Change{Field: f, To: value})
	}
	if len(changes) != len(ownValues) {
		t.Errorf("%d fields, %d values", len(changes), len(ownValues))
	}
	return changes
}

// All fields are one call as the parent itself, and what is shown of them is read back in the spelling for comparison.
func TestUpdateOfTheParentAccountItself(t *testing.T) {
	w := newWorld(t, simulator.Settings{})
	w.children(1)
	child, _ := w.Account("child-00000")
	changes := ownChanges(t)
	if err := w.UpdateOwn(background, changes, testSalt); err != nil {
		t.Fatal(err)
	}
	c := w.Calls()[0]
	if len(w.Calls()) != 1 || c.Method != "SetAccountInfo" || c.Account != w.parent.ID || len(c.Params) != len(changes)+1 || c.SecretInURL {
		t.Errorf("%d calls, %s as %d: %v", len(w.Calls()), c.Method, c.Account, c.Params)
	}
	for _, never := range []string{"new_account_email", "new_account_password"} {
		if _, sent := c.Params[never]; sent {
			t.Errorf("%s was sent", never)
		}
	}
	own, err := w.Own(background)
	if err != nil || own.ID != fmt.Sprint(w.parent.ID) {
		t.Fatalf("%v, %v", own, err)
	}
	if left := account.Diff(OwnFields(), declared(changes), own.State, account.Applied(changes)); len(left) > 0 {
		t.Errorf("still differs: %s", account.FieldNames(left))
	}
	if strings.Contains(fmt.Sprint(own), testSalt.Reveal()) {
		t.Error("the salt is read")
	}
	if after, _ := w.Account("child-00000"); fmt.Sprint(after.Fields) != fmt.Sprint(child.Fields) {
		t.Error("a child has changed")
	}
}

func TestTheParentAccountsEmailIsNoFieldOfIt(t *testing.T) {
	w := newWorld(t, simulator.Settings{})
	for _, path := range []string{fieldEmail, "active", "payments.invoice", "canUseRestricted", fieldAccountName, "frozen", "recordStorage.name", fieldSalt} {
		if _, has := OwnFields().Field(path); has {
			t.Errorf("%s is a field", path)
		}
		f, _ := schema.Field(path)
		f.Path = path
		e := wantError(t, w.UpdateOwn(background, []account.Change{{Field: f, To: "true"}}, ""), account.Invalid, false)
		if e.Field != path {
			t.Errorf("%s: %#v", path, e)
		}
	}
	f, _ := OwnFields().Field("location")
	if e := wantError(t, w.UpdateOwn(background, []account.Change{{Field: f, To: "Nowhere"}}, ""), account.Invalid, false); e.Field != "location" {
		t.Errorf("%#v", e)
	}
	if calls := len(w.Calls()); calls != 0 {
		t.Errorf("%d calls", calls)
	}
}

// A role that is missing says nothing about the credentials: with the list alone 100 is theirs.
func TestRolesForTheParentAccountItself(t *testing.T) {
	for _, code := range []int{codeAuthorizationFailed, codeForbiddenCommand} {
		w := newWorld(t, simulator.Settings{MissingRoleCode: code})
		r := w.remote(t, func(c *Config) {
			c.Credentials = credentials(t, w.Simulator.Credentials(w.parent.ID, simulator.Role("Support")))
		})
		e := wantError(t, r.UpdateOwn(background, ownChanges(t), testSalt), account.RoleMissing, false)
		if !strings.Contains(e.Next, "Owner, Admin, Developer, Accountant, Payer") || e.Code != code || strings.Contains(e.Error()+e.Next, testSalt.Reveal()) {
			t.Errorf("%v, next: %s", e, e.Next)
		}
	}
	w := newWorld(t, simulator.Settings{})
	id := fmt.Sprint(w.parent.ID)
	for method, call := range map[string]func() error{
		"GetAccountPlans":   func() error { _, err := w.Plans(background, id); return err },
		"GetAvailablePlans": func() error { _, err := w.PlanOffers(background, id); return err },
		"ChangeAccountPlan": func() error { return w.ChangePlan(background, id, account.Plan{Type: "MAU", ID: "11"}) },
	} {
		w.AddFault(simulator.Fault{Method: method, Kind: simulator.FaultError, Code: codeAuthorizationFailed, Times: 1})
		if e := account.AsError(call()); e == nil || e.Class != account.RoleMissing {
			t.Errorf("%s: %v", method, e)
		}
	}
}

func TestALostAnswerAboutTheParentAccountItself(t *testing.T) {
	w := newWorld(t, simulator.Settings{})
	f, _ := OwnFields().Field("languageCode")
	change := []account.Change{{Field: f, To: "de"}}
	w.AddFault(simulator.Fault{Method: "SetAccountInfo", Kind: simulator.FaultLoseAnswer, Times: 1})
	wantError(t, w.UpdateOwn(background, change, testSalt), account.Unavailable, true)
	own, err := w.Own(background)
	if err != nil || own.State["languageCode"] != "de" {
		t.Errorf("%v, %v", own.State, err)
	}
	if err := w.UpdateOwn(background, change, ""); err != nil {
		t.Error(err)
	}
	if calls := w.called(); !slices.Equal(calls, []string{"SetAccountInfo", "GetAccountInfo", "SetAccountInfo"}) {
		t.Errorf("%v", calls)
	}
	if e := new(account.Error); !errors.As(w.UpdateOwn(background, []account.Change{{Field: account.Field{Path: "nothing"}}}, ""), &e) {
		t.Error("a field that there is not")
	}
}
