package directory

import (
	"context"

	"cpaas.dev/child-account-operator/internal/account"
	"cpaas.dev/child-account-operator/internal/provider"
)

// Clone is Directory.Create, by cloning a template, which it names by id. A NotFound, of the template, has that account read before
// anything is done for it. Class Invalid: the provider can't clone accounts.
func Clone(ctx context.Context, d *Directory, templateID string, n provider.NewAccount) (provider.Cloned, error) {
	var cloned provider.Cloned
	created, err := d.creations.create(ctx, n, func(ctx context.Context, remote provider.Remote, n provider.NewAccount) (_ provider.Created, err error) {
		cloner, ok := remote.(provider.Cloner)
		if !ok {
			return provider.Created{}, &account.Error{Class: account.Invalid, Field: "cloneFrom", Message: "this provider can't clone accounts"}
		}
		cloned, err = cloner.Clone(ctx, templateID, n)
		if account.ClassOf(err) == account.NotFound {
			d.cache.outcomeUnknown(templateID)
			d.shared.wroteTo(d, templateID)
		}
		return cloned.Created, err
	})
	if cloned.Created = created; err == nil {
		d.shared.wroteTo(d, created.Account.ID)
	}
	return cloned, learn(d, err)
}
