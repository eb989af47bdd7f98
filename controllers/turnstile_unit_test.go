package controllers

import (
	"fmt"
	"slices"
	"testing"

	"k8s.io/apimachinery/pkg/types"
	"pgregory.net/rapid"
	ctrl "sigs.k8s.io/controller-runtime"
)

func requested(kind string, i int) ctrl.Request {
	return ctrl.Request{NamespacedName: types.NamespacedName{Namespace: "telephony", Name: fmt.Sprintf("%s-%d", kind, i)}}
}

// One parent's children find so many places and no more; another parent's are not concerned. Urgent ones are woken first,
// and a place whose resource does not need it goes to the next.
func TestTurnstile(t *testing.T) {
	var woken []ctrl.Request
	ts := &turnstiles{places: placesPerParent, wake: func(req ctrl.Request, _ bool) { woken = append(woken, req) }}
	slow, other := types.NamespacedName{Name: "slow"}, types.NamespacedName{Name: "other"}
	for i := range placesPerParent {
		if !ts.enter(slow, requested("in", i), false) {
			t.Fatalf("no place for number %d", i)
		}
	}
	for i := range 3 {
		if ts.enter(slow, requested("calm", i), false) || ts.enter(slow, requested("calm", i), false) || ts.enter(slow, requested("urgent", i), true) {
			t.Fatal("more than there are places")
		}
	}
	if !ts.enter(other, requested("other", 0), false) {
		t.Error("another parent's children wait as well")
	}
	ts.leave(other)

	ts.leave(slow)
	ts.leave(slow)
	if want := []ctrl.Request{requested("urgent", 0), requested("urgent", 1)}; !slices.Equal(woken, want) {
		t.Fatalf("woken: %v, want %v", woken, want)
	}
	done := ts.arrived(requested("urgent", 0))
	if !ts.enter(slow, requested("urgent", 0), true) {
		t.Fatal("woken for nothing")
	}
	ts.leave(slow)
	done()
	ts.arrived(requested("urgent", 1))() // has nothing to do any more
	for i := 0; i < len(woken); i++ {    //nolint:intrange // it grows
		ts.arrived(woken[i])()
	}
	want := []ctrl.Request{requested("urgent", 0), requested("urgent", 1), requested("urgent", 2), requested("calm", 0), requested("calm", 1), requested("calm", 2)}
	if !slices.Equal(woken, want) {
		t.Errorf("woken: %v, want %v", woken, want)
	}
	for range placesPerParent - 2 {
		ts.leave(slow)
	}
	if len(ts.all)+len(ts.halls)+len(ts.woken) != 0 {
		t.Errorf("something is kept: %v %v %v", ts.all, ts.halls, ts.woken)
	}
}

// A namespace with thousands that wait keeps only itself waiting.
func TestTurnstileIsFair(t *testing.T) {
	var woken []string
	ts := &turnstiles{places: placesPerParent, wake: func(req ctrl.Request, _ bool) { woken = append(woken, req.String()) }}
	parent := types.NamespacedName{Name: "shared"}
	for i := range placesPerParent {
		ts.enter(parent, requested("in", i), true)
	}
	for i := range 1000 {
		ts.enter(parent, ctrl.Request{NamespacedName: types.NamespacedName{Namespace: "many", Name: fmt.Sprint(i)}}, true)
	}
	for i := range 2 {
		ts.enter(parent, ctrl.Request{NamespacedName: types.NamespacedName{Namespace: "few", Name: fmt.Sprint(i)}}, true)
	}
	for range 5 {
		ts.leave(parent)
	}
	if want := []string{"many/0", "few/0", "many/1", "few/1", "many/2"}; !slices.Equal(woken, want) {
		t.Errorf("woken: %v, want %v", woken, want)
	}
}

// A resource that is parked for one parent and then, made anew, for another takes no place away from the first for good.
func TestTurnstilesOfAResourceThatChangesItsParent(t *testing.T) {
	var woken []ctrl.Request
	ts := &turnstiles{places: 1, wake: func(req ctrl.Request, _ bool) { woken = append(woken, req) }}
	a, b := types.NamespacedName{Name: "a"}, types.NamespacedName{Name: "b"}
	moved := requested("x", 0)
	ts.enter(a, requested("in", 1), false)
	ts.enter(b, requested("in", 2), false)
	ts.enter(a, moved, false)
	ts.enter(b, moved, false)
	ts.leave(a)
	ts.leave(b)
	ts.arrived(moved)()
	if len(ts.all) != 0 || len(ts.woken) != 0 {
		t.Errorf("left: %v, woken %v", ts.all, ts.woken)
	}
	woken = nil
	ts.enter(a, requested("in", 3), false)
	ts.enter(a, requested("next", 0), false)
	ts.leave(a)
	if len(woken) != 1 {
		t.Errorf("woken: %v", woken)
	}
}

// Who becomes urgent while it is parked comes before the others, and once only.
func TestTurnstilesOfWhoBecomesUrgent(t *testing.T) {
	var woken []ctrl.Request
	ts := &turnstiles{places: 1, wake: func(req ctrl.Request, _ bool) { woken = append(woken, req) }}
	parent := types.NamespacedName{Name: "a"}
	first, deleted := requested("x", 1), requested("x", 2)
	ts.enter(parent, requested("in", 0), false)
	ts.enter(parent, first, false)
	ts.enter(parent, deleted, false)
	ts.enter(parent, deleted, true)
	for range 3 {
		ts.leave(parent)
		if len(woken) == 0 {
			break
		}
		next := woken[len(woken)-1]
		done := ts.arrived(next)
		ts.enter(parent, next, false)
		done()
	}
	if !slices.Equal(woken, []ctrl.Request{deleted, first}) {
		t.Errorf("woken: %v", woken)
	}
}

// The parents of one namespace have so many places together, each in its turn; those of another are not concerned.
func TestTurnstilesOfOneNamespace(t *testing.T) {
	var woken []string
	ts := &turnstiles{places: 4, together: 6, wake: func(req ctrl.Request, _ bool) { woken = append(woken, req.Name) }}
	parent := func(name string) types.NamespacedName { return types.NamespacedName{Namespace: "evil", Name: name} }
	inside := func(which types.NamespacedName, kind string, n int) (found int) {
		for i := range n {
			if ts.enter(which, requested(kind, i), false) {
				found++
			}
		}
		return found
	}
	if a, b, c := inside(parent("a"), "a", 7), inside(parent("b"), "b", 4), inside(parent("c"), "c", 2); a != 4 || b != 2 || c != 0 {
		t.Fatalf("inside: %d, %d and %d", a, b, c)
	}
	if n := inside(types.NamespacedName{Namespace: "other", Name: "a"}, "x", 5); n != 4 {
		t.Fatalf("of a stranger's only %d", n)
	}
	ts.leave(parent("b"))
	ts.leave(parent("b"))
	if want := []string{"b-2", "c-0"}; !slices.Equal(woken, want) { // a has all that it may
		t.Fatalf("woken: %v, want %v", woken, want)
	}
	for range 4 {
		ts.leave(parent("a"))
	}
	if want := []string{"b-2", "c-0", "a-4", "b-3", "c-1", "a-5"}; !slices.Equal(woken, want) {
		t.Fatalf("woken: %v, want %v", woken, want)
	}
	for i := 0; i < len(woken); i++ { //nolint:intrange // it grows
		ts.arrived(requested(woken[i][:1], int(woken[i][2]-'0')))()
	}
	for range 4 {
		ts.leave(types.NamespacedName{Namespace: "other", Name: "a"})
	}
	ts.arrived(requested("x", 4))()
	if len(woken) != 8 || len(ts.all)+len(ts.halls)+len(ts.woken) != 0 {
		t.Errorf("woken: %v; kept: %v %v %v", woken, ts.all, ts.halls, ts.woken)
	}
}

// Whatever comes and goes: nobody has more than there is, nobody waits where there is a place, and nothing is kept.
func TestTurnstilesOfAnything(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var queue []ctrl.Request
		inside := map[ctrl.Request]types.NamespacedName{}
		ts := &turnstiles{places: 2, together: 3, wake: func(req ctrl.Request, _ bool) { queue = append(queue, req) }}
		come := func(req ctrl.Request, which types.NamespacedName, urgent bool) {
			done := ts.arrived(req)
			if ts.enter(which, req, urgent) {
				inside[req] = which
			}
			done()
		}
		for range rapid.IntRange(1, 60).Draw(t, "steps") {
			req := requested("r", rapid.IntRange(0, 9).Draw(t, "who"))
			which, busy := inside[req]
			switch {
			case busy:
				delete(inside, req)
				ts.leave(which)
			default:
				if len(queue) > 0 && rapid.Bool().Draw(t, "woken") {
					req = queue[0]
				}
				if _, busy := inside[req]; busy {
					continue // the queue holds it back meanwhile
				}
				queue = slices.DeleteFunc(queue, func(q ctrl.Request) bool { return q == req })
				which = types.NamespacedName{Namespace: "n", Name: rapid.SampledFrom([]string{"a", "b", "c"}).Draw(t, "parent")}
				come(req, which, rapid.Bool().Draw(t, "urgent"))
			}
			for which, one := range ts.all {
				if len(one.parked) > 0 && one.taken() < ts.places && ts.halls[which.Namespace].taken() < ts.together {
					t.Fatalf("%v wait at %s, and there is a place", one.parked, which)
				}
			}
			of := map[types.NamespacedName]int{}
			for _, which := range inside {
				of[which]++
				if of[which] > 2 || len(inside) > 3 {
					t.Fatalf("inside: %v", inside)
				}
			}
		}
		for len(inside)+len(queue) > 0 {
			for req, which := range inside {
				delete(inside, req)
				ts.leave(which)
			}
			if len(queue) > 0 {
				req := queue[0]
				queue = queue[1:]
				ts.arrived(req)()
			}
		}
		if len(ts.all)+len(ts.halls)+len(ts.woken) != 0 {
			t.Fatalf("kept: %v %v %v", ts.all, ts.halls, ts.woken)
		}
	})
}
