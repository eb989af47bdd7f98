package controllers

import (
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"cpaas.dev/child-account-operator/api/v1alpha1"
	"cpaas.dev/child-account-operator/internal/conditions"
)

var noon = time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC)

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
