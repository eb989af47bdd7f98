package directory_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"sync"
	"testing"

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

// A row that was asked for before our write was answered does not override it; the next one does.
func TestListAskedForBeforeAWrite(t *testing.T) {
	w := newWorld(t, simulator.Settings{})
	ids := w.children(2)
	w.refresh(t)
	w.during(t, list, func() error { return w.Refresh(background, directory.Known{}) }, func() {
		w.write(t, ids[0], "languageCode", "de")
		w.set(t, ids[1], "language_code", "fr")
	})
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

// An account that is created while a list is read is not absent for that list, nor one that is written to.
func TestCreatedWhileTheListIsRead(t *testing.T) {
	w := newWorld(t, simulator.Settings{})
	ids := w.children(2)
	w.refresh(t)
	var created provider.Created
	w.during(t, list, func() error { return w.Refresh(background, directory.Known{}) }, func() {
		var err error
		if created, err = w.Create(background, newAccount("acme-new")); err != nil {
			t.Fatal(err)
		}
	})
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
		w.during(t, list, func() error { _, err := w.Read(background, key); return err }, func() {
			w.write(t, ids[0], "languageCode", "de")
		})
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

// A look that fails to find an account hides it until something shows it again.
func TestLookThatDoesNotFind(t *testing.T) {
	w := newWorld(t, simulator.Settings{})
	ids := w.children(1)
	w.refresh(t)
	w.remove(t, ids[0])
	for _, key := range []directory.Key{{ID: ids[0]}, {Name: "child-00000"}} {
		wantView(t, w.read(t, key), "", account.View{Listed: true, Fresh: true})
		wantView(t, w.Observe(key), "", account.View{Listed: true})
	}
	w.sim.PutAccount(simulator.Account{ID: number(t, ids[0]), ParentID: w.parent.ID, Fields: simulator.Fields{"account_name": "child-00000", "account_email": "c@acme.example"}})
	wantView(t, w.read(t, directory.Key{ID: ids[0]}), ids[0], account.View{Listed: true, Fresh: true})
	wantView(t, w.Observe(directory.Key{Name: "child-00000"}), ids[0], account.View{Listed: true})
}

// The context of whoever looks ends the waiting, not the call that others share.
func TestLookEndsWithItsContext(t *testing.T) {
	w := newWorld(t, simulator.Settings{})
	ids := w.children(1)
	g := w.hold(list)
	ctx, cancel := context.WithCancel(background)
	done := make(chan error, 2)
	go func() { _, err := w.Read(ctx, directory.Key{ID: ids[0]}); done <- err }()
	<-g.answered
	cancel()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
	close(g.release)

	canceled, cancel := context.WithCancel(background)
	cancel()
	if _, err := w.Read(canceled, directory.Key{Name: "child-00000"}); err == nil {
		t.Error("a look by name goes on after its context")
	}
}

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
				if err := w.Update(background, provider.Target{ID: id}, w.changes("languageCode", language)); err != nil {
					t.Error(err)
				}
				if got := w.value(id, "languageCode"); got != language {
					t.Errorf("wrote %s, and then knows %s", language, got)
				}
				if v, err := w.Read(background, directory.Key{ID: id}); err != nil || v.Account == nil || v.Account.State["languageCode"] != language {
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
