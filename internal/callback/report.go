package callback

import (
	corev1 "k8s.io/api/core/v1"

	"cpaas.dev/child-account-operator/internal/provider"
)

// report is the event that a type of callback leads to.
type report struct {
	reason, eventType string
	// what happened, after the account's id.
	what string
}

// reports are the events by the type of the callback. A note has nothing of what the callback says beside its type: no signature covers it.
var reports = map[provider.CallbackType]report{
	provider.AccountFrozen:       {"CallbackFrozen", corev1.EventTypeWarning, "is frozen"},
	provider.AccountUnfrozen:     {"CallbackUnfrozen", corev1.EventTypeNormal, "is not frozen any more"},
	provider.BalanceBelowMinimum: {"CallbackBalanceLow", corev1.EventTypeWarning, "has a balance below its minBalanceToNotify"},
	provider.ChargeUpcoming:      {"CallbackChargeUpcoming", corev1.EventTypeNormal, "is about to be charged"},
	provider.DocumentsUpdated:    {"CallbackDocuments", corev1.EventTypeNormal, "has another status of its documents"},
}

// noteOf is the event's note; reads is what the operator reads because of it.
const noteOf = "the provider reports by a callback that account %s %s; the operator reads %s now, and the conditions say what there is to do"
