package controllers

import (
	"slices"
	"sync"

	"k8s.io/apimachinery/pkg/types"
	ctrl "sigs.k8s.io/controller-runtime"
)

// turnstiles bound how many resources of each kind, those of a parent say, are worked on at one time, so that many of one
// kind do not keep all workers from the others. Who finds no place is parked, and woken when there may be one.
type turnstiles struct {
	// places is how many each has; together, unless it is 0, how many all of one namespace have.
	places, together int
	// wake puts a parked resource back into the queue.
	wake func(req ctrl.Request, urgent bool)

	mu    sync.Mutex
	all   map[types.NamespacedName]*turnstile
	halls map[string]*hall
	// woken are those on their way back, each with where it was parked.
	woken map[ctrl.Request]types.NamespacedName
}

// room is how many have a place, and how many were woken for one.
type room struct{ inside, coming int }

func (r room) taken() int { return r.inside + r.coming }

// hall is where the turnstiles of one namespace are.
type hall struct {
	room
	// turns are the turnstiles at which somebody waits; they take turns.
	turns []types.NamespacedName
}

// turnstile is one of them.
type turnstile struct {
	room
	// urgent come before others.
	urgent, others line
	// parked are those in the lines, true for the urgent. Who became urgent after it was parked stands in both.
	parked map[ctrl.Request]bool
}

// next takes the next one out of the lines, where there is one.
func (o *turnstile) next() (ctrl.Request, bool) {
	for {
		waiting, urgent := &o.urgent, true
		if len(o.urgent.turns) == 0 {
			waiting, urgent = &o.others, false
		}
		req := waiting.next()
		if is, parked := o.parked[req]; parked && is == urgent { // else it stood in both lines
			delete(o.parked, req)
			return req, urgent
		}
	}
}

// line is of those who wait. The namespaces take turns, so that one with thousands keeps only itself waiting; in each the
// first that came is the first.
type line struct {
	turns  []string
	queues map[string][]ctrl.Request
}

func (l *line) add(req ctrl.Request) {
	if l.queues == nil {
		l.queues = map[string][]ctrl.Request{}
	}
	if len(l.queues[req.Namespace]) == 0 {
		l.turns = append(l.turns, req.Namespace)
	}
	l.queues[req.Namespace] = append(l.queues[req.Namespace], req)
}

func (l *line) next() ctrl.Request {
	namespace := l.turns[0]
	queue := l.queues[namespace]
	l.turns = l.turns[1:]
	if l.queues[namespace] = queue[1:]; len(queue) > 1 {
		l.turns = append(l.turns, namespace)
	} else {
		delete(l.queues, namespace)
	}
	return queue[0]
}

const (
	// placesPerParent leaves room for the largest common batch, and others beside it.
	placesPerParent = 128
	// placesOfParents is how many the children of all ParentAccounts of one namespace have: half of the workers.
	placesOfParents = 256
	// placesPerNamespace is how many statuses of one namespace are written at one time where the provider need not be asked.
	placesPerNamespace = 32
	// parentsPerNamespace is how many ParentAccounts of one namespace are reconciled at one time: a quarter of the workers.
	parentsPerNamespace = 8
)

// enter takes a place; false where there is none, and the resource is parked.
func (t *turnstiles) enter(which types.NamespacedName, req ctrl.Request, urgent bool) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	one, hall := t.of(which)
	wasUrgent, parked := one.parked[req]
	switch {
	case one.inside < t.places && (t.together == 0 || hall.inside < t.together):
		one.inside++
		hall.inside++
		return true
	case parked && (wasUrgent || !urgent):
		return false
	case urgent:
		one.urgent.add(req)
	default:
		one.others.add(req)
	}
	if len(one.parked) == 0 {
		hall.turns = append(hall.turns, which)
	}
	one.parked[req] = urgent
	return false
}

// leave frees a place.
func (t *turnstiles) leave(which types.NamespacedName) {
	t.mu.Lock()
	defer t.mu.Unlock()
	one, hall := t.of(which)
	one.inside--
	hall.inside--
	t.fill(which)
}

// arrived says that a resource came out of the queue. Whether it takes a place or not, done is to be called in the end:
// the place that it was woken for must not stay empty.
func (t *turnstiles) arrived(req ctrl.Request) (done func()) {
	t.mu.Lock()
	defer t.mu.Unlock()
	which, ok := t.woken[req]
	if !ok {
		return func() {}
	}
	delete(t.woken, req)
	t.came(which)
	return func() {
		t.mu.Lock()
		defer t.mu.Unlock()
		t.fill(which)
	}
}

// came counts off one who was woken. The caller holds the lock.
func (t *turnstiles) came(which types.NamespacedName) {
	one, hall := t.of(which)
	one.coming--
	hall.coming--
}

// fill wakes as many as there are places, after something has changed at one turnstile. The caller holds the lock.
func (t *turnstiles) fill(changed types.NamespacedName) {
	one, hall := t.of(changed)
	for t.together == 0 || hall.taken() < t.together {
		i := slices.IndexFunc(hall.turns, func(which types.NamespacedName) bool { return t.all[which].taken() < t.places })
		if i < 0 {
			break
		}
		which := hall.turns[i]
		hall.turns = slices.Delete(hall.turns, i, i+1)
		t.wakeNext(which)
	}
	if one.taken()+len(one.parked) == 0 {
		delete(t.all, changed)
	}
	if hall.taken()+len(hall.turns) == 0 {
		delete(t.halls, changed.Namespace)
	}
}

// wakeNext wakes the next one at a turnstile whose turn it is. The caller holds the lock.
func (t *turnstiles) wakeNext(which types.NamespacedName) {
	one, hall := t.of(which)
	req, urgent := one.next()
	if len(one.parked) > 0 {
		hall.turns = append(hall.turns, which)
	}
	one.coming++
	hall.coming++
	elsewhere, twice := t.woken[req]
	t.woken[req] = which
	if twice { // it had another parent before: what it was woken for there is somebody else's
		t.came(elsewhere)
		t.fill(elsewhere)
	}
	t.wake(req, urgent)
}

func (t *turnstiles) of(which types.NamespacedName) (*turnstile, *hall) {
	if t.all == nil {
		t.all, t.halls, t.woken = map[types.NamespacedName]*turnstile{}, map[string]*hall{}, map[ctrl.Request]types.NamespacedName{}
	}
	if t.all[which] == nil {
		t.all[which] = &turnstile{parked: map[ctrl.Request]bool{}}
	}
	if t.halls[which.Namespace] == nil {
		t.halls[which.Namespace] = &hall{}
	}
	return t.all[which], t.halls[which.Namespace]
}
