package engine

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"path"
	"slices"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/clock"

	"cpaas.dev/child-account-operator/api/v1alpha1"
	"cpaas.dev/child-account-operator/internal/changeguard"
	"cpaas.dev/child-account-operator/internal/conditions"
	"cpaas.dev/child-account-operator/internal/directory"
	"cpaas.dev/child-account-operator/internal/plan"
	"cpaas.dev/child-account-operator/internal/readings"
)

// Parent is what the engine knows of the resource of a parent account.
type Parent struct {
	// Key names the resource.
	Key types.NamespacedName
	// AccountID is the parent account's id at the provider, as its status has it; "" where it was never connected.
	AccountID string
	// State names the state of its spec, as directory.Parent.Verified does.
	State string
	// StatusUpToDate is set where its status speaks of that state.
	StatusUpToDate bool
	// Suspended is set where no call is made for it or its children.
	Suspended bool
	// Shared is set where it serves resources of other namespaces than its own, or has, GrantsAdopt where those may adopt, GrantsClone where those
	// may have their accounts cloned from others.
	Shared, GrantsAdopt, GrantsClone bool
	// NotSharedNow is set where it serves its own namespace alone by now.
	NotSharedNow bool
	// Resync is how often its list is read.
	Resync time.Duration
	// Conditions are its conditions; they must not be changed.
	Conditions []metav1.Condition

	// Guarded names it for the change guard, Limits are its limits, and Approvals the hashes of changes that were approved.
	Guarded   changeguard.Parent
	Limits    changeguard.Limits
	Approvals []string
	// Start is what becomes of what is pending at its start.
	Start StartPolicy
	// Deactivations are those that its status has as of its ResourceVersion, Storage stores more.
	ResourceVersion string
	Deactivations   func() []changeguard.Deactivation
	Storage         changeguard.Storage
	// NoteNotDeactivated keeps in its status an account whose resource goes although the account could not be deactivated.
	NoteNotDeactivated func(context.Context, v1alpha1.NotDeactivatedAccount) error
}

// Parents finds the parents of resources.
type Parents interface {
	// Find returns a parent, by the name of its resource, or says why a resource may not use it, with the parent where there is one. The error
	// says that this could not be read.
	Find(ctx context.Context, m Managed, key types.NamespacedName) (*Parent, *plan.Stop, error)
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
	// clock is the time.
	clock clock.PassiveClock
	// readings has what is read beside the lists.
	readings *readings.Store
}

// resolve takes up the parent, or says why it can't be worked with.
func (r *resolver) resolve(ctx context.Context, s *scope) (*plan.Stop, error) {
	s.readings = r.readings
	stop, err := r.resolveDeclared(ctx, s)
	if stop != nil && err == nil && !stop.ParentSuspended && r.resolvePinned(ctx, s) {
		return nil, nil
	}
	return stop, err
}

// resolvePinned takes up a parent of the account that a resource belongs to, for one that is being deleted and names another
// parent, or one that is no more. It says whether there is one that the resource may use.
func (r *resolver) resolvePinned(ctx context.Context, s *scope) bool {
	pinned := s.status.ParentAccountID
	if s.obj.GetDeletionTimestamp().IsZero() || s.boundID() == "" || pinned == "" {
		return false
	}
	all := r.connected.All()
	for _, key := range slices.SortedFunc(maps.Keys(all), func(a, b types.NamespacedName) int { return cmp.Compare(a.String(), b.String()) }) {
		if all[key].AccountID != pinned || key == s.declared.Parent {
			continue
		}
		parent, stop, err := r.parents.Find(ctx, s.managed, key)
		if stop == nil && err == nil && !parent.Suspended && all[key].Verified == parent.State {
			s.parent = parent
			s.enter(all[key])
			return true
		}
	}
	return false
}

// resolveDeclared takes up the parent that the resource names.
func (r *resolver) resolveDeclared(ctx context.Context, s *scope) (*plan.Stop, error) {
	parent, stop, err := r.parents.Find(ctx, s.managed, s.declared.Parent)
	if stop != nil || err != nil {
		return stop, err
	}
	s.parent = parent
	if parent.Suspended {
		return &plan.Stop{Reason: v1alpha1.ReasonSuspended, Message: fmt.Sprintf("ParentAccount %s is suspended", parent.Key.Name), Next: "To continue, set spec.suspend: false on the ParentAccount, or ask the owner of the ParentAccount to.", ParentSuspended: true}, nil
	}
	dir := r.directoryFor(s)
	if dir == nil {
		return r.withoutParent(s), nil
	}
	if dir.Withdrawn == nil && dir.Verified != parent.State { // the parent's own reconcile comes first, and wakes its children
		if !parent.StatusUpToDate {
			return &plan.Stop{}, nil
		}
		return r.withoutParent(s), nil
	}
	s.enter(dir)
	if useless(dir) {
		out := conditions.Parents.Failed(dir.Listings().Err)
		details := conditions.Parents.Text(out, longestDetails)
		if ready := meta.FindStatusCondition(parent.Conditions, v1alpha1.ConditionReady); ready != nil && ready.Reason == out.Reason { // it has the names
			details = ready.Message
		}
		return parentNotReady(s, out.Reason, details), nil
	}
	return pinned(s), nil
}

// directoryFor is the parent's directory that serves the resource; nil where none does. One that is being deleted is served by
// credentials, too, that were deleted together with it.
func (r *resolver) directoryFor(s *scope) *directory.Parent {
	if s.obj.GetDeletionTimestamp().IsZero() {
		return r.connected.Get(s.parent.Key)
	}
	dir := r.connected.ForDeletion(s.parent.Key, r.clock.Now().Add(-MaxDeletion))
	if dir != nil && dir.Withdrawn != nil && !sameResource(dir.Verified, s.parent.State) {
		return nil
	}
	return dir
}

// sameResource says whether two states ("<UID>/<generation>") are of the same ParentAccount.
func sameResource(a, b string) bool { return path.Dir(a) == path.Dir(b) }

// withoutParent is why a resource can't continue while its parent can't be worked with.
func (r *resolver) withoutParent(s *scope) *plan.Stop {
	ready, stalled := meta.FindStatusCondition(s.parent.Conditions, v1alpha1.ConditionReady), meta.FindStatusCondition(s.parent.Conditions, v1alpha1.ConditionStalled)
	// One that is kept by others while it is being deleted can be worked with.
	if ready != nil && stalled != nil && stalled.Status == metav1.ConditionTrue && stalled.Reason != v1alpha1.ReasonDeleting {
		return parentNotReady(s, ready.Reason, ready.Message)
	}
	if out := r.outage(s); out != nil {
		return out
	}
	return &plan.Stop{} // the parent's first reconcile wakes its children
}

// longestDetails is how many bytes a message has of what the provider answered to the parent.
const longestDetails = 1024

func parentNotReady(s *scope, reason, details string) *plan.Stop {
	stop := &plan.Stop{
		Reason: v1alpha1.ReasonParentNotReady, Message: fmt.Sprintf("ParentAccount %s is not ready: %s", s.parent.Key.Name, reason),
		Next: fmt.Sprintf("Ask the owner of ParentAccount %s, whose conditions have the details. This resource continues automatically once the ParentAccount is ready.", s.parent.Key),
	}
	if s.parent.Key.Namespace == s.obj.GetNamespace() { // the details, names of Secrets for example, are not for other namespaces
		stop.Message += ": " + details
		stop.Next = "This resource continues automatically once the ParentAccount is ready: kubectl describe parentaccount -n " + s.parent.Key.Namespace + " " + s.parent.Key.Name
	}
	return stop
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
	if out.Reason == v1alpha1.ReasonRateLimited {
		out.Message = fmt.Sprintf("the provider rate-limits calls: see ParentAccount %s", s.parent.Key.Name)
	}
	return &out
}

// pinned stops a resource whose account belongs to another parent account than the credentials do now,
// unless the change was accepted: then the account is looked for anew. One that is being deleted looks for none: whoever accepts the change
// then gives up the account that it has, which stays as it is.
func pinned(s *scope) *plan.Stop {
	st := s.status
	of := st.ParentAccountID
	if of == "" && st.Creation != nil { // an attempt may have created the account there
		of = st.Creation.ParentAccountID
	}
	if of == "" || of == s.dir.AccountID {
		return nil
	}
	accepted := s.obj.GetAnnotations()[v1alpha1.AnnotationAcceptParent] == s.dir.AccountID
	deleted := !s.obj.GetDeletionTimestamp().IsZero() && s.boundID() != ""
	if accepted && !deleted {
		s.unbind()
		st.Creation = nil
		return nil
	}
	stop := &plan.Stop{
		Reason:  v1alpha1.ReasonParentChanged,
		Message: fmt.Sprintf("the account belongs to parent account %s, but ParentAccount %s is account %s now", of, s.parent.Key.Name, s.dir.AccountID),
		Next: fmt.Sprintf("Name a ParentAccount of account %s in spec.parentRef, restore this one's credentials, or give this %s the annotation %s: %q to find an account there.",
			of, s.declared.Kind, v1alpha1.AnnotationAcceptParent, s.dir.AccountID),
	}
	switch {
	case accepted:
		stop.Message += ", which the annotation " + v1alpha1.AnnotationAcceptParent + " accepts"
		stop.Left = true
	case deleted:
		stop.Next = fmt.Sprintf("Name a ParentAccount of account %s in spec.parentRef, or apply one, or restore this one's credentials.", of)
	}
	return stop
}
