package conditions

import (
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"cpaas.dev/child-account-operator/api/v1alpha1"
)

// What waits says of the account what is seen, and not what an old Ready condition says; else Ready stays as before, unless its cause is over.
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
		{no, v1alpha1.ReasonEmailTaken, on, "False AwaitingApproval"}, // what is tried next is not refused yet
		{no, v1alpha1.ReasonEmailTaken, off, "False AwaitingApproval"},
		{no, v1alpha1.ReasonEmailTaken, frozen, "False Frozen"},
		{no, v1alpha1.ReasonAwaitingApproval, frozen, "False Frozen"},
		{no, v1alpha1.ReasonAwaitingApproval, on, "False AwaitingApproval"},
		{no, v1alpha1.ReasonDeactivatedEarlier, off, "False DeactivatedEarlier"},
		{no, v1alpha1.ReasonAPIKeyMissing, on, "False APIKeyMissing"},
		{no, v1alpha1.ReasonAccountMissing, on, "False AwaitingApproval"}, // there it is
		{unknown, v1alpha1.ReasonAPIUnavailable, on, "Unknown APIUnavailable"},
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

// A Ready that is False says why it is False now: what kept the resource from having its account is over once its change waits for an approval, but
// for what is wrong with the account, or with its connection Secret.
func TestReadyOfACauseThatIsOver(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 11, 27, 12, 0, 0, 0, time.UTC)
	for _, c := range []struct{ ready, secret, outcome, want string }{
		{v1alpha1.ReasonParentNotFound, "", v1alpha1.ReasonAwaitingApproval, v1alpha1.ReasonAwaitingApproval},
		{v1alpha1.ReasonEmailTaken, v1alpha1.ReasonPasswordUnknown, v1alpha1.ReasonAwaitingApproval, v1alpha1.ReasonAwaitingApproval},
		{v1alpha1.ReasonSecretInvalid, v1alpha1.ReasonPasswordUnknown, v1alpha1.ReasonAwaitingApproval, v1alpha1.ReasonAwaitingApproval},
		{v1alpha1.ReasonSecretInvalid, v1alpha1.ReasonSecretInvalid, v1alpha1.ReasonAwaitingApproval, v1alpha1.ReasonSecretInvalid},
		{v1alpha1.ReasonAPIKeyMissing, v1alpha1.ReasonPasswordUnknown, v1alpha1.ReasonAwaitingApproval, v1alpha1.ReasonAPIKeyMissing},
		{v1alpha1.ReasonAccountMissing, "", v1alpha1.ReasonAwaitingApproval, v1alpha1.ReasonAccountMissing},
		{v1alpha1.ReasonFrozen, "", v1alpha1.ReasonAwaitingApproval, v1alpha1.ReasonFrozen},
		{v1alpha1.ReasonDeactivatedEarlier, "", v1alpha1.ReasonAwaitingApproval, v1alpha1.ReasonDeactivatedEarlier},
		{v1alpha1.ReasonEmailTaken, "", v1alpha1.ReasonAPIUnavailable, v1alpha1.ReasonEmailTaken}, // nothing was found out
		{v1alpha1.ReasonEmailTaken, "", v1alpha1.ReasonUpdating, v1alpha1.ReasonEmailTaken},
	} {
		var all []metav1.Condition
		Children.Write(&all, 3, Outcome{Reason: c.ready, Message: "was"}, at)
		if c.secret != "" {
			meta.SetStatusCondition(&all, metav1.Condition{Type: v1alpha1.ConditionConnectionSecretReady, Status: no, Reason: c.secret, LastTransitionTime: metav1.NewTime(at)})
		}
		Children.Write(&all, 4, Outcome{Reason: c.outcome, Message: "now"}, at.Add(time.Minute))
		got := *meta.FindStatusCondition(all, v1alpha1.ConditionReady)
		if got.Status != no || got.Reason != c.want || !got.LastTransitionTime.Time.Equal(at) || got.ObservedGeneration != 3 {
			t.Errorf("%s, then %s: Ready is %+v, want %s", c.ready, c.outcome, got, c.want)
		}
		if c.want == v1alpha1.ReasonAwaitingApproval && got.Message == "was" {
			t.Errorf("%s, then %s: Ready still says %q", c.ready, c.outcome, got.Message)
		}
	}
}
