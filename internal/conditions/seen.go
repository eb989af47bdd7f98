package conditions

import (
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"cpaas.dev/child-account-operator/api/v1alpha1"
)

// Seen is what is seen of an account that waits: whether it is blocked by the provider, and whether it is deactivated.
type Seen struct{ Frozen, Deactivated bool }

// correct corrects a Ready condition that says otherwise of the account: it may be as old as a backup. The condition goes on to speak of
// the same generation.
func (s Seen) correct(t Table, ready *metav1.Condition, now time.Time) {
	saysFrozen := ready.Reason == v1alpha1.ReasonFrozen
	saysOff := ready.Reason == v1alpha1.ReasonDeactivated || ready.Reason == v1alpha1.ReasonDeactivatedEarlier
	status := yes
	var reason, message string
	switch {
	case s.Frozen && !saysFrozen && ready.Status == yes:
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
