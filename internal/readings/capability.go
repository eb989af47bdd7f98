package readings

import (
	"context"
	"slices"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/types"

	"cpaas.dev/child-account-operator/internal/account"
	"cpaas.dev/child-account-operator/internal/provider"
)

// Capability is something that can be read, as the label of a metric has it.
type Capability string

// The capabilities.
const (
	Verification   Capability = "Verification"
	Balance        Capability = "Balance"
	AmountToCharge Capability = "AmountToCharge"
	ExchangeRates  Capability = "ExchangeRates"
)

const (
	// moneyEvery is how often the balance and the amount to charge are read, ratesEvery how often the exchange rates, which are those of a day.
	moneyEvery, ratesEvery = time.Hour, 24 * time.Hour
	// moneyCalls is how many calls for money are made within moneyEvery at most.
	moneyCalls = 2
	// refusedFor is how long a refused capability is not retried.
	refusedFor = 24 * time.Hour
)

// reader reads a capability. Money's are read every so often, verifications with each list.
type reader struct {
	capability Capability
	every      time.Duration
	// about is what it reads, for people.
	about string
	read  func(context.Context, provider.Remote) (any, error)
}

// by makes a read of one that takes an optional interface of the Remote, which due has found to be there.
func by[T any](read func(context.Context, T) (any, error)) func(context.Context, provider.Remote) (any, error) {
	return func(ctx context.Context, r provider.Remote) (any, error) {
		remote, ok := r.(T)
		if !ok {
			return nil, &account.Error{Class: account.Invalid, Message: "the provider has nothing like it"}
		}
		return read(ctx, remote)
	}
}

// verification reads the verifications.
var verification = reader{Verification, 0, "how child accounts are verified", by(func(ctx context.Context, r provider.Verifier) (any, error) {
	return r.Verifications(ctx)
})}

// money reads money, in the order in which it is read where more is due than may be called.
var money = []reader{
	{Balance, moneyEvery, "the parent account's balance", by(func(ctx context.Context, r provider.Treasurer) (any, error) { return r.Balance(ctx) })},
	{AmountToCharge, moneyEvery, "the amount that is recommended to add to the parent account", by(func(ctx context.Context, r provider.Treasurer) (any, error) { return r.AmountToCharge(ctx) })},
	{ExchangeRates, ratesEvery, "exchange rates", by(func(ctx context.Context, r provider.Treasurer) (any, error) { return r.ExchangeRates(ctx) })},
}

// attempt is how the calls for a capability went.
type attempt struct {
	// at is since when the capability waits for its next call; zero before any call, and where a refused one is to be retried. shownAt is
	// when something else has shown the same.
	at, shownAt time.Time
	// called is when the last call ended that counts for how often money is read.
	called time.Time
	// refused is how the provider refused the capability, nil where it does not.
	refused *account.Error
	// settled is set once a call told whether the capability is refused.
	settled bool
}

// ended is the attempt after a call that ended now.
func (a attempt) ended(now time.Time, err error) attempt {
	a.called = now
	switch {
	case err == nil:
		a.at, a.refused, a.settled = now, nil, true
	case refuses(err):
		a.at, a.refused, a.settled = now, account.AsError(err), true
	case a.refused == nil: // any other failure says nothing: what was known stands
		a.at = now
	}
	return a
}

// refuses says whether the provider has refused a call for what it is, by its own words: the next one would end the same. What may pass, and
// credentials that are out, which the list tells of too, is none.
func refuses(err error) bool {
	e := account.AsError(err)
	if !e.Answered {
		return false
	}
	switch e.Class {
	case account.Unavailable, account.Throttled, account.Incomplete, account.Unauthorized:
		return false
	}
	return true
}

// shown is the attempt after something else than a call for it has shown the same.
func (a attempt) shown(now time.Time) attempt {
	a.shownAt, a.settled = now, true
	return a
}

// holds says whether the capability is refused, and not to be retried yet.
func (a attempt) holds(now time.Time) bool {
	return a.refused != nil && now.Before(a.at.Add(refusedFor))
}

// dueAt is when a capability that is read every so often is to be read next; zero where it never was.
func (a attempt) dueAt(every time.Duration) time.Time {
	last := a.at
	if a.shownAt.After(last) {
		last = a.shownAt
	}
	switch {
	case last.IsZero():
		return last
	case a.refused != nil:
		return last.Add(refusedFor)
	}
	return last.Add(every)
}

// moneyDue are the reads of money to be made now: those that waited longest, and no more than may be called within an hour.
func (p *parent) moneyDue(now time.Time) []reader {
	left := moneyCalls
	var due []reader
	for _, r := range money {
		a := p.attempts[r.capability]
		if !a.called.IsZero() && now.Before(a.called.Add(moneyEvery)) {
			left--
		}
		if !now.Before(a.dueAt(r.every)) {
			due = append(due, r)
		}
	}
	slices.SortStableFunc(due, func(a, b reader) int { return p.attempts[a.capability].called.Compare(p.attempts[b.capability].called) })
	return due[:min(len(due), max(left, 0))]
}

// untilNext is how long it takes until money is to be read, 0 where none is.
func (s *Store) untilNext(from Source) time.Duration {
	if !s.options.Money || !supports[provider.Treasurer](from) {
		return 0
	}
	now := s.clock.Now()
	s.mu.Lock()
	defer s.mu.Unlock()
	p := s.parents[from.Key]
	if p == nil {
		return 0
	}
	next := now.Add(moneyEvery)
	for _, r := range money {
		if at := p.attempts[r.capability].dueAt(r.every); at.After(now) && at.Before(next) {
			next = at
		}
	}
	return next.Sub(now)
}

// Refusal is a capability that the provider refuses.
type Refusal struct {
	Capability Capability
	// About is what can't be read, for people.
	About string
	// Err is how the provider refused it.
	Err *account.Error
}

// Refusals are the capabilities that the provider refuses to a ParentAccount, in their order. settled is false until it is known of all that
// are to be read: what was reported before stands until then.
func (s *Store) Refusals(key types.NamespacedName) (refusals []Refusal, settled bool) {
	if !s.Reads() {
		return nil, true
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	p := s.parents[key]
	if p == nil {
		return nil, false
	}
	settled = true
	for _, r := range s.readers() {
		a := p.attempts[r.capability]
		if a.refused != nil {
			refusals = append(refusals, Refusal{r.capability, r.about, a.refused})
		}
		settled = settled && a.settled
	}
	return refusals, settled
}

// readers are those of what is to be read.
func (s *Store) readers() (all []reader) {
	if s.options.Verifications {
		all = append(all, verification)
	}
	if s.options.Money {
		all = append(all, money...)
	}
	return all
}

// Granted says of each capability that is to be read, and of which it is known, whether the provider grants it to a ParentAccount.
func (s *Store) Granted(key types.NamespacedName) map[Capability]bool {
	if !s.Reads() {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	p := s.parents[key]
	if p == nil {
		return nil
	}
	granted := map[Capability]bool{}
	for _, r := range s.readers() {
		if a := p.attempts[r.capability]; a.settled {
			granted[r.capability] = a.refused == nil
		}
	}
	return granted
}

// Roles says whether the credentials lack a role for all of what is refused; else something else is the matter with a call.
func Roles(refusals []Refusal) bool {
	return !slices.ContainsFunc(refusals, func(r Refusal) bool { return r.Err.Class != account.RoleMissing })
}

// Message says what the provider refuses, why, and what to do next; "" where it refuses nothing. It stays the same while that lasts.
func Message(refusals []Refusal) string {
	if len(refusals) == 0 {
		return ""
	}
	var what, why []string
	for _, r := range refusals {
		what = append(what, r.About)
		why = append(why, r.Err.Error())
	}
	return "the provider does not let these credentials read " + strings.Join(what, ", ") + ": " + strings.Join(why, "; ") +
		". What was read before stays as it was, and all else works."
}
