// Package controllers reconciles ParentAccounts and ChildAccounts: gate, observe, plan, apply, status.
// What a state means for the conditions, and when to come back, are tables (conditions.go, classes.go).
package controllers

// The manager around the controllers reads the UID of kube-system (--installation-id) and elects a leader.
// A deletion asks whether the namespace or the kind itself is going.
// +kubebuilder:rbac:groups="",resources=namespaces,verbs=get
// +kubebuilder:rbac:groups=apiextensions.k8s.io,resources=customresourcedefinitions,resourceNames=childaccounts.accounts.cpaas.dev,verbs=get
// The election writes its events to the core group.
// +kubebuilder:rbac:groups="",namespace=system,resources=events,verbs=create;patch
// +kubebuilder:rbac:groups=coordination.k8s.io,namespace=system,resources=leases,verbs=get;create;update
