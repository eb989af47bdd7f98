package engine

import (
	"context"
	"fmt"

	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"cpaas.dev/child-account-operator/api/v1alpha1"
	"cpaas.dev/child-account-operator/internal/account"
	"cpaas.dev/child-account-operator/internal/conditions"
	"cpaas.dev/child-account-operator/internal/directory"
	"cpaas.dev/child-account-operator/internal/plan"
)

// duplicate stops a resource whose account is another resource's of this cluster: of two for one account the one that
// is bound to it wins, then the one that the account's claim names, then one that may
// have what the claim's owner had, and accepts it, then the older, then the one with the lesser namespace and
// name. A resource that wants nothing now, as it only observes or is suspended, keeps the name from nobody, and neither does one that is being
// deleted and that the operator has released. a is the account that was found, nil for none.
func (e *observer) duplicate(ctx context.Context, s *scope, a *account.Account) (*plan.Stop, error) {
	others, err := rivals(ctx, e, s, a)
	if err != nil || len(others) == 0 || len(others) == 1 && others[0].Object().GetUID() == s.uid() {
		return nil, err
	}
	claimant := claimants(ctx, e, s)
	self := claimant(s.managed)
	self.Permitted = self.Permitted || s.previous != nil // one that is being deleted may have it as well
	self.Bound = self.Bound || s.former != nil           // as others see it: as long as there is no other account, it has the one that was given up
	for _, other := range others {
		d, o := other.Declaration(), other.Object()
		rival := claimant(other)
		if o.GetUID() == s.uid() || keepsNobody(s, rival, d) || isReleased(o) || !rival.Precedes(self) || e.parentAccountOf(ctx, other) != s.dir.AccountID {
			continue
		}
		if s.waitsFor = nil; !o.GetDeletionTimestamp().IsZero() && hasFinalizer(o) {
			s.waitsFor = o
		}
		stop := &plan.Stop{Reason: v1alpha1.ReasonDuplicateResource, Message: fmt.Sprintf("account %s is owned by another %s", s.declared.AccountName, d.Kind)}
		if s.canSee(o.GetNamespace()) {
			stop = ownedBy(s, other)
		}
		ownedElsewhere(e, s, other, stop)
		return stop, nil
	}
	return nil, nil
}

// rivals are the resources that declare or have an account of the name, the resource itself among them, and before it has an account those that
// are bound to the one that was found: that may have had another name.
func rivals(ctx context.Context, e *observer, s *scope, a *account.Account) ([]Managed, error) {
	named, err := e.Kind.Named(ctx, s.declared.AccountName)
	if err != nil || a == nil || s.boundID() != "" {
		return named, err
	}
	bound, err := e.Kind.Bound(ctx, s.dir.AccountID, a.ID)
	return append(bound, named...), err
}

// keepsNobody says whether a rival that is not bound keeps the account from nobody: it wants nothing now, unless it once had the account, or the
// resource has something to accept, which is said first.
func keepsNobody(s *scope, rival account.Claimant, d Declaration) bool {
	if rival.Bound {
		return false
	}
	return d.Policy.Observe || d.Suspended && !rival.Claimed || s.unaccepted && !rival.Claimed && !rival.Permitted
}

// claimants has a resource as one of those that declare an account, judged by whose the account's claim says that it is.
func claimants(ctx context.Context, e *observer, s *scope) func(Managed) account.Claimant {
	var owner account.Claim
	if a := s.dir.Observe(s.key()).Account; a != nil {
		owner, _ = a.Claim()
	}
	to := ""
	if owner.Installation == e.Installation {
		to = e.secretHandedOverTo(ctx, s.declared.Kind, types.NamespacedName{Namespace: owner.Namespace, Name: owner.Name})
	}
	return func(m Managed) account.Claimant {
		o := m.Object()
		permitted := false
		if owner.Installation == e.Installation {
			c, _ := candidateFor(ctx, e, m, owner.Namespace)
			permitted = c != nil && c.accepts
		}
		return account.Claimant{
			Bound: m.Status().Origin != "", Created: o.GetCreationTimestamp().Time, Namespace: o.GetNamespace(), Name: o.GetName(),
			Claimed: owner == account.Claim{Installation: e.Installation, Namespace: o.GetNamespace(), Name: o.GetName()},
			Named:   permitted && client.ObjectKeyFromObject(o).String() == to, Permitted: permitted,
		}
	}
}

// parentAccountOf is the id of the parent account of a resource, "" where it is not known, or is none of the resource's
// business: who may not use a ParentAccount can't stand in the way of those who may.
func (e *observer) parentAccountOf(ctx context.Context, m Managed) string {
	if st := m.Status(); st.Origin != "" {
		return st.ParentAccountID
	}
	dir := e.Connected.Get(m.Declaration().Parent)
	if dir == nil || !e.Parents.Usable(ctx, m) || useless(dir) {
		return ""
	}
	return dir.AccountID
}

// useless says whether the provider refuses a parent's credentials, or somebody has to act before they are of use.
func useless(dir *directory.Parent) bool {
	err := dir.Listings().Err
	return err != nil && conditions.Parents.Row(conditions.Parents.Failed(err).Reason).Stalled()
}
