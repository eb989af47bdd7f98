package engine

import (
	"context"

	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"cpaas.dev/child-account-operator/api/v1alpha1"
)

// A tenant of a shared parent knows an account's API key for good, and can have written any claim into its custom data. That the sharing has ended
// makes no claim a proof, and what this process remembers of owners (lastowner.go) ends with it. So the status of a ParentAccount keeps that its
// account was shared.

// NoteShared has the status of a ParentAccount say whether other namespaces could have accounts of its account, by itself or by another ParentAccount.
// It is to be called before the status is stored and before resources are woken. was is the account that the stored status has, "" for none.
func NoteShared(ctx context.Context, e *Engine, parent *v1alpha1.ParentAccount, was string) {
	st := &parent.Status
	if was != "" && was != st.AccountID { // the credentials of another account were accepted
		st.WasShared = nil
	}
	if parent.Shared() || sharedByAnother(ctx, e, parent) {
		st.WasShared = ptr.To(true)
	}
}

// sharedByAnother says whether another ParentAccount of the account is or was shared.
func sharedByAnother(ctx context.Context, e *Engine, parent *v1alpha1.ParentAccount) bool {
	var all v1alpha1.ParentAccountList
	if parent.Status.AccountID == "" {
		return false
	}
	if err := e.List(ctx, &all, client.UnsafeDisableDeepCopy); err != nil {
		log.FromContext(ctx).V(1).Info("the other ParentAccounts of the account can't be read now: the next list asks again", "cause", err.Error())
		return false
	}
	for i := range all.Items {
		if p := &all.Items[i]; p.Status.AccountID == parent.Status.AccountID && p.Shared() && v1alpha1.SameService(p, parent) {
			return true
		}
	}
	return false
}

// sharing says how a shared parent is shared.
func (p *Parent) sharing() string {
	if p.NotSharedNow {
		return "was shared with other namespaces"
	}
	return "is shared"
}
