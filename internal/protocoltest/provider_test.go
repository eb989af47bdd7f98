package protocoltest

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httptrace"
	"net/url"
	"path"
	"strconv"
)

// fate is what becomes of a call.
type fate string

const (
	answered    fate = "answered"
	answerLost  fate = "answer lost"
	requestLost fate = "request lost"
	// refused: there was no connection, so the caller knows that nothing was done.
	refused fate = "no connection"
	// late: the caller has given up when the call is carried out.
	late fate = "late"
)

var errLost = errors.New("connection lost")

// RoundTrip is the way to the provider and back.
func (m *machine) RoundTrip(r *http.Request) (*http.Response, error) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	method := path.Base(r.URL.Path)
	fates := []fate{answered, answered, answered, answered, answered, requestLost}
	if method == "AddAccount" {
		fates = []fate{answered, answerLost, requestLost, refused, late}
	}
	is := draw(m, method, fates)
	m.notef("  %s: %s", method, is)
	if is != refused {
		connected(r)
	}
	sent := call{request: r, body: body, method: method, uid: m.actsFor, excused: m.actor != nil && m.actor.interrupted}
	switch is {
	case requestLost, refused:
		return nil, errLost
	case late:
		sent.excused = true // whoever sent it could not know
		m.late = append(m.late, sent)
		return nil, errLost
	}
	answer := m.carryOut(sent)
	if is == answerLost {
		return nil, errLost
	}
	return answer, nil
}

// connected lets the client know that its request may have left.
func connected(r *http.Request) {
	if trace := httptrace.ContextClientTrace(r.Context()); trace != nil && trace.GotConn != nil {
		trace.GotConn(httptrace.GotConnInfo{})
	}
}

// call is a call on its way.
type call struct {
	request *http.Request
	body    []byte
	method  string
	// uid is the resource that it is made for.
	uid int
	// excused: nobody could have known better.
	excused bool
}

// carryOut has the provider do what a call asks for, once it was looked at.
func (m *machine) carryOut(c call) *http.Response {
	c.request.Body = io.NopCloser(bytes.NewReader(c.body))
	if c.method != "AddAccount" {
		return m.serve(c.request)
	}
	form, err := url.ParseQuery(string(c.body))
	if err != nil {
		m.t.Fatal(err)
	}
	name := form.Get("account_name")
	if !c.excused && !m.exists(c.uid) {
		m.t.Fatalf("an account for a resource that is gone: %s", name)
	}
	if a, there := m.sim.Account(name); there && !c.excused && !m.tampered[c.uid] && m.makers[a.ID] == c.uid {
		m.t.Fatalf("a second account for one resource: %s has account %d already, and only the provider's refusal stands between", name, a.ID)
	}
	before := len(m.sim.Accounts(m.parent.ID))
	answer := m.serve(c.request)
	if a, _ := m.sim.Account(name); len(m.sim.Accounts(m.parent.ID)) > before {
		m.makers[a.ID] = c.uid
	}
	return answer
}

// exists says whether there is a resource with the UID.
func (m *machine) exists(uid int) bool {
	for _, o := range m.objects {
		if o.uid == uid {
			return true
		}
	}
	return false
}

func (m *machine) serve(r *http.Request) *http.Response {
	recorder := httptest.NewRecorder()
	m.service.ServeHTTP(recorder, r)
	return recorder.Result()
}

func text(id int64) string { return strconv.FormatInt(id, 10) }
