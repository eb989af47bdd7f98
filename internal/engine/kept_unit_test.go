package engine

import (
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"cpaas.dev/child-account-operator/api/v1alpha1"
	"cpaas.dev/child-account-operator/internal/conditions"
)

func TestParentKept(t *testing.T) {
	t.Parallel()
	noon := time.Date(2026, 11, 28, 12, 0, 0, 0, time.UTC)
	available := conditions.Outcome{Reason: v1alpha1.ReasonAvailable, Message: "the account can be worked with", After: time.Hour}
	suspended := conditions.Outcome{Reason: v1alpha1.ReasonSuspended, Message: "spec.suspend is true"}
	for name, c := range map[string]struct {
		finalizers []string
		deleted    time.Duration
		out, want  conditions.Outcome
		says       string
	}{
		"not deleted":           {finalizers: []string{"example.org/hold"}, out: available, want: available},
		"its own alone":         {finalizers: []string{v1alpha1.ParentFinalizer}, deleted: time.Minute, out: available, want: available},
		"garbage collector":     {finalizers: []string{metav1.FinalizerOrphanDependents}, deleted: time.Second, out: available, want: conditions.Outcome{Reason: available.Reason, Message: available.Message, After: 9 * time.Second}},
		"and it is stuck":       {finalizers: []string{metav1.FinalizerOrphanDependents}, deleted: time.Minute, out: available, want: conditions.Outcome{Reason: v1alpha1.ReasonDeleting, Stuck: true, After: time.Hour}, says: "keep it: orphan; until then it serves its ChildAccounts as before. Have the finalizers removed"},
		"others":                {finalizers: []string{"b.org/b", "a.org/a"}, deleted: time.Second, out: available, want: conditions.Outcome{Reason: v1alpha1.ReasonDeleting, Stuck: true, After: time.Hour}, says: "keep it: a.org/a, b.org/b; until"},
		"many":                  {finalizers: strings.Fields("a b c d e f g"), deleted: time.Second, out: available, want: conditions.Outcome{Reason: v1alpha1.ReasonDeleting, Stuck: true, After: time.Hour}, says: "a, b, c, d, e and 2 more; until"},
		"beside something else": {finalizers: []string{"a.org/a"}, deleted: time.Second, out: suspended, want: conditions.Outcome{Reason: v1alpha1.ReasonSuspended}, says: "spec.suspend is true; the ParentAccount is being deleted, and finalizers of others keep it: a.org/a. To continue, set spec.suspend: false. Have the finalizers removed"},
		"a failure":             {finalizers: []string{"a.org/a"}, deleted: time.Second, out: conditions.Outcome{}, want: conditions.Outcome{}},
	} {
		p := &v1alpha1.ParentAccount{ObjectMeta: metav1.ObjectMeta{Name: "acme", Finalizers: c.finalizers}}
		if c.deleted > 0 {
			p.DeletionTimestamp = &metav1.Time{Time: noon.Add(-c.deleted)}
		}
		got := ParentKept(p, c.out, noon)
		if got.Reason != c.want.Reason || got.Stuck != c.want.Stuck || got.After != c.want.After {
			t.Errorf("%s: %+v", name, got)
		}
		if text := conditions.Parents.Text(got, 4096); c.says == "" && got.Message != c.out.Message || !strings.Contains(text, c.says) {
			t.Errorf("%s: %q", name, text)
		}
	}
}

// Whoever waits for an account whose owner is being deleted is not told to delete the owner.
func TestAnOwnerThatIsBeingDeletedIsWaitedFor(t *testing.T) {
	t.Parallel()
	s := &scope{declared: Declaration{AccountName: "acme-support"}}
	owner := &v1alpha1.ChildAccount{ObjectMeta: metav1.ObjectMeta{Namespace: "telephony", Name: "old"}}
	stop := ownedBy(s, ownedChild{owner})
	if stop.Next != "" || stop.Message != "account acme-support is owned by ChildAccount telephony/old" {
		t.Errorf("%+v", stop)
	}
	owner.DeletionTimestamp = &metav1.Time{Time: time.Now()}
	stop = ownedBy(s, ownedChild{owner})
	if !strings.HasSuffix(stop.Message, "telephony/old, which is being deleted") || !strings.HasPrefix(stop.Next, "Wait: ") || !strings.HasSuffix(stop.Next, "kubectl describe childaccount -n telephony old") {
		t.Errorf("%+v", stop)
	}
}

// ownedChild is a ChildAccount as far as the message needs it.
type ownedChild struct{ *v1alpha1.ChildAccount }

func (c ownedChild) Object() client.Object           { return c.ChildAccount }
func (ownedChild) Declaration() Declaration          { return Declaration{Kind: "ChildAccount"} }
func (c ownedChild) Status() *v1alpha1.AccountStatus { return &c.ChildAccount.Status.AccountStatus }
func (c ownedChild) Copy() Managed                   { return c }
func (ownedChild) Observed() any                     { return nil }
func (ownedChild) SetObserved(any)                   {}
func (ownedChild) ReadObserved([]byte) (any, error)  { return nil, nil }
