package pacing_test

import (
	"context"
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"cpaas.dev/child-account-operator/internal/account"
	"cpaas.dev/child-account-operator/internal/pacing"
)

// plenty is a rate that nobody waits for.
const plenty = 1_000_000

func acquire(t *testing.T, b *pacing.Budget) func() {
	t.Helper()
	release, err := b.Acquire(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	return release
}

func TestBudgetBoundsTheRate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := pacing.NewBudget(10, 100)
		start := time.Now()
		var all sync.WaitGroup
		for range 31 {
			all.Go(func() { acquire(t, b)() })
		}
		all.Wait()
		// The first goes at once, the other thirty one after the other.
		if took := time.Since(start).Round(10 * time.Millisecond); took != 3*time.Second {
			t.Errorf("31 calls at 10 a second took %v", took)
		}
	})
}

func TestBudgetBoundsWhatIsInFlight(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const most = 4
		b := pacing.NewBudget(plenty, most)
		var now, peak, served atomic.Int32
		var all sync.WaitGroup
		for range 50 {
			all.Go(func() {
				release := acquire(t, b)
				defer release()
				n := now.Add(1)
				for p := peak.Load(); n > p && !peak.CompareAndSwap(p, n); p = peak.Load() {
				}
				<-time.After(time.Second) // of the bubble: all others that can go are in meanwhile
				now.Add(-1)
				served.Add(1)
			})
		}
		all.Wait()
		if peak.Load() != most || served.Load() != 50 {
			t.Errorf("%d at once and %d in all, want %d and 50", peak.Load(), served.Load(), most)
		}
	})
}

func TestBudgetReleaseTwice(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := pacing.NewBudget(plenty, 1)
		release := acquire(t, b)
		release()
		release()
		second := acquire(t, b)
		third := waiting(t, b)
		if third.done() {
			t.Fatal("a place was freed twice")
		}
		second()
		if !third.done() {
			t.Error("the free place is not taken")
		}
	})
}

// waiter is somebody who asks for a place.
type waiter struct {
	err  atomic.Pointer[error]
	stop context.CancelFunc
}

func waiting(t *testing.T, b *pacing.Budget) *waiter {
	ctx, stop := context.WithCancel(context.Background())
	t.Cleanup(stop)
	w := &waiter{stop: stop}
	go func() {
		_, err := b.Acquire(ctx)
		w.err.Store(&err)
	}()
	return w
}

// done says whether the asking has ended once nobody has anything to do for a millisecond of the bubble's time.
func (w *waiter) done() bool {
	<-time.After(time.Millisecond)
	synctest.Wait()
	return w.err.Load() != nil
}

func TestBudgetEndsWithTheContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := pacing.NewBudget(plenty, 1)
		release := acquire(t, b)
		w := waiting(t, b)
		if w.done() {
			t.Fatal("two places where there is one")
		}
		w.stop()
		if !w.done() || !errors.Is(*w.err.Load(), context.Canceled) {
			t.Fatal("waits on after the context's end")
		}
		release()
		acquire(t, b)() // the one who gave up holds no place
	})
}

// Who gives up while waiting for the rate gives the place back.
func TestBudgetEndsWithTheContextBetweenPlaceAndRate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := pacing.NewBudget(1, 1)
		acquire(t, b)()
		w := waiting(t, b) // has the place and waits for its second
		if w.done() {
			t.Fatal("two calls in one second")
		}
		w.stop()
		if !w.done() || !errors.Is(*w.err.Load(), context.Canceled) {
			t.Fatal("waits on after the context's end")
		}
		start := time.Now()
		acquire(t, b)()
		if took := time.Since(start); took > 2*time.Second {
			t.Errorf("took %v", took)
		}
	})
}

func TestBudgetSetWakesWaiters(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := pacing.NewBudget(plenty, 1)
		release := acquire(t, b)
		two, three := waiting(t, b), waiting(t, b)
		if two.done() || three.done() {
			t.Fatal("three places where there is one")
		}
		b.Set("acme", plenty, 3)
		if !two.done() || !three.done() {
			t.Error("more places, and nobody is woken")
		}
		b.Set("acme", plenty, 1) // three are in flight: nobody else until two have gone and one more
		four := waiting(t, b)
		release()
		if four.done() {
			t.Error("fewer places, and another one goes")
		}
		four.stop()
	})
}

func TestBudgetSetChangesTheRate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := pacing.NewBudget(1, 100)
		b.Set("acme", 100, 100)
		start := time.Now()
		for range 101 {
			acquire(t, b)()
		}
		if took := time.Since(start).Round(10 * time.Millisecond); took != time.Second {
			t.Errorf("101 calls at 100 a second took %v", took)
		}
	})
}

// Bounds that make no sense still let one call after the other go.
func TestBudgetIsNeverShut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := pacing.NewBudget(0, -1)
		start := time.Now()
		acquire(t, b)()
		acquire(t, b)()
		if took := time.Since(start).Round(10 * time.Millisecond); took != time.Second {
			t.Errorf("two calls took %v", took)
		}
	})
}

// Urgent calls go first, and nothing starves.
func TestBudgetPriorities(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := pacing.NewBudget(10, 1)
		release := acquire(t, b)
		var mu sync.Mutex
		var order []pacing.Priority
		var all sync.WaitGroup
		ask := func(p pacing.Priority) {
			all.Go(func() {
				release, err := b.Acquire(pacing.WithPriority(context.Background(), p))
				if err != nil {
					t.Error(err)
					return
				}
				mu.Lock()
				order = append(order, p)
				mu.Unlock()
				release()
			})
			synctest.Wait()
		}
		ask(pacing.Snapshot)
		for range 4 {
			ask(pacing.Drift)
		}
		ask(pacing.Creation)
		for range 3 {
			ask(pacing.Edit)
		}
		release()
		all.Wait()
		want := []pacing.Priority{
			pacing.Edit, pacing.Edit, pacing.Snapshot, pacing.Edit, pacing.Creation,
			pacing.Drift, pacing.Drift, pacing.Drift, pacing.Drift,
		}
		if !slices.Equal(order, want) {
			t.Errorf("%v, want %v", order, want)
		}
	})
}

func TestBudgetSlowsDownAndRecovers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := pacing.NewBudget(100, 10)
		throttled := &account.Error{Class: account.Throttled}
		b.Learn(throttled)
		b.Learn(throttled) // of the same moment
		b.Learn(&account.Error{Class: account.Throttled, Alone: true, RetryAfter: time.Hour})
		if b.Rate() != 50 {
			t.Errorf("%v, want the half", b.Rate())
		}
		sleep(time.Second)
		b.Learn(&account.Error{Class: account.Throttled, RetryAfter: 3 * time.Second})
		if r := b.Rate(); r < 25 || r > 26 {
			t.Errorf("%v, want half of what it had recovered to", r)
		}
		start := time.Now()
		acquire(t, b)()
		if took := time.Since(start); took != 3*time.Second {
			t.Errorf("the next call after %v", took)
		}
		sleep(time.Minute)
		if b.Rate() != 100 {
			t.Errorf("%v after a minute", b.Rate())
		}
		b.Learn(&account.Error{Class: account.Throttled, RetryAfter: time.Hour})
		start = time.Now()
		acquire(t, b)()
		if took := time.Since(start); took != time.Minute {
			t.Errorf("one account's hour stops the others for %v", took)
		}
	})
}

// Two users of an account have what the more modest one wants.
func TestBudgetOfTwo(t *testing.T) {
	b := pacing.NewBudget(100, 10)
	b.Set("one", 50, 10)
	b.Set("other", 20, 10)
	if b.Rate() != 20 {
		t.Error(b.Rate())
	}
	b.Drop("other")
	if b.Rate() != 50 {
		t.Error(b.Rate())
	}
}

// While the provider does not answer one call tries now and then, and the others are refused at once.
func TestBudgetBreaks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := pacing.NewBudget(plenty, 1)
		down := &account.Error{Class: account.Unavailable, Message: "HTTP 503"}
		for range 2 {
			b.Learn(down)
			b.Learn(&account.Error{Class: account.Unavailable, Answered: true, Message: "it answers"})
			b.Learn(nil)
		}
		release := acquire(t, b)
		patient := waiting(t, b)
		for range 3 {
			b.Learn(down)
		}
		release()
		if down, _ := b.Unavailable(); !down || !patient.done() || account.ClassOf(*patient.err.Load()) != account.Unavailable {
			t.Fatal("three calls without an answer, and it goes on")
		}
		if _, err := b.Acquire(context.Background()); err == nil || err.Error() != "HTTP 503" || account.AsError(err).OutcomeUnknown || account.AsError(err).RetryAfter == 0 {
			t.Errorf("%v, want the cause at once, and when to come back", err)
		}
		for pause := time.Second; pause < 2*time.Minute; pause *= 2 {
			sleep(min(pause, 10*time.Second))
			probe := acquire(t, b)
			if _, err := b.Acquire(context.Background()); err == nil {
				t.Fatal("two probes at once")
			}
			b.Learn(down)
			probe()
			if _, err := b.Acquire(context.Background()); err == nil {
				t.Fatalf("no pause after the probe that came after %v", pause)
			}
		}
		sleep(10 * time.Second)
		probe := acquire(t, b)
		b.Learn(&account.Error{Class: account.Invalid, Answered: true})
		probe()
		if down, _ := b.Unavailable(); down {
			t.Error("it answers, and counts as down")
		}
		acquire(t, b)()
	})
}

// Calls that were under way when the provider went silent all end without an answer; that is one outage, and no reason to
// wait longer with the first probe.
func TestBudgetProbesSoonWhateverWasInFlight(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := pacing.NewBudget(plenty, 10)
		silent := &account.Error{Class: account.Unavailable, Message: "no answer"}
		fail := func(release func()) { b.Learn(silent); release() }
		var inFlight []func()
		for range 10 {
			inFlight = append(inFlight, acquire(t, b))
		}
		for _, release := range inFlight[:8] {
			fail(release)
		}
		start := time.Now()
		probe := probeOf(t, b)
		if took := time.Since(start); took != time.Second {
			t.Errorf("the first probe after %v, want 1 s", took)
		}
		fail(inFlight[8]) // while the probe is under way
		start = time.Now()
		fail(probe)
		fail(inFlight[9]) // after it
		probe = probeOf(t, b)
		if took := time.Since(start); took != 2*time.Second {
			t.Errorf("the second probe after %v, want 2 s", took)
		}
		probe() // given up before it was sent: nothing was learnt
		probeOf(t, b)()
		if took := time.Since(start).Round(time.Millisecond); took != 2*time.Second {
			t.Errorf("another probe after %v, want it at once", took)
		}
	})
}

// probeOf waits until a call may try whether the provider is back.
func probeOf(t *testing.T, b *pacing.Budget) (release func()) {
	t.Helper()
	for {
		release, err := b.Acquire(context.Background())
		if err == nil {
			return release
		}
		down, next := b.Unavailable()
		if !down {
			t.Fatal(err)
		}
		sleep(max(next, time.Millisecond))
	}
}

// sleep lets the bubble's time pass.
func sleep(d time.Duration) { <-time.After(d) }
