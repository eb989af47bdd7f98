package controllers_test

import (
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"k8s.io/utils/ptr"

	"cpaas.dev/child-account-operator/api/v1alpha1"
	"cpaas.dev/child-account-operator/internal/metrics"
	"cpaas.dev/child-account-operator/internal/readings"
	"cpaas.dev/child-account-operator/internal/simulator"
	"cpaas.dev/child-account-operator/internal/testenv"
)

var _ = Describe("The metrics", func() {
	It("say what the operator does and knows, each of those that are documented", func(ctx SpecContext) {
		w := testenv.NewWorld(ctx)
		w.Options.Readings = readings.Options{Verifications: true, Money: true}
		for field, value := range map[string]any{"balance": 12.5, "credit_limit": 100, "subscriptions": []simulator.Subscription{{Amount: 20, Type: "PHONE_NUM"}}} {
			Expect(w.Sim.SetField(w.Parent.ID, field, value)).To(Succeed())
		}
		w.Options.CallbackAddress = "127.0.0.1:0" // only who receives callbacks has a metric of them
		w.ApplyParent(ctx)
		w.Start(ctx)
		c := w.ApplyReady(ctx, "acme-counted")
		reporting := w.ApplyReady(ctx, "acme-report", func(c *v1alpha1.ChildAccount) { c.Spec.DriftPolicy = ptr.To(v1alpha1.DriftReport) })
		Expect(w.Sim.SetField(w.Account("acme-counted").ID, "account_email", "drift@else.example")).To(Succeed())
		Expect(w.Sim.SetField(w.Account("acme-report").ID, "account_email", "else@else.example")).To(Succeed())
		Eventually(testenv.StateOf(ctx, reporting)).Should(testenv.HaveSecond("False/DriftDetected"))
		Eventually(func() any { return w.Account("acme-counted").Fields["account_email"] }).Should(Equal(c.Spec.Email))
		Expect(w.Sim.SetField(w.Account("acme-report").ID, "balance", -3)).To(Succeed())
		Expect(w.Sim.SetField(w.Account("acme-report").ID, "currency", "no currency")).To(Succeed())
		Expect(w.Sim.SetField(w.Account("acme-report").ID, "verifications", []simulator.Verification{{Name: "DE", Status: simulator.VerificationRequired}})).To(Succeed())
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
			ContainSubstring(`child_account_operator_parent_balance{currency="USD",`+labels+`} 12.5`),
			ContainSubstring(`child_account_operator_parent_credit_limit{currency="USD",`+labels+`} 100`),
			ContainSubstring(`child_account_operator_amount_to_charge{currency="USD",`+labels+`} 7.5`),
			ContainSubstring(`child_account_operator_minimum_amount_to_charge{currency="USD",`+labels+`} 0`),
			ContainSubstring(`child_account_operator_exchange_rate{currency="EUR",`+labels+`} 0.92`),
			ContainSubstring(`child_account_operator_child_balance{child="acme-counted",currency="USD",namespace="`+w.NS+`"} 0`),
			ContainSubstring(`child_account_operator_child_balance{child="acme-report",currency="other",namespace="`+w.NS+`"} -3`),
			ContainSubstring(`child_account_operator_child_credit_limit{child="acme-report",currency="other",namespace="`+w.NS+`"} 0`),
			ContainSubstring(`child_account_operator_verifications{`+labels+`,state="Required"} 1`),
			ContainSubstring(`child_account_operator_verifications{`+labels+`,state="Verified"} 0`),
			ContainSubstring(`child_account_operator_capability_granted{capability="ExchangeRates",`+labels+`} 1`),
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

		By("series of what is deleted end")
		Expect(testenv.K8s.Delete(ctx, reporting)).To(Succeed())
		Eventually(testenv.Scrape).ShouldNot(ContainSubstring(`{child="acme-report"`))
		Expect(testenv.K8s.Delete(ctx, w.ParentAccount())).To(Succeed())
		Eventually(testenv.Scrape).ShouldNot(Or(ContainSubstring(`_parent_balance{`), ContainSubstring(`{child="acme-counted"`), ContainSubstring(`_verifications{`), ContainSubstring(`_capability_granted{`)))
	})
})
