package directory

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"sync"
	"time"

	"cpaas.dev/child-account-operator/internal/account"
	"cpaas.dev/child-account-operator/internal/pacing"
	"cpaas.dev/child-account-operator/internal/provider"
)

const (
	// loneQuiet is how long a lone account waits for others, batchQuiet how long several wait for one more.
	loneQuiet  = 30 * time.Millisecond
	batchQuiet = 500 * time.Millisecond
	// massQuiet is that where the same was written to several just before: it is a mass change, and the API server, busy with
	// what the last batch has to say, may hold up who else belongs to it.
	massQuiet = time.Second
	// batchLongest is how long the first account of a batch waits at most.
	batchLongest = 5 * time.Second
	// defaultMaxBatch is for how many accounts one write is at most until somebody says otherwise.
	defaultMaxBatch = 100
)

// batcher lets equal changes of many accounts that come within a short time share one call.
type batcher struct {
	// write makes the call.
	write func(context.Context, provider.Update) error

	mu   sync.Mutex
	most int
	open map[string]*batch
	// last is what was written last in a batch of several, and when.
	last   string
	lastAt time.Time
}

// batch is one call that is not made yet.
type batch struct {
	targets []provider.Target
	changes []account.Change
	// full ends the wait, more tells of one more account.
	full, more chan struct{}
	done       chan struct{}
	// failed holds the error of each account that was not written.
	failed map[string]error
}

// has says whether the account is in the batch.
func (t *batch) has(id string) bool {
	return slices.ContainsFunc(t.targets, func(target provider.Target) bool { return target.ID == id })
}

// join writes the changes of one account together with whoever else changes the same to the same.
func (b *batcher) join(ctx context.Context, target provider.Target, changes []account.Change) error {
	var t *batch
	if batchable(changes) {
		t = b.add(ctx, target, changes)
	}
	if t == nil {
		return b.write(ctx, provider.Update{Targets: []provider.Target{target}, Changes: changes})
	}
	<-t.done // the call itself ends in time, and whoever leaves early would not know what was written
	return t.failed[target.ID]
}

// add puts the account into the open batch of these changes, or opens one; nil where there are no batches.
func (b *batcher) add(ctx context.Context, target provider.Target, changes []account.Change) *batch {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.most <= 1 {
		return nil
	}
	key := keyOf(ctx, changes)
	t := b.open[key]
	if t == nil || t.has(target.ID) {
		t = &batch{changes: changes, full: make(chan struct{}), more: make(chan struct{}, 1), done: make(chan struct{}), failed: map[string]error{}}
		b.open[key] = t
		go b.run(ctx, key, t) // it serves others too: their contexts all end with the operator
	}
	t.targets = append(t.targets, target)
	if len(t.targets) >= b.most {
		delete(b.open, key)
		close(t.full)
		return t
	}
	select {
	case t.more <- struct{}{}:
	default:
	}
	return t
}

// run waits until the batch is full or nobody comes any more, and writes it.
func (b *batcher) run(ctx context.Context, key string, t *batch) {
	longest := time.After(batchLongest)
	for waits := true; waits; {
		select {
		case <-t.more:
		case <-t.full:
			waits = false
		case <-longest:
			waits = false
		case <-time.After(b.quiet(key, t)):
			waits = false
		}
	}
	b.halve(ctx, t, b.close(key, t))
	close(t.done)
}

// quiet is how long to wait for one more account.
func (b *batcher) quiet(key string, t *batch) time.Duration {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch {
	case b.last == key && time.Since(b.lastAt) < batchLongest:
		return massQuiet
	case len(t.targets) > 1:
		return batchQuiet
	}
	return loneQuiet
}

// close lets nobody else join, and returns who has.
func (b *batcher) close(key string, t *batch) []provider.Target {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.open[key] == t {
		delete(b.open, key)
	}
	if len(t.targets) > 1 {
		b.last, b.lastAt = key, time.Now()
	}
	return slices.SortedFunc(slices.Values(t.targets), func(a, b provider.Target) int { return cmp.Compare(a.ID, b.ID) })
}

// halve writes the accounts, and where they are refused together, in halves: so only those fail that are to blame.
func (b *batcher) halve(ctx context.Context, t *batch, targets []provider.Target) {
	err := b.write(ctx, provider.Update{Targets: targets, Changes: t.changes})
	switch {
	case err == nil:
	case len(targets) > 1 && blames(err):
		b.halve(ctx, t, targets[:len(targets)/2])
		b.halve(ctx, t, targets[len(targets)/2:])
	default:
		for _, target := range targets {
			t.failed[target.ID] = err
		}
	}
}

// blames says whether the refusal may be for one of several accounts: it is none that concerns the call as a whole.
func blames(err error) bool {
	switch account.ClassOf(err) {
	case account.Unavailable, account.Throttled, account.Unauthorized, account.RoleMissing, account.Incomplete,
		account.BalanceTooLow, account.BlockedVerification, account.BlockedNotEnabled, account.BlockedDailyLimit:
		return false
	}
	return !account.AsError(err).OutcomeUnknown
}

func batchable(changes []account.Change) bool {
	return !slices.ContainsFunc(changes, func(c account.Change) bool { return !c.Field.Batchable })
}

// keyOf tells what is written, and how urgently.
func keyOf(ctx context.Context, changes []account.Change) string {
	var key strings.Builder
	key.WriteByte(byte('0' + pacing.PriorityOf(ctx)))
	for _, c := range changes {
		key.WriteString("\x00" + c.Field.Path + "\x00" + c.To)
	}
	return key.String()
}
