package controllers

import (
	"cmp"
	"context"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"

	"cpaas.dev/child-account-operator/api/v1alpha1"
	"cpaas.dev/child-account-operator/internal/account"
	"cpaas.dev/child-account-operator/internal/conditions"
	"cpaas.dev/child-account-operator/internal/pacing"
	"cpaas.dev/child-account-operator/internal/secrets"
)

// longestFarewell is how long a resource is kept back because its account could not be switched off.
const longestFarewell = time.Hour

// courtesy is how long a resource is left to the operator that speaks of it (--parent-selector), before others let it go:
// there may be none.
const courtesy = time.Minute

// release lets the resource go, after its account was switched off where the policy wants that. The connection Secret
// stays, unless it is certain that no account was ever made: where a try was in doubt, or was made before the operator's
// last start, the Secret may hold the only copy of a password.
func (r *ChildAccountReconciler) release(ctx context.Context, s *childScope) (ctrl.Result, error) {
	if !controllerutil.ContainsFinalizer(s.child, v1alpha1.Finalizer) {
		return ctrl.Result{}, nil
	}
	now, since := r.Clock.Now(), s.child.DeletionTimestamp.Time
	if wait := since.Add(courtesy).Sub(now); s.silent && wait > 0 {
		return ctrl.Result{RequeueAfter: wait}, nil
	}
	out := r.farewell(ctx, s)
	if left := since.Add(longestFarewell).Sub(now); out != nil && left > 0 {
		return r.keepBack(ctx, s, *out, left)
	}
	if s.child.Status.AccountID == "" && r.attempts.Uncreated(s.child.UID) {
		if err := r.discard(ctx, s); err != nil {
			return ctrl.Result{}, err
		}
	}
	before := s.child.DeepCopy()
	controllerutil.RemoveFinalizer(s.child, v1alpha1.Finalizer)
	r.forget(s.child.UID)
	err := r.Patch(ctx, s.child, client.MergeFromWithOptions(before, client.MergeFromWithOptimisticLock{}))
	if err == nil && out != nil {
		r.Recorder.Eventf(s.child, nil, corev1.EventTypeWarning, "NotDeactivated", "Delete",
			"the account %s (id %s) could not be switched off within an hour and stays as it is: %s", s.child.AccountName(), s.shownID(), out.Message)
	}
	return ctrl.Result{}, client.IgnoreNotFound(err)
}

// keepBack says why the resource is kept back, and looks again before its hour is over.
func (r *ChildAccountReconciler) keepBack(ctx context.Context, s *childScope, out conditions.Outcome, left time.Duration) (ctrl.Result, error) {
	if s.silent {
		return ctrl.Result{RequeueAfter: untilNextLook(conditions.SoonAtMost, left)}, nil
	}
	result, err := r.finish(ctx, s, out)
	result.RequeueAfter = untilNextLook(result.RequeueAfter, left)
	return result, err
}

// untilNextLook is how long a resource that is kept back is left alone: not for all the patience that the provider may ask
// for, since the surroundings may go meanwhile, which nobody tells us, and its hour ends.
func untilNextLook(pause, left time.Duration) time.Duration {
	return min(pause, conditions.SoonAtMost, left)
}

// farewell switches the account off where deletionPolicy says so; nil means that nothing keeps the resource back.
// Suspended and observed resources, and those that go with their namespace or with the kind itself, go without a call:
// nobody has spoken of the account.
func (r *ChildAccountReconciler) farewell(ctx context.Context, s *childScope) *conditions.Outcome {
	if !s.child.Deactivates() || s.child.Observes() || s.child.Suspended() || !r.mayHaveAccount(s) {
		return nil
	}
	if goes, err := r.surroundingsGo(ctx, s.child.Namespace); apierrors.IsForbidden(err) {
		// Not knowing is not "no": a kind that is uninstalled would switch off every account. Nor is it "yes", which would
		// leave the account on and say nothing. So it waits its hour for the right to look, and then goes as it is.
		return &conditions.Outcome{Reason: v1alpha1.ReasonDeleting, Stuck: true, Message: fmt.Sprintf(
			"the account can't be switched off: %v. Let the operator look (see docs/operations.md), or set deletionPolicy to %s", err, v1alpha1.DeletionRetain)}
	} else if err != nil {
		return &conditions.Outcome{Reason: v1alpha1.ReasonDeleting, Message: "waiting for the API server", Err: err}
	} else if goes {
		return nil
	}
	if s.silent { // whoever speaks of it comes first
		return &conditions.Outcome{Reason: v1alpha1.ReasonDeleting, Message: "there is no ParentAccount " + s.child.Spec.ParentRef.Name}
	}
	stop, out := r.reach(ctx, s)
	switch {
	case forbidden(out):
		r.Recorder.Eventf(s.child, nil, corev1.EventTypeWarning, "NotDeactivated", "Delete", "the account (id %s) stays as it is: %s", s.shownID(), out.Message)
		return nil
	case s.parent != nil && s.parent.Suspended():
		return nil
	case stop && out.Err != nil:
		return &conditions.Outcome{Reason: v1alpha1.ReasonDeleting, Message: "waiting for the API server", Err: out.Err}
	case stop && out.Reason == "":
		return &conditions.Outcome{Reason: v1alpha1.ReasonDeleting, Message: "waiting for ParentAccount " + s.child.Spec.ParentRef.Name}
	case stop:
		return &conditions.Outcome{Reason: v1alpha1.ReasonDeleting, Message: "the account can't be switched off: " + out.Message, Stuck: true}
	}
	return r.deactivate(pacing.WithPriority(ctx, pacing.Edit), s)
}

// mayHaveAccount says whether the resource has an account, or a try to create one may have made it without its being noted.
func (r *ChildAccountReconciler) mayHaveAccount(s *childScope) bool {
	return s.boundID() != "" || s.child.Annotations[v1alpha1.AnnotationCreateIntent] != "" && !r.attempts.Uncreated(s.child.UID)
}

// shownID is the account's id for people.
func (s *childScope) shownID() string { return cmp.Or(s.boundID(), "not known") }

// deactivate switches the account off if it is still there, still ours and still on. What failed is not tried again before
// its time, whatever wakes the resource.
func (r *ChildAccountReconciler) deactivate(ctx context.Context, s *childScope) *conditions.Outcome {
	plan := s.plan(account.Decision{Step: account.StepUpdate})
	if held, ok := r.attempts.InBackoff(s.child.UID, plan, r.Clock.Now()); ok {
		out := held.Remaining(r.Clock.Now())
		return &out
	}
	view, err := s.dir.Look(ctx, s.key())
	if err != nil {
		return deleting(plan, conditions.Children.Failed(err))
	}
	a := view.Account
	if a == nil || s.schema.IsAnother(*a, s.boundID(), s.child.AccountName()) || s.schema.Deactivated(a.State) {
		return nil
	}
	switch claim, claimed := a.Claim(); {
	case claimed && claim == s.claim, !claimed && s.boundID() != "":
	case s.boundID() != "": // it was ours: somebody has written another claim into it
		r.Recorder.Eventf(s.child, nil, corev1.EventTypeWarning, "NotDeactivated", "Delete", "the account (id %s) stays as it is: its custom data says that it belongs to another resource", a.ID)
		return nil
	default:
		return nil
	}
	if out := r.strange(ctx, s, *a); out != nil {
		if out.Reason != v1alpha1.ReasonDuplicateResource && out.Reason != v1alpha1.ReasonAdoptionRefused {
			return deleting(plan, *out)
		}
		r.Recorder.Eventf(s.child, nil, corev1.EventTypeWarning, "NotDeactivated", "Delete", "the account stays as it is: %s", out.Message)
		return nil
	}
	off, ok := s.schema.Deactivation(a.State)
	if !ok {
		return nil
	}
	if out := r.govern(ctx, s, "switched off by deletion", true); out != nil && out.Err != nil {
		return broken(v1alpha1.ReasonDeleting, out.Err)
	} else if out != nil {
		return &conditions.Outcome{Reason: v1alpha1.ReasonDeleting, Message: cmp.Or(out.Message, "many accounts are being deleted: counting them"), Brief: out.Brief, After: out.After, Stuck: out.Reason != ""}
	}
	if err := r.noteDeactivation(ctx, s); err != nil {
		return broken(v1alpha1.ReasonDeleting, err)
	}
	err = s.dir.Update(ctx, r.writeTo(s, a.ID), []account.Change{off})
	r.guard.Done(s.child.UID, refused(err))
	if err != nil {
		return deleting(plan, conditions.Children.Failed(err))
	}
	r.Recorder.Eventf(s.child, nil, corev1.EventTypeNormal, "Deactivated", "Delete", "switched off account %s (id %s)", a.Name, a.ID)
	return nil
}

// strange says why a resource that is bound to no account has no say in one with its claim; nil where it has. The claim
// proves as little here as where an account is taken.
func (r *ChildAccountReconciler) strange(ctx context.Context, s *childScope, a account.Account) *conditions.Outcome {
	if s.boundID() != "" {
		return nil
	}
	if out := r.duplicate(ctx, s, account.Decision{Step: account.StepUpdate, Account: &a}); out != nil {
		return out
	}
	if out := r.readPassword(ctx, s); out != nil && out.Err != nil { // without one the connection Secret may prove it
		return out
	}
	return r.unproven(ctx, s, a)
}

// deleting is the outcome of a try to switch the account off that ended like this.
func deleting(plan string, out conditions.Outcome) *conditions.Outcome {
	if out.Err != nil {
		return broken(v1alpha1.ReasonDeleting, out.Err)
	}
	return &conditions.Outcome{
		Reason: v1alpha1.ReasonDeleting, Message: "the account can't be switched off: " + out.Message, After: out.After,
		Stuck: conditions.Children.Row(out.Reason).Stalled(), Fingerprint: plan,
	}
}

// surroundingsGo says whether the namespace or the kind itself is being deleted. An error says that it is not known.
func (r *ChildAccountReconciler) surroundingsGo(ctx context.Context, namespace string) (bool, error) {
	var unknown error
	for name, kind := range map[string]schema.GroupVersionKind{
		namespace: corev1.SchemeGroupVersion.WithKind("Namespace"),
		"childaccounts." + v1alpha1.GroupVersion.Group: {Group: "apiextensions.k8s.io", Version: "v1", Kind: "CustomResourceDefinition"},
	} {
		meta := &metav1.PartialObjectMetadata{}
		meta.SetGroupVersionKind(kind)
		switch err := r.Connections.Live.Get(ctx, client.ObjectKey{Name: name}, meta); {
		case apierrors.IsNotFound(err), err == nil && !meta.DeletionTimestamp.IsZero():
			return true, nil
		case err != nil:
			unknown = fmt.Errorf("is %s going? %w", name, err)
		}
	}
	return false, unknown
}

// discard removes the connection Secret of a resource whose account was never made.
func (r *ChildAccountReconciler) discard(ctx context.Context, s *childScope) error {
	dir := r.Parents.Get(s.child.ParentKey())
	if dir == nil || s.enter(dir) != nil || !s.intends() {
		return nil //nolint:nilerr // nothing can be known of it: it stays
	}
	err := r.Connections.Discard(ctx, s.connection())
	if _, somebodyElses := errorAs[*secrets.Problem](err); somebodyElses {
		return nil
	}
	return err
}
