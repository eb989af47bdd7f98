package readings

import (
	"context"
	"maps"
	"slices"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/clock"

	"cpaas.dev/child-account-operator/internal/account"
	"cpaas.dev/child-account-operator/internal/provider"
)

// Options say what is read. The zero value reads nothing, and costs nothing.
type Options struct {
	// Verifications has the verifications of all child accounts read with each list: one call more.
	Verifications bool
	// Money has the parent account's balance, the amount that it is recommended to add, and exchange rates read: at most two calls an hour.
	Money bool
}

// Source is a ParentAccount that can be read of.
type Source struct {
	// Key names the ParentAccount.
	Key types.NamespacedName
	// AccountID is the parent account's id at the provider: of another account nothing is kept.
	AccountID string
	// Connection tells its present credentials from others, Requested the last requested reconcile from others: after a change of either,
	// what was refused is retried.
	Connection, Requested string
	// Remote makes the calls.
	Remote provider.Remote
	// ListedAt is when the ParentAccount's own credentials last requested a list that became complete; zero before.
	ListedAt time.Time
	// Balance is what the connection's first call has shown of the parent account's money, nil where nothing.
	Balance *account.Balance
	// Has says whether the list has an account of an id: what is read of others is dropped.
	Has func(id string) bool
}

// Changed says what has changed by what was read.
type Changed struct {
	// Accounts is set where the verifications of child accounts changed, Refusals where a capability is refused that was not, or the reverse.
	Accounts, Refusals bool
	// Next is how long it takes until something is to be read that does not wait for a list; 0 where nothing is.
	Next time.Duration
}

// Store keeps what was read, by the ParentAccount. A nil Store reads nothing. It is safe for concurrent use: mu guards parents, and no
// call is made while it is held. For one ParentAccount Read is called by one worker at a time.
type Store struct {
	options Options
	clock   clock.PassiveClock

	mu      sync.Mutex
	parents map[types.NamespacedName]*parent
}

// New makes an empty Store.
func New(options Options, c clock.PassiveClock) *Store {
	return &Store{options: options, clock: c, parents: map[types.NamespacedName]*parent{}}
}

// parent is what was read of a ParentAccount.
type parent struct {
	accountID, connection, requested string

	attempts map[Capability]attempt
	// verifications are by the account's id; nil before they were read. lacked are those of them that the last answer did not have, answers
	// counts the answers. listedAt is when the list was requested that they were last to be read with.
	verifications map[string][]account.Verification
	lacked        map[string]bool
	answers       int
	listedAt      time.Time
	money         Money
}

// Reads says whether anything is to be read at all.
func (s *Store) Reads() bool { return s != nil && s.options != Options{} }

// Forget drops what was read of a ParentAccount that is deleted, or another operator's.
func (s *Store) Forget(key types.NamespacedName) {
	if s == nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.parents, key)
}

// Remembers says whether anything is kept of a ParentAccount.
func (s *Store) Remembers(key types.NamespacedName) bool {
	if s == nil {
		return false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.parents[key] != nil
}

// Read makes the calls that are due. A call that fails is logged by nobody: metrics count it, a refusal is a Refusal, and anything else
// passes, or the list says it too.
func (s *Store) Read(ctx context.Context, from Source) (changed Changed) {
	if !s.Reads() {
		return changed
	}
	for _, r := range s.due(from) {
		found, err := r.read(ctx, from.Remote)
		if ctx.Err() != nil { // the operator is stopping: nothing follows from the failure
			break
		}
		accounts, refusals := s.record(from, r.capability, found, err)
		changed.Accounts, changed.Refusals = changed.Accounts || accounts, changed.Refusals || refusals
	}
	changed.Next = s.untilNext(from)
	return changed
}

// due are the reads to be made now.
func (s *Store) due(from Source) (due []reader) {
	now := s.clock.Now()
	s.mu.Lock()
	defer s.mu.Unlock()
	p := s.enter(from, now)
	if s.options.Verifications && supports[provider.Verifier](from) && p.listedAt.Before(from.ListedAt) && !p.attempts[Verification].holds(now) {
		due = append(due, verification)
	}
	if s.options.Money && supports[provider.Treasurer](from) {
		due = append(due, p.moneyDue(now)...)
	}
	return due
}

// enter is what is kept of the ParentAccount, of which what was refused to other credentials, or before a request, is dropped.
func (s *Store) enter(from Source, now time.Time) *parent {
	p := s.parents[from.Key]
	if p == nil || p.accountID != from.AccountID {
		p = &parent{accountID: from.AccountID, attempts: map[Capability]attempt{}}
		s.parents[from.Key] = p
	}
	if p.connection != from.Connection {
		p.connection = from.Connection
		if from.Balance != nil && s.options.Money {
			p.money.noteBalance(*from.Balance, now)
			p.attempts[Balance] = p.attempts[Balance].shown(now)
		}
		p.retryRefused()
	}
	if p.requested != from.Requested {
		p.requested = from.Requested
		p.retryRefused()
	}
	return p
}

// retryRefused makes refused calls be retried. Somebody asks for that, so it does not count for how often money is read.
func (p *parent) retryRefused() {
	for c, a := range p.attempts {
		if a.refused != nil {
			a.at, a.called = time.Time{}, time.Time{}
			p.attempts[c] = a
		}
	}
}

// record keeps what a call has found, or how it failed.
func (s *Store) record(from Source, c Capability, found any, err error) (accounts, refusals bool) {
	now, listed := s.clock.Now(), map[string]bool{}
	if err != nil {
		found = nil
	} else if verifications, ok := found.(map[string][]account.Verification); ok {
		listed = s.listed(from, verifications)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	p := s.parents[from.Key]
	if p == nil || p.accountID != from.AccountID || p.connection != from.Connection { // deleted meanwhile
		return false, false
	}
	before := p.attempts[c]
	p.attempts[c] = before.ended(now, err)
	if c == Verification {
		p.listedAt = from.ListedAt
	}
	switch found := found.(type) {
	case map[string][]account.Verification:
		accounts = p.keep(found, listed)
	case account.Balance:
		p.money.noteBalance(found, now)
	case account.Charge:
		p.money.Charge, p.money.chargeAt = &found, now
	case map[string]float64:
		p.money.Rates, p.money.ratesAt = found, now
	}
	return accounts, (before.refused == nil) != (p.attempts[c].refused == nil) || !before.settled && p.attempts[c].settled
}

// answersUntilNone is how many answers in a row have to lack an account until it has no verifications: a single answer may be wrongly
// empty, and would be a write for each account, and another one after the next answer.
const answersUntilNone = 2

// listed are the accounts that have verifications, or had, and are in the list. It asks without a lock.
func (s *Store) listed(from Source, found map[string][]account.Verification) map[string]bool {
	ids := map[string]bool{}
	for id := range found {
		ids[id] = false
	}
	s.mu.Lock()
	if p := s.parents[from.Key]; p != nil {
		for id := range p.verifications {
			ids[id] = false
		}
	}
	s.mu.Unlock()
	for id := range ids {
		ids[id] = from.Has(id)
	}
	return ids
}

// keep replaces the verifications by those of listed accounts; changed says whether any account's are others, or may be.
func (p *parent) keep(found map[string][]account.Verification, listed map[string]bool) (changed bool) {
	maps.DeleteFunc(found, func(id string, list []account.Verification) bool { return len(list) == 0 || !listed[id] })
	lacked := map[string]bool{}
	for id, list := range p.verifications {
		if _, ok := found[id]; !ok && !p.lacked[id] && listed[id] {
			found[id], lacked[id] = list, true
		}
	}
	p.answers++
	changed = p.answers <= answersUntilNone || !maps.EqualFunc(p.verifications, found, slices.Equal[[]account.Verification])
	p.verifications, p.lacked = found, lacked
	return changed
}

// VerificationsOf are the verifications of a child account. read is false where nothing is to be read; known is false where it is not
// known yet: what was known before still stands then. The list must not be changed.
func (s *Store) VerificationsOf(key types.NamespacedName, id string) (list []account.Verification, read, known bool) {
	if s == nil || !s.options.Verifications {
		return nil, false, false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	p := s.parents[key]
	if p == nil || p.verifications == nil {
		return nil, true, false
	}
	list, has := p.verifications[id]
	return list, true, has || p.answers >= answersUntilNone
}

// CountVerifications counts the verifications of a ParentAccount's child accounts by their states; nil where they are not known.
func (s *Store) CountVerifications(key types.NamespacedName) map[account.VerificationState]int {
	if s == nil {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	p := s.parents[key]
	if p == nil || p.verifications == nil {
		return nil
	}
	counts := map[account.VerificationState]int{}
	for _, list := range p.verifications {
		for _, v := range list {
			counts[v.State]++
		}
	}
	return counts
}

// supports says whether the source's provider has a capability at all.
func supports[T any](from Source) bool {
	_, ok := from.Remote.(T)
	return ok
}
