package secrets

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/event"

	"cpaas.dev/child-account-operator/api/v1alpha1"
)

// cached is a cache of connection Secrets' metadata.
type cached struct {
	cache.Cache
	secrets []*metav1.PartialObjectMetadata
	index   client.IndexerFunc
	err     error
}

func (c *cached) IndexField(_ context.Context, _ client.Object, _ string, f client.IndexerFunc) error {
	c.index = f
	return nil
}

func (c *cached) Get(_ context.Context, key client.ObjectKey, o client.Object, _ ...client.GetOption) error {
	for _, s := range c.secrets {
		if client.ObjectKeyFromObject(s) == key {
			s.DeepCopyInto(o.(*metav1.PartialObjectMetadata))
			return nil
		}
	}
	if c.err != nil {
		return c.err
	}
	return apierrors.NewNotFound(corev1.Resource("secrets"), key.Name)
}

func (c *cached) List(_ context.Context, l client.ObjectList, options ...client.ListOption) error {
	o := client.ListOptions{}
	o.ApplyOptions(options)
	want, _ := o.FieldSelector.RequiresExactMatch(indexRenamed)
	for _, s := range c.secrets {
		if s.Namespace == o.Namespace && slices.Contains(c.index(s), want) {
			list := l.(*metav1.PartialObjectMetadataList)
			list.Items = append(list.Items, *s)
		}
	}
	return nil
}

// of is the metadata of a Secret that belongs to a resource, with what each manager has written.
func of(name, resource string, written map[string]string) *metav1.PartialObjectMetadata {
	meta := Metadata()
	meta.Namespace, meta.Name, meta.Annotations = "telephony", name, map[string]string{v1alpha1.AnnotationResource: resource}
	for manager, fields := range written {
		meta.ManagedFields = append(meta.ManagedFields, metav1.ManagedFieldsEntry{Manager: manager, FieldsV1: metav1.NewFieldsV1(fields)})
	}
	return meta
}

func usual(resource string) string { return strings.TrimPrefix(resource, "Kind/") + "-connection" }

const ownData = `{"f:data":{"f:password":{},"f:apiKey":{}},"f:metadata":{"f:labels":{"f:team":{}},"f:annotations":{"f:note":{}}}}`

func TestIntact(t *testing.T) {
	key := client.ObjectKey{Namespace: "telephony", Name: "a-connection"}
	fields := []Field{DataField("password"), DataField("apiKey"), AnnotationField("note")}
	for name, c := range map[string]struct {
		written map[string]string
		want    bool
	}{
		"all is ours":                 {map[string]string{FieldManager: ownData}, true},
		"somebody wrote beside it":    {map[string]string{FieldManager: ownData, "kubectl": `{"f:data":{"f:more":{}}}`}, true},
		"the key is somebody else's":  {map[string]string{FieldManager: `{"f:data":{"f:password":{}}}`, "kubectl": `{"f:data":{"f:apiKey":{}}}`}, false},
		"a password is being changed": {map[string]string{FieldManager: strings.Replace(ownData, `"f:apiKey"`, `"f:passwordNext":{},"f:apiKey"`, 1)}, false},
		"what no one can read":        {map[string]string{FieldManager: `{`}, false},
		"nothing":                     {nil, false},
	} {
		w := &Watched{Cache: &cached{secrets: []*metav1.PartialObjectMetadata{of("a-connection", "Kind/a", c.written)}}, DefaultName: usual}
		if got := w.Intact(t.Context(), key, fields); got != c.want {
			t.Errorf("%s: %v", name, got)
		}
	}
	if (&Watched{Cache: &cached{}}).Intact(t.Context(), key, nil) {
		t.Error("one that is missing is intact")
	}
}

// A password belongs to the account that the Secret tells of, and is only prepared where it tells of none.
func TestPrepared(t *testing.T) {
	key := client.ObjectKey{Namespace: "telephony", Name: "a-connection"}
	for data, want := range map[string]bool{
		`"f:password":{}`: true, `"f:passwordNext":{},"f:email":{}`: true, `"f:email":{}`: false, `"f:password":{},"f:accountID":{}`: false,
	} {
		secret := of("a-connection", "Kind/a", map[string]string{FieldManager: `{"f:data":{` + data + `}}`})
		if got := (&Watched{Cache: &cached{secrets: []*metav1.PartialObjectMetadata{secret}}}).Prepared(t.Context(), key); got != want {
			t.Errorf("%s: %v", data, got)
		}
	}
	if (&Watched{Cache: &cached{}}).Prepared(t.Context(), key) {
		t.Error("one that is missing holds a password")
	}
}

// Only what others did to a connection Secret wakes its resource.
func TestEditsOfOthers(t *testing.T) {
	before := of("a-connection", "Kind/a", map[string]string{FieldManager: ownData})
	more := of("a-connection", "Kind/a", map[string]string{FieldManager: strings.Replace(ownData, `"f:apiKey"`, `"f:email":{},"f:apiKey"`, 1)})
	theirs := of("a-connection", "Kind/a", map[string]string{FieldManager: ownData, "kubectl": `{"f:data":{"f:more":{}}}`})
	again := theirs.DeepCopy()
	for i := range again.ManagedFields {
		if again.ManagedFields[i].Manager == "kubectl" {
			again.ManagedFields[i].Time = &metav1.Time{Time: time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC)}
		}
	}
	taken := of("a-connection", "Kind/a", map[string]string{FieldManager: `{"f:data":{"f:password":{}}}`})
	bare := of("a-connection", "Kind/a", map[string]string{FieldManager: ownData})
	bare.ManagedFields = append(bare.ManagedFields, metav1.ManagedFieldsEntry{Manager: "kubectl"})
	edits := editsOfOthers()
	for name, c := range map[string]struct {
		before, after *metav1.PartialObjectMetadata
		want          bool
	}{
		"nothing":                     {before, before, false},
		"the operator wrote more":     {before, more, false},
		"somebody wrote a key":        {before, theirs, true},
		"somebody wrote nothing":      {before, bare, true},
		"somebody wrote it again":     {theirs, again, true},
		"somebody took one of ours":   {before, taken, true},
		"somebody took theirs away":   {theirs, before, true},
		"the operator wrote, as ever": {theirs, theirs, false},
	} {
		if got := edits.Update(event.TypedUpdateEvent[*metav1.PartialObjectMetadata]{ObjectOld: c.before, ObjectNew: c.after}); got != c.want {
			t.Errorf("%s: %v", name, got)
		}
	}
	if edits.Create(event.TypedCreateEvent[*metav1.PartialObjectMetadata]{Object: before}) || !edits.Delete(event.TypedDeleteEvent[*metav1.PartialObjectMetadata]{Object: before}) {
		t.Error("a new one is an edit, or one that is deleted is none")
	}
}

// Whatever name a connection Secret has, or had, it is found.
func TestOthersOfAResource(t *testing.T) {
	c := &cached{secrets: []*metav1.PartialObjectMetadata{
		of("a-connection", "Kind/a", nil), of("old", "Kind/a", nil), of("older", "Kind/a", nil), of("b-connection", "Kind/b", nil), of("strange", "Kind/b", nil),
	}}
	w := &Watched{Cache: c, DefaultName: usual}
	if err := w.Index(t.Context()); err != nil {
		t.Fatal(err)
	}
	for present, want := range map[string][]string{
		"new": {"old", "older", "a-connection"}, "a-connection": {"old", "older"}, "old": {"older", "a-connection"},
	} {
		got, err := w.Others(t.Context(), Connection{Namespace: "telephony", Name: present, Resource: "Kind/a"})
		if err != nil || !slices.Equal(got, want) {
			t.Errorf("beside %s: %v, %v, want %v", present, got, err, want)
		}
	}
	if got, err := w.Others(t.Context(), Connection{Namespace: "telephony", Name: "x", Resource: "Kind/c"}); len(got) != 0 || err != nil {
		t.Errorf("of one that has none: %v, %v", got, err)
	}
	c.err = errors.New("the cache is not there")
	if _, err := w.Others(t.Context(), Connection{Namespace: "telephony", Name: "x", Resource: "Kind/c"}); !errors.Is(err, c.err) {
		t.Errorf("%v", err)
	}
}

func TestOwnerName(t *testing.T) {
	if name, ok := OwnerName(of("x", "Kind/a", nil), "Kind"); name != "a" || !ok {
		t.Errorf("%q, %v", name, ok)
	}
	for _, resource := range []string{"", "Other/a", "Kind"} {
		if name, ok := OwnerName(of("x", resource, nil), "Kind"); ok {
			t.Errorf("%q belongs to %q", resource, name)
		}
	}
}

// What is cached of a connection Secret is what is read of it, and what all have in common is there once.
func TestSlimMetadata(t *testing.T) {
	slim := SlimMetadata()
	var fields []*metav1.FieldsV1
	for range 3 {
		s := of("a-connection", "Kind/a", map[string]string{FieldManager: ownData})
		s.Labels, s.Annotations["large"] = map[string]string{"a": "b"}, "text"
		out, err := slim(s)
		if err != nil {
			t.Fatal(err)
		}
		got := out.(*metav1.PartialObjectMetadata)
		if len(got.Labels) != 0 || len(got.Annotations) != 1 || got.Annotations[v1alpha1.AnnotationResource] != "Kind/a" {
			t.Errorf("cached: %v %v", got.Labels, got.Annotations)
		}
		fields = append(fields, got.ManagedFields[0].FieldsV1)
	}
	if fields[1] != fields[0] || fields[2] != fields[0] {
		t.Error("the same fields are cached more than once")
	}
	if out, err := slim("else"); out != "else" || err != nil {
		t.Errorf("%v, %v", out, err)
	}
}
