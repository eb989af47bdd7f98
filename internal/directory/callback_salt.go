package directory

import (
	"context"

	"cpaas.dev/child-account-operator/internal/account"
	"cpaas.dev/child-account-operator/internal/provider"
)

// SetCallbackSalt gives an account of the directory the salt of its callbacks. Where the provider does not know the account, the account
// has to be read before anything else. Class Invalid: the provider signs no callbacks.
func SetCallbackSalt(ctx context.Context, d *Directory, id string, salt account.Secret) error {
	remote, err := capability[provider.CallbackSalter](d.connection, account.Error{Field: "callback.saltSecretRef", Message: "this provider signs no callbacks"})
	if err != nil {
		return err
	}
	err = remote.SetCallbackSalt(ctx, id, salt)
	if account.ClassOf(err) == account.NotFound {
		d.cache.outcomeUnknown(id)
		d.shared.wroteTo(d, id)
	}
	return learn(d, err)
}
