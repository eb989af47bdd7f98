package directory

import (
	"context"
	"time"

	"cpaas.dev/child-account-operator/internal/account"
	"cpaas.dev/child-account-operator/internal/provider"
)

// OwnAccount is the parent account itself as a call has shown it at a time.
type OwnAccount struct {
	State account.State
	At    time.Time
}

// OwnSchema is the field table of the parent account itself; nil where the provider can't change it.
func OwnSchema(d *Directory) account.Schema {
	if remote, ok := d.connection.current().(provider.OwnKeeper); ok {
		return remote.OwnFields()
	}
	return nil
}

// ReadOwn reads the parent account itself.
func ReadOwn(ctx context.Context, d *Directory) (account.State, error) {
	remote, err := ownKeeper(d)
	if err != nil {
		return nil, err
	}
	a, err := remote.Own(ctx)
	return a.State, learn(d, err)
}

// UpdateOwn writes changes, and the salt of callbacks where it is not "", to the parent account itself. Class RoleMissing: this capability is
// not granted.
func UpdateOwn(ctx context.Context, d *Directory, changes []account.Change, salt account.Secret) error {
	remote, err := ownKeeper(d)
	if err != nil {
		return err
	}
	return learn(d, remote.UpdateOwn(ctx, changes, salt))
}

func ownKeeper(d *Directory) (provider.OwnKeeper, error) {
	return capability[provider.OwnKeeper](d.connection, account.Error{Message: "this provider's parent account can't be changed by its API"})
}
