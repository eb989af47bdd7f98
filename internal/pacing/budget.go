package pacing

import (
	"context"
	"slices"
	"sync"
	"time"

	"cpaas.dev/child-account-operator/internal/account"
)

// Priority says whose turn is first where calls have to wait.
type Priority int

// The priorities, the least first. A call that does not say is a Snapshot.
const (
	// Snapshot: the whole list.
	Snapshot Priority = iota
	// Drift: what changed at the provider.
	Drift
	// Creation: new accounts.
	Creation
	// Edit: what a person has just changed.
	Edit
)

type priorityKey struct{}

// WithPriority says how urgent the calls that are made with the context are.
func WithPriority(ctx context.Context, p Priority) context.Context {
	return context.WithValue(ctx, priorityKey{}, p)
}

// PriorityOf is how urgent the calls that are made with the context are.
func PriorityOf(ctx context.Context) Priority {
	p, _ := ctx.Value(priorityKey{}).(Priority)
	return p
}

const (
	// oldestEvery is how often it is the turn of whoever waits longest, whatever the priority: nothing starves.
	oldestEvery = 4
	// lateness is how much later than its time a call may go and the next one still follows on time: timers are coarse.
	lateness = 10 * time.Millisecond
	// recovery is how long it takes from no calls at all back to the full rate.
	recovery = time.Minute
	// slowest is the lowest rate that throttling leads to, in calls a second.
	slowest = 0.1
	// halvesAfter lets the answers to calls that were under way together count as one.
	halvesAfter = time.Second
	// longestPause bounds for how long one answer may stop all calls: some rate-limit one account alone.
	longestPause = time.Minute
)

// Budget bounds the calls to one account of a provider: so many a second, so many at a time, the urgent ones first.
// It slows down by halves when the provider rate-limits, and recovers by itself. While the provider does not answer
// it lets one call through now and then, and refuses the others at once.
type Budget struct {
	mu       sync.Mutex
	bounds   map[string]bounds // by who set them; those of "" hold until somebody does
	limit    float64
	rate     float64
	rateAt   time.Time
	halved   time.Time
	next     time.Time // when the next call may go
	max      int
	inFlight int
	waiting  []*turn
	grants   int
	timer    *time.Timer
	breaker  breaker
	throttle throttle
	// turned is told when the provider begins to rate-limit, and when that ends with a call; nil tells nobody. It is called without the lock.
	turned func()
}

type bounds struct{ perSecond, maxInFlight int }

// turn is somebody who waits for a call.
type turn struct {
	priority Priority
	// granted is closed when it is its turn, or with err set when it will never be.
	granted chan struct{}
	err     error
}

// NewBudget makes a budget of perSecond calls a second and maxInFlight at one time; both at least 1.
func NewBudget(perSecond, maxInFlight int) *Budget {
	b := &Budget{bounds: map[string]bounds{}}
	b.Set("", perSecond, maxInFlight)
	return b
}

// Set changes the bounds that one user of the account wants; of several the least hold.
func (b *Budget) Set(user string, perSecond, maxInFlight int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.bounds, "") // whoever made it had to say something
	b.bounds[user] = bounds{max(perSecond, 1), max(maxInFlight, 1)}
	b.bound()
}

// Drop forgets a user's bounds. The last user's hold for calls that are still to come, until somebody else sets others.
func (b *Budget) Drop(user string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	last, known := b.bounds[user]
	delete(b.bounds, user)
	if known && len(b.bounds) == 0 {
		b.bounds[""] = last
	}
	b.bound()
}

func (b *Budget) bound() {
	full := b.rate == b.limit
	b.limit, b.max = 0, 0
	for _, w := range b.bounds {
		if b.limit == 0 || float64(w.perSecond) < b.limit {
			b.limit = float64(w.perSecond)
		}
		if b.max == 0 || w.maxInFlight < b.max {
			b.max = w.maxInFlight
		}
	}
	if full || b.rate > b.limit {
		b.rate = b.limit
	}
	b.dispatch()
}

// Rate is how many calls a second are made at most at present.
func (b *Budget) Rate() float64 {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.recover(time.Now())
	return b.rate
}

// Unavailable says whether the provider did not answer of late, and is only tried now and then: next time after so long.
func (b *Budget) Unavailable() (unavailable bool, next time.Duration) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.breaker.open {
		return false, 0
	}
	return true, max(b.breaker.untilProbe(time.Now()), 0)
}

// Throttled says whether the provider rate-limits calls, and after how long to ask again, as it may be over by then. It does from the first call
// that is rate-limited on, until calls were answered for 10 seconds without that; where it comes and goes, for up to 2 minutes. It does not any
// more once the provider is unavailable.
func (b *Budget) Throttled() (throttled bool, again time.Duration) {
	b.mu.Lock()
	defer b.mu.Unlock()
	left := b.throttle.left(time.Now())
	return left > 0, min(left, b.throttle.quiet) // once a call is answered, that is all that is left
}

// OtherTroubleOver is to be called when a trouble of another kind than rate-limiting is over: rate-limiting before it ends then, too, if a call
// was answered since.
func (b *Budget) OtherTroubleOver() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.throttle.answered {
		b.throttle.interrupt()
	}
}

// OnTurn has a function be told when the provider begins to rate-limit calls, and when a call shows that it does so no more. The function must
// return soon: a call waits for it.
func (b *Budget) OnTurn(tell func()) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.turned = tell
}

// Acquire waits for a place and for the rate. The caller calls release when its call has ended. It fails with ctx, and
// while the provider does not answer: then the error says when to come back.
func (b *Budget) Acquire(ctx context.Context) (release func(), err error) {
	t, err := b.join(ctx)
	if err != nil {
		return nil, err
	}
	select {
	case <-t.granted:
	case <-ctx.Done():
		if !b.leave(t) { // granted at the same moment
			b.release(t)
		}
		return nil, ctx.Err()
	}
	if t.err != nil {
		return nil, t.err
	}
	return sync.OnceFunc(func() { b.release(t) }), nil
}

func (b *Budget) join(ctx context.Context) (*turn, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	t := &turn{priority: PriorityOf(ctx), granted: make(chan struct{})}
	if b.breaker.open {
		if now := time.Now(); b.breaker.untilProbe(now) > 0 {
			return nil, b.breaker.refusal(now)
		}
		b.breaker.begin(t)
	}
	b.waiting = append(b.waiting, t)
	b.dispatch()
	return t, nil
}

// leave takes somebody out of those who wait; false where it was their turn already.
func (b *Budget) leave(t *turn) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	i := slices.Index(b.waiting, t)
	if i < 0 {
		return false
	}
	b.waiting = slices.Delete(b.waiting, i, i+1)
	b.breaker.end(t)
	return true
}

func (b *Budget) release(t *turn) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if t.err != nil {
		return
	}
	b.inFlight--
	if b.breaker.end(t) {
		b.breaker.backOff(time.Now())
	}
	b.dispatch()
}

// dispatch lets all go whose turn it is, and comes back when the next one's is. The caller holds the lock.
func (b *Budget) dispatch() {
	for len(b.waiting) > 0 && b.inFlight < b.max {
		now := time.Now()
		if wait := b.next.Sub(now); wait > 0 {
			b.comeBack(wait)
			return
		}
		b.recover(now)
		interval := time.Duration(float64(time.Second) / b.rate)
		if now.Sub(b.next) > lateness {
			b.next = now
		}
		b.next = b.next.Add(interval)
		b.inFlight++
		close(b.pick().granted)
	}
}

func (b *Budget) comeBack(wait time.Duration) {
	if b.timer == nil {
		b.timer = time.AfterFunc(wait, func() {
			b.mu.Lock()
			defer b.mu.Unlock()
			b.dispatch()
		})
		return
	}
	b.timer.Reset(wait)
}

// pick takes out whose turn it is: the most urgent, of those the first that came, and now and then simply the first.
func (b *Budget) pick() *turn {
	b.grants++
	best := 0
	if b.grants%oldestEvery != 0 {
		for i, t := range b.waiting {
			if t.priority > b.waiting[best].priority {
				best = i
			}
		}
	}
	t := b.waiting[best]
	b.waiting = slices.Delete(b.waiting, best, best+1)
	return t
}

// recover brings the rate back to the limit with time.
func (b *Budget) recover(now time.Time) {
	if b.rate < b.limit {
		b.rate = min(b.limit, b.rate+b.limit*float64(now.Sub(b.rateAt))/float64(recovery))
	}
	b.rateAt = now
}

// Learn takes from an answer what it says about the provider's patience, and whether it answers at all.
func (b *Budget) Learn(failed *account.Error) {
	if turned := b.learn(failed); turned != nil {
		turned()
	}
}

// learn is Learn; it returns whom to tell, nil for nobody.
func (b *Budget) learn(failed *account.Error) (turned func()) {
	b.mu.Lock()
	defer b.mu.Unlock()
	now, turns := time.Now(), false
	switch {
	case failed == nil, failed.Class != account.Throttled && failed.Class != account.Unavailable:
		turns = b.throttle.wasAnswered(now)
	case failed.Class == account.Throttled && !failed.Alone:
		b.slowDown(now, failed.RetryAfter)
		turns = b.throttle.limited(now)
	}
	if b.breaker.learn(now, failed) {
		b.throttle.interrupt()
		b.refuseAll(now)
	}
	if turns {
		return b.turned
	}
	return nil
}

func (b *Budget) slowDown(now time.Time, pause time.Duration) {
	b.recover(now)
	if now.Sub(b.halved) >= halvesAfter {
		b.rate, b.halved = max(b.rate/2, slowest), now
	}
	if until := now.Add(min(pause, longestPause)); until.After(b.next) {
		b.next = until
	}
}

// refuseAll sends away whoever waits: the provider does not answer.
func (b *Budget) refuseAll(now time.Time) {
	for _, t := range b.waiting {
		t.err = b.breaker.refusal(now)
		close(t.granted)
	}
	b.waiting = nil
}
