package cli

import (
	"context"
	"encoding/pem"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/spf13/pflag"
	"k8s.io/client-go/rest"
	"k8s.io/utils/clock"

	"cpaas.dev/child-account-operator/internal/account"
	"cpaas.dev/child-account-operator/internal/pacing"
	"cpaas.dev/child-account-operator/internal/provider"
	"cpaas.dev/child-account-operator/internal/simulator"
)

// The manager as the command line makes it pings its HTTP/2 connections to the provider, whomever they trust.
func TestManagerPingsByDefault(t *testing.T) {
	o := ManagerOptions{}
	o.BindFlags(pflag.NewFlagSet("manager", pflag.ContinueOnError))
	shared := o.transports()
	for _, bundle := range [][]byte{nil, newBundle(t)} {
		transport := mustTrust(t, shared, bundle)
		if p := transport.HTTP2; p == nil || p.SendPingTimeout != 15*time.Second || p.PingTimeout != 10*time.Second || !transport.ForceAttemptHTTP2 {
			t.Errorf("%+v; want pings after 15 s, to be answered within 10 s", p)
		}
	}
}

// secureSimulator is a simulator over TLS, and a parent's credentials.
func secureSimulator(t *testing.T) (server *simulator.Server, credentials []byte) {
	t.Helper()
	sim := simulator.New(simulator.Options{Key: simulator.SharedKey()})
	credentials = sim.Credentials(sim.AddParent(simulator.Parent{Name: "parent", Email: "owner@acme.example"}).ID)
	ctx, stop := context.WithCancel(context.Background())
	server, err := sim.Serve(ctx, simulator.ServeOptions{TLS: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { stop(); _ = server.Wait() })
	return server, credentials
}

// A connection to the provider whose peer stops answering costs the calls that are under way, and no others.
func TestHalfDeadProviderConnection(t *testing.T) {
	server, credentials := secureSimulator(t)
	o := ManagerOptions{HTTP2: &http.HTTP2Config{SendPingTimeout: 100 * time.Millisecond, PingTimeout: 2 * time.Second}}
	remote, err := connectVoximplant(o.transports(), clock.RealClock{}, false)(provider.Connection{
		Endpoint: server.URL, CABundle: server.CA, Credentials: credentials, Gate: pacing.NewGate(pacing.NewBudget(100, 10)),
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := remote.Self(context.Background()); err != nil {
		t.Fatal(err)
	}
	if n := server.Freeze(); n != 1 {
		t.Fatalf("%d connections; want the one of HTTP/2", n)
	}
	_, err = remote.Self(context.Background())
	if e := account.AsError(err); e == nil || e.Class != account.Unavailable || e.Message != "the server has stopped answering; its connection was closed" {
		t.Errorf("%v", err)
	}
	if _, err := remote.Self(context.Background()); err != nil {
		t.Errorf("the next call: %v", err)
	}
}

// discovery is as much of a Kubernetes API as a manager wants to see before it starts.
var discovery = map[string]string{
	"/api":    `{"kind": "APIVersions", "versions": ["v1"]}`,
	"/apis":   `{"kind": "APIGroupList", "groups": []}`,
	"/api/v1": `{"kind": "APIResourceList", "groupVersion": "v1", "resources": [{"name": "secrets", "kind": "Secret", "namespaced": true, "verbs": ["get"]}]}`,
}

// freezingKubernetes is an API with nothing but discovery, how to reach it, and what freezes its connections.
func freezingKubernetes(t *testing.T) (*rest.Config, *simulator.Freezer) {
	t.Helper()
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, discovery[r.URL.Path])
	}))
	freezer := simulator.NewFreezer(server.Listener)
	server.Listener, server.EnableHTTP2 = freezer, true
	server.StartTLS()
	t.Cleanup(server.Close)
	ca := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
	return &rest.Config{Host: server.URL, TLSClientConfig: rest.TLSClientConfig{CAData: ca}}, freezer
}

// The Kubernetes client has pings of its own, after 30 s, to be answered within 15 s, unless the environment says otherwise.
// That they are on in the client that the manager works with is client-go's doing, and must not change unnoticed.
func TestHalfDeadKubernetesConnection(t *testing.T) {
	t.Setenv("HTTP2_READ_IDLE_TIMEOUT_SECONDS", "1")
	t.Setenv("HTTP2_PING_TIMEOUT_SECONDS", "1")
	config, freezer := freezingKubernetes(t)
	op, err := newOperator(t.Context(), config, ManagerOptions{MetricsAddress: "0", ProbeAddress: "0"})
	if err != nil {
		t.Fatal(err)
	}
	client := op.mgr.GetHTTPClient()
	t.Cleanup(client.CloseIdleConnections)
	get := func() (proto string, err error) {
		ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
		defer cancel()
		r, err := http.NewRequestWithContext(ctx, http.MethodGet, config.Host+"/api", http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		response, err := client.Do(r)
		if err != nil {
			return "", err
		}
		_, err = io.Copy(io.Discard, response.Body)
		_ = response.Body.Close()
		return response.Proto, err
	}
	if proto, err := get(); err != nil || proto != "HTTP/2.0" {
		t.Fatal(proto, err)
	}
	if n := freezer.Freeze(); n != 1 {
		t.Fatalf("%d connections; want the one of HTTP/2", n)
	}
	if _, err := get(); err == nil {
		t.Fatal("an answer over a frozen connection")
	}
	if proto, err := get(); err != nil || proto != "HTTP/2.0" {
		t.Errorf("the next request: %s, %v", proto, err)
	}
}
