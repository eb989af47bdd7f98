package directory

import (
	"cmp"
	"fmt"
	"slices"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/types"
	"pgregory.net/rapid"
)

func user(name string, interval, provenAgo time.Duration) scheduled {
	return scheduled{key: types.NamespacedName{Name: name}, uid: types.UID("uid-" + name), interval: interval, provenAt: time.Unix(100000, 0).Add(-provenAgo)}
}

func TestSchedule(t *testing.T) {
	now := time.Unix(100000, 0)
	const m = time.Minute
	for name, c := range map[string]struct {
		self   scheduled
		others []scheduled
		want   Schedule
	}{
		"alone":                       {user("b", 10*m, 5*m), nil, Schedule{Interval: 10 * m, Seed: "uid-b"}},
		"whose turn it is":            {user("b", 10*m, 5*m), []scheduled{user("a", 10*m, m)}, Schedule{Interval: 10 * m, Seed: "uid-a", Latest: now.Add(55 * m)}},
		"whose turn it is not":        {user("b", 10*m, 5*m), []scheduled{user("a", 10*m, 6*m)}, Schedule{Interval: 10 * m, Seed: "uid-a", Grace: 10 * time.Second, Latest: now.Add(55 * m)}},
		"of two at one time the name": {user("b", 10*m, m), []scheduled{user("a", 10*m, m)}, Schedule{Interval: 10 * m, Seed: "uid-a", Grace: 10 * time.Second, Latest: now.Add(59 * m)}},
		"the shortest interval":       {user("a", 10*m, m), []scheduled{user("b", 20*m, 0), user("c", 2*m, 0)}, Schedule{Interval: 2 * m, Seed: "uid-a", Latest: now.Add(59 * m)}},
		"a very short one":            {user("a", 4*time.Second, 0), []scheduled{user("b", m, m)}, Schedule{Interval: 4 * time.Second, Seed: "uid-a", Grace: time.Second, Latest: now.Add(60 * m)}},
		"a long one":                  {user("a", 2*60*m, m), []scheduled{user("b", 3*60*m, 0)}, Schedule{Interval: 2 * 60 * m, Seed: "uid-a", Latest: now.Add(239 * m)}},
	} {
		if got := scheduleFor(c.self, c.others); got != c.want {
			t.Errorf("%s: %+v, want %+v", name, got, c.want)
		}
	}
}

// However many share a snapshot: the list is read once in the shortest of their intervals and no more often than the proofs need, and
// all credentials show at least once in longestProof, or two intervals, that they are good.
func TestTurns(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		users := make([]scheduled, rapid.IntRange(1, 12).Draw(t, "users"))
		shortest := time.Duration(0)
		for i := range users {
			interval := time.Duration(rapid.IntRange(1, 120).Draw(t, "minutes")) * time.Minute
			users[i] = user(fmt.Sprint(i), interval, 0)
			if shortest == 0 || interval < shortest {
				shortest = interval
			}
		}
		begin := users[0].provenAt
		last, reads := begin, 0
		due := func(i int) time.Time {
			s := scheduleFor(users[i], slices.Delete(slices.Clone(users), i, i+1))
			next := last.Add(s.Interval).Add(s.Grace)
			if !s.Latest.IsZero() && s.Latest.Before(next) {
				return s.Latest
			}
			return next
		}
		longest := max(longestProof, 2*shortest) + time.Minute
		for end := begin.Add(10 * longest); last.Before(end); reads++ {
			indexes := make([]int, len(users))
			for i := range indexes {
				indexes[i] = i
			}
			reader := slices.MinFunc(indexes, func(a, b int) int { return cmp.Or(due(a).Compare(due(b)), cmp.Compare(a, b)) })
			at := due(reader)
			if since := at.Sub(users[reader].provenAt); len(users) > 1 && since > longest {
				t.Fatalf("credentials of %d did not read the list for %v", reader, since)
			}
			if at.Sub(last) > shortest+turnGrace {
				t.Fatalf("no list for %v, of an interval of %v", at.Sub(last), shortest)
			}
			last, users[reader].provenAt = at, at
		}
		proofs := 0
		if len(users) > 1 {
			proofs = len(users) * int(last.Sub(begin)/max(longestProof, 2*shortest)+1)
		}
		if most := int(last.Sub(begin)/shortest) + 1 + proofs; reads > most {
			t.Fatalf("%d lists, want %d at most", reads, most)
		}
	})
}
