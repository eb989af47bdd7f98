package engine_test

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"cpaas.dev/child-account-operator/api/v1alpha1"
	"cpaas.dev/child-account-operator/internal/simulator"
	"cpaas.dev/child-account-operator/internal/testenv"
)

// busiestSecond is how many calls there were at most within a second.
func busiestSecond(calls []simulator.Call) (most int) {
	first := 0
	for last, c := range calls {
		for c.Time.Sub(calls[first].Time) >= time.Second {
			first++
		}
		most = max(most, last-first+1)
	}
	return most
}

// queueOf is the sum of a metric of the ChildAccounts' controller, over all that has been in this process.
func queueOf(metric string) (sum float64) {
	GinkgoHelper()
	for line := range strings.Lines(testenv.Scrape()) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), " ")
		if strings.HasPrefix(name, metric+"{") && strings.Contains(name, `controller="childaccount"`) {
			n, err := strconv.ParseFloat(value, 64)
			Expect(err).NotTo(HaveOccurred())
			sum += n
		}
	}
	return sum
}

var _ = Describe("The budget of a provider's account", func() {
	It("is one for all ParentAccounts that lead there, and the lower limit holds", Label("slow"), func(ctx SpecContext) {
		const lower, each = 10, 16
		w := testenv.NewWorld(ctx)
		atMost := func(n int32) func(*v1alpha1.ParentAccount) {
			return func(p *v1alpha1.ParentAccount) {
				p.Spec.ResyncInterval = &metav1.Duration{Duration: time.Hour}
				p.Spec.Limits.RequestsPerSecond = ptr.To(n)
			}
		}
		w.ApplyParent(ctx, atMost(500))
		slower := w.ParentAccount()
		slower.Name = "slower"
		atMost(lower)(slower)
		Expect(testenv.K8s.Create(ctx, slower)).To(Succeed())
		var all []*v1alpha1.ChildAccount
		for i := range each {
			all = append(all, w.Apply(ctx, fmt.Sprintf("acme-fast-%d", i)), w.Apply(ctx, fmt.Sprintf("acme-slow-%d", i), func(c *v1alpha1.ChildAccount) {
				c.Spec.ParentRef.Name = slower.Name
			}))
		}
		w.Start(ctx)
		for _, c := range all {
			Eventually(testenv.StateOf(ctx, c)).Should(testenv.BeAvailable())
		}
		Expect(w.Count("AddAccount")).To(Equal(len(all)))
		// Whose account it is, each asks before it is known; and on a busy machine some calls arrive late, and closer together.
		most := busiestSecond(w.Sim.Calls())
		AddReportEntry("calls within a second", most)
		Expect(most).To(BeNumerically("<=", lower+lower/2))
	})

	// Many accounts that were changed at the provider wait for one call that is under way: for the provider itself, for one of
	// the places that their parent has, or for a worker. Then somebody declares one more account, and changes another one.
	DescribeTable("is for what people ask for first: many accounts that differ keep nobody waiting",
		func(ctx SpecContext, accounts, workers, busy int) {
			w := testenv.NewWorld(ctx)
			w.Options.ChildConcurrency = workers
			parent := w.ApplyParent(ctx, func(p *v1alpha1.ParentAccount) {
				p.Spec.ResyncInterval = &metav1.Duration{Duration: time.Hour}
				p.Spec.Limits.MaxInFlight = ptr.To[int32](1)
				testenv.AllowMassChange(p) // so that all of the drift is corrected
			})
			w.Start(ctx)
			applyMany(ctx, w, accounts)
			edited := w.ApplyReady(ctx, "acme-edited")
			for i := range accounts {
				Expect(w.Sim.SetField(w.Account(fmt.Sprintf("acme-%d", i)).ID, "account_email", fmt.Sprintf("drift-%d@else.example", i))).To(Succeed())
			}
			w.Sim.AddFault(simulator.Fault{Kind: simulator.FaultSlow, Method: "SetChildAccountInfo", Delay: 50 * time.Millisecond})
			underWay, goOn := w.Gate("SetChildAccountInfo")
			const adds, active = "workqueue_adds_total", "controller_runtime_active_workers"
			added := queueOf(adds)
			resync(ctx, w, parent, 1)
			Eventually(underWay).Should(BeClosed())
			Eventually(func() float64 { return queueOf(adds) - added }).Should(BeNumerically(">=", accounts))
			Eventually(func() float64 { return queueOf(active) }).Should(BeEquivalentTo(busy))
			drifted := w.Count("SetChildAccountInfo")

			added = queueOf(adds)
			w.Apply(ctx, "acme-new")
			testenv.Edit(ctx, edited, func(c *v1alpha1.ChildAccount) { c.Spec.Email = "edited@acme.example" })
			Eventually(func() float64 { return queueOf(adds) - added }).Should(BeNumerically(">=", 2))
			goOn()
			Eventually(func() bool { _, ok := w.Sim.Account("acme-new"); return ok }).Should(BeTrue())
			Eventually(func() string { return w.Account("acme-edited").Email() }).Should(Equal("edited@acme.example"))
			before := w.Count("SetChildAccountInfo") - drifted
			AddReportEntry("calls before those that people ask for", before)
			Expect(before).To(BeNumerically("<", accounts/4), "calls of accounts that differ, before those that people ask for")
			Expect(slices.ContainsFunc(w.Sim.Accounts(w.Parent.ID), func(a simulator.Account) bool { return strings.HasPrefix(a.Email(), "drift-") })).To(BeTrue())
		},
		Entry("where they wait for the provider and for places", Label("slow", "scale"), 200, 0, 128),
		Entry("where they wait for workers", 60, 2, 2),
	)
})
