package directory_test

import (
	"sync"
	"testing"

	"k8s.io/apimachinery/pkg/types"

	"cpaas.dev/child-account-operator/internal/directory"
)

func TestRegistry(t *testing.T) {
	var r directory.Registry
	a, b := types.NamespacedName{Namespace: "one", Name: "acme"}, types.NamespacedName{Namespace: "two", Name: "acme"}
	if r.Get(a) != nil {
		t.Error("an empty registry has a parent")
	}
	r.Put(a, nil) // nothing to take away
	p := &directory.Parent{AccountID: "1"}
	r.Put(a, p)
	if r.Get(a) != p || r.Get(b) != nil {
		t.Error("not what was put")
	}
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() { r.Put(b, p); r.Put(b, nil); r.Get(a) })
	}
	all.Wait()
	r.Put(a, nil)
	if r.Get(a) != nil {
		t.Error("not taken away")
	}
}
