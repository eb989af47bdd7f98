package controllers

import (
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"

	"cpaas.dev/child-account-operator/api/v1alpha1"
)

// Whose a resource is, by what the cache and the API server have of its ParentAccount "acme".
func TestWhoseAResourceIs(t *testing.T) {
	none, a, b := labels.Set(nil), labels.Set{"shard": "a"}, labels.Set{"shard": "b"}
	absent := []labels.Set{}
	for _, c := range []struct {
		selector     string
		cached, live []labels.Set
		going, ours  bool
	}{
		{"", absent, absent, false, true},
		{"shard=b", []labels.Set{b}, []labels.Set{b}, false, true},
		{"shard=b", []labels.Set{a}, []labels.Set{a}, false, false},
		{"shard=b", []labels.Set{none}, []labels.Set{none}, false, false},
		{"shard!=b", []labels.Set{none}, []labels.Set{none}, false, true},
		// The one that takes those without a label speaks of what has no ParentAccount, any lets it go,
		{"shard=b", absent, absent, false, false},
		{"shard=b", absent, absent, true, true},
		{"shard!=b", absent, absent, false, true},
		{"shard!=b", absent, absent, true, true},
		// but none where there is one that the cache has not seen yet.
		{"shard=b", absent, []labels.Set{b}, true, false},
		{"shard!=b", absent, []labels.Set{b}, false, false},
		{"shard!=b", absent, []labels.Set{none}, true, false},
	} {
		selector, err := labels.Parse(c.selector)
		if err != nil {
			t.Fatal(err)
		}
		r := &parentAccounts{Client: having(t, c.cached), live: having(t, c.live), share: selector}
		child := &v1alpha1.ChildAccount{ObjectMeta: metav1.ObjectMeta{UID: "uid", Namespace: "telephony", Name: "acme-sales"}}
		child.Spec.ParentRef.Name = "acme"
		if c.going {
			child.DeletionTimestamp = &metav1.Time{Time: noon}
		}
		ours, orphan, err := r.Ours(t.Context(), childAccount{child})
		if err != nil || ours != c.ours {
			t.Errorf("%+v: ours: %v, %v", c, ours, err)
		}
		if alone := len(c.cached) == 0 && !selector.Empty(); orphan != (alone && !selector.Matches(labels.Set{})) {
			t.Errorf("%+v: another's to report: %v", c, orphan)
		}
	}
}

// having is a client that sees ParentAccounts "acme" with these labels, one or none.
func having(t *testing.T, parents []labels.Set) client.WithWatch {
	t.Helper()
	scheme := runtime.NewScheme()
	if err := v1alpha1.AddToScheme(scheme); err != nil {
		t.Fatal(err)
	}
	b := fake.NewClientBuilder().WithScheme(scheme).WithIndex(&v1alpha1.ParentAccount{}, "metadata.name", func(o client.Object) []string {
		return []string{o.GetName()}
	})
	for _, l := range parents {
		b = b.WithObjects(&v1alpha1.ParentAccount{ObjectMeta: metav1.ObjectMeta{Namespace: "telephony", Name: "acme", Labels: l}})
	}
	return b.Build()
}
