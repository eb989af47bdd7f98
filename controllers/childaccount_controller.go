package controllers

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/util/workqueue"
	"k8s.io/utils/clock"
	"k8s.io/utils/ptr"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/controller/priorityqueue"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/controller-runtime/pkg/predicate"

	"cpaas.dev/child-account-operator/api/v1alpha1"
	"cpaas.dev/child-account-operator/internal/directory"
	"cpaas.dev/child-account-operator/internal/namespacecache"
	"cpaas.dev/child-account-operator/internal/secrets"
)

// +kubebuilder:rbac:groups=accounts.cpaas.dev,resources=childaccounts,verbs=list;watch;patch
// +kubebuilder:rbac:groups=accounts.cpaas.dev,resources=childaccounts/status,verbs=patch
// +kubebuilder:rbac:groups="",resources=secrets,verbs=get;list;watch;create;patch;delete
// +kubebuilder:rbac:groups=events.k8s.io,resources=events,verbs=create;patch

// ChildAccountReconciler keeps child accounts as their ChildAccounts declare them.
type ChildAccountReconciler struct {
	client.Client
	// Connections keeps the connection Secrets.
	Connections secrets.Store
	// Inputs reads the Secrets with declared passwords.
	Inputs secrets.Reader
	// Namespaces reads the labels of namespaces, which are watched if WatchNamespaces is set.
	Namespaces      client.Reader
	WatchNamespaces bool
	// Parents holds the parent accounts that can be worked with.
	Parents *directory.Registry
	// Recorder emits events.
	Recorder EventRecorder
	// Clock is the time; tests set their own.
	Clock clock.Clock
	// Installation tells the claims of this installation from others' (--installation-id).
	Installation string
	// ConnectionSecrets sees the metadata of connection Secrets, by their label; nil watches none.
	ConnectionSecrets cache.Cache
	// Read says which namespaces can be read; nil: all.
	Read Read
	// Concurrency is how many ChildAccounts are reconciled at one time.
	Concurrency int
	// Only are the namespaces that are looked after (--namespaces); empty: all.
	Only []string
	// Share selects, by their labels, the ParentAccounts that this operator works for; their children follow. Nil is all.
	Share labels.Selector

	// alarm has a ParentAccount looked at, because its provider does not answer.
	alarm func(types.NamespacedName)
	// turnstile has the children of each parent, statuses those of each namespace of which there is only something to say.
	turnstile, statuses turnstiles

	governor  governor
	ownWrites ownWrites
	holds     holds
	passwords passwords
	// recheck holds the UIDs of resources whose connection Secret must be looked at although nothing of theirs changed.
	recheck sync.Map
	// written holds by UID what the connection Secret was last made of.
	written sync.Map
	// gone holds, by namespaced name, the resources that were deleted and are still to be forgotten.
	gone  sync.Map
	queue atomic.Pointer[workqueue.TypedRateLimitingInterface[ctrl.Request]]
}

// Reconcile brings one account to what its ChildAccount declares.
func (r *ChildAccountReconciler) Reconcile(ctx context.Context, req ctrl.Request) (ctrl.Result, error) {
	defer r.turnstile.arrived(req)()
	defer r.statuses.arrived(req)()
	r.forgetGone(req)
	child := &v1alpha1.ChildAccount{}
	if err := r.Get(ctx, req.NamespacedName, child); err != nil {
		return ctrl.Result{}, namespacecache.IgnoreNotSynced(client.IgnoreNotFound(err))
	}
	if r.ownWrites.unseen(child, r.Clock) {
		return ctrl.Result{RequeueAfter: cachePause}, nil
	}
	result, err := r.reconcile(ctx, newChildScope(child, r.Installation))
	if apierrors.IsConflict(err) || apierrors.IsNotFound(err) {
		// Somebody changed or deleted the resource meanwhile: what is newer is looked at again.
		log.FromContext(ctx).V(1).Info("overtaken by a change", "cause", err.Error())
		return ctrl.Result{RequeueAfter: soon.min}, nil
	}
	return result, err
}

func (r *ChildAccountReconciler) reconcile(ctx context.Context, s *childScope) (ctrl.Result, error) {
	if another, err := r.anothers(ctx, s); another || err != nil {
		return ctrl.Result{}, err
	}
	req := ctrl.Request{NamespacedName: client.ObjectKeyFromObject(s.child)}
	if !s.child.DeletionTimestamp.IsZero() {
		return inTurn(&r.turnstile, s.child.ParentKey(), req, true, func() (ctrl.Result, error) { return r.release(ctx, s) })
	}
	a := r.assess(ctx, s)
	if a.work {
		return inTurn(&r.turnstile, s.child.ParentKey(), req, urgency(a.decision) > directory.Drift, func() (ctrl.Result, error) {
			return r.finish(ctx, s, r.converge(ctx, s, a.decision))
		})
	}
	return inTurn(&r.statuses, types.NamespacedName{Namespace: s.child.Namespace}, req, false, func() (ctrl.Result, error) {
		return r.finish(ctx, s, a.outcome)
	})
}

// inTurn works on a resource if there is a place for it; otherwise it comes back by itself.
func inTurn(t *turnstiles, which types.NamespacedName, req ctrl.Request, urgent bool, work func() (ctrl.Result, error)) (ctrl.Result, error) {
	if !t.enter(which, req, urgent) {
		return ctrl.Result{}, nil
	}
	defer t.leave(which)
	return work()
}

// enqueue puts a resource into the queue, behind all that people and the API server ask for unless it is urgent.
func (r *ChildAccountReconciler) enqueue(req ctrl.Request, urgent bool) {
	queue := r.queue.Load()
	if queue == nil {
		return // not started yet: every resource is looked at then
	}
	if q, ok := (*queue).(priorityqueue.PriorityQueue[ctrl.Request]); ok && !urgent {
		q.AddWithOpts(priorityqueue.AddOpts{Priority: ptr.To(handler.LowPriority)}, req)
		return
	}
	(*queue).Add(req)
}

// resynced wakes the children of a parent whose account is not as declared or whose status would say something else,
// after the parent's list was read or could not be.
func (r *ChildAccountReconciler) resynced(ctx context.Context, parent types.NamespacedName) {
	var children v1alpha1.ChildAccountList
	if err := r.List(ctx, &children, append(childrenOfParent(parent), client.UnsafeDisableDeepCopy)...); err != nil {
		log.FromContext(ctx).Error(err, "children not woken")
		return
	}
	for i := range children.Items {
		if !r.waits(children.Items[i].Namespace) && r.needsWork(ctx, children.Items[i]) {
			r.enqueue(ctrl.Request{NamespacedName: client.ObjectKeyFromObject(&children.Items[i])}, false)
		}
	}
}

// needsWork says whether a resource, of the cache itself, has anything to do or to say.
func (r *ChildAccountReconciler) needsWork(ctx context.Context, cached v1alpha1.ChildAccount) bool {
	child := &cached
	child.Status = *child.Status.DeepCopy() // only that is changed, and only here
	if !child.DeletionTimestamp.IsZero() {
		return true
	}
	if r.ownWrites.unseen(child, r.Clock) { // and what the cache has caught up with need not be remembered
		return true
	}
	s := newChildScope(child, r.Installation)
	a := r.assess(ctx, s)
	if a.work || a.outcome.err != nil {
		return true
	}
	r.writeStatus(s, a.outcome)
	return !r.said(s)
}

// recheckSecrets has the connection Secrets of some of the children looked at anew, although nothing of theirs changed.
func (r *ChildAccountReconciler) recheckSecrets(children []v1alpha1.ChildAccount, which func(*v1alpha1.ChildAccount) bool) {
	for i := range children {
		if which(&children[i]) {
			r.recheck.Store(children[i].UID, true)
		}
	}
}

// SetupWithManager registers the controller.
func (r *ChildAccountReconciler) SetupWithManager(mgr ctrl.Manager) error {
	r.turnstile.places, r.turnstile.together, r.turnstile.wake = placesPerParent, placesOfParents, r.enqueue
	r.statuses.places, r.statuses.wake = placesPerNamespace, r.enqueue
	capture := func(_ context.Context, queue workqueue.TypedRateLimitingInterface[ctrl.Request]) error {
		r.queue.Store(&queue)
		return nil
	}
	b := ctrl.NewControllerManagedBy(mgr)
	if r.ConnectionSecrets != nil {
		b = b.WatchesRawSource(r.connectionSecrets())
	}
	if r.WatchNamespaces {
		b = b.WatchesMetadata(NamespaceMetadata(), childrenIn(mgr.GetClient()), builder.WithPredicates(predicate.LabelChangedPredicate{}))
	}
	return b.
		Named("childaccount").
		For(&v1alpha1.ChildAccount{}, forChildAccounts()).
		Watches(&v1alpha1.ChildAccount{}, r.forgetting()).
		Watches(&v1alpha1.ParentAccount{}, childrenOf(mgr.GetClient()), forParentsOfChildren()).
		Watches(&corev1.Secret{}, childrenWith(mgr.GetClient())).
		WatchesRawSource(sourceFunc(capture)).
		WithOptions(controllerOptions(r.Concurrency)).
		Complete(r)
}

// longestBackoff is for how long at most a resource waits whose reconcile failed at the Kubernetes API: the right to write
// its status may come back any time, and nothing tells of that.
const longestBackoff = time.Minute

func controllerOptions(concurrency int) controller.Options {
	return controller.Options{
		MaxConcurrentReconciles: concurrency,
		RateLimiter:             workqueue.NewTypedItemExponentialFailureRateLimiter[ctrl.Request](5*time.Millisecond, longestBackoff),
	}
}

func errorAs[T error](err error) (T, bool) {
	var target T
	ok := errors.As(err, &target)
	return target, ok
}
