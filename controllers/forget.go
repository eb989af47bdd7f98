package controllers

import (
	"context"

	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/util/workqueue"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"

	"cpaas.dev/child-account-operator/internal/attempts"
	"cpaas.dev/child-account-operator/internal/changeguard"
	"cpaas.dev/child-account-operator/internal/readyourwrites"
	"cpaas.dev/child-account-operator/internal/secrets"
)

// stores are what is remembered between reconciles, each owned by a package of its own. After a restart they are empty, and
// nothing depends on that.
type stores struct {
	// guard stops mass changes and deactivations beyond the budget.
	guard *changeguard.Guard
	// attempts are those that failed.
	attempts *attempts.Store
	// ownWrites are what the cache may not have yet.
	ownWrites *readyourwrites.Writes
	// passwords are those that accounts are known to have.
	passwords *secrets.KnownPasswords
	// settledSecrets are what the connection Secrets are known to be made of.
	settledSecrets *secrets.Settled
}

// newStores returns empty ones. wakeStopped has resources looked at whose changes are stopped.
func newStores(wakeStopped func([]types.NamespacedName)) stores {
	return stores{
		guard:          changeguard.New(wakeStopped, nil),
		attempts:       attempts.New(),
		ownWrites:      readyourwrites.New(),
		passwords:      secrets.NewKnownPasswords(),
		settledSecrets: secrets.NewSettled(),
	}
}

// forget drops all that is remembered of a resource that is deleted.
func (s stores) forget(uid types.UID) {
	s.guard.Forget(uid)
	s.attempts.Forget(uid)
	s.ownWrites.Forget(uid)
	s.passwords.Forget(uid)
	s.settledSecrets.Forget(uid)
}

// forgetAnothers drops what may not hold when a resource that is another operator's comes back.
func (s stores) forgetAnothers(uid types.UID) {
	s.attempts.Forget(uid)
	s.passwords.Forget(uid)
	s.settledSecrets.Unset(uid)
}

// forgetting notes which resources are gone, whoever took their finalizers away: only the event of a deletion has the UID,
// and only the next reconcile of that name comes after all that is being done for the resource now, which remembers again.
func (r *ChildAccountReconciler) forgetting() handler.EventHandler {
	return handler.Funcs{DeleteFunc: func(_ context.Context, e event.DeleteEvent, queue workqueue.TypedRateLimitingInterface[ctrl.Request]) {
		req := ctrl.Request{NamespacedName: client.ObjectKeyFromObject(e.Object)}
		r.gone.LoadOrStore(req, e.Object.GetUID()) // of several of one name, only the first was worked on
		queue.Add(req)
	}}
}

// forgettingNamespaces forgets namespaces that are deleted.
func (s stores) forgettingNamespaces() handler.EventHandler {
	return handler.Funcs{DeleteFunc: func(_ context.Context, e event.DeleteEvent, _ workqueue.TypedRateLimitingInterface[ctrl.Request]) {
		s.guard.ForgetNamespace(e.Object.GetName())
	}}
}

// forgetGone forgets the resource that had the name before, if it is gone.
func (r *ChildAccountReconciler) forgetGone(req ctrl.Request) {
	if uid, ok := r.gone.LoadAndDelete(req); ok {
		r.forget(uid.(types.UID))
		r.works.Forget(req)
		r.statuses.Forget(req)
	}
}
