package controllers_test

import (
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"cpaas.dev/child-account-operator/api/v1alpha1"
	"cpaas.dev/child-account-operator/internal/simulator"
	"cpaas.dev/child-account-operator/internal/testenv"
)

// everyHour has the list read once, as far as a spec is concerned.
func everyHour(p *v1alpha1.ParentAccount) {
	p.Spec.ResyncInterval = &metav1.Duration{Duration: time.Hour}
}

var _ = Describe("kubectl get", func() {
	It("says of a ParentAccount that the provider does not answer, and that it is suspended", func(ctx SpecContext) {
		w := testenv.StartWorld(ctx)
		c := w.ApplyReady(ctx, "acme-seen")
		p := w.ParentAccount()
		Eventually(testenv.ColumnsOf(ctx, p)).Should(And(HaveKeyWithValue("Ready", "True"), HaveKeyWithValue("Reason", "Available")))

		down := w.Sim.AddFault(simulator.Fault{Kind: simulator.FaultDown, Status: 503})
		Eventually(testenv.ColumnsOf(ctx, p)).Should(And(HaveKeyWithValue("Ready", "True"), HaveKeyWithValue("Reason", "APIUnavailable")))
		testenv.Edit(ctx, c, func(c *v1alpha1.ChildAccount) { c.Spec.LanguageCode = ptr.To("de") })
		Eventually(testenv.ColumnsOf(ctx, c)).Should(And(HaveKeyWithValue("Ready", "True"), HaveKeyWithValue("Reason", "APIUnavailable")))
		w.Sim.RemoveFault(down)
		Eventually(testenv.ColumnsOf(ctx, p)).Should(HaveKeyWithValue("Reason", "Available"))

		limited := w.Sim.AddFault(simulator.Fault{Kind: simulator.FaultHTTP, Status: 429})
		Eventually(testenv.ColumnsOf(ctx, p)).Should(And(HaveKeyWithValue("Ready", "True"), HaveKeyWithValue("Reason", "RateLimited")))
		testenv.Edit(ctx, c, func(c *v1alpha1.ChildAccount) { c.Spec.LanguageCode = ptr.To("fr") })
		Eventually(testenv.ColumnsOf(ctx, c)).Should(And(HaveKeyWithValue("Ready", "True"), HaveKeyWithValue("Reason", "RateLimited")))
		w.Sim.RemoveFault(limited)
		Eventually(testenv.ColumnsOf(ctx, p)).Should(HaveKeyWithValue("Reason", "Available"))

		testenv.Edit(ctx, p, func(p *v1alpha1.ParentAccount) { p.Spec.Suspend = ptr.To(true) })
		Eventually(testenv.ColumnsOf(ctx, p)).Should(HaveKeyWithValue("Reason", "Suspended"))
	})

	It("says of all ParentAccounts of one account at once that its calls are rate-limited, until they are not, and counts what either manages", func(ctx SpecContext) {
		w := testenv.NewWorld(ctx)
		p := w.ApplyParent(ctx, everyHour)
		twin := applyBeside(ctx, w, "twin", w.Sim.Credentials(w.Parent.ID), everyHour)
		w.Options.CountsAfter = time.Second
		w.Start(ctx)
		c := w.ApplyReady(ctx, "acme-slow")
		w.ApplyReady(ctx, "acme-twins", under(twin))
		for _, one := range []*v1alpha1.ParentAccount{p, twin} {
			Eventually(testenv.ColumnsOf(ctx, one)).Should(And(HaveKeyWithValue("Reason", "Available"), HaveKeyWithValue("Children", "2"), HaveKeyWithValue("Unmanaged", "0")), one.Name)
		}
		w.Sim.AddFault(simulator.Fault{Kind: simulator.FaultHTTP, Status: 429, Method: "SetChildAccountInfo", Times: 1})
		testenv.Edit(ctx, c, func(c *v1alpha1.ChildAccount) { c.Spec.LanguageCode = ptr.To("de") })
		for _, one := range []*v1alpha1.ParentAccount{p, twin} {
			Eventually(testenv.EventsOf(ctx, one)).Should(ContainElement(HavePrefix("RateLimited: ")), one.Name)
			Eventually(testenv.ColumnsOf(ctx, one)).WithTimeout(time.Minute).Should(HaveKeyWithValue("Reason", "Available"), one.Name)
			Eventually(testenv.EventsOf(ctx, one)).Should(ContainElement(HavePrefix("Recovered: the provider does not rate-limit any more")), one.Name)
		}
	})

	It("says of a ChildAccount that the provider rate-limits calls, and not that it does not answer", func(ctx SpecContext) {
		w := testenv.NewWorld(ctx)
		w.Sim.AddFault(simulator.Fault{Kind: simulator.FaultHTTP, Status: 429})
		p := w.ApplyParent(ctx)
		w.Start(ctx)
		Eventually(testenv.ColumnsOf(ctx, p)).Should(HaveKeyWithValue("Reason", "RateLimited"))
		c := w.Apply(ctx, "acme-waits")
		Eventually(testenv.ColumnsOf(ctx, c)).Should(And(HaveKeyWithValue("Ready", "Unknown"), HaveKeyWithValue("Reason", "RateLimited"),
			HaveKeyWithValue("Message", And(ContainSubstring("rate-limits"), Not(ContainSubstring("does not answer"))))))
	})

	It("counts new accounts before the next list", func(ctx SpecContext) {
		w := testenv.NewWorld(ctx)
		w.Sim.PutAccount(testenv.SimulatorChild(w, "acme-other", "other@acme.example"))
		p := w.ApplyParent(ctx, everyHour)
		w.Options.CountsAfter = time.Second
		w.Start(ctx)
		Eventually(testenv.ColumnsOf(ctx, p)).Should(And(HaveKeyWithValue("Children", "1"), HaveKeyWithValue("Unmanaged", "1")))
		lists := w.Count("GetChildrenAccounts")
		for _, name := range []string{"acme-one", "acme-two", "acme-three"} {
			w.ApplyReady(ctx, name)
		}
		Eventually(testenv.ColumnsOf(ctx, p)).Should(And(HaveKeyWithValue("Children", "4"), HaveKeyWithValue("Unmanaged", "1")))
		Expect(w.Count("GetChildrenAccounts")).To(Equal(lists), "the list was read")
	})

	It("says of a ParentAccount that its calls are rate-limited, although its list is not due", testenv.TakesLong, func(ctx SpecContext) {
		w := testenv.NewWorld(ctx)
		p := w.ApplyParent(ctx, everyHour)
		w.Start(ctx)
		c := w.ApplyReady(ctx, "acme-slow")
		lists := w.Count("GetChildrenAccounts")
		w.Sim.AddFault(simulator.Fault{Kind: simulator.FaultHTTP, Status: 429, Method: "SetChildAccountInfo"})
		testenv.Edit(ctx, c, func(c *v1alpha1.ChildAccount) { c.Spec.LanguageCode = ptr.To("de") })
		Eventually(testenv.ColumnsOf(ctx, p)).Should(And(HaveKeyWithValue("Ready", "True"), HaveKeyWithValue("Reason", "RateLimited")))
		Expect(w.Count("GetChildrenAccounts")).To(Equal(lists), "a call more for each refusal")
		Expect(testenv.K8s.Get(ctx, testenv.KeyOf(p), p)).To(Succeed())
		at, tries := p.ResourceVersion, w.Count("SetChildAccountInfo")
		Eventually(func() int { return w.Count("SetChildAccountInfo") }).Should(BeNumerically(">", tries))
		Expect(testenv.K8s.Get(ctx, testenv.KeyOf(p), p)).To(Succeed())
		Expect(p.ResourceVersion).To(Equal(at), "written again while it lasts")
	})
})
