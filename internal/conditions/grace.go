package conditions

import (
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"cpaas.dev/child-account-operator/api/v1alpha1"
)

// Grace is how long what was last seen is believed while the provider does not answer.
func Grace(resync time.Duration) time.Duration { return max(15*time.Minute, 3*resync) }

// Expired says whether the grace is over for what was last seen, or has been tried without success, since then.
func Expired(resync time.Duration, since, now time.Time) bool {
	return now.After(since.Add(Grace(resync)))
}

// Stale says whether what was last seen of a parent's accounts is too old to be believed. listed is when the last complete list
// was asked for, zero where this process has read none; parent are the parent's conditions.
func Stale(listed time.Time, parent []metav1.Condition, resync time.Duration, now time.Time) bool {
	seen := lastSeen(listed, parent)
	return !seen.IsZero() && Expired(resync, seen, now)
}

// lastSeen is when the last complete list was asked for, whatever else was answered since; where this process has read none,
// when the provider was first found unavailable. Zero where neither is known.
func lastSeen(listed time.Time, parent []metav1.Condition) time.Time {
	if !listed.IsZero() {
		return listed
	}
	if c := meta.FindStatusCondition(parent, v1alpha1.ConditionAPIAvailable); c != nil && c.Status == no {
		return c.LastTransitionTime.Time
	}
	return time.Time{}
}
