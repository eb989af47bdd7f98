package controllers

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"cpaas.dev/child-account-operator/api/v1alpha1"
	"cpaas.dev/child-account-operator/internal/account"
	"cpaas.dev/child-account-operator/internal/changeguard"
	"cpaas.dev/child-account-operator/internal/conditions"
)

// approvalSource returns the groups of writes of a parent that wait for an approval, from memory: it makes no call.
type approvalSource func(r *ParentAccountReconciler, s *parentScope) []v1alpha1.PendingApproval

// approvalSources are all that there are. A new source is one more line.
var approvalSources = []approvalSource{
	pendingSinceStart,
	missingAccounts,
	heldChanges,
}

// pendingApprovals is the status of all that waits: the largest groups first, as many as there is room for. Its order and its texts
// depend on what waits alone, so that the status is not written without a change.
func pendingApprovals(r *ParentAccountReconciler, s *parentScope) []v1alpha1.PendingApproval {
	if !s.held.Settled { // the parent is reconciled again once it is
		return s.was.PendingApprovals
	}
	var all []v1alpha1.PendingApproval
	for _, source := range approvalSources {
		all = append(all, source(r, s)...)
	}
	if !listsRead(r, s) { // a new process has not found out yet what waits
		for _, group := range s.was.PendingApprovals {
			if strings.Contains(group.Message, v1alpha1.AnnotationApproveMassChange+"="+group.Hash) {
				all = append(all, group)
			}
		}
	}
	slices.SortStableFunc(all, func(a, b v1alpha1.PendingApproval) int {
		return cmp.Or(cmp.Compare(b.Count, a.Count), cmp.Compare(a.Hash, b.Hash))
	})
	all = slices.CompactFunc(all, func(a, b v1alpha1.PendingApproval) bool { return a.Hash == b.Hash })
	for i := range all {
		all[i].Message = conditions.Truncated(all[i].Message, v1alpha1.MaxPendingApprovalMessage)
	}
	return all[:min(len(all), v1alpha1.MaxPendingApprovals)]
}

// listsRead says whether this process has read enough lists to say what is missing and what waits.
func listsRead(r *ParentAccountReconciler, s *parentScope) bool {
	dir := r.Parents.Former(s.key())
	return dir != nil && dir.Directory != nil && dir.Listings().Complete >= account.AbsencesUntilMissing
}

// heldChanges are edits, deletions and corrections of drift that the change guard has stopped.
func heldChanges(_ *ParentAccountReconciler, s *parentScope) []v1alpha1.PendingApproval {
	var out []v1alpha1.PendingApproval
	for _, w := range s.held.Changes {
		what := fmt.Sprintf("changes of %d resources in namespace %s wait (limits.massChange, limits.maxDeactivationsPerHour)", w.Count, w.Namespace)
		out = append(out, v1alpha1.PendingApproval{
			Hash: w.Hash, Count: int32(w.Count),
			Message: withList(what, w.List, "To let exactly these pass: "+approveCommand(s, w.Hash), v1alpha1.MaxPendingApprovalMessage),
		})
	}
	return out
}

// withList is a text with the names that it is about, or without where that would be too long. The command at its end is whole.
func withList(what, list, command string, most int) string {
	if text := fmt.Sprintf("%s: %s. %s", what, list, command); len(text) <= most {
		return text
	}
	return fmt.Sprintf("%s. %s", what, command)
}

// approveCommand is what a person runs to approve a group.
func approveCommand(s *parentScope, hash string) string {
	return fmt.Sprintf("kubectl annotate parentaccount -n %s %s --overwrite %s=%s", s.parent.Namespace, s.parent.Name, v1alpha1.AnnotationApproveMassChange, hash)
}

// changeBudget is the status of what is used of limits.massChange; nil where nothing is.
func changeBudget(used *changeguard.Used) *v1alpha1.ChangeBudget {
	if used == nil {
		return nil
	}
	return &v1alpha1.ChangeBudget{Used: int32(used.Used), Limit: int32(used.Limit), FreesAt: metav1.NewTime(used.FreesAt).Rfc3339Copy()}
}
