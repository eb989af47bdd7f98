package engine

import (
	"context"
	"errors"
	"slices"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"cpaas.dev/child-account-operator/api/v1alpha1"
	"cpaas.dev/child-account-operator/internal/account"
	"cpaas.dev/child-account-operator/internal/conditions"
	"cpaas.dev/child-account-operator/internal/directory"
	"cpaas.dev/child-account-operator/internal/plan"
	"cpaas.dev/child-account-operator/internal/secrets"
)

// mostOthers is how many ids an attempt has (CreationAttempt.OtherIDs).
const mostOthers = 32

// claimless says whether the accounts of the resource's provider carry no claims. Then an attempt to create an account is in the status, which the
// operator alone may write: what people can write, such as an annotation of the connection Secret, must not make an account theirs.
func claimless(s *scope) bool {
	return s.dir != nil && !directory.CapabilitiesOf(s.dir.Directory).Claims
}

// openAttempt is the open attempt to create the account; nil where there is none, or the provider's accounts carry claims.
func openAttempt(s *scope) *account.Attempt {
	c := s.status.Creation
	if c == nil || !claimless(s) || c.ParentAccountID != s.dir.AccountID {
		return nil
	}
	return &account.Attempt{Others: c.OtherIDs, Sent: c.Sent}
}

// seek has the account looked for by the name of the open attempt, where the resource declares another one by now: the attempt may have created
// an account, and then that is the resource's.
func seek(s *scope) {
	if openAttempt(s) != nil && s.boundID() == "" && s.status.Creation.AccountName != s.declared.AccountName {
		s.declared.AccountName, s.seeks = s.status.Creation.AccountName, true
	}
}

// foundNone ends that: the attempt has created none.
func foundNone(s *scope) {
	s.declared.AccountName, s.seeks, s.status.Creation = s.managed.Declaration().AccountName, false, nil
}

// sought is a view without an account that the attempt which is looked for has not created.
func sought(s *scope, view account.View) account.View {
	if a := view.Account; s.seeks && a != nil && len(view.Namesakes) == 0 && !openAttempt(s).Made(s.schema, *a) {
		view.Account = nil
	}
	return view
}

// storeAttempt stores in the status that the account is about to be created, in a patch that fails where somebody else has written since: so of two
// that continue from the same status one alone creates it.
func storeAttempt(ctx context.Context, r *run, _ plan.Step) *conditions.Outcome {
	s := r.s
	next := &v1alpha1.CreationAttempt{
		Attempt: 1, ParentAccountID: s.dir.AccountID, AccountName: s.declared.AccountName, OtherIDs: otherIDs(s, r.view), Sent: sentAtCreation(s),
	}
	if before := s.was.Creation; before != nil {
		next.Attempt = before.Attempt + 1
	}
	before, after := s.managed.Copy(), s.managed.Copy()
	for _, m := range []Managed{before, after} {
		*m.Status() = *s.was.DeepCopy()
		m.SetObserved(s.wasObserved)
	}
	after.Status().Creation = next
	ctx, cancel := lasting(ctx)
	defer cancel()
	if err := r.Status().Patch(ctx, after.Object(), client.MergeFromWithOptions(before.Object(), client.MergeFromWithOptimisticLock{})); err != nil {
		return refusedWrite(r, v1alpha1.ReasonCreating, theResource(s), err)
	}
	s.obj.SetResourceVersion(after.Object().GetResourceVersion())
	r.ownWrites.Note(s.uid(), s.obj.GetResourceVersion(), r.Clock.Now())
	s.was.Creation, s.status.Creation = next, next.DeepCopy()
	return nil
}

// sentAtCreation are the declared values that a creation has.
func sentAtCreation(s *scope) account.State {
	sent := s.schema.Normal(s.desired)
	for _, f := range s.schema {
		if !f.Settable {
			delete(sent, f.Path)
		}
	}
	return sent
}

// otherIDs are the accounts that an attempt can't have created: those that have the name, and the one that the resource had.
func otherIDs(s *scope, view account.View) []string {
	ids := slices.Clone(view.Namesakes)
	if view.Account != nil {
		ids = append(ids, view.Account.ID)
	}
	if s.former != nil {
		ids = append(ids, s.former.accountID)
	}
	if open := s.status.Creation; open != nil {
		ids = append(ids, open.OtherIDs...)
	}
	slices.Sort(ids)
	ids = slices.Compact(ids)
	return ids[:min(len(ids), mostOthers)]
}

// errOvertakenBefore ends a creation before its request.
var errOvertakenBefore = errors.New("nothing was sent: the resource was changed or deleted, or another process continued with it, before its account was created")

// lastLook reads the resource once it is the request's turn, right before it: whoever stood still since the attempt was stored, while another
// process took over, sends nothing. It remembers in out why.
func lastLook(r *run, out **conditions.Outcome) func(context.Context) error {
	if !claimless(r.s) {
		return nil
	}
	return func(ctx context.Context) error {
		if *out = readResource(ctx, r, plan.Step{}); *out != nil {
			return errOvertakenBefore
		}
		return nil
	}
}

// attemptRefused takes the attempt back where it is certain that none has created an account.
func attemptRefused(r *run, err error) {
	if !account.AsError(err).OutcomeUnknown && r.attempts.Uncreated(r.s.uid()) {
		r.s.status.Creation = nil
	}
}

// sendsPassword says whether each change of the account sends the account's password.
func sendsPassword(s *scope) bool {
	return s.dir != nil && directory.CapabilitiesOf(s.dir.Directory).Replaces
}

// passwordKnown says, without a call, whether the password of the resource's account is known, where no password is declared.
func (e *observer) passwordKnown(ctx context.Context, s *scope) bool {
	switch {
	case s.promoted != "":
		return true
	case s.stored != nil:
		return s.stored[secrets.KeyPassword] != ""
	case s.status.Origin == v1alpha1.OriginCreated:
		return !lacksPassword(s)
	}
	return e.ConnectionSecrets != nil && e.ConnectionSecrets.HoldsPassword(ctx, connectionKey(s))
}

// reservePassword has the connection Secret remember no declared password before a change sends one that the account is not known to have:
// until that is answered nobody knows which one it has.
func reservePassword(ctx context.Context, r *run) *conditions.Outcome {
	s := r.s
	if !sendsPassword(s) || !s.givesPassword() || r.passwords.Has(s.uid(), s.boundID(), s.passwordMark) {
		return nil
	}
	known, err := r.Connections.Remembers(ctx, s.connection(), s.password)
	if err == nil && !known {
		err = r.Connections.Reserve(ctx, s.connection(), knownValues(s))
	}
	if err != nil {
		return r.unchanged(brokenSecret(v1alpha1.ReasonUpdating, err))
	}
	return nil
}

// passwordSent notes what follows for the password from a change that sent it, and how that was answered.
func passwordSent(r *run, err error) {
	s := r.s
	switch {
	case !sendsPassword(s):
	case err == nil && s.givesPassword():
		s.applied, s.given = true, true
		r.passwords.Set(s.uid(), s.boundID(), s.passwordMark)
	case err != nil && account.AsError(err).OutcomeUnknown:
		r.passwords.Forget(s.uid())
	}
}
