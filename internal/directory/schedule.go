package directory

import (
	"cmp"
	"hash/fnv"
	"slices"
	"time"

	"k8s.io/apimachinery/pkg/types"

	"cpaas.dev/child-account-operator/internal/account"
)

const (
	// turnGrace is how long the others wait for the list of whose turn it is.
	turnGrace = 10 * time.Second
	// longestProof is for how long credentials are believed to be good for the list because they have read it: others may read it
	// for them that long, or two intervals, if that is longer.
	longestProof = time.Hour
)

// Schedule says when a ParentAccount is to read the list: those that share a snapshot take turns, at the shortest of their intervals.
type Schedule struct {
	// Interval is the shortest interval, Seed tells this snapshot's moments within it from others'.
	Interval time.Duration
	Seed     types.UID
	// Grace is for how long to wait for whose turn it is.
	Grace time.Duration
	// Latest is when the ParentAccount has to read the list itself, however new it is; zero where it is the only one.
	Latest time.Time
}

// scheduled is a ParentAccount as far as the turns depend on it.
type scheduled struct {
	key      types.NamespacedName
	uid      types.UID
	interval time.Duration
	// provenAt is when its credentials have last read the list.
	provenAt time.Time
}

// scheduleFor is the schedule of one of several ParentAccounts with one snapshot, whose credentials are all good for it. The turn is that
// of whose credentials have not read the list for the longest time: so all of them show again and again that they are good.
func scheduleFor(self scheduled, others []scheduled) Schedule {
	s := Schedule{Interval: self.interval, Seed: self.uid}
	if len(others) == 0 {
		return s
	}
	all := append([]scheduled{self}, others...)
	s.Interval = slices.MinFunc(all, func(a, b scheduled) int { return cmp.Compare(a.interval, b.interval) }).interval
	s.Seed = slices.MinFunc(all, func(a, b scheduled) int { return cmp.Compare(a.uid, b.uid) }).uid
	turn := slices.MinFunc(all, func(a, b scheduled) int {
		return cmp.Or(a.provenAt.Compare(b.provenAt), compareNames(a.key, b.key))
	})
	if turn.key != self.key {
		s.Grace = min(turnGrace, s.Interval/4)
	}
	s.Latest = self.provenAt.Add(max(longestProof, 2*s.Interval))
	return s
}

// NextResync is when the list after the one at last is due. Each parent has a moment of its own within the interval, so
// that many of them do not ask all at once, not even after a restart; so this is half an interval to one and a half away.
func NextResync(last time.Time, interval time.Duration, uid types.UID) time.Time {
	h := fnv.New64a()
	_, _ = h.Write([]byte(uid))
	next := last.Truncate(interval).Add(time.Duration(h.Sum64() % uint64(interval)))
	for next.Before(last.Add(interval / 2)) {
		next = next.Add(interval)
	}
	return next
}

// RateLimitOver says whether a ParentAccount's list that was rate-limited can be read before its time: other calls are answered again, and the
// provider has not asked for more patience.
func RateLimitOver(p *Parent, now time.Time) bool {
	l := p.Listings()
	if l.Err == nil || l.Err.Class != account.Throttled || l.Err.Alone || now.Before(l.AttemptedAt.Add(l.Err.RetryAfter)) {
		return false
	}
	limited, _ := p.Budget.Throttled()
	return !limited
}
