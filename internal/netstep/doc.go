// Package netstep says at which step an HTTP request failed that never reached its server: name resolution, connecting, the proxy's
// CONNECT, the TLS handshake. net/http says so in one case and hides it in another: a time-out of DNS, for example, reads like one of
// the server. Its texts hold no user, password or path, and no address of this side, which differs from try to try.
package netstep
