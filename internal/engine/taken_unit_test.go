package engine_test

import (
	"strings"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/types"

	"cpaas.dev/child-account-operator/internal/account"
	"cpaas.dev/child-account-operator/internal/directory"
	"cpaas.dev/child-account-operator/internal/provider/fake"
)

// free tells the engine that an e-mail is free, as a list or a write of another resource does.
func (w *world) free(contact string) {
	w.engine.UniqueValues.Freed(
		directory.Source{Provider: "fake", Endpoint: w.dir.Endpoint, AccountID: w.dir.AccountID},
		[]directory.Freed{{Value: directory.Value{Path: fake.PathContact, Value: contact}, AccountID: "another", AccountName: "another"}},
	)
}

// refusedContact is a world whose only line was refused an e-mail just now.
func refusedContact(t *testing.T) *world {
	t.Helper()
	w := newWorld(t, fake.Options{})
	w.apply(w.declared(name))
	w.settle(name)
	w.service.Add(fake.Refuse(fake.MethodUpdate, account.EmailTaken))
	w.edit(name, func(l *Line) { l.Spec.Contact = "Taken@acme.example" })
	w.expect(name, "False EmailTaken")
	return w
}

// updates is how many updates there were.
func (w *world) updates() int { return w.service.Count(fake.MethodUpdate) }

func TestAFreedValueIsTriedAtOnce(t *testing.T) {
	t.Parallel()
	w := refusedContact(t)
	before := w.updates()
	w.free("other@acme.example")
	if w.reconcile(name); w.updates() != before || len(w.woken) > 0 {
		t.Errorf("another value: %d updates, woken %d", w.updates()-before, len(w.woken))
	}
	w.free("taken@acme.example")
	if got := <-w.woken; got != (types.NamespacedName{Namespace: namespace, Name: name}) {
		t.Errorf("woken: %s", got)
	}
	if w.reconcile(name); w.updates() != before+1 {
		t.Errorf("%d updates", w.updates()-before)
	}
	w.settle(name)
	w.expect(name, "True Available")
	w.free("taken@acme.example") // nobody waits any more
	if len(w.woken) > 0 {
		t.Error("woken with nothing to do")
	}
}

// The value is freed after the provider has refused it, and before that is known here.
func TestAValueFreedDuringTheCallIsTriedAtOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t, fake.Options{})
	w.apply(w.declared(name))
	w.settle(name)
	w.service.Add(fake.Refuse(fake.MethodUpdate, account.EmailTaken))
	fake.During(w.service, fake.MethodUpdate, func() { w.free("taken@acme.example") })
	l := w.line(name)
	l.Spec.Contact = "taken@acme.example"
	l.Generation++
	if err := w.client.Update(t.Context(), l); err != nil {
		t.Fatal(err)
	}
	if again := w.reconcile(name).RequeueAfter; again == 0 || again > 2*time.Second {
		t.Errorf("tried again after %s", again)
	}
	w.reconcile(name)
	w.settle(name)
	w.expect(name, "True Available")
}

// While the parent is suspended nobody waits for the value: what was freed meanwhile is tried when that ends, once.
func TestAValueFreedWhileSuspendedIsTried(t *testing.T) {
	t.Parallel()
	w := refusedContact(t)
	w.parent.Suspended = true
	w.reconcile(name)
	w.free("taken@acme.example")
	w.parent.Suspended = false
	before := w.updates()
	w.service.Add(fake.Refuse(fake.MethodUpdate, account.EmailTaken))
	for range 4 {
		w.reconcile(name)
	}
	if n := w.updates() - before; n != 1 {
		t.Errorf("%d updates", n)
	}
	w.expect(name, "False EmailTaken")
}

// A provider may learn late that a value is free: it is asked once more soon, and then as rarely as before.
func TestAFreedValueThatIsRefusedIsTriedOnceMore(t *testing.T) {
	t.Parallel()
	w := refusedContact(t)
	for range 3 {
		w.service.Add(fake.Refuse(fake.MethodUpdate, account.EmailTaken))
	}
	w.free("taken@acme.example")
	before := w.updates()
	again := w.reconcile(name).RequeueAfter
	if n := w.updates() - before; n != 1 || again < 10*time.Second || again > 12*time.Second {
		t.Errorf("%d updates, again in %s", n, again)
	}
	if w.reconcile(name); w.updates() != before+1 {
		t.Error("tried before its time")
	}
	w.clock.Step(again)
	again = w.reconcile(name).RequeueAfter
	if n := w.updates() - before; n != 2 || again < 10*time.Minute {
		t.Errorf("%d updates, again in %s", n, again)
	}
}

// What the holder's resource is held back by is said at once, not with the next list.
func TestApplicantsHearOfTheHolder(t *testing.T) {
	t.Parallel()
	w := newWorld(t, fake.Options{})
	const holder, applicant = "child-1", "child-2"
	for _, l := range []string{holder, applicant} {
		w.apply(w.declared(l))
		w.settle(l)
	}
	w.service.Add(fake.Refuse(fake.MethodUpdate, account.EmailTaken))
	w.edit(applicant, func(l *Line) { l.Spec.Contact = holder + "@acme.example" })
	w.expect(applicant, "False EmailTaken")
	expect := func(what string) {
		t.Helper()
		select {
		case got := <-w.woken:
			if got.Name != applicant {
				t.Errorf("woken: %s", got)
			}
		default:
			t.Errorf("%s: not woken", what)
		}
		w.reconcile(applicant)
		if m := w.message(applicant); !strings.Contains(m, what) {
			t.Errorf("%q lacks %q", m, what)
		}
	}
	w.edit(holder, func(l *Line) { l.Spec.Suspend, l.Spec.Contact = true, "other@acme.example" })
	expect("not applied (Suspended)")
	w.service.Add(fake.Fault{Method: fake.MethodUpdate, Error: account.Error{Class: account.Unavailable, Message: "not now", Answered: true}})
	w.edit(holder, func(l *Line) { l.Spec.Suspend = false })
	expect("waiting for Line " + namespace + "/" + holder)
	if said := w.said(applicant); said != "False Updating" {
		t.Error(said)
	}
	w.reconcile(holder)
	if len(w.woken) > 0 {
		t.Error("woken although nothing has changed")
	}
}
