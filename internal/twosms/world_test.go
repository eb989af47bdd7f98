package twosms

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"cpaas.dev/child-account-operator/internal/account"
	"cpaas.dev/child-account-operator/internal/apihttp"
	"cpaas.dev/child-account-operator/internal/provider"
	"cpaas.dev/child-account-operator/internal/simulator"
)

var background = context.Background()

// The secrets of the tests: none may ever show.
const (
	goodPassword  = account.Secret("Canary-Pa55word!/+x \"y\"")
	otherPassword = account.Secret("Canary-0ther-password")
	clientSecret  = account.Secret("canary-client+secret/&=%")
)

// world is a simulated service with one master account, and a Remote of it. Both have the clock.
type world struct {
	*Remote
	sms    *simulator.TwoSMS
	master simulator.Master
	url    string

	mu   sync.Mutex
	now  time.Time
	seen []string // what Observe was told
}

func newWorld(t testing.TB, settings simulator.TwoSMSSettings, change ...func(*Config)) *world {
	t.Helper()
	w := &world{now: time.Date(2026, 5, 6, 7, 8, 9, 0, time.UTC)}
	sim := simulator.New(simulator.Options{Clock: w.clock})
	w.sms = sim.TwoSMS
	w.sms.Update(func(s *simulator.TwoSMSSettings) { *s = settings })
	w.master = w.sms.AddMaster(simulator.Master{CompanyName: "Acme", Email: "owner@acme.example", ClientSecret: clientSecret.Reveal()})
	server := httptest.NewServer(sim.Handler())
	t.Cleanup(server.Close)
	w.url = server.URL + simulator.TwoSMSPath
	document, _ := w.sms.Credentials(w.master.ID)
	credentials, err := ParseCredentials(document)
	if err != nil {
		t.Fatal(err)
	}
	w.Remote = newRemote(t, Config{BaseURL: w.url, Credentials: credentials, Clock: w.clock, Observe: w.observe}, change...)
	return w
}

func newRemote(t testing.TB, config Config, change ...func(*Config)) *Remote {
	t.Helper()
	transport := apihttp.NewTransport(nil)
	t.Cleanup(transport.CloseIdleConnections)
	config.Transport = transport
	for _, f := range change {
		f(&config)
	}
	r, err := New(config)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func (w *world) clock() time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.now
}

func (w *world) pass(d time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.now = w.now.Add(d)
}

func (w *world) observe(method string, _ time.Duration, err *account.Error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.seen = append(w.seen, fmt.Sprintf("%s %+v", method, err))
}

// called are the methods of the calls since the last time, in order.
func (w *world) called() string {
	var methods []string
	for _, c := range w.sms.Calls() {
		methods = append(methods, c.Method)
	}
	w.sms.ResetCalls()
	return strings.Join(methods, ", ")
}

// newAccount is an account that can be created.
func newAccount(n int) provider.NewAccount {
	mail := fmt.Sprintf("child-%d@example.com", n)
	return provider.NewAccount{Name: mail, Password: goodPassword, CustomData: "claim", Desired: account.State{
		"email": mail, "username": fmt.Sprintf("child-%d", n), "firstName": "Ada", "lastName": "Lovelace", "companyName": "Engines", "mobilePhone": "+49 (30) 123-45",
	}}
}

// created is an account that was created, as it is read.
func (w *world) created(t testing.TB, n int) account.Account {
	t.Helper()
	if _, err := w.Create(background, newAccount(n)); err != nil {
		t.Fatal(err)
	}
	found, err := w.Get(background, provider.Selector{Names: []string{newAccount(n).Name}})
	if err != nil || len(found) != 1 {
		t.Fatalf("%v, %v", found, err)
	}
	w.sms.ResetCalls()
	return found[0]
}

// target is the account with all that is known of it.
func target(a account.Account, n int) provider.Target {
	return provider.Target{ID: a.ID, Observed: a.State, Desired: newAccount(n).Desired, Password: known(goodPassword)}
}

func known(password account.Secret) func(context.Context) (account.Secret, error) {
	return func(context.Context) (account.Secret, error) { return password, nil }
}

func change(path, to string) account.Change {
	f, _ := schema.Field(path)
	return account.Change{Field: f, To: to}
}

func updateOf(t provider.Target, changes ...account.Change) provider.Update {
	return provider.Update{Targets: []provider.Target{t}, Changes: changes}
}

// wantError checks class and OutcomeUnknown, and returns the error.
func wantError(t testing.TB, err error, class account.Class, outcomeUnknown bool) *account.Error {
	t.Helper()
	if err == nil {
		t.Fatalf("no error; want %s", class)
	}
	e := account.AsError(err)
	if e.Class != class || e.OutcomeUnknown != outcomeUnknown || e.Message == "" {
		t.Fatalf("error %#v; want class %s, outcomeUnknown %v", e, class, outcomeUnknown)
	}
	return e
}

// noSecrets checks that a text has none of the tests' secrets.
func noSecrets(t testing.TB, text string) {
	t.Helper()
	if strings.Contains(strings.ToLower(text), "canary") {
		t.Errorf("a secret shows: %s", text)
	}
}

const masterID = "86e51d05-20a3-486c-adf1-a98ca194c74c"

// stub is a service that issues tokens and answers all else with handler, and a Remote of it.
func stub(t testing.TB, handler http.HandlerFunc, change ...func(*Config)) *Remote {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/v2/Token" {
			w.Header().Set("Content-Type", "application/json")
			_, _ = w.Write([]byte(`{"access_token":"canary-token","token_type":"bearer","expires_in":28799}`))
			return
		}
		handler(w, r)
	}))
	t.Cleanup(server.Close)
	return newRemote(t, Config{
		BaseURL: server.URL + "/v2/", Credentials: Credentials{AccountID: masterID, ClientID: "client", ClientSecret: clientSecret},
	}, change...)
}
