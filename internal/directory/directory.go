package directory

import (
	"context"
	"time"

	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/clock"

	"cpaas.dev/child-account-operator/internal/account"
	"cpaas.dev/child-account-operator/internal/provider"
)

// Key names an account: by id where one is known, by exact name before that.
type Key struct {
	ID, Name string
}

// Known are the ids and names that the caller of Refresh has.
type Known = provider.Known

// Directory is what one ParentAccount sees of the child accounts of its account, and how it writes to them: with its own credentials
// alone. What is known is in a snapshot, which it may share with others. It has no state of its own and is safe for concurrent use.
type Directory struct {
	connection *connection
	shared     *sharedSnapshot
	cache      *accountCache
	access     *access
	reader     *accountReader
	bindings   *bindingReader
	lists      *listReader
	creations  *creator
	updates    *batcher
}

// New makes a directory with an empty snapshot of its own.
func New(remote provider.Remote, c clock.Clock) *Directory {
	return newSharedSnapshot(remote.Fields()).join(types.NamespacedName{}, remote, c)
}

func newDirectory(s *sharedSnapshot, remote provider.Remote, c clock.Clock) *Directory {
	conn, cache := &connection{remote: remote}, s.cache
	reader := newAccountReader(conn, cache)
	d := &Directory{
		connection: conn,
		shared:     s,
		cache:      cache,
		access:     &access{cache: cache, exclusive: s.exclusive},
		reader:     reader,
		bindings:   newBindingReader(c, cache, reader.call),
		creations:  &creator{connection: conn, cache: cache, reader: reader},
		updates: newBatcher(func(ctx context.Context, u provider.Update) error {
			return conn.current().Update(ctx, u)
		}),
	}
	d.lists = &listReader{clock: c, connection: conn, cache: cache, access: d.access, completed: func() { s.listed(d) }}
	return d
}

// Fields is the provider's field table.
func (d *Directory) Fields() account.Schema { return d.connection.current().Fields() }

// Observe returns what is known of an account, without a call: nothing before its own credentials have read the whole list, where
// others use the snapshot too.
func (d *Directory) Observe(key Key) account.View {
	var view account.View
	if d.access.granted() {
		view = d.cache.view(key)
		view.Confirmed = key.ID == "" && d.bindings.confirmed(key.Name)
	}
	view.Claimless = !d.connection.hasClaims()
	return view
}

// Read reads an account from the provider; reads by id that come within a few milliseconds share a call.
// Its view is Fresh: requested after Read was called.
func (d *Directory) Read(ctx context.Context, key Key) (account.View, error) {
	return freshView(d, key, d.reader.read(ctx, key))
}

// ReadBeforeBinding is Read, for an account that a resource is to be bound to by its claim: all accounts share a call for which that
// was noted before the call is made.
func (d *Directory) ReadBeforeBinding(ctx context.Context, key Key) (account.View, error) {
	return freshView(d, key, d.bindings.read(ctx, key))
}

// NoteBinding notes that a resource is to be bound to an account of a name, which is to be read before.
func (d *Directory) NoteBinding(name string) { d.bindings.note(name) }

// EndBinding forgets what NoteBinding noted: the resource is bound, or something else stands in the way.
func (d *Directory) EndBinding(name string) { d.bindings.end(name) }

// freshView is the view of an account that was read just now. Where the list was not read yet, it has what the read itself has shown.
func freshView(d *Directory, key Key, err error) (account.View, error) {
	d.shared.tellFreed()
	if err != nil {
		return account.View{}, learn(d, err)
	}
	view := d.cache.view(key)
	if !d.access.granted() {
		view = account.View{Account: view.Account, OutcomeUnknown: view.OutcomeUnknown, Awaited: view.Awaited}
	}
	view.Claimless, view.Fresh = !d.connection.hasClaims(), true
	return view, nil
}

// learn takes from the error of a call, which it returns, whether the credentials were refused.
func learn(d *Directory, err error) error {
	if e := account.AsError(err); e != nil && (e.Class == account.Unauthorized || e.DoubtsCredentials) {
		d.shared.refused(d, e.Class == account.Unauthorized)
	}
	return err
}

// Listings returns the state of reading the whole list.
func (d *Directory) Listings() Listings { return d.access.listings() }

// News says whether a list was read, by whomever, since News was last asked for.
func (d *Directory) News() bool {
	d.bindings.prune()
	return d.access.news()
}

// ListMethod is the method by which the whole list is read, "" where the provider has one method only.
func (d *Directory) ListMethod() string { return d.connection.listMethod() }

// Refresh reads the whole list. Each row counts as soon as it arrives; the absence of an account counts only if the list was
// complete.
func (d *Directory) Refresh(ctx context.Context, known Known) error {
	defer d.shared.tellFreed()
	return d.lists.refresh(ctx, known)
}

// Switch changes to another connection to the same parent account, once that connection has read the whole list as Refresh
// does. What is known stays, and calls that are under way end on the former connection. After an error the former connection
// stays in use, and Listings returns what it returned before.
func (d *Directory) Switch(ctx context.Context, remote provider.Remote, known Known) error {
	defer d.shared.tellFreed()
	return d.lists.switchTo(ctx, remote, known)
}

// Create creates an account and remembers it. After an error with OutcomeUnknown the account has to be read before anything
// else. Where the provider's answer has no id, Create reads the account at once; an account that is not returned yet is an
// error with OutcomeUnknown, and is awaited. A name that may have an account by an earlier call is read first: no creation is
// repeated without a read in between.
func (d *Directory) Create(ctx context.Context, n provider.NewAccount) (provider.Created, error) {
	created, err := d.creations.create(ctx, n, func(ctx context.Context, remote provider.Remote, n provider.NewAccount) (provider.Created, error) {
		return remote.Create(ctx, n)
	})
	if err == nil {
		d.shared.wroteTo(d, created.Account.ID)
	}
	return created, learn(d, err)
}

// SetMaxBatch changes for how many accounts one update is at most; 1 makes a call for each account.
func (d *Directory) SetMaxBatch(n int) { d.updates.setMaxSize(n) }

// SetLeastBatchDelay changes how long an update that others may share waits for one more account at least; it waits for some
// milliseconds up to a second unless said. Who counts calls on a machine that may stand still for seconds has it wait for longer.
func (d *Directory) SetLeastBatchDelay(wait time.Duration) { d.updates.setLeastDelay(wait) }

// Update writes the changes to the target, of which the directory adds what was observed, and remembers them: one call for
// each Group of changes. Equal changes of batchable fields that come within a short time share a call; where that is refused,
// only those accounts fail that the refusal is about. After an error with OutcomeUnknown, or where the provider does not know
// the account, the account has to be read before anything else; Groups before the one that failed are written.
func (d *Directory) Update(ctx context.Context, t provider.Target, changes []account.Change) error {
	for _, group := range changesByGroup(changes) {
		t.Observed = d.cache.observed(t.ID)
		err := d.updates.update(ctx, t, group)
		d.cache.updated(t.ID, group, err)
		d.shared.wroteTo(d, t.ID)
		d.shared.tellFreed()
		if err != nil {
			return learn(d, err)
		}
	}
	return nil
}

// changesByGroup are the changes that can share a call each, in the order of the first of each.
func changesByGroup(changes []account.Change) [][]account.Change {
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

// Claim writes custom data into an account that has none, and remembers it. Class RoleMissing or Invalid: the provider, or
// these credentials, can't; the owner of the account is then only in the resource's status.
func (d *Directory) Claim(ctx context.Context, id, customData string) error {
	remote, err := d.connection.claimer()
	if err != nil {
		return err
	}
	err = remote.SetCustomData(ctx, id, customData)
	d.cache.customDataWritten(id, customData, err)
	d.shared.wroteTo(d, id)
	return learn(d, err)
}

// SetPassword gives an account a new password. Where the provider does not know the account, or the account was changed since it was read, it
// has to be read before anything else. Whether the password was set after an error with OutcomeUnknown is for the caller to find out, by CheckPassword.
// Class Invalid: the provider's passwords can't be set.
func (d *Directory) SetPassword(ctx context.Context, t provider.Target, password account.Secret) error {
	remote, err := d.connection.passwordSetter()
	if err != nil {
		return err
	}
	t.Observed = d.cache.observed(t.ID)
	err = remote.SetPassword(ctx, t, password)
	if isStale(err) {
		d.cache.outcomeUnknown(t.ID)
		d.shared.wroteTo(d, t.ID)
	}
	return learn(d, err)
}

// CheckPassword says whether this is the account's password. Class Invalid: the provider's passwords can't be checked.
func (d *Directory) CheckPassword(ctx context.Context, id string, password account.Secret) (bool, error) {
	remote, err := d.connection.passwordChecker()
	if err != nil {
		return false, err
	}
	return remote.CheckPassword(ctx, id, password)
}

// SignIn is CheckPassword, and returns the account's API key where the provider shows it to whoever signs in, else "".
func (d *Directory) SignIn(ctx context.Context, id string, password account.Secret) (has bool, key account.Secret, err error) {
	if remote, ok := d.connection.current().(provider.KeyShower); ok {
		return remote.SignIn(ctx, id, password)
	}
	has, err = d.CheckPassword(ctx, id, password)
	return has, "", err
}

// RecoverKey reads the API key of an account again, with the account's password.
// Class Invalid: the provider returns a key only once.
func (d *Directory) RecoverKey(ctx context.Context, id string, password account.Secret) (account.Secret, error) {
	remote, err := d.connection.keyRecoverer()
	if err != nil {
		return "", err
	}
	return remote.RecoverKey(ctx, id, password)
}
