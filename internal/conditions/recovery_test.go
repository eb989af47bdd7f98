package conditions

import (
	"strings"
	"testing"
	"time"

	"cpaas.dev/child-account-operator/api/v1alpha1"
)

func outcome(reason string) Outcome { return Outcome{Reason: reason, Message: "because"} }

// Each trouble of a ParentAccount ends with one event; of a ChildAccount's only what nobody else tells of.
func TestRecovered(t *testing.T) {
	well := outcome(v1alpha1.ReasonAvailable)
	for kind, table := range both {
		for reason, v := range table.rows {
			was := written(table, well, outcome(reason))
			over, ok := table.Recovered(was, well, noon.Add(61*time.Minute))
			want := kind == "ParentAccount" && (v.stalled || v.second == no) || reason == v1alpha1.ReasonFrozen
			if ok != want || ok && (over.Reason != reason || over.Lasted != time.Hour) {
				t.Errorf("%s, after %s: %+v, %v; want %v", kind, reason, over, ok, want)
			}
			if ok && !strings.HasSuffix(table.RecoveryText(over), ", after 1h0m0s: nothing to do") {
				t.Errorf("%s, after %s: %q", kind, reason, table.RecoveryText(over))
			}
			for next, n := range table.rows {
				if _, ok := table.Recovered(was, outcome(next), noon); ok && n.ready != yes {
					t.Errorf("%s, after %s comes %s, and something is over", kind, reason, next)
				}
			}
		}
		if _, ok := table.Recovered(nil, well, noon); ok {
			t.Errorf("%s: something is over that never was", kind)
		}
		if _, ok := table.Recovered(written(table, well), Undecided, noon); ok {
			t.Errorf("%s: something is over, and nothing can be said yet", kind)
		}
	}
}

// An outage that came over another trouble does not hide the end of that one.
func TestRecoveredAfterAnOutage(t *testing.T) {
	for _, c := range []struct {
		table Table
		first string
	}{{Parents, v1alpha1.ReasonUnauthorized}, {Children, v1alpha1.ReasonFrozen}} {
		was := written(c.table, outcome(c.first), outcome(v1alpha1.ReasonAPIUnavailable))
		over, ok := c.table.Recovered(was, outcome(v1alpha1.ReasonAvailable), noon.Add(time.Hour))
		if !ok || over.Reason != c.first {
			t.Errorf("after %s and an outage: %+v, %v", c.first, over, ok)
		}
	}
}

// How long a trouble lasted is counted from when it took the place of the one before it, where that is known, and with those before it from when
// the first of them began; whatever conditions came and went meanwhile.
func TestRecoveredAfterSeveral(t *testing.T) {
	const over = "what was reported as RoleMissing is over"
	well, missing, role, refused, down := outcome(v1alpha1.ReasonAvailable), outcome(v1alpha1.ReasonSecretMissing), outcome(v1alpha1.ReasonRoleMissing), outcome(v1alpha1.ReasonUnauthorized), outcome(v1alpha1.ReasonAPIUnavailable)
	at := func(minute int) time.Time { return noon.Add(time.Duration(minute) * time.Minute) }
	for name, test := range map[string]struct {
		outcomes []Outcome // one a minute from noon on
		known    int       // the minute of the last of them, where this process knows it; 0 for none
		text     string    // at the 30th minute
	}{
		"one trouble":                       {[]Outcome{well, role}, 0, over + ", after 29m0s: nothing to do"},
		"three, the last is known":          {[]Outcome{well, missing, refused, role}, 3, over + ", after 27m0s (29m0s with the troubles just before): nothing to do"},
		"three, before a restart":           {[]Outcome{well, missing, refused, role}, 0, over + ", after 29m0s: nothing to do"},
		"an outage over it":                 {[]Outcome{well, role, down}, 0, over + ", after 29m0s: nothing to do"},
		"a suspension":                      {[]Outcome{well, role, outcome(v1alpha1.ReasonSuspended)}, 0, over + ", after 29m0s: nothing to do"},
		"a suspension before it":            {[]Outcome{well, outcome(v1alpha1.ReasonSuspended), missing}, 0, "what was reported as SecretMissing is over, after 28m0s: nothing to do"},
		"well in between":                   {[]Outcome{refused, well, well, role}, 0, over + ", after 27m0s: nothing to do"},
		"an outage before it":               {[]Outcome{well, down, role}, 2, over + ", after 28m0s: nothing to do"},
		"an outage, past its grace":         {[]Outcome{well, down, {Reason: v1alpha1.ReasonAPIUnavailable, PastGrace: true}}, 0, "the provider answers again, after 29m0s: nothing to do"},
		"rate-limited before an outage":     {[]Outcome{well, outcome(v1alpha1.ReasonRateLimited), down}, 2, "the provider answers again, after 28m0s (29m0s with the troubles just before): nothing to do"},
		"a known time before the begin":     {[]Outcome{well, well, role}, 1, over + ", after 28m0s: nothing to do"},
		"a known time that is not the last": {[]Outcome{well, role}, 1, over + ", after 29m0s: nothing to do"},
	} {
		since := time.Time{}
		if test.known > 0 {
			since = at(test.known)
		}
		was := written(Parents, test.outcomes...)
		r, ok := Parents.Recovered(was, well, at(30))
		if got := Parents.RecoveryText(r.Since(since, at(30))); !ok || got != test.text {
			t.Errorf("%s: %q, want %q", name, got, test.text)
		}
	}
}

// A trouble takes another one's place where the conditions spoke of another one, and not of this one.
func TestTookPlace(t *testing.T) {
	well, role, refused, down := outcome(v1alpha1.ReasonAvailable), outcome(v1alpha1.ReasonRoleMissing), outcome(v1alpha1.ReasonUnauthorized), outcome(v1alpha1.ReasonAPIUnavailable)
	for name, test := range map[string]struct {
		outcomes []Outcome
		took     bool
	}{
		"new":             {nil, false},
		"well":            {[]Outcome{well}, false},
		"another":         {[]Outcome{well, refused}, true},
		"the same":        {[]Outcome{well, refused, role}, false},
		"an outage":       {[]Outcome{well, down}, true},
		"back after one":  {[]Outcome{role, down}, false},
		"well in between": {[]Outcome{refused, well}, false},
	} {
		if got := TookPlace(Parents, written(Parents, test.outcomes...), v1alpha1.ReasonRoleMissing, noon); got.IsZero() == test.took {
			t.Errorf("%s: %v", name, got)
		}
	}
}

// What differs is an event of its own, whatever client-go counts as the same; what is the same is counted.
func TestEventsAreToldApartByTheirContent(t *testing.T) {
	actions := map[string]string{}
	for _, note := range []string{"corrected email", "corrected location", "corrected email, location", strings.Repeat("a", 2000), strings.Repeat("a", 1000) + strings.Repeat("b", 1000)} {
		var first, again emitted
		NewEventRecorder(&first).Eventf(nil, nil, "Normal", "DriftCorrected", "Update", "%s", note)
		NewEventRecorder(&again).Eventf(nil, nil, "Normal", "DriftCorrected", "Update", "%s", note)
		if first != again || !strings.HasPrefix(first.action, "Update-") {
			t.Errorf("%q is %q, then %q", note, first.action, again.action)
		}
		if other, known := actions[first.action]; known && other != first.note {
			t.Errorf("%q and %q are one", other, first.note)
		}
		actions[first.action] = first.note
	}
	if len(actions) != 5 {
		t.Errorf("%d actions", len(actions))
	}
}
