// Package provider is the seam between the engine and the telephony providers: what a provider has to be able to do
// so that its accounts can be kept as declared. A provider executes and never decides.
package provider

import (
	"context"

	"cpaas.dev/child-account-operator/internal/account"
)

// Remote is the account API of one provider, as one parent account sees it. Every error is an *account.Error.
// It is safe for concurrent use.
type Remote interface {
	// Fields is the provider's field table. It never changes.
	Fields() account.Schema

	// List reads every child account, page by page, and hands each page to yield before it asks for the next. The accounts
	// come in the order of ids over all pages that are not Partial; Partial ones have no order. It returns nil only if the
	// pages together are the complete list; where they contradict each other the error is of class Incomplete.
	// known is what the caller knows, for providers that list only what they are asked for.
	// Whoever wants no more pages cancels ctx, from within yield too: then no further one is asked for.
	List(ctx context.Context, known Known, yield func(Page)) error

	// Get reads the selected accounts anew. Those that don't exist are left out; that is no error.
	// Names are matched exactly, whatever the provider's own filter does.
	Get(ctx context.Context, sel Selector) ([]account.Account, error)

	// Create makes one account. It is never sent twice by itself: an error with Doubt says that the account may exist.
	Create(ctx context.Context, n NewAccount) (Created, error)

	// Update writes the changes to all accounts with these ids, in one call for each method of the table.
	// It may be repeated. An error with Doubt says that some of it may have been written.
	Update(ctx context.Context, ids []string, changes []account.Change) error
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

// Passwords is implemented by a Remote that can set and check an account's password.
type Passwords interface {
	// SetPassword gives one account a new password. It is never sent together with anything else.
	// Class PasswordRejected: the message names the rule that the password breaks. PasswordBlocked, and Throttled with its
	// RetryAfter: not now. An error with Doubt says that the password may be the new one; it may be repeated. A provider
	// may refuse a password that the account has had before (PasswordRejected, Code 535 at Voximplant), and so the
	// repetition of what was done: CheckPassword settles that, as it does any doubt.
	SetPassword(ctx context.Context, id string, password account.Secret) error

	// CheckPassword tells whether this is the account's password, by a call that the account makes for itself. False only
	// where the provider definitely refused the pair of account and password; whatever else went wrong is an error.
	CheckPassword(ctx context.Context, id string, password account.Secret) (bool, error)
}

// Claimer is implemented by a Remote that can write an account's custom data later than at creation.
type Claimer interface {
	// SetCustomData replaces the account's custom data, whatever it is: the caller has looked at it. It can't be emptied.
	// It may be repeated. An error with Doubt says that it may have been written.
	// Class RoleMissing: this capability is not granted; nothing follows for the other methods or the credentials.
	SetCustomData(ctx context.Context, id, customData string) error
}

// ListWayer is implemented by a Remote that has several ways to ask for the whole list.
type ListWayer interface {
	// ListWay is the way that is taken at present, a word for a metric's label.
	ListWay() string
}

// Known is what a directory already knows of: ids of accounts, and names that it looks for without knowing an id.
type Known struct {
	IDs, Names []string
	// More is set where there may be accounts of ours that neither names: not all resources can be read.
	More bool
}

// Page is a part of a list.
type Page struct {
	Accounts []account.Account
	// Partial is set where the provider showed only what was asked for by Known, not everything it has.
	Partial bool
}

// Selector picks accounts by id, by exact name, or both.
type Selector struct {
	IDs, Names []string
}

// NewAccount is what an account is created with.
type NewAccount struct {
	// Name is the unique account name.
	Name string
	// Password is the account's first password.
	Password account.Secret
	// CustomData carries the claim.
	CustomData string
	// Desired holds the declared values by path; creation sends those that it has a parameter for.
	Desired account.State
}

// Created is what is known right after creation.
type Created struct {
	// Account holds the id, the name, and the values that were sent or answered; other fields are not known yet.
	Account account.Account
	// APIKey is the new account's API key; some providers never show it again.
	APIKey account.Secret
}
