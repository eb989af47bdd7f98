package directory_test

import (
	"fmt"
	"slices"
	"testing"

	"cpaas.dev/child-account-operator/internal/account"
	"cpaas.dev/child-account-operator/internal/directory"
	"cpaas.dev/child-account-operator/internal/provider"
	"cpaas.dev/child-account-operator/internal/simulator"
)

// Accounts that are created while a list is read, by us or by others, leave it complete: it has what was there, and what is missing is
// missing.
func TestListThatGrowsIsComplete(t *testing.T) {
	w := newWorld(t, simulator.Settings{})
	ids := w.children(pageSize + 2)
	w.refresh(t)
	w.remove(t, ids[1])
	var own provider.Created
	w.during(t, list, func() error { return w.Refresh(background, directory.Known{}) }, func() {
		var err error
		if own, err = w.Create(background, provider.NewAccount{Name: "acme-own", Password: password, Desired: account.State{"email": "acme-own@acme.example"}}); err != nil {
			t.Error(err)
		}
		w.child("another")
	})
	if l := w.Listings(); l.Complete != 2 || l.Err != nil || l.Total != pageSize+3 {
		t.Errorf("listings %+v", l)
	}
	wantView(t, w.Observe(directory.Key{ID: own.Account.ID, Name: "acme-own"}), own.Account.ID, account.View{Listed: true})
	wantView(t, w.Observe(directory.Key{Name: "another"}), w.idOf(t, "another"), account.View{Listed: true})
	wantView(t, w.Observe(directory.Key{ID: ids[1]}), "", account.View{Listed: true, Absences: 1})
	wantView(t, w.Observe(directory.Key{ID: ids[pageSize+1]}), ids[pageSize+1], account.View{Listed: true})
}

// An account of ours that is created once the last page was read is not missing.
func TestOwnAccountBehindTheLastPage(t *testing.T) {
	w := newWorld(t, simulator.Settings{})
	w.children(pageSize)
	var own provider.Created
	w.during(t, list, func() error { return w.Refresh(background, directory.Known{}) }, func() {
		var err error
		if own, err = w.Create(background, provider.NewAccount{Name: "acme-own", Password: password, Desired: account.State{"email": "acme-own@acme.example"}}); err != nil {
			t.Error(err)
		}
	})
	if l := w.Listings(); l.Complete != 1 || l.Err != nil || l.Total != pageSize {
		t.Errorf("listings %+v", l)
	}
	wantView(t, w.Observe(directory.Key{ID: own.Account.ID, Name: "acme-own"}), own.Account.ID, account.View{Listed: true})
}

// Others may create accounts before each page for ever: a directory that begins anew has its list all the same.
func TestFirstListThatGrows(t *testing.T) {
	w := newWorld(t, simulator.Settings{})
	ids := w.children(pageSize + 2)
	w.sim.AddFault(simulator.Fault{Kind: simulator.FaultAddAccounts, Accounts: 1})
	for n := range 3 {
		w.refresh(t)
		if l := w.Listings(); l.Complete != n+1 {
			t.Errorf("listings %+v", l)
		}
		for _, id := range slices.Concat(ids[:1], ids[pageSize:]) {
			wantView(t, w.Observe(directory.Key{ID: id}), id, account.View{Listed: true})
		}
		wantView(t, w.Observe(directory.Key{Name: fmt.Sprintf("acme-new-%d", n)}), "", account.View{Listed: true, Absences: n + 1})
	}
}

// Where one account comes as another goes between two pages, the list lacks one that is there, which nothing shows. It is not missing
// for that: the next list has it.
func TestOneListThatLacksAnAccount(t *testing.T) {
	w := newWorld(t, simulator.Settings{})
	ids := w.children(pageSize + 2)
	w.refresh(t)
	w.sim.AddFault(simulator.Fault{Kind: simulator.FaultAddAccounts, Accounts: 1, Times: 1})
	w.sim.AddFault(simulator.Fault{Kind: simulator.FaultRemoveAccounts, Accounts: 1, Times: 1})
	w.refresh(t)
	moved := directory.Key{ID: ids[pageSize]}
	wantView(t, w.Observe(moved), "", account.View{Listed: true, Absences: 1})
	if step := account.Decide(w.Fields(), account.Subject{ID: moved.ID, Name: "child-01000"}, w.Observe(moved)).Step; step == account.StepCreate {
		t.Errorf("%s after one list", step)
	}
	w.refresh(t)
	wantView(t, w.Observe(moved), ids[pageSize], account.View{Listed: true})
}

// idOf is the id of an account at the provider.
func (w *world) idOf(t *testing.T, name string) string {
	t.Helper()
	a, ok := w.sim.Account(name)
	if !ok {
		t.Fatalf("no account %s", name)
	}
	return fmt.Sprint(a.ID)
}
