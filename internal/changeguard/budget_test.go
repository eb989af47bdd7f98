package changeguard

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"
)

// off is the deactivation of an account, of which two are allowed an hour.
func off(i int) Change {
	c := edit(i)
	c.Deactivates, c.Text = true, "active=false"
	c.Limits.Minimum, c.Limits.DeactivationsPerHour = 1000, 2
	return c
}

func TestDeactivationBudget(t *testing.T) {
	g, _, _ := guarded()
	at := func(minutes int) time.Time { return noon.Add(time.Duration(minutes) * time.Minute) }
	for i := range 2 {
		if !g.Admit(off(i), at(10*i)).Allowed {
			t.Fatalf("number %d is stopped", i)
		}
	}
	if !g.Admit(off(0), at(20)).Allowed {
		t.Error("an account that counts already is stopped")
	}
	v := g.Admit(off(2), at(20))
	if v.Allowed || v.Rule != "no more than 2 accounts may be deactivated within an hour" || v.Wait != 40*time.Minute {
		t.Errorf("the third: %+v", v)
	}
	tenant := off(3)
	tenant.Namespace = Namespace{Name: "sales", UID: "sales"}
	if !g.Admit(tenant, at(20)).Allowed {
		t.Error("another namespace is stopped")
	}
	g.Forget(off(0).UID) // reserved, and not used
	if !g.Admit(off(4), at(20)).Allowed {
		t.Error("what was released makes no room")
	}
	none := off(5)
	none.Limits.DeactivationsPerHour = 0
	if v := g.Check(none, at(20)); v.Allowed || v.Wait != time.Hour {
		t.Errorf("none are allowed: %+v", v)
	}
}

// parent is a parent's status as the Kubernetes API has it.
type parent struct {
	mu      sync.Mutex
	version int
	stored  []Deactivation
	// writes, reads and conflicts count requests; atOnce is how many writes were under way at one time at most.
	writes, reads, conflicts, under, atOnce int
	// during is called in each write before anything is stored, fail is what a write ends with.
	during func()
	fail   error
}

func (p *parent) Write(_ context.Context, s Stored) (string, error) {
	p.mu.Lock()
	p.writes++
	p.under++
	p.atOnce = max(p.atOnce, p.under)
	p.mu.Unlock()
	if p.during != nil {
		p.during()
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.under--
	switch {
	case p.fail != nil:
		return "", p.fail
	case s.ResourceVersion != strconv.Itoa(p.version):
		p.conflicts++
		return "", fmt.Errorf("not stored: %w", ErrConflict)
	}
	p.version++
	p.stored = slices.Clone(s.Deactivations)
	return strconv.Itoa(p.version), nil
}

func (p *parent) Read(context.Context) (Stored, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.reads++
	return Stored{strconv.Itoa(p.version), slices.Clone(p.stored)}, nil
}

// names are the accounts that are stored.
func (p *parent) names() (names []string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, d := range p.stored {
		names = append(names, d.Name)
	}
	slices.Sort(names)
	return names
}

// load is what a reconcile does with the parent that its cache has.
func (p *parent) load(g *Guard) {
	p.mu.Lock()
	defer p.mu.Unlock()
	stored := slices.Clone(p.stored)
	g.Load(off(0).Parent, strconv.Itoa(p.version), func() []Deactivation { return stored })
}

// Many workers that note at once: each returns once its own note is stored, none is lost, and they share writes.
func TestNotesAtOnce(t *testing.T) {
	g, _, _ := guarded()
	p := &parent{version: 1}
	p.during = func() { g.Check(off(0), noon) } // the lock is free
	p.load(g)
	var all sync.WaitGroup
	for i := range 50 {
		all.Go(func() {
			if err := g.Note(t.Context(), off(i), noon, p); err != nil {
				t.Error(err)
			}
			if !slices.Contains(p.names(), off(i).Account) {
				t.Errorf("%s is not stored when its deactivation begins", off(i).Account)
			}
		})
	}
	all.Wait()
	if n := len(p.names()); n != 50 || p.atOnce != 1 || p.writes > 50 {
		t.Errorf("%d are stored, by %d writes, %d at one time", n, p.writes, p.atOnce)
	}
}

// While one write is under way others wait for the next one, which they share.
func TestNotesShareAWrite(t *testing.T) {
	g, _, _ := guarded()
	began, goOn := make(chan struct{}, 100), make(chan struct{})
	p := &parent{version: 1, during: func() { began <- struct{}{}; <-goOn }}
	p.load(g)
	var all sync.WaitGroup
	note := func(i int) {
		all.Go(func() {
			if err := g.Note(t.Context(), off(i), noon, p); err != nil {
				t.Error(err)
			}
		})
	}
	note(0)
	<-began
	for i := 1; i < 10; i++ {
		note(i)
	}
	for noted := 0; noted < 10; {
		g.mu.Lock()
		noted = g.budgets[off(0).Parent.Key].noted
		g.mu.Unlock()
	}
	close(goOn)
	all.Wait()
	if len(p.names()) != 10 || p.writes != 2 {
		t.Errorf("%v are stored, by %d writes", p.names(), p.writes)
	}
}

// A cache that is behind, and a former leader that is still writing, lose nothing.
func TestNotesOnAStaleCache(t *testing.T) {
	former, g := New(nil, nil), New(nil, nil)
	p := &parent{version: 1}
	p.load(g)
	p.load(former)
	if err := former.Note(t.Context(), off(0), noon, p); err != nil {
		t.Fatal(err)
	}
	if err := g.Note(t.Context(), off(1), noon.Add(time.Second), p); err != nil {
		t.Fatal(err)
	}
	if err := former.Note(t.Context(), off(2), noon.Add(2*time.Second), p); err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(p.names(), []string{"acme-00", "acme-01", "acme-02"}) || p.reads != 2 {
		t.Errorf("%v are stored, after %d reads", p.names(), p.reads)
	}
	if v := g.Check(off(3), noon.Add(time.Minute)); v.Allowed {
		t.Error("what another process stored does not count")
	}
}

// A worker that still has the former object of a parent's name may come in between: nothing is stored before the present one is read, as a write
// without a resource version would store over what another process has.
func TestNotesOfAFormerParent(t *testing.T) {
	g, _, _ := guarded()
	p := &parent{version: 7, stored: []Deactivation{{At: noon, Namespace: off(9).Namespace.Name, Name: off(9).Account}}}
	p.load(g)
	former := off(1).Parent
	former.UID = "former"
	g.Load(former, "3", func() []Deactivation { return nil })
	if err := g.Note(t.Context(), off(0), noon, p); err != nil || !slices.Equal(p.names(), []string{"acme-00", "acme-09"}) {
		t.Errorf("%v: %v are stored", err, p.names())
	}
	if p.writes != 1 || p.reads != 1 {
		t.Errorf("%d writes, %d reads", p.writes, p.reads)
	}
}

// What the cache shows of the parent is taken over, so that a change of something else costs no conflict.
func TestLoadIsOfTheNewest(t *testing.T) {
	g, _, _ := guarded()
	p := &parent{version: 9}
	p.load(g)
	p.version = 10 // another field
	p.load(g)
	g.Load(off(0).Parent, "9", func() []Deactivation { t.Error("an older state is taken over"); return nil })
	if err := g.Note(t.Context(), off(0), noon, p); err != nil || p.conflicts != 0 {
		t.Errorf("%v, %d conflicts", err, p.conflicts)
	}
}

// A crash between the note and the deactivation counts one too many, and the same account once.
func TestACrashAfterANote(t *testing.T) {
	p := &parent{version: 1}
	g, _, _ := guarded()
	p.load(g)
	g.Admit(off(0), noon)
	if err := g.Note(t.Context(), off(0), noon, p); err != nil {
		t.Fatal(err)
	}
	g, _, _ = guarded()
	p.load(g)
	for _, i := range []int{0, 1} {
		if !g.Admit(off(i), noon.Add(time.Minute)).Allowed {
			t.Errorf("%d is stopped", i)
		}
	}
	if g.Admit(off(2), noon.Add(time.Minute)).Allowed {
		t.Error("a restart makes room")
	}
}

// A write that failed is tried by whoever waits for it; the note is kept for the next one.
func TestAFailedWrite(t *testing.T) {
	g, _, _ := guarded()
	p := &parent{version: 1, fail: errors.New("the API is not there")}
	p.load(g)
	if err := g.Note(t.Context(), off(0), noon, p); !errors.Is(err, p.fail) {
		t.Errorf("%v", err)
	}
	p.fail = nil
	if err := g.Note(t.Context(), off(1), noon, p); err != nil || len(p.names()) != 2 {
		t.Errorf("%v, %v are stored", err, p.names())
	}
	p.fail = fmt.Errorf("always: %w", ErrConflict)
	if err := g.Note(t.Context(), off(2), noon, p); !errors.Is(err, ErrConflict) {
		t.Errorf("%v", err)
	}
}

// Whoever waits for another's write gives up with its context.
func TestANoteThatGivesUp(t *testing.T) {
	g, _, _ := guarded()
	began, goOn := make(chan struct{}), make(chan struct{})
	p := &parent{version: 1, during: func() { close(began); <-goOn }}
	p.load(g)
	var all sync.WaitGroup
	all.Go(func() { _ = g.Note(t.Context(), off(0), noon, p) })
	<-began
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := g.Note(ctx, off(1), noon, p); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
	close(goOn)
	all.Wait()
}

// The status holds the last hour's, the oldest first, and no more than it may.
func TestWhatIsStored(t *testing.T) {
	g, _, _ := guarded()
	p := &parent{version: 1, stored: []Deactivation{{At: noon.Add(-time.Hour), Namespace: "telephony", Name: "old"}}}
	for i := range maxStored + 5 {
		p.stored = append(p.stored, Deactivation{At: noon.Add(-time.Duration(i) * time.Second), Namespace: "sales", Name: fmt.Sprint(i)})
	}
	p.load(g)
	if err := g.Note(t.Context(), off(0), noon.Add(time.Second), p); err != nil {
		t.Fatal(err)
	}
	sorted := slices.IsSortedFunc(p.stored, func(a, b Deactivation) int { return a.At.Compare(b.At) })
	if last := p.stored[len(p.stored)-1]; len(p.stored) != maxStored || !sorted || last.Name != "acme-00" {
		t.Errorf("%d are stored, sorted: %v, the last is %v", len(p.stored), sorted, last)
	}
}

// A recreated namespace inherits nothing, neither from this process's memory nor from the status, which has names alone.
func TestARecreatedNamespaceHasItsOwnBudget(t *testing.T) {
	recreated := func(i int) Change {
		c := off(i)
		c.Namespace = Namespace{Name: "telephony", UID: "recreated", Created: noon.Add(10 * time.Minute)}
		return c
	}
	use := func(g *Guard, p *parent) {
		p.load(g)
		for i := range 2 {
			g.Admit(off(i), noon)
			if err := g.Note(t.Context(), off(i), noon, p); err != nil {
				t.Fatal(err)
			}
		}
	}
	for name, restart := range map[string]bool{"the same process": false, "after a restart": true} {
		g, _, _ := guarded()
		p := &parent{version: 1}
		use(g, p)
		if restart {
			g, _, _ = guarded()
			p.load(g)
		}
		later := noon.Add(20 * time.Minute)
		if g.Check(off(2), later).Allowed {
			t.Errorf("%s: the former namespace has room", name)
		}
		for i := range 2 { // the same accounts too
			if !g.Admit(recreated(i), later).Allowed {
				t.Errorf("%s: %d is stopped in the recreated namespace", name, i)
			}
			if err := g.Note(t.Context(), recreated(i), later, p); err != nil {
				t.Fatal(err)
			}
		}
		if g.Check(recreated(2), later).Allowed {
			t.Errorf("%s: the recreated namespace has no limit", name)
		}
		if len(p.stored) != 2 || !p.stored[0].At.Equal(later) {
			t.Errorf("%s: stored %v", name, p.stored)
		}
	}
}

// Where the operator may not read namespaces all under the name counts.
func TestANamespaceThatIsNotKnown(t *testing.T) {
	g, _, _ := guarded()
	p := &parent{version: 1, stored: []Deactivation{{noon, "telephony", "a"}, {noon, "telephony", "b"}}}
	p.load(g)
	c := off(0)
	c.Namespace = Namespace{Name: "telephony"}
	if g.Check(c, noon.Add(time.Minute)).Allowed {
		t.Error("what is stored does not count")
	}
}

// A recreated parent has no status that tells of deactivations: those of the hour count for its name, and are stored with the next one.
func TestARecreatedParentInheritsTheBudget(t *testing.T) {
	g, _, _ := guarded()
	former := &parent{version: 1}
	former.load(g)
	for i := range 2 {
		g.Admit(off(i), noon)
		if err := g.Note(t.Context(), off(i), noon, former); err != nil {
			t.Fatal(err)
		}
	}
	g.ForgetParent(off(0).Parent.Key)
	c := off(2)
	c.Parent.UID = "recreated"
	g.Load(c.Parent, "100", func() []Deactivation { return nil })
	if g.Check(c, noon).Allowed {
		t.Error("a recreated parent makes room")
	}
	p := &parent{version: 100}
	if err := g.Note(t.Context(), c, noon, p); err != nil || len(p.stored) != 3 {
		t.Errorf("%v, stored %v", err, p.stored)
	}
	if !g.Check(c, noon.Add(time.Hour)).Allowed {
		t.Error("a deactivation counts for longer than an hour")
	}
}

// What is stored stays stored, though it was reserved here as well.
func TestAReservationOfWhatIsStored(t *testing.T) {
	g, _, _ := guarded()
	p := &parent{version: 1}
	p.load(g)
	g.Admit(off(0), noon)
	p.version, p.stored = 2, []Deactivation{{noon.Add(-time.Minute), "telephony", off(0).Account}}
	p.load(g)
	g.Forget(off(0).UID)
	if err := g.Note(t.Context(), off(1), noon, p); err != nil || len(p.stored) != 2 {
		t.Errorf("%v, stored %v", err, p.stored)
	}
}
