package engine_test

import (
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"cpaas.dev/child-account-operator/api/v1alpha1"
	"cpaas.dev/child-account-operator/internal/simulator"
	"cpaas.dev/child-account-operator/internal/testenv"
)

var _ = Describe("The list of a parent with more than one page", func() {
	It("is complete though others create accounts before each page of each list, after a restart too", Label("slow"), func(ctx SpecContext) {
		w := testenv.NewWorld(ctx)
		for _, name := range manyNames(1100) {
			w.Sim.PutAccount(testenv.SimulatorChild(w, name, name+"@bulk.example"))
		}
		w.Sim.AddFault(simulator.Fault{Kind: simulator.FaultAddAccounts, Accounts: 1})
		p := w.ApplyParent(ctx)
		w.Start(ctx)
		first := w.ApplyReady(ctx, "acme-grow-one")
		Expect(testenv.StateOf(ctx, p)(Default)).To(testenv.BeAvailable())
		w.Stop()
		w.Start(ctx)
		w.ApplyReady(ctx, "acme-grow-two")
		w.AwaitLists(6)
		Expect(testenv.StateOf(ctx, p)(Default)).To(testenv.BeAvailable())

		By("the list still tells what is missing")
		w.Sim.Remove(w.Account("acme-grow-one").ID)
		Eventually(testenv.StateOf(ctx, first)).Should(testenv.BeStalledAs(v1alpha1.ReasonAccountMissing))
		Expect(w.Count("AddAccount")).To(Equal(2))
	})

	It("is read in smaller pages where tenants have written so much that one would be too large, and in no more calls than that takes", Label("slow", "scale"), testenv.TakesLong, func(ctx SpecContext) {
		w := testenv.NewWorld(ctx)
		for _, name := range manyNames(999) {
			a := testenv.SimulatorChild(w, name, name+"@bulk.example")
			a.Fields["account_custom_data"] = strings.Repeat("x", 8000)
			w.Sim.PutAccount(a)
		}
		p := w.ApplyParent(ctx)
		w.Start(ctx)
		c := w.Apply(ctx, "acme-large")
		Eventually(testenv.StateOf(ctx, c)).WithTimeout(4 * time.Minute).Should(testenv.BeAvailable()) // a list is 8 MB, and read twice at first
		Expect(testenv.StateOf(ctx, p)(Default)).To(testenv.BeAvailable())
		w.AwaitLists(2)
		w.Sim.ResetCalls()
		w.AwaitLists(3)
		for _, c := range w.Sim.Calls() {
			if c.Method == "GetChildrenAccounts" {
				Expect(c.Params["count"]).To(Equal("500"), "each page fits at the first try: %v", c.Params)
				Expect(c.Params["offset"]).To(BeElementOf("", "500"))
			}
		}
		Expect(w.Count("AddAccount")).To(BeZero())
	}, NodeTimeout(8*time.Minute))

	It("says which account is too large to be read, and reads on once that is shortened", Label("slow"), func(ctx SpecContext) {
		w := testenv.NewWorld(ctx)
		large := w.Sim.PutAccount(testenv.SimulatorChild(w, "acme-huge", "huge@bulk.example"))
		Expect(w.Sim.SetField(large.ID, "account_custom_data", strings.Repeat("x", 9<<20))).To(Succeed())
		p := w.ApplyParent(ctx)
		w.Start(ctx)
		Eventually(testenv.StateOf(ctx, p)).Should(testenv.BeTryingAs(v1alpha1.ReasonAPIUnavailable, "Unknown/APIUnavailable"))
		Expect(testenv.StateOf(ctx, p)(Default).Message).To(MatchRegexp(`account \d+ \(acme-huge\) alone is larger than the 8 MiB .*shorten`))
		Expect(w.Sim.SetField(large.ID, "account_custom_data", "x")).To(Succeed())
		w.ApplyReady(ctx, "acme-small")
	})
})

var _ = Describe("A clock that is off", func() {
	It("is said of the parent, with how far and in which direction, whatever code the provider has for it", func(ctx SpecContext) {
		w := testenv.NewWorld(ctx)
		w.Sim.Update(func(s *simulator.Settings) { s.ClockOffset, s.TokenTimeCode = -2*time.Minute, 100 })
		p := w.ApplyParent(ctx)
		w.Start(ctx)
		Eventually(testenv.StateOf(ctx, p)).Should(testenv.BeStalledAs(v1alpha1.ReasonUnauthorized))
		Expect(testenv.StateOf(ctx, p)(Default).Message).To(And(ContainSubstring("clock of the operator's node is about 2m ahead of"), ContainSubstring("NTP"), ContainSubstring("code 100")))
	})
})
