package changeguard

import (
	"fmt"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/types"
)

var (
	acme  = Parent{Key: types.NamespacedName{Namespace: "telephony", Name: "acme"}, UID: "acme"}
	other = Parent{Key: types.NamespacedName{Namespace: "telephony", Name: "other"}, UID: "other"}
)

// startOf is what one test has.
type startOf struct {
	*testing.T
	*Starts

	timers timers
	told   []Parent
}

func newStart(t *testing.T) *startOf {
	t.Helper()
	s := &startOf{T: t}
	s.Starts = NewStarts(func(p Parent) { s.told = append(s.told, p) }, s.timers.afterFunc)
	return s
}

// Begin is one whose resources were all looked at.
func (s *startOf) Begin(p Parent, resources []Resource, unread []string, now time.Time) {
	s.Starts.Begin(p, resources, unread, now)
	s.Reviewed(p)
}

// A part of what waits may be what was approved before: only all of it is compared with the hashes.
func TestNoApprovalCountsWhileTheResourcesAreLookedAt(t *testing.T) {
	t.Parallel()
	s := newStart(t)
	a, b := resource("a", 1), resource("b", 1)
	s.Begin(acme, []Resource{a, b}, nil, noon)
	s.Hold(acme, a, "email=x", "")
	alone := s.Group(acme, nil).Hash

	s = newStart(t)
	s.Starts.Begin(acme, []Resource{a, b}, nil, noon)
	s.Hold(acme, a, "email=x", "")
	s.expect(StartHolds, a, alone)
	s.expect(StartHolds, b, alone)
	s.Hold(acme, b, "email=y", "")
	s.Reviewed(acme)
	s.expect(StartHolds, a, alone)
	if s.Released(acme) {
		t.Error("something is released")
	}
	s.expect(StartApproved, a, s.Group(acme, nil).Hash)
	if !s.Released(acme) || s.Released(acme) {
		t.Error("what is released is not told once")
	}
}

func resource(name string, generation int64) Resource {
	return Resource{UID: types.UID("uid-" + name), Namespace: "telephony", Name: name, Generation: generation}
}

func (s *startOf) judged(r Resource, approvals ...string) StartState {
	return s.Judge(acme, r, approvals, noon).State
}

func (s *startOf) expect(want StartState, r Resource, approvals ...string) {
	s.Helper()
	if got := s.judged(r, approvals...); got != want {
		s.Fatalf("%s is %s, want %s", r.Name, got, want)
	}
}

func TestAStartHoldsWhatWasThere(t *testing.T) {
	t.Parallel()
	s := newStart(t)
	a, b := resource("a", 1), resource("b", 1)
	s.expect(StartAwaited, a)
	s.Begin(acme, []Resource{a, b}, nil, noon)
	s.expect(StartHolds, a)
	s.expect(StartFree, resource("new", 1))
	s.Hold(acme, a, "email=x", "")
	s.Forget(b.UID)
	s.expect(StartFree, b)

	first := s.Group(acme, nil)
	if first.Count != 1 || first.List != "a (email=x)" {
		t.Fatalf("%+v", first)
	}
	edited := resource("a", 2)
	s.expect(StartHolds, edited)
	s.Hold(acme, edited, "email=y", "")
	second := s.Group(acme, []string{first.Hash})
	if second.Count != 1 || second.Hash == first.Hash {
		t.Fatalf("an edit does not change the hash, or the old one approves it: %+v", second)
	}
	s.expect(StartHolds, edited, first.Hash)
	s.expect(StartApproved, edited, "ffff", second.Hash)
	if g := s.Group(acme, nil); g.Count != 0 {
		t.Errorf("still waits: %+v", g)
	}
	s.expect(StartFree, resource("a", 3))
	if s.Remembers(a.UID) {
		t.Error("an approved resource that was edited since is remembered")
	}
}

func TestAnEditBeforeItsWriteWasHeldEndsAStart(t *testing.T) {
	t.Parallel()
	s := newStart(t)
	a, deleted := resource("a", 1), resource("deleted", 1)
	deleted.Deleted = noon
	s.Begin(acme, []Resource{a, deleted}, nil, noon)
	s.expect(StartFree, resource("a", 2))
	later := deleted
	later.Generation = 2
	s.expect(StartHolds, later)
}

func TestWhatIsWithdrawnIsHeldAgain(t *testing.T) {
	t.Parallel()
	s := newStart(t)
	a := resource("a", 1)
	s.Begin(acme, []Resource{a}, nil, noon)
	s.Hold(acme, a, "email=x", "")
	hash := s.Group(acme, nil).Hash
	s.Withdraw(a.UID)
	if g := s.Group(acme, []string{hash}); g.Count != 0 {
		t.Errorf("%+v", g)
	}
	again := resource("a", 2)
	s.expect(StartHolds, again, hash)
	if s.Waits(acme, again, "email=x") {
		t.Error("it waits already")
	}
	s.Hold(acme, again, "email=x", "")
	if !s.Waits(acme, again, "email=x") {
		t.Error("it does not wait")
	}
}

func TestAStartFollowsAResourceToAnotherParent(t *testing.T) {
	t.Parallel()
	s := newStart(t)
	a := resource("a", 1)
	s.Begin(other, []Resource{a}, nil, noon)
	s.Hold(other, a, "email=x", "")
	s.Begin(acme, nil, nil, noon)
	s.expect(StartHolds, resource("a", 2))
	if g := s.Group(other, nil); g.Count != 0 {
		t.Errorf("it waits for both: %+v", g)
	}
	s.expect(StartFree, resource("b", 1))
}

func TestNamespacesThatCouldNotBeRead(t *testing.T) {
	t.Parallel()
	s := newStart(t)
	s.Begin(acme, nil, []string{"telephony"}, noon)
	s.expect(StartHolds, resource("early", 1))
	s.Join("telephony", map[types.NamespacedName][]Resource{acme.Key: {resource("old", 1), resource("early", 1)}, other.Key: {resource("else", 1)}})
	s.expect(StartHolds, resource("old", 1))
	s.expect(StartHolds, resource("early", 1))
	s.expect(StartFree, resource("new", 1))
	s.expect(StartFree, resource("else", 1))
}

// A resource that names a parent which is no more is deleted by another one of the same account.
func TestADeletionThatAnotherParentServes(t *testing.T) {
	t.Parallel()
	s := newStart(t)
	s.Begin(acme, nil, nil, noon)
	for _, c := range []struct {
		since time.Duration
		want  StartState
	}{{-time.Minute, StartHolds}, {time.Minute, StartFree}} {
		r := resource(c.since.String(), 2)
		r.Elsewhere, r.Deleted = true, noon.Add(c.since)
		s.expect(c.want, r)
	}
}

func TestAReleasedStartHoldsNothing(t *testing.T) {
	t.Parallel()
	s := newStart(t)
	a := resource("a", 1)
	s.Begin(acme, []Resource{a}, []string{"sales"}, noon)
	s.Hold(acme, a, "email=x", "")
	s.Release(acme)
	s.expect(StartFree, a)
	if s.Remembers(a.UID) || s.Group(acme, nil).Count != 0 {
		t.Error("something is left")
	}
}

// The parent is told once of all changes that come together, and a parent that is gone never.
func TestAChangedGroupIsTold(t *testing.T) {
	t.Parallel()
	s := newStart(t)
	a, b := resource("a", 1), resource("b", 1)
	s.Begin(acme, []Resource{a, b}, nil, noon)
	s.timers.run()
	s.Hold(acme, a, "email=x", "")
	s.Hold(acme, b, "email=y", "mark")
	s.timers.run()
	s.Hold(acme, a, "email=x", "")
	s.timers.run()
	if len(s.told) != 1 {
		t.Fatalf("told %d times", len(s.told))
	}
	if v := s.Judge(acme, b, nil, noon); v.Password != "mark" || v.Since != noon {
		t.Errorf("%+v", v)
	}
	s.Hold(acme, a, "email=z", "")
	s.ForgetParent(acme.Key)
	s.timers.run()
	if len(s.told) != 1 || s.Remembers(a.UID) {
		t.Error("a parent that is gone is remembered")
	}
	s.expect(StartAwaited, a)
}

// A request by an annotation ends a start as an edit does, where no write was held before; a suspended resource is not known to need none.
func TestARequestBeforeItsWriteWasHeldEndsAStart(t *testing.T) {
	t.Parallel()
	s := newStart(t)
	a, b, suspended := resource("a", 1), resource("b", 1), resource("suspended", 1)
	a.Requests, suspended.Suspended = "rotate=1", true
	s.Begin(acme, []Resource{a, b, suspended}, nil, noon)
	s.expect(StartHolds, a)
	a.Requests, b.Requests = "rotate=2", "rotate=1"
	s.expect(StartFree, a)
	s.Hold(acme, resource("b", 1), "email=x", "")
	s.expect(StartHolds, b)
	suspended.Suspended, suspended.Generation = false, 2
	s.expect(StartHolds, suspended)
	s.Hold(acme, b, "email=x", "")
	hash := s.Group(acme, nil).Hash
	s.expect(StartApproved, b, hash)
	if v := s.Judge(acme, b, nil, noon); v.Approved != "email=x" {
		t.Errorf("approved: %q", v.Approved)
	}
	b.Requests = "rotate=2"
	s.expect(StartFree, b)
}

// Whoever reads why a write waits is told where something was requested since the start.
func TestAStartTellsWhatIsRequestedLater(t *testing.T) {
	t.Parallel()
	s := newStart(t)
	a, moved := resource("a", 1), resource("moved", 1)
	s.Begin(acme, []Resource{a}, nil, noon)
	s.Begin(other, []Resource{moved}, nil, noon)
	later := func(r Resource) bool { return s.Judge(acme, r, nil, noon).Later }
	s.Hold(acme, a, "email=x", "")
	if later(a) {
		t.Error("nothing was requested since")
	}
	a.Generation = 2
	if !later(a) {
		t.Error("an edit is not told")
	}
	s.Hold(acme, a, "email=y", "")
	if !later(a) {
		t.Error("an edit is told once only")
	}
	s.Hold(other, moved, "email=x", "")
	moved.Generation = 2
	if !later(moved) {
		t.Error("another parent is no edit")
	}
}

// Who keeps editing a resource changes the hash of the group all the time. An approval is good for all namespaces where nothing has changed
// since the group with that hash was shown.
func TestAnApprovalIsGoodForNamespacesWithoutAChange(t *testing.T) {
	t.Parallel()
	s := newStart(t)
	a, b := resource("a", 1), resource("b", 1)
	quiet, also := resource("quiet", 1), resource("also", 1)
	quiet.Namespace, also.Namespace = "sales", "support"
	s.Begin(acme, []Resource{a, b, quiet, also}, nil, noon)
	for _, r := range []Resource{a, b, quiet, also} {
		s.Hold(acme, r, "email=x", "")
	}
	unseen := s.Starts.starts[acme].group(acme).Hash
	s.expect(StartHolds, quiet)
	shown := s.Group(acme, nil).Hash
	if shown != unseen {
		t.Fatal("a look changes the hash")
	}
	for i := range 3 {
		a.Generation++
		s.Hold(acme, a, "email=y", "")
		if i == 1 {
			s.Group(acme, nil)
		}
	}
	s.expect(StartHolds, a, "ffff", shown)
	s.expect(StartHolds, b, shown) // it waits beside what was edited
	s.expect(StartApproved, quiet, shown)
	if !s.Released(acme) {
		t.Error("nobody is told that something is released")
	}
	s.Hold(acme, also, "email=z", "") // approved meanwhile, too: another write of it is none of the start's
	s.expect(StartApproved, also, shown)
	if g := s.Group(acme, []string{shown}); g.Count != 2 || g.Hash == shown {
		t.Errorf("%+v", g)
	}
	if s.Released(acme) {
		t.Error("the same approval releases something once more")
	}
	s.expect(StartApproved, a, s.Group(acme, nil).Hash)
}

// What came to a namespace, or left it, since a group was shown is no part of what that group's hash approves.
func TestAnApprovalIsNotGoodForANamespaceWithMoreOrLess(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(s *startOf, a, b Resource){
		"more": func(s *startOf, _, b Resource) { s.Hold(acme, b, "email=x", "") },
		"less, and back": func(s *startOf, a, _ Resource) {
			s.Withdraw(a.UID)
			s.Hold(acme, a, "email=x", "")
		},
		"another password": func(s *startOf, a, _ Resource) { s.Hold(acme, a, "email=x", "other") },
		"requested":        func(s *startOf, a, _ Resource) { a.Requests = "rotate=1"; s.Hold(acme, a, "email=x", "") },
	} {
		s := newStart(t)
		a, b, c := resource("a", 1), resource("b", 1), resource("c", 1)
		c.Namespace = "sales"
		s.Begin(acme, []Resource{a, b, c}, nil, noon)
		s.Hold(acme, a, "email=x", "")
		s.Hold(acme, c, "email=x", "")
		shown := s.Group(acme, nil).Hash
		c.Generation = 2
		s.Hold(acme, c, "email=x", "") // so that the whole is another one
		change(s, a, b)
		s.Group(acme, []string{shown})
		if open := s.Starts.starts[acme].open; open[a.UID] == nil {
			t.Errorf("%s: approved", name)
		}
	}
}

// The groups that are remembered are bounded: the oldest are forgotten first.
func TestShownGroupsAreBounded(t *testing.T) {
	t.Parallel()
	g := shownGroups{}
	for i := range mostShown + 2 {
		g.changed("noisy")
		g.show(fmt.Sprint(i))
	}
	if len(g.at) != mostShown || len(g.order) != mostShown || g.at["0"] != 0 || g.at["1"] != 0 {
		t.Errorf("%d shown groups are remembered", len(g.at))
	}
	if g.approved([]string{"0"}) != nil {
		t.Error("a forgotten group approves")
	}
	if good := g.approved([]string{"2"}); good == nil || good("noisy") || !good("quiet") {
		t.Error("a shown group does not approve what has not changed since")
	}
	if g.approved([]string{"2"}) != nil {
		t.Error("the same is searched again")
	}
}

// Of a namespace that could not be read at the start, what was created since is a later request; the clocks differ.
func TestWhatIsCreatedLaterInAnUnreadNamespaceIsFree(t *testing.T) {
	t.Parallel()
	s := newStart(t)
	s.Begin(acme, nil, []string{"telephony"}, noon)
	made := func(name string, after time.Duration) Resource {
		r := resource(name, 1)
		r.Created = noon.Add(after)
		return r
	}
	s.expect(StartFree, made("new", time.Minute))
	s.expect(StartHolds, made("skewed", time.Second))
	s.expect(StartHolds, made("old", -time.Hour))
	joined := made("joined", time.Minute)
	s.Join("telephony", map[types.NamespacedName][]Resource{acme.Key: {joined, made("found", -time.Minute)}})
	s.expect(StartFree, joined)
	s.expect(StartHolds, made("found", -time.Minute))
}
