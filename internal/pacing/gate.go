package pacing

import (
	"context"
	"sync/atomic"

	"cpaas.dev/child-account-operator/internal/account"
)

// Gate is what the calls of one connection go through: the budget of the account that the connection leads to, which is
// known only once it was asked whose it is.
type Gate struct{ budget atomic.Pointer[Budget] }

// NewGate is a gate with a budget of its own for now.
func NewGate(b *Budget) *Gate {
	g := &Gate{}
	g.budget.Store(b)
	return g
}

// Use changes to the budget of the account.
func (g *Gate) Use(b *Budget) { g.budget.Store(b) }

// Acquire is the budget's.
func (g *Gate) Acquire(ctx context.Context) (release func(), err error) {
	return g.budget.Load().Acquire(ctx)
}

// Learn is the budget's.
func (g *Gate) Learn(failed *account.Error) { g.budget.Load().Learn(failed) }
