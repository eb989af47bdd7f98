package conditions

import (
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"cpaas.dev/child-account-operator/api/v1alpha1"
)

// What waits says of the account what is seen, and not what an old Ready condition says; else Ready stays as before.
func TestReadyOfWhatWaits(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 11, 27, 12, 0, 0, 0, time.UTC)
	on, off, frozen := Seen{}, Seen{Deactivated: true}, Seen{Frozen: true, Deactivated: true}
	for _, c := range []struct {
		status metav1.ConditionStatus
		reason string
		seen   Seen
		want   string
	}{
		{yes, v1alpha1.ReasonDeactivated, on, "True AwaitingApproval"},
		{no, v1alpha1.ReasonDeactivatedEarlier, on, "True AwaitingApproval"},
		{no, v1alpha1.ReasonFrozen, on, "True AwaitingApproval"},
		{no, v1alpha1.ReasonFrozen, off, "True Deactivated"},
		{yes, v1alpha1.ReasonAvailable, on, "True Available"},
		{yes, v1alpha1.ReasonAvailable, off, "True Deactivated"},
		{yes, v1alpha1.ReasonAvailable, frozen, "False Frozen"},
		{yes, v1alpha1.ReasonDeactivated, off, "True Deactivated"},
		{no, v1alpha1.ReasonFrozen, frozen, "False Frozen"},
		{no, v1alpha1.ReasonEmailTaken, on, "False EmailTaken"},
		{no, v1alpha1.ReasonEmailTaken, off, "False EmailTaken"},
	} {
		was := metav1.Condition{Type: v1alpha1.ConditionReady, Status: c.status, Reason: c.reason, Message: "was", ObservedGeneration: 3, LastTransitionTime: metav1.NewTime(at)}
		all := []metav1.Condition{was}
		later := at.Add(time.Hour)
		Children.Write(&all, 4, Outcome{Reason: v1alpha1.ReasonAwaitingApproval, Message: "waits", Seen: &c.seen}, later)
		got := *meta.FindStatusCondition(all, v1alpha1.ConditionReady)
		if is := string(got.Status) + " " + got.Reason; is != c.want {
			t.Errorf("%s %s, seen %+v: %s, want %s", c.status, c.reason, c.seen, is, c.want)
		}
		if got.ObservedGeneration != 3 {
			t.Errorf("%s: Ready speaks of generation %d", c.reason, got.ObservedGeneration)
		}
		if got.Reason == c.reason && got != was {
			t.Errorf("%s: Ready was changed: %+v", c.reason, got)
		}
		if moved := got.LastTransitionTime.Time.Equal(later); moved != (got.Status != c.status) {
			t.Errorf("%s: the transition time moved: %t", c.reason, moved)
		}
	}
}
