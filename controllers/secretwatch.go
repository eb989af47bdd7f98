package controllers

import (
	"context"
	"encoding/json"
	"strings"
	"sync/atomic"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	toolscache "k8s.io/client-go/tools/cache"
	"k8s.io/utils/ptr"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/source"

	"cpaas.dev/child-account-operator/api/v1alpha1"
	"cpaas.dev/child-account-operator/internal/secrets"
)

// FieldManager is the name under which the API server knows what the operator writes.
const FieldManager = "child-account-operator"

// SecretMetadata is a Secret of which only the metadata is read.
func SecretMetadata() *metav1.PartialObjectMetadata {
	meta := &metav1.PartialObjectMetadata{}
	meta.SetGroupVersionKind(corev1.SchemeGroupVersion.WithKind("Secret"))
	return meta
}

// SlimSecretMetadata is a transform for the cache of connection Secrets: it keeps what is read of them, and one copy of what
// the managedFields of nearly all have in common.
func SlimSecretMetadata() toolscache.TransformFunc {
	var common atomic.Pointer[metav1.FieldsV1]
	return func(in any) (any, error) {
		secret, ok := in.(*metav1.PartialObjectMetadata)
		if !ok {
			return in, nil
		}
		resource := secret.Annotations[v1alpha1.AnnotationResource]
		secret.Labels, secret.Annotations = nil, map[string]string{v1alpha1.AnnotationResource: resource}
		for i := range secret.ManagedFields {
			f := &secret.ManagedFields[i]
			if f.Manager != FieldManager || f.FieldsV1 == nil {
				continue
			}
			if known := common.Load(); known != nil && known.Equal(*f.FieldsV1) {
				f.FieldsV1 = known
			} else {
				common.Store(f.FieldsV1)
			}
		}
		return in, nil
	}
}

// connectionSecrets wakes a resource whose connection Secret somebody else deleted or edited: it is looked at anew.
// Only metadata is watched; no password is cached.
func (r *ChildAccountReconciler) connectionSecrets() source.Source {
	return source.Kind(r.ConnectionSecrets, SecretMetadata(),
		handler.TypedEnqueueRequestsFromMapFunc(r.resourceOf),
		predicate.TypedFuncs[*metav1.PartialObjectMetadata]{
			CreateFunc: func(event.TypedCreateEvent[*metav1.PartialObjectMetadata]) bool { return false },
			UpdateFunc: func(e event.TypedUpdateEvent[*metav1.PartialObjectMetadata]) bool {
				return othersWrote(e.ObjectNew) != othersWrote(e.ObjectOld) || lost(e.ObjectOld, e.ObjectNew)
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

// lost says whether anything that the operator wrote is not its any more: somebody took it away, or wrote it anew.
func lost(before, after metav1.Object) bool {
	have := ourFields(after)
	for field := range ourFields(before) {
		if !have[field] {
			return true
		}
	}
	return false
}

// ourFields are the keys of the data, the labels and the annotations that were last written by the operator.
func ourFields(o metav1.Object) map[string]bool {
	out := map[string]bool{}
	for _, f := range o.GetManagedFields() {
		var fields struct {
			Data     map[string]any `json:"f:data"`
			Metadata struct {
				Labels      map[string]any `json:"f:labels"`
				Annotations map[string]any `json:"f:annotations"`
			} `json:"f:metadata"`
		}
		if f.Manager != FieldManager || f.FieldsV1 == nil || json.Unmarshal(f.FieldsV1.GetRawBytes(), &fields) != nil {
			continue
		}
		for part, keys := range map[string]map[string]any{"data ": fields.Data, "label ": fields.Metadata.Labels, "annotation ": fields.Metadata.Annotations} {
			for key := range keys {
				out[part+key] = true
			}
		}
	}
	return out
}

// dataField and annotationField are how ourFields calls a key.
func dataField(key string) string       { return "data f:" + key }
func annotationField(key string) string { return "annotation f:" + key }

// secretIntact says, without a call, whether the connection Secret is there with all that its condition speaks of, written
// by nobody else, and no password is left under way.
func (r *ChildAccountReconciler) secretIntact(ctx context.Context, s *childScope) bool {
	if r.ConnectionSecrets == nil {
		return true
	}
	secret := SecretMetadata()
	key, asItIs := client.ObjectKey{Namespace: s.child.Namespace, Name: s.child.ConnectionSecretName()}, &client.GetOptions{UnsafeDisableDeepCopy: ptr.To(true)}
	if err := r.ConnectionSecrets.Get(ctx, key, secret, asItIs); err != nil {
		return false
	}
	have := ourFields(secret)
	for _, field := range s.secretFields() {
		if !have[field] {
			return false
		}
	}
	return !have[dataField(secrets.KeyPasswordNext)]
}

// secretFields are what the operator has written into a connection Secret that is said to be as it should.
func (s *childScope) secretFields() []string {
	fields := []string{annotationField(v1alpha1.AnnotationResource), annotationField(v1alpha1.AnnotationAccount)}
	for key := range s.connectionValues() {
		fields = append(fields, dataField(key))
	}
	if s.keyKnown() {
		fields = append(fields, dataField(secrets.KeyAPIKey))
	}
	return fields
}

// indexRenamed finds the connection Secrets of a resource that don't have the default name. Nearly all have it, and an entry
// for each would take a third of a kilobyte.
const indexRenamed = "renamed"

// IndexConnectionSecrets adds the index that the controllers need to the cache of connection Secrets' metadata.
func IndexConnectionSecrets(ctx context.Context, indexer client.FieldIndexer) error {
	return indexer.IndexField(ctx, SecretMetadata(), indexRenamed, func(o client.Object) []string {
		resource := o.GetAnnotations()[v1alpha1.AnnotationResource]
		if o.GetName() == defaultSecretName(resource) {
			return nil
		}
		return []string{resource}
	})
}

// defaultSecretName is the name that the connection Secret of "ChildAccount/<name>" has where none is declared.
func defaultSecretName(resource string) string {
	child := v1alpha1.ChildAccount{}
	child.Name = strings.TrimPrefix(resource, "ChildAccount/")
	return child.ConnectionSecretName()
}

// OtherConnectionSecrets names the connection Secrets that a resource has by other names than the present one.
func OtherConnectionSecrets(reader client.Reader) func(context.Context, secrets.Connection) ([]string, error) {
	return func(ctx context.Context, c secrets.Connection) ([]string, error) {
		list := &metav1.PartialObjectMetadataList{}
		list.SetGroupVersionKind(corev1.SchemeGroupVersion.WithKind("SecretList"))
		if err := reader.List(ctx, list, client.InNamespace(c.Namespace), client.MatchingFields{indexRenamed: c.Resource}); err != nil {
			return nil, err
		}
		usual := SecretMetadata()
		err := reader.Get(ctx, client.ObjectKey{Namespace: c.Namespace, Name: defaultSecretName(c.Resource)}, usual)
		if client.IgnoreNotFound(err) != nil {
			return nil, err
		}
		if err == nil && usual.Annotations[v1alpha1.AnnotationResource] == c.Resource {
			list.Items = append(list.Items, *usual)
		}
		var names []string
		for i := range list.Items {
			if list.Items[i].Name != c.Name {
				names = append(names, list.Items[i].Name)
			}
		}
		return names, nil
	}
}
