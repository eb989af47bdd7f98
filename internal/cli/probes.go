package cli

import (
	"fmt"
	"net"
	"net/http"
	"strings"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/manager"

	"cpaas.dev/child-account-operator/internal/namespacecache"
)

const (
	// readyPatience is for how long after the start /readyz is false because of one namespace while another one is served. A
	// rollout shows the mistake, and continues.
	readyPatience = time.Minute
	// leasePatience is for how long requests for the lease may fail.
	leasePatience = 30 * time.Second
)

// mark is how a check begins in the answer of /readyz, as the Kubernetes API has it.
type mark string

const (
	passed  mark = "[+]"
	failed  mark = "[-]"
	excused mark = "[!]" // it failed, and does not count
)

// check is one line of /readyz.
type check struct {
	name string
	mark mark
	why  string
}

// readiness is whether the replica can do its work, or take it over at once, and what each check says.
func (op *operator) readiness(now time.Time) (ready bool, checks []check) {
	ready = true
	if since, reason := op.installation.is(); reason != "" {
		ready, checks = false, append(checks, check{"installation-id", failed, hindered("namespace kube-system", reason, since)})
	}
	if op.options.LeaderElect {
		c := check{name: "leader-election", mark: passed}
		if since, reason := op.lease.is(); reason != "" && now.Sub(since) >= leasePatience {
			ready, c = false, check{c.name, failed, hindered("lease "+leaseName, reason, since)}
		}
		checks = append(checks, c)
	}
	read, lines := cacheChecks(op.cache.Statuses(), now.Sub(op.began))
	return ready && read, append(checks, lines...)
}

// cacheChecks say which namespaces can be read. One that can't be read does not count, after readyPatience or where it could
// be before, while another one can.
func cacheChecks(statuses []namespacecache.Status, running time.Duration) (ready bool, checks []check) {
	some := false
	for _, s := range statuses {
		some = some || s.Synced
	}
	ready = some
	for _, s := range statuses {
		c := check{name: "cache", mark: passed}
		if s.Namespace != "" {
			c.name += "/" + s.Namespace
		}
		if !s.Synced {
			c.mark, c.why = failed, hindered(strings.Join(s.Kinds, ", "), s.Reason, s.Since)
		}
		if c.mark == failed && some && (s.Ever || running >= readyPatience) {
			c.mark = excused
		}
		ready = ready && c.mark != failed
		checks = append(checks, c)
	}
	return ready, checks
}

func hindered(what, reason string, since time.Time) string {
	return strings.TrimSpace(fmt.Sprintf("%s %s since %s", what, reason, since.UTC().Format(time.RFC3339)))
}

// serveProbes serves /healthz and /readyz with the manager, from its start on.
func (op *operator) serveProbes() error {
	if op.options.ProbeAddress == "" || op.options.ProbeAddress == "0" {
		return nil
	}
	listener, err := net.Listen("tcp", op.options.ProbeAddress) //nolint:noctx // nothing to wait for
	if err != nil {
		return fmt.Errorf("--health-probe-bind-address: %w", err)
	}
	server := &http.Server{Handler: op.probes(), ReadHeaderTimeout: 10 * time.Second, IdleTimeout: 90 * time.Second, MaxHeaderBytes: 1 << 16}
	return op.mgr.Add(&manager.Server{Name: "health probe", Server: server, Listener: listener})
}

// probes answer /healthz as long as the process runs: a restart grants no right and installs no kind. /readyz, and
// /readyz/NAME for one check alone, say whether there is something that the replica can work on.
func (op *operator) probes() http.Handler {
	mux := http.NewServeMux()
	healthy := func(w http.ResponseWriter, _ *http.Request) { answer(w, "healthz", true, nil) }
	mux.HandleFunc("/healthz", healthy)
	mux.HandleFunc("/healthz/ping", healthy)
	mux.HandleFunc("/readyz", func(w http.ResponseWriter, _ *http.Request) {
		ready, checks := op.readiness(time.Now())
		answer(w, "readyz", ready, checks)
	})
	mux.HandleFunc("/readyz/{name...}", func(w http.ResponseWriter, r *http.Request) {
		_, checks := op.readiness(time.Now())
		for _, c := range checks {
			if c.name == r.PathValue("name") {
				answer(w, "readyz", c.mark == passed, []check{c})
				return
			}
		}
		http.NotFound(w, r)
	})
	return mux
}

// answer writes what a probe says, each check on a line.
func answer(w http.ResponseWriter, probe string, ok bool, checks []check) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	var b strings.Builder
	for _, c := range checks {
		switch c.mark {
		case passed:
			fmt.Fprintf(&b, "%s%s ok\n", c.mark, c.name)
		case excused:
			fmt.Fprintf(&b, "%s%s not served: %s\n", c.mark, c.name, c.why)
		default:
			fmt.Fprintf(&b, "%s%s failed: %s\n", c.mark, c.name, c.why)
		}
	}
	if ok {
		b.WriteString("ok\n")
	} else {
		w.WriteHeader(http.StatusInternalServerError)
		b.WriteString(probe + " check failed\n")
	}
	_, _ = w.Write([]byte(b.String())) // whoever asked has gone
}
