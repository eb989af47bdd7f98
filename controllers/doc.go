// Package controllers reconciles ParentAccounts, ChildAccounts and SubAccounts: gate, observe, plan, apply, status.
// What a state means for the conditions, and when to come back, are tables (conditions.go, outcome.go).
package controllers

// The rules of the operator's roles; docs/rbac.md says of each what it is for. manager-role is what is needed wherever there are
// ChildAccounts: a Role a namespace does (config/namespaced). manager-cluster-role is what no Role can give.

// A deletion asks whether the namespace or the kind itself is going; without --installation-id, kube-system's UID is read.
// +kubebuilder:rbac:groups="",resources=namespaces,verbs=get
// +kubebuilder:rbac:groups=apiextensions.k8s.io,resources=customresourcedefinitions,resourceNames=childaccounts.accounts.cpaas.dev,verbs=get,roleName=manager-cluster-role
// The election of a leader: its lease, and its events, which go to the core group.
// +kubebuilder:rbac:groups=coordination.k8s.io,resources=leases,verbs=create,namespace=system,roleName=leader-election-role
// +kubebuilder:rbac:groups=coordination.k8s.io,resources=leases,resourceNames=child-account-operator.cpaas.dev,verbs=get;update,namespace=system,roleName=leader-election-role
// +kubebuilder:rbac:groups="",resources=events,verbs=create,namespace=system,roleName=leader-election-role
