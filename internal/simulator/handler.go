package simulator

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"strconv"
	"time"
)

// Handler serves the Management API under /platform_api, the 2sms admin API under TwoSMSPath, and the control API under /_simulator.
func (s *Simulator) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("/platform_api", s.serveAPI)
	mux.HandleFunc("/platform_api/{method...}", s.serveAPI)
	mux.HandleFunc(TwoSMSPath+"/{path...}", s.TwoSMS.serve)
	s.handleControl(mux)
	return mux
}

// serveAPI answers one call: read, wait, run, log, answer.
func (s *Simulator) serveAPI(w http.ResponseWriter, r *http.Request) {
	defer s.calls.enter()()
	req, err := readRequest(w, r)
	name, conflict := methodName(r.PathValue("method"), req.params["cmd"])
	call := s.calls.begin(Call{
		Time: s.clock(), HTTPMethod: r.Method, Method: name, Params: req.params, SecretInURL: req.secretInURL,
		Wire: s.wireOf(r, req),
	})
	// A client that hangs up meanwhile does not stop the service: its call runs all the same.
	pause(r.Context(), s.Settings().Latency)
	var done result
	switch {
	case r.Method != http.MethodGet && r.Method != http.MethodPost:
		done.status = http.StatusMethodNotAllowed
	case errors.Is(err, errTooLarge):
		done.status = http.StatusRequestEntityTooLarge
	case err != nil || conflict:
		done.err = fail(codeInvalidArguments)
	default:
		done = s.execute(name, req.params, r)
	}
	ans := done.answer(s.Settings().ErrorsList)
	s.calls.finish(call, func(c *Call) {
		c.Account, c.Auth, c.Changed, c.Fault = done.who.id(), done.who.kind, done.changed, done.plan.kind()
		c.Outcome, c.Code = ans.outcome, ans.code
		c.Delivered = ans.ending == whole
	})
	w.Header().Set("Date", s.Settings().date(s.clock))
	if !pause(r.Context(), done.plan.delay) || !ans.write(w, r) {
		s.calls.undelivered(call)
	}
}

// methodName is the method by the path or by the parameter cmd, which must not contradict each other.
func methodName(path, command string) (name string, conflict bool) {
	return cmp.Or(path, command), path != "" && command != "" && path != command
}

// pause waits, and tells whether the client has waited too.
func pause(ctx context.Context, d time.Duration) bool {
	if d <= 0 {
		return true
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// result is what came of a call, before faults have their say about the answer.
type result struct {
	who     principal
	plan    faultPlan
	body    map[string]any
	err     *apiError
	status  int // of a call that is no call of the API; 0: 200
	changed bool
}

// execute runs a method under the lock.
func (s *Simulator) execute(name string, params Params, r *http.Request) result {
	s.mu.Lock()
	defer s.mu.Unlock()
	m, err := findMethod(name)
	var done result
	if err == nil {
		done.who, err = s.admit(m, r, params)
	}
	done.plan = s.faults.plan(name, done.who.id(), params)
	if done.plan.decide != nil && done.plan.decide.prevents() {
		return done
	}
	if err != nil {
		done.err = err
		return done
	}
	c := &invocation{method: m, who: done.who, plan: done.plan, host: r.Host}
	if c.values, done.err = m.parseParams(withoutPair(done.who, m, params)); done.err != nil {
		return done
	}
	done.body, done.err = m.run(s, c)
	if done.changed = c.changed; done.changed {
		s.save()
	}
	return done
}

func findMethod(name string) (*method, *apiError) {
	if name == "" {
		return nil, fail(codeMissingCommand)
	}
	m := methodsByName[name]
	if m == nil {
		return nil, fail(codeUnknownCommand)
	}
	return m, nil
}

func (p faultPlan) kind() FaultKind {
	if p.decide == nil {
		return ""
	}
	return p.decide.Kind
}

// ending is how an answer ends.
type ending int

const (
	whole  ending = iota
	lost          // the connection is closed without an answer
	cut           // the connection is closed in the middle of the answer
	broken        // the connection is reset
)

// answer is what goes over the wire.
type answer struct {
	outcome string
	code    int
	status  int
	header  map[string]string
	body    []byte
	padding int
	ending  ending
}

// answer is the method's own answer, or what a fault makes of it.
func (d result) answer(errorsList bool) answer {
	f := d.plan.decide
	if f == nil {
		return d.natural(errorsList)
	}
	switch f.Kind {
	case FaultReset, FaultDown, FaultHTTP, FaultRedirect:
		return f.transportAnswer()
	case FaultError:
		return errorAnswer(&apiError{Code: f.Code, Msg: cmp.Or(f.Message, errorMessages[f.Code])}, f.List || errorsList)
	}
	return f.spoil(d.natural(errorsList))
}

// spoil is an answer of the API as it arrives.
func (f Fault) spoil(ans answer) answer {
	switch f.Kind {
	case FaultLoseAnswer:
		ans.ending = lost
	case FaultTruncate:
		ans.ending = cut
	case FaultHuge:
		ans.padding = max(0, f.Bytes-len(ans.body))
	}
	return ans
}

func (d result) natural(errorsList bool) answer {
	switch {
	case d.status != 0:
		return answer{outcome: httpOutcome(d.status), status: d.status, body: []byte(http.StatusText(d.status))}
	case d.err != nil:
		return errorAnswer(d.err, errorsList)
	}
	return jsonAnswer("ok", 0, d.body)
}

// transportAnswer is an answer that does not come from the API, but from something before it.
func (f Fault) transportAnswer() answer {
	if f.Kind == FaultReset || f.Kind == FaultDown && f.Status == 0 {
		return answer{outcome: "reset", ending: broken}
	}
	ans := answer{header: map[string]string{"Content-Type": "text/html"}}
	if f.Kind == FaultRedirect {
		ans.status = cmp.Or(f.Status, http.StatusFound)
		ans.header["Location"] = f.URL
	} else {
		ans.status = cmp.Or(f.Status, http.StatusBadGateway)
		page := fmt.Sprintf("<html><body><h1>%d %s</h1></body></html>", ans.status, http.StatusText(ans.status))
		ans.body = []byte(cmp.Or(f.Body, page))
	}
	maps.Copy(ans.header, f.Header)
	ans.outcome = httpOutcome(ans.status)
	return ans
}

func httpOutcome(status int) string { return "http-" + strconv.Itoa(status) }

func errorAnswer(err *apiError, asList bool) answer {
	return jsonAnswer(strconv.Itoa(err.Code), err.Code, errorBody(err, asList))
}

func jsonAnswer(outcome string, code int, body any) answer {
	encoded, err := json.Marshal(body)
	if err != nil { // the body is maps, texts and finite numbers only
		return answer{outcome: httpOutcome(http.StatusInternalServerError), status: http.StatusInternalServerError}
	}
	return answer{
		outcome: outcome, code: code, status: http.StatusOK, body: encoded,
		header: map[string]string{"Content-Type": "application/json; charset=utf-8"},
	}
}

// write sends the answer and tells whether all of it went to a client that is still there.
func (a answer) write(w http.ResponseWriter, r *http.Request) bool {
	if a.ending == lost || a.ending == broken {
		hangUp(w, a.ending == broken)
		return false
	}
	for name, value := range a.header {
		w.Header().Set(name, value)
	}
	w.Header().Set("Content-Length", strconv.Itoa(a.padding+len(a.body)))
	w.WriteHeader(a.status)
	if a.ending == cut {
		_, _ = w.Write(a.body[:len(a.body)/2])
		_ = http.NewResponseController(w).Flush()
		// Closes the connection; net/http would otherwise complain about the missing half.
		panic(http.ErrAbortHandler)
	}
	if !writeBlanks(w, a.padding) {
		return false
	}
	_, err := w.Write(a.body)
	return err == nil && r.Context().Err() == nil
}

var blanks = bytes.Repeat([]byte(" "), 32<<10)

func writeBlanks(w io.Writer, n int) bool {
	for n > 0 {
		written, err := w.Write(blanks[:min(n, len(blanks))])
		if err != nil {
			return false
		}
		n -= written
	}
	return true
}

// hangUp closes the connection without an answer, with a TCP reset if asked for. Over HTTP/2 it resets the call's stream alone,
// since the other calls of the connection have nothing to do with the fault.
func hangUp(w http.ResponseWriter, reset bool) {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil { // HTTP/2 has no connection to take over
		panic(http.ErrAbortHandler)
	}
	raw := conn
	for wrapped, ok := raw.(interface{ NetConn() net.Conn }); ok; wrapped, ok = raw.(interface{ NetConn() net.Conn }) {
		raw = wrapped.NetConn()
	}
	if tcp, ok := raw.(*net.TCPConn); ok && reset {
		_ = tcp.SetLinger(0)
		_ = tcp.Close()
	}
	_ = conn.Close()
}
