package controllers

import (
	"context"
	"fmt"
	"maps"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	kuberetry "k8s.io/client-go/util/retry"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"cpaas.dev/child-account-operator/api/v1alpha1"
	"cpaas.dev/child-account-operator/internal/account"
	"cpaas.dev/child-account-operator/internal/conditions"
	"cpaas.dev/child-account-operator/internal/secrets"
)

// complete does what is left for an account that is as declared. Never nil.
func (r *ChildAccountReconciler) complete(ctx context.Context, s *childScope, d account.Decision) *conditions.Outcome {
	if r.settledSecrets.NeedsRecheck(s.child.UID) || !r.settled(ctx, s, d) {
		return r.keepSecret(ctx, s, d)
	}
	if out := r.applyPassword(ctx, s, d); out != nil {
		s.observe(*d.Account)
		return out
	}
	if s.promoted != "" && !s.keyKnown() { // the new password finds it
		return r.keepSecret(ctx, s, d)
	}
	s.confirm(d, r.Clock.Now())
	out := s.asDeclared(d)
	out.Secret = s.secretAsBefore()
	return &out
}

// secretAsBefore is what was said of the connection Secret, which is settled, and holds for this generation too.
func (s *childScope) secretAsBefore() *conditions.SecretState {
	was := meta.FindStatusCondition(s.was.Conditions, v1alpha1.ConditionConnectionSecretReady)
	return &conditions.SecretState{Status: was.Status, Reason: was.Reason, Message: was.Message}
}

// keepSecret brings the connection Secret up to date, recovering the API key where it was lost. Never nil.
func (r *ChildAccountReconciler) keepSecret(ctx context.Context, s *childScope, d account.Decision) *conditions.Outcome {
	if err := r.mark(ctx, s, false); err != nil {
		return broken(v1alpha1.ReasonUpdating, err)
	}
	if out := r.take(ctx, s, *d.Account); out != nil {
		return out
	}
	s.confirm(d, r.Clock.Now())
	unclaimed := r.claim(ctx, s, *d.Account)
	held, out := r.store(ctx, s)
	if out != nil {
		return out
	}
	if unclaimed != nil {
		r.settledSecrets.Unset(s.child.UID)
		return unsettled(unclaimed)
	}
	if out := r.settleNext(ctx, s, held); out != nil {
		return out
	}
	if out := r.applyPassword(ctx, s, d); out != nil {
		return out
	}
	if held[secrets.KeyAPIKey] == "" {
		return r.recoverKey(ctx, s, d, s.knownPassword(held))
	}
	return connected(s, d, conditions.SecretState{Status: metav1.ConditionTrue, Reason: v1alpha1.ReasonAvailable, Message: "the connection Secret holds everything that is known of the account"})
}

// recoverKey finds an API key that was lost on the way, where the password is known.
func (r *ChildAccountReconciler) recoverKey(ctx context.Context, s *childScope, d account.Decision, password account.Secret) *conditions.Outcome {
	key, err := s.dir.RecoverKey(ctx, s.child.Status.AccountID, password)
	if err == nil {
		if _, err = r.writeConnection(ctx, s, secrets.Values{secrets.KeyAPIKey: key}); err != nil {
			return brokenSecret(v1alpha1.ReasonUpdating, err)
		}
		return connected(s, d, conditions.SecretState{Status: metav1.ConditionTrue, Reason: v1alpha1.ReasonAvailable, Message: "the API key was recovered"})
	}
	if c := account.ClassOf(err); c == account.Unavailable || c == account.Throttled {
		r.settledSecrets.Unset(s.child.UID)
		return unsettled(stopped(err))
	}
	message := fmt.Sprintf("the API key is not known and can't be recovered (%s): if it is needed, put it into key %s of Secret %s",
		account.AsError(err), secrets.KeyAPIKey, s.child.ConnectionSecretName())
	if s.child.Status.Origin == v1alpha1.OriginAdopted {
		return connected(s, d, conditions.SecretState{Status: metav1.ConditionFalse, Reason: v1alpha1.ReasonPartialAdopted, Message: message})
	}
	message += "; to do without it, delete this resource and apply it again: the account stays, and is adopted"
	return &conditions.Outcome{Reason: v1alpha1.ReasonAPIKeyMissing, Message: message, Secret: &conditions.SecretState{Status: metav1.ConditionFalse, Reason: v1alpha1.ReasonAPIKeyMissing, Message: message}, SecretUnanswered: true}
}

// unsettled adds to the outcome of a call that the connection Secret lacks its answer: so it is asked for again.
func unsettled(out *conditions.Outcome) *conditions.Outcome {
	out.Secret, out.SecretUnanswered = &conditions.SecretState{Status: metav1.ConditionFalse, Reason: out.Reason, Message: "what the connection Secret lacks could not be asked for yet"}, true
	return out
}

// connected ends the reconcile of an account that is as declared and whose connection Secret is settled.
func connected(s *childScope, d account.Decision, state conditions.SecretState) *conditions.Outcome {
	if s.password != "" && !s.givesPassword() {
		state.Message += "; spec.passwordSecretRef is left aside: the account was there before this resource, and only adoptionPolicy Always changes its password"
	}
	if s.password != "" && s.annotation(v1alpha1.AnnotationRotatePassword) != "" {
		state.Message += "; the annotation rotate-password is left aside: spec.passwordSecretRef declares the password"
	}
	out := s.asDeclared(d)
	out.Secret = &state
	return &out
}

// store brings all that is known into the connection Secret, once in a reconcile, and returns what it holds then.
func (r *ChildAccountReconciler) store(ctx context.Context, s *childScope) (secrets.Values, *conditions.Outcome) {
	if s.stored != nil {
		return s.stored, nil
	}
	s.applied = s.applied || s.givesPassword() && r.passwords.Has(s.child.UID, s.boundID(), s.passwordMark)
	values := s.connectionValues()
	maps.Copy(values, s.held)
	r.settledSecrets.Rechecking(s.child.UID) // before the look: who edits it from now on is noticed again
	held, err := r.writeConnection(ctx, s, values)
	if err != nil {
		r.settledSecrets.Recheck(s.child.UID)
		return nil, brokenSecret(v1alpha1.ReasonUpdating, err)
	}
	r.settledSecrets.Set(s.child.UID, s.connectionMark())
	s.stored = held
	return held, nil
}

// writeConnection writes to the connection Secret, and tries again at once where that may help: what is held in memory
// alone must not be lost to a conflict.
func (r *ChildAccountReconciler) writeConnection(ctx context.Context, s *childScope, values secrets.Values) (held secrets.Values, err error) {
	err = r.persist(ctx, func(ctx context.Context) error {
		held, err = r.Connections.Write(ctx, s.connection(), values)
		return err
	})
	return held, err
}

// persist carries out a write of what is known here alone, though the operator be stopped, and again where that may help.
func (r *ChildAccountReconciler) persist(ctx context.Context, write func(context.Context) error) error {
	again := func(err error) bool {
		return apierrors.IsConflict(err) || apierrors.IsAlreadyExists(err) || apierrors.IsNotFound(err) || apierrors.IsServerTimeout(err) || apierrors.IsInternalError(err) || apierrors.IsTooManyRequests(err)
	}
	ctx, cancel := lasting(ctx)
	defer cancel()
	return kuberetry.OnError(kuberetry.DefaultBackoff, again, func() error { return write(ctx) })
}

// connection names the connection Secret.
func (s *childScope) connection() secrets.Connection {
	c := secrets.Connection{
		Namespace: s.child.Namespace,
		Name:      s.child.ConnectionSecretName(),
		Resource:  "ChildAccount/" + s.child.Name,
		Account:   s.target(),
		Rotation:  s.rotation,
		Latest:    &s.latest,
	}
	if declared := s.child.Spec.ConnectionSecret; declared != nil {
		c.Labels, c.Annotations = plain(declared.Labels), plain(declared.Annotations)
	}
	if s.applied {
		c.Applied = s.password
	}
	return c
}

func plain[T ~string](m map[string]T) map[string]string {
	out := make(map[string]string, len(m))
	for k, v := range m {
		out[k] = string(v)
	}
	return out
}

// connectionValues are those that are known of the account.
func (s *childScope) connectionValues() secrets.Values {
	values := s.knownValues()
	values[secrets.KeyAccountID] = account.Secret(s.child.Status.AccountID)
	return values
}

// knownValues are those that need no account yet.
func (s *childScope) knownValues() secrets.Values {
	return secrets.Values{
		secrets.KeyAccountName: account.Secret(s.child.AccountName()),
		secrets.KeyEmail:       account.Secret(s.email()),
		secrets.KeyEndpoint:    account.Secret(s.dir.Endpoint),
	}
}

// secretSettled says whether the connection Secret needs no look: all that could change it is as it was.
// After an edit of the spec that does not concern it, the operator remembers so; after a restart it looks. What the watch
// would have told while no operator was running shows in the Secret's metadata.
func (r *ChildAccountReconciler) secretSettled(ctx context.Context, s *childScope) bool {
	c := meta.FindStatusCondition(s.was.Conditions, v1alpha1.ConditionConnectionSecretReady)
	settled := c != nil && (c.Status == metav1.ConditionTrue || c.Reason == v1alpha1.ReasonPartialAdopted)
	if !settled || s.was.AccountID != s.child.Status.AccountID {
		return false
	}
	written, known := r.settledSecrets.MadeOf(s.child.UID)
	if !known {
		return c.ObservedGeneration == s.child.Generation && r.secretIntact(ctx, s)
	}
	return c.ObservedGeneration == s.child.Generation || written == s.connectionMark()
}

// resourceOf is the ChildAccount that a connection Secret names as its own, whose connection Secret is read again.
func (r *ChildAccountReconciler) resourceOf(ctx context.Context, secret *metav1.PartialObjectMetadata) []ctrl.Request {
	name, ok := secrets.OwnerName(secret, "ChildAccount")
	if !ok {
		return nil
	}
	key := types.NamespacedName{Namespace: secret.Namespace, Name: name}
	child := &v1alpha1.ChildAccount{}
	if r.Get(ctx, key, child) != nil || child.ConnectionSecretName() != secret.Name {
		return nil
	}
	r.settledSecrets.Recheck(child.UID)
	return []ctrl.Request{{NamespacedName: key}}
}

// DefaultSecretName is the name that the connection Secret of "ChildAccount/<name>" has where none is declared.
func DefaultSecretName(resource string) string {
	child := v1alpha1.ChildAccount{}
	child.Name = strings.TrimPrefix(resource, "ChildAccount/")
	return child.ConnectionSecretName()
}

// secretIntact says, without a call, whether the connection Secret is there with all that its condition speaks of, written
// by nobody else, and no password is being replaced.
func (r *ChildAccountReconciler) secretIntact(ctx context.Context, s *childScope) bool {
	key := client.ObjectKey{Namespace: s.child.Namespace, Name: s.child.ConnectionSecretName()}
	return r.ConnectionSecrets == nil || r.ConnectionSecrets.Intact(ctx, key, s.secretFields())
}

// secretFields are what the operator has written into a connection Secret that is said to be as it should.
func (s *childScope) secretFields() []secrets.Field {
	fields := []secrets.Field{secrets.AnnotationField(v1alpha1.AnnotationResource), secrets.AnnotationField(v1alpha1.AnnotationAccount)}
	for key := range s.connectionValues() {
		fields = append(fields, secrets.DataField(key))
	}
	if s.keyKnown() {
		fields = append(fields, secrets.DataField(secrets.KeyAPIKey))
	}
	return fields
}

// connectionMark tells what the connection Secret is made of, and what is said of it, from anything else.
func (s *childScope) connectionMark() string {
	c := s.connection()
	return fmt.Sprint(c.Name, c.Labels, c.Annotations, c.Account, s.child.Status.AccountID, s.email(), s.dir.Endpoint,
		s.child.AdoptionPolicy(), s.passwordMark, s.annotation(v1alpha1.AnnotationRotatePassword))
}

// keyKnown says whether the connection Secret has the API key.
func (s *childScope) keyKnown() bool {
	return meta.IsStatusConditionTrue(s.was.Conditions, v1alpha1.ConditionConnectionSecretReady)
}

// brokenSecret is the outcome where the connection Secret can't be used or may not be written.
func brokenSecret(reason string, err error) *conditions.Outcome {
	p, ok := errorAs[*secrets.Problem](err)
	if !ok && (apierrors.IsInvalid(err) || apierrors.IsForbidden(err)) {
		p, ok = &secrets.Problem{Reason: v1alpha1.ReasonSecretInvalid, Message: "the connection Secret can't be written: " + err.Error()}, true
	}
	if !ok {
		return broken(reason, err)
	}
	return &conditions.Outcome{Reason: p.Reason, Message: p.Message, Secret: &conditions.SecretState{Status: metav1.ConditionFalse, Reason: p.Reason, Message: p.Message}}
}
