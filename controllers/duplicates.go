package controllers

import (
	"context"
	"fmt"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"cpaas.dev/child-account-operator/api/v1alpha1"
	"cpaas.dev/child-account-operator/internal/account"
	"cpaas.dev/child-account-operator/internal/conditions"
)

// indexAccountName finds the ChildAccounts of all namespaces that declare an account name.
const indexAccountName = "accountName"

// duplicate stops a resource whose account is another resource's of this cluster: of two for one account the one that
// holds it wins, then the one that the account's claim names, then the older, then the one with the lesser namespace and name.
// A resource that wants nothing now, as it only observes or is suspended, keeps the name from nobody.
func (r *ChildAccountReconciler) duplicate(ctx context.Context, s *childScope, d account.Decision) *conditions.Outcome {
	if d.Step == account.StepWait || s.child.Observes() {
		return nil
	}
	var others v1alpha1.ChildAccountList
	if err := r.List(ctx, &others, client.MatchingFields{indexAccountName: s.child.AccountName()}, client.UnsafeDisableDeepCopy); err != nil {
		return &conditions.Outcome{Err: err}
	}
	if len(others.Items) < 2 {
		return nil
	}
	var holder account.Claim
	if a := s.dir.Observe(s.key()).Account; a != nil {
		holder, _ = a.Claim()
	}
	claimant := func(c *v1alpha1.ChildAccount) account.Claimant {
		return account.Claimant{
			Bound: c.Status.Origin != "", Created: c.CreationTimestamp.Time, Namespace: c.Namespace, Name: c.Name,
			Claimed: holder == account.Claim{Installation: r.Installation, Namespace: c.Namespace, Name: c.Name},
		}
	}
	for i := range others.Items {
		other := &others.Items[i]
		rival := claimant(other)
		idle := !rival.Bound && (other.Observes() || other.Suspended() && !rival.Claimed) // who once had it, has it
		if other.UID == s.child.UID || idle || !rival.Precedes(claimant(s.child)) || r.parentAccountOf(ctx, other) != s.dir.AccountID {
			continue
		}
		if !s.mayHear(other.Namespace) {
			return &conditions.Outcome{Reason: v1alpha1.ReasonDuplicateResource, Message: fmt.Sprintf("account %s belongs to another ChildAccount", s.child.AccountName())}
		}
		return &conditions.Outcome{Reason: v1alpha1.ReasonDuplicateResource, Message: fmt.Sprintf(
			"account %s belongs to ChildAccount %s/%s: one of the two must go", s.child.AccountName(), other.Namespace, other.Name)}
	}
	return nil
}

// parentAccountOf is the id of the parent account of a resource, "" where it is not known, or is none of the resource's
// business: who may not use a ParentAccount can't stand in the way of those who may.
func (r *ChildAccountReconciler) parentAccountOf(ctx context.Context, c *v1alpha1.ChildAccount) string {
	if c.Status.Origin != "" {
		return c.Status.ParentAccountID
	}
	if dir := r.Parents.Get(c.ParentKey()); dir != nil && r.mayUse(ctx, c) {
		return dir.AccountID
	}
	return ""
}
