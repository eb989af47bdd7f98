package engine

import (
	"cpaas.dev/child-account-operator/api/v1alpha1"
	"cpaas.dev/child-account-operator/internal/account"
)

// binding is what a status says of the account that the resource is bound to.
type binding struct {
	accountID, parentAccountID string
	origin                     v1alpha1.Origin
	lastApplied                map[string]string
	clonedFrom                 *v1alpha1.ClonedFrom
	observed                   any
}

func bindingOf(s *scope) binding {
	st := s.status
	return binding{st.AccountID, st.ParentAccountID, st.Origin, st.LastApplied, st.ClonedFrom, s.managed.Observed()}
}

// into has the status say it.
func (b binding) into(s *scope) {
	st := s.status
	st.AccountID, st.ParentAccountID, st.Origin, st.LastApplied, st.ClonedFrom = b.accountID, b.parentAccountID, b.origin, b.lastApplied, b.clonedFrom
	s.managed.SetObserved(b.observed)
}

// giveUp has another account created for the resource. The status keeps the former one until there is another: lists may have been
// wrong, and by its id it is told from one that was created meanwhile.
func giveUp(s *scope) {
	former := bindingOf(s)
	s.unbind()
	s.former = &former
}

// recognise binds the resource again to the account that was given up, if that is the one: it was only hidden.
func recognise(s *scope, a *account.Account) bool {
	if s.former == nil || s.boundID() != "" || a == nil || a.ID != s.former.accountID {
		return false
	}
	keepFormer(s)
	return true
}

// keepFormer has the status say of the account that was given up what it said before, unless there is another.
func keepFormer(s *scope) {
	if s.former == nil || s.boundID() != "" {
		return
	}
	s.former.into(s)
	s.former = nil
}
