package directory_test

import (
	"context"
	"fmt"
	"slices"
	"testing"

	clocktesting "k8s.io/utils/clock/testing"

	"cpaas.dev/child-account-operator/internal/account"
	"cpaas.dev/child-account-operator/internal/directory"
	"cpaas.dev/child-account-operator/internal/provider"
	"cpaas.dev/child-account-operator/internal/provider/fake"
)

// freedWorld is a provider in memory and a directory of it that tells of values that are free.
type freedWorld struct {
	*testing.T
	*directory.Directory

	service *fake.Service
	freed   []string
	n       int
}

func newFreedWorld(t *testing.T, o fake.Options) *freedWorld {
	t.Helper()
	w := &freedWorld{T: t, service: fake.New(o)}
	r := &directory.Registry{}
	r.Freed = func(s directory.Source, freed []directory.Freed) {
		if s != source {
			t.Errorf("told of %+v", s)
		}
		for _, f := range freed {
			if a := directory.HolderOf(w.Directory, f.Value); a != nil && a.ID == f.AccountID {
				t.Errorf("%+v is not free", f) // and no lock is held
			}
			w.freed = append(w.freed, fmt.Sprintf("%s=%s of %s", f.Path, f.Value.Value, f.AccountID))
		}
	}
	w.Directory = r.Join(named("acme"), source, w.service.Remote(), clocktesting.NewFakeClock(begin))
	return w
}

// put adds an account behind the directory's back.
func (w *freedWorld) put(contact string) string {
	w.Helper()
	w.n++
	return w.service.Put(fmt.Sprintf("child-%d", w.n), account.State{
		fake.PathLogin: fmt.Sprintf("login-%d", w.n), fake.PathContact: contact, fake.PathTongue: "de", fake.PathCredit: "5", fake.PathRegion: "north",
	}, "")
}

func (w *freedWorld) list() {
	w.Helper()
	if err := w.Refresh(context.Background(), directory.Known{}); err != nil {
		w.Fatal(err)
	}
}

func (w *freedWorld) expect(want ...string) {
	w.Helper()
	slices.Sort(w.freed)
	if !slices.Equal(w.freed, want) {
		w.Errorf("free: %q, want %q", w.freed, want)
	}
	w.freed = nil
}

func (w *freedWorld) change(id, path, to string) error {
	f, _ := w.service.Fields().Field(path)
	return w.Update(context.Background(), provider.Target{ID: id}, []account.Change{{Field: f, To: to}})
}

func TestFreedValues(t *testing.T) {
	w := newFreedWorld(t, fake.Options{})
	one, two := w.put("One@acme.example"), w.put("two@acme.example")
	w.list()
	w.expect()

	// A write of ours, which was answered.
	if err := w.change(one, fake.PathContact, "new@acme.example"); err != nil {
		t.Fatal(err)
	}
	w.expect("contact=one@acme.example of " + one)
	for _, to := range []string{"New@acme.example"} { // the same to the provider
		if err := w.change(one, fake.PathContact, to); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.change(one, fake.PathTongue, "en"); err != nil {
		t.Fatal(err)
	}
	w.expect()

	// One that was refused, and one without an answer, until the account is read.
	w.service.Add(fake.Refuse(fake.MethodUpdate, account.EmailTaken))
	if w.change(one, fake.PathContact, "refused@acme.example") == nil {
		t.Error("not refused")
	}
	w.service.Add(fake.LoseAnswer(fake.MethodUpdate))
	if w.change(one, fake.PathContact, "lost@acme.example") == nil {
		t.Error("answered")
	}
	w.expect()
	if _, err := w.Read(context.Background(), directory.Key{ID: one}); err != nil {
		t.Fatal(err)
	}
	w.expect("contact=new@acme.example of " + one)

	// A list shows what somebody else has changed, and after two lists what is missing.
	w.service.Set(two, fake.PathContact, "elsewhere@acme.example")
	w.list()
	w.expect("contact=two@acme.example of " + two)
	w.service.Remove(two)
	w.list()
	w.expect()
	for range 4 {
		w.list()
	}
	w.expect("contact=elsewhere@acme.example of "+two, fake.PathName+"=child-2 of "+two)
}

func TestHolderOf(t *testing.T) {
	w := newFreedWorld(t, fake.Options{})
	one := w.put("One@acme.example")
	contact := directory.Value{Path: fake.PathContact, Value: "one@acme.example"}
	if a := directory.HolderOf(w.Directory, contact); a != nil {
		t.Errorf("known before the list: %+v", a)
	}
	w.list()
	for v, want := range map[directory.Value]string{
		contact: one, {Path: fake.PathContact, Value: "other@acme.example"}: "", {Path: "nothing", Value: "one@acme.example"}: "", {Path: w.Fields().Identity().Path, Value: "child-1"}: one,
	} {
		got := ""
		if a := directory.HolderOf(w.Directory, v); a != nil {
			got = a.ID
		}
		if got != want {
			t.Errorf("%+v is had by %q, want %q", v, got, want)
		}
	}
	two := w.put("two@acme.example")
	w.list()
	holds := func(contact string) string {
		if a := directory.HolderOf(w.Directory, directory.Value{Path: fake.PathContact, Value: contact}); a != nil {
			return a.ID
		}
		return ""
	}
	if holds("two@acme.example") != two || holds("one@acme.example") != one {
		t.Error("a new account's value is not known")
	}
	if err := w.change(one, fake.PathContact, "other@acme.example"); err != nil {
		t.Fatal(err)
	}
	if err := w.change(two, fake.PathContact, "one@acme.example"); err != nil {
		t.Fatal(err)
	}
	if holds("two@acme.example") != "" || holds("one@acme.example") != two || holds("other@acme.example") != one {
		t.Error("what was written is not known")
	}
	w.service.Set(one, fake.PathContact, "two@acme.example")
	w.list()
	if holds("two@acme.example") != one || holds("other@acme.example") != "" {
		t.Error("what was changed elsewhere is not known")
	}
	contact.Value = "two@acme.example"
	w.service.Remove(one)
	w.list()
	if a := directory.HolderOf(w.Directory, contact); a != nil {
		t.Errorf("an account that the list lacks: %+v", a)
	}
}
