package controllers

import (
	"slices"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/tools/events"
)

// announce tells of a failure in an event, once, when it begins: was is what the conditions said before. It comes after the
// new ones are stored, as whatever is overtaken before that is found anew.
func (t table) announce(recorder events.EventRecorder, about runtime.Object, was []metav1.Condition, out outcome) {
	if out.reason == "" || slices.Contains(t.untold, out.reason) || hadReason(was, t.second, out.reason) {
		return
	}
	if v := t.row(out.reason); v.stalled || v.second == no {
		recorder.Eventf(about, nil, corev1.EventTypeWarning, out.reason, "Reconcile", "%s", out.message)
	}
}
