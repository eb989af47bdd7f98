package chaostest

import (
	"testing"
	"time"

	"cpaas.dev/child-account-operator/internal/secrets"
	"cpaas.dev/child-account-operator/internal/simulator"
)

// What the soak looks for must be found where it is.
func TestInvariantsAreNoticed(t *testing.T) {
	add := simulator.Call{Seq: 1, Method: "AddAccount", Params: simulator.Params{"account_name": "acme-a"}, Outcome: "ok", Changed: true}
	known := add
	known.Outcome, known.Code, known.Changed, known.Delivered = "397", 397, false, true
	look := simulator.Call{Method: "GetChildrenAccounts", Params: simulator.Params{"child_account_name": "acme-a"}, Outcome: "ok", Delivered: true}
	other, lost := look, look
	other.Params = simulator.Params{"child_account_name": "acme-b"}
	lost.Delivered = false
	for name, c := range map[string]struct {
		calls []simulator.Call
		wrong int
	}{
		"once":                         {[]simulator.Call{add}, 0},
		"again without a look":         {[]simulator.Call{add, add}, 1},
		"again after a look":           {[]simulator.Call{add, look, add}, 0},
		"again after another's look":   {[]simulator.Call{add, other, add}, 1},
		"again after a look in vain":   {[]simulator.Call{add, lost, add}, 1},
		"again after a plain refusal":  {[]simulator.Call{known, add}, 0},
		"the look before, not between": {[]simulator.Call{look, add, add}, 1},
	} {
		if got := unlooked(c.calls); len(got) != c.wrong {
			t.Errorf("%s: %v", name, got)
		}
	}

	clone := simulator.Call{Seq: 1, Method: "CloneAccount", Params: simulator.Params{"account_id": "5", "new_account_name": "acme-a"}, Outcome: "ok", Changed: true}
	if n := len(unlooked([]simulator.Call{clone, clone})); n != 1 {
		t.Errorf("cloned again without a look: %d", n)
	}
	if n := len(unlooked([]simulator.Call{clone, look, clone})); n != 0 {
		t.Errorf("cloned again after a look: %d", n)
	}
	if got := notCloned([]simulator.Call{clone, add}, []string{"acme-a"}); len(got) != 1 || len(notCloned([]simulator.Call{clone, add}, nil)) != 0 {
		t.Errorf("created, and not cloned: %v", got)
	}

	sub := simulator.Call{Seq: 1, Method: simulator.TwoSMSCreate, Params: simulator.Params{"Email": "a@acme.example"}, Outcome: "ok", Changed: true}
	list := simulator.Call{Method: simulator.TwoSMSList, Outcome: "ok", Delivered: true}
	filtered := list
	filtered.Params = simulator.Params{"EmailAddress": "a@acme.example"}
	for want, between := range []simulator.Call{list, filtered} {
		if n := len(unlooked([]simulator.Call{sub, between, sub})); n != want {
			t.Errorf("a sub-account created again after %v: %d", between.Params, n)
		}
	}
	only, another := simulator.SubAccount{ID: "1", Values: simulator.Params{"Email": "a@acme.example"}}, simulator.SubAccount{ID: "2", Values: simulator.Params{"Email": "b@acme.example"}}
	if len(twins([]simulator.SubAccount{only, another})) != 0 || len(twins([]simulator.SubAccount{only, another, only})) != 1 {
		t.Error("sub-accounts with one e-mail")
	}

	buy := simulator.Call{Seq: 1, Method: "ChangeAccountPlan", Account: 5, Params: simulator.Params{"plan_subscription_template_id": "11"}, Outcome: "ok"}
	read := simulator.Call{Method: "GetAccountPlans", Account: 5, Outcome: "ok", Delivered: true}
	bought, no, elsewhere, unread := buy, buy, read, read
	bought.Changed, no.Outcome, no.Code, no.Delivered, elsewhere.Account, unread.Delivered = true, "127", 127, true, 7, false
	dearer := bought
	dearer.Params = simulator.Params{"plan_subscription_template_id": "12"}
	for name, c := range map[string]struct {
		calls []simulator.Call
		wrong int
	}{
		"once":                                 {[]simulator.Call{read, bought}, 0},
		"a dearer one later":                   {[]simulator.Call{bought, read, dearer}, 0},
		"bought again, though it was read":     {[]simulator.Call{bought, read, buy}, 1},
		"again after a refusal":                {[]simulator.Call{no, bought}, 0},
		"again, not carried out, after a read": {[]simulator.Call{buy, read, bought}, 0},
		"again without a read":                 {[]simulator.Call{buy, buy}, 1},
		"again after a read in vain":           {[]simulator.Call{buy, unread, buy}, 1},
		"again after another's read":           {[]simulator.Call{buy, elsewhere, buy}, 1},
	} {
		if got := rebought(c.calls); len(got) != c.wrong {
			t.Errorf("%s: %v", name, got)
		}
	}
	kept := []simulator.ServiceKey{{ID: "a"}, {ID: "b"}}
	record := secrets.ServiceKeys{Current: &secrets.RecordedKey{ID: "b"}}
	if leftOver(kept, record) != "a" {
		t.Error("a key that is left over was not noticed")
	}
	record.Retired = []secrets.RecordedKey{{ID: "a"}}
	if id := leftOver(kept, record); id != "" {
		t.Errorf("key %s is not left over", id)
	}

	write := simulator.Call{Method: "SetChildAccountInfo", Params: simulator.Params{"child_account_id": "5;7"}}
	if theirs := []simulator.Account{{ID: 7}}; len(touched([]simulator.Call{write, look}, theirs)) != 1 {
		t.Error("a batch with a foreign account was not noticed")
	}
	as := simulator.Call{Method: "SetAccountInfo", Account: 7}
	if theirs := []simulator.Account{{ID: 7}}; len(touched([]simulator.Call{as, look}, theirs)) != 1 {
		t.Error("a call as a foreign account was not noticed")
	}

	off := write
	off.Params = simulator.Params{"child_account_id": "5;7", "active": "false"}
	if n := len(switchedOff([]simulator.Call{write, off}, map[string]bool{"7": true})); n != 1 {
		t.Errorf("switched off: %d", n)
	}

	sim := simulator.New(simulator.Options{Key: simulator.SharedKey()})
	theirs := []simulator.Account{sim.AddStranger("stranger", "stranger@else.example")}
	if len(altered(sim, theirs)) != 0 || sim.SetField(theirs[0].ID, "active", false) != nil || len(altered(sim, theirs)) != 1 {
		t.Error("a foreign account that was changed was not noticed")
	}

	claim := simulator.Fields{"account_custom_data": "claim"}
	both := []simulator.Account{{ID: 1, Fields: claim}, {ID: 2, Fields: claim}}
	if len(twice(both, nil)) != 1 || len(twice(both, both[:1])) != 0 {
		t.Error("two accounts for one resource were not noticed")
	}

	begin := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	calls := make([]simulator.Call, rate+burst+1)
	for i := range calls {
		calls[i].Time = begin.Add(time.Duration(i) * time.Millisecond)
	}
	if len(overBudget(calls)) != 1 || len(overBudget(calls[1:])) != 0 {
		t.Error("the budget is not what it should be")
	}
}

// A soak in which one of the troubles never came is not worth anything.
func TestEveryTroubleMustCome(t *testing.T) {
	all := events{created: population, changed: 100, unanswered: 10, killed: 3, restarts: 1}
	if !all.enough(usually) {
		t.Error("all came, but not enough")
	}
	for name, without := range map[string]func(*events){
		"no account created":    func(e *events) { e.created = 0 },
		"no account changed":    func(e *events) { e.changed = 0 },
		"every answer came":     func(e *events) { e.unanswered = 0 },
		"hardly a leader died":  func(e *events) { e.killed = 2 },
		"no API server stopped": func(e *events) { e.restarts = 0 },
	} {
		e := all
		if without(&e); e.enough(usually) {
			t.Errorf("%s, and yet enough", name)
		}
	}
}
