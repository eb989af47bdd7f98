package crashtest

import (
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"sync"
	"time"
)

// step is something that the operator does to the world outside: a call to the provider or a write to the API server.
type step struct {
	// what says it in words that are the same in every run. Steps of the same words are told apart by their order.
	what string
	// method and params are those of a call to the provider, "" and nil for a write.
	method string
	params url.Values
	// account and password are those of the account that is to be created, "" for all other steps; password is that of a replaced sub-account, too.
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

// tap lets the operator's steps in a world through one at a time, and holds the operator at each of some boundaries, one after another,
// until it is killed.
type tap struct {
	operator *operator
	// wrongly says what is wrong with a step before it is carried out, "" where nothing is.
	wrongly func(step) string

	mu      sync.Mutex
	lost    string     // the words of a step whose next answer is lost, "" none
	held    bool       // at a boundary: nothing passes until the process is dead
	at      []boundary // those that are still to come
	steps   []step
	crashes int
	crashed int            // how many steps there were when the operator was last held at a boundary
	begun   int            // how many there were when the process was started, -1 where that was before the tap was armed
	done    map[string]int // since the last boundary, by their words
	last    time.Time
	wrong   []string // what was wrong
}

// arm forgets the steps so far and has the operator held at the boundaries, each but the first one of the recovery from
// the one before.
func (t *tap) arm(at ...boundary) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.at, t.crashes, t.crashed, t.begun = at, 0, 0, -1
	t.steps, t.done, t.last = nil, map[string]int{}, time.Now()
}

// lose has the answer to the next step of these words lost, which is carried out.
func (t *tap) lose(what string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.lost = what
}

// disarm has the operator held no more.
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

// recovery returns the steps since the operator was last held at a boundary, and how often it was.
func (t *tap) recovery() (steps []step, crashes int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return slices.Clone(t.steps[t.crashed:]), t.crashes
}

// ofProcess returns the steps of the present process, if it was started after the tap was armed.
func (t *tap) ofProcess() (steps []step, restarted bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.begun < 0 {
		return nil, false
	}
	return slices.Clone(t.steps[t.begun:]), true
}

// count is how many steps there were since the tap was armed.
func (t *tap) count() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return len(t.steps)
}

// mistakes are what was wrong with steps.
func (t *tap) mistakes() []string {
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
	answered, held := t.pass(r, s, carryOut)
	if held {
		<-t.operator.dead()
	}
	return answered
}

// pass carries the step out, unless it is at a boundary, or held is set since an earlier one was.
func (t *tap) pass(r *http.Request, s step, carryOut func() (accepted bool)) (answered, held bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.operator.lives.alive(r) || t.held {
		return false, t.held
	}
	t.last = time.Now()
	if mistake := t.wrongly(s); mistake != "" {
		t.wrong = append(t.wrong, mistake)
	}
	here := len(t.at) > 0 && t.at[0].what == s.what && t.at[0].nth == t.done[s.what]+1
	if here && !t.at[0].after {
		t.hold(s)
		return false, true
	}
	if !carryOut() {
		return true, false
	}
	t.done[s.what]++
	if here {
		t.hold(s)
		return false, true
	}
	if s.what == t.lost {
		t.lost = ""
		t.steps = append(t.steps, s)
		return false, false
	}
	s.answered = true
	t.steps = append(t.steps, s)
	return true, false
}

// hold lets nothing pass any more before the operator is killed.
func (t *tap) hold(s step) {
	t.steps = append(t.steps, s)
	t.at, t.done, t.held = t.at[1:], map[string]int{}, true
	t.crashes, t.crashed = t.crashes+1, len(t.steps)
}

// begin is told before a process is started.
func (t *tap) begin() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.held, t.begun, t.last = false, len(t.steps), time.Now()
}
