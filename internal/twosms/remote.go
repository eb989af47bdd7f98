package twosms

import (
	"cmp"
	"context"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"cpaas.dev/child-account-operator/internal/account"
	"cpaas.dev/child-account-operator/internal/provider"
)

// Remote is the sub-accounts of one master account at 2sms. It has no methods for what the API can't do: there are no claims, nobody checks
// a password, and no account is deactivated, as the API documents that for top-level accounts alone.
type Remote struct{ client *client }

var (
	_ provider.Parent         = (*Remote)(nil)
	_ provider.PasswordSetter = (*Remote)(nil)
	_ provider.Replacer       = (*Remote)(nil)
	_ provider.Gatherer       = (*Remote)(nil)
)

// New makes a Remote; the error says what is wrong with the base URL or that credentials are missing. It makes no call.
func New(config Config) (*Remote, error) {
	c, err := newClient(config)
	if err != nil {
		return nil, err
	}
	return &Remote{client: c}, nil
}

// Format implements fmt.Formatter, for every verb, without any secret.
func (r *Remote) Format(f fmt.State, verb rune) { r.client.Format(f, verb) }

// Fields implements provider.Remote: the field table. It is shared and must not be changed.
func (r *Remote) Fields() account.Schema { return schema }

// ReplacesAll implements provider.Replacer: a PUT has all of an account.
func (*Remote) ReplacesAll() bool { return true }

// GetsTogether implements provider.Gatherer: Get reads the whole list.
func (*Remote) GetsTogether() bool { return true }

// Self implements provider.Identifier by the list, which has the master account. Its Name is the company's.
func (r *Remote) Self(ctx context.Context) (account.Account, error) {
	master, _, err := r.all(ctx)
	if err != nil {
		return account.Account{}, err
	}
	self := accountOf(master)
	self.Name = strings.TrimSpace(master[shownName])
	return self, nil
}

// List implements provider.Remote by one call: the API has no pages. The API orders by name.
func (r *Remote) List(ctx context.Context, _ provider.Known, yield func(provider.Page)) error {
	_, children, err := r.all(ctx)
	if err != nil {
		return err
	}
	page := provider.Page{Accounts: make([]account.Account, len(children))}
	for i, is := range children {
		page.Accounts[i] = accountOf(is)
	}
	yield(page)
	return nil
}

// Get implements provider.Remote by the whole list, in one call: no document says how the list's filters compare, and an account that a
// filter misses would be created a second time.
func (r *Remote) Get(ctx context.Context, sel provider.Selector) ([]account.Account, error) {
	if len(sel.IDs)+len(sel.Names) == 0 {
		return nil, nil
	}
	_, children, err := r.all(ctx)
	if err != nil {
		return nil, err
	}
	identity := schema.Identity()
	ids, names := map[string]bool{}, map[string]bool{}
	for _, id := range sel.IDs {
		ids[canonicalID(id)] = true
	}
	for _, name := range sel.Names {
		names[identity.Normal(name)] = true
	}
	var found []account.Account
	for _, is := range children {
		if a := accountOf(is); ids[a.ID] || a.Name != "" && names[identity.Normal(a.Name)] {
			found = append(found, a)
		}
	}
	return found, nil
}

// all reads the list: the master account, and its sub-accounts by ID. It is complete where it has the master account, which the API lists
// first: a list that is empty, or another account's, has not.
func (r *Remote) all(ctx context.Context) (master info, children []info, err error) {
	a, failed := r.client.do(ctx, call{method: methodList, verb: http.MethodGet, path: "/accounts", list: true})
	if failed != nil {
		return nil, nil, failed
	}
	seen := map[string]bool{}
	for _, is := range a.accounts {
		id := is.id()
		switch {
		case id == "":
			return nil, nil, contradiction("an account has no ID that is a guid")
		case seen[id]:
			return nil, nil, contradiction("it has account %s twice", id)
		case id == r.client.config.Credentials.AccountID:
			master = is
		default:
			children = append(children, is)
		}
		seen[id] = true
	}
	if master == nil {
		return nil, nil, contradiction("it does not have the master account %s, which comes first; is that the master account's ID?", r.client.config.Credentials.AccountID)
	}
	slices.SortFunc(children, func(a, b info) int { return cmp.Compare(a.id(), b.id()) })
	return master, children, nil
}

// find reads one account: by its e-mail, which a list of one account is, and where that does not show it, or the API does not take the filter,
// in the whole list.
func (r *Remote) find(ctx context.Context, id, email string) (info, error) {
	if email != "" {
		query := url.Values{filterEmail: {email}}.Encode()
		a, failed := r.client.do(ctx, call{method: methodList, verb: http.MethodGet, path: "/accounts?" + query, list: true, filtered: true})
		switch {
		case failed != nil && !(failed.Answered && failed.Class == account.Unknown):
			return nil, failed
		case failed == nil:
			if is := withID(a.accounts, id); is != nil {
				return is, nil
			}
		}
	}
	_, children, err := r.all(ctx)
	if err != nil {
		return nil, err
	}
	if is := withID(children, id); is != nil {
		return is, nil
	}
	return nil, &account.Error{Class: account.NotFound, Method: methodUpdate, Answered: true, Message: "there is no such account under the master account"}
}

func withID(accounts []info, id string) info {
	i := slices.IndexFunc(accounts, func(is info) bool { return is.id() == id })
	if i < 0 {
		return nil
	}
	return accounts[i]
}

// Create implements provider.Remote by a POST. The account has to be found by its e-mail: no document says that the answer has its ID.
func (r *Remote) Create(ctx context.Context, n provider.NewAccount) (provider.Created, error) {
	desired := account.State{fieldEmail: n.Name}.With(n.Desired)
	if err := schema.Check(desired); err != nil {
		return provider.Created{}, err
	}
	body := map[string]string{writtenPassword: n.Password.Reveal()}
	for _, row := range fields {
		value := desired[row.path]
		if value == "" {
			return provider.Created{}, invalid(methodCreate, row.path, "must be declared: the API wants a value at creation, or with each later change")
		}
		body[row.written] = value
	}
	if n.Password == "" {
		return provider.Created{}, &account.Error{Class: account.PasswordRejected, Method: methodCreate, Message: "an account can't be made without a password"}
	}
	if _, failed := r.client.do(ctx, call{method: methodCreate, verb: http.MethodPost, body: body, secrets: []account.Secret{n.Password}, before: n.Before}); failed != nil {
		return provider.Created{}, failed
	}
	return provider.Created{Account: account.Account{Name: n.Name, State: schema.Normal(desired)}}, nil
}

// Update implements provider.Remote by a read of the account and a PUT that replaces all of it.
func (r *Remote) Update(ctx context.Context, u provider.Update) error {
	for _, c := range u.Changes {
		if err := checkChange(c, len(u.Targets)); err != nil {
			return err
		}
	}
	if len(u.Targets) == 0 || len(u.Changes) == 0 {
		return nil
	}
	return r.replace(ctx, u.Targets[0], u.Changes, "")
}

// checkChange refuses what can't be written, and a value for several accounts.
func checkChange(c account.Change, accounts int) error {
	i := slices.IndexFunc(fields, func(r row) bool { return r.path == c.Field.Path })
	switch {
	case i < 0:
		return invalid(methodUpdate, c.Field.Path, "can't be changed")
	case accounts > 1:
		return invalid(methodUpdate, c.Field.Path, "can't be the same for several accounts")
	}
	if err := fields[i].check(c.To); err != nil {
		return invalid(methodUpdate, c.Field.Path, err.Error())
	}
	return nil
}

// SetPassword implements provider.PasswordSetter by the same calls as Update.
func (r *Remote) SetPassword(ctx context.Context, t provider.Target, password account.Secret) error {
	if password == "" {
		return &account.Error{Class: account.PasswordRejected, Method: methodUpdate, Message: "the password must not be empty"}
	}
	return r.replace(ctx, t, nil, password)
}

// replace writes all of an account: the changes, what the read just before shows, and what is never shown. password is the new one; "" leaves
// the account the one that it has.
func (r *Remote) replace(ctx context.Context, t provider.Target, changes []account.Change, password account.Secret) error {
	id := canonicalID(t.ID)
	if id == "" {
		return invalid(methodUpdate, "", "the account's ID is not a guid")
	}
	known := t.Values(schema, changes)
	if known[fieldUsername] == "" {
		return invalid(methodUpdate, fieldUsername, "the API wants the username with every change, and never returns it: declare the account's username")
	}
	if password == "" {
		var err error
		if password, err = passwordOf(ctx, t); err != nil {
			return err
		}
	}
	if t.Observed == nil {
		return &account.Error{Class: account.Outdated, Method: methodUpdate, Message: "nothing was written, as the account was not read before"}
	}
	is, err := r.find(ctx, id, t.Observed[fieldEmail])
	if err != nil {
		return err
	}
	if paths := changedSince(is, t.Observed, changes); len(paths) > 0 {
		return &account.Error{
			Class: account.Outdated, Method: methodUpdate, Answered: true,
			Message: "nothing was written, as the account was changed at the provider since it was last read: " + strings.Join(paths, ", "),
		}
	}
	body, err := wholeOf(id, is, t.Desired.With(account.State{fieldUsername: known[fieldUsername]}), changes, password)
	if err != nil {
		return err
	}
	c := call{method: methodUpdate, verb: http.MethodPut, path: "/children/" + id, body: body, secrets: []account.Secret{password}}
	if _, failed := r.client.do(ctx, c); failed != nil {
		return failed
	}
	return nil
}

// passwordOf is the password that the account has; an error where nobody knows it.
func passwordOf(ctx context.Context, t provider.Target) (account.Secret, error) {
	if t.Password != nil {
		password, err := t.Password(ctx)
		if err != nil {
			return "", account.AsError(err)
		}
		if password != "" {
			return password, nil
		}
	}
	return "", invalid(methodUpdate, fieldPassword, "the API wants the password with every change, never returns it, and the operator does not know it: declare the account's password")
}

// changedSince are the fields that are otherwise than they were seen, less those that are as the changes want them.
func changedSince(is info, seen account.State, changes []account.Change) (paths []string) {
	now, wanted := accountOf(is).State, account.Applied(changes)
	for _, r := range fields {
		was, known := seen[r.path]
		if to, changes := wanted[r.path]; r.read != "" && known && now[r.path] != was && !(changes && now[r.path] == to) {
			paths = append(paths, r.path)
		}
	}
	return paths
}

// wholeOf is the body of a PUT, which has a value for each of its members. What nobody changes stays in the very spelling that was read. declared
// stands in for what is not shown.
func wholeOf(id string, is info, declared account.State, changes []account.Change, password account.Secret) (map[string]string, error) {
	body := map[string]string{writtenID: id, writtenPassword: password.Reveal()}
	for _, r := range fields {
		value := ""
		if r.read != "" {
			value = is[r.read]
		}
		value = cmp.Or(value, declared[r.path])
		for _, c := range changes {
			if c.Field.Path == r.path {
				value = c.To
			}
		}
		if strings.TrimSpace(value) == "" {
			return nil, invalid(methodUpdate, r.path, "the account has no value there, and the API wants one with every change: declare it")
		}
		body[r.written] = value
	}
	return body, nil
}
