package cli

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/cache"

	"k8s.io/client-go/rest"

	"cpaas.dev/child-account-operator/internal/namespacecache"
)

// One namespace that can't be read does not keep a replica out of service for ever, and is named for as long as it lasts.
func TestCacheChecks(t *testing.T) {
	const early, late = readyPatience - time.Second, readyPatience
	synced := func(ns string) namespacecache.Status {
		return namespacecache.Status{Namespace: ns, Synced: true, Ever: true}
	}
	refused := func(ns string) namespacecache.Status {
		return namespacecache.Status{Namespace: ns, Kinds: []string{"childaccounts", "input secrets"}, Reason: "Forbidden", Since: time.Unix(0, 0)}
	}
	lost := func(ns string) namespacecache.Status {
		s := refused(ns)
		s.Ever = true
		return s
	}
	all := func(s ...namespacecache.Status) []namespacecache.Status { return s }
	for name, test := range map[string]struct {
		statuses []namespacecache.Status
		running  time.Duration
		ready    bool
		marks    string
	}{
		"the cluster is read":                       {all(synced("")), early, true, "[+]cache"},
		"the cluster is refused":                    {all(refused("")), late, false, "[-]cache"},
		"the cluster is lost":                       {all(lost("")), late, false, "[-]cache"},
		"both are read":                             {all(synced("a"), synced("b")), early, true, "[+]cache/a [+]cache/b"},
		"one is refused, at first":                  {all(synced("a"), refused("b")), early, false, "[+]cache/a [-]cache/b"},
		"one is refused, for long":                  {all(synced("a"), refused("b")), late, true, "[+]cache/a [!]cache/b"},
		"one is lost":                               {all(lost("a"), synced("b")), early, true, "[!]cache/a [+]cache/b"},
		"one is lost, one was never read, at first": {all(synced("a"), lost("b"), refused("c")), early, false, "[+]cache/a [!]cache/b [-]cache/c"},
		"both are refused":                          {all(refused("a"), refused("b")), late, false, "[-]cache/a [-]cache/b"},
		"both are lost":                             {all(lost("a"), lost("b")), late, false, "[-]cache/a [-]cache/b"},
		"one is lost, and the other was never read": {all(lost("a"), refused("b")), late, false, "[-]cache/a [-]cache/b"},
	} {
		t.Run(name, func(t *testing.T) {
			ready, checks := cacheChecks(test.statuses, test.running)
			var marks []string
			for _, c := range checks {
				marks = append(marks, string(c.mark)+c.name)
				if (c.mark == passed) != (c.why == "") || c.mark != passed && c.why != "childaccounts, input secrets Forbidden since 1970-01-01T00:00:00Z" {
					t.Errorf("%s: %q", c.name, c.why)
				}
			}
			if ready != test.ready || strings.Join(marks, " ") != test.marks {
				t.Errorf("ready %v, %v; want %v, %s", ready, marks, test.ready, test.marks)
			}
		})
	}
}

// newTestOperator is an operator that was not started.
func newTestOperator(t *testing.T, o ManagerOptions) *operator {
	t.Helper()
	op := &operator{options: o, began: time.Now()}
	var err error
	op.cache, err = namespacecache.New(&rest.Config{}, cache.Options{HTTPClient: http.DefaultClient, Scheme: Scheme(), Mapper: restMapper()}, cacheOptions(t.Context(), o))
	if err != nil {
		t.Fatal(err)
	}
	return op
}

func ask(op *operator, path string) (int, string) {
	w := httptest.NewRecorder()
	op.probes().ServeHTTP(w, httptest.NewRequest(http.MethodGet, path, nil))
	return w.Code, w.Body.String()
}

func TestProbes(t *testing.T) {
	op := newTestOperator(t, ManagerOptions{Namespaces: []string{"a", "b"}, LeaderElect: true})
	op.installation.add(errors.New("no route to host"))
	for path, code := range map[string]int{
		"/healthz": 200, "/healthz/ping": 200, "/readyz": 500, "/readyz/cache/a": 500, "/readyz/installation-id": 500,
		"/readyz/leader-election": 200, "/readyz/cache/c": 404, "/": 404,
	} {
		if got, body := ask(op, path); got != code {
			t.Errorf("%s: %d %s, want %d", path, got, body, code)
		}
	}
	_, body := ask(op, "/readyz")
	for _, has := range []string{
		"[-]installation-id failed: namespace kube-system Unreachable since ", "[+]leader-election ok\n",
		"[-]cache/a failed: parentaccounts, childaccounts, input secrets, connection secrets Reading", "[-]cache/b failed: ", "readyz check failed\n",
	} {
		if !strings.Contains(body, has) {
			t.Errorf("readyz %s has no %q", body, has)
		}
	}
	op.installation.end()
	if _, body := ask(op, "/readyz"); strings.Contains(body, "installation-id") {
		t.Errorf("readyz %s", body)
	}
}

// Who can't read the lease can't lead, and stands by in vain.
func TestTheLeaseIsObserved(t *testing.T) {
	const lease = "/apis/coordination.k8s.io/v1/namespaces/x/leases/y"
	for name, test := range map[string]struct {
		path   string
		status int // 0 for none
		reason string
		ended  bool // by the operator itself
	}{
		"read":              {lease, 200, "", false},
		"not there yet":     {lease, 404, "", false},
		"taken meanwhile":   {lease, 409, "", false},
		"forbidden":         {lease, 403, "Forbidden", false},
		"unauthorized":      {lease, 401, "Unauthorized", false},
		"failing":           {lease, 503, "ServiceUnavailable", false},
		"no answer":         {lease, 0, "Unreachable", false},
		"ended by us":       {lease, 0, "", true},
		"something else":    {"/api/v1/namespaces/x/secrets", 403, "", false},
		"a Secret so named": {"/api/v1/namespaces/x/secrets/leases", 403, "", false},
	} {
		t.Run(name, func(t *testing.T) {
			op := newTestOperator(t, ManagerOptions{LeaderElect: true})
			transport := op.lease.observing(roundTripper(func(r *http.Request) (*http.Response, error) {
				if test.status == 0 {
					return nil, errors.New("connection reset")
				}
				return &http.Response{StatusCode: test.status, Request: r, Body: http.NoBody}, nil
			}))
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			if test.ended {
				cancel()
			}
			r := httptest.NewRequest(http.MethodGet, test.path, nil).WithContext(ctx)
			for range 2 {
				if response, err := transport.RoundTrip(r); err == nil {
					_ = response.Body.Close()
				}
			}
			since, reason := op.lease.is()
			if reason != test.reason {
				t.Errorf("reason %q, want %q", reason, test.reason)
			}
			for after, fails := range map[time.Duration]bool{leasePatience - time.Second: false, leasePatience: test.reason != ""} {
				_, checks := op.readiness(since.Add(after))
				if c := checks[0]; c.name != "leader-election" || (c.mark == failed) != fails {
					t.Errorf("after %s: %+v", after, c)
				}
			}
		})
	}
}

func TestHindrance(t *testing.T) {
	var h hindrance
	if _, reason := h.is(); reason != "" {
		t.Errorf("reason %q", reason)
	}
	if !h.set("Reading") || h.set("Reading") || !h.set("Forbidden") {
		t.Error("which failure is another one?")
	}
	since, _ := h.is()
	h.set("Timeout")
	if again, reason := h.is(); again != since || reason != "Timeout" {
		t.Errorf("%s since %s, want since %s", reason, again, since)
	}
	h.end()
	if _, reason := h.is(); reason != "" {
		t.Errorf("reason %q", reason)
	}
}

// Whatever is wrong with the options is said at once, without a request.
func TestCheckedOptions(t *testing.T) {
	for want, o := range map[string]ManagerOptions{
		"--allowed-endpoints": {AllowedEndpoints: []string{"x"}},
		"--namespaces":        {Namespaces: []string{}},
		"--installation-id":   {InstallationID: "a b"},
		"--parent-selector":   {ParentSelector: "in ("},
	} {
		err := RunManager(t.Context(), &rest.Config{Host: "http://127.0.0.1:1"}, o)
		if err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%+v: %v", o, err)
		}
	}
	if o, err := (ManagerOptions{ParentSelector: "a=b"}).checked(); err != nil || o.Clock == nil || o.share.String() != "a=b" {
		t.Error(fmt.Sprint(o, err))
	}
}

// Without credentials a Kubernetes API takes the operator for anybody, which nobody wants to wait for.
func TestCheckAccess(t *testing.T) {
	tls := rest.TLSClientConfig{CertData: []byte("x"), KeyData: []byte("y")}
	for name, test := range map[string]struct {
		config rest.Config
		ok     bool
	}{
		"nothing":               {rest.Config{Host: "https://127.0.0.1:6443"}, false},
		"an authority alone":    {rest.Config{Host: "127.0.0.1:6443", TLSClientConfig: rest.TLSClientConfig{CAData: []byte("x")}}, false},
		"a certificate":         {rest.Config{Host: "https://127.0.0.1:6443", TLSClientConfig: tls}, true},
		"a token":               {rest.Config{Host: "https://127.0.0.1:6443", BearerToken: "x"}, true},
		"a ServiceAccount":      {rest.Config{Host: "https://127.0.0.1:6443", BearerTokenFile: "x"}, true},
		"an own transport":      {rest.Config{Host: "https://127.0.0.1:6443", Transport: http.DefaultTransport}, true},
		"kubectl proxy":         {rest.Config{Host: "http://127.0.0.1:8001"}, true},
		"an address that isn't": {rest.Config{Host: "http://127.0.0.1:port"}, false},
	} {
		err := checkAccess(&test.config)
		if (err == nil) != test.ok {
			t.Errorf("%s: %v", name, err)
		}
		if !test.ok {
			if err := RunManager(t.Context(), &test.config, ManagerOptions{}); err == nil || !strings.HasPrefix(err.Error(), "no Kubernetes API to connect to: ") {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
}
