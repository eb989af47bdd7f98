package controllers

import (
	"sync"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/types"

	"cpaas.dev/child-account-operator/api/v1alpha1"
	"cpaas.dev/child-account-operator/internal/account"
)

func TestRetryNext(t *testing.T) {
	for name, c := range map[string]struct {
		retry      retry
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
		"slow, at once":                    {slow, 0, 0, 10 * time.Minute},
		"slow, as long as it has lasted":   {slow, 3 * time.Hour, 0, 3 * time.Hour},
		"slow, bounded":                    {slow, 100 * time.Hour, 0, 6 * time.Hour},
		"none":                             {none, time.Hour, 0, 0},
		"none, the provider asks to wait":  {none, time.Hour, time.Minute, time.Minute},
		"tomorrow, at noon":                {tomorrow, time.Hour, 0, 12*time.Hour + time.Minute},
		"tomorrow, the provider asks more": {tomorrow, 0, 48 * time.Hour, 48 * time.Hour},
	} {
		t.Run(name, func(t *testing.T) {
			if got := c.retry.next(noon.Add(-c.age), noon, c.after); got != c.want {
				t.Errorf("%v, want %v", got, c.want)
			}
		})
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
	for _, r := range []retry{soon, slow} {
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
		for _, r := range []retry{soon, slow} {
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
		out  outcome
		age  time.Duration
		want time.Duration
	}{
		"nothing can be said yet":            {outcome{after: time.Second}, age, time.Second},
		"held, what remains":                 {outcome{reason: v1alpha1.ReasonNameTaken, held: true, after: 3 * time.Minute}, age, 3 * time.Minute},
		"held for ever":                      {outcome{reason: v1alpha1.ReasonRejected, held: true}, age, 0},
		"reconciling":                        {outcome{reason: v1alpha1.ReasonAPIUnavailable}, age, time.Minute},
		"reconciling, just begun":            {outcome{reason: v1alpha1.ReasonAPIUnavailable}, 0, time.Second},
		"throttled":                          {outcome{reason: v1alpha1.ReasonRateLimited, after: 90 * time.Second}, age, 90 * time.Second},
		"stalled":                            {outcome{reason: v1alpha1.ReasonNameTaken}, 2 * age, 20 * time.Minute},
		"stalled, just begun":                {outcome{reason: v1alpha1.ReasonNameTaken}, 0, 10 * time.Minute},
		"stalled until something changes":    {outcome{reason: v1alpha1.ReasonRejected}, age, 0},
		"not as the row has it":              {outcome{reason: v1alpha1.ReasonRejected, retry: &slow}, 2 * age, 20 * time.Minute},
		"the day's accounts are used up":     {outcome{reason: v1alpha1.ReasonBlockedDailyLimit}, age, 12*time.Hour + time.Minute},
		"well":                               {outcome{reason: v1alpha1.ReasonAvailable}, age, 0},
		"well, and a resync is due some day": {outcome{reason: v1alpha1.ReasonAvailable, after: 5 * time.Minute}, age, 5 * time.Minute},
	} {
		t.Run(name, func(t *testing.T) {
			if got := childTable.pause(c.out, noon.Add(-c.age), noon); got != c.want {
				t.Errorf("%v, want %v", got, c.want)
			}
		})
	}
}

// A failed call comes back by itself, unless only a change of the resource can help.
func TestFailuresComeBack(t *testing.T) {
	for _, class := range allClasses(t) {
		out := childTable.failed(&account.Error{Class: class})
		pause := childTable.pause(out, noon, noon)
		if (pause == 0) != (class == account.Invalid) {
			t.Errorf("%s (%s): tried again after %v", class, out.reason, pause)
		}
	}
}

func TestTroubledSince(t *testing.T) {
	at := func(i int) time.Time { return noon.Add(time.Duration(i) * time.Minute) }
	well, trying, stuck := outcome{reason: v1alpha1.ReasonAvailable}, outcome{reason: v1alpha1.ReasonUpdating}, outcome{reason: v1alpha1.ReasonNameTaken}
	for name, c := range map[string]struct {
		outcomes []outcome
		want     time.Time
	}{
		"new":                {nil, at(9)},
		"well":               {[]outcome{stuck, well}, at(9)},
		"trying":             {[]outcome{well, trying, trying}, at(1)},
		"stuck":              {[]outcome{well, trying, stuck, stuck}, at(2)},
		"trying, once stuck": {[]outcome{stuck, trying}, at(1)},
	} {
		if got := troubledSince(written(childTable, c.outcomes...), at(9)); !got.Equal(c.want) {
			t.Errorf("%s: since %v, want %v", name, got, c.want)
		}
	}
}

// A new process tries what passes by itself as if it had just begun; what waits for somebody goes on waiting.
func TestTroubledSinceOfANewProcess(t *testing.T) {
	trying, stuck := outcome{reason: v1alpha1.ReasonAPIUnavailable}, outcome{reason: v1alpha1.ReasonUnauthorized}
	began := noon.Add(9 * time.Minute)
	for name, c := range map[string]struct {
		of   outcome
		want time.Time
	}{
		"trying": {trying, began},
		"stuck":  {stuck, noon},
	} {
		r := &ParentAccountReconciler{}
		conditions := written(parentTable, c.of)
		if got := r.troubledSince(c.of, conditions, began); !got.Equal(c.want) {
			t.Errorf("%s: since %v, want %v", name, got, c.want)
		}
		if got := r.troubledSince(c.of, conditions, began.Add(time.Minute)); !got.Equal(c.want) {
			t.Errorf("%s, a minute later: since %v, want %v", name, got, c.want)
		}
	}
}

func TestRequeue(t *testing.T) {
	for name, c := range map[string]struct {
		out    outcome
		jitter bool
	}{
		"undecided": {undecided, false},
		"held":      {outcome{reason: v1alpha1.ReasonNameTaken, held: true}, false},
		"well":      {outcome{reason: v1alpha1.ReasonAvailable}, false},
		"stalled":   {outcome{reason: v1alpha1.ReasonNameTaken}, true},
		"trying":    {outcome{reason: v1alpha1.ReasonAPIUnavailable}, true},
		"as asked":  {outcome{reason: v1alpha1.ReasonRejected, retry: &slow}, true},
	} {
		most := time.Duration(0)
		for range 50 {
			got := childTable.requeue(c.out, time.Hour)
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

func TestGrace(t *testing.T) {
	for resync, want := range map[time.Duration]time.Duration{
		time.Second: 15 * time.Minute, 5 * time.Minute: 15 * time.Minute, 6 * time.Minute: 18 * time.Minute, time.Hour: 3 * time.Hour,
	} {
		if got := graceOf(resync); got != want {
			t.Errorf("resync %v: %v, want %v", resync, got, want)
		}
	}
}

func TestHolds(t *testing.T) {
	var h holds
	const uid, other = types.UID("one"), types.UID("two")
	active := func(uid types.UID, plan string, at time.Time) bool {
		held, ok := h.active(uid, plan, at)
		if ok != (held.plan == plan && plan != "") {
			t.Errorf("%v, %+v", ok, held)
		}
		return ok
	}
	h.drop(uid) // nothing to drop
	if active(uid, "plan", noon) {
		t.Error("held by nobody")
	}
	h.put(uid, hold{plan: "plan", until: noon.Add(time.Minute), outcome: outcome{reason: v1alpha1.ReasonNameTaken}})
	for name, c := range map[string]struct {
		uid  types.UID
		plan string
		at   time.Time
		want bool
	}{
		"the same":         {uid, "plan", noon, true},
		"shortly before":   {uid, "plan", noon.Add(time.Minute - 1), true},
		"when it ends":     {uid, "plan", noon.Add(time.Minute), false},
		"another plan":     {uid, "another", noon, false},
		"another resource": {other, "plan", noon, false},
	} {
		if got := active(c.uid, c.plan, c.at); got != c.want {
			t.Errorf("%s: %v, want %v", name, got, c.want)
		}
	}
	h.put(uid, hold{plan: "another"})
	if active(uid, "plan", noon) || !active(uid, "another", noon.AddDate(100, 0, 0)) {
		t.Error("a later hold does not take the earlier one's place, or one without an end has one")
	}
	h.put(other, hold{plan: "plan"})
	h.drop(uid)
	if active(uid, "another", noon) || !active(other, "plan", noon) {
		t.Error("dropped the wrong one")
	}
}

// How long a plan has failed is remembered with it, and counts from now for another plan.
func TestHoldsSince(t *testing.T) {
	var h holds
	const uid = types.UID("one")
	if !h.since(uid, "plan", noon).IsZero() {
		t.Error("remembers what never was")
	}
	h.put(uid, hold{plan: "plan", since: noon})
	later := noon.Add(time.Hour)
	if got := h.since(uid, "plan", later); !got.Equal(noon) {
		t.Errorf("the same plan: %v", got)
	}
	if got := h.since(uid, "another", later); !got.Equal(later) {
		t.Errorf("another plan: %v", got)
	}
	h.drop(uid)
	if !h.since(uid, "plan", later).IsZero() {
		t.Error("remembers what was dropped")
	}
}

func TestHoldsClean(t *testing.T) {
	var h holds
	const uid = types.UID("one")
	if h.isClean(uid) {
		t.Error("clean without anybody having seen")
	}
	h.setClean(uid, true)
	h.put(uid, hold{plan: "plan"})
	h.drop(uid)
	if !h.isClean(uid) || h.isClean("two") {
		t.Error("a dropped hold changes what is clean, or another resource is")
	}
	h.setClean(uid, false)
	if h.isClean(uid) {
		t.Error("clean for ever")
	}
	h.setClean(uid, true)
	h.put(uid, hold{plan: "plan"})
	h.forget(uid)
	if _, held := h.active(uid, "plan", noon); held || h.isClean(uid) {
		t.Error("not forgotten")
	}
}

func TestHoldRemaining(t *testing.T) {
	failed := outcome{reason: v1alpha1.ReasonNameTaken, message: "is taken", after: time.Hour, plan: "plan"}
	out := hold{plan: "plan", until: noon.Add(10 * time.Minute), outcome: failed}.remaining(noon.Add(4 * time.Minute))
	if !out.held || out.after != 6*time.Minute || out.reason != failed.reason || out.message != failed.message {
		t.Errorf("%+v", out)
	}
	out = hold{plan: "plan", outcome: failed}.remaining(noon)
	if !out.held || out.after != 0 {
		t.Errorf("without an end: %+v", out)
	}
}

func TestHoldsAtOnce(t *testing.T) {
	var h holds
	var all sync.WaitGroup
	for _, uid := range []types.UID{"a", "b", "c"} {
		for range 4 {
			all.Go(func() {
				h.put(uid, hold{plan: "plan"})
				h.active(uid, "plan", noon)
				h.since(uid, "plan", noon)
				h.setClean(uid, true)
				h.isClean(uid)
				h.drop(uid)
				h.forget(uid)
			})
		}
	}
	all.Wait()
}

func TestUntilNextLook(t *testing.T) {
	for name, c := range map[string]struct{ pause, left, want time.Duration }{
		"the pauses' own pace":          {20 * time.Second, time.Hour, 20 * time.Second},
		"the provider asks for more":    {2 * time.Hour, time.Hour, time.Minute},
		"the hour is nearly over":       {20 * time.Second, time.Second, time.Second},
		"a failure, which has no pause": {0, time.Hour, 0},
	} {
		if got := untilNextLook(c.pause, c.left); got != c.want {
			t.Errorf("%s: %v, want %v", name, got, c.want)
		}
	}
}
