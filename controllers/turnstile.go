package controllers

import (
	"sync"

	"k8s.io/apimachinery/pkg/types"
	ctrl "sigs.k8s.io/controller-runtime"
)

// turnstiles bound how many resources of each kind, those of a parent say, are worked on at one time, so that many of one
// kind do not keep all workers from the others. Who finds no place is parked, and woken when there may be one.
type turnstiles struct {
	// places is how many each has.
	places int
	// wake puts a parked resource back into the queue.
	wake func(req ctrl.Request, urgent bool)

	mu  sync.Mutex
	all map[types.NamespacedName]*turnstile
	// woken are those on their way back, each with where it was parked.
	woken map[ctrl.Request]types.NamespacedName
}

// turnstile is one of them.
type turnstile struct {
	// inside have a place, coming were woken for one.
	inside, coming int
	// urgent come before others.
	urgent, others line
	// parked are those in the lines, true for the urgent. Who became urgent after it was parked stands in both.
	parked map[ctrl.Request]bool
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
	// placesPerNamespace is how many statuses of one namespace are written at one time where the provider need not be asked.
	placesPerNamespace = 32
)

// enter takes a place; false where there is none, and the resource is parked.
func (t *turnstiles) enter(which types.NamespacedName, req ctrl.Request, urgent bool) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	one := t.of(which)
	wasUrgent, parked := one.parked[req]
	switch {
	case one.inside < t.places:
		one.inside++
		return true
	case parked && (wasUrgent || !urgent):
		return false
	case urgent:
		one.urgent.add(req)
	default:
		one.others.add(req)
	}
	one.parked[req] = urgent
	return false
}

// leave frees a place.
func (t *turnstiles) leave(which types.NamespacedName) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.of(which).inside--
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
	t.of(which).coming--
	return func() {
		t.mu.Lock()
		defer t.mu.Unlock()
		t.fill(which)
	}
}

// fill wakes as many as there are places. The caller holds the lock.
func (t *turnstiles) fill(which types.NamespacedName) {
	one := t.of(which)
	for one.inside+one.coming < t.places && len(one.parked) > 0 {
		waiting, urgent := &one.urgent, true
		if len(one.urgent.turns) == 0 {
			waiting, urgent = &one.others, false
		}
		req := waiting.next()
		if is, parked := one.parked[req]; !parked || is != urgent { // it stood in both lines
			continue
		}
		delete(one.parked, req)
		one.coming++
		elsewhere, twice := t.woken[req]
		t.woken[req] = which
		if twice { // it had another parent before: what it was woken for there is somebody else's
			t.of(elsewhere).coming--
			t.fill(elsewhere)
		}
		t.wake(req, urgent)
	}
	if one.inside+one.coming+len(one.parked) == 0 {
		delete(t.all, which)
	}
}

func (t *turnstiles) of(which types.NamespacedName) *turnstile {
	if t.all == nil {
		t.all, t.woken = map[types.NamespacedName]*turnstile{}, map[ctrl.Request]types.NamespacedName{}
	}
	one := t.all[which]
	if one == nil {
		one = &turnstile{parked: map[ctrl.Request]bool{}}
		t.all[which] = one
	}
	return one
}
