package controllers

import (
	"cpaas.dev/child-account-operator/api/v1alpha1"
	"cpaas.dev/child-account-operator/internal/changeguard"
)

// settled is what a resource's password is settled by.
func settled(r *ChildAccountReconciler, c *v1alpha1.ChildAccount) *childScope {
	s := newChildScope(c, r.Installation)
	s.passwordMark = "mark"
	return s
}

// changeOf is a change that is one too many.
func changeOf(c *v1alpha1.ChildAccount) changeguard.Change {
	return changeguard.Change{Parent: changeguard.Parent{Key: c.ParentKey()}, Namespace: changeguard.Namespace{Name: c.Namespace}, UID: c.UID, Name: c.Name}
}

// Remember has something remembered of a resource wherever anything is.
func (r *ChildAccountReconciler) Remember(c *v1alpha1.ChildAccount) {
	r.holds.put(c.UID, hold{})
	r.holds.setClean(c.UID, true)
	r.ownWrites.note(c, r.Clock)
	r.recheck.Store(c.UID, true)
	r.written.Store(c.UID, "mark")
	r.passwords.settle(settled(r, c))
	r.guard.Admit(changeOf(c), r.Clock.Now())
}

// Remembered says where something is remembered of a resource.
func (r *ChildAccountReconciler) Remembered(c *v1alpha1.ChildAccount) (in []string) {
	_, held := r.holds.active(c.UID, "", r.Clock.Now())
	_, own := r.ownWrites.m.Load(c.UID)
	_, recheck := r.recheck.Load(c.UID)
	_, written := r.written.Load(c.UID)
	for where, is := range map[string]bool{
		"holds": held, "clean": r.holds.isClean(c.UID), "own writes": own, "recheck": recheck, "written": written,
		"passwords": r.passwords.has(settled(r, c)), "stopped": r.guard.Check(changeOf(c), r.Clock.Now()).Settled,
	} {
		if is {
			in = append(in, where)
		}
	}
	return in
}
