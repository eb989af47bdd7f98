package controllers

import (
	"time"

	"k8s.io/apimachinery/pkg/api/meta"

	"cpaas.dev/child-account-operator/api/v1alpha1"
	"cpaas.dev/child-account-operator/internal/directory"
)

// graceOf is how long what was last seen is believed while the provider does not answer.
func graceOf(resync time.Duration) time.Duration { return max(15*time.Minute, 3*resync) }

// stale says whether what was last seen of a parent's accounts is too old to be believed. dir is nil where there is none.
func stale(p *v1alpha1.ParentAccount, dir *directory.Parent, now time.Time) bool {
	seen := lastSeen(p, dir)
	return !seen.IsZero() && tooLong(p, seen, now)
}

// lastSeen is when the last complete list was asked for, whatever else was answered since; where this process has read none,
// when the provider was first found unavailable. Zero where neither is known.
func lastSeen(p *v1alpha1.ParentAccount, dir *directory.Parent) time.Time {
	if dir != nil && !dir.Listings().AskedAt.IsZero() {
		return dir.Listings().AskedAt
	}
	if c := meta.FindStatusCondition(p.Status.Conditions, v1alpha1.ConditionAPIAvailable); c != nil && c.Status == no {
		return c.LastTransitionTime.Time
	}
	return time.Time{}
}

func tooLong(p *v1alpha1.ParentAccount, since, now time.Time) bool {
	return now.After(since.Add(graceOf(p.ResyncInterval())))
}
