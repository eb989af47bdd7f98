package directory

import (
	"context"
	"sync"
	"time"

	"cpaas.dev/child-account-operator/internal/pacing"
)

const (
	// gatherFor is how long the first look-up waits for others to share its call.
	gatherFor = 5 * time.Millisecond
	// gatherMost is for how many accounts one call asks: no provider answers with many more at once.
	gatherMost = 1000
)

// gatherer lets look-ups by id that come within a few milliseconds share one call. A look-up never joins
// a call that is already under way: its answer must be newer than its question.
type gatherer struct {
	read func(context.Context, []Key) error

	mu   sync.Mutex
	next *gathering
}

type gathering struct {
	keys []Key
	// priority is that of the most urgent of those who ask.
	priority pacing.Priority
	done     chan struct{}
	err      error
}

// look returns once the account was read, or the reading failed, or ctx ended.
func (g *gatherer) look(ctx context.Context, key Key) error {
	if key.ID == "" { // a provider looks for one name at a time: nothing to share
		return g.read(ctx, []Key{key})
	}
	b := g.join(ctx, key)
	select {
	case <-b.done:
		return b.err
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (g *gatherer) join(ctx context.Context, key Key) *gathering {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.next == nil || len(g.next.keys) >= gatherMost {
		b := &gathering{done: make(chan struct{})}
		g.next = b
		// The call serves others too, so it must not end with the first asker's context.
		shared := context.WithoutCancel(ctx)
		time.AfterFunc(gatherFor, func() { g.run(shared, b) })
	}
	g.next.keys = append(g.next.keys, key)
	g.next.priority = max(g.next.priority, pacing.PriorityOf(ctx))
	return g.next
}

func (g *gatherer) run(ctx context.Context, b *gathering) {
	g.mu.Lock()
	if g.next == b {
		g.next = nil
	}
	keys, priority := b.keys, b.priority
	g.mu.Unlock()
	b.err = g.read(pacing.WithPriority(ctx, priority), keys)
	close(b.done)
}
