package engine

import (
	"iter"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"cpaas.dev/child-account-operator/api/v1alpha1"
	"cpaas.dev/child-account-operator/internal/account"
	"cpaas.dev/child-account-operator/internal/changeguard"
	"cpaas.dev/child-account-operator/internal/conditions"
	"cpaas.dev/child-account-operator/internal/directory"
)

// JudgeAbsences decides which of a parent's accounts that its lists don't have are missing, and which may only be hidden because too
// many are. It is to be called with all of the parent's resources after each list, and when an approval comes, before the resources
// are woken: until then nothing missing is believed. changed says that they are to be woken.
func (e *Engine) JudgeAbsences(p *Parent, dir *directory.Parent, resources iter.Seq[Managed]) (verdict *changeguard.Disbelief, changed bool) {
	l := changeguard.Listing{Parent: p.Guarded, List: dir.Listings().Complete, Limits: p.Limits, Approvals: p.Approvals}
	for m := range resources {
		st := m.Status()
		d := m.Declaration()
		if st.AccountID == "" || st.ParentAccountID != "" && st.ParentAccountID != dir.AccountID || d.Suspended {
			continue
		}
		l.Total++
		key := directory.Key{Name: d.AccountName}
		if st.Origin != "" {
			key.ID = st.AccountID
		}
		if v := dir.Observe(key); v.Listed && v.Account == nil && v.Absences >= account.AbsencesUntilMissing {
			l.Absent = append(l.Absent, changeguard.Absent{
				UID: m.Object().GetUID(), Key: client.ObjectKeyFromObject(m.Object()), AccountID: st.AccountID, Reported: saysMissing(e.Table.Second(), st),
			})
		}
	}
	return e.absences.Judge(l, e.Clock.Now())
}

// saysMissing says whether a status says in the condition beside Ready that the account is missing.
func saysMissing(second string, st *v1alpha1.AccountStatus) bool {
	return conditions.HadReason(st.Conditions, second, v1alpha1.ReasonAccountMissing)
}

// Held is what the change guard holds back of a parent's changes, and what is used of the parent's limits.
type Held struct {
	// Missing is why missing accounts are not believed to be; nil where they are, or none is missing.
	Missing *changeguard.Disbelief
	// Changes wait for an approval. Settled is set where no other change was stopped just now; before that there are none.
	Changes []changeguard.Waiting
	Settled bool
	// Used is nil where nothing is used.
	Used *changeguard.Used
}

// Held returns what is held back of a parent's changes.
func (e *Engine) Held(p changeguard.Parent) Held {
	h := Held{Missing: e.absences.Verdict(p)}
	if h.Changes, h.Settled = e.changes.Waiting(p); !h.Settled {
		h.Changes = nil // their hashes change, and nobody could approve them
	}
	if used, ok := e.changes.Used(p, e.Clock.Now()); ok {
		h.Used = &used
	}
	return h
}

// doubted says whether the account may be there although no list has it: it is not believed to be missing, and was not reported.
func (e *observer) doubted(s *scope, v *account.View) bool {
	id := s.status.AccountID
	return v.Account == nil && id != "" && !saysMissing(e.Table.Second(), &s.was) && !e.absences.Believed(s.parent.Guarded, s.uid(), id)
}
