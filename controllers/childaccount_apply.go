package controllers

import (
	"context"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"cpaas.dev/child-account-operator/api/v1alpha1"
	"cpaas.dev/child-account-operator/internal/account"
	"cpaas.dev/child-account-operator/internal/conditions"
	"cpaas.dev/child-account-operator/internal/pacing"
	"cpaas.dev/child-account-operator/internal/provider"
	"cpaas.dev/child-account-operator/internal/secrets"
)

// maxSteps bounds one reconcile: look, create, look after a refusal, update, and one to see that it is done.
const maxSteps = 6

// converge carries out decisions until there is nothing left to do, or something stands in the way.
func (r *ChildAccountReconciler) converge(ctx context.Context, s *childScope, d account.Decision) conditions.Outcome {
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
	return conditions.Outcome{Reason: v1alpha1.ReasonUpdating, Message: "the account does not come to rest: tried again soon"}
}

// step carries out one decision and returns what is known of the account afterwards, or why it did not work.
func (r *ChildAccountReconciler) step(ctx context.Context, s *childScope, d account.Decision) (account.View, *conditions.Outcome) {
	ctx = pacing.WithPriority(ctx, urgency(d))
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
func urgency(d account.Decision) pacing.Priority {
	fromSpec := func(c account.Change) bool { return c.Origin == account.FromSpec }
	switch {
	case d.Step == account.StepUpdate && !slices.ContainsFunc(d.Changes, fromSpec):
		return pacing.Drift
	case d.Step == account.StepUpdate, d.Step == account.StepNone:
		return pacing.Edit
	}
	return pacing.Creation
}

func (r *ChildAccountReconciler) look(ctx context.Context, s *childScope) (account.View, *conditions.Outcome) {
	view, err := s.dir.Look(ctx, s.key())
	return view, stopped(err)
}

// create makes the account: first the intent, then the connection Secret, with the password if it is generated, then the
// account itself.
func (r *ChildAccountReconciler) create(ctx context.Context, s *childScope) (account.View, *conditions.Outcome) {
	began := !s.intends()
	if err := r.mark(ctx, s, true); err != nil {
		return account.View{}, broken(v1alpha1.ReasonCreating, err)
	}
	if began {
		r.attempts.SetUncreated(s.child.UID, true)
	}
	password, err := r.firstPassword(ctx, s)
	if err != nil {
		return account.View{}, brokenSecret(v1alpha1.ReasonCreating, err)
	}
	created, err := s.dir.Create(ctx, provider.NewAccount{
		Name: s.child.AccountName(), Password: password, CustomData: s.claim.CustomData(), Desired: s.desired,
	})
	if err == nil || account.AsError(err).Doubt {
		r.attempts.SetUncreated(s.child.UID, false)
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
		r.passwords.Set(s.child.UID, s.boundID(), s.passwordMark)
	}
	return s.dir.Observe(s.key()), nil
}

// afterNameTaken looks whose the name is: an earlier try of ours may have been carried out without our hearing of it.
func (r *ChildAccountReconciler) afterNameTaken(ctx context.Context, s *childScope, taken error) (account.View, *conditions.Outcome) {
	view, out := r.look(ctx, s)
	if out == nil && view.Account == nil {
		return view, stopped(taken)
	}
	return view, out
}

func (r *ChildAccountReconciler) update(ctx context.Context, s *childScope, d account.Decision) (account.View, *conditions.Outcome) {
	if err := r.mark(ctx, s, false); err != nil {
		return account.View{}, broken(v1alpha1.ReasonUpdating, err)
	}
	if out := r.take(ctx, s, *d.Account); out != nil {
		return account.View{}, out
	}
	if account.Deactivates(d.Changes) {
		if err := r.noteDeactivation(ctx, s); err != nil {
			return account.View{}, broken(v1alpha1.ReasonUpdating, err)
		}
	}
	err := s.dir.Update(ctx, r.writeTo(s, d.Account.ID), d.Changes)
	r.guard.Done(s.child.UID, refused(err))
	if err != nil {
		s.observe(*d.Account)
		return account.View{}, stopped(err)
	}
	s.written = append(s.written, d.Changes...)
	s.child.Status.LastApplied = account.State(s.child.Status.LastApplied).With(account.Applied(d.Changes))
	return s.dir.Observe(s.key()), nil
}

// take makes an account the resource's that Decide has allowed it. A password that was prepared for an account of our own
// is not the password of one that was there before.
func (r *ChildAccountReconciler) take(ctx context.Context, s *childScope, a account.Account) *conditions.Outcome {
	if out := r.unproven(ctx, s, a); out != nil {
		return out
	}
	if s.boundID() == "" && !s.claimed(a) && r.attempts.Uncreated(s.child.UID) && s.intends() {
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

// claim writes the resource's claim into an adopted account that holds nobody's data, so that a cluster built anew finds it.
// Where that can't be, the binding stands in the status alone: nothing else depends on it. The claim of whoever the account is
// taken from must not stay, so that is tried until there is an answer.
func (r *ChildAccountReconciler) claim(ctx context.Context, s *childScope, a account.Account) *conditions.Outcome {
	if a.CustomData != "" && !s.takesOver(a) {
		return nil
	}
	err := s.dir.Claim(ctx, a.ID, s.claim.CustomData())
	if c := account.ClassOf(err); s.takesOver(a) && (c == account.Unavailable || c == account.Throttled) {
		return stopped(err)
	}
	if err != nil {
		log.FromContext(ctx).Info("the claim could not be written into the account", "accountID", a.ID, "cause", err.Error())
	}
	return nil
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
func stopped(err error) *conditions.Outcome {
	if err == nil {
		return nil
	}
	out := conditions.Children.Failed(err)
	return &out
}

// broken is the outcome of a step that failed at the API server.
func broken(reason string, err error) *conditions.Outcome {
	return &conditions.Outcome{Reason: reason, Message: "waiting for the API server", Err: err}
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
func heldBack(s *childScope, d account.Decision, out conditions.Outcome) conditions.Outcome {
	blockedHere := out.Secret != nil && !out.SecretUnanswered
	// Whether the credentials are good is the parent's to find out: its next list says so.
	parents := out.Reason == v1alpha1.ReasonParentNotReady
	if out.Err == nil && !blockedHere && !parents {
		out.Fingerprint = s.plan(d)
	}
	return out
}
