package fairqueue

import (
	"slices"
	"sync"

	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
)

// Limits are how many slots there are.
type Limits struct {
	// PerTenant is how many resources of one tenant are reconciled at one time.
	PerTenant int
	// PerNamespace is how many resources all tenants of one namespace have together; 0 is no limit.
	PerNamespace int
}

// Limiter is the concurrency limit of each tenant. A tenant is a name in a namespace: a parent, say. All methods may be called
// by several workers at once.
type Limiter struct {
	limits Limits
	wake   func(req reconcile.Request, urgent bool)

	mu      sync.Mutex
	tenants map[types.NamespacedName]*tenant
	pools   map[string]*pool
	// woken are the requests on their way back, each with the tenant that has a slot for it.
	woken map[reconcile.Request]types.NamespacedName
}

// New returns a Limiter. It calls wake, with its lock held, to put a waiting request back into the workqueue.
func New(limits Limits, wake func(req reconcile.Request, urgent bool)) *Limiter {
	return &Limiter{
		limits: limits, wake: wake,
		tenants: map[types.NamespacedName]*tenant{}, pools: map[string]*pool{}, woken: map[reconcile.Request]types.NamespacedName{},
	}
}

// slots are how many are occupied, and how many are kept for requests that were woken.
type slots struct{ occupied, kept int }

func (s slots) taken() int { return s.occupied + s.kept }

// pool has the slots that the tenants of one namespace share.
type pool struct {
	slots
	// turns are the tenants with waiting requests; they take turns.
	turns []types.NamespacedName
}

// tenant has the slots of one tenant.
type tenant struct {
	slots
	// urgent requests come before others.
	urgent, others queue
	// waiting are the requests in the queues, true for urgent ones. A request that became urgent while it waited is in both.
	waiting map[reconcile.Request]bool
}

// next takes the next request out of the queues. There must be one.
func (t *tenant) next() (req reconcile.Request, urgent bool) {
	for {
		from, urgent := &t.urgent, true
		if len(t.urgent.turns) == 0 {
			from, urgent = &t.others, false
		}
		req := from.next()
		if is, waits := t.waiting[req]; waits && is == urgent { // else it was in both queues
			t.remove(req)
			return req, urgent
		}
	}
}

// remove has a request wait no longer. Its entry in a queue is passed over later, or dropped with the last one that waits.
func (t *tenant) remove(req reconcile.Request) {
	delete(t.waiting, req)
	if len(t.waiting) == 0 {
		t.urgent, t.others = queue{}, queue{}
	}
}

// queue has waiting requests. The namespaces take turns, so that one with thousands keeps only itself waiting; within each
// the first that came is the first.
type queue struct {
	turns  []string
	queued map[string][]reconcile.Request
}

func (q *queue) add(req reconcile.Request) {
	if q.queued == nil {
		q.queued = map[string][]reconcile.Request{}
	}
	if len(q.queued[req.Namespace]) == 0 {
		q.turns = append(q.turns, req.Namespace)
	}
	q.queued[req.Namespace] = append(q.queued[req.Namespace], req)
}

func (q *queue) next() reconcile.Request {
	namespace := q.turns[0]
	queued := q.queued[namespace]
	q.turns = q.turns[1:]
	if q.queued[namespace] = queued[1:]; len(queued) > 1 {
		q.turns = append(q.turns, namespace)
	} else {
		delete(q.queued, namespace)
	}
	return queued[0]
}

// Do does the work if the tenant has a free slot; otherwise the request waits, and is woken by itself.
func (l *Limiter) Do(of types.NamespacedName, req reconcile.Request, urgent bool, work func() (reconcile.Result, error)) (reconcile.Result, error) {
	if !l.enter(of, req, urgent) {
		return reconcile.Result{}, nil
	}
	defer l.leave(of)
	return work()
}

// enter occupies a slot; false where there is none, and the request waits.
func (l *Limiter) enter(of types.NamespacedName, req reconcile.Request, urgent bool) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	t, p := l.of(of)
	wasUrgent, waits := t.waiting[req]
	switch {
	case t.occupied < l.limits.PerTenant && (l.limits.PerNamespace == 0 || p.occupied < l.limits.PerNamespace):
		t.occupied++
		p.occupied++
		return true
	case waits && (wasUrgent || !urgent):
		return false
	case urgent:
		t.urgent.add(req)
	default:
		t.others.add(req)
	}
	if len(t.waiting) == 0 {
		p.turns = append(p.turns, of)
	}
	t.waiting[req] = urgent
	return false
}

// leave frees a slot.
func (l *Limiter) leave(of types.NamespacedName) {
	l.mu.Lock()
	defer l.mu.Unlock()
	t, p := l.of(of)
	t.occupied--
	p.occupied--
	l.fill(of)
}

// Arrived is to be called with each request that comes out of the workqueue, and what it returns once that is worked on:
// the slot that was kept for the request must not stay empty, whether the request occupies it or not.
func (l *Limiter) Arrived(req reconcile.Request) (done func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	of, ok := l.woken[req]
	if !ok {
		return func() {}
	}
	delete(l.woken, req)
	l.came(of)
	return func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.fill(of)
	}
}

// Forget drops a request whose resource is deleted. One that waits is not woken any more.
func (l *Limiter) Forget(req reconcile.Request) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for of, t := range l.tenants {
		if _, waits := t.waiting[req]; !waits {
			continue
		}
		t.remove(req)
		if p := l.pools[of.Namespace]; len(t.waiting) == 0 {
			p.turns = slices.DeleteFunc(p.turns, func(turn types.NamespacedName) bool { return turn == of })
		}
		l.fill(of)
	}
}

// came gives up the slot that was kept for a woken request. The caller holds the lock.
func (l *Limiter) came(of types.NamespacedName) {
	t, p := l.of(of)
	t.kept--
	p.kept--
}

// fill wakes as many as there are free slots, after something has changed at one tenant. The caller holds the lock.
func (l *Limiter) fill(changed types.NamespacedName) {
	t, p := l.of(changed)
	for l.limits.PerNamespace == 0 || p.taken() < l.limits.PerNamespace {
		i := slices.IndexFunc(p.turns, func(of types.NamespacedName) bool { return l.tenants[of].taken() < l.limits.PerTenant })
		if i < 0 {
			break
		}
		of := p.turns[i]
		p.turns = slices.Delete(p.turns, i, i+1)
		l.wakeNext(of)
	}
	if t.taken()+len(t.waiting) == 0 {
		delete(l.tenants, changed)
	}
	if p.taken()+len(p.turns) == 0 {
		delete(l.pools, changed.Namespace)
	}
}

// wakeNext wakes the next request of a tenant whose turn it is. The caller holds the lock.
func (l *Limiter) wakeNext(of types.NamespacedName) {
	t, p := l.of(of)
	req, urgent := t.next()
	if len(t.waiting) > 0 {
		p.turns = append(p.turns, of)
	}
	t.kept++
	p.kept++
	elsewhere, twice := l.woken[req]
	l.woken[req] = of
	if twice { // it had another tenant before: another request needs the slot that was kept there
		l.came(elsewhere)
		l.fill(elsewhere)
	}
	l.wake(req, urgent)
}

func (l *Limiter) of(of types.NamespacedName) (*tenant, *pool) {
	if l.tenants[of] == nil {
		l.tenants[of] = &tenant{waiting: map[reconcile.Request]bool{}}
	}
	if l.pools[of.Namespace] == nil {
		l.pools[of.Namespace] = &pool{}
	}
	return l.tenants[of], l.pools[of.Namespace]
}
