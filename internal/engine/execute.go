package engine

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"
	kuberetry "k8s.io/client-go/util/retry"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"cpaas.dev/child-account-operator/api/v1alpha1"
	"cpaas.dev/child-account-operator/internal/account"
	"cpaas.dev/child-account-operator/internal/conditions"
	"cpaas.dev/child-account-operator/internal/directory"
	"cpaas.dev/child-account-operator/internal/pacing"
	"cpaas.dev/child-account-operator/internal/plan"
	"cpaas.dev/child-account-operator/internal/provider"
	"cpaas.dev/child-account-operator/internal/secrets"
)

// maxRounds bounds one reconcile: give up, read, create, read after a refusal, update, store the binding, update what replaces the claim, read
// and change plans, and one to see that it is done.
const maxRounds = 9

// run is the execution of one plan.
type run struct {
	*Engine
	s    *scope
	plan plan.Plan
	// view is what is known of the account.
	view account.View
	// password is the one that the account is created with; it is fresh where no call can have had it before.
	password account.Secret
	fresh    bool
	// unclaimed is why the claim could not be written, where that has to be retried.
	unclaimed *conditions.Outcome
	// confirmed is set once the account is known to match the spec.
	confirmed bool
	// again is set where what was found out needs another plan; read is the account as it was read for that.
	again bool
	read  *account.View
	// leave is why an account was found not to be the resource's to deactivate; "" where it was not.
	leave string
	// noAttempt is set where an outcome is no failed attempt.
	noAttempt bool
	// released is set once the resource has no finalizer any more; failed is why it has to keep it.
	released bool
	failed   error
	// outcome is how it ended; nil where another plan is needed.
	outcome *conditions.Outcome
}

// execute carries out the next round of a plan.
func (e *Engine) execute(ctx context.Context, s *scope, p plan.Plan, view account.View) *run {
	r := &run{Engine: e, s: s, plan: p, view: view}
	r.outcome = r.round(ctx)
	return r
}

// executors carry out the steps, each kind its own. An outcome ends the execution: a step did not work, or was the last.
var executors = map[plan.Kind]func(context.Context, *run, plan.Step) *conditions.Outcome{
	plan.Read:               read,
	plan.ReadSuccessor:      readSuccessor,
	plan.ReadSurroundings:   readSurroundings,
	plan.AddFinalizer:       addFinalizer,
	plan.RemoveFinalizer:    removeFinalizer,
	plan.PrepareSecret:      prepareSecret,
	plan.StoreAttempt:       storeAttempt,
	plan.ReadResource:       readResource,
	plan.DiscardSecret:      discardSecret,
	plan.WithdrawPassword:   withdrawPassword,
	plan.Create:             create,
	plan.Clone:              clone,
	plan.ReadPreviousOwner:  readPreviousOwner,
	plan.ProveOwnership:     proveOwnership,
	plan.Bind:               bind,
	plan.Adopt:              bind,
	plan.RecordDeactivation: recordDeactivation,
	plan.Update:             update,
	plan.Claim:              claim,
	plan.StoreSecret:        storeSecret,
	plan.SettlePassword:     settlePassword,
	plan.SetPassword:        setPassword,
	plan.SetSalt:            setSalt,
	plan.StoreBinding:       storeBinding,
	plan.RotatePassword:     rotatePassword,
	plan.RecoverKey:         recoverKey,
	plan.Verify:             verify,
	plan.CreateServiceKey:   settleServiceKeys,
	plan.DeleteServiceKeys:  settleServiceKeys,
	plan.VerifyServiceKey:   verifyServiceKey,
	plan.ReadPlans:          readPlans,
	plan.ChangePlan:         changePlan,
	plan.Recreate:           recreate,
	plan.Deactivate:         deactivate,
	plan.HandOver:           handOver,
	plan.LeaveActive:        leaveActive,
	plan.ReleaseFinalizer:   releaseFinalizer,
	plan.Confirm:            confirm,
	plan.Observe:            observe,
	plan.Wait:               end,
	plan.AwaitPlans:         awaitPlans,
	plan.Refuse:             end,
	plan.Missing:            end,
	plan.Report:             report,
}

// round carries out the steps up to the next that needs another plan; nil says that another plan is needed.
func (r *run) round(ctx context.Context) *conditions.Outcome {
	ctx = pacing.WithPriority(ctx, urgency(r.plan))
	for i, step := range r.plan.Round() {
		noteSettled(r, r.plan.Steps[i:])
		if r.skips(step) {
			continue
		}
		out := executors[step.Kind](ctx, r, step)
		switch {
		case r.failed != nil, r.released, r.leave != "":
			return nil
		case out != nil && (step.Kind.StatusOnly() || r.noAttempt):
			return out
		case out != nil:
			return asAttempt(cmp.Or(step.Attempt, r.plan.Attempt), *out)
		case r.again:
			return nil
		}
	}
	return nil
}

// skips says whether a step that depends on an earlier one is not needed.
func (r *run) skips(step plan.Step) bool {
	switch step.If {
	case plan.KeyMissing:
		return r.s.stored == nil || r.s.stored[secrets.KeyAPIKey] != ""
	case plan.NextPasswordStored:
		return r.s.stored[secrets.KeyPasswordNext] == ""
	case plan.PasswordRotated:
		return r.s.promoted == ""
	}
	return false // what else there is, the step finds out by itself, or another plan
}

// urgency says how urgent the calls of a plan's next round are: what a person has just changed first, then what is new, then
// drift.
func urgency(p plan.Plan) pacing.Priority {
	for _, step := range p.Round() {
		switch step.Kind {
		case plan.Update, plan.ChangePlan:
			if step.Delegated || !slices.ContainsFunc(step.Changes, func(c plan.FieldChange) bool { return c.Origin == account.FromSpec }) {
				return pacing.Drift
			}
			return pacing.Edit
		case plan.Read:
			if step.Reason == plan.ReasonBeforeDeactivation {
				return pacing.Edit
			}
			return pacing.Creation
		case plan.Create, plan.Clone, plan.Recreate, plan.WithdrawPassword:
			return pacing.Creation
		}
	}
	return pacing.Edit
}

// working is the reason that is reported where the Kubernetes API stands in the way.
func (r *run) working() string {
	switch {
	case !r.s.obj.GetDeletionTimestamp().IsZero():
		return v1alpha1.ReasonDeleting
	case slices.ContainsFunc(r.plan.Steps, func(s plan.Step) bool { return s.Kind.Creates() }) && !r.s.created:
		return v1alpha1.ReasonCreating
	}
	return v1alpha1.ReasonUpdating
}

func read(ctx context.Context, r *run, step plan.Step) *conditions.Outcome {
	r.s.read = true
	if step.Reason == plan.ReasonBeforeBinding {
		return r.afterRead(r.s.dir.ReadBeforeBinding(ctx, r.s.key()))
	}
	if r.s.boundID() == "" && r.s.intends() && !r.s.declared.Policy.Observe {
		// Before the account: who renews the intent after that is the only one who does.
		if _, err := r.Connections.Read(ctx, r.s.connection()); err != nil && !isProblem(err) {
			return broken(r.working(), err)
		}
	}
	return r.afterRead(r.s.dir.Read(ctx, r.s.key()))
}

// afterRead has another plan made for an account that was read.
func (r *run) afterRead(view account.View, err error) *conditions.Outcome {
	if err != nil {
		return r.stopped(err)
	}
	r.readRequests.done(r.s.uid(), r.s.readRequest)
	view = sought(r.s, view)
	r.view, r.read, r.again = view, &view, true
	if r.s.seeks && view.Account == nil && !view.Awaited { // what was read is not of the name that the resource declares
		foundNone(r.s)
		r.read = nil
	}
	return nil
}

// readSuccessor finds out whether another account was created in the place of one that is missing.
func readSuccessor(ctx context.Context, r *run, step plan.Step) *conditions.Outcome {
	giveUp(r.s)
	return read(ctx, r, step)
}

// stopped is the outcome of a call that failed, nil where it did not.
func (r *run) stopped(err error) *conditions.Outcome {
	if err == nil {
		return nil
	}
	out := r.Table.Failed(err)
	if !r.s.obj.GetDeletionTimestamp().IsZero() {
		return r.deleting(out)
	}
	return &out
}

func addFinalizer(ctx context.Context, r *run, _ plan.Step) *conditions.Outcome {
	return r.patchFinalizer(ctx, controllerutil.AddFinalizer)
}

func removeFinalizer(ctx context.Context, r *run, _ plan.Step) *conditions.Outcome {
	return r.patchFinalizer(ctx, controllerutil.RemoveFinalizer)
}

// patchFinalizer changes the finalizer in a patch that fails if somebody changed the resource meanwhile.
func (r *run) patchFinalizer(ctx context.Context, change func(client.Object, string) bool) *conditions.Outcome {
	s := r.s
	before := s.obj.DeepCopyObject().(client.Object)
	if !change(s.obj, v1alpha1.Finalizer) {
		return nil
	}
	status, observed := *s.status, s.managed.Observed()
	err := r.Patch(ctx, s.obj, client.MergeFromWithOptions(before, client.MergeFromWithOptimisticLock{}))
	*s.status = status // the answer has the stored one
	s.managed.SetObserved(observed)
	if err != nil {
		s.obj.SetFinalizers(before.GetFinalizers())
		return refusedWrite(r, r.working(), theResource(s), err)
	}
	return nil
}

// prepareSecret records the attempt in the connection Secret, and has the password that the account is created with: the declared
// one, or one that is generated and in the Secret by then. Where the Secret was there, the account is read first.
func prepareSecret(ctx context.Context, r *run, step plan.Step) *conditions.Outcome {
	var err error
	c := r.s.connection()
	c.MayExist = secretMayExist(ctx, r)
	if r.password = r.s.password; r.password == "" && directory.CapabilitiesOf(r.s.dir.Directory).Passwords {
		c.Generated = secrets.GeneratePassword()
		r.password, err = r.Connections.Prepare(ctx, c, knownValues(r.s))
		r.fresh = r.password == c.Generated
	} else {
		err = r.Connections.PrepareDeclared(ctx, c, knownValues(r.s))
	}
	switch {
	case errors.Is(err, secrets.ErrReadFirst):
		if r.s.intends() && !r.attempts.Attempted(r.s.uid()) { // another process's attempt
			r.attempts.NoteCreated(r.s.uid())
		}
		return read(ctx, r, step)
	case err != nil:
		return brokenSecret(v1alpha1.ReasonCreating, err)
	}
	r.attempts.NotePrepared(r.s.uid(), r.s.latest.Version())
	return nil
}

// readResource reads the resource from the Kubernetes API, so that no account is created for one that is deleted, is being deleted or
// says something else by now: under Retain no finalizer keeps it.
func readResource(ctx context.Context, r *run, _ plan.Step) *conditions.Outcome {
	read := r.s.managed.Copy()
	live := read.Object()
	*read.Status() = v1alpha1.AccountStatus{} // decoding keeps what the answer does not have
	err := r.Connections.Live.Get(ctx, client.ObjectKeyFromObject(live), live)
	overtaken := err == nil && (live.GetUID() != r.s.uid() || !live.GetDeletionTimestamp().IsZero() ||
		live.GetGeneration() != r.s.obj.GetGeneration() || !equality.Semantic.DeepEqual(*read.Status(), r.s.was))
	switch {
	case overtaken:
		return &conditions.Outcome{Err: apierrors.NewConflict(schema.GroupResource{Resource: r.Kind.CRD()}, live.GetName(), errOvertaken)}
	case apierrors.IsNotFound(err):
		return &conditions.Outcome{Err: err}
	case err != nil:
		return broken(v1alpha1.ReasonCreating, err)
	}
	return nil
}

var errOvertaken = errors.New("it was changed or deleted before its account was created")

func create(ctx context.Context, r *run, _ plan.Step) *conditions.Outcome {
	return createBy(ctx, r, writeCreate, r.s.dir.Create)
}

// createBy makes the account by a call. Its API key is stored next, before anything else can fail: nobody shows it a second time.
func createBy(ctx context.Context, r *run, write string, call func(context.Context, provider.NewAccount) (provider.Created, error)) *conditions.Outcome {
	s := r.s
	if s.former != nil { // should that be there again, the connection Secret has what is not its
		r.settledSecrets.Recheck(s.uid())
	}
	apply(r, account.EmailTaken, account.NameTaken)
	var overtaken *conditions.Outcome
	n := provider.NewAccount{
		Name: s.declared.AccountName, Password: r.password, CustomData: s.claim.CustomData(), Desired: s.desired, Before: lastLook(r, &overtaken),
	}
	if open := openAttempt(s); open != nil {
		n.Others = open.Others
	}
	created, err := call(ctx, n)
	if overtaken != nil {
		return overtaken
	}
	why := whyCreated(s)
	if err == nil || account.AsError(err).OutcomeUnknown {
		r.attempts.NoteCreated(s.uid())
	} else {
		attemptRefused(r, err)
	}
	if account.ClassOf(err) == account.NameTaken {
		return afterNameTaken(ctx, r, err)
	}
	if err != nil {
		logWritten(ctx, s, write, why, "", err)
		return refusedValue(ctx, r, err)
	}
	s.created, s.verified, s.recreated = true, true, why == whyRecreate
	s.bind(created.Account, true)
	logWritten(ctx, s, write, why, created.Account.ID, nil)
	s.held = secrets.Values{secrets.KeyAPIKey: created.APIKey}
	if s.applied = s.password != ""; !s.applied {
		s.held[secrets.KeyPassword] = r.password
	}
	r.Recorder.Eventf(s.obj, nil, corev1.EventTypeNormal, "Created", "Create", "created account %s (id %s)%s", created.Account.Name, created.Account.ID, clonedText(s.cloned))
	return nil
}

// afterNameTaken reads whose the name is: an earlier attempt may have been carried out without our hearing of it.
func afterNameTaken(ctx context.Context, r *run, taken error) *conditions.Outcome {
	if r.fresh { // and no account has got it
		if err := r.Connections.Withdraw(ctx, r.s.connection(), r.password); err != nil {
			return brokenSecret(v1alpha1.ReasonCreating, err)
		}
	}
	out := read(ctx, r, plan.Step{})
	if out == nil && r.view.Account == nil {
		return refusedValue(ctx, r, taken)
	}
	return out
}

// bind makes an account the resource's that the plan has allowed it.
func bind(ctx context.Context, r *run, step plan.Step) *conditions.Outcome {
	s, a, own := r.s, *r.view.Account, step.Kind == plan.Bind
	if !own && step.Reason == plan.ReasonHandedOver {
		r.tellTakenOver(a)
		s.bind(a, false)
		takeUpPlans(ctx, r.Engine, s, a, false)
		s.found = !mayBeAdopted(s)
		return nil
	}
	if !own {
		r.tellAdopted(a)
		s.bind(a, false)
		takeUpPlans(ctx, r.Engine, s, a, false)
		s.unverified = r.unverified.Mark(s.uid(), false)
		return nil
	}
	foreseen := s.intends()
	made, out := r.made(ctx, a)
	if out != nil {
		return out
	}
	if !made && s.lastOwner != nil { // the claim is the resource's, and somebody else had the account
		r.tellAdopted(a)
	}
	r.again = made != foreseen // the plan was for one that was, or was not, created for the resource
	s.bind(a, made)
	takeUpPlans(ctx, r.Engine, s, a, made)
	if s.found = !mayBeAdopted(s); !made {
		s.unverified = r.unverified.Mark(s.uid(), false)
	}
	if s.applied {
		r.passwords.Set(s.uid(), s.boundID(), s.passwordMark)
	}
	return nil
}

func recordDeactivation(ctx context.Context, r *run, step plan.Step) *conditions.Outcome {
	if step.Guarded {
		out, err := r.guard.ask(ctx, r.s, &step, true, r.changes.Admit)
		if err != nil {
			return broken(v1alpha1.ReasonDeleting, err)
		}
		if out != nil {
			r.noAttempt = true
			return &conditions.Outcome{
				Reason: cmp.Or(out.Reason, v1alpha1.ReasonDeleting), Message: cmp.Or(out.Message, "many accounts are being deleted: counting them"),
				Brief: out.Brief, Next: out.Next, After: out.RetryAfter, Stuck: out.Reason != "",
			}
		}
	}
	if err := r.guard.note(ctx, r.s); err != nil {
		return refusedParent(r, r.working(), err)
	}
	return nil
}

// update writes changes: first those that need no more than the parent's own calls.
func update(ctx context.Context, r *run, step plan.Step) *conditions.Outcome {
	own, delegated := account.Split(plan.AccountChanges(r.s.schema, step.Changes))
	if len(own) > 0 {
		if out := updateOwn(ctx, r, step, own); out != nil {
			return out
		}
	}
	if len(delegated) > 0 {
		return updateDelegated(ctx, r, step, delegated)
	}
	return nil
}

// changed notes changes that were written, and has another plan made.
func changed(r *run, changes []account.Change) {
	r.s.written = append(r.s.written, changes...)
	r.s.status.LastApplied = account.State(r.s.status.LastApplied).With(account.Applied(changes))
	r.again = true
}

func updateOwn(ctx context.Context, r *run, step plan.Step, changes []account.Change) *conditions.Outcome {
	s := r.s
	if out := reservePassword(ctx, r); out != nil {
		return out
	}
	apply(r, classesOf(changes)...)
	err := s.dir.Update(ctx, r.target(step.AccountID), changes)
	passwordSent(r, err)
	r.changes.Done(s.uid(), refused(err))
	logWritten(ctx, s, writeUpdate, whyUpdated(s, changes), step.AccountID, err, "fields", account.FieldNames(changes))
	if err != nil {
		s.observe(*r.view.Account)
		if account.AsError(err).OutcomeUnknown {
			s.status.LastApplied = account.State(s.status.LastApplied).WithoutHidden(changes)
		}
		return refusedValue(ctx, r, err)
	}
	changed(r, changes)
	return nil
}

// claim writes the resource's claim into an adopted account that holds nobody's data, so that a rebuilt cluster finds it.
// Where that can't be, the binding stands in the status alone: nothing else depends on it. The claim of an owner that the
// account is taken from must not stay, so that is tried until there is an answer.
func claim(ctx context.Context, r *run, step plan.Step) *conditions.Outcome {
	err := r.s.dir.Claim(ctx, step.AccountID, r.s.claim.CustomData())
	logWritten(ctx, r.s, writeClaim, whyClaimed(step), step.AccountID, err)
	switch c := account.ClassOf(err); {
	case c != account.Unavailable && c != account.Throttled:
	case r.s.previous != nil: // the connection Secret is stored by now
		r.settledSecrets.Unset(r.s.uid())
		return unsettled(r.stopped(err), toClaim)
	case r.s.takesOver(*r.view.Account):
		r.unclaimed = r.stopped(err)
		return nil
	}
	if err != nil {
		log.FromContext(ctx).Info("the claim could not be written into the account", "accountID", step.AccountID, "cause", err.Error())
	}
	return nil
}

func recreate(_ context.Context, r *run, _ plan.Step) *conditions.Outcome {
	giveUp(r.s)
	r.again = true
	return nil
}

func confirm(_ context.Context, r *run, step plan.Step) *conditions.Outcome {
	before := r.s.status.LastApplied
	r.s.confirm(*r.view.Account, step.Differs, r.Clock.Now())
	notApplied(r.s, before, step.NotGranted)
	r.s.profile = profileState(r, step)
	r.confirmed = true
	return nil
}

func observe(_ context.Context, r *run, step plan.Step) *conditions.Outcome {
	r.s.observe(*r.view.Account)
	r.s.drift(step.Differs, r.Clock.Now())
	r.s.status.AccountID, r.s.status.ParentAccountID = step.AccountID, r.s.dir.AccountID
	return nil
}

// end is the outcome of a plan that ends with a wait or a refusal.
func end(ctx context.Context, r *run, step plan.Step) *conditions.Outcome {
	if step.Backoff {
		if failed, ok := r.attempts.Last(r.s.uid()); ok {
			out := explained(ctx, r.Engine, r.s, failed.Remaining(r.Clock.Now()))
			return &out
		}
	}
	out := &conditions.Outcome{
		Reason: step.Reason, Message: step.Message, Brief: step.Brief, Next: r.nextStep(step), After: step.RetryAfter, Stuck: step.Stalled, Cause: step.Cause,
	}
	out.Quiet = step.Held
	if step.Guarded && step.RetryAfter > 0 && r.s.obj.GetDeletionTimestamp().IsZero() {
		out.Retry = conditions.Every(step.RetryAfter)
	}
	if a := r.view.Account; (step.Guarded || step.Held) && a != nil && r.s.boundID() != "" { // the status may be older than the account
		r.s.observe(*a)
		out.Seen = &conditions.Seen{Frozen: r.s.schema.Frozen(a.State), Deactivated: r.s.schema.Deactivated(a.State)}
	}
	if step.Kind == plan.Refuse && r.s.provedOwn { // what was prepared stays, and need not be retried
		out.Fingerprint = r.plan.Attempt
	}
	return out
}

// nextStep is what to do next after a step that ends a plan; "" for what its reason has.
func (r *run) nextStep(step plan.Step) string {
	if step.Next != "" || step.Cause == "" {
		return step.Next
	}
	return r.Table.NextStep(step.Cause)
}

// report is the outcome of an account that nothing more is written to.
func report(ctx context.Context, r *run, step plan.Step) *conditions.Outcome {
	r.starts.Forget(r.s.uid()) // all that was pending at the start is done
	out := &conditions.Outcome{Reason: step.Reason, Message: step.Message, Next: step.Next, After: soonest(r.s.plans.pause, step.RetryAfter, r.s.retryProfile)}
	if !r.s.declared.Policy.Observe {
		reportServiceKey(ctx, r)
		out.After = soonest(out.After, r.s.serviceKey.after)
	}
	switch {
	case r.s.declared.Policy.Observe:
	case r.s.connected != nil:
		addIgnored(r.s)
		out.Secret = r.s.connected
	default:
		out.Secret = secretAsBefore(r.s)
	}
	return out
}

// soonest is the shortest of the waits that are none for ever; 0 for ever.
func soonest(waits ...time.Duration) (first time.Duration) {
	for _, wait := range waits {
		if wait > 0 && (first == 0 || wait < first) {
			first = wait
		}
	}
	return first
}

// broken is the outcome of a step that failed at the Kubernetes API.
func broken(reason string, err error) *conditions.Outcome {
	return &conditions.Outcome{Reason: reason, Message: plan.WaitingForKubernetes, Err: err}
}

// asAttempt marks an outcome as a failed attempt, where repeating it would cost a call. What failed on this side, and what
// went well, is none.
func asAttempt(attempt string, out conditions.Outcome) *conditions.Outcome {
	blockedHere := out.Secret != nil && !out.SecretUnanswered
	// Whether the credentials are good is the parent's to find out: its next list says so.
	parents := out.Reason == v1alpha1.ReasonParentNotReady
	if out.Err == nil && !blockedHere && !parents {
		out.Fingerprint = attempt
	}
	return &out
}

// lastingFor bounds what is written to the Kubernetes API although the operator is being stopped.
const lastingFor = 10 * time.Second

// lasting is a context for what must be written down even if the operator is being stopped: what was just done at the
// provider, and what nobody else knows.
func lasting(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.WithoutCancel(ctx), lastingFor)
}

// persist carries out a write of what is known here alone, though the operator be stopped, and again where that may help.
func persist(ctx context.Context, write func(context.Context) error) error {
	again := func(err error) bool {
		return apierrors.IsConflict(err) || apierrors.IsAlreadyExists(err) || apierrors.IsNotFound(err) || apierrors.IsServerTimeout(err) || apierrors.IsInternalError(err) || apierrors.IsTooManyRequests(err)
	}
	ctx, cancel := lasting(ctx)
	defer cancel()
	return kuberetry.OnError(kuberetry.DefaultBackoff, again, func() error { return write(ctx) })
}
