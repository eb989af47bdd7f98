package directory

import (
	"cmp"
	"context"
	"sync"

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
	// doubtful holds the names whose creation got no proper answer, or none that has the id, and when.
	doubtful map[string]moment
	// awaited holds the names whose creation was confirmed without an id, until the account is seen: each with how many
	// complete lists there had been.
	awaited map[string]int
	// identity is the field that the names are values of. Names stand in maps in its canonical spelling.
	identity account.Field
	listings Listings
	// asked holds the ids and names that the last complete list was asked for, each with how many complete lists there had
	// been before the first of those in a row that asked for it; nil unless the list is partial.
	asked map[string]int
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
		awaited:  map[string]int{},
		identity: remote.Fields().Identity(),
	}
	d.looks = &gatherer{read: d.read}
	d.writes = &batcher{most: defaultMaxBatch, open: map[string]*batch{}, write: func(ctx context.Context, u provider.Update) error {
		return d.current().Update(ctx, u)
	}}
	return d
}

// Fields is the provider's field table.
func (d *Directory) Fields() account.Schema { return d.current().Fields() }

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

// view is what is known of an account; the caller holds the lock.
func (d *Directory) view(key Key) account.View {
	v := account.View{
		Listed:         d.covers(key.ID, key.Name),
		Partial:        d.listings.Partial,
		OutcomeUnknown: key.ID == "" && d.doubtful[d.identity.Normal(key.Name)] > 0,
		Awaited:        key.ID == "" && d.awaits(key.Name),
	}
	_, claims := d.remote.(provider.Claimer)
	v.Claimless = !claims
	r := d.find(key)
	if r == nil {
		if v.Listed {
			v.Absences = d.listings.Complete - d.asked[cmp.Or(key.ID, d.identity.Normal(key.Name))]
		}
		return v
	}
	v.OutcomeUnknown = v.OutcomeUnknown || r.doubt
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
	return d.byName[d.identity.Normal(key.Name)]
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
		if name := d.identity.Normal(k.Name); k.ID == "" && d.doubtful[name] < asked {
			delete(d.doubtful, name)
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
	d.name(r)
}

// name has the record found by its account's name.
func (d *Directory) name(r *record) {
	name := d.identity.Normal(r.account.Name)
	d.byName[name] = r
	delete(d.awaited, name)
}

// unname undoes name, unless another account has the name by now.
func (d *Directory) unname(r *record) {
	if name := d.identity.Normal(r.account.Name); d.byName[name] == r {
		delete(d.byName, name)
	}
}

func (d *Directory) forget(r *record) {
	delete(d.byID, r.account.ID)
	d.unname(r)
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
