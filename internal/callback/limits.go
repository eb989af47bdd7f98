package callback

import (
	"crypto/sha256"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/types"
)

// rate is how much may happen: so much at one time, and once more after each interval.
type rate struct {
	burst float64
	every time.Duration
}

// bucket is how much of a rate is used. The zero value is unused. It is not safe for concurrent use.
type bucket struct {
	used float64
	at   time.Time
}

// take says whether one more may happen now, and counts it.
func (b *bucket) take(now time.Time, r rate) bool {
	b.used = max(0, b.used-float64(max(0, now.Sub(b.at)))/float64(r.every))
	b.at = now
	if b.used+1 > r.burst {
		return false
	}
	b.used++
	return true
}

// Each accepted callback of a child costs a read of the account at most, one of a parent a read of the whole list.
var (
	childRate  = rate{burst: 6, every: 10 * time.Second}
	parentRate = rate{burst: 2, every: 30 * time.Second}
)

// emptyAfter is when a bucket of each of these rates is unused again.
const emptyAfter = time.Minute

// limiter has a rate for each resource. It is safe for concurrent use. Only those who know an account's secrets make it remember anything.
type limiter struct {
	mu      sync.Mutex
	buckets map[types.UID]*bucket
	swept   time.Time
}

func newLimiter() *limiter { return &limiter{buckets: map[types.UID]*bucket{}} }

// allow says whether one more callback of a resource is accepted now, and counts it.
func (l *limiter) allow(uid types.UID, r rate, now time.Time) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if now.Sub(l.swept) >= emptyAfter {
		l.swept = now
		for uid, b := range l.buckets {
			if now.Sub(b.at) >= emptyAfter {
				delete(l.buckets, uid)
			}
		}
	}
	b := l.buckets[uid]
	if b == nil {
		b = &bucket{}
		l.buckets[uid] = b
	}
	return b.take(now, r)
}

// rememberedCallbacks is how many accepted callbacks are remembered. They take about a megabyte.
const rememberedCallbacks = 16384

// fingerprint tells a callback of an account from others.
type fingerprint [16]byte

func fingerprintOf(uid types.UID, id string) (f fingerprint) {
	sum := sha256.Sum256([]byte(string(uid) + " " + id))
	copy(f[:], sum[:])
	return f
}

// replays remembers the last callbacks that were accepted. It is safe for concurrent use.
type replays struct {
	mu    sync.Mutex
	known map[fingerprint]bool
	// ring has them in their order, next is the place of the oldest.
	ring []fingerprint
	next int
	most int
}

func newReplays(most int) *replays { return &replays{known: map[fingerprint]bool{}, most: most} }

// has says whether a callback was accepted before.
func (r *replays) has(f fingerprint) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.known[f]
}

// add remembers a callback, in the place of the oldest where there is no room; false where it was there.
func (r *replays) add(f fingerprint) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.known[f] {
		return false
	}
	if len(r.ring) < r.most {
		r.ring = append(r.ring, f)
	} else {
		delete(r.known, r.ring[r.next])
		r.ring[r.next] = f
		r.next = (r.next + 1) % r.most
	}
	r.known[f] = true
	return true
}
