package fairqueue

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"testing"

	"k8s.io/apimachinery/pkg/types"
	"pgregory.net/rapid"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
)

func requested(kind string, i int) reconcile.Request {
	return reconcile.Request{NamespacedName: types.NamespacedName{Namespace: "telephony", Name: fmt.Sprintf("%s-%d", kind, i)}}
}

const perTenant = 128

// A tenant has so many slots and no more; another tenant is not concerned. Urgent requests are woken first, and a slot that a
// woken request does not need goes to the next.
func TestTenants(t *testing.T) {
	var woken []reconcile.Request
	l := New(Limits{PerTenant: perTenant}, func(req reconcile.Request, _ bool) { woken = append(woken, req) })
	slow, other := types.NamespacedName{Name: "slow"}, types.NamespacedName{Name: "other"}
	for i := range perTenant {
		if !l.enter(slow, requested("in", i), false) {
			t.Fatalf("no place for number %d", i)
		}
	}
	for i := range 3 {
		if l.enter(slow, requested("calm", i), false) || l.enter(slow, requested("calm", i), false) || l.enter(slow, requested("urgent", i), true) {
			t.Fatal("more than there are places")
		}
	}
	if !l.enter(other, requested("other", 0), false) {
		t.Error("another parent's children wait as well")
	}
	l.leave(other)

	l.leave(slow)
	l.leave(slow)
	if want := []reconcile.Request{requested("urgent", 0), requested("urgent", 1)}; !slices.Equal(woken, want) {
		t.Fatalf("woken: %v, want %v", woken, want)
	}
	done := l.Arrived(requested("urgent", 0))
	if !l.enter(slow, requested("urgent", 0), true) {
		t.Fatal("woken for nothing")
	}
	l.leave(slow)
	done()
	l.Arrived(requested("urgent", 1))() // has nothing to do any more
	for i := 0; i < len(woken); i++ {   //nolint:intrange // it grows
		l.Arrived(woken[i])()
	}
	want := []reconcile.Request{requested("urgent", 0), requested("urgent", 1), requested("urgent", 2), requested("calm", 0), requested("calm", 1), requested("calm", 2)}
	if !slices.Equal(woken, want) {
		t.Errorf("woken: %v, want %v", woken, want)
	}
	for range perTenant - 2 {
		l.leave(slow)
	}
	if len(l.tenants)+len(l.pools)+len(l.woken) != 0 {
		t.Errorf("something is kept: %v %v %v", l.tenants, l.pools, l.woken)
	}
}

// A namespace with thousands that wait keeps only itself waiting.
func TestNamespacesTakeTurns(t *testing.T) {
	var woken []string
	l := New(Limits{PerTenant: perTenant}, func(req reconcile.Request, _ bool) { woken = append(woken, req.String()) })
	parent := types.NamespacedName{Name: "shared"}
	for i := range perTenant {
		l.enter(parent, requested("in", i), true)
	}
	for i := range 1000 {
		l.enter(parent, reconcile.Request{NamespacedName: types.NamespacedName{Namespace: "many", Name: fmt.Sprint(i)}}, true)
	}
	for i := range 2 {
		l.enter(parent, reconcile.Request{NamespacedName: types.NamespacedName{Namespace: "few", Name: fmt.Sprint(i)}}, true)
	}
	for range 5 {
		l.leave(parent)
	}
	if want := []string{"many/0", "few/0", "many/1", "few/1", "many/2"}; !slices.Equal(woken, want) {
		t.Errorf("woken: %v, want %v", woken, want)
	}
}

// A resource that waits as one tenant's and then, recreated, as another's takes no slot away from the first for good.
func TestAResourceThatChangesItsTenant(t *testing.T) {
	var woken []reconcile.Request
	l := New(Limits{PerTenant: 1}, func(req reconcile.Request, _ bool) { woken = append(woken, req) })
	a, b := types.NamespacedName{Name: "a"}, types.NamespacedName{Name: "b"}
	moved := requested("x", 0)
	l.enter(a, requested("in", 1), false)
	l.enter(b, requested("in", 2), false)
	l.enter(a, moved, false)
	l.enter(b, moved, false)
	l.leave(a)
	l.leave(b)
	l.Arrived(moved)()
	if len(l.tenants) != 0 || len(l.woken) != 0 {
		t.Errorf("left: %v, woken %v", l.tenants, l.woken)
	}
	woken = nil
	l.enter(a, requested("in", 3), false)
	l.enter(a, requested("next", 0), false)
	l.leave(a)
	if len(woken) != 1 {
		t.Errorf("woken: %v", woken)
	}
}

// A request that becomes urgent while it waits comes before the others, and once only.
func TestARequestThatBecomesUrgent(t *testing.T) {
	var woken []reconcile.Request
	l := New(Limits{PerTenant: 1}, func(req reconcile.Request, _ bool) { woken = append(woken, req) })
	parent := types.NamespacedName{Name: "a"}
	first, deleted := requested("x", 1), requested("x", 2)
	l.enter(parent, requested("in", 0), false)
	l.enter(parent, first, false)
	l.enter(parent, deleted, false)
	l.enter(parent, deleted, true)
	for range 3 {
		l.leave(parent)
		if len(woken) == 0 {
			break
		}
		next := woken[len(woken)-1]
		done := l.Arrived(next)
		l.enter(parent, next, false)
		done()
	}
	if !slices.Equal(woken, []reconcile.Request{deleted, first}) {
		t.Errorf("woken: %v", woken)
	}
}

// The tenants of one namespace have so many slots together, each in its turn; those of another are not concerned.
func TestTenantsOfOneNamespace(t *testing.T) {
	var woken []string
	l := New(Limits{PerTenant: 4, PerNamespace: 6}, func(req reconcile.Request, _ bool) { woken = append(woken, req.Name) })
	parent := func(name string) types.NamespacedName { return types.NamespacedName{Namespace: "evil", Name: name} }
	reconciling := func(which types.NamespacedName, kind string, n int) (found int) {
		for i := range n {
			if l.enter(which, requested(kind, i), false) {
				found++
			}
		}
		return found
	}
	if a, b, c := reconciling(parent("a"), "a", 7), reconciling(parent("b"), "b", 4), reconciling(parent("c"), "c", 2); a != 4 || b != 2 || c != 0 {
		t.Fatalf("reconciling: %d, %d and %d", a, b, c)
	}
	if n := reconciling(types.NamespacedName{Namespace: "other", Name: "a"}, "x", 5); n != 4 {
		t.Fatalf("of a stranger's only %d", n)
	}
	l.leave(parent("b"))
	l.leave(parent("b"))
	if want := []string{"b-2", "c-0"}; !slices.Equal(woken, want) { // a has all that it may
		t.Fatalf("woken: %v, want %v", woken, want)
	}
	for range 4 {
		l.leave(parent("a"))
	}
	if want := []string{"b-2", "c-0", "a-4", "b-3", "c-1", "a-5"}; !slices.Equal(woken, want) {
		t.Fatalf("woken: %v, want %v", woken, want)
	}
	for i := 0; i < len(woken); i++ { //nolint:intrange // it grows
		l.Arrived(requested(woken[i][:1], int(woken[i][2]-'0')))()
	}
	for range 4 {
		l.leave(types.NamespacedName{Namespace: "other", Name: "a"})
	}
	l.Arrived(requested("x", 4))()
	if len(woken) != 8 || len(l.tenants)+len(l.pools)+len(l.woken) != 0 {
		t.Errorf("woken: %v; kept: %v %v %v", woken, l.tenants, l.pools, l.woken)
	}
}

// Whatever comes, goes and is forgotten: no tenant has more slots than there are, no request waits where one is free, and
// nothing is kept.
func TestAnything(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var queue []reconcile.Request
		reconciling := map[reconcile.Request]types.NamespacedName{}
		l := New(Limits{PerTenant: 2, PerNamespace: 3}, func(req reconcile.Request, _ bool) { queue = append(queue, req) })
		come := func(req reconcile.Request, which types.NamespacedName, urgent bool) {
			done := l.Arrived(req)
			if l.enter(which, req, urgent) {
				reconciling[req] = which
			}
			done()
		}
		for range rapid.IntRange(1, 60).Draw(t, "steps") {
			req := requested("r", rapid.IntRange(0, 9).Draw(t, "who"))
			which, busy := reconciling[req]
			switch {
			case busy:
				delete(reconciling, req)
				l.leave(which)
			default:
				if len(queue) > 0 && rapid.Bool().Draw(t, "woken") {
					req = queue[0]
				}
				if _, busy := reconciling[req]; busy {
					continue // the queue holds it back meanwhile
				}
				queue = slices.DeleteFunc(queue, func(q reconcile.Request) bool { return q == req })
				which = types.NamespacedName{Namespace: "n", Name: rapid.SampledFrom([]string{"a", "b", "c"}).Draw(t, "tenant")}
				if rapid.IntRange(0, 4).Draw(t, "deleted") == 0 {
					done := l.Arrived(req)
					l.Forget(req)
					done()
					continue
				}
				come(req, which, rapid.Bool().Draw(t, "urgent"))
			}
			for which, one := range l.tenants {
				if len(one.waiting) > 0 && one.taken() < l.limits.PerTenant && l.pools[which.Namespace].taken() < l.limits.PerNamespace {
					t.Fatalf("%v wait at %s, and a slot is free", one.waiting, which)
				}
			}
			of := map[types.NamespacedName]int{}
			for _, which := range reconciling {
				of[which]++
				if of[which] > 2 || len(reconciling) > 3 {
					t.Fatalf("reconciling: %v", reconciling)
				}
			}
		}
		for len(reconciling)+len(queue) > 0 {
			for req, which := range reconciling {
				delete(reconciling, req)
				l.leave(which)
			}
			if len(queue) > 0 {
				req := queue[0]
				queue = queue[1:]
				l.Arrived(req)()
			}
		}
		if len(l.tenants)+len(l.pools)+len(l.woken) != 0 {
			t.Fatalf("kept: %v %v %v", l.tenants, l.pools, l.woken)
		}
	})
}

// A request whose resource is deleted is not woken, whatever it waited for, and keeps nothing.
func TestForget(t *testing.T) {
	var woken []reconcile.Request
	l := New(Limits{PerTenant: 1}, func(req reconcile.Request, _ bool) { woken = append(woken, req) })
	a, b := types.NamespacedName{Name: "a"}, types.NamespacedName{Name: "b"}
	deleted, next := requested("deleted", 0), requested("next", 0)
	for _, of := range []types.NamespacedName{a, b} {
		l.enter(of, requested("in", 0), false)
		l.enter(of, deleted, false)
		l.enter(of, deleted, true)
	}
	l.enter(b, next, false)
	l.Forget(deleted)
	l.Forget(requested("unknown", 0))
	l.leave(a)
	l.leave(b)
	if !slices.Equal(woken, []reconcile.Request{next}) {
		t.Errorf("woken: %v, want %v alone", woken, next)
	}
	l.Arrived(next)()
	if len(l.tenants)+len(l.pools)+len(l.woken) != 0 {
		t.Errorf("kept: %v %v %v", l.tenants, l.pools, l.woken)
	}
}

// Do reports that a request waits with an empty result, so that only its being woken brings it back.
func TestDo(t *testing.T) {
	l := New(Limits{PerTenant: 1}, func(reconcile.Request, bool) {})
	tenant := types.NamespacedName{Name: "a"}
	want := reconcile.Result{RequeueAfter: 7}
	result, err := l.Do(tenant, requested("in", 0), false, func() (reconcile.Result, error) {
		waits, err := l.Do(tenant, requested("waits", 0), false, func() (reconcile.Result, error) { panic("there is no free slot") })
		if waits != (reconcile.Result{}) || err != nil {
			t.Errorf("a request that waits: %v, %v", waits, err)
		}
		return want, io.EOF
	})
	if result != want || !errors.Is(err, io.EOF) {
		t.Errorf("%v, %v", result, err)
	}
}
