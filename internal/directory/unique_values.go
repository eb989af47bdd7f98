package directory

import (
	"cpaas.dev/child-account-operator/internal/account"
)

// Value is a value that one account at a time can have: a name, or an e-mail address.
type Value struct {
	// Path is the field's place below spec, Value is in the field's canonical spelling.
	Path, Value string
}

// Freed is a value that an account had and has no more, or that an account had which is missing now.
type Freed struct {
	Value

	// AccountID and AccountName are the account's.
	AccountID, AccountName string
}

// HolderOf is the account that has a value, as far as is known without a call; nil where none has, and before the directory's own credentials
// have read the whole list, where others use the snapshot too.
func HolderOf(d *Directory, v Value) *account.Account {
	if !d.access.granted() {
		return nil
	}
	d.cache.mu.Lock()
	defer d.cache.mu.Unlock()
	s := &d.cache.snapshot
	r := s.byID[s.holder(v)]
	if v.Path == s.identity.Path && s.identity.NameOnly() {
		r = s.byName[v.Value]
	}
	if r == nil || !present(d.cache, r) {
		return nil
	}
	return s.accountOf(r)
}

// holder is the id of the account that has a value in its state, "" for none. Who has what is found out when somebody asks, which is seldom,
// and once for all until one of the values changes: thousands of resources may be refused one.
func (s *snapshot) holder(v Value) string {
	if s.holders == nil {
		s.holders = make(map[Value]string, len(s.byID))
		for id, r := range s.byID {
			for _, i := range s.unique {
				at := Value{Path: s.schema[i].Path, Value: r.state.at(i)}
				if other := s.byID[s.holders[at]]; other == nil || other.inList < r.inList { // one may be missing by now
					s.holders[at] = id
				}
			}
		}
	}
	return s.holders[v]
}

// present says whether neither the last list nor the last read lacked the account; the caller holds the lock.
func present(c *accountCache, r *row) bool { return c.lists.Complete == r.inList && !r.notReturned }

// uniqueFields are the places in the table of the fields whose values one account at a time can have, but for a name that is in no state.
func uniqueFields(schema account.Schema) (at []int) {
	for i, f := range schema {
		if f.Mark == account.MarkEmail || f.Identity && !f.NameOnly() {
			at = append(at, i)
		}
	}
	return at
}

// noteFreed records the values that an account had and has no more, now that it is called name and has a state; the caller holds the lock.
// What is not known of it is not free.
func (s *snapshot) noteFreed(old *row, name string, state packedState) {
	for _, i := range s.unique {
		had := old.state.at(i)
		if state.at(i) == had {
			continue
		}
		s.holders = nil
		if had != unknown && state.at(i) != unknown {
			s.free(old, s.schema[i].Path, had)
		}
	}
	if had := s.canonical(old.account.Name); s.identity.NameOnly() && had != s.canonical(name) {
		s.free(old, s.identity.Path, had)
	}
}

// noteMissing records that all values of an account are free, as it is missing; the caller holds the lock.
func (s *snapshot) noteMissing(r *row) {
	for _, i := range s.unique {
		if r.state.at(i) != unknown {
			s.free(r, s.schema[i].Path, r.state.at(i))
		}
	}
	if s.identity.NameOnly() {
		s.free(r, s.identity.Path, s.canonical(r.account.Name))
	}
}

func (s *snapshot) free(r *row, path, value string) {
	s.freed = append(s.freed, Freed{Value: Value{Path: path, Value: value}, AccountID: r.account.ID, AccountName: r.account.Name})
}

// tellFreed tells of the values that were freed since the last time.
func (s *sharedSnapshot) tellFreed() {
	s.cache.mu.Lock()
	freed := s.cache.snapshot.freed
	s.cache.snapshot.freed = nil
	s.cache.mu.Unlock()
	if len(freed) > 0 && s.freed != nil {
		s.freed(freed)
	}
}
