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
	// singleDelay is how long a single account waits for others, batchDelay how long several wait for one more.
	singleDelay = 30 * time.Millisecond
	batchDelay  = 500 * time.Millisecond
	// massChangeDelay is that where the same was written to several just before: it is a mass change, and the Kubernetes API, busy
	// with the status writes of the last batch, may hold up accounts that belong to it.
	massChangeDelay = time.Second
	// maxDelay is how long the first account of a batch waits at most.
	maxDelay = 5 * time.Second
	// defaultMaxBatch is for how many accounts one update is at most unless SetMaxBatch was called.
	defaultMaxBatch = 100
)

// batcher lets equal changes of many accounts that come within a short time share one call. It is safe for concurrent use: mu
// guards the open batches and their targets, and is not held while a batch waits or is written.
type batcher struct {
	// write makes the call.
	write func(context.Context, provider.Update) error

	mu      sync.Mutex
	maxSize int
	// leastDelay is how long a batch that isn't full waits for one more account at least.
	leastDelay time.Duration
	open       map[string]*batch
	// lastKey is what was written last in a batch of several, lastAt is when.
	lastKey string
	lastAt  time.Time
}

func newBatcher(write func(context.Context, provider.Update) error) *batcher {
	return &batcher{write: write, maxSize: defaultMaxBatch, open: map[string]*batch{}}
}

// batch is one call that is not made yet.
type batch struct {
	targets []provider.Target
	changes []account.Change
	// full ends the wait, added says that one more account was added.
	full, added chan struct{}
	done        chan struct{}
	// failed holds the error of each account that was not written. It may be read once done is closed.
	failed map[string]error
}

// has says whether the account is in the batch.
func (t *batch) has(id string) bool {
	return slices.ContainsFunc(t.targets, func(target provider.Target) bool { return target.ID == id })
}

// setMaxSize changes for how many accounts one call is at most.
func (b *batcher) setMaxSize(n int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.maxSize = n
}

// setLeastDelay has each batch that isn't full wait for at least so long.
func (b *batcher) setLeastDelay(d time.Duration) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.leastDelay = d
}

// update writes the changes of one account, in one call with other accounts whose changes are the same.
func (b *batcher) update(ctx context.Context, target provider.Target, changes []account.Change) error {
	var t *batch
	if batchable(changes) {
		t = b.add(ctx, target, changes)
	}
	if t == nil {
		return b.write(ctx, provider.Update{Targets: []provider.Target{target}, Changes: changes})
	}
	<-t.done // the call itself ends in time, and a caller that leaves early would not know what was written
	return t.failed[target.ID]
}

// add puts the account into the open batch of these changes, or opens a batch; nil where a batch has one account at most.
func (b *batcher) add(ctx context.Context, target provider.Target, changes []account.Change) *batch {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.maxSize <= 1 {
		return nil
	}
	key := batchKey(ctx, changes)
	t := b.open[key]
	if t == nil || t.has(target.ID) {
		t = &batch{changes: changes, full: make(chan struct{}), added: make(chan struct{}, 1), done: make(chan struct{}), failed: map[string]error{}}
		b.open[key] = t
		go b.run(ctx, key, t) // it serves others too: their contexts all end with the operator
	}
	t.targets = append(t.targets, target)
	if len(t.targets) >= b.maxSize {
		delete(b.open, key)
		close(t.full)
		return t
	}
	select {
	case t.added <- struct{}{}:
	default:
	}
	return t
}

// run waits until the batch is full or no account was added for a while, and writes it.
func (b *batcher) run(ctx context.Context, key string, t *batch) {
	longest := time.After(max(maxDelay, b.delay(key, t)))
	for waits := true; waits; {
		select {
		case <-t.added:
		case <-t.full:
			waits = false
		case <-longest:
			waits = false
		case <-time.After(b.delay(key, t)):
			waits = false
		}
	}
	b.writeOrHalve(ctx, t, b.close(key, t))
	close(t.done)
}

// delay is how long to wait for one more account.
func (b *batcher) delay(key string, t *batch) time.Duration {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch {
	case b.lastKey == key && time.Since(b.lastAt) < maxDelay:
		return max(massChangeDelay, b.leastDelay)
	case len(t.targets) > 1:
		return max(batchDelay, b.leastDelay)
	}
	return max(singleDelay, b.leastDelay)
}

// close has no further account added, and returns those that were, in the order of ids.
func (b *batcher) close(key string, t *batch) []provider.Target {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.open[key] == t {
		delete(b.open, key)
	}
	if len(t.targets) > 1 {
		b.lastKey, b.lastAt = key, time.Now()
	}
	return slices.SortedFunc(slices.Values(t.targets), func(a, b provider.Target) int { return cmp.Compare(a.ID, b.ID) })
}

// writeOrHalve writes the accounts, and where they are refused together, in halves: so only those accounts fail that the refusal
// is about.
func (b *batcher) writeOrHalve(ctx context.Context, t *batch, targets []provider.Target) {
	err := b.write(ctx, provider.Update{Targets: targets, Changes: t.changes})
	switch {
	case err == nil:
	case len(targets) > 1 && mayBeAboutOne(err):
		b.writeOrHalve(ctx, t, targets[:len(targets)/2])
		b.writeOrHalve(ctx, t, targets[len(targets)/2:])
	default:
		for _, target := range targets {
			t.failed[target.ID] = err
		}
	}
}

// mayBeAboutOne says whether the refusal may be about one of several accounts, not about the call as a whole.
func mayBeAboutOne(err error) bool {
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

// batchKey is the same for changes that can share a call: what is written, and how urgently.
func batchKey(ctx context.Context, changes []account.Change) string {
	var key strings.Builder
	key.WriteByte(byte('0' + pacing.PriorityOf(ctx)))
	for _, c := range changes {
		key.WriteString("\x00" + c.Field.Path + "\x00" + c.To)
	}
	return key.String()
}
