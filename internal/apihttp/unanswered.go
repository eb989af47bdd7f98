package apihttp

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/url"

	"cpaas.dev/child-account-operator/internal/netstep"
)

// noAnswer says why a request got no answer, and what to do: the step that failed on the way to the server, or what became of it there.
func noAnswer(err error, trace *netstep.Trace, route netstep.Route) string {
	f, ok := trace.Explain(err, route)
	if !ok {
		return transportProblem(err)
	}
	if problem := certificateProblem(err); problem != "" && !f.AtProxy {
		return problem
	}
	return f.What + "; " + adviceFor(f, route)
}

// adviceFor says what to do where a request does not reach the server.
func adviceFor(f netstep.Failure, route netstep.Route) string {
	switch {
	case route.ProxyInvalid:
		return "correct HTTPS_PROXY in the operator's environment"
	case f.Step == netstep.Resolve && !f.AtProxy:
		return "check the endpoint's spelling, and DNS in the operator's Pod"
	case f.Step == netstep.Resolve:
		return "check HTTPS_PROXY, and DNS in the operator's Pod"
	case f.Step == netstep.Tunnel && f.Status == http.StatusProxyAuthRequired:
		return "check the user and the password in HTTPS_PROXY"
	case f.Step == netstep.Tunnel:
		return "have the proxy allow " + route.Server + ", or name the host in NO_PROXY"
	case f.AtProxy:
		return "check HTTPS_PROXY, and whether the operator's Pod may reach the proxy (network policies)"
	case f.Step == netstep.Handshake:
		return "check the endpoint, and what stands between the operator and the endpoint"
	}
	return "check the endpoint, and whether the operator's Pod may reach the endpoint (network policies, firewalls); where only a proxy leads out, set HTTPS_PROXY"
}

// proxyOf is a transport's way to find the proxy of a request; nil where it has none.
func proxyOf(transport http.RoundTripper) func(*http.Request) (*url.URL, error) {
	if around, ok := transport.(interface{ Unwrap() http.RoundTripper }); ok {
		transport = around.Unwrap()
	}
	if t, ok := transport.(*http.Transport); ok {
		return t.Proxy
	}
	return nil
}

// brokenOff is why an answer that had begun did not come to its end.
func brokenOff(err error) string {
	if errors.Is(err, context.DeadlineExceeded) {
		return "it did not end in time"
	}
	return transportProblem(err)
}

// transportProblem is the cause without the method and address that net/http puts before it.
func transportProblem(err error) string {
	if wrapped, ok := errors.AsType[*url.Error](err); ok {
		err = wrapped.Err
	}
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		return "no answer in time"
	case errors.Is(err, context.Canceled):
		return "given up before an answer came"
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return "the connection was closed"
	}
	if problem := certificateProblem(err); problem != "" {
		return problem
	}
	if problem := http2Problem(err); problem != "" {
		return problem
	}
	return withoutAddresses(err)
}

// withoutAddresses leaves out ports and addresses, which differ from try to try: the same trouble has the same text,
// so that a status that repeats it need not be written again.
func withoutAddresses(err error) string {
	if op, ok := errors.AsType[*net.OpError](err); ok {
		return "the connection was lost: " + op.Err.Error()
	}
	return err.Error()
}
