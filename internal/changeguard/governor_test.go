package changeguard_test

import (
	"context"
	"fmt"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"cpaas.dev/child-account-operator/api/v1alpha1"
	"cpaas.dev/child-account-operator/internal/testenv"
)

var _ = Describe("A mass change", func() {
	german := func(c *v1alpha1.ChildAccount) { c.Spec.LanguageCode = ptr.To("de") }

	It("is stopped after a few accounts, shows what would happen, and goes on when exactly that is approved", func(ctx SpecContext) {
		w := testenv.StartWorld(ctx)
		all := testenv.ApplyFleet(ctx, w, 12)
		for _, c := range all {
			testenv.Edit(ctx, c, german)
		}
		var through, waiting []*v1alpha1.ChildAccount
		Eventually(func(g Gomega) {
			through, waiting = testenv.SplitByApproval(ctx, all)
			g.Expect(through).To(HaveLen(5))
			g.Expect(waiting).To(HaveLen(7))
			for _, c := range waiting {
				g.Expect(testenv.ApprovalHash(ctx, c)).To(Equal(testenv.ApprovalHash(ctx, waiting[0])))
			}
		}).Should(Succeed())
		Expect(testenv.StateOf(ctx, waiting[0])(Default).Message).To(And(HavePrefix("languageCode=de waits: no more than 5 accounts (of 12)"), ContainSubstring("and 2 more")))

		By("not by a restart, nor by another hash")
		w.Stop()
		w.Start(ctx)
		w.AwaitLists(2)
		_, waiting = testenv.SplitByApproval(ctx, all)
		Expect(waiting).To(HaveLen(7))
		p := w.ParentAccount()
		approve := func(hash string) {
			testenv.Edit(ctx, p, func(p *v1alpha1.ParentAccount) {
				p.Annotations = map[string]string{v1alpha1.AnnotationApproveMassChange: hash}
			})
		}
		approve("0123456789ab")
		w.AwaitLists(2)
		_, waiting = testenv.SplitByApproval(ctx, all)
		Expect(waiting).To(HaveLen(7))

		By("and what comes after the approval is not covered by it")
		var hash string
		Eventually(func(g Gomega) {
			hash = testenv.ApprovalHash(ctx, waiting[0])
			g.Expect(testenv.ApprovalHash(ctx, waiting[6])).To(Equal(hash))
		}).Should(Succeed())
		testenv.Edit(ctx, waiting[0], func(c *v1alpha1.ChildAccount) { c.Spec.LanguageCode = ptr.To("fr") })
		Eventually(func(g Gomega) { g.Expect(testenv.ApprovalHash(ctx, waiting[1])).NotTo(Equal(hash)) }).Should(Succeed())
		approve(hash)
		w.AwaitLists(2)
		_, waiting = testenv.SplitByApproval(ctx, all)
		Expect(waiting).To(HaveLen(7))
		approve("ffffffffffff," + testenv.ApprovalHash(ctx, waiting[1]))
		for _, c := range all {
			Eventually(testenv.StateOf(ctx, c)).Should(testenv.BeAvailable())
		}
		Expect(w.Account(waiting[0].AccountName()).Fields["language_code"]).To(Equal("fr"))
		Expect(w.Account(waiting[1].AccountName()).Fields["language_code"]).To(Equal("de"))
	})

	It("is not said to wait once a restart has let it pass, though no second list was read", func(ctx SpecContext) {
		w := testenv.NewWorld(ctx)
		w.ApplyParent(ctx, func(p *v1alpha1.ParentAccount) { p.Spec.ResyncInterval = &metav1.Duration{Duration: time.Hour} })
		w.Start(ctx)
		all := testenv.ApplyFleet(ctx, w, 8)
		for _, c := range all {
			testenv.Edit(ctx, c, german)
		}
		Eventually(func() []v1alpha1.PendingApproval { return parentOf(ctx, w).Status.PendingApprovals }).Should(HaveExactElements(HaveField("Count", BeEquivalentTo(3))))
		w.Stop()
		w.Start(ctx)
		for _, c := range all {
			Eventually(testenv.StateOf(ctx, c)).Should(testenv.BeAvailable())
		}
		Eventually(func() []v1alpha1.PendingApproval { return parentOf(ctx, w).Status.PendingApprovals }).Should(BeEmpty())
		Expect(parentOf(ctx, w).Status.PendingResources).To(BeNil())
	})

	It("is over when the edits are taken back, and what the provider's side changed is corrected for a few", func(ctx SpecContext) {
		w := testenv.StartWorld(ctx)
		all := testenv.ApplyFleet(ctx, w, 8)
		for _, c := range all {
			testenv.Edit(ctx, c, german)
		}
		var waiting []*v1alpha1.ChildAccount
		Eventually(func() int { _, waiting = testenv.SplitByApproval(ctx, all); return len(waiting) }).Should(Equal(3))
		for _, c := range waiting {
			testenv.Edit(ctx, c, func(c *v1alpha1.ChildAccount) { c.Spec.LanguageCode = nil })
		}
		changed := all[:0:0]
		for _, c := range all {
			Eventually(testenv.StateOf(ctx, c)).Should(testenv.BeAvailable())
			if w.Account(c.AccountName()).Fields["language_code"] == "de" { // it counts already
				changed = append(changed, c)
				Expect(w.Sim.SetField(w.Account(c.AccountName()).ID, "account_email", c.Name+"@drift.example")).To(Succeed())
			}
		}
		Expect(changed).To(HaveLen(5))
		for _, c := range changed {
			Eventually(func() any { return w.Account(c.AccountName()).Fields["account_email"] }).Should(Equal(c.Spec.Email))
		}
	})

	It("is none where the provider refuses the edits", func(ctx SpecContext) {
		w := testenv.StartWorld(ctx)
		all := testenv.ApplyFleet(ctx, w, 8)
		for _, c := range all[:6] {
			testenv.Edit(ctx, c, func(c *v1alpha1.ChildAccount) { c.Spec.Email = all[7].Spec.Email })
			Eventually(testenv.StateOf(ctx, c)).Should(testenv.BeStalledAs(v1alpha1.ReasonEmailTaken))
		}
		testenv.Edit(ctx, all[6], german)
		Eventually(func() any { return w.Account(all[6].AccountName()).Fields["language_code"] }).Should(Equal("de"))
	})

	It("goes on by itself under limits that allow it", func(ctx SpecContext) {
		w := testenv.StartWorld(ctx)
		all := testenv.ApplyFleet(ctx, w, 8)
		for _, c := range all {
			testenv.Edit(ctx, c, german)
		}
		Eventually(func() int { _, waiting := testenv.SplitByApproval(ctx, all); return len(waiting) }).Should(Equal(3))
		testenv.Edit(ctx, w.ParentAccount(), func(p *v1alpha1.ParentAccount) {
			p.Spec.Limits.MassChange = &v1alpha1.MassChange{Percent: ptr.To[int32](100)}
		})
		for _, c := range all {
			Eventually(testenv.StateOf(ctx, c)).Should(testenv.BeAvailable())
		}
	})

	It("counts deletions that switch accounts off, and keeps them back for an hour at most", func(ctx SpecContext) {
		w := testenv.StartWorld(ctx)
		all := testenv.ApplyFleet(ctx, w, 8, func(c *v1alpha1.ChildAccount) { c.Spec.DeletionPolicy = ptr.To(v1alpha1.DeletionDeactivate) })
		for _, c := range all {
			Expect(testenv.K8s.Delete(ctx, c)).To(Succeed())
		}
		var left []*v1alpha1.ChildAccount
		Eventually(func() []*v1alpha1.ChildAccount {
			left = nil
			for _, c := range all {
				if testenv.K8s.Get(ctx, testenv.KeyOf(c), c) == nil {
					left = append(left, c)
				}
			}
			return left
		}).Should(HaveLen(3))
		Eventually(func(g Gomega) {
			s := testenv.StateOf(ctx, left[0])(g)
			g.Expect(s.Second).To(Equal("False/AwaitingApproval"))
			g.Expect(s.Flags).To(Equal(v1alpha1.ConditionStalled))
			g.Expect(s.Message).To(ContainSubstring("approve-mass-change="))
		}).Should(Succeed())
		Eventually(testenv.EventsOf(ctx, left[0])).Should(ContainElement(And(HavePrefix("AwaitingApproval: "), ContainSubstring("approve-mass-change="))))
		off := 0
		for _, c := range all {
			if !w.Account(c.AccountName()).Active() {
				off++
			}
		}
		Expect(off).To(Equal(5))
		p := w.ParentAccount()
		Expect(testenv.K8s.Get(ctx, testenv.KeyOf(p), p)).To(Succeed())
		Expect(p.Status.Deactivations).To(HaveLen(5))

		Eventually(func(g Gomega) {
			hash := testenv.Approval.FindStringSubmatch(testenv.StateOf(ctx, left[0])(g).Message)
			g.Expect(hash).To(HaveLen(2))
			testenv.Edit(ctx, p, func(p *v1alpha1.ParentAccount) {
				p.Annotations = map[string]string{v1alpha1.AnnotationApproveMassChange: hash[1]}
			})
		}).Should(Succeed())
		for _, c := range left {
			Eventually(func() error { return testenv.K8s.Get(ctx, testenv.KeyOf(c), c) }).Should(testenv.BeNotFound())
			Expect(w.Account(c.AccountName()).Active()).To(BeFalse())
		}
	})
})

var _ = Describe("maxDeactivationsPerHour", func() {
	It("is kept in the parent's status, over a restart, and slides", func(ctx SpecContext) {
		w := testenv.NewWorld(ctx)
		p := w.ApplyParent(ctx, func(p *v1alpha1.ParentAccount) {
			p.Spec.Limits.MaxDeactivationsPerHour = ptr.To[int32](2)
			p.Spec.Limits.MassChange = &v1alpha1.MassChange{Percent: ptr.To[int32](100), Window: &metav1.Duration{Duration: time.Hour}}
		})
		w.Start(ctx)
		all := testenv.ApplyFleet(ctx, w, 3)
		off := func(c *v1alpha1.ChildAccount) { c.Spec.Active = ptr.To(false) }
		for _, c := range all[:2] {
			testenv.Edit(ctx, c, off)
			Eventually(testenv.StateOf(ctx, c)).Should(testenv.BeReadyAs(v1alpha1.ReasonDeactivated))
		}
		Expect(testenv.K8s.Get(ctx, testenv.KeyOf(p), p)).To(Succeed())
		Expect(p.Status.Deactivations).To(HaveLen(2))
		w.Stop()
		w.Start(ctx)
		testenv.Edit(ctx, all[2], off)
		Eventually(testenv.StateOf(ctx, all[2])).Should(testenv.AwaitingApproval())
		Expect(testenv.StateOf(ctx, all[2])(Default).Message).To(ContainSubstring("no more than 2 accounts may be deactivated within an hour"))
		Expect(w.Account(all[2].AccountName()).Active()).To(BeTrue())

		w.Stop()
		w.Clock = testenv.Ahead{Clock: w.Clock, By: 2 * time.Hour}
		w.Start(ctx)
		Eventually(testenv.StateOf(ctx, all[2])).Should(testenv.BeReadyAs(v1alpha1.ReasonDeactivated))
	})

	It("starts anew in a recreated namespace, in the same process and after a restart", func(ctx SpecContext) {
		w := testenv.NewWorld(ctx)
		p := w.ApplyParent(ctx, testenv.Sharing(testenv.FromAll), allowingTwoDeactivations)
		w.Start(ctx)
		t := w.NewTenant(ctx, nil)
		use := func(kind string) {
			GinkgoHelper()
			for i := range 3 {
				c := t.Apply(ctx, fmt.Sprint("acme-", kind, i))
				Eventually(testenv.StateOf(ctx, c)).Should(testenv.BeAvailable())
				testenv.Edit(ctx, c, func(c *v1alpha1.ChildAccount) { c.Spec.Active = ptr.To(false) })
				if i < 2 {
					Eventually(testenv.StateOf(ctx, c)).Should(testenv.BeReadyAs(v1alpha1.ReasonDeactivated))
				} else {
					Eventually(testenv.StateOf(ctx, c)).Should(testenv.AwaitingApproval())
				}
			}
		}
		use("first")
		recreate(ctx, w, t.NS, p)
		use("second")
		recreate(ctx, w, t.NS, p)
		w.Stop()
		w.Start(ctx)
		use("third")
	})
})

// recreate deletes a namespace with its ChildAccounts and creates it again, later than the last deactivation.
func recreate(ctx context.Context, w *testenv.World, name string, p *v1alpha1.ParentAccount) {
	GinkgoHelper()
	var children v1alpha1.ChildAccountList
	Expect(testenv.K8s.DeleteAllOf(ctx, &v1alpha1.ChildAccount{}, client.InNamespace(name))).To(Succeed())
	Eventually(func() []v1alpha1.ChildAccount {
		Expect(testenv.K8s.List(ctx, &children, client.InNamespace(name))).To(Succeed())
		return children.Items
	}).Should(BeEmpty())
	ns := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name}}
	Expect(testenv.K8s.Delete(ctx, ns)).To(Succeed())
	Expect(testenv.K8s.Get(ctx, client.ObjectKeyFromObject(ns), ns)).To(Succeed())
	ns.Spec.Finalizers = nil
	Expect(testenv.K8s.SubResource("finalize").Update(ctx, ns)).To(Succeed())
	Eventually(func() error { return testenv.K8s.Get(ctx, client.ObjectKeyFromObject(ns), ns) }).Should(testenv.BeNotFound())
	Expect(testenv.K8s.Get(ctx, testenv.KeyOf(p), p)).To(Succeed())
	last := p.Status.Deactivations[len(p.Status.Deactivations)-1].Time.Time
	Eventually(time.Now).Should(BeTemporally(">=", last.Add(time.Second)))
	Expect(testenv.K8s.Create(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name}})).To(Succeed())
}
