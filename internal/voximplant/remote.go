package voximplant

import (
	"context"
	"fmt"
	"slices"

	"cpaas.dev/child-account-operator/internal/account"
	"cpaas.dev/child-account-operator/internal/provider"
)

// Remote is the child accounts of one parent account at Voximplant. The embedded types implement the reads and the optional
// interfaces; each of them knows nothing of the others.
type Remote struct {
	client *Client

	reader
	lister
	passwords
	keyRecoverer
	claimer
	serviceKeys
	planner
	cloner
	verifier
	treasurer
	salter
	ownKeeper
}

var (
	_ provider.Parent          = (*Remote)(nil)
	_ provider.KeyRecoverer    = (*Remote)(nil)
	_ provider.PasswordSetter  = (*Remote)(nil)
	_ provider.PasswordChecker = (*Remote)(nil)
	_ provider.KeyShower       = (*Remote)(nil)
	_ provider.Claimer         = (*Remote)(nil)
	_ provider.Verifier        = (*Remote)(nil)
	_ provider.Treasurer       = (*Remote)(nil)
	_ provider.CallbackSalter  = (*Remote)(nil)
	_ provider.OwnKeeper       = (*Remote)(nil)
	_ provider.ListMethoder    = (*Remote)(nil)
	_ provider.Planner         = (*Remote)(nil)
	_ provider.Cloner          = (*Remote)(nil)
)

// New makes a Remote; the error says what is wrong with the endpoint or that credentials are missing. It makes no call.
func New(config Config) (*Remote, error) {
	client, err := NewClient(config)
	if err != nil {
		return nil, err
	}
	read := reader{client}
	return &Remote{
		client:       client,
		reader:       read,
		lister:       lister{reader: read, rung: rungAll},
		passwords:    passwords{client},
		keyRecoverer: keyRecoverer{client, newKeyReads(client)},
		claimer:      claimer{client},
		serviceKeys:  serviceKeys{client},
		planner:      planner{client},
		cloner:       cloner{client},
		verifier:     verifier{client},
		treasurer:    treasurer{client},
		salter:       salter{client},
		ownKeeper:    ownKeeper{client},
	}, nil
}

// Client returns the typed client that the Remote uses.
func (r *Remote) Client() *Client { return r.client }

// Format implements fmt.Formatter, for every verb, without any secret.
func (r *Remote) Format(f fmt.State, verb rune) { r.client.Format(f, verb) }

// Fields implements provider.Remote: the field table. It is shared and must not be changed.
func (r *Remote) Fields() account.Schema { return schema }

// Self implements provider.Identifier by GetAccountInfo.
func (r *Remote) Self(ctx context.Context) (account.Account, error) {
	info, err := r.client.GetAccountInfo(ctx)
	if err != nil {
		return account.Account{}, err
	}
	if r.client.config.FollowAddress {
		r.client.follow(ctx, info)
	}
	return r.client.accountOf(info.Account), nil
}

// Create implements provider.Remote by AddAccount.
func (r *Remote) Create(ctx context.Context, n provider.NewAccount) (provider.Created, error) {
	if err := checkNew(methodAddAccount, n); err != nil {
		return provider.Created{}, err
	}
	parameters, sent := creation(n.Desired)
	added, err := r.client.AddAccount(ctx, AddAccountParams{Name: n.Name, Password: n.Password, CustomData: n.CustomData, Fields: parameters})
	if err != nil {
		return provider.Created{}, err
	}
	if active, ok := schema.Marked(account.MarkActive); ok && added.Active != "" {
		sent[active.Path] = active.Normal(added.Active)
	}
	return provider.Created{
		Account: account.Account{ID: added.ID, Name: n.Name, CustomData: n.CustomData, State: sent},
		APIKey:  added.APIKey,
	}, nil
}

func checkNew(method string, n provider.NewAccount) error {
	switch {
	case checkName(n.Name) != nil:
		return &account.Error{Class: account.Invalid, Method: method, Field: fieldAccountName, Message: checkName(n.Name).Error()}
	case n.Password == "":
		return &account.Error{Class: account.PasswordRejected, Method: method, Message: "an account can't be made without a password"}
	}
	return schema.Check(n.Desired)
}

// creation is what AddAccount is sent for the declared values: parameters by wire name, and the same canonical by path.
func creation(desired account.State) (parameters map[string]string, sent account.State) {
	parameters, sent = map[string]string{}, account.State{}
	for i, r := range fields {
		value, declared := desired[r.path]
		if !declared {
			value = r.createDefault
		}
		if r.create != "" && value != "" && !r.identity {
			parameters[r.create] = value
			sent[r.path] = schema[i].Normal(value)
		}
	}
	return parameters, sent
}

// Update implements provider.Remote by the method of the changes: SetChildAccountInfo, or SetAccountInfo, which runs as the child.
// A field that is not sent keeps its value, so Update needs nothing of the targets but their ids.
func (r *Remote) Update(ctx context.Context, u provider.Update) error {
	ids := make([]string, len(u.Targets))
	for i, t := range u.Targets {
		ids[i] = t.ID
	}
	ids = distinct(ids)
	method := methodSetChildAccountInfo
	if len(u.Changes) > 0 && u.Changes[0].Field.Group == methodSetAccountInfo {
		method = methodSetAccountInfo
	}
	values := make(map[string]string, len(u.Changes))
	for _, c := range u.Changes {
		if err := checkChange(c, method, len(ids)); err != nil {
			return err
		}
		values[rowByPath[c.Field.Path].update] = c.To
	}
	switch {
	case len(ids) == 0 || len(values) == 0:
		return nil
	case method == methodSetAccountInfo:
		return r.client.setAccountInfo(ctx, ids[0], values)
	}
	return r.client.SetChildAccountInfo(ctx, ids, values)
}

// checkChange refuses what the method can't write, and the same unique value for several accounts.
func checkChange(c account.Change, method string, accounts int) error {
	message := ""
	r, ok := rowByPath[c.Field.Path]
	switch {
	case !ok || r.method == "":
		message = "can't be changed"
	case r.method != method:
		message = "can't be changed in one call with the others"
	case accounts > 1 && !r.batchable:
		message = "can't be the same for several accounts"
	case r.check != nil:
		if err := r.check(c.To); err != nil {
			message = err.Error()
		}
	}
	if message == "" {
		return nil
	}
	return &account.Error{Class: account.Invalid, Method: method, Field: c.Field.Path, Message: message}
}

// distinct is the list without repetitions, in the order of first mention.
func distinct(list []string) []string {
	seen := make(map[string]bool, len(list))
	return slices.DeleteFunc(slices.Clone(list), func(s string) bool {
		again := seen[s]
		seen[s] = true
		return again
	})
}
