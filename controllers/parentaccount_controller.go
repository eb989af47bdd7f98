package controllers

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash/fnv"
	"net/url"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/events"
	"k8s.io/client-go/util/workqueue"
	"k8s.io/utils/clock"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"cpaas.dev/child-account-operator/api/v1alpha1"
	"cpaas.dev/child-account-operator/internal/account"
	"cpaas.dev/child-account-operator/internal/directory"
	"cpaas.dev/child-account-operator/internal/provider"
	"cpaas.dev/child-account-operator/internal/secrets"
	"cpaas.dev/child-account-operator/internal/trust"
)

// +kubebuilder:rbac:groups=accounts.cpaas.dev,resources=parentaccounts,verbs=list;watch
// +kubebuilder:rbac:groups=accounts.cpaas.dev,resources=parentaccounts/status,verbs=patch

// Remote is what the controllers need of a provider.
type Remote interface {
	provider.Remote
	provider.Identifier
}

// Connection is what a connection to a provider is made of.
type Connection struct {
	// Endpoint is the API's address.
	Endpoint string
	// CABundle holds the authorities to trust there, as PEM; empty: those of the system. It is good for trust.Parse.
	CABundle []byte
	// Credentials is the service account's credentials.json.
	Credentials []byte
	// APIKey is the parent account's own API key, "" where none is given.
	APIKey account.Secret
	// Gate bounds the calls.
	Gate *directory.Gate
}

// fingerprint tells one connection from another without giving anything away.
func (c Connection) fingerprint() string {
	return digest(c.Endpoint, string(c.CABundle), c.APIKey.Reveal(), string(c.Credentials))
}

// target says where the connection leads, whatever its credentials, and on whose behalf.
func (c Connection) target(p *v1alpha1.ParentAccount) string {
	return digest(string(p.UID), c.Endpoint, string(c.CABundle))
}

func digest(parts ...string) string {
	sum := sha256.Sum256(fmt.Appendf(nil, "%q", parts))
	return hex.EncodeToString(sum[:8])
}

// Format implements fmt.Formatter: a Connection is made of secrets.
func (c Connection) Format(f fmt.State, _ rune) {
	_, _ = fmt.Fprintf(f, "connection to %s", c.Endpoint)
}

// Connect makes a connection to the provider. An error says what is wrong with the credentials; nothing is asked of the
// provider yet.
type Connect func(Connection) (Remote, error)

// ParentAccountReconciler keeps the connection to each parent account and reads its list of child accounts.
type ParentAccountReconciler struct {
	client.Client
	// Secrets reads the credentials.
	Secrets secrets.Reader
	// Parents gets every parent account that can be worked with.
	Parents *directory.Registry
	// Children is told after each resync.
	Children *ChildAccountReconciler
	// Connect makes connections.
	Connect Connect
	// AllowedEndpoints are the addresses that may be talked to (--allowed-endpoints).
	AllowedEndpoints []string
	// Recorder writes events.
	Recorder events.EventRecorder
	// Clock is the time; tests set their own.
	Clock clock.Clock
	// Concurrency is how many ParentAccounts are reconciled at one time.
	Concurrency int

	// began is when this process first looked at any.
	began moment
	queue atomic.Pointer[workqueue.TypedRateLimitingInterface[ctrl.Request]]
}

// look wakes a ParentAccount whose children find that the provider does not answer.
func (r *ParentAccountReconciler) look(parent types.NamespacedName) {
	if queue := r.queue.Load(); queue != nil {
		(*queue).Add(ctrl.Request{NamespacedName: parent})
	}
}

// parentScope is what one reconcile of a ParentAccount works with.
type parentScope struct {
	parent *v1alpha1.ParentAccount
	was    v1alpha1.ParentAccountStatus
	// children are the ChildAccounts that refer to it, shared with the cache: they must not be changed.
	children v1alpha1.ChildAccountList
	// refused is why the present credentials can't be used, where former ones go on meanwhile.
	refused *outcome
	// asked is set where the provider was asked for something, whether it answered or not.
	asked bool
}

func (s *parentScope) key() types.NamespacedName { return client.ObjectKeyFromObject(s.parent) }

// requested is the value of the annotation that asks for a look now.
func (s *parentScope) requested() string {
	return s.parent.Annotations[v1alpha1.AnnotationReconcileRequestedAt]
}

// Reconcile connects to one parent account and reads its list when it is time to.
func (r *ParentAccountReconciler) Reconcile(ctx context.Context, req ctrl.Request) (ctrl.Result, error) {
	parent := &v1alpha1.ParentAccount{}
	if err := r.Get(ctx, req.NamespacedName, parent); err != nil {
		if apierrors.IsNotFound(err) {
			r.Parents.Put(req.NamespacedName, nil)
		}
		return ctrl.Result{}, client.IgnoreNotFound(err)
	}
	if !selects(r.Children.Share, parent) {
		r.Parents.Put(req.NamespacedName, nil) // another operator's, if only from now on
		return ctrl.Result{}, nil
	}
	s := &parentScope{parent: parent, was: *parent.Status.DeepCopy()}
	out := r.reconcile(ctx, s)
	return r.finish(ctx, s, out)
}

func (r *ParentAccountReconciler) reconcile(ctx context.Context, s *parentScope) outcome {
	if s.parent.Suspended() {
		r.Parents.Put(s.key(), nil) // whoever goes on looks at the provider first
		return outcome{reason: v1alpha1.ReasonSuspended, message: "spec.suspend is true"}
	}
	if out := checkSelector(s.parent); out != nil {
		return *r.unusable(s, *out)
	}
	if err := r.List(ctx, &s.children, append(childrenOfParent(s.key()), client.UnsafeDisableDeepCopy)...); err != nil {
		return outcome{err: err}
	}
	dir, failed := r.connection(ctx, s)
	if failed != nil {
		return *failed
	}
	out := r.resync(ctx, s, dir)
	if s.refused != nil {
		return r.overlapping(s, out)
	}
	return out
}

// connection returns the parent's directory, connected with the present credentials, or with former ones where those can't
// be used (connections.go). Where neither can the parent is taken out of the registry, so that nothing more is written.
func (r *ParentAccountReconciler) connection(ctx context.Context, s *parentScope) (*directory.Parent, *outcome) {
	c := Connection{Endpoint: s.parent.Endpoint(), CABundle: s.parent.Spec.Voximplant.CABundle}
	if !slices.Contains(r.AllowedEndpoints, c.Endpoint) {
		return nil, r.unusable(s, outcome{reason: v1alpha1.ReasonEndpointNotAllowed, message: fmt.Sprintf("spec.voximplant.endpoint %s is not one of the operator's --allowed-endpoints", c.Endpoint)})
	}
	if _, err := trust.Parse(c.CABundle); err != nil {
		return nil, r.unusable(s, outcome{reason: v1alpha1.ReasonCABundleInvalid, message: "spec.voximplant.caBundle " + err.Error()})
	}
	dir, out := r.present(ctx, s, &c)
	if out != nil {
		dir, out = r.former(s, c, *out)
	}
	if out != nil {
		return nil, out
	}
	return r.enter(s, dir)
}

// present is the connection with the present credentials: the one that there is, or a new one.
func (r *ParentAccountReconciler) present(ctx context.Context, s *parentScope, c *Connection) (*directory.Parent, *outcome) {
	err := r.material(ctx, s.parent, c)
	if p, ok := errorAs[*secrets.Problem](err); ok {
		return nil, &outcome{reason: p.Reason, message: p.Message}
	} else if err != nil {
		return nil, &outcome{err: err}
	}
	dir := r.Parents.Get(s.key())
	if dir != nil && dir.Connection == c.fingerprint() {
		dir.Refused = nil
		return dir, nil
	}
	if out := r.refusedBefore(s, dir, *c); out != nil {
		return nil, out
	}
	return r.connect(ctx, s, *c, dir)
}

// material reads the Secrets that a connection is made of. A *secrets.Problem says which can't be used.
func (r *ParentAccountReconciler) material(ctx context.Context, p *v1alpha1.ParentAccount, c *Connection) (err error) {
	c.Credentials, err = r.Secrets.Input(ctx, p.Namespace, p.Spec.Voximplant.CredentialsSecretRef.Name, p.CredentialsKey())
	if err != nil {
		return err
	}
	if name, key, ok := p.APIKeySecret(); ok {
		apiKey, err := r.Secrets.Input(ctx, p.Namespace, name, key)
		if err != nil {
			return err
		}
		c.APIKey = account.Secret(strings.TrimSpace(string(apiKey)))
	}
	return nil
}

// enter makes sure that the connection leads to the same account as ever, and makes it known.
func (r *ParentAccountReconciler) enter(s *parentScope, dir *directory.Parent) (*directory.Parent, *outcome) {
	host := hostOf(dir.Endpoint)
	if out := r.changed(s, dir.AccountID, host); out != nil {
		return nil, r.unusable(s, *out)
	}
	st := &s.parent.Status
	if st.EndpointHost != "" && st.EndpointHost != host {
		r.Children.Recheck(s.children.Items, func(*v1alpha1.ChildAccount) bool { return true }) // the endpoint stands in them
	}
	st.Provider, st.AccountID, st.AccountName, st.EndpointHost = "Voximplant", dir.AccountID, dir.AccountName, host
	dir.Budget.Set(s.key().String(), s.parent.RequestsPerSecond(), s.parent.MaxInFlight())
	dir.SetMaxBatch(s.parent.MaxBatchSize())
	known := *dir
	known.Verified = verified(s.parent)
	r.Parents.Put(s.key(), &known)
	return &known, nil
}

// verified names the state of the resource that a connection is good for.
func verified(p *v1alpha1.ParentAccount) string { return fmt.Sprintf("%s/%d", p.UID, p.Generation) }

// changed stops everything where the credentials or the endpoint lead to another account than before, unless accepted.
func (r *ParentAccountReconciler) changed(s *parentScope, id, host string) *outcome {
	st := s.parent.Status
	same := (st.AccountID == "" || st.AccountID == id) && (st.EndpointHost == "" || st.EndpointHost == host)
	if same || s.parent.Annotations[v1alpha1.AnnotationAcceptParent] == id {
		return nil
	}
	return &outcome{reason: v1alpha1.ReasonParentChanged, message: fmt.Sprintf(
		"this was account %s at %s, the credentials and the endpoint lead to account %s at %s: restore them, or accept with the annotation %s: %q",
		st.AccountID, st.EndpointHost, id, host, v1alpha1.AnnotationAcceptParent, id)}
}

func (r *ParentAccountReconciler) unusable(s *parentScope, out outcome) *outcome {
	r.Parents.Put(s.key(), nil)
	return &out
}

// resync reads the whole list if it is time to.
func (r *ParentAccountReconciler) resync(ctx context.Context, s *parentScope, dir *directory.Parent) outcome {
	wait := r.untilResync(s, dir.Listings())
	if down, probe := dir.Budget.Down(); down && dir.Listings().Err == nil {
		wait = 0 // the children's calls have no answer: the list tells for all of them
	} else if down {
		wait = probe
	}
	if s.requested() != dir.Requested {
		wait, dir.Requested = 0, s.requested()
	}
	if wait <= 0 {
		s.asked = true
		wait = nextResync(r.Clock.Now(), s.parent.ResyncInterval(), s.parent.UID).Sub(r.Clock.Now())
		_ = dir.Refresh(ctx, r.known(ctx, s.children.Items)) // how it went is in the directory
	}
	return r.listed(s, dir, wait)
}

// untilResync is how long the next list can wait.
func (r *ParentAccountReconciler) untilResync(s *parentScope, l directory.Listings) time.Duration {
	now := r.Clock.Now()
	switch {
	case l.TriedAt.IsZero():
		return 0
	case l.Err == nil:
		return nextResync(l.TriedAt, s.parent.ResyncInterval(), s.parent.UID).Sub(now)
	}
	out := parentTable.failed(l.Err)
	since := r.troubledSince(out, s.parent.Status.Conditions, l.TriedAt)
	return l.TriedAt.Add(parentTable.pause(out, since, l.TriedAt)).Sub(now)
}

// troubledSince is when the trouble began that the pauses grow with. What passes by itself is tried anew by every process as
// if it had just begun: a new leader whose first call has no answer would otherwise idle for as long as its predecessors did
// in vain, up to a minute, and so would all the children.
func (r *ParentAccountReconciler) troubledSince(out outcome, conditions []metav1.Condition, now time.Time) time.Time {
	since := troubledSince(conditions, now)
	if began := r.began.at(now); parentTable.retryOf(out) == soon && since.Before(began) {
		return began
	}
	return since
}

// moment is the first one that it was asked for.
type moment struct {
	once sync.Once
	time time.Time
}

func (m *moment) at(now time.Time) time.Time {
	m.once.Do(func() { m.time = now })
	return m.time
}

// nextResync is when the list after the one at last is due. Each parent has a moment of its own within the interval, so
// that many of them do not ask all at once, not even after a restart; so this is half an interval to one and a half away.
func nextResync(last time.Time, interval time.Duration, uid types.UID) time.Time {
	h := fnv.New64a()
	_, _ = h.Write([]byte(uid))
	next := last.Truncate(interval).Add(time.Duration(h.Sum64() % uint64(interval)))
	for next.Before(last.Add(interval / 2)) {
		next = next.Add(interval)
	}
	return next
}

// listed says how the last list went, and when the next one is due.
func (r *ParentAccountReconciler) listed(s *parentScope, dir *directory.Parent, next time.Duration) outcome {
	l := dir.Listings()
	if l.Err != nil {
		out := r.failed(s, l.Err)
		if down, probe := dir.Budget.Down(); down {
			probe = max(probe, soon.min)
			out.retry = &retry{min: probe, max: probe}
		}
		return out
	}
	managed := int32(0)
	for i := range s.children.Items {
		child := &s.children.Items[i]
		id := child.Status.AccountID
		if child.Status.Origin != "" && dir.Observe(directory.Key{ID: id}).Account != nil {
			managed++
		}
	}
	total := max(int32(l.Total), managed)
	s.parent.Status.ChildAccounts = &v1alpha1.ChildAccountCounts{Total: total, Managed: managed, Unmanaged: total - managed}
	return outcome{reason: v1alpha1.ReasonAvailable, message: "the account can be worked with", after: next}
}

// failed is the outcome of a call that failed; an outage past its grace makes Ready Unknown.
func (r *ParentAccountReconciler) failed(s *parentScope, err error) outcome {
	out := parentTable.failed(err)
	if c := meta.FindStatusCondition(s.was.Conditions, v1alpha1.ConditionAPIAvailable); c != nil && c.Status == no {
		out.pastGrace = r.Clock.Now().After(c.LastTransitionTime.Add(graceOf(s.parent.ResyncInterval())))
	}
	return out
}

// finish writes the status, once and only if something changed, wakes the children, and says when to come back.
func (r *ParentAccountReconciler) finish(ctx context.Context, s *parentScope, out outcome) (ctrl.Result, error) {
	if out.err != nil {
		return ctrl.Result{}, out.err
	}
	st := &s.parent.Status
	st.ObservedGeneration = s.parent.Generation
	parentTable.write(&st.Conditions, s.parent.Generation, out, r.Clock.Now())
	if v := parentTable.row(out.reason); (v.stalled || v.second == no) && !hadReason(s.was.Conditions, v1alpha1.ConditionAPIAvailable, out.reason) {
		r.Recorder.Eventf(s.parent, nil, corev1.EventTypeWarning, out.reason, "Reconcile", "%s", out.message)
	}
	if !equality.Semantic.DeepEqual(s.was, *st) {
		before := s.parent.DeepCopy()
		before.Status = s.was
		if err := r.Status().Patch(ctx, s.parent, client.MergeFromWithOptions(before, client.MergeFromWithOptimisticLock{})); err != nil {
			return r.overtaken(ctx, s, err)
		}
	}
	r.wake(ctx, s)
	now := r.Clock.Now()
	pause := parentTable.pause(out, r.troubledSince(out, st.Conditions, now), now)
	return ctrl.Result{RequeueAfter: parentTable.requeue(out, pause)}, nil
}

// overtaken is the end of a reconcile whose status somebody else changed meanwhile. Its list is not lost.
func (r *ParentAccountReconciler) overtaken(ctx context.Context, s *parentScope, err error) (ctrl.Result, error) {
	r.wake(ctx, s)
	if apierrors.IsConflict(err) || apierrors.IsNotFound(err) {
		log.FromContext(ctx).V(1).Info("overtaken by a change", "cause", err.Error())
		return ctrl.Result{RequeueAfter: soon.min}, nil
	}
	return ctrl.Result{}, err
}

// wake tells the children what the provider answered, or that it did not.
func (r *ParentAccountReconciler) wake(ctx context.Context, s *parentScope) {
	if s.asked {
		r.Children.Resynced(ctx, s.key())
	}
}

// known is what the children know of: their ids, and the names of those without one. Nothing is asked for those that may
// not use the parent.
func (r *ParentAccountReconciler) known(ctx context.Context, children []v1alpha1.ChildAccount) directory.Known {
	var k directory.Known
	for i := range children {
		if !r.Children.mayUse(ctx, &children[i]) {
			continue
		}
		if id := children[i].Status.AccountID; id != "" {
			k.IDs = append(k.IDs, id)
		} else {
			k.Names = append(k.Names, children[i].AccountName())
		}
	}
	return k
}

func hostOf(endpoint string) string {
	u, err := url.Parse(endpoint)
	if err != nil {
		return endpoint
	}
	return u.Host
}

// SetupWithManager registers the controller.
func (r *ParentAccountReconciler) SetupWithManager(mgr ctrl.Manager) error {
	r.Children.alarm = r.look
	capture := func(_ context.Context, queue workqueue.TypedRateLimitingInterface[ctrl.Request]) error {
		r.queue.Store(&queue)
		return nil
	}
	return ctrl.NewControllerManagedBy(mgr).
		Named("parentaccount").
		For(&v1alpha1.ParentAccount{}, forParentAccounts()).
		Watches(&corev1.Secret{}, parentsWith(mgr.GetClient())).
		WatchesRawSource(sourceFunc(capture)).
		WithOptions(controller.Options{MaxConcurrentReconciles: r.Concurrency}).
		Complete(r)
}
