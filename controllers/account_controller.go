package controllers

import (
	"context"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	corev1 "k8s.io/api/core/v1"
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
	"cpaas.dev/child-account-operator/internal/engine"
	"cpaas.dev/child-account-operator/internal/namespacecache"
	"cpaas.dev/child-account-operator/internal/readings"
	"cpaas.dev/child-account-operator/internal/secrets"
)

// +kubebuilder:rbac:groups=accounts.cpaas.dev,resources=childaccounts,verbs=get;list;watch;patch
// +kubebuilder:rbac:groups=accounts.cpaas.dev,resources=childaccounts/status,verbs=patch
// +kubebuilder:rbac:groups="",resources=secrets,verbs=get;list;watch;create;patch;delete
// +kubebuilder:rbac:groups=events.k8s.io,resources=events,verbs=create;patch

// AccountReconciler has the engine keep accounts as the resources of a kind declare them.
type AccountReconciler struct {
	client.Client
	// Kind is the kind; nil: ChildAccounts.
	Kind *Kind
	// Connections keeps the connection Secrets.
	Connections secrets.Store
	// Inputs reads the Secrets with declared passwords.
	Inputs secrets.Reader
	// Namespaces reads the labels of namespaces, which are watched if WatchNamespaces is set.
	Namespaces      client.Reader
	WatchNamespaces bool
	// Parents holds the parent accounts that can be worked with.
	Parents *directory.Registry
	// Readings has what is read beside the lists of child accounts; nil reads nothing.
	Readings *readings.Store
	// Recorder emits events.
	Recorder conditions.EventRecorder
	// Clock is the time; tests set their own.
	Clock clock.Clock
	// Installation tells the claims of this installation from others' (--installation-id).
	Installation string
	// ConnectionSecrets has the metadata of connection Secrets; nil watches none.
	ConnectionSecrets *secrets.Watched
	// Read says which namespaces can be read; nil: all.
	Read Read
	// Concurrency is how many resources are reconciled at one time.
	Concurrency int
	// Only are the namespaces that are looked after (--namespaces); empty: all.
	Only []string
	// ObserveStarts has what is pending at a start held for every ParentAccount, whatever its spec says (--start-policy=Observe).
	ObserveStarts bool
	// Share selects, by their labels, the ParentAccounts that this operator works for; their children follow. Nil is all.
	Share labels.Selector

	engine  *engine.Engine
	parents *parentAccounts
	// gone holds, by namespaced name, the resources that were deleted and are still to be forgotten.
	gone  sync.Map
	queue atomic.Pointer[workqueue.TypedRateLimitingInterface[ctrl.Request]]
}

// Like is a reconciler of another kind, with all that this one was made with.
func (r *AccountReconciler) Like(kind *Kind) *AccountReconciler {
	return &AccountReconciler{
		Client: r.Client, Kind: kind, Connections: r.Connections, Inputs: r.Inputs, Namespaces: r.Namespaces, WatchNamespaces: r.WatchNamespaces,
		Parents: r.Parents, Readings: r.Readings, Recorder: r.Recorder, Clock: r.Clock, Installation: r.Installation,
		ConnectionSecrets: r.ConnectionSecrets, Read: r.Read, Concurrency: r.Concurrency, Only: r.Only, ObserveStarts: r.ObserveStarts, Share: r.Share,
	}
}

// build makes the engine.
func (r *AccountReconciler) build() {
	if r.Kind == nil {
		r.Kind = ChildAccounts
	}
	r.parents = &parentAccounts{Client: r.Client, provider: r.Kind.provider, live: r.Connections.Live, namespaces: r.Namespaces, only: r.Only, share: r.Share, read: r.Read, observeStarts: r.ObserveStarts}
	r.engine = engine.New(engine.Config{
		Client: r.Client, Kind: &kindReader{r.Client, r.Kind, r.Connections.Live, r.Namespaces, r.Read}, Table: r.Kind.table,
		Parents: r.parents, Connected: r.Parents, Connections: r.Connections, ConnectionSecrets: r.ConnectionSecrets, Inputs: r.Inputs,
		Recorder: r.Recorder, Clock: r.Clock, Readings: r.Readings, Installation: r.Installation, Wake: r.enqueue,
	})
}

// Reconcile brings one account to what its resource declares.
func (r *AccountReconciler) Reconcile(ctx context.Context, req ctrl.Request) (ctrl.Result, error) {
	defer r.engine.Arrived(req)()
	if err := r.forgetGone(ctx, req); err != nil {
		return ctrl.Result{}, err
	}
	child := r.Kind.object()
	if err := r.Get(ctx, req.NamespacedName, child); err != nil {
		return ctrl.Result{}, namespacecache.IgnoreNotSynced(client.IgnoreNotFound(err))
	}
	return r.engine.Reconcile(ctx, managed(child))
}

// enqueue puts a resource into the queue, behind all that people and the Kubernetes API ask for unless it is urgent.
func (r *AccountReconciler) enqueue(req ctrl.Request, urgent bool) {
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

// resynced wakes the children of a parent whose account does not match the spec or whose status would say something else,
// after the parent's list was read or could not be.
func (r *AccountReconciler) resynced(ctx context.Context, parent types.NamespacedName) {
	children, err := r.Kind.listed(ctx, r, childrenOfParent(parent)...)
	if err != nil {
		log.FromContext(ctx).Error(err, "children not woken")
		return
	}
	for _, child := range children {
		if !r.waits(child.Object().GetNamespace()) && r.engine.NeedsWork(ctx, child) {
			r.enqueue(ctrl.Request{NamespacedName: client.ObjectKeyFromObject(child.Object())}, false)
		}
	}
}

// recheckSecrets has the connection Secrets of some of the children read again, although nothing of theirs changed.
func (r *AccountReconciler) recheckSecrets(children []engine.Managed, which func(engine.Managed) bool) {
	for _, child := range children {
		if which(child) {
			r.engine.RecheckSecret(child.Object().GetUID())
		}
	}
}

// SetupWithManager registers the controller.
func (r *AccountReconciler) SetupWithManager(mgr ctrl.Manager) error {
	r.build()
	capture := func(_ context.Context, queue workqueue.TypedRateLimitingInterface[ctrl.Request]) error {
		r.queue.Store(&queue)
		return nil
	}
	b := ctrl.NewControllerManagedBy(mgr)
	if r.ConnectionSecrets != nil {
		b = b.WatchesRawSource(r.ConnectionSecrets.Edits(r.resourcesOf))
	}
	if r.WatchNamespaces {
		b = b.WatchesMetadata(NamespaceMetadata(), childrenIn(r), builder.WithPredicates(predicate.LabelChangedPredicate{})).
			WatchesMetadata(NamespaceMetadata(), r.forgettingNamespaces())
	}
	return b.
		Named(strings.ToLower(r.Kind.name)).
		For(r.Kind.object(), forAccounts()).
		Watches(r.Kind.object(), r.forgetting()).
		Watches(&v1alpha1.ParentAccount{}, childrenOf(r), forParentsOfChildren()).
		Watches(&corev1.Secret{}, waking(r, r.Kind.list, referringTo)).
		WatchesRawSource(sourceFunc(capture)).
		WithOptions(controllerOptions(r.Concurrency)).
		Complete(r)
}

// resourcesOf are the resource that a connection Secret names as its own, whose connection Secret is read again, and the one that it
// names as the one that the account is handed over to, while that has none.
func (r *AccountReconciler) resourcesOf(ctx context.Context, edit secrets.Edit) []ctrl.Request {
	found := r.resourceOf(ctx, edit)
	namespace, name, ok := strings.Cut(edit.Secret.Annotations[v1alpha1.AnnotationHandOverTo], "/")
	child, key := r.Kind.object(), types.NamespacedName{Namespace: namespace, Name: name}
	if ok && r.Get(ctx, key, child) == nil && managed(child).Status().Origin == "" {
		found = append(found, ctrl.Request{NamespacedName: key})
	}
	return found
}

// resourceOf is the resource that a connection Secret names as its own, whose connection Secret is read again.
func (r *AccountReconciler) resourceOf(ctx context.Context, edit secrets.Edit) []ctrl.Request {
	secret := edit.Secret
	name, ok := secrets.OwnerName(secret, r.Kind.name)
	if !ok {
		return nil
	}
	key := types.NamespacedName{Namespace: secret.Namespace, Name: name}
	child := r.Kind.object()
	if r.Get(ctx, key, child) != nil || child.ConnectionSecretName() != secret.Name {
		return nil
	}
	r.engine.SecretEdited(child.GetUID(), edit)
	return []ctrl.Request{{NamespacedName: key}}
}

// DefaultSecretName is the name that the connection Secret of a resource, such as "ChildAccount/<name>", has where none is declared.
func DefaultSecretName(resource string) string {
	kind, name, _ := strings.Cut(resource, "/")
	o := kindOf(kind).object()
	o.SetName(name)
	return o.ConnectionSecretName()
}

// Identify tells the installation's id, before anything is reconciled.
func (r *AccountReconciler) Identify(installation string) {
	r.Installation, r.engine.Installation = installation, installation
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
