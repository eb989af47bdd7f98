package cli

import (
	"crypto/x509"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"golang.org/x/crypto/x509roots/fallback/bundle"
	certutil "k8s.io/client-go/util/cert"
)

// Where the system has no certificate authorities, as in the image, those in the binary are trusted; where it has some, they
// alone are. What the system has is read once a process, so each case is one.
func TestCertificateAuthorities(t *testing.T) {
	if want := os.Getenv("TEST_ROOTS"); want != "" {
		if got := trusted(t); got != want {
			t.Errorf("known authorities are %s, want %s", got, want)
		}
		return
	}
	dir := t.TempDir()
	own := filepath.Join(dir, "own.pem")
	if err := os.WriteFile(own, selfSigned(t), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, env := range map[string][]string{
		"none here": {"SSL_CERT_FILE=" + filepath.Join(dir, "none"), "SSL_CERT_DIR=" + filepath.Join(dir, "none"), "TEST_ROOTS=trusted"},
		"one's own": {"SSL_CERT_FILE=" + own, "SSL_CERT_DIR=" + filepath.Join(dir, "none"), "TEST_ROOTS=unknown"},
	} {
		t.Run(name, func(t *testing.T) {
			again := exec.Command(os.Args[0], "-test.run=^TestCertificateAuthorities$")
			again.Env = append(os.Environ(), env...)
			if out, err := again.CombinedOutput(); err != nil {
				t.Errorf("%v\n%s", err, out)
			}
		})
	}
}

// trusted says whether one of Mozilla's authorities is.
func trusted(t *testing.T) string {
	t.Helper()
	for root := range bundle.Roots() {
		cert, err := x509.ParseCertificate(root.Certificate)
		if err != nil {
			t.Fatal(err)
		}
		options := x509.VerifyOptions{CurrentTime: cert.NotBefore, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageAny}}
		if _, err := cert.Verify(options); err == nil {
			return "trusted"
		}
	}
	return "unknown"
}

func selfSigned(t *testing.T) []byte {
	t.Helper()
	cert, _, err := certutil.GenerateSelfSignedCertKey("localhost", nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	return cert
}
