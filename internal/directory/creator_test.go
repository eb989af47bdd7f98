package directory_test

import (
	"slices"
	"testing"

	"cpaas.dev/child-account-operator/internal/account"
	"cpaas.dev/child-account-operator/internal/directory"
	"cpaas.dev/child-account-operator/internal/provider/fake"
	"cpaas.dev/child-account-operator/internal/simulator"
)

// An account whose creation is answered without an id is read at once, and no value that was sent is forgotten.
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

// Where the read after the creation fails, the outcome is unknown, and the creation is not repeated without another read.
func TestCreateWithoutAnIDWhoseReadFails(t *testing.T) {
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
		t.Errorf("after a read %+v", v)
	}
}

// An account whose creation was confirmed and that is not returned yet is awaited, until complete lists that should have it don't.
func TestConfirmedCreationIsAwaited(t *testing.T) {
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

func TestAwaitedAccountIsReturned(t *testing.T) {
	for name, readIt := range map[string]func(*testing.T, *fakeWorld){
		"by a list": func(t *testing.T, w *fakeWorld) { t.Helper(); w.refresh(t) },
		"by a read": func(_ *testing.T, w *fakeWorld) { _, _ = w.Read(background, directory.Key{Name: "acme"}) },
	} {
		t.Run(name, func(t *testing.T) {
			w := newFakeWorld(fake.Options{NoID: true, Hidden: 1})
			w.refresh(t)
			_, err := w.Create(background, fakeAccount("acme"))
			wantError(t, err, account.Incomplete, true)
			readIt(t, w)
			if v := w.Observe(directory.Key{Name: "acme"}); v.Account == nil || v.Awaited {
				t.Errorf("%+v", v)
			}
		})
	}
}

// After a lost answer a caller that does not read the account can't create a second one.
func TestCreateIsNeverRepeatedWithoutARead(t *testing.T) {
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

// A clone is a creation: remembered, and not repeated without a read in between. A template that the provider does not know is read first.
func TestClone(t *testing.T) {
	w := newFakeWorld(fake.Options{})
	template := w.service.Put("template", nil, "")
	fake.SetParts(w.service, template, fake.Parts{Scenarios: []string{"ivr"}})
	if err := w.Refresh(background, directory.Known{}); err != nil {
		t.Fatal(err)
	}
	w.service.Add(fake.LoseAnswer(fake.MethodClone))
	_, err := directory.Clone(background, w.Directory, template, fakeAccount("acme"))
	wantError(t, err, account.Unavailable, true)
	if v := w.Observe(directory.Key{Name: "acme"}); !v.OutcomeUnknown || v.Account != nil {
		t.Errorf("after a lost answer %+v", v)
	}
	_, err = directory.Clone(background, w.Directory, template, fakeAccount("acme"))
	wantError(t, err, account.NameTaken, false)
	if n := w.service.Count(fake.MethodClone); n != 1 {
		t.Errorf("cloned %d times", n)
	}
	cloned, err := directory.Clone(background, w.Directory, template, fakeAccount("other"))
	if err != nil || len(cloned.Scenarios) != 1 || cloned.Account.CustomData != "claim of other" {
		t.Errorf("%+v, %v", cloned, err)
	}
	if v := w.Observe(directory.Key{Name: "other"}); v.Account == nil || v.Account.ID != cloned.Account.ID || v.OutcomeUnknown {
		t.Errorf("%+v", v)
	}
	w.service.Remove(template)
	_, err = directory.Clone(background, w.Directory, template, fakeAccount("third"))
	wantError(t, err, account.NotFound, false)
	if v := w.Observe(directory.Key{ID: template}); !v.OutcomeUnknown {
		t.Errorf("the template is not to be read: %+v", v)
	}
	_, err = directory.Clone(background, newFakeWorld(fake.Options{NoPlans: true}).Directory, template, fakeAccount("acme"))
	wantError(t, err, account.Invalid, false)
}
