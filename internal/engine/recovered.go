package engine

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"cpaas.dev/child-account-operator/api/v1alpha1"
	"cpaas.dev/child-account-operator/internal/conditions"
)

// ProviderRecovered has all that waits for the provider of a parent be retried once the parent's conditions show that the provider answers
// again; false where they do not. Its resources are to be woken then: the parent's limits bound their calls, as ever. was are the conditions
// before.
func ProviderRecovered(e *Engine, parent *v1alpha1.ParentAccount, was []metav1.Condition, resources func() []Managed) bool {
	if !conditions.AnswersAgain(was, parent.Status.Conditions) {
		return false
	}
	now := e.Clock.Now()
	for _, m := range resources() {
		if o := m.Object(); e.attempts.ProviderRecovered(o.GetUID(), now) {
			e.Wake(ctrl.Request{NamespacedName: client.ObjectKeyFromObject(o)}, false) // its turn is now, or sooner than it has asked to be woken
		}
	}
	e.owns.fields.ProviderRecovered(parent.UID, now)
	e.owns.plans.ProviderRecovered(parent.UID, now)
	return true
}
