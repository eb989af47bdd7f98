package engine

import (
	"context"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/clock"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"cpaas.dev/child-account-operator/api/v1alpha1"
	"cpaas.dev/child-account-operator/internal/account"
	"cpaas.dev/child-account-operator/internal/changeguard"
	"cpaas.dev/child-account-operator/internal/conditions"
	"cpaas.dev/child-account-operator/internal/directory"
	"cpaas.dev/child-account-operator/internal/fairqueue"
	"cpaas.dev/child-account-operator/internal/pacing"
	"cpaas.dev/child-account-operator/internal/plan"
	"cpaas.dev/child-account-operator/internal/readings"
	"cpaas.dev/child-account-operator/internal/readyourwrites"
	"cpaas.dev/child-account-operator/internal/secrets"
)

// Config is what an Engine is made of.
type Config struct {
	client.Client
	// Kind is the kind of its resources, Table what each reason means for their conditions.
	Kind  Kind
	Table conditions.Table
	// Parents finds their parents, Connected has those that can be worked with.
	Parents   Parents
	Connected *directory.Registry
	// Connections keeps the connection Secrets, ConnectionSecrets has their metadata; nil watches none.
	Connections       secrets.Store
	ConnectionSecrets *secrets.Watched
	// Inputs reads the Secrets with declared passwords.
	Inputs secrets.Reader
	// Recorder emits events.
	Recorder conditions.EventRecorder
	// Clock is the time; tests set their own.
	Clock clock.Clock
	// Readings has what is read beside the lists; nil reads nothing.
	Readings *readings.Store
	// Installation tells the claims of this installation from others' (--installation-id).
	Installation string
	// Wake puts a resource into the queue, behind all that people ask for unless it is urgent.
	Wake func(req ctrl.Request, urgent bool)
	// Alarm has a parent reconciled, because its provider does not answer, or what waits for an approval has changed; nil tells nobody.
	Alarm func(types.NamespacedName)
	// StartChanged has a parent reconciled, because what waits since its start has changed; nil tells nobody.
	StartChanged func(types.NamespacedName)
}

// Engine keeps the accounts of one kind of resources.
type Engine struct {
	Config
	stores

	// Starts are the starts of the parents.
	Starts Starts
	// UniqueValues are the values that one account at a time can have.
	UniqueValues UniqueValues

	observer observer
	guard    changeGuard
	reporter reporter
	// works limits the children of each parent that are worked on at one time, statuses those of each namespace of which only
	// the status is written.
	works, statuses *fairqueue.Limiter
}

const (
	// childrenPerParent leaves room for the largest common batch, and others beside it.
	childrenPerParent = 128
	// childrenPerParentNamespace is how many children all parents of one namespace have reconciled: half of the workers.
	childrenPerParentNamespace = 256
	// statusesPerNamespace is how many statuses of one namespace are written at one time where the provider need not be asked.
	statusesPerNamespace = 32
)

// New makes an Engine that remembers nothing.
func New(c Config) *Engine {
	e := &Engine{
		Config:   c,
		works:    fairqueue.New(fairqueue.Limits{PerTenant: childrenPerParent, PerNamespace: childrenPerParentNamespace}, c.Wake),
		statuses: fairqueue.New(fairqueue.Limits{PerTenant: statusesPerNamespace}, c.Wake),
	}
	e.stores = newStores(func(parent changeguard.Parent, keys []types.NamespacedName) { // there is something to say of changes that are stopped
		for _, key := range keys {
			c.Wake(ctrl.Request{NamespacedName: key}, false)
		}
		if e.Alarm != nil {
			e.Alarm(parent.Key)
		}
	})
	e.starts = changeguard.NewStarts(func(p changeguard.Parent) {
		if e.StartChanged != nil {
			e.StartChanged(p.Key)
		}
	}, nil)
	e.Starts, e.UniqueValues = Starts{e}, UniqueValues{e}
	e.observer = observer{Config: &e.Config, stores: e.stores, resolver: resolver{parents: c.Parents, connected: c.Connected, table: c.Table, clock: c.Clock, readings: c.Readings}, began: c.Clock.Now()}
	e.guard = changeGuard{&e.Config, e.changes, e.starts}
	e.reporter = reporter{&e.Config, e.stores}
	return e
}

// Arrived says that a request came out of the queue; done is to be called once it is dealt with.
func (e *Engine) Arrived(req ctrl.Request) (done func()) {
	works, statuses := e.works.Arrived(req), e.statuses.Arrived(req)
	return func() {
		statuses()
		works()
	}
}

// Reconcile brings one account to what its resource declares.
func (e *Engine) Reconcile(ctx context.Context, m Managed) (ctrl.Result, error) {
	if o := m.Object(); e.ownWrites.Behind(o.GetUID(), o.GetResourceVersion(), e.Clock.Now()) {
		return ctrl.Result{RequeueAfter: readyourwrites.Pause}, nil
	}
	s := newScope(m, e.Installation)
	s.tookOut = func(version string) { e.unverified.Own(s.uid(), version) }
	result, err := e.reconcile(ctx, s)
	if apierrors.IsConflict(err) || apierrors.IsNotFound(err) {
		// Somebody changed or deleted the resource meanwhile: what is newer is reconciled again.
		log.FromContext(ctx).V(1).Info("overtaken by a change", "cause", err.Error())
		return ctrl.Result{RequeueAfter: conditions.SoonAtLeast}, nil
	}
	return result, err
}

func (e *Engine) reconcile(ctx context.Context, s *scope) (ctrl.Result, error) {
	if ours, err := e.ours(ctx, s); !ours || err != nil {
		return ctrl.Result{}, err
	}
	req := ctrl.Request{NamespacedName: client.ObjectKeyFromObject(s.obj)}
	if untouched(s) {
		e.attempts.NoteNew(s.uid())
	}
	if isReleased(s.obj) {
		return kept(ctx, e, s)
	}
	if !s.obj.GetDeletionTimestamp().IsZero() {
		seeDeleted(e, s)
		return e.works.Do(s.declared.Parent, req, true, func() (ctrl.Result, error) { return e.release(ctx, s) })
	}
	if pause := untilStatus(e, s, false); pause > 0 {
		return ctrl.Result{RequeueAfter: pause}, nil
	}
	syncPlans(e, s)
	p, view, out := e.plan(ctx, s, nil, e.guard.admit)
	if s.waitsFor != nil { // for an approval, perhaps, which it does not need any more
		e.Wake(ctrl.Request{NamespacedName: client.ObjectKeyFromObject(s.waitsFor)}, true)
	}
	if out == nil && p.Work() {
		noteBinding(s, p) // while it waits for a slot
		return e.works.Do(s.declared.Parent, req, urgency(p) > pacing.Drift, func() (ctrl.Result, error) {
			defer endBinding(s)
			return e.reporter.finish(ctx, s, e.converge(ctx, s, p, view))
		})
	}
	return e.statuses.Do(types.NamespacedName{Namespace: s.obj.GetNamespace()}, req, false, func() (ctrl.Result, error) {
		defer endBinding(s)
		if out == nil {
			out = e.execute(ctx, s, p, view).outcome
		}
		if pause := untilStatus(e, s, true); pause > 0 && out.Err == nil {
			return ctrl.Result{RequeueAfter: pause}, nil
		}
		return e.reporter.finish(ctx, s, *out)
	})
}

// ours says whether the resource is this operator's. What is remembered of another's may not hold when it comes back.
func (e *Engine) ours(ctx context.Context, s *scope) (bool, error) {
	ours, orphan, err := e.Parents.Ours(ctx, s.managed)
	s.orphan = orphan
	if !ours && err == nil {
		e.forgetAnothers(s.uid())
	}
	return ours, err
}

// plan observes a resource and plans its steps; view is what is known of the account, nil has the directory say. guard is
// asked about what the change guard has a say in. An outcome says that something could not be read.
func (e *Engine) plan(ctx context.Context, s *scope, view *account.View, guard guarding) (plan.Plan, account.View, *conditions.Outcome) {
	in, err := e.observer.observe(ctx, s, view)
	if err != nil {
		return plan.Plan{}, in.View, &conditions.Outcome{Err: err}
	}
	p := plan.For(in)
	if in.Guard, err = guard(ctx, s, in, p); err != nil {
		return plan.Plan{}, in.View, &conditions.Outcome{Err: err}
	}
	if in.Guard != nil {
		p = plan.For(in)
	}
	return p, in.View, nil
}

// converge carries out plans until there is nothing left to do, or something stands in the way.
func (e *Engine) converge(ctx context.Context, s *scope, p plan.Plan, view account.View) conditions.Outcome {
	for range maxRounds {
		r := e.execute(ctx, s, p, view)
		if r.outcome != nil {
			return *r.outcome
		}
		next, known, out := e.plan(ctx, s, r.read, e.guard.admit)
		if out == nil && !next.Work() {
			out = e.execute(ctx, s, next, known).outcome
		}
		if out != nil {
			return *out
		}
		p, view = next, known
	}
	return conditions.Outcome{Reason: v1alpha1.ReasonUpdating, Message: "the account still differs from the spec after several writes"}
}

// Plan is what would be done for a resource, and what would be said: it is computed from memory, and nothing is counted. The
// resource's status is copied before it is changed.
func (e *Engine) Plan(ctx context.Context, m Managed) (plan.Plan, error) {
	s := newScope(m, e.Installation)
	if !s.obj.GetDeletionTimestamp().IsZero() {
		s.beginDeletion(e.Clock.Now())
		in, err := e.observer.observeDeletion(ctx, s, nil)
		return plan.For(in), err
	}
	p, _, out := e.plan(ctx, s, nil, e.guard.check)
	if out != nil {
		return p, out.Err
	}
	return p, nil
}

// NeedsWork says whether a resource, which may be a cache's own, has anything to do or to say. It counts nothing, and changes
// nothing but the resource's status, which it copies before. An account that is to be read before the resource is bound to it is noted:
// thousands may be, and one read is enough.
func (e *Engine) NeedsWork(ctx context.Context, m Managed) bool {
	o := m.Object()
	if !o.GetDeletionTimestamp().IsZero() {
		return true
	}
	if e.ownWrites.Behind(o.GetUID(), o.GetResourceVersion(), e.Clock.Now()) { // and what the cache has caught up with need not be remembered
		return true
	}
	s := newScope(m, e.Installation)
	if untilStatus(e, s, false) > 0 {
		return false
	}
	p, view, out := e.plan(ctx, s, nil, e.guard.check)
	if out != nil || p.Work() {
		noteBinding(s, p)
		return true
	}
	if last := p.Last(); last.Guarded && last.Reason == "" || last.Held && !e.starts.Waits(s.parent.Guarded, resourceAtStart(s), last.Change) {
		return true // it is to be counted
	}
	if awaitsUnnoted(&e.reporter, s) {
		return true
	}
	e.reporter.writeStatus(s, *e.execute(ctx, s, p, view).outcome)
	return !e.reporter.statusUpToDate(s) && untilStatus(e, s, true) == 0
}
