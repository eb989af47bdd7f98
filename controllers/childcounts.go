package controllers

import (
	"cmp"
	"context"
	"time"

	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/util/workqueue"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"

	"cpaas.dev/child-account-operator/api/v1alpha1"
	"cpaas.dev/child-account-operator/internal/debounce"
	"cpaas.dev/child-account-operator/internal/directory"
	"cpaas.dev/child-account-operator/internal/engine"
)

// CountsAfter is for how long no ChildAccount must have got its account until the ParentAccount's status counts them: thousands that are
// created one after another are one write.
const CountsAfter = 5 * time.Second

// countingChildren has a ParentAccount, and those that share its account, reconciled some time after ChildAccounts of it got their accounts, as the next list may be far away.
func countingChildren(r *ParentAccountReconciler) handler.EventHandler {
	settled := debounce.New(cmp.Or(r.CountsAfter, CountsAfter), func(parent types.NamespacedName) {
		r.enqueue(parent)
		if dir := r.Parents.Get(parent); dir != nil {
			for _, other := range r.Parents.Sharing(parent, dir.Directory) {
				r.enqueue(other)
			}
		}
	})
	return handler.Funcs{UpdateFunc: func(_ context.Context, e event.UpdateEvent, _ workqueue.TypedRateLimitingInterface[ctrl.Request]) {
		if managed(e.ObjectOld).Status().AccountID == "" && managed(e.ObjectNew).Status().AccountID != "" {
			settled.Touch(parentKey(e.ObjectNew))
		}
	}}
}

// countChildren counts the accounts of the last list, and those that were created since. ChildAccounts of all ParentAccounts of the account have
// some of them.
func countChildren(ctx context.Context, r *ParentAccountReconciler, s *parentScope, dir *directory.Parent) *v1alpha1.ChildAccountCounts {
	l, managed, all := dir.Listings(), bound(s.children, dir), seesAll(r.Children.Read, accountsOf(r, s.parent).Kind)
	var parents v1alpha1.ParentAccountList
	all = r.List(ctx, &parents, client.UnsafeDisableDeepCopy) == nil && all
	for i := range parents.Items {
		other := &parents.Items[i]
		if other.UID == s.parent.UID || other.Status.AccountID != dir.AccountID || !v1alpha1.SameService(other, s.parent) {
			continue
		}
		children, err := accountsOf(r, other).Kind.listed(ctx, r, childrenOfParent(client.ObjectKeyFromObject(other))...)
		all = err == nil && all
		managed += bound(children, dir)
	}
	total := int32(l.Total + l.Created)
	if before := s.was.ChildAccounts; before != nil && !all {
		managed = max(managed, min(before.Managed, total)) // those that can't be seen have theirs as before
	}
	total = max(total, managed)
	return &v1alpha1.ChildAccountCounts{Total: total, Managed: managed, Unmanaged: total - managed}
}

// bound is how many of the ChildAccounts have an account that a ParentAccount knows of.
func bound(children []engine.Managed, dir *directory.Parent) (n int32) {
	for _, child := range children {
		if st := child.Status(); st.Origin != "" && dir.Observe(directory.Key{ID: st.AccountID}).Account != nil {
			n++
		}
	}
	return n
}
