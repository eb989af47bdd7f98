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

	// List reads every child account, page by page in the order of ids, and hands each page to yield before it asks for
	// the next. It returns nil only if the pages together are the complete list; where they contradict each other the
	// error is of class Incomplete. known is what the caller knows, for providers that list only what they are asked for.
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
	// RecoverKey returns the API key of a child, proving itself with the child's own password.
	// Class Unauthorized: the password is not the account's.
	RecoverKey(ctx context.Context, id string, password account.Secret) (account.Secret, error)
}

// Known is what a directory already knows of: ids of accounts, and names that it looks for without knowing an id.
type Known struct {
	IDs, Names []string
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
