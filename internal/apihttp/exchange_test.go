package apihttp

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"cpaas.dev/child-account-operator/internal/account"
)

// around is a transport around another one.
type around struct{ http.RoundTripper }

func (a around) Unwrap() http.RoundTripper { return a.RoundTripper }

// exchange makes one request, under a context that ends once the server has it.
func exchange(ctx context.Context, t *testing.T, write bool, transport http.RoundTripper, address string) (string, *account.Error) {
	t.Helper()
	x := Exchange{HTTP: NewClient(transport), Method: "M", Write: write, Timeout: 10 * time.Second, Redact: NewRedactor("canary-secret")}
	ctx, end := x.Begin(ctx)
	defer end()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, failed := x.Do(req)
	if failed != nil {
		return "", failed
	}
	defer func() { _ = resp.Body.Close() }()
	body := &Bounded{Reader: resp.Body, Left: 5}
	text, err := io.ReadAll(body)
	if err != nil {
		return "", x.Broken(TooLarge(5) + " canary-secret")
	}
	return string(text), nil
}

// A write that has left is waited for, a read is given up; a request that can't have left has no doubt about its outcome.
func TestExchange(t *testing.T) {
	transport := NewTransport(nil)
	defer transport.CloseIdleConnections()
	var cancel atomic.Pointer[context.CancelFunc]
	nothing := context.CancelFunc(func() {})
	cancel.Store(&nothing)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		(*cancel.Load())()
		if r.URL.Path == "/read" {
			<-r.Context().Done()
		}
		_, _ = w.Write([]byte(r.URL.Query().Get("say")))
	}))
	defer server.Close()
	ctx, stop := context.WithCancel(t.Context())
	cancel.Store(&stop)
	if text, failed := exchange(ctx, t, true, around{transport}, server.URL+"/?say=hello"); failed != nil || text != "hello" {
		t.Errorf("%q, %v", text, failed)
	}
	ctx, stopRead := context.WithCancel(t.Context())
	cancel.Store(&stopRead)
	if _, failed := exchange(ctx, t, false, transport, server.URL+"/read"); failed == nil || failed.Class != account.Unavailable || failed.OutcomeUnknown {
		t.Errorf("%#v", failed)
	}
	for write := range 2 {
		_, failed := exchange(t.Context(), t, write == 1, transport, server.URL+"/?say=123456")
		if failed == nil || failed.OutcomeUnknown != (write == 1) || failed.Method != "M" || strings.Contains(failed.Message, "canary") {
			t.Errorf("%#v", failed)
		}
	}
	server.Close()
	transport.CloseIdleConnections() // what is written to one may have left
	if _, failed := exchange(t.Context(), t, true, transport, server.URL); failed == nil || failed.OutcomeUnknown || !strings.Contains(failed.Message, "check the endpoint") {
		t.Errorf("%#v", failed)
	}
}

// Only a read is given up with the context that it was made under.
func TestWritesAreWaitedFor(t *testing.T) {
	for _, write := range []bool{true, false} {
		x := Exchange{Write: write, Timeout: time.Minute}
		parent, stop := context.WithCancel(t.Context())
		ctx, end := x.Begin(parent)
		stop()
		if (ctx.Err() == nil) != write {
			t.Errorf("write %v: %v", write, ctx.Err())
		}
		if end(); ctx.Err() == nil {
			t.Errorf("write %v: goes on after its end", write)
		}
	}
}

// The proxy is found through a transport around another one.
func TestProxyOf(t *testing.T) {
	transport := NewTransport(nil)
	transport.Proxy = func(*http.Request) (*url.URL, error) { return &url.URL{Host: "proxy"}, nil }
	for name, got := range map[string]func(*http.Request) (*url.URL, error){"itself": proxyOf(transport), "around": proxyOf(around{transport})} {
		if got == nil {
			t.Errorf("%s: no proxy", name)
		} else if u, err := got(nil); err != nil || u.Host != "proxy" {
			t.Errorf("%s: %v, %v", name, u, err)
		}
	}
	if proxyOf(http.NewFileTransport(http.Dir(t.TempDir()))) != nil {
		t.Error("a transport that has none")
	}
}

func TestNotSent(t *testing.T) {
	own := &account.Error{Class: account.Throttled, Message: "wait"}
	if e := NotSent("M", nil, own); e.Method != "M" || e.Class != account.Throttled || own.Method != "" {
		t.Errorf("%#v, %#v", e, own)
	}
	if e := NotSent("M", NewRedactor("canary-secret"), context.Canceled); e.Class != account.Unavailable || e.OutcomeUnknown || e.Message != "context canceled" {
		t.Errorf("%#v", e)
	}
}
