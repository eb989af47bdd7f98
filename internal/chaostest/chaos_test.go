package chaostest

import (
	"context"
	"math/rand/v2"
	"os"
	"strconv"
	"sync"
	"testing"
	"time"
)

const (
	usually = 2 * time.Minute
	// convergence is within what time all must be as declared once nothing goes wrong any more: the longest pause after
	// failures is a minute, a dead leader's lease ends after 15 seconds, and a plan that is declared anew takes a minute more.
	convergence = 4 * time.Minute
)

func TestMain(m *testing.M) {
	if os.Getenv(replicaEnv) != "" { // this process is not the test but one of its replicas
		runReplica()
		return
	}
	os.Exit(m.Run())
}

func TestChaos(t *testing.T) {
	if os.Getenv("TEST_ALL") == "" {
		t.Skip("make test-all runs it: it takes minutes")
	}
	seed, lasts := settings(t)
	t.Logf("CHAOS_SEED=%d CHAOS_FOR=%s", seed, lasts)
	w := newWorld(t)
	life, subs := newLife(w, dice(seed, "life")), newSubLife(w, dice(seed, "SubAccounts"))
	replicas := startReplicas(w, dice(seed, "deaths"))
	ctx, done := context.WithTimeout(t.Context(), longest*lasts)
	defer done()

	var all sync.WaitGroup
	for _, trouble := range []func(context.Context){
		life.goOn, subs.goOn, replicas.dieNowAndThen, w.checkAllTheWhile,
		func(ctx context.Context) { w.loseAnswers(ctx, dice(seed, "faults")) },
		func(ctx context.Context) { w.spoilSubCalls(ctx, dice(seed, "faults of SubAccounts")) },
		func(ctx context.Context) { w.restartAPIServer(ctx, dice(seed, "restarts")) },
		func(ctx context.Context) { replicas.awaitEvents(ctx, lasts, done) },
	} {
		all.Go(func() { trouble(ctx) })
	}
	all.Wait()
	w.sim.ClearFaults()
	w.sim.TwoSMS.ClearFaults()
	troubled := w.sim.Calls()
	t.Logf("nothing goes wrong any more, from %s on", time.Now().UTC().Format(time.TimeOnly))
	life.end()
	subs.end()
	t.Logf("%d edits and the like; calls: %v", life.drawn, w.sim.Counters().Outcomes)
	if t.Failed() {
		return
	}
	expectEventful(t, replicas.events(troubled), lasts)
	life.expectConverged()
	subs.expectConverged()
	w.check()
	replicas.expectHealthy()
}

// longest is how many times as long a soak lasts on a machine that is so slow that too little happens.
const longest = 3

// awaitEvents ends the soak in its time, or once enough happened.
func (all *replicas) awaitEvents(ctx context.Context, lasts time.Duration, done func()) {
	for wait := time.After(lasts); ; wait = time.After(5 * time.Second) {
		select {
		case <-ctx.Done():
			return
		case <-wait:
		}
		if all.events(all.sim.Calls()).enough(lasts) {
			done()
			return
		}
	}
}

// settings are what the environment says, or the usual.
func settings(t *testing.T) (seed uint64, lasts time.Duration) {
	seed, lasts = rand.Uint64(), usually
	var err error
	if s := os.Getenv("CHAOS_SEED"); s != "" {
		if seed, err = strconv.ParseUint(s, 10, 64); err != nil {
			t.Fatal("CHAOS_SEED: ", err)
		}
	}
	if s := os.Getenv("CHAOS_FOR"); s != "" {
		if lasts, err = time.ParseDuration(s); err != nil {
			t.Fatal("CHAOS_FOR: ", err)
		}
	}
	return seed, lasts
}

// dice are those of one of the troubles: each has its own, so that what they draw does not depend on who is faster.
func dice(seed uint64, trouble string) *rand.Rand {
	var stream uint64
	for _, c := range trouble {
		stream = stream*131 + uint64(c)
	}
	return rand.New(rand.NewPCG(seed, stream))
}

// pick is one of several.
func pick[T any](r *rand.Rand, of ...T) T { return of[r.IntN(len(of))] }

// between is a time from low up to high.
func between(r *rand.Rand, low, high time.Duration) time.Duration {
	return low + time.Duration(r.Int64N(int64(high-low)))
}

// pass lets time pass; false when it is over.
func pass(ctx context.Context, d time.Duration) bool {
	select {
	case <-ctx.Done():
		return false
	case <-time.After(d):
		return true
	}
}
