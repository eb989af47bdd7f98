package fake

import (
	"context"
	"fmt"
	"slices"

	"cpaas.dev/child-account-operator/internal/account"
	"cpaas.dev/child-account-operator/internal/provider"
)

// remote is the Remote of every service; what not every service can do is in claimer and passworder.
type remote struct {
	service *Service
	gate    provider.Gate
}

type (
	claimer    struct{ r *remote }
	passworder struct{ r *remote }
)

var (
	_ provider.Parent          = (*remote)(nil)
	_ provider.CallbackSalter  = (*remote)(nil)
	_ provider.Claimer         = claimer{}
	_ provider.PasswordSetter  = passworder{}
	_ provider.PasswordChecker = passworder{}
	_ provider.KeyRecoverer    = passworder{}
)

// call goes through the gate and to the service.
func (r *remote) call(ctx context.Context, c Call, write bool, do func() *account.Error) error {
	if r.gate != nil {
		release, err := r.gate.Acquire(ctx)
		if err != nil {
			return account.AsError(err)
		}
		defer release()
	}
	if ctx.Err() != nil {
		return &account.Error{Class: account.Unavailable, Method: c.Method, Message: ctx.Err().Error()}
	}
	err := r.service.serve(c, write, do)
	if r.gate != nil {
		r.gate.Learn(err)
	}
	if err == nil {
		return nil
	}
	return err
}

func invalid(method, field, message string) *account.Error {
	return &account.Error{Class: account.Invalid, Method: method, Field: field, Message: message}
}

func notFound() *account.Error {
	return &account.Error{Class: account.NotFound, Message: "no such account", Answered: true}
}

// ReplacesAll implements provider.Replacer. Accounts without passwords need none.
func (r *remote) ReplacesAll() bool {
	return r.service.options.FullReplace && !r.service.options.NoPasswords
}

// GetsTogether implements provider.Gatherer.
func (*remote) GetsTogether() bool { return false }

// Fields implements provider.Remote.
func (r *remote) Fields() account.Schema { return r.service.schema }

// Self implements provider.Identifier.
func (r *remote) Self(ctx context.Context) (account.Account, error) {
	return account.Account{ID: "parent", Name: "parent"}, r.call(ctx, Call{Method: MethodSelf}, false, func() *account.Error { return nil })
}

// List implements provider.Remote, a call for each page.
func (r *remote) List(ctx context.Context, _ provider.Known, yield func(provider.Page)) error {
	after := 0
	for {
		page, more := provider.Page{}, false
		err := r.call(ctx, Call{Method: MethodList}, false, func() *account.Error {
			for _, id := range r.service.ids() {
				if number(id) <= after {
					continue
				}
				if len(page.Accounts) == r.service.options.PageSize {
					more = true
					break
				}
				if a, shown := r.service.show(r.service.accounts[id]); shown {
					page.Accounts = append(page.Accounts, a)
				}
				after = number(id)
			}
			return nil
		})
		if err != nil {
			return err
		}
		yield(page)
		if !more {
			return nil
		}
	}
}

// Get implements provider.Remote.
func (r *remote) Get(ctx context.Context, sel provider.Selector) (out []account.Account, err error) {
	if len(sel.IDs)+len(sel.Names) == 0 {
		return nil, nil
	}
	err = r.call(ctx, Call{Method: MethodGet, IDs: sel.IDs, Names: sel.Names}, false, func() *account.Error {
		seen := map[*stored]bool{nil: true}
		add := func(a *stored) {
			if seen[a] {
				return
			}
			seen[a] = true
			if shown, ok := r.service.show(a); ok {
				out = append(out, shown)
			}
		}
		for _, id := range sel.IDs {
			add(r.service.accounts[id])
		}
		for _, name := range sel.Names {
			for _, a := range r.service.byName(name) {
				add(a)
			}
		}
		return nil
	})
	return out, err
}

// Create implements provider.Remote.
func (r *remote) Create(ctx context.Context, n provider.NewAccount) (out provider.Created, err error) {
	s := r.service
	if err := s.schema.Check(n.Desired); err != nil {
		return out, err
	}
	state := account.State{}
	for _, f := range s.schema {
		value, declared := n.Desired[f.Path]
		if !declared {
			value = f.CreateDefault
		}
		if f.Settable && value != "" {
			state[f.Path] = value
		}
	}
	if n.Before != nil {
		if err := n.Before(ctx); err != nil {
			return out, &account.Error{Class: account.Unavailable, Method: MethodCreate, Message: err.Error()}
		}
	}
	err = r.call(ctx, Call{Method: MethodCreate, Names: []string{n.Name}}, true, func() *account.Error {
		if len(s.byName(n.Name)) > 0 && !s.options.NamesRepeat {
			return &account.Error{Class: account.NameTaken, Message: "another account has the name", Answered: true}
		}
		data := n.CustomData
		if s.options.NoClaims {
			data = ""
		}
		a := s.put(n.Name, state, data)
		a.password, a.hidden = n.Password, s.options.Hidden
		out.Account = account.Account{ID: a.ID, Name: n.Name, CustomData: data, State: s.schema.Normal(state)}
		if !s.options.NoPasswords {
			out.APIKey = a.key
		}
		if s.options.NoID {
			out.Account.ID, out.APIKey = "", ""
		}
		return nil
	})
	if err != nil {
		return provider.Created{}, err
	}
	return out, nil
}

// Update implements provider.Remote.
func (r *remote) Update(ctx context.Context, u provider.Update) error {
	if err := r.check(u); err != nil {
		return err
	}
	if len(u.Targets) == 0 || len(u.Changes) == 0 {
		return nil
	}
	c := Call{Method: MethodUpdate}
	if f, _ := r.service.schema.Field(u.Changes[0].Field.Path); f.Delegated {
		c.Method = MethodUpdateOwn
	}
	for _, t := range u.Targets {
		c.IDs = append(c.IDs, t.ID)
	}
	for _, change := range u.Changes {
		c.Paths = append(c.Paths, change.Field.Path)
	}
	if r.service.options.FullReplace {
		return r.replace(ctx, c, u.Targets[0], u.Changes)
	}
	return r.call(ctx, c, true, func() *account.Error {
		for _, id := range c.IDs {
			if r.service.accounts[id] == nil {
				return notFound()
			}
		}
		for _, id := range c.IDs {
			for _, change := range u.Changes {
				r.service.accounts[id].set(change)
			}
		}
		return nil
	})
}

// set writes one field; the caller holds the lock of the Service.
func (a *stored) set(c account.Change) {
	if c.Field.Mark == account.MarkCustomData {
		a.CustomData = c.To
		return
	}
	a.State[c.Field.Path] = c.To
}

// check refuses what the table can't write.
func (r *remote) check(u provider.Update) error {
	for _, c := range u.Changes {
		f, ok := r.service.schema.Field(c.Field.Path)
		switch {
		case !ok || !f.Updatable:
			return invalid(MethodUpdate, c.Field.Path, "can't be changed")
		case f.Group != u.Changes[0].Field.Group:
			return invalid(MethodUpdate, c.Field.Path, "can't be changed in one call with the others")
		case len(u.Targets) > 1 && !f.Batchable:
			return invalid(MethodUpdate, c.Field.Path, "can't be the same for several accounts")
		}
		if err := f.Check(c.To); err != nil {
			return invalid(MethodUpdate, c.Field.Path, err.Error())
		}
	}
	return nil
}

// replace sends everything that is known of the account: what is left out is lost.
func (r *remote) replace(ctx context.Context, c Call, t provider.Target, changes []account.Change) error {
	var password account.Secret
	if t.Password != nil && !r.service.options.NoPasswords {
		var err error
		if password, err = t.Password(ctx); err != nil {
			return account.AsError(err)
		}
	}
	if password == "" && !r.service.options.NoPasswords {
		return invalid(c.Method, "passwordSecretRef", "the account's password goes with every update, and nobody knows it")
	}
	return r.send(ctx, c, t, changes, password)
}

func (r *remote) send(ctx context.Context, c Call, t provider.Target, changes []account.Change, password account.Secret) error {
	values := t.Values(r.service.schema, changes)
	for _, f := range r.service.schema {
		if _, known := values[f.Path]; !known && f.Updatable && f.Settable {
			return invalid(c.Method, f.Path, "the value goes with every update, and nobody knows it")
		}
	}
	return r.call(ctx, c, true, func() *account.Error {
		a := r.service.accounts[t.ID]
		if a == nil {
			return notFound()
		}
		for _, f := range r.service.schema {
			if !f.Updatable {
				continue
			}
			if v, sent := values[f.Path]; sent {
				a.State[f.Path] = v
			} else {
				delete(a.State, f.Path)
			}
		}
		a.setPassword(password)
		return nil
	})
}

// setPassword changes the password and remembers the former one; the caller holds the lock of the Service.
func (a *stored) setPassword(password account.Secret) {
	if a.password != password {
		a.former, a.password = append(a.former, a.password), password
	}
}

// SetCustomData implements provider.Claimer.
func (c claimer) SetCustomData(ctx context.Context, id, customData string) error {
	if customData == "" {
		return invalid(MethodSetCustomData, "", "custom data can't be emptied")
	}
	return c.r.call(ctx, Call{Method: MethodSetCustomData, IDs: []string{id}}, true, func() *account.Error {
		a := c.r.service.accounts[id]
		if a == nil {
			return notFound()
		}
		a.CustomData = customData
		return nil
	})
}

// SetCallbackSalt implements provider.CallbackSalter.
func (r *remote) SetCallbackSalt(ctx context.Context, id string, salt account.Secret) error {
	if salt == "" {
		return invalid(MethodSetSalt, "", "the salt must not be empty")
	}
	return r.call(ctx, Call{Method: MethodSetSalt, IDs: []string{id}}, true, func() *account.Error {
		a := r.service.accounts[id]
		if a == nil {
			return notFound()
		}
		a.salt = salt
		return nil
	})
}

// minPassword is the only rule for passwords.
const minPassword = 8

// SetPassword implements provider.PasswordSetter.
func (p passworder) SetPassword(ctx context.Context, t provider.Target, password account.Secret) error {
	s := p.r.service
	c := Call{Method: MethodSetPassword, IDs: []string{t.ID}}
	if len(password) < minPassword {
		return &account.Error{Class: account.PasswordRejected, Method: c.Method, Message: fmt.Sprintf("the password must have at least %d characters", minPassword)}
	}
	if s.options.FullReplace {
		return p.r.send(ctx, c, t, nil, password)
	}
	return p.r.call(ctx, c, true, func() *account.Error {
		a := s.accounts[t.ID]
		switch {
		case a == nil:
			return notFound()
		case a.password == password || slices.Contains(a.former, password):
			return &account.Error{Class: account.PasswordReused, Message: "the account has had the password before", Answered: true}
		}
		a.setPassword(password)
		return nil
	})
}

// CheckPassword implements provider.PasswordChecker.
func (p passworder) CheckPassword(ctx context.Context, id string, password account.Secret) (has bool, err error) {
	err = p.r.call(ctx, Call{Method: MethodCheckPassword, IDs: []string{id}}, false, func() *account.Error {
		a := p.r.service.accounts[id]
		has = a != nil && a.password == password
		return nil
	})
	return has && err == nil, err
}

// RecoverKey implements provider.KeyRecoverer: by the account's password.
func (p passworder) RecoverKey(ctx context.Context, id string, password account.Secret) (key account.Secret, err error) {
	if password == "" {
		return "", invalid(MethodRecoverKey, "", "the API key is shown to the account's own password: give it")
	}
	err = p.r.call(ctx, Call{Method: MethodRecoverKey, IDs: []string{id}}, false, func() *account.Error {
		a := p.r.service.accounts[id]
		if a == nil || a.password != password {
			return &account.Error{Class: account.Unauthorized, Message: "the password is wrong", Answered: true}
		}
		key = a.key
		return nil
	})
	return key, err
}
