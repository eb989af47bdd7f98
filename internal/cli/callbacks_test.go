package cli

import (
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"k8s.io/client-go/rest"
	certutil "k8s.io/client-go/util/cert"
)

func TestCallbackOptions(t *testing.T) {
	for line, says := range map[string]string{
		"":                         "",
		"--callback-address=:8444": "",
		"--callback-address=0":     "",
		"--callback-address=:8444 --callback-tls-cert-file=c --callback-tls-key-file=k": "",
		"--callback-address=:8444 --callback-tls-cert-file=c":                           "belong together",
		"--callback-address=:8444 --callback-tls-key-file=k":                            "belong together",
		"--callback-tls-cert-file=c --callback-tls-key-file=k":                          "needs --callback-address",
		"--callback-address=0 --callback-tls-cert-file=c --callback-tls-key-file=k":     "needs --callback-address",
	} {
		_, err := parsed(t, strings.Fields(line)...).checked()
		if (err == nil) != (says == "") || err != nil && !strings.Contains(err.Error(), says) {
			t.Errorf("%q: %v, want %q", line, err, says)
		}
	}
}

// A certificate and an address that can't be used end the start, whatever else there is.
func TestCallbacksThatCanNotBeReceived(t *testing.T) {
	dir := t.TempDir()
	cert, key, err := certutil.GenerateSelfSignedCertKey("localhost", nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	for name, content := range map[string][]byte{"tls.crt": cert, "tls.key": key} {
		if err := os.WriteFile(filepath.Join(dir, name), content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = taken.Close() })
	pair := func(cert, key string) []string {
		return []string{"--callback-address=127.0.0.1:0", "--callback-tls-cert-file=" + filepath.Join(dir, cert), "--callback-tls-key-file=" + filepath.Join(dir, key)}
	}
	for says, line := range map[string][]string{
		"--callback-tls-cert-file " + filepath.Join(dir, "missing"): pair("missing", "tls.key"),
		"--callback-tls-cert-file " + filepath.Join(dir, "tls.key"): pair("tls.key", "tls.crt"),
		"--callback-address: ": {"--callback-address=" + taken.Addr().String()},
		"--callback-address":   {"--callback-address=nowhere"},
	} {
		o := parsed(t, append(line, "--health-probe-bind-address=0")...)
		o.SkipNameValidation = true
		err := RunManager(t.Context(), &rest.Config{Host: "http://127.0.0.1:1"}, o)
		if err == nil || !strings.Contains(err.Error(), says) || strings.Contains(err.Error(), "PRIVATE KEY") {
			t.Errorf("%v: %v, want %q", line, err, says)
		}
	}
}
