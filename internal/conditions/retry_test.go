package conditions

import (
	"testing"
	"time"

	"cpaas.dev/child-account-operator/api/v1alpha1"
	"cpaas.dev/child-account-operator/internal/account"
)

// retryCases are what each rule makes of a state's age and of what the provider asks for.
var retryCases = map[string]struct {
	retry      Retry
	age, after time.Duration
	want       time.Duration
}{
	"soon, at once":                    {soon, 0, 0, time.Second},
	"soon, still young":                {soon, 500 * time.Millisecond, 0, time.Second},
	"soon, as long as it has lasted":   {soon, 20 * time.Second, 0, 20 * time.Second},
	"soon, bounded":                    {soon, time.Hour, 0, time.Minute},
	"soon, the provider asks more":     {soon, time.Second, 5 * time.Minute, 5 * time.Minute},
	"soon, the provider asks less":     {soon, 30 * time.Second, 5 * time.Second, 30 * time.Second},
	"soon, a clock that goes back":     {soon, -time.Hour, 0, time.Second},
	"often, at once":                   {often, 0, 0, 10 * time.Second},
	"often, bounded":                   {often, time.Hour, 0, 10 * time.Minute},
	"slow, at once":                    {slow, 0, 0, 10 * time.Minute},
	"slow, as long as it has lasted":   {slow, 3 * time.Hour, 0, 3 * time.Hour},
	"slow, bounded":                    {slow, 100 * time.Hour, 0, 6 * time.Hour},
	"refused write, at once":           {refusedWrite, 0, 0, 10 * time.Second},
	"refused write, bounded":           {refusedWrite, 100 * time.Hour, 0, time.Hour},
	"none":                             {none, time.Hour, 0, 0},
	"none, the provider asks to wait":  {none, time.Hour, time.Minute, time.Minute},
	"tomorrow, at noon":                {tomorrow, time.Hour, 0, 12*time.Hour + time.Minute},
	"tomorrow, the provider asks more": {tomorrow, 0, 48 * time.Hour, 48 * time.Hour},
}

func TestRetryNext(t *testing.T) {
	for name, c := range retryCases {
		t.Run(name, func(t *testing.T) {
			if got := c.retry.next(noon.Add(-c.age), noon, c.after); got != c.want {
				t.Errorf("%v, want %v", got, c.want)
			}
		})
	}
}

// Each rule that a row has is one of the cases.
func TestEveryRetryHasACase(t *testing.T) {
	tried := map[Retry]bool{}
	for _, c := range retryCases {
		tried[c.retry] = true
	}
	for kind, table := range both {
		for reason, v := range table.rows {
			if !tried[v.retry] {
				t.Errorf("%s, %s: the retry rule (%s) has no case in retryCases", kind, reason, v.retry)
			}
		}
	}
}

// The next UTC day, whatever the local one.
func TestRetryNextDay(t *testing.T) {
	east := time.FixedZone("east", 14*60*60)
	for now, want := range map[time.Time]time.Time{
		time.Date(2026, 1, 2, 0, 0, 0, 0, time.UTC):      time.Date(2026, 1, 3, 0, 1, 0, 0, time.UTC),
		time.Date(2026, 1, 2, 23, 59, 59, 1, time.UTC):   time.Date(2026, 1, 3, 0, 1, 0, 0, time.UTC),
		time.Date(2026, 12, 31, 12, 0, 0, 0, time.UTC):   time.Date(2027, 1, 1, 0, 1, 0, 0, time.UTC),
		time.Date(2026, 1, 3, 5, 0, 0, 0, east):          time.Date(2026, 1, 3, 0, 1, 0, 0, time.UTC), // the 2nd, 15:00 UTC
		time.Date(2028, 2, 28, 23, 30, 0, 0, time.UTC):   time.Date(2028, 2, 29, 0, 1, 0, 0, time.UTC),
		time.Date(2026, 3, 29, 1, 59, 59, 0, time.Local): time.Date(2026, 3, 29, 1, 59, 59, 0, time.Local).UTC().Truncate(24 * time.Hour).Add(24*time.Hour + time.Minute),
	} {
		if got := now.Add(tomorrow.next(now, now, 0)); !got.Equal(want) {
			t.Errorf("from %v: %v, want %v", now, got, want)
		}
	}
}

// The pauses double, from the least to the most, without anything being counted.
func TestPausesDouble(t *testing.T) {
	for _, r := range []Retry{soon, sooner, slow} {
		since, now := noon, noon
		var pauses []time.Duration
		for range 15 {
			pause := r.next(since, now, 0)
			pauses = append(pauses, pause)
			now = now.Add(pause)
		}
		if pauses[0] != r.min || pauses[len(pauses)-1] != r.max {
			t.Errorf("from %v to %v, want %v to %v", pauses[0], pauses[len(pauses)-1], r.min, r.max)
		}
		for i := 2; i < len(pauses); i++ {
			if pauses[i] != min(2*pauses[i-1], r.max) {
				t.Errorf("%v after %v", pauses[i], pauses[i-1])
			}
		}
	}
}

func TestSpread(t *testing.T) {
	for range 1000 {
		for _, r := range []Retry{soon, slow} {
			if got := r.spread(time.Hour); got < time.Hour || got > 66*time.Minute {
				t.Fatalf("an hour became %v", got)
			}
		}
	}
	if got := tomorrow.spread(20 * time.Hour); got < 20*time.Hour || got > 20*time.Hour+dayJitter {
		t.Errorf("twenty hours became %v", got)
	}
	seen := map[time.Duration]bool{}
	for range 20 {
		seen[slow.spread(time.Hour)] = true
	}
	if len(seen) < 2 {
		t.Error("all come back together")
	}
	if none.spread(time.Hour) != time.Hour || soon.spread(0) != 0 {
		t.Error("what is no retry is spread")
	}
}

func TestPause(t *testing.T) {
	const age = 10 * time.Minute
	for name, c := range map[string]struct {
		out  Outcome
		age  time.Duration
		want time.Duration
	}{
		"nothing can be said yet":            {Outcome{After: time.Second}, age, time.Second},
		"held, what remains":                 {Outcome{Reason: v1alpha1.ReasonNameTaken, InBackoff: true, After: 3 * time.Minute}, age, 3 * time.Minute},
		"held for ever":                      {Outcome{Reason: v1alpha1.ReasonRejected, InBackoff: true}, age, 0},
		"reconciling":                        {Outcome{Reason: v1alpha1.ReasonAPIUnavailable}, age, time.Minute},
		"reconciling, just begun":            {Outcome{Reason: v1alpha1.ReasonAPIUnavailable}, 0, time.Second},
		"throttled":                          {Outcome{Reason: v1alpha1.ReasonRateLimited, After: 90 * time.Second}, age, 90 * time.Second},
		"stalled":                            {Outcome{Reason: v1alpha1.ReasonNameTaken}, 2 * age, 20 * time.Minute},
		"stalled, just begun":                {Outcome{Reason: v1alpha1.ReasonNameTaken}, 0, 10 * time.Minute},
		"stalled until something changes":    {Outcome{Reason: v1alpha1.ReasonRejected}, age, 0},
		"not as the row has it":              {Outcome{Reason: v1alpha1.ReasonRejected, Retry: &slow}, 2 * age, 20 * time.Minute},
		"the day's accounts are used up":     {Outcome{Reason: v1alpha1.ReasonBlockedDailyLimit}, age, 12*time.Hour + time.Minute},
		"well":                               {Outcome{Reason: v1alpha1.ReasonAvailable}, age, 0},
		"well, and a resync is due some day": {Outcome{Reason: v1alpha1.ReasonAvailable, After: 5 * time.Minute}, age, 5 * time.Minute},
	} {
		t.Run(name, func(t *testing.T) {
			if got := Children.Pause(c.out, noon.Add(-c.age), noon); got != c.want {
				t.Errorf("%v, want %v", got, c.want)
			}
		})
	}
}

// A failed call comes back by itself, unless only a change of the resource can help.
func TestFailuresComeBack(t *testing.T) {
	for _, class := range allClasses(t) {
		out := Children.Failed(&account.Error{Class: class})
		pause := Children.Pause(out, noon, noon)
		if (pause == 0) != (class == account.Invalid) {
			t.Errorf("%s (%s): tried again after %v", class, out.Reason, pause)
		}
	}
}

func TestTroubledSince(t *testing.T) {
	at := func(i int) time.Time { return noon.Add(time.Duration(i) * time.Minute) }
	well, trying, stuck := Outcome{Reason: v1alpha1.ReasonAvailable}, Outcome{Reason: v1alpha1.ReasonUpdating}, Outcome{Reason: v1alpha1.ReasonNameTaken}
	for name, c := range map[string]struct {
		outcomes []Outcome
		want     time.Time
	}{
		"new":                {nil, at(9)},
		"well":               {[]Outcome{stuck, well}, at(9)},
		"trying":             {[]Outcome{well, trying, trying}, at(1)},
		"stuck":              {[]Outcome{well, trying, stuck, stuck}, at(2)},
		"trying, once stuck": {[]Outcome{stuck, trying}, at(1)},
	} {
		if got := TroubledSince(written(Children, c.outcomes...), at(9)); !got.Equal(c.want) {
			t.Errorf("%s: since %v, want %v", name, got, c.want)
		}
	}
}

func TestRequeue(t *testing.T) {
	for name, c := range map[string]struct {
		out    Outcome
		jitter bool
	}{
		"Undecided": {Undecided, false},
		"held":      {Outcome{Reason: v1alpha1.ReasonNameTaken, InBackoff: true}, false},
		"well":      {Outcome{Reason: v1alpha1.ReasonAvailable}, false},
		"stalled":   {Outcome{Reason: v1alpha1.ReasonNameTaken}, true},
		"trying":    {Outcome{Reason: v1alpha1.ReasonAPIUnavailable}, true},
		"as asked":  {Outcome{Reason: v1alpha1.ReasonRejected, Retry: &slow}, true},
	} {
		most := time.Duration(0)
		for range 50 {
			got := Children.Requeue(c.out, time.Hour)
			if got < time.Hour || got > 66*time.Minute {
				t.Fatalf("%s: an hour became %v", name, got)
			}
			most = max(most, got)
		}
		if (most > time.Hour) != c.jitter {
			t.Errorf("%s: jitter %v, want %v", name, most > time.Hour, c.jitter)
		}
	}
}
