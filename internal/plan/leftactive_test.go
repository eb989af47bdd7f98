package plan_test

import (
	"strings"
	"testing"

	"cpaas.dev/child-account-operator/api/v1alpha1"
	"cpaas.dev/child-account-operator/internal/plan"
)

// How a resource under deletionPolicy Deactivate is let go without a call to deactivate its account. Whatever leaves an account of the resource's
// active is said: in an event, and in the status of the ParentAccount. What is not said is that the account is inactive or missing, was never
// the resource's, or is deleted with its namespace or the CRD.
func TestNoAccountIsLeftActiveUnsaid(t *testing.T) {
	const silent, eventOnly, recorded = "nothing is said", "an event", "an event, and kept in the parent's status"
	suspended := func(in *plan.Input) { in.Resource.Suspended = true }
	observed := func(in *plan.Input) { in.Subject.Policy.Observe = true }
	parentSuspended := func(in *plan.Input) {
		in.Stop = &plan.Stop{Reason: v1alpha1.ReasonSuspended, Message: "ParentAccount acme is suspended", ParentSuspended: true}
		in.View.Account = nil
	}
	read := func(in *plan.Input) { in.View.Fresh = true }
	inactive := func(in *plan.Input) { in.View.Account.State["active"] = "false" }
	for name, c := range map[string]struct {
		in     *plan.Input
		change []func(*plan.Input)
		want   string
		says   string
	}{
		"suspended":                           {in: bound(), change: []func(*plan.Input){suspended}, want: recorded, says: "account acme-support (id 7) stays as it is: spec.suspend is true"},
		"suspended, nothing known":            {in: bound(), change: []func(*plan.Input){suspended, func(in *plan.Input) { in.View.Account = nil }}, want: recorded, says: "(id 7)"},
		"suspended, inactive":                 {in: bound(), change: []func(*plan.Input){suspended, inactive}, want: silent},
		"suspended, missing":                  {in: missing(nil), change: []func(*plan.Input){suspended}, want: silent},
		"suspended, missing with many others": {in: missing(nil), change: []func(*plan.Input){suspended, func(in *plan.Input) { in.View.Doubted = true }}, want: recorded},
		"suspended, without a parent": {in: bound(), change: []func(*plan.Input){suspended, func(in *plan.Input) {
			in.Stop = &plan.Stop{Reason: v1alpha1.ReasonParentNotFound}
			in.View.Account = nil
		}}, want: recorded},
		"suspended, with its namespace":      {in: bound(), change: []func(*plan.Input){suspended, func(in *plan.Input) { in.Deletion.Surroundings = plan.SurroundingsDeleted }}, want: silent},
		"suspended, surroundings forbidden":  {in: bound(), change: []func(*plan.Input){suspended, func(in *plan.Input) { in.Deletion.Surroundings = plan.SurroundingsForbidden }}, want: recorded},
		"suspended, Retain":                  {in: bound(), change: []func(*plan.Input){suspended, func(in *plan.Input) { in.Deletion.Deactivate = false }}, want: silent},
		"suspended, declared by another one": {in: bound(), change: []func(*plan.Input){suspended, func(in *plan.Input) { in.Recipient = &plan.Recipient{Namespace: "telephony", Name: "new"} }}, want: silent},
		"suspended, another one can't have it": {in: bound(), change: []func(*plan.Input){suspended, func(in *plan.Input) {
			in.Recipient = &plan.Recipient{Namespace: "telephony", Name: "new", Lacks: "it can't", Next: "Let it."}
		}}, want: recorded, says: "it can't"},
		"suspended, perhaps declared":         {in: bound(), change: []func(*plan.Input){suspended, func(in *plan.Input) { in.RecipientUnknown = true }}, want: recorded},
		"suspended, being created":            {in: fresh(), change: []func(*plan.Input){suspended, func(in *plan.Input) { in.View.Listed, in.View.OutcomeUnknown = true, true }}, want: eventOnly, says: "if it was created"},
		"suspended, nobody knows":             {in: fresh(), change: []func(*plan.Input){suspended, func(in *plan.Input) { in.View.Listed = false }}, want: eventOnly},
		"suspended, never created":            {in: fresh(), change: []func(*plan.Input){suspended, func(in *plan.Input) { in.View.Listed = true }}, want: silent},
		"suspended, created, not bound":       {in: found(ours.CustomData()), change: []func(*plan.Input){suspended}, want: recorded, says: "(id 7)"},
		"suspended, never its own":            {in: found(theirs.CustomData()), change: []func(*plan.Input){suspended}, want: silent},
		"observed":                            {in: bound(), change: []func(*plan.Input){observed}, want: recorded, says: "spec.managementPolicy is Observe"},
		"observed, never its own":             {in: found(""), change: []func(*plan.Input){observed}, want: silent},
		"parent suspended":                    {in: bound(), change: []func(*plan.Input){parentSuspended}, want: recorded, says: "ParentAccount acme is suspended"},
		"parent denies":                       {in: bound(), change: []func(*plan.Input){func(in *plan.Input) { in.Stop = &plan.Stop{Denied: true, Message: "not allowed"} }}, want: recorded, says: "not allowed"},
		"given up":                            {in: bound(), change: []func(*plan.Input){func(in *plan.Input) { in.Stop = &plan.Stop{Left: true, Message: "given up"} }}, want: recorded, says: "given up"},
		"another claim":                       {in: bound(), change: []func(*plan.Input){read, func(in *plan.Input) { in.View.Account.CustomData = theirs.CustomData() }}, want: recorded, says: "names another owner"},
		"another claim, and its owner has it": {in: bound(), change: []func(*plan.Input){read, func(in *plan.Input) { in.View.Account.CustomData, in.HeldByAnother = theirs.CustomData(), true }}, want: eventOnly},
		"another claim, inactive":             {in: bound(), change: []func(*plan.Input){read, inactive, func(in *plan.Input) { in.View.Account.CustomData = theirs.CustomData() }}, want: silent},
		"another one has the better right":    {in: found(ours.CustomData()), change: []func(*plan.Input){read, func(in *plan.Input) { in.Duplicate = &plan.Stop{Message: "owned by another"} }}, want: recorded, says: "owned by another"},
		"another one has it":                  {in: found(ours.CustomData()), change: []func(*plan.Input){read, func(in *plan.Input) { in.Duplicate, in.HeldByAnother = &plan.Stop{Message: "owned by another"}, true }}, want: eventOnly},
		"renamed at the provider":             {in: bound(), change: []func(*plan.Input){read, func(in *plan.Input) { in.View.Account.Name = "acme-renamed" }}, want: recorded, says: "renamed to acme-renamed"},
		"inactive":                            {in: bound(), change: []func(*plan.Input){read, inactive}, want: silent},
		"missing":                             {in: missing(nil), change: []func(*plan.Input){read, func(in *plan.Input) { in.Subject.Intent = false }}, want: silent},
		"another's from the start":            {in: found(theirs.CustomData()), change: []func(*plan.Input){read}, want: silent},
		"an hour later": {in: bound(), change: []func(*plan.Input){func(in *plan.Input) {
			in.Stop, in.Deletion.Expired = &plan.Stop{Reason: v1alpha1.ReasonParentNotReady, Message: "not ready"}, true
		}}, want: recorded, says: "within an hour"},
		"an hour without a parent": {in: bound(), change: []func(*plan.Input){func(in *plan.Input) { in.Deletion.Orphan, in.Deletion.Expired = true, true }}, want: recorded, says: "no ParentAccount"},
	} {
		in := deleted(c.in)
		for _, change := range c.change {
			change(in)
		}
		p := plan.For(*in)
		got, said := silent, ""
		for _, s := range p.Steps {
			switch {
			case s.Kind == plan.Deactivate, s.Kind == plan.Read, s.Kind == plan.Wait:
				t.Errorf("%s: it is no end: %s", name, p)
			case s.Kind == plan.LeaveActive, s.Kind == plan.ReleaseFinalizer && s.Message != "":
				if got, said = eventOnly, s.Message; s.Reason == plan.ReasonNotDeactivated && s.Kind == plan.ReleaseFinalizer {
					got = recorded
				}
			}
		}
		if got != c.want || !strings.Contains(said, c.says) || p.Last().Kind != plan.ReleaseFinalizer {
			t.Errorf("%s: %s (%q), want %s with %q: %s", name, got, said, c.want, c.says, p)
		}
	}
}
