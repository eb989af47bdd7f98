package provider

import (
	"context"

	"cpaas.dev/child-account-operator/internal/account"
)

// ServiceKeyer is implemented by a Remote whose accounts can have keys of service accounts: credentials of the account itself, for
// workloads. Class RoleMissing: this capability is not granted; nothing follows for the other methods or the credentials.
type ServiceKeyer interface {
	// CreateServiceKey makes a key of an account. It is never sent twice by itself: an error with OutcomeUnknown says that the key may
	// exist, and ServiceKeys then shows it by its name. Class Invalid with the field of the roles: they can't be given to a key.
	CreateServiceKey(ctx context.Context, id string, n NewServiceKey) (ServiceKey, error)
	// ServiceKeys lists all keys of an account, those of others too, without Credentials. It returns nil as the error only if the list is
	// complete.
	ServiceKeys(ctx context.Context, id string) ([]ServiceKey, error)
	// DeleteServiceKey deletes a key of an account: what is signed with it is refused from then on. It may be repeated. Class NotFound:
	// there is no such key.
	DeleteServiceKey(ctx context.Context, id, keyID string) error
}

// NewServiceKey is what a key is made with.
type NewServiceKey struct {
	// Name tells the key from others, in at most LongestServiceKeyName characters: letters, digits and hyphens. A provider may accept a
	// name that another key has.
	Name string
	// Description is for people.
	Description string
	// Roles are the names of the key's roles at the provider, at least one.
	Roles []string
}

// LongestServiceKeyName is how many characters the name of a key has at most.
const LongestServiceKeyName = 50

// ServiceKey is a key of a service account.
type ServiceKey struct {
	// ID is the provider's id of the key. Name is the one that it was made with; somebody may have changed it since.
	ID, Name string
	// Credentials is the text that the provider's clients read, with the private key. Nobody shows it a second time.
	Credentials account.Secret
}
