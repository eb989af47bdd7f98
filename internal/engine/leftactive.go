package engine

import (
	"cmp"
	"context"
	"sync"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"cpaas.dev/child-account-operator/api/v1alpha1"
	"cpaas.dev/child-account-operator/internal/account"
	"cpaas.dev/child-account-operator/internal/conditions"
	"cpaas.dev/child-account-operator/internal/directory"
	"cpaas.dev/child-account-operator/internal/metrics"
	"cpaas.dev/child-account-operator/internal/plan"
)

// A resource with deletionPolicy Deactivate waits for the operator only by the operator's finalizer. It lacks the finalizer where the policy came
// while the resource was suspended or observed or could not use its parent, or while no operator was running; and anybody may take the finalizer away. Such a
// resource is gone before the operator can do anything, and its account stays active. That is said once it is gone.

// releases are the resources whose deletion this process has ended itself, and those under deletionPolicy Deactivate that are gone otherwise and of
// which nothing was said yet. Both are kept until they are forgotten (Engine.Forget). All methods may be called by several workers at once.
type releases struct {
	mu sync.Mutex
	// ended are resources that this process has released, or is releasing; gone are resources as they were last seen.
	ended map[types.UID]struct{}
	gone  map[types.UID]Managed
}

func newReleases() *releases {
	return &releases{ended: map[types.UID]struct{}{}, gone: map[types.UID]Managed{}}
}

// note notes that this process releases a resource.
func (r *releases) note(uid types.UID) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.ended[uid] = struct{}{}
}

// noteGone notes a resource that is gone, unless this process has released it.
func (r *releases) noteGone(m Managed) {
	r.mu.Lock()
	defer r.mu.Unlock()
	uid := m.Object().GetUID()
	if _, ended := r.ended[uid]; !ended {
		r.gone[uid] = m.Copy()
	}
}

// of is a resource that is gone and of which nothing was said yet; nil for none.
func (r *releases) of(uid types.UID) Managed {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.gone[uid]
}

// forget drops what is remembered of a resource.
func (r *releases) forget(uid types.UID) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.ended, uid)
	delete(r.gone, uid)
}

// formerParent is the ParentAccount that a resource names and may not use any more, where the resource's account is one of that parent account: its
// owner is told. Nil where that is not known.
func formerParent(ctx context.Context, e *Engine, m Managed) *Parent {
	st, key := m.Status(), m.Declaration().Parent
	if st.Origin == "" {
		return nil
	}
	parent, _, err := e.Parents.Find(ctx, m, key)
	if err != nil || parent == nil {
		return nil
	}
	accountID := parent.AccountID // a parent that is suspended, or never was connected since the start, is connected to none
	if dir := e.Connected.Get(key); dir != nil {
		accountID = dir.AccountID
	}
	if accountID != st.ParentAccountID {
		return nil
	}
	return parent
}

// noteLeftActive keeps in the status of its parent, where there is one, an account that was not deactivated: the resource's, or the one with an id.
func noteLeftActive(ctx context.Context, e *Engine, m Managed, parent *Parent, id, message string) error {
	if parent == nil || parent.NoteNotDeactivated == nil {
		return nil
	}
	o, st := m.Object(), m.Status()
	left := v1alpha1.NotDeactivatedAccount{
		Time: metav1.NewTime(e.Clock.Now()).Rfc3339Copy(), Namespace: o.GetNamespace(), Name: o.GetName(), AccountName: m.Declaration().AccountName,
		Message: cutOrNone(message, longestObserved),
	}
	if id = cmp.Or(st.AccountID, id); id != "" {
		left.AccountID = &id
	}
	err := parent.NoteNotDeactivated(ctx, left)
	return client.IgnoreNotFound(err) // where the parent is gone too, the event and the log say it
}

// tellLeftActive says of a resource with deletionPolicy Deactivate that is gone without the operator that its account stays active. An error says
// that it is to be called again.
func tellLeftActive(ctx context.Context, e *Engine, uid types.UID) error {
	m := e.releases.of(uid)
	if m == nil {
		return nil
	}
	if ours, orphan, err := e.Parents.Ours(ctx, m); err != nil || !ours || orphan {
		return err
	}
	deleted, err := surroundingsDeleted(ctx, e, m.Object().GetNamespace())
	if deleted || err != nil && !apierrors.IsForbidden(err) {
		return err
	}
	others, err := e.Kind.Named(ctx, m.Declaration().AccountName)
	if err != nil {
		return err
	}
	st := m.Status()
	if isOff(e, m) || heldByAnother(newScope(m.Copy(), e.Installation), others, st.AccountID) || handedOver(ctx, e, m, others) {
		return nil
	}
	message := "account " + m.Declaration().AccountName + " (id " + st.AccountID + ") stays as it is: the resource was deleted without the operator's finalizer, so the operator could not deactivate the account before"
	if err := noteLeftActive(ctx, e, m, formerParent(ctx, e, m), "", message); err != nil {
		if _, refused := conditions.Refusal(err); !refused {
			return err
		}
		metrics.WriteRefused(metrics.RefusedStatus) // the event and the log say what stays active
	}
	notDeactivated(e, m.Object(), message, plan.NextIfActive)
	log.FromContext(ctx).Info("account not deactivated", "accountID", st.AccountID, "cause", message)
	return nil
}

// isOff says whether the account of a resource is known, without a call, to be inactive or missing.
func isOff(e *Engine, m Managed) bool {
	st := m.Status()
	dir := e.Connected.Get(m.Declaration().Parent)
	if dir == nil || dir.AccountID != st.ParentAccountID {
		return false
	}
	view := dir.Observe(directory.Key{ID: st.AccountID, Name: m.Declaration().AccountName})
	return view.Account == nil && view.Absences >= account.AbsencesUntilMissing || view.Account != nil && dir.Fields().Deactivated(view.Account.State)
}

// notDeactivated emits the event of an account that stays as it is although the deletion policy says otherwise.
func notDeactivated(e *Engine, o client.Object, message, next string) {
	text := e.Table.ForEvent(conditions.Outcome{Message: message, Next: next})
	e.Recorder.Eventf(o, nil, corev1.EventTypeWarning, "NotDeactivated", "Delete", "%s", text)
}
