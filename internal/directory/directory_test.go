package directory_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/types"

	"cpaas.dev/child-account-operator/internal/account"
	"cpaas.dev/child-account-operator/internal/directory"
	"cpaas.dev/child-account-operator/internal/provider"
	"cpaas.dev/child-account-operator/internal/simulator"
	"cpaas.dev/child-account-operator/internal/voximplant"
)

func TestSnapshot(t *testing.T) {
	w := newWorld(t, simulator.Settings{})
	ids := w.children(pageSize + 3)
	wantView(t, w.Observe(directory.Key{ID: ids[0]}), "", account.View{})
	wantView(t, w.Observe(directory.Key{Name: "child-00000"}), "", account.View{})

	w.refresh(t)
	if n := w.count(list); n != 2 {
		t.Errorf("%d calls for two pages", n)
	}
	for _, i := range []int{0, pageSize - 1, pageSize, pageSize + 2} {
		name := fmt.Sprintf("child-%05d", i)
		wantView(t, w.Observe(directory.Key{ID: ids[i]}), ids[i], account.View{Listed: true})
		v := w.Observe(directory.Key{Name: name})
		wantView(t, v, ids[i], account.View{Listed: true})
		if a := v.Account; a != nil && (a.Name != name || a.State["email"] != name+"@acme.example" || a.State["active"] != "true") {
			t.Errorf("account %+v", a)
		}
	}
	wantView(t, w.Observe(directory.Key{Name: "child"}), "", account.View{Listed: true, Absences: 1})
	wantView(t, w.Observe(directory.Key{Name: "Child-00000"}), "", account.View{Listed: true, Absences: 1})
	if w.count(list) != 2 {
		t.Error("looking at what is known made a call")
	}
}

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
	if l = w.Listings(); l != (directory.Listings{Complete: 1, AskedAt: first, TriedAt: first, Total: 2}) {
		t.Errorf("after a list: %+v", l)
	}
	w.clock.Step(time.Minute)
	w.sim.AddFault(simulator.Fault{Kind: simulator.FaultDown, Status: http.StatusServiceUnavailable})
	wantError(t, w.Refresh(background, directory.Known{}), account.Unavailable, false)
	l = w.Listings()
	if l.Complete != 1 || !l.AskedAt.Equal(first) || !l.TriedAt.Equal(first.Add(time.Minute)) || account.ClassOf(l.Err) != account.Unavailable || l.Total != 2 {
		t.Errorf("after a failure: %+v", l)
	}
	w.sim.ClearFaults()
	w.refresh(t)
	if l = w.Listings(); l.Err != nil || l.Complete != 2 {
		t.Errorf("after it went well again: %+v", l)
	}
}

func TestAbsentOnlyAfterTwoCompleteLists(t *testing.T) {
	w := newWorld(t, simulator.Settings{})
	ids := w.children(3)
	gone := directory.Key{ID: ids[1], Name: "child-00001"}
	w.refresh(t)
	w.remove(t, ids[1])
	wantView(t, w.Observe(gone), ids[1], account.View{Listed: true})
	for absences := 1; absences <= 8; absences++ { // longer than it is remembered
		w.refresh(t)
		for _, key := range []directory.Key{gone, {Name: gone.Name}} {
			v := w.Observe(key)
			if v.Account != nil || v.Absences < absences {
				t.Errorf("after %d lists without it: %+v", absences, v)
			}
			step := account.Decide(w.Fields(), account.Subject{ID: key.ID, Name: gone.Name}, v).Step
			if want := map[bool]account.Step{true: account.StepMissing, false: account.StepWait}[absences >= 2]; key.ID != "" && step != want {
				t.Errorf("after %d lists without it: %s, want %s", absences, step, want)
			}
		}
		wantView(t, w.Observe(directory.Key{ID: ids[0]}), ids[0], account.View{Listed: true})
	}
	w.sim.PutAccount(simulator.Account{ID: number(t, ids[1]), ParentID: w.parent.ID, Fields: simulator.Fields{"account_name": "child-00001", "account_email": "back@acme.example"}})
	w.refresh(t)
	wantView(t, w.Observe(gone), ids[1], account.View{Listed: true})
	if w.value(ids[1], "email") != "back@acme.example" {
		t.Error("what was known before it went is shown")
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

func TestRenamedAccount(t *testing.T) {
	w := newWorld(t, simulator.Settings{})
	ids := w.children(2)
	w.refresh(t)
	w.set(t, ids[0], "account_name", "child-new")
	w.refresh(t)
	wantView(t, w.Observe(directory.Key{Name: "child-00000"}), "", account.View{Listed: true, Absences: 2})
	wantView(t, w.Observe(directory.Key{Name: "child-new"}), ids[0], account.View{Listed: true})
	if v := w.Observe(directory.Key{ID: ids[0], Name: "child-00000"}); v.Account == nil || v.Account.Name != "child-new" {
		t.Errorf("by its id: %+v", v)
	}
}

// From a list that contradicts itself or breaks off nothing is concluded, but what it showed counts.
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
				if err == nil || account.AsError(err).Doubt {
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

// A first list that fails leaves everything open.
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

// A row that was asked for before our write was answered does not override it; the next one does.
func TestListAskedForBeforeAWrite(t *testing.T) {
	w := newWorld(t, simulator.Settings{})
	ids := w.children(2)
	w.refresh(t)
	g := w.hold(list)
	done := make(chan error, 1)
	go func() { done <- w.Refresh(background, directory.Known{}) }()
	<-g.answered
	w.write(t, ids[0], "languageCode", "de")
	w.set(t, ids[1], "language_code", "fr")
	close(g.release)
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	if got := w.value(ids[0], "languageCode"); got != "de" {
		t.Errorf("our write is overridden by an older row: %q", got)
	}
	if got := w.value(ids[1], "languageCode"); got != "en" {
		t.Errorf("the row of the other account: %q", got)
	}
	w.set(t, ids[0], "language_code", "it")
	w.refresh(t)
	if got := [2]string{w.value(ids[0], "languageCode"), w.value(ids[1], "languageCode")}; got != [2]string{"it", "fr"} {
		t.Errorf("the next list does not count: %v", got)
	}
}

// Each page counts from when it was asked for itself, not the list as a whole.
func TestPagesCountOneByOne(t *testing.T) {
	w := newWorld(t, simulator.Settings{})
	ids := w.children(pageSize + 1)
	w.refresh(t)
	first, last := ids[0], ids[pageSize]
	g := w.hold(list)
	done := make(chan error, 1)
	go func() { done <- w.Refresh(background, directory.Known{}) }()
	<-g.answered
	for _, id := range []string{first, last} {
		w.write(t, id, "languageCode", "de")
		w.set(t, id, "language_code", "it") // after our write: whoever asks from now on sees it
	}
	close(g.release)
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	if got := [2]string{w.value(first, "languageCode"), w.value(last, "languageCode")}; got != [2]string{"de", "it"} {
		t.Errorf("first and second page show %v; want our write, and what the second page saw", got)
	}
}

// An account that is created while a list is read is not absent for that list, nor one that is written to.
func TestCreatedWhileTheListIsRead(t *testing.T) {
	w := newWorld(t, simulator.Settings{})
	ids := w.children(2)
	w.refresh(t)
	g := w.hold(list)
	done := make(chan error, 1)
	go func() { done <- w.Refresh(background, directory.Known{}) }()
	<-g.answered
	created, err := w.Create(background, newAccount("acme-new"))
	if err != nil {
		t.Fatal(err)
	}
	close(g.release)
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	for _, key := range []directory.Key{{ID: created.Account.ID}, {Name: "acme-new"}} {
		wantView(t, w.Observe(key), created.Account.ID, account.View{Listed: true})
	}
	wantView(t, w.Observe(directory.Key{ID: ids[0]}), ids[0], account.View{Listed: true})
}

// A look whose answer is older than a write does not override it.
func TestLookAskedForBeforeAWrite(t *testing.T) {
	w := newWorld(t, simulator.Settings{})
	ids := w.children(1)
	w.refresh(t)
	for _, key := range []directory.Key{{ID: ids[0]}, {Name: "child-00000"}} {
		w.write(t, ids[0], "languageCode", "en")
		g := w.hold(list)
		done := make(chan error, 1)
		go func() { _, err := w.Look(background, key); done <- err }()
		<-g.answered
		w.write(t, ids[0], "languageCode", "de")
		close(g.release)
		if err := <-done; err != nil {
			t.Fatal(err)
		}
		if got := w.value(ids[0], "languageCode"); got != "de" {
			t.Errorf("%+v: our write is overridden: %q", key, got)
		}
	}
}

func TestCreate(t *testing.T) {
	w := newWorld(t, simulator.Settings{})
	w.refresh(t)
	created, err := w.Create(background, newAccount("acme-new"))
	if err != nil {
		t.Fatal(err)
	}
	if created.APIKey == "" || created.Account.ID == "" {
		t.Errorf("created %+v", created.Account)
	}
	v := w.Observe(directory.Key{Name: "acme-new"})
	wantView(t, v, created.Account.ID, account.View{Listed: true})
	if v.Account.CustomData != "claim of acme-new" || v.Account.State["email"] != "acme-new@acme.example" || v.Account.State["active"] != "true" {
		t.Errorf("known of it: %+v", v.Account)
	}
	if w.count(list) != 1 || w.count(add) != 1 {
		t.Errorf("calls: %v", w.sim.Counts())
	}
}

func TestUpdate(t *testing.T) {
	w := newWorld(t, simulator.Settings{})
	ids := w.children(1)
	w.refresh(t)
	before := w.Observe(directory.Key{ID: ids[0]}).Account
	was := maps.Clone(before.State)
	w.write(t, ids[0], "minBalanceToNotify", "05.00")
	if got := w.value(ids[0], "minBalanceToNotify"); got != "5" {
		t.Errorf("known of it: %q, want the canonical value", got)
	}
	if w.value(ids[0], "email") != "child-00000@acme.example" {
		t.Error("what was not written is forgotten")
	}
	if !maps.Equal(before.State, was) {
		t.Error("a view changed after it was given away")
	}
	if w.count(list) != 1 {
		t.Error("a write that was answered needs no look")
	}
}

// A refused write leaves no doubt: nothing was done.
func TestRefusedWritesLeaveNoDoubt(t *testing.T) {
	w := newWorld(t, simulator.Settings{})
	ids := w.children(1)
	w.refresh(t)
	w.sim.AddFault(simulator.Fault{Kind: simulator.FaultError, Method: change, Code: 127})
	w.sim.AddFault(simulator.Fault{Kind: simulator.FaultError, Method: add, Code: 106})
	wantError(t, w.Update(background, ids[0], w.changes("languageCode", "de")), account.BlockedMoney, false)
	_, err := w.Create(background, newAccount("acme-new"))
	wantError(t, err, account.NameTaken, false)
	wantView(t, w.Observe(directory.Key{ID: ids[0]}), ids[0], account.View{Listed: true})
	wantView(t, w.Observe(directory.Key{Name: "acme-new"}), "", account.View{Listed: true, Absences: 1})
	if got := w.value(ids[0], "languageCode"); got != "en" {
		t.Errorf("believes in a write that was refused: %q", got)
	}
}

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

func TestUpdateInDoubt(t *testing.T) {
	for name, c := range lost {
		for _, by := range []string{"id", "name", "list"} {
			t.Run(name+", cleared by "+by, func(t *testing.T) {
				w := newWorld(t, simulator.Settings{})
				ids := w.children(2)
				w.refresh(t)
				c.fault.Method = change
				w.sim.AddFault(c.fault)
				wantError(t, w.Update(background, ids[0], w.changes("languageCode", "de")), account.Unavailable, true)
				for _, key := range []directory.Key{{ID: ids[0]}, {Name: "child-00000"}} {
					wantView(t, w.Observe(key), ids[0], account.View{Listed: true, Doubt: true})
				}
				wantView(t, w.Observe(directory.Key{ID: ids[1]}), ids[1], account.View{Listed: true})
				switch by {
				case "id":
					w.look(t, directory.Key{ID: ids[0], Name: "child-00000"})
				case "name":
					w.look(t, directory.Key{Name: "child-00000"})
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

// A list that was asked for before the doubtful write was given up does not clear the doubt.
func TestAnOlderListDoesNotClearADoubt(t *testing.T) {
	w := newWorld(t, simulator.Settings{})
	ids := w.children(1)
	w.refresh(t)
	g := w.hold(list)
	done := make(chan error, 1)
	go func() { done <- w.Refresh(background, directory.Known{}) }()
	<-g.answered
	w.sim.AddFault(simulator.Fault{Kind: simulator.FaultLoseAnswer, Method: change, Times: 1})
	wantError(t, w.Update(background, ids[0], w.changes("languageCode", "de")), account.Unavailable, true)
	close(g.release)
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	wantView(t, w.Observe(directory.Key{ID: ids[0]}), ids[0], account.View{Listed: true, Doubt: true})
}

// The provider does not know the account: perhaps it is gone, so it is looked at before anything else.
func TestUpdateOfAnUnknownAccount(t *testing.T) {
	w := newWorld(t, simulator.Settings{})
	ids := w.children(1)
	w.refresh(t)
	w.remove(t, ids[0])
	wantError(t, w.Update(background, ids[0], w.changes("languageCode", "de")), account.NotFound, false)
	wantView(t, w.Observe(directory.Key{ID: ids[0]}), ids[0], account.View{Listed: true, Doubt: true})

	// The look shows nothing, but only lists decide that it is gone.
	wantView(t, w.look(t, directory.Key{ID: ids[0]}), "", account.View{Listed: true, Fresh: true})
	for absences := 1; absences <= 2; absences++ {
		w.refresh(t)
		wantView(t, w.Observe(directory.Key{ID: ids[0]}), "", account.View{Listed: true, Absences: absences})
	}
}

// A look that fails to find an account hides it until something shows it again.
func TestLookThatDoesNotFind(t *testing.T) {
	w := newWorld(t, simulator.Settings{})
	ids := w.children(1)
	w.refresh(t)
	w.remove(t, ids[0])
	for _, key := range []directory.Key{{ID: ids[0]}, {Name: "child-00000"}} {
		wantView(t, w.look(t, key), "", account.View{Listed: true, Fresh: true})
		wantView(t, w.Observe(key), "", account.View{Listed: true})
	}
	w.sim.PutAccount(simulator.Account{ID: number(t, ids[0]), ParentID: w.parent.ID, Fields: simulator.Fields{"account_name": "child-00000", "account_email": "c@acme.example"}})
	wantView(t, w.look(t, directory.Key{ID: ids[0]}), ids[0], account.View{Listed: true, Fresh: true})
	wantView(t, w.Observe(directory.Key{Name: "child-00000"}), ids[0], account.View{Listed: true})
}

func TestCreateInDoubt(t *testing.T) {
	for name, c := range lost {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, simulator.Settings{})
			w.refresh(t)
			c.fault.Method = add
			w.sim.AddFault(c.fault)
			_, err := w.Create(background, newAccount("acme-new"))
			wantError(t, err, account.Unavailable, true)
			wantView(t, w.Observe(directory.Key{Name: "acme-new"}), "", account.View{Listed: true, Absences: 1, Doubt: true})
			wantView(t, w.Observe(directory.Key{Name: "acme-else"}), "", account.View{Listed: true, Absences: 1})

			v := w.look(t, directory.Key{Name: "acme-new"})
			if v.Doubt || c.carried != (v.Account != nil) {
				t.Errorf("after a look: %+v", v)
			}
			if v.Account != nil && v.Account.CustomData != "claim of acme-new" {
				t.Errorf("custom data %q", v.Account.CustomData)
			}
			if w.Observe(directory.Key{Name: "acme-new"}).Doubt {
				t.Error("the doubt does not end")
			}
		})
	}
}

// A look that fails clears nothing.
func TestFailedLookClearsNoDoubt(t *testing.T) {
	w := newWorld(t, simulator.Settings{})
	ids := w.children(1)
	w.refresh(t)
	w.sim.AddFault(simulator.Fault{Kind: simulator.FaultLoseAnswer, Method: change, Times: 1})
	w.sim.AddFault(simulator.Fault{Kind: simulator.FaultLoseAnswer, Method: add, Times: 1})
	_ = w.Update(background, ids[0], w.changes("languageCode", "de"))
	_, _ = w.Create(background, newAccount("acme-new"))
	w.sim.AddFault(simulator.Fault{Kind: simulator.FaultHTTP, Method: list})
	for _, key := range []directory.Key{{ID: ids[0]}, {Name: "acme-new"}} {
		_, err := w.Look(background, key)
		wantError(t, err, account.Unavailable, false)
		if !w.Observe(key).Doubt {
			t.Errorf("%+v: the doubt is gone", key)
		}
	}
}

// The context of whoever looks ends the waiting, not the call that others share.
func TestLookEndsWithItsContext(t *testing.T) {
	w := newWorld(t, simulator.Settings{})
	ids := w.children(1)
	g := w.hold(list)
	ctx, cancel := context.WithCancel(background)
	done := make(chan error, 2)
	go func() { _, err := w.Look(ctx, directory.Key{ID: ids[0]}); done <- err }()
	<-g.answered
	cancel()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
	close(g.release)

	canceled, cancel := context.WithCancel(background)
	cancel()
	if _, err := w.Look(canceled, directory.Key{Name: "child-00000"}); err == nil {
		t.Error("a look by name goes on after its context")
	}
}

// Where the provider lists only what it is asked for, a name that it wasn't asked for must be looked up.
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
	if step := account.Decide(w.Fields(), account.Subject{Name: stranger.Name}, v).Step; step != account.StepLook {
		t.Errorf("%s, want a look", step)
	}
	v = w.look(t, stranger)
	wantView(t, v, id, account.View{Partial: true, Fresh: true})
	v = w.look(t, directory.Key{Name: "acme-other"})
	wantView(t, v, "", account.View{Partial: true, Fresh: true})
	if step := account.Decide(w.Fields(), account.Subject{Name: "acme-other"}, v).Step; step != account.StepCreate {
		t.Errorf("%s, want a creation", step)
	}
}

// A partial list says nothing of what it wasn't asked for.
func TestPartialListsConcludeOnlyWhatTheyWereAskedFor(t *testing.T) {
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

// The way of listing changes at the provider: partial lists become whole ones.
func TestFromPartialToWhole(t *testing.T) {
	w := newWorld(t, simulator.Settings{RefuseAll: true, RefuseUnfiltered: true})
	ids := w.children(2)
	w.refresh(t, directory.Known{IDs: ids[:1]})
	w.sim.Update(func(s *simulator.Settings) { s.RefuseAll, s.RefuseUnfiltered = false, false })
	w.change(t, w.remote(t, http.DefaultTransport), directory.Known{IDs: ids[:1]}) // a new connection tries the better way again
	wantView(t, w.Observe(directory.Key{ID: ids[1]}), ids[1], account.View{Listed: true})
	wantView(t, w.Observe(directory.Key{Name: "acme-new"}), "", account.View{Listed: true, Absences: 2})
}

func TestSwitchKeepsWhatIsKnown(t *testing.T) {
	w := newWorld(t, simulator.Settings{})
	ids := w.children(1)
	w.refresh(t)
	w.sim.AddFault(simulator.Fault{Kind: simulator.FaultLoseAnswer, Method: add, Times: 1})
	_, _ = w.Create(background, newAccount("acme-new"))
	was := w.Listings()
	w.clock.Step(time.Minute)

	var used atomic.Int32
	w.change(t, w.remote(t, roundTripper(func(r *http.Request) (*http.Response, error) {
		used.Add(1)
		return http.DefaultTransport.RoundTrip(r)
	})))
	wantView(t, w.Observe(directory.Key{ID: ids[0]}), ids[0], account.View{Listed: true})
	if v := w.Observe(directory.Key{Name: "acme-new"}); !v.Doubt {
		t.Errorf("the doubt is gone: %+v", v)
	}
	was.Complete, was.Total = was.Complete+1, 2
	was.AskedAt, was.TriedAt = w.clock.Now(), w.clock.Now()
	if w.Listings() != was {
		t.Errorf("listings %+v, want %+v", w.Listings(), was)
	}
	before := used.Load()
	w.look(t, directory.Key{ID: ids[0]})
	if used.Load() != before+1 {
		t.Error("the new connection is not used")
	}
}

// A connection that can't read the list, for whatever reason, is not changed to.
func TestSwitchRefused(t *testing.T) {
	w := newWorld(t, simulator.Settings{})
	ids := w.children(1)
	w.refresh(t)
	was := w.Listings()
	for class, fault := range map[account.Class]simulator.Fault{
		account.RoleMissing: {Kind: simulator.FaultError, Method: list, Code: 104, Times: 1},
		account.Unavailable: {Kind: simulator.FaultReset, Method: list, Times: 1},
		account.Throttled:   {Kind: simulator.FaultHTTP, Method: list, Status: 429, Times: 1},
	} {
		w.clock.Step(time.Minute)
		w.sim.AddFault(fault)
		wantError(t, w.Switch(background, w.remote(t, nil), directory.Known{}), class, false)
		if w.Listings() != was {
			t.Errorf("%s: listings %+v, want %+v", class, w.Listings(), was)
		}
	}
	wantView(t, w.Observe(directory.Key{ID: ids[0]}), ids[0], account.View{Listed: true})
	w.write(t, ids[0], "languageCode", "de") // on the former one
}

// A call that is under way ends on the connection that it began on, and its answer counts.
func TestSwitchUnderWay(t *testing.T) {
	w := newWorld(t, simulator.Settings{})
	w.refresh(t)
	gate := w.hold(add)
	done := make(chan error, 1)
	go func() { _, err := w.Create(background, newAccount("acme-new")); done <- err }()
	<-gate.answered
	w.change(t, w.remote(t, http.DefaultTransport))
	close(gate.release)
	if err := <-done; err != nil {
		t.Error(err)
	}
	if v := w.Observe(directory.Key{Name: "acme-new"}); v.Account == nil || v.Doubt {
		t.Errorf("the account is not known: %+v", v)
	}
	if n := w.sim.Counts()[add]; n != 1 {
		t.Errorf("%d calls", n)
	}
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func TestRecoverKey(t *testing.T) {
	w := newWorld(t, simulator.Settings{})
	created, err := w.Create(background, newAccount("acme-new"))
	if err != nil {
		t.Fatal(err)
	}
	key, err := w.RecoverKey(background, created.Account.ID, password)
	if err != nil || key.Reveal() != created.APIKey.Reveal() {
		t.Errorf("not the account's key, %v", err)
	}
	if key, err = w.RecoverKey(background, created.Account.ID, "Another-Pa55word!"); err == nil || key != "" {
		t.Error("a wrong password finds the key")
	}
	w.change(t, struct{ provider.Remote }{w.remote(t, http.DefaultTransport)})
	_, err = w.RecoverKey(background, created.Account.ID, password)
	wantError(t, err, account.Invalid, false)
}

func TestFields(t *testing.T) {
	w := newWorld(t, simulator.Settings{})
	var got, want []string
	for _, f := range w.Fields() {
		got = append(got, f.Path)
	}
	for _, f := range voximplant.Fields() {
		want = append(want, f.Path)
	}
	if len(want) == 0 || !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
}

// Everything at once, for the race detector; and at the end all is as it was written last.
func TestConcurrentUse(t *testing.T) {
	w := newWorld(t, simulator.Settings{})
	ids := w.children(20)
	w.refresh(t)
	var all sync.WaitGroup
	for i, id := range ids {
		all.Go(func() {
			for _, language := range []string{"de", "fr", "it"} {
				if err := w.Update(background, id, w.changes("languageCode", language)); err != nil {
					t.Error(err)
				}
				if got := w.value(id, "languageCode"); got != language {
					t.Errorf("wrote %s, and then knows %s", language, got)
				}
				if v, err := w.Look(background, directory.Key{ID: id}); err != nil || v.Account == nil || v.Account.State["languageCode"] != language {
					t.Errorf("look: %+v, %v", v, err)
				}
			}
			if _, err := w.Create(background, newAccount(fmt.Sprintf("acme-%02d", i))); err != nil {
				t.Error(err)
			}
		})
	}
	for range 3 {
		all.Go(func() {
			for range 5 {
				if err := w.Refresh(background, directory.Known{IDs: ids}); err != nil && account.ClassOf(err) != account.Incomplete {
					t.Error(err)
				}
				_ = w.Listings()
			}
		})
	}
	all.Wait()
	for i, id := range ids {
		if got := w.value(id, "languageCode"); got != "it" {
			t.Errorf("account %s: %q", id, got)
		}
		if v := w.Observe(directory.Key{Name: fmt.Sprintf("acme-%02d", i)}); v.Account == nil || v.Absences != 0 {
			t.Errorf("created, and then not known: %+v", v)
		}
	}
}

func TestRegistry(t *testing.T) {
	var r directory.Registry
	a, b := types.NamespacedName{Namespace: "one", Name: "acme"}, types.NamespacedName{Namespace: "two", Name: "acme"}
	if r.Get(a) != nil {
		t.Error("an empty registry has a parent")
	}
	r.Put(a, nil) // nothing to take away
	p := &directory.Parent{AccountID: "1"}
	r.Put(a, p)
	if r.Get(a) != p || r.Get(b) != nil {
		t.Error("not what was put")
	}
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() { r.Put(b, p); r.Put(b, nil); r.Get(a) })
	}
	all.Wait()
	r.Put(a, nil)
	if r.Get(a) != nil {
		t.Error("not taken away")
	}
}

func TestAnOlderLookDoesNotClearADoubt(t *testing.T) {
	w := newWorld(t, simulator.Settings{})
	ids := w.children(1)
	w.refresh(t)
	g := w.hold(list)
	done := make(chan error, 1)
	go func() { _, err := w.Look(background, directory.Key{ID: ids[0]}); done <- err }()
	<-g.answered
	w.sim.AddFault(simulator.Fault{Kind: simulator.FaultLoseAnswer, Method: change, Times: 1})
	wantError(t, w.Update(background, ids[0], w.changes("languageCode", "de")), account.Unavailable, true)
	close(g.release)
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	wantView(t, w.Observe(directory.Key{ID: ids[0]}), ids[0], account.View{Listed: true, Doubt: true})
}

func TestAnOlderLookDoesNotClearADoubtfulCreation(t *testing.T) {
	w := newWorld(t, simulator.Settings{})
	w.refresh(t)
	g := w.hold(list)
	done := make(chan error, 1)
	go func() { _, err := w.Look(background, directory.Key{Name: "acme-new"}); done <- err }()
	<-g.answered
	w.sim.AddFault(simulator.Fault{Kind: simulator.FaultLoseAnswer, Method: add, Times: 1})
	_, err := w.Create(background, newAccount("acme-new"))
	wantError(t, err, account.Unavailable, true)
	close(g.release)
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	wantView(t, w.Observe(directory.Key{Name: "acme-new"}), "", account.View{Listed: true, Absences: 1, Doubt: true})
}

func TestPartialAbsencesCountOnlyListsThatAsked(t *testing.T) {
	w := newWorld(t, simulator.Settings{RefuseAll: true, RefuseUnfiltered: true})
	ids := w.children(1)
	for range 3 {
		w.refresh(t, directory.Known{IDs: ids})
	}
	w.refresh(t, directory.Known{IDs: append(ids, "999")})
	wantView(t, w.Observe(directory.Key{ID: "999"}), "", account.View{Listed: true, Partial: true, Absences: 1})
}
