package controllers

import (
	"cmp"
	"context"
	"time"

	"k8s.io/client-go/util/workqueue"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"

	"cpaas.dev/child-account-operator/api/v1alpha1"
	"cpaas.dev/child-account-operator/internal/debounce"
	"cpaas.dev/child-account-operator/internal/directory"
)

// CountsAfter is for how long no ChildAccount must have got its account until the ParentAccount's status counts them: thousands that are
// created one after another are one write.
const CountsAfter = 5 * time.Second

// countingChildren has a ParentAccount reconciled some time after ChildAccounts of it got their accounts, as the next list may be far away.
func countingChildren(r *ParentAccountReconciler) handler.EventHandler {
	settled := debounce.New(cmp.Or(r.CountsAfter, CountsAfter), r.enqueue)
	return handler.Funcs{UpdateFunc: func(_ context.Context, e event.UpdateEvent, _ workqueue.TypedRateLimitingInterface[ctrl.Request]) {
		before, after := e.ObjectOld.(*v1alpha1.ChildAccount), e.ObjectNew.(*v1alpha1.ChildAccount)
		if before.Status.AccountID == "" && after.Status.AccountID != "" {
			settled.Touch(after.ParentKey())
		}
	}}
}

// countChildren counts the accounts of the last list, and those that were created since.
func countChildren(r *ParentAccountReconciler, s *parentScope, dir *directory.Parent) *v1alpha1.ChildAccountCounts {
	l, managed := dir.Listings(), int32(0)
	for i := range s.children.Items {
		child := &s.children.Items[i]
		id := child.Status.AccountID
		if child.Status.Origin != "" && dir.Observe(directory.Key{ID: id}).Account != nil {
			managed++
		}
	}
	total := int32(l.Total + l.Created)
	if before := s.was.ChildAccounts; before != nil && !seesAll(r.Children.Read) {
		managed = max(managed, min(before.Managed, total)) // those that can't be seen have theirs as before
	}
	total = max(total, managed)
	return &v1alpha1.ChildAccountCounts{Total: total, Managed: managed, Unmanaged: total - managed}
}
