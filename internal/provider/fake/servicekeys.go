package fake

import (
	"context"
	"fmt"
	"slices"

	"cpaas.dev/child-account-operator/internal/account"
	"cpaas.dev/child-account-operator/internal/provider"
)

var _ provider.ServiceKeyer = passworder{}

// UnknownRole is a role that no key can have.
const UnknownRole = "unknown"

// CreateServiceKey implements provider.ServiceKeyer. Keys may have the same name.
func (p passworder) CreateServiceKey(ctx context.Context, id string, n provider.NewServiceKey) (key provider.ServiceKey, err error) {
	switch {
	case n.Name == "" || len(n.Name) > provider.LongestServiceKeyName:
		return key, invalid(MethodCreateServiceKey, "", "a key's name must have 1 to 50 characters")
	case len(n.Roles) == 0:
		return key, invalid(MethodCreateServiceKey, "", "a key must have a role")
	}
	s := p.r.service
	err = p.r.call(ctx, Call{Method: MethodCreateServiceKey, IDs: []string{id}, Names: []string{n.Name}}, true, func() *account.Error {
		a := s.accounts[id]
		switch {
		case a == nil:
			return notFound()
		case slices.Contains(n.Roles, UnknownRole):
			return &account.Error{Class: account.Invalid, Field: "connectionSecret.serviceAccountKey.roles", Message: "there is no such role", Answered: true}
		}
		s.last++
		key = provider.ServiceKey{ID: fmt.Sprintf("key-%d", s.last), Name: n.Name, Credentials: account.Secret(fmt.Sprintf(`{"private": "canary-service-key-%d"}`, s.last))}
		a.serviceKeys = append(a.serviceKeys, key)
		return nil
	})
	if err != nil {
		return provider.ServiceKey{}, err
	}
	return key, nil
}

// ServiceKeys implements provider.ServiceKeyer.
func (p passworder) ServiceKeys(ctx context.Context, id string) (keys []provider.ServiceKey, err error) {
	err = p.r.call(ctx, Call{Method: MethodServiceKeys, IDs: []string{id}}, false, func() *account.Error {
		a := p.r.service.accounts[id]
		if a == nil {
			return notFound()
		}
		for _, key := range a.serviceKeys {
			keys = append(keys, provider.ServiceKey{ID: key.ID, Name: key.Name})
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return keys, nil
}

// DeleteServiceKey implements provider.ServiceKeyer.
func (p passworder) DeleteServiceKey(ctx context.Context, id, keyID string) error {
	return p.r.call(ctx, Call{Method: MethodDeleteServiceKey, IDs: []string{id}, Names: []string{keyID}}, true, func() *account.Error {
		a := p.r.service.accounts[id]
		if a == nil {
			return notFound()
		}
		before := len(a.serviceKeys)
		if a.serviceKeys = slices.DeleteFunc(a.serviceKeys, func(k provider.ServiceKey) bool { return k.ID == keyID }); len(a.serviceKeys) == before {
			return &account.Error{Class: account.NotFound, Message: "no such key", Answered: true}
		}
		return nil
	})
}

// ServiceKeysOf are the keys that an account has, with what was made for them.
func ServiceKeysOf(s *Service, id string) []provider.ServiceKey {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.accounts[id].serviceKeys)
}

// PutServiceKey gives an account a key that somebody else has made.
func PutServiceKey(s *Service, id string, key provider.ServiceKey) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.accounts[id].serviceKeys = append(s.accounts[id].serviceKeys, key)
}
