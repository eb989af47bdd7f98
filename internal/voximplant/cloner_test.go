package voximplant

import (
	"fmt"
	"maps"
	"net/http"
	"slices"
	"testing"

	"cpaas.dev/child-account-operator/internal/account"
	"cpaas.dev/child-account-operator/internal/provider"
	"cpaas.dev/child-account-operator/internal/simulator"
)

// A clone is sent what CloneAccount takes, the claim always, and nothing is said of a field that it does not take but what the answer has.
func TestClone(t *testing.T) {
	w := newWorld(t, simulator.Settings{}, withParentKey)
	id := w.children(1)[0]
	simulator.SetParts(w.Simulator, idOf(t, id), simulator.Parts{Users: []string{"ada"}, Scenarios: []string{"ivr", "queue"}})
	n := newAccount("child-clone")
	n.Desired = n.Desired.With(account.State{
		"languageCode": "de", "location": "Europe/Berlin", "profile.firstName": "Ada", "profile.lastName": "Lovelace",
		"active": "false", "notifications.news": "true", "minBalanceToNotify": "5", "profile.mobilePhone": "+4915112345678", "payments.invoice": "true",
	})
	cloned, err := w.Clone(background, id, n)
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(cloned.Users, []string{"ada"}) || !slices.Equal(cloned.Scenarios, []string{"ivr", "queue"}) || len(cloned.Applications) != 0 {
		t.Errorf("%+v", cloned)
	}
	want := account.State{
		"email": n.Desired["email"], "languageCode": "de", "location": "Europe/Berlin", "profile.firstName": "Ada", "profile.lastName": "Lovelace", "active": "true",
	}
	if !maps.Equal(cloned.Account.State, want) || cloned.Account.CustomData != n.CustomData {
		t.Errorf("it is said to be %v with %q, want %v", cloned.Account.State, cloned.Account.CustomData, want)
	}
	calls := w.Calls()
	sent := slices.Sorted(maps.Keys(calls[len(calls)-1].Params))
	if wants := []string{
		"account_custom_data", "account_first_name", "account_id", "account_last_name", "language_code", "location", "new_account_email", "new_account_name",
		"new_account_password", "parent_account_api_key",
	}; !slices.Equal(sent, wants) {
		t.Errorf("sent %v, want %v", sent, wants)
	}
}

// An answer about another account than the clone is none: the template would be bound to two resources. Whether there is a clone is not known.
func TestCloneOfAnotherAccount(t *testing.T) {
	for body, good := range map[string]bool{
		`{"account_id":9,"account_name":"child-clone","account_email":"clone@example.com","active":false,"api_key":"k"}`: true,
		`{"account_id":9,"api_key":"k"}`:                             true,
		`{"account_id":7,"account_name":"child-clone"}`:              false,
		`{"account_id":9,"account_name":"child-0","api_key":"k"}`:    false,
		`{"account_id":7,"account_name":"the-template","users":[1]}`: false,
	} {
		remote := stub(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = fmt.Fprintf(w, `{"result":%s}`, body) })
		cloned, err := remote.Clone(background, "7", newAccount("child-clone"))
		if !good {
			wantError(t, err, account.Unavailable, true)
			continue
		}
		if err != nil || cloned.Account.ID != "9" || cloned.APIKey != "k" {
			t.Errorf("%s: %+v, %v", body, cloned.Account, err)
		}
	}
}

// What is refused names the field of the spec, and which account it is about; without a name or a password nothing leaves.
func TestCloneIsRefused(t *testing.T) {
	w := newWorld(t, simulator.Settings{})
	id := w.children(1)[0]
	for message, want := range map[string]account.Error{
		"The 'new_account_email' is not unique.":            {Class: account.EmailTaken, Code: 493, Field: fieldEmail},
		"The 'new_account_name' is not unique.":             {Class: account.NameTaken, Code: 493, Field: fieldAccountName},
		"The 'new_account_email' parameter is invalid.":     {Class: account.Invalid, Code: 496, Field: fieldEmail},
		"The 'account_id' parameter is invalid":             {Class: account.NotFound, Code: 115},
		"The 'account_first_name' parameter length is long": {Class: account.Invalid, Code: 163, Field: "profile.firstName"},
	} {
		w.AddFault(simulator.Fault{Kind: simulator.FaultError, Code: want.Code, Message: message, Times: 1})
		_, err := w.Clone(background, id, newAccount("child-clone"))
		if e := wantError(t, err, want.Class, false); e.Field != want.Field {
			t.Errorf("%s: field %q", message, e.Field)
		}
	}
	before := len(w.Calls())
	for _, n := range []provider.NewAccount{{Name: "child-clone"}, {Password: goodPassword}} {
		if _, err := w.Clone(background, id, n); err == nil || account.AsError(err).OutcomeUnknown || account.AsError(err).Method != methodCloneAccount {
			t.Errorf("%v", err)
		}
	}
	if n := len(w.Calls()) - before; n != 0 {
		t.Errorf("%d calls", n)
	}
}
