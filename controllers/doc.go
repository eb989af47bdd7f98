// Package controllers reconciles ParentAccounts and ChildAccounts: gate, observe, plan, apply, status.
// What a state means for the conditions, and when to come back, are tables (conditions.go, classes.go).
package controllers

// The manager around the controllers reads the UID of kube-system (--installation-id) and elects a leader.
// +kubebuilder:rbac:groups="",resources=namespaces,resourceNames=kube-system,verbs=get
// The election writes its events to the core group.
// +kubebuilder:rbac:groups="",namespace=system,resources=events,verbs=create;patch
// +kubebuilder:rbac:groups=coordination.k8s.io,namespace=system,resources=leases,verbs=get;create;update
