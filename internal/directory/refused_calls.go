package directory

import "time"

const (
	// checkAfterList is how long after a list the next one is read, at the earliest, as a call was refused.
	checkAfterList = 5 * time.Second
	// checkPause is the least time between two lists that are read for this, however many calls are refused: a list that the provider
	// returns shows that the credentials are good, and the next refusals may have another cause.
	checkPause = 5 * time.Minute
)

// refusedCalls are the calls of a user that the provider has refused as Unauthorized, or in a way that may mean the same: the next list shows
// whether the credentials are good, and is read soon. Where a snapshot has several users, a refusal as Unauthorized ends the access
// instead (access.doubt), and has the list read at once. The user's access guards it.
type refusedCalls struct {
	// at is when a call was refused since the last list, zero where none was.
	at time.Time
	// checked is when the last list began that was read for this and showed that the credentials are good, zero where none did.
	checked time.Time
}

// note notes a refusal, and says whether it is the first since the last list.
func (c *refusedCalls) note(now time.Time) (first bool) {
	if !c.at.IsZero() {
		return false
	}
	c.at = now
	return true
}

// listed notes a list that began at a time. One that was under way when a call was refused says nothing about it, unless the list was refused, too.
func (c *refusedCalls) listed(started time.Time, err error) {
	switch {
	case c.at.IsZero(), err != nil && passesByItself(err), err == nil && started.Before(c.at):
		return
	case err == nil:
		c.checked = started
	}
	c.at = time.Time{}
}

// until is how long the next list can wait, at most wait; last is when the last one began.
func (c *refusedCalls) until(last, now time.Time, wait time.Duration) time.Duration {
	if c.at.IsZero() {
		return wait
	}
	due := last.Add(checkAfterList)
	if next := c.checked.Add(checkPause); !c.checked.IsZero() && next.After(due) {
		due = next
	}
	return min(wait, max(due.Sub(now), 0))
}

// noteRefused notes that a call was refused, and says whether the user's list is due for that, of which nobody has heard yet. It is not where the
// access has ended, or the last list failed: then the list is due anyway.
func (a *access) noteRefused(now time.Time) (first bool) {
	alone := a.exclusive()
	a.mu.Lock()
	defer a.mu.Unlock()
	return (alone || a.proven) && a.failed == nil && a.refusals.note(now)
}

// UntilChecked is how long the next list can wait, at most wait, where calls with these credentials were refused since the last one, which
// began at a time.
func UntilChecked(d *Directory, last time.Time, wait time.Duration) time.Duration {
	now := d.lists.clock.Now()
	d.access.mu.Lock()
	defer d.access.mu.Unlock()
	return d.access.refusals.until(last, now, wait)
}

// CredentialsDoubted says whether a call with these credentials was refused, and no list since then has shown whether the credentials are good.
func CredentialsDoubted(d *Directory) bool {
	d.access.mu.Lock()
	defer d.access.mu.Unlock()
	return !d.access.refusals.at.IsZero()
}
