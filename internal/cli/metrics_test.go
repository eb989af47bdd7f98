package cli

import (
	"crypto/tls"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	certutil "k8s.io/client-go/util/cert"
)

func TestMetricsAreOffUnlessAskedFor(t *testing.T) {
	m, err := metricsOptions(parsed(t))
	if err != nil || m.BindAddress != "0" {
		t.Errorf("served at %q, %v", m.BindAddress, err)
	}
}

func TestMetricsAreForThoseWhoMay(t *testing.T) {
	m, err := metricsOptions(parsed(t, "--metrics-bind-address=:8443"))
	if err != nil || !m.SecureServing || m.FilterProvider == nil || m.BindAddress != ":8443" {
		t.Errorf("by default: %+v, %v", m, err)
	}
	c := &tls.Config{NextProtos: []string{"h2"}}
	for _, change := range m.TLSOpts {
		change(c)
	}
	if !slices.Equal(c.NextProtos, []string{"http/1.1"}) {
		t.Errorf("speaks %v", c.NextProtos)
	}
	m, err = metricsOptions(parsed(t, "--metrics-bind-address=:8080", "--metrics-secure=false"))
	if err != nil || m.SecureServing || m.FilterProvider != nil {
		t.Errorf("in the plain: %+v, %v", m, err)
	}
}

// A certificate that is asked for is used, or the operator doesn't start: never another one in its place.
func TestMetricsCertificate(t *testing.T) {
	dir := t.TempDir()
	line := []string{"--metrics-bind-address=:8443", "--metrics-cert-path=" + dir, "--metrics-cert-key=key.pem"}
	if _, err := metricsOptions(parsed(t, line...)); err == nil || !strings.Contains(err.Error(), "--metrics-cert-path "+dir) {
		t.Errorf("an empty directory: %v", err)
	}
	cert, key, err := certutil.GenerateSelfSignedCertKey("localhost", nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	for name, content := range map[string][]byte{"tls.crt": cert, "key.pem": key} {
		if err := os.WriteFile(filepath.Join(dir, name), content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	m, err := metricsOptions(parsed(t, line...))
	if err != nil || m.CertDir != dir || m.CertName != "tls.crt" || m.KeyName != "key.pem" {
		t.Errorf("%+v, %v", m, err)
	}
}
