package controllers

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
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
	needed := !expired && len(waiters(s)) > 0
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

// needsParent says whether the account of a ChildAccount may still have to be deactivated.
func needsParent(c *v1alpha1.ChildAccount) bool {
	return controllerutil.ContainsFinalizer(c, v1alpha1.Finalizer) && c.Deactivates()
}

// waiters are the ChildAccounts that the ParentAccount is needed for.
func waiters(s *parentScope) (names []string) {
	for i := range s.children.Items {
		c := &s.children.Items[i]
		switch {
		case !needsParent(c):
		case c.Namespace == s.parent.Namespace:
			names = append(names, c.Name)
		default:
			names = append(names, c.Namespace+"/"+c.Name)
		}
	}
	return names
}

// held is the outcome, with what a ParentAccount that is being deleted waits for.
func held(s *parentScope, out conditions.Outcome, now time.Time) conditions.Outcome {
	deleted := s.parent.DeletionTimestamp
	if deleted.IsZero() || !holds(s.parent) || out.Err != nil || out.Reason == "" {
		return out
	}
	until := deleted.Add(engine.MaxDeletion)
	message := waitsFor(waiters(s), until)
	if out.Reason == v1alpha1.ReasonAvailable {
		out.Reason, out.Message = v1alpha1.ReasonDeleting, message
	} else {
		out.Message += "; " + message
		out.Next = conditions.Advise(cmp.Or(out.Next, conditions.Parents.NextStep(out.Reason)), conditions.Parents.NextStep(v1alpha1.ReasonDeleting))
	}
	out.After = max(min(out.After, until.Sub(now)), conditions.SoonAtLeast)
	return out
}

// namedWaiters is how many ChildAccounts the message names.
const namedWaiters = 10

// waitsFor says for which ChildAccounts a ParentAccount is kept.
func waitsFor(names []string, until time.Time) string {
	slices.Sort(names)
	list := strings.Join(names[:min(len(names), namedWaiters)], ", ")
	if more := len(names) - namedWaiters; more > 0 {
		list += fmt.Sprintf(" and %d more", more)
	}
	return fmt.Sprintf("the ParentAccount is being deleted, and is kept until %s at most for ChildAccounts with deletionPolicy Deactivate, whose accounts are deactivated first: %s",
		until.UTC().Format(time.RFC3339), list)
}

// parentOfChild is the ParentAccount that a ChildAccount names.
func parentOfChild(_ context.Context, o client.Object) []reconcile.Request {
	return []reconcile.Request{{NamespacedName: o.(*v1alpha1.ChildAccount).ParentKey()}}
}

// holdsParent passes what decides whether a ParentAccount is needed for a deletion.
var holdsParent = predicate.Funcs{
	CreateFunc: func(e event.CreateEvent) bool { return needsParent(e.Object.(*v1alpha1.ChildAccount)) },
	DeleteFunc: func(e event.DeleteEvent) bool { return e.Object.(*v1alpha1.ChildAccount).Deactivates() },
	UpdateFunc: func(e event.UpdateEvent) bool {
		before, after := e.ObjectOld.(*v1alpha1.ChildAccount), e.ObjectNew.(*v1alpha1.ChildAccount)
		return needsParent(before) != needsParent(after) || needsParent(after) && before.ParentKey() != after.ParentKey()
	},
	GenericFunc: func(event.GenericEvent) bool { return false },
}
