package cli

import (
	"context"
	"fmt"
	"net/http"
	"runtime"
	"testing"
	"time"

	"cpaas.dev/child-account-operator/internal/simulator"
)

// inUse is how many transports are known.
func (t *transports) inUse() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return len(t.known)
}

func mustTrust(t *testing.T, shared *transports, bundle []byte) *http.Transport {
	t.Helper()
	transport, err := shared.trusting(bundle)
	if err != nil {
		t.Fatal(err)
	}
	return transport
}

func newBundle(t *testing.T) []byte {
	t.Helper()
	_, bundle, err := simulator.NewCertificate()
	if err != nil {
		t.Fatal(err)
	}
	return bundle
}

func TestTransportsAreShared(t *testing.T) {
	shared := &transports{}
	a, b := newBundle(t), newBundle(t)
	system, first, second := mustTrust(t, shared, nil), mustTrust(t, shared, a), mustTrust(t, shared, b)
	if first == second || first == system {
		t.Error("one transport for different bundles")
	}
	if mustTrust(t, shared, []byte(string(a))) != first || mustTrust(t, shared, []byte{}) != system {
		t.Error("two transports for one bundle")
	}
	if first.TLSClientConfig.RootCAs == nil || system.TLSClientConfig.RootCAs != nil {
		t.Error("the bundle is not what is trusted")
	}
	if _, err := shared.trusting([]byte("hunter2")); err == nil || shared.inUse() != 3 {
		t.Errorf("%v, %d known; want a refusal and 3", err, shared.inUse())
	}
	runtime.KeepAlive(system)
	runtime.KeepAlive(second)
}

// However often bundles change, only those in use are kept; a connection that is idle does not keep its transport for ever.
func TestTransportsDontLeak(t *testing.T) {
	ctx, stop := context.WithCancel(context.Background())
	server, err := simulator.New(simulator.Options{}).Serve(ctx, simulator.ServeOptions{TLS: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { stop(); _ = server.Wait() })
	shared := &transports{}
	kept := mustTrust(t, shared, server.CA)
	for i := range 20 {
		transport := mustTrust(t, shared, fmt.Appendf(nil, "# %d\n%s", i, server.CA))
		transport.IdleConnTimeout = time.Millisecond
		transport.HTTP2.SendPingTimeout = time.Millisecond // net/http holds on to a closed connection until its next ping would be due
		response, err := (&http.Client{Transport: transport}).Get(server.URL + "/_simulator/healthz")
		if err != nil {
			t.Fatal(err)
		}
		_ = response.Body.Close()
	}
	for deadline := time.Now().Add(10 * time.Second); shared.inUse() > 1; runtime.Gosched() {
		if runtime.GC(); time.Now().After(deadline) {
			t.Fatalf("%d transports are known; want the one in use", shared.inUse())
		}
	}
	if mustTrust(t, shared, server.CA) != kept {
		t.Error("one that is in use was forgotten")
	}
}
