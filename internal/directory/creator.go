package directory

import (
	"context"
	"slices"
	"strings"

	"cpaas.dev/child-account-operator/internal/account"
	"cpaas.dev/child-account-operator/internal/provider"
)

// creator creates accounts, and never repeats a creation without a read in between. It has no state of its own.
type creator struct {
	connection *connection
	cache      *accountCache
	reader     *accountReader
}

// create is Directory.Create and Clone, each by a call of its own.
func (c *creator) create(ctx context.Context, n provider.NewAccount, call func(context.Context, provider.Remote, provider.NewAccount) (provider.Created, error)) (provider.Created, error) {
	if err := c.readBeforeRepeating(ctx, n.Name); err != nil {
		return provider.Created{}, err
	}
	remote := c.connection.current()
	created, err := call(ctx, remote, n)
	if err != nil {
		if account.AsError(err).OutcomeUnknown {
			c.cache.creationPending(n.Name, false)
		}
		return provider.Created{}, err
	}
	if created.Account.ID == "" {
		c.cache.creationPending(n.Name, true)
		return c.readCreated(ctx, n, created)
	}
	if _, claims := remote.(provider.Claimer); claims {
		created.Account.CustomData = n.CustomData
	}
	c.cache.created(created.Account)
	return created, nil
}

// readBeforeRepeating returns why an account may not be created (yet) because of an earlier call.
func (c *creator) readBeforeRepeating(ctx context.Context, name string) error {
	if !c.cache.mayExist(name) {
		return nil
	}
	view, err := c.readByName(ctx, name)
	switch {
	case err != nil:
		return err
	case view.Account != nil:
		return &account.Error{Class: account.NameTaken, Message: "an earlier call has created the account"}
	case view.Awaited:
		return notReturnedYet()
	}
	return nil
}

// readCreated completes what a creation has answered without an id, by a read of the account: the only one of its name, and none that was there
// before.
func (c *creator) readCreated(ctx context.Context, n provider.NewAccount, created provider.Created) (provider.Created, error) {
	view, err := c.readByName(ctx, n.Name)
	switch {
	case err != nil:
		failed := *account.AsError(err)
		failed.OutcomeUnknown = true
		return provider.Created{}, &failed
	case view.Account == nil, slices.Contains(n.Others, view.Account.ID):
		return provider.Created{}, notReturnedYet()
	case len(view.Namesakes) > 1:
		return provider.Created{}, &account.Error{Class: account.Incomplete, OutcomeUnknown: true, Message: "the account was created, and others have its name: " + strings.Join(view.Namesakes, ", ")}
	}
	sent := created.Account.State
	c.cache.sentAtCreation(view.Account.ID, sent)
	created.Account = *view.Account
	created.Account.State = sent.With(view.Account.State)
	return created, nil
}

func (c *creator) readByName(ctx context.Context, name string) (account.View, error) {
	key := Key{Name: name}
	if err := c.reader.read(ctx, key); err != nil {
		return account.View{}, err
	}
	return c.cache.view(key), nil
}

func notReturnedYet() error {
	return &account.Error{Class: account.Incomplete, Message: "the account was created, and the provider does not return it yet", OutcomeUnknown: true}
}
