package directory

import (
	"context"

	"cpaas.dev/child-account-operator/internal/account"
	"cpaas.dev/child-account-operator/internal/provider"
)

// Create makes an account and remembers it. After an error with OutcomeUnknown the name is in doubt until somebody looks. Where the
// provider's answer has no id, the account is looked for at once; one that is not shown yet is an error with OutcomeUnknown, and is
// awaited. A name that may have an account by an earlier call is looked up first: no call is repeated without a look between.
func (d *Directory) Create(ctx context.Context, n provider.NewAccount) (provider.Created, error) {
	if err := d.lookBeforeRepeating(ctx, n.Name); err != nil {
		return provider.Created{}, err
	}
	remote := d.current()
	created, err := remote.Create(ctx, n)
	if err != nil {
		if account.AsError(err).OutcomeUnknown {
			d.doubt(n.Name, false)
		}
		return provider.Created{}, err
	}
	if created.Account.ID == "" {
		d.doubt(n.Name, true)
		return d.findCreated(ctx, n.Name, created)
	}
	if _, claims := remote.(provider.Claimer); claims {
		created.Account.CustomData = n.CustomData
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.now++
	d.keep(created.Account, d.now)
	return created, nil
}

// doubt notes that a name may have an account now, or that it has: then it is awaited.
func (d *Directory) doubt(name string, has bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	name = d.identity.Normal(name)
	d.now++
	d.doubtful[name] = d.now
	if has {
		d.awaited[name] = d.listings.Complete
	}
}

// awaitedLists is for how many complete lists an account is awaited whose creation was confirmed: the first of them may have
// been read while it was created, and two that don't have it are believed.
const awaitedLists = 3

// awaits says whether the account of a name is there by what the provider has said, and was not seen yet; the caller holds the lock.
func (d *Directory) awaits(name string) bool {
	since, awaited := d.awaited[d.identity.Normal(name)]
	return awaited && d.listings.Complete-since < awaitedLists
}

// mayExist says whether an earlier call may have created an account of the name and nobody has seen it yet.
func (d *Directory) mayExist(name string) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.doubtful[d.identity.Normal(name)] > 0 || d.awaits(name)
}

// lookBeforeRepeating says why an account may not be created (yet) because of an earlier call.
func (d *Directory) lookBeforeRepeating(ctx context.Context, name string) error {
	if !d.mayExist(name) {
		return nil
	}
	view, err := d.Look(ctx, Key{Name: name})
	switch {
	case err != nil:
		return err
	case view.Account != nil:
		return &account.Error{Class: account.NameTaken, Message: "an earlier call has created the account"}
	case view.Awaited:
		return notShownYet()
	}
	return nil
}

// findCreated completes what a creation has answered without an id by a look at the account.
func (d *Directory) findCreated(ctx context.Context, name string, created provider.Created) (provider.Created, error) {
	view, err := d.Look(ctx, Key{Name: name})
	switch {
	case err != nil:
		failed := *account.AsError(err)
		failed.OutcomeUnknown = true
		return provider.Created{}, &failed
	case view.Account == nil:
		return provider.Created{}, notShownYet()
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if r := d.byID[view.Account.ID]; r != nil { // what was sent and is never shown
		r.state = pack(d.remote.Fields(), created.Account.State.With(r.state.unpack(d.remote.Fields())))
	}
	sent := created.Account.State
	created.Account = *view.Account
	created.Account.State = sent.With(view.Account.State)
	return created, nil
}

func notShownYet() error {
	return &account.Error{Class: account.Incomplete, Message: "the account was created, and the provider does not show it yet", OutcomeUnknown: true}
}

// SetMaxBatch changes for how many accounts one write is at most; 1 writes each for itself.
func (d *Directory) SetMaxBatch(n int) {
	d.writes.mu.Lock()
	defer d.writes.mu.Unlock()
	d.writes.most = n
}

// Update writes the changes to the target, of which the directory adds what was observed, and remembers them: one call for
// each Group of changes. Equal changes of batchable fields that come within a short time share a call; where that is refused,
// only those accounts fail that are to blame. After an error with OutcomeUnknown, or where the provider does not know the account, it
// is in doubt until somebody looks; Groups before the one that failed are written.
func (d *Directory) Update(ctx context.Context, t provider.Target, changes []account.Change) error {
	for _, group := range groups(changes) {
		t.Observed = d.observed(t.ID)
		err := d.writes.join(ctx, t, group)
		d.wrote(t.ID, group, err)
		if err != nil {
			return err
		}
	}
	return nil
}

// groups are the changes that can share a call each, in the order of the first of each.
func groups(changes []account.Change) [][]account.Change {
	var out [][]account.Change
	at := map[string]int{}
	for _, c := range changes {
		i, known := at[c.Field.Group]
		if !known {
			i = len(out)
			at[c.Field.Group], out = i, append(out, nil)
		}
		out[i] = append(out[i], c)
	}
	return out
}

// observed is what was last seen of an account, or written to it.
func (d *Directory) observed(id string) account.State {
	d.mu.Lock()
	defer d.mu.Unlock()
	if r, ok := d.byID[id]; ok {
		return r.state.unpack(d.remote.Fields())
	}
	return nil
}

// wrote remembers how a write of changes ended.
func (d *Directory) wrote(id string, changes []account.Change, err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	r, ok := d.byID[id]
	if !ok {
		return
	}
	d.now++
	if err != nil {
		if account.AsError(err).OutcomeUnknown || account.ClassOf(err) == account.NotFound {
			r.doubt, r.asOf = true, d.now
		}
		return
	}
	applied := account.Applied(changes)
	schema := d.remote.Fields()
	r.state = pack(schema, r.state.unpack(schema).With(applied))
	if name, renamed := applied[d.identity.Path]; renamed {
		d.unname(r)
		r.account.Name = name
		d.name(r)
	}
	d.strive(id, applied)
	r.asOf = d.now
}

// Claim writes custom data into an account that has none, and remembers it. Class RoleMissing or Invalid: the provider, or
// these credentials, can't; who holds the account then stands in the resource's status alone.
func (d *Directory) Claim(ctx context.Context, id, customData string) error {
	remote, ok := d.current().(provider.Claimer)
	if !ok {
		return &account.Error{Class: account.Invalid, Message: "this provider keeps no custom data"}
	}
	err := remote.SetCustomData(ctx, id, customData)
	d.mu.Lock()
	defer d.mu.Unlock()
	r, known := d.byID[id]
	if !known {
		return err
	}
	d.now++
	r.asOf = d.now
	switch {
	case err == nil:
		r.account.CustomData = customData
	case account.AsError(err).OutcomeUnknown:
		r.doubt = true
	}
	return err
}

// SetPassword gives an account a new password. Where the provider does not know the account, it is in doubt until somebody
// looks; a doubt about the password itself is the caller's, who has CheckPassword. Class Invalid: the provider has no way to.
func (d *Directory) SetPassword(ctx context.Context, t provider.Target, password account.Secret) error {
	remote, ok := d.current().(provider.PasswordSetter)
	if !ok {
		return &account.Error{Class: account.Invalid, Field: "passwordSecretRef", Message: "this provider's passwords can't be set"}
	}
	t.Observed = d.observed(t.ID)
	err := remote.SetPassword(ctx, t, password)
	if account.ClassOf(err) != account.NotFound {
		return err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if r, known := d.byID[t.ID]; known {
		d.now++
		r.doubt, r.asOf = true, d.now
	}
	return err
}

// CheckPassword tells whether this is the account's password. Class Invalid: the provider has no way to.
func (d *Directory) CheckPassword(ctx context.Context, id string, password account.Secret) (bool, error) {
	remote, ok := d.current().(provider.PasswordChecker)
	if !ok {
		return false, &account.Error{Class: account.Invalid, Field: "passwordSecretRef", Message: "this provider's passwords can't be checked"}
	}
	return remote.CheckPassword(ctx, id, password)
}

// RecoverKey finds the API key of an account again, proving itself with the account's password.
// Class Invalid: the provider has no way to.
func (d *Directory) RecoverKey(ctx context.Context, id string, password account.Secret) (account.Secret, error) {
	remote, ok := d.current().(provider.KeyRecoverer)
	if !ok {
		return "", &account.Error{Class: account.Invalid, Message: "this provider never shows an API key again"}
	}
	return remote.RecoverKey(ctx, id, password)
}
