package controllers

import (
	"context"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"cpaas.dev/child-account-operator/api/v1alpha1"
	"cpaas.dev/child-account-operator/internal/conditions"
	"cpaas.dev/child-account-operator/internal/engine"
)

// hold sees to the finalizer of a ParentAccount: it is there while a ChildAccount has one, whose account is deactivated before that is
// deleted, which takes the ParentAccount. released is set where there is nothing more to do for one that is being deleted.
func hold(ctx context.Context, c client.Client, s *parentScope, now time.Time) (released bool, err error) {
	deleted := s.parent.DeletionTimestamp
	expired := !deleted.IsZero() && now.Sub(deleted.Time) >= engine.MaxDeletion
	needed := !expired && waiters(s).Waits()
	if has := holds(s.parent); has == needed || !has && !deleted.IsZero() { // a finalizer can't be added any more
		return false, nil
	}
	before := s.parent.DeepCopy()
	if needed {
		controllerutil.AddFinalizer(s.parent, v1alpha1.ParentFinalizer)
	} else {
		controllerutil.RemoveFinalizer(s.parent, v1alpha1.ParentFinalizer)
	}
	status := s.parent.Status
	err = c.Patch(ctx, s.parent, client.MergeFromWithOptions(before, client.MergeFromWithOptimisticLock{}))
	s.parent.Status = status
	return !needed && !deleted.IsZero(), client.IgnoreNotFound(err)
}

// holds says whether the ParentAccount has the operator's finalizer.
func holds(p *v1alpha1.ParentAccount) bool {
	return controllerutil.ContainsFinalizer(p, v1alpha1.ParentFinalizer)
}

// needsParent says whether the account of a resource may still have to be deactivated.
func needsParent(o client.Object) bool {
	c, ok := o.(*v1alpha1.ChildAccount)
	return ok && controllerutil.ContainsFinalizer(c, v1alpha1.Finalizer) && c.Deactivates()
}

// waiters is the deletion of the ParentAccount, with the ChildAccounts that the ParentAccount is needed for.
func waiters(s *parentScope) conditions.ParentDeletion {
	d := conditions.ParentDeletion{AllDeleting: true}
	for _, child := range s.children {
		c := child.Object()
		name, list := c.GetName(), &d.Remaining
		if c.GetNamespace() != s.parent.Namespace {
			name = c.GetNamespace() + "/" + name
		}
		if !c.GetDeletionTimestamp().IsZero() {
			list = &d.Deleting
		}
		d.AllDeleting = d.AllDeleting && list == &d.Deleting
		if needsParent(c) {
			*list = append(*list, name)
		}
	}
	return d
}

// held is the outcome, with what a ParentAccount that is being deleted waits for. The status has all that waits for an approval by then.
func held(r *ParentAccountReconciler, s *parentScope, out conditions.Outcome, now time.Time) conditions.Outcome {
	if s.parent.DeletionTimestamp.IsZero() || !holds(s.parent) {
		return engine.ParentKept(s.parent, out, now)
	}
	d, dir := waiters(s), r.Parents.ForDeletion(s.key(), now.Add(-engine.MaxDeletion))
	d.Until, d.Served = s.parent.DeletionTimestamp.Add(engine.MaxDeletion), dir != nil && dir.UID == s.parent.UID
	d.Approval = engine.ApprovalDue(s.key(), s.parent.Status.PendingApprovals)
	return d.Of(out, now)
}

// parentOfChild is the ParentAccount that a ChildAccount names.
func parentOfChild(_ context.Context, o client.Object) []reconcile.Request {
	return []reconcile.Request{{NamespacedName: parentKey(o)}}
}

// holdsParent passes what decides whether a ParentAccount is needed for a deletion.
var holdsParent = predicate.Funcs{
	CreateFunc: func(e event.CreateEvent) bool { return needsParent(e.Object) },
	DeleteFunc: func(e event.DeleteEvent) bool { return e.Object.(*v1alpha1.ChildAccount).Deactivates() },
	UpdateFunc: func(e event.UpdateEvent) bool {
		before, after := e.ObjectOld.(*v1alpha1.ChildAccount), e.ObjectNew.(*v1alpha1.ChildAccount)
		return needsParent(before) != needsParent(after) || needsParent(after) &&
			(before.ParentKey() != after.ParentKey() || before.DeletionTimestamp.IsZero() != after.DeletionTimestamp.IsZero())
	},
	GenericFunc: func(event.GenericEvent) bool { return false },
}

// untilReleased is a pause that ends with the time for which a ParentAccount that is being deleted is kept at most.
func untilReleased(p *v1alpha1.ParentAccount, pause time.Duration, now time.Time) time.Duration {
	if p.DeletionTimestamp.IsZero() || !holds(p) {
		return pause
	}
	left := max(p.DeletionTimestamp.Add(engine.MaxDeletion).Sub(now), conditions.SoonAtLeast)
	if pause <= 0 {
		return left
	}
	return min(pause, left)
}
