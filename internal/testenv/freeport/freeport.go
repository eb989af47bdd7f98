// Package freeport reserves TCP ports of the loopback interface for tests.
package freeport

import (
	"fmt"
	"runtime"
	"syscall"
)

// TB is what Reserve needs of a testing.T, or of ginkgo's GinkgoT().
type TB interface {
	Helper()
	Cleanup(func())
	Fatal(args ...any)
}

// Reserve returns an address, as host:port, at which connections are refused until a server listens there. Until the test ends
// nobody else gets the port: on a busy machine, a port that was free a moment ago is soon the local port of some connection.
//
// A socket that is bound and does not listen keeps the port. Linux lets a server bind beside such a socket, as both may share the
// address (SO_REUSEADDR); other systems don't, so there the port is only free when Reserve returns.
func Reserve(t TB) string {
	t.Helper()
	address, release, err := reserve()
	if err != nil {
		t.Fatal("no free port:", err)
	}
	if runtime.GOOS != "linux" {
		release()
		return address
	}
	t.Cleanup(release)
	return address
}

func reserve() (address string, release func(), err error) {
	fd, err := socket()
	if err != nil {
		return "", nil, err
	}
	release = func() { _ = syscall.Close(fd) }
	bound, err := bind(fd)
	if err != nil {
		release()
		return "", nil, err
	}
	return fmt.Sprintf("127.0.0.1:%d", bound), release, nil
}

// socket makes a socket that no process which a test starts inherits, or that process would keep the port.
func socket() (fd int, err error) {
	syscall.ForkLock.RLock()
	defer syscall.ForkLock.RUnlock()
	if fd, err = syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM, 0); err == nil {
		syscall.CloseOnExec(fd)
	}
	return fd, err
}

func bind(fd int) (port int, err error) {
	if err := syscall.SetsockoptInt(fd, syscall.SOL_SOCKET, syscall.SO_REUSEADDR, 1); err != nil {
		return 0, err
	}
	if err := syscall.Bind(fd, &syscall.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}); err != nil {
		return 0, err
	}
	bound, err := syscall.Getsockname(fd)
	if err != nil {
		return 0, err
	}
	return bound.(*syscall.SockaddrInet4).Port, nil
}
