// Package provider is the seam between the engine and the telephony providers: what a provider has to be able to do
// so that its accounts can be kept in sync. A provider executes and never decides.
//
// A provider is a client, a field table and a Remote made of the two, which passes the tests of package providertest. What
// a provider can't do, its Remote has no method for: the interfaces beside Remote are optional. Contracts stand in the
// comments here; package fake has a provider in memory with each of the variations that they allow.
package provider

import (
	"context"

	"cpaas.dev/child-account-operator/internal/account"
)

// Remote is the account API of one provider, as one parent account sees it. Every error is an *account.Error, whose class
// says what may follow from it. It is safe for concurrent use.
type Remote interface {
	// Fields is the provider's field table. It never changes. One of its fields has Identity: Account.Name and NewAccount.Name
	// are its values, and so are the names in Known and Selector.
	Fields() account.Schema

	// List reads every child account, page by page, and hands each page to yield before it requests the next. The accounts
	// come in the order of ids over all pages that are not Partial; Partial ones have no order. It returns nil only if the
	// pages together are the complete list; where they contradict each other the error is of class Incomplete. Accounts that are created
	// meanwhile, by this Remote too, do not end it; the list may have them or not.
	// known is what the caller knows, for providers that list only the accounts that are requested.
	// A caller that wants no more pages cancels ctx, from within yield too: then no further page is requested.
	List(ctx context.Context, known Known, yield func(Page)) error

	// Get reads the selected accounts anew. Those that don't exist are left out; that is no error. Names are matched as a
	// whole, in the canonical spelling of the Identity field, whatever the provider's own filter does. All accounts that have a name are
	// returned, where a provider lets several have it.
	Get(ctx context.Context, sel Selector) ([]account.Account, error)

	// Create makes one account. It is never sent twice by itself: an error with OutcomeUnknown says that the account may exist. Success
	// without an id says that the account exists and has to be found by its name.
	// Class NameTaken: another account has the value of the Identity field. A provider may instead make a second account with the value, or
	// refuse it as it refuses any value (Invalid).
	Create(ctx context.Context, n NewAccount) (Created, error)

	// Update writes the changes to all targets, in one call. It may be repeated. Fields that are not among the changes keep
	// their values, whatever the API wants to be sent. An error with OutcomeUnknown says that some of it may have been written.
	// Class NotFound: there is no such account any more. Class Invalid, before any call: the changes can't be written to
	// several accounts, or at all, or a value is needed for the call and not known; the message says which. Changes of Delegated fields
	// are made acting as the account itself, in a call for one account. Their class RoleMissing says that this is not granted, or that
	// there is no such account; nothing follows for other changes or the credentials. A Remote whose API replaces the whole account reads the
	// account first. Class Outdated: the account is no longer as Target.Observed has it, or that is nil, so nothing was written.
	Update(ctx context.Context, u Update) error
}

// Identifier is implemented by a Remote that can say whose credentials it uses.
type Identifier interface {
	// Self returns the parent account itself.
	Self(ctx context.Context) (account.Account, error)
}

// KeyRecoverer is implemented by a Remote that can find an account's API key again.
type KeyRecoverer interface {
	// RecoverKey returns the API key of a child. It asks with the parent's own API key where the Remote has one, and where
	// that shows none, with the child's own password, "" where it is not known.
	// Class Unauthorized: the parent's API key, or the password, was refused; this says nothing about the credentials of
	// the other calls. Class Invalid: there is nothing left to ask with; the message says what would help.
	RecoverKey(ctx context.Context, id string, password account.Secret) (account.Secret, error)
}

// PasswordSetter is implemented by a Remote that can give an account another password.
type PasswordSetter interface {
	// SetPassword gives one account a new password. It is never sent together with anything else.
	// Class PasswordRejected: the message names the rule that the password breaks. PasswordBlocked, and Throttled with its
	// RetryAfter: not now. An error with OutcomeUnknown says that the password may be the new one; it may be repeated. A provider
	// may refuse a password that the account has had before (PasswordReused), and so the repetition of what was done:
	// PasswordChecker settles that, as it does any unknown outcome.
	SetPassword(ctx context.Context, t Target, password account.Secret) error
}

// PasswordChecker is implemented by a Remote that can check an account's password. One whose SetPassword may answer with
// PasswordReused has to be.
type PasswordChecker interface {
	// CheckPassword tells whether this is the account's password, by a call that the account makes for itself. False only
	// where the provider definitely refused the pair of account and password; whatever else went wrong is an error.
	CheckPassword(ctx context.Context, id string, password account.Secret) (bool, error)
}

// KeyShower is implemented by a PasswordChecker whose accounts are shown their API key when they sign in.
type KeyShower interface {
	PasswordChecker
	// SignIn is CheckPassword, and returns the account's API key, "" where the account has not the password or is shown no key.
	SignIn(ctx context.Context, id string, password account.Secret) (has bool, key account.Secret, err error)
}

// Claimer is implemented by a Remote whose accounts have custom data, which carries the claim of the resource that an account
// belongs to: it keeps NewAccount.CustomData from creation on, shows it in Account.CustomData, and can replace it.
// Accounts of a Remote that is no Claimer show none and are recognised by the stored intent to create them alone.
type Claimer interface {
	// SetCustomData replaces the account's custom data, whatever it is: the caller has read it. It can't be emptied.
	// It may be repeated. An error with OutcomeUnknown says that it may have been written.
	// Class RoleMissing: this capability is not granted; nothing follows for the other methods or the credentials.
	SetCustomData(ctx context.Context, id, customData string) error
}

// Cloner is implemented by a Remote that can create an account as a clone of another one.
type Cloner interface {
	// Clone makes one account that has what another child account of the parent has, the template, which it names by id. It sends those of
	// the declared values whose fields are Clonable; the account has whatever the provider gives it for the others. All that is said of
	// Create holds, for the custom data too. Class NotFound: there is no such template.
	Clone(ctx context.Context, templateID string, n NewAccount) (Cloned, error)
}

// Planner is implemented by a Remote whose accounts have subscription plans, which cost money.
type Planner interface {
	// Plans returns the plans that the account has, at least one element's Type and ID being set; an empty list that is not nil where it
	// has none. Class RoleMissing: this capability is not granted, as with the other two methods; nothing follows for other methods
	// or the credentials.
	Plans(ctx context.Context, id string) ([]account.Plan, error)
	// PlanOffers returns the plans to which the account may change now.
	PlanOffers(ctx context.Context, id string) ([]account.Plan, error)
	// ChangePlan gives the account another plan of the plan's type; the plan's Type and ID say which. That costs money, so it is never sent twice
	// by itself, and must not be repeated after an error with OutcomeUnknown before Plans was asked: the account may have the plan.
	// Success says that the provider has accepted the change; Plans says whether the account has the plan.
	// Class BalanceTooLow, BlockedNotEnabled, Invalid or InProgress: the message says what of.
	ChangePlan(ctx context.Context, id string, p account.Plan) error
}

// Replacer is implemented by a Remote that may have an API that replaces the whole account with each update, and wants its password for that.
type Replacer interface {
	// ReplacesAll says whether it does. Then Update and SetPassword need Target.Password, and every update gives the account that password.
	ReplacesAll() bool
}

// Gatherer is implemented by a Remote whose Get may make one call for any number of names.
type Gatherer interface {
	// GetsTogether says whether it does. Reads by name that come while such a call is under way then share the next one.
	GetsTogether() bool
}

// Verifier is implemented by a Remote whose provider verifies accounts before it lets them do certain things.
type Verifier interface {
	// Verifications reads the verifications of all child accounts, in one call, by the accounts' ids; each list is as
	// account.BoundVerifications returns it. Accounts without verifications may be left out, and ids that no list has may be among them.
	// Class RoleMissing: this capability is not granted; nothing follows for the other methods or the credentials.
	Verifications(ctx context.Context) (map[string][]account.Verification, error)
}

// Treasurer is implemented by a Remote that can read the parent account's money. Each method makes one call.
type Treasurer interface {
	// Balance reads the parent account's balance.
	Balance(ctx context.Context) (account.Balance, error)
	// AmountToCharge reads how much money the provider recommends to add to the parent account, in its currency.
	// Class RoleMissing: this capability is not granted; nothing follows for the other methods or the credentials.
	AmountToCharge(ctx context.Context) (account.Charge, error)
	// ExchangeRates reads how much of each of the provider's currencies a US dollar is worth today, by currency code. There are a few at
	// most. Class RoleMissing: as for AmountToCharge.
	ExchangeRates(ctx context.Context) (map[string]float64, error)
}

// Follower is implemented by a Remote that can have its calls go to another address that the provider prefers (Connection.Follow).
type Follower interface {
	// Following is the host that calls go to instead of the endpoint's, "" where they go to the endpoint; refused says why, nil where the
	// provider prefers no other address, or none is to be followed.
	Following() (host string, refused error)
}

// CallbackSalter is implemented by a Remote whose accounts have a salt that the provider signs their callbacks with.
type CallbackSalter interface {
	// SetCallbackSalt gives one account the salt. It may be repeated. It is never shown. An error with OutcomeUnknown says that the account
	// may have it. Class Invalid: the salt breaks a rule of the provider, which the message names.
	SetCallbackSalt(ctx context.Context, id string, salt account.Secret) error
}

// ListMethoder is implemented by a Remote that has several methods of reading the whole list.
type ListMethoder interface {
	// ListMethod is the method in use at present, a word for a metric's label.
	ListMethod() string
}

// Known is what a directory already knows of: ids of accounts, and names whose id it does not know.
type Known struct {
	IDs, Names []string
	// More is set where there may be accounts of ours that neither names: not all resources can be read.
	More bool
}

// Page is a part of a list.
type Page struct {
	Accounts []account.Account
	// Partial is set where the provider listed only the accounts that Known has, not all of its accounts.
	Partial bool
}

// Selector picks accounts by id, by exact name, or both.
type Selector struct {
	IDs, Names []string
}

// NewAccount is what an account is created with.
type NewAccount struct {
	// Name is the value of the Identity field.
	Name string
	// Password is the account's first password. A provider whose accounts have none ignores it.
	Password account.Secret
	// CustomData carries the claim. A Remote that is no Claimer ignores it.
	CustomData string
	// Desired holds the declared values by path; creation sends those of Settable fields.
	Desired account.State
	// Others are the ids of accounts that have the name already. They are not sent: none of them is the new account.
	Others []string
	// Before is called once it is the call's turn, right before each request of it; after an error no request is made. Nil does nothing. A Remote that
	// is a Claimer need not call it.
	Before func(context.Context) error
}

// Created is what is known right after creation.
type Created struct {
	// Account holds the id, the name, and the values that were sent or answered; other fields are not known yet. Its ID is ""
	// where the provider's answer has none.
	Account account.Account
	// APIKey is the new account's API key; some providers never show it again. Without an id there is none.
	APIKey account.Secret
}

// Cloned is what is known right after an account was cloned.
type Cloned struct {
	Created
	// Users, Scenarios and Applications are the names of what the account has got from the template, "" for one without a name.
	Users, Scenarios, Applications []string
}

// Update is one write.
type Update struct {
	// Targets are the accounts that are written to. There are several only where all changes are Batchable.
	Targets []Target
	// Changes are of one Group, and the same for all targets.
	Changes []account.Change
}

// Target is an account that is written to, with what an API needs that replaces the whole of it.
type Target struct {
	// ID is the provider's id of the account.
	ID string
	// Observed holds what was last seen of the account, or written to it; nil where the account was not read.
	Observed account.State
	// Desired holds the declared values, also of fields that are never shown.
	Desired account.State
	// Password finds out the account's password, "" where nobody knows it. It may read a Secret: a Remote calls it only where
	// its API wants the password along with the changes. Nil stands for one that nobody knows.
	Password func(context.Context) (account.Secret, error)
}

// Values is everything that is known of the account's fields once the changes are made: the whole that an API wants which replaces
// it. What was seen goes before what is declared: a declared value that differs is a change of its own, or left alone on purpose.
func (t Target) Values(schema account.Schema, changes []account.Change) account.State {
	return schema.Normal(t.Desired).With(t.Observed).With(account.Applied(changes))
}
