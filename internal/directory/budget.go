package directory

import (
	"context"
	"sync"

	"golang.org/x/time/rate"
)

// Budget bounds the calls to a provider: so many a second, so many at a time.
type Budget struct {
	limiter *rate.Limiter

	mu       sync.Mutex
	inFlight int
	max      int
	freed    chan struct{} // closed and replaced whenever a place may have become free
}

// NewBudget makes a budget of perSecond calls a second and maxInFlight at one time; both at least 1.
func NewBudget(perSecond, maxInFlight int) *Budget {
	b := &Budget{limiter: rate.NewLimiter(0, 1), freed: make(chan struct{})}
	b.Set(perSecond, maxInFlight)
	return b
}

// Set changes the bounds. Whoever waits for a place feels it at once; whoever has his turn by the rate keeps it.
func (b *Budget) Set(perSecond, maxInFlight int) {
	b.limiter.SetLimit(rate.Limit(max(perSecond, 1)))
	b.mu.Lock()
	defer b.mu.Unlock()
	b.max = max(maxInFlight, 1)
	b.wake()
}

// Acquire waits for a place and for the rate. The caller calls release when its call has ended.
// It fails only with ctx.
func (b *Budget) Acquire(ctx context.Context) (release func(), err error) {
	if err := b.enter(ctx); err != nil {
		return nil, err
	}
	if err := b.limiter.Wait(ctx); err != nil {
		b.leave()
		return nil, err
	}
	return sync.OnceFunc(b.leave), nil
}

func (b *Budget) enter(ctx context.Context) error {
	for {
		b.mu.Lock()
		if b.inFlight < b.max {
			b.inFlight++
			b.mu.Unlock()
			return nil
		}
		freed := b.freed
		b.mu.Unlock()
		select {
		case <-freed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func (b *Budget) leave() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.inFlight--
	b.wake()
}

func (b *Budget) wake() {
	close(b.freed)
	b.freed = make(chan struct{})
}
