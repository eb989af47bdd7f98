package controllers

import (
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"pgregory.net/rapid"

	"cpaas.dev/child-account-operator/api/v1alpha1"
	"cpaas.dev/child-account-operator/internal/conditions"
)

var noon = time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC)

// The next list is never much sooner or later than an interval away, after the first always an interval, and many parents
// do not meet.
func TestNextResync(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		interval := time.Duration(rapid.Int64Range(int64(time.Second), int64(24*time.Hour)).Draw(t, "interval"))
		last := noon.Add(time.Duration(rapid.Int64Range(0, int64(48*time.Hour)).Draw(t, "last")))
		uid := types.UID(rapid.String().Draw(t, "uid"))
		next := nextResync(last, interval, uid)
		if away := next.Sub(last); away < interval/2 || away > interval*3/2 {
			t.Fatalf("%v away, of an interval of %v", away, interval)
		}
		if second := nextResync(next, interval, uid); second.Sub(next) != interval {
			t.Fatalf("the second after %v, of an interval of %v", second.Sub(next), interval)
		}
	})
	moments := map[time.Time]bool{}
	for i := range 1000 {
		moments[nextResync(noon, 5*time.Minute, types.UID(rune('a'+i))).Truncate(time.Second)] = true
	}
	if len(moments) < 200 {
		t.Errorf("a thousand parents meet at %d moments", len(moments))
	}
}

// A new process tries what passes by itself as if it had just begun; what waits for somebody goes on waiting.
func TestTroubledSinceOfANewProcess(t *testing.T) {
	trying, stuck := conditions.Outcome{Reason: v1alpha1.ReasonAPIUnavailable}, conditions.Outcome{Reason: v1alpha1.ReasonUnauthorized}
	began := noon.Add(9 * time.Minute)
	for name, c := range map[string]struct {
		of   conditions.Outcome
		want time.Time
	}{
		"trying": {trying, began},
		"stuck":  {stuck, noon},
	} {
		r := &ParentAccountReconciler{}
		was := []metav1.Condition{}
		conditions.Parents.Write(&was, 1, c.of, noon)
		if got := r.troubledSince(c.of, was, began); !got.Equal(c.want) {
			t.Errorf("%s: since %v, want %v", name, got, c.want)
		}
		if got := r.troubledSince(c.of, was, began.Add(time.Minute)); !got.Equal(c.want) {
			t.Errorf("%s, a minute later: since %v, want %v", name, got, c.want)
		}
	}
}

// A ParentAccount that is being deleted is looked at again when its hour is over, however long its trouble has lasted.
func TestADeletedParentIsKeptForAnHourAtMost(t *testing.T) {
	p := &v1alpha1.ParentAccount{}
	if got := untilReleased(p, 3*time.Hour, noon); got != 3*time.Hour {
		t.Errorf("not deleted: %s", got)
	}
	p.DeletionTimestamp = &metav1.Time{Time: noon.Add(-20 * time.Minute)}
	if got := untilReleased(p, 3*time.Hour, noon); got != 3*time.Hour {
		t.Errorf("kept by others: %s", got)
	}
	p.Finalizers = []string{v1alpha1.ParentFinalizer}
	for pause, want := range map[time.Duration]time.Duration{0: 40 * time.Minute, time.Minute: time.Minute, 3 * time.Hour: 40 * time.Minute} {
		if got := untilReleased(p, pause, noon); got != want {
			t.Errorf("instead of %s: %s, want %s", pause, got, want)
		}
	}
	if got := untilReleased(p, 3*time.Hour, noon.Add(time.Hour)); got != conditions.SoonAtLeast {
		t.Errorf("its time is over: %s", got)
	}
}
