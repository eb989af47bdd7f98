package controllers

import (
	"context"
	"maps"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/source"

	"cpaas.dev/child-account-operator/api/v1alpha1"
	"cpaas.dev/child-account-operator/internal/engine"
)

// The indexes of the manager's cache.
const (
	// indexParent finds the resources of all namespaces that name a ParentAccount, "namespace/name".
	indexParent = "parent"
	// indexInput finds the ParentAccounts and the resources that refer to an input Secret.
	indexInput = "inputSecrets"
)

// Index adds the indexes that the controllers need to a cache.
func Index(ctx context.Context, indexer client.FieldIndexer) error {
	for _, k := range kinds {
		for name, values := range map[string]client.IndexerFunc{
			indexParent:      func(o client.Object) []string { return []string{parentKey(o).String()} },
			indexAccountName: k.names,
			indexBound:       boundAccount,
			indexInput:       func(o client.Object) []string { return o.(resource).InputSecrets() },
		} {
			if err := indexer.IndexField(ctx, k.object(), name, values); err != nil {
				return err
			}
		}
	}
	return indexer.IndexField(ctx, &v1alpha1.ParentAccount{}, indexInput, func(o client.Object) []string {
		return o.(*v1alpha1.ParentAccount).InputSecrets()
	})
}

// childrenOfParent lists the resources of a kind that refer to a ParentAccount.
func childrenOfParent(parent types.NamespacedName) []client.ListOption {
	return []client.ListOption{client.MatchingFields{indexParent: parent.String()}}
}

// sourceFunc is a source that only hands over the controller's queue.
type sourceFunc = source.Func

// ours are the annotations of a person that ask for a reconcile.
var ours = []string{v1alpha1.AnnotationAcceptParent, v1alpha1.AnnotationReconcileRequestedAt, v1alpha1.AnnotationRotatePassword, v1alpha1.AnnotationTakeover, v1alpha1.AnnotationAcknowledgeNotDeactivated, v1alpha1.AnnotationApproveStart, v1alpha1.AnnotationHandOverTo, v1alpha1.AnnotationApproveMassChange}

// asked passes what a person asks for: a new spec, a deletion, one of our annotations; and a finalizer that was taken
// away. Our own patches pass by.
var asked = predicate.Funcs{UpdateFunc: func(e event.UpdateEvent) bool {
	before, after := e.ObjectOld, e.ObjectNew
	if before.GetGeneration() != after.GetGeneration() || before.GetDeletionTimestamp().IsZero() != after.GetDeletionTimestamp().IsZero() {
		return true
	}
	if len(after.GetFinalizers()) < len(before.GetFinalizers()) {
		return true
	}
	for _, name := range ours {
		if before.GetAnnotations()[name] != after.GetAnnotations()[name] {
			return true
		}
	}
	return false
}}

func forAccounts() builder.ForOption { return builder.WithPredicates(asked) }

// forParentAccounts passes labels too: they say whose a ParentAccount is.
func forParentAccounts() builder.ForOption {
	return builder.WithPredicates(predicate.Or[client.Object](asked, predicate.LabelChangedPredicate{}))
}

// forParentsOfChildren passes what children must know of their parent: its spec, and whether and as whom it is ready.
func forParentsOfChildren() builder.WatchesOption {
	return builder.WithPredicates(predicate.Funcs{UpdateFunc: func(e event.UpdateEvent) bool {
		before, after := e.ObjectOld.(*v1alpha1.ParentAccount), e.ObjectNew.(*v1alpha1.ParentAccount)
		return before.Generation != after.Generation || !maps.Equal(before.Labels, after.Labels) ||
			before.Annotations[v1alpha1.AnnotationApproveMassChange] != after.Annotations[v1alpha1.AnnotationApproveMassChange] ||
			before.Annotations[v1alpha1.AnnotationApproveStart] != after.Annotations[v1alpha1.AnnotationApproveStart] ||
			before.Status.AccountID != after.Status.AccountID ||
			before.Status.ObservedGeneration != after.Status.ObservedGeneration ||
			!sameCondition(before.Status.Conditions, after.Status.Conditions, v1alpha1.ConditionReady)
	}})
}

// endsWaiting passes a resource that waits for an approval no more: what its ParentAccount says of what waits may be of a former process, which
// nothing else corrects before this process has read two lists.
var endsWaiting = predicate.Funcs{
	CreateFunc: func(event.CreateEvent) bool { return false },
	DeleteFunc: func(e event.DeleteEvent) bool { return engine.WaitsForMassChange(managed(e.Object)) },
	UpdateFunc: func(e event.UpdateEvent) bool {
		return engine.WaitsForMassChange(managed(e.ObjectOld)) && !engine.WaitsForMassChange(managed(e.ObjectNew))
	},
	GenericFunc: func(event.GenericEvent) bool { return false },
}

func sameCondition(a, b []metav1.Condition, kind string) bool {
	ca, cb := meta.FindStatusCondition(a, kind), meta.FindStatusCondition(b, kind)
	if ca == nil || cb == nil {
		return ca == cb
	}
	return ca.Status == cb.Status && ca.Reason == cb.Reason && ca.Message == cb.Message
}

// childrenOf maps a ParentAccount to the resources of the kind that refer to it.
func childrenOf(r *AccountReconciler) handler.EventHandler {
	return waking(r, r.Kind.list, func(o client.Object) []client.ListOption { return childrenOfParent(client.ObjectKeyFromObject(o)) })
}

// parentsWith maps an input Secret to the ParentAccounts that refer to it.
func parentsWith(c client.Reader) handler.EventHandler {
	return waking(c, func() client.ObjectList { return &v1alpha1.ParentAccountList{} }, referringTo)
}

// referringTo selects what refers to an input Secret.
func referringTo(secret client.Object) []client.ListOption {
	return []client.ListOption{client.InNamespace(secret.GetNamespace()), client.MatchingFields{indexInput: secret.GetName()}}
}

// childrenIn maps a namespace to its resources that name a ParentAccount of another one: whether they may, may have changed with the
// namespace's labels.
func childrenIn(r *AccountReconciler) handler.EventHandler {
	return handler.EnqueueRequestsFromMapFunc(func(ctx context.Context, ns client.Object) (requests []ctrl.Request) {
		children, err := r.Kind.listed(ctx, r, client.InNamespace(ns.GetName()))
		if err != nil {
			return nil
		}
		for _, child := range children {
			if parentKey(child.Object()).Namespace != ns.GetName() {
				requests = append(requests, ctrl.Request{NamespacedName: client.ObjectKeyFromObject(child.Object())})
			}
		}
		return requests
	})
}

// waking maps an object to the resources of a list that are selected by it.
func waking(c client.Reader, list func() client.ObjectList, selected func(client.Object) []client.ListOption) handler.EventHandler {
	return handler.EnqueueRequestsFromMapFunc(func(ctx context.Context, o client.Object) (requests []ctrl.Request) {
		found := list()
		if c.List(ctx, found, append(selected(o), client.UnsafeDisableDeepCopy)...) != nil { // only names are read
			return nil
		}
		_ = meta.EachListItem(found, func(item runtime.Object) error {
			requests = append(requests, ctrl.Request{NamespacedName: client.ObjectKeyFromObject(item.(client.Object))})
			return nil
		})
		return requests
	})
}
