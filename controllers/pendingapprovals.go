package controllers

import (
	"cmp"
	"slices"

	"cpaas.dev/child-account-operator/api/v1alpha1"
	"cpaas.dev/child-account-operator/internal/conditions"
)

// approvalSource returns the groups of writes of a parent that wait for an approval, from memory: it makes no call.
type approvalSource func(r *ParentAccountReconciler, s *parentScope) []v1alpha1.PendingApproval

// approvalSources are all that there are. A new source is one more line.
var approvalSources = []approvalSource{
	pendingSinceStart,
}

// pendingApprovals is the status of all that waits: the largest groups first, as many as there is room for. Its order and its texts
// depend on what waits alone, so that the status is not written without a change.
func pendingApprovals(r *ParentAccountReconciler, s *parentScope) []v1alpha1.PendingApproval {
	var all []v1alpha1.PendingApproval
	for _, source := range approvalSources {
		all = append(all, source(r, s)...)
	}
	slices.SortFunc(all, func(a, b v1alpha1.PendingApproval) int {
		return cmp.Or(cmp.Compare(b.Count, a.Count), cmp.Compare(a.Hash, b.Hash))
	})
	for i := range all {
		all[i].Message = conditions.Truncated(all[i].Message, v1alpha1.MaxPendingApprovalMessage)
	}
	return all[:min(len(all), v1alpha1.MaxPendingApprovals)]
}
