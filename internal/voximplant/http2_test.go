package voximplant

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"cpaas.dev/child-account-operator/internal/account"
	"cpaas.dev/child-account-operator/internal/apihttp"
	"cpaas.dev/child-account-operator/internal/provider"
	"cpaas.dev/child-account-operator/internal/simulator"
	"cpaas.dev/child-account-operator/internal/trust"
)

const stoppedAnswering = "the server has stopped answering; its connection was closed"

// freezing is a Remote of the world that speaks HTTP/2 over TLS, and the server at the other end. Its pings are as the
// transport has them, but in less time.
func (w *world) freezing(t *testing.T) (*simulator.Server, *Remote) {
	t.Helper()
	server, transport := w.serveTLS(t)
	transport.HTTP2.SendPingTimeout /= 150 // 0.1 s
	transport.HTTP2.PingTimeout /= 5       // 2 s, which a busy machine needs
	return server, w.remote(t, func(c *Config) { c.Endpoint, c.Transport = server.URL, transport })
}

// mustAnswer makes a call that has to be answered.
func mustAnswer(t *testing.T, r *Remote) {
	t.Helper()
	if _, err := r.Self(context.Background()); err != nil {
		t.Fatal(err)
	}
}

// wantLost expects the error of a call whose connection has stopped answering.
func wantLost(t *testing.T, err error, outcomeUnknown bool) {
	t.Helper()
	if e := wantError(t, err, account.Unavailable, outcomeUnknown); e.Message != stoppedAnswering {
		t.Errorf("%v; want %q", e, stoppedAnswering)
	}
}

// A write that was carried out, and whose answer the connection swallowed, has an unknown outcome; what became of it is found out over
// a new connection.
func TestHalfDeadConnectionUnderAWrite(t *testing.T) {
	w := newWorld(t, simulator.Settings{})
	server, r := w.freezing(t)
	mustAnswer(t, r)
	w.AddFault(simulator.Fault{Kind: simulator.FaultSlow, Method: methodAddAccount, Delay: time.Hour, Times: 1})
	failed := make(chan error, 1)
	go func() {
		_, err := r.Create(context.Background(), newAccount("child-1"))
		failed <- err
	}()
	for deadline := time.Now().Add(DefaultTimeout / 2); ; <-time.After(time.Millisecond) {
		if _, made := w.Account("child-1"); made {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("the account was not created")
		}
	}
	server.Freeze()
	wantLost(t, <-failed, true)
	found, err := r.Get(context.Background(), provider.Selector{Names: []string{"child-1"}})
	if err != nil || len(found) != 1 {
		t.Errorf("%v, %v; want the account", found, err)
	}
}

// piped is a listener whose connections are pipes in memory, for a bubble of time.
type piped struct {
	conns  chan net.Conn
	closed chan struct{}
	close  func()
}

func newPiped() *piped {
	p := &piped{conns: make(chan net.Conn), closed: make(chan struct{})}
	p.close = sync.OnceFunc(func() { close(p.closed) })
	return p
}

func (p *piped) Accept() (net.Conn, error) {
	select {
	case conn := <-p.conns:
		return conn, nil
	case <-p.closed:
		return nil, net.ErrClosed
	}
}

func (p *piped) Close() error { p.close(); return nil }
func (*piped) Addr() net.Addr { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 443} }

func (p *piped) dial(context.Context, string, string) (net.Conn, error) {
	here, there := net.Pipe()
	p.conns <- there
	return here, nil
}

// inBubble runs a test in a bubble of time, with a simulator that is served in memory, and a Remote of it whose transport is
// NewTransport's, but for how it dials.
func inBubble(t *testing.T, test func(*testing.T, *simulator.Simulator, *simulator.Freezer, *Remote)) {
	synctest.Test(t, func(t *testing.T) {
		certificate, ca, err := simulator.NewCertificate()
		if err != nil {
			t.Fatal(err)
		}
		roots, err := trust.Parse(ca)
		if err != nil {
			t.Fatal(err)
		}
		sim := simulator.New(simulator.Options{Key: simulator.SharedKey()})
		parent := sim.AddParent(simulator.Parent{Name: "parent", Email: "parent@example.com"})
		pipes := newPiped()
		freezer := simulator.NewFreezer(pipes)
		server := &http.Server{Handler: sim.Handler()}
		stopped := make(chan error)
		go func() { stopped <- server.Serve(tls.NewListener(freezer, simulator.TLSConfig(certificate))) }()
		transport := apihttp.NewTransport(roots)
		transport.Proxy, transport.DialContext = nil, pipes.dial
		r, err := New(Config{Endpoint: "https://127.0.0.1", Credentials: credentials(t, sim.Credentials(parent.ID)), Transport: transport})
		if err != nil {
			t.Fatal(err)
		}
		test(t, sim, freezer, r)
		transport.CloseIdleConnections()
		_ = server.Close()
		<-stopped
	})
}

// With NewTransport's own pings, a connection whose peer takes bytes, answers nothing and never closes it costs 25 seconds,
// whatever the call's own time-out is; the next call gets a new connection.
func TestHalfDeadConnection(t *testing.T) {
	for name, test := range map[string]struct {
		call           func(*Remote) error
		outcomeUnknown bool
	}{
		"a read": {func(r *Remote) error {
			_, err := r.Get(context.Background(), provider.Selector{IDs: []string{"5"}})
			return err
		}, false},
		"a list":  {func(r *Remote) error { _, _, err := list(r, provider.Known{}); return err }, false},
		"a write": {func(r *Remote) error { _, err := r.Create(context.Background(), newAccount("child-1")); return err }, true},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, _ *simulator.Simulator, freezer *simulator.Freezer, r *Remote) {
				mustAnswer(t, r)
				if n := freezer.Freeze(); n != 1 {
					t.Fatalf("%d connections; want the one of HTTP/2", n)
				}
				began := time.Now()
				wantLost(t, test.call(r), test.outcomeUnknown)
				if took := time.Since(began); took != 25*time.Second {
					t.Errorf("took %v", took)
				}
				began = time.Now()
				if err := test.call(r); err != nil || time.Since(began) != 0 {
					t.Errorf("the next call: %v after %v", err, time.Since(began))
				}
			})
		})
	}
}

// A call that is only slow is left alone: pings are answered meanwhile.
func TestPingsSpareSlowAnswers(t *testing.T) {
	inBubble(t, func(t *testing.T, sim *simulator.Simulator, _ *simulator.Freezer, r *Remote) {
		sim.AddFault(simulator.Fault{Kind: simulator.FaultSlow, Delay: DefaultTimeout - time.Second})
		began := time.Now()
		mustAnswer(t, r)
		if took := time.Since(began); took != DefaultTimeout-time.Second {
			t.Errorf("took %v", took)
		}
	})
}

// goingAway takes one call over HTTP/2, says that it is going away, with a number and a text of its own, and closes.
func goingAway(conn net.Conn, number int) {
	defer conn.Close()
	const preface, frameHeader, settings, goAway, endStream = 24, 9, 4, 7, 1
	frame := func(kind byte, payload string) {
		_, _ = conn.Write(append([]byte{0, 0, byte(len(payload)), kind, 0, 0, 0, 0, 0}, payload...))
	}
	if _, err := io.CopyN(io.Discard, conn, preface); err != nil {
		return
	}
	frame(settings, "")
	for header := make([]byte, frameHeader); ; {
		if _, err := io.ReadFull(conn, header); err != nil {
			return
		}
		if _, err := io.CopyN(io.Discard, conn, int64(header[0])<<16|int64(header[1])<<8|int64(header[2])); err != nil {
			return
		}
		if kind := header[3]; kind <= 1 && header[4]&endStream != 0 { // DATA or HEADERS, and the call's last
			frame(goAway, fmt.Sprintf("\x00\x00\x01%c\x00\x00\x00\x00canary %d", byte(number), number))
			return
		}
	}
}

// serveGoingAway serves every connection by goingAway.
func serveGoingAway(t *testing.T) (url string, roots *x509.CertPool) {
	t.Helper()
	certificate, ca, err := simulator.NewCertificate()
	if err != nil {
		t.Fatal(err)
	}
	if roots, err = trust.Parse(ca); err != nil {
		t.Fatal(err)
	}
	listener, err := tls.Listen("tcp", "127.0.0.1:0", simulator.TLSConfig(certificate))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	go func() {
		for number := 1; ; number++ {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go goingAway(conn, number)
		}
	}()
	return "https://" + listener.Addr().String(), roots
}

// The same trouble has the same text each time, whatever numbers HTTP/2 gives it and whatever the server writes beside.
func TestHTTP2Problems(t *testing.T) {
	const ended = "the call was ended by HTTP/2 INTERNAL_ERROR"
	w := newWorld(t, simulator.Settings{})
	server, transport := w.serveTLS(t)
	served := w.remote(t, func(c *Config) { c.Endpoint, c.Transport = server.URL, transport })
	url, roots := serveGoingAway(t)
	for name, test := range map[string]struct {
		remote *Remote
		fault  simulator.FaultKind
		says   string
	}{
		"reset":            {served, simulator.FaultReset, ended},
		"no answer":        {served, simulator.FaultLoseAnswer, ended},
		"half an answer":   {served, simulator.FaultTruncate, "the answer broke off: " + ended},
		"server goes away": {stub(t, nil, func(c *Config) { c.Endpoint, c.Transport = url, apihttp.NewTransport(roots) }), "", "the connection was closed"},
	} {
		t.Run(name, func(t *testing.T) {
			if test.fault != "" {
				id := w.AddFault(simulator.Fault{Kind: test.fault})
				defer w.RemoveFault(id)
			}
			for range 2 {
				read, write := both(test.remote)
				for err, outcomeUnknown := range map[error]bool{read: false, write: true} {
					if e := wantError(t, err, account.Unavailable, outcomeUnknown); e.Message != test.says {
						t.Errorf("%q; want %q", e.Message, test.says)
					}
				}
			}
		})
	}
}
