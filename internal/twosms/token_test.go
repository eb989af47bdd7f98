package twosms

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"cpaas.dev/child-account-operator/internal/account"
	"cpaas.dev/child-account-operator/internal/simulator"
	"cpaas.dev/child-account-operator/internal/testenv/freeport"
)

// self makes a call, and fails the test if that fails.
func (w *world) self(t *testing.T) {
	t.Helper()
	if _, err := w.Self(background); err != nil {
		t.Fatal(err)
	}
}

// A token is asked for once in its life, ahead of its end, and once more where the service refuses it.
func TestTokenLife(t *testing.T) {
	w := newWorld(t, simulator.TwoSMSSettings{})
	step := func(what, want string) {
		t.Helper()
		w.self(t)
		w.self(t)
		if got := w.called(); got != want {
			t.Errorf("%s: %s, want %s", what, got, want)
		}
	}
	const two, renewed = "GET accounts, GET accounts", "POST Token, GET accounts, GET accounts"
	step("the first calls", renewed)
	w.pass(documentedLife - renewedAhead - 2*time.Second)
	step("before the renewal", two)
	w.pass(time.Second)
	step("the renewal", renewed)
	w.sms.RevokeTokens()
	step("a token that was revoked", "GET accounts, POST Token, GET accounts, GET accounts")

	w.pass(documentedLife - renewedAhead)
	w.sms.AddFault(simulator.Fault{Kind: simulator.FaultHTTP, Status: 503, Method: simulator.TwoSMSToken, Times: 1})
	step("a renewal that fails", "POST Token, GET accounts, GET accounts")
	w.pass(renewalPause)
	step("the next renewal", renewed)
	w.pass(2 * documentedLife)
	w.sms.AddFault(simulator.Fault{Kind: simulator.FaultHTTP, Status: 503, Method: simulator.TwoSMSToken, Times: 1})
	_, err := w.Self(background)
	if e := wantError(t, err, account.Unavailable, false); e.Method != methodToken || w.called() != "POST Token" {
		t.Error(e)
	}
	w.pass(-5 * documentedLife)
	step("our clock was set back", renewed)

	w.sms.Update(func(s *simulator.TwoSMSSettings) { s.TokenLife = 100 * time.Second })
	w.sms.RevokeTokens()
	step("a short life", "GET accounts, POST Token, GET accounts, GET accounts")
	w.pass(88 * time.Second)
	step("nine tenths of it", two)
	w.pass(2 * time.Second)
	step("the last tenth", renewed)
	for _, text := range w.seen {
		noSecrets(t, text)
	}
}

// A write that is refused for its token was not done, so it is repeated; it is repeated once.
func TestTokenRefused(t *testing.T) {
	w := newWorld(t, simulator.TwoSMSSettings{})
	w.self(t)
	w.sms.RevokeTokens()
	w.called()
	if _, err := w.Create(background, newAccount(1)); err != nil || w.called() != "POST accounts, POST Token, POST accounts" || len(w.sms.Accounts("")) != 1 {
		t.Error(err)
	}
	w.sms.AddFault(simulator.Fault{Kind: simulator.FaultHTTP, Status: 401, Method: simulator.TwoSMSCreate})
	_, err := w.Create(background, newAccount(2))
	wantError(t, err, account.Unauthorized, false)
	if got := w.called(); got != "POST accounts, POST Token, POST accounts" {
		t.Error(got)
	}
}

// Calls that need a token at the same time share one request.
func TestTokenIsShared(t *testing.T) {
	w := newWorld(t, simulator.TwoSMSSettings{})
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			if _, err := w.Self(background); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if n := w.sms.Counts()[simulator.TwoSMSToken]; n != 1 {
		t.Errorf("%d requests for a token", n)
	}
}

// Whoever gives up takes nobody along who waits for the same token.
func TestTokenRequestGivenUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		requests := 0
		s := &tokens{clock: time.Now, request: func(ctx context.Context) (account.Secret, time.Duration, *account.Error) {
			if requests++; requests > 1 {
				return "token", time.Hour, nil
			}
			<-ctx.Done()
			return "", 0, &account.Error{Class: account.Unavailable, Message: "given up"}
		}}
		ctx, cancel := context.WithCancel(background)
		var all sync.WaitGroup
		all.Go(func() {
			if _, failed := s.get(ctx); failed == nil {
				t.Error("whoever gave up has a token")
			}
		})
		synctest.Wait()
		all.Go(func() {
			if token, failed := s.get(background); failed != nil || token != "token" {
				t.Errorf("the other one: %v", failed)
			}
		})
		synctest.Wait()
		ended, end := context.WithCancel(background)
		end()
		if _, failed := s.get(ended); failed == nil || failed.Class != account.Unavailable {
			t.Errorf("a context that has ended: %v", failed)
		}
		cancel()
		all.Wait()
		if requests != 2 {
			t.Errorf("%d requests", requests)
		}
	})
}

// Whatever comes instead of a token, the error says so and shows no secret.
func TestTokenAnswers(t *testing.T) {
	for name, c := range map[string]struct {
		status int
		kind   string
		body   string
		class  account.Class
		inText string
	}{
		"refused":           {400, "application/json", `{"error":"invalid_client","error_description":"no ` + clientSecret.Reveal() + `"}`, account.Unauthorized, "credentials: no [redacted]"},
		"refused with 401":  {401, "text/html", "<html>", account.Unauthorized, "no token is issued"},
		"refused with 200":  {200, "application/json", `{"error":"invalid_client"}`, account.Unauthorized, "invalid_client"},
		"too many":          {429, "application/json", "{}", account.Throttled, "HTTP 429"},
		"another address":   {404, "text/html", "<html>" + clientSecret.Reveal(), account.Unavailable, "check the endpoint"},
		"broken":            {503, "application/json", "{}", account.Unavailable, "HTTP 503"},
		"a redirect":        {302, "", "", account.Unavailable, "not followed"},
		"no token":          {200, "application/json", "{}", account.Unavailable, "has no token"},
		"no JSON":           {200, "application/json", clientSecret.Reveal(), account.Unavailable, "has no token"},
		"a token with text": {200, "application/json", `{"access_token":"a b\r\nc"}`, account.Unavailable, "can be sent"},
		"too large":         {200, "application/json", `{"access_token":"` + strings.Repeat("x", 2000) + `"}`, account.Unavailable, "larger than"},
	} {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.RawQuery != "" || r.Header.Get("User-Agent") != DefaultUserAgent {
				t.Errorf("%s: %s %v", name, r.URL, r.Header)
			}
			w.Header().Set("Content-Type", c.kind)
			w.Header().Set("Location", "http://127.0.0.1:1/")
			w.Header().Set("Retry-After", "3")
			w.WriteHeader(c.status)
			_, _ = w.Write([]byte(c.body))
		}))
		r := newRemote(t, Config{BaseURL: server.URL, MaxAnswer: 1000, Credentials: Credentials{AccountID: masterID, ClientID: "client", ClientSecret: clientSecret}})
		_, err := r.Create(background, newAccount(1))
		e := wantError(t, err, c.class, false)
		noSecrets(t, fmt.Sprintf("%+v %#v", e, e))
		if !strings.Contains(e.Message, c.inText) || e.Method != methodToken {
			t.Errorf("%s: %v", name, e)
		}
		if (c.status == 429 || c.status == 503) && e.RetryAfter != 3*time.Second {
			t.Errorf("%s: %v", name, e.RetryAfter)
		}
		server.Close()
	}
	r := newRemote(t, Config{BaseURL: "http://" + freeport.Reserve(t), Credentials: Credentials{AccountID: masterID, ClientID: "client", ClientSecret: clientSecret}})
	_, err := r.Create(background, newAccount(1))
	if e := wantError(t, err, account.Unavailable, false); !strings.Contains(e.Message, "check the endpoint") {
		t.Error(e)
	}
}

// Without a word about its life a token has the documented one, and nothing makes that longer.
func TestTokenLifeInAnswers(t *testing.T) {
	for body, want := range map[string]time.Duration{
		`{"access_token":"t"}`:                        documentedLife,
		`{"access_token":"t","expires_in":"600"}`:     10 * time.Minute,
		`{"access_token":"t","expires_in":999999999}`: documentedLife,
		`{"access_token":"t","expires_in":-5}`:        0,
	} {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(body)) }))
		r := newRemote(t, Config{BaseURL: server.URL, Credentials: Credentials{AccountID: masterID, ClientID: "client", ClientSecret: clientSecret}})
		if token, life, failed := r.client.requestToken(background); failed != nil || token != "t" || life != want {
			t.Errorf("%s: %v, %v", body, life, failed)
		}
		server.Close()
	}
}

// Each request waits for its turn, the one for a token too.
func TestGate(t *testing.T) {
	turns, released := 0, 0
	w := newWorld(t, simulator.TwoSMSSettings{}, func(c *Config) {
		c.Gate = func(context.Context) (func(), error) {
			turns++
			if turns > 3 {
				return nil, &account.Error{Class: account.Unavailable, Message: "no turn"}
			}
			return func() { released++ }, nil
		}
	})
	w.self(t)
	w.self(t)
	if turns != 3 || released != 3 || len(w.seen) != 3 {
		t.Errorf("%d turns, %d released, %v", turns, released, w.seen)
	}
	_, err := w.Self(background)
	if e := wantError(t, err, account.Unavailable, false); e.Method != methodList || len(w.sms.Calls()) != 3 {
		t.Error(e)
	}
}
