package simulator

import (
	"maps"
	"net/http"
	"slices"
	"sync"
	"time"
)

// Call is one call of an API, in the log.
type Call struct {
	// Seq counts the calls since the start or the last reset, from 1, in the order in which they came.
	Seq int `json:"seq"`
	// Time is when the call came, by the simulator's clock.
	Time time.Time `json:"time"`
	// HTTPMethod is GET or POST; of the 2sms admin API PUT too.
	HTTPMethod string `json:"httpMethod"`
	// Method is the API's method as it was asked for, AddAccount for example; of the 2sms admin API one of the TwoSMS constants.
	Method string `json:"method"`
	// Params are the parameters, secrets included; masked when printed or exported.
	Params Params `json:"params"`
	// SecretInURL tells that a password, key, salt or token stood in the query.
	SecretInURL bool `json:"secretInURL"`
	// Wire is how all that was sent; nil unless Options.KeepWire.
	Wire *Wire `json:"wire,omitempty"`
	// Account is the account that the call ran as, 0 if it did not get that far.
	Account int64 `json:"account"`
	// Auth is how the call proved who it is from.
	Auth AuthKind `json:"auth"`
	// Outcome is what was decided to be the answer: "ok", an error code such as "106", an HTTP status such as "http-503",
	// or "reset" for a connection closed before anything was done. "" while the call runs.
	Outcome string `json:"outcome"`
	// Code is the code of a business error, else 0.
	Code int `json:"code"`
	// Fault is the kind of the fault that decided the answer, if one did.
	Fault FaultKind `json:"fault,omitempty"`
	// Changed tells whether the call changed the state.
	Changed bool `json:"changed"`
	// Delivered tells whether the whole answer was given to a connection that was still open.
	Delivered bool `json:"delivered"`
}

// Wire is how a call was sent: what makes no difference to the service, but shows whose client it was.
type Wire struct {
	// Path is the path of the URL, which may end with the method.
	Path string `json:"path"`
	// ContentType is the media type of the body, "" where none is named.
	ContentType string `json:"contentType,omitempty"`
	// Query are the names of the parameters that stood in the URL; all others stood in the body.
	Query []string `json:"query,omitempty"`
	// Token is what the token says, whether or not it was accepted; nil where there was none.
	Token *Token `json:"token,omitempty"`
}

// Token is what a token says. Its signature, and so the token itself, is not kept.
type Token struct {
	// Scheme is the word before the token, as it was spelt.
	Scheme string `json:"scheme"`
	// Header and Claims are its two parts, numbers as json.Number; nil where they can't be read.
	Header map[string]any `json:"header"`
	Claims map[string]any `json:"claims"`
}

// wireOf is the Wire of a request, where it is to be kept.
func (s *Simulator) wireOf(r *http.Request, req request) *Wire {
	if !s.keepWire {
		return nil
	}
	return &Wire{Path: r.URL.Path, ContentType: mediaType(r), Query: req.inQuery, Token: tokenOf(r.Header.Get("Authorization"))}
}

// Counters count the calls since the start or the last reset.
type Counters struct {
	// Total counts the calls of all methods.
	Total int `json:"total"`
	// Methods counts by method.
	Methods map[string]int `json:"methods"`
	// Outcomes counts by method and Call.Outcome.
	Outcomes map[string]map[string]int `json:"outcomes"`
	// MaxInFlight is the most calls that were open at once.
	MaxInFlight int `json:"maxInFlight"`
}

// callLog keeps the newest calls and counts all. It has its own lock, so that reading it does not wait for a call.
type callLog struct {
	mu       sync.Mutex
	max      int
	calls    []*Call
	counters Counters
	inFlight int
}

func newCallLog(limit int) *callLog {
	l := &callLog{max: limit}
	l.reset()
	return l
}

func (l *callLog) reset() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.calls = nil
	l.counters = Counters{Methods: map[string]int{}, Outcomes: map[string]map[string]int{}, MaxInFlight: l.inFlight}
}

// enter counts a call as in flight until leave.
func (l *callLog) enter() (leave func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.inFlight++
	l.counters.MaxInFlight = max(l.counters.MaxInFlight, l.inFlight)
	return func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.inFlight--
	}
}

// begin logs a call that has come in.
func (l *callLog) begin(call Call) *Call {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.counters.Total++
	l.counters.Methods[call.Method]++
	call.Seq = l.counters.Total
	l.calls = append(l.calls, &call)
	if len(l.calls) > 2*l.max {
		l.calls = slices.Clone(l.calls[len(l.calls)-l.max:])
	}
	return &call
}

// finish logs what came of a call, before its answer is on its way, so that whoever has the answer finds it in the log.
func (l *callLog) finish(call *Call, fill func(*Call)) {
	l.mu.Lock()
	defer l.mu.Unlock()
	fill(call)
	byOutcome := l.counters.Outcomes[call.Method]
	if byOutcome == nil {
		byOutcome = map[string]int{}
		l.counters.Outcomes[call.Method] = byOutcome
	}
	byOutcome[call.Outcome]++
}

func (l *callLog) undelivered(call *Call) {
	l.mu.Lock()
	defer l.mu.Unlock()
	call.Delivered = false
}

// Calls returns the newest calls (Options.MaxCalls of them), oldest first.
func (s *Simulator) Calls() []Call { return s.calls.newest() }

func (l *callLog) newest() []Call {
	l.mu.Lock()
	defer l.mu.Unlock()
	newest := l.calls[max(0, len(l.calls)-l.max):]
	calls := make([]Call, len(newest))
	for i, call := range newest {
		calls[i] = *call
	}
	return calls
}

// Counts returns how many calls each method had.
func (s *Simulator) Counts() map[string]int { return s.Counters().Methods }

// Counters returns all the counters.
func (s *Simulator) Counters() Counters { return s.calls.count() }

func (l *callLog) count() Counters {
	l.mu.Lock()
	defer l.mu.Unlock()
	counters := l.counters
	counters.Methods = maps.Clone(counters.Methods)
	counters.Outcomes = map[string]map[string]int{}
	for method, outcomes := range l.counters.Outcomes {
		counters.Outcomes[method] = maps.Clone(outcomes)
	}
	return counters
}

// ResetCalls empties the log and sets the counters to nothing; MaxInFlight starts with what is in flight.
func (s *Simulator) ResetCalls() { s.calls.reset() }
