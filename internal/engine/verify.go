package engine

import (
	"context"
	"fmt"
	"strings"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"cpaas.dev/child-account-operator/api/v1alpha1"
	"cpaas.dev/child-account-operator/internal/account"
	"cpaas.dev/child-account-operator/internal/conditions"
	"cpaas.dev/child-account-operator/internal/directory"
	"cpaas.dev/child-account-operator/internal/pacing"
	"cpaas.dev/child-account-operator/internal/plan"
	"cpaas.dev/child-account-operator/internal/secrets"
)

// toVerify says whether the password and the API key are to be verified: somebody asks for it, or nobody knows what the connection
// Secret holds since the resource was bound to the account, or since somebody edited the Secret (altered: while no operator was
// running). At rest nothing is verified.
func toVerify(unverified *secrets.Unverified, s *scope, altered bool) bool {
	if s.boundID() == "" || s.verified {
		return false
	}
	if s.stored == nil { // an edit after the Secret was read is for the next reconcile
		s.unverified = unverified.Of(s.uid())
	}
	unanswered := s.status.Origin == v1alpha1.OriginAdopted && (s.hadReason(v1alpha1.ConditionConnectionSecretReady, v1alpha1.ReasonAPIUnavailable) ||
		s.hadReason(v1alpha1.ConditionConnectionSecretReady, v1alpha1.ReasonRateLimited))
	return s.unverified.Set() || readRequested(s) || altered || unanswered
}

// verify finds out whether the password in the connection Secret, or the declared one, is the account's, and stores the API key anew
// where the provider shows another one. It is as urgent as drift.
func verify(ctx context.Context, r *run, _ plan.Step) *conditions.Outcome {
	s := r.s
	ctx = pacing.WithPriority(ctx, pacing.Drift)
	key, out := verifyPassword(ctx, r)
	if s.shown = key; out == nil {
		out = verifyKey(ctx, r, key)
	}
	if out != nil {
		r.settledSecrets.Unset(s.uid())
		r.unverified.Mark(s.uid(), s.unverified.HadPassword)
		return out
	}
	// After a conflict somebody has written since: the next reconcile verifies that.
	if err := secrets.NoteVerified(ctx, r.Connections, s.connection()); err != nil && !apierrors.IsConflict(err) {
		r.settledSecrets.Unset(s.uid())
		return brokenSecret(v1alpha1.ReasonUpdating, err)
	}
	s.verified = true
	r.unverified.Done(s.uid(), s.unverified)
	return nil
}

// verifyPassword signs in with the account's password, unless the provider has refused that one before. key is the API key that the
// account was shown, "" where it was shown none.
func verifyPassword(ctx context.Context, r *run) (key account.Secret, out *conditions.Outcome) {
	s := r.s
	password := usablePassword(r)
	if password == "" || s.given || s.promoted != "" || !directory.CapabilitiesOf(s.dir.Directory).SignIns {
		return "", nil
	}
	result := signIn(ctx, s, s.status.AccountID, password)
	switch {
	case isTransient(result.err):
		return "", unsettled(r.stopped(result.err), "whether the password in the connection Secret is the account's")
	case result.err != nil:
		s.connected.Message += fmt.Sprintf("; whether the password is the account's could not be verified: %s. To have it verified again, set the annotation %s to a new value",
			account.AsError(result.err), v1alpha1.AnnotationReconcileRequestedAt)
		return "", nil
	case !result.has:
		return "", refusePassword(ctx, r, password)
	}
	return result.key, nil
}

// verifyKey compares the API key in the connection Secret with the present one: shown is the one that the account was shown, "" has the
// provider asked.
func verifyKey(ctx context.Context, r *run, shown account.Secret) *conditions.Outcome {
	s := r.s
	stored := s.stored[secrets.KeyAPIKey]
	if stored == "" || !directory.CapabilitiesOf(s.dir.Directory).Keys {
		return nil
	}
	if shown == "" {
		password := account.Secret("")
		if tried := s.trials[trial{s.status.AccountID, usablePassword(r)}]; tried.has {
			password = usablePassword(r)
		}
		var err error
		switch shown, err = s.dir.RecoverKey(ctx, s.status.AccountID, password); {
		case isTransient(err):
			return unsettled(r.stopped(err), "whether the API key in the connection Secret is the present one")
		case err != nil: // nobody shows it
			return nil
		}
	}
	if shown == stored {
		return nil
	}
	held, err := r.writeConnection(ctx, secrets.Values{secrets.KeyAPIKey: shown})
	if err != nil {
		return brokenSecret(v1alpha1.ReasonUpdating, err)
	}
	s.stored = held
	r.Recorder.Eventf(s.obj, nil, corev1.EventTypeNormal, "APIKeyChanged", "Update",
		"the API key of account %s (id %s) was changed at the provider: Secret %s has the present one now. Restart workloads that read it only at their start", s.declared.AccountName, s.status.AccountID, s.declared.ConnectionSecret.Name)
	return nil
}

// findKey finds an API key that the connection Secret lacks: with the parent's own API key, else with the account's password, which
// signs in once at most.
func findKey(ctx context.Context, r *run) (account.Secret, error) {
	s := r.s
	if s.shown != "" {
		return s.shown, nil
	}
	password := usablePassword(r)
	right := s.trials[trial{s.status.AccountID, password}].has || s.given || s.promoted != ""
	if password == "" || right || !directory.CapabilitiesOf(s.dir.Directory).KeysShown {
		return s.dir.RecoverKey(ctx, s.status.AccountID, password)
	}
	key, err := s.dir.RecoverKey(ctx, s.status.AccountID, "")
	if err == nil || isTransient(err) {
		return key, err
	}
	result := signIn(ctx, s, s.status.AccountID, password)
	switch {
	case result.err != nil:
		return "", result.err
	case !result.has:
		if out := refusePassword(ctx, r, password); out != nil && out.Err != nil {
			return "", out.Err
		}
		return "", err
	case result.key == "":
		return s.dir.RecoverKey(ctx, s.status.AccountID, password)
	}
	return result.key, nil
}

// usablePassword is the password that the account is believed to have, "" where none is known, or the provider has refused it.
func usablePassword(r *run) account.Secret {
	s := r.s
	password := knownPassword(s)
	if password == "" || s.latest.Refuses(password) || r.unverified.Refused(s.uid(), s.status.AccountID, r.passwords.Mark(password)) {
		return ""
	}
	return password
}

// refusePassword notes that a password is not the account's, before anything else can fail: each sign-in that fails may block it.
func refusePassword(ctx context.Context, r *run, password account.Secret) *conditions.Outcome {
	s := r.s
	r.unverified.Refuse(s.uid(), s.status.AccountID, r.passwords.Mark(password))
	err := persist(ctx, func(ctx context.Context) error {
		return secrets.NoteRefused(ctx, r.Connections, s.connection(), password)
	})
	if err != nil {
		return brokenSecret(v1alpha1.ReasonUpdating, err)
	}
	r.unverified.Recorded(s.uid())
	s.connected = secretState(s)
	return nil
}

// isTransient says whether a call failed for a time.
func isTransient(err error) bool {
	c := account.ClassOf(err)
	return c == account.Unavailable || c == account.Throttled
}

// mayBeAdopted says whether the account may be one that was adopted: it may carry the claim since an adoption that was interrupted, or that of a former
// owner which adopted it, and nobody here ever knew its password. So may one that is taken over from another installation.
func mayBeAdopted(s *scope) bool {
	adopt := s.declared.Policy.Adopt
	return adopt == account.AdoptIfIdentical || adopt == account.AdoptAlways || s.annotation(v1alpha1.AnnotationTakeover) != ""
}

// hadPassword says whether the account's password was known once: the account was created for the resource, or found by its claim or that of its former owner, or
// the connection Secret held the password. A pre-existing account may have one that nobody here ever knew.
func hadPassword(s *scope) bool {
	return directory.CapabilitiesOf(s.dir.Directory).Passwords && !s.givesPassword() &&
		(s.status.Origin == v1alpha1.OriginCreated || s.found || s.unverified.HadPassword)
}

// secretState is what there is to say of a connection Secret that was just written.
func secretState(s *scope) *conditions.SecretState {
	if state := passwordState(s); state != nil {
		return state
	}
	return &conditions.SecretState{Status: metav1.ConditionTrue, Reason: v1alpha1.ReasonAvailable, Message: "the connection Secret holds everything that is known of the account"}
}

// passwordState is what there is to say where the account's password is not known; nil where it is, or nobody ever knew it.
func passwordState(s *scope) *conditions.SecretState {
	name, id, secret := s.declared.AccountName, s.status.AccountID, s.declared.ConnectionSecret.Name
	var message string
	switch {
	case s.givesPassword() && s.latest.Refuses(s.password):
		message = fmt.Sprintf("account %s (id %s) does not have the password that spec.passwordSecretRef declares: the provider refused it, so it was changed elsewhere. Put another password into that Secret, and the account gets it", name, id)
	case s.givesPassword():
		return nil
	case s.latest.Refuses(s.stored[secrets.KeyPassword]):
		message = fmt.Sprintf("the password in Secret %s is not that of account %s (id %s): the provider refused it. Put the right one into its key %s, or have a new one generated: %s", secret, name, id, secrets.KeyPassword, rotateCommand(s))
	case s.latest.PasswordUnknown():
		message = fmt.Sprintf("the password of account %s (id %s) is not known: Secret %s has none. Put it into its key %s, or have a new one generated: %s", name, id, secret, secrets.KeyPassword, rotateCommand(s))
	default:
		return nil
	}
	return &conditions.SecretState{Status: metav1.ConditionFalse, Reason: v1alpha1.ReasonPasswordUnknown, Message: message}
}

// rotateCommand gives the account a new generated password.
func rotateCommand(s *scope) string {
	return fmt.Sprintf(`kubectl annotate %s -n %s %s --overwrite %s="$(date +%%s)"`,
		strings.ToLower(s.declared.Kind), s.obj.GetNamespace(), s.obj.GetName(), v1alpha1.AnnotationRotatePassword)
}

// keyUnknown is what there is to say where the API key can't be recovered: why, and what to do next.
func keyUnknown(s *scope, cause error) (message, next string) {
	message = fmt.Sprintf("the API key of account %s (id %s) is not known and can't be recovered (%s)", s.declared.AccountName, s.status.AccountID, account.AsError(cause))
	next = putKey(s)
	switch {
	case !s.givesPassword() && s.password != "": // no password is generated where one is declared
		next += ", or " + adoptStep(s, "spec.adoptionPolicy: Always") + ": the account then gets the declared password, and the operator reads the key with that password."
	case s.givesPassword():
		next += ", or put the account's present password into the Secret of spec.passwordSecretRef: the operator reads the key with it."
	case directory.CapabilitiesOf(s.dir.Directory).Passwords:
		next += newPasswordSteps(s)
	default:
		next += "."
	}
	return message, next
}

// newPasswordSteps are the steps to do without the API key, or to have the operator read it with a generated password. A resource that is
// applied again finds its account by the claim: under a shared parent that proves nothing without the password.
func newPasswordSteps(s *scope) string {
	command := rotateCommand(s)
	switch {
	case s.status.Origin == v1alpha1.OriginAdopted:
		return ". To have the operator read the key with a new password, which replaces the present one: " + command
	case s.parent.Shared:
		return ". To have the operator read the key with a new password: " + command
	}
	return ". To do without the key, delete this resource under deletionPolicy Retain and apply it again: the account stays. To have the operator read the key with a new password: " + command
}

func putKey(s *scope) string {
	return fmt.Sprintf("If a workload needs the key, put it into key %s of Secret %s", secrets.KeyAPIKey, s.declared.ConnectionSecret.Name)
}

// lacksBoth is what there is to say where the API key is not known, and perhaps the password is not, either. The one command that mends
// both is the last that is said.
func lacksBoth(s *scope, reason, message, next string) *conditions.SecretState {
	if password := passwordState(s); password != nil {
		return &conditions.SecretState{Status: metav1.ConditionFalse, Reason: password.Reason, Message: message + ". " + putKey(s) + ". Besides, " + password.Message}
	}
	return &conditions.SecretState{Status: metav1.ConditionFalse, Reason: reason, Message: conditions.Advise(message, next)}
}
