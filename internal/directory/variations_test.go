package directory_test

import (
	"context"
	"maps"
	"slices"
	"sync"
	"testing"

	clocktesting "k8s.io/utils/clock/testing"

	"cpaas.dev/child-account-operator/internal/account"
	"cpaas.dev/child-account-operator/internal/directory"
	"cpaas.dev/child-account-operator/internal/provider"
	"cpaas.dev/child-account-operator/internal/provider/fake"
)

// fakeWorld is a directory on top of a provider in memory, as its options vary it.
type fakeWorld struct {
	*directory.Directory
	service *fake.Service
}

func newFakeWorld(o fake.Options) *fakeWorld {
	s := fake.New(o)
	return &fakeWorld{directory.New(s.Remote(), clocktesting.NewFakeClock(begin)), s}
}

func fakeAccount(name string) provider.NewAccount {
	return provider.NewAccount{Name: name, Password: password, CustomData: "claim of " + name, Desired: account.State{
		fake.PathName: name, fake.PathLogin: "login of " + name, fake.PathContact: name + "@acme.example", fake.PathTongue: "de",
	}}
}

func (w *fakeWorld) changes(t *testing.T, values account.State) []account.Change {
	t.Helper()
	var out []account.Change
	for _, f := range w.Fields() {
		if to, ok := values[f.Path]; ok {
			out = append(out, account.Change{Field: f, To: to, Origin: account.FromSpec})
		}
	}
	return out
}

func (w *fakeWorld) refresh(t *testing.T) {
	t.Helper()
	if err := w.Directory.Refresh(background, directory.Known{}); err != nil {
		t.Fatal(err)
	}
}

// A provider that says no id is asked for the account at once, and nothing of what was sent is forgotten.
func TestCreateWithoutAnID(t *testing.T) {
	w := newFakeWorld(fake.Options{NoID: true})
	created, err := w.Create(background, fakeAccount("acme"))
	if err != nil {
		t.Fatal(err)
	}
	id := w.service.Accounts()[0]
	if created.Account.ID != id || created.Account.CustomData != "claim of acme" {
		t.Errorf("created %+v, want id %s", created.Account, id)
	}
	if w.service.Count(fake.MethodCreate) != 1 || w.service.Count(fake.MethodGet) != 1 {
		t.Errorf("calls %+v", w.service.Calls())
	}
	v := w.Observe(directory.Key{ID: id})
	if v.Account == nil || v.OutcomeUnknown || v.Account.State[fake.PathLogin] != "login of acme" || v.Account.State[fake.PathOpened] == "" {
		t.Errorf("observed %+v", v)
	}
	if v := w.Observe(directory.Key{Name: "acme"}); v.Account == nil || v.OutcomeUnknown || v.Awaited {
		t.Errorf("by name %+v", v)
	}
}

// Where the look after it fails, the creation was made all the same: it is in doubt, and not repeated without another look.
func TestCreateWithoutAnIDAndWithoutALook(t *testing.T) {
	w := newFakeWorld(fake.Options{NoID: true})
	w.service.Add(fake.Refuse(fake.MethodGet, account.Unavailable))
	_, err := w.Create(background, fakeAccount("acme"))
	wantError(t, err, account.Unavailable, true)
	if v := w.Observe(directory.Key{Name: "acme"}); !v.OutcomeUnknown || !v.Awaited {
		t.Errorf("%+v", v)
	}
	w.service.Add(fake.Refuse(fake.MethodGet, account.Unavailable))
	_, err = w.Create(background, fakeAccount("acme"))
	wantError(t, err, account.Unavailable, false)
	_, err = w.Create(background, fakeAccount("acme"))
	wantError(t, err, account.NameTaken, false)
	if n := w.service.Count(fake.MethodCreate); n != 1 {
		t.Errorf("created %d times", n)
	}
	if v := w.Observe(directory.Key{Name: "acme"}); v.Account == nil || v.OutcomeUnknown || v.Awaited {
		t.Errorf("after a look %+v", v)
	}
}

// An account whose creation was confirmed and that isn't shown yet is waited for, until complete lists that should have it don't.
func TestAConfirmedAccountIsAwaited(t *testing.T) {
	w := newFakeWorld(fake.Options{NoID: true, Hidden: 1000, NoClaims: true})
	w.refresh(t)
	_, err := w.Create(background, fakeAccount("acme"))
	wantError(t, err, account.Incomplete, true)
	subject := account.Subject{Name: "acme", Intent: true}
	for list := range 3 {
		view, err := w.Read(background, directory.Key{Name: "acme"})
		if d := account.Decide(w.Fields(), subject, view); err != nil || d.Step != account.StepWait {
			t.Fatalf("after %d lists: %s, %v", list, d.Step, err)
		}
		if d := account.Decide(w.Fields(), subject, w.Observe(directory.Key{Name: "acme"})); d.Step != account.StepRead {
			t.Fatalf("after %d lists, from memory: %s", list, d.Step)
		}
		_, err = w.Create(background, fakeAccount("acme"))
		wantError(t, err, account.Incomplete, true)
		w.refresh(t)
	}
	if n := w.service.Count(fake.MethodCreate); n != 1 {
		t.Errorf("created %d times", n)
	}
	w.service.Remove(w.service.Accounts()[0])
	if view, err := w.Read(background, directory.Key{Name: "acme"}); err != nil || view.Awaited || view.OutcomeUnknown {
		t.Errorf("after three lists without it: %+v, %v", view, err)
	}
	if _, err := w.Create(background, fakeAccount("acme")); account.ClassOf(err) != account.Incomplete || w.service.Count(fake.MethodCreate) != 2 {
		t.Errorf("not created again: %v", err)
	}
}

func TestAnAwaitedAccountIsFound(t *testing.T) {
	for name, find := range map[string]func(*testing.T, *fakeWorld){
		"by a list": func(t *testing.T, w *fakeWorld) { t.Helper(); w.refresh(t) },
		"by a look": func(_ *testing.T, w *fakeWorld) { _, _ = w.Read(background, directory.Key{Name: "acme"}) },
	} {
		t.Run(name, func(t *testing.T) {
			w := newFakeWorld(fake.Options{NoID: true, Hidden: 1})
			w.refresh(t)
			_, err := w.Create(background, fakeAccount("acme"))
			wantError(t, err, account.Incomplete, true)
			find(t, w)
			if v := w.Observe(directory.Key{Name: "acme"}); v.Account == nil || v.Awaited {
				t.Errorf("%+v", v)
			}
		})
	}
}

// A lost answer leaves a doubt; a caller that does not look is not let create a second one.
func TestCreateIsNeverRepeatedWithoutALook(t *testing.T) {
	for name, lost := range map[string]fake.Fault{"answer": fake.LoseAnswer(fake.MethodCreate), "request": fake.LoseRequest(fake.MethodCreate)} {
		t.Run(name, func(t *testing.T) {
			w := newFakeWorld(fake.Options{})
			w.service.Add(lost)
			_, err := w.Create(background, fakeAccount("acme"))
			wantError(t, err, account.Unavailable, true)
			_, err = w.Create(background, fakeAccount("acme"))
			var methods []string
			for _, c := range w.service.Calls() {
				methods = append(methods, c.Method)
			}
			want := []string{fake.MethodCreate, fake.MethodGet}
			if !lost.Done {
				want = append(want, fake.MethodCreate)
			}
			if !slices.Equal(methods, want) || (account.ClassOf(err) == account.NameTaken) != lost.Done {
				t.Errorf("calls %v, %v", methods, err)
			}
			if n := len(w.service.Accounts()); n != 1 {
				t.Errorf("%d accounts", n)
			}
		})
	}
}

// Without claims the stored intent alone says that an account is of our own attempt.
func TestClaimless(t *testing.T) {
	w := newFakeWorld(fake.Options{NoClaims: true})
	created, err := w.Create(background, fakeAccount("acme"))
	if err != nil || created.Account.CustomData != "" {
		t.Fatalf("%+v, %v", created, err)
	}
	wantError(t, w.Claim(background, created.Account.ID, "claim"), account.Invalid, false)
	view, err := w.Read(background, directory.Key{Name: "acme"})
	if err != nil || !view.Claimless {
		t.Fatalf("%+v, %v", view, err)
	}
	if v := newFakeWorld(fake.Options{}).Observe(directory.Key{Name: "acme"}); v.Claimless {
		t.Error("a provider with claims has none")
	}
}

// What an API needs that replaces the whole account comes with each write: what was seen, also of what was written since.
func TestUpdateOfAWholeAccount(t *testing.T) {
	w := newFakeWorld(fake.Options{FullReplace: true})
	n := fakeAccount("acme")
	created, err := w.Create(background, n)
	if err != nil {
		t.Fatal(err)
	}
	id := created.Account.ID
	w.refresh(t)
	asked := 0
	target := provider.Target{ID: id, Desired: n.Desired, Password: func(context.Context) (account.Secret, error) {
		asked++
		return password, nil
	}}
	before, _ := w.service.Account(id)
	w.service.Set(id, fake.PathRegion, "south") // by somebody else, and seen by the next list
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
	if after, _ := w.service.Account(id); !maps.Equal(w.Fields().Normal(after.State), want) || asked != 2 {
		t.Errorf("%v, want %v; the password was asked for %d times", after.State, want, asked)
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

// Where a name can be changed it is the account's name from the write on, in whatever spelling it is asked for.
func TestTheNameIsAFieldThatChanges(t *testing.T) {
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

	// The one that has it now has it, whoever had it before.
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

// Accounts of one batch come each with what is known of it.
func TestABatchHasATargetForEach(t *testing.T) {
	s := fake.New(fake.Options{})
	spy := &updates{Parent: s.Remote()}
	d := directory.New(spy, clocktesting.NewFakeClock(begin))
	w := &fakeWorld{d, s}
	var ids []string
	for _, name := range []string{"one", "two", "three"} {
		ids = append(ids, s.Put(name, account.State{fake.PathNickname: "nick of " + name}, ""))
	}
	w.refresh(t)
	var all sync.WaitGroup
	for _, id := range ids {
		all.Go(func() {
			if err := w.Update(background, provider.Target{ID: id, Desired: account.State{fake.PathLogin: "login of " + id}}, w.changes(t, account.State{fake.PathTongue: "he"})); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	seen := map[string]string{}
	for _, u := range spy.seen {
		for _, target := range u.Targets {
			seen[target.ID] = target.Observed[fake.PathNickname] + ", " + target.Desired[fake.PathLogin]
		}
	}
	want := map[string]string{ids[0]: "nick of one, login of 1", ids[1]: "nick of two, login of 2", ids[2]: "nick of three, login of 3"}
	if !maps.Equal(seen, want) {
		t.Errorf("%v, want %v", seen, want)
	}
}

// updates is a Remote that remembers what it was to write.
type updates struct {
	provider.Parent
	mu   sync.Mutex
	seen []provider.Update
}

func (u *updates) Update(ctx context.Context, update provider.Update) error {
	u.mu.Lock()
	u.seen = append(u.seen, update)
	u.mu.Unlock()
	return u.Parent.Update(ctx, update)
}
