package engine

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"cpaas.dev/child-account-operator/api/v1alpha1"
	"cpaas.dev/child-account-operator/internal/account"
	"cpaas.dev/child-account-operator/internal/conditions"
	"cpaas.dev/child-account-operator/internal/plan"
	"cpaas.dev/child-account-operator/internal/secrets"
)

// storeSecret brings all that is known into the connection Secret.
func storeSecret(ctx context.Context, r *run, _ plan.Step) *conditions.Outcome {
	s := r.s
	s.applied = s.applied || s.givesPassword() && r.passwords.Has(s.uid(), s.boundID(), s.passwordMark)
	values := connectionValues(s)
	maps.Copy(values, s.held)
	r.settledSecrets.Rechecking(s.uid()) // before the read: who edits it from now on is noticed again
	held, err := r.writeConnection(ctx, values)
	if err != nil {
		r.settledSecrets.Recheck(s.uid())
		if e, asked := errors.AsType[*account.Error](err); asked { // of the passwords that the Secret holds
			return unsettled(r.stopped(e), "whether a password in the connection Secret is the account's")
		}
		return brokenSecret(v1alpha1.ReasonUpdating, err)
	}
	r.settledSecrets.Set(s.uid(), connectionMark(s))
	s.stored = held
	noteServiceKeys(r)
	if r.unclaimed != nil {
		r.settledSecrets.Unset(s.uid())
		return unsettled(r.unclaimed, toClaim)
	}
	if s.created && s.applied {
		r.passwords.Set(s.uid(), s.boundID(), s.passwordMark)
	}
	s.connected = secretState(s)
	return nil
}

// writeConnection writes to the connection Secret, and tries again at once where that may help: what is held in memory
// alone must not be lost to a conflict.
func (r *run) writeConnection(ctx context.Context, values secrets.Values) (held secrets.Values, err error) {
	c := r.s.connection()
	c.Try = tryOwn(ctx, r.s)
	if c.Previous, err = r.previousSecrets(ctx); err != nil {
		return nil, err
	}
	err = persist(ctx, func(ctx context.Context) error {
		held, err = r.Connections.Write(ctx, c, values)
		return err
	})
	return held, err
}

// recoverKey finds an API key that was lost on the way, where the password is known.
func recoverKey(ctx context.Context, r *run, _ plan.Step) *conditions.Outcome {
	s := r.s
	key, err := findKey(ctx, r)
	if err == nil {
		if _, err = r.writeConnection(ctx, secrets.Values{secrets.KeyAPIKey: key}); err != nil {
			return brokenSecret(v1alpha1.ReasonUpdating, err)
		}
		if s.connected = passwordState(s); s.connected == nil {
			s.connected = &conditions.SecretState{Status: metav1.ConditionTrue, Reason: v1alpha1.ReasonAvailable, Message: "the API key was recovered"}
		}
		return nil
	}
	if isTransient(err) {
		r.settledSecrets.Unset(s.uid())
		return unsettled(r.stopped(err), "for the API key, which the connection Secret lacks")
	}
	message, next := keyUnknown(s, err)
	if s.status.Origin == v1alpha1.OriginAdopted {
		s.connected = lacksBoth(s, v1alpha1.ReasonPartialAdopted, message, next)
		return nil
	}
	r.settledSecrets.Unset(s.uid())
	return &conditions.Outcome{
		Reason: v1alpha1.ReasonAPIKeyMissing, Message: message, Next: next,
		Secret: lacksBoth(s, v1alpha1.ReasonAPIKeyMissing, message, next), SecretUnanswered: true,
	}
}

// discardSecret deletes the connection Secret of a deleted resource that was prepared for an account that was never made.
func discardSecret(ctx context.Context, r *run, _ plan.Step) *conditions.Outcome {
	s := r.s
	dir := r.Connected.ForDeletion(s.declared.Parent, r.Clock.Now().Add(-MaxDeletion))
	if dir == nil {
		return nil // nothing can be known of it: it stays
	}
	s.enter(dir)
	if err := r.Connections.Discard(ctx, s.connection()); !isProblem(err) {
		r.failed = secretStays(ctx, err)
	}
	return nil
}

// isProblem says whether a Secret can't be used as it is.
func isProblem(err error) bool {
	_, is := errors.AsType[*secrets.Problem](err)
	return is
}

// toClaim is what unsettled says of an account whose claim could not be replaced.
const toClaim = "to record this resource as the owner of the account"

// unsettled adds to the outcome of a call that the connection Secret lacks its answer: so the provider is asked again. what follows "the provider could not
// be asked yet".
func unsettled(out *conditions.Outcome, what string) *conditions.Outcome {
	message := fmt.Sprintf("the provider could not be asked yet %s: see the condition %s", what, v1alpha1.ConditionSynced)
	out.Secret, out.SecretUnanswered = &conditions.SecretState{Status: metav1.ConditionFalse, Reason: out.Reason, Message: message}, true
	return out
}

// addIgnored adds to the connection Secret's condition what a resource asks for and does not get, and what its account did not bring along.
func addIgnored(s *scope) {
	s.connected.Message += ignored(s)
	withoutPassword(s)
}

// ignored is what the connection Secret's condition says beside, of what a resource asks for and does not get.
func ignored(s *scope) (text string) {
	if s.connected.Status == metav1.ConditionTrue { // else the last that is said is a command
		known := knownElsewhere(s)
		if known != "" { // the event has what to do about it
			known = "; " + known
		}
		text = formerSecrets(s) + known
	}
	if s.password != "" && !s.givesPassword() {
		text += "; spec.passwordSecretRef is ignored: the account is pre-existing, and keeps its own password unless spec.adoptionPolicy is Always"
	}
	if s.password != "" && s.annotation(v1alpha1.AnnotationRotatePassword) != "" {
		text += "; the annotation rotate-password is ignored: spec.passwordSecretRef declares the password, so change the password in that Secret"
	}
	return text
}

// formerSecrets is what the connection Secret's condition says beside of those of the account's previous owner, which still hold its
// credentials. The resource is told of none in a namespace that it may not know of.
func formerSecrets(s *scope) string {
	var names []string
	for i := range s.previousSecrets {
		switch o, own := &s.previousSecrets[i], s.obj.GetNamespace(); {
		case o.Namespace == own && o.Name != s.declared.ConnectionSecret.Name:
			names = append(names, o.Name)
		case o.Namespace != own && s.canSee(o.Namespace):
			names = append(names, o.Namespace+"/"+o.Name)
		}
	}
	if len(names) == 0 {
		return ""
	}
	slices.Sort(names)
	return fmt.Sprintf("; its content comes from the connection Secret of the account's previous owner, which the operator does not update any more: %s. Delete that one once no workload reads it",
		strings.Join(names, ", "))
}

// brokenSecret is the outcome where the connection Secret can't be used or may not be written.
func brokenSecret(reason string, err error) *conditions.Outcome {
	p, ok := errors.AsType[*secrets.Problem](err)
	out := conditions.Outcome{}
	if !ok {
		if p, ok = refusedSecret(err); !ok {
			return broken(reason, err)
		}
		out = conditions.WriteRefused("", "")
	}
	said := conditions.Advise(p.Message, cmp.Or(p.Next, conditions.NextOfSecret(p.Reason)))
	out.Reason, out.Message, out.Next = p.Reason, p.Message, p.Next
	out.Secret = &conditions.SecretState{Status: metav1.ConditionFalse, Reason: p.Reason, Message: said}
	return &out
}
