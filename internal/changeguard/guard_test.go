package changeguard

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/types"
	"pgregory.net/rapid"
)

var noon = time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC)

// timers are run by the test.
type timers struct {
	mu      sync.Mutex
	pending map[int]func()
	n       int
}

func (t *timers) afterFunc(_ time.Duration, f func()) func() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.pending == nil {
		t.pending = map[int]func(){}
	}
	t.n++
	n := t.n
	t.pending[n] = f
	return func() bool {
		t.mu.Lock()
		defer t.mu.Unlock()
		delete(t.pending, n)
		return true
	}
}

func (t *timers) run() {
	t.mu.Lock()
	all := t.pending
	t.pending = nil
	t.mu.Unlock()
	for _, f := range all {
		f()
	}
}

// guarded is a Guard whose timers the test runs, and the resources that it had looked at.
func guarded() (g *Guard, all *timers, woken *[]types.NamespacedName) {
	all, woken = &timers{}, &[]types.NamespacedName{}
	return New(func(_ Parent, keys []types.NamespacedName) { *woken = append(*woken, keys...) }, all.afterFunc), all, woken
}

// edit is an edit of a resource, of which five may be made within ten minutes.
func edit(i int) Change {
	return Change{
		Parent:    Parent{types.NamespacedName{Namespace: "telephony", Name: "acme"}, "parent"},
		Namespace: Namespace{Name: "telephony", UID: "namespace", Created: noon.Add(-24 * time.Hour)},
		UID:       types.UID(fmt.Sprint("uid-", i)), Name: fmt.Sprintf("acme-%02d", i), Generation: 2, Account: fmt.Sprintf("acme-%02d", i),
		Text: "languageCode=de", Total: 12,
		Limits: Limits{Percent: 10, Minimum: 5, Window: 10 * time.Minute, DeactivationsPerHour: 50},
	}
}

// admit admits edits one after another, and returns how many are allowed.
func admit(g *Guard, now time.Time, from, to int) (allowed int) {
	for i := from; i < to; i++ {
		if g.Admit(edit(i), now).Allowed {
			g.Done(edit(i).UID, false)
			allowed++
		}
	}
	return allowed
}

func TestMassChange(t *testing.T) {
	g, timers, woken := guarded()
	if n := admit(g, noon, 0, 12); n != 5 {
		t.Fatalf("%d are changed, want 5", n)
	}
	if v := g.Admit(edit(5), noon); v.Settled || v.Hash != "" || v.List != "" {
		t.Errorf("something is said before nobody new comes: %+v", v)
	}
	timers.run()
	if len(*woken) != 7 {
		t.Errorf("looked at: %v", *woken)
	}
	v := g.Admit(edit(5), noon)
	if v.Rule != "no more than 5 accounts (of 12) may change within 10m0s, and 7 wait: more than the window ever allows, so waiting longer does not help" || !v.Settled || len(v.Hash) != 32 ||
		!strings.HasPrefix(v.List, "acme-05 (languageCode=de), acme-06") || !strings.HasSuffix(v.List, ", and 2 more") {
		t.Errorf("%+v", v)
	}
	other := edit(5)
	if other.Approvals = []string{"0123"}; g.Admit(other, noon).Allowed {
		t.Error("another hash approves")
	}
	for i := 5; i < 12; i++ {
		c := edit(i)
		if c.Approvals = []string{"0123", v.Hash}; !g.Admit(c, noon).Allowed {
			t.Errorf("%d is approved and does not pass", i)
		}
	}
	if g.Admit(edit(12), noon).Allowed {
		t.Error("what comes after an approval passes")
	}
	if n := admit(g, noon.Add(11*time.Minute), 20, 30); n != 5 {
		t.Errorf("after the window %d are changed", n)
	}
}

// A larger fleet has more room, rounded up.
// All percent stop nothing, though the window has more changes, of deleted resources, than there are resources.
func TestAllPercentStopNothing(t *testing.T) {
	t.Parallel()
	g, _, _ := guarded()
	for i := range 12 {
		c := edit(i)
		c.Total, c.Limits.Percent = 3, 99
		if v := g.Admit(c, noon); v.Allowed != (i < 5) {
			t.Errorf("99 percent, change %d: %+v", i, v)
		}
		if i < 9 {
			g.Forget(c.UID)
		}
	}
	for i := range 12 {
		c := edit(i)
		c.Total, c.Limits.Percent = 3, 100
		if v := g.Admit(c, noon); !v.Allowed {
			t.Errorf("100 percent, change %d: %+v", i, v)
		}
	}
}

func TestMost(t *testing.T) {
	for total, want := range map[int]int{0: 5, 50: 5, 51: 6, 60: 6, 1000: 100, 1001: 101} {
		c := edit(0)
		if c.Total = total; c.most() != want {
			t.Errorf("of %d: %d, want %d", total, c.most(), want)
		}
	}
}

// What was changed stays counted, whatever is refused of the same account later.
func TestRefusalsTakeNothingBack(t *testing.T) {
	g, _, _ := guarded()
	for i := range 5 {
		for _, refused := range []bool{false, true} {
			if !g.Admit(edit(i), noon).Allowed {
				t.Fatalf("edit %d is stopped", i)
			}
			g.Done(edit(i).UID, refused)
		}
	}
	if g.Admit(edit(5), noon).Allowed {
		t.Error("the sixth is changed within the window")
	}
	g, _, _ = guarded()
	for i := range 6 {
		if !g.Admit(edit(i), noon).Allowed {
			t.Fatalf("edit %d is stopped, although all before it were refused", i)
		}
		g.Done(edit(i).UID, true)
	}
}

// An approval is for the very specs that waited: not for what is done to the same accounts after it, nor for the same again.
func TestApprovalIsForWhatWaited(t *testing.T) {
	g, timers, _ := guarded()
	admit(g, noon, 0, 6)
	timers.run()
	c := edit(5)
	c.Approvals = []string{g.Check(c, noon).Hash}
	if !g.Admit(c, noon).Allowed {
		t.Fatal("what is approved is stopped")
	}
	g.Done(c.UID, false)
	g.Forget(c.UID)
	c.Generation = 3
	if g.Admit(c, noon).Allowed {
		t.Error("the same change of a later spec passes with the former approval")
	}
}

// After a restart, what its status says has waited goes on waiting for all that waits.
func TestWhatWaitedStillWaits(t *testing.T) {
	g, timers, _ := guarded()
	waited := func(i int) Change {
		c := edit(i)
		c.Waited = true
		return c
	}
	for i := range 6 {
		if g.Admit(waited(i), noon).Allowed {
			t.Fatal("a restart lets pass what waits")
		}
	}
	timers.run()
	if g.Admit(waited(0), noon).Allowed {
		t.Error("more wait than are allowed, and one passes")
	}
	g.Forget(edit(5).UID) // its edit is reverted
	if g.Remembers(edit(5).UID) || !g.Remembers(edit(0).UID) {
		t.Error("the wrong one is forgotten")
	}
	if !g.Admit(waited(0), noon).Allowed {
		t.Error("all that waits fits within the window, and waits")
	}
}

// A withdrawn change waits no longer, but what was counted or approved of it is kept.
func TestWithdraw(t *testing.T) {
	g, timers, _ := guarded()
	admit(g, noon, 0, 7)
	timers.run()
	c := edit(5)
	c.Approvals = []string{g.Check(c, noon).Hash}
	g.Admit(edit(5), noon)
	approved := g.Admit(c, noon)
	g.Withdraw(edit(6).UID)
	g.Withdraw("unknown")
	if !approved.Allowed || !g.Admit(c, noon).Allowed {
		t.Error("the approval is gone")
	}
	if len(g.groups[c.scope()].stopped) != 0 {
		t.Errorf("waiting: %v", g.groups[c.scope()].stopped)
	}
}

// Each namespace and each parent is counted for itself, and a recreated namespace anew, though nobody forgot the former one. A recreated parent is
// not: it leads to the same accounts.
func TestScopes(t *testing.T) {
	for name, change := range map[string]func(*Change){
		"another namespace":   func(c *Change) { c.Namespace.Name = "sales" },
		"a recreated one":     func(c *Change) { c.Namespace.UID = "recreated" },
		"another parent":      func(c *Change) { c.Parent.Key.Name = "other" },
		"a recreated parent":  func(c *Change) { c.Parent.UID = "recreated" },
		"nothing of the kind": func(*Change) {},
	} {
		g, _, _ := guarded()
		admit(g, noon, 0, 5)
		c := edit(5)
		change(&c)
		if v := g.Admit(c, noon); v.Allowed != (name != "a recreated parent" && name != "nothing of the kind") {
			t.Errorf("%s: %+v", name, v)
		}
	}
}

// A parent that is deleted and applied again makes no room for more changes within the window; what waits still waits, and what was approved of the
// former one is to be approved again.
func TestAParentThatIsAppliedAgain(t *testing.T) {
	g, timers, _ := guarded()
	admit(g, noon, 0, 12)
	timers.run()
	g.ForgetParent(edit(0).Parent.Key)
	again := func(i int) Change {
		c := edit(i)
		c.Parent.UID = "applied again"
		return c
	}
	if used, ok := g.Used(again(0).Parent, noon); !ok || used.Used != 5 {
		t.Errorf("used: %+v, %t", used, ok)
	}
	late := noon.Add(11 * time.Minute)
	for _, now := range []time.Time{noon.Add(time.Minute), late} { // seven wait, which five a window never let pass
		for i := 5; i < 12; i++ {
			if g.Admit(again(i), now).Allowed {
				t.Errorf("%d is changed at %s", i, now)
			}
		}
	}
	if waiting, _ := g.Waiting(again(0).Parent); len(waiting) != 1 || waiting[0].Count != 7 {
		t.Errorf("waiting: %+v", waiting)
	}
	approved := again(5)
	approved.Approvals = []string{g.Check(again(5), late).Hash}
	if !g.Check(approved, late).Allowed {
		t.Fatal("nothing is approved")
	}
	g.Admit(approved, late)
	g.ForgetParent(edit(0).Parent.Key)
	if g.Admit(again(6), late).Allowed {
		t.Error("an approval outlasts its parent")
	}
}

// kept is how much a Guard remembers.
func (g *Guard) kept() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return len(g.fleets) + len(g.groups) + len(g.budgets) + len(g.where)
}

// Whatever is forgotten, or is too old to count, leaves nothing behind.
func TestNothingIsKept(t *testing.T) {
	fill := func(t *testing.T) (*Guard, *timers) {
		g, timers, _ := guarded()
		admit(g, noon, 0, 7)
		off := edit(7)
		off.Deactivates = true
		off.Limits.Minimum = 100
		if !g.Admit(off, noon).Allowed {
			t.Fatal("the deactivation is stopped")
		}
		_, _ = g.Fleet(off.Parent, "telephony", noon, func() (Fleet, error) { return Fleet{}, nil })
		if g.kept() == 0 {
			t.Fatal("nothing is remembered")
		}
		return g, timers
	}
	for name, forget := range map[string]func(*Guard){
		"the namespace": func(g *Guard) {
			g.ForgetNamespace("telephony")
			g.sweep(noon.Add(time.Minute)) // of the parent there is nothing left to remember
		},
		"the parent and each resource, and time passes": func(g *Guard) {
			g.ForgetParent(edit(0).Parent.Key)
			for i := range 8 {
				g.Forget(edit(i).UID)
			}
			g.sweep(noon.Add(11 * time.Minute))
		},
		"each resource, and time passes": func(g *Guard) {
			for i := range 8 {
				g.Forget(edit(i).UID)
			}
			g.sweep(noon.Add(11 * time.Minute))
		},
	} {
		g, timers := fill(t)
		forget(g)
		if g.kept() != 0 {
			t.Errorf("%s: kept %v %v %v %v", name, g.fleets, g.groups, g.budgets, g.where)
		}
		if timers.run(); g.kept() != 0 {
			t.Errorf("%s: a timer brings back %v", name, g.groups)
		}
	}
	g, _ := fill(t)
	g.ForgetNamespace("sales")
	g.ForgetParent(types.NamespacedName{Namespace: "telephony", Name: "other"})
	if g.Admit(edit(8), noon).Allowed {
		t.Error("another one's end makes room")
	}
}

// A busy group does not keep where resources are that are deleted.
func TestABusyGroupForgets(t *testing.T) {
	g, _, _ := guarded()
	for i := range 1000 {
		now := noon.Add(time.Duration(i) * 3 * time.Minute)
		if !g.Admit(edit(i), now).Allowed {
			t.Fatalf("%d is stopped", i)
		}
		g.Forget(edit(i).UID)
	}
	if n := g.kept(); n > 20 {
		t.Errorf("%d things are kept", n)
	}
}

// The fleet is counted once in ten seconds, and a failure is not kept.
func TestFleet(t *testing.T) {
	g, _, _ := guarded()
	times, fails := 0, false
	count := func() (Fleet, error) {
		g.Check(edit(0), noon) // the lock is free
		if times++; fails {
			return Fleet{}, fmt.Errorf("the cache is not there")
		}
		return Fleet{Total: times}, nil
	}
	at := func(after time.Duration) (int, error) {
		f, err := g.Fleet(edit(0).Parent, "telephony", noon.Add(after), count)
		return f.Total, err
	}
	for _, after := range []time.Duration{0, 5 * time.Second, 10 * time.Second} {
		if n, err := at(after); n != 1 || err != nil {
			t.Errorf("after %v: %d, %v", after, n, err)
		}
	}
	fails = true
	if _, err := at(11 * time.Second); err == nil {
		t.Error("no failure")
	}
	fails = false
	if n, _ := at(11 * time.Second); n != 3 {
		t.Errorf("after a failure: %d", n)
	}
}

// Check says what Admit does next, and changes nothing.
func TestCheckIsWhatAdmitSays(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		g, timers, _ := guarded()
		now := noon
		for range rapid.IntRange(1, 60).Draw(t, "steps") {
			c := edit(rapid.IntRange(0, 9).Draw(t, "who"))
			c.Generation = rapid.Int64Range(1, 2).Draw(t, "generation")
			c.Limits = Limits{Percent: 20, Minimum: rapid.IntRange(0, 4).Draw(t, "minimum"), Window: time.Minute, DeactivationsPerHour: 2}
			c.Deactivates = rapid.Bool().Draw(t, "deactivates")
			c.Waited = rapid.IntRange(0, 5).Draw(t, "waited") == 0
			if one := g.groups[c.scope()]; one != nil && rapid.Bool().Draw(t, "approved") {
				c.Approvals = []string{one.summarize().hash}
			}
			switch rapid.IntRange(0, 6).Draw(t, "what") {
			case 0:
				now = now.Add(time.Duration(rapid.IntRange(1, 4000).Draw(t, "seconds")) * time.Second)
			case 1:
				timers.run()
			case 2:
				g.Forget(c.UID)
			case 3:
				g.Done(c.UID, rapid.Bool().Draw(t, "refused"))
			case 4:
				g.Withdraw(c.UID)
			default:
				before := g.print()
				said := g.Check(c, now)
				if after := g.print(); after != before {
					t.Fatalf("Check changes\n%s to\n%s", before, after)
				}
				if again := g.Check(c, now); again != said {
					t.Fatalf("Check says %+v and then %+v", said, again)
				}
				if admitted := g.Admit(c, now); admitted != said {
					t.Fatalf("Check says %+v and Admit %+v", said, admitted)
				}
			}
		}
	})
}

// print is all that counts of what a Guard remembers.
func (g *Guard) print() string {
	var b strings.Builder
	for in, one := range g.groups {
		fmt.Fprintln(&b, in, one.changed, one.stopped, one.approved, one.settled)
	}
	for p, one := range g.budgets {
		fmt.Fprintln(&b, p, one.entries)
	}
	fmt.Fprintln(&b, g.where)
	return b.String()
}

// Nothing that is handed in is called with the lock held, and all may be called at once.
func TestAtOnce(t *testing.T) {
	var g *Guard
	var woken sync.WaitGroup
	g = New(func(_ Parent, keys []types.NamespacedName) { g.Check(edit(0), noon) }, func(_ time.Duration, f func()) func() bool {
		woken.Go(f)
		return func() bool { return false }
	})
	var all sync.WaitGroup
	for i := range 8 {
		all.Go(func() {
			for range 20 {
				c := edit(i)
				g.Load(c.Parent, "1", func() []Deactivation { return nil })
				c.Deactivates = i%2 == 0
				g.Admit(c, noon)
				g.Done(c.UID, true)
				g.Withdraw(c.UID)
				g.Forget(c.UID)
				g.ForgetNamespace("telephony")
				g.ForgetParent(c.Parent.Key)
			}
		})
	}
	all.Wait()
	woken.Wait()
}

func TestSummaryDoesNotDependOnOrder(t *testing.T) {
	var hashes []string
	for _, order := range [][]int{{5, 6, 7}, {7, 5, 6}} {
		g, timers, _ := guarded()
		admit(g, noon, 0, 5)
		for _, i := range order {
			g.Admit(edit(i), noon)
		}
		timers.run()
		hashes = append(hashes, g.Admit(edit(5), noon).Hash)
	}
	if len(slices.Compact(hashes)) != 1 {
		t.Errorf("%v", hashes)
	}
}
