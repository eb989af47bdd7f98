package secrets

import (
	"context"

	"cpaas.dev/child-account-operator/api/v1alpha1"
	"cpaas.dev/child-account-operator/internal/account"
)

// OfParent reads the Secrets that a connection to a parent account is made of: its credentials, in the provider's own form, and its own API key, ""
// where none is given. A *Problem says which can't be used.
func (r Reader) OfParent(ctx context.Context, p *v1alpha1.ParentAccount) (credentials []byte, key account.Secret, err error) {
	secret, _ := p.CredentialsSecret()
	values := map[string][]byte{}
	for _, name := range v1alpha1.CredentialsKeys(p) {
		if values[name], err = r.Input(ctx, p.Namespace, secret, name); err != nil {
			return nil, "", err
		}
	}
	if name, of, ok := p.APIKeySecret(); ok {
		key, err = r.APIKey(ctx, p.Namespace, name, of)
	}
	return v1alpha1.CredentialsOf(p, values), key, err
}
