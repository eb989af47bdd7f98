package conditions

import (
	"slices"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/tools/events"
)

// EmitEvent tells of a failure in an event, once, when it begins: was is what the conditions said before. It comes after the
// new ones are stored, since whatever is overtaken before that is found anew.
func (t Table) EmitEvent(recorder events.EventRecorder, about runtime.Object, was []metav1.Condition, out Outcome) {
	if out.Reason == "" || slices.Contains(t.noEvent, out.Reason) || HadReason(was, t.second, out.Reason) {
		return
	}
	if v := t.Row(out.Reason); v.stalled || v.second == no {
		recorder.Eventf(about, nil, corev1.EventTypeWarning, out.Reason, "Reconcile", "%s", out.Message)
	}
}
