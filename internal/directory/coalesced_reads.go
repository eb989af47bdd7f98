package directory

import (
	"context"
	"sync"
	"time"

	"cpaas.dev/child-account-operator/internal/pacing"
)

const (
	// coalesceFor is how long the first read waits for others to share its call.
	coalesceFor = 5 * time.Millisecond
	// maxCoalesced is for how many accounts one call is: no provider answers with many more at once.
	maxCoalesced = 1000
)

// readCoalescer lets reads by id that come within a few milliseconds share one call, and reads by name where one call reads many. A read never
// joins a call that is already under way, so the answer is newer than the read. It is safe for concurrent use: mu guards the call that reads can
// still join, and is not held during the call.
type readCoalescer struct {
	// call reads the accounts of several keys.
	call func(context.Context, []Key) error
	// together says whether one call reads any number of accounts by name. Then such calls are made one after another, and whoever comes
	// meanwhile shares the next one. Nil is no.
	together func() bool

	turn sync.Mutex
	mu   sync.Mutex
	next *sharedRead
}

// sharedRead is one call that is not made yet. Its keys and priority are guarded by the coalescer's lock, err by done.
type sharedRead struct {
	keys []Key
	// priority is that of the most urgent of the reads.
	priority pacing.Priority
	done     chan struct{}
	err      error
}

// read returns once the account was read, or the call failed, or ctx ended.
func (c *readCoalescer) read(ctx context.Context, key Key) error {
	if key.ID == "" && !c.gathers() { // a provider looks up one name at a time: nothing to share
		return c.call(ctx, []Key{key})
	}
	s := c.join(ctx, key)
	select {
	case <-s.done:
		return s.err
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (c *readCoalescer) gathers() bool { return c.together != nil && c.together() }

// join adds the key to the next call.
func (c *readCoalescer) join(ctx context.Context, key Key) *sharedRead {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.next == nil || len(c.next.keys) >= maxCoalesced {
		s := &sharedRead{done: make(chan struct{})}
		c.next = s
		// The call serves others too, so it must not end with the context of the first read.
		shared := context.WithoutCancel(ctx)
		time.AfterFunc(coalesceFor, func() { c.run(shared, s) })
	}
	c.next.keys = append(c.next.keys, key)
	c.next.priority = max(c.next.priority, pacing.PriorityOf(ctx))
	return c.next
}

// run makes the call.
func (c *readCoalescer) run(ctx context.Context, s *sharedRead) {
	if c.gathers() {
		c.turn.Lock()
		defer c.turn.Unlock()
	}
	c.mu.Lock()
	if c.next == s {
		c.next = nil
	}
	keys, priority := s.keys, s.priority
	c.mu.Unlock()
	s.err = c.call(pacing.WithPriority(ctx, priority), keys)
	close(s.done)
}
