package chaostest

import (
	"context"
	"math/rand/v2"
	"net/http"
	"time"

	"cpaas.dev/child-account-operator/internal/simulator"
)

// someFault draws what goes wrong with the next calls, of one of these methods; "" is any.
func someFault(r *rand.Rand, methods ...string) simulator.Fault {
	f := simulator.Fault{
		Kind: pick(r, simulator.FaultLoseAnswer, simulator.FaultLoseAnswer, simulator.FaultTruncate,
			simulator.FaultReset, simulator.FaultHTTP, simulator.FaultSlow),
		Method: pick(r, methods...),
		After:  r.IntN(4),
		Times:  1 + r.IntN(3),
	}
	f.Delay = between(r, 50*time.Millisecond, 3*time.Second)
	f.AfterChange = r.IntN(2) == 0
	f.Status = pick(r, http.StatusTooManyRequests, http.StatusInternalServerError, http.StatusBadGateway, http.StatusServiceUnavailable)
	if f.Status == http.StatusTooManyRequests {
		f.AfterChange = false // who asks for patience has done nothing
		f.Header = map[string]string{"Retry-After": "1"}
	}
	return f
}

// spoiled are the methods whose calls go wrong.
var spoiled = []string{"", "AddAccount", "AddAccount", "SetChildAccountInfo", "GetChildrenAccounts", "GetAccountInfo", "SetAccountInfo", "ChangeAccountPlan", "CreateKey"}

// mostFaults wait for a call at one time. Where calls are few they would pile up, and then spoil every single one: nothing
// would happen at all, and so nothing wrong.
const mostFaults = 4

// loseAnswers spoils calls; now and then the provider is down for a while.
func (w *world) loseAnswers(ctx context.Context, r *rand.Rand) {
	var waiting []int
	for pass(ctx, between(r, 100*time.Millisecond, 600*time.Millisecond)) {
		if waiting = append(waiting, w.sim.AddFault(someFault(r, spoiled...))); len(waiting) > mostFaults {
			w.sim.RemoveFault(waiting[0]) // it may be over
			waiting = waiting[1:]
		}
		if r.IntN(60) == 0 {
			down := w.sim.AddFault(simulator.Fault{Kind: simulator.FaultDown})
			pass(ctx, between(r, time.Second, 6*time.Second))
			w.sim.RemoveFault(down)
		}
	}
}
