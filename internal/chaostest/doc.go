// Package chaostest lets two replicas of the operator, real processes, live with everything at once: people who edit,
// delete and apply again, changes made at the provider, new secrets, a provider that loses answers, leaders that are killed
// and a kube-apiserver that restarts. What must never happen is checked all the while; in the end all must match the spec.
//
// Every choice is drawn from a seed, which is printed: CHAOS_SEED=… draws the same ones again, CHAOS_FOR=10m continues for
// longer than two minutes. docs/chaos.md has more.
//
// make test-all runs it, or TEST_ALL=1 make test PKG=./internal/chaostest.
package chaostest
