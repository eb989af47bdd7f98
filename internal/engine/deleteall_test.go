package engine_test

import (
	"context"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"cpaas.dev/child-account-operator/api/v1alpha1"
	"cpaas.dev/child-account-operator/internal/simulator"
	"cpaas.dev/child-account-operator/internal/testenv"
)

var _ = Describe("A ParentAccount, its Secret and its ChildAccounts under Deactivate, deleted at once", func() {
	names := []string{"acme-one", "acme-two", "acme-three"}
	everything := func(ctx context.Context, w *testenv.World) map[string][]client.Object {
		w.ApplyParent(ctx)
		w.Start(ctx)
		children := make([]client.Object, len(names))
		for i, name := range names {
			children[i] = w.ApplyReady(ctx, name, testenv.Deactivating)
		}
		awaitParentFinalizer(ctx, w)
		return map[string][]client.Object{"children": children, "parent": {w.ParentAccount()}, "secret": {w.Credentials()}}
	}

	DescribeTable("leave no account active, and are gone", func(ctx SpecContext, meanwhile func(context.Context, *testenv.World), order ...string) {
		w := testenv.NewWorld(ctx)
		all := everything(ctx, w)
		for _, kind := range order {
			for _, o := range all[kind] {
				Expect(testenv.K8s.Delete(ctx, o)).To(Succeed())
			}
			meanwhile(ctx, w)
		}
		for _, objects := range all {
			for _, o := range objects {
				testenv.ExpectGone(ctx, o)
			}
		}
		for _, name := range names {
			Expect(w.Account(name).Active()).To(BeFalse(), name)
		}
	},
		Entry("in the order of the file", nothing, "secret", "parent", "children"),
		Entry("the Secret first, noticed before the rest goes", Label("slow"), noticed, "secret", "parent", "children"),
		Entry("the ParentAccount first, noticed before the rest goes", Label("slow"), noticed, "parent", "secret", "children"),
		Entry("the children before their parent", nothing, "children", "parent", "secret"),
		Entry("the children before their Secret", nothing, "children", "secret", "parent"),
	)

	It("wait for a ChildAccount that stays, say for which, and an hour at most", func(ctx SpecContext) {
		w := testenv.NewWorld(ctx)
		all := everything(ctx, w)
		p := w.ParentAccount()
		Expect(testenv.K8s.Delete(ctx, p)).To(Succeed())
		Expect(testenv.K8s.Delete(ctx, all["children"][0])).To(Succeed())
		testenv.ExpectGone(ctx, all["children"][0])
		Eventually(func(g Gomega) {
			s := testenv.StateOf(ctx, p)(g)
			g.Expect(s.Flags).To(Equal(v1alpha1.ConditionReconciling))
			g.Expect(s.Message).To(And(ContainSubstring("acme-three, acme-two."), ContainSubstring("Retain")))
		}).Should(Succeed())
		kept := all["children"][1].(*v1alpha1.ChildAccount)
		testenv.Edit(ctx, kept, func(c *v1alpha1.ChildAccount) { c.Spec.Email = "edited@acme.example" })
		Eventually(func() any { return w.Account("acme-two").Fields["account_email"] }).Should(Equal("edited@acme.example"), "it serves them until it goes")

		By("one that is deleted, and one that is to be retained")
		Expect(testenv.K8s.Delete(ctx, all["children"][2])).To(Succeed())
		testenv.Edit(ctx, kept, func(c *v1alpha1.ChildAccount) { c.Spec.DeletionPolicy = nil })
		testenv.ExpectGone(ctx, p)
		Expect(w.Account("acme-two").Active()).To(BeTrue())
	})

	DescribeTable("say at once what waits, and the command that lets it pass", func(ctx SpecContext, believedAfter time.Duration, says string) {
		w := testenv.NewWorld(ctx)
		w.Options.BelievedAfter = believedAfter
		p := w.ApplyParent(ctx, nothingChanges)
		w.Start(ctx)
		all := []client.Object{w.Credentials(), p}
		for _, name := range names {
			all = append(all, w.ApplyReady(ctx, name, testenv.Deactivating))
		}
		awaitParentFinalizer(ctx, w)
		for _, o := range all {
			Expect(testenv.K8s.Delete(ctx, o)).To(Succeed())
		}
		columns := testenv.ColumnsOf(ctx, p)
		Eventually(columns).Should(And(HaveKeyWithValue("Reason", v1alpha1.ReasonDeleting), HaveKeyWithValue("Pending", "3"), HaveKeyWithValue("Message", And(
			ContainSubstring("which are being deleted: acme-one, acme-three, acme-two"), ContainSubstring(says), Not(ContainSubstring("Delete the ChildAccounts")), MatchRegexp(testenv.Approval.String())))))
		approve := testenv.Approval.FindStringSubmatch(columns()["Message"])
		testenv.Edit(ctx, p, func(p *v1alpha1.ParentAccount) {
			p.Annotations = map[string]string{v1alpha1.AnnotationApproveMassChange: approve[1]}
		})
		for _, o := range all {
			testenv.ExpectGone(ctx, o)
		}
		for _, name := range names {
			Expect(w.Account(name).Active()).To(BeFalse(), name)
		}
	},
		Entry("while nothing is said of the Secret yet", time.Minute, "which are being deleted"),
		Entry("once the Secret is known to be missing", time.Second, "Secret voximplant does not exist"),
	)

	It("do not keep the ParentAccount for longer than an hour", func(ctx SpecContext) {
		w := testenv.NewWorld(ctx)
		everything(ctx, w)
		p := w.ParentAccount()
		Expect(testenv.K8s.Delete(ctx, p)).To(Succeed())
		Eventually(testenv.StateOf(ctx, p)).Should(HaveField("Flags", v1alpha1.ConditionReconciling))
		w.Stop()
		w.Clock = testenv.Ahead{Clock: w.Clock, By: time.Hour}
		w.Start(ctx)
		testenv.ExpectGone(ctx, p)
		Expect(w.Account("acme-one").Active()).To(BeTrue())
	})
})

func nothing(context.Context, *testenv.World) {}

// awaitParentFinalizer waits until the ParentAccount is kept for ChildAccounts.
func awaitParentFinalizer(ctx context.Context, w *testenv.World) {
	GinkgoHelper()
	Eventually(func(g Gomega) {
		p := w.ParentAccount()
		g.Expect(testenv.K8s.Get(ctx, testenv.KeyOf(p), p)).To(Succeed())
		g.Expect(p.Finalizers).To(ConsistOf(v1alpha1.ParentFinalizer))
	}).Should(Succeed())
}

// nothingChanges has every change wait for an approval.
func nothingChanges(p *v1alpha1.ParentAccount) {
	p.Spec.Limits = &v1alpha1.Limits{MassChange: &v1alpha1.MassChange{Percent: ptr.To[int32](0), Minimum: ptr.To[int32](0)}}
}

// noticed lets the operator see what was deleted.
func noticed(ctx context.Context, w *testenv.World) {
	p := w.ParentAccount()
	if testenv.K8s.Get(ctx, testenv.KeyOf(p), p) == nil {
		w.AwaitSilence()
	}
}

var _ = Describe("A Secret with credentials", func() {
	It("that is deleted serves what is being deleted, and nothing else", func(ctx SpecContext) {
		w := testenv.NewWorld(ctx)
		p := w.ApplyParent(ctx)
		w.Start(ctx)
		off, edited := w.ApplyReady(ctx, "acme-off", testenv.Deactivating), w.ApplyReady(ctx, "acme-edited")
		w.Sim.ResetCalls()
		Expect(testenv.K8s.Delete(ctx, w.Credentials())).To(Succeed())
		Eventually(testenv.StateOf(ctx, p)).Should(testenv.BeStalledAs(v1alpha1.ReasonSecretMissing))
		testenv.Edit(ctx, edited, func(c *v1alpha1.ChildAccount) { c.Spec.Email = "edited@acme.example" })
		Eventually(testenv.StateOf(ctx, edited)).Should(testenv.BeStalledAs(v1alpha1.ReasonParentNotReady))
		Expect(w.Changes()).To(BeEmpty())
		testenv.Remove(ctx, w, off)
		Expect(w.Account("acme-off").Active()).To(BeFalse())
		Expect(w.Account("acme-edited").Email()).To(Equal("acme-edited@acme.example"))
	})

	It("that is deleted does not hide what waits, while nothing is said of the Secret yet", func(ctx SpecContext) {
		w := testenv.NewWorld(ctx)
		w.Options.BelievedAfter = time.Minute
		p := w.ApplyParent(ctx, nothingChanges)
		w.Start(ctx)
		off := w.ApplyReady(ctx, "acme-off", testenv.Deactivating)
		Expect(testenv.K8s.Delete(ctx, w.Credentials())).To(Succeed())
		Expect(testenv.K8s.Delete(ctx, off)).To(Succeed())
		Eventually(testenv.ColumnsOf(ctx, p)).Should(And(HaveKeyWithValue("Pending", "1"), HaveKeyWithValue("Ready", "True"), HaveKeyWithValue("Reason", v1alpha1.ReasonAvailable)))
	})

	It("that loses its label serves nothing: that is a withdrawal", func(ctx SpecContext) {
		w := testenv.NewWorld(ctx)
		p := w.ApplyParent(ctx)
		w.Start(ctx)
		off := w.ApplyReady(ctx, "acme-off", testenv.Deactivating)
		w.Sim.ResetCalls()
		testenv.Edit(ctx, w.Credentials(), func(s *corev1.Secret) { s.Labels = nil })
		Eventually(testenv.StateOf(ctx, p)).Should(testenv.BeStalledAs(v1alpha1.ReasonSecretNotLabelled))
		Expect(testenv.K8s.Delete(ctx, off)).To(Succeed())
		waitingForItsAccount(ctx, off)
		Expect(w.Account("acme-off").Active()).To(BeTrue())
		Expect(w.Changes()).To(BeEmpty())
	})

	It("that is replaced by delete and create costs no write of a status, and no event", func(ctx SpecContext) {
		w := testenv.NewWorld(ctx)
		w.Options.BelievedAfter = time.Minute
		p := w.ApplyParent(ctx)
		w.Start(ctx)
		c := w.ApplyReady(ctx, "acme-replaced")
		w.AwaitLists(2)
		atRest := testenv.ResourceVersion(ctx, c)
		w.Sim.ResetCalls()
		again := w.Credentials()
		Expect(testenv.K8s.Get(ctx, testenv.KeyOf(again), again)).To(Succeed())
		Expect(testenv.K8s.Delete(ctx, again.DeepCopy())).To(Succeed())
		w.AwaitSilence()
		Expect(testenv.ResourceVersion(ctx, c)).To(Equal(atRest))
		testenv.Edit(ctx, c, func(c *v1alpha1.ChildAccount) { c.Spec.Location = ptr.To("Europe/Berlin") })
		Consistently(func() []string { return w.Changes() }).Should(BeEmpty(), "nothing is written without credentials")
		again.ResourceVersion, again.UID = "", ""
		Expect(testenv.K8s.Create(ctx, again)).To(Succeed())
		Eventually(func() any { return w.Account("acme-replaced").Fields["location"] }).Should(Equal("Europe/Berlin"))
		Eventually(testenv.StateOf(ctx, c)).Should(testenv.BeAvailable())
		Expect(testenv.EventsOf(ctx, c)(Default)).NotTo(ContainElement(ContainSubstring("ParentNotReady")))
		Expect(testenv.EventsOf(ctx, p)(Default)).NotTo(ContainElement(ContainSubstring("SecretMissing")))
		Expect(testenv.K8s.Get(ctx, testenv.KeyOf(p), p)).To(Succeed())
		Expect(testenv.StateOf(ctx, p)(Default)).To(testenv.BeAvailable())
	})

	It("that comes back with others, while the provider does not answer, loses neither what is known nor says that it is missing", func(ctx SpecContext) {
		w := testenv.NewWorld(ctx)
		p := w.ApplyParent(ctx)
		w.Start(ctx)
		c := w.ApplyReady(ctx, "acme-kept")
		again := w.Credentials()
		Expect(testenv.K8s.Delete(ctx, again)).To(Succeed())
		Eventually(testenv.StateOf(ctx, p)).Should(testenv.BeStalledAs(v1alpha1.ReasonSecretMissing))
		Eventually(testenv.StateOf(ctx, c)).Should(testenv.BeStalledAs(v1alpha1.ReasonParentNotReady))
		w.Sim.AddFault(simulator.Fault{Kind: simulator.FaultDown})
		Expect(testenv.K8s.Create(ctx, w.Credentials(simulator.RoleOwner))).To(Succeed())
		Eventually(func(g Gomega) {
			s := testenv.StateOf(ctx, p)(g)
			g.Expect(s.Ready).To(Equal("Unknown/APIUnavailable"))
		}).Should(Succeed())
		w.Sim.ClearFaults()
		Eventually(testenv.StateOf(ctx, p)).Should(testenv.BeAvailable())
		Eventually(testenv.StateOf(ctx, c)).Should(testenv.BeAvailable())
		Expect(testenv.EventsOf(ctx, c)(Default)).NotTo(ContainElement(ContainSubstring("ParentNotReady")), "the parent's event is enough")
	})
})
