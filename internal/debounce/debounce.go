// Package debounce does something once for many events that come one after another: when no more have come for a while.
package debounce

import (
	"sync"
	"time"
)

// Debouncer calls a function for each key of which nothing was heard for a while. It is safe for concurrent use.
type Debouncer[K comparable] struct {
	after time.Duration
	do    func(K)

	mu     sync.Mutex
	timers map[K]*time.Timer
}

// New returns a Debouncer that calls do, in a goroutine of its own, once Touch was not called with the key for so long.
func New[K comparable](after time.Duration, do func(K)) *Debouncer[K] {
	return &Debouncer[K]{after: after, do: do, timers: map[K]*time.Timer{}}
}

// Touch notes an event of a key.
func (d *Debouncer[K]) Touch(key K) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if timer := d.timers[key]; timer != nil && timer.Stop() {
		timer.Reset(d.after)
		return
	}
	var timer *time.Timer
	timer = time.AfterFunc(d.after, func() {
		d.mu.Lock()
		if d.timers[key] == timer {
			delete(d.timers, key)
		}
		d.mu.Unlock()
		d.do(key)
	})
	d.timers[key] = timer
}

// Pending is for how many keys there is still something to do.
func (d *Debouncer[K]) Pending() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return len(d.timers)
}
