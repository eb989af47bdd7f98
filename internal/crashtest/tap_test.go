package crashtest

import (
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// step is something that the operator does to the world outside: a call to the provider or a write to the API server.
type step struct {
	// what says it in words that are the same in every run. Steps of the same words are told apart by their order.
	what string
	// call is set for a call to the provider.
	call bool
	// account and password are those that AddAccount is to make, "" for all other steps.
	account, password string
	// looks is set where the step asks which accounts there are.
	looks bool
	// answered is set where the process has got the answer.
	answered bool
}

// boundary is a moment in the operator's work: just before, or just after, the step of these words that is the nth.
type boundary struct {
	what  string
	nth   int
	after bool
}

func (b boundary) String() string {
	when := "before"
	if b.after {
		when = "after"
	}
	return fmt.Sprintf("%s %s (%d)", when, b.what, b.nth)
}

// tap lets the operator's steps through one at a time, and kills the operator at each of some boundaries, one after another.
type tap struct {
	// kill kills the operator and returns once it is dead.
	kill func()
	// life counts the processes. It is no part of what mu guards: whose a connection is, is asked while a step is taken.
	life atomic.Int64
	// unprepared says what is missing before an account is created, "" where nothing is.
	unprepared func(account, password string) string

	mu      sync.Mutex
	dead    int64      // the last life that was ended
	at      []boundary // those that are still to come
	steps   []step
	crashes int
	crashed int            // how many steps there were when the operator was last killed at a boundary
	done    map[string]int // since then, by their words
	last    time.Time
	wrong   []string // what was created unprepared
}

// arm forgets the steps so far and has the operator killed at the boundaries, each but the first one of the recovery from
// the one before.
func (t *tap) arm(at ...boundary) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.at, t.crashes, t.crashed = at, 0, 0
	t.steps, t.done, t.last = nil, map[string]int{}, time.Now()
}

// disarm has the operator killed no more.
func (t *tap) disarm() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.at = nil
}

// taken returns the steps since the tap was armed.
func (t *tap) taken() []step {
	t.mu.Lock()
	defer t.mu.Unlock()
	return slices.Clone(t.steps)
}

// recovery returns the steps since the operator was last killed at a boundary, and how often it was.
func (t *tap) recovery() (steps []step, crashes int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return slices.Clone(t.steps[t.crashed:]), t.crashes
}

// hasty are the accounts that were created before all was ready for that.
func (t *tap) hasty() []string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return slices.Clone(t.wrong)
}

// quiet is how long ago the last step was, or the tap was armed.
func (t *tap) quiet() time.Duration {
	t.mu.Lock()
	defer t.mu.Unlock()
	return time.Since(t.last)
}

// serve takes one step of the process, if that is alive, and gives it the answer, if it is alive then.
func (t *tap) serve(w http.ResponseWriter, r *http.Request, s step, carryOut http.Handler) {
	answer := httptest.NewRecorder()
	if !t.take(r, s, func() bool { carryOut.ServeHTTP(answer, r); return answer.Code < http.StatusBadRequest }) {
		panic(http.ErrAbortHandler) // closes the connection
	}
	maps.Copy(w.Header(), answer.Header())
	w.WriteHeader(answer.Code)
	_, _ = w.Write(answer.Body.Bytes())
}

// take takes the step and says whether its answer may be given. A refused step, for a conflict mostly, is no boundary:
// it has changed nothing, and is not in every run.
func (t *tap) take(r *http.Request, s step, carryOut func() (accepted bool)) (answered bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if lifeOf(r) <= t.dead {
		return false
	}
	t.last = time.Now()
	if s.account != "" && t.unprepared != nil {
		if missing := t.unprepared(s.account, s.password); missing != "" {
			t.wrong = append(t.wrong, missing)
		}
	}
	here := len(t.at) > 0 && t.at[0].what == s.what && t.at[0].nth == t.done[s.what]+1
	if here && !t.at[0].after {
		t.crash(s)
		return false
	}
	if !carryOut() {
		return true
	}
	t.done[s.what]++
	if here {
		t.crash(s)
		return false
	}
	s.answered = true
	t.steps = append(t.steps, s)
	return true
}

// crash kills the operator, while nothing else passes.
func (t *tap) crash(s step) {
	t.kill()
	t.steps = append(t.steps, s)
	t.at, t.done, t.dead = t.at[1:], map[string]int{}, t.life.Load()
	t.crashes, t.crashed = t.crashes+1, len(t.steps)
}

// begin is told before a process is started: the connections from now on are its own.
func (t *tap) begin() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.dead = t.life.Load()
	t.life.Add(1)
	t.last = time.Now()
}
