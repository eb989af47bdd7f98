package controllers

import (
	"context"

	"cpaas.dev/child-account-operator/api/v1alpha1"
	"cpaas.dev/child-account-operator/internal/engine"
)

// begin tells the engine that a complete list of the ParentAccount was read; the first is its start.
func begin(ctx context.Context, r *AccountReconciler, s *parentScope) {
	parent := r.parents.parentOf(s.parent)
	if r.engine.Starts.Begun(parent) {
		return
	}
	var unread []string
	if r.Read != nil {
		for _, status := range r.Read.Statuses() {
			if !status.Synced {
				unread = append(unread, status.Namespace)
			}
		}
	}
	r.engine.Starts.Begin(ctx, parent, s.children, unread)
}

// within are the resources of one namespace.
func within(children []engine.Managed, namespace string) (in []engine.Managed) {
	for _, child := range children {
		if child.Object().GetNamespace() == namespace {
			in = append(in, child)
		}
	}
	return in
}

// pendingSinceStart is the group of writes that were pending when the operator started, and wait (startPolicy Observe).
func pendingSinceStart(r *ParentAccountReconciler, s *parentScope) []v1alpha1.PendingApproval {
	parent := accountsOf(r, s.parent).parents.parentOf(s.parent)
	group := accountsOf(r, s.parent).engine.Starts.Group(parent)
	s.wakes = s.wakes || accountsOf(r, s.parent).engine.Starts.Released(parent)
	if group.Count == 0 {
		return nil
	}
	why := "spec.startPolicy is Observe"
	if parent.Start.Flag {
		why = "--start-policy=Observe"
	}
	return []v1alpha1.PendingApproval{{Hash: group.Hash, Count: int32(group.Count), Message: engine.StartMessage(s.parent, why, group)}}
}
