package cli

import (
	"net/http"
	"net/url"

	utilnet "k8s.io/apimachinery/pkg/util/net"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/transport"

	"cpaas.dev/child-account-operator/internal/netstep"
)

// unreached is the error of a request that did not reach the Kubernetes API. It says at which step it failed, and what to do.
type unreached struct {
	netstep.Failure

	advice string
	cause  error
}

// Error implements error. The cause's own text is left out: it says less, and may show the proxy's password.
func (e *unreached) Error() string { return e.What + "; " + e.advice }

// Unwrap has errors.Is find the cause.
func (e *unreached) Unwrap() error { return e.cause }

// Timeout implements net.Error.
func (e *unreached) Timeout() bool { return e.Failure.Timeout }

// Temporary implements net.Error.
func (*unreached) Temporary() bool { return true }

// explaining has the errors of requests that do not reach the Kubernetes API say why.
func explaining(config *rest.Config) transport.WrapperFunc {
	proxy := config.Proxy
	if proxy == nil { // as client-go has it
		proxy = utilnet.NewProxierWithNoProxyCIDR(http.ProxyFromEnvironment)
	}
	return func(next http.RoundTripper) http.RoundTripper {
		return roundTripper(func(r *http.Request) (*http.Response, error) {
			ctx, trace := netstep.Follow(r.Context())
			response, err := next.RoundTrip(r.WithContext(ctx))
			if err == nil {
				return response, nil
			}
			return response, explain(r, trace, err, proxy)
		})
	}
}

// explain is the error of a request to the Kubernetes API, which says why where the request did not reach it.
func explain(r *http.Request, trace *netstep.Trace, err error, proxy func(*http.Request) (*url.URL, error)) error {
	route := netstep.RouteOf(r, proxy)
	f, ok := trace.Explain(err, route)
	if !ok {
		return err
	}
	if route.ProxyInvalid {
		err = nil // it shows the proxy's address
	}
	f.What = "the Kubernetes API at " + route.Server + " can't be reached: " + f.What
	return &unreached{Failure: f, advice: adviceFor(f, route), cause: err}
}

// adviceFor says what to do where a request does not reach the Kubernetes API.
func adviceFor(f netstep.Failure, route netstep.Route) string {
	switch {
	case route.ProxyInvalid:
		return "correct HTTPS_PROXY in the operator's environment"
	case route.Proxy != "":
		return "the environment sends requests for the Kubernetes API through the proxy " + route.Proxy + ": add " + route.Host +
			", or the cluster's service CIDR, to NO_PROXY in the operator's environment"
	case f.Step == netstep.Resolve:
		return "check the kubeconfig's server, or DNS in the operator's Pod"
	}
	return "see whether the Kubernetes API runs, and whether the operator's Pod may reach it (network policies)"
}
