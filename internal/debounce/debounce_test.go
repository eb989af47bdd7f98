package debounce_test

import (
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"cpaas.dev/child-account-operator/internal/debounce"
)

// calls are the keys that were called with, in their order.
type calls struct {
	mu   sync.Mutex
	keys []string
}

func (c *calls) add(key string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.keys = append(c.keys, key)
}

func (c *calls) are(t *testing.T, want ...string) {
	t.Helper()
	synctest.Wait()
	c.mu.Lock()
	defer c.mu.Unlock()
	if !slices.Equal(c.keys, want) {
		t.Errorf("called with %q, want %q", c.keys, want)
	}
}

// pass lets time pass in the bubble.
func pass(d time.Duration) { <-time.After(d) }

func TestManyEventsAreOneCall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var done calls
		d := debounce.New(5*time.Second, done.add)
		for range 100 {
			d.Touch("a")
			pass(4 * time.Second)
		}
		done.are(t)
		pass(time.Second)
		done.are(t, "a")
		pass(time.Hour)
		done.are(t, "a")
		if n := d.Pending(); n != 0 {
			t.Errorf("%d keys are kept", n)
		}
	})
}

func TestEachKeyWaitsForItself(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var done calls
		d := debounce.New(5*time.Second, done.add)
		d.Touch("a")
		pass(3 * time.Second)
		d.Touch("b")
		pass(2 * time.Second)
		done.are(t, "a")
		d.Touch("a") // anew
		pass(3 * time.Second)
		done.are(t, "a", "b")
		pass(2 * time.Second)
		done.are(t, "a", "b", "a")
	})
}
