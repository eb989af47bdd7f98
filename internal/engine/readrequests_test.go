package engine_test

import (
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/types"

	"cpaas.dev/child-account-operator/api/v1alpha1"
	"cpaas.dev/child-account-operator/internal/account"
	"cpaas.dev/child-account-operator/internal/engine"
	"cpaas.dev/child-account-operator/internal/provider/fake"
)

// readNow has the account of a line read, and says how many reads its next reconcile makes.
func (w *world) readNow(name string) int {
	w.Helper()
	reads := w.service.Count(fake.MethodGet)
	engine.ReadNow(w.engine, w.line(name))
	if woken := <-w.woken; woken.Name != name {
		w.Fatalf("%s is woken", woken)
	}
	if !w.engine.NeedsWork(w.Context(), managedLine{w.line(name)}) {
		w.Error("a resync has nothing to do for it")
	}
	w.reconcile(name)
	return w.service.Count(fake.MethodGet) - reads
}

// What is known to have happened to an account is read at once, by one call, and no more afterwards.
func TestReadNow(t *testing.T) {
	t.Parallel()
	w := newWorld(t, fake.Options{})
	w.apply(w.declared(name))
	w.settle(name)
	w.service.Set(w.account().ID, fake.PathBarred, "true")
	w.reconcile(name)
	w.expect(name, "True Available")
	if n := w.readNow(name); n != 1 {
		t.Errorf("%d reads", n)
	}
	w.expect(name, "False Frozen")
	w.expectRest(name)

	writes := w.writes
	if n := w.readNow(name); n != 1 {
		t.Errorf("%d reads the next time", n)
	}
	if w.writes != writes {
		t.Errorf("%d writes where nothing is new", w.writes-writes)
	}
	w.expectRest(name)
}

// A read that is asked for while the account is being read is another one; one that fails is made again once its time has come.
func TestReadNowWhileItIsRead(t *testing.T) {
	t.Parallel()
	w := newWorld(t, fake.Options{})
	w.apply(w.declared(name))
	w.settle(name)
	once := true
	fake.During(w.service, fake.MethodGet, func() {
		if once {
			once = false
			engine.ReadNow(w.engine, w.line(name))
		}
	})
	if n := w.readNow(name); n != 1 {
		t.Errorf("%d reads", n)
	}
	if !w.engine.NeedsWork(t.Context(), managedLine{w.line(name)}) {
		t.Error("the second request is forgotten")
	}
	reads := w.service.Count(fake.MethodGet)
	w.settle(name)
	if n := w.service.Count(fake.MethodGet) - reads; n != 1 {
		t.Errorf("%d reads for the second request", n)
	}

	w.service.Add(fake.Refuse(fake.MethodGet, account.Unavailable))
	if n := w.readNow(name); n != 1 {
		t.Errorf("%d reads that fail", n)
	}
	w.clock.Step(time.Minute)
	reads = w.service.Count(fake.MethodGet)
	w.settle(name)
	if n := w.service.Count(fake.MethodGet) - reads; n != 1 {
		t.Errorf("%d reads after one has failed", n)
	}
	w.expect(name, "True Available")
	w.expectRest(name)
}

// Nothing is read for a resource that is suspended, until it is not.
func TestReadNowOfASuspendedResource(t *testing.T) {
	t.Parallel()
	w := newWorld(t, fake.Options{})
	w.apply(w.declared(name))
	w.settle(name)
	w.edit(name, func(l *Line) { l.Spec.Suspend = true })
	reads := w.service.Count(fake.MethodGet)
	engine.ReadNow(w.engine, w.line(name))
	w.reconcile(name)
	if n := w.service.Count(fake.MethodGet) - reads; n != 0 {
		t.Errorf("%d reads", n)
	}
	w.edit(name, func(l *Line) { l.Spec.Suspend = false })
	w.settle(name)
	if n := w.service.Count(fake.MethodGet) - reads; n != 1 {
		t.Errorf("%d reads afterwards", n)
	}
}

// An account's owner is the resource that is bound to it, under the parent that was asked for.
func TestOwnerOf(t *testing.T) {
	t.Parallel()
	w := newWorld(t, fake.Options{})
	w.apply(w.declared(name))
	w.settle(name)
	a, acme := w.account(), types.NamespacedName{Namespace: namespace, Name: "acme"}
	owner := func(parent types.NamespacedName, accountName, id string) string {
		m, err := engine.OwnerOf(t.Context(), w.engine, parent, accountName, id)
		if err != nil {
			t.Fatal(err)
		}
		if m == nil {
			return ""
		}
		return m.Object().GetName()
	}
	if got := owner(acme, name, a.ID); got != name {
		t.Errorf("the owner is %q", got)
	}
	other := acme
	other.Name = "other"
	for why, got := range map[string]string{
		"another parent": owner(other, name, a.ID), "another account of the name": owner(acme, name, "999"), "another name": owner(acme, "nobody", a.ID),
	} {
		if got != "" {
			t.Errorf("%s: the owner is %q", why, got)
		}
	}
	l := w.line(name)
	l.Status.Origin = ""
	if err := w.client.Status().Update(t.Context(), l); err != nil {
		t.Fatal(err)
	}
	if got := owner(acme, name, a.ID); got != "" {
		t.Errorf("who only observes it owns it: %q", got)
	}

	l.Status.Origin = v1alpha1.OriginCreated
	if err := w.client.Status().Update(t.Context(), l); err != nil {
		t.Fatal(err)
	}
	w.finalizers(name, "example.org/a")
	if err := w.client.Delete(t.Context(), w.line(name)); err != nil {
		t.Fatal(err)
	}
	if got := owner(acme, name, a.ID); got != "" {
		t.Errorf("who was released owns it: %q", got)
	}
}
