package controllers

import (
	"context"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/source"

	"cpaas.dev/child-account-operator/api/v1alpha1"
)

// FieldManager is the name under which the API server knows what the operator writes.
const FieldManager = "child-account-operator"

// SecretMetadata is a Secret of which only the metadata is read.
func SecretMetadata() *metav1.PartialObjectMetadata {
	meta := &metav1.PartialObjectMetadata{}
	meta.SetGroupVersionKind(corev1.SchemeGroupVersion.WithKind("Secret"))
	return meta
}

// connectionSecrets wakes a resource whose connection Secret somebody else deleted or edited: it is looked at anew.
// Only metadata is watched; no password is cached.
func (r *ChildAccountReconciler) connectionSecrets() source.Source {
	return source.Kind(r.ConnectionSecrets, SecretMetadata(),
		handler.TypedEnqueueRequestsFromMapFunc(r.resourceOf),
		predicate.TypedFuncs[*metav1.PartialObjectMetadata]{
			CreateFunc: func(event.TypedCreateEvent[*metav1.PartialObjectMetadata]) bool { return false },
			UpdateFunc: func(e event.TypedUpdateEvent[*metav1.PartialObjectMetadata]) bool {
				return othersWrote(e.ObjectNew) != othersWrote(e.ObjectOld)
			},
		})
}

// resourceOf is the ChildAccount that a connection Secret names as its own.
func (r *ChildAccountReconciler) resourceOf(ctx context.Context, secret *metav1.PartialObjectMetadata) []ctrl.Request {
	name, ok := strings.CutPrefix(secret.Annotations[v1alpha1.AnnotationResource], "ChildAccount/")
	if !ok {
		return nil
	}
	key := types.NamespacedName{Namespace: secret.Namespace, Name: name}
	child := &v1alpha1.ChildAccount{}
	if r.Get(ctx, key, child) != nil || child.ConnectionSecretName() != secret.Name {
		return nil
	}
	r.recheck.Store(child.UID, true)
	return []ctrl.Request{{NamespacedName: key}}
}

// othersWrote sums up what others than the operator wrote, and when.
func othersWrote(o metav1.Object) string {
	var b strings.Builder
	for _, f := range o.GetManagedFields() {
		if f.Manager != FieldManager {
			b.WriteString(f.Manager + "@" + f.Time.String() + string(f.FieldsV1.GetRawBytes()) + ";")
		}
	}
	return b.String()
}
