package changeguard_test

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"cpaas.dev/child-account-operator/api/v1alpha1"
	"cpaas.dev/child-account-operator/internal/simulator"
	"cpaas.dev/child-account-operator/internal/testenv"
)

// parentOf reads the ParentAccount.
func parentOf(ctx context.Context, w *testenv.World) *v1alpha1.ParentAccount {
	GinkgoHelper()
	p := w.ParentAccount()
	Expect(testenv.K8s.Get(ctx, testenv.KeyOf(p), p)).To(Succeed())
	return p
}

// missing is the condition of the ParentAccount.
func missing(ctx context.Context, w *testenv.World) *metav1.Condition {
	GinkgoHelper()
	return meta.FindStatusCondition(parentOf(ctx, w).Status.Conditions, v1alpha1.ConditionAccountsMissing)
}

// approve approves what waits, by the command in the ParentAccount's status.
func approve(ctx context.Context, w *testenv.World) {
	GinkgoHelper()
	var hash string
	Eventually(func(g Gomega) {
		pending := parentOf(ctx, w).Status.PendingApprovals
		g.Expect(pending).To(HaveLen(1))
		hash = pending[0].Hash
		g.Expect(pending[0].Message).To(HaveSuffix("kubectl annotate parentaccount -n " + w.NS + " acme --overwrite accounts.cpaas.dev/approve-mass-change=" + hash))
	}).Should(Succeed())
	testenv.Edit(ctx, w.ParentAccount(), func(p *v1alpha1.ParentAccount) {
		p.Annotations = map[string]string{v1alpha1.AnnotationApproveMassChange: hash}
	})
}

// stored is all that is stored of the ChildAccounts and the Secrets of the world.
func stored(ctx context.Context, w *testenv.World) map[string]string {
	GinkgoHelper()
	out := map[string]string{}
	var children v1alpha1.ChildAccountList
	var secrets corev1.SecretList
	Expect(testenv.K8s.List(ctx, &children, client.InNamespace(w.NS))).To(Succeed())
	Expect(testenv.K8s.List(ctx, &secrets, client.InNamespace(w.NS))).To(Succeed())
	for i := range children.Items {
		out["ChildAccount "+children.Items[i].Name] = children.Items[i].ResourceVersion
	}
	for i := range secrets.Items {
		out["Secret "+secrets.Items[i].Name] = secrets.Items[i].ResourceVersion
	}
	return out
}

// applyMixed is so many children of all policies: created or adopted ones, to be created anew or not, and observed ones.
func applyMixed(ctx context.Context, w *testenv.World, n int) []*v1alpha1.ChildAccount {
	GinkgoHelper()
	var all []*v1alpha1.ChildAccount
	for i := range n {
		name := "acme-mixed" + strconv.Itoa(i)
		if i%5 > 1 {
			w.Sim.PutAccount(simulator.Account{ParentID: w.Parent.ID, Fields: simulator.Fields{"account_name": name, "account_email": name + "@acme.example", "active": true}})
		}
	}
	w.AwaitLists(2)
	for i := range n {
		all = append(all, w.Apply(ctx, "acme-mixed"+strconv.Itoa(i), func(c *v1alpha1.ChildAccount) {
			switch i % 5 {
			case 1, 2, 3:
				c.Spec.MissingPolicy = ptr.To(v1alpha1.MissingRecreate)
			case 4:
				c.Spec.ManagementPolicy = ptr.To(v1alpha1.ManagementObserve)
			}
			if i%5 > 1 {
				c.Spec.AdoptionPolicy = ptr.To(v1alpha1.AdoptAlways)
			}
		}))
	}
	for _, c := range all {
		Eventually(func(g Gomega) { g.Expect(testenv.StateOf(ctx, c)(g).Ready).To(HavePrefix("True/")) }).Should(Succeed())
	}
	w.AwaitLists(2)
	return all
}

var _ = Describe("Accounts that go missing together", func() {
	It("are not believed to be missing: 50 resources stay as they are, one condition and one event say so, and go with a right list", func(ctx SpecContext) {
		w := testenv.StartWorld(ctx)
		all := applyMixed(ctx, w, 50)
		before := stored(ctx, w)
		created := w.Count("AddAccount")
		w.Sim.AddFault(simulator.Fault{Kind: simulator.FaultEmptyList, Method: "GetChildrenAccounts"})
		Eventually(func() *metav1.Condition { return missing(ctx, w) }).Should(HaveValue(And(
			HaveField("Status", metav1.ConditionTrue), HaveField("Reason", v1alpha1.ReasonAwaitingApproval),
			HaveField("Message", And(HavePrefix("the provider's list lacks 50 of 50 accounts: "), ContainSubstring("The operator believes at most 10 accounts to be missing at once"))),
		)))
		w.AwaitLists(3)
		still := func() {
			GinkgoHelper()
			Expect(stored(ctx, w)).To(Equal(before), "something of the resources was written")
			Expect(w.Count("AddAccount")).To(Equal(created))
			var events []string
			for _, e := range testenv.EventsOf(ctx, w.ParentAccount())(Default) {
				if strings.HasPrefix(e, v1alpha1.ConditionAccountsMissing+": ") {
					events = append(events, e)
				}
			}
			Expect(events).To(HaveLen(1))
			Expect(meta.IsStatusConditionTrue(parentOf(ctx, w).Status.Conditions, v1alpha1.ConditionReady)).To(BeTrue())
		}
		still()
		was := parentOf(ctx, w)
		Expect(was.Status.PendingApprovals).To(HaveExactElements(HaveField("Count", BeEquivalentTo(50))))

		By("nor by a restart, which forgets nothing")
		w.Stop()
		w.Start(ctx)
		w.AwaitLists(4)
		still()
		Expect(parentOf(ctx, w).Status.PendingApprovals).To(Equal(was.Status.PendingApprovals))
		Expect(missing(ctx, w)).To(HaveField("LastTransitionTime", meta.FindStatusCondition(was.Status.Conditions, v1alpha1.ConditionAccountsMissing).LastTransitionTime))

		By("nor by a deletion, which waits, or somebody who asks for a reconcile")
		testenv.Edit(ctx, all[0], func(c *v1alpha1.ChildAccount) {
			c.Annotations = map[string]string{v1alpha1.AnnotationReconcileRequestedAt: "now"}
		})
		w.AwaitLists(2)
		Expect(testenv.StateOf(ctx, all[0])(Default).Ready).To(Equal("True/Available"))

		w.Sim.ClearFaults()
		Eventually(func(g Gomega) {
			g.Expect(missing(ctx, w)).To(BeNil())
			g.Expect(parentOf(ctx, w).Status.PendingApprovals).To(BeEmpty())
		}).Should(Succeed())
		w.AwaitLists(2)
		Expect(w.Count("AddAccount")).To(Equal(created))
		for _, c := range all[:2] {
			Eventually(testenv.StateOf(ctx, c)).Should(testenv.BeAvailable())
		}
	})

	It("are missing once exactly these are approved, and each does as its missingPolicy says", func(ctx SpecContext) {
		w := testenv.StartWorld(ctx)
		all := applyMixed(ctx, w, 10)
		held := map[string]map[string]string{}
		for i, c := range all {
			w.Sim.Remove(w.Account(c.AccountName()).ID)
			if i%5 != 4 {
				held[c.Name] = testenv.ConnectionOf(ctx, c)
			}
		}
		created := w.Count("AddAccount")
		Eventually(func() *metav1.Condition { return missing(ctx, w) }).ShouldNot(BeNil())
		testenv.Edit(ctx, w.ParentAccount(), func(p *v1alpha1.ParentAccount) {
			p.Annotations = map[string]string{v1alpha1.AnnotationApproveMassChange: strings.Repeat("0", 32)}
		})
		w.AwaitLists(2)
		Expect(w.Count("AddAccount")).To(Equal(created), "another hash approves")
		approve(ctx, w)
		for i, c := range all {
			if i%5 == 0 || i%5 == 4 {
				Eventually(testenv.StateOf(ctx, c)).Should(testenv.BeStalledAs(v1alpha1.ReasonAccountMissing))
				continue
			}
			Eventually(func(g Gomega) {
				g.Expect(testenv.K8s.Get(ctx, testenv.KeyOf(c), c)).To(Succeed())
				g.Expect(c.Status.AccountID).NotTo(Equal(held[c.Name]["accountID"]))
				g.Expect(testenv.StateOf(ctx, c)(g)).To(testenv.BeAvailable())
			}).Should(Succeed())
			now := testenv.ConnectionOf(ctx, c)
			Expect(w.Sim.CheckPassword(w.Account(c.AccountName()).ID, now["password"])).To(BeTrue())
		}
		Eventually(func(g Gomega) {
			g.Expect(missing(ctx, w)).To(BeNil())
			g.Expect(parentOf(ctx, w).Status.PendingApprovals).To(BeEmpty())
		}).Should(Succeed())
		Expect(w.Count("AddAccount")).To(Equal(created + 6))

		By("not again after a restart")
		w.Stop()
		w.Start(ctx)
		w.AwaitLists(4)
		Expect(missing(ctx, w)).To(BeNil())
		Expect(w.Count("AddAccount")).To(Equal(created + 6))
	})

	It("wait with the deletions of their resources, whose accounts are not said to be gone", func(ctx SpecContext) {
		w := testenv.StartWorld(ctx)
		all := testenv.ApplyFleet(ctx, w, 8, testenv.Deactivating)
		w.Sim.AddFault(simulator.Fault{Kind: simulator.FaultEmptyList, Method: "GetChildrenAccounts"})
		Eventually(func() *metav1.Condition { return missing(ctx, w) }).ShouldNot(BeNil())
		Expect(testenv.K8s.Delete(ctx, all[0])).To(Succeed())
		Eventually(func(g Gomega) {
			g.Expect(testenv.StateOf(ctx, all[0])(g).Message).To(ContainSubstring("more accounts are missing at once than the operator believes"))
		}).Should(Succeed())
		w.Sim.ClearFaults()
		testenv.ExpectGone(ctx, all[0])
		Expect(w.Account(all[0].Name).Active()).To(BeFalse())
	})

	It("are believed to be missing as ever where they are few", func(ctx SpecContext) {
		w := testenv.StartWorld(ctx)
		all := testenv.ApplyFleet(ctx, w, 8)
		for _, c := range all[:5] {
			w.Sim.Remove(w.Account(c.AccountName()).ID)
		}
		for _, c := range all[:5] {
			Eventually(testenv.StateOf(ctx, c)).Should(testenv.BeStalledAs(v1alpha1.ReasonAccountMissing))
		}
		Expect(missing(ctx, w)).To(BeNil())
		Expect(parentOf(ctx, w).Status.PendingApprovals).To(BeEmpty())
	})
})

var _ = Describe("Drift of many accounts", func() {
	It("is corrected for a few, and waits for an approval beyond them; the parent says what waits and what is used", func(ctx SpecContext) {
		w := testenv.StartWorld(ctx)
		all := testenv.ApplyFleet(ctx, w, 8, func(c *v1alpha1.ChildAccount) { c.Spec.Active = ptr.To(true) })
		for _, c := range all {
			Expect(w.Sim.SetField(w.Account(c.AccountName()).ID, "account_email", c.Name+"@newer.example")).To(Succeed())
		}
		newer := func() (n int) {
			for _, c := range all {
				if strings.HasSuffix(w.Account(c.AccountName()).Email(), "@newer.example") {
					n++
				}
			}
			return n
		}
		var waiting []*v1alpha1.ChildAccount
		Eventually(func() int { _, waiting = testenv.SplitByApproval(ctx, all); return len(waiting) }).Should(Equal(3))
		w.AwaitLists(3)
		Expect(newer()).To(Equal(3))
		for _, c := range waiting {
			Expect(testenv.StateOf(ctx, c)(Default).Message).To(HavePrefix("email=" + c.Spec.Email + " waits: no more than 5 accounts (of 8)"))
			Expect(testenv.K8s.Get(ctx, testenv.KeyOf(c), c)).To(Succeed())
			Expect(*c.Status.Observed.Email).To(Equal(c.Name+"@newer.example"), "what is observed is as old as the wait")
		}
		Eventually(func(g Gomega) {
			p := parentOf(ctx, w)
			g.Expect(p.Status.PendingApprovals).To(HaveExactElements(And(HaveField("Count", BeEquivalentTo(3)),
				HaveField("Hash", testenv.ApprovalHash(ctx, waiting[0])), HaveField("Message", HavePrefix("changes of 3 resources in namespace "+w.NS+" wait")))))
			g.Expect(p.Status.PendingResources).To(HaveValue(BeEquivalentTo(3)))
			g.Expect(p.Status.ChangeBudget).To(HaveValue(And(HaveField("Used", BeEquivalentTo(5)), HaveField("Limit", BeEquivalentTo(5)))))
		}).Should(Succeed())

		By("at rest nothing is written")
		at := parentOf(ctx, w).ResourceVersion
		w.AwaitLists(3)
		Expect(parentOf(ctx, w).ResourceVersion).To(Equal(at))

		By("an approval of something else is answered, with the command for what waits")
		approveAs := func(value string) {
			testenv.Edit(ctx, w.ParentAccount(), func(p *v1alpha1.ParentAccount) {
				metav1.SetMetaDataAnnotation(&p.ObjectMeta, v1alpha1.AnnotationApproveMassChange, value)
			})
		}
		hash := testenv.ApprovalHash(ctx, waiting[0])
		for i, wrong := range []string{hash[:31], strings.Repeat("0", 32) + "," + strings.ToUpper(hash)} {
			approveAs(wrong)
			Eventually(func() []v1alpha1.PendingApproval { return parentOf(ctx, w).Status.PendingApprovals }).Should(HaveExactElements(And(
				HaveField("Hash", hash), HaveField("Message", And(ContainSubstring(fmt.Sprintf("%q, approves something else", wrong)), HaveSuffix("approve-mass-change="+hash))))))
			Eventually(func(g Gomega) (answers []string) {
				for _, e := range testenv.EventsOf(ctx, parentOf(ctx, w))(g) {
					if strings.HasPrefix(e, "ApprovalMismatch: ") {
						answers = append(answers, e)
					}
				}
				return answers
			}).Should(And(HaveLen(i+1), ContainElement(And(ContainSubstring(wrong), HaveSuffix("approve-mass-change="+hash)))))
		}
		w.AwaitLists(2)
		Expect(newer()).To(Equal(3))

		By("and the approval of that group lets it pass")
		approve(ctx, w)
		for _, c := range all {
			Eventually(testenv.StateOf(ctx, c)).Should(testenv.BeAvailable())
		}
		Expect(newer()).To(BeZero())
		Eventually(func() []v1alpha1.PendingApproval { return parentOf(ctx, w).Status.PendingApprovals }).Should(BeEmpty())
		Expect(parentOf(ctx, w).Status.PendingResources).To(BeNil())
	})

	It("does not activate accounts again, as of an old backup, and a resource that waits says that its account is active", func(ctx SpecContext) {
		w := testenv.NewWorld(ctx)
		p := w.ApplyParent(ctx, func(p *v1alpha1.ParentAccount) {
			p.Spec.Limits.MassChange = &v1alpha1.MassChange{Percent: ptr.To[int32](0), Minimum: ptr.To[int32](2)}
		})
		w.Start(ctx)
		on := testenv.ApplyFleet(ctx, w, 4, func(c *v1alpha1.ChildAccount) { c.Spec.Active = ptr.To(true) })
		off := w.Apply(ctx, "acme-off", func(c *v1alpha1.ChildAccount) { c.Spec.Active = ptr.To(false) })
		Eventually(testenv.StateOf(ctx, off)).Should(testenv.BeReadyAs(v1alpha1.ReasonDeactivated))
		for _, c := range on {
			Expect(w.Sim.SetField(w.Account(c.AccountName()).ID, "active", false)).To(Succeed())
		}
		Eventually(func() (waiting int) {
			for _, c := range on {
				if s := testenv.StateOf(ctx, c)(Default); s.Second == "False/AwaitingApproval" {
					Expect(s.Ready).To(Equal("True/Deactivated"), "Ready of an account that was deactivated since")
					waiting++
				}
			}
			return waiting
		}).Should(Equal(2))
		Expect(w.Sim.SetField(w.Account("acme-off").ID, "active", true)).To(Succeed())
		Eventually(func(g Gomega) {
			s := testenv.StateOf(ctx, off)(g)
			g.Expect(s.Second).To(Equal("False/AwaitingApproval"))
			g.Expect(s.Ready).To(Equal("True/AwaitingApproval"))
			g.Expect(testenv.K8s.Get(ctx, testenv.KeyOf(off), off)).To(Succeed())
			g.Expect(off.Status.Observed.Active).To(HaveValue(BeTrue()))
		}).Should(Succeed())
		w.AwaitLists(2)
		active := 0
		for _, c := range on {
			if w.Account(c.AccountName()).Active() {
				active++
			}
		}
		Expect(active).To(Equal(2))
		Expect(w.Account("acme-off").Active()).To(BeTrue())

		By("a deletion that waits is in the same group")
		Expect(testenv.K8s.Get(ctx, testenv.KeyOf(p), p)).To(Succeed())
		Eventually(func() []v1alpha1.PendingApproval { return parentOf(ctx, w).Status.PendingApprovals }).
			Should(HaveExactElements(HaveField("Count", BeEquivalentTo(3))))
	})
})
