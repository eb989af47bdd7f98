package controllers

import (
	"cmp"
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"cpaas.dev/child-account-operator/api/v1alpha1"
	"cpaas.dev/child-account-operator/internal/account"
	"cpaas.dev/child-account-operator/internal/changeguard"
	"cpaas.dev/child-account-operator/internal/conditions"
)

// pendingApprovals is the status of all that waits: the largest groups first, as many as there is room for. Its order and its texts
// depend on what waits alone, so that the status is not written without a change.
func pendingApprovals(r *ParentAccountReconciler, s *parentScope) []v1alpha1.PendingApproval {
	all := append(pendingSinceStart(r, s), s.held.Approvals(s.key())...)
	if !s.held.Settled || !listsRead(r, s) { // what waits of changes is not known yet: as before
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

// changeBudget is the status of what is used of limits.massChange; nil where nothing is.
func changeBudget(used *changeguard.Used) *v1alpha1.ChangeBudget {
	if used == nil {
		return nil
	}
	return &v1alpha1.ChangeBudget{Used: int32(used.Used), Limit: int32(used.Limit), FreesAt: metav1.NewTime(used.FreesAt).Rfc3339Copy()}
}
