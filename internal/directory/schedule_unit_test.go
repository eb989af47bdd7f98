package directory

import (
	"cmp"
	"fmt"
	"slices"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/clock"
	"pgregory.net/rapid"

	"cpaas.dev/child-account-operator/internal/account"
	"cpaas.dev/child-account-operator/internal/pacing"
	"cpaas.dev/child-account-operator/internal/provider/fake"
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

// The next list is never much sooner or later than an interval away, after the first always an interval, and many parents
// do not meet.
func TestNextResync(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		interval := time.Duration(rapid.Int64Range(int64(time.Second), int64(24*time.Hour)).Draw(t, "interval"))
		last := time.Unix(100000, 0).Add(time.Duration(rapid.Int64Range(0, int64(48*time.Hour)).Draw(t, "last")))
		uid := types.UID(rapid.String().Draw(t, "uid"))
		next := NextResync(last, interval, uid)
		if away := next.Sub(last); away < interval/2 || away > interval*3/2 {
			t.Fatalf("%v away, of an interval of %v", away, interval)
		}
		if second := NextResync(next, interval, uid); second.Sub(next) != interval {
			t.Fatalf("the second after %v, of an interval of %v", second.Sub(next), interval)
		}
	})
	moments := map[time.Time]bool{}
	for i := range 1000 {
		moments[NextResync(time.Unix(100000, 0), 5*time.Minute, types.UID(rune('a'+i))).Truncate(time.Second)] = true
	}
	if len(moments) < 200 {
		t.Errorf("a thousand parents meet at %d moments", len(moments))
	}
}

// A list that was rate-limited is read before its time once other calls are answered again, unless the provider asked for more patience.
func TestRateLimitOver(t *testing.T) {
	asked := time.Unix(100000, 0)
	limited := account.Error{Class: account.Throttled, Answered: true}
	alone, patient := limited, limited
	alone.Alone, patient.RetryAfter = true, time.Minute
	for name, c := range map[string]struct {
		failed  *account.Error
		answers []*account.Error
		after   time.Duration
		want    bool
	}{
		"it could be read":          {nil, nil, time.Second, false},
		"still rate-limited":        {&limited, []*account.Error{&limited}, time.Second, false},
		"answered since":            {&limited, []*account.Error{&limited, nil}, time.Second, false},
		"over":                      {&limited, nil, time.Second, true},
		"of one account":            {&alone, nil, time.Second, false},
		"an outage":                 {&account.Error{Class: account.Unavailable}, nil, time.Second, false},
		"the provider said when":    {&patient, nil, time.Second, false},
		"when the provider said so": {&patient, nil, time.Minute, true},
	} {
		p := &Parent{Directory: New(fake.New(fake.Options{}).Remote(), clock.RealClock{}), Budget: pacing.NewBudget(10, 10)}
		p.access.listFailed(asked, errorOf(c.failed))
		for _, a := range c.answers {
			p.Budget.Learn(a)
		}
		if got := RateLimitOver(p, asked.Add(c.after)); got != c.want {
			t.Errorf("%s: %v, want %v", name, got, c.want)
		}
	}
}

// errorOf is an error that is nil where there is none.
func errorOf(e *account.Error) error {
	if e == nil {
		return nil
	}
	return e
}
