package conditions

import (
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Accounts that are missing are told of once when that begins, and once when it is over.
func TestEmitAccountsMissing(t *testing.T) {
	var none, missing []metav1.Condition
	WriteAccountsMissing(&missing, 1, "14 of 15 accounts are missing", noon)
	for name, c := range map[string]struct {
		was, is      []metav1.Condition
		begins, ends bool
		reason, note string
	}{
		"begins":    {was: none, is: missing, begins: true, reason: "AccountsMissing", note: "14 of 15 accounts are missing"},
		"goes on":   {was: missing, is: missing},
		"is over":   {was: missing, is: none, ends: true, reason: "Recovered", note: "what was reported as AccountsMissing is over: nothing to do"},
		"never was": {was: none, is: none},
	} {
		var got emitted
		begins, ends := EmitAccountsMissing(NewEventRecorder(&got), nil, c.was, c.is)
		if begins != c.begins || ends != c.ends || got.reason != c.reason || got.note != c.note {
			t.Errorf("%s: %v, %v, %+v", name, begins, ends, got)
		}
	}
}
