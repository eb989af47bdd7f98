package directory_test

import (
	"fmt"
	"testing"

	"cpaas.dev/child-account-operator/internal/account"
	"cpaas.dev/child-account-operator/internal/directory"
	"cpaas.dev/child-account-operator/internal/provider"
	"cpaas.dev/child-account-operator/internal/provider/fake"
	"cpaas.dev/child-account-operator/internal/simulator"
)

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

// Where a name can be changed, the account is found by the new name from the write on, in whatever spelling.
func TestUpdateThatChangesTheName(t *testing.T) {
	w := newFakeWorld(fake.Options{FoundByEmail: true})
	n := fakeAccount("acme")
	n.Name = "acme@acme.example"
	created, err := w.Create(background, n)
	if err != nil {
		t.Fatal(err)
	}
	id := created.Account.ID
	is := func(name, want string) {
		t.Helper()
		got := ""
		if a := w.Observe(directory.Key{Name: name}).Account; a != nil {
			got = a.ID
		}
		if got != want {
			t.Errorf("%s is account %q, want %q", name, got, want)
		}
	}
	is("ACME@acme.example", id)
	if err := w.Update(background, provider.Target{ID: id}, w.changes(t, account.State{fake.PathContact: "New@acme.example"})); err != nil {
		t.Fatal(err)
	}
	is("acme@acme.example", "")
	is("new@ACME.example", id)
	w.refresh(t)
	is("new@acme.example", id)

	// A name is that of the account that had it last.
	second := w.service.Put("acme@acme.example", nil, "")
	w.refresh(t)
	is("acme@acme.example", second)
	is("new@acme.example", id)
	view := w.Observe(directory.Key{ID: id})
	d := account.Decide(w.Fields(), account.Subject{ID: id, Name: "third@acme.example", Desired: account.State{fake.PathContact: "third@acme.example"}}, view)
	if d.Step != account.StepUpdate {
		t.Errorf("a bound account whose name is to change: %s", d.Step)
	}
}

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
		t.Error("Observe made a call")
	}
}

// A row that was requested before our write was answered does not override it; the next one does.
func TestListRequestedBeforeAWrite(t *testing.T) {
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

// A read that was requested before a write was answered does not override it.
func TestReadRequestedBeforeAWrite(t *testing.T) {
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

// An account that a read does not return is not observed until a read or list returns it again.
func TestReadThatDoesNotReturnTheAccount(t *testing.T) {
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
