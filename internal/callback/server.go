package callback

import (
	"context"
	"crypto/tls"
	"log/slog"
	"net"
	"net/http"
	"time"

	"github.com/go-logr/logr"
	"golang.org/x/net/netutil"
)

const (
	// maxConnections is how many connections are open at one time; others wait.
	maxConnections = 256
	// A request is small, so whoever takes longer for it only occupies a connection.
	headerTimeout  = 5 * time.Second
	requestTimeout = 10 * time.Second
	answerTimeout  = 20 * time.Second
	idleTimeout    = 30 * time.Second
	maxHeader      = 8 << 10
)

// NewServer is a server of callbacks that bounds what one sender can occupy.
func NewServer(handler http.Handler, log logr.Logger) *http.Server {
	return &http.Server{
		Handler: handler, ReadHeaderTimeout: headerTimeout, ReadTimeout: requestTimeout, WriteTimeout: answerTimeout, IdleTimeout: idleTimeout,
		MaxHeaderBytes: maxHeader,
		ErrorLog:       slog.NewLogLogger(logr.ToSlogHandler(log), slog.LevelDebug), // failed handshakes: anybody can make many
	}
}

// Listen listens at an address for a bounded number of connections. With certificate they are TLS; nil is for plain HTTP.
func Listen(ctx context.Context, address string, certificate func(*tls.ClientHelloInfo) (*tls.Certificate, error)) (net.Listener, error) {
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", address)
	if err != nil {
		return nil, err
	}
	listener = netutil.LimitListener(listener, maxConnections)
	if certificate == nil {
		return listener, nil
	}
	return tls.NewListener(listener, &tls.Config{
		MinVersion: tls.VersionTLS12, GetCertificate: certificate,
		NextProtos: []string{"http/1.1"}, // a sender needs no HTTP/2, and floods of its resets are none of our worries then
	}), nil
}
