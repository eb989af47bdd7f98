package chaostest

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"cpaas.dev/child-account-operator/internal/simulator"
)

// burst is by how much a second may have more calls than the rate: those that were let go but not sent yet, as many as may
// be in flight, and one for how coarse timers are. Twice that, as a second may have the calls of a leader that was killed
// and of the next one; those don't overlap, so the rate is one. Two more are for new connections (a start, new credentials),
// which ask whose they are before they know whose budget is theirs.
const burst = 2*(inFlight+1) + 2

// checkAllTheWhile looks at the provider's log until the time is over, or something was found.
func (w *world) checkAllTheWhile(ctx context.Context) {
	for pass(ctx, 2*time.Second) && !w.t.Failed() {
		w.check()
	}
}

// check says what was done that must never be.
func (w *world) check() {
	calls := w.sim.Calls()
	w.mu.Lock()
	foreign := slices.Clone(w.foreign)
	w.mu.Unlock()
	found := slices.Concat(unlooked(calls), rebought(calls), notCloned(calls, w.clones), touched(calls, foreign), altered(w.sim, foreign), switchedOff(calls, w.ids(w.keptOn)),
		overBudget(calls), twice(w.sim.Accounts(w.parent.ID), foreign), w.checkSubs())
	for _, wrong := range found {
		w.t.Error(wrong)
	}
}

// unlooked are creations of a name that was, perhaps, created before, without a look in between.
func unlooked(calls []simulator.Call) (wrong []string) {
	open := map[string]int{} // by name, the call that leaves it open whether there is an account
	for _, c := range calls {
		switch name := createdName(c); {
		case (c.Method == "GetChildrenAccounts" || c.Method == simulator.TwoSMSList) && c.Outcome == "ok" && c.Delivered:
			looked(open, c)
		case name != "" && open[name] != 0:
			wrong = append(wrong, fmt.Sprintf("call %d creates %s, which call %d may have created, without a look", c.Seq, name, open[name]))
		case name != "" && !refused(c):
			open[name] = c.Seq
		}
	}
	return wrong
}

// createdName is the name of the account that a call is to create, "" for all other calls.
func createdName(c simulator.Call) string {
	switch c.Method {
	case "AddAccount":
		return c.Params["account_name"]
	case "CloneAccount":
		return c.Params["new_account_name"]
	case simulator.TwoSMSCreate:
		return c.Params["Email"]
	}
	return ""
}

// looked settles what a list or a look-up shows. A list of sub-accounts by e-mail settles nothing.
func looked(open map[string]int, c simulator.Call) {
	if c.Method == simulator.TwoSMSList && len(c.Params) > 0 {
		return
	}
	if name := c.Params["child_account_name"]; name != "" {
		delete(open, name)
		return
	}
	if ids := c.Params["child_account_id"]; ids == "all" || ids == "" {
		clear(open)
	}
}

// refused says whether a caller must know that a call did nothing. While it runs, nobody knows.
func refused(c simulator.Call) bool {
	answered := c.Code != 0 || c.Outcome == "http-"+strconv.Itoa(http.StatusTooManyRequests)
	return answered && c.Delivered && !c.Changed
}

// touched are writes to accounts that are not ours.
func touched(calls []simulator.Call, foreign []simulator.Account) (wrong []string) {
	theirs := map[string]bool{}
	for _, a := range foreign {
		theirs[strconv.FormatInt(a.ID, 10)] = true
	}
	for _, c := range calls {
		for id := range strings.SplitSeq(c.Params["child_account_id"], ";") {
			if theirs[id] && c.Method != "GetChildrenAccounts" || theirs[strconv.FormatInt(c.Account, 10)] {
				wrong = append(wrong, fmt.Sprintf("call %d: %s of account %s, which is not ours", c.Seq, c.Method, id))
			}
		}
	}
	return wrong
}

// altered are accounts that are not ours and not as they were made.
func altered(sim *simulator.Simulator, foreign []simulator.Account) (wrong []string) {
	for _, before := range foreign {
		if after, ok := sim.AccountByID(before.ID); !ok || fmt.Sprint(after.Fields) != fmt.Sprint(before.Fields) {
			wrong = append(wrong, fmt.Sprintf("account %d, which is not ours, was changed", before.ID))
		}
	}
	return wrong
}

// switchedOff are calls that switch off what nobody asked to be, least of all a deletion under Retain.
func switchedOff(calls []simulator.Call, keptOn map[string]bool) (wrong []string) {
	for _, c := range calls {
		for id := range strings.SplitSeq(c.Params["child_account_id"], ";") {
			if keptOn[id] && c.Params["active"] == "false" {
				wrong = append(wrong, fmt.Sprintf("call %d switches off account %s, which nobody asked for", c.Seq, id))
			}
		}
	}
	return wrong
}

// ids are those of the accounts of these names, as far as there are any.
func (w *world) ids(names []string) map[string]bool {
	ids := map[string]bool{}
	for _, name := range names {
		if a, ok := w.sim.Account(name); ok {
			ids[strconv.FormatInt(a.ID, 10)] = true
		}
	}
	return ids
}

// events are how many accounts were created, and how many times some changed, some of that without an answer; how many
// leaders were killed, and how many times the API server came back.
type events struct{ created, changed, unanswered, killed, restarts int }

func (all *replicas) events(calls []simulator.Call) events {
	e := count(calls)
	e.killed, e.restarts = int(all.killed.Load()), int(all.restarts.Load())
	return e
}

func count(calls []simulator.Call) (e events) {
	for _, c := range calls {
		switch {
		case !c.Changed || c.Method == "GetAccountInfo":
			continue
		case createdName(c) != "":
			e.created++
		default:
			e.changed++
		}
		if !c.Delivered {
			e.unanswered++
		}
	}
	return e
}

// enough says whether so much happened that something could go wrong. The numbers are a small part of what a usual machine
// gets done in the time.
func (e events) enough(lasts time.Duration) bool {
	seconds := int(lasts.Seconds())
	// Creations come after edits, and each is a read and a call.
	return e.created >= min(population/8, seconds/8) && e.changed >= seconds/4 && e.unanswered >= seconds/30 &&
		e.killed >= seconds/40 && e.restarts >= seconds/120
}

func expectEventful(t *testing.T, e events, lasts time.Duration) {
	t.Logf("meanwhile %d accounts were created and %d times some changed, %d of that without an answer; %d leaders were killed, and the API server was restarted %d times",
		e.created, e.changed, e.unanswered, e.killed, e.restarts)
	if !e.enough(lasts) {
		t.Error("too little happened for this to be worth anything")
	}
}

// overBudget are seconds with more calls than the budget allows.
func overBudget(calls []simulator.Call) (wrong []string) {
	first := 0
	for last, c := range calls {
		for c.Time.Sub(calls[first].Time) >= time.Second {
			first++
		}
		if n := last - first + 1; n > rate+burst {
			return []string{fmt.Sprintf("%d calls within a second, up to call %d; allowed are %d", n, c.Seq, rate+burst)}
		}
	}
	return nil
}

// twice are resources with more than one account.
func twice(accounts, foreign []simulator.Account) (wrong []string) {
	claimed := map[string]int64{}
	for _, a := range accounts {
		claim := a.Text("account_custom_data")
		if slices.ContainsFunc(foreign, func(f simulator.Account) bool { return f.ID == a.ID }) {
			continue // whatever somebody else has put there
		}
		if other := claimed[claim]; claim != "" && other != 0 {
			wrong = append(wrong, fmt.Sprintf("accounts %d and %d are for one resource: %s", other, a.ID, claim))
		}
		claimed[claim] = a.ID
	}
	return wrong
}
