package simulator

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// listMethod is the method whose faults are about pages.
const listMethod = "GetChildrenAccounts"

// FaultKind is what a fault does.
type FaultKind string

// The kinds of faults. Slow and Store leave the answer as it is and go together with any other. Those that close or reset the
// connection reset the call's stream alone over HTTP/2.
const (
	// FaultLoseAnswer does what the call asks for and closes the connection without an answer.
	FaultLoseAnswer FaultKind = "lose-answer"
	// FaultTruncate does what the call asks for and closes the connection in the middle of the answer.
	FaultTruncate FaultKind = "truncate"
	// FaultReset resets the connection before anything is done.
	FaultReset FaultKind = "reset"
	// FaultError answers the business error Code, with Message if given, as a list with List. The 2sms admin API answers it with the HTTP
	// Status, default 400.
	FaultError FaultKind = "error"
	// FaultHTTP answers the HTTP Status (default 502) with Header and Body (default a page of HTML).
	FaultHTTP FaultKind = "http"
	// FaultSlow does what the call asks for and answers after Delay, or gives up when the client does.
	FaultSlow FaultKind = "slow"
	// FaultHuge does what the call asks for and puts blanks before the answer, so that it has Bytes bytes; still valid JSON.
	FaultHuge FaultKind = "huge"
	// FaultRedirect answers a redirect (Status, default 302) to URL.
	FaultRedirect FaultKind = "redirect"
	// FaultStore stores Store instead of what the call says for Param, or, with Store empty, leaves the field as it was.
	FaultStore FaultKind = "store"
	// FaultDown is FaultReset, or with a Status FaultHTTP of it: for a service that is down, with no Method and no Times.
	FaultDown FaultKind = "down"
	// FaultRepeatRow repeats on each further page of GetChildrenAccounts the last row of the page before, instead of its first.
	FaultRepeatRow FaultKind = "repeat-row"
	// FaultTotal answers on each further page of GetChildrenAccounts a total_count that is one more.
	FaultTotal FaultKind = "total"
	// FaultAddAccounts adds so many Accounts under the caller before each further page of GetChildrenAccounts, as others may create some.
	FaultAddAccounts FaultKind = "add-accounts"
	// FaultRemoveAccounts removes so many Accounts, the first ones of the caller's, before each further page of GetChildrenAccounts.
	FaultRemoveAccounts FaultKind = "remove-accounts"
	// FaultEmptyList answers GetChildrenAccounts, or the list of the 2sms admin API, as if there were no accounts: a list that is complete,
	// and wrong.
	FaultEmptyList FaultKind = "empty-list"
)

// Fault is something that goes wrong. Faults are asked in the order in which they were added: those that delay, store or
// spoil paging all take part; of the others the first one that is due decides the answer.
type Fault struct {
	// Kind is what goes wrong.
	Kind FaultKind `json:"kind"`
	// Method is the API's method that it is for. Default: all.
	Method string `json:"method,omitempty"`
	// Match are parameters the call must have, each with this value or with it in its list.
	Match map[string]string `json:"match,omitempty"`
	// Account is the account that the call must run as, of the Management API alone. Default: any.
	Account int64 `json:"account,omitempty"`
	// After is how many matching calls to let pass first.
	After int `json:"after,omitempty"`
	// Times is how often it happens. Default: until it is removed.
	Times int `json:"times,omitempty"`
	// AfterChange lets FaultReset, FaultError, FaultHTTP and FaultRedirect do what the call asks for first.
	AfterChange bool `json:"afterChange,omitempty"`

	// Code is the code of FaultError.
	Code int `json:"code,omitempty"`
	// Message is the message of FaultError. Default: the documented one.
	Message string `json:"message,omitempty"`
	// List makes FaultError answer {"errors": [...]}.
	List bool `json:"list,omitempty"`
	// Status is the HTTP status of FaultHTTP, FaultRedirect and FaultDown, and of FaultError at the 2sms admin API.
	Status int `json:"status,omitempty"`
	// Header are headers of FaultHTTP and FaultDown, Retry-After for example.
	Header map[string]string `json:"header,omitempty"`
	// Body is the body of FaultHTTP and FaultDown.
	Body string `json:"body,omitempty"`
	// URL is where FaultRedirect points.
	URL string `json:"url,omitempty"`
	// Delay is how long FaultSlow waits, in real time; JSON "2s".
	Delay time.Duration `json:"delay,omitempty"`
	// Bytes is the size of FaultHuge's answer.
	Bytes int `json:"bytes,omitempty"`
	// Accounts is how many accounts FaultAddAccounts adds and FaultRemoveAccounts removes at a time.
	Accounts int `json:"accounts,omitempty"`
	// Param is the parameter that FaultStore is for, by its name in the call.
	Param string `json:"param,omitempty"`
	// Store is what FaultStore stores for it.
	Store string `json:"store,omitempty"`
}

// MarshalJSON writes the delay as a duration string.
func (f Fault) MarshalJSON() ([]byte, error) {
	type plain Fault
	if isSecret(f.Param) && f.Store != "" {
		f.Store = Masked
	}
	return json.Marshal(struct {
		plain
		Match Params `json:"match,omitempty"`
		Delay string `json:"delay,omitempty"`
	}{plain(f), Params(f.Match), f.Delay.String()})
}

// UnmarshalJSON reads a fault. Unknown names are refused.
func (f *Fault) UnmarshalJSON(data []byte) error {
	type plain Fault
	read := struct {
		*plain
		Delay string `json:"delay"`
	}{plain: (*plain)(f)}
	if err := decodeStrictly(data, &read); err != nil {
		return err
	}
	delay, err := time.ParseDuration(cmp.Or(read.Delay, "0s"))
	f.Delay = delay
	return err
}

// check tells what is missing in a fault.
func (f Fault) check() error {
	switch f.Kind {
	case FaultLoseAnswer, FaultTruncate, FaultReset, FaultHTTP, FaultDown, FaultRepeatRow, FaultTotal, FaultEmptyList:
		return nil
	case FaultError:
		return f.need("code", f.Code != 0)
	case FaultSlow:
		return f.need("delay", f.Delay > 0)
	case FaultHuge:
		return f.need("bytes", f.Bytes > 0)
	case FaultRedirect:
		return f.need("url", f.URL != "")
	case FaultStore:
		return f.need("param", f.Param != "")
	case FaultAddAccounts, FaultRemoveAccounts:
		return f.need("accounts", f.Accounts > 0)
	}
	return fmt.Errorf("unknown kind of fault %q", f.Kind)
}

func (f Fault) need(name string, given bool) error {
	if given {
		return nil
	}
	return fmt.Errorf("fault %q needs %s", f.Kind, name)
}

// decides tells whether the fault takes the place of the answer.
func (f Fault) decides() bool {
	switch f.Kind {
	case FaultSlow, FaultStore, FaultRepeatRow, FaultTotal, FaultEmptyList, FaultAddAccounts, FaultRemoveAccounts:
		return false
	}
	return true
}

// betweenPages tells whether the fault happens before further pages of a list alone.
func (f Fault) betweenPages() bool {
	return f.Kind == FaultAddAccounts || f.Kind == FaultRemoveAccounts
}

// prevents tells whether the method does not even run.
func (f Fault) prevents() bool {
	switch f.Kind {
	case FaultReset, FaultError, FaultHTTP, FaultRedirect:
		return !f.AfterChange
	case FaultDown:
		return true
	}
	return false
}

func (f Fault) matches(method string, account int64, params Params) bool {
	if f.Method != "" && f.Method != method || f.Account != 0 && f.Account != account {
		return false
	}
	if offset, _ := strconv.Atoi(params["offset"]); f.betweenPages() && (method != listMethod || offset <= 0) {
		return false
	}
	for name, value := range f.Match {
		if params[name] != value && !slices.Contains(strings.Split(params[name], ";"), value) {
			return false
		}
	}
	return true
}

// armedFault is a fault with its counts.
type armedFault struct {
	Fault
	ID int
	// seen counts the calls that matched, fired those that it happened to.
	seen, fired int
}

func (a *armedFault) due() bool {
	return a.seen > a.After && (a.Times == 0 || a.fired < a.Times)
}

// faultPlan is all that goes wrong with one call.
type faultPlan struct {
	decide     *Fault
	delay      time.Duration
	stores     map[string]string
	repeatRow  bool
	shiftTotal bool
	emptyList  bool
	// come and leave are how many accounts do so before the page.
	come, leave int
}

func (p *faultPlan) add(f Fault) {
	switch f.Kind {
	case FaultSlow:
		p.delay += f.Delay
	case FaultStore:
		p.stores[f.Param] = f.Store
	case FaultRepeatRow:
		p.repeatRow = true
	case FaultTotal:
		p.shiftTotal = true
	case FaultEmptyList:
		p.emptyList = true
	case FaultAddAccounts:
		p.come += f.Accounts
	case FaultRemoveAccounts:
		p.leave += f.Accounts
	default:
		p.decide = &f
	}
}

// faultList are the faults of one API. Whoever uses it holds the Simulator's lock.
type faultList struct {
	armed []*armedFault
	last  int
}

// plan asks all the faults what they do to a call.
func (l *faultList) plan(method string, account int64, params Params) faultPlan {
	plan := faultPlan{stores: map[string]string{}}
	for _, f := range l.armed {
		if !f.matches(method, account, params) {
			continue
		}
		f.seen++
		if !f.due() || f.decides() && plan.decide != nil {
			continue
		}
		f.fired++
		plan.add(f.Fault)
	}
	return plan
}

func (l *faultList) add(f Fault) (int, error) {
	if err := f.check(); err != nil {
		return 0, err
	}
	l.last++
	l.armed = append(l.armed, &armedFault{Fault: f, ID: l.last})
	return l.last, nil
}

func (l *faultList) remove(id int) bool {
	before := len(l.armed)
	l.armed = slices.DeleteFunc(l.armed, func(f *armedFault) bool { return f.ID == id })
	return len(l.armed) < before
}

// AddFault makes something go wrong from now on, and returns the id to remove it by.
// It panics if the fault lacks what its kind needs.
func (s *Simulator) AddFault(f Fault) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return mustAdd(&s.faults, f)
}

// mustAdd adds a fault, or panics. The caller holds the lock.
func mustAdd(l *faultList, f Fault) int {
	id, err := l.add(f)
	if err != nil {
		panic(err)
	}
	return id
}

// RemoveFault removes a fault, and tells whether there was one with this id.
func (s *Simulator) RemoveFault(id int) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.faults.remove(id)
}

// ClearFaults removes all faults.
func (s *Simulator) ClearFaults() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults.armed = nil
}
