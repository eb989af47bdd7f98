package voximplant

import (
	"context"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"

	"cpaas.dev/child-account-operator/internal/provider"
	"cpaas.dev/child-account-operator/internal/simulator"
)

func TestFollowedBase(t *testing.T) {
	const api = "https://api.voximplant.com"
	for _, test := range []struct{ endpoint, preferred, base, problem string }{
		{api, "", "", ""},
		{api, "api.voximplant.com", "", ""},
		{api, " API.Voximplant.com/ ", "", ""},
		{api, "api-2.voximplant.com", "https://api-2.voximplant.com/platform_api/", ""},
		{api, "https://a.b.voximplant.com/", "https://a.b.voximplant.com/platform_api/", ""},
		{api, "voximplant.com", "https://voximplant.com/platform_api/", ""},
		{api, "api.voximplant.com:443", "", ""},
		{api, "api-2.voximplant.com:443", "https://api-2.voximplant.com:443/platform_api/", ""},
		{"http://api.voximplant.co.uk:8080", "b.voximplant.co.uk:8080", "http://b.voximplant.co.uk:8080/platform_api/", ""},

		{api, "http://api-2.voximplant.com", "", "another scheme or port"},
		{api, "api-2.voximplant.com:8443", "", "another scheme or port"},
		{api, "api.voximplant.com.evil.example", "", "not a host of the endpoint's domain voximplant.com"},
		{api, "evilvoximplant.com", "", "not a host of the endpoint's domain"},
		{api, "evil.example", "", "not a host of the endpoint's domain"},
		{api, "com", "", "not a host of the endpoint's domain"},
		{api, "192.0.2.1", "", "not a host of the endpoint's domain"},
		{api, "evil.example#.voximplant.com", "", "not a host"},
		{api, "evil.example?.voximplant.com", "", "not a host"},
		{api, "evil.example/.voximplant.com", "", "not a host"},
		{api, "user@api-2.voximplant.com", "", "not a host"},
		{api, "evil.example\\.voximplant.com", "", "not a host"},
		{api, "evil_host.voximplant.com", "", "not a host of the endpoint's domain"},
		{api, "ünicode.voximplant.com", "", "not a host of the endpoint's domain"},
		{"https://acme.github.io", "other.github.io", "", "not a host of the endpoint's domain acme.github.io"},
		{"https://api.co.uk", "evil.co.uk", "", "not a host of the endpoint's domain api.co.uk"},
		{"https://co.uk", "evil.co.uk", "", "not below a public suffix"},
		{"http://127.0.0.1:8090", "127.0.0.1:8090", "", ""},
		{"http://127.0.0.1:8090", "127.0.0.2:8090", "", "IP address"},
		{"http://[::1]:8090", "[::2]:8090", "", "IP address"},
		{"http://simulator:8090", "other:8090", "", "not below a public suffix"},
		{"http://simulator.telephony.svc.cluster.local", "evil.tenant.svc.cluster.local", "", "not below a public suffix"},
	} {
		base, err := followedBase(test.endpoint, test.preferred)
		if base != test.base || (err == nil) != (test.problem == "") || err != nil && !strings.Contains(err.Error(), test.problem) {
			t.Errorf("%s from %s: %q, %v; want %q, %s", test.preferred, test.endpoint, base, err, test.base, test.problem)
		}
	}
}

// twoHosts is a world whose endpoint is http://api.voximplant.com; hosts are those that calls went to. Hosts in down don't answer.
type twoHosts struct {
	*world
	mu    sync.Mutex
	hosts []string
	down  map[string]bool
}

func newTwoHosts(t *testing.T, prefers string, change ...func(*Config)) *twoHosts {
	t.Helper()
	w := &twoHosts{world: newWorld(t, simulator.Settings{APIAddress: prefers}), down: map[string]bool{}}
	handler := w.Handler()
	server := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		w.mu.Lock()
		w.hosts = append(w.hosts, r.Host)
		w.mu.Unlock()
		handler.ServeHTTP(rw, r)
	}))
	t.Cleanup(server.Close)
	transport := newTestTransport(t)
	transport.DisableKeepAlives = true
	transport.Proxy = nil
	transport.DialContext = func(ctx context.Context, network, address string) (net.Conn, error) {
		w.mu.Lock()
		down := w.down[address]
		w.mu.Unlock()
		if down {
			return nil, net.ErrClosed
		}
		return new(net.Dialer).DialContext(ctx, network, server.Listener.Addr().String())
	}
	w.Remote = w.remote(t, append(change, func(c *Config) { c.Endpoint, c.Transport = "http://api.voximplant.com", transport })...)
	return w
}

func following(c *Config) { c.FollowAddress = true }

// asked makes a list after Self, and returns the hosts that were called.
func (w *twoHosts) asked(t *testing.T) []string {
	t.Helper()
	if _, err := w.Self(context.Background()); err != nil {
		t.Fatal(err)
	}
	if _, _, err := list(w.Remote, provider.Known{}); err != nil {
		t.Fatal(err)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.hosts)
}

func TestFollowAddress(t *testing.T) {
	const first, second = "api.voximplant.com", "api-2.voximplant.com"
	t.Run("not unless asked", func(t *testing.T) {
		if got := newTwoHosts(t, second).asked(t); !slices.Equal(got, []string{first, first}) {
			t.Error(got)
		}
	})
	t.Run("followed once it leads to the same account", func(t *testing.T) {
		w := newTwoHosts(t, second, following)
		if got := w.asked(t); !slices.Equal(got, []string{first, second, second}) {
			t.Error(got)
		}
		if host, refused := w.Following(); host != second || refused != nil {
			t.Errorf("%s, %v", host, refused)
		}
	})
	t.Run("another domain gets nothing", func(t *testing.T) {
		w := newTwoHosts(t, "api.evil.example", following)
		if got := w.asked(t); !slices.Equal(got, []string{first, first}) {
			t.Error(got)
		}
		if host, refused := w.Following(); host != "" || refused == nil {
			t.Errorf("%s, %v", host, refused)
		}
	})
	t.Run("an address that does not answer", func(t *testing.T) {
		w := newTwoHosts(t, second, following)
		w.down[second+":80"] = true
		if got := w.asked(t); !slices.Equal(got, []string{first, first}) {
			t.Error(got)
		}
		if host, refused := w.Following(); host != "" || refused == nil {
			t.Errorf("%s, %v", host, refused)
		}
	})
	t.Run("an address that stops answering", func(t *testing.T) {
		w := newTwoHosts(t, second, following)
		w.asked(t)
		w.mu.Lock()
		w.down[second+":80"], w.hosts = true, nil
		w.mu.Unlock()
		for range unansweredUntilBack {
			if _, _, err := list(w.Remote, provider.Known{}); err == nil {
				t.Fatal("an answer of an address that is down")
			}
		}
		if _, _, err := list(w.Remote, provider.Known{}); err != nil || !slices.Equal(w.hosts, []string{first}) {
			t.Errorf("%v, %v", w.hosts, err)
		}
	})
}

// An address that leads to another account is not followed.
func TestFollowAnotherAccount(t *testing.T) {
	w := newTwoHosts(t, "api-2.voximplant.com", following)
	own, err := w.client.GetAccountInfo(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	own.Account.ID = "4711"
	w.client.follow(context.Background(), own)
	if host, refused := w.Following(); host != "" || refused == nil {
		t.Errorf("%s, %v", host, refused)
	}
}
