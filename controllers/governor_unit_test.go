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

// Edits that the provider has refused are held, and looked at at every resync: that changes nothing, and counts for nothing.
func TestHeldEditsAreNoMassChange(t *testing.T) {
	clock := clocktesting.NewFakeClock(noon)
	r := &ChildAccountReconciler{Client: noChildren{}, Clock: clock}
	for i := range 5 {
		s, d := edited(i)
		if a := r.judge(t.Context(), s, d); !a.work {
			t.Fatalf("edit %d is not made: %+v", i, a.outcome)
		}
		r.holds.put(s.child.UID, hold{plan: s.plan(d), outcome: outcome{reason: v1alpha1.ReasonRejected}})
	}
	s, d := edited(5)
	if a := r.judge(t.Context(), s, d); a.work {
		t.Fatal("the sixth edit within the window is not stopped")
	}
	r.governor.forget(s)
	for range 4 {
		clock.Step(5 * time.Minute)
		for i := range 5 {
			s, d := edited(i)
			if a := r.judge(t.Context(), s, d); a.work || a.outcome.reason != v1alpha1.ReasonRejected {
				t.Fatalf("edit %d is not held as %s: work %v, %+v", i, v1alpha1.ReasonRejected, a.work, a.outcome)
			}
		}
	}
	if s, d := edited(6); !r.judge(t.Context(), s, d).work {
		t.Error("after the window another edit is stopped although nothing was changed in it")
	}
}

// What was changed stays counted, whatever is refused of the same account later.
func TestRefusalsTakeNothingBack(t *testing.T) {
	r := &ChildAccountReconciler{Client: noChildren{}, Clock: clocktesting.NewFakeClock(noon)}
	refused := &account.Error{Class: account.EmailTaken}
	for i := range 5 {
		s, d := edited(i)
		for _, err := range []error{nil, refused} {
			if a := r.judge(t.Context(), s, d); !a.work {
				t.Fatalf("edit %d is not made: %+v", i, a.outcome)
			}
			r.governor.tried(s, err)
		}
	}
	s, d := edited(5)
	if r.judge(t.Context(), s, d).work {
		t.Error("the sixth is changed within the window")
	}
	r.governor.forget(s)

	r = &ChildAccountReconciler{Client: noChildren{}, Clock: clocktesting.NewFakeClock(noon)}
	for i := range 6 {
		s, d := edited(i)
		if a := r.judge(t.Context(), s, d); !a.work {
			t.Fatalf("edit %d is not made, although all before it were refused: %+v", i, a.outcome)
		}
		r.governor.tried(s, refused)
	}
}

// An approval is for the very specs that waited: not for what is done to the same accounts after it, nor for the same again.
func TestApprovalIsForWhatWaited(t *testing.T) {
	r := &ChildAccountReconciler{Client: noChildren{}, Clock: clocktesting.NewFakeClock(noon)}
	for i := range 5 {
		s, d := edited(i)
		r.judge(t.Context(), s, d)
		r.governor.tried(s, nil)
	}
	s, d := edited(5)
	r.judge(t.Context(), s, d)
	one := r.governor.group(groupOf(s.child))
	approval := map[string]string{v1alpha1.AnnotationApproveMassChange: one.show().hash}
	one.timer.Stop()

	s, d = edited(5)
	s.parent.Annotations = approval
	if a := r.judge(t.Context(), s, d); !a.work {
		t.Fatalf("what is approved is not made: %+v", a.outcome)
	}
	r.governor.tried(s, nil)
	r.governor.forget(s)
	s, d = edited(5)
	s.parent.Annotations, s.child.Generation = approval, 3
	if r.judge(t.Context(), s, d).work {
		t.Error("the same change of a later spec passes with the former approval")
	}
	one.timer.Stop()
}

// Resources that have no account and want none make no room.
func TestWhatIsSuspendedMakesNoRoom(t *testing.T) {
	r := &ChildAccountReconciler{Client: declared{n: 1000}, Clock: clocktesting.NewFakeClock(noon)}
	s, _ := edited(0)
	if n := r.countChildren(t.Context(), groupOf(s.child)); n != 1 {
		t.Errorf("counted %d, want the one that has an account", n)
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
