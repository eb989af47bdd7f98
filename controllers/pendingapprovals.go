package controllers

import (
	"cmp"
	"slices"

	"cpaas.dev/child-account-operator/api/v1alpha1"
	"cpaas.dev/child-account-operator/internal/account"
	"cpaas.dev/child-account-operator/internal/conditions"
	"cpaas.dev/child-account-operator/internal/engine"
)

// writePending writes the status of all that waits: the largest groups first, as many as there is room for, and how many resources wait in
// all. Its order and its texts depend on what waits alone, and on what was approved, so that the status is not written without a change.
func writePending(r *ParentAccountReconciler, s *parentScope) {
	all, st := pendingGroups(r, s), &s.parent.Status
	st.PendingApprovals, st.PendingResources = all[:min(len(all), v1alpha1.MaxPendingApprovals)], nil
	waits := int32(0)
	for _, group := range all {
		waits += group.Count
	}
	if waits > 0 {
		st.PendingResources = &waits
	}
}

// pendingGroups are the groups of all that waits, the largest first.
func pendingGroups(r *ParentAccountReconciler, s *parentScope) []v1alpha1.PendingApproval {
	all := append(pendingSinceStart(r, s), s.held.Approvals(s.key(), s.parent.Annotations[v1alpha1.AnnotationApproveMassChange])...)
	if known := listsRead(r, s); !s.held.Settled || !known { // what waits of changes is not known yet: as before
		for _, group := range s.was.PendingApprovals {
			if engine.ApprovesMassChange(group) && (known || engine.MayWait(group, s.parent, s.children)) {
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
	return all
}

// listsRead says whether this process has read enough lists to say what is missing and what waits.
func listsRead(r *ParentAccountReconciler, s *parentScope) bool {
	dir := r.Parents.Former(s.key())
	return dir != nil && dir.Directory != nil && dir.Listings().Complete >= account.AbsencesUntilMissing
}
