package engine

import (
	"slices"

	"cpaas.dev/child-account-operator/internal/plan"
)

// noteBinding notes that the account is to be read before the resource is bound to it by its claim, where that is what the plan begins
// with: the next such read serves all for which that is noted by then.
func noteBinding(s *scope, p plan.Plan) {
	if slices.ContainsFunc(p.Round(), func(step plan.Step) bool { return step.Reason == plan.ReasonBeforeBinding }) {
		s.dir.NoteBinding(s.declared.AccountName)
	}
}

// endBinding has the account read again before another try: the resource is bound, or something else stood in the way, and nobody
// knows for how long.
func endBinding(s *scope) {
	if s.dir != nil {
		s.dir.EndBinding(s.declared.AccountName)
	}
}
