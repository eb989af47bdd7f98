package controllers

import (
	"context"
	"slices"
	"time"

	"k8s.io/apimachinery/pkg/types"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"cpaas.dev/child-account-operator/api/v1alpha1"
	"cpaas.dev/child-account-operator/internal/directory"
)

// share has ParentAccounts that lead to one account, and so have one snapshot, hear of each other.
func share(r *ParentAccountReconciler) {
	r.Parents.Concerned = r.enqueue
	r.Parents.Freed = func(of directory.Source, freed []directory.Freed) {
		for _, a := range allAccounts(r) {
			a.engine.UniqueValues.Freed(of, freed)
		}
	}
	r.Parents.Written = func(others []types.NamespacedName, accountName string) {
		for _, a := range allAccounts(r) {
			wakeNamed(context.Background(), a, others, accountName) // the cache answers at once
		}
	}
}

// wakeNamed wakes the resources of some ParentAccounts that declare an account name: another ParentAccount has written to the account.
func wakeNamed(ctx context.Context, r *AccountReconciler, parents []types.NamespacedName, accountName string) {
	children, err := r.engine.Kind.Named(ctx, accountName)
	if err != nil {
		log.FromContext(ctx).Error(err, "children not woken", "accountName", accountName)
		return
	}
	for _, child := range children {
		if slices.Contains(parents, child.Declaration().Parent) {
			r.enqueue(ctrl.Request{NamespacedName: client.ObjectKeyFromObject(child.Object())}, false)
		}
	}
}

// sourceOf is what the snapshot of a connection is of, whose account is known by now.
func sourceOf(p *v1alpha1.ParentAccount, dir *directory.Parent) directory.Source {
	bundle, _ := p.CABundle()
	return directory.Source{
		Provider: p.Provider(), Endpoint: dir.Endpoint, CABundle: string(bundle), AccountID: dir.AccountID,
	}
}

// knownTo is what the children of a ParentAccount know of, and those of all that share its snapshot: its list is theirs too.
func knownTo(ctx context.Context, r *ParentAccountReconciler, s *parentScope, dir *directory.Parent) directory.Known {
	of := accountsOf(r, s.parent)
	known := of.parents.known(ctx, of.Kind, s.children)
	for _, other := range r.Parents.Sharing(s.key(), dir.Directory) {
		children, err := of.Kind.listed(ctx, r, childrenOfParent(other)...)
		if err != nil {
			known.More = true
			continue
		}
		theirs := of.parents.known(ctx, of.Kind, children)
		known.IDs, known.Names = append(known.IDs, theirs.IDs...), append(known.Names, theirs.Names...)
	}
	return known
}

// nextList is when a ParentAccount is to read the list after one at last.
func nextList(r *ParentAccountReconciler, s *parentScope, dir *directory.Parent, last time.Time) time.Time {
	turn := r.Parents.Schedule(s.key(), dir)
	next := directory.NextResync(last, turn.Interval, turn.Seed).Add(turn.Grace)
	if !turn.Latest.IsZero() && turn.Latest.Before(next) {
		return turn.Latest
	}
	return next
}
