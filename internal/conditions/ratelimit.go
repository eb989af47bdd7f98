package conditions

import (
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"cpaas.dev/child-account-operator/api/v1alpha1"
)

// rateLimits is the message of a ParentAccount whose calls are rate-limited. It is the same for as long as that lasts, whichever call was
// refused, so that it is written once.
const rateLimits = "the provider rate-limits calls, so the operator makes fewer"

// RateLimited is the outcome of a ParentAccount whose calls the provider rate-limits, although the list could be read; next is when the
// ParentAccount is reconciled again.
func RateLimited(next time.Duration) Outcome {
	return Outcome{Reason: v1alpha1.ReasonRateLimited, Retry: Every(max(next, SoonAtLeast)), Message: rateLimits}
}

// OfList is the outcome of a list of a ParentAccount that could not be read: a list that is rate-limited is reported as any other call that is.
func OfList(o Outcome) Outcome {
	if o.Reason == v1alpha1.ReasonRateLimited {
		o.Message = rateLimits
	}
	return o
}

// WaitsForProvider says whether an outcome is that of a call that the provider did not answer, or rate-limited.
func WaitsForProvider(o Outcome) bool {
	return o.Reason == v1alpha1.ReasonAPIUnavailable || IsRateLimited(o)
}

// IsRateLimited says whether an outcome is that of a call that the provider rate-limited.
func IsRateLimited(o Outcome) bool { return o.Reason == v1alpha1.ReasonRateLimited }

// AnswersAgain says whether the conditions of a ParentAccount show that the provider answers calls which it did not, or rate-limited.
func AnswersAgain(was, is []metav1.Condition) bool {
	return meta.IsStatusConditionFalse(was, v1alpha1.ConditionAPIAvailable) && meta.IsStatusConditionTrue(is, v1alpha1.ConditionAPIAvailable)
}
