package directory

import (
	"context"

	"cpaas.dev/child-account-operator/internal/account"
	"cpaas.dev/child-account-operator/internal/provider"
)

// Create makes an account and remembers it. After an error with Doubt the name is in doubt until somebody looks.
func (d *Directory) Create(ctx context.Context, n provider.NewAccount) (provider.Created, error) {
	created, err := d.current().Create(ctx, n)
	d.mu.Lock()
	defer d.mu.Unlock()
	if err != nil {
		if account.AsError(err).Doubt {
			d.now++
			d.doubtful[n.Name] = d.now
		}
		return provider.Created{}, err
	}
	created.Account.CustomData = n.CustomData
	d.now++
	d.keep(created.Account, d.now)
	return created, nil
}

// SetMaxBatch changes for how many accounts one write is at most; 1 writes each for itself.
func (d *Directory) SetMaxBatch(n int) {
	d.writes.mu.Lock()
	defer d.writes.mu.Unlock()
	d.writes.most = n
}

// Update writes the changes to the account and remembers them. Equal changes of batchable fields that come within a short
// time share a call; where that is refused, only those accounts fail that are to blame. After an error with Doubt, or where the provider
// does not know the account, it is in doubt until somebody looks.
func (d *Directory) Update(ctx context.Context, id string, changes []account.Change) error {
	err := d.writes.join(ctx, id, changes)
	d.mu.Lock()
	defer d.mu.Unlock()
	r, ok := d.byID[id]
	if !ok {
		return err
	}
	d.now++
	if err != nil {
		if account.AsError(err).Doubt || account.ClassOf(err) == account.NotFound {
			r.doubt, r.asOf = true, d.now
		}
		return err
	}
	applied := account.Applied(changes)
	schema := d.remote.Fields()
	r.state = pack(schema, r.state.unpack(schema).With(applied))
	d.strive(id, applied)
	r.asOf = d.now
	return nil
}

// Claim writes custom data into an account that has none, and remembers it. Class RoleMissing or Invalid: the provider, or
// these credentials, can't; who holds the account then stands in the resource's status alone.
func (d *Directory) Claim(ctx context.Context, id, customData string) error {
	remote, ok := d.current().(provider.Claimer)
	if !ok {
		return &account.Error{Class: account.Invalid, Message: "this provider keeps custom data only from creation"}
	}
	err := remote.SetCustomData(ctx, id, customData)
	d.mu.Lock()
	defer d.mu.Unlock()
	r, known := d.byID[id]
	if !known {
		return err
	}
	d.now++
	r.asOf = d.now
	switch {
	case err == nil:
		r.account.CustomData = customData
	case account.AsError(err).Doubt:
		r.doubt = true
	}
	return err
}

// SetPassword gives an account a new password. Where the provider does not know the account, it is in doubt until somebody
// looks; a doubt about the password itself is the caller's, who has CheckPassword. Class Invalid: the provider has no way to.
func (d *Directory) SetPassword(ctx context.Context, id string, password account.Secret) error {
	remote, ok := d.current().(provider.Passwords)
	if !ok {
		return noPasswords()
	}
	err := remote.SetPassword(ctx, id, password)
	if account.ClassOf(err) != account.NotFound {
		return err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if r, known := d.byID[id]; known {
		d.now++
		r.doubt, r.asOf = true, d.now
	}
	return err
}

// CheckPassword tells whether this is the account's password. Class Invalid: the provider has no way to.
func (d *Directory) CheckPassword(ctx context.Context, id string, password account.Secret) (bool, error) {
	remote, ok := d.current().(provider.Passwords)
	if !ok {
		return false, noPasswords()
	}
	return remote.CheckPassword(ctx, id, password)
}

func noPasswords() error {
	return &account.Error{Class: account.Invalid, Field: "passwordSecretRef", Message: "this provider's passwords can't be set"}
}

// RecoverKey finds the API key of an account again, proving itself with the account's password.
// Class Invalid: the provider has no way to.
func (d *Directory) RecoverKey(ctx context.Context, id string, password account.Secret) (account.Secret, error) {
	remote, ok := d.current().(provider.KeyRecoverer)
	if !ok {
		return "", &account.Error{Class: account.Invalid, Message: "this provider never shows an API key again"}
	}
	return remote.RecoverKey(ctx, id, password)
}
