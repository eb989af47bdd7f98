package directory_test

import (
	"fmt"
	"net/http"
	"testing"
	"time"

	"cpaas.dev/child-account-operator/internal/account"
	"cpaas.dev/child-account-operator/internal/directory"
	"cpaas.dev/child-account-operator/internal/simulator"
)

func TestListings(t *testing.T) {
	w := newWorld(t, simulator.Settings{})
	w.children(2)
	l := w.Listings()
	if l != (directory.Listings{}) {
		t.Errorf("at the start: %+v", l)
	}
	w.clock.Step(time.Minute)
	w.refresh(t)
	first := begin.Add(time.Minute)
	if l = w.Listings(); l != (directory.Listings{Complete: 1, CompleteAt: first, AttemptedAt: first, Total: 2}) {
		t.Errorf("after a list: %+v", l)
	}
	w.clock.Step(time.Minute)
	w.sim.AddFault(simulator.Fault{Kind: simulator.FaultDown, Status: http.StatusServiceUnavailable})
	wantError(t, w.Refresh(background, directory.Known{}), account.Unavailable, false)
	l = w.Listings()
	if l.Complete != 1 || !l.CompleteAt.Equal(first) || !l.AttemptedAt.Equal(first.Add(time.Minute)) || account.ClassOf(l.Err) != account.Unavailable || l.Total != 2 {
		t.Errorf("after a failure: %+v", l)
	}
	w.sim.ClearFaults()
	w.refresh(t)
	if l = w.Listings(); l.Err != nil || l.Complete != 2 {
		t.Errorf("after the next success: %+v", l)
	}
}

func TestAbsentOnlyAfterTwoCompleteLists(t *testing.T) {
	w := newWorld(t, simulator.Settings{})
	ids := w.children(3)
	missing := directory.Key{ID: ids[1], Name: "child-00001"}
	w.refresh(t)
	w.remove(t, ids[1])
	wantView(t, w.Observe(missing), ids[1], account.View{Listed: true})
	for absences := 1; absences <= 8; absences++ { // longer than it is remembered
		w.refresh(t)
		for _, key := range []directory.Key{missing, {Name: missing.Name}} {
			v := w.Observe(key)
			if v.Account != nil || v.Absences < absences {
				t.Errorf("after %d lists without it: %+v", absences, v)
			}
			step := account.Decide(w.Fields(), account.Subject{ID: key.ID, Name: missing.Name}, v).Step
			if want := map[bool]account.Step{true: account.StepMissing, false: account.StepWait}[absences >= 2]; key.ID != "" && step != want {
				t.Errorf("after %d lists without it: %s, want %s", absences, step, want)
			}
		}
		wantView(t, w.Observe(directory.Key{ID: ids[0]}), ids[0], account.View{Listed: true})
	}
	w.sim.PutAccount(simulator.Account{ID: number(t, ids[1]), ParentID: w.parent.ID, Fields: simulator.Fields{"account_name": "child-00001", "account_email": "back@acme.example"}})
	w.refresh(t)
	wantView(t, w.Observe(missing), ids[1], account.View{Listed: true})
	if w.value(ids[1], "email") != "back@acme.example" {
		t.Error("what was known before it was missing is returned")
	}
}

// An absence between two lists that have the account does not count.
func TestAbsencesAreInARow(t *testing.T) {
	w := newWorld(t, simulator.Settings{})
	ids := w.children(2)
	w.refresh(t)
	for range 3 {
		w.remove(t, ids[1])
		w.refresh(t)
		wantView(t, w.Observe(directory.Key{ID: ids[1]}), "", account.View{Listed: true, Absences: 1})
		w.sim.PutAccount(simulator.Account{ID: number(t, ids[1]), ParentID: w.parent.ID, Fields: simulator.Fields{"account_name": "child-00001", "account_email": "c@acme.example"}})
		w.refresh(t)
		wantView(t, w.Observe(directory.Key{ID: ids[1]}), ids[1], account.View{Listed: true})
	}
}

// From a list that contradicts itself or breaks off nothing is concluded, but the rows that it returned count.
func TestIncompleteListConcludesNothing(t *testing.T) {
	for name, f := range map[string]simulator.Fault{
		"total_count changes":            {Kind: simulator.FaultTotal, Method: list},
		"a row comes twice":              {Kind: simulator.FaultRepeatRow, Method: list},
		"the second page does not come":  {Kind: simulator.FaultReset, Method: list, After: 1},
		"the second page is an error":    {Kind: simulator.FaultError, Method: list, After: 1, Code: 340},
		"the second page is cut off":     {Kind: simulator.FaultTruncate, Method: list, After: 1},
		"the second page is other stuff": {Kind: simulator.FaultHTTP, Method: list, After: 1},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, simulator.Settings{})
			ids := w.children(pageSize + 2)
			w.refresh(t)
			w.remove(t, ids[1])
			w.set(t, ids[0], "language_code", "de")
			w.sim.AddFault(f)
			for range 2 {
				// One more on the first page keeps the second one from being empty.
				w.child(fmt.Sprintf("another-%d", w.count(list)))
				err := w.Refresh(background, directory.Known{IDs: ids})
				if err == nil || account.AsError(err).OutcomeUnknown {
					t.Fatalf("error %v", err)
				}
			}
			if l := w.Listings(); l.Complete != 1 || l.Err == nil {
				t.Errorf("listings %+v", l)
			}
			wantView(t, w.Observe(directory.Key{ID: ids[1]}), ids[1], account.View{Listed: true})
			if got := w.value(ids[0], "languageCode"); got != "de" {
				t.Errorf("a row of the first page does not count: %q", got)
			}
			w.sim.ClearFaults()
			w.refresh(t)
			wantView(t, w.Observe(directory.Key{ID: ids[1]}), "", account.View{Listed: true, Absences: 1})
		})
	}
}

// A first list that fails leaves everything unknown.
func TestNothingIsListedBeforeTheFirstCompleteList(t *testing.T) {
	w := newWorld(t, simulator.Settings{})
	ids := w.children(pageSize + 1)
	fault := w.sim.AddFault(simulator.Fault{Kind: simulator.FaultTotal, Method: list})
	wantError(t, w.Refresh(background, directory.Known{}), account.Incomplete, false)
	wantView(t, w.Observe(directory.Key{ID: ids[0]}), ids[0], account.View{})
	wantView(t, w.Observe(directory.Key{Name: "acme-new"}), "", account.View{})
	w.sim.RemoveFault(fault)
	w.refresh(t)
	wantView(t, w.Observe(directory.Key{Name: "acme-new"}), "", account.View{Listed: true, Absences: 1})
}

// Each page counts from when the page was requested, not from when the list was.
func TestEachPageHasItsOwnRevision(t *testing.T) {
	w := newWorld(t, simulator.Settings{})
	ids := w.children(pageSize + 1)
	w.refresh(t)
	first, last := ids[0], ids[pageSize]
	w.during(t, list, func() error { return w.Refresh(background, directory.Known{}) }, func() {
		for _, id := range []string{first, last} {
			w.write(t, id, "languageCode", "de")
			w.set(t, id, "language_code", "it") // after our write: requests from now on return it
		}
	})
	if got := [2]string{w.value(first, "languageCode"), w.value(last, "languageCode")}; got != [2]string{"de", "it"} {
		t.Errorf("first and second page have %v; want our write, and what the second page returned", got)
	}
}

// Where the provider lists only what it is asked for, a name that the list did not request must be read by itself.
func TestPartialLists(t *testing.T) {
	w := newWorld(t, simulator.Settings{RefuseAll: true, RefuseUnfiltered: true})
	ids := w.children(3)
	w.refresh(t, directory.Known{IDs: ids[:2], Names: []string{"child-00002", "acme-new"}})
	if l := w.Listings(); !l.Partial || l.Complete != 1 || l.Total != 3 {
		t.Fatalf("listings %+v", l)
	}
	for i, id := range ids {
		wantView(t, w.Observe(directory.Key{ID: id, Name: fmt.Sprintf("child-%05d", i)}), id, account.View{Listed: true, Partial: true})
	}
	wantView(t, w.Observe(directory.Key{Name: "acme-new"}), "", account.View{Listed: true, Partial: true, Absences: 1})

	stranger := directory.Key{Name: "child-00003"}
	id := w.child(stranger.Name)
	v := w.Observe(stranger)
	wantView(t, v, "", account.View{Partial: true})
	if step := account.Decide(w.Fields(), account.Subject{Name: stranger.Name}, v).Step; step != account.StepRead {
		t.Errorf("%s, want a read", step)
	}
	v = w.read(t, stranger)
	wantView(t, v, id, account.View{Partial: true, Fresh: true})
	v = w.read(t, directory.Key{Name: "acme-other"})
	wantView(t, v, "", account.View{Partial: true, Fresh: true})
	if step := account.Decide(w.Fields(), account.Subject{Name: "acme-other"}, v).Step; step != account.StepCreate {
		t.Errorf("%s, want a creation", step)
	}
}

// From a partial list nothing follows for accounts that it did not request.
func TestPartialListsConcludeOnlyWhatTheyRequested(t *testing.T) {
	w := newWorld(t, simulator.Settings{RefuseAll: true, RefuseUnfiltered: true})
	ids := w.children(3)
	w.refresh(t, directory.Known{IDs: ids})
	w.remove(t, ids[0])
	w.remove(t, ids[1])
	for absences := 1; absences <= 2; absences++ {
		w.refresh(t, directory.Known{IDs: []string{ids[0], ids[2]}})
		wantView(t, w.Observe(directory.Key{ID: ids[0]}), "", account.View{Listed: true, Partial: true, Absences: absences})
		wantView(t, w.Observe(directory.Key{ID: ids[1]}), ids[1], account.View{Partial: true})
		wantView(t, w.Observe(directory.Key{ID: ids[2]}), ids[2], account.View{Listed: true, Partial: true})
	}
}

func TestPartialAbsencesCountOnlyListsThatRequestedTheAccount(t *testing.T) {
	w := newWorld(t, simulator.Settings{RefuseAll: true, RefuseUnfiltered: true})
	ids := w.children(1)
	for range 3 {
		w.refresh(t, directory.Known{IDs: ids})
	}
	w.refresh(t, directory.Known{IDs: append(ids, "999")})
	wantView(t, w.Observe(directory.Key{ID: "999"}), "", account.View{Listed: true, Partial: true, Absences: 1})
}

// The provider accepts another way of listing: partial lists become complete ones.
func TestFromPartialToCompleteLists(t *testing.T) {
	w := newWorld(t, simulator.Settings{RefuseAll: true, RefuseUnfiltered: true})
	ids := w.children(2)
	w.refresh(t, directory.Known{IDs: ids[:1]})
	w.sim.Update(func(s *simulator.Settings) { s.RefuseAll, s.RefuseUnfiltered = false, false })
	w.change(t, w.remote(t, http.DefaultTransport), directory.Known{IDs: ids[:1]}) // a new connection begins with the first way again
	wantView(t, w.Observe(directory.Key{ID: ids[1]}), ids[1], account.View{Listed: true})
	wantView(t, w.Observe(directory.Key{Name: "acme-new"}), "", account.View{Listed: true, Absences: 2})
}
