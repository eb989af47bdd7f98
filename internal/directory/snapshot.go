package directory

import (
	"slices"

	"cpaas.dev/child-account-operator/internal/account"
)

// keepAbsent is for how many complete lists an account that none of them had is remembered.
const keepAbsent = 3

// row is what is known of one account.
type row struct {
	// account is what is known of the account, without its State, which is packed.
	account account.Account
	state   packedState
	// asOf is the revision at which the read that this comes from was requested, or at which the write was answered.
	asOf revision
	// read is the revision at which the last read was requested, 0 before any.
	read revision
	// inList is the number of the last complete list that had the account, or that a later read or write stands for.
	inList int
	// outcomeUnknown is set where a write got no proper answer, until a read that was requested after it.
	outcomeUnknown bool
	// notReturned is set where the last read did not return the account. Only lists decide whether it is missing.
	notReturned bool
}

// snapshot has a row for each account that was listed, read or created. It is not safe for concurrent use: accountCache has
// the lock.
type snapshot struct {
	schema account.Schema
	// identity is the field whose values the names are. byName has them in its canonical spelling.
	identity account.Field
	byID     map[string]*row
	byName   map[string]*row
	// namesakes has the rows of a name that several accounts have.
	namesakes map[string][]*row
	// unique are the fields in a state whose values one account at a time can have. freed are the values that accounts have no more, since
	// that was last told.
	// holders has the account's id for each value of them, nil until somebody asks who has one.
	unique  []int
	freed   []Freed
	holders map[Value]string
}

func newSnapshot(schema account.Schema) snapshot {
	return snapshot{schema: schema, identity: schema.Identity(), byID: map[string]*row{}, byName: map[string]*row{}, namesakes: map[string][]*row{}, unique: uniqueFields(schema)}
}

// canonical is the canonical spelling of a name.
func (s *snapshot) canonical(name string) string { return s.identity.Normal(name) }

// find returns the row by id where the key has one, else by name; nil for none.
func (s *snapshot) find(key Key) *row {
	if key.ID != "" {
		return s.byID[key.ID]
	}
	return s.byName[s.canonical(key.Name)]
}

// accountOf returns the account of a row, with its state.
func (s *snapshot) accountOf(r *row) *account.Account {
	a := r.account
	a.State = r.state.unpack(s.schema)
	return &a
}

// isNewer says whether more is known of the account than what was requested at a revision: it was read or written since.
func (s *snapshot) isNewer(id string, than revision) bool {
	r, ok := s.byID[id]
	return ok && r.asOf > than
}

// put replaces whatever was known of the account, unknown outcomes included.
func (s *snapshot) put(a account.Account, asOf revision, list int) {
	r := &row{account: a, state: pack(s.schema, a.State), asOf: asOf, inList: list}
	if old, ok := s.byID[a.ID]; ok {
		s.noteFreed(old, a.Name, r.state)
		s.forget(old)
	} else {
		s.holders = nil
	}
	r.account.State = nil
	s.byID[a.ID] = r
	s.addName(r)
}

// addName has the row found by its name, beside others that have it.
func (s *snapshot) addName(r *row) {
	name := s.canonical(r.account.Name)
	if other := s.byName[name]; other != nil && other != r {
		if s.namesakes[name] == nil {
			s.namesakes[name] = []*row{other}
		}
		s.namesakes[name] = append(s.namesakes[name], r)
	}
	s.byName[name] = r
}

// confirm records that the account was read, requested at a revision, once the rows of the answer were put.
func (s *snapshot) confirm(key Key, requested revision) {
	rows := []*row{s.find(key)}
	if several := s.namesakes[s.canonical(key.Name)]; key.ID == "" && len(several) > 0 {
		rows = several
	}
	for _, r := range rows {
		if r != nil && r.asOf <= requested {
			r.outcomeUnknown = false
			r.notReturned = r.asOf < requested
		}
	}
}

// write records values that were written to an account, answered at a revision.
func (s *snapshot) write(r *row, written account.State, answered revision) {
	state := pack(s.schema, r.state.unpack(s.schema).With(written))
	s.noteFreed(r, r.account.Name, state)
	r.state, r.asOf = state, answered
	if f, ok := s.schema.Marked(account.MarkCustomData); ok {
		if customData, is := written[f.Path]; is { // it replaces the claim
			r.account.CustomData = customData
		}
	}
	if name, renamed := written[s.identity.Path]; renamed {
		s.dropName(r)
		r.account.Name = name
		s.addName(r)
	}
}

// writeCustomData records custom data that was written to an account.
func (s *snapshot) writeCustomData(r *row, customData string) {
	r.account.CustomData = customData
	if f, ok := s.schema.Marked(account.MarkCustomData); ok {
		r.state = pack(s.schema, r.state.unpack(s.schema).With(account.State{f.Path: f.Normal(customData)}))
	}
}

// setOutcomeUnknown records that a write to the account was given up at a revision.
func (s *snapshot) setOutcomeUnknown(r *row, at revision) { r.outcomeUnknown, r.asOf = true, at }

// addSent adds values that were sent with a creation, under what was read since.
func (s *snapshot) addSent(r *row, sent account.State) {
	r.state = pack(s.schema, sent.With(r.state.unpack(s.schema)))
}

// conclude draws the conclusions of a complete list: an account that the list would have had, and that nobody read or wrote
// since the list was requested, is absent unless present says that the list had it. It returns the ids of accounts that were
// forgotten, as too many lists did not have them.
func (s *snapshot) conclude(list int, requested revision, present, covered func(*row) bool) (forgotten []string) {
	for id, r := range s.byID {
		switch {
		case present(r), r.asOf > requested, !covered(r):
			r.inList = list
		case list-r.inList == account.AbsencesUntilMissing:
			s.noteMissing(r)
		case list-r.inList > keepAbsent:
			s.forget(r)
			forgotten = append(forgotten, id)
		}
	}
	return forgotten
}

func (s *snapshot) forget(r *row) {
	delete(s.byID, r.account.ID)
	s.dropName(r)
}

// dropName has the row no longer found by its name; another account that has the name is found by it.
func (s *snapshot) dropName(r *row) {
	name := s.canonical(r.account.Name)
	others := slices.DeleteFunc(s.namesakes[name], func(o *row) bool { return o == r })
	if s.namesakes[name] = others; len(others) < 2 {
		delete(s.namesakes, name)
	}
	switch {
	case s.byName[name] != r:
	case len(others) > 0:
		s.byName[name] = others[len(others)-1]
	default:
		delete(s.byName, name)
	}
}
