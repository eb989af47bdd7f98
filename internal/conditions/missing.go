package conditions

import (
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"

	"cpaas.dev/child-account-operator/api/v1alpha1"
)

// WriteAccountsMissing sets a ParentAccount's condition AccountsMissing, or removes it where there is nothing to say. It stands beside
// the conditions of the table: the account can be worked with meanwhile.
func WriteAccountsMissing(conditions *[]metav1.Condition, generation int64, message string, now time.Time) {
	if message == "" {
		meta.RemoveStatusCondition(conditions, v1alpha1.ConditionAccountsMissing)
		return
	}
	meta.SetStatusCondition(conditions, metav1.Condition{
		Type: v1alpha1.ConditionAccountsMissing, Status: yes, Reason: v1alpha1.ReasonAwaitingApproval, Message: Bounded(message),
		ObservedGeneration: generation, LastTransitionTime: metav1.NewTime(now),
	})
}

// EmitAccountsMissing tells of accounts that are missing in an event, once, when that begins, and once when it is over. It says which of
// the two it is, if any.
func EmitAccountsMissing(recorder EventRecorder, about runtime.Object, was, is []metav1.Condition) (begins, ends bool) {
	before, now := meta.FindStatusCondition(was, v1alpha1.ConditionAccountsMissing), meta.FindStatusCondition(is, v1alpha1.ConditionAccountsMissing)
	switch begins, ends = before == nil && now != nil, before != nil && now == nil; {
	case begins:
		recorder.Eventf(about, nil, corev1.EventTypeWarning, now.Type, "Reconcile", "%s", now.Message)
	case ends:
		recorder.Eventf(about, nil, corev1.EventTypeNormal, "Recovered", "Reconcile", "%s", "what was reported as "+before.Type+" is over: nothing to do")
	}
	return begins, ends
}
