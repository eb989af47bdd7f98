package conditions

import (
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"

	"cpaas.dev/child-account-operator/api/v1alpha1"
)

// nextForCapability is what people do about capabilities that are refused for a reason: a role, or anything else.
var nextForCapability = map[string]string{
	v1alpha1.ReasonRoleMissing: "Give the service account a role that allows these calls, then request a reconcile of this ParentAccount" + orWithoutFlag,
	v1alpha1.ReasonRejected:    "Ask the provider about what it answered, then request a reconcile of this ParentAccount" + orWithoutFlag,
}

const orWithoutFlag = "; or start the operator without the flag that has them made (--read-verifications, --money-metrics). The operator also retries once a day, and with other credentials."

// WriteCapabilityMissing sets a ParentAccount's condition CapabilityMissing, or removes it where there is nothing to say. The reason is RoleMissing or Rejected. settled says whether
// it is known of all capabilities by now: until then what stands there stays. The condition stands beside those of the table: the account can
// be worked with.
func WriteCapabilityMissing(conditions *[]metav1.Condition, generation int64, reason, message string, settled bool, now time.Time) {
	was := meta.FindStatusCondition(*conditions, v1alpha1.ConditionCapabilityMissing)
	switch {
	case !settled && (was != nil || message == ""):
	case message == "":
		meta.RemoveStatusCondition(conditions, v1alpha1.ConditionCapabilityMissing)
	default:
		meta.SetStatusCondition(conditions, metav1.Condition{
			Type: v1alpha1.ConditionCapabilityMissing, Status: yes, Reason: reason, Message: Bounded(message + " " + nextForCapability[reason]),
			ObservedGeneration: generation, LastTransitionTime: metav1.NewTime(now),
		})
	}
}

// EmitCapabilityMissing tells of a refused capability in an event, once, when that begins.
func EmitCapabilityMissing(recorder EventRecorder, about runtime.Object, was, is []metav1.Condition) {
	c := meta.FindStatusCondition(is, v1alpha1.ConditionCapabilityMissing)
	if c == nil || meta.FindStatusCondition(was, v1alpha1.ConditionCapabilityMissing) != nil {
		return
	}
	recorder.Eventf(about, nil, corev1.EventTypeWarning, c.Type, "Reconcile", "%s", c.Message)
}
