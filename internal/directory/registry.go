package directory

import (
	"maps"
	"sync"
	"time"
	"weak"

	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/clock"

	"cpaas.dev/child-account-operator/internal/account"
	"cpaas.dev/child-account-operator/internal/pacing"
	"cpaas.dev/child-account-operator/internal/provider"
)

// Parent is a usable parent account: its identity, and its directory.
type Parent struct {
	*Directory
	// Budget bounds its calls. ParentAccounts of one account share it.
	Budget *pacing.Budget
	// AccountID and AccountName are the parent account's at the provider.
	AccountID, AccountName string
	// Balance is the parent account's money as the connection's first call has shown it; nil where nobody asked for it.
	Balance *account.Balance
	// Own is the parent account itself as the connection's first call has shown it.
	Own OwnAccount
	// Endpoint is the API's address.
	Endpoint string
	// Connection identifies the connection: it changes with credentials, endpoint and authorities.
	Connection string
	// Target identifies where the connection leads, whatever its credentials: the resource, the endpoint and the authorities.
	Target string
	// APIKey is a fingerprint of the parent account's own API key.
	APIKey string
	// UID is the resource's, Resync is how often it wants the list to be read.
	UID    types.UID
	Resync time.Duration
	// Verified names the state of the resource that the connection was last found good for: its UID and generation.
	Verified string
	// Requested is the last requested reconcile (the annotation reconcile-requested-at) that was acted on.
	Requested string
	// Withdrawn is set once the Secret with the credentials is missing: the connection is kept, and used for deletions at most.
	Withdrawn *Withdrawal
	// Refused is the last connection to the same target that the provider refused, while this one stays in use; nil where none is.
	Refused *Refusal
}

// Refusal is a connection that the provider refused.
type Refusal struct {
	// Connection is what Parent.Connection would have been.
	Connection string
	// At is when the connection was attempted, Err is how the provider refused it.
	At  time.Time
	Err error
}

// Withdrawal is the loss of a connection's credentials.
type Withdrawal struct {
	// Since is when it was noticed.
	Since time.Time
	// Deleted is set where the Secret was deleted, perhaps together with all that uses it. One that may not be read any more (its label
	// was taken away) is a withdrawal that holds for deletions too.
	Deleted bool
}

// Registry holds the usable parents by the name of their resource, and the snapshots that they share. It is safe for concurrent use;
// Written, Concerned and Freed are set before its first use, and called without a lock.
type Registry struct {
	// Written is told of the ParentAccounts that share a snapshot with the one that has written to the account of a name; nil tells
	// nobody.
	Written func(others []types.NamespacedName, accountName string)
	// Concerned is told of a ParentAccount that is to be reconciled: another one has read its list, its credentials were refused in
	// a call, or the provider begins or ends to rate-limit its calls; nil tells nobody.
	Concerned func(types.NamespacedName)
	// Freed is told of values that accounts of a source have no more: another account can have them; nil tells nobody.
	Freed func(Source, []Freed)

	mu      sync.RWMutex
	parents map[types.NamespacedName]*Parent
	// listed is when the last complete list of a former connection was requested, until Forget.
	listed map[types.NamespacedName]time.Time
	// requested are the parents whose list is to be read although it is not due.
	requested map[types.NamespacedName]bool
	// snapshots are those in use: a snapshot is dropped with the last ParentAccount that uses it.
	snapshots map[Source]*sharedSnapshot
	// budgets are those in use: a budget is collected with the last parent or call that has it.
	budgets map[string]weak.Pointer[pacing.Budget]
}

// Get returns the parent, nil where it is not usable (yet, or any more).
func (r *Registry) Get(key types.NamespacedName) *Parent {
	if p := r.Former(key); p != nil && p.Withdrawn == nil {
		return p
	}
	return nil
}

// Former returns the parent as it was last connected, usable or not; nil where it never was.
func (r *Registry) Former(key types.NamespacedName) *Parent {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return r.parents[key]
}

// ForDeletion returns the parent for a resource that is being deleted: the usable one, or the one whose credentials were deleted after
// a time.
func (r *Registry) ForDeletion(key types.NamespacedName, after time.Time) *Parent {
	p := r.Former(key)
	if p == nil || p.Withdrawn == nil || p.Withdrawn.Deleted && p.Withdrawn.Since.After(after) {
		return p
	}
	return nil
}

// Withdraw has the parent serve nothing any more but deletions, and these only where its Secret was deleted, until Put; and returns
// since when. ok is false where there is none.
func (r *Registry) Withdraw(key types.NamespacedName, deleted bool, now time.Time) (since time.Time, ok bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	p := r.parents[key]
	if p == nil {
		return time.Time{}, false
	}
	w := Withdrawal{Since: now, Deleted: deleted}
	if p.Withdrawn != nil {
		w.Since, w.Deleted = p.Withdrawn.Since, deleted && p.Withdrawn.Deleted
	}
	withdrawn := *p
	withdrawn.Withdrawn = &w
	if p.Directory != nil {
		p.access.doubt() // credentials that come back show first that they are still good
	}
	r.parents[key] = &withdrawn
	return w.Since, true
}

// All are the usable parents.
func (r *Registry) All() map[types.NamespacedName]*Parent {
	r.mu.RLock()
	defer r.mu.RUnlock()
	usable := maps.Clone(r.parents)
	maps.DeleteFunc(usable, func(_ types.NamespacedName, p *Parent) bool { return p.Withdrawn != nil })
	return usable
}

// Put stores the parent, nil removes it.
func (r *Registry) Put(key types.NamespacedName, p *Parent) {
	r.mu.Lock()
	defer r.mu.Unlock()
	old := r.parents[key]
	if old != nil && old.Budget != nil && (p == nil || p.Budget != old.Budget) {
		old.Budget.Drop(key.String())
	}
	r.keepListed(key, old)
	r.leaveOthers(key, p)
	if p == nil {
		delete(r.parents, key)
		return
	}
	if r.parents == nil {
		r.parents = map[types.NamespacedName]*Parent{}
	}
	r.parents[key] = p
}

// Forget removes a parent whose resource is deleted, or another operator's, and all that is remembered of it.
func (r *Registry) Forget(key types.NamespacedName) {
	r.Put(key, nil)
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.listed, key)
	delete(r.requested, key)
}

// RequestList has the list of a parent read with its next reconcile, although it is not due; nothing happens where there is no such parent.
func (r *Registry) RequestList(key types.NamespacedName) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.parents[key] == nil {
		return
	}
	if r.requested == nil {
		r.requested = map[types.NamespacedName]bool{}
	}
	r.requested[key] = true
}

// TakeListRequest says whether RequestList was called since TakeListRequest was.
func (r *Registry) TakeListRequest(key types.NamespacedName) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	requested := r.requested[key]
	delete(r.requested, key)
	return requested
}

// keepListed remembers when a connection that is replaced or removed has read the list. The caller holds the lock.
func (r *Registry) keepListed(key types.NamespacedName, old *Parent) {
	if old == nil || old.Directory == nil {
		return
	}
	if at := old.Listings().CompleteAt; !at.IsZero() {
		if r.listed == nil {
			r.listed = map[types.NamespacedName]time.Time{}
		}
		r.listed[key] = at
	}
}

// LastListed is when the parent's last complete list was requested, by this connection or a former one; zero where none was.
func (r *Registry) LastListed(key types.NamespacedName) time.Time {
	r.mu.RLock()
	defer r.mu.RUnlock()
	if p := r.parents[key]; p != nil && p.Directory != nil {
		if at := p.Listings().CompleteAt; !at.IsZero() {
			return at
		}
	}
	return r.listed[key]
}

// Budget returns the budget of a provider's account, which all ParentAccounts that lead there share; made is used where
// there is none yet.
func (r *Registry) Budget(endpoint, accountID string, made *pacing.Budget) *pacing.Budget {
	r.mu.Lock()
	defer r.mu.Unlock()
	maps.DeleteFunc(r.budgets, func(_ string, b weak.Pointer[pacing.Budget]) bool { return b.Value() == nil })
	key := endpoint + " " + accountID
	if shared := r.budgets[key].Value(); shared != nil {
		return shared
	}
	if r.budgets == nil {
		r.budgets = map[string]weak.Pointer[pacing.Budget]{}
	}
	r.budgets[key] = weak.Make(made)
	made.OnTurn(func() { r.turned(made) })
	return made
}

// turned tells of all ParentAccounts whose calls a budget bounds.
func (r *Registry) turned(b *pacing.Budget) {
	if r.Concerned == nil {
		return
	}
	for _, key := range r.boundBy(b) {
		r.Concerned(key)
	}
}

// boundBy are the ParentAccounts whose calls a budget bounds, in no order.
func (r *Registry) boundBy(b *pacing.Budget) (keys []types.NamespacedName) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	for key, p := range r.parents {
		if p.Budget == b {
			keys = append(keys, key)
		}
	}
	return keys
}

// Join makes the directory of a ParentAccount, on the snapshot of the source: the one that others use already, or a new one. Put has
// the ParentAccount leave every other snapshot, and Put of nil this one too.
func (r *Registry) Join(key types.NamespacedName, source Source, remote provider.Remote, c clock.Clock) *Directory {
	r.mu.Lock()
	defer r.mu.Unlock()
	s := r.snapshots[source]
	if s == nil {
		s = newSharedSnapshot(remote.Fields())
		s.written, s.concerned = r.Written, r.Concerned
		if r.Freed != nil {
			s.freed = func(freed []Freed) { r.Freed(source, freed) }
		}
		if r.snapshots == nil {
			r.snapshots = map[Source]*sharedSnapshot{}
		}
		r.snapshots[source] = s
	}
	return s.join(key, remote, c)
}

// Of says whether a directory is on the snapshot of a source.
func (r *Registry) Of(d *Directory, source Source) bool {
	r.mu.RLock()
	defer r.mu.RUnlock()
	s := r.snapshots[source]
	return s != nil && d != nil && s == d.shared
}

// leaveOthers has a ParentAccount leave all snapshots but that of p. The caller holds the lock.
func (r *Registry) leaveOthers(key types.NamespacedName, p *Parent) {
	for source, s := range r.snapshots {
		if stays := p != nil && p.Directory != nil && p.shared == s; !stays && s.leave(key) {
			delete(r.snapshots, source)
		}
	}
}

// Sharing are the other usable ParentAccounts on the snapshot of one's directory whose credentials are good for it, in no order.
func (r *Registry) Sharing(key types.NamespacedName, d *Directory) (others []types.NamespacedName) {
	for _, other := range r.scheduled(key, d) {
		others = append(others, other.key)
	}
	return others
}

// Schedule says when a ParentAccount, as it is now, is to read the list.
func (r *Registry) Schedule(key types.NamespacedName, p *Parent) Schedule {
	self := scheduled{key: key, uid: p.UID, interval: p.Resync}
	provenAt, proven := p.access.provenSince()
	if !proven {
		return scheduleFor(self, nil)
	}
	self.provenAt = provenAt
	return scheduleFor(self, r.scheduled(key, p.Directory))
}

// scheduled are the other ParentAccounts on a directory's snapshot, as far as their credentials are good for it: those
// that were taken away are not (Withdraw).
func (r *Registry) scheduled(key types.NamespacedName, d *Directory) (others []scheduled) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	for other, p := range r.parents {
		if other == key || p.Directory == nil || p.shared != d.shared {
			continue
		}
		if at, proven := p.access.provenSince(); proven {
			others = append(others, scheduled{key: other, uid: p.UID, interval: p.Resync, provenAt: at})
		}
	}
	return others
}
