package directory

import (
	"cmp"
	"context"
	"slices"
	"sync"
	"time"

	"k8s.io/utils/clock"

	"cpaas.dev/child-account-operator/internal/account"
	"cpaas.dev/child-account-operator/internal/provider"
)

// Key names an account: by id where one is known, by exact name before that.
type Key struct {
	ID, Name string
}

// moment orders what was asked and what was answered. It is a count, not a time: no clock is fine enough.
type moment uint64

// record is what is known of one account.
type record struct {
	// account is what is known of it, but for its State.
	account account.Account
	state   packed
	// asOf is the moment when the read that this comes from was asked for, or when the write was answered.
	asOf moment
	// listing is the number of the last complete list that had the account, or that a later read or write stands for.
	listing int
	// doubt is set where a write got no proper answer.
	doubt bool
	// hidden is set where a look-up did not find the account. Only lists decide whether it is gone.
	hidden bool
}

// Directory knows the child accounts of one parent account. It is safe for concurrent use.
type Directory struct {
	clock  clock.Clock
	looks  *gatherer
	writes *batcher

	mu     sync.Mutex
	now    moment
	remote provider.Remote
	byID   map[string]*record
	byName map[string]*record
	// efforts remember, by id and path, values that were written and have not come back yet.
	efforts map[string]map[string]*effort
	// doubtful holds the names whose creation got no proper answer, and when.
	doubtful map[string]moment
	listings Listings
	// asked holds the ids and names that the last complete list was asked for, each with how many complete lists there had
	// been before the first of those in a row that asked for it; nil unless the list is partial.
	asked map[string]int
}

// Known is what the caller of Refresh already knows of.
type Known = provider.Known

// Listings says how reading the whole list went so far.
type Listings struct {
	// Complete counts the complete lists since the directory was made.
	Complete int
	// AskedAt is when the last complete list was asked for, TriedAt when a list was last asked for; zero before that.
	AskedAt, TriedAt time.Time
	// Err is how the last try failed, nil if it did not.
	Err *account.Error
	// Total is how many accounts the last complete list had.
	Total int
	// Partial is set where the provider shows only what it is asked for.
	Partial bool
}

// New makes an empty directory on top of remote.
func New(remote provider.Remote, c clock.Clock) *Directory {
	d := &Directory{
		clock:    c,
		remote:   remote,
		byID:     map[string]*record{},
		byName:   map[string]*record{},
		efforts:  map[string]map[string]*effort{},
		doubtful: map[string]moment{},
	}
	d.looks = &gatherer{read: d.read}
	d.writes = &batcher{most: defaultMaxBatch, open: map[string]*batch{}, write: func(ctx context.Context, ids []string, changes []account.Change) error {
		return d.current().Update(ctx, ids, changes)
	}}
	return d
}

// Fields is the provider's field table.
func (d *Directory) Fields() account.Schema { return d.current().Fields() }

// Listings says how reading the whole list went so far.
func (d *Directory) Listings() Listings {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.listings
}

// ListWay is the way in which the provider is asked for the whole list, "" where it has one only.
func (d *Directory) ListWay() string {
	if remote, ok := d.current().(provider.ListWayer); ok {
		return remote.RungName()
	}
	return ""
}

// Observe says what is known of an account, without a call.
func (d *Directory) Observe(key Key) account.View {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.view(key)
}

// Look reads an account anew; look-ups by id that come within a few milliseconds share a call.
// Its view is Fresh: asked for after Look was called.
func (d *Directory) Look(ctx context.Context, key Key) (account.View, error) {
	if err := d.looks.look(ctx, key); err != nil {
		return account.View{}, err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	view := d.view(key)
	view.Fresh = true
	return view, nil
}

// Create makes an account and remembers it. After an error with Doubt the name is in doubt until somebody looks.
func (d *Directory) Create(ctx context.Context, n provider.NewAccount) (provider.Created, error) {
	created, err := d.current().Create(ctx, n)
	d.mu.Lock()
	defer d.mu.Unlock()
	if err != nil {
		if account.AsError(err).Doubt {
			d.now++
			d.doubtful[n.Name] = d.now
		}
		return provider.Created{}, err
	}
	created.Account.CustomData = n.CustomData
	d.now++
	d.keep(created.Account, d.now)
	return created, nil
}

// SetMaxBatch changes for how many accounts one write is at most; 1 writes each for itself.
func (d *Directory) SetMaxBatch(n int) {
	d.writes.mu.Lock()
	defer d.writes.mu.Unlock()
	d.writes.most = n
}

// Update writes the changes to the account and remembers them. Equal changes of batchable fields that come within a short
// time share a call; where that is refused, only those accounts fail that are to blame. After an error with Doubt, or where the provider
// does not know the account, it is in doubt until somebody looks.
func (d *Directory) Update(ctx context.Context, id string, changes []account.Change) error {
	err := d.writes.join(ctx, id, changes)
	d.mu.Lock()
	defer d.mu.Unlock()
	r, ok := d.byID[id]
	if !ok {
		return err
	}
	d.now++
	if err != nil {
		if account.AsError(err).Doubt || account.ClassOf(err) == account.NotFound {
			r.doubt, r.asOf = true, d.now
		}
		return err
	}
	applied := account.Applied(changes)
	schema := d.remote.Fields()
	r.state = pack(schema, r.state.unpack(schema).With(applied))
	d.strive(id, applied)
	r.asOf = d.now
	return nil
}

// Refresh reads the whole list. Rows count from the moment they arrive; that an account is absent counts only
// if the list was complete.
func (d *Directory) Refresh(ctx context.Context, known Known) error {
	return d.list(ctx, d.current(), known, false)
}

// Switch changes to another connection to the same parent account, as soon as that has read the whole list as Refresh does;
// what is known stays, and calls that are under way end on the former one. Where it can't, the former one stays, and
// Listings says of it what it said before.
func (d *Directory) Switch(ctx context.Context, remote provider.Remote, known Known) error {
	return d.list(ctx, remote, known, true)
}

// list is Refresh, or with trial Switch.
func (d *Directory) list(ctx context.Context, remote provider.Remote, known Known, trial bool) error {
	started, began := d.clock.Now(), d.tick()
	asked := began
	seen := map[string]bool{}
	partial := false
	err := remote.List(ctx, known, func(p provider.Page) {
		d.mu.Lock()
		defer d.mu.Unlock()
		partial = partial || p.Partial
		for _, a := range p.Accounts {
			seen[a.ID] = true
			d.merge(a, asked)
		}
		d.now++
		asked = d.now // the next page is asked for after this one was handed over
	})
	d.mu.Lock()
	defer d.mu.Unlock()
	if trial && err != nil {
		return err
	}
	d.listings.TriedAt = started
	d.listings.Err = account.AsError(err)
	if err != nil {
		return err
	}
	if trial {
		d.remote = remote
	}
	d.asked = d.askedNow(known, partial)
	d.listings.AskedAt = started
	d.listings.Total = len(seen)
	d.listings.Partial = partial
	d.concludeListing(began, seen)
	return nil
}

// askedNow is the new value of asked, while the list that was just read is not counted yet.
func (d *Directory) askedNow(known Known, partial bool) map[string]int {
	if !partial {
		return nil
	}
	out := make(map[string]int, len(known.IDs)+len(known.Names))
	for _, key := range slices.Concat(known.IDs, known.Names) {
		before, inARow := d.asked[key]
		if !inARow {
			before = d.listings.Complete
		}
		out[key] = before
	}
	return out
}

// concludeListing draws the conclusions that only a complete list allows: what it did not have and nobody
// saw or wrote since it began is absent.
func (d *Directory) concludeListing(began moment, seen map[string]bool) {
	d.listings.Complete++
	for id, r := range d.byID {
		switch {
		case seen[id], r.asOf > began, !d.covers(id, r.account.Name):
			r.listing = d.listings.Complete
		case d.listings.Complete-r.listing > keepAbsent:
			d.forget(r)
			delete(d.efforts, id)
		}
	}
}

// keepAbsent is for how many lists an account that is gone is remembered.
const keepAbsent = 3

// covers says whether the last complete list would have had the account.
func (d *Directory) covers(id, name string) bool {
	if d.asked == nil {
		return d.listings.Complete > 0
	}
	_, byID := d.asked[id]
	_, byName := d.asked[name]
	return byID || byName
}

// view is what is known of an account; the caller holds the lock.
func (d *Directory) view(key Key) account.View {
	v := account.View{
		Listed:  d.covers(key.ID, key.Name),
		Partial: d.listings.Partial,
		Doubt:   key.ID == "" && d.doubtful[key.Name] > 0,
	}
	r := d.find(key)
	if r == nil {
		if v.Listed {
			v.Absences = d.listings.Complete - d.asked[cmp.Or(key.ID, key.Name)]
		}
		return v
	}
	v.Doubt = v.Doubt || r.doubt
	v.NotKept = d.notKept(r.account.ID)
	if v.Absences = d.listings.Complete - r.listing; v.Absences == 0 && !r.hidden {
		a := r.account
		a.State = r.state.unpack(d.remote.Fields())
		v.Account = &a
	}
	return v
}

func (d *Directory) find(key Key) *record {
	if key.ID != "" {
		return d.byID[key.ID]
	}
	return d.byName[key.Name]
}

// read is one call of the gatherer: it asks for several accounts at once.
func (d *Directory) read(ctx context.Context, keys []Key) error {
	asked := d.tick()
	sel := provider.Selector{}
	for _, k := range keys {
		if k.ID != "" {
			sel.IDs = append(sel.IDs, k.ID)
		} else {
			sel.Names = append(sel.Names, k.Name)
		}
	}
	accounts, err := d.current().Get(ctx, sel)
	if err != nil {
		return err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, a := range accounts {
		d.merge(a, asked)
	}
	for _, k := range keys {
		if k.ID == "" && d.doubtful[k.Name] < asked {
			delete(d.doubtful, k.Name)
		}
		if r := d.find(k); r != nil && r.asOf <= asked {
			r.doubt = false
			r.hidden = r.asOf < asked // asked for, and not shown
		}
	}
	return nil
}

// merge takes over a row that was asked for at asked, unless we wrote to the account since.
func (d *Directory) merge(a account.Account, asked moment) {
	if r, ok := d.byID[a.ID]; ok && r.asOf > asked {
		return
	}
	d.keep(a, asked)
	d.judgeEfforts(a)
}

// keep replaces whatever was known of the account, doubts included.
func (d *Directory) keep(a account.Account, asOf moment) {
	if old, ok := d.byID[a.ID]; ok {
		d.forget(old)
	}
	r := &record{account: a, state: pack(d.remote.Fields(), a.State), asOf: asOf, listing: d.listings.Complete}
	r.account.State = nil
	d.byID[a.ID] = r
	d.byName[a.Name] = r
}

func (d *Directory) forget(r *record) {
	delete(d.byID, r.account.ID)
	if d.byName[r.account.Name] == r {
		delete(d.byName, r.account.Name)
	}
}

func (d *Directory) tick() moment {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.now++
	return d.now
}

func (d *Directory) current() provider.Remote {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.remote
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

// Claim writes custom data into an account that has none, and remembers it. Class RoleMissing or Invalid: the provider, or
// these credentials, can't; who holds the account then stands in the resource's status alone.
func (d *Directory) Claim(ctx context.Context, id, customData string) error {
	remote, ok := d.current().(provider.Claimer)
	if !ok {
		return &account.Error{Class: account.Invalid, Message: "this provider keeps custom data only from creation"}
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
	case account.AsError(err).Doubt:
		r.doubt = true
	}
	return err
}

// SetPassword gives an account a new password. Where the provider does not know the account, it is in doubt until somebody
// looks; a doubt about the password itself is the caller's, who has CheckPassword. Class Invalid: the provider has no way to.
func (d *Directory) SetPassword(ctx context.Context, id string, password account.Secret) error {
	remote, ok := d.current().(provider.Passwords)
	if !ok {
		return noPasswords()
	}
	err := remote.SetPassword(ctx, id, password)
	if account.ClassOf(err) != account.NotFound {
		return err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if r, known := d.byID[id]; known {
		d.now++
		r.doubt, r.asOf = true, d.now
	}
	return err
}

// CheckPassword tells whether this is the account's password. Class Invalid: the provider has no way to.
func (d *Directory) CheckPassword(ctx context.Context, id string, password account.Secret) (bool, error) {
	remote, ok := d.current().(provider.Passwords)
	if !ok {
		return false, noPasswords()
	}
	return remote.CheckPassword(ctx, id, password)
}

func noPasswords() error {
	return &account.Error{Class: account.Invalid, Field: "passwordSecretRef", Message: "this provider's passwords can't be set"}
}
