package voximplant

import (
	"context"

	"cpaas.dev/child-account-operator/internal/provider"
)

// serviceKeys makes, lists and deletes the service-account keys of child accounts. It has no state of its own.
type serviceKeys struct{ client *Client }

var _ provider.ServiceKeyer = serviceKeys{}

// CreateServiceKey implements provider.ServiceKeyer by CreateKey, which runs as the child.
func (k serviceKeys) CreateServiceKey(ctx context.Context, id string, n provider.NewServiceKey) (provider.ServiceKey, error) {
	key, err := k.client.CreateKey(ctx, id, CreateKeyParams{Name: n.Name, Description: n.Description, Roles: n.Roles})
	if err != nil {
		return provider.ServiceKey{}, err
	}
	return provider.ServiceKey{ID: key.ID, Name: n.Name, Credentials: key.Credentials}, nil
}

// ServiceKeys implements provider.ServiceKeyer by GetKeys, which runs as the child.
func (k serviceKeys) ServiceKeys(ctx context.Context, id string) ([]provider.ServiceKey, error) {
	all, err := allKeys(ctx, k.client, id)
	if err != nil {
		return nil, err
	}
	out := make([]provider.ServiceKey, len(all))
	for i, key := range all {
		out[i] = provider.ServiceKey{ID: key.ID, Name: key.Name}
	}
	return out, nil
}

// DeleteServiceKey implements provider.ServiceKeyer by DeleteKey, which runs as the child.
func (k serviceKeys) DeleteServiceKey(ctx context.Context, id, keyID string) error {
	return k.client.DeleteKey(ctx, id, keyID)
}
