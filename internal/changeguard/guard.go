package changeguard

import (
	"fmt"
	"maps"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/types"
)

const (
	// settlesAfter is how long no other change must have been stopped before the hash is shown: all of them are to be approved.
	settlesAfter = time.Second
	// countsFor is how long the size of a fleet is good for.
	countsFor = 10 * time.Second
	// sweepsEvery is how often what is too old to count is dropped.
	sweepsEvery = time.Minute
)

// Parent is the parent of the accounts.
type Parent struct {
	Key types.NamespacedName
	UID types.UID
}

// Namespace is the namespace of the resources. UID is empty where the operator may not read namespaces: then a recreated one
// can't be told from the former one. Created, zero where it is not known, is when it was created: earlier deactivations that
// were stored under its name are those of a former namespace.
type Namespace struct {
	Name    string
	UID     types.UID
	Created time.Time
}

// Limits are the parent's limits.
type Limits struct {
	// Percent of the fleet, but at least Minimum accounts, may be changed within Window.
	Percent, Minimum int
	Window           time.Duration
	// DeactivationsPerHour is how many accounts of a namespace may be deactivated within an hour.
	DeactivationsPerHour int
}

// Change is a change of one account, and what it is judged by.
type Change struct {
	Parent    Parent
	Namespace Namespace
	// UID, Name and Generation are the resource's, Account is the account's name.
	UID        types.UID
	Name       string
	Generation int64
	Account    string
	// Text is the change in words, with no secret.
	Text string
	// Deactivates is set where the account is deactivated by it.
	Deactivates bool
	// Total is how many accounts the resources of the parent in the namespace have or are to have.
	Total  int
	Limits Limits
	// Approvals are the hashes that were approved.
	Approvals []string
	// Waited is set where the resource's status says that its change was stopped, maybe by a former process.
	Waited bool
}

func (c Change) scope() scope { return scope{c.Parent.Key, c.Namespace.Name, c.Namespace.UID} }

func (c Change) intent() intent {
	return intent{types.NamespacedName{Namespace: c.Namespace.Name, Name: c.Name}, c.UID, c.Generation, c.Text}
}

// most is how many accounts may be changed within the window.
func (c Change) most() int {
	return max(c.Limits.Minimum, (c.Total*c.Limits.Percent+99)/100)
}

// scope is whose changes are counted together. A parent is known by its name: one that is deleted and applied again leads to the same accounts,
// and makes no room for more changes of them.
type scope struct {
	parent       types.NamespacedName
	namespace    string
	namespaceUID types.UID
}

// Verdict says whether a change may be made, and if not, why.
type Verdict struct {
	// Allowed: it may be made. Otherwise it is stopped. Approved: it may, as it was approved.
	Allowed, Approved bool
	// Rule is the rule that stops it, in words.
	Rule string
	// Wait is when the rule may allow it without an approval; 0 where time alone does not tell.
	Wait time.Duration
	// Settled is set once no other change was stopped for a while. Only then Hash and List are set: what is approved is to be
	// all that waits.
	Settled bool
	// Hash tells all that is stopped from anything else, and List names it.
	Hash, List string
}

// Guard is the mass-change governor and the deactivation budget. Its methods may be called by several workers at once. It does not
// hold its lock while a fleet is counted, deactivations are stored, or resources are woken.
type Guard struct {
	settled   func(Parent, []types.NamespacedName)
	afterFunc func(time.Duration, func()) (stop func() bool)

	mu     sync.Mutex
	fleets map[fleetKey]counted
	groups map[scope]*group
	// budgets are by the parent's name, as the groups are.
	budgets map[types.NamespacedName]*budget
	// where is the group that remembers something of a resource.
	where map[types.UID]scope
	swept time.Time
}

// New returns a Guard. It calls settled with a parent and the resources whose changes are stopped, once there is something to say of
// them, or nothing any more.
// afterFunc, which must not call the function itself, is time.AfterFunc where it is nil.
func New(settled func(Parent, []types.NamespacedName), afterFunc func(time.Duration, func()) (stop func() bool)) *Guard {
	if afterFunc == nil {
		afterFunc = func(d time.Duration, f func()) func() bool { return time.AfterFunc(d, f).Stop }
	}
	return &Guard{
		settled: settled, afterFunc: afterFunc,
		fleets: map[fleetKey]counted{}, groups: map[scope]*group{}, budgets: map[types.NamespacedName]*budget{}, where: map[types.UID]scope{},
	}
}

// Check says whether the change is stopped now, and what would be said. It counts nothing, and nothing waits for it.
func (g *Guard) Check(c Change, now time.Time) Verdict {
	g.mu.Lock()
	defer g.mu.Unlock()
	one := g.groups[c.scope()]
	if one == nil {
		one = newGroup()
	}
	v, _ := one.judge(c, g.budgets[c.Parent.Key].wait(c, now), now)
	if !v.Allowed && one.stopped[c.UID] != c.intent() {
		v.Settled = false // it would be the latest to be stopped
	}
	return one.tell(v)
}

// Admit says whether the change may be made now. One that may is counted, one that may not waits for approval.
func (g *Guard) Admit(c Change, now time.Time) Verdict {
	g.mu.Lock()
	defer g.mu.Unlock()
	defer g.sweep(now) // not before: what Check says now is what is decided
	one := g.group(c)
	one.approve(c.Approvals)
	one.slide(now)
	one.most, one.total = c.most(), c.Total
	defer g.cleared(c.scope())
	v, approved := one.judge(c, g.budgets[c.Parent.Key].wait(c, now), now)
	switch {
	case approved: // beside those that count
		one.withdraw(c.UID)
	case v.Allowed:
		if c.Deactivates {
			g.budget(c.Parent).reserve(c, now)
		}
		one.pass(c.UID, now)
	case one.stop(c):
		v.Settled = false
		one.settle(g.afterFunc(settlesAfter, func() { g.settle(c.scope()) }))
	}
	return one.tell(v)
}

// Done says how a change ended that was admitted. One that was refused, after none that was made, counts for nothing.
func (g *Guard) Done(uid types.UID, refused bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	one := g.groups[g.where[uid]]
	if one == nil {
		return
	}
	switch c, counted := one.changed[uid]; {
	case !counted:
	case !refused:
		c.made = true
		one.changed[uid] = c
	case !c.made:
		delete(one.changed, uid)
	}
}

// Withdraw takes a resource from those that wait, and leaves what is approved or counted of it.
func (g *Guard) Withdraw(uid types.UID) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if one := g.groups[g.where[uid]]; one != nil {
		one.withdraw(uid)
		g.cleared(g.where[uid])
	}
}

// Remembers says whether anything is remembered of a resource.
func (g *Guard) Remembers(uid types.UID) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	in, known := g.where[uid]
	return known && (g.groups[in].remembers(uid) || g.budgets[in.parent].reserves(uid))
}

// Forget drops a resource that has nothing to change any more, or is deleted. What was changed of it counts for as long as it would
// have.
func (g *Guard) Forget(uid types.UID) {
	g.mu.Lock()
	defer g.mu.Unlock()
	in, known := g.where[uid]
	if !known {
		return
	}
	g.budgets[in.parent].release(uid)
	if one := g.groups[in]; one != nil {
		one.withdraw(uid)
		delete(one.approved, uid)
		g.cleared(in)
	}
	if !g.groups[in].remembers(uid) {
		delete(g.where, uid)
	}
}

// ForgetNamespace drops all that is remembered of a namespace that is deleted.
func (g *Guard) ForgetNamespace(name string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	maps.DeleteFunc(g.fleets, func(k fleetKey, _ counted) bool { return k.namespace == name })
	for _, b := range g.budgets {
		maps.DeleteFunc(b.entries, func(of types.NamespacedName, _ entry) bool { return of.Namespace == name })
	}
	g.drop(func(s scope) bool { return s.namespace == name })
}

// ForgetParent drops what was approved of a parent that is deleted. What was changed counts for as long as it would have, and what waits still
// waits, for one of the same name: neither is the deleted object's.
func (g *Guard) ForgetParent(key types.NamespacedName) {
	g.mu.Lock()
	defer g.mu.Unlock()
	maps.DeleteFunc(g.fleets, func(k fleetKey, _ counted) bool { return k.parent.Key == key })
	for in, one := range g.groups {
		if in.parent == key {
			one.approved = nil
		}
	}
	if b := g.budgets[key]; b != nil && b.idle() {
		delete(g.budgets, key)
	}
	g.drop(func(s scope) bool { return s.parent == key && g.groups[s].idle() })
}

// group is that of the change, which is noted to be where something is remembered of the resource. The caller holds the lock.
func (g *Guard) group(c Change) *group {
	in := c.scope()
	if before, known := g.where[c.UID]; known && before != in { // another parent, or the namespace is better known by now
		if one := g.groups[before]; one != nil {
			one.withdraw(c.UID)
			delete(one.approved, c.UID)
		}
		g.budgets[before.parent].release(c.UID)
	}
	g.where[c.UID] = in
	if g.groups[in] == nil {
		g.groups[in] = newGroup()
	}
	g.groups[in].window, g.groups[in].parent = c.Limits.Window, c.Parent
	return g.groups[in]
}

// cleared has it told in a while where nothing of a group waits any more that was told to wait. The caller holds the lock.
func (g *Guard) cleared(in scope) {
	if one := g.groups[in]; one != nil && one.shown && !one.waits() {
		one.shown = false
		one.settle(g.afterFunc(settlesAfter, func() { g.settle(in) }))
	}
}

// settle has all resources of a group whose changes are stopped looked at, and their parent, as no other was stopped for a while.
func (g *Guard) settle(in scope) {
	g.mu.Lock()
	var keys []types.NamespacedName
	parent := Parent{Key: in.parent}
	if one := g.groups[in]; one != nil {
		parent = one.parent
		one.settled, one.shown = true, one.waits()
		for _, i := range one.stopped {
			keys = append(keys, i.key)
		}
	}
	g.mu.Unlock()
	g.settled(parent, keys)
}

// sweep drops what is too old to count. The caller holds the lock.
func (g *Guard) sweep(now time.Time) {
	if now.Sub(g.swept) < sweepsEvery {
		return
	}
	g.swept = now
	maps.DeleteFunc(g.fleets, func(_ fleetKey, c counted) bool { return c.old(now) })
	for p, b := range g.budgets {
		if b.slide(now); b.idle() {
			delete(g.budgets, p)
		}
	}
	for _, one := range g.groups {
		one.slide(now)
	}
	g.drop(func(s scope) bool { return g.groups[s].idle() })
}

// drop drops groups, and where resources are of which nothing is remembered any more. The caller holds the lock.
func (g *Guard) drop(which func(scope) bool) {
	for in, one := range g.groups {
		if which(in) {
			one.settle(nil)
			delete(g.groups, in)
		}
	}
	maps.DeleteFunc(g.where, func(uid types.UID, in scope) bool {
		return !g.groups[in].remembers(uid) && !g.budgets[in.parent].reserves(uid)
	})
}

// Fleet is what there is of a parent's resources in one namespace.
type Fleet struct {
	Total     int
	Namespace Namespace
}

type fleetKey struct {
	parent    Parent
	namespace string
}

type counted struct {
	Fleet

	at time.Time
}

func (c counted) old(now time.Time) bool { return now.Sub(c.at) > countsFor }

// Fleet is what count returned in the last 10 seconds, or returns now. It is called without the lock, and an error is not kept.
func (g *Guard) Fleet(parent Parent, namespace string, now time.Time, count func() (Fleet, error)) (Fleet, error) {
	key := fleetKey{parent, namespace}
	g.mu.Lock()
	known, ok := g.fleets[key]
	g.mu.Unlock()
	if ok && !known.old(now) {
		return known.Fleet, nil
	}
	fleet, err := count()
	if err != nil {
		return Fleet{}, err
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.fleets[key] = counted{fleet, now}
	return fleet, nil
}

// rules in words.
func massChangeRule(c Change, waiting int) string {
	rule := fmt.Sprintf("no more than %d accounts (of %d) may change within %s", c.most(), c.Total, c.Limits.Window)
	if waiting > c.most() { // what waits goes by itself only once all of it fits
		rule += fmt.Sprintf(", and %d wait: more than the window ever allows, so waiting longer does not help", waiting)
	}
	return rule
}

func deactivationRule(c Change) string {
	return fmt.Sprintf("no more than %d accounts may be deactivated within an hour", c.Limits.DeactivationsPerHour)
}
