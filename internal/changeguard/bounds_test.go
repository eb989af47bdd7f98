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
	"cpaas.dev/child-account-operator/internal/simulator"
	"cpaas.dev/child-account-operator/internal/testenv"
)

func dropSecret(ctx context.Context, c *v1alpha1.ChildAccount) {
	GinkgoHelper()
	s := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: c.Namespace, Name: c.ConnectionSecretName()}}
	Eventually(func() error { return testenv.K8s.Delete(ctx, s) }).Should(Succeed())
}

// allowingTwoDeactivations is for a parent whose children may be changed at will, but for two to be switched off an hour.
func allowingTwoDeactivations(p *v1alpha1.ParentAccount) {
	p.Spec.Limits.MaxDeactivationsPerHour = ptr.To[int32](2)
	p.Spec.Limits.MassChange = &v1alpha1.MassChange{Percent: ptr.To[int32](100)}
}

// switchedOff is how many accounts are off at the provider.
func switchedOff(w *testenv.World) int {
	off := 0
	for _, a := range w.Sim.Accounts(w.Parent.ID) {
		if !a.Active() {
			off++
		}
	}
	return off
}

var _ = Describe("What must not get out of bounds", func() {
	It("a connection Secret that is deleted while its account is made has all in it in the end", func(ctx SpecContext) {
		w := testenv.StartWorld(ctx)
		w.AwaitLists(1)
		w.Sim.AddFault(simulator.Fault{Kind: simulator.FaultSlow, Method: "AddAccount", Delay: 3 * time.Second, Times: 1})
		c := w.Apply(ctx, "acme-gone1")
		dropSecret(ctx, c)
		Eventually(func() bool { _, ok := w.Sim.Account("acme-gone1"); return ok }).Should(BeTrue())
		w.AwaitLists(5)
		a := w.Account("acme-gone1")
		data := testenv.ConnectionOf(ctx, c)
		Expect(w.Sim.CheckPassword(a.ID, data["password"])).To(BeTrue(), "the password is lost")
		Expect(data).To(HaveKeyWithValue("apiKey", a.Fields["api_key"]))
	})

	It("a connection Secret that is deleted while a password is replaced has the new one in the end", func(ctx SpecContext) {
		w := testenv.StartWorld(ctx)
		c := w.ApplyReady(ctx, "acme-gone2")
		first := testenv.ConnectionOf(ctx, c)["password"]
		w.Sim.AddFault(simulator.Fault{Kind: simulator.FaultSlow, Method: "SetChildAccountInfo", Delay: 3 * time.Second, Times: 1})
		testenv.Rotate(ctx, c, "1")
		Eventually(func() map[string]string { return testenv.ConnectionOf(ctx, c) }).Should(HaveKey("passwordNext"))
		dropSecret(ctx, c)
		Eventually(testenv.HasPassword(w, "acme-gone2", first)).Should(BeFalse())
		w.AwaitLists(5)
		Expect(w.Sim.CheckPassword(w.Account("acme-gone2").ID, testenv.ConnectionOf(ctx, c)["password"])).To(BeTrue(), "the password is lost")
	})

	It("an API key that could not be recovered at once is asked for again", func(ctx SpecContext) {
		w := testenv.StartWorld(ctx)
		c := w.ApplyReady(ctx, "acme-torn1")
		w.Sim.AddFault(simulator.Fault{Kind: simulator.FaultHTTP, Status: 503, Method: "GetAccountInfo", Times: 1})
		secret := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: w.NS, Name: c.ConnectionSecretName()}}
		testenv.Edit(ctx, secret, func(s *corev1.Secret) { delete(s.Data, "apiKey") })
		w.AwaitLists(6)
		Expect(testenv.ConnectionOf(ctx, c)).To(HaveKey("apiKey"))
	})

	It("a rotation whose outcome is unknown is settled though it is not requested any more", func(ctx SpecContext) {
		w := testenv.StartWorld(ctx)
		c := w.ApplyReady(ctx, "acme-torn2")
		w.Sim.AddFault(simulator.Fault{Kind: simulator.FaultLoseAnswer, Method: "SetChildAccountInfo", Times: 1})
		down := w.Sim.AddFault(simulator.Fault{Kind: simulator.FaultHTTP, Status: 503, Method: "GetAccountInfo"})
		testenv.Rotate(ctx, c, "1")
		Eventually(testenv.StateOf(ctx, c)).Should(testenv.BeTryingAs(v1alpha1.ReasonAPIUnavailable, "True/Available"))
		testenv.Edit(ctx, c, func(c *v1alpha1.ChildAccount) { delete(c.Annotations, v1alpha1.AnnotationRotatePassword) })
		w.Sim.RemoveFault(down)
		w.AwaitLists(6)
		Expect(testenv.StateOf(ctx, c)(Default)).To(testenv.BeAvailable())
		Expect(w.Sim.CheckPassword(w.Account("acme-torn2").ID, testenv.ConnectionOf(ctx, c)["password"])).To(BeTrue(), "Available, with a password that is not the account's")
	})

	It("a look that is asked for of a stopped resource is one look", func(ctx SpecContext) {
		w := testenv.StartWorld(ctx)
		all := testenv.ApplyFleet(ctx, w, 8)
		for _, c := range all {
			testenv.Edit(ctx, c, func(c *v1alpha1.ChildAccount) { c.Spec.LanguageCode = ptr.To("de") })
		}
		var waiting []*v1alpha1.ChildAccount
		Eventually(func() int { _, waiting = testenv.SplitByApproval(ctx, all); return len(waiting) }).Should(Equal(3))
		looks := func() (n int) {
			for _, call := range w.Sim.Calls() {
				if id := call.Params["child_account_id"]; call.Method == "GetChildrenAccounts" && id != "" && id != "all" {
					n++
				}
			}
			return n
		}
		before := looks()
		testenv.Edit(ctx, waiting[0], func(c *v1alpha1.ChildAccount) {
			if c.Annotations == nil {
				c.Annotations = map[string]string{}
			}
			metav1.SetMetaDataAnnotation(&c.ObjectMeta, v1alpha1.AnnotationReconcileRequestedAt, "now")
		})
		Eventually(func(g Gomega) string {
			testenv.StateOf(ctx, waiting[0])(g)
			return waiting[0].Status.LastHandledReconcileAt
		}).Should(Equal("now"))
		w.AwaitLists(4)
		Expect(looks() - before).To(BeNumerically("<=", 2))
	})

	It("so many are switched off as are allowed, by edits", func(ctx SpecContext) {
		w := testenv.NewWorld(ctx)
		p := w.ApplyParent(ctx, func(p *v1alpha1.ParentAccount) {
			p.Spec.Limits.MaxDeactivationsPerHour = ptr.To[int32](2)
			p.Spec.Limits.MassChange = &v1alpha1.MassChange{Percent: ptr.To[int32](100)}
		})
		w.Start(ctx)
		all := testenv.ApplyFleet(ctx, w, 20)
		testenv.Edit(ctx, p, func(p *v1alpha1.ParentAccount) { p.Spec.Suspend = ptr.To(true) })
		for _, c := range all {
			testenv.Edit(ctx, c, func(c *v1alpha1.ChildAccount) { c.Spec.Active = ptr.To(false) })
		}
		testenv.Edit(ctx, p, func(p *v1alpha1.ParentAccount) { p.Spec.Suspend = nil })
		w.AwaitLists(6)
		off := 0
		for _, c := range all {
			if !w.Account(c.AccountName()).Active() {
				off++
			}
		}
		Expect(off).To(Equal(2))
	})

	It("so many are switched off as are allowed, by adoption", func(ctx SpecContext) {
		w := testenv.NewWorld(ctx)
		for i := range 20 {
			n := fmt.Sprintf("acme-take%02d", i)
			w.Sim.PutAccount(testenv.SimulatorChild(w, n, n+"@acme.example"))
		}
		w.ApplyParent(ctx, allowingTwoDeactivations)
		for i := range 20 {
			w.Apply(ctx, fmt.Sprintf("acme-take%02d", i), func(c *v1alpha1.ChildAccount) {
				c.Spec.Active = ptr.To(false)
				c.Spec.AdoptionPolicy = ptr.To(v1alpha1.AdoptAlways)
			})
		}
		w.Start(ctx)
		Eventually(switchedOff).WithArguments(w).Should(BeNumerically(">=", 2))
		w.AwaitLists(4)
		Expect(switchedOff(w)).To(Equal(2))
	})

	It("an approval holds for the one that asks for a look, too", func(ctx SpecContext) {
		w := testenv.StartWorld(ctx)
		all := testenv.ApplyFleet(ctx, w, 8)
		for _, c := range all {
			testenv.Edit(ctx, c, func(c *v1alpha1.ChildAccount) { c.Spec.LanguageCode = ptr.To("de") })
		}
		var waiting []*v1alpha1.ChildAccount
		Eventually(func() int { _, waiting = testenv.SplitByApproval(ctx, all); return len(waiting) }).Should(Equal(3))
		hash := testenv.ApprovalHash(ctx, waiting[0])
		testenv.Edit(ctx, waiting[0], func(c *v1alpha1.ChildAccount) {
			if c.Annotations == nil {
				c.Annotations = map[string]string{}
			}
			metav1.SetMetaDataAnnotation(&c.ObjectMeta, v1alpha1.AnnotationReconcileRequestedAt, "now")
		})
		w.AwaitLists(3)
		testenv.Edit(ctx, w.ParentAccount(), func(p *v1alpha1.ParentAccount) {
			p.Annotations = map[string]string{v1alpha1.AnnotationApproveMassChange: hash}
		})
		w.AwaitLists(5)
		for _, c := range waiting {
			Expect(testenv.StateOf(ctx, c)(Default)).To(testenv.BeAvailable())
		}
	})

	It("a claim alone does not bind an account of a shared parent; the connection Secret proves it", func(ctx SpecContext) {
		w := testenv.NewWorld(ctx)
		w.Options.InstallationID = "inst"
		w.ApplyParent(ctx, testenv.Sharing(testenv.FromAll)) // no grants
		b := w.NewTenant(ctx, nil)
		a := testenv.SimulatorChild(w, "team-b-voice", "b@b.example")
		a.Fields["account_password"] = "Known-to-A-9zz"
		a.Fields["account_custom_data"] = fmt.Sprintf(`{"accounts.cpaas.dev/claim":{"installation":"inst","namespace":%q,"name":"team-b-voice"}}`, b.NS)
		w.Sim.PutAccount(a)
		w.Start(ctx)
		c := b.Apply(ctx, "team-b-voice")
		w.AwaitLists(3)
		Eventually(testenv.StateOf(ctx, c)).Should(testenv.BeStalledAs(v1alpha1.ReasonAdoptionRefused))
		Expect(c.Status.AccountID).To(BeEmpty(), "an account whose password somebody else knows")

		mine := b.Apply(ctx, "team-b-own")
		Eventually(testenv.StateOf(ctx, mine)).Should(testenv.BeAvailable())
		Expect(b.Delete(ctx, mine)).To(Succeed())
		Eventually(func() error { return testenv.K8s.Get(ctx, testenv.KeyOf(mine), mine) }).Should(testenv.BeNotFound())
		mine = b.Apply(ctx, "team-b-own")
		Eventually(testenv.StateOf(ctx, mine)).Should(testenv.BeAvailable())
		Expect(w.Count("AddAccount")).To(Equal(1))
	})

	It("so many are switched off as are allowed, by deletions", func(ctx SpecContext) {
		w := testenv.NewWorld(ctx)
		w.ApplyParent(ctx, allowingTwoDeactivations)
		w.Start(ctx)
		testenv.ApplyFleet(ctx, w, 20, func(c *v1alpha1.ChildAccount) { c.Spec.DeletionPolicy = ptr.To(v1alpha1.DeletionDeactivate) })
		w.Stop()
		Expect(testenv.K8s.DeleteAllOf(ctx, &v1alpha1.ChildAccount{}, client.InNamespace(w.NS))).To(Succeed())
		w.Start(ctx)
		Eventually(switchedOff).WithArguments(w).Should(BeNumerically(">=", 2))
		w.AwaitLists(4)
		Expect(switchedOff(w)).To(Equal(2))
	})

	It("maxDeactivationsPerHour 0 switches nothing off, and stops nothing else", func(ctx SpecContext) {
		w := testenv.NewWorld(ctx)
		w.ApplyParent(ctx, func(p *v1alpha1.ParentAccount) { p.Spec.Limits.MaxDeactivationsPerHour = ptr.To[int32](0) })
		w.Start(ctx)
		all := testenv.ApplyFleet(ctx, w, 6)
		testenv.Edit(ctx, all[0], func(c *v1alpha1.ChildAccount) { c.Spec.Active = ptr.To(false) })
		w.AwaitLists(2)
		for _, c := range all {
			Expect(w.Sim.SetField(w.Account(c.AccountName()).ID, "account_email", c.Name+"@drift.example")).To(Succeed())
		}
		w.AwaitLists(6)
		drifted := 0
		for _, c := range all[1:] {
			if w.Account(c.AccountName()).Fields["account_email"] != c.Spec.Email {
				drifted++
			}
		}
		Expect(testenv.Logs.String()).NotTo(ContainSubstring("index out of range"))
		Expect(drifted).To(BeZero())
	})

	It("tries in vain count once", func(ctx SpecContext) {
		w := testenv.NewWorld(ctx)
		p := w.ApplyParent(ctx, func(p *v1alpha1.ParentAccount) { p.Spec.Limits.MaxDeactivationsPerHour = ptr.To[int32](3) })
		w.Start(ctx)
		all := testenv.ApplyFleet(ctx, w, 2)
		f := w.Sim.AddFault(simulator.Fault{Kind: simulator.FaultError, Code: 340, Method: "SetChildAccountInfo"})
		testenv.Edit(ctx, all[0], func(c *v1alpha1.ChildAccount) { c.Spec.Active = ptr.To(false) })
		Eventually(func() int { _ = testenv.K8s.Get(ctx, testenv.KeyOf(p), p); return len(p.Status.Deactivations) }).Should(Equal(1))
		Eventually(func() int { return w.Count("SetChildAccountInfo") }).Should(BeNumerically(">=", 3))
		w.Sim.RemoveFault(f)
		testenv.Edit(ctx, all[1], func(c *v1alpha1.ChildAccount) { c.Spec.Active = ptr.To(false) })
		Eventually(testenv.StateOf(ctx, all[1])).Should(testenv.BeReadyAs(v1alpha1.ReasonDeactivated))
		Expect(testenv.K8s.Get(ctx, testenv.KeyOf(p), p)).To(Succeed())
		Expect(p.Status.Deactivations).To(HaveLen(2))
	})

	It("a tenant who switches on and off keeps nobody else from it", func(ctx SpecContext) {
		w := testenv.NewWorld(ctx)
		w.ApplyParent(ctx, testenv.Sharing(testenv.FromAll), func(p *v1alpha1.ParentAccount) { p.Spec.Limits.MaxDeactivationsPerHour = ptr.To[int32](3) })
		w.Start(ctx)
		bad, good := w.NewTenant(ctx, nil), w.NewTenant(ctx, nil)
		c, victim := bad.Apply(ctx, "acme-toggle"), good.Apply(ctx, "acme-victim")
		Eventually(testenv.StateOf(ctx, c)).Should(testenv.BeAvailable())
		Eventually(testenv.StateOf(ctx, victim)).Should(testenv.BeAvailable())
		for range 3 {
			testenv.Edit(ctx, c, func(c *v1alpha1.ChildAccount) { c.Spec.Active = ptr.To(false) })
			Eventually(func() bool { return w.Account("acme-toggle").Active() }).Should(BeFalse())
			testenv.Edit(ctx, c, func(c *v1alpha1.ChildAccount) { c.Spec.Active = ptr.To(true) })
			Eventually(func() bool { return w.Account("acme-toggle").Active() }).Should(BeTrue())
		}
		testenv.Edit(ctx, victim, func(c *v1alpha1.ChildAccount) { c.Spec.Active = ptr.To(false) })
		w.AwaitLists(3)
		Expect(w.Account("acme-victim").Active()).To(BeFalse())
	})

	It("a parent in a namespace that is not looked after is none", func(ctx SpecContext) {
		w := testenv.NewWorld(ctx)
		w.ApplyParent(ctx)
		t := w.NewTenant(ctx, nil)
		w.Options.Namespaces, w.Options.InstallationID = []string{w.NS}, "bounds"
		w.Start(ctx)
		c := w.Apply(ctx, "acme-abroad", func(c *v1alpha1.ChildAccount) { c.Spec.ParentRef.Namespace = ptr.To(t.NS) })
		Eventually(testenv.StateOf(ctx, c)).Should(testenv.BeStalledAs(v1alpha1.ReasonNamespaceNotAllowed))
	})
})
