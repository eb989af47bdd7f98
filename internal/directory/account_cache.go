package directory

import (
	"cmp"
	"slices"
	"sync"

	"cpaas.dev/child-account-operator/internal/account"
)

// accountCache has what is known of the accounts. Its parts own their rules; accountCache has the lock that guards all of them, so
// that a view is of one revision. It is safe for concurrent use. No method makes a call to the provider.
type accountCache struct {
	mu        sync.Mutex
	revisions revisions
	snapshot  snapshot
	lists     completeLists
	creations pendingCreations
	attempts  writeAttempts
}

func newAccountCache(schema account.Schema) *accountCache {
	return &accountCache{
		snapshot:  newSnapshot(schema),
		lists:     completeLists{identity: schema.Identity()},
		creations: newPendingCreations(),
		attempts:  writeAttempts{},
	}
}

// nextRevision is the revision of a request that is made now.
func (c *accountCache) nextRevision() revision {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.revisions.next()
}

// view is what is known of an account, but for Fresh and Claimless.
func (c *accountCache) view(key Key) account.View {
	c.mu.Lock()
	defer c.mu.Unlock()
	v := account.View{Listed: c.lists.covers(key), Partial: c.lists.Partial}
	if name := c.snapshot.canonical(key.Name); key.ID == "" {
		v.OutcomeUnknown, v.Awaited = c.creations.unsettled(name), c.creations.awaited(name, c.lists.Complete)
	}
	r := c.snapshot.find(key)
	if r == nil {
		if v.Listed {
			v.Absences = c.lists.absences(key)
		}
		return v
	}
	v.OutcomeUnknown = v.OutcomeUnknown || r.outcomeUnknown
	v.NotKept = c.attempts.notKept(r.account.ID)
	if key.ID == "" {
		r, v.Namesakes = c.present(r)
	}
	if v.Absences = c.lists.Complete - r.inList; v.Absences == 0 && !r.notReturned {
		v.Account = c.snapshot.accountOf(r)
	}
	return v
}

// present are the ids of the accounts with the name of a row that were there when they were last listed or read, in order, where there are
// several; and the row of the first of them, or the given one where there is none. The caller holds the lock.
func (c *accountCache) present(r *row) (first *row, ids []string) {
	all := c.snapshot.namesakes[c.snapshot.canonical(r.account.Name)]
	if len(all) == 0 {
		return r, nil
	}
	there := slices.DeleteFunc(slices.Clone(all), func(r *row) bool { return c.lists.Complete != r.inList || r.notReturned })
	if len(there) == 0 {
		return r, nil
	}
	slices.SortFunc(there, func(a, b *row) int { return cmp.Compare(a.account.ID, b.account.ID) })
	if len(there) > 1 {
		for _, r := range there {
			ids = append(ids, r.account.ID)
		}
	}
	return there[0], ids
}

// observed is what was last read of an account, or written to it; nil where nothing is known.
func (c *accountCache) observed(id string) account.State {
	c.mu.Lock()
	defer c.mu.Unlock()
	if r := c.snapshot.byID[id]; r != nil {
		return r.state.unpack(c.snapshot.schema)
	}
	return nil
}

// put replaces whatever was known of the account; the caller holds the lock.
func (c *accountCache) put(a account.Account, asOf revision) {
	c.snapshot.put(a, asOf, c.lists.Complete)
	c.creations.returned(c.snapshot.canonical(a.Name))
}

// merge takes over an account that was read, requested at a revision, unless more is known of it since; the caller holds the lock.
func (c *accountCache) merge(a account.Account, requested revision) {
	if c.snapshot.isNewer(a.ID, requested) {
		return
	}
	c.put(a, requested)
	c.snapshot.byID[a.ID].read = requested
	c.attempts.compare(c.snapshot.schema, a)
}

// mergeRead takes over the answer to a read of these keys, requested at a revision.
func (c *accountCache) mergeRead(keys []Key, accounts []account.Account, requested revision) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, a := range accounts {
		c.merge(a, requested)
	}
	for _, key := range keys {
		if key.ID == "" {
			c.creations.read(c.snapshot.canonical(key.Name), requested)
		}
		c.snapshot.confirm(key, requested)
	}
}

// mergePage takes over a page of a list, requested at a revision. It returns the revision of the next page's request, which comes
// after this page was merged.
func (c *accountCache) mergePage(accounts []account.Account, requested revision) revision {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, a := range accounts {
		c.merge(a, requested)
	}
	return c.revisions.next()
}

// listings is the state of reading the whole list.
func (c *accountCache) listings() Listings {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.lists.Listings
}

// concludedLists counts the lists that were read completely, those among them too that were read at the same time.
func (c *accountCache) concludedLists() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.lists.concluded
}

// nameOf is the name of the account with an id; ok is false where it is not known.
func (c *accountCache) nameOf(id string) (name string, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if r := c.snapshot.byID[id]; r != nil {
		return r.account.Name, true
	}
	return "", false
}

// idReadBefore is the id of the account with a name, where the last read of it was not requested after a revision; "" where it was, or
// where no account has the name.
func (c *accountCache) idReadBefore(name string, after revision) string {
	c.mu.Lock()
	defer c.mu.Unlock()
	if r := c.snapshot.find(Key{Name: name}); r != nil && r.read <= after {
		return r.account.ID
	}
	return ""
}

// listCompleted draws the conclusions that only a complete list allows, once all of its pages were merged.
func (c *accountCache) listCompleted(list readList) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.lists.conclude(list, c.revisions.next())
	c.creations.expire(c.lists.Complete)
	present := func(r *row) bool { return list.ids[r.account.ID] }
	covered := func(r *row) bool { return c.lists.covers(Key{ID: r.account.ID, Name: r.account.Name}) }
	for _, id := range c.snapshot.conclude(c.lists.Complete, list.startedRevision, present, covered) {
		c.attempts.forget(id)
	}
	c.lists.Created = 0
	for _, r := range c.snapshot.byID {
		if !present(r) && r.asOf > list.startedRevision && !r.notReturned {
			c.lists.Created++
		}
	}
}

// mayExist says whether an earlier call may have created an account of the name that the provider has not returned yet.
func (c *accountCache) mayExist(name string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	name = c.snapshot.canonical(name)
	return c.creations.unsettled(name) || c.creations.awaited(name, c.lists.Complete)
}

// created records an account that was created.
func (c *accountCache) created(a account.Account) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.lists.Complete > 0 && c.snapshot.byID[a.ID] == nil {
		c.lists.Created++
	}
	c.put(a, c.revisions.next())
}

// creationPending records that a name may have an account now, or, where the creation was confirmed, that it has.
func (c *accountCache) creationPending(name string, confirmed bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.creations.add(c.snapshot.canonical(name), c.revisions.next(), c.lists.Complete, confirmed)
}

// sentAtCreation adds to what was read of a new account what was sent and is never returned.
func (c *accountCache) sentAtCreation(id string, sent account.State) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if r := c.snapshot.byID[id]; r != nil {
		c.snapshot.addSent(r, sent)
	}
}

// updated records how an update of an account was answered.
func (c *accountCache) updated(id string, changes []account.Change, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	r := c.snapshot.byID[id]
	if r == nil {
		return
	}
	answered := c.revisions.next()
	switch {
	case err == nil:
		written := account.Applied(changes)
		c.snapshot.write(r, written, answered)
		if name, renamed := written[c.snapshot.identity.Path]; renamed {
			c.creations.returned(c.snapshot.canonical(name))
		}
		c.attempts.recordAttempt(c.snapshot.schema, id, written)
	case account.AsError(err).OutcomeUnknown, isStale(err):
		c.snapshot.setOutcomeUnknown(r, answered)
	}
}

// isStale says whether a refusal tells that the account is otherwise than it is known here.
func isStale(err error) bool {
	class := account.ClassOf(err)
	return class == account.NotFound || class == account.Outdated
}

// customDataWritten records how a write of an account's custom data was answered.
func (c *accountCache) customDataWritten(id, customData string, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	r := c.snapshot.byID[id]
	if r == nil {
		return
	}
	r.asOf = c.revisions.next()
	switch {
	case err == nil:
		c.snapshot.writeCustomData(r, customData)
	case account.AsError(err).OutcomeUnknown:
		r.outcomeUnknown = true
	}
}

// outcomeUnknown records that the account has to be read before anything else.
func (c *accountCache) outcomeUnknown(id string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if r := c.snapshot.byID[id]; r != nil {
		c.snapshot.setOutcomeUnknown(r, c.revisions.next())
	}
}
