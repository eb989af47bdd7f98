package engine

import (
	"slices"
	"testing"

	"cpaas.dev/child-account-operator/internal/account"
	"cpaas.dev/child-account-operator/internal/pacing"
	"cpaas.dev/child-account-operator/internal/plan"
)

// What a person has just changed goes first, then what is new, then what changed at the provider; lists, which say nothing of
// how urgent they are, come last.
func TestUrgency(t *testing.T) {
	edit, drift := plan.FieldChange{Origin: account.FromSpec}, plan.FieldChange{Origin: account.FromRemote}
	steps := func(steps ...plan.Step) plan.Plan { return plan.Plan{Steps: steps} }
	update := func(changes ...plan.FieldChange) plan.Plan {
		return steps(plan.Step{Kind: plan.Adopt}, plan.Step{Kind: plan.Update, Changes: changes}, plan.Step{Kind: plan.Report})
	}
	for name, c := range map[string]struct {
		plan plan.Plan
		want pacing.Priority
	}{
		"a change of the spec":                     {update(edit), pacing.Edit},
		"a change of the spec, and drift":          {update(drift, edit), pacing.Edit},
		"what is left of it: password, connection": {steps(plan.Step{Kind: plan.StoreSecret}, plan.Step{Kind: plan.SetPassword}), pacing.Edit},
		"a new account":                            {steps(plan.Step{Kind: plan.PrepareSecret}, plan.Step{Kind: plan.Create}, plan.Step{Kind: plan.StoreSecret}), pacing.Creation},
		"the read before it":                       {steps(plan.Step{Kind: plan.Read}), pacing.Creation},
		"one that is recreated":                    {steps(plan.Step{Kind: plan.Recreate}), pacing.Creation},
		"a prepared password that is withdrawn":    {steps(plan.Step{Kind: plan.WithdrawPassword}, plan.Step{Kind: plan.Refuse}), pacing.Creation},
		"drift":                                    {update(drift, drift), pacing.Drift},
		"a plan":                                   {steps(plan.Step{Kind: plan.ChangePlan, Changes: []plan.FieldChange{edit}}), pacing.Edit},
		"a plan that was changed at the provider":  {steps(plan.Step{Kind: plan.ChangePlan, Changes: []plan.FieldChange{drift}}), pacing.Drift},
		"the deactivation of a deleted resource's": {steps(plan.Step{Kind: plan.RecordDeactivation}, plan.Step{Kind: plan.Deactivate}), pacing.Edit},
		"the read before that":                     {steps(plan.Step{Kind: plan.Read, Reason: plan.ReasonBeforeDeactivation}), pacing.Edit},
	} {
		if got := urgency(c.plan); got != c.want {
			t.Errorf("%s: %v, want %v", name, got, c.want)
		}
	}
	order := []pacing.Priority{pacing.Snapshot, pacing.Drift, pacing.Creation, pacing.Edit}
	if unsaid := pacing.Priority(0); unsaid != order[0] || !slices.IsSorted(order) {
		t.Errorf("from the least urgent: %v", order)
	}
}
