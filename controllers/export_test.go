package controllers

import "cpaas.dev/child-account-operator/api/v1alpha1"

// Remember has something remembered of a resource.
func (r *AccountReconciler) Remember(c *v1alpha1.ChildAccount) { r.engine.RecheckSecret(c.UID) }

// Remembered says where something is remembered of a resource.
func (r *AccountReconciler) Remembered(c *v1alpha1.ChildAccount) []string {
	return r.engine.Remembers(c.UID)
}
