package conditions

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/fluxcd/cli-utils/pkg/kstatus/status"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"

	"cpaas.dev/child-account-operator/api/v1alpha1"
)

var noon = time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC)

const generation = 7

// written are the conditions after these outcomes, one a minute from noon on.
func written(t Table, outcomes ...Outcome) []metav1.Condition {
	var conditions []metav1.Condition
	for i, o := range outcomes {
		t.Write(&conditions, generation+int64(i), o, noon.Add(time.Duration(i)*time.Minute))
	}
	return conditions
}

// is says a condition's status, "" where it is absent.
func is(conditions []metav1.Condition, kind string) metav1.ConditionStatus {
	if c := meta.FindStatusCondition(conditions, kind); c != nil {
		return c.Status
	}
	return ""
}

// kstatus is what tools like Flux and kubectl wait make of the conditions.
func kstatus(t *testing.T, conditions []metav1.Condition) status.Status {
	t.Helper()
	object, err := runtime.DefaultUnstructuredConverter.ToUnstructured(&v1alpha1.ChildAccount{
		ObjectMeta: metav1.ObjectMeta{Name: "acme", Namespace: "telephony", Generation: generation},
		Status:     v1alpha1.ChildAccountStatus{AccountStatus: v1alpha1.AccountStatus{ObservedGeneration: generation, Conditions: conditions}},
	})
	if err != nil {
		t.Fatal(err)
	}
	result, err := status.Compute(&unstructured.Unstructured{Object: object})
	if err != nil {
		t.Fatal(err)
	}
	return result.Status
}

// starts are states that a resource may be in before.
func starts(t Table) map[string][]metav1.Condition {
	out := map[string][]metav1.Condition{"new": nil}
	for reason := range t.rows {
		out["once "+reason] = written(t, Outcome{Reason: v1alpha1.ReasonAvailable, Message: "was well"}, Outcome{Reason: reason, Message: "then"})
		out["first "+reason] = written(t, Outcome{Reason: reason, Message: "first"})
	}
	return out
}

// Every row, from every state, within and past the grace.
func TestWrite(t *testing.T) {
	for kind, table := range both {
		for reason, v := range table.rows {
			for from, before := range starts(table) {
				for _, pastGrace := range []bool{false, true} {
					after := append([]metav1.Condition(nil), before...)
					table.Write(&after, generation+5, Outcome{Reason: reason, Message: "now", PastGrace: pastGrace}, noon.Add(time.Hour))
					checkWritten(t, kind+": "+from+", then "+reason, table, v, pastGrace, before, after)
				}
			}
		}
	}
}

// lasting are causes of a Ready that is False which may be there still while a change waits for an approval.
var lasting = []string{v1alpha1.ReasonAPIKeyMissing, v1alpha1.ReasonFrozen, v1alpha1.ReasonDeactivatedEarlier, v1alpha1.ReasonAccountMissing}

func checkWritten(t *testing.T, name string, table Table, v Verdict, pastGrace bool, before, after []metav1.Condition) {
	t.Helper()
	wantReady := v.ready
	if was := is(before, v1alpha1.ConditionReady); v.ready == asBefore {
		if wantReady = was; was == "" || pastGrace {
			wantReady = unknown
		}
	}
	ready, second := is(after, v1alpha1.ConditionReady), is(after, table.second)
	stalled, reconciling := is(after, v1alpha1.ConditionStalled), is(after, v1alpha1.ConditionReconciling)
	if ready != wantReady || second != v.second {
		t.Errorf("%s (past the grace: %v): Ready %s, %s %s; want %s and %s", name, pastGrace, ready, table.second, second, wantReady, v.second)
	}
	if stalled != present(v.stalled) || reconciling != present(v.reconciling) {
		t.Errorf("%s: Stalled %q, Reconciling %q; want %v and %v", name, stalled, reconciling, v.stalled, v.reconciling)
	}
	if stalled != "" && (reconciling != "" || ready == yes && v.ready != asBefore) { // the account may be well though a change waits
		t.Errorf("%s: Stalled beside Reconciling %q and Ready %s", name, reconciling, ready)
	}
	for _, c := range after {
		was := meta.FindStatusCondition(before, c.Type)
		switch moved := c.LastTransitionTime.Time.Equal(noon.Add(time.Hour)); {
		case was == nil || was.Status != c.Status:
			if !moved {
				t.Errorf("%s: %s changed, but not when", name, c.Type)
			}
		case moved || !c.LastTransitionTime.Equal(&was.LastTransitionTime):
			t.Errorf("%s: %s did not change, but when did", name, c.Type)
		}
		kept := c.Type == v1alpha1.ConditionReady && v.ready == asBefore && was != nil && !pastGrace
		over := kept && was.Status == no && table.rows[v1alpha1.ReasonAwaitingApproval] == v && !slices.Contains(lasting, was.Reason)
		of := int64(generation + 5)
		if kept { // it speaks of the spec that it spoke of before
			of = was.ObservedGeneration
		}
		if c.ObservedGeneration != of {
			t.Errorf("%s: %s is of generation %d, want %d", name, c.Type, c.ObservedGeneration, of)
		}
		if over {
			if c.Reason != v1alpha1.ReasonAwaitingApproval || !strings.Contains(c.Message, "waits for an approval") {
				t.Errorf("%s: %s says %s: %s", name, c.Type, c.Reason, c.Message)
			}
			continue
		}
		if kept && (c.Reason != was.Reason || c.Message != was.Message) || !kept && c.Message != Advise("now", table.NextStep(c.Reason)) {
			t.Errorf("%s: %s says %s: %s", name, c.Type, c.Reason, c.Message)
		}
	}
}

func present(on bool) metav1.ConditionStatus {
	if on {
		return yes
	}
	return ""
}

func TestWriteForKstatus(t *testing.T) {
	for reason, v := range Children.rows {
		want := status.CurrentStatus
		switch {
		case v.reconciling:
			want = status.InProgressStatus
		case v.stalled:
			want = status.FailedStatus
		case v.ready == asBefore: // suspended before anything was known
			want = status.InProgressStatus
		}
		if got := kstatus(t, written(Children, Outcome{Reason: reason, Message: "first"})); got != want {
			t.Errorf("%s: %s, want %s", reason, got, want)
		}
	}
}

// The same Outcome again changes nothing but the generation: so nothing is written.
func TestWriteAgain(t *testing.T) {
	for kind, table := range both {
		for reason := range table.rows {
			o := Outcome{Reason: reason, Message: "first"}
			once := written(table, o)
			twice := append([]metav1.Condition(nil), once...)
			table.Write(&twice, generation, o, noon.Add(time.Hour))
			if len(once) != len(twice) {
				t.Fatalf("%s, %s: %v, then %v", kind, reason, once, twice)
			}
			for i := range once {
				if once[i] != twice[i] {
					t.Errorf("%s, %s: %+v, then %+v", kind, reason, once[i], twice[i])
				}
			}
		}
	}
}

// What waits for something that keeps it from being Ready is not Ready, with the reason of that; an outage leaves Ready as before.
func TestWriteACause(t *testing.T) {
	t.Parallel()
	for cause, want := range map[string]string{
		"":                            "True Available",
		v1alpha1.ReasonParentNotReady: "False ParentNotReady",
		v1alpha1.ReasonParentNotFound: "False ParentNotFound",
		v1alpha1.ReasonAPIUnavailable: "True Available",
		v1alpha1.ReasonSuspended:      "True Available",
	} {
		out := Outcome{Reason: v1alpha1.ReasonDeleting, Message: "the account can't be deactivated", Stuck: true, Cause: cause}
		all := written(Children, Outcome{Reason: v1alpha1.ReasonAvailable, Message: "was well"}, out)
		ready := meta.FindStatusCondition(all, v1alpha1.ConditionReady)
		if got := string(ready.Status) + " " + ready.Reason; got != want {
			t.Errorf("deleting, as of %q: Ready is %s, want %s", cause, got, want)
		}
		if synced := meta.FindStatusCondition(all, v1alpha1.ConditionSynced); synced.Reason != v1alpha1.ReasonDeleting {
			t.Errorf("deleting, as of %q: Synced is %s", cause, synced.Reason)
		}
		again := slices.Clone(all)
		if Children.Write(&again, generation+1, out, noon.Add(time.Hour)); !slices.Equal(again, all) {
			t.Errorf("deleting, as of %q: %+v, then %+v", cause, all, again)
		}
	}
}

// An outage: as before at first, Unknown once what was seen is too old, and back.
func TestWriteAnOutage(t *testing.T) {
	outage := Outcome{Reason: v1alpha1.ReasonAPIUnavailable, Message: "HTTP 503"}
	late := outage
	late.PastGrace = true
	well := Outcome{Reason: v1alpha1.ReasonAvailable, Message: "the account matches the spec"}
	conditions := written(Children, well, outage)
	if c := meta.FindStatusCondition(conditions, v1alpha1.ConditionReady); c.Status != yes || c.Reason != v1alpha1.ReasonAvailable {
		t.Errorf("within the grace: %+v", c)
	}
	conditions = written(Children, well, outage, late)
	if c := meta.FindStatusCondition(conditions, v1alpha1.ConditionReady); c.Status != unknown || c.Reason != v1alpha1.ReasonAPIUnavailable {
		t.Errorf("past the grace: %+v", c)
	}
	since := meta.FindStatusCondition(conditions, v1alpha1.ConditionReconciling).LastTransitionTime
	if !since.Time.Equal(noon.Add(time.Minute)) {
		t.Errorf("it lasts since %v, not since it began", since)
	}
	// Within the grace again, Unknown stays Unknown: nothing new was seen.
	conditions = written(Children, well, outage, late, outage)
	if is(conditions, v1alpha1.ConditionReady) != unknown {
		t.Error("believes again in what was too old")
	}
	conditions = written(Children, well, outage, late, well)
	if is(conditions, v1alpha1.ConditionReady) != yes || is(conditions, v1alpha1.ConditionReconciling) != "" {
		t.Errorf("over: %+v", conditions)
	}
}
