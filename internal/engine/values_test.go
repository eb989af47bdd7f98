package engine_test

import (
	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"k8s.io/utils/ptr"

	"cpaas.dev/child-account-operator/api/v1alpha1"
	"cpaas.dev/child-account-operator/internal/testenv"
)

var _ = Describe("Values that the provider has and that nobody could write", func() {
	const oddEmail, oddZone = `"jörg müller"@bücher.example`, "(GMT+01:00) Berlin"
	odd := func(policy func(*v1alpha1.ChildAccountSpec)) func(*v1alpha1.ChildAccount) {
		return func(c *v1alpha1.ChildAccount) {
			c.Spec.Email, c.Spec.Location = oddEmail, ptr.To(oddZone)
			policy(&c.Spec)
		}
	}
	observe := func(s *v1alpha1.ChildAccountSpec) { s.ManagementPolicy = ptr.To(v1alpha1.ManagementObserve) }
	adopt := func(policy v1alpha1.AdoptionPolicy) func(*v1alpha1.ChildAccountSpec) {
		return func(s *v1alpha1.ChildAccountSpec) { s.AdoptionPolicy = &policy }
	}

	It("are observed and adopted, and nothing of them is written", func(ctx SpecContext) {
		w := testenv.NewWorld(ctx)
		a := testenv.SimulatorChild(w, "acme-odd", oddEmail)
		a.Fields["location"] = oddZone
		id := w.Sim.PutAccount(a).ID
		w.ApplyParent(ctx)
		w.Start(ctx)
		c := w.Apply(ctx, "acme-odd", odd(observe))
		Eventually(testenv.StateOf(ctx, c)).Should(testenv.BeReadyAs(v1alpha1.ReasonObserved))
		Expect(c.Status.Drift).To(BeEmpty())
		Expect(c.Status.Observed.Email).To(HaveValue(Equal(oddEmail)))
		for _, policy := range []v1alpha1.AdoptionPolicy{v1alpha1.AdoptIfIdentical, v1alpha1.AdoptAlways} {
			testenv.Edit(ctx, c, func(c *v1alpha1.ChildAccount) {
				c.Spec.ManagementPolicy, c.Spec.AdoptionPolicy, c.Spec.LanguageCode = nil, &policy, ptr.To("en")
			})
			Eventually(testenv.StateOf(ctx, c)).Should(testenv.BeAvailable())
		}
		for _, call := range w.Sim.Calls() {
			Expect(call.Params).NotTo(Or(HaveKey("new_child_account_email"), HaveKey("location")))
		}

		By("and so they stay after a restart, an edit of something else, and while others can write them")
		w.Stop()
		w.Start(ctx)
		testenv.Edit(ctx, c, func(c *v1alpha1.ChildAccount) { c.Spec.LanguageCode = ptr.To("de") })
		Eventually(testenv.StateOf(ctx, c)).Should(testenv.BeAvailable())
		Expect(w.Account("acme-odd").Fields).To(And(HaveKeyWithValue("account_email", oddEmail), HaveKeyWithValue("location", oddZone), HaveKeyWithValue("language_code", "de")))

		By("but they are not written back where somebody has changed them")
		Expect(w.Sim.SetField(id, "account_email", "plain@acme.example")).To(Succeed())
		Eventually(testenv.StateOf(ctx, c)).Should(And(testenv.BeStalledAs(v1alpha1.ReasonRejected), HaveField("Message", ContainSubstring("spec.email"))))
		Expect(w.Sim.SetField(id, "account_email", oddEmail)).To(Succeed())
		Eventually(testenv.StateOf(ctx, c)).Should(testenv.BeAvailable())
		Expect(w.Count("AddAccount")).To(BeZero())
	})

	It("make no account, and say how to write them", func(ctx SpecContext) {
		w := testenv.StartWorld(ctx)
		c := w.Apply(ctx, "acme-odd", func(c *v1alpha1.ChildAccount) {
			c.Spec.Email, c.Spec.AdoptionPolicy = "info@bücher.example", ptr.To(v1alpha1.AdoptAlways)
		})
		Eventually(testenv.StateOf(ctx, c)).Should(And(testenv.BeStalledAs(v1alpha1.ReasonRejected), HaveField("Message", ContainSubstring("info@xn--bcher-kva.example"))))
		testenv.Edit(ctx, c, func(c *v1alpha1.ChildAccount) {
			c.Spec.Email, c.Spec.Location = "info@xn--bcher-kva.example", ptr.To("europe/berlin")
		})
		Eventually(testenv.StateOf(ctx, c)).Should(And(testenv.BeStalledAs(v1alpha1.ReasonRejected), HaveField("Message", ContainSubstring("Did you mean Europe/Berlin?"))))
		Expect(w.Writes()).To(BeZero())
		testenv.Edit(ctx, c, func(c *v1alpha1.ChildAccount) { c.Spec.Location = ptr.To("Europe/Berlin") })
		Eventually(testenv.StateOf(ctx, c)).Should(testenv.BeAvailable())
	})

	It("are refused where another account than the declared one would get them", func(ctx SpecContext) {
		w := testenv.NewWorld(ctx)
		w.Sim.PutAccount(testenv.SimulatorChild(w, "acme-odd", "plain@acme.example"))
		w.ApplyParent(ctx)
		w.Start(ctx)
		c := w.Apply(ctx, "acme-odd", odd(adopt(v1alpha1.AdoptAlways)))
		Eventually(testenv.StateOf(ctx, c)).Should(testenv.BeStalledAs(v1alpha1.ReasonRejected))
		Expect(w.Writes()).To(BeZero())
	})
})
