package freeport

import (
	"errors"
	"net"
	"runtime"
	"syscall"
	"testing"
)

func TestReserve(t *testing.T) {
	address := Reserve(t)
	if conn, err := net.Dial("tcp", address); err == nil {
		_ = conn.Close()
		t.Fatalf("somebody serves at %s, which was reserved", address)
	}
	for range 2 { // a server may come back
		l, err := net.Listen("tcp", address)
		if err != nil {
			t.Fatalf("a server can't listen at its reserved address: %v", err)
		}
		_ = l.Close()
	}
}

// Who doesn't share an address by intent, as a connection that takes any free port, doesn't get a reserved one.
func TestReservedPortIsNotFree(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("only Linux lets a server bind beside the socket that keeps the port")
	}
	address := Reserve(t)
	alone := net.ListenConfig{Control: func(_, _ string, c syscall.RawConn) (err error) {
		controlled := c.Control(func(fd uintptr) { err = syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_REUSEADDR, 0) })
		return errors.Join(controlled, err)
	}}
	if l, err := alone.Listen(t.Context(), "tcp", address); !errors.Is(err, syscall.EADDRINUSE) {
		if err == nil {
			_ = l.Close()
		}
		t.Errorf("%v; want that the address is in use", err)
	}
}
