package plan

import (
	"cmp"
	"fmt"
	"strings"

	"cpaas.dev/child-account-operator/api/v1alpha1"
	"cpaas.dev/child-account-operator/internal/account"
)

// changeByDeletion is what the change guard is asked about a deletion.
const changeByDeletion = "deactivated by deletion"

// forDeletion plans the end of a resource: its account is deactivated where the policy wants that and it may be. The
// connection Secret stays, unless it is certain that no account was ever made.
func forDeletion(in *Input) Plan {
	d := in.Deletion
	in.Password, in.Salt = Password{}, Salt{} // no attempt is about them
	if !in.Resource.Finalizer {
		return Plan{}
	}
	if d.Orphan && d.OrphanGrace > 0 {
		return Plan{Steps: []Step{{Kind: Wait, RetryAfter: d.OrphanGrace}}}
	}
	p := beforeRelease(in)
	last := p.Last()
	switch {
	case !last.Kind.StatusOnly() && len(p.Steps) > 0 && !endsHere(last.Kind): // what it finds decides
		return p
	case last.Kind == Wait && !d.Expired:
		return p
	case last.Kind == Wait:
		return Release(*in, last.Message)
	}
	p.Steps = append(p.Steps, release(in, "")...)
	return p
}

// endsHere says whether the release follows a step whatever it finds.
func endsHere(k Kind) bool { return k == LeaveActive || k == Deactivate || k == HandOver }

// Release is the end of a resource whose account could not be deactivated in time, and why not.
func Release(in Input, why string) Plan {
	return Plan{Steps: release(&in, why)}
}

func release(in *Input, why string) []Step {
	var steps []Step
	if in.Resource.ObservedID == "" && in.Attempts.NoAccount {
		steps = append(steps, Step{Kind: DiscardSecret, Reason: ReasonNoAccountMade, Secret: in.Secret.Name})
	}
	s := Step{Kind: ReleaseFinalizer, Reason: ReasonResourceDeleted}
	if why != "" {
		s.Reason = ReasonNotDeactivated
		s.Message = fmt.Sprintf("the account %s (id %s) could not be deactivated within an hour and stays as it is: %s", in.Subject.Name, in.shownID(), strings.TrimPrefix(why, CantDeactivate))
		s.Next = NextIfActive
	}
	return append(steps, s)
}

// leave is the release of a resource whose account stays as it is although the deletion policy says otherwise, and why.
func leave(in *Input, message, next string) []Step {
	steps := release(in, "")
	end := &steps[len(steps)-1]
	end.Reason, end.Message, end.Next = ReasonNotDeactivated, message, next
	if a := in.View.Account; a != nil {
		end.AccountID = a.ID
	}
	return steps
}

// Leave is the end of a resource whose account turns out not to be the resource's to deactivate, and why.
func Leave(in Input, why string) Plan {
	return Plan{Steps: leave(&in, why, NextIfActive)}
}

// NextIfActive is what to do next where an account is not deactivated although the deletion policy says so.
const NextIfActive = "If the account is to be inactive, deactivate it at the provider, or ask the owner of the ParentAccount to."

// shownID is the account's id for people.
func (in *Input) shownID() string { return cmp.Or(in.Subject.ID, "not known") }

// beforeRelease is what comes before the release; no steps mean that nothing does. Resources that are deleted with their namespace or with
// the CRD are released without a call and without a word: nobody has spoken of the account. Whoever else goes with the account active under
// deletionPolicy Deactivate says so (TestNoAccountIsLeftActiveUnsaid).
func beforeRelease(in *Input) Plan {
	d := in.Deletion
	bound := in.Resource.Origin != ""
	switch {
	case !d.Deactivate, !bound && (in.Attempts.NoAccount || in.Subject.Policy.Observe):
		return Plan{}
	case d.Surroundings == "":
		return readSurroundings(in)
	case d.Surroundings == SurroundingsDeleted:
		return Plan{}
	case untouchable(in) != "":
		return leftAlone(in)
	case d.Surroundings == SurroundingsForbidden:
		// Not knowing is not "no": a CRD that is uninstalled would deactivate every account. Nor is it "yes", which would
		// leave the account active and say nothing. So it waits its hour for the right to look, and then goes as it is.
		s := deleting(CantDeactivate + d.Forbidden)
		s.Next = fmt.Sprintf("Give the operator the right to read the namespace and the CRD (see docs/operations.md), or set spec.deletionPolicy: %s.", v1alpha1.DeletionRetain)
		s.Stalled = true
		return Plan{Steps: []Step{s}}
	case d.Orphan: // whoever reports on it comes first
		return Plan{Steps: []Step{deleting("there is no ParentAccount " + in.Resource.Parent)}}
	case in.Stop != nil:
		return Plan{Steps: stopped(in)}
	}
	return deactivate(in)
}

// readSurroundings is the read that everything else depends on, with the read of the account that follows where nothing is
// in its way.
func readSurroundings(in *Input) Plan {
	p := Plan{Steps: []Step{{Kind: ReadSurroundings, Reason: ReasonResourceDeleted}}}
	after, deletion := *in, *in.Deletion
	deletion.Surroundings = SurroundingsStay
	after.Deletion = &deletion
	if next := beforeRelease(&after); next.Last().Kind == Read {
		next.Steps[0].If = SurroundingsRemain
		p.Steps = append(p.Steps, next.Steps...)
	}
	return p
}

// stopped is for a resource that is to be deactivated and whose parent can't be worked with.
func stopped(in *Input) []Step {
	s := deleting("")
	switch stop := in.Stop; {
	case stop.Denied, stop.Left:
		return leave(in, staysAsItIs(in, in.shownID(), stop.Message), NextIfActive)
	case stop.Unread:
		s.Message = WaitingForKubernetes
	case stop.Reason == "":
		s.Message = "waiting for ParentAccount " + in.Resource.Parent
	default:
		s.Message, s.Next, s.Cause, s.Stalled = CantDeactivate+stop.Message, stop.Next, stop.Reason, true
	}
	return []Step{s}
}

// CantDeactivate begins the reason why the account of a resource that is being deleted can't be deactivated.
const CantDeactivate = "the account can't be deactivated: "

// WaitingForKubernetes is said where the Kubernetes API does not answer, or refuses something.
const WaitingForKubernetes = "waiting for the Kubernetes API"

func deleting(message string) Step {
	return Step{Kind: Wait, Reason: v1alpha1.ReasonDeleting, Message: message}
}

func leaveActive(in *Input, message string) Step {
	return Step{Kind: LeaveActive, Reason: ReasonNotDeactivated, Message: message, Next: NextIfActive, AccountName: in.Subject.Name, AccountID: in.Subject.ID}
}

// deactivate is for a resource whose account is to be deactivated if it is still there, still the resource's and still active.
func deactivate(in *Input) Plan {
	tried := attempt(in, account.Decision{Step: account.StepUpdate})
	if s := backoff(in, tried); s != nil {
		return Plan{Steps: []Step{*s}}
	}
	if !in.View.Fresh {
		return Plan{Attempt: tried, Steps: []Step{{Kind: Read, Reason: ReasonBeforeDeactivation, AccountName: in.Subject.Name, AccountID: in.Subject.ID}}}
	}
	a := in.View.Account
	if a == nil {
		return deactivateMissing(in, tried)
	}
	if p := keepActive(in, a); p != nil {
		return *p
	}
	change, ok := in.Schema.Deactivation(a.State)
	if !ok {
		return Plan{Steps: leave(in, staysAsItIs(in, a.ID, "this provider's accounts can't be deactivated"), NextIfActive)}
	}
	var steps []Step
	if in.Resource.Origin == "" && !in.own(a) {
		steps = append(steps, step(ReadPreviousOwner, in, a))
	}
	if in.needsOwnershipProof(a) {
		s := step(ProveOwnership, in, a)
		s.Secret = in.Secret.Name
		steps = append(steps, s)
	}
	record, off := step(RecordDeactivation, in, a), step(Deactivate, in, a)
	record.Reason, off.Reason = ReasonResourceDeleted, ReasonResourceDeleted
	off.Changes = fieldChanges([]account.Change{change})
	record.Guarded, record.Change = true, changeByDeletion
	return Plan{Attempt: tried, Steps: append(steps, record, off)}
}

// deactivateMissing is for an account that was not found.
func deactivateMissing(in *Input, tried string) Plan {
	switch {
	case in.View.Doubted:
		s := deleting(CantDeactivate + "no list has it, and more accounts are missing at once than the operator believes")
		s.Next = fmt.Sprintf("See the condition %s of ParentAccount %s, which has the command that approves them.", v1alpha1.ConditionAccountsMissing, in.Resource.Parent)
		s.Stalled = true
		return Plan{Steps: []Step{s}}
	case in.Resource.Origin != "" && in.Subject.Intent: // another may have been created in its place
		return Plan{Attempt: tried, Steps: []Step{{Kind: ReadSuccessor, Reason: ReasonBeforeDeactivation, AccountName: in.Subject.Name}}}
	}
	return Plan{}
}

// keepActive is the plan for an account that is not to be deactivated, or not now; nil for one that is.
func keepActive(in *Input, a *account.Account) *Plan {
	_, claimed := a.Claim()
	bound := in.Resource.Origin != ""
	own := in.own(a) || in.succeeds(a) || !claimed && bound
	switch g := in.Guard; {
	case in.Schema.Deactivated(a.State), !own && !bound:
		return &Plan{}
	case in.Schema.IsAnother(*a, in.Subject.ID, in.Subject.Name):
		return renamed(in, a, bound)
	case !own: // it was ours: somebody has written another claim into it
		return staysActive(in, a, "its custom data names another owner, which whoever knows the account's API key or password can write")
	case !bound && in.Duplicate != nil:
		return staysActive(in, a, in.Duplicate.Message)
	case in.Recipient != nil && in.Recipient.Lacks != "":
		return &Plan{Steps: notHandedOver(in, a)}
	case in.Recipient != nil:
		return &Plan{Steps: []Step{handOver(in, a)}}
	case in.RecipientUnknown:
		return &Plan{Steps: []Step{deleting(fmt.Sprintf("waiting for a minute at most, to find out whether another %s declares the account and may have it", in.Resource.Kind))}}
	case g != nil && g.Change == changeByDeletion:
		s := deleting(cmp.Or(g.Message, "many accounts are being deleted: counting them"))
		s.Reason = cmp.Or(g.Reason, s.Reason)
		s.Brief, s.Next, s.Stalled, s.RetryAfter, s.Guarded, s.Change = g.Brief, g.Next, g.Reason != "", g.RetryAfter, true, g.Change
		return &Plan{Steps: []Step{s}}
	}
	return nil
}

// staysActive is the end for an account that the deletion policy would have deactivated, and that is not this resource's any more. Where
// another resource has the account, that is all that is to be said; else nobody looks after it.
func staysActive(in *Input, a *account.Account, why string) *Plan {
	message := staysAsItIs(in, a.ID, why)
	if in.HeldByAnother {
		return &Plan{Steps: []Step{leaveActive(in, message)}}
	}
	return &Plan{Steps: leave(in, message, NextIfActive)}
}

// renamed is the end for an account that has another name: where the resource is bound to it, it was renamed at the provider.
func renamed(in *Input, a *account.Account, bound bool) *Plan {
	if !bound {
		return &Plan{}
	}
	return staysActive(in, a, "at the provider it was renamed to "+a.Name)
}

// staysAsItIs says that an account is not deactivated, and why.
func staysAsItIs(in *Input, id, why string) string {
	return fmt.Sprintf("account %s (id %s) stays as it is: %s", in.Subject.Name, id, why)
}

// untouchable is why nobody may be asked for the account of a resource that is being deleted; "" where somebody may.
func untouchable(in *Input) string {
	switch {
	case in.Stop != nil && in.Stop.Unread: // whom to tell of it has to be read first
		return ""
	case in.Resource.Suspended:
		return "spec.suspend is true"
	case in.Subject.Policy.Observe:
		return "spec.managementPolicy is Observe"
	case in.Stop != nil && in.Stop.ParentSuspended:
		return in.Stop.Message
	}
	return ""
}

// leftAlone is the end of a resource for whose account nobody may be asked: what is known of the account without a call decides what there is
// to say.
func leftAlone(in *Input) Plan {
	a, bound := in.View.Account, in.Resource.Origin != ""
	known := *in
	known.RecipientUnknown, known.Guard = false, nil // there is nothing to wait for
	switch {
	case a != nil:
		if p := keepActive(&known, a); p != nil {
			return *p
		}
	case in.View.Absences >= account.AbsencesUntilMissing && !in.View.Doubted: // it is missing
		return Plan{}
	case !bound && in.View.Listed && !in.View.OutcomeUnknown && !in.View.Awaited: // none was made
		return Plan{}
	}
	if a == nil && !bound { // anybody may apply a resource like that
		steps := leave(in, fmt.Sprintf("account %s, if it was created, stays as it is: %s", in.Subject.Name, untouchable(in)), NextIfActive)
		steps[len(steps)-1].Reason = ReasonResourceDeleted
		return Plan{Steps: steps}
	}
	id := in.shownID()
	if a != nil {
		id = a.ID
	}
	return Plan{Steps: leave(in, staysAsItIs(in, id, untouchable(in)), NextIfActive)}
}
