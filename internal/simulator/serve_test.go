package simulator

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"
)

func healthz(t *testing.T, client *http.Client, base string) error {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, base+"/_simulator/healthz", nil)
	if err != nil {
		t.Fatal(err)
	}
	got, err := client.Do(r)
	if err != nil {
		return err
	}
	defer func() { _ = got.Body.Close() }()
	_, err = io.Copy(io.Discard, got.Body)
	return err
}

func trusting(t *testing.T, ca []byte) *http.Client {
	t.Helper()
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(ca) {
		t.Fatal("no CA")
	}
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}, ForceAttemptHTTP2: true}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport}
}

func TestServe(t *testing.T) {
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	s := New(Options{})
	plain, err := s.Serve(ctx, ServeOptions{})
	if err != nil {
		t.Fatal(err)
	}
	secure, err := s.Serve(ctx, ServeOptions{TLS: true, Hosts: []string{"simulator.example", "127.0.0.2"}})
	if err != nil {
		t.Fatal(err)
	}
	if plain.CA != nil || !strings.HasPrefix(plain.URL, "http://127.0.0.1:") || !strings.HasSuffix(plain.URL, plain.Addr) {
		t.Errorf("%+v", plain)
	}
	client := trusting(t, secure.CA)
	for _, base := range []string{plain.URL, secure.URL, strings.Replace(secure.URL, "127.0.0.1", "localhost", 1)} {
		if err := healthz(t, client, base); err != nil {
			t.Error(err)
		}
	}
	if err := healthz(t, &http.Client{Transport: &http.Transport{}}, secure.URL); err == nil {
		t.Error("trusted without the CA")
	}
	if _, err := s.Serve(ctx, ServeOptions{Addr: plain.Addr}); err == nil {
		t.Error("two servers at one address")
	}
	stop()
	if err := plain.Wait(); err != nil {
		t.Error(err)
	}
	if err := secure.Wait(); err != nil {
		t.Error(err)
	}
	if err := healthz(t, client, plain.URL); err == nil {
		t.Error("still there")
	}
}

// proto is the version of HTTP that a server speaks with a client.
func proto(t *testing.T, client *http.Client, base string) string {
	t.Helper()
	got, err := client.Get(base + "/_simulator/healthz")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = got.Body.Close() }()
	return got.Proto
}

func TestServeSpeaksHTTP2OverTLS(t *testing.T) {
	s := New(Options{})
	plain, err := s.Serve(t.Context(), ServeOptions{})
	if err != nil {
		t.Fatal(err)
	}
	secure, err := s.Serve(t.Context(), ServeOptions{TLS: true})
	if err != nil {
		t.Fatal(err)
	}
	modern, old := trusting(t, secure.CA), trusting(t, secure.CA)
	old.Transport.(*http.Transport).ForceAttemptHTTP2 = false
	for _, test := range []struct {
		client     *http.Client
		base, want string
	}{{modern, secure.URL, "HTTP/2.0"}, {old, secure.URL, "HTTP/1.1"}, {modern, plain.URL, "HTTP/1.1"}} {
		if got := proto(t, test.client, test.base); got != test.want {
			t.Errorf("%s: %s, want %s", test.base, got, test.want)
		}
	}
}

// TestServedFaults makes sure that a fault leaves its call without an answer, and the other calls of its connection alone.
func TestServedFaults(t *testing.T) {
	f := newFixture(t)
	v, err := f.Serve(t.Context(), ServeOptions{TLS: true})
	if err != nil {
		t.Fatal(err)
	}
	f.server = &httptest.Server{URL: v.URL}
	client := trusting(t, v.CA)
	for _, kind := range []FaultKind{FaultReset, FaultLoseAnswer, FaultTruncate, FaultDown} {
		t.Run(string(kind), func(t *testing.T) {
			f.AddFault(Fault{Kind: kind, Times: 1})
			got, err := client.Do(f.request(f.token(f.creds, nil), "GetAccountInfo", nil))
			if err == nil {
				_, err = io.Copy(io.Discard, got.Body)
				_ = got.Body.Close()
			}
			if err == nil {
				t.Error("there was an answer")
			}
			got, err = client.Do(f.request(f.token(f.creds, nil), "GetAccountInfo", nil))
			if err != nil {
				t.Fatal(err)
			}
			_ = got.Body.Close()
			if got.ProtoMajor != 2 {
				t.Errorf("HTTP/%d", got.ProtoMajor)
			}
		})
	}
}

// ask sends a request on a connection and returns the first line of the answer, an error after a moment without one.
func ask(t *testing.T, conn net.Conn, moment time.Duration) (string, error) {
	t.Helper()
	if _, err := io.WriteString(conn, "GET /_simulator/healthz HTTP/1.1\r\nHost: simulator\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	if err := conn.SetReadDeadline(time.Now().Add(moment)); err != nil {
		t.Fatal(err)
	}
	got, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		return "", err
	}
	defer func() { _ = got.Body.Close() }()
	_, err = io.Copy(io.Discard, got.Body)
	return got.Status, err
}

// A frozen connection accepts bytes, answers nothing and is not closed, whatever the server does; later ones are served.
func TestServeFreezes(t *testing.T) {
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	v, err := New(Options{}).Serve(ctx, ServeOptions{})
	if err != nil {
		t.Fatal(err)
	}
	dial := func() net.Conn {
		conn, err := net.Dial("tcp", v.Addr)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = conn.Close() })
		return conn
	}
	old := dial()
	if got, err := ask(t, old, time.Minute); got != "200 OK" {
		t.Fatal(got, err)
	}
	if n := v.Freeze(); n != 1 {
		t.Errorf("%d connections frozen", n)
	}
	for range 2 {
		if got, err := ask(t, old, 50*time.Millisecond); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("%q, %v; want silence", got, err)
		}
	}
	if got, err := ask(t, dial(), time.Minute); got != "200 OK" {
		t.Error(got, err)
	}
	stop()
	if err := v.Wait(); err != nil {
		t.Error(err)
	}
	if _, err := ask(t, old, time.Minute); err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("%v; want the end of the server's connections", err)
	}
}

// What the server itself closes, after it was frozen, stays open for its peer.
func TestFreezerKeepsFrozenConnectionsOpen(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	freezer := NewFreezer(listener)
	defer func() { _ = freezer.Close() }()
	peer, err := net.Dial("tcp", listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	conn, err := freezer.Accept()
	if err != nil {
		t.Fatal(err)
	}
	if freezer.Freeze() != 1 || freezer.Freeze() != 0 {
		t.Error("frozen twice, or not at all")
	}
	_ = conn.SetDeadline(time.Now())
	for range 2 {
		if err := conn.Close(); err != nil {
			t.Error(err)
		}
	}
	if n, err := conn.Write([]byte("lost")); n != 4 || err != nil {
		t.Error(n, err)
	}
	if _, err := ask(t, peer, 50*time.Millisecond); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("%v; want silence", err)
	}
	_ = peer.Close()
	for deadline := time.Now().Add(10 * time.Second); ; runtime.Gosched() {
		freezer.mu.Lock()
		n := len(freezer.conns)
		freezer.mu.Unlock()
		if n == 0 {
			return
		}
		if time.Now().After(deadline) {
			t.Fatal("a connection that its peer has closed is kept")
		}
	}
}

func TestServeWithCertificate(t *testing.T) {
	dir := t.TempDir()
	if _, err := New(Options{}).Serve(t.Context(), ServeOptions{TLS: true, CertFile: filepath.Join(dir, "none"), KeyFile: filepath.Join(dir, "none")}); err == nil {
		t.Error("served without the certificate's file")
	}
	certFile, keyFile := writeCertificate(t, dir)
	ctx, stop := context.WithCancel(t.Context())
	v, err := New(Options{}).Serve(ctx, ServeOptions{TLS: true, CertFile: certFile, KeyFile: keyFile})
	if err != nil {
		t.Fatal(err)
	}
	if v.CA != nil {
		t.Error("a CA of its own")
	}
	stop()
	if err := v.Wait(); err != nil {
		t.Error(err)
	}
}

func writeCertificate(t *testing.T, dir string) (certFile, keyFile string) {
	t.Helper()
	certificate, _, err := NewCertificate()
	if err != nil {
		t.Fatal(err)
	}
	key, err := x509.MarshalPKCS8PrivateKey(certificate.PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	certFile, keyFile = filepath.Join(dir, "tls.crt"), filepath.Join(dir, "tls.key")
	for file, block := range map[string][]byte{certFile: encodePEM("CERTIFICATE", certificate.Certificate[0]), keyFile: encodePEM("PRIVATE KEY", key)} {
		if err := os.WriteFile(file, block, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return certFile, keyFile
}
