package account

import "slices"

// Adoption says whether a pre-existing account may become the resource's.
type Adoption string

// The adoption policies. The zero value adopts nothing.
const (
	AdoptNever       Adoption = "Never"
	AdoptIfIdentical Adoption = "IfIdentical"
	AdoptAlways      Adoption = "Always"
)

// Policy is what a resource allows. The zero value is the careful one: adopt nothing, correct drift, never create again.
type Policy struct {
	// Adopt says which accounts that were there before may be taken.
	Adopt Adoption
	// Observe reads and never writes.
	Observe bool
	// ReportDrift does not correct what was changed at the provider, and writes only what was changed in the spec.
	ReportDrift bool
	// Recreate recreates an account that is missing.
	Recreate bool
}

// Subject is what a resource says of its account.
type Subject struct {
	// Claim is the resource's own claim.
	Claim Claim
	// Name is the value of the schema's Identity field, the account's name.
	Name string
	// ID is the account that the resource is bound to, "" before that.
	ID string
	// Intent is set where an earlier attempt may have created the account; Refused as well where it is known of every attempt
	// that it was refused.
	Intent, Refused bool
	// Retried is set where the first attempt to create the account may have been made already, by whomever.
	Retried bool
	// Attempt is the open attempt to create the account, where the provider's accounts carry no claims; nil for none.
	Attempt *Attempt
	// Takeover is the installation whose account the resource may take, "" for none.
	Takeover string
	// PreviousOwner is the claim of a deleted resource whose account this one may have; nil for none.
	PreviousOwner *Claim
	// Desired holds the declared values, LastApplied those last written or confirmed.
	Desired, LastApplied State
	// Policy is what the resource allows.
	Policy Policy
}

// Succeeds says whether a claim is that of the previous owner whose account the resource may have.
func (s *Subject) Succeeds(claim Claim) bool {
	return s.PreviousOwner != nil && claim == *s.PreviousOwner
}

// View is what is known about the subject's account, by id where the subject has one, else by exact name.
type View struct {
	// Listed is set once a complete list was read that would have had the account.
	Listed bool
	// Partial is set where the provider lists only the accounts that are requested, so that a new account must be read by itself.
	Partial bool
	// Account is the account, nil where it is not known.
	Account *Account
	// Namesakes are the ids of all accounts with the name, where the subject has no id and there are several; nil where there are not.
	Namesakes []string
	// Absences counts the complete lists in a row that did not have the account.
	Absences int
	// Doubted is set where that is not believed, whatever lists say: too many accounts are missing at once, or nobody has judged yet.
	Doubted bool
	// Fresh is set where the account was read for this view, after everything that happened before. Confirmed is set where the account
	// was read after it was noted that a resource is to be bound to it, and that is not long ago.
	Fresh, Confirmed bool
	// NotKept holds values that were written twice and came back different each time.
	NotKept State
	// Awaited is set where the provider has confirmed the creation of the account without saying its id, and has not shown the
	// account since.
	Awaited bool
	// Claimless is set where the provider's accounts carry no claims.
	Claimless bool
	// OutcomeUnknown is set where a write to the account got no proper answer and the account was not read since.
	OutcomeUnknown bool
}

// Step is what to do next for a resource.
type Step string

// The steps.
const (
	// StepWait: no complete list was read yet; nothing can be said.
	StepWait Step = "Wait"
	// StepRead: read the account itself before anything else.
	StepRead Step = "Read"
	// StepCreate: create the account with everything declared.
	StepCreate Step = "Create"
	// StepUpdate: write Changes.
	StepUpdate Step = "Update"
	// StepNone: the account matches the spec.
	StepNone Step = "None"
	// StepRefuse: the account exists and is not ours to take.
	StepRefuse Step = "Refuse"
	// StepMissing: the account we are bound to, or the account to observe, is missing.
	StepMissing Step = "Missing"
	// StepRecreate: the account we are bound to is missing, and is to be recreated.
	StepRecreate Step = "Recreate"
)

// Decision is the plan for one resource.
type Decision struct {
	Step Step
	// Account is the account to act on; nil for Wait, Read, Create, and Missing unless another account has the id.
	Account *Account
	// Changes are the fields to write with StepUpdate.
	Changes []Change
	// NotKept are the differences that are not changed, because the provider does not keep the values.
	NotKept []Change
	// Drift are the differences that are reported and not corrected: changes at the provider under ReportDrift, all
	// differences under Observe, and with StepRefuse those that prevent adopting the account.
	Drift []Change
	// NotGranted are changes that are not made for now, because they are made acting as the account itself, which was refused.
	NotGranted []Change
	// Later are changes that have to wait until the resource's status names the account, as they replace the claim.
	Later []Change
	// Namesakes are View's, with StepRefuse.
	Namesakes []string
	// Unwritable are changes that can't be made, as each change takes the account's password, which nobody knows.
	Unwritable []Change
	// Holder is the claim of whoever holds the account, for StepRefuse; nil where it has no claim.
	Holder *Claim
}

// AbsencesUntilMissing is in how many complete lists in a row an account must be missing: one may be read while the provider is unwell.
const AbsencesUntilMissing = 2

// Decide says what to do for a resource, from what it declares and what is known.
// It is the protocol that never makes two accounts for one resource nor one for two.
func Decide(schema Schema, s Subject, v View) Decision {
	switch {
	case v.OutcomeUnknown && !v.Fresh:
		return Decision{Step: StepRead}
	case v.Account == nil:
		return decideAbsent(s, v)
	case schema.IsAnother(*v.Account, s.ID, s.Name):
		return Decision{Step: StepMissing, Account: v.Account}
	case s.ID == "" && len(v.Namesakes) > 1: // nobody can tell which of them it is
		return Decision{Step: StepRefuse, Account: v.Account, Namesakes: v.Namesakes}
	case s.Policy.Observe:
		return Decision{Step: StepNone, Account: v.Account, Drift: Diff(schema, s.Desired, v.Account.State, s.LastApplied)}
	}
	if s.ID == "" {
		if d := mayBind(schema, s, v); d != nil {
			return *d
		}
		if v.Claimless && !s.Refused && s.Attempt.Made(schema, *v.Account) {
			s.LastApplied = s.Attempt.Sent
		}
	}
	return compare(schema, s, v)
}

// mayBind says why an account that nobody is bound to may not become the resource's (yet); nil if it may.
func mayBind(schema Schema, s Subject, v View) *Decision {
	claim, claimed := v.Account.Claim()
	d := Decision{Step: StepRefuse, Account: v.Account}
	switch {
	case claimed && claim == s.Claim && (v.Fresh || v.Confirmed):
		return nil
	case claimed && claim == s.Claim: // what is remembered may be from before another ParentAccount, or anybody, wrote to it
		return &Decision{Step: StepRead}
	case claimed && s.Succeeds(claim): // its owner is deleted
	case claimed && claim.Installation != s.Takeover:
		d.Holder = &claim
		return &d
	case claimed: // its holder's time is over, somebody says
	case v.Claimless && !s.Refused && s.Attempt.Made(schema, *v.Account): // there was none before
	case s.Policy.Adopt != AdoptIfIdentical && s.Policy.Adopt != AdoptAlways:
		return &d
	case s.Policy.Adopt == AdoptIfIdentical:
		d.Drift = append(readable(Diff(schema, s.Desired, v.Account.State, nil)), Fixed(schema, s.Desired, v.Account.State)...)
	}
	switch {
	case len(d.Drift) > 0:
		return &d
	case !v.Fresh: // the last read before an account changes hands
		return &Decision{Step: StepRead}
	}
	return nil
}

// Readable are those of the changes whose fields the provider shows.
func Readable(changes []Change) []Change { return readable(slices.Clone(changes)) }

// readable are the changes of fields that the provider shows.
func readable(changes []Change) []Change {
	return slices.DeleteFunc(changes, func(c Change) bool { return c.Field.WriteOnly() })
}

// compare sorts the differences into those to write and those to leave unchanged.
func compare(schema Schema, s Subject, v View) Decision {
	d := Decision{Step: StepNone, Account: v.Account}
	for _, c := range Diff(schema, s.Desired, v.Account.State, s.LastApplied) {
		kept, vain := v.NotKept[c.Field.Path]
		switch {
		case vain && kept == c.Field.Normal(c.To):
			d.NotKept = append(d.NotKept, c)
		case s.Policy.ReportDrift && c.Origin == FromRemote:
			d.Drift = append(d.Drift, c)
		default:
			d.Changes = append(d.Changes, c)
		}
	}
	if len(d.Changes) > 0 {
		d.Step = StepUpdate
	}
	return d
}

func decideAbsent(s Subject, v View) Decision {
	switch {
	case v.Awaited && v.Fresh: // a second call would make a second account
		return Decision{Step: StepWait}
	case v.Awaited:
		return Decision{Step: StepRead}
	case !v.Listed && v.Partial && !v.Fresh:
		return Decision{Step: StepRead}
	case !v.Listed && !v.Fresh:
		return Decision{Step: StepWait}
	case v.Doubted, s.ID != "" && v.Absences < AbsencesUntilMissing:
		return Decision{Step: StepWait}
	case s.ID != "" && s.Policy.Recreate && !s.Policy.Observe:
		return Decision{Step: StepRecreate}
	case s.ID != "", s.Policy.Observe:
		return Decision{Step: StepMissing}
	case (s.Intent || s.Retried || v.Claimless) && !v.Fresh: // without a claim nobody could tell two accounts of one resource apart
		return Decision{Step: StepRead}
	}
	return Decision{Step: StepCreate}
}
