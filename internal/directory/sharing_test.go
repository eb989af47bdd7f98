package directory_test

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"k8s.io/apimachinery/pkg/types"
	clocktesting "k8s.io/utils/clock/testing"

	"cpaas.dev/child-account-operator/internal/account"
	"cpaas.dev/child-account-operator/internal/directory"
	"cpaas.dev/child-account-operator/internal/provider"
	"cpaas.dev/child-account-operator/internal/provider/fake"
)

// sharedWorld is a provider in memory and ParentAccounts that lead to one account of it.
type sharedWorld struct {
	*directory.Registry
	*fake.Service
	clock *clocktesting.FakeClock

	mu sync.Mutex
	// written and concerned are what ParentAccounts were told, in order.
	written, concerned []string
}

var source = directory.Source{Provider: "fake", Endpoint: "https://api.example", AccountID: "1"}

func newSharedWorld() *sharedWorld {
	w := &sharedWorld{Service: fake.New(fake.Options{}), clock: clocktesting.NewFakeClock(begin)}
	w.Registry = &directory.Registry{
		Written: func(others []types.NamespacedName, accountName string) {
			w.mu.Lock()
			defer w.mu.Unlock()
			w.written = append(w.written, fmt.Sprint(others, " ", accountName))
		},
		Concerned: func(user types.NamespacedName) {
			w.mu.Lock()
			defer w.mu.Unlock()
			w.concerned = append(w.concerned, user.String())
		},
	}
	return w
}

// told is what ParentAccounts were told since it was last asked.
func (w *sharedWorld) told() (written, concerned []string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	written, concerned, w.written, w.concerned = w.written, w.concerned, nil, nil
	return written, concerned
}

func named(name string) types.NamespacedName {
	return types.NamespacedName{Namespace: "telephony", Name: name}
}

// parent is one ParentAccount; refused, where set, is how the provider refuses its credentials.
type parent struct {
	*directory.Parent
	key     types.NamespacedName
	refused account.Class
	// doubtful is set where that may mean that the credentials are refused.
	doubtful bool
	// meanwhile happens once while a list is read, when the provider has sent it.
	meanwhile func()
}

// remoteOf is a connection with the credentials of one ParentAccount alone.
type remoteOf struct {
	provider.Remote
	p *parent
}

func (r remoteOf) err() error {
	if r.p.refused == "" {
		return nil
	}
	return &account.Error{Class: r.p.refused, Answered: true, DoubtsCredentials: r.p.doubtful}
}

func (r remoteOf) List(ctx context.Context, known provider.Known, yield func(provider.Page)) error {
	if err := r.err(); err != nil {
		return err
	}
	err := r.Remote.List(ctx, known, yield)
	if happens := r.p.meanwhile; happens != nil {
		r.p.meanwhile = nil
		happens()
	}
	return err
}

func (r remoteOf) Get(ctx context.Context, sel provider.Selector) ([]account.Account, error) {
	if err := r.err(); err != nil {
		return nil, err
	}
	return r.Remote.Get(ctx, sel)
}

func (r remoteOf) Update(ctx context.Context, u provider.Update) error {
	if err := r.err(); err != nil {
		return err
	}
	return r.Remote.Update(ctx, u)
}

// join has a ParentAccount connect, whose list is not read yet.
func (w *sharedWorld) join(name string, of ...directory.Source) *parent {
	p := &parent{key: named(name)}
	p.Parent = &directory.Parent{AccountID: source.AccountID, UID: types.UID("uid of " + name), Resync: 10 * time.Minute}
	p.Directory = w.Join(p.key, append(of, source)[0], remoteOf{w.Remote(), p}, w.clock)
	w.Registry.Put(p.key, p.Parent)
	return p
}

// list has a ParentAccount read the list, which must work.
func (p *parent) list(t *testing.T) {
	t.Helper()
	if err := p.Refresh(background, directory.Known{}); err != nil {
		t.Fatal(err)
	}
}

// update writes one value.
func (p *parent) update(id, path, value string) error {
	f, _ := p.Fields().Field(path)
	return p.Update(background, provider.Target{ID: id}, []account.Change{{Field: f, To: value, Origin: account.FromSpec}})
}

// sees is the value of a field as a ParentAccount knows it, "nothing" where it knows nothing of the account.
func (p *parent) sees(id, path string) string {
	v := p.Observe(directory.Key{ID: id})
	if v.Account == nil {
		return "nothing"
	}
	return v.Account.State[path]
}

func (p *parent) wantSees(t *testing.T, id, want string) {
	t.Helper()
	if got := p.sees(id, fake.PathTongue); got != want {
		t.Errorf("ParentAccount %s sees %s, want %s", p.key.Name, got, want)
	}
}

// child puts one account at the provider.
func (w *sharedWorld) child(name string) string {
	return w.Service.Put(name, account.State{fake.PathName: name, fake.PathLogin: name, fake.PathContact: name + "@acme.example", fake.PathTongue: "en"}, "")
}

// A ParentAccount sees what another one has read or written, once its own credentials have read the list.
func TestSharedSnapshot(t *testing.T) {
	w := newSharedWorld()
	id := w.child("acme")
	a, b := w.join("a"), w.join("b")
	a.list(t)
	a.wantSees(t, id, "en")
	b.wantSees(t, id, "nothing")
	if l := b.Listings(); l != (directory.Listings{}) {
		t.Errorf("before its own list: %+v", l)
	}
	if v, err := b.Read(background, directory.Key{ID: id}); err != nil || v.Account == nil || v.Listed {
		t.Errorf("its own read, before its own list: %+v, %v", v, err)
	}
	b.wantSees(t, id, "nothing")
	b.list(t)
	b.wantSees(t, id, "en")
	w.told()

	if err := a.update(id, fake.PathTongue, "de"); err != nil {
		t.Fatal(err)
	}
	b.wantSees(t, id, "de")
	if written, _ := w.told(); !slices.Equal(written, []string{"[telephony/b] acme"}) {
		t.Errorf("told of the write: %q", written)
	}
	w.Set(id, fake.PathTongue, "fr")
	a.list(t)
	b.wantSees(t, id, "fr")
	if _, concerned := w.told(); !slices.Equal(concerned, []string{"telephony/b"}) || !b.News() || b.News() {
		t.Errorf("told of the list: %q", concerned)
	}
	created, err := b.Create(background, fakeAccount("new"))
	if err != nil {
		t.Fatal(err)
	}
	a.wantSees(t, created.Account.ID, "de")
	if written, _ := w.told(); !slices.Equal(written, []string{"[telephony/a] new"}) {
		t.Errorf("told of the creation: %q", written)
	}
}

// Whose account, endpoint, authorities or provider differ shares nothing.
func TestSnapshotsApart(t *testing.T) {
	w := newSharedWorld()
	id := w.child("acme")
	a := w.join("a")
	a.list(t)
	for name, change := range map[string]func(*directory.Source){
		"account":     func(s *directory.Source) { s.AccountID = "2" },
		"endpoint":    func(s *directory.Source) { s.Endpoint = "https://other.example" },
		"authorities": func(s *directory.Source) { s.CABundle = "other" },
		"provider":    func(s *directory.Source) { s.Provider = "other" },
	} {
		other := source
		change(&other)
		b := w.join("b", other)
		w.Set(id, fake.PathTongue, "en")
		b.list(t)
		w.told()
		if err := b.update(id, fake.PathTongue, name); err != nil {
			t.Fatal(err)
		}
		a.wantSees(t, id, "en")
		if written, concerned := w.told(); len(written)+len(concerned) > 0 {
			t.Errorf("another %s: told %q, %q", name, written, concerned)
		}
	}
}

// Credentials that the provider refuses, from the beginning or at last, see nothing of what others read; and a failure of theirs is
// nobody else's.
func TestRefusedCredentialsSeeNothing(t *testing.T) {
	for _, class := range []account.Class{account.Unauthorized, account.RoleMissing, account.BlockedNotEnabled, account.Invalid, account.Unknown} {
		w := newSharedWorld()
		id := w.child("acme")
		a, b, c := w.join("a"), w.join("b"), w.join("c")
		a.list(t)
		b.list(t)
		b.refused, c.refused = class, class
		for _, p := range []*parent{b, c} {
			wantError(t, p.Refresh(background, directory.Known{}), class, false)
			if p.Listings().Err == nil {
				t.Errorf("%s: %s does not say so", class, p.key.Name)
			}
		}
		w.Set(id, fake.PathTongue, "secret")
		a.list(t)
		for _, p := range []*parent{b, c} {
			p.wantSees(t, id, "nothing")
			if v := p.Observe(directory.Key{Name: "acme"}); v.Account != nil || v.Listed || v.Absences != 0 {
				t.Errorf("%s: by name %s sees %+v", class, p.key.Name, v)
			}
			if l := p.Listings(); l.Err == nil || l.CompleteAt.After(begin) {
				t.Errorf("%s: after another's list %s knows of %+v", class, p.key.Name, l)
			}
			if _, err := p.Read(background, directory.Key{ID: id}); err == nil {
				t.Errorf("%s: %s can read", class, p.key.Name)
			}
		}
		if l := a.Listings(); l.Err != nil {
			t.Errorf("%s: another's failure is the good one's: %v", class, l.Err)
		}
		b.refused = ""
		b.list(t)
		b.wantSees(t, id, "secret")
	}
}

// A call that is refused ends the access at once, and has the ParentAccount read the list.
func TestRefusedCallEndsTheAccess(t *testing.T) {
	w := newSharedWorld()
	id := w.child("acme")
	a, b := w.join("a"), w.join("b")
	a.list(t)
	b.list(t)
	w.told()
	b.refused = account.Unauthorized
	wantError(t, b.update(id, fake.PathTongue, "de"), account.Unauthorized, false)
	b.wantSees(t, id, "nothing")
	if l := b.Listings(); !l.AttemptedAt.IsZero() || l.Complete != 2 {
		t.Errorf("the list is not due: %+v", l)
	}
	if _, concerned := w.told(); !slices.Equal(concerned, []string{"telephony/b"}) {
		t.Errorf("reconciled: %q", concerned)
	}
	a.wantSees(t, id, "en")
}

// Credentials that were taken away and come back show first that they are still good. Who is alone goes on as before.
func TestWithdrawnCredentialsReadTheListAgain(t *testing.T) {
	for _, alone := range []bool{true, false} {
		w := newSharedWorld()
		id := w.child("acme")
		b := w.join("b")
		b.list(t)
		want := "en"
		if !alone {
			w.join("a").list(t)
			want = "nothing"
		}
		was := b.Listings()
		w.Withdraw(b.key, true, begin)
		b.wantSees(t, id, want)
		if l := b.Listings(); l.CompleteAt != was.CompleteAt || l.AttemptedAt.IsZero() == alone {
			t.Errorf("alone %v: %+v", alone, l)
		}
		if v, err := b.Read(background, directory.Key{ID: id}); err != nil || v.Account == nil { // for deletions
			t.Errorf("alone %v: %+v, %v", alone, v, err)
		}
		b.list(t)
		b.wantSees(t, id, "en")
	}
}

// An outage says nothing about credentials: what was seen stays, as it does for whoever is alone.
func TestUnansweredListKeepsTheAccess(t *testing.T) {
	w := newSharedWorld()
	id := w.child("acme")
	a, b := w.join("a"), w.join("b")
	a.list(t)
	b.list(t)
	b.refused = account.Unavailable
	wantError(t, b.Refresh(background, directory.Known{}), account.Unavailable, false)
	b.wantSees(t, id, "en")
	if b.Listings().Err == nil || a.Listings().Err != nil {
		t.Errorf("%v, %v", b.Listings().Err, a.Listings().Err)
	}
	a.list(t)
	if b.Listings().Err != nil {
		t.Error("a later list of another does not end it")
	}
}

// Changed credentials show first that they can read the list; until they do the former ones are in use.
func TestChangedCredentialsReadTheListFirst(t *testing.T) {
	w := newSharedWorld()
	id := w.child("acme")
	a, b := w.join("a"), w.join("b")
	a.list(t)
	b.list(t)
	changed := &parent{key: b.key, refused: account.RoleMissing}
	wantError(t, b.Switch(background, remoteOf{w.Remote(), changed}, directory.Known{}), account.RoleMissing, false)
	b.wantSees(t, id, "en")
	b.refused = account.Unauthorized // the former ones, which are in use
	wantError(t, b.update(id, fake.PathTongue, "de"), account.Unauthorized, false)
	b.wantSees(t, id, "nothing")
	changed.refused = ""
	if err := b.Switch(background, remoteOf{w.Remote(), changed}, directory.Known{}); err != nil {
		t.Fatal(err)
	}
	b.wantSees(t, id, "en")
	if err := b.update(id, fake.PathTongue, "it"); err != nil {
		t.Fatal(err)
	}
	a.wantSees(t, id, "it")
}

// Lists that are read at the same time are one: an account that both lack is not missing.
func TestListsAtOneTimeAreOne(t *testing.T) {
	w := newSharedWorld()
	id := w.child("acme")
	w.child("other")
	a, b := w.join("a"), w.join("b")
	a.list(t)
	b.list(t)
	w.Remove(id)
	a.meanwhile = func() { b.list(t) }
	a.list(t)
	for _, p := range []*parent{a, b} {
		if v := p.Observe(directory.Key{ID: id}); v.Absences != 1 || p.Listings().Complete != 3 {
			t.Errorf("%s: absent from %d lists of %d", p.key.Name, v.Absences, p.Listings().Complete)
		}
	}
	if a.list(t); a.Observe(directory.Key{ID: id}).Absences != 2 {
		t.Error("two lists, one after the other, are not believed")
	}
}

// The snapshot goes with its last ParentAccount, and nobody finds it again.
func TestSnapshotGoesWithItsLastParent(t *testing.T) {
	w := newSharedWorld()
	id := w.child("acme")
	a, b := w.join("a"), w.join("b")
	a.list(t)
	b.list(t)
	w.Registry.Put(a.key, nil)
	b.wantSees(t, id, "en")
	back := w.join("a")
	back.wantSees(t, id, "nothing") // until it has read the list itself
	back.list(t)
	if back.Listings().Complete != 3 {
		t.Errorf("%d lists, want that of the others too", back.Listings().Complete)
	}
	w.Registry.Put(a.key, nil)
	w.Registry.Put(b.key, nil)
	if w.Of(b.Directory, source) {
		t.Error("the snapshot is still there")
	}
	if alone := w.join("c"); alone.Listings().Complete != 0 || alone.sees(id, fake.PathTongue) != "nothing" {
		t.Error("a former snapshot was found again")
	}
}

// Several users of one snapshot, with the race detector: what one writes is what all see at the end, and none of them has another's
// failure.
func TestSharedSnapshotIsSafeForConcurrentUse(t *testing.T) {
	w := newSharedWorld()
	ids := make([]string, 20)
	for i := range ids {
		ids[i] = w.child("acme-" + strconv.Itoa(i))
	}
	users := make([]*parent, 6)
	for i := range users {
		users[i] = w.join("user-" + strconv.Itoa(i))
	}
	refused := users[len(users)-1]
	refused.refused = account.Unauthorized
	var all sync.WaitGroup
	for i, p := range users {
		all.Go(func() {
			for round := range 20 {
				if err := p.Refresh(background, directory.Known{}); (err == nil) != (p != refused) {
					t.Error(err)
				}
				id := ids[(i*7+round)%len(ids)]
				_ = p.update(id, fake.PathTongue, "by "+p.key.Name)
				_, _ = p.Read(background, directory.Key{ID: id})
				if seen := p.sees(id, fake.PathTongue); p == refused && seen != "nothing" {
					t.Errorf("refused credentials see %s", seen)
				}
				p.NoteBinding("acme-1")
				_, _ = p.ReadBeforeBinding(background, directory.Key{Name: "acme-2"})
				p.EndBinding("acme-1")
				p.Listings()
				p.News()
				w.Schedule(p.key, p.Parent)
				w.Sharing(p.key, p.Directory)
			}
		})
	}
	all.Go(func() {
		for range 50 {
			passing := w.join("passing")
			_ = passing.Refresh(background, directory.Known{})
			w.Registry.Put(passing.key, nil)
		}
	})
	all.Wait()
	users[0].list(t)
	for _, id := range ids {
		now, _ := w.Account(id)
		for _, p := range users[:len(users)-1] {
			p.wantSees(t, id, now.State[fake.PathTongue])
		}
	}
}

// A thousand resources that are to be bound by their claims share a few calls, whichever of them noted it when.
func TestReadsBeforeBindingShareCalls(t *testing.T) {
	for name, noted := range map[string]bool{"noted before": true, "each by itself": false} {
		synctest.Test(t, func(t *testing.T) {
			w := newSharedWorld()
			const n = 1000
			for i := range n {
				w.child("acme-" + strconv.Itoa(i))
			}
			a := w.join("a")
			a.list(t)
			before := w.Count("Get")
			if noted {
				for i := range n {
					a.NoteBinding("acme-" + strconv.Itoa(i))
				}
			}
			for from := 0; from < n; from += 100 { // one hundred workers
				var all sync.WaitGroup
				for i := from; i < from+100; i++ {
					key := directory.Key{Name: "acme-" + strconv.Itoa(i)}
					if a.Observe(key).Confirmed {
						continue
					}
					all.Go(func() {
						if v, err := a.ReadBeforeBinding(background, key); err != nil || !v.Fresh || v.Account == nil {
							t.Errorf("%+v, %v", v, err)
						}
					})
				}
				all.Wait()
			}
			if got, want := w.Count("Get")-before, map[bool]int{true: 1, false: 10}[noted]; got != want {
				t.Errorf("%s: %d calls, want %d", name, got, want)
			}
		})
	}
}

// An account is confirmed by a read that was requested after that was noted to be needed: not by an earlier one, not by a write, not for
// long, and not once the need has ended.
func TestConfirmed(t *testing.T) {
	w := newSharedWorld()
	id := w.child("acme")
	a, b := w.join("a"), w.join("b")
	a.list(t)
	b.list(t)
	key := directory.Key{Name: "acme"}
	want := func(when string, want bool) {
		t.Helper()
		if got := a.Observe(key).Confirmed; got != want {
			t.Errorf("%s: confirmed %v", when, got)
		}
	}
	want("nothing noted", false)
	a.NoteBinding("acme")
	want("a list before that", false)
	if err := b.update(id, fake.PathTongue, "de"); err != nil {
		t.Fatal(err)
	}
	want("written by another", false)
	b.list(t)
	want("read after that, by another", true)
	a.NoteBinding("acme")
	want("noted again", true)
	a.EndBinding("acme")
	want("ended", false)
	a.NoteBinding("acme")
	want("noted anew", false)
	if _, err := a.ReadBeforeBinding(background, key); err != nil {
		t.Fatal(err)
	}
	want("read", true)
	w.clock.Step(2 * time.Minute)
	want("long ago", false)
	a.NoteBinding("acme")
	want("noted again, long after", false)
	if b.Observe(key).Confirmed {
		t.Error("another's need is its own")
	}
}

// A read before binding that fails is an error for all that share it, and confirms nothing.
func TestReadBeforeBindingFails(t *testing.T) {
	w := newSharedWorld()
	w.child("acme")
	a := w.join("a")
	a.list(t)
	a.refused = account.Unavailable
	_, err := a.ReadBeforeBinding(background, directory.Key{Name: "acme"})
	wantError(t, err, account.Unavailable, false)
	if a.Observe(directory.Key{Name: "acme"}).Confirmed {
		t.Error("confirmed")
	}
}
