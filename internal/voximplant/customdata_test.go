package voximplant

import (
	"fmt"
	"strings"
	"testing"

	"cpaas.dev/child-account-operator/internal/account"
	"cpaas.dev/child-account-operator/internal/provider"
	"cpaas.dev/child-account-operator/internal/simulator"
)

func TestSetCustomData(t *testing.T) {
	w := newWorld(t, simulator.Settings{})
	ids := w.children(2)
	claim := account.Claim{Installation: `a"b\c`, Namespace: "telephonie-m\u00fcnchen", Name: "child-00000"}
	for range 2 { // it may be repeated
		if err := w.SetCustomData(background, ids[0], claim.CustomData()); err != nil {
			t.Fatal(err)
		}
	}
	found, err := w.Get(background, provider.Selector{IDs: ids})
	if err != nil || len(found) != 2 {
		t.Fatalf("%v, %v", found, err)
	}
	if got, ok := found[0].Claim(); !ok || got != claim || found[1].CustomData != "" {
		t.Errorf("%q, %q", found[0].CustomData, found[1].CustomData)
	}
	c := w.Calls()[0]
	if c.Method != "SetAccountInfo" || c.Auth != simulator.AuthJWT || fmt.Sprint(c.Account) != ids[0] || len(c.Params) != 1 {
		t.Errorf("%s by %s as %d: %v", c.Method, c.Auth, c.Account, c.Params)
	}
}

func TestSetAccountInfoOfTheParent(t *testing.T) {
	w := newWorld(t, simulator.Settings{})
	values := SetAccountInfoParams{CustomData: "ours"}
	if err := w.Client().SetAccountInfo(background, fmt.Sprint(w.parent.ID), values); err != nil {
		t.Fatal(err)
	}
	self, err := w.Self(background)
	if err != nil || self.CustomData != "ours" {
		t.Errorf("%+v, %v", self, err)
	}
	// The parent's own refusal is no matter of acting as a child.
	w.RevokeKey(w.Client().config.Credentials.KeyID)
	err = w.Client().SetAccountInfo(background, fmt.Sprint(w.parent.ID), values)
	wantError(t, err, account.Unauthorized, false)
}

// Where acting as a child is not granted, nothing follows for the parent's own calls: neither before anything has worked,
// when 100 means that the credentials are refused, nor after, when it means that a role is missing.
func TestActingAsChildIsNotGranted(t *testing.T) {
	for _, proven := range []bool{false, true} {
		w := newWorld(t, simulator.Settings{NoActAsChild: true, RequireParentCredentials: true})
		id := w.children(1)[0]
		if proven {
			if _, err := w.Get(background, provider.Selector{IDs: []string{id}}); err != nil {
				t.Fatal(err)
			}
		}
		before := evidenceOf(w.Remote)
		for range 2 {
			e := wantError(t, w.SetCustomData(background, id, "claim"), account.RoleMissing, false)
			if e.Code != 100 || e.Method != "SetAccountInfo" || !strings.Contains(e.Message, "this capability is not granted") || !strings.Contains(e.Message, "Authorization failed") {
				t.Error(e)
			}
		}
		if after := evidenceOf(w.Remote); after != before {
			t.Errorf("evidence %s; was %s", after, before)
		}
		for _, e := range w.seen.errors {
			if e != nil && e.Class != account.RoleMissing {
				t.Errorf("an observer was told %v", e.Class)
			}
		}
		want := account.Unauthorized
		if proven {
			want = account.RoleMissing
		}
		_, err := w.Create(background, newAccount("child-1"))
		wantError(t, err, want, false)
	}
	// Nor does success as a child say anything about the parent.
	w := newWorld(t, simulator.Settings{})
	if err := w.SetCustomData(background, w.children(1)[0], "claim"); err != nil {
		t.Fatal(err)
	}
	if got := evidenceOf(w.Remote); got != "map[]" {
		t.Errorf("evidence %s", got)
	}
}

func TestSetCustomDataIsRefused(t *testing.T) {
	for _, test := range []struct {
		code           int
		class          account.Class
		field          string
		outcomeUnknown bool
	}{
		{code: 100, class: account.RoleMissing},
		{code: 104, class: account.RoleMissing},
		{code: 131, class: account.BlockedVerification},
		{code: 211, class: account.Invalid, field: "profile.customData"},
		{code: 340, class: account.Throttled},
		{code: 456, class: account.Unauthorized}, // the clock
		{code: 527, class: account.Unauthorized},
		{code: 2, class: account.Unavailable, outcomeUnknown: true},
	} {
		w := newWorld(t, simulator.Settings{})
		id := w.children(1)[0]
		w.AddFault(simulator.Fault{Kind: simulator.FaultError, Code: test.code})
		e := wantError(t, w.SetCustomData(background, id, "claim"), test.class, test.outcomeUnknown)
		if e.Field != test.field || e.Code != test.code {
			t.Errorf("%#v", e)
		}
	}
	w := newWorld(t, simulator.Settings{})
	e := wantError(t, w.SetCustomData(background, w.children(1)[0], strings.Repeat("x", 8192)), account.Invalid, false)
	if e.Code != 211 {
		t.Error(e)
	}
	wantError(t, w.SetCustomData(background, "424242", "claim"), account.RoleMissing, false)
}

func TestCustomDataWithUnknownOutcome(t *testing.T) {
	for _, test := range lostAnswers {
		t.Run(fmt.Sprint(test.fault.Kind, test.fault.AfterChange), func(t *testing.T) {
			w := newWorld(t, simulator.Settings{}, func(c *Config) { c.MaxAnswer, c.MaxList = 1<<20, 1<<20 })
			id := w.children(1)[0]
			w.AddFault(test.fault)
			wantError(t, w.SetCustomData(background, id, "claim"), account.Unavailable, true)
			there, _ := w.Simulator.Account("child-00000")
			if made := there.Text("account_custom_data") == "claim"; made != test.made || w.Counts()["SetAccountInfo"] != 1 {
				t.Errorf("made: %v, %v", made, w.Counts())
			}
		})
	}
}

// HTTP 429 is about the moment, whatever code it carries, for a child and for the parent.
func TestTooManyCallsSayNothingAboutRights(t *testing.T) {
	w := newWorld(t, simulator.Settings{})
	ids := w.children(1)
	if _, err := w.Get(background, provider.Selector{IDs: ids}); err != nil {
		t.Fatal(err)
	}
	before := evidenceOf(w.Remote)
	w.AddFault(simulator.Fault{Kind: simulator.FaultHTTP, Status: 429, Body: `{"error": {"code": 100, "msg": "slow"}}`})
	wantError(t, w.SetCustomData(background, ids[0], "claim"), account.Throttled, false)
	_, err := w.Get(background, provider.Selector{IDs: ids})
	wantError(t, err, account.Throttled, false)
	if after := evidenceOf(w.Remote); after != before {
		t.Errorf("evidence %s; was %s", after, before)
	}
}

// A child's token that is refused for its times is signed anew, as the parent's is.
func TestChildTokenIsSignedAnewOnce(t *testing.T) {
	w := newWorld(t, simulator.Settings{})
	id := w.children(1)[0]
	w.AddFault(simulator.Fault{Kind: simulator.FaultError, Code: 455, Times: 1})
	if err := w.SetCustomData(background, id, "claim"); err != nil {
		t.Fatal(err)
	}
	if n := w.Counts()["SetAccountInfo"]; n != 2 {
		t.Errorf("%d calls", n)
	}
}
