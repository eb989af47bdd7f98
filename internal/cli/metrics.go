package cli

import (
	"crypto/tls"
	"fmt"
	"path/filepath"

	"sigs.k8s.io/controller-runtime/pkg/metrics/filters"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"
)

// metricsOptions serve metrics over HTTPS to clients that the Kubernetes API allows to get /metrics, or over plain HTTP to everybody.
func metricsOptions(o ManagerOptions) (metricsserver.Options, error) {
	m := metricsserver.Options{BindAddress: o.MetricsAddress}
	if !o.MetricsSecure {
		return m, nil
	}
	m.SecureServing = true
	m.FilterProvider = filters.WithAuthenticationAndAuthorization
	m.TLSOpts = []func(*tls.Config){func(c *tls.Config) {
		c.NextProtos = []string{"http/1.1"} // a scraper needs no HTTP/2, and floods of its resets are none of our worries then
	}}
	if o.MetricsCertPath == "" {
		return m, nil
	}
	m.CertDir, m.CertName, m.KeyName = o.MetricsCertPath, o.MetricsCertName, o.MetricsCertKey
	// The server would take a self-signed one where there is none.
	if _, err := tls.LoadX509KeyPair(filepath.Join(m.CertDir, m.CertName), filepath.Join(m.CertDir, m.KeyName)); err != nil {
		return m, fmt.Errorf("--metrics-cert-path %s: %w", o.MetricsCertPath, err)
	}
	return m, nil
}
