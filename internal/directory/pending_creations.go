package directory

import "maps"

// awaitedLists is for how many complete lists an account is awaited whose creation was confirmed: the first of them may have
// been read while the account was created, and two that don't have it are believed.
const awaitedLists = 3

// pendingCreations has the names whose creation was called and whose account was not returned since. Names are in canonical
// spelling. It is not safe for concurrent use: accountCache has the lock.
type pendingCreations struct {
	// outcomeUnknown holds the names whose creation got no proper answer, or one without an id, and when.
	outcomeUnknown map[string]revision
	// confirmed holds the names whose creation was answered with success and without an id: each with how many complete lists
	// there had been.
	confirmed map[string]int
}

func newPendingCreations() pendingCreations {
	return pendingCreations{outcomeUnknown: map[string]revision{}, confirmed: map[string]int{}}
}

// add records a creation that was answered at a revision, after so many complete lists; confirmed where the answer was success.
func (p *pendingCreations) add(name string, at revision, lists int, confirmed bool) {
	p.outcomeUnknown[name] = at
	if confirmed {
		p.confirmed[name] = lists
	}
}

// read records that the name was read, requested at a revision: a read that was requested before the creation was answered
// settles nothing.
func (p *pendingCreations) read(name string, at revision) {
	if p.outcomeUnknown[name] < at {
		delete(p.outcomeUnknown, name)
	}
}

// returned records that the provider has returned an account of the name: it is awaited no longer.
func (p *pendingCreations) returned(name string) { delete(p.confirmed, name) }

// unsettled says whether the name was not read since a creation whose outcome is unknown.
func (p *pendingCreations) unsettled(name string) bool { return p.outcomeUnknown[name] > 0 }

// awaited says whether the provider has confirmed the account of the name and not returned it yet, after so many complete lists.
func (p *pendingCreations) awaited(name string, lists int) bool {
	since, confirmed := p.confirmed[name]
	return confirmed && lists-since < awaitedLists
}

// expire drops the names that are awaited no longer after so many complete lists.
func (p *pendingCreations) expire(lists int) {
	maps.DeleteFunc(p.confirmed, func(name string, _ int) bool { return !p.awaited(name, lists) })
}
