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
	// Reason is that of the trouble.
	Reason string
	// Lasted is how long the trouble was reported, and InAll with the troubles that it followed without a break. The conditions alone tell how
	// long all of them lasted: both are that where nobody knows better.
	Lasted, InAll time.Duration
}

// Since is the recovery of a trouble that took the place of another one at a time; zero is for any other trouble.
func (r Recovery) Since(since, now time.Time) Recovery {
	if own := max(now.Sub(since), 0).Round(time.Second); !since.IsZero() && own < r.InAll {
		r.Lasted = own
	}
	return r
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
		lasted := max(now.Sub(unwellSince(t, was)), 0).Round(time.Second)
		return Recovery{Reason: c.Reason, Lasted: lasted, InAll: lasted}, true
	}
	return Recovery{}, false
}

// TookPlace is when a trouble took the place of another one: now, where the conditions before it spoke of another one alone; zero else.
func TookPlace(t Table, was []metav1.Condition, reason string, now time.Time) time.Time {
	if unwellSince(t, was).IsZero() || HadReason(was, v1alpha1.ConditionReady, reason) || HadReason(was, t.second, reason) {
		return time.Time{}
	}
	return now
}

// unwellSince is when the first of the present troubles began, of those that followed each other without a break; zero where there is none.
// A condition that continues to have its status keeps the time at which it took it, whatever its reason is. The second one tells a trouble from
// everything else by False alone: Unknown may be of a suspension.
func unwellSince(t Table, is []metav1.Condition) (since time.Time) {
	for _, kind := range []string{v1alpha1.ConditionReady, t.second} {
		c := meta.FindStatusCondition(is, kind)
		if c == nil || c.Status == yes || kind == t.second && c.Status != no || !t.Troubled(c.Reason) {
			continue
		}
		if at := c.LastTransitionTime.Time; since.IsZero() || at.Before(since) {
			since = at
		}
	}
	return since
}

// Troubled says whether a reason is that of a trouble, which people are to hear of.
func (t Table) Troubled(reason string) bool {
	v := t.rows[reason]
	return v.stalled || v.second == no
}

// recovers says what is over when a reason is; "" for one whose end is no event.
func (t Table) recovers(reason string) string {
	if text := t.recovered[reason]; text != "" || !t.everyRecovery {
		return text
	}
	if !t.Troubled(reason) {
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
	before := ""
	if r.InAll > r.Lasted {
		before = fmt.Sprintf(" (%s with the troubles just before)", r.InAll)
	}
	return fmt.Sprintf("%s, after %s%s: nothing to do", t.recovers(r.Reason), r.Lasted, before)
}
