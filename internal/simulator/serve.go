package simulator

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"time"
)

// stopTimeout is how long a server that is to stop waits for the calls that are open.
const stopTimeout = 5 * time.Second

// ServeOptions say where to serve and how.
type ServeOptions struct {
	// Addr is the address to listen at. Default: 127.0.0.1 and any free port.
	Addr string
	// TLS serves HTTPS: HTTP/2, and HTTP/1.1 to clients that don't speak HTTP/2.
	TLS bool
	// CertFile and KeyFile are the PEM files of the certificate. Default: a certificate of a new CA, see Server.CA.
	CertFile, KeyFile string
	// Hosts are further names and addresses for the certificate of the new CA, besides localhost, 127.0.0.1 and ::1.
	Hosts []string
}

// Server is a simulator that is being served.
type Server struct {
	// Addr is the address it listens at, host:port.
	Addr string
	// URL is its base URL, to which /platform_api is added.
	URL string
	// CA is the PEM of the new CA; nil without TLS or with a certificate of one's own.
	CA []byte

	connections *Freezer
	stopped     chan struct{}
	err         error
}

// Freeze makes all present connections half-dead, see Freezer.Freeze.
func (v *Server) Freeze() int { return v.connections.Freeze() }

// Wait waits until the server has stopped and returns why, nil if it was told to.
func (v *Server) Wait() error {
	<-v.stopped
	return v.err
}

// Serve serves the Handler until the context ends; it returns as soon as it listens.
// Calls that are open then have 5 seconds to end.
func (s *Simulator) Serve(ctx context.Context, options ServeOptions) (*Server, error) {
	config, ca, err := options.tlsConfig()
	if err != nil {
		return nil, err
	}
	var listening net.ListenConfig
	listener, err := listening.Listen(ctx, "tcp", cmp.Or(options.Addr, "127.0.0.1:0"))
	if err != nil {
		return nil, err
	}
	connections := NewFreezer(listener)
	v := &Server{Addr: listener.Addr().String(), CA: ca, connections: connections, stopped: make(chan struct{})}
	v.URL = "http://" + v.Addr
	listener = connections
	if config != nil {
		v.URL = "https://" + v.Addr
		listener = tls.NewListener(listener, config)
	}
	go v.run(ctx, s, listener)
	return v, nil
}

// run serves until the context ends. What it speaks over TLS is for the listener's configuration to say.
func (v *Server) run(ctx context.Context, s *Simulator, listener net.Listener) {
	defer close(v.stopped)
	open, abandon := context.WithCancel(context.WithoutCancel(ctx))
	defer abandon()
	server := &http.Server{
		Handler:           s.Handler(),
		ReadHeaderTimeout: 10 * time.Second,
		BaseContext:       func(net.Listener) context.Context { return open },
		ErrorLog:          slog.NewLogLogger(s.logger.Handler(), slog.LevelWarn),
	}
	failed := make(chan error, 1)
	go func() { failed <- server.Serve(listener) }()
	select {
	case v.err = <-failed:
		return
	case <-ctx.Done():
	}
	patience, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopTimeout)
	defer cancel()
	if err := server.Shutdown(patience); errors.Is(err, context.DeadlineExceeded) {
		abandon()
		v.err = server.Close()
	}
}

// tlsConfig is nil without TLS.
func (o ServeOptions) tlsConfig() (config *tls.Config, ca []byte, err error) {
	if !o.TLS {
		return nil, nil, nil
	}
	var certificate tls.Certificate
	if o.CertFile != "" || o.KeyFile != "" {
		certificate, err = tls.LoadX509KeyPair(o.CertFile, o.KeyFile)
	} else {
		certificate, ca, err = NewCertificate(o.Hosts...)
	}
	if err != nil {
		return nil, nil, err
	}
	return TLSConfig(certificate), ca, nil
}

// TLSConfig makes the configuration of a server of the Management API: HTTP/2 where the client speaks it.
func TLSConfig(certificate tls.Certificate) *tls.Config {
	return &tls.Config{Certificates: []tls.Certificate{certificate}, MinVersion: tls.VersionTLS12, NextProtos: []string{"h2", "http/1.1"}}
}
