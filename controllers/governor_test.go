package controllers_test

import (
	"context"
	"fmt"
	"regexp"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"github.com/onsi/gomega/types"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"cpaas.dev/child-account-operator/api/v1alpha1"
)

// awaitingApproval is Ready as before, and Stalled: kstatus calls it failed.
func awaitingApproval() types.GomegaMatcher {
	return Satisfy(func(s summary) bool {
		return s.observed && s.ready == "True/Available" && s.second == "False/AwaitingApproval" && s.flags == v1alpha1.ConditionStalled && s.kstatus == "Failed"
	})
}

var approval = regexp.MustCompile(`approve-mass-change=([0-9a-f]{32})$`)

// hashOf is the hash that the resource's message names.
func hashOf(ctx context.Context, c *v1alpha1.ChildAccount) string {
	GinkgoHelper()
	found := approval.FindStringSubmatch(state(ctx, c)(Default).message)
	Expect(found).To(HaveLen(2))
	return found[1]
}

// fleet is n children that are Available under limits that let five of them change.
func (w *world) fleet(ctx context.Context, n int, change ...func(*v1alpha1.ChildAccount)) []*v1alpha1.ChildAccount {
	GinkgoHelper()
	var all []*v1alpha1.ChildAccount
	for i := range n {
		all = append(all, w.apply(ctx, fmt.Sprintf("acme-fleet%02d", i), change...))
	}
	for _, c := range all {
		Eventually(state(ctx, c)).Should(BeAvailable())
	}
	return all
}

// split are those that went through and those that wait.
func split(ctx context.Context, all []*v1alpha1.ChildAccount) (through, waiting []*v1alpha1.ChildAccount) {
	for _, c := range all {
		if awaiting, _ := awaitingApproval().Match(state(ctx, c)(Default)); awaiting {
			waiting = append(waiting, c)
		} else if done, _ := BeAvailable().Match(state(ctx, c)(Default)); done {
			through = append(through, c)
		}
	}
	return through, waiting
}

var _ = Describe("A mass change", func() {
	german := func(c *v1alpha1.ChildAccount) { c.Spec.LanguageCode = ptr.To("de") }

	It("is stopped after a few accounts, shows what would happen, and goes on when exactly that is approved", func(ctx SpecContext) {
		w := startWorld(ctx)
		all := w.fleet(ctx, 12)
		for _, c := range all {
			edit(ctx, c, german)
		}
		var through, waiting []*v1alpha1.ChildAccount
		Eventually(func(g Gomega) {
			through, waiting = split(ctx, all)
			g.Expect(through).To(HaveLen(5))
			g.Expect(waiting).To(HaveLen(7))
			for _, c := range waiting {
				g.Expect(hashOf(ctx, c)).To(Equal(hashOf(ctx, waiting[0])))
			}
		}).Should(Succeed())
		Expect(state(ctx, waiting[0])(Default).message).To(And(HavePrefix("languageCode=de waits: no more than 5 accounts (of 12)"), ContainSubstring("and 2 more")))

		By("not by a restart, nor by another hash")
		w.stop()
		w.start(ctx)
		w.awaitLists(2)
		_, waiting = split(ctx, all)
		Expect(waiting).To(HaveLen(7))
		p := w.parentAccount()
		approve := func(hash string) {
			edit(ctx, p, func(p *v1alpha1.ParentAccount) {
				p.Annotations = map[string]string{v1alpha1.AnnotationApproveMassChange: hash}
			})
		}
		approve("0123456789ab")
		w.awaitLists(2)
		_, waiting = split(ctx, all)
		Expect(waiting).To(HaveLen(7))

		By("and what comes after the approval is not covered by it")
		var hash string
		Eventually(func(g Gomega) {
			hash = hashOf(ctx, waiting[0])
			g.Expect(hashOf(ctx, waiting[6])).To(Equal(hash))
		}).Should(Succeed())
		edit(ctx, waiting[0], func(c *v1alpha1.ChildAccount) { c.Spec.LanguageCode = ptr.To("fr") })
		Eventually(func(g Gomega) { g.Expect(hashOf(ctx, waiting[1])).NotTo(Equal(hash)) }).Should(Succeed())
		approve(hash)
		w.awaitLists(2)
		_, waiting = split(ctx, all)
		Expect(waiting).To(HaveLen(7))
		approve("ffffffffffff," + hashOf(ctx, waiting[1]))
		for _, c := range all {
			Eventually(state(ctx, c)).Should(BeAvailable())
		}
		Expect(w.account(waiting[0].AccountName()).Fields["language_code"]).To(Equal("fr"))
		Expect(w.account(waiting[1].AccountName()).Fields["language_code"]).To(Equal("de"))
	})

	It("is over when the edits are taken back, and never concerns what the provider's side changed", func(ctx SpecContext) {
		w := startWorld(ctx)
		all := w.fleet(ctx, 8)
		for _, c := range all {
			edit(ctx, c, german)
		}
		var waiting []*v1alpha1.ChildAccount
		Eventually(func() int { _, waiting = split(ctx, all); return len(waiting) }).Should(Equal(3))
		for _, c := range waiting {
			edit(ctx, c, func(c *v1alpha1.ChildAccount) { c.Spec.LanguageCode = nil })
		}
		for _, c := range all {
			Eventually(state(ctx, c)).Should(BeAvailable())
			Expect(w.sim.SetField(w.account(c.AccountName()).ID, "account_email", c.Name+"@drift.example")).To(Succeed())
		}
		for _, c := range all {
			Eventually(func() any { return w.account(c.AccountName()).Fields["account_email"] }).Should(Equal(c.Spec.Email))
		}
	})

	It("is none where the provider refuses the edits", func(ctx SpecContext) {
		w := startWorld(ctx)
		all := w.fleet(ctx, 8)
		for _, c := range all[:6] {
			edit(ctx, c, func(c *v1alpha1.ChildAccount) { c.Spec.Email = all[7].Spec.Email })
			Eventually(state(ctx, c)).Should(BeStalledAs(v1alpha1.ReasonEmailTaken))
		}
		edit(ctx, all[6], german)
		Eventually(func() any { return w.account(all[6].AccountName()).Fields["language_code"] }).Should(Equal("de"))
	})

	It("goes on by itself under limits that allow it", func(ctx SpecContext) {
		w := startWorld(ctx)
		all := w.fleet(ctx, 8)
		for _, c := range all {
			edit(ctx, c, german)
		}
		Eventually(func() int { _, waiting := split(ctx, all); return len(waiting) }).Should(Equal(3))
		edit(ctx, w.parentAccount(), func(p *v1alpha1.ParentAccount) {
			p.Spec.Limits.MassChange = &v1alpha1.MassChange{Percent: ptr.To[int32](100)}
		})
		for _, c := range all {
			Eventually(state(ctx, c)).Should(BeAvailable())
		}
	})

	It("counts deletions that switch accounts off, and keeps them back for an hour at most", func(ctx SpecContext) {
		w := startWorld(ctx)
		all := w.fleet(ctx, 8, func(c *v1alpha1.ChildAccount) { c.Spec.DeletionPolicy = ptr.To(v1alpha1.DeletionDeactivate) })
		for _, c := range all {
			Expect(k8s.Delete(ctx, c)).To(Succeed())
		}
		var left []*v1alpha1.ChildAccount
		Eventually(func() []*v1alpha1.ChildAccount {
			left = nil
			for _, c := range all {
				if k8s.Get(ctx, clientKey(c), c) == nil {
					left = append(left, c)
				}
			}
			return left
		}).Should(HaveLen(3))
		Eventually(func(g Gomega) string { return state(ctx, left[0])(g).String() }).Should(ContainSubstring("approve-mass-change="))
		off := 0
		for _, c := range all {
			if !w.account(c.AccountName()).Active() {
				off++
			}
		}
		Expect(off).To(Equal(5))
		p := w.parentAccount()
		Expect(k8s.Get(ctx, clientKey(p), p)).To(Succeed())
		Expect(p.Status.Deactivations).To(HaveLen(5))

		Eventually(func(g Gomega) {
			hash := approval.FindStringSubmatch(state(ctx, left[0])(g).message)
			g.Expect(hash).To(HaveLen(2))
			edit(ctx, p, func(p *v1alpha1.ParentAccount) {
				p.Annotations = map[string]string{v1alpha1.AnnotationApproveMassChange: hash[1]}
			})
		}).Should(Succeed())
		for _, c := range left {
			Eventually(func() error { return k8s.Get(ctx, clientKey(c), c) }).Should(beNotFound())
			Expect(w.account(c.AccountName()).Active()).To(BeFalse())
		}
	})
})

var _ = Describe("maxDeactivationsPerHour", func() {
	It("is kept in the parent's status, over a restart, and slides", func(ctx SpecContext) {
		w := newWorld(ctx)
		p := w.applyParent(ctx, func(p *v1alpha1.ParentAccount) {
			p.Spec.Limits.MaxDeactivationsPerHour = ptr.To[int32](2)
			p.Spec.Limits.MassChange = &v1alpha1.MassChange{Percent: ptr.To[int32](100), Window: &metav1.Duration{Duration: time.Hour}}
		})
		w.start(ctx)
		all := w.fleet(ctx, 3)
		off := func(c *v1alpha1.ChildAccount) { c.Spec.Active = ptr.To(false) }
		for _, c := range all[:2] {
			edit(ctx, c, off)
			Eventually(state(ctx, c)).Should(BeReadyAs(v1alpha1.ReasonDeactivated))
		}
		Expect(k8s.Get(ctx, clientKey(p), p)).To(Succeed())
		Expect(p.Status.Deactivations).To(HaveLen(2))
		w.stop()
		w.start(ctx)
		edit(ctx, all[2], off)
		Eventually(state(ctx, all[2])).Should(awaitingApproval())
		Expect(state(ctx, all[2])(Default).message).To(ContainSubstring("no more than 2 accounts may be switched off within an hour"))
		Expect(w.account(all[2].AccountName()).Active()).To(BeTrue())

		w.stop()
		w.clock = ahead{w.clock, 2 * time.Hour}
		w.start(ctx)
		Eventually(state(ctx, all[2])).Should(BeReadyAs(v1alpha1.ReasonDeactivated))
	})

	It("starts anew in a recreated namespace, in the same process and after a restart", func(ctx SpecContext) {
		w := newWorld(ctx)
		p := w.applyParent(ctx, sharing(fromAll), allowingTwoDeactivations)
		w.start(ctx)
		t := w.tenant(ctx, nil)
		use := func(kind string) {
			GinkgoHelper()
			for i := range 3 {
				c := t.apply(ctx, fmt.Sprint("acme-", kind, i))
				Eventually(state(ctx, c)).Should(BeAvailable())
				edit(ctx, c, func(c *v1alpha1.ChildAccount) { c.Spec.Active = ptr.To(false) })
				if i < 2 {
					Eventually(state(ctx, c)).Should(BeReadyAs(v1alpha1.ReasonDeactivated))
				} else {
					Eventually(state(ctx, c)).Should(awaitingApproval())
				}
			}
		}
		use("first")
		w.recreate(ctx, t.ns, p)
		use("second")
		w.recreate(ctx, t.ns, p)
		w.stop()
		w.start(ctx)
		use("third")
	})
})

// recreate deletes a namespace with its ChildAccounts and creates it again, later than the last deactivation.
func (w *world) recreate(ctx context.Context, name string, p *v1alpha1.ParentAccount) {
	GinkgoHelper()
	var children v1alpha1.ChildAccountList
	Expect(k8s.DeleteAllOf(ctx, &v1alpha1.ChildAccount{}, client.InNamespace(name))).To(Succeed())
	Eventually(func() []v1alpha1.ChildAccount {
		Expect(k8s.List(ctx, &children, client.InNamespace(name))).To(Succeed())
		return children.Items
	}).Should(BeEmpty())
	ns := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name}}
	Expect(k8s.Delete(ctx, ns)).To(Succeed())
	Expect(k8s.Get(ctx, client.ObjectKeyFromObject(ns), ns)).To(Succeed())
	ns.Spec.Finalizers = nil
	Expect(k8s.SubResource("finalize").Update(ctx, ns)).To(Succeed())
	Eventually(func() error { return k8s.Get(ctx, client.ObjectKeyFromObject(ns), ns) }).Should(beNotFound())
	Expect(k8s.Get(ctx, clientKey(p), p)).To(Succeed())
	last := p.Status.Deactivations[len(p.Status.Deactivations)-1].Time.Time
	Eventually(time.Now).Should(BeTemporally(">=", last.Add(time.Second)))
	Expect(k8s.Create(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name}})).To(Succeed())
}
