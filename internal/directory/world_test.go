package directory_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httptrace"
	"path"
	"reflect"
	"strconv"
	"sync"
	"testing"
	"time"

	clocktesting "k8s.io/utils/clock/testing"

	"cpaas.dev/child-account-operator/internal/account"
	"cpaas.dev/child-account-operator/internal/apihttp"
	"cpaas.dev/child-account-operator/internal/directory"
	"cpaas.dev/child-account-operator/internal/provider"
	"cpaas.dev/child-account-operator/internal/provider/fake"
	"cpaas.dev/child-account-operator/internal/simulator"
	"cpaas.dev/child-account-operator/internal/voximplant"
)

func TestMain(m *testing.M) {
	simulator.SharedKey() // before any bubble: what is made in one belongs to it
	m.Run()
}

const (
	list   = "GetChildrenAccounts"
	add    = "AddAccount"
	change = "SetChildAccountInfo"

	password = account.Secret("Canary-Pa55word!")
	// pageSize is how many accounts one answer has at most.
	pageSize = 1000
)

var background = context.Background()

// begin is when the tests' clock starts.
var begin = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

// world is a simulated service with one parent account, and a directory of its children.
type world struct {
	*directory.Directory
	sim    *simulator.Simulator
	parent simulator.Parent
	clock  *clocktesting.FakeClock
	gates  gates
	url    string
}

// newWorld makes a world whose service is reached over the network.
func newWorld(t *testing.T, settings simulator.Settings) *world {
	t.Helper()
	w := makeWorld(settings)
	server := httptest.NewServer(w.handler())
	t.Cleanup(server.Close)
	transport := apihttp.NewTransport(nil)
	t.Cleanup(transport.CloseIdleConnections)
	w.url = server.URL
	w.Directory = directory.New(w.remote(t, transport), w.clock)
	return w
}

// newBubbleWorld makes a world whose service is reached without a network, for tests that run in a bubble of time.
func newBubbleWorld(t *testing.T, settings simulator.Settings) *world {
	t.Helper()
	w := makeWorld(settings)
	w.url = "http://simulator.test"
	w.Directory = directory.New(w.remote(t, inProcess{w.handler()}), w.clock)
	return w
}

func makeWorld(settings simulator.Settings) *world {
	w := &world{
		sim:   simulator.New(simulator.Options{Settings: settings, Key: simulator.SharedKey()}),
		clock: clocktesting.NewFakeClock(begin),
	}
	w.parent = w.sim.AddParent(simulator.Parent{Name: "parent", Email: "parent@acme.example"})
	return w
}

// remote is another connection to the same parent account.
func (w *world) remote(t *testing.T, transport http.RoundTripper) *voximplant.Remote {
	t.Helper()
	credentials, err := voximplant.ParseCredentials(w.sim.Credentials(w.parent.ID))
	if err != nil {
		t.Fatal(err)
	}
	remote, err := voximplant.New(voximplant.Config{Endpoint: w.url, Credentials: credentials, Transport: transport})
	if err != nil {
		t.Fatal(err)
	}
	return remote
}

// inProcess answers without a network; where the handler aborts, as a server's connection closes.
type inProcess struct{ handler http.Handler }

func (p inProcess) RoundTrip(r *http.Request) (answer *http.Response, err error) {
	if err := r.Context().Err(); err != nil {
		return nil, err
	}
	if trace := httptrace.ContextClientTrace(r.Context()); trace != nil && trace.GotConn != nil {
		trace.GotConn(httptrace.GotConnInfo{})
	}
	defer func() {
		aborted := recover()
		if cause, ok := aborted.(error); ok && errors.Is(cause, http.ErrAbortHandler) {
			answer, err = nil, io.EOF
		} else if aborted != nil {
			panic(aborted)
		}
	}()
	recorder := httptest.NewRecorder()
	p.handler.ServeHTTP(recorder, r)
	return recorder.Result(), nil
}

// gate holds the answer of one call: the call was carried out when answered is closed, and its answer leaves when
// release is closed.
type gate struct {
	method            string
	answered, release chan struct{}
}

// gates are those that no call has come to yet.
type gates struct {
	mu   sync.Mutex
	open []*gate
}

// hold holds the answer of the next call of the method.
func (w *world) hold(method string) *gate {
	g := &gate{method: method, answered: make(chan struct{}), release: make(chan struct{})}
	w.gates.mu.Lock()
	defer w.gates.mu.Unlock()
	w.gates.open = append(w.gates.open, g)
	return g
}

// during makes a call that must work; happen comes after the service has carried it out, and before its answer is there.
func (w *world) during(t *testing.T, method string, call func() error, happen func()) {
	t.Helper()
	g := w.hold(method)
	done := make(chan error, 1)
	go func() { done <- call() }()
	<-g.answered
	happen()
	close(g.release)
	if err := <-done; err != nil {
		t.Fatal(err)
	}
}

func (s *gates) take(method string) *gate {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i, g := range s.open {
		if g.method == method {
			s.open = append(s.open[:i:i], s.open[i+1:]...)
			return g
		}
	}
	return nil
}

// handler is the simulator's, with the gates before its answers.
func (w *world) handler() http.Handler {
	sim := w.sim.Handler()
	return http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		g := w.gates.take(path.Base(r.URL.Path))
		if g == nil {
			sim.ServeHTTP(rw, r)
			return
		}
		recorder := httptest.NewRecorder()
		sim.ServeHTTP(recorder, r)
		close(g.answered)
		<-g.release
		rw.Header().Set("Content-Type", recorder.Header().Get("Content-Type"))
		rw.WriteHeader(recorder.Code)
		_, _ = rw.Write(recorder.Body.Bytes())
	})
}

// children puts n accounts under the parent and returns their ids.
func (w *world) children(n int) []string {
	ids := make([]string, n)
	for i := range ids {
		ids[i] = w.child(fmt.Sprintf("child-%05d", i))
	}
	return ids
}

// child puts one account under the parent and returns its id.
func (w *world) child(name string) string {
	a := w.sim.PutAccount(simulator.Account{ParentID: w.parent.ID, Fields: simulator.Fields{
		"account_name": name, "account_email": name + "@acme.example", "active": true, "language_code": "en",
	}})
	return strconv.FormatInt(a.ID, 10)
}

// set changes a value without the directory.
func (w *world) set(t *testing.T, id, wireName string, value any) {
	t.Helper()
	if err := w.sim.SetField(number(t, id), wireName, value); err != nil {
		t.Fatal(err)
	}
}

// remove deletes an account without the directory.
func (w *world) remove(t *testing.T, id string) {
	t.Helper()
	if !w.sim.Remove(number(t, id)) {
		t.Fatalf("there was no account %s", id)
	}
}

func number(t *testing.T, id string) int64 {
	t.Helper()
	n, err := strconv.ParseInt(id, 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// refresh reads the whole list, which must work.
func (w *world) refresh(t *testing.T, known ...directory.Known) {
	t.Helper()
	if err := w.Refresh(background, append(known, directory.Known{})[0]); err != nil {
		t.Fatal(err)
	}
}

// change changes to another connection, which must work.
func (w *world) change(t *testing.T, remote provider.Remote, known ...directory.Known) {
	t.Helper()
	if err := w.Switch(background, remote, append(known, directory.Known{})[0]); err != nil {
		t.Fatal(err)
	}
}

// read reads one account, which must work.
func (w *world) read(t *testing.T, key directory.Key) account.View {
	t.Helper()
	v, err := w.Read(background, key)
	if err != nil {
		t.Fatal(err)
	}
	if !v.Fresh {
		t.Error("a read is not fresh")
	}
	return v
}

// write writes one value, which must work.
func (w *world) write(t *testing.T, id, path, value string) {
	t.Helper()
	if err := w.Update(background, provider.Target{ID: id}, w.changes(path, value)); err != nil {
		t.Fatal(err)
	}
}

// changes are one change.
func (w *world) changes(path, value string) []account.Change {
	f, ok := w.Fields().Field(path)
	if !ok {
		panic("no field " + path)
	}
	return []account.Change{{Field: f, To: value, Origin: account.FromSpec}}
}

// value is what is known of a field of an account, "" where nothing is.
func (w *world) value(id, path string) string {
	v := w.Observe(directory.Key{ID: id})
	if v.Account == nil {
		return ""
	}
	return v.Account.State[path]
}

func (w *world) count(method string) int { return w.sim.Counts()[method] }

// newAccount is a declaration of an account.
func newAccount(name string) provider.NewAccount {
	return provider.NewAccount{Name: name, Password: password, CustomData: "claim of " + name, Desired: account.State{"email": name + "@acme.example"}}
}

// wantError checks class and OutcomeUnknown.
func wantError(t *testing.T, err error, class account.Class, outcomeUnknown bool) {
	t.Helper()
	if err == nil {
		t.Fatalf("no error; want %s", class)
	}
	if e := account.AsError(err); e.Class != class || e.OutcomeUnknown != outcomeUnknown {
		t.Fatalf("error %#v; want class %s, outcomeUnknown %v", e, class, outcomeUnknown)
	}
}

// wantView compares all of a view but its account, and that by id, "" for none.
func wantView(t *testing.T, got account.View, id string, want account.View) {
	t.Helper()
	seen := ""
	if got.Account != nil {
		seen = got.Account.ID
	}
	got.Account = nil
	if !reflect.DeepEqual(got, want) || seen != id {
		t.Errorf("account %q, %+v; want %q, %+v", seen, got, id, want)
	}
}

// fakeWorld is a directory on top of a provider in memory, as its options vary it.
type fakeWorld struct {
	*directory.Directory
	service *fake.Service
}

func newFakeWorld(o fake.Options) *fakeWorld {
	s := fake.New(o)
	return &fakeWorld{directory.New(s.Remote(), clocktesting.NewFakeClock(begin)), s}
}

func fakeAccount(name string) provider.NewAccount {
	return provider.NewAccount{Name: name, Password: password, CustomData: "claim of " + name, Desired: account.State{
		fake.PathName: name, fake.PathLogin: "login of " + name, fake.PathContact: name + "@acme.example", fake.PathTongue: "de",
	}}
}

func (w *fakeWorld) changes(t *testing.T, values account.State) []account.Change {
	t.Helper()
	var out []account.Change
	for _, f := range w.Fields() {
		if to, ok := values[f.Path]; ok {
			out = append(out, account.Change{Field: f, To: to, Origin: account.FromSpec})
		}
	}
	return out
}

func (w *fakeWorld) refresh(t *testing.T) {
	t.Helper()
	if err := w.Directory.Refresh(background, directory.Known{}); err != nil {
		t.Fatal(err)
	}
}
