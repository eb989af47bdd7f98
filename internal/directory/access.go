package directory

import (
	"sync"
	"time"

	"cpaas.dev/child-account-operator/internal/account"
)

// access says what one user of a snapshot may see of it: everything from the moment its own credentials have read the whole list,
// until they are refused. No document tells of credentials that list some of an account's children only, so whoever has read the whole
// list could have read any of them. A snapshot that nobody else has ever used holds only what its user has read. It is safe for concurrent use:
// mu guards all that follows it, and no call is made while it is held.
type access struct {
	cache *accountCache
	// exclusive says whether nobody else has ever used the snapshot.
	exclusive func() bool

	mu sync.Mutex
	// proven is set while the credentials are known to be good for the whole list, provenAt is when they requested the last one.
	proven   bool
	provenAt time.Time
	// failed is how the last own attempt ended, nil if it did not fail; failedAt is when it began, failedAfter how many complete lists
	// there were.
	failed      *account.Error
	failedAt    time.Time
	failedAfter int
	// doubted is set where a call of these credentials was refused: the list is due.
	doubted bool
	// refusals are the calls that were refused where nobody else uses the snapshot.
	refusals refusedCalls
	// last is what listings returned before the credentials were refused.
	last Listings
	// toldOf is how many lists there were when news was last asked for.
	toldOf int
}

// granted says whether the user may see what others have read.
func (a *access) granted() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.proven || a.exclusive()
}

// listings is the state of reading the whole list, as far as it concerns this user: lists of others count while the user may see
// them, their failures never do.
func (a *access) listings() Listings {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.listingsLocked()
}

func (a *access) listingsLocked() Listings {
	l := a.last
	if a.proven || a.exclusive() {
		l = a.cache.listings()
	}
	switch {
	case a.doubted:
		l.AttemptedAt = time.Time{}
	case a.failed != nil && (!a.proven || l.Complete == a.failedAfter):
		l.Err, l.AttemptedAt = a.failed, a.failedAt
	}
	return l
}

// readList records that these credentials have read the whole list.
func (a *access) readList(started time.Time) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.proven, a.provenAt, a.failed, a.doubted = true, started, nil, false
	a.refusals.listed(started, nil)
}

// listFailed records that a list was requested with these credentials and did not become complete. What may pass by itself says nothing
// about the credentials; anything else ends their access.
func (a *access) listFailed(started time.Time, err error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.last = a.listingsLocked()
	a.last.Err = nil
	a.failed, a.failedAt, a.failedAfter, a.doubted = account.AsError(err), started, a.last.Complete, false
	a.proven = a.proven && passesByItself(err)
	a.refusals.listed(started, err)
}

// doubt ends the access until the credentials have read the list again; false where there is nothing to end.
func (a *access) doubt() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	if !a.proven || a.exclusive() {
		return false
	}
	a.last = a.listingsLocked()
	a.proven, a.failed, a.doubted = false, nil, true
	return true
}

// provenSince is when these credentials have last requested a list that became complete; ok is false where they may not see the
// snapshot.
func (a *access) provenSince() (at time.Time, ok bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.provenAt, a.proven
}

// news says whether a list was read since news was last asked for.
func (a *access) news() bool {
	lists := a.cache.concludedLists()
	a.mu.Lock()
	defer a.mu.Unlock()
	if !a.proven || lists == a.toldOf {
		return false
	}
	a.toldOf = lists
	return true
}

// passesByItself says whether a failure says nothing about the credentials.
func passesByItself(err error) bool {
	switch account.ClassOf(err) {
	case account.Unavailable, account.Throttled, account.Incomplete:
		return true
	}
	return false
}
