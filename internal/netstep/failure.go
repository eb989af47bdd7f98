package netstep

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"syscall"
)

// Failure is a request that did not reach its server.
type Failure struct {
	// Step is where it failed.
	Step Step
	// What is what happened, in one sentence without a full stop. It has no hint what to do, which is the caller's to know.
	What string
	// AtProxy is set where the proxy is at the other end, not the server.
	AtProxy bool
	// Timeout is set where an answer did not come in time.
	Timeout bool
	// Status is the HTTP status by which the proxy refused its CONNECT; 0 where it did not, or where nobody can tell.
	Status int
}

// Explain says at which step the request of the trace failed with err. ok is false where the request had a connection, so that the
// server may have it; where it was given up; and where the transport does not say.
func (t *Trace) Explain(err error, r Route) (f Failure, ok bool) {
	if wrapped, ok := errors.AsType[*url.Error](err); ok {
		err = wrapped.Err
	}
	if r.ProxyInvalid {
		return Failure{Step: Tunnel, What: "the proxy's address in the environment is no URL", AtProxy: true}, true
	}
	if errors.Is(err, context.Canceled) {
		return Failure{}, false
	}
	if lookup, ok := errors.AsType[*net.DNSError](err); ok {
		return unresolved(lookup, r), true
	}
	step, withProxy := t.step(r)
	if step == "" {
		if step, withProxy = dialled(err); step == "" {
			return Failure{}, false
		}
	}
	if step == Resolve {
		return unresolved(nil, r), true
	}
	f = Failure{Step: step, AtProxy: withProxy, Timeout: isTimeout(err)}
	at := r.Server
	if withProxy {
		at = "the proxy " + r.Proxy
	}
	switch step {
	case Connect:
		f.What = fmt.Sprintf("connecting to %s failed: %s", at, cause(err))
	case Handshake:
		f.What = fmt.Sprintf("the TLS handshake with %s failed: %s", at, cause(err))
	case Tunnel:
		f.Status = refusedWith(err)
		f.What = fmt.Sprintf("%s did not connect to %s: %s", at, r.Server, tunnelCause(err, f.Status))
	}
	return f, true
}

// dialled is the step by the error alone, for a transport that says no more.
func dialled(err error) (s Step, withProxy bool) {
	op, ok := errors.AsType[*net.OpError](err)
	if !ok || op.Op != "dial" && op.Op != "proxyconnect" {
		return "", false
	}
	return Connect, op.Op == "proxyconnect"
}

// unresolved is the failure of a name resolution; lookup is what DNS answered, nil for nothing. The DNS server and its words are left out:
// they hold ports of this side.
func unresolved(lookup *net.DNSError, r Route) Failure {
	host, proxy := r.Host, ""
	if r.Proxy != "" {
		proxy, _, _ = net.SplitHostPort(r.Proxy) // what withPort has joined
		host = proxy
	}
	if lookup != nil {
		host = lookup.Name
	}
	atProxy := host == proxy
	if atProxy {
		host = "the proxy " + host
	}
	f := Failure{Step: Resolve, AtProxy: atProxy, Timeout: lookup == nil || lookup.IsTimeout}
	why := "DNS answered with an error"
	switch {
	case f.Timeout:
		why = "DNS did not answer in time"
	case lookup.IsNotFound:
		why = "there is no such host"
	}
	f.What = fmt.Sprintf("name resolution of %s failed: %s", host, why)
	return f
}

func isTimeout(err error) bool {
	timeout, ok := errors.AsType[net.Error](err)
	return errors.Is(err, context.DeadlineExceeded) || ok && timeout.Timeout()
}

// cause is why a step failed, in words that stay the same from try to try.
func cause(err error) string {
	var errno syscall.Errno
	var record tls.RecordHeaderError
	switch {
	case isTimeout(err):
		return "no answer in time"
	case errors.As(err, &errno):
		return errno.Error()
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return "the connection was closed"
	case errors.As(err, &record), errors.Is(err, http.ErrSchemeMismatch):
		return "the answer is not TLS"
	}
	return innermost(err).Error()
}

func innermost(err error) error {
	for {
		inner := errors.Unwrap(err)
		if inner == nil {
			return err
		}
		err = inner
	}
}

// refusedWith is the status with which a proxy refused a CONNECT: net/http's error is its text alone.
func refusedWith(err error) int {
	for status := 300; status < 600; status++ {
		if text := http.StatusText(status); text != "" && text == err.Error() {
			return status
		}
	}
	return 0
}

// tunnelCause is why a proxy did not connect. What a proxy says beside its status is left out: it may repeat what it was sent.
func tunnelCause(err error, status int) string {
	var errno syscall.Errno
	switch {
	case status != 0:
		return fmt.Sprintf("HTTP %d %s", status, http.StatusText(status))
	case isTimeout(err), errors.As(err, &errno), errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return cause(err)
	}
	return "it refused"
}
