package controllers

import (
	"sync"

	"k8s.io/apimachinery/pkg/types"
	ctrl "sigs.k8s.io/controller-runtime"
)

// turnstiles bound how many children of each parent are worked on at one time, so that a slow parent does not keep all
// workers from the others. Who finds no place is parked, and woken when there may be one.
type turnstiles struct {
	// wake puts a parked resource back into the queue.
	wake func(req ctrl.Request, urgent bool)

	mu      sync.Mutex
	parents map[types.NamespacedName]*turnstile
	// woken are those on their way back, each with its parent.
	woken map[ctrl.Request]types.NamespacedName
}

// turnstile is that of one parent.
type turnstile struct {
	// inside have a place, coming were woken for one.
	inside, coming int
	// urgent come before others.
	urgent, others line
	parked         map[ctrl.Request]bool
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

// placesPerParent leaves room for the largest common batch, and others beside it.
const placesPerParent = 128

// enter takes a place; false where there is none, and the resource is parked.
func (t *turnstiles) enter(parent types.NamespacedName, req ctrl.Request, urgent bool) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	one := t.of(parent)
	switch {
	case one.inside < placesPerParent:
		one.inside++
		return true
	case one.parked[req]:
		return false
	case urgent:
		one.urgent.add(req)
	default:
		one.others.add(req)
	}
	one.parked[req] = true
	return false
}

// leave frees a place.
func (t *turnstiles) leave(parent types.NamespacedName) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.of(parent).inside--
	t.fill(parent)
}

// arrived says that a resource came out of the queue. Whether it takes a place or not, done is to be called in the end:
// the place that it was woken for must not stay empty.
func (t *turnstiles) arrived(req ctrl.Request) (done func()) {
	t.mu.Lock()
	defer t.mu.Unlock()
	parent, ok := t.woken[req]
	if !ok {
		return func() {}
	}
	delete(t.woken, req)
	t.of(parent).coming--
	return func() {
		t.mu.Lock()
		defer t.mu.Unlock()
		t.fill(parent)
	}
}

// fill wakes as many as there are places. The caller holds the lock.
func (t *turnstiles) fill(parent types.NamespacedName) {
	one := t.of(parent)
	for free := placesPerParent - one.inside - one.coming; free > 0 && len(one.parked) > 0; free-- {
		waiting, urgent := &one.urgent, true
		if len(one.urgent.turns) == 0 {
			waiting, urgent = &one.others, false
		}
		req := waiting.next()
		delete(one.parked, req)
		t.woken[req] = parent
		one.coming++
		t.wake(req, urgent)
	}
	if one.inside+one.coming+len(one.parked) == 0 {
		delete(t.parents, parent)
	}
}

func (t *turnstiles) of(parent types.NamespacedName) *turnstile {
	if t.parents == nil {
		t.parents, t.woken = map[types.NamespacedName]*turnstile{}, map[ctrl.Request]types.NamespacedName{}
	}
	one := t.parents[parent]
	if one == nil {
		one = &turnstile{parked: map[ctrl.Request]bool{}}
		t.parents[parent] = one
	}
	return one
}
