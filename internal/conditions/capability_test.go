package conditions

import (
	"strings"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"cpaas.dev/child-account-operator/api/v1alpha1"
)

func TestWriteCapabilityMissing(t *testing.T) {
	now := time.Date(2026, 5, 6, 7, 8, 9, 0, time.UTC)
	other := metav1.Condition{Type: v1alpha1.ConditionReady, Status: metav1.ConditionTrue, Reason: v1alpha1.ReasonAvailable}
	conds := []metav1.Condition{other}
	text := func() string {
		c := meta.FindStatusCondition(conds, v1alpha1.ConditionCapabilityMissing)
		if c == nil {
			return ""
		}
		if c.Status != metav1.ConditionTrue || c.Reason != v1alpha1.ReasonRoleMissing || c.ObservedGeneration != 3 {
			t.Errorf("%+v", c)
		}
		before, _, _ := strings.Cut(c.Message, " Give")
		return before
	}
	for _, step := range []struct {
		what, message string
		settled       bool
		want          string
	}{
		{"nothing is known", "", false, ""},
		{"one is refused, the others are not known", "documents", false, "documents"},
		{"a new process knows of none yet", "", false, "documents"},
		{"a new process knows of another one", "rates", false, "documents"},
		{"all are known", "documents, rates", true, "documents, rates"},
		{"none is refused", "", true, ""},
	} {
		WriteCapabilityMissing(&conds, 3, v1alpha1.ReasonRoleMissing, step.message, step.settled, now)
		if got := text(); got != step.want {
			t.Errorf("%s: %q, want %q", step.what, got, step.want)
		}
	}
	WriteCapabilityMissing(&conds, 3, v1alpha1.ReasonRejected, "documents", true, now)
	if c := meta.FindStatusCondition(conds, v1alpha1.ConditionCapabilityMissing); c == nil || c.Reason != v1alpha1.ReasonRejected || !strings.Contains(c.Message, "Ask the provider") {
		t.Errorf("%+v", c)
	}
	WriteCapabilityMissing(&conds, 3, "", "", true, now)
	if len(conds) != 1 || conds[0].Type != v1alpha1.ConditionReady {
		t.Errorf("%+v", conds)
	}
}
