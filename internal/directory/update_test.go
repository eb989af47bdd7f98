package directory_test

import (
	"context"
	"maps"
	"slices"
	"testing"

	"cpaas.dev/child-account-operator/internal/account"
	"cpaas.dev/child-account-operator/internal/directory"
	"cpaas.dev/child-account-operator/internal/provider"
	"cpaas.dev/child-account-operator/internal/provider/fake"
	"cpaas.dev/child-account-operator/internal/simulator"
)

// An API that replaces the whole account is handed what was observed with each write, also what was written since.
func TestUpdateOfAWholeAccount(t *testing.T) {
	w := newFakeWorld(fake.Options{FullReplace: true})
	n := fakeAccount("acme")
	created, err := w.Create(background, n)
	if err != nil {
		t.Fatal(err)
	}
	id := created.Account.ID
	w.refresh(t)
	passwordReads := 0
	target := provider.Target{ID: id, Desired: n.Desired, Password: func(context.Context) (account.Secret, error) {
		passwordReads++
		return password, nil
	}}
	before, _ := w.service.Account(id)
	w.service.Set(id, fake.PathRegion, "south") // by somebody else, and returned by the next list
	w.refresh(t)
	for path, to := range map[string]string{fake.PathTongue: "he", fake.PathCredit: "7"} {
		if err := w.Update(background, target, w.changes(t, account.State{path: to})); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.SetPassword(background, target, "another-password"); err != nil {
		t.Fatal(err)
	}
	want := w.Fields().Normal(before.State.With(account.State{fake.PathTongue: "he", fake.PathCredit: "7", fake.PathRegion: "south"}))
	if after, _ := w.service.Account(id); !maps.Equal(w.Fields().Normal(after.State), want) || passwordReads != 2 {
		t.Errorf("%v, want %v; the password was read %d times", after.State, want, passwordReads)
	}
}

// Changes that can't share a call get one each, and what was written before a refusal is known to be.
func TestUpdateByGroups(t *testing.T) {
	w := newFakeWorld(fake.Options{})
	created, err := w.Create(background, fakeAccount("acme"))
	if err != nil {
		t.Fatal(err)
	}
	target := provider.Target{ID: created.Account.ID}
	changes := w.changes(t, account.State{fake.PathContact: "new@acme.example", fake.PathNickname: "ace", fake.PathRegion: "south"})
	if err := w.Update(background, target, changes); err != nil {
		t.Fatal(err)
	}
	var paths [][]string
	for _, c := range w.service.Calls() {
		if c.Method == fake.MethodUpdate {
			paths = append(paths, c.Paths)
		}
	}
	if len(paths) != 2 || !slices.Equal(paths[0], []string{fake.PathContact, fake.PathNickname}) || !slices.Equal(paths[1], []string{fake.PathRegion}) {
		t.Errorf("calls of %v", paths)
	}
	second := w.changes(t, account.State{fake.PathNickname: "king", fake.PathRegion: "east"})
	refused := fake.Refuse(fake.MethodUpdate, account.Invalid)
	refused.After = 1
	w.service.Add(refused)
	wantError(t, w.Update(background, target, second), account.Invalid, false)
	a := w.Observe(directory.Key{ID: target.ID}).Account
	if a == nil || a.State[fake.PathNickname] != "king" || a.State[fake.PathRegion] != "south" {
		t.Errorf("%+v", a)
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
		t.Error("a write that was answered needs no read")
	}
}
