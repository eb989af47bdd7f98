package conditions

import (
	"cmp"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"

	"cpaas.dev/child-account-operator/api/v1alpha1"
)

// PlansState is the PlansSynced condition.
type PlansState struct {
	Status          metav1.ConditionStatus
	Reason, Message string
}

// Plans are the reasons of PlansSynced, but for those of calls that failed and of changes that wait: these are in Children.
var Plans = map[string]Row{
	v1alpha1.ReasonAvailable:     {yes, "The account has the declared plans. Nothing to do."},
	v1alpha1.ReasonUpdating:      {unknown, "The operator has not compared the plans with this spec yet, or does not know yet whether a change was made. The operator continues automatically; while the account is frozen or deactivated its plans stay as they are."},
	v1alpha1.ReasonRoleMissing:   {no, "The parent's key may not act as the account for this. Ready reports on the rest of the account. Give the service account of the parent account the role Owner at the provider, or ask its owner to. The operator retries after 10 minutes to 6 hours."},
	v1alpha1.ReasonDriftDetected: {no, "The account's plan was changed at the provider and driftPolicy is Report."},
	v1alpha1.ReasonValueNotKept:  {no, "The provider accepted a change of the plan, and returns another plan after it. The operator requests no plan of that type again. Or the account had an earlier resource, and the operator does not know which plan was bought for that one: the message has what to do."},
}

// SyncedPlans is what there is to say of plans as the status has them, for a reason that plan.Plans.State returns.
func SyncedPlans(reason, message, next string) *PlansState {
	reason = cmp.Or(reason, v1alpha1.ReasonUpdating)
	return &PlansState{Status: Plans[reason].Status, Reason: reason, Message: Advise(message, next)}
}

// FailedPlans is what there is to say of plans after an outcome that stands in their way.
func FailedPlans(t Table, o Outcome) *PlansState {
	status := no
	if o.Reason == v1alpha1.ReasonUpdating {
		status = unknown
	}
	return &PlansState{Status: status, Reason: o.Reason, Message: t.Text(o, longestMessage)}
}

// EmitPlans tells in an event, once, that the operator may not act for the plans: whatever else is wrong with them is an event of its own.
func EmitPlans(recorder EventRecorder, about runtime.Object, was, is []metav1.Condition) {
	c := meta.FindStatusCondition(is, v1alpha1.ConditionPlansSynced)
	if c == nil || c.Reason != v1alpha1.ReasonRoleMissing || HadReason(was, v1alpha1.ConditionPlansSynced, c.Reason) {
		return
	}
	recorder.Eventf(about, nil, corev1.EventTypeWarning, "PlansNotGranted", "Reconcile", "%s", c.Message)
}
