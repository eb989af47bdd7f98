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
	// outcome is how the try ended.
	outcome outcome
}

// holds are kept in memory: after a restart each may be tried once more.
type holds struct {
	mu sync.Mutex
	m  map[types.UID]hold
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
