package controllers_test

import (
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"k8s.io/utils/clock"
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
		Consistently(func(g Gomega) {
			for _, c := range []*v1alpha1.ChildAccount{c, lost} {
				g.Expect(k8s.Get(ctx, clientKey(c), c)).To(Succeed())
				g.Expect(c.Status.ObservedGeneration).To(Equal(int64(-1)))
				g.Expect(c.Finalizers).To(BeEmpty())
			}
			g.Expect(k8s.Get(ctx, clientKey(p), p)).To(Succeed())
			g.Expect(p.Status.ObservedGeneration).To(Equal(int64(-1)))
			g.Expect(w.sim.Calls()).To(BeEmpty())
		}).Should(Succeed())

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
		Expect(k8s.Get(ctx, clientKey(lost), lost)).To(Succeed())
		Expect(lost.Status.ObservedGeneration).To(Equal(int64(-1)), "it is another's to speak of")
	})

	It("lets resources go whose ParentAccount is no more, though another operator would speak of them", func(ctx SpecContext) {
		w := newWorld(ctx)
		w.options.ParentSelector = "shard=a"
		p := w.applyParent(ctx, labelled("shard", "a"))
		w.start(ctx)
		kept, off := w.applyReady(ctx, "acme-kept"), w.applyReady(ctx, "acme-off", deactivating)
		Expect(k8s.Delete(ctx, p)).To(Succeed())
		w.awaitSilence()
		Expect(k8s.Delete(ctx, kept)).To(Succeed())
		Expect(k8s.Delete(ctx, off)).To(Succeed())
		Consistently(func() error { return k8s.Get(ctx, clientKey(kept), kept) }).Should(Succeed(), "the other lets it go first")

		By("within a minute")
		restart := func(late time.Duration) {
			w.stop()
			w.clock = ahead{clock.RealClock{}, late}
			w.start(ctx)
		}
		restart(courtesy)
		gone(ctx, kept)
		Consistently(state(ctx, off)).Should(Satisfy(func(s summary) bool { return s.ready == "True/Available" }), "the other says what is to be said of it")

		By("and those whose account was to be switched off in an hour")
		restart(time.Hour - courtesy)
		Consistently(state(ctx, off)).WithTimeout(2 * time.Second).Should(Satisfy(func(s summary) bool { return s.ready == "True/Available" }))
		restart(time.Hour)
		gone(ctx, off)
		Eventually(eventsOf(ctx, off)).Should(ContainElement(And(HavePrefix("NotDeactivated: "), ContainSubstring(off.Status.AccountID))))
		Expect(w.account("acme-off").Active()).To(BeTrue())
	})

	It("leaves alone what it can't see, as another operator may", func(ctx SpecContext) {
		w := newWorld(ctx)
		elsewhere := w.neighbour(ctx)
		w.options.ParentSelector, w.options.Namespaces, w.options.InstallationID = "shard!=b", []string{w.ns}, "blue"
		w.applyParent(ctx)
		unseen := w.apply(ctx, "acme-unseen", func(c *v1alpha1.ChildAccount) { c.Spec.ParentRef.Namespace = &elsewhere.ns })
		w.start(ctx)
		w.applyReady(ctx, "acme-seen")
		Consistently(func(g Gomega) {
			g.Expect(k8s.Get(ctx, clientKey(unseen), unseen)).To(Succeed())
			g.Expect(unseen.Status.ObservedGeneration).To(Equal(int64(-1)))
		}).Should(Succeed())
	})
})

// courtesy is how long the operator waits for the one that speaks of a resource.
const courtesy = time.Minute

// labelled gives a ParentAccount a label.
func labelled(key, value string) func(*v1alpha1.ParentAccount) {
	return func(p *v1alpha1.ParentAccount) { p.Labels = map[string]string{key: value} }
}
