package cli

import (
	"bytes"
	"fmt"
	"reflect"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"cpaas.dev/child-account-operator/api/v1alpha1"
)

// laden is metadata with more than anybody reads.
func laden() metav1.ObjectMeta {
	m := metav1.ObjectMeta{
		Namespace: "telephony", Name: "acme", UID: "u", ResourceVersion: "7", Finalizers: []string{v1alpha1.Finalizer, "example.org/theirs"},
		Labels:          map[string]string{v1alpha1.LabelInput: "true", "shard": "b"},
		OwnerReferences: []metav1.OwnerReference{{Name: "theirs"}},
		ManagedFields:   []metav1.ManagedFieldsEntry{{Manager: "kubectl"}},
		Annotations: map[string]string{
			v1alpha1.AnnotationAcceptParent:         "7",
			v1alpha1.AnnotationReconcileRequestedAt: strings.Repeat("x", 9000),
			corev1.LastAppliedConfigAnnotation:      "{}",
			"example.org/large":                     strings.Repeat("x", 250_000),
			"accounts.cpaas.dev.example.org/else":   "x",
		},
	}
	for i := range 20 {
		m.Annotations[fmt.Sprintf("accounts.cpaas.dev/%02d", i)] = strings.Repeat("x", 9000)
	}
	return m
}

// What is cached of a resource is what is read of it, however much there is.
func TestStripped(t *testing.T) {
	child, parent, namespace := &v1alpha1.ChildAccount{ObjectMeta: laden()}, &v1alpha1.ParentAccount{ObjectMeta: laden()}, &metav1.PartialObjectMetadata{ObjectMeta: laden()}
	for _, o := range []client.Object{child, parent, namespace} {
		if out, err := stripped(o); err != nil || out != o {
			t.Fatalf("%T: %v, %v", o, out, err)
		}
		have, all := o.GetAnnotations(), 0
		for name, value := range have {
			all += len(name) + len(value)
			if !strings.HasPrefix(name, "accounts.cpaas.dev/") || len(value) > longestAnnotation {
				t.Errorf("%T: %s has %d bytes", o, name, len(value))
			}
		}
		if have[v1alpha1.AnnotationAcceptParent] != "7" || len(have) != 8 || all > allAnnotations {
			t.Errorf("%T: %d annotations with %d bytes", o, len(have), all)
		}
		if len(o.GetManagedFields())+len(o.GetOwnerReferences()) != 0 || len(o.GetFinalizers()) != 2 || o.GetResourceVersion() != "7" {
			t.Errorf("%T: %v", o, o)
		}
	}
	if child.Labels != nil || parent.Labels["shard"] != "b" || namespace.Labels["shard"] != "b" {
		t.Errorf("labels: %v, %v, %v", child.Labels, parent.Labels, namespace.Labels)
	}
	tombstone := cache.DeletedFinalStateUnknown{Key: "x"}
	if out, err := stripped(tombstone); err != nil || out != tombstone {
		t.Errorf("%v, %v", out, err)
	}
}

// Of an input Secret there is what can serve as credentials or a password; what is too large still shows it.
func TestStrippedSecret(t *testing.T) {
	secret := &corev1.Secret{ObjectMeta: laden(), Data: map[string][]byte{"password": []byte("x"), "credentials.json": make([]byte, 64<<10), "empty": nil}}
	for i := range 9 {
		secret.Data[fmt.Sprint("large", i)] = bytes.Repeat([]byte("x"), 100_000)
	}
	if _, err := stripped(secret); err != nil {
		t.Fatal(err)
	}
	sizes := map[string]int{}
	for key, value := range secret.Data {
		sizes[key] = len(value)
		if cap(value) >= 100_000 {
			t.Errorf("%s: %d bytes are held", key, cap(value))
		}
	}
	if want := map[string]int{"empty": 0, "password": 1, "credentials.json": 64 << 10, "large0": 64<<10 + 1, "large1": 64<<10 + 1}; !reflect.DeepEqual(sizes, want) {
		t.Errorf("%v, want %v", sizes, want)
	}
	if secret.Annotations != nil || !reflect.DeepEqual(secret.Labels, map[string]string{v1alpha1.LabelInput: "true"}) {
		t.Errorf("%v, %v", secret.Annotations, secret.Labels)
	}
}

// Very many entries are as bad as large ones.
func TestBoundedOfManyEntries(t *testing.T) {
	many := map[string][]byte{}
	for i := range 100_000 {
		many[fmt.Sprint(i)] = nil
	}
	if got := len(bounded(many, longestValue, allValues)); got < 1000 || got > allValues/perEntry {
		t.Errorf("%d entries", got)
	}
}
