package simulator

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
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

// TestServedFaults makes sure that Serve speaks a version of HTTP in which connections can be taken over.
func TestServedFaults(t *testing.T) {
	f := newFixture(t)
	v, err := f.Serve(t.Context(), ServeOptions{TLS: true})
	if err != nil {
		t.Fatal(err)
	}
	f.server = &httptest.Server{URL: v.URL}
	client := trusting(t, v.CA)
	f.AddFault(Fault{Kind: FaultReset, Times: 1})
	request := f.request(f.token(f.creds, nil), "GetAccountInfo", nil)
	if got, err := client.Do(request); err == nil {
		_ = got.Body.Close()
		t.Error("there was an answer")
	}
	got, err := client.Do(f.request(f.token(f.creds, nil), "GetAccountInfo", nil))
	if err != nil {
		t.Fatal(err)
	}
	_ = got.Body.Close()
	if got.ProtoMajor != 1 {
		t.Errorf("HTTP/%d", got.ProtoMajor)
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
