package engine

import (
	"slices"
	"sync"

	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"cpaas.dev/child-account-operator/internal/account"
	"cpaas.dev/child-account-operator/internal/plan"
)

// The claim of an account is data that whoever knows its API key or password can write, so it does not tell who has had the account. Statuses do:
// no tenant can write them. So which resource had an account last is remembered, for as long as the process runs and no other resource has
// the account. After a restart the claim is all that there is.

// maxLastOwners is of how many accounts that is remembered: far more than resources are deleted while a process runs.
const maxLastOwners = 100_000

// lastOwners are the resources that had accounts which no resource has now, by account. All methods may be called by several workers at once.
type lastOwners struct {
	mu sync.Mutex
	by map[leftKey]lastOwner
	// next numbers the notes.
	next uint64
}

// lastOwner is the resource that had an account last. former is set where its namespace is deleted since: another one of that name may be
// other people's.
type lastOwner struct {
	types.NamespacedName

	former bool
	// gaveUp is set where the resource was not deleted, and has another account by now, or none.
	gaveUp bool
	number uint64
}

func newLastOwners() *lastOwners { return &lastOwners{by: map[leftKey]lastOwner{}} }

// note notes that a resource had an account, and has it no more; deleted says that it is deleted.
func (l *lastOwners) note(key leftKey, owner types.NamespacedName, deleted bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if _, known := l.by[key]; !known && len(l.by) >= maxLastOwners {
		l.dropOldest(maxLastOwners / 10)
	}
	l.next++
	l.by[key] = lastOwner{NamespacedName: owner, gaveUp: !deleted, number: l.next}
}

// dropOldest drops the accounts that were noted first. The caller holds the lock.
func (l *lastOwners) dropOldest(n int) {
	numbers := make([]uint64, 0, len(l.by))
	for _, one := range l.by {
		numbers = append(numbers, one.number)
	}
	slices.Sort(numbers)
	for key, one := range l.by {
		if one.number <= numbers[n-1] {
			delete(l.by, key)
		}
	}
}

// of is the resource that had an account last; nil where that is not known.
func (l *lastOwners) of(key leftKey) *lastOwner {
	l.mu.Lock()
	defer l.mu.Unlock()
	if one, known := l.by[key]; known {
		return &one
	}
	return nil
}

// drop drops an account that a resource has.
func (l *lastOwners) drop(key leftKey) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.by, key)
}

// forgetNamespace notes that a namespace is deleted. Its users know of the accounts what they knew.
func (l *lastOwners) forgetNamespace(name string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for key, one := range l.by {
		if one.Namespace == name {
			one.former = true
			l.by[key] = one
		}
	}
}

// noteBindings notes, once a status is stored, who has the account that the status names, and that the resource has no more the one that it had.
func noteBindings(s stores, of *scope) {
	now := leftKey{of.status.ParentAccountID, of.boundID()}
	if was := (leftKey{of.was.ParentAccountID, of.was.AccountID}); of.was.Origin != "" && was != now {
		s.owners.note(was, client.ObjectKeyFromObject(of.obj), false)
	}
	if now.id != "" {
		s.owners.drop(now)
	}
}

// observeLastOwner notes the resource of another namespace that had the account last; nil for none, or where it is not known. A namespace that was
// deleted and created again is another one, unless the account's claim names the resource: whoever restores a namespace gets its accounts back.
func observeLastOwner(e *observer, s *scope, a *account.Account) {
	if s.lastOwner = nil; a == nil {
		return
	}
	last := e.owners.of(leftKey{s.dir.AccountID, a.ID})
	if last != nil && (last.Namespace != s.obj.GetNamespace() || last.former && !s.claimed(*a)) {
		s.lastOwner = last
	}
}

// notAcceptedFrom stops a resource that would get an account by its claim, or adopt it, where a resource of another namespace had the account last and the
// resource does not accept that, whatever the claim says. Nil where nothing is to be accepted, or another resource is the owner by the claim.
func notAcceptedFrom(e *observer, s *scope, a *account.Account) *plan.Stop {
	if s.lastOwner == nil || s.boundID() != "" || s.declared.Policy.Observe {
		return nil
	}
	if _, claimed := a.Claim(); claimed && !s.claimed(*a) && s.previous == nil {
		return nil
	}
	namespace := s.lastOwner.Namespace
	if s.lastOwner.former {
		namespace = "" // no namespace has that name
	}
	if accepts(s.managed, s.parent, namespace, e.Installation) {
		return nil
	}
	return notAccepted(s, *a)
}
