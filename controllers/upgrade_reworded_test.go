package controllers_test

import (
	"context"
	"encoding/json"
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
	"the provider has blocked the account. Ask the provider why, and have the account unblocked. The operator notices the change when it next reads the list.",
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
		asBefore := c.Type == v1alpha1.ConditionReady && c.Reason == v1alpha1.ReasonSuspended // which leaves Ready as it is, its words too
		if c.Type != v1alpha1.ConditionConnectionSecretReady && !asBefore {
			conditions[i].Message = reworded.Replace(c.Message)
			changed = changed || conditions[i].Message != c.Message
		}
	}
	return changed
}

// rewordedStatuses are the statuses of the namespace's ChildAccounts as an upgrade may leave them, by name, where it has to write any.
func rewordedStatuses(ctx context.Context, w *testenv.World) map[string]string {
	GinkgoHelper()
	return statusesOf(ctx, w, func(c *v1alpha1.ChildAccount) bool { return reword(c.Status.Conditions) })
}

// statusesOf are the statuses of those of the namespace's ChildAccounts that pass, as text.
func statusesOf(ctx context.Context, w *testenv.World, pass func(*v1alpha1.ChildAccount) bool) map[string]string {
	GinkgoHelper()
	var children v1alpha1.ChildAccountList
	Expect(testenv.K8s.List(ctx, &children, client.InNamespace(w.NS))).To(Succeed())
	out := map[string]string{}
	for i := range children.Items {
		if c := &children.Items[i]; pass(c) {
			text, err := json.Marshal(c.Status)
			Expect(err).NotTo(HaveOccurred())
			out[c.Name] = string(text)
		}
	}
	return out
}

// expectReworded expects the statuses of these ChildAccounts, and tells of one that is otherwise.
func expectReworded(ctx context.Context, w *testenv.World, want map[string]string) func(Gomega) {
	return func(g Gomega) {
		have := statusesOf(ctx, w, func(c *v1alpha1.ChildAccount) bool { return want[c.Name] != "" })
		for name := range want {
			g.Expect(have[name]).To(MatchJSON(want[name]), name)
		}
	}
}
