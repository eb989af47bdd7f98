package changeguard

import (
	"context"
	"errors"
	"maps"
	"slices"
	"time"

	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/resourceversion"
)

// counts is how long a deactivation counts.
const counts = time.Hour

// maxStored is how many deactivations a parent's status holds.
const maxStored = 1000

// maxConflicts is how often one write is retried because the parent was changed meanwhile.
const maxConflicts = 5

// ErrConflict is what Storage.Write returns where the parent was changed since the resource version that it was given.
var ErrConflict = errors.New("the parent was changed meanwhile")

// Deactivation is an account that was deactivated.
type Deactivation struct {
	At time.Time
	// Namespace is the resource's, Name the account's.
	Namespace, Name string
}

// Stored are the deactivations that a parent's status holds, as of a resource version.
type Stored struct {
	ResourceVersion string
	Deactivations   []Deactivation
}

// Storage keeps the deactivations of one parent in its status.
type Storage interface {
	// Write stores all, and returns the parent's new resource version. It returns ErrConflict, and stores nothing, if the parent
	// has another resource version than the one given.
	Write(ctx context.Context, s Stored) (resourceVersion string, err error)
	// Read returns what is stored, as the Kubernetes API has it now.
	Read(ctx context.Context) (Stored, error)
}

// budget has one parent's deactivations of the last hour: each account once, however often that was tried and by whatever
// resource, and those of each namespace for themselves.
type budget struct {
	entries map[types.NamespacedName]entry
	// resourceVersion is the parent's, as of which all that was stored is among the entries, once that was loaded: of the object with the UID of.
	resourceVersion string
	loaded          bool
	of              types.UID
	// noted counts the notes, written those of them that are stored.
	noted, written int
	// writing is closed when the write that is under way ends; nil where none is.
	writing chan struct{}
}

// entry is one deactivation.
type entry struct {
	at time.Time
	// noted is set once it is to be stored; before that it is reserved for the resource with the UID by.
	noted bool
	by    types.UID
	// namespaceUID is that of the resource's namespace, "" where it is not known: of what was stored.
	namespaceUID types.UID
}

// of says whether the entry is of this namespace, and not of a former one with its name.
func (e entry) of(n Namespace) bool {
	if e.namespaceUID != "" && n.UID != "" {
		return e.namespaceUID == n.UID
	}
	return !e.at.Before(n.Created)
}

func (e entry) old(now time.Time) bool { return !e.at.After(now.Add(-counts)) }

func (c Change) account() types.NamespacedName {
	return types.NamespacedName{Namespace: c.Namespace.Name, Name: c.Account}
}

// wait is how long there is no room for the change; 0 where there is. A nil budget has no deactivations.
func (b *budget) wait(c Change, now time.Time) time.Duration {
	if !c.Deactivates {
		return 0
	}
	var same []time.Time
	if b != nil {
		for of, one := range b.entries {
			switch {
			case of.Namespace != c.Namespace.Name || one.old(now) || !one.of(c.Namespace):
			case of == c.account():
				return 0 // it counts already
			default:
				same = append(same, one.at)
			}
		}
	}
	switch most := c.Limits.DeactivationsPerHour; {
	case most == 0:
		return counts
	case len(same) >= most:
		slices.SortFunc(same, time.Time.Compare)
		return max(same[len(same)-most].Add(counts).Sub(now), time.Second)
	}
	return 0
}

// reserve counts a deactivation that may be made, unless it counts already.
func (b *budget) reserve(c Change, now time.Time) {
	if one, ok := b.entries[c.account()]; ok && !one.old(now) && one.of(c.Namespace) {
		return
	}
	b.entries[c.account()] = entry{at: now, by: c.UID, namespaceUID: c.Namespace.UID}
}

// release gives up what was reserved for a resource and not used.
func (b *budget) release(uid types.UID) {
	if b != nil {
		maps.DeleteFunc(b.entries, func(_ types.NamespacedName, one entry) bool { return !one.noted && one.by == uid })
	}
}

// reserves says whether something is reserved for a resource.
func (b *budget) reserves(uid types.UID) bool {
	if b == nil {
		return false
	}
	for _, one := range b.entries {
		if !one.noted && one.by == uid {
			return true
		}
	}
	return false
}

// slide forgets what does not count any more.
func (b *budget) slide(now time.Time) {
	maps.DeleteFunc(b.entries, func(_ types.NamespacedName, one entry) bool { return one.old(now) })
}

// idle says whether all there is to remember is stored, and nothing of it counts.
func (b *budget) idle() bool { return len(b.entries) == 0 && b.writing == nil }

// note makes sure that the deactivation is among those to be stored. One that was approved beyond the budget is not reserved.
func (b *budget) note(c Change, now time.Time) {
	b.reserve(c, now)
	one := b.entries[c.account()]
	one.noted = true
	b.entries[c.account()] = one
	b.noted++
	for of, one := range b.entries { // those of a former namespace count for nothing
		if of.Namespace == c.Namespace.Name && !one.of(c.Namespace) {
			delete(b.entries, of)
		}
	}
}

// merge adds what is stored as of a newer resource version than the one known.
func (b *budget) merge(s Stored) {
	for _, d := range s.Deactivations {
		of := types.NamespacedName{Namespace: d.Namespace, Name: d.Name}
		one := b.entries[of]
		one.noted = true // a reservation too: what is stored must not get lost
		if one.at.Before(d.At) {
			one.at = d.At
		}
		b.entries[of] = one
	}
	b.resourceVersion, b.loaded = s.ResourceVersion, true
}

// stored is all that is to be stored, the oldest first.
func (b *budget) stored(now time.Time) Stored {
	b.slide(now)
	s := Stored{ResourceVersion: b.resourceVersion}
	for of, one := range b.entries {
		if one.noted {
			s.Deactivations = append(s.Deactivations, Deactivation{At: one.at, Namespace: of.Namespace, Name: of.Name})
		}
	}
	slices.SortFunc(s.Deactivations, func(a, b Deactivation) int { return a.At.Compare(b.At) })
	s.Deactivations = s.Deactivations[max(0, len(s.Deactivations)-maxStored):]
	return s
}

// budget is that of the parent. The caller holds the lock.
func (g *Guard) budget(p Parent) *budget {
	b := g.budgets[p.Key]
	if b == nil {
		b = &budget{entries: map[types.NamespacedName]entry{}, of: p.UID}
		g.budgets[p.Key] = b
	}
	if b.of != p.UID { // recreated: nothing of what counts is stored in it
		b.of, b.loaded, b.resourceVersion = p.UID, false, ""
	}
	return b
}

// Load takes over the deactivations that a parent's status holds, where that is newer than what is known. It is to be called
// before a deactivation is checked, admitted or noted. stored is called with the lock held, and makes no call.
func (g *Guard) Load(p Parent, resourceVersion string, stored func() []Deactivation) {
	g.mu.Lock()
	defer g.mu.Unlock()
	b := g.budget(p)
	if b.loaded && b.resourceVersion == resourceVersion {
		return
	}
	order, err := resourceversion.CompareResourceVersion(resourceVersion, b.resourceVersion)
	if !b.loaded || err == nil && order > 0 {
		b.merge(Stored{resourceVersion, stored()})
	}
}

// Note stores that the account is being deactivated, and returns once that is stored: the deactivation comes after it, so
// that a crash in between counts one too many and never one too few. Notes of one parent that come together share a write.
// A write goes out for the very resource version that it is made from: what another process stored meanwhile is read and
// merged, so that neither a stale cache nor a former leader loses a note.
func (g *Guard) Note(ctx context.Context, c Change, now time.Time, storage Storage) error {
	g.mu.Lock()
	b := g.budget(c.Parent)
	b.note(c, now)
	g.where[c.UID] = c.scope()
	mine := b.noted
	g.mu.Unlock()
	for {
		g.mu.Lock()
		writing := b.writing
		switch {
		case b.written >= mine:
			g.mu.Unlock()
			return nil
		case writing == nil:
			b.writing = make(chan struct{})
			g.mu.Unlock()
			return g.write(ctx, b, now, storage)
		}
		g.mu.Unlock()
		select {
		case <-writing:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// write stores all that is noted by now. The caller is the only one that writes for the parent.
func (g *Guard) write(ctx context.Context, b *budget, now time.Time, storage Storage) error {
	defer func() {
		g.mu.Lock()
		defer g.mu.Unlock()
		close(b.writing)
		b.writing = nil
	}()
	for try := 0; ; try++ {
		g.mu.Lock()
		all, upTo := b.stored(now), b.noted
		g.mu.Unlock()
		version, err := "", ErrConflict
		if all.ResourceVersion != "" { // else a worker of a former object of the name came in between: a write without one would store over all
			version, err = storage.Write(ctx, all)
		}
		if err == nil {
			g.mu.Lock()
			b.resourceVersion, b.written = version, upTo
			g.mu.Unlock()
			return nil
		}
		if !errors.Is(err, ErrConflict) || try == maxConflicts {
			return err
		}
		present, err := storage.Read(ctx)
		if err != nil {
			return err
		}
		g.mu.Lock()
		b.merge(present)
		g.mu.Unlock()
	}
}
