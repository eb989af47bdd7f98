package controllers_test

import (
	"net/http"
	"net/http/httptest"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"k8s.io/utils/ptr"
	ctrlmetrics "sigs.k8s.io/controller-runtime/pkg/metrics"

	"cpaas.dev/child-account-operator/api/v1alpha1"
	"cpaas.dev/child-account-operator/internal/metrics"
	"cpaas.dev/child-account-operator/internal/simulator"
)

// scrape is what Prometheus would read.
func scrape() string {
	recorder := httptest.NewRecorder()
	promhttp.HandlerFor(ctrlmetrics.Registry, promhttp.HandlerOpts{}).ServeHTTP(recorder, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	return recorder.Body.String()
}

var _ = Describe("The metrics", func() {
	It("say what the operator does and knows, each of those that are documented", func(ctx SpecContext) {
		w := startWorld(ctx)
		c := w.applyReady(ctx, "acme-counted")
		reporting := w.applyReady(ctx, "acme-report", func(c *v1alpha1.ChildAccount) { c.Spec.DriftPolicy = ptr.To(v1alpha1.DriftReport) })
		Expect(w.sim.SetField(w.account("acme-counted").ID, "account_email", "drift@else.example")).To(Succeed())
		Expect(w.sim.SetField(w.account("acme-report").ID, "account_email", "else@else.example")).To(Succeed())
		Eventually(state(ctx, reporting)).Should(HaveSecond("False/DriftDetected"))
		Eventually(func() any { return w.account("acme-counted").Fields["account_email"] }).Should(Equal(c.Spec.Email))
		labels := `namespace="` + w.ns + `",parent="acme"`
		Eventually(scrape).Should(And(
			ContainSubstring(`child_account_operator_api_calls_total{class="OK",method="AddAccount"}`),
			ContainSubstring(`child_account_operator_api_call_duration_seconds_count{method="GetChildrenAccounts"}`),
			ContainSubstring(`child_account_operator_api_rate{`+labels+`} 500`),
			ContainSubstring(`child_account_operator_api_unavailable{`+labels+`} 0`),
			ContainSubstring(`child_account_operator_snapshot_age_seconds{`+labels+`}`),
			ContainSubstring(`child_account_operator_snapshot_accounts{`+labels+`} 2`),
			ContainSubstring(`child_account_operator_list_method{method="all",`+labels+`} 1`),
			ContainSubstring(`child_account_operator_resources{kind="ChildAccount",ready="True",reason="DriftDetected"} 1`),
			ContainSubstring(`child_account_operator_resources{kind="ParentAccount",ready="True",reason="Available"}`),
			ContainSubstring(`child_account_operator_drift_fields{field="email"} 1`),
			ContainSubstring(`child_account_operator_drift_corrected_total{field="email"}`),
		))
		text := scrape()
		for _, d := range metrics.Definitions {
			Expect(text).To(ContainSubstring("# TYPE "+metrics.Prefix+d.Name+" "+d.Kind), d.Name)
		}
		for _, line := range strings.Split(text, "\n") {
			if name, ok := strings.CutPrefix(line, "# TYPE "+metrics.Prefix); ok {
				Expect(metrics.Definitions).To(ContainElement(HaveField("Name", strings.Fields(name)[0])), "a metric that is not documented")
			}
		}

		w.sim.AddFault(simulator.Fault{Kind: simulator.FaultHTTP, Status: 429, Times: 1})
		Eventually(scrape).Should(ContainSubstring(`child_account_operator_api_calls_total{class="Throttled"`))
	})
})
