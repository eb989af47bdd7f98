package voximplant

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"cpaas.dev/child-account-operator/internal/account"
	"cpaas.dev/child-account-operator/internal/testenv/freeport"
)

// proxyPassword must show nowhere.
const proxyPassword = "canary-proxy-password"

// through is a transport that goes through a proxy.
func through(t *testing.T, proxy string) func(*Config) {
	return func(c *Config) {
		transport := newTestTransport(t)
		u, err := url.Parse(proxy)
		if err != nil {
			t.Fatal(err)
		}
		u.User = url.UserPassword("user", proxyPassword)
		transport.Proxy = http.ProxyURL(u)
		c.Endpoint, c.Transport = "https://api.canary.test", transport
	}
}

// A call that does not reach the service says at which step it failed and what to do; its outcome is known.
func TestStepsToTheService(t *testing.T) {
	silentDNS, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer silentDNS.Close()
	gone := "http://" + freeport.Reserve(t)
	proxy := func(status int) string {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(status) }))
		t.Cleanup(server.Close)
		return server.URL
	}
	plain := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	t.Cleanup(plain.Close)
	for name, test := range map[string]struct {
		change func(*Config)
		says   []string
	}{
		"DNS that times out": {func(c *Config) {
			transport := newTestTransport(t)
			transport.DialContext = (&net.Dialer{Timeout: 100 * time.Millisecond, Resolver: &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
				return (&net.Dialer{}).DialContext(ctx, "udp", silentDNS.LocalAddr().String())
			}}}).DialContext
			c.Endpoint, c.Transport = "https://api.canary.test", transport
		}, []string{"name resolution of api.canary.test failed: DNS did not answer in time", "DNS in the operator's Pod"}},
		"a connection that is refused": {func(c *Config) { c.Endpoint = gone }, []string{"connecting to 127.0.0.1:", "connection refused", "network policies"}},
		"a proxy that is gone":         {through(t, gone), []string{"connecting to the proxy 127.0.0.1:", "connection refused", "HTTPS_PROXY"}},
		"a proxy that forbids":         {through(t, proxy(http.StatusForbidden)), []string{"the proxy 127.0.0.1:", "did not connect to api.canary.test:443: HTTP 403 Forbidden", "NO_PROXY"}},
		"a proxy that wants a password": {
			through(t, proxy(http.StatusProxyAuthRequired)),
			[]string{"did not connect to api.canary.test:443: HTTP 407 Proxy Authentication Required", "the password in HTTPS_PROXY"},
		},
		"a proxy whose address is none": {func(c *Config) {
			transport := newTestTransport(t)
			transport.Proxy = func(*http.Request) (*url.URL, error) {
				return nil, fmt.Errorf("invalid proxy address %q: no good", "http://user:"+proxyPassword+"@ proxy")
			}
			c.Endpoint, c.Transport = "https://api.canary.test", transport
		}, []string{"the proxy's address in the environment is no URL", "correct HTTPS_PROXY"}},
		"a server without TLS": {func(c *Config) { c.Endpoint = strings.Replace(plain.URL, "http:", "https:", 1) }, []string{"the TLS handshake with 127.0.0.1:", "the answer is not TLS", "check the endpoint"}},
	} {
		t.Run(name, func(t *testing.T) {
			read, write := both(stub(t, nil, test.change))
			again, _ := both(stub(t, nil, test.change))
			for _, err := range []error{read, write, again} {
				e := wantError(t, err, account.Unavailable, false)
				for _, says := range test.says {
					if !strings.Contains(e.Message, says) {
						t.Errorf("%v; want %q in it", e, says)
					}
				}
				if strings.Contains(fmt.Sprintf("%+v", e), proxyPassword) {
					t.Errorf("the proxy's password shows: %+v", e)
				}
				if e.Answered {
					t.Errorf("%+v counts as an answer", e)
				}
			}
			if read.Error() != again.Error() {
				t.Errorf("the same trouble reads %q and %q", read, again)
			}
		})
	}
}

// A proxy that is asked for a plain http endpoint answers itself.
func TestProxyThatAnswersItself(t *testing.T) {
	proxy := httptest.NewServer(respond(http.StatusProxyAuthRequired, "text/html", "<html>"))
	defer proxy.Close()
	r := stub(t, nil, through(t, proxy.URL), func(c *Config) { c.Endpoint = "http://api.canary.test" })
	read, _ := both(r)
	if e := wantError(t, read, account.Unavailable, false); !strings.Contains(e.Message, "407") || !strings.Contains(e.Message, "the proxy") || strings.Contains(e.Message, proxyPassword) {
		t.Error(e)
	}
}

// Once the request has left, what is said is where the answer stayed.
func TestStepsAfterTheRequest(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		handler http.HandlerFunc
		says    string
	}{
		"waiting for the answer": {func(_ http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body)
			<-r.Context().Done()
		}, "no answer in time"},
		"a connection that is reset": {func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body)
			conn, _, err := http.NewResponseController(w).Hijack()
			if err != nil {
				panic(err)
			}
			_ = conn.(*net.TCPConn).SetLinger(0)
			_ = conn.Close()
		}, "the connection was lost: read: connection reset by peer"},
		"reading the answer": {func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body)
			_, _ = io.WriteString(w, `{"result":`)
			_ = http.NewResponseController(w).Flush()
			<-r.Context().Done()
		}, "the answer broke off: it did not end in time"},
		"reading what breaks off": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "100")
			_, _ = io.WriteString(w, `{"result":`)
			_ = http.NewResponseController(w).Flush()
			panic(http.ErrAbortHandler)
		}, "the answer broke off: the connection was closed"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			const enough = 2 * time.Second // for the steps before, on a busy machine too
			r := stub(t, test.handler, func(c *Config) { c.Timeout, c.ListTimeout = enough, enough })
			read, write := both(r)
			if e := wantError(t, read, account.Unavailable, false); e.Message != test.says {
				t.Errorf("%q; want %q", e.Message, test.says)
			}
			if e := wantError(t, write, account.Unavailable, true); e.Message != test.says {
				t.Errorf("%q; want %q", e.Message, test.says)
			}
		})
	}
}

// A transport that is none of net/http's has no proxy that could be asked for.
func TestOtherTransports(t *testing.T) {
	r := stub(t, nil, func(c *Config) {
		c.Transport = roundTripper(func(*http.Request) (*http.Response, error) { return nil, errors.New("out of order") })
	})
	read, _ := both(r)
	if e := wantError(t, read, account.Unavailable, false); e.Message != "out of order" {
		t.Error(e)
	}
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }
