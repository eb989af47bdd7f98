package controllers

import (
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/types"
)

// hold remembers that a try failed and must not be repeated before its time, however often the resource is looked at.
// It ends early with whatever may change the answer: another plan, another generation, another connection.
type hold struct {
	// plan tells what was tried: generation, connection and changes.
	plan string
	// until is when it may be tried again; zero for never.
	until time.Time
	// since is when this very plan was first tried in vain.
	since time.Time
	// outcome is how the try ended.
	outcome outcome
}

// holds are kept in memory: after a restart each may be tried once more.
type holds struct {
	mu sync.Mutex
	m  map[types.UID]hold
	// clean are the resources whose creation began before our eyes and was never in doubt: no account was made for them.
	clean map[types.UID]bool
}

// since is when the plan was first tried in vain; zero where nothing is remembered, now where it was another plan.
func (h *holds) since(uid types.UID, plan string, now time.Time) time.Time {
	h.mu.Lock()
	defer h.mu.Unlock()
	held, ok := h.m[uid]
	switch {
	case !ok:
		return time.Time{}
	case held.plan == plan:
		return held.since
	}
	return now
}

// setClean notes whether it is certain that no account was made for the resource.
func (h *holds) setClean(uid types.UID, clean bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.clean == nil {
		h.clean = map[types.UID]bool{}
	}
	if clean {
		h.clean[uid] = true
	} else {
		delete(h.clean, uid)
	}
}

func (h *holds) isClean(uid types.UID) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.clean[uid]
}

// forget drops everything about a resource that is gone.
func (h *holds) forget(uid types.UID) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.m, uid)
	delete(h.clean, uid)
}

// active returns the hold on this very plan, if there is one.
func (h *holds) active(uid types.UID, plan string, now time.Time) (hold, bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	held, ok := h.m[uid]
	if !ok || held.plan != plan || !held.until.IsZero() && !now.Before(held.until) {
		return hold{}, false
	}
	return held, true
}

func (h *holds) put(uid types.UID, held hold) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.m == nil {
		h.m = map[types.UID]hold{}
	}
	h.m[uid] = held
}

func (h *holds) drop(uid types.UID) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.m, uid)
}
