package controllers

import (
	"context"
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"cpaas.dev/child-account-operator/api/v1alpha1"
	"cpaas.dev/child-account-operator/internal/conditions"
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
	parent := r.of(s.parent).parents.parentOf(s.parent)
	group := r.of(s.parent).engine.Starts.Group(parent)
	s.wakes = s.wakes || r.of(s.parent).engine.Starts.Released(parent)
	if group.Count == 0 {
		return nil
	}
	why := "spec.startPolicy is Observe"
	if parent.Start.Flag {
		why = "--start-policy=Observe"
	}
	return []v1alpha1.PendingApproval{{Hash: group.Hash, Count: int32(group.Count), Message: engine.StartMessage(s.parent, why, group)}}
}

// approveStart is the command that approves what is pending since a start.
func approveStart(s *parentScope, hash string) string {
	return engine.ApproveCommand(s.key(), v1alpha1.AnnotationApproveStart, hash)
}

// emitStartHeld tells what waits since the start, whenever that is something else. The status that has it is stored by then.
func emitStartHeld(ctx context.Context, r *ParentAccountReconciler, s *parentScope) {
	for _, p := range s.parent.Status.PendingApprovals {
		if approve := approveStart(s, p.Hash); strings.Contains(p.Message, approve) && !slices.Contains(s.was.PendingApprovals, p) {
			log.FromContext(ctx).Info("writes that were pending when the operator started wait for an approval", "resources", p.Count, "approve", approve)
			out := conditions.Outcome{Message: p.Message, Brief: fmt.Sprintf("%d %ss wait since the operator's start: %s", p.Count, r.of(s.parent).Kind.name, approve)}
			r.Recorder.Eventf(s.parent, nil, corev1.EventTypeWarning, v1alpha1.ReasonAwaitingApproval, "Start", "%s", conditions.Parents.ForEvent(out))
		}
	}
}
