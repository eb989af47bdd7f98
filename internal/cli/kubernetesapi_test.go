package cli

import (
	"context"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"syscall"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"cpaas.dev/child-account-operator/internal/namespacecache"
	"cpaas.dev/child-account-operator/internal/testenv/freeport"
)

// proxyPassword must show nowhere.
const proxyPassword = "canary-proxy-password"

// kubernetesReader reads the Kubernetes API of a configuration as the operator does.
func kubernetesReader(t *testing.T, config *rest.Config) client.Reader {
	t.Helper()
	config.Wrap(explaining(config))
	reader, err := client.New(config, client.Options{Scheme: Scheme(), Mapper: restMapper()})
	if err != nil {
		t.Fatal(err)
	}
	return reader
}

func throughProxy(address string) func(*http.Request) (*url.URL, error) {
	return http.ProxyURL(&url.URL{Scheme: "http", Host: address, User: url.UserPassword("user", proxyPassword)})
}

// Whatever keeps a request from reaching the Kubernetes API is named along with what to do, and the installation's id is none of it.
func TestKubernetesAPIThatIsNotReached(t *testing.T) {
	t.Parallel()
	const service = "https://10.96.0.1:443"
	refusing := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusForbidden) }))
	t.Cleanup(refusing.Close)
	proxy := refusing.Listener.Addr().String()
	address := freeport.Reserve(t)
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = silent.Close() })
	noProxy := func(*http.Request) (*url.URL, error) { return nil, nil }
	secure := httptest.NewUnstartedServer(nil)
	secure.Config.ErrorLog = log.New(io.Discard, "", 0)
	secure.StartTLS()
	t.Cleanup(secure.Close)
	for name, test := range map[string]struct {
		config  rest.Config
		reason  string
		is      error
		says    []string
		saysNot string
	}{
		"the proxy refuses": {
			rest.Config{Host: service, Proxy: throughProxy(proxy)}, "Unreachable", nil,
			[]string{"the Kubernetes API at 10.96.0.1:443 can't be reached: the proxy " + proxy + " did not connect to 10.96.0.1:443: HTTP 403 Forbidden", "add 10.96.0.1, or the cluster's service CIDR, to NO_PROXY"}, "",
		},
		"the proxy is gone": {
			rest.Config{Host: service, Proxy: throughProxy(address)}, "Unreachable", syscall.ECONNREFUSED,
			[]string{"connecting to the proxy " + address + " failed: connection refused", "NO_PROXY"}, "",
		},
		"the proxy says nothing": {
			rest.Config{Host: service, Proxy: throughProxy(silent.Addr().String())}, "Timeout", context.DeadlineExceeded,
			[]string{"did not connect to 10.96.0.1:443: no answer in time", "NO_PROXY"}, "",
		},
		"the proxy's address is none": {
			rest.Config{Host: service, Proxy: func(*http.Request) (*url.URL, error) {
				return nil, errors.New("invalid proxy address \"http://user:" + proxyPassword + "@ proxy\"")
			}}, "Unreachable", nil,
			[]string{"the proxy's address in the environment is no URL", "correct HTTPS_PROXY"}, "NO_PROXY",
		},
		"the name is unknown": {
			rest.Config{Host: "https://kubernetes.canary.test", Proxy: noProxy, Dial: func(context.Context, string, string) (net.Conn, error) {
				return nil, &net.OpError{Op: "dial", Err: &net.DNSError{Name: "kubernetes.canary.test", IsNotFound: true}}
			}}, "Unreachable", nil,
			[]string{"name resolution of kubernetes.canary.test failed: there is no such host", "DNS"}, "NO_PROXY",
		},
		"nobody listens": {
			rest.Config{Host: "https://" + address, Proxy: noProxy}, "Unreachable", syscall.ECONNREFUSED,
			[]string{"connecting to " + address + " failed: connection refused", "network policies"}, "NO_PROXY",
		},
		"the TLS handshake is not answered": {
			rest.Config{Host: "https://" + silent.Addr().String(), Proxy: noProxy}, "Timeout", context.DeadlineExceeded,
			[]string{"the TLS handshake with " + silent.Addr().String() + " failed: no answer in time"}, "NO_PROXY",
		},
		"the certificate is not trusted": {
			rest.Config{Host: secure.URL, Proxy: noProxy}, "Unreachable", nil,
			[]string{"the TLS handshake with " + secure.Listener.Addr().String() + " failed: x509: certificate signed by unknown authority"}, "NO_PROXY",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second) // the other steps take less, on a busy machine too
			defer cancel()
			if test.reason != "Timeout" {
				ctx = t.Context()
			}
			_, err := clusterID(ctx, kubernetesReader(t, &test.config))
			if err == nil {
				t.Fatal("no error")
			}
			for _, says := range test.says {
				if !strings.Contains(err.Error(), says) {
					t.Errorf("%v; want %q in it", err, says)
				}
			}
			for cause := err; cause != nil; cause = errors.Unwrap(cause) {
				if strings.Contains(cause.Error(), proxyPassword) {
					t.Errorf("%v shows the proxy's password", cause)
				}
			}
			for _, not := range []string{"--installation-id", test.saysNot} {
				if not != "" && strings.Contains(err.Error(), not) {
					t.Errorf("%v; want nothing of %q", err, not)
				}
			}
			if got := namespacecache.ReasonOf(err); got != test.reason {
				t.Errorf("reason %s; want %s", got, test.reason)
			}
			if test.is != nil && !errors.Is(err, test.is) {
				t.Errorf("%v; want %v in its chain", err, test.is)
			}
		})
	}
}

// An answer of the Kubernetes API passes as it is, and there the installation's id can be given.
func TestKubernetesAPIThatRefuses(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusForbidden)
		_, _ = io.WriteString(w, `{"kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": "Forbidden", "code": 403, "message": "namespaces is forbidden"}`)
	}))
	t.Cleanup(server.Close)
	_, err := clusterID(t.Context(), kubernetesReader(t, &rest.Config{Host: server.URL}))
	if namespacecache.ReasonOf(err) != string(metav1.StatusReasonForbidden) || !strings.Contains(err.Error(), "--installation-id") {
		t.Errorf("%v", err)
	}
}

// What fails once there is a connection is as client-go has it: it tells by the text what may be repeated.
func TestKubernetesAPIThatClosesTheConnection(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }))
	t.Cleanup(server.Close)
	wrapped := explaining(&rest.Config{})(http.DefaultTransport)
	r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, server.URL, nil)
	r.RequestURI = ""
	response, err := wrapped.RoundTrip(r)
	if err == nil {
		_ = response.Body.Close()
	}
	if !errors.Is(err, io.EOF) || errors.As(err, new(*unreached)) {
		t.Errorf("%v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := wrapped.RoundTrip(r.WithContext(ctx)); !errors.Is(err, context.Canceled) || errors.As(err, new(*unreached)) { //nolint:bodyclose // there is none
		t.Errorf("given up: %v", err)
	}
}
