package directory_test

import (
	"maps"
	"testing"

	"cpaas.dev/child-account-operator/internal/account"
	"cpaas.dev/child-account-operator/internal/directory"
	"cpaas.dev/child-account-operator/internal/provider"
	"cpaas.dev/child-account-operator/internal/simulator"
)

// notKept are the values of an account that the provider does not keep, as the directory observes them.
func (w *world) notKept(id string) account.State { return w.Observe(directory.Key{ID: id}).NotKept }

// overrule lets the service store another language than it is sent.
func (w *world) overrule(stored string) int {
	return w.sim.AddFault(simulator.Fault{Kind: simulator.FaultStore, Method: change, Param: "language_code", Store: stored})
}

func wantNotKept(t *testing.T, w *world, id, when string, want account.State) {
	t.Helper()
	if got := w.notKept(id); !maps.Equal(got, want) {
		t.Errorf("%s: not kept %v, want %v", when, got, want)
	}
}

func TestNotKeptAfterTwoWrites(t *testing.T) {
	for _, by := range []string{"list", "read"} {
		t.Run(by, func(t *testing.T) {
			w := newWorld(t, simulator.Settings{})
			ids := w.children(2)
			w.refresh(t)
			w.overrule("fr")
			read := func() {
				if by == "list" {
					w.refresh(t)
				} else {
					w.read(t, directory.Key{ID: ids[0]})
				}
			}
			w.write(t, ids[0], "languageCode", "de")
			wantNotKept(t, w, ids[0], "written once", nil)
			read()
			wantNotKept(t, w, ids[0], "written once and come back different", nil)
			w.write(t, ids[0], "languageCode", "de")
			read()
			wantNotKept(t, w, ids[0], "written twice and come back different", account.State{"languageCode": "de"})
			wantNotKept(t, w, ids[1], "another account", nil)
			read()
			wantNotKept(t, w, ids[0], "some lists later", account.State{"languageCode": "de"})
		})
	}
}

// How often a value is read back does not matter, only how often it was written.
func TestReadsDoNotCountAsWrites(t *testing.T) {
	w := newWorld(t, simulator.Settings{})
	ids := w.children(1)
	w.refresh(t)
	w.overrule("fr")
	w.write(t, ids[0], "languageCode", "de")
	for range 4 {
		w.refresh(t)
		wantNotKept(t, w, ids[0], "written once", nil)
	}
}

func TestNotKeptIsWrittenAgain(t *testing.T) {
	writtenTwice := func(t *testing.T) (w *world, id string, fault int) {
		w = newWorld(t, simulator.Settings{})
		id = w.children(1)[0]
		w.refresh(t)
		fault = w.overrule("fr")
		for range 2 {
			w.write(t, id, "languageCode", "de")
			w.refresh(t)
		}
		wantNotKept(t, w, id, "at first", account.State{"languageCode": "de"})
		return w, id, fault
	}
	t.Run("when somebody changes it at the provider", func(t *testing.T) {
		w, id, fault := writtenTwice(t)
		w.set(t, id, "language_code", "it")
		w.refresh(t)
		wantNotKept(t, w, id, "changed by somebody", nil)
		w.sim.RemoveFault(fault)
		w.overrule("it")
		for _, want := range []account.State{nil, {"languageCode": "de"}} {
			w.write(t, id, "languageCode", "de")
			w.refresh(t)
			wantNotKept(t, w, id, "written again and not kept", want)
		}
	})
	t.Run("when it arrives after all", func(t *testing.T) {
		w, id, _ := writtenTwice(t)
		w.set(t, id, "language_code", "de")
		w.refresh(t)
		wantNotKept(t, w, id, "arrived", nil)
		w.set(t, id, "language_code", "it")
		w.refresh(t)
		wantNotKept(t, w, id, "drifted later", nil)
	})
	t.Run("when another value is written, which is kept", func(t *testing.T) {
		w, id, fault := writtenTwice(t)
		w.sim.RemoveFault(fault)
		w.write(t, id, "languageCode", "it")
		wantNotKept(t, w, id, "another value", nil)
		w.refresh(t)
		wantNotKept(t, w, id, "another value, read back", nil)
		w.write(t, id, "languageCode", "de")
		w.refresh(t)
		wantNotKept(t, w, id, "the old one again", nil)
	})
	t.Run("not when only the connection changes", func(t *testing.T) {
		w, id, _ := writtenTwice(t)
		w.change(t, w.remote(t, nil))
		wantNotKept(t, w, id, "a new connection", account.State{"languageCode": "de"})
	})
}

// Only successful writes count; those with an unknown outcome do not.
func TestFailedWritesDoNotCount(t *testing.T) {
	w := newWorld(t, simulator.Settings{})
	ids := w.children(1)
	w.refresh(t)
	w.sim.AddFault(simulator.Fault{Kind: simulator.FaultReset, Method: change})
	for range 3 {
		wantError(t, w.Update(background, provider.Target{ID: ids[0]}, w.changes("languageCode", "de")), account.Unavailable, true)
		w.refresh(t)
		wantNotKept(t, w, ids[0], "never carried out", nil)
	}
}

// From a row that is older than the write nothing follows for whether the value was kept.
func TestRowsOlderThanTheWriteAreNotCompared(t *testing.T) {
	w := newWorld(t, simulator.Settings{})
	ids := w.children(1)
	w.refresh(t)
	for range 2 {
		w.during(t, list, func() error { return w.Refresh(background, directory.Known{}) }, func() {
			w.write(t, ids[0], "languageCode", "de")
		})
		wantNotKept(t, w, ids[0], "compared with an older row", nil)
	}
	w.refresh(t)
	wantNotKept(t, w, ids[0], "kept", nil)
}

// A write-only value is never returned; that does not make it one that is not kept.
func TestWriteOnlyIsNotCompared(t *testing.T) {
	w := newWorld(t, simulator.Settings{})
	ids := w.children(1)
	w.refresh(t)
	for range 3 {
		w.write(t, ids[0], "canUseRestricted", "true")
		w.refresh(t)
		wantNotKept(t, w, ids[0], "write-only", nil)
	}
}

// A value that the service accepts and then never returns is not kept either: it must not be written after each list.
func TestNeverReturnedIsNotKept(t *testing.T) {
	w := newWorld(t, simulator.Settings{})
	id := w.children(1)[0]
	w.set(t, id, "location", nil)
	w.sim.AddFault(simulator.Fault{Kind: simulator.FaultStore, Method: change, Param: "location"})
	s := account.Subject{ID: id, Name: "child-00000", Desired: account.State{"location": "Europe/Berlin"}}
	for range 6 {
		w.refresh(t)
		if d := account.Decide(w.Fields(), s, w.Observe(directory.Key{ID: id})); d.Step == account.StepUpdate {
			if err := w.Update(background, provider.Target{ID: id}, d.Changes); err != nil {
				t.Fatal(err)
			}
			s.LastApplied = s.LastApplied.With(account.Applied(d.Changes))
		}
	}
	if n := w.count(change); n != 2 {
		t.Errorf("written %d times in 6 lists, want 2", n)
	}
}
