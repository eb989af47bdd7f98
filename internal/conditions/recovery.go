package conditions

import (
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"

	"cpaas.dev/child-account-operator/api/v1alpha1"
)

// Recovery is a trouble that is over.
type Recovery struct {
	// Reason is that of the trouble, Lasted how long it was reported.
	Reason string
	Lasted time.Duration
}

// Recovered is the trouble that ends with an outcome, by what the conditions said before; false where none ends that the table has for
// that. An outage may have come over another trouble, of which Ready still speaks: that one ends, too.
func (t Table) Recovered(was []metav1.Condition, out Outcome, now time.Time) (Recovery, bool) {
	if out.Reason == "" || t.Row(out.Reason).ready != yes {
		return Recovery{}, false
	}
	for _, kind := range []string{v1alpha1.ConditionReady, t.second} {
		c := meta.FindStatusCondition(was, kind)
		if c == nil || t.recovers(c.Reason) == "" {
			continue
		}
		return Recovery{Reason: c.Reason, Lasted: max(now.Sub(TroubledSince(was, now)), 0).Round(time.Second)}, true
	}
	return Recovery{}, false
}

// recovers says what is over when a reason is; "" for one whose end is no event.
func (t Table) recovers(reason string) string {
	v := t.rows[reason]
	if text := t.recovered[reason]; text != "" || !t.everyRecovery {
		return text
	}
	if !v.stalled && v.second != no { // no trouble
		return ""
	}
	return "what was reported as " + reason + " is over"
}

// EmitRecovery tells in an event that a trouble is over. It comes after the conditions are stored.
func (t Table) EmitRecovery(recorder EventRecorder, about runtime.Object, r Recovery) {
	recorder.Eventf(about, nil, corev1.EventTypeNormal, "Recovered", "Reconcile", "%s", t.RecoveryText(r))
}

// RecoveryText says what is over, and how long it lasted.
func (t Table) RecoveryText(r Recovery) string {
	return fmt.Sprintf("%s, after %s: nothing to do", t.recovers(r.Reason), r.Lasted)
}
