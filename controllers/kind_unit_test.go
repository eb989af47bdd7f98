package controllers

import (
	"context"
	"errors"
	"testing"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"cpaas.dev/child-account-operator/api/v1alpha1"
	"cpaas.dev/child-account-operator/internal/changeguard"
)

// Resources that have no account and want none make no room.
func TestWhatIsSuspendedMakesNoRoom(t *testing.T) {
	k := &kindReader{kind: ChildAccounts, Reader: declared{n: 1000}}
	fleet, err := k.Fleet(t.Context(), childAccount{&v1alpha1.ChildAccount{}})
	if fleet.Total != 1 || err != nil {
		t.Errorf("counted %d, %v, want the one that has an account", fleet.Total, err)
	}
}

// declared lists so many suspended resources, of which one has an account.
type declared struct {
	client.Client
	n int
}

func (d declared) List(_ context.Context, list client.ObjectList, _ ...client.ListOption) error {
	children := make([]v1alpha1.ChildAccount, d.n)
	for i := range children {
		children[i].Spec.Suspend = ptr.To(true)
	}
	children[0].Status.Origin = v1alpha1.OriginCreated
	list.(*v1alpha1.ChildAccountList).Items = children
	return nil
}

// namespace is the one namespace that there is, as the cache and the Kubernetes API have it.
type namespace struct {
	client.Reader
	meta metav1.ObjectMeta
	err  error
}

func (n *namespace) Get(_ context.Context, _ client.ObjectKey, o client.Object, _ ...client.GetOption) error {
	if n.err == nil {
		o.(*metav1.PartialObjectMetadata).ObjectMeta = n.meta
	}
	return n.err
}

// A namespace is known by its UID, so that a recreated one is none that was there before; where it may not be read, by its name.
func TestNamespaceOfAFleet(t *testing.T) {
	uid, created := metav1.ObjectMeta{UID: "uid", CreationTimestamp: metav1.NewTime(noon)}, noon
	former := metav1.ObjectMeta{UID: "former", DeletionTimestamp: &metav1.Time{Time: noon.Add(-time.Minute)}}
	resource := schema.GroupResource{Resource: "namespaces"}
	broken := errors.New("broken")
	for name, c := range map[string]struct {
		cached, live *namespace
		want         changeguard.Namespace
		err          error
	}{
		"in the cache":                   {cached: &namespace{meta: uid}, want: changeguard.Namespace{Name: "telephony", UID: "uid", Created: created}},
		"not in the cache yet":           {cached: &namespace{err: apierrors.NewNotFound(resource, "telephony")}, live: &namespace{meta: uid}, want: changeguard.Namespace{Name: "telephony", UID: "uid", Created: created}},
		"a former one in the cache":      {cached: &namespace{meta: former}, live: &namespace{meta: uid}, want: changeguard.Namespace{Name: "telephony", UID: "uid", Created: created}},
		"may not be read":                {cached: &namespace{err: apierrors.NewForbidden(resource, "telephony", nil)}, want: changeguard.Namespace{Name: "telephony"}},
		"the Kubernetes API is not well": {cached: &namespace{err: broken}, want: changeguard.Namespace{Name: "telephony"}, err: broken},
	} {
		k := &kindReader{kind: ChildAccounts, Reader: declared{n: 1}, live: c.live, namespaces: c.cached}
		child := &v1alpha1.ChildAccount{ObjectMeta: metav1.ObjectMeta{Namespace: "telephony", CreationTimestamp: metav1.NewTime(noon)}}
		fleet, err := k.Fleet(t.Context(), childAccount{child})
		if !errors.Is(err, c.err) || err == nil && fleet.Namespace != c.want {
			t.Errorf("%s: %+v, %v", name, fleet.Namespace, err)
		}
	}
}
