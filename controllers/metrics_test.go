package controllers_test

import (
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"k8s.io/utils/ptr"

	"cpaas.dev/child-account-operator/api/v1alpha1"
	"cpaas.dev/child-account-operator/internal/metrics"
	"cpaas.dev/child-account-operator/internal/simulator"
	"cpaas.dev/child-account-operator/internal/testenv"
)

var _ = Describe("The metrics", func() {
	It("say what the operator does and knows, each of those that are documented", func(ctx SpecContext) {
		w := testenv.StartWorld(ctx)
		c := w.ApplyReady(ctx, "acme-counted")
		reporting := w.ApplyReady(ctx, "acme-report", func(c *v1alpha1.ChildAccount) { c.Spec.DriftPolicy = ptr.To(v1alpha1.DriftReport) })
		Expect(w.Sim.SetField(w.Account("acme-counted").ID, "account_email", "drift@else.example")).To(Succeed())
		Expect(w.Sim.SetField(w.Account("acme-report").ID, "account_email", "else@else.example")).To(Succeed())
		Eventually(testenv.StateOf(ctx, reporting)).Should(testenv.HaveSecond("False/DriftDetected"))
		Eventually(func() any { return w.Account("acme-counted").Fields["account_email"] }).Should(Equal(c.Spec.Email))
		labels := `namespace="` + w.NS + `",parent="acme"`
		Eventually(testenv.Scrape).Should(And(
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
			ContainSubstring(`child_account_operator_not_deactivated{`+labels+`} 0`),
			ContainSubstring(`child_account_operator_drift_corrected_total{field="email"}`),
		))
		text := testenv.Scrape()
		for _, d := range metrics.Definitions {
			Expect(text).To(ContainSubstring("# TYPE "+metrics.Prefix+d.Name+" "+d.Kind), d.Name)
		}
		for _, line := range strings.Split(text, "\n") {
			if name, ok := strings.CutPrefix(line, "# TYPE "+metrics.Prefix); ok {
				Expect(metrics.Definitions).To(ContainElement(HaveField("Name", strings.Fields(name)[0])), "a metric that is not documented")
			}
		}

		w.Sim.AddFault(simulator.Fault{Kind: simulator.FaultHTTP, Status: 429, Times: 1})
		Eventually(testenv.Scrape).Should(ContainSubstring(`child_account_operator_api_calls_total{class="Throttled"`))
	})
})
