package voximplant

import (
	"context"
	"testing"

	"cpaas.dev/child-account-operator/internal/account"
	"cpaas.dev/child-account-operator/internal/simulator"
)

// In the copy of the tree that hack/recipes makes: the new method is called over HTTP, and its failures have their classes.
func TestExampleCall(t *testing.T) {
	w := newWorld(t, simulator.Settings{})
	ids := w.children(2)
	id := ids[0]
	set := func(r *Remote, id, mark string) error {
		return r.Client().SetChildExampleMark(context.Background(), id, mark)
	}
	if err := set(w.Remote, id, "busy"); err != nil {
		t.Fatal(err)
	}
	if a, _ := w.AccountByID(idOf(t, id)); a.Fields["example_mark"] != "busy" {
		t.Errorf("the account has %v", a.Fields)
	}
	wantError(t, set(w.Remote, id, "idle"), account.ExampleBusy, false)
	wantError(t, set(w.Remote, "4711", "idle"), account.NotFound, false)
	wantError(t, set(w.Remote, "all", "idle"), account.Invalid, false)
	w.AddFault(simulator.Fault{Kind: simulator.FaultLoseAnswer, Method: methodSetChildExampleMark, Times: 1})
	wantError(t, set(w.Remote, ids[1], "idle"), account.Unavailable, true)
	w.Simulator.Update(func(s *simulator.Settings) { s.MissingRoleCode = 104 })
	payer := w.remote(t, func(c *Config) {
		c.Credentials = credentials(t, w.Simulator.Credentials(w.parent.ID, simulator.RolePayer))
	})
	wantError(t, set(payer, id, "idle"), account.RoleMissing, false)
	if called := w.called(); len(called) != 5 {
		t.Errorf("called %v", called)
	}
}
