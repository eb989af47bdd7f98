package plan

import (
	"fmt"
	"strings"

	"cpaas.dev/child-account-operator/api/v1alpha1"
	"cpaas.dev/child-account-operator/internal/account"
)

// reported is the end for an account that nothing more is written to.
func reported(in *Input, d account.Decision) Step {
	s := Step{Kind: Report, AccountName: in.Subject.Name, AccountID: d.Account.ID}
	off := in.Schema.Deactivated(d.Account.State)
	_, declared := in.Schema.Value(in.Subject.Desired, account.MarkActive)
	switch {
	case in.Schema.Frozen(d.Account.State):
		s.Reason, s.Message = v1alpha1.ReasonFrozen, "the provider has blocked the account"
	case len(d.NotKept) > 0:
		s.Reason, s.Message = v1alpha1.ReasonValueNotKept, notKept(d.NotKept)
	case len(d.Drift) > 0:
		s.Reason, s.Message = v1alpha1.ReasonDriftDetected, "changed at the provider and left alone: "+account.FieldNames(d.Drift)
	case off && !declared && in.FoundInactive:
		s.Reason, s.Message = v1alpha1.ReasonDeactivatedEarlier, "the account was found again, switched off; declare spec.active to say whether it is to be on"
	case off:
		s.Reason, s.Message = v1alpha1.ReasonDeactivated, "the account is switched off"
	default:
		s.Reason, s.Message = v1alpha1.ReasonAvailable, "the account is as declared"
	}
	return unlessOutdated(in, s)
}

// unlessOutdated is the end, or the outage in its place where what was last seen of the account is too old to be believed.
func unlessOutdated(in *Input, end Step) Step {
	if in.Outage != nil && in.Stale {
		return *waitFor(in.Outage)
	}
	return end
}

func notKept(changes []account.Change) string {
	var parts []string
	for _, c := range changes {
		parts = append(parts, fmt.Sprintf("spec.%s: %q was written twice and came back as %q", c.Field.Path, c.To, c.From))
	}
	return strings.Join(parts, "; ") + "; left alone until one of the two changes"
}

// refused is the end for an account that belongs to another owner, or may not be adopted.
func refused(in *Input, d account.Decision) Step {
	name, id := in.Subject.Name, d.Account.ID
	s := Step{Kind: Refuse, Reason: v1alpha1.ReasonAdoptionRefused, AccountName: name, AccountID: id, Differs: fieldChanges(d.Drift)}
	switch {
	case len(d.Drift) > 0:
		s.Message = fmt.Sprintf("account %s (id %s) was there before this resource and is not identical: %s", name, id, account.FieldNames(d.Drift))
	case d.Holder == nil:
		s.Message = fmt.Sprintf("account %s (id %s) was there before this resource and is left alone; choose another accountName in a new %s, or a spec.adoptionPolicy that takes it", name, id, in.Resource.Kind)
	case !in.canSee(d.Holder.Namespace):
		s.Reason, s.AccountID = v1alpha1.ReasonClaimedElsewhere, ""
		s.Message = fmt.Sprintf("account %s belongs to another resource and is left alone", name)
	default:
		s.Reason = v1alpha1.ReasonClaimedElsewhere
		s.Message = fmt.Sprintf("account %s (id %s) belongs to %s %s and is left alone; if that is gone for good, the annotation %s: %q takes it",
			name, id, in.Resource.Kind, d.Holder, v1alpha1.AnnotationTakeover, d.Holder.Installation)
	}
	return s
}

// missing is the end for an account that is not there.
func missing(in *Input, d account.Decision) Step {
	name := in.Subject.Name
	s := Step{Kind: Missing, Reason: v1alpha1.ReasonAccountMissing, AccountName: name, AccountID: in.Subject.ID}
	switch {
	case d.Account != nil:
		s.AccountID = d.Account.ID
		s.Message = fmt.Sprintf("account %s is not %s any more but %s", d.Account.ID, name, d.Account.Name)
	case in.Subject.ID == "":
		s.Message = fmt.Sprintf("the parent has no account %s to observe", name)
	default:
		s.Message = fmt.Sprintf("account %s (%s) is gone at the provider; missingPolicy Recreate makes a new one", in.Resource.ObservedID, name)
	}
	return s
}

// ownerUnseen says whether the account was there before the resource and may be that of a resource that can't be seen. An account
// with the resource's own claim is nobody else's.
func (in *Input) ownerUnseen() bool {
	if !in.OthersUnseen || in.Subject.ID != "" || in.Subject.Policy.Observe || in.View.Account == nil {
		return false
	}
	claim, claimed := in.View.Account.Claim()
	return !claimed || claim != in.Subject.Claim
}

// unseenOwner is the end for such an account.
func unseenOwner(in *Input) Step {
	a := in.View.Account
	return Step{Kind: Refuse, Reason: v1alpha1.ReasonAdoptionRefused, AccountName: a.Name, AccountID: a.ID, Message: fmt.Sprintf(
		"account %s (id %s) was there before this resource, and another %s may have it: the operator can't read all of its namespaces. It looks again when it can",
		a.Name, a.ID, in.Resource.Kind)}
}
