package controllers

import (
	"cmp"
	"context"

	corev1 "k8s.io/api/core/v1"

	"cpaas.dev/child-account-operator/api/v1alpha1"
	"cpaas.dev/child-account-operator/internal/account"
	"cpaas.dev/child-account-operator/internal/conditions"
	"cpaas.dev/child-account-operator/internal/provider"
	"cpaas.dev/child-account-operator/internal/secrets"
)

// readPassword takes up the declared password, or says why its Secret can't be used.
func (r *ChildAccountReconciler) readPassword(ctx context.Context, s *childScope) *conditions.Outcome {
	name, key, declared := s.child.PasswordSecret()
	switch {
	case s.child.Observes():
		return nil
	case !declared:
		if s.rotation = s.annotation(v1alpha1.AnnotationRotatePassword); s.rotation != "" {
			s.passwordMark = "rotation " + s.rotation
		}
		return nil
	}
	password, err := r.Inputs.Password(ctx, s.child.Namespace, name, key)
	if p, ok := errorAs[*secrets.Problem](err); ok {
		return &conditions.Outcome{Reason: p.Reason, Message: p.Message}
	} else if err != nil {
		return &conditions.Outcome{Err: err}
	}
	s.password, s.passwordMark = password, r.passwords.Mark(password)
	return nil
}

// givesPassword says whether the account is to have the declared password: one that was there before the resource keeps
// its own, unless it may be taken whatever it is.
func (s *childScope) givesPassword() bool {
	return s.password != "" && (s.child.Status.Origin != v1alpha1.OriginAdopted || s.child.AdoptionPolicy() == v1alpha1.AdoptAlways)
}

// writeTo is the account that is written to, with what an API may want that replaces the whole of it.
func (r *ChildAccountReconciler) writeTo(s *childScope, id string) provider.Target {
	return provider.Target{ID: id, Desired: s.desired, Password: func(ctx context.Context) (account.Secret, error) {
		if s.givesPassword() {
			return s.password, nil
		}
		held, err := r.Connections.Read(ctx, s.connection())
		return s.knownPassword(held), err
	}}
}

// passwordSettled says whether nothing is left to do for the password.
func (r *ChildAccountReconciler) passwordSettled(s *childScope) bool {
	return !s.givesPassword() && s.rotation == "" || r.passwords.Has(s.child.UID, s.boundID(), s.passwordMark)
}

// firstPassword is the password that the account is created with: the declared one, or one that is generated and in the
// connection Secret by now.
func (r *ChildAccountReconciler) firstPassword(ctx context.Context, s *childScope) (account.Secret, error) {
	if s.password == "" {
		return r.Connections.Prepare(ctx, s.connection(), s.knownValues())
	}
	return s.password, r.Connections.PrepareDeclared(ctx, s.connection(), s.knownValues())
}

// knownPassword is the account's password as far as it is known.
func (s *childScope) knownPassword(held secrets.Values) account.Secret {
	if s.givesPassword() {
		return s.password
	}
	return cmp.Or(s.promoted, held[secrets.KeyPassword])
}

// applyPassword gives the account the declared password where it has another one, or a new generated one where that is
// asked for; nil means that it is settled.
func (r *ChildAccountReconciler) applyPassword(ctx context.Context, s *childScope, d account.Decision) *conditions.Outcome {
	if r.passwordSettled(s) {
		return nil
	}
	if held, ok := r.attempts.InBackoff(s.child.UID, s.plan(d), r.Clock.Now()); ok { // only the connection Secret was to be looked at
		out := held.Remaining(r.Clock.Now())
		return &out
	}
	if s.rotation != "" {
		return r.rotatePassword(ctx, s)
	}
	known, err := r.Connections.Remembers(ctx, s.connection(), s.password)
	if err != nil {
		return brokenSecret(v1alpha1.ReasonUpdating, err)
	}
	if known {
		r.passwords.Set(s.child.UID, s.boundID(), s.passwordMark)
		return nil
	}
	if err := r.Connections.Reserve(ctx, s.connection(), s.knownValues()); err != nil {
		return brokenSecret(v1alpha1.ReasonUpdating, err)
	}
	if out := stopped(r.setPassword(ctx, s, s.password)); out != nil {
		return out
	}
	return r.rememberPassword(ctx, s)
}

// setPassword makes the call. An answer that leaves open whether the account has the password now is settled by
// trying the password itself.
func (r *ChildAccountReconciler) setPassword(ctx context.Context, s *childScope, password account.Secret) error {
	id := s.child.Status.AccountID
	err := s.dir.SetPassword(ctx, r.writeTo(s, id), password)
	e := account.AsError(err)
	switch {
	case err == nil:
		r.tellPassword(s)
		return nil
	case e.Doubt:
		r.passwords.Forget(s.child.UID) // neither the one before is certain
	case e.Class != account.PasswordReused: // the only refusal that a password in its place can get
		return err
	}
	has, checked := s.dir.CheckPassword(ctx, id, password)
	switch c := account.ClassOf(checked); {
	case has && e.Doubt:
		r.tellPassword(s)
		return nil
	case has:
		return nil
	case !e.Doubt && (c == account.Unavailable || c == account.Throttled):
		return checked
	}
	return err
}

func (r *ChildAccountReconciler) tellPassword(s *childScope) {
	r.Recorder.Eventf(s.child, nil, corev1.EventTypeNormal, "PasswordChanged", "Update",
		"gave account %s (id %s) the password that is %s", s.child.AccountName(), s.child.Status.AccountID, s.passwordSource())
}

func (s *childScope) passwordSource() string {
	if s.rotation != "" {
		return "newly generated"
	}
	return "declared"
}

// rotatePassword gives the account a new generated password, once for each value of the annotation.
func (r *ChildAccountReconciler) rotatePassword(ctx context.Context, s *childScope) *conditions.Outcome {
	next, err := r.Connections.Next(ctx, s.connection(), s.connectionValues())
	if err != nil {
		return brokenSecret(v1alpha1.ReasonUpdating, err)
	}
	if next != "" {
		if out := r.giveNext(ctx, s, next); out != nil {
			return out
		}
	}
	r.passwords.Set(s.child.UID, s.boundID(), s.passwordMark)
	return nil
}

// giveNext is the second phase of a rotation: the account gets the password that is in the connection Secret by now.
func (r *ChildAccountReconciler) giveNext(ctx context.Context, s *childScope, next account.Secret) *conditions.Outcome {
	err := r.setPassword(ctx, s, next)
	if passwordRefused(err) {
		if err := r.persist(ctx, func(ctx context.Context) error { return r.Connections.Drop(ctx, s.connection()) }); err != nil {
			return brokenSecret(v1alpha1.ReasonUpdating, err)
		}
	}
	if err != nil {
		r.settledSecrets.Unset(s.child.UID) // whatever becomes of the request: the next password is still to be settled
		return unsettled(stopped(err))
	}
	if err := r.promote(ctx, s, next); err != nil {
		return brokenSecret(v1alpha1.ReasonUpdating, err)
	}
	return nil
}

// passwordRefused says whether the account can't have the password, whatever is done.
func passwordRefused(err error) bool {
	e := account.AsError(err)
	return e != nil && !e.Doubt && (e.Class == account.PasswordRejected || e.Class == account.PasswordReused)
}

// promote puts a password that the account has by now into the former one's place.
func (r *ChildAccountReconciler) promote(ctx context.Context, s *childScope, next account.Secret) error {
	err := r.persist(ctx, func(ctx context.Context) error { return r.Connections.Promote(ctx, s.connection(), next) })
	if err == nil {
		s.promoted = next
	}
	return err
}

// settleNext finds out what became of a rotation that was interrupted and is not asked for any more.
func (r *ChildAccountReconciler) settleNext(ctx context.Context, s *childScope, held secrets.Values) *conditions.Outcome {
	next := held[secrets.KeyPasswordNext]
	if next == "" || s.rotation != "" || s.password != "" {
		return nil
	}
	has, err := s.dir.CheckPassword(ctx, s.child.Status.AccountID, next)
	if err != nil {
		r.settledSecrets.Unset(s.child.UID)
		return unsettled(stopped(err))
	}
	if has {
		err = r.promote(ctx, s, next)
	} else {
		err = r.persist(ctx, func(ctx context.Context) error { return r.Connections.Drop(ctx, s.connection()) })
	}
	if err != nil {
		return brokenSecret(v1alpha1.ReasonUpdating, err)
	}
	return nil
}

// rememberPassword notes in the connection Secret and in memory that the account has the declared password.
func (r *ChildAccountReconciler) rememberPassword(ctx context.Context, s *childScope) *conditions.Outcome {
	s.applied = true
	if _, err := r.writeConnection(ctx, s, nil); err != nil {
		return brokenSecret(v1alpha1.ReasonUpdating, err)
	}
	r.passwords.Set(s.child.UID, s.boundID(), s.passwordMark)
	return nil
}
