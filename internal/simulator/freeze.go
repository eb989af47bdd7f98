package simulator

import (
	"io"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// Freezer is a listener whose connections can be made half-dead, as behind a peer that hangs or a network that lost them: each
// still accepts bytes, but answers none, and is not closed either. It is safe for concurrent use.
type Freezer struct {
	net.Listener

	mu    sync.Mutex
	conns map[*freezable]bool
}

// NewFreezer makes a Freezer of a listener.
func NewFreezer(listener net.Listener) *Freezer {
	return &Freezer{Listener: listener, conns: map[*freezable]bool{}}
}

// Accept implements net.Listener.
func (f *Freezer) Accept() (net.Conn, error) {
	raw, err := f.Listener.Accept()
	if err != nil {
		return nil, err
	}
	conn := &freezable{Conn: raw, freezer: f}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.conns[conn] = true
	return conn, nil
}

// Freeze makes all present connections half-dead, until their peer closes them or Close is called, and returns how many
// they are. Later connections are not affected.
func (f *Freezer) Freeze() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	n := 0
	for conn := range f.conns {
		if conn.frozen.CompareAndSwap(false, true) {
			n++
		}
	}
	return n
}

// Close implements net.Listener; it closes the frozen connections too.
func (f *Freezer) Close() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	for conn := range f.conns {
		if conn.frozen.Load() {
			_ = conn.Conn.Close()
		}
	}
	return f.Listener.Close()
}

func (f *Freezer) forget(conn *freezable) {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.conns, conn)
}

// freezable is a connection of a Freezer, as the server sees it.
type freezable struct {
	net.Conn
	freezer *Freezer
	frozen  atomic.Bool
	closed  sync.Once
}

// NetConn returns the connection below, as tls.Conn does.
func (c *freezable) NetConn() net.Conn { return c.Conn }

// Read implements net.Conn: the server gets nothing of what a frozen connection accepts, only its end.
func (c *freezable) Read(p []byte) (int, error) {
	for {
		n, err := c.Conn.Read(p)
		switch {
		case !c.frozen.Load():
			return n, err
		case err != nil:
			return 0, err
		}
	}
}

// Write implements net.Conn: the peer gets nothing of what is written to a frozen connection.
func (c *freezable) Write(p []byte) (int, error) {
	if c.frozen.Load() {
		return len(p), nil
	}
	return c.Conn.Write(p)
}

// Close implements net.Conn: the peer does not see that the server closes a frozen connection.
func (c *freezable) Close() error {
	if !c.frozen.Load() {
		c.freezer.forget(c)
		return c.Conn.Close()
	}
	c.closed.Do(func() { go c.accept() })
	return nil
}

// accept continues accepting bytes for a server that has closed the frozen connection, until its peer does.
func (c *freezable) accept() {
	defer c.freezer.forget(c)
	defer func() { _ = c.Conn.Close() }()
	if c.Conn.SetDeadline(time.Time{}) == nil {
		_, _ = io.Copy(io.Discard, c.Conn)
	}
}
