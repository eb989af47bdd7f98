package controllers

import (
	"context"

	"cpaas.dev/child-account-operator/api/v1alpha1"
	"cpaas.dev/child-account-operator/internal/engine"
)

// begin tells the engine that a complete list of the ParentAccount was read; the first is its start.
func begin(ctx context.Context, r *ChildAccountReconciler, s *parentScope) {
	parent := r.parents.parentOf(s.parent)
	if r.engine.Begun(parent) {
		return
	}
	children := make([]engine.Managed, len(s.children.Items))
	for i := range s.children.Items {
		children[i] = childAccount{&s.children.Items[i]}
	}
	var unread []string
	if r.Read != nil {
		for _, status := range r.Read.Statuses() {
			if !status.Synced {
				unread = append(unread, status.Namespace)
			}
		}
	}
	r.engine.Begin(ctx, parent, children, unread)
}

// within are the ChildAccounts of one namespace.
func within(children []v1alpha1.ChildAccount, namespace string) (in []engine.Managed) {
	for i := range children {
		if children[i].Namespace == namespace {
			in = append(in, childAccount{&children[i]})
		}
	}
	return in
}
