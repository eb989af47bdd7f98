package cli

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"

	"cpaas.dev/child-account-operator/internal/apihttp"
	"cpaas.dev/child-account-operator/internal/provider"
	"cpaas.dev/child-account-operator/internal/voximplant"
)

// simulation is a running simulate command.
type simulation struct {
	url, line, credentials string
	stop                   context.CancelFunc
	// ended gets the exit status.
	ended  chan int
	stderr *text
}

// text is what a command writes, from wherever.
type text struct {
	mu sync.Mutex
	b  strings.Builder
}

func (w *text) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.b.Write(p)
}

func (w *text) String() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.b.String()
}

var greeting = regexp.MustCompile(`^simulator: (https?://127\.0\.0\.1:[1-9]\d*), parent account (\S+) \(id \d+\), its credentials in (\S+)$`)

// startSimulation runs simulate at any free port and waits until it serves.
func startSimulation(t *testing.T, dir string, args ...string) *simulation {
	t.Helper()
	ctx, stop := context.WithCancel(context.Background())
	s := &simulation{stop: stop, ended: make(chan int, 1), stderr: &text{}, credentials: filepath.Join(dir, "credentials.json")}
	out, in := io.Pipe()
	go func() {
		status := Run(ctx, append([]string{"simulate", "--listen=127.0.0.1:0", "--credentials-file=" + s.credentials}, args...), in, s.stderr)
		_ = in.Close()
		s.ended <- status
	}()
	t.Cleanup(func() { stop(); _, _ = io.Copy(io.Discard, out) }) // until it has ended
	lines := bufio.NewScanner(out)
	if !lines.Scan() {
		t.Fatalf("says nothing; stderr %q", s.stderr)
	}
	s.line = lines.Text()
	found := greeting.FindStringSubmatch(s.line)
	if found == nil || found[3] != s.credentials {
		t.Fatalf("says %q", s.line)
	}
	s.url = found[1]
	return s
}

// end stops it and checks that it ends well.
func (s *simulation) end(t *testing.T) {
	t.Helper()
	s.stop()
	if status := <-s.ended; status != 0 {
		t.Errorf("ended with status %d: %s", status, s.stderr)
	}
}

// remote is a connection with the credentials that it wrote.
func (s *simulation) remote(t *testing.T, transport http.RoundTripper) *voximplant.Remote {
	t.Helper()
	document, err := os.ReadFile(s.credentials)
	if err != nil {
		t.Fatal(err)
	}
	credentials, err := voximplant.ParseCredentials(document)
	if err != nil {
		t.Fatal(err)
	}
	remote, err := voximplant.New(voximplant.Config{Endpoint: s.url, Credentials: credentials, Transport: transport})
	if err != nil {
		t.Fatal(err)
	}
	return remote
}

func newTransport(t *testing.T) *http.Transport {
	transport := apihttp.NewTransport(nil)
	t.Cleanup(transport.CloseIdleConnections)
	return transport
}

func TestSimulate(t *testing.T) {
	s := startSimulation(t, t.TempDir(), "--parent=acme-parent", "--parent-email=owner@acme.example")
	info, err := os.Stat(s.credentials)
	if err != nil {
		t.Fatal(err)
	}
	if mode := info.Mode(); mode != fs.FileMode(0o600) {
		t.Errorf("the credentials can be read by others: %v", mode)
	}
	transport := newTransport(t)
	self, err := s.remote(t, transport).Self(context.Background())
	if err != nil || self.Name != "acme-parent" || self.State["email"] != "owner@acme.example" {
		t.Errorf("answers as %+v, %v", self, err)
	}
	response, err := http.Get(s.url + "/_simulator/counts")
	if err != nil {
		t.Fatal(err)
	}
	_ = response.Body.Close()
	if response.StatusCode != http.StatusOK {
		t.Errorf("the control API answers %s", response.Status)
	}
	document, _ := os.ReadFile(s.credentials)
	for line := range strings.SplitSeq(string(document), `\n`) {
		if len(line) > 40 && strings.Contains(s.line+s.stderr.String(), line) {
			t.Error("the private key is printed")
		}
	}
	http.DefaultClient.CloseIdleConnections()
	transport.CloseIdleConnections()
	s.end(t)
	if _, err := s.remote(t, newTransport(t)).Self(context.Background()); err == nil {
		t.Error("answers after its end")
	}
}

// What it holds outlives it in the state file, over HTTPS with a CA of its own.
func TestSimulateWithTLSAndState(t *testing.T) {
	dir := t.TempDir()
	args := []string{"--tls", "--ca-file=" + filepath.Join(dir, "ca.pem"), "--state-file=" + filepath.Join(dir, "state.json")}
	id := ""
	for range 2 {
		s := startSimulation(t, dir, args...)
		ca, err := os.ReadFile(filepath.Join(dir, "ca.pem"))
		if err != nil {
			t.Fatal(err)
		}
		roots := x509.NewCertPool()
		if !strings.HasPrefix(s.url, "https://") || !roots.AppendCertsFromPEM(ca) {
			t.Fatalf("serves %s with the CA %q", s.url, ca)
		}
		transport := newTransport(t)
		transport.TLSClientConfig = &tls.Config{RootCAs: roots}
		remote := s.remote(t, transport)
		if id == "" {
			created, err := remote.Create(context.Background(), provider.NewAccount{Name: "acme-child", Password: "Canary-Pa55word!", Desired: map[string]string{"email": "c@acme.example"}})
			if err != nil {
				t.Fatal(err)
			}
			id = created.Account.ID
		}
		found, err := remote.Get(context.Background(), provider.Selector{Names: []string{"acme-child"}})
		if err != nil || len(found) != 1 || found[0].ID != id {
			t.Errorf("found %+v, %v; want account %s", found, err, id)
		}
		transport.CloseIdleConnections()
		s.end(t)
	}
}

func TestSimulateThatCannotStart(t *testing.T) {
	dir := t.TempDir()
	busy := startSimulation(t, dir)
	credentials := "--credentials-file=" + filepath.Join(dir, "other.json")
	broken := filepath.Join(dir, "broken.json")
	if err := os.WriteFile(broken, []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, args := range map[string][]string{
		"a port that is taken":           {credentials, "--listen=" + strings.TrimPrefix(busy.url, "http://")},
		"no address":                     {credentials, "--listen=nonsense"},
		"no place for the credentials":   {"--listen=127.0.0.1:0", "--credentials-file=" + filepath.Join(dir, "no", "such", "folder")},
		"a certificate that isn't there": {credentials, "--listen=127.0.0.1:0", "--tls", "--tls-cert-file=" + filepath.Join(dir, "no.pem"), "--tls-key-file=" + filepath.Join(dir, "no.pem")},
		"a state file that isn't one":    {credentials, "--listen=127.0.0.1:0", "--state-file=" + broken},
	} {
		t.Run(name, func(t *testing.T) {
			status, stdout, stderr := run(t, append([]string{"simulate"}, args...)...)
			if status != 1 || stdout != "" || !strings.Contains(stderr, "Error: ") || strings.Contains(stderr, "PRIVATE KEY") {
				t.Errorf("status %d, stdout %q, stderr %q", status, stdout, stderr)
			}
		})
	}
	busy.end(t)
}

func TestSimulateOverAReadableFile(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "credentials.json"), []byte("{}"), 0o644); err != nil {
		t.Fatal(err)
	}
	s := startSimulation(t, dir)
	info, err := os.Stat(s.credentials)
	if err != nil {
		t.Fatal(err)
	}
	if info.Mode() != 0o600 {
		t.Errorf("readable by others: %v", info.Mode())
	}
	s.end(t)
}
