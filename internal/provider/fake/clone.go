package fake

import (
	"context"
	"slices"

	"cpaas.dev/child-account-operator/internal/account"
	"cpaas.dev/child-account-operator/internal/provider"
)

// Parts are what an account has that a clone of it gets, by name.
type Parts struct{ Users, Scenarios, Applications []string }

// SetParts gives an account what a clone of it is to get.
func SetParts(s *Service, id string, p Parts) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.accounts[id].parts = p
}

// PartsOf is what an account has.
func PartsOf(s *Service, id string) Parts {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.accounts[id].parts
}

// cloner clones accounts.
type cloner struct{ r *remote }

var _ provider.Cloner = cloner{}

// Clone implements provider.Cloner. A clone has all values of its template that it is not given others of, and is active where that is.
func (c cloner) Clone(ctx context.Context, templateID string, n provider.NewAccount) (out provider.Cloned, err error) {
	s := c.r.service
	if err := s.schema.Check(n.Desired); err != nil {
		return out, err
	}
	sent := account.State{}
	for _, f := range s.schema {
		if v, declared := n.Desired[f.Path]; declared && f.Clonable && !f.NameOnly() {
			sent[f.Path] = v
		}
	}
	err = c.r.call(ctx, Call{Method: MethodClone, IDs: []string{templateID}, Names: []string{n.Name}}, true, func() *account.Error {
		template := s.accounts[templateID]
		switch {
		case s.byName(n.Name) != nil:
			return &account.Error{Class: account.NameTaken, Message: "another account has the name", Answered: true}
		case template == nil:
			return notFound()
		}
		opened := func(state account.State) account.State {
			delete(state, PathOpened)
			return state
		}
		a := s.put(n.Name, opened(template.State.With(nil)).With(sent), n.CustomData)
		a.password, a.hidden, a.parts = n.Password, s.options.Hidden, template.parts
		answered := account.State{PathEnabled: a.State[PathEnabled]}
		out.Created = provider.Created{Account: account.Account{ID: a.ID, Name: n.Name, CustomData: n.CustomData, State: s.schema.Normal(sent.With(answered))}, APIKey: a.key}
		if s.options.NoID {
			out.Account.ID, out.APIKey = "", ""
		}
		out.Users, out.Scenarios, out.Applications = slices.Clone(a.parts.Users), slices.Clone(a.parts.Scenarios), slices.Clone(a.parts.Applications)
		return nil
	})
	if err != nil {
		return provider.Cloned{}, err
	}
	return out, nil
}
