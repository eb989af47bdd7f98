package controllers

import (
	"context"
	"encoding/json"

	"k8s.io/apimachinery/pkg/types"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/source"

	"cpaas.dev/child-account-operator/api/v1alpha1"
	"cpaas.dev/child-account-operator/internal/changeguard"
	"cpaas.dev/child-account-operator/internal/engine"
)

// +kubebuilder:rbac:groups=accounts.cpaas.dev,resources=exampleaccounts,verbs=get;list;watch;patch
// +kubebuilder:rbac:groups=accounts.cpaas.dev,resources=exampleaccounts/status,verbs=patch

// exampleAccount is an ExampleAccount as the engine knows it.
type exampleAccount struct{ *v1alpha1.ExampleAccount }

var _ engine.Managed = exampleAccount{}

// Object implements Managed.
func (e exampleAccount) Object() client.Object { return e.ExampleAccount }

// Status implements Managed.
func (e exampleAccount) Status() *v1alpha1.AccountStatus {
	return &e.ExampleAccount.Status.AccountStatus
}

// Copy implements Managed.
func (e exampleAccount) Copy() engine.Managed { return exampleAccount{e.DeepCopy()} }

// Observed implements Observing.
func (e exampleAccount) Observed() any {
	if e.ExampleAccount.Status.Observed == nil {
		return nil
	}
	return e.ExampleAccount.Status.Observed
}

// SetObserved implements Observing.
func (e exampleAccount) SetObserved(observed any) {
	e.ExampleAccount.Status.Observed, _ = observed.(*v1alpha1.ObservedExample)
}

// ReadObserved implements Observing.
func (e exampleAccount) ReadObserved(object []byte) (any, error) {
	observed := &v1alpha1.ObservedExample{}
	return observed, json.Unmarshal(object, observed)
}

// Declaration implements Managed.
func (e exampleAccount) Declaration() engine.Declaration {
	return engine.Declaration{
		Kind: "ExampleAccount", AccountName: e.Name, Parent: types.NamespacedName{Namespace: e.Namespace, Name: e.Spec.ParentRef.Name},
		Fields: &e.Spec, ConnectionSecret: engine.SecretDeclaration{Name: e.Name + "-connection"},
	}
}

// ExampleKind is what the engine asks of ExampleAccounts.
type ExampleKind struct{ client.Reader }

var _ engine.Kind = ExampleKind{}

// CRD implements engine.Kind.
func (ExampleKind) CRD() string { return "exampleaccounts." + v1alpha1.GroupVersion.Group }

// Complete implements engine.Kind.
func (ExampleKind) Complete() bool { return true }

// Named implements engine.Kind.
func (k ExampleKind) Named(ctx context.Context, accountName string) ([]engine.Managed, error) {
	var all v1alpha1.ExampleAccountList
	err := k.List(ctx, &all)
	var out []engine.Managed
	for i := range all.Items {
		if all.Items[i].Name == accountName {
			out = append(out, exampleAccount{&all.Items[i]})
		}
	}
	return out, err
}

// Bound implements engine.Kind.
func (k ExampleKind) Bound(ctx context.Context, parentAccountID, accountID string) ([]engine.Managed, error) {
	var all v1alpha1.ExampleAccountList
	err := k.List(ctx, &all)
	var out []engine.Managed
	for i := range all.Items {
		if st := all.Items[i].Status; st.Origin != "" && st.ParentAccountID == parentAccountID && st.AccountID == accountID {
			out = append(out, exampleAccount{&all.Items[i]})
		}
	}
	return out, err
}

// Fleet implements engine.Kind.
func (k ExampleKind) Fleet(ctx context.Context, m engine.Managed) (changeguard.Fleet, error) {
	namespace := m.Object().GetNamespace()
	var all v1alpha1.ExampleAccountList
	err := k.List(ctx, &all, client.InNamespace(namespace))
	return changeguard.Fleet{Total: len(all.Items), Namespace: changeguard.Namespace{Name: namespace}}, err
}

// ExampleAccountReconciler has the engine keep the accounts of ExampleAccounts.
type ExampleAccountReconciler struct {
	client.Client

	Engine *engine.Engine
	// Woken are the resources that the engine wakes.
	Woken chan event.GenericEvent
}

// Wake is for engine.Config.
func (r *ExampleAccountReconciler) Wake(req ctrl.Request, _ bool) {
	e := &v1alpha1.ExampleAccount{}
	e.Namespace, e.Name = req.Namespace, req.Name
	r.Woken <- event.GenericEvent{Object: e}
}

// Reconcile brings one account to what its resource declares.
func (r *ExampleAccountReconciler) Reconcile(ctx context.Context, req ctrl.Request) (ctrl.Result, error) {
	defer r.Engine.Arrived(req)()
	e := &v1alpha1.ExampleAccount{}
	if err := r.Get(ctx, req.NamespacedName, e); err != nil {
		return ctrl.Result{}, client.IgnoreNotFound(err)
	}
	return r.Engine.Reconcile(ctx, exampleAccount{e})
}

// SetupWithManager registers the controller.
func (r *ExampleAccountReconciler) SetupWithManager(mgr ctrl.Manager) error {
	return ctrl.NewControllerManagedBy(mgr).
		Named("exampleaccount").
		For(&v1alpha1.ExampleAccount{}).
		WatchesRawSource(source.Channel(r.Woken, &handler.EnqueueRequestForObject{})).
		Complete(r)
}
