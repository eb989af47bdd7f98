package v1alpha1_test

import (
	"os"
	"strings"
	"testing"

	"cpaas.dev/child-account-operator/api/v1alpha1"
)

// Each condition that may have something to say while Ready is True has a column, or a column of the status says the same: nothing that is refused
// is hidden from kubectl get -o wide.
func TestNoConditionIsHidden(t *testing.T) {
	for file, kinds := range map[string][]string{
		"childaccounts": {
			v1alpha1.ConditionReady, v1alpha1.ConditionSynced, v1alpha1.ConditionConnectionSecretReady, v1alpha1.ConditionServiceAccountKeyReady,
			v1alpha1.ConditionPlansSynced, v1alpha1.ConditionProfileSynced,
		},
		"subaccounts": {v1alpha1.ConditionReady, v1alpha1.ConditionSynced, v1alpha1.ConditionConnectionSecretReady},
		"parentaccounts": { // AccountsMissing is in status.pendingResources
			v1alpha1.ConditionReady, v1alpha1.ConditionAPIAvailable, v1alpha1.ConditionAccountSynced, v1alpha1.ConditionPlansSynced, v1alpha1.ConditionCapabilityMissing,
		},
	} {
		text, err := os.ReadFile("../../config/crd/bases/accounts.cpaas.dev_" + file + ".yaml")
		if err != nil {
			t.Fatal(err)
		}
		for _, kind := range kinds {
			if !strings.Contains(string(text), `jsonPath: .status.conditions[?(@.type=="`+kind+`")].`) {
				t.Errorf("%s: no column has the condition %s", file, kind)
			}
		}
	}
}
