package changeguard

import (
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/types"
)

// What waits is told of once it has settled, and once nothing waits any more; what is approved waits no more.
func TestWhatWaitsIsShown(t *testing.T) {
	timers, told := &timers{}, 0
	g := New(func(p Parent, _ []types.NamespacedName) {
		if told++; p != edit(0).Parent {
			t.Errorf("told of %v", p)
		}
	}, timers.afterFunc)
	parent := edit(0).Parent
	if all, settled := g.Waiting(parent); len(all) != 0 || !settled {
		t.Errorf("before: %+v, %t", all, settled)
	}
	admit(g, noon, 0, 9)
	if _, settled := g.Waiting(parent); settled {
		t.Error("settled at once")
	}
	timers.run()
	all, settled := g.Waiting(parent)
	if told != 1 || !settled || len(all) != 1 || all[0].Count != 4 || all[0].Namespace != "telephony" || all[0].List == "" {
		t.Fatalf("told %d times: %+v, %t", told, all, settled)
	}
	if verdict := g.Check(edit(8), noon); verdict.Hash != all[0].Hash {
		t.Errorf("the resource names %s, the parent %s", verdict.Hash, all[0].Hash)
	}
	if other, _ := g.Waiting(Parent{UID: "other"}); len(other) != 0 {
		t.Errorf("another parent has %+v", other)
	}
	for i := 5; i < 9; i++ {
		c := edit(i)
		c.Approvals = []string{all[0].Hash}
		if !g.Admit(c, noon).Allowed {
			t.Errorf("%d does not pass", i)
		}
		if left, _ := g.Waiting(parent); len(left) != 0 {
			t.Errorf("after %d: %+v", i, left)
		}
	}
	if timers.run(); told != 2 {
		t.Errorf("told %d times", told)
	}

	g.Admit(edit(20), noon)
	timers.run()
	g.Withdraw(edit(20).UID)
	timers.run()
	if left, _ := g.Waiting(parent); told != 4 || len(left) != 0 {
		t.Errorf("after an edit is taken back: told %d times, %+v", told, left)
	}
	g.Admit(edit(21), noon)
	timers.run()
	g.Forget(edit(21).UID)
	if timers.run(); told != 6 {
		t.Errorf("after a resource is gone: told %d times", told)
	}
}

// What is used is that of the namespace with the least left, until the last change leaves the window.
func TestWhatIsUsed(t *testing.T) {
	g, _, _ := guarded()
	parent := edit(0).Parent
	if _, ok := g.Used(parent, noon); ok {
		t.Error("something is used before any change")
	}
	admit(g, noon, 0, 2)
	admit(g, noon.Add(3*time.Minute), 2, 3)
	for i := range 2 {
		c := edit(i)
		c.Namespace.Name, c.Namespace.UID, c.UID, c.Limits.Minimum = "another", "another", "another"+c.UID, 3
		g.Admit(c, noon.Add(time.Minute))
	}
	for _, c := range []struct {
		at   time.Duration
		want Used
	}{
		{3 * time.Minute, Used{2, 3, noon.Add(11 * time.Minute)}},
		{10*time.Minute + time.Second, Used{2, 3, noon.Add(11 * time.Minute)}},
		{12 * time.Minute, Used{1, 5, noon.Add(13 * time.Minute)}},
		{14 * time.Minute, Used{}},
	} {
		got, ok := g.Used(parent, noon.Add(c.at))
		if got != c.want || ok != (c.want.Used > 0) {
			t.Errorf("after %s: %+v, %t, want %+v", c.at, got, ok, c.want)
		}
	}
	for i := range 5 {
		c := edit(i)
		c.Namespace.Name, c.UID, c.Total = "small", "small"+c.UID, 5
		g.Admit(c, noon.Add(14*time.Minute))
	}
	if got, ok := g.Used(parent, noon.Add(14*time.Minute)); ok {
		t.Errorf("where all may be changed: %+v", got)
	}
	if _, ok := g.Used(Parent{UID: "other"}, noon); ok {
		t.Error("another parent uses something")
	}
}
