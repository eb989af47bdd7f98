package directory_test

import (
	"testing"

	"k8s.io/apimachinery/pkg/types"

	"cpaas.dev/child-account-operator/internal/account"
	"cpaas.dev/child-account-operator/internal/directory"
	"cpaas.dev/child-account-operator/internal/provider/fake"
)

// An account is known by its id once one's own credentials have read the list, and costs no call.
func TestNameOf(t *testing.T) {
	w := newSharedWorld()
	id := w.Service.Put("acme-one", account.State{}, "")
	first, second := w.Join(named("first"), source, w.Remote(), w.clock), w.Join(named("second"), source, w.Remote(), w.clock)
	expect := func(when string, d *directory.Directory, id, name string, known, ready bool) {
		t.Helper()
		if n, k, r := directory.NameOf(d, id); n != name || k != known || r != ready {
			t.Errorf("%s: %q, known %v, ready %v", when, n, k, r)
		}
	}
	expect("before a list", first, id, "", false, false)
	if err := first.Refresh(t.Context(), directory.Known{}); err != nil {
		t.Fatal(err)
	}
	calls := len(w.Calls())
	expect("after the list", first, id, "acme-one", true, true)
	expect("another id", first, id+"0", "", false, true)
	expect("by the name", first, "acme-one", "", false, true)
	expect("whose credentials have read nothing", second, id, "", false, false)
	if n := len(w.Calls()) - calls; n != 0 {
		t.Errorf("%d calls", n)
	}
	w.Add(fake.Refuse(fake.MethodList, account.Unauthorized))
	if err := first.Refresh(t.Context(), directory.Known{}); err == nil {
		t.Fatal("not refused")
	}
	expect("whose credentials were refused", first, id, "", false, false)
}

// A list that is requested is requested once, of a parent that there is.
func TestRequestList(t *testing.T) {
	var r directory.Registry
	a, b := named("a"), named("b")
	r.RequestList(a)
	r.Put(a, &directory.Parent{})
	r.Put(b, &directory.Parent{})
	for _, key := range []types.NamespacedName{a, b} {
		if r.TakeListRequest(key) {
			t.Errorf("%s: nobody has requested it", key)
		}
	}
	r.RequestList(a)
	r.RequestList(a)
	if r.TakeListRequest(b) || !r.TakeListRequest(a) || r.TakeListRequest(a) {
		t.Error("not taken once, by whom it is for")
	}
	r.RequestList(a)
	r.Forget(a)
	r.Put(a, &directory.Parent{})
	if r.TakeListRequest(a) {
		t.Error("a former parent's request is remembered")
	}
}
