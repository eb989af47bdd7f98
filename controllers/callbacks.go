package controllers

import (
	"k8s.io/apimachinery/pkg/types"

	"cpaas.dev/child-account-operator/internal/engine"
)

// Engine is what keeps the accounts, once the controller was set up.
func (r *AccountReconciler) Engine() *engine.Engine { return r.engine }

// ReadList has the list of a ParentAccount read, and the ParentAccount reconciled, at once.
func ReadList(r *ParentAccountReconciler, parent types.NamespacedName) {
	r.Parents.RequestList(parent)
	r.enqueue(parent)
}
