package controllers

import (
	"cpaas.dev/child-account-operator/api/v1alpha1"
	"cpaas.dev/child-account-operator/internal/changeguard"
	"cpaas.dev/child-account-operator/internal/conditions"
)

// changeOf is a change that is one too many.
func changeOf(c *v1alpha1.ChildAccount) changeguard.Change {
	return changeguard.Change{Parent: changeguard.Parent{Key: c.ParentKey()}, Namespace: changeguard.Namespace{Name: c.Namespace}, UID: c.UID, Name: c.Name}
}

// Remember has something remembered of a resource wherever anything is.
func (r *ChildAccountReconciler) Remember(c *v1alpha1.ChildAccount) {
	r.attempts.Record(c.UID, conditions.Children, conditions.Outcome{Reason: v1alpha1.ReasonRejected, Fingerprint: "attempt"}, nil, nil, r.Clock.Now())
	r.attempts.SetUncreated(c.UID, true)
	r.ownWrites.Note(c.UID, c.ResourceVersion, r.Clock.Now())
	r.settledSecrets.Recheck(c.UID)
	r.settledSecrets.Set(c.UID, "mark")
	r.passwords.Set(c.UID, "id", "mark")
	r.guard.Admit(changeOf(c), r.Clock.Now())
}

// Remembered says where something is remembered of a resource.
func (r *ChildAccountReconciler) Remembered(c *v1alpha1.ChildAccount) (in []string) {
	_, held := r.attempts.InBackoff(c.UID, "attempt", r.Clock.Now())
	_, written := r.settledSecrets.MadeOf(c.UID)
	for where, is := range map[string]bool{
		"failed attempt": held, "uncreated": r.attempts.Uncreated(c.UID), "own writes": r.ownWrites.Remembers(c.UID), "recheck": r.settledSecrets.NeedsRecheck(c.UID), "written": written,
		"passwords": r.passwords.Has(c.UID, "id", "mark"), "stopped": r.guard.Remembers(c.UID),
	} {
		if is {
			in = append(in, where)
		}
	}
	return in
}
