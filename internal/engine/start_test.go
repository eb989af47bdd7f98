package engine_test

import (
	"slices"
	"strings"
	"testing"

	"k8s.io/utils/ptr"

	"cpaas.dev/child-account-operator/internal/engine"
	"cpaas.dev/child-account-operator/internal/provider/fake"
)

// restart has a new process take over under startPolicy Observe. It has read the list and begins only when it is told to.
func (w *world) restart() {
	w.Helper()
	w.start()
	w.parent.Start.Holds = true
}

// begin tells the engine of the parent's first complete list.
func (w *world) begin(names ...string) {
	w.Helper()
	lines := make([]engine.Managed, len(names))
	for i, name := range names {
		lines[i] = managedLine{w.line(name)}
	}
	w.engine.Starts.Begin(w.Context(), w.parent, lines, nil)
}

// approve approves what waits since the start.
func (w *world) approve() {
	w.Helper()
	group := w.engine.Starts.Group(w.parent)
	if group.Count == 0 {
		w.Fatal("nothing waits")
	}
	w.parent.Start.Approvals = []string{group.Hash}
}

// calls are those that are no mere reads.
func (w *world) calls() (out []string) {
	for _, call := range w.service.Calls() {
		if call.Method != fake.MethodGet && call.Method != fake.MethodList {
			out = append(out, call.Method)
		}
	}
	return out
}

// Nothing is written or said before the first complete list has shown what is pending.
func TestAStartIsAwaited(t *testing.T) {
	t.Parallel()
	w := newWorld(t, fake.Options{})
	w.restart()
	l := w.declared(name)
	w.apply(l)
	if w.writes != 1 || len(w.calls()) != 0 || w.said(name) != "nothing" {
		t.Fatalf("writes beside the resource itself: %v, calls %v, %s", w.written, w.calls(), w.said(name))
	}
	w.begin(name)
	w.reconcile(name)
	w.expect(name, "Unknown AwaitingApproval")
	w.expectRest(name)
	w.approve()
	w.settle(name)
	w.expect(name, "True Available")
}

// An account that is missing is created anew only after the approval, and keeps its place in the status until then.
func TestAStartHoldsRecreation(t *testing.T) {
	t.Parallel()
	w := newWorld(t, fake.Options{})
	l := w.declared(name)
	l.Spec.Policy.Recreate = true
	w.apply(l)
	w.settle(name)
	id := w.account().ID
	w.service.Remove(id)
	before := len(w.calls())
	w.restart()
	w.begin(name)
	w.reconcile(name)
	w.expect(name, "True AwaitingApproval")
	w.expectRest(name)
	if n := len(w.calls()); n != before || w.line(name).Status.AccountID != id {
		t.Fatalf("%d calls, account %s", n-before, w.line(name).Status.AccountID)
	}
	if !strings.Contains(w.message(name), "create another one waits: ") {
		t.Error(w.message(name))
	}
	w.approve()
	w.settle(name)
	w.expect(name, "True Available")
}

// A parent whose policy is edited to Reconcile lets go what it held.
func TestAStartEndsWithItsPolicy(t *testing.T) {
	t.Parallel()
	w := newWorld(t, fake.Options{})
	w.apply(w.declared(name))
	w.settle(name)
	w.service.Set(w.account().ID, fake.PathTongue, "fr")
	w.restart()
	w.begin(name)
	w.reconcile(name)
	w.expect(name, "True AwaitingApproval")
	w.parent.Start.Holds = false
	if !w.engine.NeedsWork(t.Context(), managedLine{w.line(name)}) {
		t.Error("it is not woken")
	}
	w.settle(name)
	w.expect(name, "True Available")
	// The correction counts within the window, and the connection Secret was read to be verified.
	if n := slices.Sorted(slices.Values(w.engine.Remembers("uid-" + name))); !slices.Equal(n, []string{"change", "connection Secret"}) {
		t.Errorf("remembers %v", n)
	}
}

// What is taken back leaves the group, and is held again when it comes back.
func TestAStartLetsGoWhatIsTakenBack(t *testing.T) {
	t.Parallel()
	w := newWorld(t, fake.Options{})
	w.apply(w.declared(name))
	w.settle(name)
	w.service.Set(w.account().ID, fake.PathTongue, "fr")
	w.restart()
	w.begin(name)
	w.edit(name, func(l *Line) { l.Spec.Suspend = true })
	if n := w.engine.Starts.Group(w.parent).Count; n != 0 {
		t.Errorf("%d wait although suspended", n)
	}
	w.edit(name, func(l *Line) { l.Spec.Suspend = false })
	w.expect(name, "True AwaitingApproval")
	w.edit(name, func(l *Line) { l.Spec.Tongue = ptr.To("fr") })
	w.expect(name, "True Available")
	if n := w.engine.Starts.Group(w.parent).Count; n != 0 {
		t.Errorf("%d wait although nothing is pending", n)
	}
	w.edit(name, func(l *Line) { l.Spec.Tongue = ptr.To("it") })
	w.settle(name)
	w.expectValues(values(w.line(name), nil))
}

// What was approved is not counted as a mass change, whatever the limit.
func TestAnApprovedStartIsNoMassChange(t *testing.T) {
	t.Parallel()
	w := several(t, 4, 1)
	w.restart()
	w.parent.Limits.Percent, w.parent.Limits.Minimum, w.parent.Limits.DeactivationsPerHour = 1, 1, 1
	names := []string{child(0), child(1), child(2)}
	for _, name := range names {
		l := w.line(name)
		l.Spec.Enabled, l.Generation = ptr.To(false), l.Generation+1
		if err := w.client.Update(t.Context(), l); err != nil {
			t.Fatal(err)
		}
	}
	w.begin(append(names, child(3))...)
	for _, name := range names {
		w.reconcile(name)
		w.expect(name, "True AwaitingApproval")
	}
	w.approve()
	for _, name := range names {
		w.reconcile(name)
		w.expect(name, "True Deactivated")
	}
	if n := len(w.stored.Deactivations); n != 3 {
		t.Errorf("%d deactivations are stored", n)
	}
	w.edit(child(3), changesTongue)
	if w.waits(child(3)) {
		t.Error("what was approved counts")
	}
}
