package engine_test

import (
	"fmt"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"github.com/onsi/gomega/types"
	"k8s.io/utils/ptr"

	"cpaas.dev/child-account-operator/api/v1alpha1"
	"cpaas.dev/child-account-operator/internal/simulator"
	"cpaas.dev/child-account-operator/internal/testenv"
)

// wroteLog are the writes to accounts of a resource that are in the log, each with why: "update: drift (email)".
func wroteLog(w *testenv.World, name string) func() []string {
	return func() (lines []string) {
		for _, line := range logged(w, "account written") {
			if line["name"] != name {
				continue
			}
			text := fmt.Sprintf("%s: %s", line["write"], line["why"])
			if approved, ok := line["approved"]; ok {
				text += fmt.Sprintf(" of %s", approved)
			}
			if fields, ok := line["fields"]; ok {
				text += fmt.Sprintf(" (%s)", fields)
			}
			if id, _ := line["accountID"].(string); id == "" || line["accountName"] == "" {
				text += " of no account"
			}
			lines = append(lines, text)
		}
		return lines
	}
}

var _ = Describe("The log", func() {
	It("has each write to the provider, with why it was made", func(ctx SpecContext) {
		w := testenv.StartWorld(ctx)
		c := w.ApplyReady(ctx, "acme-logged", func(c *v1alpha1.ChildAccount) {
			testenv.Deactivating(c)
			c.Spec.Payments, c.Spec.MissingPolicy = &v1alpha1.Payments{Invoice: ptr.To(true)}, ptr.To(v1alpha1.MissingRecreate)
		})
		want := []string{"create: creation", "update: creation (payments.invoice)"}
		next := func(more ...string) {
			GinkgoHelper()
			want = append(want, more...)
			Eventually(wroteLog(w, c.Name)).Should(Equal(want))
			Eventually(testenv.StateOf(ctx, c)).Should(testenv.BeAvailable())
		}
		next()
		testenv.Edit(ctx, c, func(c *v1alpha1.ChildAccount) { c.Spec.Email = "edited@acme.example" })
		next("update: edit (email)")
		Expect(w.Sim.SetField(w.Account(c.Name).ID, "account_email", "drift@else.example")).To(Succeed())
		next("update: drift (email)")
		testenv.Rotate(ctx, c, "1")
		next("set password: rotation")
		testenv.ApplyPassword(ctx, w, "declared", testenv.FirstPassword)
		testenv.Edit(ctx, c, testenv.WithPassword("declared"))
		next("set password: edit")
		w.Sim.Remove(w.Account(c.Name).ID)
		next("create: recreate", "update: recreate (payments.invoice)")
		Expect(testenv.K8s.Delete(ctx, c)).To(Succeed())
		testenv.ExpectGone(ctx, c)
		Expect(wroteLog(w, c.Name)()).To(Equal(append(want, "deactivate: deletion")))
	})

	It("says that a write was an adoption, and has the claim", func(ctx SpecContext) {
		w := testenv.StartWorld(ctx)
		w.Sim.PutAccount(testenv.SimulatorChild(w, "acme-found", "found@else.example"))
		c := w.ApplyReady(ctx, "acme-found", adoptingAlways)
		Expect(wroteLog(w, c.Name)()).To(ConsistOf("update: adoption (email)", "claim: adoption"))
	})

	It("says that a write was approved", func(ctx SpecContext) {
		w := testenv.NewWorld(ctx)
		p := w.ApplyParent(ctx)
		w.Start(ctx)
		all := testenv.ApplyFleet(ctx, w, 12)
		for i, c := range all {
			testenv.Edit(ctx, c, func(c *v1alpha1.ChildAccount) { c.Spec.Email = fmt.Sprintf("new-%d@acme.example", i) })
		}
		waiting, hash := testenv.AwaitHeld(ctx, all, 7)
		testenv.Edit(ctx, p, func(p *v1alpha1.ParentAccount) {
			p.Annotations = map[string]string{v1alpha1.AnnotationApproveMassChange: hash}
		})
		for _, c := range waiting {
			Eventually(testenv.StateOf(ctx, c)).Should(testenv.BeAvailable())
			Expect(wroteLog(w, c.Name)()).To(Equal([]string{"create: creation", "update: approval of edit (email)"}))
		}
	})

	It("has the begin and the end of an outage, and how long it lasted, over a restart", func(ctx SpecContext) {
		w := testenv.StartWorld(ctx)
		Eventually(testenv.StateOf(ctx, w.ParentAccount())).Should(testenv.BeAvailable())
		w.Sim.AddFault(simulator.Fault{Kind: simulator.FaultDown, Status: 503})
		about := func(more types.GomegaMatcher) types.GomegaMatcher {
			return And(HaveKeyWithValue("name", "acme"), HaveKeyWithValue("reason", v1alpha1.ReasonAPIUnavailable), more)
		}
		begins := about(And(HaveKeyWithValue("cause", ContainSubstring("503")), HaveKeyWithValue("since", HaveSuffix("Z"))))
		Eventually(logged).WithArguments(w, "the parent account can't be used").Should(ConsistOf(begins))
		Eventually(testenv.StateOf(ctx, w.ParentAccount())).Should(testenv.BeTryingAs(v1alpha1.ReasonAPIUnavailable, "True/Available"))
		w.Stop()
		w.Start(ctx)
		Eventually(logged).WithArguments(w, "the parent account can't be used").Should(ConsistOf(begins, begins), "nobody may see any more what the first process has logged")
		w.Sim.ClearFaults()
		Eventually(logged).WithArguments(w, "the parent account can be used again").Should(ConsistOf(about(HaveKeyWithValue("lasted", MatchRegexp(`^[0-9a-z.]+s$`)))))
		Expect(logged(w, "the parent account can't be used")).To(HaveLen(2))
	})
})
