package plan

import (
	"fmt"
	"strings"

	"cpaas.dev/child-account-operator/api/v1alpha1"
	"cpaas.dev/child-account-operator/internal/account"
)

// A message says what happened and why. What to do next is added when a condition or an event is written: the step's Next, or else that of
// the reason.

// reported is the end for an account that nothing more is written to.
func reported(in *Input, d account.Decision) Step {
	s := Step{Kind: Report, AccountName: in.Subject.Name, AccountID: d.Account.ID}
	off := in.Schema.Deactivated(d.Account.State)
	_, declared := in.Schema.Value(in.Subject.Desired, account.MarkActive)
	switch {
	case len(d.Unwritable) > 0:
		s.Reason, s.Message = unwritten(d)
	case in.Schema.Frozen(d.Account.State):
		s.Reason, s.Message = v1alpha1.ReasonFrozen, "the provider has blocked the account"
	case len(d.NotKept) > 0:
		s.Reason, s.Message = v1alpha1.ReasonValueNotKept, notKept(d.NotKept)
	case len(d.Drift) > 0:
		s.Reason, s.Message = v1alpha1.ReasonDriftDetected, "changed at the provider, and not corrected as spec.driftPolicy is Report: "+differences(d.Drift)
	case off && !declared && in.FoundInactive:
		s.Reason, s.Message = v1alpha1.ReasonDeactivatedEarlier, "the account was found again, deactivated, and spec.active is not set"
	case off && declared:
		s.Reason, s.Message = v1alpha1.ReasonDeactivated, "the account is deactivated, as spec.active is false"
	case off:
		s.Reason, s.Message = v1alpha1.ReasonDeactivated, "the account is deactivated at the provider, and spec.active is not set"
		s.Next = "To have it activated, set spec.active: true."
	default:
		s.Reason, s.Message = v1alpha1.ReasonAvailable, "the account matches the spec"
	}
	return unlessOutdated(in, s)
}

// unwritten is what there is to say of an account whose password nobody knows, although each change takes it.
func unwritten(d account.Decision) (reason, message string) {
	const why = "the account is pre-existing or its password was lost, each change takes the account's password, and the operator does not know it"
	if differing := account.Readable(d.Unwritable); len(differing) > 0 {
		return v1alpha1.ReasonPasswordRequired, "the account differs from the spec and can't be changed: " + why + ". It differs in: " + differences(differing)
	}
	return v1alpha1.ReasonAdoptedReadOnly, "all that the provider returns of the account matches the spec, and the account is only read: " + why
}

// observation is the end for an account that is only read, and differs from the spec so.
func observation(drift []account.Change) Step {
	s := Step{Kind: Report, Reason: v1alpha1.ReasonObserved, Message: "the account matches the spec, and is only read"}
	if len(drift) > 0 {
		s.Message = "the account is only read, and differs from the spec: " + differences(drift)
		s.Next = "To have the spec applied, set spec.managementPolicy: Manage, and for a pre-existing account spec.adoptionPolicy: Always."
	}
	return s
}

// unlessOutdated is the end, or the outage in its place where what was last seen of the account is too old to be believed.
func unlessOutdated(in *Input, end Step) Step {
	if in.Outage != nil && in.Stale {
		return *waitFor(in.Outage)
	}
	return end
}

// differences says of each field what the provider returned and what the spec has. The fields come in the order of the field table, and no
// secret is among them.
func differences(changes []account.Change) string {
	parts := make([]string, len(changes))
	for i, c := range changes {
		seen := "is not returned"
		if c.Known {
			seen = "is " + word(c.From)
		}
		parts[i] = fmt.Sprintf("%s %s, the spec has %s", c.Field.Path, seen, word(c.To))
	}
	return strings.Join(parts, "; ")
}

func notKept(changes []account.Change) string {
	parts := make([]string, len(changes))
	for i, c := range changes {
		parts[i] = fmt.Sprintf("spec.%s: the operator wrote %s twice, and the provider returned %s", c.Field.Path, word(c.To), word(c.From))
	}
	return strings.Join(parts, "; ")
}

// refused is the end for an account that belongs to another owner, or may not be adopted.
func refused(in *Input, d account.Decision) Step {
	name, id := in.Subject.Name, d.Account.ID
	s := Step{Kind: Refuse, Reason: v1alpha1.ReasonAdoptionRefused, AccountName: name, AccountID: id, Differs: fieldChanges(d.Drift)}
	switch {
	case in.NotAccepted != nil:
		s.Message, s.Next = in.NotAccepted.Message, in.NotAccepted.Next
	case len(d.Namesakes) > 0:
		s.AccountID, s.Message = "", fmt.Sprintf("several accounts have the name %s%s. The operator can't tell which one is this %s's, and changes none of them",
			name, ids(in, ": ids ", d.Namesakes, ""), in.Resource.Kind)
		s.Next = "Change the " + in.Schema.Identity().Path + " of all but one of these accounts at the provider. If the operator may have created one of them, keep that one, and set spec.adoptionPolicy: IfIdentical if this resource does not get it automatically."
	case len(d.Drift) > 0:
		s.Message = fmt.Sprintf("account %s (id %s) is pre-existing, and differs from the spec: %s", name, id, differences(d.Drift))
		s.Next = "Declare what the account has, or set spec.adoptionPolicy: Always to have the spec applied to it."
	case d.Holder == nil:
		s.Message = fmt.Sprintf("account %s (id %s) is pre-existing: this %s did not create it, and spec.adoptionPolicy does not allow to adopt it", name, id, in.Resource.Kind)
		if in.Subject.Attempt != nil {
			s.Message = fmt.Sprintf("account %s%s is not known as this %s's, and spec.adoptionPolicy does not allow to adopt it: the answer to an earlier request to create it was lost, and %s",
				name, ids(in, " (id ", []string{id}, ")"), in.Resource.Kind, notAsSent(in, d.Account))
		}
		if !in.MayAdopt {
			s.Next = fmt.Sprintf("%s, or %s, and then set spec.adoptionPolicy.", anotherName(in.Schema), AskForGrant(in.Resource.Parent))
		}
	case !in.canSee(d.Holder.Namespace):
		s.Reason, s.AccountID = v1alpha1.ReasonClaimedElsewhere, ""
		s.Message = fmt.Sprintf("account %s is owned by another resource", name)
	default:
		s.Reason = v1alpha1.ReasonClaimedElsewhere
		s.Message = fmt.Sprintf("account %s (id %s) is owned by %s %s", name, id, in.Resource.Kind, d.Holder)
		s.Next = fmt.Sprintf("Choose another spec.accountName in a new %s. If the owner is deleted for good, the annotation %s: %q takes the account over.",
			in.Resource.Kind, v1alpha1.AnnotationTakeover, d.Holder.Installation)
	}
	return s
}

// ids names accounts that are not known as the resource's, between before and after; "" where the resource may adopt none.
func ids(in *Input, before string, of []string, after string) string {
	if !in.MayAdopt {
		return ""
	}
	return before + strings.Join(of, ", ") + after
}

// anotherName is the step to declare an account of another name.
func anotherName(schema account.Schema) string {
	if f := schema.Identity(); f.Updatable {
		return "Declare another spec." + f.Path
	}
	return "Choose another spec.accountName in a new resource"
}

// notAsSent is why an account is not the result of the open attempt to create one. Where the resource may adopt no account, the account's values
// are not its tenant's to know.
func notAsSent(in *Input, a *account.Account) string {
	if differing := in.Subject.Attempt.Differences(in.Schema, *a); len(differing) > 0 {
		parts := make([]string, len(differing))
		for i, c := range differing {
			parts[i] = c.Field.Path
			if in.MayAdopt {
				parts[i] = fmt.Sprintf("%s is %s, sent was %s", c.Field.Path, word(c.From), word(c.To))
			}
		}
		return "this account is otherwise than was sent: " + strings.Join(parts, "; ")
	}
	return "this account is older than that request, or the request was refused"
}

// AskForGrant is the step before a resource may adopt an account where the ParentAccount grants that to no resource of its namespace.
func AskForGrant(parent string) string {
	return fmt.Sprintf("ask the owner of ParentAccount %s to add the grant %s to spec.allowedNamespaces.grants", parent, v1alpha1.GrantAdopt)
}

// missing is the end for an account that is not there.
func missing(in *Input, d account.Decision) Step {
	name := in.Subject.Name
	s := Step{Kind: Missing, Reason: v1alpha1.ReasonAccountMissing, AccountName: name, AccountID: in.Subject.ID}
	switch {
	case d.Account != nil:
		s.AccountID = d.Account.ID
		s.Message = fmt.Sprintf("account %s was renamed from %s to %s at the provider", d.Account.ID, name, word(d.Account.Name))
		s.Next = fmt.Sprintf("Rename the account back at the provider, or delete this %s and declare the present name in a new one.", in.Resource.Kind)
	case in.Subject.ID == "":
		s.Message = fmt.Sprintf("the parent has no account %s to observe", name)
		s.Next = "Correct spec.accountName in a new resource, or set spec.managementPolicy: Manage to have the account created."
		if f := in.Schema.Identity(); f.Updatable {
			s.Next = "Correct spec." + f.Path + ", or set spec.managementPolicy: Manage to have the account created."
		}
	default:
		s.Message = fmt.Sprintf("account %s (%s) is missing at the provider", in.Resource.ObservedID, name)
	}
	return s
}

// ownerUnseen says whether the account is pre-existing and may be that of a resource that can't be seen. An account
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
	return Step{
		Kind: Refuse, Reason: v1alpha1.ReasonAdoptionRefused, AccountName: a.Name, AccountID: a.ID,
		Message: fmt.Sprintf("account %s (id %s) is pre-existing, and another %s may have it: the operator can't read all of its namespaces", a.Name, a.ID, in.Resource.Kind),
		Next:    "Ask a cluster admin to read the operator's log or /readyz, which say why. The operator continues automatically once it can read all of its namespaces.",
	}
}
