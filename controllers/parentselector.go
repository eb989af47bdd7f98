package controllers

import (
	"context"

	"k8s.io/apimachinery/pkg/labels"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"cpaas.dev/child-account-operator/api/v1alpha1"
)

// anothers says whether the resource is that of another operator, one with another --parent-selector. A resource whose
// ParentAccount does not exist is everybody's: each says the same of it, and each lets it go.
func (r *ChildAccountReconciler) anothers(ctx context.Context, s *childScope) (bool, error) {
	if r.Share == nil || r.Share.Empty() || !r.looksAfter(s.child.ParentKey().Namespace) {
		return false, nil
	}
	parent := &v1alpha1.ParentAccount{}
	if err := r.Get(ctx, s.child.ParentKey(), parent); err != nil {
		return false, client.IgnoreNotFound(err)
	}
	if selects(r.Share, parent) {
		return false, nil
	}
	// What is remembered of it may not hold when it comes back.
	r.passwords.forget(s.child.UID)
	r.written.Delete(s.child.UID)
	return true, nil
}

// selects says whether a selector, nil for all, has the object.
func selects(selector labels.Selector, o client.Object) bool {
	return selector == nil || selector.Matches(labels.Set(o.GetLabels()))
}
