package netstep

import (
	"bufio"
	"context"
	"crypto/x509"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"cpaas.dev/child-account-operator/internal/testenv/freeport"
)

// The secrets of the tests: none may ever show.
const (
	proxyUser     = "canary-user"
	proxyPassword = "canary-password"
	path          = "/canary-path"
)

// waitFor is how long what never happens is waited for. The steps before it take less, on a busy machine too.
const waitFor = time.Second

// listener hands each connection to serve, and closes it when serve returns.
func listener(t *testing.T, serve func(net.Conn)) (address string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var serving sync.WaitGroup
	ctx, stop := context.WithCancel(context.Background())
	serving.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			context.AfterFunc(ctx, func() { _ = conn.Close() })
			serving.Go(func() {
				defer conn.Close()
				serve(conn)
			})
		}
	})
	t.Cleanup(func() {
		_ = l.Close()
		stop()
		serving.Wait()
	})
	return l.Addr().String()
}

// silent reads until the other side hangs up.
func silent(conn net.Conn) { _, _ = io.Copy(io.Discard, conn) }

// answersConnect is a proxy that answers each CONNECT with a status line, and with bytes of whatever it leads to after 200.
func answersConnect(t *testing.T, status string, then func(net.Conn)) (address string) {
	t.Helper()
	return listener(t, func(conn net.Conn) {
		r := bufio.NewReader(conn)
		if _, err := http.ReadRequest(r); err != nil {
			return
		}
		_, _ = io.WriteString(conn, "HTTP/1.1 "+status+"\r\n\r\n")
		then(conn)
	})
}

func hangUp(net.Conn) {}

// plain answers as an HTTP server does that speaks no TLS.
func plain(conn net.Conn) {
	_, _ = io.ReadAtLeast(conn, make([]byte, 1), 1)
	_, _ = io.WriteString(conn, "HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")
}

// dns is a resolver whose server is at the other end of dial.
func dns(dial func(context.Context, string, string) (net.Conn, error)) *net.Dialer {
	return &net.Dialer{Timeout: 10 * time.Second, Resolver: &net.Resolver{PreferGo: true, Dial: dial}}
}

// unanswered is a DNS server that says nothing.
func unanswered(t *testing.T) func(context.Context, string, string) (net.Conn, error) {
	t.Helper()
	server, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = server.Close() })
	return func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "udp", server.LocalAddr().String())
	}
}

// tlsServer is a server over TLS, and a proxy over TLS that can't reach any.
func tlsServer(t *testing.T) *httptest.Server {
	t.Helper()
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusBadGateway) }))
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.StartTLS()
	t.Cleanup(server.Close)
	return server
}

func proxied(scheme, address string) func(*http.Request) (*url.URL, error) {
	return http.ProxyURL(&url.URL{Scheme: scheme, Host: address, User: url.UserPassword(proxyUser, proxyPassword)})
}

// failed makes a request that has to fail, within a time where the transport has none of its own, and explains it.
func failed(t *testing.T, target string, transport *http.Transport, within time.Duration) (Failure, Route, bool) {
	t.Helper()
	t.Cleanup(transport.CloseIdleConnections)
	ctx, cancel := context.WithTimeout(t.Context(), within)
	defer cancel()
	ctx, trace := Follow(ctx)
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, target+path, strings.NewReader("body"))
	if err != nil {
		t.Fatal(err)
	}
	response, err := (&http.Client{Transport: transport}).Do(r)
	if err == nil {
		_ = response.Body.Close()
		t.Fatalf("HTTP %s", response.Status)
	}
	route := RouteOf(r, transport.Proxy)
	f, ok := trace.Explain(err, route)
	if ok && trace.Left() {
		t.Errorf("%v: %q, but the request has left", err, f.What)
	}
	for _, secret := range []string{proxyUser, proxyPassword, path} {
		if strings.Contains(f.What, secret) {
			t.Errorf("%q shows %q", f.What, secret)
		}
	}
	return f, route, ok
}

const long = time.Minute

func TestFailedSteps(t *testing.T) {
	t.Parallel()
	const host = "https://api.canary.test"
	secure := tlsServer(t)
	roots := x509.NewCertPool()
	roots.AddCert(secure.Certificate())
	hangs := &net.Dialer{ControlContext: func(ctx context.Context, _, _ string, _ syscall.RawConn) error {
		<-ctx.Done()
		return ctx.Err()
	}}
	noServer, silence, noTLS := freeport.Reserve(t), listener(t, silent), listener(t, plain)
	closes := listener(t, func(conn net.Conn) {
		_ = conn.(*net.TCPConn).CloseWrite() // what is left unread would reset the connection
		silent(conn)
	})
	through := func(scheme, address string, change ...func(*http.Transport)) *http.Transport {
		transport := &http.Transport{Proxy: proxied(scheme, address)}
		for _, f := range change {
			f(transport)
		}
		return transport
	}
	for name, test := range map[string]struct {
		target    string
		transport *http.Transport
		within    time.Duration
		want      Failure
	}{
		"DNS is silent, for the call's time-out": {
			host, &http.Transport{DialContext: dns(unanswered(t)).DialContext}, waitFor,
			Failure{Step: Resolve, What: "name resolution of api.canary.test failed: DNS did not answer in time", Timeout: true},
		},
		"DNS is silent, for the dial's time-out": {
			host, &http.Transport{DialContext: func() func(context.Context, string, string) (net.Conn, error) {
				d := dns(unanswered(t))
				d.Timeout = waitFor
				return d.DialContext
			}()}, long,
			Failure{Step: Resolve, What: "name resolution of api.canary.test failed: DNS did not answer in time", Timeout: true},
		},
		"DNS refuses": {
			host, &http.Transport{DialContext: dns(func(context.Context, string, string) (net.Conn, error) { return nil, syscall.ECONNREFUSED }).DialContext}, long,
			Failure{Step: Resolve, What: "name resolution of api.canary.test failed: DNS answered with an error"},
		},
		"no such host": {
			host, &http.Transport{DialContext: func(context.Context, string, string) (net.Conn, error) {
				return nil, &net.OpError{Op: "dial", Net: "tcp", Err: &net.DNSError{Err: "no such host", Name: "api.canary.test", Server: "10.0.0.10:53", IsNotFound: true}}
			}}, long,
			Failure{Step: Resolve, What: "name resolution of api.canary.test failed: there is no such host"},
		},
		"DNS is silent about the proxy": {
			host, &http.Transport{DialContext: dns(unanswered(t)).DialContext, Proxy: proxied("http", "proxy.canary.test:3128")}, waitFor,
			Failure{Step: Resolve, What: "name resolution of the proxy proxy.canary.test failed: DNS did not answer in time", Timeout: true, AtProxy: true},
		},
		"the server refuses the connection": {
			"https://" + noServer, &http.Transport{}, long,
			Failure{Step: Connect, What: "connecting to " + noServer + " failed: connection refused"},
		},
		"nothing answers at the server's address": {
			"https://" + noServer, &http.Transport{DialContext: hangs.DialContext}, waitFor,
			Failure{Step: Connect, What: "connecting to " + noServer + " failed: no answer in time", Timeout: true},
		},
		"the proxy refuses the connection": {
			host, through("http", noServer), long,
			Failure{Step: Connect, What: "connecting to the proxy " + noServer + " failed: connection refused", AtProxy: true},
		},
		"the proxy wants a password": {
			host, through("http", answersConnect(t, "407 Proxy Authentication Required", hangUp)), long,
			Failure{Step: Tunnel, What: "the proxy PROXY did not connect to api.canary.test:443: HTTP 407 Proxy Authentication Required", Status: 407, AtProxy: true},
		},
		"the proxy forbids": {
			host, through("http", answersConnect(t, "403 Forbidden", hangUp)), long,
			Failure{Step: Tunnel, What: "the proxy PROXY did not connect to api.canary.test:443: HTTP 403 Forbidden", Status: 403, AtProxy: true},
		},
		"the proxy repeats what it was sent": {
			host, through("http", answersConnect(t, "403 no "+proxyUser+" "+proxyPassword, hangUp)), long,
			Failure{Step: Tunnel, What: "the proxy PROXY did not connect to api.canary.test:443: it refused", AtProxy: true},
		},
		"the proxy does not answer the CONNECT": {
			host, through("http", silence), waitFor,
			Failure{Step: Tunnel, What: "the proxy PROXY did not connect to api.canary.test:443: no answer in time", Timeout: true, AtProxy: true},
		},
		"the proxy hangs up on the CONNECT": {
			host, through("http", closes), long,
			Failure{Step: Tunnel, What: "the proxy PROXY did not connect to api.canary.test:443: the connection was closed", AtProxy: true},
		},
		"a SOCKS proxy does not answer": {
			host, through("socks5", silence), waitFor,
			Failure{Step: Tunnel, What: "the proxy PROXY did not connect to api.canary.test:443: no answer in time", Timeout: true, AtProxy: true},
		},
		"the proxy's own TLS does not answer": {
			host, through("https", silence), waitFor,
			Failure{Step: Handshake, What: "the TLS handshake with the proxy PROXY failed: no answer in time", Timeout: true, AtProxy: true},
		},
		"the proxy over TLS can't reach the server": {
			host, through("https", secure.Listener.Addr().String(), func(transport *http.Transport) {
				transport.TLSClientConfig = secure.Client().Transport.(*http.Transport).TLSClientConfig
				transport.TLSClientConfig.ServerName = "example.com"
			}), long,
			Failure{Step: Tunnel, What: "the proxy PROXY did not connect to api.canary.test:443: HTTP 502 Bad Gateway", Status: 502, AtProxy: true},
		},
		"the server behind the proxy does not speak TLS": {
			host, through("http", answersConnect(t, "200 OK", plain)), long,
			Failure{Step: Handshake, What: "the TLS handshake with api.canary.test:443 failed: the answer is not TLS"},
		},
		"the TLS handshake takes too long, for the call": {
			"https://" + silence, &http.Transport{}, waitFor,
			Failure{Step: Handshake, What: "the TLS handshake with " + silence + " failed: no answer in time", Timeout: true},
		},
		"the TLS handshake takes too long, for the transport": {
			"https://" + silence, &http.Transport{TLSHandshakeTimeout: waitFor}, long,
			Failure{Step: Handshake, What: "the TLS handshake with " + silence + " failed: no answer in time", Timeout: true},
		},
		"the server does not speak TLS": {
			"https://" + noTLS, &http.Transport{}, long,
			Failure{Step: Handshake, What: "the TLS handshake with " + noTLS + " failed: the answer is not TLS"},
		},
		"the server hangs up in the TLS handshake": {
			"https://" + closes, &http.Transport{}, long,
			Failure{Step: Handshake, What: "the TLS handshake with " + closes + " failed: the connection was closed"},
		},
		"the certificate is not trusted": {
			secure.URL, &http.Transport{}, long,
			Failure{Step: Handshake, What: "the TLS handshake with " + secure.Listener.Addr().String() + " failed: x509: certificate signed by unknown authority"},
		},
		"the proxy's address is none": {
			host, &http.Transport{Proxy: func(*http.Request) (*url.URL, error) {
				return nil, errors.New("invalid proxy address http://" + proxyUser + ":" + proxyPassword + "@ proxy")
			}}, long,
			Failure{Step: Tunnel, What: "the proxy's address in the environment is no URL", AtProxy: true},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, route, ok := failed(t, test.target, test.transport, test.within)
			test.want.What = strings.ReplaceAll(test.want.What, "PROXY", route.Proxy)
			if !ok || got != test.want {
				t.Errorf("got  %+v\nwant %+v", got, test.want)
			}
		})
	}
}

// What failed once there was a connection is not explained: the server may have the request.
func TestConnectedRequestsAreNotExplained(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		<-r.Context().Done()
	}))
	t.Cleanup(server.Close)
	if f, _, ok := failed(t, server.URL, &http.Transport{}, waitFor); ok {
		t.Errorf("no answer: %+v", f)
	}
	closing := listener(t, func(conn net.Conn) { _, _ = http.ReadRequest(bufio.NewReader(conn)) })
	if f, _, ok := failed(t, "http://"+closing, &http.Transport{}, long); ok {
		t.Errorf("closed: %+v", f)
	}
}

// A request that was given up has failed at no step, and a transport that says nothing is not guessed about.
func TestNothingToExplain(t *testing.T) {
	_, trace := Follow(t.Context())
	for _, err := range []error{context.Canceled, context.DeadlineExceeded, errors.New("no route"), io.EOF} {
		if f, ok := trace.Explain(&url.Error{Op: "Post", URL: "https://api.canary.test", Err: err}, Route{Server: "api.canary.test:443"}); ok {
			t.Errorf("%v: %+v", err, f)
		}
	}
}

// A dial that goes on for another request does not count for one that has a connection.
func TestOtherConnectionsDoNotCount(t *testing.T) {
	trace := &Trace{}
	trace.begin(Connect)
	trace.connect()
	trace.begin(Handshake)
	trace.end(Connect, nil)
	if s, _ := trace.step(Route{}); s != "" || !trace.Left() {
		t.Errorf("step %q, left %v", s, trace.Left())
	}
	trace.restart() // the transport repeats the request
	trace.begin(Resolve)
	if s, _ := trace.step(Route{}); s != Resolve || !trace.Left() {
		t.Errorf("step %q, left %v", s, trace.Left())
	}
}

func TestRoutes(t *testing.T) {
	for target, want := range map[string]Route{
		"https://api.canary.test":         {Host: "api.canary.test", Server: "api.canary.test:443", overTLS: true},
		"http://api.canary.test:8080/x":   {Host: "api.canary.test", Server: "api.canary.test:8080"},
		"https://[fd00::1]/x":             {Host: "fd00::1", Server: "[fd00::1]:443", overTLS: true},
		"https://user:pass@10.96.0.1:443": {Host: "10.96.0.1", Server: "10.96.0.1:443", overTLS: true},
	} {
		r := httptest.NewRequest(http.MethodGet, target, nil)
		if got := RouteOf(r, nil); got != want {
			t.Errorf("%s: %+v; want %+v", target, got, want)
		}
		want.Proxy, want.tunnelled = "proxy.canary.test:443", want.overTLS
		want.proxyOverTLS = true
		if got := RouteOf(r, proxied("https", "proxy.canary.test")); got != want {
			t.Errorf("%s through a proxy: %+v; want %+v", target, got, want)
		}
	}
}
