package controllers

import (
	"context"

	"cpaas.dev/child-account-operator/internal/conditions"
	"cpaas.dev/child-account-operator/internal/directory"
	"cpaas.dev/child-account-operator/internal/engine"
)

// judgeMissing decides which of the accounts that the list lacks are believed to be missing, before any child is woken, and says what
// is not believed.
func judgeMissing(ctx context.Context, r *ParentAccountReconciler, s *parentScope, dir *directory.Parent) {
	of := accountsOf(r, s.parent)
	children := func(yield func(engine.Managed) bool) {
		for _, child := range s.children {
			if of.parents.Usable(ctx, child) && !yield(child) {
				return
			}
		}
	}
	verdict, changed := of.engine.JudgeAbsences(of.parents.parentOf(s.parent), dir, children)
	s.wakes = s.wakes || changed
	if verdict == nil && !listsRead(r, s) { // what a former process found stands until this one knows
		return
	}
	message := ""
	if verdict != nil {
		message = engine.MissingMessage(s.key(), verdict)
	}
	conditions.WriteAccountsMissing(&s.parent.Status.Conditions, s.parent.Generation, message, r.Clock.Now())
}
