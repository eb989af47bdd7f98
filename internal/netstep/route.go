package netstep

import (
	"net"
	"net/http"
	"net/url"
)

// Route is the way of a request, as far as texts may show it: without user, password and path.
type Route struct {
	// Host is the server's name or address, Server the same with the port.
	Host, Server string
	// Proxy is the proxy's name or address with its port; "" for a request that goes to the server directly.
	Proxy string
	// ProxyInvalid is set where the proxy's address can't be read.
	ProxyInvalid bool

	// overTLS and proxyOverTLS say which of the two speak TLS, tunnelled that the proxy only passes bytes.
	overTLS, proxyOverTLS, tunnelled bool
}

// RouteOf finds out the way of a request. proxy is that of its transport, nil for none; its error is not repeated, as it shows the
// proxy's address with the password.
func RouteOf(r *http.Request, proxy func(*http.Request) (*url.URL, error)) Route {
	route := Route{Host: r.URL.Hostname(), Server: withPort(r.URL), overTLS: r.URL.Scheme == "https"}
	if proxy == nil {
		return route
	}
	switch u, err := proxy(r); {
	case err != nil:
		route.ProxyInvalid = true
	case u != nil:
		route.Proxy, route.proxyOverTLS = withPort(u), u.Scheme == "https"
		route.tunnelled = route.overTLS || u.Scheme == "socks5" || u.Scheme == "socks5h"
	}
	return route
}

// withPort is a URL's host with its port.
func withPort(u *url.URL) string {
	port := u.Port()
	if port == "" {
		port = map[string]string{"https": "443", "http": "80", "socks5": "1080", "socks5h": "1080"}[u.Scheme]
	}
	return net.JoinHostPort(u.Hostname(), port)
}
