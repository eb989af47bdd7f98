package plan

import (
	"time"

	"cpaas.dev/child-account-operator/internal/account"
)

// Input is all that is known of one resource when its steps are planned. It holds no secret.
type Input struct {
	// Now is the time to plan for.
	Now time.Time
	// Resource is the resource.
	Resource Resource
	// Schema is the provider's field table.
	Schema account.Schema
	// Subject is what the resource declares, View what is known of its account.
	Subject account.Subject
	View    account.View
	// Successor is what is known of an account with the resource's name, where the one that the resource is bound to may be missing;
	// nil where it is there, or is not to be recreated.
	Successor *account.View
	// Stop is why the parent can't be worked with; nil where it can.
	Stop *Stop
	// Outage is what is reported while the provider does not answer; nil where it does. Stale is set once what was last seen
	// of the account is too old to be believed.
	Outage *Stop
	Stale  bool
	// Duplicate says that another resource has the better right to the account; nil where none has.
	Duplicate *Stop
	// NotAccepted is why the resource does not get the account of a resource of another namespace that had it, although it may have the account by
	// its claim or by that one's: it has to accept that; nil where nothing is to be accepted.
	NotAccepted *Stop
	// OthersUnseen is set while there may be resources that can't be seen: one of them may have an account that existed before.
	OthersUnseen bool
	// NoPasswords is set where the provider's accounts have no passwords, NoKeys where they have no API keys.
	NoPasswords, NoKeys bool
	// Shared is set where the parent serves several namespaces, or has: there a claim proves nothing.
	Shared bool
	// MayAdopt is set where the parent grants the resource to adopt accounts that it has not made.
	MayAdopt bool
	// SeesAll is set where the resource may be told of resources in all namespaces, not of those in its own alone.
	SeesAll bool
	// FoundInactive is set where the resource found its account again, inactive, and nobody has said since whether it is to be
	// active.
	FoundInactive bool
	// ReadRequested is set where somebody asks for a read of the account that was not done yet.
	ReadRequested bool
	// Secret is what is known of the connection Secret, Password what is known of the account's password.
	Secret   Secret
	Password Password
	// ServiceKey is what is known of the account's service-account key.
	ServiceKey ServiceKey
	// Plans is what is known of the account's subscription plans; NoPlans is set where the provider's accounts have none.
	Plans   Plans
	NoPlans bool
	// Template is what is known of the account that the account is cloned from when it is created.
	Template Template
	// Salt is what is known of the salt of the account's callbacks, Delegated of changes that are made acting as the account itself.
	Salt      Salt
	Delegated Delegated
	// Attempts is what is remembered of earlier attempts.
	Attempts Attempts
	// Guard is the change that the change guard keeps back; nil where it keeps back none.
	Guard *Guarded
	// Start is set where the operator's start holds what the resource needs; nil where it holds nothing.
	Start *Start
	// Deletion is set where the resource is being deleted.
	Deletion *Deletion
	// HeldByAnother is set where another resource has the account of one that is being deleted.
	HeldByAnother bool
	// Recipient is another resource that declares the account and may have it once this one is deleted; nil where none does.
	Recipient *Recipient
	// RecipientUnknown is set where there may be one, as far as is known yet; not for long.
	RecipientUnknown bool
}

// Resource is the resource itself.
type Resource struct {
	// Kind, Namespace and Name identify the resource for people.
	Kind, Namespace, Name string
	// Generation is that of its spec.
	Generation int64
	// Parent is the name of the resource of its parent account.
	Parent string
	// Suspended is set where nothing is to be done for it.
	Suspended bool
	// Finalizer is set where it has the operator's finalizer, NeedsFinalizer where it is to have it: its deletion has to wait for
	// the operator.
	Finalizer, NeedsFinalizer bool
	// Edited is set where its spec was edited since its status was last written.
	Edited bool
	// Requested is the value of the annotation that asks for a reconcile, "" where there is none.
	Requested string
	// Origin says how it came to its account; "" where it is bound to none.
	Origin Origin
	// Completing is set where the account was created for it, and its status does not say yet that the account matches the spec.
	Completing bool
	// ObservedID is the account that its status names, bound or not.
	ObservedID string
}

// Origin says how a resource came to its account.
type Origin string

// The origins.
const (
	// Created: the operator created the account for this very resource.
	Created Origin = "Created"
	// Adopted: the account is pre-existing.
	Adopted Origin = "Adopted"
)

// Stop is why a resource can't continue, as its conditions say it.
type Stop struct {
	// Reason is that of the conditions; "" where there is nothing to say yet and somebody will wake the resource.
	Reason string
	// Message is for people. Next is what to do next, where it is otherwise than the reason's.
	Message, Next string
	// Denied is set where the resource may not use its parent.
	Denied bool
	// ParentSuspended is set where the parent account's resource is suspended.
	ParentSuspended bool
	// Left is set where somebody has given up the account of a resource that is being deleted: the account stays as it is.
	Left bool
	// Unread is set where the Kubernetes API could not be read.
	Unread bool
}

// Secret is what is known of the connection Secret.
type Secret struct {
	// Name is its name.
	Name string
	// Recheck is set where somebody else may have changed it.
	Recheck bool
	// Settled is set where all that it is made of is as it was when it was last written.
	Settled bool
	// Verify is set where nobody knows whether the password and the API key that it holds are still the account's.
	Verify bool
	// LacksPassword is set where it is said that it lacks the account's password.
	LacksPassword bool
	// HoldsKey is set where it is known to hold the account's API key.
	HoldsKey bool
	// Prepared is set where it holds a password for an account that was to be created, and tells of no account.
	Prepared bool
	// Content is what it holds, once this reconcile has written it.
	Content *Content
}

// Content is what a connection Secret holds, but for the values.
type Content struct {
	// APIKey is set where it holds the account's API key.
	APIKey bool
	// NextPassword is set where it holds a password that the account may have: of a rotation that did not end, or prepared to create
	// the account with.
	NextPassword bool
}

// Password is what is known of the account's password.
type Password struct {
	// Declared is set where the resource declares one.
	Declared bool
	// Rotation is the request for a new generated password, "" where there is none.
	Rotation string
	// Mark tells the declared password, or the rotation, from others. It gives nothing away.
	Mark string
	// Settled is set where the account is known to have the password that Mark stands for.
	Settled bool
	// Sent is set where each change of the account takes its password, which the account then has. Known is set where the password of the
	// account that the resource is bound to is known, declared or not.
	Sent, Known bool
	// Problem is why the declared password can't be read; nil where it can.
	Problem *Stop
}

// Attempts is what is remembered of earlier attempts for the resource.
type Attempts struct {
	// Connection tells the connection that an attempt would use from others.
	Connection string
	// Failed is the last attempt that failed; nil where none did.
	Failed *Failed
	// NoAccount is set where it is certain that no attempt has made an account.
	NoAccount bool
}

// Failed is an attempt that failed and is not repeated before its time.
type Failed struct {
	// Attempt is the Plan.Attempt of what was tried.
	Attempt string
	// Until is when it may be repeated; zero for never.
	Until time.Time
	// Reason and Message are how it ended, and Next is what to do next where it is otherwise than the reason's.
	Reason, Message, Next string
}

// Guarded is a change that the change guard keeps back.
type Guarded struct {
	// Change is what was to be changed, as Step.Change has it.
	Change string
	// Reason, Message and Next are what is reported; "" while the guard still counts.
	// Brief is the message where there is little room.
	Reason, Message, Brief, Next string
	// RetryAfter is when to ask again, 0 for when the resource is woken.
	RetryAfter time.Duration
}

// Deletion is what is known of a deletion.
type Deletion struct {
	// Deactivate is set where the account is to be deactivated first.
	Deactivate bool
	// Orphan is set where another operator, if any, reports on the resource; OrphanGrace is how long it is left to that one.
	Orphan      bool
	OrphanGrace time.Duration
	// Expired is set once the resource was kept back for as long as it may be.
	Expired bool
	// Surroundings says whether the namespace or the CRD is being deleted too; "" before that was read.
	Surroundings Surroundings
	// Forbidden is why Surroundings could not be read, where the operator may not.
	Forbidden string
}

// Surroundings says what becomes of the namespace and the CRD of a resource that is being deleted.
type Surroundings string

// What becomes of the surroundings.
const (
	SurroundingsStay      Surroundings = "Stay"
	SurroundingsDeleted   Surroundings = "Deleted"
	SurroundingsForbidden Surroundings = "Forbidden"
)

// canSee says whether the resource may be told of those in a namespace.
func (in *Input) canSee(namespace string) bool {
	return in.SeesAll || namespace == in.Resource.Namespace
}

// givesPassword says whether the account is to have the declared password: a pre-existing account keeps its own, unless it
// may be adopted whatever it is, or could not be changed without a password.
func (in *Input) givesPassword(origin Origin) bool {
	return in.Password.Declared && (origin != Adopted || in.Subject.Policy.Adopt == account.AdoptAlways || in.Password.Sent)
}

// writable says whether the account can be changed: where that takes its password, whether somebody knows it.
func writable(in *Input, a *account.Account) bool {
	switch {
	case !in.Password.Sent:
		return true
	case in.Resource.Origin != "":
		return in.givesPassword(in.Resource.Origin) || in.Password.Known
	}
	return in.own(a) || in.givesPassword(Adopted)
}

// verifiable says whether there is anything to verify: a password or an API key.
func (in *Input) verifiable() bool { return !in.NoPasswords || !in.NoKeys }

// rotates says whether a new generated password is asked for.
func (in *Input) rotates() bool {
	return in.Password.Rotation != "" && !in.Password.Declared && !in.NoPasswords
}

// passwordSettled says whether nothing is left to do for the password.
func (in *Input) passwordSettled() bool {
	return !in.givesPassword(in.Resource.Origin) && !in.rotates() || in.Password.Settled
}

// claimed says whether the account carries the resource's claim.
func (in *Input) claimed(a *account.Account) bool {
	claim, ok := a.Claim()
	return ok && claim == in.Subject.Claim
}

// own says whether the account is the resource's by its claim, or, where accounts carry none, by the attempt to create it: the
// account was not there before that was recorded.
func (in *Input) own(a *account.Account) bool {
	return in.claimed(a) || in.View.Claimless && in.Subject.Intent && !in.Subject.Refused && in.Subject.Attempt.Made(in.Schema, *a)
}

// succeeds says whether the account carries the claim of a deleted previous owner whose account the resource may have.
func (in *Input) succeeds(a *account.Account) bool {
	claim, ok := a.Claim()
	return ok && in.Subject.Succeeds(claim)
}

// takesOver says whether the account carries the claim of an owner that the resource takes it from.
func (in *Input) takesOver(a *account.Account) bool {
	claim, ok := a.Claim()
	return ok && claim != in.Subject.Claim && claim.Installation == in.Subject.Takeover
}
