package engine

import (
	"cmp"
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"

	"cpaas.dev/child-account-operator/api/v1alpha1"
	"cpaas.dev/child-account-operator/internal/account"
	"cpaas.dev/child-account-operator/internal/conditions"
	"cpaas.dev/child-account-operator/internal/directory"
	"cpaas.dev/child-account-operator/internal/plan"
	"cpaas.dev/child-account-operator/internal/provider"
	"cpaas.dev/child-account-operator/internal/secrets"
)

// knownPassword is the account's password as far as it is known.
func knownPassword(s *scope) account.Secret {
	if s.givesPassword() {
		return s.password
	}
	return cmp.Or(s.promoted, s.stored[secrets.KeyPassword])
}

// target is the account that is written to, with what an API may want that replaces the whole of it.
func (r *run) target(id string) provider.Target {
	s := r.s
	return provider.Target{ID: id, Desired: s.desired, Password: func(ctx context.Context) (account.Secret, error) {
		if s.givesPassword() {
			return s.password, nil
		}
		held, err := r.Connections.Read(ctx, s.connection())
		return cmp.Or(s.promoted, held[secrets.KeyPassword]), err
	}}
}

// setPassword gives the account the declared password, unless the connection Secret says that it has it.
func setPassword(ctx context.Context, r *run, step plan.Step) *conditions.Outcome {
	s := r.s
	known, err := r.Connections.Remembers(ctx, s.connection(), s.password)
	if err != nil {
		return r.unchanged(brokenSecret(v1alpha1.ReasonUpdating, err))
	}
	if !known {
		if out := r.heldPassword(step); out != nil {
			return r.unchanged(out)
		}
		if err := r.Connections.Reserve(ctx, s.connection(), knownValues(s)); err != nil {
			return r.unchanged(brokenSecret(v1alpha1.ReasonUpdating, err))
		}
		if err := givePassword(ctx, r, s.password); err != nil {
			return r.unchanged(r.stopped(err))
		}
		s.applied = true
		if _, err := r.writeConnection(ctx, nil); err != nil {
			return r.unchanged(brokenSecret(v1alpha1.ReasonUpdating, err))
		}
	}
	r.passwords.Set(s.uid(), s.boundID(), s.passwordMark)
	return nil
}

// rotatePassword gives the account a new generated password, once for each value of the annotation.
func rotatePassword(ctx context.Context, r *run, step plan.Step) *conditions.Outcome {
	s := r.s
	c := s.connection()
	if step.Held {
		rotated, err := r.Connections.Rotated(ctx, c)
		if err != nil {
			return r.unchanged(brokenSecret(v1alpha1.ReasonUpdating, err))
		}
		if !rotated {
			return r.unchanged(r.heldPassword(step))
		}
	}
	c.Try = tryOwn(ctx, s)
	next, err := r.Connections.Next(ctx, c, connectionValues(s))
	if err != nil {
		return r.unchanged(brokenSecret(v1alpha1.ReasonUpdating, err))
	}
	if next != "" {
		if out := giveNext(ctx, r, next); out != nil {
			return r.unchanged(out)
		}
	}
	r.passwords.Set(s.uid(), s.boundID(), s.passwordMark)
	r.again = s.promoted != "" && sendsPassword(s) // the account can be changed now
	return nil
}

// unchanged notes, beside an outcome, what is known of an account that does not match the spec yet.
func (r *run) unchanged(out *conditions.Outcome) *conditions.Outcome {
	if !r.confirmed {
		r.s.observe(*r.view.Account)
	}
	return out
}

// giveNext is the second phase of a rotation: the account gets the password that is in the connection Secret by now.
func giveNext(ctx context.Context, r *run, next account.Secret) *conditions.Outcome {
	err := givePassword(ctx, r, next)
	if passwordRefused(err) {
		if err := dropNext(ctx, r); err != nil {
			return brokenSecret(v1alpha1.ReasonUpdating, err)
		}
	}
	if err != nil {
		r.settledSecrets.Unset(r.s.uid()) // whatever becomes of the request: the next password is still to be settled
		return unsettled(r.stopped(err), "to give the account the new password in the connection Secret")
	}
	if err := promote(ctx, r, next); err != nil {
		return brokenSecret(v1alpha1.ReasonUpdating, err)
	}
	return nil
}

// passwordRefused says whether the account can't have the password, whatever is done.
func passwordRefused(err error) bool {
	e := account.AsError(err)
	return e != nil && !e.OutcomeUnknown && (e.Class == account.PasswordRejected || e.Class == account.PasswordReused)
}

// settlePassword finds out what became of a password that the account may have: by a rotation that was interrupted and is not asked
// for any more, or because the account was to be recreated.
func settlePassword(ctx context.Context, r *run, _ plan.Step) *conditions.Outcome {
	rotated, err := r.Connections.Rotated(ctx, r.s.connection())
	if err != nil {
		return brokenSecret(v1alpha1.ReasonUpdating, err)
	}
	if !rotated { // it is given to the account
		return nil
	}
	next := r.s.stored[secrets.KeyPasswordNext]
	if !directory.CapabilitiesOf(r.s.dir.Directory).SignIns {
		return settleUnchecked(ctx, r, next)
	}
	has, err := hasPassword(ctx, r.s, r.s.status.AccountID, next)
	if err != nil {
		r.settledSecrets.Unset(r.s.uid())
		return unsettled(r.stopped(err), "whether the account has the new password in the connection Secret")
	}
	if has {
		err = promote(ctx, r, next)
	} else {
		err = dropNext(ctx, r)
	}
	if err != nil {
		return brokenSecret(v1alpha1.ReasonUpdating, err)
	}
	return nil
}

// settleUnchecked gives the account a password that it may have already, where nobody can say whether it has it: then it certainly has. A
// pre-existing account whose own password is not known keeps it: what the connection Secret holds may have been prepared for another account.
func settleUnchecked(ctx context.Context, r *run, next account.Secret) *conditions.Outcome {
	if r.s.status.Origin == v1alpha1.OriginAdopted && r.s.stored[secrets.KeyPassword] == "" {
		return nil
	}
	return giveNext(ctx, r, next)
}

// promote puts a password that the account has by now into the former one's place.
func promote(ctx context.Context, r *run, next account.Secret) error {
	err := persist(ctx, func(ctx context.Context) error { return r.Connections.Promote(ctx, r.s.connection(), next) })
	if err == nil {
		r.s.promoted = next
	}
	return err
}

// dropNext forgets a password that the account certainly has not got.
func dropNext(ctx context.Context, r *run) error {
	return persist(ctx, func(ctx context.Context) error { return r.Connections.Drop(ctx, r.s.connection()) })
}

// givePassword makes the call. An answer that leaves open whether the account has the password now is settled by
// trying the password itself.
func givePassword(ctx context.Context, r *run, password account.Secret) error {
	id := r.s.status.AccountID
	err := r.s.dir.SetPassword(ctx, r.target(id), password)
	e := account.AsError(err)
	if err == nil || e.OutcomeUnknown || e.Class == account.PasswordReused {
		r.passwords.Forget(r.s.uid()) // the one before is no longer certain
	}
	switch {
	case err == nil:
		r.s.given = true
		tellPassword(ctx, r)
		return nil
	case !e.OutcomeUnknown && e.Class != account.PasswordReused: // the only refusal that a password in its place can get
		return err
	}
	has, checked := r.s.dir.CheckPassword(ctx, id, password)
	r.s.given = has
	switch {
	case has && e.OutcomeUnknown:
		tellPassword(ctx, r)
		return nil
	case has:
		return nil
	case !e.OutcomeUnknown && isTransient(checked):
		return checked
	}
	return err
}

func tellPassword(ctx context.Context, r *run) {
	logWritten(ctx, r.s, writePassword, whyGiven(r.s), r.s.status.AccountID, nil)
	source := "declared"
	if r.s.rotation != "" {
		source = "newly generated"
	}
	r.Recorder.Eventf(r.s.obj, nil, corev1.EventTypeNormal, "PasswordChanged", "Update",
		"gave account %s (id %s) the password that is %s", r.s.declared.AccountName, r.s.status.AccountID, source)
}

// proveOwnership stops a resource of a shared parent from taking an account for its claim alone: whoever has had the account
// may have written that claim, and a tenant may write an intent and a connection Secret. What proves it is the account's
// password, which is in the connection Secret, or declared, before the account is made.
func proveOwnership(ctx context.Context, r *run, _ plan.Step) *conditions.Outcome {
	s, a := r.s, *r.view.Account
	held, err := r.Connections.Read(ctx, s.connection())
	if err != nil {
		return r.unproven(*brokenSecret(v1alpha1.ReasonUpdating, err))
	}
	of, err := r.previousSecrets(ctx)
	if err != nil {
		return r.unproven(*broken(v1alpha1.ReasonUpdating, err))
	}
	passwords := []account.Secret{held[secrets.KeyPassword], held[secrets.KeyPasswordNext], s.password}
	for i := range of {
		passwords = append(passwords, secrets.Passwords(&of[i])...)
	}
	for _, password := range passwords {
		if password == "" {
			continue
		}
		has, err := hasPassword(ctx, s, a.ID, password)
		switch c := account.ClassOf(err); {
		case has:
			return nil
		case c == account.Unavailable, c == account.Throttled, c == account.PasswordBlocked:
			return r.unproven(r.Table.Failed(err))
		}
	}
	if s.previous != nil {
		return r.unproven(unprovenPrevious(s, a))
	}
	return r.unproven(conditions.Outcome{
		Reason: v1alpha1.ReasonAdoptionRefused,
		Message: fmt.Sprintf("the custom data of account %s (id %s) names this resource as its owner, but ParentAccount %s %s, %s and may know the account's password and API key, and Secret %s does not prove it with the account's password",
			a.Name, a.ID, s.parent.Key.Name, s.parent.sharing(), anybodyWrites, s.declared.ConnectionSecret.Name),
		Next: "If that Secret once held the password, restore the Secret. Otherwise, to accept an account whose credentials others may know, " + adoptStep(s, "spec.adoptionPolicy") + ".",
	})
}

// unproven is the outcome of an account that is not known as the resource's. A resource that is being deleted leaves it.
func (r *run) unproven(out conditions.Outcome) *conditions.Outcome {
	switch {
	case r.s.obj.GetDeletionTimestamp().IsZero():
		return &out
	case out.Reason != v1alpha1.ReasonAdoptionRefused:
		return r.deleting(out)
	}
	r.leave = "the account stays as it is: " + out.Message
	return nil
}
