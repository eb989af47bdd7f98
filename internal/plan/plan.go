package plan

import (
	"slices"

	"cpaas.dev/child-account-operator/api/v1alpha1"
	"cpaas.dev/child-account-operator/internal/account"
)

// The reasons of steps that don't end a plan.
const (
	ReasonOutcomeUnknown      = "OutcomeUnknown"      // a write got no proper answer
	ReasonCreationUnconfirmed = "CreationUnconfirmed" // an earlier attempt may have created the account
	ReasonBeforeAdoption      = "BeforeAdoption"      // the last read before an account changes hands
	ReasonBeforeBinding       = "BeforeBinding"       // a claim that only a list shows may be out of date
	ReasonBeforeDeactivation  = "BeforeDeactivation"  // only what is there and active is deactivated
	ReasonReadRequested       = "ReadRequested"       // somebody asks for it
	ReasonNotListed           = "NotListed"           // the list has only what it was asked for
	ReasonNoAccount           = "NoAccount"           // no account has the name
	ReasonTemplateDeclared    = "TemplateDeclared"    // no account has the name, and it is to be a clone of another one
	ReasonAccountCreated      = "AccountCreated"      // it holds what nobody shows again
	ReasonAccountBound        = "AccountBound"        // the resource comes to its account
	ReasonSecretEdited        = "SecretEdited"        // others may have changed the Secret
	ReasonSecretOutdated      = "SecretOutdated"      // what it is made of has changed, or may have
	ReasonFinalizerMissing    = "FinalizerMissing"
	ReasonFinalizerNotNeeded  = "FinalizerNotNeeded" // deletionPolicy Retain
	ReasonBeforeCreation      = "BeforeCreation"     // the last read before the call
	ReasonSharedParent        = "SharedParent"       // a claim proves nothing there
	ReasonClaimMatches        = "ClaimMatches"
	ReasonAdoptionAllowed     = "AdoptionAllowed"
	ReasonTakeover            = "Takeover"
	ReasonHandedOver          = "HandedOver"    // the account is another resource's from now on, or was before
	ReasonNotHandedOver       = "NotHandedOver" // another resource declares the account, and does not get it as things are
	ReasonNoCustomData        = "NoCustomData"
	ReasonNoAccountMade       = "NoAccountMade"
	ReasonNotOurs             = "NotOurs" // an account has the name, and is not the resource's
	ReasonSpecChanged         = "SpecChanged"
	ReasonDrift               = "Drift"
	ReasonPasswordDeclared    = "PasswordDeclared"
	ReasonSaltDeclared        = "SaltDeclared"
	ReasonBeforeCustomData    = "BeforeCustomData" // custom data replaces the claim
	ReasonRotationRequested   = "RotationRequested"
	ReasonPasswordUncertain   = "PasswordUncertain"
	ReasonKeyMissing          = "KeyMissing"
	ReasonUnverified          = "Unverified" // a request, a new binding, or an edit of the Secret
	ReasonAccountMissing      = "AccountMissing"
	ReasonMatchesSpec         = "MatchesSpec"
	ReasonResourceDeleted     = "ResourceDeleted"
	ReasonNotDeactivated      = "NotDeactivated"
)

// For plans the steps for one resource.
func For(in Input) Plan {
	return withFinalizer(&in, afterStart(&in, needed(&in)))
}

// withFinalizer adds the finalizer where a resource that has an account lacks it, whatever keeps the operator from all else: that needs nothing of
// the provider, and a deletion has to wait for the operator. Of a resource that is suspended, or may not use its parent, no deletion waits.
func withFinalizer(in *Input, p Plan) Plan {
	released := in.Resource.Suspended || in.Stop != nil && (in.Stop.Denied || in.Stop.ParentSuspended)
	if in.Deletion != nil || in.Resource.Origin == "" || released || p.Work() {
		return p
	}
	p.Steps = append(missingFinalizer(in), p.Steps...)
	return p
}

// needed is the plan without what the operator's start holds.
func needed(in *Input) Plan {
	if in.Deletion != nil {
		return forDeletion(in)
	}
	if s := gate(in); s != nil {
		return Plan{Steps: []Step{*s}}
	}
	d := account.Decide(in.Schema, in.Subject, in.View)
	if d.Step == account.StepRecreate {
		return recreate(in)
	}
	return forDecision(in, asRequested(in, delegate(in, d)))
}

// recreate is for an account that is missing and is to be recreated: it is given up, unless nothing can be done for another one
// now.
func recreate(in *Input) Plan {
	after := givenUp(in)
	p := forDecision(&after, asRequested(&after, delegate(&after, account.Decide(after.Schema, after.Subject, after.View))))
	if p.Work() {
		p.Steps = append([]Step{{Kind: Recreate, Reason: ReasonAccountMissing, AccountName: in.Subject.Name, AccountID: in.Subject.ID}}, p.Steps...)
	}
	return p
}

// givenUp is the inputs once the account that the resource is bound to was given up: whether there is another one is known.
func givenUp(in *Input) Input {
	after := *in
	after.Subject.ID, after.Subject.LastApplied = "", nil
	after.Resource.Origin, after.Resource.ObservedID = "", ""
	after.ServiceKey = in.ServiceKey.ofNone()
	after.Plans = in.Plans.ofNew()
	after.Template.Recreates = true
	after.Secret.Settled, after.Secret.Verify, after.Password.Settled, after.Salt.Settled = false, false, false, false
	after.Delegated.BindingStored = false
	if after.View, after.Successor = (account.View{Claimless: in.View.Claimless}), nil; in.Successor != nil {
		after.View = *in.Successor
	}
	return after
}

// gate says why nothing may be done for the resource at all; nil where something may.
func gate(in *Input) *Step {
	switch {
	case in.Resource.Suspended:
		return &Step{Kind: Wait, Reason: v1alpha1.ReasonSuspended, Message: "spec.suspend is true"}
	case in.Stop != nil:
		return waitFor(in.Stop)
	}
	if err := in.RefusedValue(); err != nil {
		return &Step{Kind: Refuse, Reason: v1alpha1.ReasonRejected, Message: err.Error()}
	}
	if in.NoPasswords && in.Password.Declared && !in.Subject.Policy.Observe {
		return &Step{Kind: Refuse, Reason: v1alpha1.ReasonRejected, Message: "spec.passwordSecretRef: this provider's accounts have no passwords"}
	}
	if s := unsupportedServiceKey(in); s != nil {
		return s
	}
	if s := unsupportedTemplate(in); s != nil {
		return s
	}
	if in.NoPlans && len(in.Plans.Declared) > 0 && !in.Subject.Policy.Observe {
		return &Step{Kind: Refuse, Reason: v1alpha1.ReasonRejected, Message: "spec.plans: this provider's accounts have no plans"}
	}
	if p := in.Salt.Problem; p != nil && !in.Subject.Policy.Observe {
		return waitFor(p)
	}
	if p := in.Password.Problem; p != nil && !in.Subject.Policy.Observe {
		return waitFor(p)
	}
	return nil
}

func waitFor(s *Stop) *Step {
	return &Step{Kind: Wait, Reason: s.Reason, Message: s.Message, Next: s.Next}
}

// asRequested is what the protocol says, but for a read that somebody asks for.
func asRequested(in *Input, d account.Decision) account.Decision {
	if in.ReadRequested && d.Step != account.StepWait {
		d = account.Decision{Step: account.StepRead}
	}
	return d
}

// forDecision says what a decision means for the resource.
func forDecision(in *Input, d account.Decision) Plan {
	switch {
	case d.Step == account.StepWait && in.Outage != nil:
		return Plan{Steps: []Step{*waitFor(in.Outage)}}
	case d.Step == account.StepWait: // the next list wakes it
		return Plan{Steps: []Step{{Kind: Wait}}}
	case in.Duplicate != nil && !in.Subject.Policy.Observe:
		return Plan{Steps: []Step{{Kind: Refuse, Reason: in.Duplicate.Reason, Message: in.Duplicate.Message, Next: in.Duplicate.Next}}}
	case d.Step == account.StepRefuse, unaccepted(in, d):
		return refuse(in, d)
	case in.ownerUnseen():
		return Plan{Steps: []Step{unseenOwner(in)}}
	case d.Step == account.StepMissing:
		return Plan{Steps: []Step{missing(in, d)}}
	case d.Step == account.StepNone && in.Subject.Policy.Observe:
		return Plan{Steps: observed(in, d)}
	case d.Step == account.StepNone:
		return settle(in, d)
	case d.Step == account.StepUpdate && !writable(in, d.Account):
		return settle(in, unwritable(d))
	}
	if s := templateProblem(in, d); s != nil {
		return Plan{Steps: []Step{*s}}
	}
	return attempted(in, d)
}

// unwritable is a decision to change an account that can't be changed.
func unwritable(d account.Decision) account.Decision {
	d.Step, d.Unwritable, d.Changes = account.StepNone, d.Changes, nil
	return d
}

// unaccepted says whether an account would be the resource's by its claim, and the resource has not accepted it.
func unaccepted(in *Input, d account.Decision) bool {
	return in.NotAccepted != nil && (d.Step == account.StepNone || d.Step == account.StepUpdate)
}

// attempted is a decision to read or to write the account, unless that waits.
func attempted(in *Input, d account.Decision) Plan {
	p := Plan{Attempt: attempt(in, d)}
	guarded := guards(in, d)
	if s := backoff(in, p.Attempt); s != nil {
		s.Guarded = guarded
		return Plan{Steps: []Step{*s}}
	}
	change := changeText(d.Changes)
	if g := in.Guard; g != nil && guarded && g.Change == change {
		wait := Step{Kind: Wait, Reason: g.Reason, Message: g.Message, Brief: g.Brief, Next: g.Next, RetryAfter: g.RetryAfter, Guarded: true, Change: g.Change}
		return Plan{Steps: append(finalizerWhileWaiting(in, d.Account), wait)}
	}
	p.Steps = work(in, d)
	if guarded {
		for i := range p.Steps {
			if p.Steps[i].Kind == Update {
				p.Steps[i].Guarded, p.Steps[i].Change = true, change
			}
		}
	}
	return p
}

// work is the steps that a decision to read or to write the account leads to.
func work(in *Input, d account.Decision) []Step {
	switch d.Step {
	case account.StepRead:
		return []Step{{Kind: Read, Reason: readReason(in), AccountName: in.Subject.Name, AccountID: in.Subject.ID}}
	case account.StepCreate:
		return create(in)
	}
	return update(in, d)
}

func readReason(in *Input) string {
	switch {
	case in.ReadRequested:
		return ReasonReadRequested
	case in.View.OutcomeUnknown:
		return ReasonOutcomeUnknown
	case in.View.Account != nil && in.claimed(in.View.Account):
		return ReasonBeforeBinding
	case in.View.Account != nil:
		return ReasonBeforeAdoption
	case in.View.Awaited:
		return ReasonCreationUnconfirmed
	case !in.View.Listed:
		return ReasonNotListed
	}
	return ReasonCreationUnconfirmed
}

// refuse is for an account that is not the resource's to take. A password that was prepared for it is taken back first.
func refuse(in *Input, d account.Decision) Plan {
	end := refused(in, d)
	if !in.Secret.Prepared {
		return Plan{Steps: []Step{end}}
	}
	tried := attempt(in, d)
	if s := backoff(in, tried); s != nil {
		return Plan{Steps: []Step{*s}}
	}
	s := step(WithdrawPassword, in, d.Account)
	s.Secret = in.Secret.Name
	return Plan{Attempt: tried, Steps: []Step{s, end}}
}

// create is a new account with all that its creation can set, and what follows.
func create(in *Input) []Step {
	made, state := creation(in)
	born := account.Account{ID: "", Name: in.Subject.Name, CustomData: in.Subject.Claim.CustomData(), State: state}
	if in.View.Claimless {
		born.CustomData = ""
	}
	name := in.Subject.Name
	steps := append(missingFinalizer(in), Step{Kind: PrepareSecret, Reason: ReasonNoAccount, AccountName: name, Secret: in.Secret.Name})
	if in.View.Claimless { // the resource is read again once it is the call's turn
		steps = append(steps, Step{Kind: StoreAttempt, Reason: ReasonBeforeCreation, AccountName: name})
	} else {
		steps = append(steps, Step{Kind: ReadResource, Reason: ReasonBeforeCreation})
	}
	steps = append(steps, made, Step{Kind: StoreSecret, Reason: ReasonAccountCreated, AccountName: name, Secret: in.Secret.Name})
	after := *in
	after.View = account.View{Claimless: in.View.Claimless}
	after.Resource.Finalizer, after.Resource.Origin, after.Resource.Completing = in.keepsFinalizer(), Created, true
	after.Subject.Intent, after.Subject.LastApplied, after.Subject.Attempt = true, nil, &account.Attempt{}
	after.Password.Known = true
	after.Secret.Content, after.Secret.Recheck, after.Secret.Verify = &Content{APIKey: true}, false, false
	after.ServiceKey = in.ServiceKey.ofNone()
	after.Plans = in.Plans.ofNew()
	after.Password.Settled = !in.rotates() // whether a rotation was done for it before says the Secret
	after.Salt.Settled, after.Delegated.BindingStored = false, false
	return append(steps, then(&after, born)...)
}

// update is what has to be written to the account, and what follows.
func update(in *Input, d account.Decision) []Step {
	steps := take(in, d.Account)
	off := account.Deactivates(d.Changes)
	if off {
		steps = append(steps, step(RecordDeactivation, in, d.Account))
	}
	s := step(Update, in, d.Account)
	s.Reason, s.Changes = changeReason(d.Changes), fieldChanges(d.Changes)
	own, _ := account.Split(d.Changes)
	s.Delegated = len(own) == 0
	steps = append(steps, s)
	after := taken(in, d.Account)
	after.Subject.LastApplied = after.Subject.LastApplied.With(account.Applied(d.Changes))
	became := *d.Account
	became.State = became.State.With(account.Applied(d.Changes))
	if f, ok := in.Schema.Marked(account.MarkCustomData); ok && account.Has(d.Changes, account.MarkCustomData) {
		became.CustomData = became.State[f.Path]
	}
	return append(steps, then(&after, became)...)
}

// then is what follows once the account is as given, as far as that can be foreseen.
func then(after *Input, a account.Account) []Step {
	// The protocol has nothing more to say: a new account has no id yet that it could go by.
	d := account.Decision{Step: account.StepNone, Account: &a}
	for _, c := range account.Diff(after.Schema, after.Subject.Desired, a.State, after.Subject.LastApplied) {
		kept, vain := after.View.NotKept[c.Field.Path]
		switch {
		case vain && kept == c.Field.Normal(c.To):
			d.NotKept = append(d.NotKept, c)
		case after.Subject.Policy.ReportDrift && c.Origin == account.FromRemote:
			d.Drift = append(d.Drift, c)
		default:
			d.Changes = append(d.Changes, c)
		}
	}
	if d = delegate(after, d); len(d.Changes) > 0 {
		return update(after, d)
	}
	return finish(after, d)
}

// take is what has to be done before an account is the resource's that the protocol has allowed it.
func take(in *Input, a *account.Account) []Step {
	steps := missingFinalizer(in)
	if in.Resource.Origin != "" {
		return steps
	}
	own, previous := in.own(a), in.succeeds(a)
	if previous && !own {
		steps = append(steps, step(ReadPreviousOwner, in, a))
	}
	if in.needsOwnershipProof(a) {
		s := step(ProveOwnership, in, a)
		s.Secret = in.Secret.Name
		steps = append(steps, s)
	}
	switch s := step(Bind, in, a); {
	case own:
		return append(steps, s)
	case previous:
		s.Kind, s.Reason = Adopt, ReasonHandedOver
		return append(steps, s)
	case in.takesOver(a):
		s.Kind, s.Reason = Adopt, ReasonTakeover
		return append(steps, s)
	default:
		s.Kind, s.Reason = Adopt, ReasonAdoptionAllowed
		return append(steps, s)
	}
}

// missingFinalizer adds the finalizer where the resource needs it: before there is an account, so that a deletion waits for the operator.
func missingFinalizer(in *Input) []Step {
	if in.Resource.Finalizer || !in.Resource.NeedsFinalizer {
		return nil
	}
	return []Step{{Kind: AddFinalizer, Reason: ReasonFinalizerMissing}}
}

// finalizerWhileWaiting adds the finalizer before the wait for an approval, where the account is the resource's, or was that of an owner whose
// account it has from now on: if the resource is deleted meanwhile, its account is deactivated, or somebody is told that it is not.
func finalizerWhileWaiting(in *Input, a *account.Account) []Step {
	if a == nil || in.Resource.Origin == "" && !in.own(a) && !in.succeeds(a) {
		return nil
	}
	return missingFinalizer(in)
}

// keepsFinalizer says whether the resource has the finalizer once missingFinalizer was carried out.
func (in *Input) keepsFinalizer() bool { return in.Resource.Finalizer || in.Resource.NeedsFinalizer }

// superfluousFinalizer takes the finalizer away where an edit has made it superfluous. One that was never needed, of an earlier
// version, stays until the resource is edited or deleted: that is worth no write.
func superfluousFinalizer(in *Input) []Step {
	if !in.Resource.Finalizer || in.Resource.NeedsFinalizer || !in.Resource.Edited {
		return nil
	}
	return []Step{{Kind: RemoveFinalizer, Reason: ReasonFinalizerNotNeeded}}
}

// needsOwnershipProof says whether the account's claim alone does not prove that it is the resource's, or was that of the previous owner.
func (in *Input) needsOwnershipProof(a *account.Account) bool {
	never := in.Subject.Policy.Adopt != account.AdoptIfIdentical && in.Subject.Policy.Adopt != account.AdoptAlways
	if in.View.Claimless { // the status says so, which nobody else writes
		return false
	}
	return in.Shared && in.Resource.Origin == "" && (in.own(a) || in.succeeds(a)) && never
}

// taken is the inputs once the account is the resource's.
func taken(in *Input, a *account.Account) Input {
	after := *in
	after.Resource.Finalizer = in.keepsFinalizer()
	if in.Resource.Origin != "" {
		return after
	}
	after.Subject.ID, after.Secret.Settled, after.Password.Settled, after.Salt.Settled = a.ID, false, false, false
	after.Delegated.BindingStored = false
	after.Plans = in.Plans.ofFound()
	_, declared := in.Schema.Value(in.Subject.Desired, account.MarkActive)
	after.FoundInactive = (in.claimed(a) || in.succeeds(a)) && !in.Subject.Intent && !declared && in.Schema.Deactivated(a.State)
	if after.Resource.Origin = Adopted; in.own(a) && in.Subject.Intent {
		after.Resource.Origin, after.Resource.Completing = Created, true
		if in.Subject.Attempt != nil {
			after.Subject.LastApplied = in.Subject.Attempt.Sent
		}
	}
	after.Password.Known = after.Resource.Origin == Created
	after.Secret.Verify = after.Resource.Origin == Adopted && in.verifiable()
	return after
}

// settle is for an account that matches the spec: only the finalizer, the Secret and the password may be left.
func settle(in *Input, d account.Decision) Plan {
	finalizer := superfluousFinalizer(in)
	if in.Resource.Origin != "" {
		finalizer = append(finalizer, missingFinalizer(in)...)
	}
	if len(finalizer) == 0 {
		return settleAccount(in, d)
	}
	after := *in
	after.Resource.Finalizer = in.Resource.NeedsFinalizer
	p := settleAccount(&after, d)
	p.Steps = append(finalizer, p.Steps...)
	return p
}

// settleAccount is what is left of the Secret and the password.
func settleAccount(in *Input, d account.Decision) Plan {
	settled := in.Resource.Origin != "" && in.Secret.Settled && !in.Secret.Verify
	if in.Secret.Recheck || in.Secret.Content != nil { // whatever was tried before: somebody touched the Secret
		return Plan{Attempt: attempt(in, d), Steps: finish(in, d)}
	}
	if !settled || !in.passwordSettled() || !in.saltSettled() || len(d.Later) > 0 || settlesServiceKey(in, d) {
		tried := attempt(in, d)
		if s := backoff(in, tried); s != nil {
			return Plan{Steps: []Step{*s}}
		}
		return Plan{Attempt: tried, Steps: finish(in, d)}
	}
	return Plan{Steps: append([]Step{confirmed(in, d)}, conclude(in, d)...)}
}

// finish is what is left for an account that matches the spec, to the end.
func finish(in *Input, d account.Decision) []Step {
	return append(superfluousFinalizer(in), finishAccount(in, d)...)
}

func finishAccount(in *Input, d account.Decision) []Step {
	if len(d.Later) > 0 {
		return storesBinding(in, d)
	}
	settled := in.Resource.Origin != "" && in.Secret.Settled
	if settled && !in.Secret.Recheck && !in.Secret.Verify && in.Secret.Content == nil {
		return finishPassword(in, d)
	}
	steps := take(in, d.Account)
	after := taken(in, d.Account)
	steps = append(steps, confirmed(in, d))
	claims, content := claim(in, d.Account), in.Secret.Content
	if !in.succeeds(d.Account) {
		steps, claims = append(steps, claims...), nil
	}
	if content == nil {
		s := step(StoreSecret, in, d.Account)
		s.Reason, s.Secret = storeReason(in), in.Secret.Name
		steps = append(steps, s)
	}
	steps = append(steps, claims...) // the previous owner's claim tells whose connection Secret goes along: until that is done it stays
	steps = append(steps, settlePassword(&after, d, content)...)
	password, held := applyPassword(&after, d)
	steps = append(steps, password...)
	if held {
		return steps
	}
	steps = append(steps, serviceKey(&after, d)...) // before the API key, whose loss ends a plan
	steps = append(steps, applySalt(&after, d)...)
	if after.Secret.Verify {
		steps = append(steps, step(Verify, in, d.Account))
	}
	if !in.NoKeys && (content == nil || !content.APIKey) {
		s := step(RecoverKey, in, d.Account)
		if content == nil {
			s.If = KeyMissing
		}
		steps = append(steps, s)
	}
	return append(steps, conclude(&after, d)...)
}

func storeReason(in *Input) string {
	switch {
	case in.Resource.Origin == "":
		return ReasonAccountBound
	case in.Secret.Recheck:
		return ReasonSecretEdited
	case in.Secret.Settled:
		return ReasonUnverified
	}
	return ReasonSecretOutdated
}

// settlePassword is for a password that the account may have: by a rotation that was interrupted and is not asked for any more, or
// because the account was to be recreated.
func settlePassword(in *Input, d account.Decision, content *Content) []Step {
	if in.NoPasswords || in.givesPassword(in.Resource.Origin) || content != nil && !content.NextPassword {
		return nil
	}
	s := step(SettlePassword, in, d.Account)
	if content == nil {
		s.If = NextPasswordStored
	}
	return []Step{s}
}

// finishPassword is what is left where the connection Secret needs nothing: the password.
func finishPassword(in *Input, d account.Decision) []Step {
	steps, held := applyPassword(in, d)
	if held {
		return steps
	}
	steps = append(append(steps, confirmed(in, d)), serviceKey(in, d)...)
	steps = append(steps, applySalt(in, d)...)
	keyLacks := !in.Secret.HoldsKey && !in.NoKeys
	if !in.passwordSettled() && in.rotates() && (keyLacks || in.Secret.LacksPassword) { // the new password finds the key
		after := claim(in, d.Account)
		s := step(StoreSecret, in, d.Account)
		s.Reason, s.Secret = ReasonRotationRequested, in.Secret.Name
		after = append(after, s)
		for i := range after {
			after[i].If = PasswordRotated
		}
		if steps = append(steps, after...); !in.NoKeys {
			key := step(RecoverKey, in, d.Account)
			key.If = KeyMissing
			steps = append(steps, key)
		}
	}
	return append(steps, conclude(in, d)...)
}

// claim writes the claim into an account that holds nobody's data, or that of the owner that the resource takes it from.
func claim(in *Input, a *account.Account) []Step {
	s := step(Claim, in, a)
	switch {
	case in.replacesClaim():
		return nil
	case in.succeeds(a):
		s.Reason = ReasonHandedOver
	case in.takesOver(a):
		s.Reason = ReasonTakeover
	case a.CustomData != "", in.View.Claimless:
		return nil
	}
	return []Step{s}
}

// applyPassword gives the account the password that it is to have; held says that this was tried and is not repeated yet.
func applyPassword(in *Input, d account.Decision) (steps []Step, held bool) {
	if in.passwordSettled() {
		return nil, false
	}
	if s := backoff(in, attempt(in, d)); s != nil {
		return []Step{*s}, true
	}
	if in.rotates() {
		return []Step{step(RotatePassword, in, d.Account)}, false
	}
	return []Step{step(SetPassword, in, d.Account)}, false
}

// observed is for an account that is only read.
func observed(in *Input, d account.Decision) []Step {
	s := step(Observe, in, d.Account)
	s.Differs = fieldChanges(d.Drift)
	end := observation(d.Drift)
	return []Step{s, unlessOutdated(in, end)}
}

func confirmed(in *Input, d account.Decision) Step {
	if len(d.Unwritable) > 0 {
		s := step(Observe, in, d.Account)
		s.Reason, s.Differs = v1alpha1.ReasonPasswordRequired, fieldChanges(account.Readable(d.Unwritable))
		return s
	}
	s := step(Confirm, in, d.Account)
	differs, notKept := plansLeft(in)
	s.Differs, s.NotKept = append(fieldChanges(d.Drift), differs...), append(fieldChanges(d.NotKept), notKept...)
	s.NotGranted = fieldChanges(d.NotGranted)
	return s
}

// usual is why a step is there most often, and what it depends on.
var usual = map[Kind]Step{
	ReadPreviousOwner:  {Reason: ReasonHandedOver},
	ProveOwnership:     {Reason: ReasonSharedParent},
	WithdrawPassword:   {Reason: ReasonNotOurs},
	Bind:               {Reason: ReasonClaimMatches},
	RecordDeactivation: {Reason: ReasonSpecChanged},
	Claim:              {Reason: ReasonNoCustomData},
	SettlePassword:     {Reason: ReasonPasswordUncertain},
	SetPassword:        {Reason: ReasonPasswordDeclared, If: PasswordNotRemembered},
	SetSalt:            {Reason: ReasonSaltDeclared, If: SaltNotRemembered},
	StoreBinding:       {Reason: ReasonBeforeCustomData},
	RotatePassword:     {Reason: ReasonRotationRequested, If: RotationPending},
	RecoverKey:         {Reason: ReasonKeyMissing},
	Verify:             {Reason: ReasonUnverified},
	ReadPlans:          {Reason: ReasonReadRequested},
	ChangePlan:         {If: PlanDiffers},
	Confirm:            {Reason: ReasonMatchesSpec},
	Observe:            {Reason: v1alpha1.ReasonObserved},
}

// step is a step for an account, as it usually is.
func step(k Kind, in *Input, a *account.Account) Step {
	s := usual[k]
	s.Kind, s.AccountName, s.AccountID = k, in.Subject.Name, a.ID
	return s
}

// backoff is the wait for the time of the next attempt; nil where it may be made.
func backoff(in *Input, tried string) *Step {
	f := in.Attempts.Failed
	if f == nil || f.Attempt != tried || !f.Until.IsZero() && !in.Now.Before(f.Until) {
		return nil
	}
	s := &Step{Kind: Wait, Reason: f.Reason, Message: f.Message, Next: f.Next, Backoff: true}
	if !f.Until.IsZero() {
		s.RetryAfter = f.Until.Sub(in.Now)
	}
	return s
}

// guards says whether the change guard has a say: in edits and corrections of drift, not in what a creation leaves to do.
func guards(in *Input, d account.Decision) bool {
	return d.Step == account.StepUpdate && !in.Resource.Completing && !in.triesAgain(d.Changes) && (in.Resource.Origin != Created || len(in.Subject.LastApplied) > 0)
}

func changeReason(changes []account.Change) string {
	if slices.ContainsFunc(changes, func(c account.Change) bool { return c.Origin == account.FromSpec }) {
		return ReasonSpecChanged
	}
	return ReasonDrift
}
