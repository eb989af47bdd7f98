package controllers

import (
	"context"

	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/util/workqueue"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"

	"cpaas.dev/child-account-operator/internal/engine"
)

// forgetting notes which resources are gone, whoever took their finalizers away: only the event of a deletion has the UID,
// and only the next reconcile of that name comes after all that is being done for the resource now, which remembers again.
func (r *AccountReconciler) forgetting() handler.EventHandler {
	return handler.Funcs{DeleteFunc: func(ctx context.Context, e event.DeleteEvent, queue workqueue.TypedRateLimitingInterface[ctrl.Request]) {
		req := ctrl.Request{NamespacedName: client.ObjectKeyFromObject(e.Object)}
		r.gone.LoadOrStore(req, e.Object.GetUID()) // of several of one name, only the first was worked on
		queue.Add(req)
		r.wakeNamesakes(ctx, managed(e.Object), queue)
	}}
}

// wakeNamesakes wakes the resources that declare the account of one that had it and is gone: one of them may have it now.
func (r *AccountReconciler) wakeNamesakes(ctx context.Context, gone engine.Managed, queue workqueue.TypedRateLimitingInterface[ctrl.Request]) {
	if gone.Status().Origin == "" {
		return
	}
	others, err := r.engine.Kind.Named(ctx, gone.Declaration().AccountName)
	if err != nil {
		return // the next list of the provider wakes them
	}
	for _, other := range others {
		queue.Add(ctrl.Request{NamespacedName: client.ObjectKeyFromObject(other.Object())})
	}
	r.engine.Gone(ctx, gone, others)
}

// forgettingNamespaces forgets namespaces that are deleted.
func (r *AccountReconciler) forgettingNamespaces() handler.EventHandler {
	return handler.Funcs{DeleteFunc: func(_ context.Context, e event.DeleteEvent, _ workqueue.TypedRateLimitingInterface[ctrl.Request]) {
		r.engine.ForgetNamespace(e.Object.GetName())
	}}
}

// forgetGone forgets the resource that had the name before, if it is gone.
func (r *AccountReconciler) forgetGone(ctx context.Context, req ctrl.Request) error {
	uid, ok := r.gone.Load(req)
	if !ok {
		return nil
	}
	if err := r.engine.Forget(ctx, req, uid.(types.UID)); err != nil {
		return err
	}
	r.gone.Delete(req)
	return nil
}
