package controllers_test

import (
	"context"
	"slices"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"cpaas.dev/child-account-operator/api/v1alpha1"
	"cpaas.dev/child-account-operator/internal/testenv"
)

// reworded are the messages that an upgrade may write, each with what it becomes: one write of the status for each resource that has one.
// CHANGELOG.md says so of the version that does. Whatever else a status says stays as it was left.
var reworded = strings.NewReplacer(
	"the account is as declared", "the account matches the spec",
	"the account is switched off", "the account is deactivated, as spec.active is false",
	"the account is there and is only read", "the account matches the spec, and is only read",
	"the provider has blocked the account",
	"the provider has blocked the account. Ask the provider why, and have the account unblocked. The operator notices that at its next read of the list.",
	"changed at the provider and left alone: email",
	"changed at the provider, and not corrected as spec.driftPolicy is Report: email is changed@else.example, the spec has acme-drifted@acme.example. "+
		"Change the spec or the account, or set spec.driftPolicy: Correct to have the spec applied.",
	"was there before this resource and is left alone; choose another accountName in a new ChildAccount, or a spec.adoptionPolicy that takes it",
	"is pre-existing: this ChildAccount did not create it, and spec.adoptionPolicy does not allow to adopt it. "+
		"Choose another spec.accountName in a new resource, or a spec.adoptionPolicy that allows to adopt the account.",
	"spec.suspend is true", "spec.suspend is true. To continue, set spec.suspend: false.",
	"does not exist in namespace upgrade-v1alpha1-1660b2e",
	"does not exist in namespace upgrade-v1alpha1-1660b2e. Create the ParentAccount, or correct spec.parentRef.",
)

// reword gives the conditions the messages of this version, and says whether any was another one.
func reword(conditions []metav1.Condition) (changed bool) {
	for i, c := range conditions {
		if c.Type != v1alpha1.ConditionConnectionSecretReady {
			conditions[i].Message = reworded.Replace(c.Message)
			changed = changed || conditions[i].Message != c.Message
		}
	}
	return changed
}

// rewordedStatuses are the statuses of the namespace's ChildAccounts as an upgrade may leave them, by name, where it has to write any.
func rewordedStatuses(ctx context.Context, w *testenv.World) map[string]v1alpha1.ChildAccountStatus {
	GinkgoHelper()
	out := map[string]v1alpha1.ChildAccountStatus{}
	for name, status := range statusesOf(ctx, w) {
		status.Conditions = slices.Clone(status.Conditions)
		if reword(status.Conditions) {
			out[name] = status
		}
	}
	return out
}

// written are the statuses of those that are to be written.
func written(all, which map[string]v1alpha1.ChildAccountStatus) map[string]v1alpha1.ChildAccountStatus {
	out := map[string]v1alpha1.ChildAccountStatus{}
	for name := range which {
		out[name] = all[name]
	}
	return out
}

// statusesOf are the statuses of the namespace's ChildAccounts.
func statusesOf(ctx context.Context, w *testenv.World) map[string]v1alpha1.ChildAccountStatus {
	GinkgoHelper()
	var children v1alpha1.ChildAccountList
	Expect(testenv.K8s.List(ctx, &children, client.InNamespace(w.NS))).To(Succeed())
	out := map[string]v1alpha1.ChildAccountStatus{}
	for i := range children.Items {
		out[children.Items[i].Name] = children.Items[i].Status
	}
	return out
}
