package directory

import (
	"context"
	"maps"
	"slices"
	"time"

	"cpaas.dev/child-account-operator/internal/account"
	"cpaas.dev/child-account-operator/internal/provider"
)

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

// Listings says how reading the whole list went so far.
func (d *Directory) Listings() Listings {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.listings
}

// ListMethod is how the provider is asked for the whole list, "" where it has one method only.
func (d *Directory) ListMethod() string {
	if remote, ok := d.current().(provider.ListMethoder); ok {
		return remote.ListMethod()
	}
	return ""
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
	names := make([]string, len(known.Names))
	for i, name := range known.Names {
		names[i] = d.identity.Normal(name)
	}
	for _, key := range slices.Concat(known.IDs, names) {
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
	maps.DeleteFunc(d.awaited, func(name string, _ int) bool { return !d.awaits(name) })
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
	_, byName := d.asked[d.identity.Normal(name)]
	return byID || byName
}
