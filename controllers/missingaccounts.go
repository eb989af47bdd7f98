package controllers

import (
	"context"
	"fmt"

	"cpaas.dev/child-account-operator/api/v1alpha1"
	"cpaas.dev/child-account-operator/internal/conditions"
	"cpaas.dev/child-account-operator/internal/directory"
	"cpaas.dev/child-account-operator/internal/engine"
)

// longestMissing is how long the message of AccountsMissing is at most: an event has room for it.
const longestMissing = 1024

// judgeMissing decides which of the accounts that the list lacks are believed to be missing, before any child is woken, and says what
// is not believed.
func judgeMissing(ctx context.Context, r *ParentAccountReconciler, s *parentScope, dir *directory.Parent) {
	children := func(yield func(engine.Managed) bool) {
		for i := range s.children.Items {
			if child := (childAccount{&s.children.Items[i]}); r.Children.parents.Usable(ctx, child) && !yield(child) {
				return
			}
		}
	}
	verdict, changed := r.Children.engine.JudgeAbsences(r.Children.parents.parentOf(s.parent), dir, children)
	s.wakes = s.wakes || changed
	if verdict == nil && !listsRead(r, s) { // what a former process found stands until this one knows
		return
	}
	message := ""
	if s.held.Missing = verdict; verdict != nil {
		message = missingMessage(s)
	}
	conditions.WriteAccountsMissing(&s.parent.Status.Conditions, s.parent.Generation, message, r.Clock.Now())
}

// missingAccounts are accounts that are missing, more than is believed.
func missingAccounts(_ *ParentAccountReconciler, s *parentScope) []v1alpha1.PendingApproval {
	if s.held.Missing == nil {
		return nil
	}
	return []v1alpha1.PendingApproval{{Hash: s.held.Missing.Hash, Count: int32(s.held.Missing.Count), Message: missingMessage(s)}}
}

// missingMessage says what is missing, why that is not believed, and how to approve it.
func missingMessage(s *parentScope) string {
	m := s.held.Missing
	rule := fmt.Sprintf("No more than %d missing at once are believed", m.Most)
	if m.Count <= m.Most {
		rule = fmt.Sprintf("More than %d were missing before, so these are believed after two lists in a row", m.Most)
	}
	what := fmt.Sprintf("the provider's list lacks %d of %d accounts", m.Count, m.Total)
	command := rule + " (limits.massChange): their resources stay as they are, and nothing is sent for them until the list has them again. If they are gone: " + approveCommand(s, m.Hash)
	return withList(what, m.List, command, longestMissing)
}
