package controllers_test

import (
	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"k8s.io/utils/ptr"

	"cpaas.dev/child-account-operator/api/v1alpha1"
)

var _ = Describe("--parent-selector", func() {
	It("leaves everything of other ParentAccounts alone, until they are this operator's", func(ctx SpecContext) {
		w := newWorld(ctx)
		w.options.ParentSelector = "shard in (a, b)"
		p := w.applyParent(ctx)
		c := w.apply(ctx, "acme-shared", func(c *v1alpha1.ChildAccount) { c.Spec.DeletionPolicy = ptr.To(v1alpha1.DeletionDeactivate) })
		lost := w.apply(ctx, "acme-lost", func(c *v1alpha1.ChildAccount) { c.Spec.ParentRef.Name = "nowhere" })
		w.start(ctx)
		Eventually(state(ctx, lost)).Should(BeStalledAs(v1alpha1.ReasonParentNotFound), "nobody else would say so")
		Expect(k8s.Get(ctx, clientKey(c), c)).To(Succeed())
		Expect(c.Status.ObservedGeneration).To(Equal(int64(-1)))
		Expect(c.Finalizers).To(BeEmpty())
		Expect(k8s.Get(ctx, clientKey(p), p)).To(Succeed())
		Expect(p.Status.ObservedGeneration).To(Equal(int64(-1)))
		Expect(w.sim.Calls()).To(BeEmpty())

		label := func(labels map[string]string) func(*v1alpha1.ParentAccount) {
			return func(p *v1alpha1.ParentAccount) { p.Labels = labels }
		}
		edit(ctx, p, label(map[string]string{"shard": "b"}))
		Eventually(state(ctx, c)).Should(BeAvailable())

		By("and from when they are another's")
		edit(ctx, p, label(map[string]string{"shard": "c"}))
		w.awaitSilence()
		version := c.ResourceVersion
		edit(ctx, c, func(c *v1alpha1.ChildAccount) { c.Spec.Email = "other@acme.example" })
		Expect(c.ResourceVersion).NotTo(Equal(version))
		Expect(k8s.Delete(ctx, c)).To(Succeed())
		Consistently(func(g Gomega) {
			g.Expect(k8s.Get(ctx, clientKey(c), c)).To(Succeed(), "the finalizer is the other's to take away")
			g.Expect(c.Status.ObservedGeneration).To(Equal(int64(1)))
		}).Should(Succeed())
		Expect(w.count("SetChildAccountInfo")).To(BeZero())
	})
})
