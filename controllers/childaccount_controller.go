package controllers

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/util/workqueue"
	"k8s.io/utils/clock"
	"k8s.io/utils/ptr"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/controller/priorityqueue"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/controller-runtime/pkg/predicate"

	"cpaas.dev/child-account-operator/api/v1alpha1"
	"cpaas.dev/child-account-operator/internal/conditions"
	"cpaas.dev/child-account-operator/internal/directory"
	"cpaas.dev/child-account-operator/internal/fairqueue"
	"cpaas.dev/child-account-operator/internal/pacing"
	"cpaas.dev/child-account-operator/internal/readyourwrites"
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
	Recorder conditions.EventRecorder
	// Clock is the time; tests set their own.
	Clock clock.Clock
	// Installation tells the claims of this installation from others' (--installation-id).
	Installation string
	// ConnectionSecrets has the metadata of connection Secrets; nil watches none.
	ConnectionSecrets *secrets.Watched
	// Concurrency is how many ChildAccounts are reconciled at one time.
	Concurrency int
	// Only are the namespaces that are looked after (--namespaces); empty: all.
	Only []string
	// Share selects, by their labels, the ParentAccounts that this operator works for; their children follow. Nil is all.
	Share labels.Selector

	// alarm has a ParentAccount looked at, because its provider does not answer.
	alarm func(types.NamespacedName)
	// works limits the children of each parent that are worked on at one time, statuses those of each namespace of which only
	// the status is written.
	works, statuses *fairqueue.Limiter

	stores

	// gone holds, by namespaced name, the resources that were deleted and are still to be forgotten.
	gone  sync.Map
	queue atomic.Pointer[workqueue.TypedRateLimitingInterface[ctrl.Request]]
}

const (
	// childrenPerParent leaves room for the largest common batch, and others beside it.
	childrenPerParent = 128
	// childrenPerParentNamespace is how many children all ParentAccounts of one namespace have reconciled: half of the workers.
	childrenPerParentNamespace = 256
	// statusesPerNamespace is how many statuses of one namespace are written at one time where the provider need not be asked.
	statusesPerNamespace = 32
)

// Reconcile brings one account to what its ChildAccount declares.
func (r *ChildAccountReconciler) Reconcile(ctx context.Context, req ctrl.Request) (ctrl.Result, error) {
	defer r.works.Arrived(req)()
	defer r.statuses.Arrived(req)()
	r.forgetGone(req)
	child := &v1alpha1.ChildAccount{}
	if err := r.Get(ctx, req.NamespacedName, child); err != nil {
		return ctrl.Result{}, client.IgnoreNotFound(err)
	}
	if r.ownWrites.Behind(child.UID, child.ResourceVersion, r.Clock.Now()) {
		return ctrl.Result{RequeueAfter: readyourwrites.Pause}, nil
	}
	result, err := r.reconcile(ctx, newChildScope(child, r.Installation))
	if apierrors.IsConflict(err) || apierrors.IsNotFound(err) {
		// Somebody changed or deleted the resource meanwhile: what is newer is looked at again.
		log.FromContext(ctx).V(1).Info("overtaken by a change", "cause", err.Error())
		return ctrl.Result{RequeueAfter: conditions.SoonAtLeast}, nil
	}
	return result, err
}

func (r *ChildAccountReconciler) reconcile(ctx context.Context, s *childScope) (ctrl.Result, error) {
	if another, err := r.anothers(ctx, s); another || err != nil {
		return ctrl.Result{}, err
	}
	req := ctrl.Request{NamespacedName: client.ObjectKeyFromObject(s.child)}
	if !s.child.DeletionTimestamp.IsZero() {
		return r.works.Do(s.child.ParentKey(), req, true, func() (ctrl.Result, error) { return r.release(ctx, s) })
	}
	a := r.assess(ctx, s)
	if a.work {
		return r.works.Do(s.child.ParentKey(), req, urgency(a.decision) > pacing.Drift, func() (ctrl.Result, error) {
			return r.finish(ctx, s, r.converge(ctx, s, a.decision))
		})
	}
	return r.statuses.Do(types.NamespacedName{Namespace: s.child.Namespace}, req, false, func() (ctrl.Result, error) {
		return r.finish(ctx, s, a.outcome)
	})
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
		if r.needsWork(ctx, children.Items[i]) {
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
	if r.ownWrites.Behind(child.UID, child.ResourceVersion, r.Clock.Now()) { // and what the cache has caught up with need not be remembered
		return true
	}
	s := newChildScope(child, r.Installation)
	a := r.assess(ctx, s)
	if a.work || a.outcome.Err != nil {
		return true
	}
	r.writeStatus(s, a.outcome)
	return !r.said(s)
}

// recheckSecrets has the connection Secrets of some of the children looked at anew, although nothing of theirs changed.
func (r *ChildAccountReconciler) recheckSecrets(children []v1alpha1.ChildAccount, which func(*v1alpha1.ChildAccount) bool) {
	for i := range children {
		if which(&children[i]) {
			r.settledSecrets.Recheck(children[i].UID)
		}
	}
}

// SetupWithManager registers the controller.
func (r *ChildAccountReconciler) SetupWithManager(mgr ctrl.Manager) error {
	r.stores = newStores(r.wakeStopped)
	r.works = fairqueue.New(fairqueue.Limits{PerTenant: childrenPerParent, PerNamespace: childrenPerParentNamespace}, r.enqueue)
	r.statuses = fairqueue.New(fairqueue.Limits{PerTenant: statusesPerNamespace}, r.enqueue)
	capture := func(_ context.Context, queue workqueue.TypedRateLimitingInterface[ctrl.Request]) error {
		r.queue.Store(&queue)
		return nil
	}
	b := ctrl.NewControllerManagedBy(mgr)
	if r.ConnectionSecrets != nil {
		b = b.WatchesRawSource(r.ConnectionSecrets.Edits(r.resourceOf))
	}
	if r.WatchNamespaces {
		b = b.WatchesMetadata(NamespaceMetadata(), childrenIn(mgr.GetClient()), builder.WithPredicates(predicate.LabelChangedPredicate{})).
			WatchesMetadata(NamespaceMetadata(), r.forgettingNamespaces())
	}
	return b.
		Named("childaccount").
		For(&v1alpha1.ChildAccount{}, forChildAccounts()).
		Watches(&v1alpha1.ChildAccount{}, r.forgetting()).
		Watches(&v1alpha1.ParentAccount{}, childrenOf(mgr.GetClient()), forParentsOfChildren()).
		Watches(&corev1.Secret{}, childrenWith(mgr.GetClient())).
		WatchesRawSource(sourceFunc(capture)).
		WithOptions(controller.Options{MaxConcurrentReconciles: r.Concurrency}).
		Complete(r)
}

func errorAs[T error](err error) (T, bool) {
	var target T
	ok := errors.As(err, &target)
	return target, ok
}
