package voximplant

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"cpaas.dev/child-account-operator/internal/account"
	"cpaas.dev/child-account-operator/internal/apihttp"
	"cpaas.dev/child-account-operator/internal/provider"
)

const (
	page      = `{"result": [{"account_id": 5, "account_name": "child-1"}], "total_count": 1, "count": 1}`
	emptyPage = `{"result": [], "total_count": 0, "count": 0}`
)

// both makes a reading and a writing call.
func both(r *Remote) (read, write error) {
	_, read = r.Get(context.Background(), provider.Selector{IDs: []string{"5"}})
	_, write = r.Create(context.Background(), newAccount("child-1"))
	return read, write
}

func TestMalformedAnswers(t *testing.T) {
	type result struct {
		class          account.Class
		outcomeUnknown bool // of a write
		says           string
	}
	lost := func(says string) result { return result{account.Unavailable, true, says} }
	const badGateway = "<html><body><h1>502 Bad Gateway</h1></body></html>"
	for name, test := range map[string]struct {
		handler http.HandlerFunc
		want    result
	}{
		"HTML":             {respond(200, "text/html", badGateway), lost("text/html")},
		"HTML as JSON":     {respond(200, "application/json", badGateway), lost("not a JSON object")},
		"502":              {respond(502, "text/html", badGateway), lost("502 Bad Gateway")},
		"503":              {respond(503, "", ""), lost("503")},
		"404":              {respond(404, "text/plain", "404 page not found"), lost("endpoint")},
		"401":              {respond(401, "text/plain", "who are you"), result{account.Unauthorized, true, "401"}},
		"500 with JSON":    {respond(500, "application/json", `{"result": 1}`), lost("500")},
		"500 with a code":  {respond(500, "application/json", `{"error": {"code": 101, "msg": "x"}}`), result{account.Invalid, true, "x"}},
		"400 with a code":  {respond(400, "application/json", `{"error": {"code": 101, "msg": "x"}}`), result{account.Invalid, false, "x"}},
		"429 empty":        {respond(429, "", ""), result{account.Throttled, false, "429"}},
		"429 with a code":  {respond(429, "application/json", `{"error": {"code": 101, "msg": "Repeat"}}`), result{account.Throttled, false, "Repeat"}},
		"empty":            {respond(200, "application/json", ""), lost("empty")},
		"blank":            {respond(200, "application/json", " \n\t"), lost("empty")},
		"no content":       {respond(204, "", ""), lost("empty")},
		"truncated":        {respond(200, "application/json", page[:40]), lost("not a JSON object")},
		"more after it":    {respond(200, "application/json", page+page), lost("not a JSON object")},
		"a list":           {respond(200, "application/json", `[]`), lost("not a JSON object")},
		"null":             {respond(200, "application/json", `null`), lost("not a JSON object")},
		"nothing in it":    {respond(200, "application/json", `{}`), lost("not a JSON object")},
		"result null":      {respond(200, "application/json", `{"result": null}`), lost("")},
		"result 0":         {respond(200, "application/json", `{"result": 0, "account_id": 5, "total_count": 0}`), lost("")},
		"result false":     {respond(200, "application/json", `{"result": false}`), lost("")},
		"error empty":      {respond(200, "application/json", `{"error": {}}`), lost("not a JSON object")},
		"error a string":   {respond(200, "application/json", `{"error": "no"}`), lost("not a JSON object")},
		"error code word":  {respond(200, "application/json", `{"error": {"code": "no"}}`), lost("not a JSON object")},
		"error as string":  {respond(200, "text/plain", `{"error": {"code": "101", "msg": "x"}}`), result{account.Invalid, false, "code 101"}},
		"errors":           {respond(200, "application/json", `{"errors": [{"code": 340, "msg": "slow"}, {"code": 1}]}`), result{account.Throttled, false, "slow"}},
		"error and result": {respond(200, "application/json", `{"result": 1, "error": {"code": 4, "msg": "db"}}`), result{account.Unavailable, true, "db"}},
		"unknown code":     {respond(200, "application/json", `{"error": {"code": 777, "msg": "new"}}`), result{account.Unknown, false, "777"}},
	} {
		t.Run(name, func(t *testing.T) {
			read, write := both(stub(t, test.handler))
			wantError(t, read, test.want.class, false)
			if e := wantError(t, write, test.want.class, test.want.outcomeUnknown); !strings.Contains(e.Error(), test.want.says) {
				t.Errorf("%v; want %q in it", e, test.want.says)
			}
		})
	}
}

func TestWritesWantTheirWholeAnswer(t *testing.T) {
	for name, body := range map[string]string{
		"no id":          `{"result": 1, "api_key": "k"}`,
		"id null":        `{"result": 1, "account_id": null}`,
		"id 0":           `{"result": 1, "account_id": 0}`,
		"id negative":    `{"result": 1, "account_id": -5}`,
		"id a fraction":  `{"result": 1, "account_id": 5.5}`,
		"id with a list": `{"result": 1, "account_id": "5;6"}`,
		"id too large":   `{"result": 1, "account_id": 9223372036854775808}`,
		"result 2":       `{"result": 2, "account_id": 5}`,
	} {
		t.Run(name, func(t *testing.T) {
			_, write := both(stub(t, respond(200, "application/json", body)))
			wantError(t, write, account.Unavailable, true)
		})
	}
}

func TestLooseTypes(t *testing.T) {
	r := stub(t, func(w http.ResponseWriter, req *http.Request) {
		body := `{"result": "1", "account_id": "9007199254740993", "active": 1, "api_key": "key"}`
		if strings.HasSuffix(req.URL.Path, "GetChildrenAccounts") {
			body = "\xef\xbb\xbf" + `{"count": "1", "total_count": "1", "result": [{"account_id": "9007199254740993", "account_name": "child-1",
				"active": "true", "frozen": 1, "news_notifications": null, "min_balance_to_notify": "5.10", "currency": 643, "billing_limits": {"x": 1}}]}`
		}
		respond(200, "text/html", body)(w, req)
	})
	created, err := r.Create(context.Background(), newAccount("child-1"))
	if err != nil || created.Account.ID != "9007199254740993" || created.Account.State["active"] != "true" || created.APIKey.Reveal() != "key" {
		t.Errorf("%v, %v", created, err)
	}
	found, err := r.Get(context.Background(), provider.Selector{IDs: []string{"9007199254740993"}})
	if err != nil || len(found) != 1 {
		t.Fatalf("%v, %v", found, err)
	}
	want := account.State{"active": "true", "frozen": "true", "notifications.news": "false", "minBalanceToNotify": "5.1", "currency": "643"}
	for path, value := range want {
		if got := found[0].State[path]; got != value {
			t.Errorf("%s is %q; want %q", path, got, value)
		}
	}
}

func TestNumbers(t *testing.T) {
	for text, want := range map[string]string{`5e2`: "500", `1.5E1`: "15", `0.00001`: "0.00001", `1e-7`: "0.0000001", `-3`: "-3", `1e999`: "1e999", `{}`: "", `null`: "", ``: ""} {
		if got := scalar([]byte(text)); got != want {
			t.Errorf("%s is %q; want %q", text, got, want)
		}
	}
}

func TestRetryAfterHeader(t *testing.T) {
	now := time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)
	for header, want := range map[string]time.Duration{
		"7":                              7 * time.Second,
		" 7 ":                            7 * time.Second,
		"0":                              0,
		"-7":                             0,
		"soon":                           0,
		"":                               0,
		"999999999":                      apihttp.LongestWait,
		"99999999999999999999":           0,
		"Fri, 01 May 2026 12:01:30 GMT":  90 * time.Second,
		"Fri, 01 May 2026 11:00:00 GMT":  0,
		"Fri, 01 May 2099 11:00:00 GMT":  apihttp.LongestWait,
		"Friday, 01-May-26 12:00:05 GMT": 5 * time.Second,
	} {
		r := stub(t, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Retry-After", header)
			w.WriteHeader(http.StatusTooManyRequests)
		}, func(c *Config) { c.Clock = func() time.Time { return now } })
		read, _ := both(r)
		if e := wantError(t, read, account.Throttled, false); e.RetryAfter != want {
			t.Errorf("%q: %v; want %v", header, e.RetryAfter, want)
		}
	}
}

func TestRedirectsAreNotFollowed(t *testing.T) {
	var visited atomic.Bool
	other := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { visited.Store(true) }))
	defer other.Close()
	for _, status := range []int{300, 301, 302, 303, 304, 307, 308} {
		r := stub(t, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Location", other.URL+"/secret?path")
			w.WriteHeader(status)
		})
		read, write := both(r)
		wantError(t, read, account.Unavailable, false)
		e := wantError(t, write, account.Unavailable, true)
		if !strings.Contains(e.Message, other.URL) || strings.Contains(e.Message, "secret") {
			t.Errorf("%d: %v", status, e)
		}
	}
	if visited.Load() {
		t.Error("a redirect was followed")
	}
}

func TestHugeAnswers(t *testing.T) {
	body := strings.Repeat(" ", 1000) + page
	chunked := func(w http.ResponseWriter, _ *http.Request) { // without a length that would tell
		_, _ = w.Write([]byte(body[:10]))
		w.(http.Flusher).Flush()
		_, _ = w.Write([]byte(body[10:]))
	}
	for name, handler := range map[string]http.HandlerFunc{"with its length": respond(200, "application/json", body), "in chunks": chunked} {
		limit := func(n int) func(*Config) { return func(c *Config) { c.MaxAnswer, c.MaxList = int64(n), int64(n) } }
		read, write := both(stub(t, handler, limit(len(body)-1)))
		wantError(t, read, account.Unavailable, false)
		if e := wantError(t, write, account.Unavailable, true); !strings.Contains(e.Message, "larger than") {
			t.Error(name, e)
		}
		if read, _ := both(stub(t, handler, limit(len(body)))); read != nil {
			t.Error(name, "at the limit:", read)
		}
	}
}

// A few bytes can be an account, or a field of one: what is made of an answer stays within bounds all the same.
func TestCostlyAnswers(t *testing.T) {
	var accounts strings.Builder
	for i := range DefaultMaxList / 25 {
		fmt.Fprintf(&accounts, `,{"account_id":%d}`, i+1)
	}
	body := `{"total_count": 1, "result": [` + accounts.String()[1:] + `]}`
	r := stub(t, respond(200, "application/json", body))
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	_, _, err := list(r, provider.Known{})
	runtime.ReadMemStats(&after)
	wantError(t, err, account.Incomplete, false)
	if cost := after.TotalAlloc - before.TotalAlloc; cost > 16*uint64(len(body)) {
		t.Errorf("%d bytes were made of %d", cost, len(body))
	}
}

func TestSlowAnswers(t *testing.T) {
	r := stub(t, func(_ http.ResponseWriter, req *http.Request) {
		_, _ = io.Copy(io.Discard, req.Body)
		<-req.Context().Done()
	}, func(c *Config) { c.Timeout, c.ListTimeout = 30*time.Millisecond, 30*time.Millisecond })
	read, write := both(r)
	wantError(t, read, account.Unavailable, false)
	if e := wantError(t, write, account.Unavailable, true); e.Message != "no answer in time" {
		t.Error(e)
	}
}

func TestAnswersThatBreakOff(t *testing.T) {
	r := stub(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "100")
		_, _ = w.Write([]byte(`{"result":`))
		panic(http.ErrAbortHandler)
	})
	read, write := both(r)
	wantError(t, read, account.Unavailable, false)
	wantError(t, write, account.Unavailable, true)
}

func TestGivingUp(t *testing.T) {
	var cancel context.CancelFunc
	r := stub(t, func(w http.ResponseWriter, req *http.Request) {
		_, _ = io.Copy(io.Discard, req.Body)
		cancel()
		if strings.HasSuffix(req.URL.Path, "/AddAccount") {
			_, _ = w.Write([]byte(`{"result":1,"account_id":5,"active":true,"api_key":"key"}`))
			return
		}
		<-req.Context().Done()
	})
	ctx, cancelFirst := context.WithCancel(context.Background())
	cancel = cancelFirst
	created, err := r.Create(ctx, newAccount("child-1"))
	if err != nil || created.APIKey.Reveal() != "key" {
		t.Errorf("a write that has left was not waited for: %v", err)
	}
	_, err = r.Create(ctx, newAccount("child-1")) // cancelled before
	wantError(t, err, account.Unavailable, false)

	ctx, cancelSecond := context.WithCancel(context.Background())
	cancel = cancelSecond
	_, err = r.Get(ctx, provider.Selector{IDs: []string{"5"}})
	wantError(t, err, account.Unavailable, false)
}

func TestNothingSentHasAKnownOutcome(t *testing.T) {
	closed := httptest.NewServer(nil)
	closed.Close()
	tls := httptest.NewUnstartedServer(respond(200, "application/json", emptyPage))
	tls.Config.ErrorLog = log.New(io.Discard, "", 0)
	tls.StartTLS()
	defer tls.Close()
	for name, change := range map[string]func(*Config){
		"connection refused":  func(c *Config) { c.Endpoint = closed.URL },
		"certificate unknown": func(c *Config) { c.Endpoint = tls.URL },
		"dial fails": func(c *Config) {
			c.Transport = &http.Transport{DialContext: func(context.Context, string, string) (net.Conn, error) { return nil, errors.New("no route") }}
		},
		"gate": func(c *Config) {
			c.Gate = func(context.Context) (func(), error) { return nil, errors.New("no turn") }
		},
	} {
		t.Run(name, func(t *testing.T) {
			read, write := both(stub(t, respond(200, "application/json", emptyPage), change))
			wantError(t, read, account.Unavailable, false)
			wantError(t, write, account.Unavailable, false)
		})
	}
}

func TestGateAndObserve(t *testing.T) {
	var events []string
	r := stub(t, respond(200, "application/json", emptyPage), func(c *Config) {
		c.Gate = func(context.Context) (func(), error) {
			events = append(events, "gate")
			return func() { events = append(events, "release") }, nil
		}
		c.Observe = func(method string, took time.Duration, err *account.Error) {
			events = append(events, fmt.Sprintf("%s %v %v", method, took > 0, err == nil))
		}
	})
	_, _ = both(r)
	want := "gate,GetChildrenAccounts true true,release,gate,AddAccount true true,release"
	if got := strings.Join(events, ","); got != want {
		t.Errorf("%s; want %s", got, want)
	}
	own := &account.Error{Class: account.Throttled, RetryAfter: time.Minute}
	r = stub(t, respond(200, "application/json", emptyPage), func(c *Config) {
		c.Gate = func(context.Context) (func(), error) { return nil, fmt.Errorf("gate: %w", own) }
	})
	_, err := r.Self(context.Background())
	if e := account.AsError(err); e.Class != own.Class || e.RetryAfter != own.RetryAfter || e.OutcomeUnknown || e.Method != "GetAccountInfo" {
		t.Error(err)
	}
}

func TestRequestsAsSent(t *testing.T) {
	var got *http.Request
	r := stub(t, func(w http.ResponseWriter, req *http.Request) {
		got = req
		respond(200, "application/json", emptyPage)(w, req)
	}, func(c *Config) { c.UserAgent = "test/1" })
	_, _ = both(r)
	if got.Method != http.MethodPost || got.URL.RequestURI() != "/platform_api/AddAccount" {
		t.Errorf("%s %s", got.Method, got.URL.RequestURI())
	}
	for name, want := range map[string]string{
		"Content-Type": "application/x-www-form-urlencoded", "Accept": "application/json", "User-Agent": "test/1",
	} {
		if got.Header.Get(name) != want {
			t.Errorf("%s is %q", name, got.Header.Get(name))
		}
	}
	if !strings.HasPrefix(got.Header.Get("Authorization"), "Bearer ey") {
		t.Error("no token")
	}
	if len(got.Header["Authorization"]) != 1 || got.Header.Get("Cookie") != "" || got.Header.Get("Referer") != "" {
		t.Errorf("%v", len(got.Header))
	}
}

func TestConnectionsAreReused(t *testing.T) {
	var connections atomic.Int32
	server := httptest.NewUnstartedServer(respond(200, "application/json", emptyPage))
	server.Config.ConnState = func(_ net.Conn, s http.ConnState) {
		if s == http.StateNew {
			connections.Add(1)
		}
	}
	server.Start()
	defer server.Close()
	r := stub(t, respond(200, "application/json", emptyPage), func(c *Config) { c.Endpoint = server.URL + "/" })
	for range 10 {
		_, _ = both(r)
	}
	if n := connections.Load(); n != 1 {
		t.Errorf("%d connections", n)
	}
}

func TestEndpoints(t *testing.T) {
	good := stub(t, respond(200, "", "")).Client().config
	for endpoint, base := range map[string]string{
		"":                                   "https://api.voximplant.com/platform_api/",
		"https://api.voximplant.com/":        "https://api.voximplant.com/platform_api/",
		"http://127.0.0.1:8080":              "http://127.0.0.1:8080/platform_api/",
		"https://[::1]:8443/gateway/vox":     "https://[::1]:8443/gateway/vox/platform_api/",
		"api.voximplant.com":                 "",
		"ftp://api.voximplant.com":           "",
		"https://user:canary@voximplant.com": "",
		"https://voximplant.com/?canary=1":   "",
		"https://voximplant.com/#canary":     "",
		"https://canary voximplant.com":      "",
		"https://":                           "",
	} {
		config := good
		config.Endpoint = endpoint
		c, err := NewClient(config)
		switch {
		case base == "" && err == nil:
			t.Errorf("%q was accepted", endpoint)
		case base == "" && strings.Contains(err.Error(), "canary"):
			t.Error(err)
		case base != "" && (err != nil || c.base != base):
			t.Errorf("%q: %v, %v", endpoint, c, err)
		}
	}
	if _, err := New(Config{}); err == nil {
		t.Error("made without credentials")
	}
}

func TestTransport(t *testing.T) {
	transport := apihttp.NewTransport(nil)
	if transport.TLSClientConfig.MinVersion < 0x0303 || transport.TLSClientConfig.InsecureSkipVerify || transport.Proxy == nil {
		t.Error("not as promised")
	}
	if pings := transport.HTTP2; pings == nil || pings.SendPingTimeout <= 0 || pings.PingTimeout <= 0 || pings.SendPingTimeout+pings.PingTimeout >= DefaultTimeout {
		t.Errorf("pings %+v; want both time-outs, together below that of a call", pings)
	}
}

// Answered is set where the service itself has said something, be it that it can't, and nowhere else: what only the way there
// says, a proxy for example, tells nothing of the service.
func TestAnsweredIsWhatTheServiceSays(t *testing.T) {
	const refused, none = `{"error":{"code":5,"msg":"no"}}`, "<html>bad gateway</html>"
	for name, c := range map[string]struct {
		status   int
		body     string
		answered bool
	}{
		"a code":                     {200, refused, true},
		"a code of HTTP 500":         {500, refused, true},
		"a code of HTTP 429":         {429, refused, true},
		"no code of HTTP 429":        {429, none, false},
		"a proxy's page":             {502, none, false},
		"JSON that is no answer":     {200, `{"hello":1}`, false},
		"a redirect with a code":     {302, refused, false},
		"HTTP 401, as a proxy would": {401, none, false},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := stub(t, respond(c.status, "application/json", c.body)).Self(background)
			if e := account.AsError(err); e == nil || e.Answered != c.answered {
				t.Errorf("%#v; want answered %v", e, c.answered)
			}
		})
	}
}
