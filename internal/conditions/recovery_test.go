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
