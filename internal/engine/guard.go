package engine

import (
	"context"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"

	"cpaas.dev/child-account-operator/api/v1alpha1"
	"cpaas.dev/child-account-operator/internal/account"
	"cpaas.dev/child-account-operator/internal/changeguard"
	"cpaas.dev/child-account-operator/internal/conditions"
	"cpaas.dev/child-account-operator/internal/plan"
)

// changeGuard asks the change guard, which stops mass changes and deactivations beyond the budget.
type changeGuard struct {
	*Config

	changes *changeguard.Guard
	starts  *changeguard.Starts
}

// guarding asks the change guard about a plan; nil lets it pass.
type guarding func(ctx context.Context, s *scope, in plan.Input, p plan.Plan) (*plan.Guarded, error)

// check says what the change guard would say, and counts nothing.
func (e *changeGuard) check(ctx context.Context, s *scope, in plan.Input, p plan.Plan) (*plan.Guarded, error) {
	step := p.Guarded()
	if step == nil {
		return nil, nil
	}
	return e.ask(ctx, s, step, deactivates(in.Schema, step), e.changes.Check)
}

// admit has the change guard count a change that may be made now, and wait what may not.
func (e *changeGuard) admit(ctx context.Context, s *scope, in plan.Input, p plan.Plan) (*plan.Guarded, error) {
	e.holdStart(s, in, p)
	if step := p.Guarded(); step != nil {
		return e.ask(ctx, s, step, deactivates(in.Schema, step), e.changes.Admit)
	}
	switch last := p.Last(); {
	case p.Begins(plan.Read), last.Backoff && (in.ReadRequested || in.View.OutcomeUnknown): // what it leads to is not known yet
	case in.Duplicate != nil && !s.declared.Policy.Observe:
	case last.Guarded: // it was tried without success and is not tried now: nothing to count, nothing to approve
		e.changes.Withdraw(s.uid())
	default:
		e.changes.Forget(s.uid())
	}
	return nil, nil
}

func deactivates(schema account.Schema, step *plan.Step) bool {
	return account.Deactivates(plan.AccountChanges(schema, step.Changes))
}

// ask asks the change guard in one way or the other. What was approved as pending at a start is not asked about again; what differs since, while
// that fails, was not approved.
func (e *changeGuard) ask(ctx context.Context, s *scope, step *plan.Step, deactivates bool, how func(changeguard.Change, time.Time) changeguard.Verdict) (*plan.Guarded, error) {
	if s.startApproved = s.startApproved && step.Within(s.startApproval); s.startApproved {
		return nil, nil
	}
	text := step.Change
	c, err := e.change(ctx, s, text, deactivates)
	if err != nil {
		return nil, err
	}
	v := how(c, e.Clock.Now())
	s.approved = v.Approved
	if v.Allowed {
		return nil, nil
	}
	out := &plan.Guarded{Change: text, RetryAfter: v.Wait}
	if v.Settled {
		waits := conditions.AwaitingApproval(text, v.Rule, v.List, ToLetPass+ApproveCommand(s.parent.Key, v1alpha1.AnnotationApproveMassChange, v.Hash))
		out.Reason, out.Message, out.Brief, out.Next = waits.Reason, waits.Message, waits.Brief, waits.Next
	}
	return out, nil
}

// change is what a change of the account is judged by.
func (e *changeGuard) change(ctx context.Context, s *scope, text string, deactivates bool) (changeguard.Change, error) {
	fleet, err := e.changes.Fleet(s.parent.Guarded, s.obj.GetNamespace(), e.Clock.Now(), func() (changeguard.Fleet, error) { return e.Kind.Fleet(ctx, s.managed) })
	if err != nil {
		return changeguard.Change{}, err
	}
	e.changes.Load(s.parent.Guarded, s.parent.ResourceVersion, s.parent.Deactivations)
	return changeguard.Change{
		Parent: s.parent.Guarded, Namespace: fleet.Namespace, Total: fleet.Total, Limits: s.parent.Limits, Approvals: s.parent.Approvals,
		UID: s.uid(), Name: s.obj.GetName(), Generation: s.obj.GetGeneration(), Account: s.declared.AccountName,
		Text: text, Deactivates: deactivates, Waited: waitedForMassChange(s, e.Table.Second()),
	}, nil
}

// waitedForMassChange says whether the status says that the resource waits as too many change, and not since the operator's start.
func waitedForMassChange(s *scope, second string) bool {
	c := meta.FindStatusCondition(s.was.Conditions, second)
	return c != nil && c.Reason == v1alpha1.ReasonAwaitingApproval && strings.Contains(c.Message, v1alpha1.AnnotationApproveMassChange+"=")
}

// note keeps in the parent's status that an account is being deactivated, before it is.
func (e *changeGuard) note(ctx context.Context, s *scope) error {
	ctx, cancel := context.WithTimeout(ctx, lastingFor)
	defer cancel()
	c, err := e.change(ctx, s, "", true)
	if err != nil {
		return err
	}
	return e.changes.Note(ctx, c, e.Clock.Now(), s.parent.Storage)
}

// refused says whether a change ended without having been made, for certain.
func refused(err error) bool { return err != nil && !account.AsError(err).OutcomeUnknown }
