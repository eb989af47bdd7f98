package namespacecache

import (
	"context"
	"sync/atomic"
	"time"

	"k8s.io/apimachinery/pkg/util/wait"
)

const (
	// syncTimeout is how long a first list may take, as controller-runtime has it.
	syncTimeout = 2 * time.Minute
	// lostAfter is for how long requests must be refused before a kind that was read counts as lost: a Kubernetes API that has
	// just started may refuse for a moment what it allows.
	lostAfter = 3 * time.Second
	// stopPatience is for how long an informer that is told to stop is waited for.
	stopPatience = time.Second
)

// pauses are those between failed tries to read a kind: from a second to a quarter of a minute, and some more by chance.
func pauses() wait.Backoff {
	return wait.Backoff{Duration: time.Second, Factor: 2, Jitter: 0.2, Steps: 5, Cap: 15 * time.Second}
}

// reader keeps one kind of one scope read.
type reader struct {
	c     *Cache
	scope *scope
	kind  Kind
	key   key

	// latest is the newest complete mirror; it is old where synced is not set. Nil before the first.
	latest atomic.Pointer[mirror]
	// synced is set while latest is kept up to date. The cache's lock guards it and what follows.
	synced  bool
	trouble trouble
}

// holdsUp says whether the kind can't be read, and its namespace can't be worked with without it. The caller holds the cache's lock.
func (r *reader) holdsUp() bool { return !r.synced && !r.kind.Optional }

// run reads until ctx ends, by one mirror after the other.
func (r *reader) run(ctx context.Context) {
	for backoff := pauses(); ctx.Err() == nil; {
		if r.hold(ctx) {
			backoff = pauses()
		}
		r.pause(ctx, backoff.Step())
	}
}

// hold keeps one mirror for as long as it is good, and says whether it ever was.
func (r *reader) hold(ctx context.Context) (synced bool) {
	m, err := r.mirror(ctx)
	if err != nil {
		r.failed(err)
		return false
	}
	defer m.stop(r.c.options.Clock)
	if err := m.awaitSync(ctx, r.c.options.Clock); err != nil {
		if ctx.Err() == nil {
			r.failed(err)
		}
		return false
	}
	r.take(m)
	select {
	case err := <-m.failed:
		r.failed(err)
	case <-ctx.Done():
	}
	return true
}

// pause waits before the next try, or until another kind of the scope could be read.
func (r *reader) pause(ctx context.Context, d time.Duration) {
	r.c.mu.Lock()
	retry := r.scope.retry
	r.c.mu.Unlock()
	timer := r.c.options.Clock.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C():
	case <-retry:
	case <-ctx.Done():
	}
}

// failed notes that there is no mirror that is kept up to date.
func (r *reader) failed(err error) {
	r.c.update(func() {
		r.synced = false
		r.trouble.add(err, r.c.options.Clock.Now())
	})
}

// take puts a complete mirror in the former one's place, and hands what has changed to the handlers.
func (r *reader) take(m *mirror) {
	var former *mirror
	var handlers []*handler
	r.c.update(func() {
		former = r.latest.Swap(m)
		r.synced, r.trouble = true, trouble{}
		close(r.scope.retry)
		r.scope.retry = make(chan struct{})
		for _, h := range r.c.handlers {
			if h.key == r.key {
				h.attach(r)
				handlers = append(handlers, h)
			}
		}
	})
	// Deletions come after the handlers were attached, so that none is missed; one may come twice.
	for _, o := range former.without(m) {
		for _, h := range handlers {
			h.OnDelete(o)
		}
	}
}
