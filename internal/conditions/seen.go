package conditions

import (
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"cpaas.dev/child-account-operator/api/v1alpha1"
)

// Seen is what is seen of an account that waits: whether it is blocked by the provider, and whether it is deactivated.
type Seen struct{ Frozen, Deactivated bool }

// correct corrects a Ready condition that says otherwise of the account: it may be as old as a backup. The condition continues to speak of
// the same generation.
func (s Seen) correct(t Table, ready *metav1.Condition, now time.Time) {
	saysFrozen := ready.Reason == v1alpha1.ReasonFrozen
	saysOff := ready.Reason == v1alpha1.ReasonDeactivated || ready.Reason == v1alpha1.ReasonDeactivatedEarlier
	status := yes
	var reason, message string
	switch {
	case s.Frozen && !saysFrozen && (ready.Status == yes || ready.Reason == v1alpha1.ReasonAwaitingApproval):
		status, reason, message = no, v1alpha1.ReasonFrozen, "the provider has blocked the account"
	case !s.Frozen && s.Deactivated && !saysOff && (saysFrozen || ready.Status == yes):
		reason, message = v1alpha1.ReasonDeactivated, "the account is deactivated"
	case !s.Frozen && !s.Deactivated && (saysFrozen || saysOff):
		reason, message = v1alpha1.ReasonAwaitingApproval, "the account is active, and a change of it waits for an approval"
	default:
		return
	}
	if ready.Status != status {
		ready.Status, ready.LastTransitionTime = status, metav1.NewTime(now)
	}
	ready.Reason, ready.Message = reason, Advise(message, t.NextStep(reason))
}

// waiting is a Ready that stays as before, but for what is seen of the account, and for a cause that is over.
func waiting(t Table, all []metav1.Condition, ready *metav1.Condition, o Outcome, now time.Time) {
	if superseded(all, ready, o) {
		ready.Reason = v1alpha1.ReasonAwaitingApproval
		ready.Message = Advise("a change of the account waits for an approval: see the condition "+t.second, t.NextStep(ready.Reason))
	}
	if o.Seen != nil {
		o.Seen.correct(t, ready, now)
	}
}

// superseded says whether the cause of a Ready that is False is over, since a change waits for an approval: whatever keeps the change itself from being
// made is found before that. What is said of the account, or of its connection Secret, does not, and may be as it was.
func superseded(all []metav1.Condition, ready *metav1.Condition, o Outcome) bool {
	if o.Reason != v1alpha1.ReasonAwaitingApproval || ready.Status != no {
		return false
	}
	switch ready.Reason {
	case v1alpha1.ReasonAwaitingApproval, v1alpha1.ReasonAPIKeyMissing, v1alpha1.ReasonFrozen, v1alpha1.ReasonDeactivatedEarlier:
		return false
	case v1alpha1.ReasonAccountMissing: // its recreation may be what waits
		return o.Seen != nil
	}
	return !HadReason(all, v1alpha1.ConditionConnectionSecretReady, ready.Reason)
}
