package controllers_test

import (
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"k8s.io/utils/clock"
	"k8s.io/utils/ptr"

	"cpaas.dev/child-account-operator/api/v1alpha1"
	"cpaas.dev/child-account-operator/internal/testenv"
)

var _ = Describe("--parent-selector", func() {
	It("leaves everything of other ParentAccounts alone, until they are this operator's", func(ctx SpecContext) {
		w := testenv.NewWorld(ctx)
		w.Options.ParentSelector = "shard in (a, b)"
		p := w.ApplyParent(ctx)
		c := w.Apply(ctx, "acme-shared", func(c *v1alpha1.ChildAccount) { c.Spec.DeletionPolicy = ptr.To(v1alpha1.DeletionDeactivate) })
		lost := w.Apply(ctx, "acme-lost", func(c *v1alpha1.ChildAccount) { c.Spec.ParentRef.Name = "nowhere" })
		w.Start(ctx)
		Consistently(func(g Gomega) {
			for _, c := range []*v1alpha1.ChildAccount{c, lost} {
				g.Expect(testenv.K8s.Get(ctx, testenv.KeyOf(c), c)).To(Succeed())
				g.Expect(c.Status.ObservedGeneration).To(Equal(int64(-1)))
				g.Expect(c.Finalizers).To(BeEmpty())
			}
			g.Expect(testenv.K8s.Get(ctx, testenv.KeyOf(p), p)).To(Succeed())
			g.Expect(p.Status.ObservedGeneration).To(Equal(int64(-1)))
			g.Expect(w.Sim.Calls()).To(BeEmpty())
		}).Should(Succeed())

		label := func(labels map[string]string) func(*v1alpha1.ParentAccount) {
			return func(p *v1alpha1.ParentAccount) { p.Labels = labels }
		}
		testenv.Edit(ctx, p, label(map[string]string{"shard": "b"}))
		Eventually(testenv.StateOf(ctx, c)).Should(testenv.BeAvailable())

		By("and from when they are another's")
		testenv.Edit(ctx, p, label(map[string]string{"shard": "c"}))
		w.AwaitSilence()
		version := c.ResourceVersion
		testenv.Edit(ctx, c, func(c *v1alpha1.ChildAccount) { c.Spec.Email = "other@acme.example" })
		Expect(c.ResourceVersion).NotTo(Equal(version))
		Expect(testenv.K8s.Delete(ctx, c)).To(Succeed())
		Consistently(func(g Gomega) {
			g.Expect(testenv.K8s.Get(ctx, testenv.KeyOf(c), c)).To(Succeed(), "the finalizer is the other's to take away")
			g.Expect(c.Status.ObservedGeneration).To(Equal(int64(1)))
		}).Should(Succeed())
		Expect(w.Count("SetChildAccountInfo")).To(BeZero())
		Expect(testenv.K8s.Get(ctx, testenv.KeyOf(lost), lost)).To(Succeed())
		Expect(lost.Status.ObservedGeneration).To(Equal(int64(-1)), "it is another's to speak of")
	})

	It("lets resources go whose ParentAccount is no more, though another operator would speak of them", func(ctx SpecContext) {
		w := testenv.NewWorld(ctx)
		w.Options.ParentSelector = "shard=a"
		w.ApplyParent(ctx, labelled("shard", "a"))
		w.Start(ctx)
		kept, off := w.ApplyReady(ctx, "acme-kept"), w.ApplyReady(ctx, "acme-off", testenv.Deactivating)
		w.LoseParent(ctx)
		w.AwaitSilence()
		Expect(testenv.K8s.Delete(ctx, kept)).To(Succeed())
		Expect(testenv.K8s.Delete(ctx, off)).To(Succeed())
		testenv.ExpectGone(ctx, kept)

		By("not those whose account was to be switched off, for a minute: the other lets them go first")
		restart := func(late time.Duration) {
			w.Stop()
			w.Clock = testenv.Ahead{Clock: clock.RealClock{}, By: late}
			w.Start(ctx)
		}
		restart(courtesy)
		Consistently(testenv.StateOf(ctx, off)).Should(Satisfy(func(s testenv.State) bool { return s.Ready == "True/Available" }), "the other says what is to be said of it")

		By("and those whose account was to be switched off in an hour")
		restart(time.Hour - courtesy)
		Consistently(testenv.StateOf(ctx, off)).WithTimeout(2 * time.Second).Should(Satisfy(func(s testenv.State) bool { return s.Ready == "True/Available" }))
		restart(time.Hour)
		testenv.ExpectGone(ctx, off)
		Eventually(testenv.EventsOf(ctx, off)).Should(ContainElement(And(HavePrefix("NotDeactivated: "), ContainSubstring(off.Status.AccountID))))
		Expect(w.Account("acme-off").Active()).To(BeTrue())
	})

	It("leaves alone what it can't see, as another operator may", func(ctx SpecContext) {
		w := testenv.NewWorld(ctx)
		elsewhere := w.Neighbour(ctx)
		w.Options.ParentSelector, w.Options.Namespaces, w.Options.InstallationID = "shard!=b", []string{w.NS}, "blue"
		w.ApplyParent(ctx)
		unseen := w.Apply(ctx, "acme-unseen", func(c *v1alpha1.ChildAccount) { c.Spec.ParentRef.Namespace = &elsewhere.NS })
		w.Start(ctx)
		w.ApplyReady(ctx, "acme-seen")
		Consistently(func(g Gomega) {
			g.Expect(testenv.K8s.Get(ctx, testenv.KeyOf(unseen), unseen)).To(Succeed())
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
