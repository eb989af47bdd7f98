package engine_test

import (
	"context"
	"fmt"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"github.com/onsi/gomega/types"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"cpaas.dev/child-account-operator/api/v1alpha1"
	"cpaas.dev/child-account-operator/internal/simulator"
	"cpaas.dev/child-account-operator/internal/testenv"
)

// withEmail declares an e-mail address.
func withEmail(email string) func(*v1alpha1.ChildAccount) {
	return func(c *v1alpha1.ChildAccount) { c.Spec.Email = email }
}

// tried is how many writes asked for an e-mail.
func tried(w *testenv.World, email string) (n int) {
	for _, call := range w.Sim.Calls() {
		if call.Params["new_child_account_email"] == email || call.Params["account_email"] == email {
			n++
		}
	}
	return n
}

// beWaitingFor is Reconciling, with a message of these parts.
func beWaitingFor(reason string, parts ...string) types.GomegaMatcher {
	matchers := []types.GomegaMatcher{Satisfy(func(s testenv.State) bool {
		return s.Observed && s.Flags == v1alpha1.ConditionReconciling && s.Second == "Unknown/"+reason
	})}
	for _, part := range parts {
		matchers = append(matchers, HaveField("Message", ContainSubstring(part)))
	}
	return And(matchers...)
}

// beTaken is Stalled as EmailTaken, with a message of these parts.
func beTaken(parts ...string) types.GomegaMatcher {
	matchers := []types.GomegaMatcher{testenv.BeStalledAs(v1alpha1.ReasonEmailTaken)}
	for _, part := range parts {
		matchers = append(matchers, HaveField("Message", ContainSubstring(part)))
	}
	return And(matchers...)
}

// applySecondParent creates a ParentAccount of another account at the provider, in a namespace.
func applySecondParent(ctx context.Context, w *testenv.World, namespace string, of simulator.Parent) *v1alpha1.ParentAccount {
	GinkgoHelper()
	Expect(testenv.K8s.Create(ctx, &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "second", Labels: map[string]string{v1alpha1.LabelInput: "true"}},
		Data:       map[string][]byte{"credentials.json": w.Sim.Credentials(of.ID, simulator.RoleOwner)},
	})).To(Succeed())
	p := w.ParentAccount()
	p.Namespace, p.Name, p.Spec.Voximplant.CredentialsSecretRef.Name = namespace, "second", "second"
	Expect(testenv.K8s.Create(ctx, p)).To(Succeed())
	Eventually(testenv.StateOf(ctx, p)).Should(testenv.BeAvailable())
	return p
}

var _ = Describe("An e-mail that another account has", func() {
	It("moves between two resources within seconds, the new owner first", func(ctx SpecContext) {
		w := testenv.StartWorld(ctx)
		holder, mover := w.ApplyReady(ctx, "acme-holder"), w.ApplyReady(ctx, "acme-mover")
		id := w.Account("acme-holder").ID
		testenv.Edit(ctx, mover, withEmail("Acme-Holder@acme.example"))
		Eventually(testenv.StateOf(ctx, mover)).Should(beTaken("spec.email", fmt.Sprintf("account acme-holder (id %d) of ChildAccount %s/acme-holder has it", id, w.NS), "declares the value"))
		w.AwaitLists(2)
		Expect(tried(w, "Acme-Holder@acme.example")).To(Equal(1))

		testenv.Edit(ctx, holder, withEmail("other@acme.example"))
		for _, c := range []*v1alpha1.ChildAccount{holder, mover} {
			Eventually(testenv.StateOf(ctx, c)).Should(testenv.BeAvailable())
		}
		Expect(w.Account("acme-mover").Email()).To(Equal("Acme-Holder@acme.example"))
		Expect(tried(w, "Acme-Holder@acme.example")).To(Equal(2))
		Expect(tried(w, "other@acme.example")).To(Equal(1))
	})

	It("is waited for, without a call, while its account is about to get another one", func(ctx SpecContext) {
		w := testenv.StartWorld(ctx)
		holder := w.ApplyReady(ctx, "acme-holder")
		mover := w.ApplyReady(ctx, "acme-mover")
		fault := w.Sim.AddFault(simulator.Fault{Kind: simulator.FaultError, Method: "SetChildAccountInfo", Code: 2, Match: map[string]string{"child_account_id": fmt.Sprint(w.Account("acme-holder").ID)}})
		testenv.Edit(ctx, holder, withEmail("other@acme.example"))
		testenv.Edit(ctx, mover, withEmail("acme-holder@acme.example"))
		born := w.Apply(ctx, "acme-born", withEmail("acme-mover@acme.example"))
		Eventually(testenv.StateOf(ctx, mover)).Should(beWaitingFor(v1alpha1.ReasonUpdating, fmt.Sprintf("waiting for ChildAccount %s/acme-holder", w.NS), "The operator retries as soon as"))
		Expect(testenv.StateOf(ctx, mover)(Default).Ready).To(Equal("True/Available"))

		By("and so does the one after it")
		Eventually(testenv.StateOf(ctx, born)).Should(beWaitingFor(v1alpha1.ReasonCreating, fmt.Sprintf("waiting for ChildAccount %s/acme-mover", w.NS), "as soon as its present owner gives"))
		w.AwaitLists(2)
		Expect(tried(w, "acme-holder@acme.example") - 1).To(Equal(1)) // the first made the account
		Expect(testenv.EventsOf(ctx, mover)(Default)).NotTo(ContainElement(HavePrefix("EmailTaken")))

		Expect(w.Sim.RemoveFault(fault)).To(BeTrue())
		for _, c := range []*v1alpha1.ChildAccount{holder, mover, born} {
			Eventually(testenv.StateOf(ctx, c)).WithTimeout(testenv.Patience).Should(testenv.BeAvailable())
		}
		Expect(w.Account("acme-born").Email()).To(Equal("acme-mover@acme.example"))
	})

	DescribeTable("stays where its resource can't let it go: that is said, and ends with what stands in the way",
		func(ctx SpecContext, hold func(context.Context, *testenv.World, *v1alpha1.ChildAccount) func(), why string) {
			w := testenv.NewWorld(ctx)
			w.ApplyParent(ctx, func(p *v1alpha1.ParentAccount) {
				p.Spec.Limits.MassChange = &v1alpha1.MassChange{Percent: ptr.To[int32](0), Minimum: ptr.To[int32](1)}
			})
			w.Start(ctx)
			holder := w.ApplyReady(ctx, "acme-holder")
			letGo := hold(ctx, w, holder)
			mover := w.Apply(ctx, "acme-mover", withEmail("acme-holder@acme.example"))
			Eventually(testenv.StateOf(ctx, mover)).Should(beTaken(fmt.Sprintf("ChildAccount %s/acme-holder", w.NS), why))
			w.AwaitLists(2)
			Expect(testenv.StateOf(ctx, mover)(Default)).To(beTaken(why))
			letGo()
			Eventually(testenv.StateOf(ctx, mover)).WithTimeout(testenv.Patience).Should(testenv.BeAvailable())
			Expect(w.Account("acme-mover").Email()).To(Equal("acme-holder@acme.example"))
		},
		Entry("suspended", func(ctx context.Context, _ *testenv.World, c *v1alpha1.ChildAccount) func() {
			testenv.Edit(ctx, c, func(c *v1alpha1.ChildAccount) { c.Spec.Suspend, c.Spec.Email = ptr.To(true), "other@acme.example" })
			Eventually(testenv.StateOf(ctx, c)).Should(testenv.HaveSecond("Unknown/Suspended"))
			return func() { testenv.Edit(ctx, c, func(c *v1alpha1.ChildAccount) { c.Spec.Suspend = nil }) }
		}, "not applied (Suspended)"),
		Entry("only observed", func(ctx context.Context, _ *testenv.World, c *v1alpha1.ChildAccount) func() {
			testenv.Edit(ctx, c, func(c *v1alpha1.ChildAccount) {
				c.Spec.ManagementPolicy, c.Spec.Email = ptr.To(v1alpha1.ManagementObserve), "other@acme.example"
			})
			Eventually(testenv.StateOf(ctx, c)).Should(testenv.BeReadyAs(v1alpha1.ReasonObserved))
			return func() { testenv.Edit(ctx, c, func(c *v1alpha1.ChildAccount) { c.Spec.ManagementPolicy = nil }) }
		}, "not applied (Observed)"),
		Entry("refused by the provider", func(ctx context.Context, w *testenv.World, c *v1alpha1.ChildAccount) func() {
			w.Sim.AddFault(simulator.Fault{Kind: simulator.FaultError, Method: "SetChildAccountInfo", Code: 136, Match: map[string]string{"new_child_account_email": "other@acme.example"}})
			testenv.Edit(ctx, c, withEmail("other@acme.example"))
			Eventually(testenv.StateOf(ctx, c)).Should(testenv.BeStalledAs(v1alpha1.ReasonRejected))
			return func() { testenv.Edit(ctx, c, withEmail("another@acme.example")) }
		}, "not applied (Rejected)"),
		Entry("awaiting an approval", func(ctx context.Context, w *testenv.World, c *v1alpha1.ChildAccount) func() {
			first := w.ApplyReady(ctx, "acme-first")
			testenv.Edit(ctx, first, withEmail("changed@acme.example"))
			Eventually(testenv.StateOf(ctx, first)).Should(testenv.BeAvailable())
			testenv.Edit(ctx, c, withEmail("other@acme.example"))
			Eventually(testenv.StateOf(ctx, c)).Should(testenv.AwaitingApproval())
			return func() {
				hash := testenv.ApprovalHash(ctx, c)
				testenv.Edit(ctx, w.ParentAccount(), func(p *v1alpha1.ParentAccount) {
					p.Annotations = map[string]string{v1alpha1.AnnotationApproveMassChange: hash}
				})
			}
		}, "not applied (AwaitingApproval)"),
		Entry("changed at the provider and left alone", func(ctx context.Context, w *testenv.World, c *v1alpha1.ChildAccount) func() {
			testenv.Edit(ctx, c, func(c *v1alpha1.ChildAccount) {
				c.Spec.DriftPolicy, c.Spec.Email = ptr.To(v1alpha1.DriftReport), "other@acme.example"
			})
			Eventually(testenv.StateOf(ctx, c)).Should(testenv.BeAvailable())
			Expect(w.Sim.SetField(w.Account("acme-holder").ID, "account_email", "acme-holder@acme.example")).To(Succeed())
			Eventually(testenv.StateOf(ctx, c)).Should(testenv.HaveSecond("False/DriftDetected"))
			return func() {
				Expect(w.Sim.SetField(w.Account("acme-holder").ID, "account_email", "other@acme.example")).To(Succeed())
			}
		}, "not applied (DriftDetected)"),
	)

	DescribeTable("of a resource that is deleted stays with the account",
		func(ctx SpecContext, policy v1alpha1.DeletionPolicy) {
			w := testenv.StartWorld(ctx)
			holder := w.ApplyReady(ctx, "acme-holder", func(c *v1alpha1.ChildAccount) { c.Spec.DeletionPolicy = &policy })
			mover := w.Apply(ctx, "acme-mover", withEmail("acme-holder@acme.example"))
			Eventually(testenv.StateOf(ctx, mover)).Should(beTaken("declares the value"))
			testenv.Remove(ctx, w, holder)
			Eventually(testenv.StateOf(ctx, mover)).Should(beTaken("account acme-holder", "no ChildAccount manages that account"))
			Expect(w.Sim.SetField(w.Account("acme-holder").ID, "account_email", "other@acme.example")).To(Succeed())
			Eventually(testenv.StateOf(ctx, mover)).Should(testenv.BeAvailable())
		},
		Entry("under Retain", v1alpha1.DeletionRetain),
		Entry("under Deactivate", v1alpha1.DeletionDeactivate),
	)

	It("of a resource that can't be deleted yet stays with the account", func(ctx SpecContext) {
		w := testenv.StartWorld(ctx)
		holder := w.ApplyReady(ctx, "acme-holder", testenv.Deactivating)
		w.Sim.AddFault(simulator.Fault{Kind: simulator.FaultError, Method: "SetChildAccountInfo", Code: 2, Match: map[string]string{"active": "false"}})
		testenv.Edit(ctx, holder, func(c *v1alpha1.ChildAccount) { c.Finalizers = append(c.Finalizers, "example.org/wait") })
		Expect(testenv.K8s.Delete(ctx, holder)).To(Succeed())
		mover := w.Apply(ctx, "acme-mover", withEmail("acme-holder@acme.example"))
		Eventually(testenv.StateOf(ctx, mover)).Should(beTaken("is being deleted, which changes no value of the account"))
		w.Sim.ClearFaults()
		Expect(testenv.DropFinalizers(ctx, holder)).To(Succeed())
	})

	DescribeTable("that is exchanged with others",
		func(ctx SpecContext, n int) {
			w := testenv.StartWorld(ctx)
			all := make([]*v1alpha1.ChildAccount, n)
			name := func(i int) string { return fmt.Sprintf("acme-ring-%d", i%n) }
			for i := range all {
				all[i] = w.ApplyReady(ctx, name(i))
			}
			for i, c := range all {
				testenv.Edit(ctx, c, withEmail(name(i+1)+"@acme.example"))
			}
			for i, c := range all {
				Eventually(testenv.StateOf(ctx, c)).Should(beTaken("exchange spec.email", "no temporary value that nobody has declared", "By hand: 1. ", w.NS+"/"+name(i+1), w.NS+"/"+name(i+n-1)))
			}
			w.AwaitLists(2)
			for i := range all {
				Expect(tried(w, name(i)+"@acme.example")).To(Equal(2), "made once, tried once")
			}

			By("doing what the message says")
			testenv.Edit(ctx, all[n-1], withEmail("temporary@acme.example"))
			for _, c := range all {
				Eventually(testenv.StateOf(ctx, c)).Should(testenv.BeAvailable())
			}
			testenv.Edit(ctx, all[n-1], withEmail(name(0)+"@acme.example"))
			Eventually(testenv.StateOf(ctx, all[n-1])).Should(testenv.BeAvailable())
			for i := range all {
				Expect(w.Account(name(i)).Email()).To(Equal(name(i+1) + "@acme.example"))
			}
		},
		Entry("by two", 2),
		Entry("by three", 3),
	)

	It("is seen to be free in a list, whoever had it", func(ctx SpecContext) {
		w := testenv.StartWorld(ctx)
		unmanaged := w.Sim.PutAccount(testenv.SimulatorChild(w, "acme-nobodys", "wanted@acme.example"))
		w.AwaitLists(2)
		c := w.Apply(ctx, "acme-waits", withEmail("wanted@acme.example"))
		Eventually(testenv.StateOf(ctx, c)).Should(beTaken(fmt.Sprintf("account acme-nobodys (id %d) has it, and no ChildAccount manages", unmanaged.ID)))
		w.Sim.Remove(unmanaged.ID)
		Eventually(testenv.StateOf(ctx, c)).Should(testenv.BeAvailable())
	})

	It("tells a tenant nothing of others, and is not for whoever lies in wait for it", Label("slow"), func(ctx SpecContext) {
		w, _ := testenv.StartShared(ctx, testenv.FromAll)
		victim, t := w.NewTenant(ctx, nil), w.NewTenant(ctx, nil)
		holder := victim.Apply(ctx, "acme-victim", withEmail("victim@acme.example"))
		Eventually(testenv.StateOf(ctx, holder)).Should(testenv.BeAvailable())
		thief := t.Apply(ctx, "acme-thief", withEmail("victim@acme.example"))
		nothing := func() testenv.State {
			state := testenv.StateOf(ctx, thief)(Default)
			Expect(state.JSON).NotTo(Or(ContainSubstring("acme-victim"), ContainSubstring(victim.NS), ContainSubstring(holder.Status.AccountID)))
			return state
		}
		Eventually(testenv.StateOf(ctx, thief)).Should(beTaken("Another account has the value"))
		nothing()
		probe := testenv.EventsOf(ctx, thief)(Default)
		Expect(probe).NotTo(ContainElement(ContainSubstring("acme-victim")))

		By("while the e-mail is about to move within the victim's namespace")
		fault := w.Sim.AddFault(simulator.Fault{Kind: simulator.FaultError, Method: "SetChildAccountInfo", Code: 2, Match: map[string]string{"child_account_id": holder.Status.AccountID}})
		heir := victim.Apply(ctx, "acme-heir", withEmail("victim@acme.example"))
		testenv.Edit(ctx, holder, withEmail("other@acme.example"))
		Eventually(testenv.StateOf(ctx, heir)).Should(beWaitingFor(v1alpha1.ReasonCreating, "waiting for ChildAccount "+victim.NS+"/acme-victim"))
		Expect(nothing()).To(beTaken("Another account has the value"))
		Expect(w.Sim.RemoveFault(fault)).To(BeTrue())
		Eventually(testenv.StateOf(ctx, heir)).WithTimeout(testenv.Patience).Should(testenv.BeAvailable())
		w.AwaitLists(2)
		Expect(nothing()).To(beTaken("Another account has the value"))
		Expect(w.Account("acme-heir").Email()).To(Equal("victim@acme.example"))

		By("but the owner of the ParentAccount is told, and a tenant gets what nobody else waits for")
		owner := w.Apply(ctx, "acme-owner", withEmail("victim@acme.example"))
		Eventually(testenv.StateOf(ctx, owner)).Should(beTaken(victim.NS + "/acme-heir"))
		Expect(testenv.K8s.Delete(ctx, owner)).To(Succeed())
		testenv.ExpectGone(ctx, owner)
		testenv.Edit(ctx, heir, withEmail("heir@acme.example"))
		Eventually(testenv.StateOf(ctx, thief)).Should(testenv.BeAvailable())
	})

	It("moves between two ParentAccounts of one account, and between two accounts", func(ctx SpecContext) {
		w := testenv.StartWorld(ctx)
		twin := w.ParentAccount()
		twin.Name = "twin"
		Expect(testenv.K8s.Create(ctx, twin)).To(Succeed())
		applySecondParent(ctx, w, w.NS, w.Sim.AddParent(simulator.Parent{Name: "other-parent", Email: "other@else.example"}))
		under := func(parent string) func(*v1alpha1.ChildAccount) {
			return func(c *v1alpha1.ChildAccount) { c.Spec.ParentRef.Name = parent }
		}
		first, second, third := w.ApplyReady(ctx, "acme-first"), w.ApplyReady(ctx, "acme-second", under("twin")), w.ApplyReady(ctx, "acme-third", under("second"))
		testenv.Edit(ctx, second, withEmail("acme-first@acme.example"))
		testenv.Edit(ctx, third, withEmail("acme-second@acme.example"))
		Eventually(testenv.StateOf(ctx, second)).Should(beTaken(w.NS + "/acme-first"))
		Eventually(testenv.StateOf(ctx, third)).Should(beTaken(w.NS + "/acme-second"))
		testenv.Edit(ctx, first, func(c *v1alpha1.ChildAccount) {
			c.Spec.Email, c.Spec.Location = "free@acme.example", ptr.To("Europe/Berlin")
		})
		for _, c := range []*v1alpha1.ChildAccount{first, second, third} {
			Eventually(testenv.StateOf(ctx, c)).Should(testenv.BeAvailable())
		}
	})
})

var _ = Describe("A name that another account has", func() {
	It("is said whose it is to those who may know, and tried again once it is free", func(ctx SpecContext) {
		w := testenv.StartWorld(ctx)
		stranger := w.NewTenant(ctx, nil)
		other := w.Sim.AddParent(simulator.Parent{Name: "other-parent", Email: "other@else.example"})
		applySecondParent(ctx, w, w.NS, other)
		applySecondParent(ctx, w, stranger.NS, other)
		theirs := w.ApplyReady(ctx, "acme-theirs", testenv.WithAccountName("acme-wanted"), func(c *v1alpha1.ChildAccount) { c.Spec.ParentRef.Name = "second" })
		c := w.Apply(ctx, "acme-ours", testenv.WithAccountName("acme-wanted"), withEmail("ours@acme.example"))
		Eventually(testenv.StateOf(ctx, c)).Should(And(testenv.BeStalledAs(v1alpha1.ReasonNameTaken),
			HaveField("Message", ContainSubstring("account acme-wanted (id %s) of ChildAccount %s/acme-theirs has it", theirs.Status.AccountID, w.NS))))
		w.AwaitLists(2)
		Expect(w.Count("AddAccount")).To(Equal(2))

		Expect(w.Sim.Remove(w.Account("acme-wanted").ID)).To(BeTrue())
		Eventually(testenv.StateOf(ctx, c)).Should(testenv.BeAvailable())
		Expect(w.Account("acme-wanted").ParentID).To(Equal(w.Parent.ID))
		Expect(w.Count("AddAccount")).To(Equal(3))
	})

	It("is not said whose it is to another namespace", func(ctx SpecContext) {
		w := testenv.StartWorld(ctx)
		stranger := w.NewTenant(ctx, nil)
		applySecondParent(ctx, w, stranger.NS, w.Sim.AddParent(simulator.Parent{Name: "other-parent", Email: "other@else.example"}))
		theirs := stranger.Child("acme-theirs", testenv.WithAccountName("acme-wanted"))
		theirs.Spec.ParentRef = v1alpha1.ParentReference{Name: "second"}
		Expect(stranger.Create(ctx, theirs)).To(Succeed())
		Eventually(testenv.StateOf(ctx, theirs)).Should(testenv.BeAvailable())
		c := w.Apply(ctx, "acme-ours", testenv.WithAccountName("acme-wanted"), withEmail("ours@acme.example"))
		Eventually(testenv.StateOf(ctx, c)).Should(testenv.BeStalledAs(v1alpha1.ReasonNameTaken))
		Expect(testenv.StateOf(ctx, c)(Default).JSON).NotTo(Or(ContainSubstring("acme-theirs"), ContainSubstring(stranger.NS), ContainSubstring(theirs.Status.AccountID)))
	})
})
