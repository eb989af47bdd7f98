package apihttp

import (
	"crypto/tls"
	"crypto/x509"
	"net"
	"net/http"
	"time"
)

// The time-outs of pings: an HTTP/2 connection on which nothing has come for DefaultSendPingTimeout is pinged, and closed if
// no answer comes within DefaultPingTimeout. Together they must stay below a client's time-out for a call, so that the call fails by them,
// and not by that time-out, which leaves the connection in use.
const (
	DefaultSendPingTimeout = 15 * time.Second
	DefaultPingTimeout     = 10 * time.Second
)

// NewTransport makes a transport fit for many calls to one host: connections are kept and reused, TLS 1.2 is the least,
// a proxy is taken from the environment. All calls share one HTTP/2 connection, so one whose peer has stopped answering
// without closing it has to be found out: pings do that. roots are the certificate authorities to trust; nil: those of the system.
// Share one between all Remotes with the same roots.
func NewTransport(roots *x509.CertPool) *http.Transport {
	dialer := net.Dialer{Timeout: 10 * time.Second, KeepAlive: 30 * time.Second}
	return &http.Transport{
		Proxy:                  http.ProxyFromEnvironment,
		DialContext:            dialer.DialContext,
		TLSClientConfig:        &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: roots},
		TLSHandshakeTimeout:    10 * time.Second,
		ForceAttemptHTTP2:      true,
		HTTP2:                  &http.HTTP2Config{SendPingTimeout: DefaultSendPingTimeout, PingTimeout: DefaultPingTimeout},
		MaxIdleConns:           256,
		MaxIdleConnsPerHost:    64,
		IdleConnTimeout:        90 * time.Second,
		MaxResponseHeaderBytes: 64 << 10,
	}
}
