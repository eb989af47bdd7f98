package callback

import (
	"crypto/tls"
	"crypto/x509"
	"io"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-logr/logr"
	certutil "k8s.io/client-go/util/cert"
)

// selfSigned is a certificate for 127.0.0.1, and a client that trusts no other one.
func selfSigned(t *testing.T) (*tls.Certificate, *http.Client) {
	t.Helper()
	certPEM, keyPEM, err := certutil.GenerateSelfSignedCertKey("127.0.0.1", []net.IP{net.IPv4(127, 0, 0, 1)}, nil)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := tls.X509KeyPair(certPEM, keyPEM)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(certPEM)
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool}, ForceAttemptHTTP2: true}
	t.Cleanup(transport.CloseIdleConnections)
	return &cert, &http.Client{Transport: transport}
}

// serve serves at a listener until the test is over.
func serve(t *testing.T, listener net.Listener) string {
	t.Helper()
	server := NewServer(newWorld(t).Receiver, logr.Discard())
	go func() { _ = server.Serve(listener) }()
	t.Cleanup(func() { _ = server.Close() })
	return listener.Addr().String() + "/callbacks/telephony/acme"
}

// get is the status of an answer, and its protocol.
func get(t *testing.T, c *http.Client, url string) (status int, proto string, err error) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	answer, err := c.Do(r)
	if err != nil {
		return 0, "", err
	}
	defer func() { _ = answer.Body.Close() }()
	_, err = io.Copy(io.Discard, answer.Body)
	return answer.StatusCode, answer.Proto, err
}

func TestTLS(t *testing.T) {
	var current atomic.Pointer[tls.Certificate]
	first, trustsFirst := selfSigned(t)
	current.Store(first)
	listener, err := Listen(t.Context(), "127.0.0.1:0", func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return current.Load(), nil })
	if err != nil {
		t.Fatal(err)
	}
	url := "https://" + serve(t, listener)
	if status, proto, err := get(t, trustsFirst, url); status != http.StatusNotFound || proto != "HTTP/1.1" || err != nil {
		t.Errorf("%d, %s, %v", status, proto, err)
	}
	if status, _, err := get(t, http.DefaultClient, strings.Replace(url, "https", "http", 1)); err == nil && status != http.StatusBadRequest {
		t.Errorf("plain HTTP: %d", status)
	}
	second, trustsSecond := selfSigned(t)
	current.Store(second)
	if status, _, err := get(t, trustsSecond, url); status != http.StatusNotFound || err != nil {
		t.Errorf("a renewed certificate: %d, %v", status, err)
	}
	old := &tls.Config{InsecureSkipVerify: true, MaxVersion: tls.VersionTLS11, MinVersion: tls.VersionTLS10}
	if conn, err := tls.Dial("tcp", listener.Addr().String(), old); err == nil {
		_ = conn.Close()
		t.Error("TLS 1.1 is spoken")
	}
}

func TestPlainHTTP(t *testing.T) {
	listener, err := Listen(t.Context(), "127.0.0.1:0", nil)
	if err != nil {
		t.Fatal(err)
	}
	if status, _, err := get(t, http.DefaultClient, "http://"+serve(t, listener)); status != http.StatusNotFound || err != nil {
		t.Errorf("%d, %v", status, err)
	}
	if _, err := Listen(t.Context(), listener.Addr().String(), nil); err == nil {
		t.Error("two listen at one address")
	}
}

// One more connection than may be open waits until one is closed.
func TestConnectionsAreBounded(t *testing.T) {
	listener, err := Listen(t.Context(), "127.0.0.1:0", nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	accepted := make(chan net.Conn, maxConnections+1)
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			accepted <- conn
		}
	}()
	var last net.Conn
	for i := range maxConnections + 1 {
		conn, err := new(net.Dialer).DialContext(t.Context(), "tcp", listener.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = conn.Close() })
		if i < maxConnections {
			last = <-accepted
		}
	}
	select {
	case <-accepted:
		t.Fatal("there is no bound")
	case <-time.After(100 * time.Millisecond):
	}
	_ = last.Close()
	<-accepted
}

// Whoever sends slowly, or headers without an end, is cut off.
func TestServerTimeouts(t *testing.T) {
	s := NewServer(nil, logr.Discard())
	if s.ReadHeaderTimeout == 0 || s.ReadTimeout == 0 || s.WriteTimeout <= s.ReadTimeout || s.IdleTimeout == 0 || s.MaxHeaderBytes == 0 || s.ErrorLog == nil {
		t.Errorf("%+v", s)
	}
}
