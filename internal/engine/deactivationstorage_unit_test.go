package engine

import (
	"errors"
	"testing"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"

	"cpaas.dev/child-account-operator/api/v1alpha1"
	"cpaas.dev/child-account-operator/internal/changeguard"
)

// A write from a stale cache stores nothing and says so; what is read then is what another process has stored.
func TestDeactivationStorage(t *testing.T) {
	scheme := runtime.NewScheme()
	if err := v1alpha1.AddToScheme(scheme); err != nil {
		t.Fatal(err)
	}
	stored := &v1alpha1.ParentAccount{ObjectMeta: metav1.ObjectMeta{Namespace: "telephony", Name: "acme", UID: "parent"}}
	c := fake.NewClientBuilder().WithScheme(scheme).WithObjects(stored).WithStatusSubresource(stored).
		WithIndex(stored, "metadata.name", func(o client.Object) []string { return []string{o.GetName()} }).Build()
	cached := &v1alpha1.ParentAccount{}
	if err := c.Get(t.Context(), client.ObjectKeyFromObject(stored), cached); err != nil {
		t.Fatal(err)
	}
	then := time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)
	storage := deactivationStorage{c, c, cached}
	one, two := changeguard.Deactivation{At: then, Namespace: "a", Name: "1"}, changeguard.Deactivation{At: then.Add(time.Second), Namespace: "a", Name: "2"}
	version, err := storage.Write(t.Context(), changeguard.Stored{ResourceVersion: cached.ResourceVersion, Deactivations: []changeguard.Deactivation{one}})
	if err != nil || version == cached.ResourceVersion {
		t.Fatalf("%s, %v", version, err)
	}
	stale := changeguard.Stored{ResourceVersion: cached.ResourceVersion, Deactivations: []changeguard.Deactivation{two}}
	if _, err := storage.Write(t.Context(), stale); !errors.Is(err, changeguard.ErrConflict) {
		t.Errorf("from a stale cache: %v", err)
	}
	got, err := storage.Read(t.Context())
	if err != nil || got.ResourceVersion != version || len(got.Deactivations) != 1 || !got.Deactivations[0].At.Equal(one.At) || got.Deactivations[0].Name != "1" {
		t.Errorf("read: %+v, %v", got, err)
	}
	got.Deactivations = append(got.Deactivations, two)
	if _, err := storage.Write(t.Context(), got); err != nil {
		t.Error(err)
	}
	if got, err := storage.Read(t.Context()); err != nil || len(got.Deactivations) != 2 {
		t.Errorf("read: %+v, %v", got, err)
	}

	recreated := cached.DeepCopy()
	recreated.UID = "recreated"
	if _, err := (deactivationStorage{c, c, recreated}).Read(t.Context()); !apierrors.IsNotFound(err) {
		t.Errorf("another parent of the same name: %v", err)
	}
}
