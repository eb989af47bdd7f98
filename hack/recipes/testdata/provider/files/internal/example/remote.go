// Package example is a provider whose API is the one in memory, of internal/provider/fake.
package example

import (
	"context"
	"slices"

	"cpaas.dev/child-account-operator/internal/account"
	"cpaas.dev/child-account-operator/internal/provider"
	"cpaas.dev/child-account-operator/internal/provider/fake"
)

// fields is the field table: what the API calls each of our paths.
var fields = []struct{ path, wire string }{
	{"accountName", fake.PathName},
	{"email", fake.PathContact},
	{"active", fake.PathEnabled},
	{"language", fake.PathTongue},
}

// Remote is the accounts of one parent account.
type Remote struct{ client provider.Parent }

var _ provider.Parent = (*Remote)(nil)

// Connect makes connections to a service.
func Connect(s *fake.Service) provider.Connect {
	return func(c provider.Connection) (provider.Parent, error) {
		client, err := s.Connect(c)
		if err != nil {
			return nil, err
		}
		return &Remote{client}, nil
	}
}

// Fields implements provider.Remote.
func (r *Remote) Fields() account.Schema {
	out := make(account.Schema, len(fields))
	for i, row := range fields {
		out[i], _ = r.client.Fields().Field(row.wire)
		out[i].Path = row.path
	}
	return out
}

// Self implements provider.Identifier.
func (r *Remote) Self(ctx context.Context) (account.Account, error) { return r.client.Self(ctx) }

// List implements provider.Remote.
func (r *Remote) List(ctx context.Context, known provider.Known, yield func(provider.Page)) error {
	return r.client.List(ctx, known, func(p provider.Page) {
		p.Accounts = read(p.Accounts)
		yield(p)
	})
}

// Get implements provider.Remote.
func (r *Remote) Get(ctx context.Context, sel provider.Selector) ([]account.Account, error) {
	found, err := r.client.Get(ctx, sel)
	return read(found), err
}

// Create implements provider.Remote.
func (r *Remote) Create(ctx context.Context, n provider.NewAccount) (provider.Created, error) {
	if err := r.Fields().Check(n.Desired); err != nil {
		return provider.Created{}, err
	}
	sent := account.State{}
	for _, row := range fields {
		if v, ok := n.Desired[row.path]; ok {
			sent[row.wire] = v
		}
	}
	n.Desired = sent
	created, err := r.client.Create(ctx, n)
	if err == nil {
		created.Account = read([]account.Account{created.Account})[0]
	}
	return created, err
}

// Update implements provider.Remote.
func (r *Remote) Update(ctx context.Context, u provider.Update) error {
	changes := slices.Clone(u.Changes)
	for i := range changes {
		path := changes[i].Field.Path
		changes[i].Field.Path = ""
		for _, row := range fields {
			if row.path == path {
				changes[i].Field.Path = row.wire
			}
		}
	}
	u.Changes = changes
	return r.client.Update(ctx, u)
}

// read are accounts with our paths.
func read(accounts []account.Account) []account.Account {
	out := slices.Clone(accounts)
	for i, a := range out {
		out[i].State = account.State{}
		for _, row := range fields {
			if v, shown := a.State[row.wire]; shown {
				out[i].State[row.path] = v
			}
		}
	}
	return out
}
