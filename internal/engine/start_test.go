package engine_test

import (
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"cpaas.dev/child-account-operator/api/v1alpha1"
	"cpaas.dev/child-account-operator/internal/account"
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

// What was approved is approved, and nothing else: while it fails, a drift that comes later is a change like any other.
func TestAnApprovedStartThatFailsCoversNothingElse(t *testing.T) {
	t.Parallel()
	w := several(t, 3, 1)
	w.restart()
	w.edit(child(0), func(l *Line) { l.Spec.Contact = "taken@acme.example" })
	w.begin(child(0), child(1), child(2))
	w.reconcile(child(0))
	w.expect(child(0), "True AwaitingApproval")
	w.approve()
	w.service.Add(fake.Refuse(fake.MethodUpdate, account.EmailTaken))
	w.reconcile(child(0))
	w.expect(child(0), "False EmailTaken")

	w.edit(child(1), changesTongue) // all that may change
	if w.waits(child(1)) {
		t.Fatal("what was approved counts")
	}
	w.service.Set(w.line(child(0)).Status.AccountID, fake.PathTongue, "it")
	w.list()
	w.reconcile(child(0))
	w.reconcileWoken()
	if a, _ := w.service.Account(w.line(child(0)).Status.AccountID); a.State[fake.PathTongue] != "it" || !strings.Contains(w.message(child(0)), "tongue=de") {
		t.Errorf("the drift is corrected beyond the limit: %s, %s", a.State[fake.PathTongue], w.said(child(0)))
	}
}

// An account that is known to match its spec has nothing pending, although its API key can't be found: what changes after that is corrected,
// and what is requested is done, at once.
func TestAStartDoesNotHoldWhatIsRequestedLater(t *testing.T) {
	t.Parallel()
	w := newWorld(t, fake.Options{})
	w.apply(w.declared(name))
	w.settle(name)
	if err := w.client.Delete(t.Context(), &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name + "-connection"}}); err != nil {
		t.Fatal(err)
	}
	w.restart()
	w.engine.RecheckSecret("uid-" + name)
	w.begin(name)
	w.reconcile(name)
	w.expect(name, "False APIKeyMissing")
	w.service.Set(w.account().ID, fake.PathTongue, "fr")
	w.list()
	w.reconcile(name)
	w.expectValues(values(w.line(name), nil))
	l := w.line(name)
	l.Annotations = map[string]string{v1alpha1.AnnotationRotatePassword: "now"}
	if err := w.client.Update(t.Context(), l); err != nil {
		t.Fatal(err)
	}
	w.settle(name)
	w.expect(name, "True Available")
	w.expectPassword(w.secret(name)["password"])
}

// What is requested of a resource that waits waits with it, and it is told why.
func TestAStartSaysThatALaterRequestWaits(t *testing.T) {
	t.Parallel()
	w := newWorld(t, fake.Options{})
	w.apply(w.declared(name))
	w.settle(name)
	w.service.Set(w.account().ID, fake.PathTongue, "fr")
	w.restart()
	w.begin(name)
	w.reconcile(name)
	const pending = " waits: this change was pending when the operator, after its start, first read the accounts of ParentAccount acme, and ParentAccount acme has startPolicy Observe"
	if !strings.HasPrefix(w.message(name), "tongue=de"+pending) {
		t.Error(w.message(name))
	}
	w.edit(name, func(l *Line) { l.Spec.Nickname = ptr.To("later") })
	w.expect(name, "True AwaitingApproval")
	if said := w.message(name); !strings.Contains(said, "nickname=later") || !strings.Contains(said, "what is requested of it since then waits, too") || strings.Contains(said, "was pending") {
		t.Error(said)
	}
	w.expectRest(name)
	w.approve()
	w.settle(name)
	w.expectValues(values(w.line(name), nil))
}

// A plan that a read finds to be another one costs money: the read itself ends nothing that the start holds.
func TestAStartHoldsAPlanThatAReadFindsChanged(t *testing.T) {
	t.Parallel()
	w := newWorld(t, fake.Options{})
	w.apply(w.withPlan("2"))
	w.settle(name)
	fake.SetPlan(w.service, w.account().ID, 1)
	l := w.line(name)
	l.Annotations = map[string]string{v1alpha1.AnnotationReconcileRequestedAt: "now"}
	if err := w.client.Update(t.Context(), l); err != nil {
		t.Fatal(err)
	}
	w.restart()
	w.begin(name)
	w.reconcile(name)
	w.expect(name, "True AwaitingApproval")
	if n := w.service.Count(fake.MethodChangePlan); n != 1 {
		t.Errorf("%d changes of the plan", n)
	}
	w.approve()
	w.settle(name)
	expectPlans(t, w, "True Available", "2")
}
