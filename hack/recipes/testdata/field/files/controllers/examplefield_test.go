package controllers_test

import (
	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"k8s.io/utils/ptr"

	"cpaas.dev/child-account-operator/api/v1alpha1"
	"cpaas.dev/child-account-operator/internal/testenv"
)

// In the copy of the tree that hack/recipes makes.
var _ = Describe("A field that was just added", func() {
	It("is declared, created, compared, updated and shown", func(ctx SpecContext) {
		w := testenv.StartWorld(ctx)
		note := func(v string) func(*v1alpha1.ChildAccount) {
			return func(c *v1alpha1.ChildAccount) { c.Spec.ExampleNote = ptr.To(v) }
		}
		sent := func(method string) []string {
			var out []string
			for _, call := range w.Sim.Calls() {
				if v, ok := call.Params["example_note"]; ok && call.Method == method {
					out = append(out, v)
				}
			}
			return out
		}
		c := w.Child("acme-noted", note("one"))
		read := func(g Gomega) v1alpha1.ChildAccountStatus {
			g.Expect(testenv.K8s.Get(ctx, testenv.KeyOf(c), c)).To(Succeed())
			return c.Status
		}
		noted := func() any { return w.Account("acme-noted").Fields["example_note"] }

		By("creation")
		Expect(testenv.K8s.Create(ctx, c)).To(Succeed())
		Eventually(testenv.StateOf(ctx, c)).Should(testenv.BeAvailable())
		Expect(sent("AddAccount")).To(Equal([]string{"one"}))
		Expect(sent("SetChildAccountInfo")).To(BeEmpty())
		Expect(c.Status.Observed.ExampleNote).To(HaveValue(Equal("one")))
		Expect(c.Status.LastApplied).To(HaveKeyWithValue("exampleNote", "one"))

		By("an edit")
		testenv.Edit(ctx, c, note("two"))
		Eventually(testenv.StateOf(ctx, c)).Should(testenv.BeAvailable())
		Expect(c.Status.Observed.ExampleNote).To(HaveValue(Equal("two")))
		Expect(sent("SetChildAccountInfo")).To(Equal([]string{"two"}))
		Expect(noted()).To(Equal("two"))

		By("another spelling of the same")
		testenv.Edit(ctx, c, note(" two "))
		Eventually(testenv.StateOf(ctx, c)).Should(testenv.BeAvailable())
		Expect(sent("SetChildAccountInfo")).To(HaveLen(1))

		By("a change at the provider")
		Expect(w.Sim.SetField(w.Account("acme-noted").ID, "example_note", "three")).To(Succeed())
		Eventually(noted).Should(Equal(" two "), "as it is declared")

		By("drift that is only reported")
		testenv.Edit(ctx, c, func(c *v1alpha1.ChildAccount) {
			c.Spec.DriftPolicy, c.Spec.ExampleNote = ptr.To(v1alpha1.DriftReport), ptr.To("two")
		})
		Eventually(testenv.StateOf(ctx, c)).Should(testenv.BeAvailable())
		Expect(w.Sim.SetField(w.Account("acme-noted").ID, "example_note", "four")).To(Succeed())
		Eventually(read).Should(HaveField("Drift", ConsistOf(And(
			HaveField("Field", "exampleNote"), HaveField("Desired", "two"), HaveField("Observed", HaveValue(Equal("four"))),
		))))
		Expect(c.Status.Observed.ExampleNote).To(HaveValue(Equal("four")))

		By("one that is not declared")
		other := w.ApplyReady(ctx, "acme-silent")
		Expect(sent("AddAccount")).To(HaveLen(1))
		w.AwaitLists(1)
		Expect(w.Account("acme-silent").Fields).NotTo(HaveKey("example_note"))
		Expect(other.Status.Observed.ExampleNote).To(BeNil())

		By("a value that the schema refuses")
		Expect(testenv.K8s.Create(ctx, w.Child("acme-verbose", note("more than the forty characters that there may be")))).NotTo(Succeed())
	})
})
