package engine

import (
	"context"
	"errors"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"cpaas.dev/child-account-operator/api/v1alpha1"
	"cpaas.dev/child-account-operator/internal/account"
	"cpaas.dev/child-account-operator/internal/conditions"
	"cpaas.dev/child-account-operator/internal/directory"
	"cpaas.dev/child-account-operator/internal/plan"
	"cpaas.dev/child-account-operator/internal/secrets"
)

// observer gathers from memory what plans depend on.
type observer struct {
	*Config
	stores

	resolver resolver
	// began is when this process began.
	began time.Time
}

// observe gathers all that the plan for a resource depends on. view is what is known of the account; nil has the
// directory say.
func (e *observer) observe(ctx context.Context, s *scope, view *account.View) (plan.Input, error) {
	in := plan.Input{Now: e.Clock.Now(), Resource: resourceOf(s)}
	if in.Resource.Suspended {
		return in, nil
	}
	stop, err := e.resolver.resolve(ctx, s)
	if in.Stop = stop; err != nil || stop != nil {
		return in, err
	}
	in.Start = e.observeStart(s, in.Now)
	e.recallAttempts(ctx, s)
	in.Resource.Origin, in.Resource.ObservedID = plan.Origin(s.status.Origin), s.status.AccountID // an accepted parent unbinds
	in.Schema, in.Subject = s.schema, subjectOf(s)
	if s.schema.Check(s.desired) != nil { // the account may have the value already: then it is not written
		in.View = knownView(s, view)
		in.View.Doubted = e.doubted(s, &in.View)
		if in.RefusedValue() != nil {
			return in, nil //nolint:nilerr // the plan says so, and nothing else matters
		}
	}
	if unsupported(s, &in) && !s.declared.Policy.Observe {
		return in, nil
	}
	if read, err := readDeclaredSecrets(ctx, e, s, &in); err != nil || !read {
		return in, err
	}
	e.observeAccount(s, view, &in)
	if err := observeTemplate(ctx, e, s, &in); err != nil {
		return in, err
	}
	in.Salt, in.Delegated = saltOf(e, s), delegatedOf(e, s)
	in.ReadRequested = e.readRequests.wants(s) && !s.read
	in.Outage, in.Stale = e.resolver.outage(s), stale(s, in.Now)
	in.FoundInactive = s.foundInactive || s.hadReason(v1alpha1.ConditionReady, v1alpha1.ReasonDeactivatedEarlier)
	e.observeSecret(ctx, s, &in)
	observePlans(e, s, &in)
	if s.boundID() == "" || !in.Secret.Settled { // at rest nothing depends on it
		e.observePrevious(ctx, s, &in)
	}
	if !s.declared.Policy.Observe {
		in.OthersUnseen = !e.Kind.Complete()
		if in.Duplicate, err = e.duplicate(ctx, s, in.View.Account); in.Duplicate == nil {
			in.Duplicate = leftToOthers(ctx, e, s, in.View.Account)
		}
	}
	return in, err
}

// unsupported notes which of what the spec may declare the provider does not have, and says whether the spec declares such a thing.
func unsupported(s *scope, in *plan.Input) bool {
	can := directory.CapabilitiesOf(s.dir.Directory)
	in.NoPasswords, in.NoKeys, in.Password.Declared = !can.Passwords, !can.Keys, s.declared.PasswordSecret != nil
	in.ServiceKey.Declared, in.ServiceKey.Unsupported = s.declared.ConnectionSecret.ServiceKey != nil, !can.ServiceKeys
	in.Plans.Declared, in.NoPlans = s.declared.Plans, !can.Plans
	in.Template.Unsupported = s.declared.CloneFrom != "" && !can.Clones
	return in.NoPasswords && in.Password.Declared || in.NoPlans && len(in.Plans.Declared) > 0 || in.Template.Unsupported
}

// readDeclaredSecrets reads the declared password and salt; false where one can't be used, as the input then says.
func readDeclaredSecrets(ctx context.Context, e *observer, s *scope, in *plan.Input) (read bool, err error) {
	if in.Password.Problem, err = e.readPassword(ctx, s); err != nil || in.Password.Problem != nil {
		return false, err
	}
	in.Salt.Problem, err = readSalt(ctx, e, s)
	return in.Salt.Problem == nil, err
}

// knownView is what is known of the account: view, or what the directory says where that is nil.
func knownView(s *scope, view *account.View) account.View {
	if view != nil {
		return *view
	}
	return s.dir.Observe(s.key())
}

// observeAccount has what is known of the account, of its password and of earlier attempts.
func (e *observer) observeAccount(s *scope, view *account.View, in *plan.Input) {
	in.View = sought(s, knownView(s, view))
	if recognise(s, in.View.Account) {
		in.Resource, in.Subject = resourceOf(s), subjectOf(s)
	}
	in.View.Doubted = e.doubted(s, &in.View)
	if in.View.Account == nil && s.boundID() != "" && s.declared.Policy.Recreate {
		successor := s.dir.Observe(directory.Key{Name: s.declared.AccountName})
		in.Successor = &successor
	}
	in.Shared, in.SeesAll, in.MayAdopt = s.parent.Shared, s.obj.GetNamespace() == s.parent.Key.Namespace, mayAdopt(s.obj.GetNamespace(), s.parent)
	in.Password = plan.Password{Sent: sendsPassword(s), Declared: s.password != "", Rotation: s.rotation, Mark: s.passwordMark, Settled: e.passwords.Has(s.uid(), s.boundID(), s.passwordMark)}
	in.Attempts.Connection = s.dir.Connection
	in.Attempts.NoAccount = e.attempts.Uncreated(s.uid())
	// At rest nothing depends on it, and thousands of resources are looked at in a resync.
	in.Subject.Intent = (s.boundID() == "" || in.View.Account == nil) && s.intends()
	in.Subject.Refused = in.Attempts.NoAccount
	in.Subject.Retried = mayBeRetried(s, in.Attempts.NoAccount, e.attempts.Attempted(s.uid()))
	if last, ok := e.attempts.Last(s.uid()); ok {
		in.Attempts.Failed = &plan.Failed{Attempt: last.Fingerprint, Until: last.Until, Reason: last.Outcome.Reason, Message: last.Outcome.Message, Next: last.Outcome.Next}
	}
}

// mayBeRetried says whether the first attempt to create the account may have been made. That this process made none which could have
// created one proves it only as long as the resource is not edited: until then the connection Secret, whose creation fails where there
// is one, tells of another process's attempt; an edit may have given it another name.
func mayBeRetried(s *scope, uncreated, attempted bool) bool {
	return s.obj.GetGeneration() > 1 || !uncreated && (attempted || !untouched(s))
}

// observeSecret has what is known of the connection Secret without a call.
func (e *observer) observeSecret(ctx context.Context, s *scope, in *plan.Input) {
	in.Secret = plan.Secret{Name: s.declared.ConnectionSecret.Name, Recheck: e.settledSecrets.NeedsRecheck(s.uid()), HoldsKey: keyKnown(s)}
	if s.stored != nil {
		in.Secret.Content = &plan.Content{APIKey: s.stored[secrets.KeyAPIKey] != "", NextPassword: s.stored[secrets.KeyPasswordNext] != ""}
	}
	in.Secret.Prepared = (s.boundID() == "" || in.Successor != nil) && s.intends() && e.prepared(ctx, s)
	altered := false
	if s.boundID() != "" {
		in.Secret.Settled, altered = e.secretSettled(ctx, s)
	}
	in.Secret.LacksPassword = lacksPassword(s)
	in.Password.Known = in.Password.Sent && s.boundID() != "" && e.passwordKnown(ctx, s)
	in.ServiceKey = observeServiceKey(ctx, e, s)
	in.Secret.Verify = toVerify(e.unverified, s, altered) && (!in.NoPasswords || !in.NoKeys)
}

// observeDeletion gathers what the plan for the deletion of a resource depends on, as far as that matters by now.
func (e *observer) observeDeletion(ctx context.Context, s *scope, view *account.View) (plan.Input, error) {
	in := plan.Input{Now: e.Clock.Now(), Resource: resourceOf(s), Deletion: &s.deletion, Secret: plan.Secret{Name: s.declared.ConnectionSecret.Name}}
	in.Attempts.NoAccount = hasNoAccount(e, s)
	in.Subject = account.Subject{Claim: s.claim, Name: s.declared.AccountName, ID: s.boundID(), Policy: s.declared.Policy}
	if s.deletion.Surroundings != plan.SurroundingsStay || s.deletion.Orphan {
		return in, nil
	}
	stop, err := e.resolver.resolve(ctx, s)
	in.Start = e.observeStart(s, in.Now) // whether the parent can be worked with or not: its hour begins with the start
	if in.Stop = stop; err != nil || stop != nil {
		return in, err
	}
	e.recallAttempts(ctx, s)
	in.Resource.Origin, in.Resource.ObservedID = plan.Origin(s.status.Origin), s.status.AccountID
	in.Schema, in.Subject = s.schema, subjectOf(s)
	e.observeAccount(s, view, &in)
	in.Attempts.NoAccount = hasNoAccount(e, s)
	in.View.Doubted = in.View.Doubted && e.absences.Held(s.parent.Guarded, s.uid())
	if !in.View.Fresh && !s.declared.Suspended && !s.declared.Policy.Observe {
		return in, nil
	}
	e.observePrevious(ctx, s, &in)
	if err := recipientOf(ctx, e, s, &in); err != nil || s.boundID() != "" {
		return in, err
	}
	if in.Duplicate, err = e.duplicate(ctx, s, in.View.Account); err != nil {
		return in, err
	}
	_, err = e.readPassword(ctx, s) // without one the connection Secret may prove whose the account is
	return in, err
}

// hasNoAccount says whether it is certain that a resource which is being deleted has no account: no attempt has made one, and no change of a
// pre-existing one waits for an approval.
func hasNoAccount(e *observer, s *scope) bool {
	return e.attempts.Uncreated(s.uid()) && !e.changes.Remembers(s.uid())
}

func resourceOf(s *scope) plan.Resource {
	return plan.Resource{
		Kind: s.declared.Kind, Namespace: s.obj.GetNamespace(), Name: s.obj.GetName(), Generation: s.obj.GetGeneration(),
		Parent: s.declared.Parent.Name, Suspended: s.declared.Suspended, Requested: s.requested(),
		Finalizer: hasFinalizer(s.obj), NeedsFinalizer: s.declared.Deactivate && !s.declared.Policy.Observe, Edited: s.was.ObservedGeneration > 0 && s.was.ObservedGeneration != s.obj.GetGeneration(),
		Origin: plan.Origin(s.status.Origin), ObservedID: s.status.AccountID,
		Completing: s.status.Origin == v1alpha1.OriginCreated && (s.created || len(s.was.LastApplied) == 0),
	}
}

// subjectOf is what the resource says of its account.
func subjectOf(s *scope) account.Subject {
	return account.Subject{
		Claim: s.claim, Name: s.declared.AccountName, ID: s.boundID(),
		Takeover: s.annotation(v1alpha1.AnnotationTakeover), Attempt: openAttempt(s),
		Desired: s.desired, LastApplied: lastApplied(s), Policy: s.declared.Policy,
	}
}

// readRequested says whether somebody asks for a read that was not done yet.
func readRequested(s *scope) bool {
	return s.requested() != "" && s.requested() != s.status.LastHandledReconcileAt
}

// readPassword reads the declared password, or says why its Secret can't be used.
func (e *observer) readPassword(ctx context.Context, s *scope) (*plan.Stop, error) {
	from := s.declared.PasswordSecret
	switch {
	case s.declared.Policy.Observe:
		return nil, nil
	case from == nil:
		if s.rotation = s.annotation(v1alpha1.AnnotationRotatePassword); s.rotation != "" {
			s.passwordMark = "rotation " + s.rotation
		}
		return nil, nil
	}
	password, err := e.Inputs.Password(ctx, s.obj.GetNamespace(), from.Name, from.Key)
	if p, ok := errors.AsType[*secrets.Problem](err); ok {
		return &plan.Stop{Reason: p.Reason, Message: "spec.passwordSecretRef: " + p.Message, Next: p.Next}, nil
	} else if err != nil {
		return nil, err
	}
	if password != s.password { // it may have changed since the last round, and the account has the one before
		s.applied = false
	}
	s.password, s.passwordMark = password, e.passwords.Mark(password)
	return nil, nil
}

// secretSettled says whether the connection Secret needs no read: all that could change it is as it was.
// After an edit of the spec that does not concern it, the operator remembers so; after a restart it reads. What the watch
// would have told while no operator was running shows in the Secret's metadata; altered says that it does.
func (e *observer) secretSettled(ctx context.Context, s *scope) (settled, altered bool) {
	c := meta.FindStatusCondition(s.was.Conditions, v1alpha1.ConditionConnectionSecretReady)
	if !says(s, c) || s.was.AccountID != s.status.AccountID || !e.saysHandOver(ctx, s) {
		return false, false
	}
	written, known := e.settledSecrets.MadeOf(s.uid())
	if known {
		return c.ObservedGeneration == s.obj.GetGeneration() || written == connectionMark(s), false
	}
	settled = c.ObservedGeneration == s.obj.GetGeneration() && e.secretIntact(ctx, s)
	altered = !settled && c.ObservedGeneration == s.obj.GetGeneration() && !e.ConnectionSecrets.Replacing(ctx, connectionKey(s))
	return settled, altered
}

// says whether the condition speaks of a connection Secret that nothing is left to do for.
func says(s *scope, c *metav1.Condition) bool {
	switch {
	case c == nil:
		return false
	case c.Reason == v1alpha1.ReasonPasswordUnknown: // the API key may be missing, too
		return !s.hadReason(v1alpha1.ConditionReady, v1alpha1.ReasonAPIKeyMissing)
	}
	return c.Status == metav1.ConditionTrue || c.Reason == v1alpha1.ReasonPartialAdopted
}

// connectionKey names the connection Secret.
func connectionKey(s *scope) client.ObjectKey {
	return client.ObjectKey{Namespace: s.obj.GetNamespace(), Name: s.declared.ConnectionSecret.Name}
}

// pastGrace says whether the list was last seen, or the resource has been trying without success, for longer than what was last seen
// is believed.
func pastGrace(s *scope, now time.Time) bool {
	if s.parent == nil {
		return false
	}
	c := meta.FindStatusCondition(s.was.Conditions, v1alpha1.ConditionReconciling)
	return stale(s, now) || c != nil && conditions.Expired(s.parent.Resync, c.LastTransitionTime.Time, now)
}

// stale says whether what was last seen of the parent's accounts is too old to be believed.
func stale(s *scope, now time.Time) bool {
	var listed time.Time
	if s.dir != nil {
		listed = s.dir.Listings().CompleteAt
	}
	return conditions.Stale(listed, s.parent.Conditions, s.parent.Resync, now)
}

// recallAttempts lets the resource know, without a call where connection Secrets are watched, whether one of them records an attempt to
// create its account.
func (e *observer) recallAttempts(ctx context.Context, s *scope) {
	s.recorded = sync.OnceValue(func() bool {
		c := s.connection()
		c.Latest = &secrets.Latest{}
		if e.ConnectionSecrets != nil {
			return e.ConnectionSecrets.Intends(ctx, c)
		}
		_, err := e.Connections.Read(ctx, c)
		return err == nil && c.Latest.Intends(c)
	})
}

// prepared says, without a call, whether the connection Secret holds a password for an account that was to be created.
func (e *observer) prepared(ctx context.Context, s *scope) bool {
	return e.ConnectionSecrets != nil && e.ConnectionSecrets.Prepared(ctx, connectionKey(s))
}

// secretIntact says, without a call, whether the connection Secret is there with all that its condition speaks of, written
// by nobody else, and no password is being replaced.
func (e *observer) secretIntact(ctx context.Context, s *scope) bool {
	if e.ConnectionSecrets == nil {
		return true
	}
	key, password := connectionKey(s), directory.CapabilitiesOf(s.dir.Directory).Passwords && s.declared.PasswordSecret == nil
	expected := s.status.Origin == v1alpha1.OriginCreated && !lacksPassword(s)
	return e.ConnectionSecrets.Intact(ctx, key, secretFields(s)) && (!password || e.ConnectionSecrets.PasswordIntact(ctx, key, expected, lacksPassword(s)))
}

// lacksPassword says whether the connection Secret was said to lack the account's password.
func lacksPassword(s *scope) bool {
	return s.hadReason(v1alpha1.ConditionConnectionSecretReady, v1alpha1.ReasonPasswordUnknown)
}

// secretFields are what the operator has written into a connection Secret that is said to be as it should.
func secretFields(s *scope) []secrets.Field {
	fields := []secrets.Field{secrets.AnnotationField(v1alpha1.AnnotationResource), secrets.AnnotationField(v1alpha1.AnnotationAccount)}
	for key := range connectionValues(s) {
		fields = append(fields, secrets.DataField(key))
	}
	if keyKnown(s) || lacksPassword(s) && s.status.Origin == v1alpha1.OriginCreated && directory.CapabilitiesOf(s.dir.Directory).Keys {
		fields = append(fields, secrets.DataField(secrets.KeyAPIKey))
	}
	return fields
}
