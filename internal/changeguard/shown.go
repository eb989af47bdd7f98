package changeguard

import (
	"cmp"
	"maps"
	"slices"
	"time"
)

// Waiting are the changes of a parent's resources in one namespace that wait for an approval.
type Waiting struct {
	Namespace string
	Count     int
	// Hash tells these changes from any others, and List names them.
	Hash, List string
}

// Waiting returns what waits of a parent's changes, by namespace. settled says that no change was stopped just now: otherwise there will
// soon be more to say.
func (g *Guard) Waiting(p Parent) (all []Waiting, settled bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	settled = true
	for in, one := range g.groups {
		if in.parent != p.Key || !one.waits() {
			continue
		}
		settled = settled && one.settled
		s := one.summarize()
		all = append(all, Waiting{Namespace: in.namespace, Count: len(one.stopped), Hash: s.hash, List: s.list})
	}
	slices.SortFunc(all, func(a, b Waiting) int {
		return cmp.Or(cmp.Compare(a.Namespace, b.Namespace), cmp.Compare(a.Hash, b.Hash))
	})
	return all, settled
}

// Used is how many accounts of one namespace were changed within the window, of Limit; the last of them leaves it at FreesAt.
type Used struct {
	Used, Limit int
	FreesAt     time.Time
}

// Used returns what is used in that namespace of a parent's that has the least left; ok is false where nothing is used, or where the
// limits stop nothing as all accounts may be changed.
func (g *Guard) Used(p Parent, now time.Time) (most Used, ok bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	inOrder := func(a, b scope) int {
		return cmp.Or(cmp.Compare(a.namespace, b.namespace), cmp.Compare(a.namespaceUID, b.namespaceUID))
	}
	for _, in := range slices.SortedFunc(maps.Keys(g.groups), inOrder) {
		if group := g.groups[in]; in.parent != p.Key || group.most >= group.total {
			continue
		}
		one := g.groups[in].used(now)
		if one.Used > 0 && (!ok || one.Limit-one.Used < most.Limit-most.Used) {
			most, ok = one, true
		}
	}
	return most, ok
}

// used is what is used of the group's window.
func (o *group) used(now time.Time) Used {
	u := Used{Limit: o.most}
	for _, one := range o.changed {
		if one.at.Before(now.Add(-o.window)) {
			continue
		}
		u.Used++
		if frees := one.at.Add(o.window); frees.After(u.FreesAt) {
			u.FreesAt = frees
		}
	}
	return u
}
