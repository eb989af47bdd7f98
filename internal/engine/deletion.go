package engine

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
	"sigs.k8s.io/controller-runtime/pkg/log"

	"cpaas.dev/child-account-operator/api/v1alpha1"
	"cpaas.dev/child-account-operator/internal/account"
	"cpaas.dev/child-account-operator/internal/conditions"
	"cpaas.dev/child-account-operator/internal/metrics"
	"cpaas.dev/child-account-operator/internal/plan"
)

// MaxDeletion is how long a resource is kept back because its account could not be deactivated, its parent for it, and credentials that
// were deleted with them.
const MaxDeletion = time.Hour

// orphanGrace is how long a resource is left to the operator that reports on it (--parent-selector), before others release it:
// there may be none.
const orphanGrace = time.Minute

// release lets the resource go, after its account was deactivated where the policy wants that.
func (e *Engine) release(ctx context.Context, s *scope) (ctrl.Result, error) {
	s.beginDeletion(e.Clock.Now())
	var view *account.View
	for range maxRounds {
		in, err := e.observer.observeDeletion(ctx, s, view)
		if in.Stop == nil && err != nil {
			in.Stop = &plan.Stop{Unread: true}
		}
		p := plan.For(in)
		if in.Start != nil {
			e.guard.holdStart(s, in, p)
		}
		r := e.execute(ctx, s, p, in.View)
		out := r.outcome
		if out != nil && out.Err == nil && in.Stop != nil && in.Stop.Unread {
			out.Err = err
		}
		switch {
		case r.leave != "":
			r.plan, r.leave = plan.Leave(in, r.leave), ""
			out = r.round(ctx)
		case out != nil && s.deletion.Expired && out.Reason != "":
			r.plan = plan.Release(in, out.Message)
			out = r.round(ctx)
		}
		switch {
		case r.failed != nil, r.released, len(r.plan.Steps) == 0:
			return ctrl.Result{}, r.failed
		case out != nil && out.Reason == "": // another operator's, for now
			return ctrl.Result{RequeueAfter: out.After}, nil
		case out != nil:
			return e.requeueDeletion(ctx, s, *out)
		}
		view = r.read
	}
	return ctrl.Result{RequeueAfter: conditions.SoonAtLeast}, nil
}

// beginDeletion notes what is known of the resource's deletion.
func (s *scope) beginDeletion(now time.Time) {
	since := s.obj.GetDeletionTimestamp().Time
	s.left = since.Add(MaxDeletion).Sub(now)
	s.deletion = plan.Deletion{
		Deactivate: s.declared.Deactivate, Orphan: s.orphan, OrphanGrace: max(since.Add(orphanGrace).Sub(now), 0), Expired: s.left <= 0,
	}
}

// requeueDeletion says why the resource is kept back, and reconciles it again before its hour is over.
func (e *Engine) requeueDeletion(ctx context.Context, s *scope, out conditions.Outcome) (ctrl.Result, error) {
	if s.orphan {
		return ctrl.Result{RequeueAfter: deletionPause(conditions.SoonAtMost, s.left)}, nil
	}
	if out.Stuck && s.declared.Deactivate && !out.IsWriteRefused() {
		out.Message += fmt.Sprintf("; after an hour at most this %s is deleted all the same, and its account stays active", s.declared.Kind)
	}
	result, err := e.reporter.finish(ctx, s, out)
	if !s.hadReason(e.Table.Second(), out.Reason) { // whoever waits for the account is told that its owner is being deleted
		wakeNamesakes(ctx, e, s)
	}
	if err == nil && result.RequeueAfter == 0 { // for an approval
		result.RequeueAfter = conditions.SoonAtMost
	}
	switch {
	case !out.IsWriteRefused():
		result.RequeueAfter = deletionPause(result.RequeueAfter, s.left)
	case s.left > 0:
		result.RequeueAfter = min(result.RequeueAfter, s.left)
	}
	return result, err
}

// deletionPause is how long the operator leaves a resource whose deletion waits: not for all the patience that the provider may ask
// for, since the surroundings may be deleted meanwhile, of which no event comes, and its hour ends.
func deletionPause(pause, left time.Duration) time.Duration {
	return min(pause, conditions.SoonAtMost, left)
}

// deleting is the outcome of an attempt to deactivate the account that ended like this.
func (r *run) deleting(out conditions.Outcome) *conditions.Outcome {
	if out.Err != nil {
		return broken(v1alpha1.ReasonDeleting, out.Err)
	}
	return &conditions.Outcome{
		Reason: v1alpha1.ReasonDeleting, Message: plan.CantDeactivate + out.Message, After: out.After,
		Next:  cmp.Or(out.Next, r.Table.NextStep(out.Reason)),
		Stuck: r.Table.Row(out.Reason).Stalled(),
	}
}

// readSurroundings finds out whether the namespace or the CRD is being deleted.
func readSurroundings(ctx context.Context, r *run, _ plan.Step) *conditions.Outcome {
	deleted, err := surroundingsDeleted(ctx, r.Engine, r.s.obj.GetNamespace())
	d := &r.s.deletion
	switch {
	case apierrors.IsForbidden(err):
		d.Surroundings, d.Forbidden = plan.SurroundingsForbidden, err.Error()
	case err != nil:
		return broken(v1alpha1.ReasonDeleting, err)
	case deleted:
		d.Surroundings = plan.SurroundingsDeleted
	default:
		d.Surroundings = plan.SurroundingsStay
	}
	r.again = true
	return nil
}

// surroundingsDeleted says whether the namespace or the CRD is being deleted. An error says that it is not known.
func surroundingsDeleted(ctx context.Context, e *Engine, namespace string) (bool, error) {
	var unknown error
	for name, kind := range map[string]schema.GroupVersionKind{
		namespace:    corev1.SchemeGroupVersion.WithKind("Namespace"),
		e.Kind.CRD(): {Group: "apiextensions.k8s.io", Version: "v1", Kind: "CustomResourceDefinition"},
	} {
		meta := &metav1.PartialObjectMetadata{}
		meta.SetGroupVersionKind(kind)
		switch err := e.Connections.Live.Get(ctx, client.ObjectKey{Name: name}, meta); {
		case apierrors.IsNotFound(err), err == nil && !meta.DeletionTimestamp.IsZero():
			return true, nil
		case err != nil:
			unknown = fmt.Errorf("it is not known whether %s is being deleted: %w", name, err)
		}
	}
	return false, unknown
}

func deactivate(ctx context.Context, r *run, step plan.Step) *conditions.Outcome {
	err := r.s.dir.Update(ctx, r.target(step.AccountID), plan.AccountChanges(r.s.schema, step.Changes))
	r.changes.Done(r.s.uid(), refused(err))
	logWritten(ctx, r.s, writeDeactivate, whyDeletion, step.AccountID, err)
	if err != nil {
		return r.stopped(err)
	}
	a := r.view.Account
	r.Recorder.Eventf(r.s.obj, nil, corev1.EventTypeNormal, "Deactivated", "Delete", "deactivated account %s (id %s)", a.Name, a.ID)
	return nil
}

func leaveActive(_ context.Context, r *run, step plan.Step) *conditions.Outcome {
	notDeactivated(r.Engine, r.s.obj, step.Message, step.Next)
	return nil
}

// noteNotDeactivated keeps an account that was not deactivated in its parent's status, where there still is one.
func (r *run) noteNotDeactivated(ctx context.Context, step plan.Step) error {
	if step.Reason != plan.ReasonNotDeactivated {
		return nil
	}
	parent := r.s.parent
	if parent == nil {
		parent = formerParent(ctx, r.Engine, r.s.managed)
	}
	return noteLeftActive(ctx, r.Engine, r.s.managed, parent, step.AccountID, step.Message)
}

func releaseFinalizer(ctx context.Context, r *run, step plan.Step) *conditions.Outcome {
	if err := r.noteNotDeactivated(ctx, step); err != nil {
		if _, refused := conditions.Refusal(err); !refused || !r.s.deletion.Expired {
			return notReleased(r, refusedParent(r, v1alpha1.ReasonDeleting, err), err)
		}
		metrics.WriteRefused(metrics.RefusedStatus) // an hour is all that a deletion waits: the event and the log say what stays active
	}
	before := r.s.obj.DeepCopyObject().(client.Object)
	controllerutil.RemoveFinalizer(r.s.obj, v1alpha1.Finalizer)
	r.releases.note(r.s.uid()) // before: the cache may see that the resource is gone before the answer is here
	err := r.Patch(ctx, r.s.obj, client.MergeFromWithOptions(before, client.MergeFromWithOptimisticLock{}))
	_, refused := conditions.Refusal(err)
	if refused || apierrors.IsConflict(err) {
		r.releases.forget(r.s.uid())
	}
	if refused {
		r.s.obj.SetFinalizers(before.GetFinalizers())
		return notReleased(r, refusedWrite(r, v1alpha1.ReasonDeleting, theResource(r.s), err), err)
	}
	if client.IgnoreNotFound(err) == nil { // not before: a start that holds the deletion would hold it no more after a conflict
		r.forget(r.s.uid())
	}
	if err == nil { // a cache that is behind must not have the account looked after once more: it may be another's by now
		r.ownWrites.Note(r.s.uid(), r.s.obj.GetResourceVersion(), r.Clock.Now())
	}
	if err == nil && step.Message != "" {
		notDeactivated(r.Engine, r.s.obj, step.Message, step.Next)
		log.FromContext(ctx).Info("account not deactivated", "accountID", r.s.status.AccountID, "cause", step.Message)
	}
	r.released, r.failed = true, client.IgnoreNotFound(err)
	return nil
}

// notReleased is the outcome of a resource that has to keep the finalizer, as a write failed.
func notReleased(r *run, out *conditions.Outcome, err error) *conditions.Outcome {
	if out.Err != nil {
		r.failed = err
		return nil
	}
	return out
}
