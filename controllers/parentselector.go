package controllers

import (
	"context"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/labels"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"cpaas.dev/child-account-operator/api/v1alpha1"
	"cpaas.dev/child-account-operator/internal/namespacecache"
)

// anothers says whether the resource is that of another operator, one with another --parent-selector, or may be: what can't
// be seen from here (--namespaces) is left to whoever sees it.
func (r *ChildAccountReconciler) anothers(ctx context.Context, s *childScope) (bool, error) {
	if r.Share == nil || r.Share.Empty() {
		return false, nil
	}
	if ours, err := r.ours(ctx, s); ours || err != nil {
		return false, err
	}
	// What is remembered of it may not hold when it comes back.
	r.passwords.forget(s.child.UID)
	r.written.Delete(s.child.UID)
	r.holds.forget(s.child.UID)
	return true, nil
}

func (r *ChildAccountReconciler) ours(ctx context.Context, s *childScope) (bool, error) {
	key := s.child.ParentKey()
	if !r.looksAfter(key.Namespace) {
		return false, nil
	}
	parent := &v1alpha1.ParentAccount{}
	switch err := r.Get(ctx, key, parent); {
	case apierrors.IsNotFound(err):
		return r.oursAlone(ctx, s)
	case namespacecache.IsNotSynced(err):
		return false, nil
	case err != nil:
		return false, err
	}
	return selects(r.Share, parent), nil
}

// oursAlone is ours for a resource without a ParentAccount. That counts as one without labels, so that only the operator
// whose selector has those speaks of the resource. Where it is being deleted the others let it go, late and in silence:
// there may be no such operator.
func (r *ChildAccountReconciler) oursAlone(ctx context.Context, s *childScope) (bool, error) {
	s.silent = !r.Share.Matches(labels.Set{})
	if s.silent && s.child.DeletionTimestamp.IsZero() {
		return false, nil
	}
	// The cache may not have it yet, and another operator's may.
	key := s.child.ParentKey()
	var parents v1alpha1.ParentAccountList
	err := r.Connections.Live.List(ctx, &parents, client.InNamespace(key.Namespace), client.MatchingFields{"metadata.name": key.Name})
	return err == nil && len(parents.Items) == 0, err
}

// selects says whether a selector, nil for all, has the object.
func selects(selector labels.Selector, o client.Object) bool {
	return selector == nil || selector.Matches(labels.Set(o.GetLabels()))
}
