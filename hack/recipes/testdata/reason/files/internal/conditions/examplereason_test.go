package conditions

import (
	"os"
	"strings"
	"testing"

	"cpaas.dev/child-account-operator/api/v1alpha1"
	"cpaas.dev/child-account-operator/internal/account"
)

// In the copy of the tree that hack/recipes makes: a failure of the new class is reported as the new reason, and the page has it.
func TestExampleReason(t *testing.T) {
	out := Children.Failed(&account.Error{Class: account.ExampleBusy, Message: "busy"})
	got := map[string]string{}
	for _, c := range written(Children, out) {
		got[c.Type] = string(c.Status) + " " + c.Reason
	}
	for kind, status := range map[string]string{v1alpha1.ConditionReady: "False", v1alpha1.ConditionSynced: "False", v1alpha1.ConditionStalled: "True"} {
		if got[kind] != status+" ExampleBusy" {
			t.Errorf("%s is %q", kind, got[kind])
		}
	}
	page, err := os.ReadFile("../../docs/conditions.md")
	if err != nil || !strings.Contains(string(page), "\n| ExampleBusy | False | False | Stalled | after 10 min to 6 h | Another client works") {
		t.Errorf("docs/conditions.md does not have it (%v)", err)
	}
}
