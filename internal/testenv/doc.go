// Package testenv is for tests alone: an etcd and a kube-apiserver, and in them the world of a spec, which is a namespace, a
// simulated provider and the operator, run in this process with the rights that config/rbac gives it. Beside these it has
// what specs of several packages look with: the state of a resource in one line and matchers of it, meters and recorders of
// requests, clocks, and the search for secrets that show.
//
// A suite of specs is a package with a suite_test.go, whose TestSpecs calls RunSuite; hack/test runs it in several processes.
package testenv
