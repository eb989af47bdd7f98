package directory_test

import (
	"net/http"
	"testing"

	"cpaas.dev/child-account-operator/internal/account"
	"cpaas.dev/child-account-operator/internal/directory"
	"cpaas.dev/child-account-operator/internal/provider"
	"cpaas.dev/child-account-operator/internal/simulator"
)

// lost are the ways in which a write can end without a proper answer, and whether it was carried out.
var lost = map[string]struct {
	fault   simulator.Fault
	carried bool
}{
	"answer lost":     {simulator.Fault{Kind: simulator.FaultLoseAnswer, Times: 1}, true},
	"answer cut off":  {simulator.Fault{Kind: simulator.FaultTruncate, Times: 1}, true},
	"request lost":    {simulator.Fault{Kind: simulator.FaultReset, Times: 1}, false},
	"gateway, done":   {simulator.Fault{Kind: simulator.FaultHTTP, Status: http.StatusGatewayTimeout, AfterChange: true, Times: 1}, true},
	"gateway, undone": {simulator.Fault{Kind: simulator.FaultHTTP, Times: 1}, false},
}

func TestUpdateWithUnknownOutcome(t *testing.T) {
	for name, c := range lost {
		for _, by := range []string{"id", "name", "list"} {
			t.Run(name+", settled by "+by, func(t *testing.T) {
				w := newWorld(t, simulator.Settings{})
				ids := w.children(2)
				w.refresh(t)
				c.fault.Method = change
				w.sim.AddFault(c.fault)
				wantError(t, w.Update(background, provider.Target{ID: ids[0]}, w.changes("languageCode", "de")), account.Unavailable, true)
				for _, key := range []directory.Key{{ID: ids[0]}, {Name: "child-00000"}} {
					wantView(t, w.Observe(key), ids[0], account.View{Listed: true, OutcomeUnknown: true})
				}
				wantView(t, w.Observe(directory.Key{ID: ids[1]}), ids[1], account.View{Listed: true})
				switch by {
				case "id":
					w.read(t, directory.Key{ID: ids[0], Name: "child-00000"})
				case "name":
					w.read(t, directory.Key{Name: "child-00000"})
				default:
					w.refresh(t)
				}
				wantView(t, w.Observe(directory.Key{ID: ids[0]}), ids[0], account.View{Listed: true})
				if got, want := w.value(ids[0], "languageCode"), map[bool]string{true: "de", false: "en"}[c.carried]; got != want {
					t.Errorf("known of it: %q, want %q", got, want)
				}
			})
		}
	}
}

func TestCreateWithUnknownOutcome(t *testing.T) {
	for name, c := range lost {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, simulator.Settings{})
			w.refresh(t)
			c.fault.Method = add
			w.sim.AddFault(c.fault)
			_, err := w.Create(background, newAccount("acme-new"))
			wantError(t, err, account.Unavailable, true)
			wantView(t, w.Observe(directory.Key{Name: "acme-new"}), "", account.View{Listed: true, Absences: 1, OutcomeUnknown: true})
			wantView(t, w.Observe(directory.Key{Name: "acme-else"}), "", account.View{Listed: true, Absences: 1})

			v := w.read(t, directory.Key{Name: "acme-new"})
			if v.OutcomeUnknown || c.carried != (v.Account != nil) {
				t.Errorf("after a read: %+v", v)
			}
			if v.Account != nil && v.Account.CustomData != "claim of acme-new" {
				t.Errorf("custom data %q", v.Account.CustomData)
			}
			if w.Observe(directory.Key{Name: "acme-new"}).OutcomeUnknown {
				t.Error("the outcome is still unknown after a read")
			}
		})
	}
}

// The outcome of a refused write is known: nothing was done.
func TestOutcomeOfRefusedWritesIsKnown(t *testing.T) {
	w := newWorld(t, simulator.Settings{})
	ids := w.children(1)
	w.refresh(t)
	w.sim.AddFault(simulator.Fault{Kind: simulator.FaultError, Method: change, Code: 127})
	w.sim.AddFault(simulator.Fault{Kind: simulator.FaultError, Method: add, Code: 106})
	wantError(t, w.Update(background, provider.Target{ID: ids[0]}, w.changes("languageCode", "de")), account.BalanceTooLow, false)
	_, err := w.Create(background, newAccount("acme-new"))
	wantError(t, err, account.NameTaken, false)
	wantView(t, w.Observe(directory.Key{ID: ids[0]}), ids[0], account.View{Listed: true})
	wantView(t, w.Observe(directory.Key{Name: "acme-new"}), "", account.View{Listed: true, Absences: 1})
	if got := w.value(ids[0], "languageCode"); got != "en" {
		t.Errorf("a write that was refused is remembered: %q", got)
	}
}

// The provider does not know the account: perhaps it is missing, so it is read before anything else.
func TestUpdateOfAnUnknownAccount(t *testing.T) {
	w := newWorld(t, simulator.Settings{})
	ids := w.children(1)
	w.refresh(t)
	w.remove(t, ids[0])
	wantError(t, w.Update(background, provider.Target{ID: ids[0]}, w.changes("languageCode", "de")), account.NotFound, false)
	wantView(t, w.Observe(directory.Key{ID: ids[0]}), ids[0], account.View{Listed: true, OutcomeUnknown: true})

	// The read does not return it, but only lists decide that it is missing.
	wantView(t, w.read(t, directory.Key{ID: ids[0]}), "", account.View{Listed: true, Fresh: true})
	for absences := 1; absences <= 2; absences++ {
		w.refresh(t)
		wantView(t, w.Observe(directory.Key{ID: ids[0]}), "", account.View{Listed: true, Absences: absences})
	}
}

// A read that fails settles nothing.
func TestFailedReadSettlesNoOutcome(t *testing.T) {
	w := newWorld(t, simulator.Settings{})
	ids := w.children(1)
	w.refresh(t)
	w.sim.AddFault(simulator.Fault{Kind: simulator.FaultLoseAnswer, Method: change, Times: 1})
	w.sim.AddFault(simulator.Fault{Kind: simulator.FaultLoseAnswer, Method: add, Times: 1})
	_ = w.Update(background, provider.Target{ID: ids[0]}, w.changes("languageCode", "de"))
	_, _ = w.Create(background, newAccount("acme-new"))
	w.sim.AddFault(simulator.Fault{Kind: simulator.FaultHTTP, Method: list})
	for _, key := range []directory.Key{{ID: ids[0]}, {Name: "acme-new"}} {
		_, err := w.Read(background, key)
		wantError(t, err, account.Unavailable, false)
		if !w.Observe(key).OutcomeUnknown {
			t.Errorf("%+v: the outcome counts as known", key)
		}
	}
}

// A read or list that was requested before the write was given up does not settle its outcome.
func TestAnOlderReadDoesNotSettleAnUpdate(t *testing.T) {
	for name, read := range map[string]func(*world, string) error{
		"list": func(w *world, _ string) error { return w.Refresh(background, directory.Known{}) },
		"read": func(w *world, id string) error { _, err := w.Read(background, directory.Key{ID: id}); return err },
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, simulator.Settings{})
			ids := w.children(1)
			w.refresh(t)
			w.during(t, list, func() error { return read(w, ids[0]) }, func() {
				w.sim.AddFault(simulator.Fault{Kind: simulator.FaultLoseAnswer, Method: change, Times: 1})
				wantError(t, w.Update(background, provider.Target{ID: ids[0]}, w.changes("languageCode", "de")), account.Unavailable, true)
			})
			wantView(t, w.Observe(directory.Key{ID: ids[0]}), ids[0], account.View{Listed: true, OutcomeUnknown: true})
		})
	}
}

func TestAnOlderReadDoesNotSettleACreation(t *testing.T) {
	w := newWorld(t, simulator.Settings{})
	w.refresh(t)
	w.during(t, list, func() error { _, err := w.Read(background, directory.Key{Name: "acme-new"}); return err }, func() {
		w.sim.AddFault(simulator.Fault{Kind: simulator.FaultLoseAnswer, Method: add, Times: 1})
		_, err := w.Create(background, newAccount("acme-new"))
		wantError(t, err, account.Unavailable, true)
	})
	wantView(t, w.Observe(directory.Key{Name: "acme-new"}), "", account.View{Listed: true, Absences: 1, OutcomeUnknown: true})
}
