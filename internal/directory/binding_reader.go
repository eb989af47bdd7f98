package directory

import (
	"context"
	"maps"
	"slices"
	"sync"
	"time"

	"k8s.io/utils/clock"

	"cpaas.dev/child-account-operator/internal/pacing"
)

const (
	// bindingSpacing is how long after the beginning of one shared read the next one begins: resources that are applied one after
	// another share calls too.
	bindingSpacing = 250 * time.Millisecond
	// confirmedFor is for how long an account that was read is believed to be as it was, if the resource did not come to be bound.
	confirmedFor = time.Minute
)

// bindingReader reads accounts before resources are bound to them by their claims. Thousands of resources may need that at once, after
// a restart without their statuses; so one read serves all for which the need was noted before it began. It is safe for concurrent use:
// mu guards all that follows it, and is not held during the call.
type bindingReader struct {
	clock clock.PassiveClock
	cache *accountCache
	// call reads the accounts of several keys.
	call func(context.Context, []Key) error

	mu sync.Mutex
	// needs holds, by canonical name, the accounts that are to be read.
	needs map[string]need
	// next is the read that can still be joined; nil where there is none. begins is when it begins, or the last one began.
	next   *sharedRead
	begins time.Time
}

// need is an account that is to be read after a revision. since is when that was noted, or when it was last read.
type need struct {
	after revision
	since time.Time
}

func newBindingReader(c clock.PassiveClock, cache *accountCache, call func(context.Context, []Key) error) *bindingReader {
	return &bindingReader{clock: c, cache: cache, call: call, needs: map[string]need{}}
}

// note notes that an account is to be read, unless that was noted and the account may still be as it was read.
func (b *bindingReader) note(name string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	name = b.cache.snapshot.canonical(name)
	if n, noted := b.needs[name]; !noted || b.expired(n) {
		b.needs[name] = b.newNeed()
	}
}

func (b *bindingReader) newNeed() need { return need{b.cache.nextRevision(), b.clock.Now()} }

func (b *bindingReader) expired(n need) bool { return b.clock.Since(n.since) > confirmedFor }

// end forgets a need.
func (b *bindingReader) end(name string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.needs, b.cache.snapshot.canonical(name))
}

// prune forgets needs that nobody came back for.
func (b *bindingReader) prune() {
	b.mu.Lock()
	defer b.mu.Unlock()
	maps.DeleteFunc(b.needs, func(_ string, n need) bool { return b.expired(n) })
}

// confirmed says whether the account of a name was read since that was noted to be needed, and not long ago.
func (b *bindingReader) confirmed(name string) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.needs) == 0 {
		return false
	}
	n, noted := b.needs[b.cache.snapshot.canonical(name)]
	return noted && !b.expired(n) && b.cache.idReadBefore(name, n.after) == ""
}

// read returns once the account was read, requested after the need for it was noted, or the call failed, or ctx ended.
func (b *bindingReader) read(ctx context.Context, key Key) error {
	b.note(key.Name)
	s := b.join(ctx)
	select {
	case <-s.done:
		return s.err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// join returns the next read, which begins at once unless the last one has just begun.
func (b *bindingReader) join(ctx context.Context) *sharedRead {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.next == nil {
		s := &sharedRead{done: make(chan struct{})}
		b.next = s
		shared := context.WithoutCancel(ctx) // it serves others too
		wait := max(coalesceFor, bindingSpacing-time.Since(b.begins))
		b.begins = time.Now().Add(wait)
		time.AfterFunc(wait, func() { b.run(shared, s) })
	}
	b.next.priority = max(b.next.priority, pacing.PriorityOf(ctx))
	return b.next
}

// run reads all accounts that are to be read, in as few calls as can be.
func (b *bindingReader) run(ctx context.Context, s *sharedRead) {
	b.mu.Lock()
	b.next = nil
	keys, priority := b.open(), s.priority
	b.mu.Unlock()
	defer close(s.done)
	for chunk := range slices.Chunk(keys, maxCoalesced) {
		if s.err = b.call(pacing.WithPriority(ctx, priority), chunk); s.err != nil {
			return
		}
		b.renew(chunk)
	}
}

// open are the accounts that are to be read. The caller holds the lock.
func (b *bindingReader) open() (keys []Key) {
	for _, name := range slices.Sorted(maps.Keys(b.needs)) {
		if b.expired(b.needs[name]) {
			b.needs[name] = b.newNeed()
		}
		if id := b.cache.idReadBefore(name, b.needs[name].after); id != "" {
			keys = append(keys, Key{ID: id, Name: name})
		}
	}
	return keys
}

// renew notes that accounts were read just now.
func (b *bindingReader) renew(read []Key) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, key := range read {
		if n, noted := b.needs[key.Name]; noted {
			b.needs[key.Name] = need{n.after, b.clock.Now()}
		}
	}
}
