package engine

import (
	"context"
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"cpaas.dev/child-account-operator/api/v1alpha1"
	"cpaas.dev/child-account-operator/internal/changeguard"
	"cpaas.dev/child-account-operator/internal/conditions"
)

// ApprovesMassChange says whether a group is one that the annotation approve-mass-change approves.
func ApprovesMassChange(group v1alpha1.PendingApproval) bool {
	return approvedBy(group, v1alpha1.AnnotationApproveMassChange)
}

// approvedBy says whether a group is one that an annotation approves.
func approvedBy(group v1alpha1.PendingApproval, annotation string) bool {
	return strings.Contains(group.Message, annotation+"="+group.Hash)
}

// EmitMismatch answers whoever has just approved something else than what waits, once for each value of an annotation. The status that
// says so is stored by then; was is the one before. A value that was there before anything waited is nobody's mistake.
func EmitMismatch(recorder conditions.EventRecorder, p *v1alpha1.ParentAccount, was v1alpha1.ParentAccountStatus) {
	for _, annotation := range []string{v1alpha1.AnnotationApproveMassChange, v1alpha1.AnnotationApproveStart} {
		emitMismatch(recorder, p, was, annotation)
	}
}

func emitMismatch(recorder conditions.EventRecorder, p *v1alpha1.ParentAccount, was v1alpha1.ParentAccountStatus, annotation string) {
	value, key := p.Annotations[annotation], client.ObjectKeyFromObject(p)
	said, waited := Mismatch(annotation, value, ""), false
	for _, group := range was.PendingApprovals {
		if !approvedBy(group, annotation) {
			continue
		}
		if waited = true; Mismatch(annotation, value, group.Hash) == "" || strings.HasPrefix(group.Message, said) {
			return
		}
	}
	if said == "" || !waited {
		return
	}
	for _, group := range p.Status.PendingApprovals {
		if approvedBy(group, annotation) && strings.HasPrefix(group.Message, said) {
			out := conditions.Outcome{Message: group.Message, Brief: said + "What waits is approved by: " + ApproveCommand(key, annotation, group.Hash)}
			recorder.Eventf(p, nil, corev1.EventTypeWarning, "ApprovalMismatch", "Approve", "%s", conditions.Parents.ForEvent(out))
			return
		}
	}
}

// ChangeBudgetOf is the status of what is used of limits.massChange; nil where nothing is.
func ChangeBudgetOf(used *changeguard.Used) *v1alpha1.ChangeBudget {
	if used == nil {
		return nil
	}
	return &v1alpha1.ChangeBudget{Used: int32(used.Used), Limit: int32(used.Limit), FreesAt: metav1.NewTime(used.FreesAt).Rfc3339Copy()}
}

// EmitStartHeld tells what waits since the start, whenever that is something else than was waits. The status that has it is stored by then.
func EmitStartHeld(ctx context.Context, e *Engine, p *v1alpha1.ParentAccount, was []v1alpha1.PendingApproval) {
	for _, held := range p.Status.PendingApprovals {
		approve := ApproveCommand(client.ObjectKeyFromObject(p), v1alpha1.AnnotationApproveStart, held.Hash)
		if strings.Contains(held.Message, approve) && !slices.Contains(was, held) {
			log.FromContext(ctx).Info("writes that were pending when the operator started wait for an approval", "resources", held.Count, "approve", approve)
			out := conditions.Outcome{Message: held.Message, Brief: fmt.Sprintf("%d resources wait since the operator's start: %s", held.Count, approve)}
			e.Recorder.Eventf(p, nil, corev1.EventTypeWarning, v1alpha1.ReasonAwaitingApproval, "Start", "%s", conditions.Parents.ForEvent(out))
		}
	}
}
