package conditions

import (
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// State is a condition beside Ready that is absent where there is nothing to say: ProfileSynced of a ChildAccount, AccountSynced and PlansSynced of a
// ParentAccount.
type State struct {
	Status          metav1.ConditionStatus
	Reason, Message string
}

// WriteState sets the condition of a type; nil removes it.
func WriteState(conditions *[]metav1.Condition, kind string, generation int64, state *State, now time.Time) {
	if state == nil {
		meta.RemoveStatusCondition(conditions, kind)
		return
	}
	meta.SetStatusCondition(conditions, metav1.Condition{
		Type: kind, Status: state.Status, Reason: state.Reason, Message: Bounded(state.Message),
		ObservedGeneration: generation, LastTransitionTime: metav1.NewTime(now),
	})
}
