package voximplant

import (
	"context"
	"net/http"
	"strings"
	"testing"

	"cpaas.dev/child-account-operator/internal/account"
	"cpaas.dev/child-account-operator/internal/apihttp"
	"cpaas.dev/child-account-operator/internal/simulator"
	"cpaas.dev/child-account-operator/internal/trust"
)

// serveTLS serves the world's simulator over TLS, too, and returns the server and a transport that trusts it.
func (w *world) serveTLS(t *testing.T) (server *simulator.Server, trusting *http.Transport) {
	t.Helper()
	ctx, stop := context.WithCancel(context.Background())
	server, err := w.Serve(ctx, simulator.ServeOptions{TLS: true})
	if err != nil {
		t.Fatal(err)
	}
	roots, err := trust.Parse(server.CA)
	if err != nil {
		t.Fatal(err)
	}
	trusting = apihttp.NewTransport(roots)
	t.Cleanup(func() {
		trusting.CloseIdleConnections()
		stop()
		_ = server.Wait()
	})
	return server, trusting
}

// A call that meets a certificate that is not trusted says what to do, and its outcome is known: nothing was sent.
func TestCertificateNotTrusted(t *testing.T) {
	w := newWorld(t, simulator.Settings{})
	server, trusting := w.serveTLS(t)
	untrusting := w.remote(t, func(c *Config) { c.Endpoint = server.URL })
	read, write := both(untrusting)
	for _, err := range []error{read, write} {
		if e := wantError(t, err, account.Unavailable, false); !strings.Contains(e.Message, "caBundle") {
			t.Errorf("%v; want caBundle in it", e)
		}
	}
	if calls := w.Calls(); len(calls) > 0 {
		t.Errorf("calls %v; want none", calls)
	}
	if _, err := w.remote(t, func(c *Config) { c.Endpoint, c.Transport = server.URL, trusting }).Self(context.Background()); err != nil {
		t.Error(err)
	}
}
