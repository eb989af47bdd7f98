package provider

import (
	"context"

	"cpaas.dev/child-account-operator/internal/account"
)

// OwnKeeper is implemented by a Remote whose parent account can be changed with its own credentials. Where the Remote is a Planner, too, the
// plans of the parent account are those of its id.
type OwnKeeper interface {
	// OwnFields is the field table of the parent account itself: what of it can be changed. The paths are those of the Remote's field
	// table. It never changes.
	OwnFields() account.Schema
	// Own reads the parent account itself, in one call.
	Own(ctx context.Context) (account.Account, error)
	// UpdateOwn writes the changes, which are of OwnFields, to the parent account in one call, and gives its callbacks the salt, "" for
	// none. It may be repeated. An error with OutcomeUnknown says that some of it may have been written. Class Invalid: a value is refused,
	// before any call where that can be known; Field is the path in OwnFields. Class RoleMissing: this capability is not granted;
	// nothing follows for other calls or the credentials.
	UpdateOwn(ctx context.Context, changes []account.Change, salt account.Secret) error
}
