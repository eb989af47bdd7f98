package plan

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"time"

	"cpaas.dev/child-account-operator/api/v1alpha1"
	"cpaas.dev/child-account-operator/internal/account"
)

// Plans is what is known of the account's subscription plans.
type Plans struct {
	// Declared are those that the resource declares, one of a type.
	Declared []account.Plan
	// Seen are those that the account had when they were last read; nil where they never were.
	Seen []account.Plan
	// NotShown are changes that the provider has accepted, and that no read has shown since, one of a type. No plan of such a type is requested,
	// whatever is declared by now.
	NotShown []account.Plan
	// Found are the NotShown of an account that is not the resource's yet: an earlier resource of the account has requested them.
	Found []account.Plan
	// Unsure are plans that may have been requested for the account by an earlier resource: nobody knows. No plan of such a type is requested.
	Unsure []account.Plan
	// ReadRequested is set where somebody asks for a read that was not done yet.
	ReadRequested bool
	// NotGranted is an attempt that was refused because this capability is not granted, and is not repeated before its time; nil where
	// there is none.
	NotGranted *NotGranted
	// Resource names the resource for kubectl. Example: "childaccount -n telephony acme-support".
	Resource string
}

// Withheld says whether a declared plan that the account lacks is not requested: the provider has accepted a change to it or to another plan of its
// type, or may have. This is the one place that decides it, for planning and for whoever is about to make a change. Whoever is reads the plans
// before, and asks once more: an answer of success counts as a read until then, and is no reason to withhold anything.
func (p Plans) Withheld(to account.Plan) bool {
	taken, accepted := planOfType(p.NotShown, to.Type)
	_, unsure := planOfType(p.Unsure, to.Type)
	return !account.HasPlan(p.Seen, to) && (unsure || accepted && !account.HasPlan(p.Seen, taken))
}

// planOfType is the first plan of a type.
func planOfType(plans []account.Plan, kind string) (account.Plan, bool) {
	i := slices.IndexFunc(plans, func(p account.Plan) bool { return p.Type == kind })
	if i < 0 {
		return account.Plan{}, false
	}
	return plans[i], true
}

// ofNew are the plans of an account that was just created: nobody has requested any for it.
func (p Plans) ofNew() Plans {
	p.Seen, p.NotShown, p.Unsure, p.Found = nil, nil, nil, nil
	return p
}

// ofFound are the plans of an account that was there before it became the resource's. What an earlier resource has requested is read, and not
// requested again.
func (p Plans) ofFound() Plans {
	p.ReadRequested = p.ReadRequested || len(p.Found) > 0
	p.Seen, p.NotShown, p.Unsure, p.Found = nil, p.Found, nil, nil
	return p
}

// NotGranted is an attempt that is not repeated before its time. It stops nothing else.
type NotGranted struct {
	// Attempt is the Step.Attempt of what was tried, Until when it may be repeated.
	Attempt string
	Until   time.Time
}

// remaining is for how long an attempt is not to be repeated; 0 where it may be.
func (n *NotGranted) remaining(attempt string, now time.Time) time.Duration {
	if n == nil || n.Attempt != attempt {
		return 0
	}
	return max(n.Until.Sub(now), 0)
}

// State is what there is to say of the plans, as the status has them; no reason where some are to be changed, or to be compared first.
func (p Plans) State(applied account.State, reportDrift bool) (reason, message, next string) {
	in := Input{Plans: p}
	in.Subject.LastApplied, in.Subject.Policy.ReportDrift = applied, reportDrift
	changes, reported, notShown := planDiff(&in)
	if len(changes) > 0 {
		return "", "the plans were not compared with the spec yet", "The operator does that once nothing else is left to do, and the account is neither frozen nor deactivated."
	}
	end := Step{Reason: v1alpha1.ReasonAvailable, Message: "the account has the declared plans"}
	if others := account.LackedPlans(p.NotShown, p.Declared); len(others) > 0 {
		end.Message += ". The provider accepted a change of the plan before, and did not report the new plan: " + planIDs(others)
	}
	plansDiffer(&end, p, reported, notShown)
	return end.Reason, end.Message, end.Next
}

// planDiff are the plans that are to be changed, and those that differ and are not changed: because driftPolicy is Report, or because the
// provider does not show a change that it has accepted, or may have.
func planDiff(in *Input) (changes, reported, notShown []account.PlanChange) {
	for _, c := range account.DiffPlans(in.Plans.Declared, in.Plans.Seen, in.Subject.LastApplied) {
		switch {
		case in.Plans.Withheld(c.To):
			notShown = append(notShown, c)
		case c.Origin == account.FromRemote && in.Subject.Policy.ReportDrift:
			reported = append(reported, c)
		default:
			changes = append(changes, c)
		}
	}
	return changes, reported, notShown
}

// planFields are changes of plans as those of fields.
func planFields(changes []account.PlanChange) []FieldChange {
	var out []FieldChange
	for _, c := range changes {
		f := FieldChange{Field: c.To.Path(), To: c.To.ID, Origin: c.Origin}
		if c.From.ID != "" {
			from := c.From.ID
			f.From = &from
		}
		out = append(out, f)
	}
	return out
}

// planText says what would be changed, for people and the change guard.
func planText(changes []account.PlanChange) string {
	to := make([]account.Plan, len(changes))
	for i, c := range changes {
		to[i] = c.To
	}
	return planIDs(to)
}

// planAttempt tells one attempt at plans from another: the generation, what was requested, the connection it would use, and what it would change.
func planAttempt(in *Input, changes []account.PlanChange) string {
	h := sha256.New()
	fmt.Fprintf(h, "plans %d %q %q", in.Resource.Generation, in.Resource.Requested, in.Attempts.Connection)
	for _, c := range changes {
		fmt.Fprintf(h, " %s=%q", c.To.Path(), c.To.ID) // not what it changes from: the attempt itself reads that
	}
	return hex.EncodeToString(h.Sum(nil)[:attemptBytes])
}

// conclude is what comes last for an account that matches the spec: its plans, which cost money, and then the end.
func conclude(in *Input, d account.Decision) []Step {
	end := reported(in, d)
	if len(in.Plans.Declared) == 0 {
		return []Step{end}
	}
	changes, differing, notShown := planDiff(in)
	if end.Reason == v1alpha1.ReasonAvailable {
		plansDiffer(&end, in.Plans, differing, notShown)
	}
	if in.Outage != nil || in.Schema.Frozen(d.Account.State) || in.Schema.Deactivated(d.Account.State) { // no money for an account that can't be used
		return []Step{end}
	}
	tried := planAttempt(in, changes)
	if end.RetryAfter = in.Plans.NotGranted.remaining(tried, in.Now); end.RetryAfter > 0 {
		return []Step{end}
	}
	if len(changes) == 0 {
		if !in.Plans.ReadRequested {
			return []Step{end}
		}
		s := step(ReadPlans, in, d.Account)
		s.Attempt = tried
		return []Step{s, end}
	}
	return changePlans(in, d, changes, tried, end)
}

// changePlans changes plans, or says why that waits. Each change counts for the change guard, that of a new account too.
func changePlans(in *Input, d account.Decision, changes []account.PlanChange, tried string, end Step) []Step {
	text := planText(changes)
	if s := backoff(in, tried); s != nil {
		s.Kind, s.Guarded = AwaitPlans, true
		return []Step{*s}
	}
	if g := in.Guard; g != nil && g.Change == text {
		return []Step{{
			Kind: AwaitPlans, Reason: g.Reason, Message: g.Message, Brief: g.Brief, Next: g.Next, RetryAfter: g.RetryAfter, Guarded: true, Change: g.Change,
		}}
	}
	s := step(ChangePlan, in, d.Account)
	s.Reason, s.Changes = ReasonDrift, planFields(changes)
	for _, c := range changes {
		if c.Origin == account.FromSpec {
			s.Reason = ReasonSpecChanged
		}
	}
	s.Attempt, s.Guarded, s.Change = tried, true, text
	return []Step{s, end}
}

// plansDiffer is the end for an account that matches the spec but for its plans.
func plansDiffer(end *Step, p Plans, reported, notShown []account.PlanChange) {
	switch {
	case len(notShown) > 0:
		plansNotShown(end, p, notShown)
	case len(reported) > 0:
		end.Reason = v1alpha1.ReasonDriftDetected
		end.Message = "changed at the provider, and not corrected as spec.driftPolicy is Report: " + planDifferences(reported)
		end.Next = "Change spec.plans, or set spec.driftPolicy: Correct to have the spec applied, which costs money."
	}
}

// plansNotShown is the end for plans that were requested and are not shown, or may have been requested.
func plansNotShown(end *Step, p Plans, notShown []account.PlanChange) {
	var accepted, unsure []account.PlanChange
	var names, says, next []string
	var taken []account.Plan
	for _, c := range notShown {
		if to, ok := planOfType(p.NotShown, c.To.Type); ok {
			accepted, taken = append(accepted, c), append(taken, to)
			continue
		}
		was, _ := planOfType(p.Unsure, c.To.Type)
		unsure, names = append(unsure, c), append(names, fmt.Sprintf("%s=%q may have been", was.Path(), was.ID))
	}
	if len(accepted) > 0 {
		says = append(says, "the provider accepted a change of the plan to "+planIDs(taken)+", and does not report the new plan: "+planDifferences(accepted))
		next = append(next, "Ask the provider's support whether the change was made; until then the operator requests no plan of the type, as that may cost money twice.")
	}
	if len(unsure) > 0 {
		says = append(says, "the account had a resource before, and the operator does not know which plan was bought for that one: "+strings.Join(names, ", ")+" ("+planDifferences(unsure)+")")
		next = append(next, "Find out from the provider whether the plan was bought.")
	}
	next = append(next, "If it was not, remove the plan from spec.plans with kubectl patch "+p.Resource+" --type=json -p "+
		`'[{"op":"remove","path":"/spec/plans"}]'`+", wait until the status has no planChanges, which takes a minute, and declare the plan again: then the operator buys it.")
	next = append(next, "To have the plans read again, give the annotation "+v1alpha1.AnnotationReconcileRequestedAt+" a new value.")
	end.Reason, end.Message, end.Next = v1alpha1.ReasonValueNotKept, strings.Join(says, "; "), strings.Join(next, " ")
}

// planIDs names plans by their paths and ids.
func planIDs(plans []account.Plan) string {
	parts := make([]string, len(plans))
	for i, p := range plans {
		parts[i] = p.Path() + "=" + p.ID
	}
	return strings.Join(parts, ", ")
}

// planDifferences says of each plan which one the account has and which one the spec.
func planDifferences(changes []account.PlanChange) string {
	parts := make([]string, len(changes))
	for i, c := range changes {
		seen := "is " + c.From.String()
		if c.From.ID == "" {
			seen = "is none"
		}
		parts[i] = fmt.Sprintf("%s %s, the spec has %s", c.To.Path(), seen, c.To.ID)
	}
	return strings.Join(parts, "; ")
}

// plansLeft are the plans that differ and are not changed, as Confirm notes them.
func plansLeft(in *Input) (differs, notKept []FieldChange) {
	if len(in.Plans.Declared) == 0 {
		return nil, nil
	}
	_, reported, notShown := planDiff(in)
	return planFields(reported), planFields(notShown)
}
