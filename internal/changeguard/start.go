package changeguard

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/types"
)

// Starts holds back the writes that are pending when a process starts, one group for each parent, until exactly these are approved.
//
// The start of a parent is its first complete list in this process. A resource that is there by then is open: a write that it needs joins
// the group, until its account was once seen to match its spec, somebody edits it or requests something of it before its first write was
// held, or the group is approved. One that was suspended then stays open whatever is edited. A resource that comes later is never open.
// Methods may be called by several workers at once.
type Starts struct {
	changed   func(Parent)
	afterFunc func(time.Duration, func()) (stop func() bool)

	mu sync.Mutex
	// began is when something was first asked.
	began  time.Time
	starts map[Parent]*start
	// where is the parent that each open or approved resource is known by.
	where map[types.UID]Parent
}

// Resource is a resource as a start knows it.
type Resource struct {
	UID             types.UID
	Namespace, Name string
	Generation      int64
	// Requests tells what its annotations request from anything else they may request.
	Requests string
	// Suspended is set where nothing is done for it, so that nobody knows what it needs.
	Suspended bool
	// Created is when it was created, zero where that is not known.
	Created time.Time
	// Deleted is when its deletion began, zero where it is not being deleted.
	Deleted time.Time
	// Elsewhere is set where the resource names another parent than the one that serves its deletion.
	Elsewhere bool
}

// StartState says what a start means for the writes of a resource.
type StartState string

// The states.
const (
	// StartAwaited: the first complete list was not read yet. Nothing may be written.
	StartAwaited StartState = "Awaited"
	// StartHolds: what the resource needs is pending since the start, and waits for approval.
	StartHolds StartState = "Holds"
	// StartApproved: what it needs was approved as a part of the group.
	StartApproved StartState = "Approved"
	// StartFree: the start does not concern the resource.
	StartFree StartState = "Free"
)

// StartVerdict is the state of a resource, and since when.
type StartVerdict struct {
	State StartState
	Since time.Time
	// Later is set where the resource was edited, or something was requested of it, since the start.
	Later bool
	// Approved is the text of the write that was approved, as Hold was told of it.
	Approved string
	// Password is what Hold was told of a password that the account does not have.
	Password string
}

// StartGroup is what waits for approval since a start; Count is 0 where nothing does.
type StartGroup struct {
	Count int
	// Hash tells it from anything else, List names the first few resources, each with what it waits for.
	Hash, List string
}

// start is that of one parent.
type start struct {
	at time.Time
	// unread are the namespaces that could not be read then: what is in them is open.
	unread map[string]bool
	open   map[types.UID]*opened
	// approved are the resources whose writes were approved, as they were then.
	approved map[types.UID]opened
	summary  *StartGroup
	// shown are the groups that were shown.
	shown shownGroups
	// reviewing is set from Begin until Reviewed: a part of what waits must not match what was approved earlier.
	reviewing bool
	// released is set where an approval has released something that nobody was told of yet.
	released bool
	// stopTimer stops the timer after which the change of the group is told; nil where none runs.
	stopTimer func() bool
}

// opened is a resource that was there at a start.
type opened struct {
	Resource

	// kept is set where an edit does not end it: a write was held, its deletion had begun, or it was suspended.
	kept bool
	// later is set where it was edited, or something was requested of it, since the start.
	later bool
	// text is what waits, "" where that is not known, or nothing does.
	text     string
	password string
}

// NewStarts returns Starts without any. It calls changed, without a lock, a second after the last change of a parent's group. afterFunc,
// which must not call the function itself, is time.AfterFunc where it is nil.
func NewStarts(changed func(Parent), afterFunc func(time.Duration, func()) (stop func() bool)) *Starts {
	if afterFunc == nil {
		afterFunc = func(d time.Duration, f func()) func() bool { return time.AfterFunc(d, f).Stop }
	}
	return &Starts{changed: changed, afterFunc: afterFunc, starts: map[Parent]*start{}, where: map[types.UID]Parent{}}
}

// Begun says whether the parent's first complete list was read.
func (s *Starts) Begun(p Parent) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.starts[p] != nil
}

// Begin is to be called once the parent's first complete list was read, with the resources that there are. unread are the namespaces that
// can't be read yet. Where nothing is to be held, there are no resources and no namespaces. No approval counts before Reviewed.
func (s *Starts) Begin(p Parent, resources []Resource, unread []string, now time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.starts[p] != nil {
		return
	}
	one := &start{at: now, unread: map[string]bool{}, open: map[types.UID]*opened{}, approved: map[types.UID]opened{}, reviewing: len(resources) > 0}
	s.starts[p] = one
	for _, namespace := range unread {
		one.unread[namespace] = true
	}
	for _, r := range resources {
		s.open(p, one, r)
	}
}

// Join is to be called once a namespace can be read that was unread, with what there is in it of each parent.
func (s *Starts) Join(namespace string, resources map[types.NamespacedName][]Resource) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for p, one := range s.starts {
		if !one.unread[namespace] {
			continue
		}
		delete(one.unread, namespace)
		for _, r := range resources[p.Key] {
			if one.open[r.UID] == nil && !one.createdAfter(r) {
				s.open(p, one, r)
			}
		}
	}
}

// open adds a resource. The caller holds the lock.
func (s *Starts) open(p Parent, one *start, r Resource) *opened {
	o := &opened{Resource: r, kept: !r.Deleted.IsZero() || r.Suspended}
	if of := s.where[r.UID]; of != p && s.starts[of] != nil { // it names another parent by now
		was := s.starts[of].open[r.UID]
		o.kept, o.later = o.kept || was != nil && was.kept, was != nil
		s.drop(of, s.starts[of], r.UID)
	}
	s.where[r.UID], one.open[r.UID] = p, o
	return o
}

// Reviewed is to be called once all resources that Begin had were looked at: approvals count from now on.
func (s *Starts) Reviewed(p Parent) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if one := s.starts[p]; one != nil {
		one.reviewing = false
	}
}

// Released says whether an approval has released anything since the last time: those resources are to be reconciled.
func (s *Starts) Released(p Parent) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	one := s.starts[p]
	if one == nil || !one.released {
		return false
	}
	one.released = false
	return true
}

// Judge says whether the writes of a resource are held. It applies what the hashes approve.
func (s *Starts) Judge(p Parent, r Resource, approvals []string, now time.Time) StartVerdict {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.began.IsZero() {
		s.began = now
	}
	one := s.starts[p]
	if one == nil {
		return StartVerdict{State: StartAwaited, Since: s.began}
	}
	s.approve(p, one, approvals)
	if was, ok := one.approved[r.UID]; ok {
		if !was.differs(r) {
			return StartVerdict{State: StartApproved, Approved: was.text}
		}
		s.drop(p, one, r.UID)
	}
	o := s.opened(p, one, r)
	if o == nil {
		return StartVerdict{State: StartFree}
	}
	o.later = o.later || o.differs(r)
	return StartVerdict{State: StartHolds, Since: one.at, Later: o.later, Password: o.password}
}

// differs says whether the resource was edited since, or something else is requested of it.
func (o *opened) differs(r Resource) bool {
	return o.Generation != r.Generation || o.Requests != r.Requests
}

// clockSkew is how much later than the start a resource of a namespace that could not be read then has to have been created to count as later:
// the Kubernetes API has a clock of its own.
const clockSkew = 5 * time.Second

// createdAfter says whether a resource was created after the start.
func (one *start) createdAfter(r Resource) bool { return r.Created.After(one.at.Add(clockSkew)) }

// opened is what is known of a resource that the start concerns, nil where it does not. The caller holds the lock.
func (s *Starts) opened(p Parent, one *start, r Resource) *opened {
	o := one.open[r.UID]
	switch former := s.starts[s.where[r.UID]]; {
	case o == nil && former != nil && former.open[r.UID] != nil && former.open[r.UID].kept:
		return s.open(p, one, r)
	case o == nil && (one.unread[r.Namespace] && !one.createdAfter(r) || r.Elsewhere && r.Deleted.Before(one.at)):
		return s.open(p, one, r)
	case o != nil && !o.kept && o.differs(r):
		s.drop(p, one, r.UID)
		return nil
	}
	return o
}

// Hold has a write wait that the resource needs. password, where it is not "", tells the password that the account does not have from
// others.
func (s *Starts) Hold(p Parent, r Resource, text, password string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	one := s.starts[p]
	if one == nil || one.open[r.UID] == nil { // approved meanwhile
		return
	}
	o := one.open[r.UID]
	o.kept = true
	if !o.differs(r) && o.text == text && o.password == password {
		return
	}
	o.later = o.later || o.differs(r)
	o.Resource, o.text, o.password = r, text, password
	s.touch(p, one, r.Namespace)
}

// Waits says whether this very write of the resource is in the group.
func (s *Starts) Waits(p Parent, r Resource, text string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	one := s.starts[p]
	if one == nil || one.open[r.UID] == nil {
		return false
	}
	o := one.open[r.UID]
	return !o.differs(r) && o.text == text
}

// Withdraw takes a resource from the group that needs no write as it is now. The next one is held again.
func (s *Starts) Withdraw(uid types.UID) {
	s.mu.Lock()
	defer s.mu.Unlock()
	p, known := s.where[uid]
	if !known || s.starts[p] == nil {
		return
	}
	if o := s.starts[p].open[uid]; o != nil && o.text != "" {
		o.text, o.password = "", ""
		s.touch(p, s.starts[p], o.Namespace)
	}
}

// Forget drops a resource whose account was seen to match its spec, or that is deleted: the start does not concern it any more.
func (s *Starts) Forget(uid types.UID) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if p, known := s.where[uid]; known {
		s.drop(p, s.starts[p], uid)
	}
}

// Release ends what a parent's start holds, as nothing is to be held any more.
func (s *Starts) Release(p Parent) {
	s.mu.Lock()
	defer s.mu.Unlock()
	one := s.starts[p]
	if one == nil || len(one.open)+len(one.unread) == 0 {
		return
	}
	for uid, o := range one.open {
		delete(s.where, uid)
		one.shown.changed(o.Namespace)
	}
	clear(one.open)
	clear(one.unread)
	s.touch(p, one)
}

// ForgetParent drops all that is remembered of a parent that is deleted.
func (s *Starts) ForgetParent(key types.NamespacedName) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for p, one := range s.starts {
		if p.Key == key {
			one.stop()
			delete(s.starts, p)
		}
	}
	maps.DeleteFunc(s.where, func(_ types.UID, p Parent) bool { return p.Key == key })
}

// Remembers says whether anything is remembered of a resource.
func (s *Starts) Remembers(uid types.UID) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	_, known := s.where[uid]
	return known
}

// Group is what waits for approval, and is to be shown. It applies what the hashes approve.
func (s *Starts) Group(p Parent, approvals []string) StartGroup {
	s.mu.Lock()
	defer s.mu.Unlock()
	one := s.starts[p]
	if one == nil {
		return StartGroup{}
	}
	s.approve(p, one, approvals)
	g := one.group(p)
	if g.Count > 0 {
		one.shown.show(g.Hash)
	}
	return g
}

// approve releases the group if one of the hashes names exactly what is in it. Where one names a group that was shown earlier, it releases
// those namespaces of which all is as it was then: whoever keeps editing a resource keeps none of another namespace waiting. The caller holds
// the lock.
func (s *Starts) approve(p Parent, one *start, hashes []string) {
	if len(hashes) == 0 || one.reviewing {
		return
	}
	g := one.group(p)
	if g.Count == 0 {
		return
	}
	approves := func(string) bool { return true }
	if !slices.Contains(hashes, g.Hash) {
		if approves = one.shown.approved(hashes); approves == nil {
			return
		}
	}
	open := len(one.open)
	for uid, o := range one.open {
		if o.text != "" && approves(o.Namespace) {
			one.approved[uid] = *o
			delete(one.open, uid)
		}
	}
	if len(one.open) < open {
		one.released = true
		s.touch(p, one)
	}
}

// drop drops a resource. The caller holds the lock.
func (s *Starts) drop(p Parent, one *start, uid types.UID) {
	delete(s.where, uid)
	if one == nil {
		return
	}
	if o := one.open[uid]; one.drop(uid) {
		s.touch(p, one, o.Namespace)
	}
}

// drop drops a resource, and says whether that changes the group.
func (one *start) drop(uid types.UID) bool {
	o := one.open[uid]
	delete(one.open, uid)
	delete(one.approved, uid)
	if o == nil || o.text == "" {
		return false
	}
	return true
}

// touch notes that the group changed, in a namespace if one is given, which is told once it has not changed for a while. The caller holds the
// lock.
func (s *Starts) touch(p Parent, one *start, namespaces ...string) {
	one.summary = nil
	one.shown.changed(namespaces...)
	one.stop()
	one.stopTimer = s.afterFunc(settlesAfter, func() { s.changed(p) })
}

func (one *start) stop() {
	if one.stopTimer != nil {
		one.stopTimer()
	}
}

// group puts together what is to be said of all that waits.
func (one *start) group(p Parent) StartGroup {
	if one.summary != nil {
		return *one.summary
	}
	all := slices.DeleteFunc(slices.Collect(maps.Values(one.open)), func(o *opened) bool { return o.text == "" })
	slices.SortFunc(all, func(a, b *opened) int { return strings.Compare(a.key(), b.key()) })
	g := StartGroup{Count: len(all)}
	if g.Count > 0 {
		sum := summarize(all, func(o *opened) (hashed, shown string) {
			return fmt.Sprintf("%s %s %d %q\n", o.key(), o.UID, o.Generation, o.text), fmt.Sprintf("%s (%s)", o.within(p), o.text)
		})
		g.Hash, g.List = sum.hash, sum.list
	}
	one.summary = &g
	return g
}

func (r Resource) key() string { return r.Namespace + "/" + r.Name }

// within is the resource's name as the parent's namespace has it.
func (r Resource) within(p Parent) string {
	if r.Namespace == p.Key.Namespace {
		return r.Name
	}
	return r.key()
}
