package starttest

import (
	"io"
	"net"
	"net/url"
	"sync"
	"testing"

	. "github.com/onsi/gomega"

	"cpaas.dev/child-account-operator/internal/testenv/freeport"
)

// front stands between an operator and the Kubernetes API: it passes bytes, or says nothing, or is not there.
type front struct {
	t               *testing.T
	address, target string

	mu       sync.Mutex
	listener net.Listener // nil while it is not there
	silent   bool
	accepted int
	open     map[net.Conn]bool
}

func newFront(t *testing.T, target string) *front {
	u, err := url.Parse(target)
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
	f := &front{t: t, target: u.Host, address: freeport.Reserve(t), open: map[net.Conn]bool{}}
	f.come()
	t.Cleanup(f.leave)
	return f
}

// come has it listen, at the address where it was before.
func (f *front) come() {
	l, err := net.Listen("tcp", f.address)
	NewWithT(f.t).Expect(err).NotTo(HaveOccurred())
	f.mu.Lock()
	f.listener = l
	f.mu.Unlock()
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go f.pass(conn)
		}
	}()
}

// leave refuses connections from now on.
func (f *front) leave() {
	f.mu.Lock()
	if f.listener != nil {
		_ = f.listener.Close()
		f.listener = nil
	}
	f.mu.Unlock()
	f.cut()
}

// fallSilent lets nothing through any more; connections are accepted, or stay.
func (f *front) fallSilent(silent bool) {
	f.mu.Lock()
	f.silent = silent
	f.mu.Unlock()
	f.cut()
}

// cut ends all connections.
func (f *front) cut() {
	f.mu.Lock()
	defer f.mu.Unlock()
	for conn := range f.open {
		_ = conn.Close()
	}
}

func (f *front) connections() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.accepted
}

func (f *front) keep(conn net.Conn) (silent bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.open[conn] = true
	return f.silent
}

func (f *front) drop(conn net.Conn) {
	_ = conn.Close()
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.open, conn)
}

func (f *front) pass(conn net.Conn) {
	silent := f.keep(conn)
	defer f.drop(conn)
	f.mu.Lock()
	f.accepted++
	f.mu.Unlock()
	if silent {
		_, _ = io.Copy(io.Discard, conn)
		return
	}
	server, err := net.Dial("tcp", f.target)
	if err != nil {
		return
	}
	f.keep(server)
	defer f.drop(server)
	go func() {
		_, _ = io.Copy(server, conn)
		_ = server.Close()
	}()
	_, _ = io.Copy(conn, server)
}
