package controllers

import (
	"context"
	"fmt"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	clocktesting "k8s.io/utils/clock/testing"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"cpaas.dev/child-account-operator/api/v1alpha1"
	"cpaas.dev/child-account-operator/internal/account"
	"cpaas.dev/child-account-operator/internal/conditions"
	"cpaas.dev/child-account-operator/internal/directory"
)

// noChildren lists none, so that massChange.minimum (5) is what holds.
type noChildren struct{ client.Client }

func (noChildren) List(context.Context, client.ObjectList, ...client.ListOption) error { return nil }

// edited is a resource whose e-mail was edited.
func edited(i int) (*childScope, account.Decision) {
	c := &v1alpha1.ChildAccount{ObjectMeta: metav1.ObjectMeta{Namespace: "telephony", Name: fmt.Sprint("acme-", i), UID: types.UID(fmt.Sprint(i)), Generation: 2}}
	c.Spec.ParentRef.Name = "acme"
	c.Status.Origin, c.Status.AccountID = v1alpha1.OriginAdopted, fmt.Sprint(i)
	s := newChildScope(c, "installation")
	s.parent = &v1alpha1.ParentAccount{ObjectMeta: metav1.ObjectMeta{Namespace: "telephony", Name: "acme"}}
	s.dir = &directory.Parent{Connection: "credentials"}
	return s, account.Decision{Step: account.StepUpdate, Changes: []account.Change{
		{Field: account.Field{Path: "email"}, From: "a@acme.example", To: "taken@acme.example", Origin: account.FromSpec},
	}}
}

// remembering has a reconciler remember things as if it were set up.
func remembering(r *ChildAccountReconciler) *ChildAccountReconciler {
	r.stores = newStores(r.wakeStopped)
	return r
}

// Edits that the provider has refused are held, and looked at at every resync: that changes nothing, and counts for nothing.
func TestHeldEditsAreNoMassChange(t *testing.T) {
	clock := clocktesting.NewFakeClock(noon)
	r := remembering(&ChildAccountReconciler{Client: noChildren{}, Clock: clock})
	for i := range 5 {
		s, d := edited(i)
		if a := r.judge(t.Context(), s, d); !a.work {
			t.Fatalf("edit %d is not made: %+v", i, a.outcome)
		}
		r.attempts.Record(s.child.UID, conditions.Children, conditions.Outcome{Reason: v1alpha1.ReasonRejected, Fingerprint: s.plan(d)}, nil, nil, clock.Now())
	}
	s, d := edited(5)
	if a := r.judge(t.Context(), s, d); a.work {
		t.Fatal("the sixth edit within the window is not stopped")
	}
	r.guard.Forget(s.child.UID)
	for range 4 {
		clock.Step(5 * time.Minute)
		for i := range 5 {
			s, d := edited(i)
			if a := r.judge(t.Context(), s, d); a.work || a.outcome.Reason != v1alpha1.ReasonRejected {
				t.Fatalf("edit %d is not held as %s: work %v, %+v", i, v1alpha1.ReasonRejected, a.work, a.outcome)
			}
		}
	}
	if s, d := edited(6); !r.judge(t.Context(), s, d).work {
		t.Error("after the window another edit is stopped although nothing was changed in it")
	}
}

// Resources that have no account and want none make no room.
func TestWhatIsSuspendedMakesNoRoom(t *testing.T) {
	r := &ChildAccountReconciler{Client: declared{n: 1000}, Clock: clocktesting.NewFakeClock(noon)}
	s, _ := edited(0)
	if n, err := r.countChildren(t.Context(), s.child.ParentKey(), s.child.Namespace); n != 1 || err != nil {
		t.Errorf("counted %d, %v, want the one that has an account", n, err)
	}
}

// declared lists so many suspended resources, of which one has an account.
type declared struct {
	client.Client
	n int
}

func (d declared) List(_ context.Context, list client.ObjectList, _ ...client.ListOption) error {
	children := make([]v1alpha1.ChildAccount, d.n)
	for i := range children {
		children[i].Spec.Suspend = ptr.To(true)
	}
	children[0].Status.Origin = v1alpha1.OriginCreated
	list.(*v1alpha1.ChildAccountList).Items = children
	return nil
}

// namespace is the one namespace that there is, as the cache and the Kubernetes API have it.
type namespace struct {
	client.Reader
	meta metav1.ObjectMeta
	err  error
}

func (n *namespace) Get(_ context.Context, _ client.ObjectKey, o client.Object, _ ...client.GetOption) error {
	if n.err == nil {
		o.(*metav1.PartialObjectMetadata).ObjectMeta = n.meta
	}
	return n.err
}

// A recreated namespace has its own count of changes, whoever forgot the former one or did not.
func TestARecreatedNamespaceDoesNotInheritChanges(t *testing.T) {
	clock := clocktesting.NewFakeClock(noon)
	ns := &namespace{meta: metav1.ObjectMeta{UID: "first", CreationTimestamp: metav1.NewTime(noon.Add(-time.Hour))}}
	r := remembering(&ChildAccountReconciler{Client: noChildren{}, Namespaces: ns, Clock: clock})
	for i := range 6 {
		s, d := edited(i)
		if a := r.judge(t.Context(), s, d); a.work != (i < 5) {
			t.Fatalf("edit %d of the former namespace: work %v", i, a.work)
		}
	}
	clock.Step(20 * time.Second)
	ns.meta.UID, ns.meta.CreationTimestamp = "second", metav1.NewTime(clock.Now())
	for i := 10; i < 15; i++ {
		if s, d := edited(i); !r.judge(t.Context(), s, d).work {
			t.Fatalf("edit %d of the recreated namespace is stopped", i)
		}
	}
	if s, d := edited(15); r.judge(t.Context(), s, d).work {
		t.Error("the recreated namespace has no limit")
	}
}

// Nor does it inherit the deactivations that the ParentAccount's status has under its name.
func TestARecreatedNamespaceDoesNotInheritDeactivations(t *testing.T) {
	for name, c := range map[string]struct {
		created time.Duration
		stopped bool
	}{"the same namespace": {-time.Hour, true}, "a recreated one": {-time.Minute, false}} {
		ns := &namespace{meta: metav1.ObjectMeta{UID: "uid", CreationTimestamp: metav1.NewTime(noon.Add(c.created))}}
		r := remembering(&ChildAccountReconciler{Client: noChildren{}, Namespaces: ns, Clock: clocktesting.NewFakeClock(noon)})
		s, d := edited(0)
		d.Changes = []account.Change{{Field: account.Field{Path: "active"}, From: "true", To: "false", Origin: account.FromSpec}}
		s.parent.Spec.Limits = &v1alpha1.Limits{MaxDeactivationsPerHour: ptr.To[int32](2)}
		for _, of := range []string{"acme-7", "acme-8"} {
			s.parent.Status.Deactivations = append(s.parent.Status.Deactivations,
				v1alpha1.Deactivation{Time: metav1.NewTime(noon.Add(-10 * time.Minute)), Namespace: "telephony", Name: of})
		}
		if a := r.judge(t.Context(), s, d); a.work == c.stopped {
			t.Errorf("%s: work %v, want stopped %v", name, a.work, c.stopped)
		}
	}
}
