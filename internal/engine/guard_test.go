package engine_test

import (
	"fmt"
	"testing"
	"time"

	"k8s.io/utils/ptr"

	"cpaas.dev/child-account-operator/internal/account"
	"cpaas.dev/child-account-operator/internal/provider/fake"
)

// child is the name of one of several.
func child(i int) string { return fmt.Sprint("child-", i) }

// several has lines that are at rest, with a limit of so many changes.
func several(t *testing.T, n, most int) *world {
	t.Helper()
	w := newWorld(t, fake.Options{})
	for i := range n {
		w.apply(w.declared(child(i)))
		w.settle(child(i))
	}
	w.clock.Step(time.Hour)
	w.list()
	w.parent.Limits.Percent, w.parent.Limits.Minimum = 1, most
	return w
}

// changesTongue edits a line.
func changesTongue(l *Line) { l.Spec.Tongue = ptr.To("fr") }

// waits says whether a line's change is stopped: its account is as it was.
func (w *world) waits(name string) bool {
	a, _ := w.service.Account(w.line(name).Status.AccountID)
	return a.State[fake.PathTongue] != "fr"
}

// Edits that the provider has refused are held, and planned at every resync: that changes nothing, and counts for nothing.
func TestRefusedEditsAreNoMassChange(t *testing.T) {
	t.Parallel()
	w := several(t, 4, 2)
	for i := range 2 {
		w.service.Add(fake.Refuse(fake.MethodUpdate, account.EmailTaken))
		w.edit(child(i), func(l *Line) { l.Spec.Contact = "taken@acme.example" })
		w.expect(child(i), "False EmailTaken")
	}
	for range 3 {
		w.clock.Step(time.Second)
		for i := range 2 {
			w.expectRest(child(i))
			w.expect(child(i), "False EmailTaken")
		}
	}
	for i := 2; i < 4; i++ {
		if w.edit(child(i), changesTongue); w.waits(child(i)) {
			t.Errorf("%s waits although nothing was changed", child(i))
		}
	}
}

// A recreated namespace has its own count of changes, whoever forgot the former one or did not.
func TestARecreatedNamespaceDoesNotInheritChanges(t *testing.T) {
	t.Parallel()
	w := several(t, 6, 2)
	for i := range 3 {
		if w.edit(child(i), changesTongue); w.waits(child(i)) != (i == 2) {
			t.Fatalf("edit %d of the former namespace waits: %v", i, i != 2)
		}
	}
	w.lines.namespaceUID = "second"
	w.clock.Step(20 * time.Second)
	for i := 3; i < 6; i++ {
		if w.edit(child(i), changesTongue); w.waits(child(i)) != (i == 5) {
			t.Errorf("edit %d of the recreated namespace waits: %v", i, i != 5)
		}
	}
}

// Accounts that somebody activates again at the provider are deactivated within the budget; a resync has the others counted,
// so that they are reported.
func TestDriftBeyondTheBudgetIsReported(t *testing.T) {
	t.Parallel()
	w := newWorld(t, fake.Options{})
	for i := range 2 {
		l := w.declared(child(i))
		l.Spec.Enabled = ptr.To(false)
		w.apply(l)
		w.settle(child(i))
	}
	w.clock.Step(2 * time.Hour)
	w.parent.Limits.DeactivationsPerHour = 1
	for _, id := range w.service.Accounts() {
		w.service.Set(id, fake.PathEnabled, "true")
	}
	w.list()
	for i := range 2 {
		if !w.engine.NeedsWork(t.Context(), managedLine{w.line(child(i))}) {
			t.Fatalf("%s is not woken", child(i))
		}
		w.reconcile(child(i))
	}
	if !w.engine.NeedsWork(t.Context(), managedLine{w.line(child(1))}) {
		t.Error("a change that is still to be counted is left alone")
	}
	w.reconcile((<-w.woken).Name)
	w.expect(child(0), "True Deactivated")
	w.expect(child(1), "True AwaitingApproval")
	w.expectRest(child(1))
}

// Planning for a resync counts nothing: whatever is asked how often, as many changes are let pass.
func TestNeedsWorkCountsNothing(t *testing.T) {
	t.Parallel()
	w := several(t, 3, 1)
	for i := range 3 {
		l := w.line(child(i))
		changesTongue(l)
		l.Generation++
		if err := w.client.Update(t.Context(), l); err != nil {
			t.Fatal(err)
		}
	}
	for range 10 {
		for i := range 3 {
			w.engine.NeedsWork(t.Context(), managedLine{w.line(child(i))})
		}
	}
	if w.reconcile(child(2)); w.waits(child(2)) {
		t.Error("the first change to be made waits")
	}
	if n := len(w.woken); n != 0 {
		t.Errorf("%d are woken", n)
	}
}
