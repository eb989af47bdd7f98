package voximplant

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"cpaas.dev/child-account-operator/internal/account"
	"cpaas.dev/child-account-operator/internal/apihttp"
	"cpaas.dev/child-account-operator/internal/provider"
	"cpaas.dev/child-account-operator/internal/simulator"
)

// The secrets of the tests: none may ever show.
const (
	testPassword = account.Secret("Canary-Pa55word!/+ x")
	goodPassword = account.Secret("Canary-Pa55word!/+x")
	testAPIKey   = account.Secret("canary-parent-api-key")
	testSalt     = account.Secret("Canary-salt&of+callbacks")
)

// world is a simulated service with one parent, and a Remote of it.
type world struct {
	*simulator.Simulator
	*Remote
	parent simulator.Parent
	url    string
	seen   *observations
}

// newWorld makes a world; change may alter the Remote's configuration.
func newWorld(t testing.TB, settings simulator.Settings, change ...func(*Config)) *world {
	t.Helper()
	sim := simulator.New(simulator.Options{Settings: settings, Key: simulator.SharedKey()})
	parent := sim.AddParent(simulator.Parent{Name: "parent", Email: "parent@example.com", APIKey: testAPIKey.Reveal()})
	server := httptest.NewServer(sim.Handler())
	t.Cleanup(server.Close)
	w := &world{Simulator: sim, parent: parent, url: server.URL, seen: new(observations)}
	w.Remote = w.remote(t, change...)
	return w
}

// withParentKey gives a Remote the parent's API key.
func withParentKey(c *Config) { c.ParentAPIKey = testAPIKey }

// remote makes another Remote of the world, with a key that has these credentials' roles.
func (w *world) remote(t testing.TB, change ...func(*Config)) *Remote {
	t.Helper()
	config := Config{
		Endpoint:    w.url,
		Credentials: credentials(t, w.Simulator.Credentials(w.parent.ID)),
		Transport:   newTestTransport(t),
		Observe:     w.seen.add,
	}
	for _, f := range change {
		f(&config)
	}
	r, err := New(config)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func newTestTransport(t testing.TB) *http.Transport {
	transport := apihttp.NewTransport(nil)
	t.Cleanup(transport.CloseIdleConnections)
	return transport
}

func credentials(t testing.TB, document []byte) Credentials {
	t.Helper()
	c, err := ParseCredentials(document)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// children puts n accounts under the parent, child-00001 and so on, and returns their ids.
func (w *world) children(n int) []string {
	ids := make([]string, n)
	for i := range ids {
		a := w.PutAccount(simulator.Account{ParentID: w.parent.ID, Fields: simulator.Fields{
			"account_name": fmt.Sprintf("child-%05d", i), "account_email": fmt.Sprintf("child-%05d@example.com", i), "active": true,
		}})
		ids[i] = fmt.Sprint(a.ID)
	}
	return ids
}

// called are the methods that were called, in order.
func (w *world) called() []string {
	var methods []string
	for _, c := range w.Calls() {
		methods = append(methods, c.Method)
	}
	return methods
}

// observations collect what Observe was told.
type observations struct {
	mu     sync.Mutex
	texts  []string
	errors []*account.Error
}

func (o *observations) add(method string, _ time.Duration, err *account.Error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.texts = append(o.texts, fmt.Sprintf("%s %+v", method, err))
	o.errors = append(o.errors, err)
}

func newAccount(name string) provider.NewAccount {
	return provider.NewAccount{Name: name, Password: goodPassword, CustomData: "claim", Desired: account.State{"email": name + "@example.com"}}
}

// updateOf is a write of the changes to the accounts.
func updateOf(ids []string, changes []account.Change) provider.Update {
	targets := make([]provider.Target, len(ids))
	for i, id := range ids {
		targets[i].ID = id
	}
	return provider.Update{Targets: targets, Changes: changes}
}

// list reads the whole list.
func list(r *Remote, known provider.Known) (accounts []account.Account, pages []provider.Page, err error) {
	err = r.List(context.Background(), known, func(p provider.Page) {
		pages = append(pages, p)
		accounts = append(accounts, p.Accounts...)
	})
	return accounts, pages, err
}

// wantError checks class and OutcomeUnknown, and returns the error.
func wantError(t testing.TB, err error, class account.Class, outcomeUnknown bool) *account.Error {
	t.Helper()
	if err == nil {
		t.Fatalf("no error; want %s", class)
	}
	e := account.AsError(err)
	if e.Class != class || e.OutcomeUnknown != outcomeUnknown {
		t.Fatalf("error %#v; want class %s, outcomeUnknown %v", e, class, outcomeUnknown)
	}
	return e
}

// stub is a server that answers with handler, and a client of it.
func stub(t testing.TB, handler http.HandlerFunc, change ...func(*Config)) *Remote {
	t.Helper()
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	sim := simulator.New(simulator.Options{Key: simulator.SharedKey()})
	parent := sim.AddParent(simulator.Parent{Name: "parent", Email: "parent@example.com"})
	config := Config{Endpoint: server.URL, Credentials: credentials(t, sim.Credentials(parent.ID)), Transport: newTestTransport(t)}
	for _, f := range change {
		f(&config)
	}
	r, err := New(config)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// respond is a handler that always answers the same.
func respond(status int, contentType, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", contentType)
		w.WriteHeader(status)
		_, _ = w.Write([]byte(body))
	}
}
