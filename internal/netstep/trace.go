package netstep

import (
	"context"
	"crypto/tls"
	"net/http/httptrace"
	"sync"
)

// Step is a step of a request.
type Step string

// The steps, in their order.
const (
	// Resolve is the name resolution: DNS.
	Resolve Step = "name resolution"
	// Connect is the TCP connection to the server, or to the proxy.
	Connect Step = "connecting"
	// Tunnel is the proxy's connection to the server: CONNECT, or what SOCKS has for it.
	Tunnel Step = "the proxy's CONNECT"
	// Handshake is the TLS handshake.
	Handshake Step = "the TLS handshake"
)

// Trace follows one request. It is safe for concurrent use: a dial continues in the background, after its request was given up too.
type Trace struct {
	mu sync.Mutex
	// at is what was begun last, done is set once that has succeeded; "" where nothing was.
	at   Step
	done bool
	// handshakes counts those that were begun for the connection: the first one may be the proxy's.
	handshakes int
	// connected is set while the request has a connection, left once it has had one.
	connected, left bool
}

// Follow returns a context whose request the Trace follows.
func Follow(ctx context.Context) (context.Context, *Trace) {
	t := &Trace{}
	return httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		GetConn:           func(string) { t.restart() },
		DNSStart:          func(httptrace.DNSStartInfo) { t.begin(Resolve) },
		DNSDone:           func(info httptrace.DNSDoneInfo) { t.end(Resolve, info.Err) },
		ConnectStart:      func(string, string) { t.begin(Connect) },
		ConnectDone:       func(_, _ string, err error) { t.end(Connect, err) },
		TLSHandshakeStart: func() { t.begin(Handshake) },
		TLSHandshakeDone:  func(_ tls.ConnectionState, err error) { t.end(Handshake, err) },
		GotConn:           func(httptrace.GotConnInfo) { t.connect() },
	}), t
}

// Left says whether the request may have left: it has had a connection.
func (t *Trace) Left() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.left
}

// restart is called when the request wants a connection: at first, and where the transport repeats it.
func (t *Trace) restart() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.at, t.done, t.handshakes, t.connected = "", false, 0, false
}

func (t *Trace) begin(s Step) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.at, t.done = s, false
	if s == Handshake {
		t.handshakes++
	}
}

// end is called when a step is over. Of several addresses that are tried at one time one is enough.
func (t *Trace) end(s Step, err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if err == nil && t.at == s {
		t.done = true
	}
}

func (t *Trace) connect() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.connected, t.left = true, true
}

// step is what the request waits for, and whether the proxy is at the other end; "" where it has a connection, or where the transport
// does not say.
func (t *Trace) step(r Route) (s Step, withProxy bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	toProxy := r.Proxy != ""
	switch {
	case t.connected: // maybe by a connection that was made for another request, while its own dial continues
		return "", false
	case t.at == Handshake && r.proxyOverTLS && t.handshakes == 1:
		if t.done {
			return Tunnel, true
		}
		return Handshake, true
	case t.at == Handshake:
		return Handshake, false
	case t.at == Connect && t.done && toProxy && !r.proxyOverTLS && r.tunnelled:
		return Tunnel, true
	case t.at == Connect && t.done:
		return Handshake, toProxy && r.proxyOverTLS
	case t.at == Resolve && t.done:
		return Connect, toProxy
	}
	return t.at, toProxy
}
