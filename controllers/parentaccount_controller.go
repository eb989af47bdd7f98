package controllers

import (
	"cmp"
	"context"
	"fmt"
	"sync/atomic"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/util/workqueue"
	"k8s.io/utils/clock"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"cpaas.dev/child-account-operator/api/v1alpha1"
	"cpaas.dev/child-account-operator/internal/conditions"
	"cpaas.dev/child-account-operator/internal/directory"
	"cpaas.dev/child-account-operator/internal/engine"
	"cpaas.dev/child-account-operator/internal/fairqueue"
	"cpaas.dev/child-account-operator/internal/namespacecache"
	"cpaas.dev/child-account-operator/internal/provider"
	"cpaas.dev/child-account-operator/internal/secrets"
)

// +kubebuilder:rbac:groups=accounts.cpaas.dev,resources=parentaccounts,verbs=list;watch;patch
// +kubebuilder:rbac:groups=accounts.cpaas.dev,resources=parentaccounts/status,verbs=patch

// ParentAccountReconciler keeps the connection to each parent account and reads its list of child accounts.
type ParentAccountReconciler struct {
	client.Client
	// Secrets reads the credentials.
	Secrets secrets.Reader
	// Parents gets every parent account that can be worked with.
	Parents *directory.Registry
	// Children and SubAccounts are told after each resync, each of its own provider's ParentAccounts; SubAccounts may be nil.
	Children, SubAccounts *AccountReconciler
	// Providers makes connections to the providers that there are.
	Providers provider.Registry
	// AllowedEndpoints are the addresses that may be talked to (--allowed-endpoints).
	AllowedEndpoints []string
	// Recorder emits events.
	Recorder conditions.EventRecorder
	// Clock is the time; tests set their own.
	Clock clock.Clock
	// Concurrency is how many ParentAccounts are reconciled at one time.
	Concurrency int
	// BelievedAfter is how long credentials have to be missing, or to lack their label, until that is believed; default BelievedAfter.
	BelievedAfter time.Duration
	// LeastBatchDelay is how long an update waits at least for others that are the same; default 0, as internal/directory has it.
	LeastBatchDelay time.Duration
	// CountsAfter is how long after the last new account the status counts the accounts; default CountsAfter.
	CountsAfter time.Duration

	// began is when this process first reconciled a ParentAccount.
	began firstTime
	// works limits the ParentAccounts of each namespace that are worked on at one time.
	works *fairqueue.Limiter
	queue atomic.Pointer[workqueue.TypedRateLimitingInterface[ctrl.Request]]
}

// parentsPerNamespace is how many ParentAccounts of one namespace are reconciled at one time: a quarter of the workers.
const parentsPerNamespace = 8

// enqueue has a ParentAccount reconciled whose children find that the provider does not answer, or for which a slot is free.
func (r *ParentAccountReconciler) enqueue(parent types.NamespacedName) {
	if queue := r.queue.Load(); queue != nil {
		(*queue).Add(ctrl.Request{NamespacedName: parent})
	}
}

// parentLimiter limits the ParentAccounts of each namespace; those that get a slot are woken.
func parentLimiter(wake func(types.NamespacedName)) *fairqueue.Limiter {
	return fairqueue.New(fairqueue.Limits{PerTenant: parentsPerNamespace}, func(req ctrl.Request, _ bool) { wake(req.NamespacedName) })
}

// parentScope is what one reconcile of a ParentAccount works with.
type parentScope struct {
	parent *v1alpha1.ParentAccount
	was    v1alpha1.ParentAccountStatus
	// children are the resources that refer to it, shared with the cache: they must not be changed.
	children []engine.Managed
	// refused is why the present credentials can't be used, where former ones continue meanwhile.
	refused *conditions.Outcome
	// wakes is set where the children are to hear of it: a call to the provider was made, answered or not, or may be made again.
	wakes bool
	// held is what is held back of the changes of the children.
	held engine.Held
}

// allAccounts are the reconcilers of all kinds.
func allAccounts(r *ParentAccountReconciler) []*AccountReconciler {
	if r.SubAccounts == nil {
		return []*AccountReconciler{r.Children}
	}
	return []*AccountReconciler{r.Children, r.SubAccounts}
}

// accountsOf is the reconciler of the resources that a ParentAccount can have.
func accountsOf(r *ParentAccountReconciler, p *v1alpha1.ParentAccount) *AccountReconciler {
	for _, a := range allAccounts(r) {
		if a.Kind != nil && a.Kind.provider == p.Provider() {
			return a
		}
	}
	return r.Children
}

func (s *parentScope) key() types.NamespacedName { return client.ObjectKeyFromObject(s.parent) }

// requested is the value of the annotation that requests a reconcile now.
func (s *parentScope) requested() string {
	return s.parent.Annotations[v1alpha1.AnnotationReconcileRequestedAt]
}

// Reconcile connects to one parent account and reads its list when it is time to.
func (r *ParentAccountReconciler) Reconcile(ctx context.Context, req ctrl.Request) (ctrl.Result, error) {
	defer r.works.Arrived(req)()
	parent := &v1alpha1.ParentAccount{}
	if err := r.Get(ctx, req.NamespacedName, parent); err != nil {
		if apierrors.IsNotFound(err) {
			r.Parents.Forget(req.NamespacedName)
			for _, a := range allAccounts(r) {
				a.engine.ForgetParent(req.NamespacedName)
			}
		}
		return ctrl.Result{}, namespacecache.IgnoreNotSynced(client.IgnoreNotFound(err))
	}
	if !selects(r.Children.Share, parent) {
		r.Parents.Forget(req.NamespacedName) // another operator's, if only from now on
		r.Children.Readings.Forget(req.NamespacedName)
		return ctrl.Result{}, nil
	}
	edited := parent.Status.ObservedGeneration != parent.Generation
	return r.works.Do(types.NamespacedName{Namespace: req.Namespace}, req, edited, func() (ctrl.Result, error) {
		s := &parentScope{parent: parent, was: *parent.Status.DeepCopy()}
		children, err := accountsOf(r, parent).Kind.listed(ctx, r, childrenOfParent(s.key())...)
		if namespacecache.IsNotSynced(err) && parent.Spec.TwoSMS == nil {
			return ctrl.Result{}, nil
		} else if namespacecache.IgnoreNotSynced(err) != nil {
			return ctrl.Result{}, err
		}
		s.children = children
		if released, err := hold(ctx, r.Client, s, r.Clock.Now()); apierrors.IsConflict(err) {
			return ctrl.Result{RequeueAfter: conditions.SoonAtLeast}, nil // overtaken by a change
		} else if pause, refused := engine.ParentWriteRefused(ctx, accountsOf(r, s.parent).engine, s.parent, err); refused {
			return ctrl.Result{RequeueAfter: pause}, nil
		} else if released || err != nil {
			return ctrl.Result{}, err
		}
		return r.finish(ctx, s, r.reconcile(ctx, s))
	})
}

func (r *ParentAccountReconciler) reconcile(ctx context.Context, s *parentScope) conditions.Outcome {
	if s.parent.Suspended() {
		r.Parents.Put(s.key(), nil) // after the suspension the connection is verified first
		return conditions.Outcome{Reason: v1alpha1.ReasonSuspended, Message: "spec.suspend is true"}
	}
	if out := checkSelector(s.parent); out != nil {
		return *r.unusable(s, *out)
	}
	dir, failed := r.connection(ctx, s)
	if failed != nil {
		return *failed
	}
	out := r.resync(ctx, s, dir)
	if s.refused != nil {
		return overlapping(s, out, r.Clock.Now())
	}
	return out
}

// failed is the outcome of a call that failed; an outage past its grace makes Ready Unknown.
func (r *ParentAccountReconciler) failed(s *parentScope, err error) conditions.Outcome {
	out := conditions.Parents.Failed(err)
	secret, key := s.parent.CredentialsSecret()
	if s.parent.Spec.TwoSMS != nil && (out.Reason == v1alpha1.ReasonUnauthorized || out.Reason == v1alpha1.ReasonRoleMissing) {
		out.Next = fmt.Sprintf("Have new client credentials issued at the provider, and put them into keys %s and %s of Secret %s. The operator tries them as soon as the Secret changes.",
			v1alpha1.ClientIDKey, v1alpha1.ClientSecretKey, secret)
	}
	out.Next = cmp.Or(out.Next, conditions.NextForCredentials(out.Reason, secret, key))
	var listed time.Time
	if dir := r.Parents.Former(s.key()); dir != nil {
		listed = dir.Listings().CompleteAt
	}
	ready := meta.FindStatusCondition(s.parent.Status.Conditions, v1alpha1.ConditionReady)
	// Ready does not continue to say that the Secret is missing, as it is there.
	out.PastGrace = ready != nil && takenAway(ready.Reason) || conditions.Stale(listed, s.parent.Status.Conditions, s.parent.ResyncInterval(), r.Clock.Now())
	return out
}

// finish writes the status, once and only if something changed, wakes the children, and says when to come back.
func (r *ParentAccountReconciler) finish(ctx context.Context, s *parentScope, out conditions.Outcome) (ctrl.Result, error) {
	if out.Err != nil {
		return ctrl.Result{}, out.Err
	}
	engine.AcknowledgeNotDeactivated(s.parent)
	st := &s.parent.Status
	s.held = accountsOf(r, s.parent).engine.Held(accountsOf(r, s.parent).parents.parentOf(s.parent).Guarded)
	writePending(r, s)
	st.ChangeBudget = engine.ChangeBudgetOf(s.held.Used)
	engine.NoteEarlierPlans(accountsOf(r, s.parent).engine, s.parent, s.was.AccountID)
	engine.NoteShared(ctx, accountsOf(r, s.parent).engine, s.parent, s.was.AccountID)
	if out = held(r, s, out, r.Clock.Now()); out.Reason != "" { // else there is nothing to say yet of credentials that were taken away
		st.ObservedGeneration = s.parent.Generation
		conditions.Parents.Write(&st.Conditions, s.parent.Generation, out, r.Clock.Now())
	}
	s.wakes = engine.ProviderRecovered(accountsOf(r, s.parent).engine, s.parent, s.was.Conditions, func() []engine.Managed { return s.children }) || s.wakes
	engine.WriteCapabilities(accountsOf(r, s.parent).engine, s.key(), &st.Conditions, s.parent.Generation)
	if !equality.Semantic.DeepEqual(s.was, *st) {
		before := s.parent.DeepCopy()
		before.Status = s.was
		if err := r.Status().Patch(ctx, s.parent, client.MergeFromWithOptions(before, client.MergeFromWithOptimisticLock{})); err != nil {
			return r.overtaken(ctx, s, err)
		}
	}
	engine.ParentStatusStored(accountsOf(r, s.parent).engine, s.key())
	engine.ReportParent(ctx, accountsOf(r, s.parent).engine, s.parent, s.was.Conditions, out)
	engine.EmitStartHeld(ctx, accountsOf(r, s.parent).engine, s.parent, s.was.PendingApprovals)
	engine.EmitMismatch(r.Recorder, s.parent, s.was)
	engine.ReportMissing(ctx, accountsOf(r, s.parent).engine, s.parent, s.was.Conditions, st.Conditions)
	r.wake(ctx, s)
	now := r.Clock.Now()
	pause := conditions.Parents.Pause(out, r.troubledSince(out, st.Conditions, now), now)
	pause = untilReleased(s.parent, conditions.Parents.Requeue(out, pause), now)
	pause = engine.ReadBesideList(ctx, accountsOf(r, s.parent).engine, s.key(), s.requested(), pause, func() { accountsOf(r, s.parent).resynced(ctx, s.key()) })
	pause = engine.KeepOwnAccount(ctx, accountsOf(r, s.parent).engine, accountsOf(r, s.parent).parents.parentOf(s.parent), s.parent, pause)
	return ctrl.Result{RequeueAfter: pause}, nil
}

// overtaken is the end of a reconcile whose status somebody else changed meanwhile. Its list is not lost.
func (r *ParentAccountReconciler) overtaken(ctx context.Context, s *parentScope, err error) (ctrl.Result, error) {
	r.wake(ctx, s)
	if apierrors.IsConflict(err) || apierrors.IsNotFound(err) {
		log.FromContext(ctx).V(1).Info("overtaken by a change", "cause", err.Error())
		return ctrl.Result{RequeueAfter: conditions.SoonAtLeast}, nil
	}
	if pause, refused := engine.ParentWriteRefused(ctx, accountsOf(r, s.parent).engine, s.parent, err); refused {
		return ctrl.Result{RequeueAfter: pause}, nil
	}
	return ctrl.Result{}, err
}

// wake tells the children what the provider answered, or that it did not.
func (r *ParentAccountReconciler) wake(ctx context.Context, s *parentScope) {
	if s.wakes {
		s.children = nil // there may be thousands, and they are read again
		accountsOf(r, s.parent).resynced(ctx, s.key())
	}
}

// SetupWithManager registers the controller.
func (r *ParentAccountReconciler) SetupWithManager(mgr ctrl.Manager) error {
	for _, a := range allAccounts(r) {
		a.engine.Alarm, a.engine.StartChanged = r.enqueue, r.enqueue
	}
	share(r)
	r.works = parentLimiter(r.enqueue)
	capture := func(_ context.Context, queue workqueue.TypedRateLimitingInterface[ctrl.Request]) error {
		r.queue.Store(&queue)
		return nil
	}
	counting := countingChildren(r)
	b := ctrl.NewControllerManagedBy(mgr)
	for _, a := range allAccounts(r) {
		b = b.Watches(a.Kind.object(), counting).
			Watches(a.Kind.object(), handler.EnqueueRequestsFromMapFunc(parentOfChild), builder.WithPredicates(endsWaiting))
	}
	return b.
		Named("parentaccount").
		For(&v1alpha1.ParentAccount{}, forParentAccounts()).
		Watches(&corev1.Secret{}, parentsWith(mgr.GetClient())).
		Watches(&v1alpha1.ChildAccount{}, handler.EnqueueRequestsFromMapFunc(parentOfChild), builder.WithPredicates(holdsParent)).
		WatchesRawSource(sourceFunc(capture)).
		WithOptions(controllerOptions(r.Concurrency)).
		Complete(r)
}
