package engine

import (
	"slices"

	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"cpaas.dev/child-account-operator/api/v1alpha1"
	"cpaas.dev/child-account-operator/internal/account"
	"cpaas.dev/child-account-operator/internal/directory"
)

// A ParentAccount whose account is recorded for the first time may be in the place of one that was deleted and has bought a plan that nobody shows.
// A process that has not seen that one's status can't know. But the accounts that resources of an earlier ParentAccount have made carry claims of
// this installation. Where there are any, the declared plans count as those that an earlier resource may have requested (bought.go); where there
// are none, this is the first ParentAccount of the account, and its plans are bought.

// NoteEarlierPlans has the status of a ParentAccount record that. It is to be called before the status is stored and before the resources of the
// ParentAccount are woken, whose new accounts carry claims, too. was is the account that the stored status has, "" for none.
func NoteEarlierPlans(e *Engine, parent *v1alpha1.ParentAccount, was string) {
	key, st := client.ObjectKeyFromObject(parent), &parent.Status
	dir := e.Connected.Get(key)
	if dir == nil || dir.Directory == nil || st.AccountID != dir.AccountID {
		return
	}
	if was != dir.AccountID && !e.bought.knows(leftKey{dir.AccountID, dir.AccountID}) && declaresPlans(parent) {
		st.Account = &v1alpha1.OwnAccountStatus{AccountID: dir.AccountID, PlanChanges: ofEarlierPlans(plansOfParent(parent), e.Clock.Now())}
	}
	unread := func(c v1alpha1.PlanChange) bool { return ofEarlier(c) && c.Accepted == nil }
	if st.Account == nil || !slices.ContainsFunc(st.Account.PlanChanges, unread) || dir.Listings().Complete == 0 {
		return
	}
	known := e.owns.of(key, parent.UID)
	if known.earlier == nil { // later lists have what resources of this ParentAccount have made
		known.earlier = ptr.To(directory.HasClaims(dir.Directory, e.Installation))
	}
	if !*known.earlier {
		st.Account.PlanChanges = slices.DeleteFunc(slices.Clone(st.Account.PlanChanges), unread)
	}
}

// plansOfParent are the plans that a ParentAccount declares for its own account.
func plansOfParent(p *v1alpha1.ParentAccount) (out []account.Plan) {
	for _, d := range p.Spec.Plans {
		out = append(out, account.Plan{Type: string(d.Type), ID: d.TemplateID})
	}
	return out
}
