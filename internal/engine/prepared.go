package engine

import (
	"context"
	"slices"

	"cpaas.dev/child-account-operator/api/v1alpha1"
	"cpaas.dev/child-account-operator/internal/account"
	"cpaas.dev/child-account-operator/internal/conditions"
	"cpaas.dev/child-account-operator/internal/directory"
	"cpaas.dev/child-account-operator/internal/plan"
	"cpaas.dev/child-account-operator/internal/secrets"
)

// trial is a password that is tried with an account, trialResult what that came to.
type (
	trial struct {
		id       string
		password account.Secret
	}
	trialResult struct {
		has bool
		// key is the API key, where the provider shows it to whoever signs in.
		key account.Secret
		err error
	}
)

// hasPassword says whether the account has the password. It is asked once in a reconcile, so it is not for a password that is set in it.
func hasPassword(ctx context.Context, s *scope, id string, password account.Secret) (bool, error) {
	result := signIn(ctx, s, id, password)
	return result.has, result.err
}

// signIn tries a password with an account, once in a reconcile.
func signIn(ctx context.Context, s *scope, id string, password account.Secret) trialResult {
	t := trial{id, password}
	result, known := s.trials[t]
	if !known {
		result.has, result.key, result.err = s.dir.SignIn(ctx, id, password)
		if s.trials == nil {
			s.trials = map[trial]trialResult{}
		}
		s.trials[t] = result
	}
	return result
}

// tryOwn is hasPassword, of the account that is the resource's.
func tryOwn(ctx context.Context, s *scope) func(account.Secret) (bool, error) {
	return func(password account.Secret) (bool, error) { return hasPassword(ctx, s, s.status.AccountID, password) }
}

// made says whether an account that is the resource's own was created for it, by a call whose answer was lost: there is an intent then. Where the connection Secret has told of it before, it was there before that call, unless all but the status was
// written after it. A declared password it gets only if it was created with that, or with one in the Secret: it may have been hidden
// for a while, with the claim of whom the resource comes after.
func (r *run) made(ctx context.Context, a account.Account) (bool, *conditions.Outcome) {
	s := r.s
	held, err := r.Connections.Read(ctx, s.connection())
	switch {
	case isProblem(err) && !s.intends():
		return false, nil
	case err != nil:
		return false, brokenSecret(v1alpha1.ReasonUpdating, err)
	case !s.intends():
		return false, nil
	}
	namesAccount := held[secrets.KeyAccountID] == account.Secret(a.ID)
	if s.password == "" { // where there are no passwords, none can be missing; the attempt in a status is of no earlier account
		return !namesAccount || held[secrets.KeyPassword] != "" || openAttempt(s) != nil || !directory.CapabilitiesOf(s.dir.Directory).Passwords, nil
	}
	if s.applied, err = r.Connections.Remembers(ctx, s.connection(), s.password); err != nil {
		return false, brokenSecret(v1alpha1.ReasonUpdating, err)
	}
	if !s.applied {
		s.applied, err = hasPassword(ctx, s, a.ID, s.password)
	}
	switch account.ClassOf(err) {
	case account.Unavailable, account.Throttled, account.PasswordBlocked:
		return false, r.stopped(err)
	case account.Invalid: // the provider has no way to say
		return true, nil
	}
	return s.applied || !namesAccount && hasAny(ctx, s, a.ID, passwordsIn(held)), nil
}

// hasAny says whether the account is known to have any of the passwords.
func hasAny(ctx context.Context, s *scope, id string, passwords []account.Secret) bool {
	return slices.ContainsFunc(passwords, func(password account.Secret) bool {
		has, err := hasPassword(ctx, s, id, password)
		return has && err == nil
	})
}

// passwordsIn are the generated passwords that a connection Secret holds.
func passwordsIn(held secrets.Values) (passwords []account.Secret) {
	for _, key := range []string{secrets.KeyPassword, secrets.KeyPasswordNext} {
		if held[key] != "" {
			passwords = append(passwords, held[key])
		}
	}
	return passwords
}

// withdrawPassword takes back what was prepared for an account that is not the resource's after all. What can't be tried now stays
// until the next reconcile.
func withdrawPassword(ctx context.Context, r *run, step plan.Step) *conditions.Outcome {
	s := r.s
	held, err := r.Connections.Read(ctx, s.connection())
	if isProblem(err) || held[secrets.KeyAccountID] != "" {
		return nil
	} else if err != nil {
		return broken(v1alpha1.ReasonCreating, err)
	}
	var void []account.Secret
	for _, password := range passwordsIn(held) {
		has, err := hasPassword(ctx, s, step.AccountID, password)
		s.provedOwn = s.provedOwn || has
		if !has && err == nil {
			void = append(void, password)
		}
	}
	if err := r.Connections.Withdraw(ctx, s.connection(), void...); err != nil {
		return brokenSecret(v1alpha1.ReasonCreating, err)
	}
	return nil
}
