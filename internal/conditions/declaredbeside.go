package conditions

import (
	"fmt"
	"strings"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"cpaas.dev/child-account-operator/api/v1alpha1"
)

// declaredBeside are the conditions about parts of a ChildAccount's spec that neither Ready nor Synced depends on.
var declaredBeside = []string{v1alpha1.ConditionProfileSynced, v1alpha1.ConditionPlansSynced, v1alpha1.ConditionServiceAccountKeyReady}

// Except is an outcome of an account that matches the spec, with the conditions that are False about parts of the spec: Ready and Synced are
// True all the same, and do not claim what the others deny. Where none is False the outcome is as it was.
func Except(t Table, o Outcome, is []metav1.Condition) Outcome {
	if o.Reason == "" {
		return o
	}
	if v := t.Row(o.Reason); v.ready != yes || v.second != yes {
		return o
	}
	var unmet []string
	for _, kind := range declaredBeside {
		if c := meta.FindStatusCondition(is, kind); c != nil && c.Status == no {
			unmet = append(unmet, fmt.Sprintf("%s (%s)", kind, c.Reason))
		}
	}
	if len(unmet) == 0 {
		return o
	}
	except := ", but parts of the spec are not applied: " + strings.Join(unmet, ", ")
	o.Message += except
	if o.Brief != "" {
		o.Brief += except
	}
	o.Next = Advise(t.nextStep(o), "The messages of these conditions say why, and what to do.")
	return o
}
