package readings

import (
	"maps"
	"time"

	"k8s.io/apimachinery/pkg/types"

	"cpaas.dev/child-account-operator/internal/account"
)

// Money is what is known of a parent account's money. What is too old is left out.
type Money struct {
	// Balance is the balance, Charge the amount that is recommended to add; nil where it is not known.
	Balance *account.Balance
	Charge  *account.Charge
	// Currency is that of both, "" before the first balance.
	Currency string
	// Rates are what a US dollar is worth, by currency code.
	Rates map[string]float64

	balanceAt, chargeAt, ratesAt time.Time
}

// staleAfter is after how many intervals without a successful read a value is left out: a gap in a graph is noticed, an old value is not.
const staleAfter = 3

func (m *Money) noteBalance(b account.Balance, now time.Time) {
	m.Balance, m.Currency, m.balanceAt = &b, b.Currency, now
}

// fresh is m without what is too old.
func (m Money) fresh(now time.Time) Money {
	old := func(at time.Time, every time.Duration) bool { return !now.Before(at.Add(staleAfter * every)) }
	if old(m.balanceAt, moneyEvery) {
		m.Balance = nil
	}
	if old(m.chargeAt, moneyEvery) {
		m.Charge = nil
	}
	if old(m.ratesAt, ratesEvery) {
		m.Rates = nil
	}
	m.Rates = maps.Clone(m.Rates)
	return m
}

// MoneyOf is what is known of a ParentAccount's money. read is false where no money is to be read.
func (s *Store) MoneyOf(key types.NamespacedName) (m Money, read bool) {
	if s == nil || !s.options.Money {
		return Money{}, false
	}
	now := s.clock.Now()
	s.mu.Lock()
	defer s.mu.Unlock()
	if p := s.parents[key]; p != nil {
		m = p.money.fresh(now)
	}
	return m, true
}
