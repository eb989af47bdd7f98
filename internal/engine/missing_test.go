package engine_test

import (
	"fmt"
	"maps"
	"reflect"
	"testing"
	"time"

	"cpaas.dev/child-account-operator/api/v1alpha1"
	"cpaas.dev/child-account-operator/internal/account"
	"cpaas.dev/child-account-operator/internal/provider/fake"
	"cpaas.dev/child-account-operator/internal/secrets"
)

// recreated applies a line whose account is to be created anew where it is missing.
func (w *world) recreated(adopted bool) {
	w.Helper()
	l := w.declared(name)
	l.Spec.Policy.Recreate = true
	if adopted && w.options.FullReplace && !w.options.NoPasswords {
		w.Skip("nobody knows the password that each update wants")
	}
	if adopted {
		w.service.Put(name, account.State{fake.PathContact: "somebody@acme.example", fake.PathEnabled: "true"}, "")
		w.list()
		l.Spec.Policy.Adopt = account.AdoptAlways
	}
	w.apply(l)
	w.settle(name)
}

// creations reconciles until another creation was tried.
func (w *world) creations() {
	w.Helper()
	before := w.service.Count(fake.MethodCreate)
	for range 5 {
		w.list()
		w.reconcile(name)
		w.clock.Step(time.Minute)
	}
	if w.service.Count(fake.MethodCreate) == before {
		w.Fatalf("no creation was tried: %s", w.said(name))
	}
}

// An account that the provider does not show for a while is the resource's as it was, with what was known of it.
func TestAnAccountThatIsThereAfterAll(t *testing.T) {
	t.Parallel()
	for i := range 1 << 2 {
		adopted, lost := i&1 != 0, i&2 != 0
		restarted := adopted != lost // any two of the three in all ways
		t.Run(fmt.Sprintf("adopted %t, lost %t, restarted %t", adopted, lost, restarted), func(t *testing.T) {
			t.Parallel()
			eachVariation(t, func(w *world) {
				w.recreated(adopted)
				is, secret, was := w.account(), w.secret(name), w.line(name).Status
				fake.Hide(w.service, is.ID, 1000)
				if lost {
					w.service.Add(fake.LoseAnswer(fake.MethodCreate))
				}
				w.creations()
				if st := w.line(name).Status; st.AccountID != was.AccountID || st.Origin != was.Origin {
					w.Errorf("while it is hidden: bound to %q as %q", st.AccountID, st.Origin)
				}
				fake.Hide(w.service, is.ID, 0)
				if restarted {
					w.start()
				}
				w.clock.Step(time.Hour)
				w.list()
				w.settle(name)
				w.expect(name, "True Available")
				if now := w.secret(name); !maps.Equal(now, secret) {
					w.Errorf("the connection Secret has other keys or values than before: %d, had %d", len(now), len(secret))
				}
				if st := w.line(name).Status; st.AccountID != was.AccountID || st.Origin != was.Origin || !reflect.DeepEqual(st.LastApplied, was.LastApplied) {
					w.Errorf("bound to %s as %s", st.AccountID, st.Origin)
				}
				if now := w.account(); !reflect.DeepEqual(now, is) {
					w.Errorf("the account: %+v, was %+v", now, is)
				}
				w.expectRest(name)
			})
		})
	}
}

// An account that is gone is created anew, with a password that is in the connection Secret.
func TestAnAccountThatIsGone(t *testing.T) {
	t.Parallel()
	for i := range 1 << 2 {
		adopted, lost := i&1 != 0, i&2 != 0
		t.Run(fmt.Sprintf("adopted %t, lost %t", adopted, lost), func(t *testing.T) {
			t.Parallel()
			eachVariation(t, func(w *world) {
				w.recreated(adopted)
				old := w.account().ID
				w.service.Remove(old)
				if lost {
					w.service.Add(fake.LoseAnswer(fake.MethodCreate))
				}
				w.creations()
				w.start()
				w.settle(name)
				w.expect(name, "True Available")
				if st := w.line(name).Status; st.AccountID != w.account().ID || st.AccountID == old || st.Origin != v1alpha1.OriginCreated {
					w.Errorf("bound to %s as %s", st.AccountID, st.Origin)
				}
				held := w.secret(name)
				w.expectPassword(held[secrets.KeyPassword])
				if _, there := held[secrets.KeyPasswordNext]; there {
					w.Error("the connection Secret has two passwords")
				}
				w.expectRest(name)
			})
		})
	}
}

// An account that was created in the place of one that is gone is deactivated with its resource, though nobody heard of it.
func TestTheSuccessorIsDeactivated(t *testing.T) {
	t.Parallel()
	w := newWorld(t, fake.Options{})
	w.recreated(false)
	w.edit(name, func(l *Line) { l.Spec.Deactivate = true })
	w.service.Remove(w.account().ID)
	w.service.Add(fake.LoseAnswer(fake.MethodCreate))
	w.list()
	w.reconcile(name)
	if err := w.client.Delete(w.Context(), w.line(name)); err != nil {
		t.Fatal(err)
	}
	w.start()
	w.clock.SetTime(time.Now())
	w.reconcile(name)
	w.expectValues(account.State{fake.PathEnabled: "false"})
}
