package engine

import (
	"context"
	"fmt"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"cpaas.dev/child-account-operator/api/v1alpha1"
	"cpaas.dev/child-account-operator/internal/changeguard"
	"cpaas.dev/child-account-operator/internal/conditions"
	"cpaas.dev/child-account-operator/internal/directory"
	"cpaas.dev/child-account-operator/internal/plan"
)

// Parent is what the engine knows of the resource of a parent account.
type Parent struct {
	// Key names the resource.
	Key types.NamespacedName
	// State names the state of its spec, as directory.Parent.Verified does.
	State string
	// StatusUpToDate is set where its status speaks of that state.
	StatusUpToDate bool
	// Suspended is set where no call is made for it or its children.
	Suspended bool
	// Shared is set where it serves resources of other namespaces than its own.
	Shared bool
	// Resync is how often its list is read.
	Resync time.Duration
	// Conditions are its conditions; they must not be changed.
	Conditions []metav1.Condition

	// Guarded names it for the change guard, Limits are its limits, and Approvals the hashes of changes that were approved.
	Guarded   changeguard.Parent
	Limits    changeguard.Limits
	Approvals []string
	// Deactivations are those that its status has as of its ResourceVersion, Storage stores more.
	ResourceVersion string
	Deactivations   func() []changeguard.Deactivation
	Storage         changeguard.Storage
}

// Parents finds the parents of resources.
type Parents interface {
	// Find returns the parent that a resource names, or says why the resource may not use it. The error says that this could not
	// be read.
	Find(ctx context.Context, m Managed) (*Parent, *plan.Stop, error)
	// Usable says whether a resource may use the parent that it names, which exists.
	Usable(ctx context.Context, m Managed) bool
	// Ours says whether the parent is one that this operator works for; orphan is set where there is none, and another operator
	// may be the one to report that.
	Ours(ctx context.Context, m Managed) (ours, orphan bool, err error)
}

// resolver takes up the parents of resources.
type resolver struct {
	parents   Parents
	connected *directory.Registry
	table     conditions.Table
}

// resolve takes up the parent, or says why it can't be worked with.
func (r *resolver) resolve(ctx context.Context, s *scope) (*plan.Stop, error) {
	parent, stop, err := r.parents.Find(ctx, s.managed)
	if stop != nil || err != nil {
		return stop, err
	}
	s.parent = parent
	if parent.Suspended {
		return &plan.Stop{Reason: v1alpha1.ReasonSuspended, Message: fmt.Sprintf("ParentAccount %s is suspended", parent.Key.Name), ParentSuspended: true}, nil
	}
	dir := r.connected.Get(parent.Key)
	if dir == nil {
		return r.withoutParent(s), nil
	}
	if dir.Verified != parent.State { // the parent's own reconcile comes first, and wakes its children
		if !parent.StatusUpToDate {
			return &plan.Stop{}, nil
		}
		return r.withoutParent(s), nil
	}
	s.enter(dir)
	if l := dir.Listings(); l.Err != nil && conditions.Parents.Row(conditions.Parents.Failed(l.Err).Reason).Stalled() {
		out := conditions.Parents.Failed(l.Err)
		return parentNotReady(s, out.Reason, out.Message), nil
	}
	return pinned(s), nil
}

// withoutParent is why a resource can't go on while its parent can't be worked with.
func (r *resolver) withoutParent(s *scope) *plan.Stop {
	ready := meta.FindStatusCondition(s.parent.Conditions, v1alpha1.ConditionReady)
	if meta.IsStatusConditionTrue(s.parent.Conditions, v1alpha1.ConditionStalled) && ready != nil {
		return parentNotReady(s, ready.Reason, ready.Message)
	}
	if out := r.outage(s); out != nil {
		return out
	}
	return &plan.Stop{} // the parent's first reconcile wakes its children
}

func parentNotReady(s *scope, reason, details string) *plan.Stop {
	message := fmt.Sprintf("ParentAccount %s is not ready: %s", s.parent.Key.Name, reason)
	if s.parent.Key.Namespace == s.obj.GetNamespace() { // the details, names of Secrets for example, are not for other namespaces
		message += ": " + details
	}
	return &plan.Stop{Reason: v1alpha1.ReasonParentNotReady, Message: message}
}

// outage is what is reported while the provider does not answer the parent; nil if it does. The message is the same for as
// long as it lasts, so that it is written once; the parent's own condition has the details.
func (r *resolver) outage(s *scope) *plan.Stop {
	out := plan.Stop{Message: fmt.Sprintf("the provider does not answer, or not consistently: see ParentAccount %s", s.parent.Key.Name)}
	c := meta.FindStatusCondition(s.parent.Conditions, v1alpha1.ConditionAPIAvailable)
	if c != nil && c.Status == metav1.ConditionFalse {
		out.Reason = c.Reason
	}
	if s.dir != nil { // newer than the condition
		err := s.dir.Listings().Err
		if err == nil {
			return nil
		}
		out.Reason = r.table.Failed(err).Reason
	}
	if out.Reason == "" {
		return nil
	}
	return &out
}

// pinned stops a resource whose account belongs to another parent account than the credentials do now,
// unless the change was accepted: then the account is looked for anew.
func pinned(s *scope) *plan.Stop {
	st := s.status
	if st.ParentAccountID == "" || st.ParentAccountID == s.dir.AccountID {
		return nil
	}
	if s.obj.GetAnnotations()[v1alpha1.AnnotationAcceptParent] == s.dir.AccountID {
		s.unbind()
		return nil
	}
	return &plan.Stop{Reason: v1alpha1.ReasonParentChanged, Message: fmt.Sprintf(
		"the account belongs to parent account %s, but ParentAccount %s is account %s now: restore its credentials, or give this %s the annotation %s: %q to look for an account there",
		st.ParentAccountID, s.parent.Key.Name, s.dir.AccountID, s.declared.Kind, v1alpha1.AnnotationAcceptParent, s.dir.AccountID)}
}
