package callback

import (
	"fmt"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/types"
)

func uidOf(i int) types.UID { return types.UID(fmt.Sprint("uid-", i)) }

func TestBucket(t *testing.T) {
	now := time.Unix(1_800_000_000, 0)
	r := rate{burst: 2, every: 10 * time.Second}
	var b bucket
	for i, step := range []struct {
		after time.Duration
		ok    bool
	}{
		{0, true}, {0, true}, {0, false}, {9 * time.Second, false}, {time.Second, true}, {0, false}, {time.Hour, true}, {0, true}, {0, false},
		{-time.Hour, false}, {time.Hour + 10*time.Second, true},
	} {
		now = now.Add(step.after)
		if got := b.take(now, r); got != step.ok {
			t.Errorf("%d: %v after %s", i, got, step.after)
		}
	}
}

// What is not used any more is forgotten, whoever it was of.
func TestLimiterForgets(t *testing.T) {
	l, now := newLimiter(), time.Unix(1_800_000_000, 0)
	for i := range 100 {
		l.allow(uidOf(i), childRate, now)
	}
	now = now.Add(emptyAfter)
	l.allow(uidOf(1000), childRate, now)
	if len(l.buckets) != 1 {
		t.Errorf("%d buckets", len(l.buckets))
	}
	for _, r := range []rate{childRate, parentRate} {
		if time.Duration(r.burst)*r.every > emptyAfter {
			t.Errorf("%v is forgotten while it is in use", r)
		}
	}
}

// The memory of replays is bounded, and has the newest.
func TestReplaysAreBounded(t *testing.T) {
	r := newReplays(10)
	for i := range 25 {
		if !r.add(fingerprintOf("uid", fmt.Sprint(i))) {
			t.Errorf("%d is known", i)
		}
	}
	if len(r.known) != 10 || len(r.ring) != 10 {
		t.Errorf("%d and %d are remembered", len(r.known), len(r.ring))
	}
	for i := range 25 {
		if got := r.has(fingerprintOf("uid", fmt.Sprint(i))); got != (i >= 15) {
			t.Errorf("%d: %v", i, got)
		}
	}
	if r.has(fingerprintOf("uid 2", "4")) || !r.has(fingerprintOf("uid", "24")) {
		t.Error("one resource's are another's")
	}
}

func TestKeyringForgets(t *testing.T) {
	w := newWorld(t)
	w.post(bodyOf(w.frozen("1")))
	w.clock.Step(2 * keptFor)
	w.post(bodyOf(signed(parentSalt, childKey, w.ids["acme-two"], "1", "min_balance")))
	if len(w.keys.known) != 1 {
		t.Errorf("%d are remembered", len(w.keys.known))
	}
}
