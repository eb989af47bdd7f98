package secrets

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"strings"
	"sync/atomic"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	toolscache "k8s.io/client-go/tools/cache"
	"k8s.io/client-go/util/workqueue"
	"k8s.io/utils/ptr"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/source"

	"cpaas.dev/child-account-operator/api/v1alpha1"
)

// FieldManager is the name under which the Kubernetes API knows what the operator writes.
const FieldManager = "child-account-operator"

// indexRenamed finds the connection Secrets of a resource that don't have the default name. Nearly all have it, and an entry
// for each would take a third of a kilobyte.
const indexRenamed = "renamed"

// Metadata is a Secret of which only the metadata is read.
func Metadata() *metav1.PartialObjectMetadata {
	meta := &metav1.PartialObjectMetadata{}
	meta.SetGroupVersionKind(corev1.SchemeGroupVersion.WithKind("Secret"))
	return meta
}

// longestIntent bounds what is kept of each annotation that whoever may write Secrets can make long.
const longestIntent = 512

// longestMetadata bounds what is looked through of an annotation that names at most 64 labels and annotations.
const longestMetadata = 64 << 10

// SlimMetadata is a transform for the cache of connection Secrets: it keeps what is read of them, and one copy of what
// the managedFields of nearly all have in common.
func SlimMetadata() toolscache.TransformFunc {
	var common atomic.Pointer[metav1.FieldsV1]
	return func(in any) (any, error) {
		secret, ok := in.(*metav1.PartialObjectMetadata)
		if !ok {
			return in, nil
		}
		secret.Labels, secret.Annotations = nil, slimAnnotations(secret)
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

// slimAnnotations are the annotations that are read.
func slimAnnotations(secret *metav1.PartialObjectMetadata) map[string]string {
	slim := map[string]string{v1alpha1.AnnotationResource: secret.Annotations[v1alpha1.AnnotationResource]}
	if intent, ok := secret.Annotations[v1alpha1.AnnotationCreateIntent]; ok && len(intent) <= longestIntent {
		slim[v1alpha1.AnnotationCreateIntent] = intent
	}
	if to, ok := secret.Annotations[v1alpha1.AnnotationHandOverTo]; ok && len(to) <= longestIntent {
		slim[v1alpha1.AnnotationHandOverTo] = to
		if declared := secret.Annotations[v1alpha1.AnnotationMetadata]; strings.Contains(declared, v1alpha1.AnnotationHandOverTo) && len(declared) <= longestMetadata {
			slim[v1alpha1.AnnotationMetadata] = v1alpha1.AnnotationHandOverTo
		}
	}
	if keys := secret.Annotations[v1alpha1.AnnotationServiceKeys]; keys != "" && len(keys) <= longestServiceKeys {
		slim[v1alpha1.AnnotationServiceKeys] = keys
	}
	if verified := secret.Annotations[v1alpha1.AnnotationVerified]; verified != "" && verified == othersDigest(secret) {
		slim[v1alpha1.AnnotationVerified] = verified
	}
	return slim
}

// Watched are the connection Secrets as a cache of their metadata has them. No password is in it.
type Watched struct {
	// Cache has the metadata of connection Secrets, with SlimMetadata as its transform and the index of Index.
	Cache cache.Cache
	// DefaultName is the name that a resource's ("ChildAccount/<name>") connection Secret has where none is declared.
	DefaultName func(resource string) string
}

// Index adds the index that Others needs to the cache.
func (w *Watched) Index(ctx context.Context) error {
	return w.Cache.IndexField(ctx, Metadata(), indexRenamed, func(o client.Object) []string {
		resource := o.GetAnnotations()[v1alpha1.AnnotationResource]
		if o.GetName() == w.DefaultName(resource) {
			return nil
		}
		return []string{resource}
	})
}

// Edit is a connection Secret that somebody edited or deleted.
type Edit struct {
	// Secret is the metadata of the Secret, before the edit or after it: whose the Secret is may have been edited, too.
	Secret *metav1.PartialObjectMetadata
	// Version is the Secret's resource version after the edit.
	Version string
	// HadPassword is set where the Secret held a password before or after it.
	HadPassword bool
}

// Edits is a source of the requests for each connection Secret that somebody else deleted or edited; requests is told of the same edit
// twice where the Secret is there before and after. What the operator itself took out of a Secret looks like an edit by another client.
func (w *Watched) Edits(requests func(context.Context, Edit) []ctrl.Request) source.Source {
	type queue = workqueue.TypedRateLimitingInterface[ctrl.Request]
	add := func(ctx context.Context, q queue, hadPassword bool, version string, secrets ...*metav1.PartialObjectMetadata) {
		for _, secret := range secrets {
			for _, req := range requests(ctx, Edit{secret, version, hadPassword}) {
				q.Add(req)
			}
		}
	}
	return source.Kind(w.Cache, Metadata(), handler.TypedFuncs[*metav1.PartialObjectMetadata, ctrl.Request]{
		UpdateFunc: func(ctx context.Context, e event.TypedUpdateEvent[*metav1.PartialObjectMetadata], q queue) {
			add(ctx, q, hadPassword(e.ObjectOld) || hadPassword(e.ObjectNew), e.ObjectNew.ResourceVersion, e.ObjectOld, e.ObjectNew)
		},
		DeleteFunc: func(ctx context.Context, e event.TypedDeleteEvent[*metav1.PartialObjectMetadata], q queue) {
			add(ctx, q, hadPassword(e.Object), e.Object.ResourceVersion, e.Object)
		},
	}, editsOfOthers())
}

func editsOfOthers() predicate.TypedFuncs[*metav1.PartialObjectMetadata] {
	return predicate.TypedFuncs[*metav1.PartialObjectMetadata]{
		CreateFunc: func(event.TypedCreateEvent[*metav1.PartialObjectMetadata]) bool { return false },
		UpdateFunc: func(e event.TypedUpdateEvent[*metav1.PartialObjectMetadata]) bool {
			return othersWrote(e.ObjectNew) != othersWrote(e.ObjectOld) || lost(e.ObjectOld, e.ObjectNew)
		},
	}
}

// OwnerName is the name of the resource of a kind that the connection Secret names as its owner.
func OwnerName(secret metav1.Object, kind string) (name string, ok bool) {
	return strings.CutPrefix(secret.GetAnnotations()[v1alpha1.AnnotationResource], kind+"/")
}

// othersWrote sums up what others than the operator wrote, and when.
func othersWrote(o metav1.Object) string {
	var b strings.Builder
	for _, f := range o.GetManagedFields() {
		if f.Manager == FieldManager {
			continue
		}
		b.WriteString(f.Manager + "@")
		if f.Time != nil { // whoever writes managedFields may leave it out
			b.WriteString(f.Time.UTC().String())
		}
		if f.FieldsV1 != nil {
			b.Write(f.FieldsV1.GetRawBytes())
		}
		b.WriteString(";")
	}
	return b.String()
}

// lost says whether anything that the operator wrote is not its any more: somebody took it away, or rewrote it.
func lost(before, after metav1.Object) bool {
	have := ownFields(after)
	for field := range ownFields(before) {
		if !have[field] {
			return true
		}
	}
	return false
}

// Field is a key of the data or of the annotations of a Secret.
type Field string

// DataField and AnnotationField name a key.
func DataField(key string) Field { return Field("data f:" + key) }

// AnnotationField names an annotation.
func AnnotationField(key string) Field { return Field("annotation f:" + key) }

// ownFields are the keys of the data, the labels and the annotations that were last written by the operator.
func ownFields(o metav1.Object) map[Field]bool {
	return fieldsOf(o, func(manager string) bool { return manager == FieldManager })
}

// intactFields are those that the operator wrote last, and others' where the operator has verified them since.
func intactFields(o metav1.Object) map[Field]bool {
	if verified := o.GetAnnotations()[v1alpha1.AnnotationVerified]; verified != "" && verified == othersDigest(o) {
		return fieldsOf(o, func(string) bool { return true })
	}
	return ownFields(o)
}

// othersDigest is a digest of who else wrote what when, "" where nobody did.
func othersDigest(o metav1.Object) string {
	others := othersWrote(o)
	if others == "" {
		return ""
	}
	sum := sha256.Sum256([]byte(others))
	return hex.EncodeToString(sum[:16])
}

// fieldsOf are the keys of the data, the labels and the annotations that these managers wrote last.
func fieldsOf(o metav1.Object, of func(manager string) bool) map[Field]bool {
	out := map[Field]bool{}
	for _, f := range o.GetManagedFields() {
		var fields struct {
			Data     map[string]any `json:"f:data"`
			Metadata struct {
				Labels      map[string]any `json:"f:labels"`
				Annotations map[string]any `json:"f:annotations"`
			} `json:"f:metadata"`
		}
		if !of(f.Manager) || f.FieldsV1 == nil || json.Unmarshal(f.FieldsV1.GetRawBytes(), &fields) != nil {
			continue
		}
		for part, keys := range map[string]map[string]any{"data ": fields.Data, "label ": fields.Metadata.Labels, "annotation ": fields.Metadata.Annotations} {
			for key := range keys {
				out[Field(part+key)] = true
			}
		}
	}
	return out
}

// Intact says, without a call, whether the connection Secret is there with all these fields, written by nobody else, and no
// password is being replaced.
func (w *Watched) Intact(ctx context.Context, secret client.ObjectKey, fields []Field) bool {
	meta := w.metadata(ctx, secret)
	if meta == nil {
		return false
	}
	have := intactFields(meta)
	for _, field := range fields {
		if !have[field] {
			return false
		}
	}
	return !have[DataField(KeyPasswordNext)]
}

// PasswordIntact says, without a call, whether the password in the connection Secret is the operator's, or the Secret's annotations say why
// there is none. expected is set where the account's password was known once, missing where it is known to be missing.
func (w *Watched) PasswordIntact(ctx context.Context, secret client.ObjectKey, expected, missing bool) bool {
	meta := w.metadata(ctx, secret)
	if meta == nil {
		return false
	}
	have := intactFields(meta)
	switch {
	case have[DataField(KeyPassword)], have[AnnotationField(v1alpha1.AnnotationPasswordDigest)]:
		return true
	case hadPassword(meta): // somebody else's
		return false
	}
	return missing || !expected && !have[AnnotationField(v1alpha1.AnnotationPasswordSerial)]
}

// HoldsPassword says, without a call, whether the connection Secret holds the password of an account that it tells of, whoever wrote it.
func (w *Watched) HoldsPassword(ctx context.Context, secret client.ObjectKey) bool {
	meta := w.metadata(ctx, secret)
	if meta == nil {
		return false
	}
	have := fieldsOf(meta, func(string) bool { return true })
	return have[DataField(KeyPassword)] && have[DataField(KeyAccountID)]
}

// Exists says, without a call, whether there is such a connection Secret. The cache may be behind.
func (w *Watched) Exists(ctx context.Context, secret client.ObjectKey) bool {
	return w.metadata(ctx, secret) != nil
}

// Replacing says, without a call, whether a password is being replaced.
func (w *Watched) Replacing(ctx context.Context, secret client.ObjectKey) bool {
	return w.fields(ctx, secret)[DataField(KeyPasswordNext)]
}

// Prepared says, without a call, whether the connection Secret holds a password for an account that was to be created, and tells
// of none.
func (w *Watched) Prepared(ctx context.Context, secret client.ObjectKey) bool {
	have := w.fields(ctx, secret)
	return !have[DataField(KeyAccountID)] && (have[DataField(KeyPassword)] || have[DataField(KeyPasswordNext)])
}

// fields are those of a Secret that the operator wrote last; nil where there is no such Secret.
func (w *Watched) fields(ctx context.Context, secret client.ObjectKey) map[Field]bool {
	meta := w.metadata(ctx, secret)
	if meta == nil {
		return nil
	}
	return ownFields(meta)
}

// metadata is the cache's own of a Secret; nil where it has none.
func (w *Watched) metadata(ctx context.Context, secret client.ObjectKey) *metav1.PartialObjectMetadata {
	meta := Metadata()
	if err := w.Cache.Get(ctx, secret, meta, &client.GetOptions{UnsafeDisableDeepCopy: ptr.To(true)}); err != nil {
		return nil
	}
	return meta
}

// Others names the connection Secrets that a resource has by other names than the present one.
func (w *Watched) Others(ctx context.Context, c Connection) ([]string, error) {
	list := &metav1.PartialObjectMetadataList{}
	list.SetGroupVersionKind(corev1.SchemeGroupVersion.WithKind("SecretList"))
	if err := w.Cache.List(ctx, list, client.InNamespace(c.Namespace), client.MatchingFields{indexRenamed: c.Resource}); err != nil {
		return nil, err
	}
	usual := Metadata()
	err := w.Cache.Get(ctx, client.ObjectKey{Namespace: c.Namespace, Name: w.DefaultName(c.Resource)}, usual)
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
