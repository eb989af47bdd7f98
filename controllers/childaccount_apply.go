package controllers

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	kuberetry "k8s.io/client-go/util/retry"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"cpaas.dev/child-account-operator/api/v1alpha1"
	"cpaas.dev/child-account-operator/internal/account"
	"cpaas.dev/child-account-operator/internal/directory"
	"cpaas.dev/child-account-operator/internal/provider"
	"cpaas.dev/child-account-operator/internal/secrets"
)

// maxSteps bounds one reconcile: look, create, look after a refusal, update, and one to see that it is done.
const maxSteps = 6

// converge carries out decisions until there is nothing left to do, or something stands in the way.
func (r *ChildAccountReconciler) converge(ctx context.Context, s *childScope, d account.Decision) outcome {
	for range maxSteps {
		view, out := r.step(ctx, s, d)
		if out != nil {
			return heldBack(s, d, *out)
		}
		d = account.Decide(s.schema, s.subject(), view)
		if a := r.judge(ctx, s, d); !a.work {
			return a.outcome
		}
	}
	return outcome{reason: v1alpha1.ReasonUpdating, message: "the account does not come to rest: tried again soon"}
}

// step carries out one decision and returns what is known of the account afterwards, or why it did not work.
func (r *ChildAccountReconciler) step(ctx context.Context, s *childScope, d account.Decision) (account.View, *outcome) {
	ctx = directory.WithPriority(ctx, urgency(d))
	switch d.Step {
	case account.StepLook:
		return r.look(ctx, s)
	case account.StepCreate:
		return r.create(ctx, s)
	case account.StepUpdate:
		return r.update(ctx, s, d)
	case account.StepRecreate:
		s.unbind()
		return s.dir.Observe(s.key()), nil
	default: // StepNone: only the connection Secret and the password are left
		return s.dir.Observe(s.key()), r.complete(ctx, s, d)
	}
}

// urgency says how urgent a decision's calls are: what a person has just changed first, then what is new, then drift.
func urgency(d account.Decision) directory.Priority {
	fromSpec := func(c account.Change) bool { return c.Origin == account.FromSpec }
	switch {
	case d.Step == account.StepUpdate && !slices.ContainsFunc(d.Changes, fromSpec):
		return directory.Drift
	case d.Step == account.StepUpdate, d.Step == account.StepNone:
		return directory.Edit
	}
	return directory.Creation
}

func (r *ChildAccountReconciler) look(ctx context.Context, s *childScope) (account.View, *outcome) {
	view, err := s.dir.Look(ctx, s.key())
	return view, stopped(err)
}

// create makes the account: first the intent, then the connection Secret, with the password if it is generated, then the
// account itself.
func (r *ChildAccountReconciler) create(ctx context.Context, s *childScope) (account.View, *outcome) {
	began := !s.intends()
	if err := r.mark(ctx, s, true); err != nil {
		return account.View{}, broken(v1alpha1.ReasonCreating, err)
	}
	if began {
		r.holds.setClean(s.child.UID, true)
	}
	password, err := r.firstPassword(ctx, s)
	if err != nil {
		return account.View{}, brokenSecret(v1alpha1.ReasonCreating, err)
	}
	created, err := s.dir.Create(ctx, provider.NewAccount{
		Name: s.child.AccountName(), Password: password, CustomData: s.claim.CustomData(), Desired: s.desired,
	})
	if err == nil || account.AsError(err).Doubt {
		r.holds.setClean(s.child.UID, false)
	}
	if account.ClassOf(err) == account.NameTaken {
		return r.afterNameTaken(ctx, s, err)
	}
	if out := stopped(err); out != nil {
		return account.View{}, out
	}
	s.created = true
	s.bind(created.Account)
	s.held = secrets.Values{secrets.KeyAPIKey: created.APIKey}
	if s.applied = s.password != ""; !s.applied {
		s.held[secrets.KeyPassword] = password
	}
	r.Recorder.Eventf(s.child, nil, corev1.EventTypeNormal, "Created", "Create", "created account %s (id %s)", created.Account.Name, created.Account.ID)
	// At once, before anything else can fail: nobody shows the key a second time.
	if _, out := r.store(ctx, s); out != nil {
		return account.View{}, out
	}
	if s.applied {
		r.passwords.settle(s)
	}
	return s.dir.Observe(s.key()), nil
}

// afterNameTaken looks whose the name is: an earlier try of ours may have been carried out without our hearing of it.
func (r *ChildAccountReconciler) afterNameTaken(ctx context.Context, s *childScope, taken error) (account.View, *outcome) {
	view, out := r.look(ctx, s)
	if out == nil && view.Account == nil {
		return view, stopped(taken)
	}
	return view, out
}

func (r *ChildAccountReconciler) update(ctx context.Context, s *childScope, d account.Decision) (account.View, *outcome) {
	if err := r.mark(ctx, s, false); err != nil {
		return account.View{}, broken(v1alpha1.ReasonUpdating, err)
	}
	if out := r.take(ctx, s, *d.Account); out != nil {
		return account.View{}, out
	}
	if switchesOff(d.Changes) {
		if err := r.noteDeactivation(ctx, s); err != nil {
			return account.View{}, broken(v1alpha1.ReasonUpdating, err)
		}
	}
	if out := stopped(s.dir.Update(ctx, d.Account.ID, d.Changes)); out != nil {
		s.observe(*d.Account)
		return account.View{}, out
	}
	s.written = append(s.written, d.Changes...)
	s.child.Status.LastApplied = account.State(s.child.Status.LastApplied).With(account.Applied(d.Changes))
	return s.dir.Observe(s.key()), nil
}

// take makes an account the resource's that Decide has allowed it. A password that was prepared for an account of our own
// is not the password of one that was there before.
func (r *ChildAccountReconciler) take(ctx context.Context, s *childScope, a account.Account) *outcome {
	if out := r.unproven(ctx, s, a); out != nil {
		return out
	}
	if s.boundID() == "" && !s.claimed(a) && r.holds.isClean(s.child.UID) && s.intends() {
		if err := r.Connections.Discard(ctx, s.connection()); err != nil {
			return brokenSecret(v1alpha1.ReasonUpdating, err)
		}
	}
	if s.boundID() == "" && !s.claimed(a) {
		r.Recorder.Eventf(s.child, nil, corev1.EventTypeNormal, "Adopted", "Adopt", "adopted account %s (id %s)", a.Name, a.ID)
	}
	s.bind(a)
	return nil
}

// complete does what is left for an account that is as declared. Never nil.
func (r *ChildAccountReconciler) complete(ctx context.Context, s *childScope, d account.Decision) *outcome {
	if _, recheck := r.recheck.Load(s.child.UID); recheck || !r.settled(ctx, s, d) {
		return r.connect(ctx, s, d)
	}
	if out := r.applyPassword(ctx, s, d); out != nil {
		s.observe(*d.Account)
		return out
	}
	if s.promoted != "" && !s.keyKnown() { // the new password finds it
		return r.connect(ctx, s, d)
	}
	s.confirm(d, r.Clock.Now())
	out := s.asDeclared(d)
	out.secret = s.secretAsBefore()
	return &out
}

// secretAsBefore is what was said of the connection Secret, which is settled, and holds for this generation too.
func (s *childScope) secretAsBefore() *secretState {
	was := meta.FindStatusCondition(s.was.Conditions, v1alpha1.ConditionConnectionSecretReady)
	return &secretState{was.Status, was.Reason, was.Message}
}

// connect brings the connection Secret up to date, recovering the API key where it was lost. Never nil.
func (r *ChildAccountReconciler) connect(ctx context.Context, s *childScope, d account.Decision) *outcome {
	if err := r.mark(ctx, s, false); err != nil {
		return broken(v1alpha1.ReasonUpdating, err)
	}
	if out := r.take(ctx, s, *d.Account); out != nil {
		return out
	}
	s.confirm(d, r.Clock.Now())
	r.claim(ctx, s, *d.Account)
	held, out := r.store(ctx, s)
	if out != nil {
		return out
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
	return connected(s, d, secretState{yes, v1alpha1.ReasonAvailable, "the connection Secret holds everything that is known of the account"})
}

// recoverKey finds an API key that was lost on the way, where the password is known.
func (r *ChildAccountReconciler) recoverKey(ctx context.Context, s *childScope, d account.Decision, password account.Secret) *outcome {
	key, err := s.dir.RecoverKey(ctx, s.child.Status.AccountID, password)
	if err == nil {
		if _, err = r.writeConnection(ctx, s, secrets.Values{secrets.KeyAPIKey: key}); err != nil {
			return brokenSecret(v1alpha1.ReasonUpdating, err)
		}
		return connected(s, d, secretState{yes, v1alpha1.ReasonAvailable, "the API key was recovered"})
	}
	if c := account.ClassOf(err); c == account.Unavailable || c == account.Throttled {
		r.written.Delete(s.child.UID)
		return unsettled(stopped(err))
	}
	message := fmt.Sprintf("the API key is not known and can't be recovered (%s): if it is needed, put it into key %s of Secret %s",
		account.AsError(err), secrets.KeyAPIKey, s.child.ConnectionSecretName())
	if s.child.Status.Origin == v1alpha1.OriginAdopted {
		return connected(s, d, secretState{no, v1alpha1.ReasonPartialAdopted, message})
	}
	message += "; to do without it, delete this resource and apply it again: the account stays, and is adopted"
	return &outcome{reason: v1alpha1.ReasonAPIKeyMissing, message: message, secret: &secretState{no, v1alpha1.ReasonAPIKeyMissing, message}, asked: true}
}

// unsettled adds to the outcome of a call that the connection Secret lacks its answer: so it is asked for again.
func unsettled(out *outcome) *outcome {
	out.secret, out.asked = &secretState{no, out.reason, "what the connection Secret lacks could not be asked for yet"}, true
	return out
}

// connected ends the reconcile of an account that is as declared and whose connection Secret is settled.
func connected(s *childScope, d account.Decision, state secretState) *outcome {
	if s.password != "" && !s.givesPassword() {
		state.message += "; spec.passwordSecretRef is left aside: the account was there before this resource, and only adoptionPolicy Always changes its password"
	}
	if s.password != "" && s.annotation(v1alpha1.AnnotationRotatePassword) != "" {
		state.message += "; the annotation rotate-password is left aside: spec.passwordSecretRef declares the password"
	}
	out := s.asDeclared(d)
	out.secret = &state
	return &out
}

// claim writes the resource's claim into an adopted account that holds nobody's data, or the claim of whoever it is taken
// from, so that a cluster built anew finds it. Where that can't be, the binding stands in the status alone: nothing else depends on it.
func (r *ChildAccountReconciler) claim(ctx context.Context, s *childScope, a account.Account) {
	if a.CustomData != "" && !s.takesOver(a) {
		return
	}
	if err := s.dir.Claim(ctx, a.ID, s.claim.CustomData()); err != nil {
		log.FromContext(ctx).Info("the claim could not be written into the account", "accountID", a.ID, "cause", err.Error())
	}
}

// store brings all that is known into the connection Secret, once in a reconcile, and returns what it holds then.
func (r *ChildAccountReconciler) store(ctx context.Context, s *childScope) (secrets.Values, *outcome) {
	if s.stored != nil {
		return s.stored, nil
	}
	s.applied = s.applied || s.givesPassword() && r.passwords.has(s)
	values := s.connectionValues()
	maps.Copy(values, s.held)
	r.recheck.Delete(s.child.UID) // before the look: who edits it from now on is noticed again
	held, err := r.writeConnection(ctx, s, values)
	if err != nil {
		r.recheck.Store(s.child.UID, true)
		return nil, brokenSecret(v1alpha1.ReasonUpdating, err)
	}
	r.written.Store(s.child.UID, s.connectionMark())
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
		secrets.KeyEmail:       account.Secret(s.child.Spec.Email),
		secrets.KeyEndpoint:    account.Secret(s.dir.Endpoint),
	}
}

// mark makes sure that the resource carries the finalizer, and before a creation the intent, in one patch that fails
// if somebody changed the resource meanwhile.
func (r *ChildAccountReconciler) mark(ctx context.Context, s *childScope, intent bool) error {
	before := s.child.DeepCopy()
	controllerutil.AddFinalizer(s.child, v1alpha1.Finalizer)
	if intent && !s.intends() {
		if s.child.Annotations == nil {
			s.child.Annotations = map[string]string{}
		}
		s.child.Annotations[v1alpha1.AnnotationCreateIntent] = s.target()
	}
	if len(before.Finalizers) == len(s.child.Finalizers) && before.Annotations[v1alpha1.AnnotationCreateIntent] == s.child.Annotations[v1alpha1.AnnotationCreateIntent] {
		return nil
	}
	status := s.child.Status
	err := r.Patch(ctx, s.child, client.MergeFromWithOptions(before, client.MergeFromWithOptimisticLock{}))
	s.child.Status = status // the answer has the stored one
	return err
}

// stopped is the outcome of a call that failed, nil where it did not.
func stopped(err error) *outcome {
	if err == nil {
		return nil
	}
	out := childTable.failed(err)
	return &out
}

// broken is the outcome of a step that failed at the API server.
func broken(reason string, err error) *outcome {
	return &outcome{reason: reason, message: "waiting for the API server", err: err}
}

// brokenSecret is the outcome where the connection Secret can't be used or may not be written.
func brokenSecret(reason string, err error) *outcome {
	p, ok := errorAs[*secrets.Problem](err)
	if !ok && (apierrors.IsInvalid(err) || apierrors.IsForbidden(err)) {
		p, ok = &secrets.Problem{Reason: v1alpha1.ReasonSecretInvalid, Message: "the connection Secret can't be written: " + err.Error()}, true
	}
	if !ok {
		return broken(reason, err)
	}
	return &outcome{reason: p.Reason, message: p.Message, secret: &secretState{no, p.Reason, p.Message}}
}

// lastingFor bounds what is written to the API server although the operator is being stopped.
const lastingFor = 10 * time.Second

// lasting is a context for what must be written down even if the operator is being stopped: what was just done at the
// provider, and what nobody else knows.
func lasting(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.WithoutCancel(ctx), lastingFor)
}

// heldBack marks an outcome as a try in vain, where trying again would cost a call. What failed on this side, and what
// went well, is not held.
func heldBack(s *childScope, d account.Decision, out outcome) outcome {
	blockedHere := out.secret != nil && !out.asked
	// Whether the credentials are good is the parent's to find out: its next list says so.
	parents := out.reason == v1alpha1.ReasonParentNotReady
	if out.err == nil && !blockedHere && !parents {
		out.plan = s.plan(d)
	}
	return out
}
