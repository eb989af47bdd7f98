package controllers

import (
	"context"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/labels"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"cpaas.dev/child-account-operator/api/v1alpha1"
	"cpaas.dev/child-account-operator/internal/engine"
	"cpaas.dev/child-account-operator/internal/namespacecache"
)

// Ours implements Parents: a resource may be that of another operator, one with another --parent-selector; what can't be seen
// from here (--namespaces) is left to whoever sees it.
func (r *parentAccounts) Ours(ctx context.Context, m engine.Managed) (ours, orphan bool, err error) {
	if r.share == nil || r.share.Empty() {
		return true, false, nil
	}
	key := m.Declaration().Parent
	if !r.looksAfter(key.Namespace) {
		return false, false, nil
	}
	parent := &v1alpha1.ParentAccount{}
	switch err := r.Get(ctx, key, parent); {
	case apierrors.IsNotFound(err):
		return r.oursAlone(ctx, m)
	case namespacecache.IsNotSynced(err):
		return false, false, nil
	case err != nil:
		return false, false, err
	}
	return selects(r.share, parent), false, nil
}

// oursAlone is Ours for a resource without a ParentAccount. That counts as one without labels, so that only the operator
// whose selector has those speaks of the resource. Where it is being deleted the others let it go, late and in silence:
// there may be no such operator.
func (r *parentAccounts) oursAlone(ctx context.Context, m engine.Managed) (ours, orphan bool, err error) {
	orphan = !r.share.Matches(labels.Set{})
	if orphan && m.Object().GetDeletionTimestamp().IsZero() {
		return false, true, nil
	}
	// The cache may not have it yet, and another operator's may.
	key := m.Declaration().Parent
	var parents v1alpha1.ParentAccountList
	err = r.live.List(ctx, &parents, client.InNamespace(key.Namespace), client.MatchingFields{"metadata.name": key.Name})
	return err == nil && len(parents.Items) == 0, orphan, err
}

// selects says whether a selector, nil for all, has the object.
func selects(selector labels.Selector, o client.Object) bool {
	return selector == nil || selector.Matches(labels.Set(o.GetLabels()))
}
