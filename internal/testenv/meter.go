package testenv

import (
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"k8s.io/client-go/rest"
	ctrlmetrics "sigs.k8s.io/controller-runtime/pkg/metrics"
)

// What can be limited; any single API method or request ("patch childaccounts/status") can be as well.
const (
	APICalls      = "API calls"
	APIWrites     = "API calls that write"
	Requests      = "requests to the API server"
	WriteRequests = "requests that write"
)

// Costs are counts by what they are of.
type Costs map[string]int

// Since is what was added to the costs before.
func (c Costs) Since(before Costs) Costs {
	added := Costs{}
	for of, n := range c {
		if n -= before[of]; n != 0 {
			added[of] = n
		}
	}
	return added
}

func (c Costs) String() string {
	var parts []string
	for _, of := range slices.Sorted(maps.Keys(c)) {
		parts = append(parts, fmt.Sprintf("%d %s", c[of], of))
	}
	return strings.Join(parts, ", ")
}

// RequestMeter counts the requests to the Kubernetes API, but for watches, events and leases.
type RequestMeter struct {
	mu     sync.Mutex
	counts Costs
}

// NewRequestMeter has counted nothing yet.
func NewRequestMeter() *RequestMeter { return &RequestMeter{counts: Costs{}} }

// On returns a configuration whose requests are counted.
func (m *RequestMeter) On(config *rest.Config) *rest.Config {
	metered := rest.CopyConfig(config)
	metered.Wrap(func(next http.RoundTripper) http.RoundTripper {
		return RoundTripperFunc(func(r *http.Request) (*http.Response, error) {
			m.count(r)
			return next.RoundTrip(r)
		})
	})
	return metered
}

func (m *RequestMeter) count(r *http.Request) {
	what := requested(r)
	if r.URL.Query().Get("watch") != "" || what == "events" || what == "leases" {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.counts[Requests]++
	if r.Method != http.MethodGet {
		m.counts[WriteRequests]++
	}
	m.counts[strings.ToLower(r.Method)+" "+what]++
}

// requested is the resource, and subresource, of /api/v1/namespaces/<namespace>/<resource>/<name>/<subresource> and the like.
func requested(r *http.Request) string {
	parts := strings.Split(strings.Trim(r.URL.Path, "/"), "/")
	skip := 2
	if parts[0] == "apis" {
		skip = 3
	}
	if len(parts) <= skip {
		return "discovery"
	}
	if parts = parts[skip:]; len(parts) > 2 && parts[0] == "namespaces" {
		parts = parts[2:]
	}
	if len(parts) > 2 {
		return parts[0] + "/" + parts[2]
	}
	return parts[0]
}

// Costs are all that the operator has cost so far, on both sides.
func (m *RequestMeter) Costs(w *World) Costs {
	m.mu.Lock()
	sum := maps.Clone(m.counts)
	m.mu.Unlock()
	for method, n := range w.Sim.Counts() {
		sum[method] += n
		sum[APICalls] += n
		if !strings.HasPrefix(method, "Get") {
			sum[APIWrites] += n
		}
	}
	return sum
}

// AtRest waits until nothing has been asked of anybody for a while, and nothing is being worked on, and returns the costs. A
// busy machine may well let the operator stand still for that while, amid a reconcile.
func (m *RequestMeter) AtRest(w *World) Costs {
	GinkgoHelper()
	return AtRest(500*time.Millisecond, func() Costs { return m.Costs(w) })
}

// AtRest waits until the counts have stayed the same for so long, and nothing is being worked on, and returns the counts.
func AtRest(long time.Duration, counts func() Costs) (now Costs) {
	GinkgoHelper()
	Eventually(func() bool {
		before, working := now, Gauge(ActiveWorkers)
		now = counts()
		return working == 0 && maps.Equal(before, now)
	}).WithPolling(long).WithTimeout(time.Minute).Should(BeTrue())
	return now
}

// Lines of the metrics, with the value as the group.
var (
	ActiveWorkers      = regexp.MustCompile(`(?m)^controller_runtime_active_workers\{.*\} (\d+)$`)
	AvailableResources = regexp.MustCompile(`(?m)^child_account_operator_resources\{kind="ChildAccount",ready="True",reason="Available"\} (\d+)$`)
)

// Gauge is the sum of the values of a metric of the operators in this process.
func Gauge(lines *regexp.Regexp) int {
	GinkgoHelper()
	sum := 0
	for _, found := range lines.FindAllStringSubmatch(Scrape(), -1) {
		n, err := strconv.Atoi(found[1])
		Expect(err).NotTo(HaveOccurred())
		sum += n
	}
	return sum
}

// Scrape is what Prometheus would read.
func Scrape() string {
	recorder := httptest.NewRecorder()
	promhttp.HandlerFor(ctrlmetrics.Registry, promhttp.HandlerOpts{}).ServeHTTP(recorder, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	return recorder.Body.String()
}
