package controllers_test

import (
	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"k8s.io/utils/ptr"

	"cpaas.dev/child-account-operator/api/v1alpha1"
)

// In the copy of the tree that hack/newfield makes.
var _ = Describe("A field that was just added", func() {
	It("is declared, created, compared, updated and shown", func(ctx SpecContext) {
		w := startWorld(ctx)
		note := func(v string) func(*v1alpha1.ChildAccount) {
			return func(c *v1alpha1.ChildAccount) { c.Spec.ExampleNote = ptr.To(v) }
		}
		sent := func(method string) []string {
			var out []string
			for _, call := range w.sim.Calls() {
				if v, ok := call.Params["example_note"]; ok && call.Method == method {
					out = append(out, v)
				}
			}
			return out
		}
		c := w.child("acme-noted", note("one"))
		read := func(g Gomega) v1alpha1.ChildAccountStatus {
			g.Expect(k8s.Get(ctx, clientKey(c), c)).To(Succeed())
			return c.Status
		}
		noted := func() any { return w.account("acme-noted").Fields["example_note"] }

		By("creation")
		Expect(k8s.Create(ctx, c)).To(Succeed())
		Eventually(state(ctx, c)).Should(BeAvailable())
		Expect(sent("AddAccount")).To(Equal([]string{"one"}))
		Expect(sent("SetChildAccountInfo")).To(BeEmpty())
		Expect(c.Status.Observed.ExampleNote).To(HaveValue(Equal("one")))
		Expect(c.Status.LastApplied).To(HaveKeyWithValue("exampleNote", "one"))

		By("an edit")
		edit(ctx, c, note("two"))
		Eventually(state(ctx, c)).Should(BeAvailable())
		Expect(c.Status.Observed.ExampleNote).To(HaveValue(Equal("two")))
		Expect(sent("SetChildAccountInfo")).To(Equal([]string{"two"}))
		Expect(noted()).To(Equal("two"))

		By("another spelling of the same")
		edit(ctx, c, note(" two "))
		Eventually(state(ctx, c)).Should(BeAvailable())
		Expect(sent("SetChildAccountInfo")).To(HaveLen(1))

		By("a change at the provider")
		Expect(w.sim.SetField(w.account("acme-noted").ID, "example_note", "three")).To(Succeed())
		Eventually(noted).Should(Equal(" two "), "as it is declared")

		By("drift that is only reported")
		edit(ctx, c, func(c *v1alpha1.ChildAccount) {
			c.Spec.DriftPolicy, c.Spec.ExampleNote = ptr.To(v1alpha1.DriftReport), ptr.To("two")
		})
		Eventually(state(ctx, c)).Should(BeAvailable())
		Expect(w.sim.SetField(w.account("acme-noted").ID, "example_note", "four")).To(Succeed())
		Eventually(read).Should(HaveField("Drift", ConsistOf(And(
			HaveField("Field", "exampleNote"), HaveField("Desired", "two"), HaveField("Observed", HaveValue(Equal("four"))),
		))))
		Expect(c.Status.Observed.ExampleNote).To(HaveValue(Equal("four")))

		By("one that is not declared")
		other := w.applyReady(ctx, "acme-silent")
		Expect(sent("AddAccount")).To(HaveLen(1))
		w.awaitLists(1)
		Expect(w.account("acme-silent").Fields).NotTo(HaveKey("example_note"))
		Expect(other.Status.Observed.ExampleNote).To(BeNil())

		By("a value that the schema refuses")
		Expect(k8s.Create(ctx, w.child("acme-verbose", note("more than the forty characters that there may be")))).NotTo(Succeed())
	})
})
