package controllers_test

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
)

func dropSecret(ctx context.Context, c *v1alpha1.ChildAccount) {
	GinkgoHelper()
	s := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: c.Namespace, Name: c.ConnectionSecretName()}}
	Eventually(func() error { return k8s.Delete(ctx, s) }).Should(Succeed())
}

// allowingTwoDeactivations is for a parent whose children may be changed at will, but for two to be switched off an hour.
func allowingTwoDeactivations(p *v1alpha1.ParentAccount) {
	p.Spec.Limits.MaxDeactivationsPerHour = ptr.To[int32](2)
	p.Spec.Limits.MassChange = &v1alpha1.MassChange{Percent: ptr.To[int32](100)}
}

// switchedOff is how many accounts are off at the provider.
func (w *world) switchedOff() int {
	off := 0
	for _, a := range w.sim.Accounts(w.parent.ID) {
		if !a.Active() {
			off++
		}
	}
	return off
}

var _ = Describe("What must not get out of bounds", func() {
	It("a connection Secret that is deleted while its account is made has all in it in the end", func(ctx SpecContext) {
		w := startWorld(ctx)
		w.awaitLists(1)
		w.sim.AddFault(simulator.Fault{Kind: simulator.FaultSlow, Method: "AddAccount", Delay: 3 * time.Second, Times: 1})
		c := w.apply(ctx, "acme-gone1")
		dropSecret(ctx, c)
		Eventually(func() bool { _, ok := w.sim.Account("acme-gone1"); return ok }).Should(BeTrue())
		w.awaitLists(5)
		a := w.account("acme-gone1")
		data := connectionOf(ctx, c)
		Expect(w.sim.CheckPassword(a.ID, data["password"])).To(BeTrue(), "the password is lost")
		Expect(data).To(HaveKeyWithValue("apiKey", a.Fields["api_key"]))
	})

	It("a connection Secret that is deleted while a password is replaced has the new one in the end", func(ctx SpecContext) {
		w := startWorld(ctx)
		c := w.applyReady(ctx, "acme-gone2")
		first := connectionOf(ctx, c)["password"]
		w.sim.AddFault(simulator.Fault{Kind: simulator.FaultSlow, Method: "SetChildAccountInfo", Delay: 3 * time.Second, Times: 1})
		rotate(ctx, c, "1")
		Eventually(func() map[string]string { return connectionOf(ctx, c) }).Should(HaveKey("passwordNext"))
		dropSecret(ctx, c)
		Eventually(w.has("acme-gone2", first)).Should(BeFalse())
		w.awaitLists(5)
		Expect(w.sim.CheckPassword(w.account("acme-gone2").ID, connectionOf(ctx, c)["password"])).To(BeTrue(), "the password is lost")
	})

	It("an API key that could not be recovered at once is asked for again", func(ctx SpecContext) {
		w := startWorld(ctx)
		c := w.applyReady(ctx, "acme-torn1")
		w.sim.AddFault(simulator.Fault{Kind: simulator.FaultHTTP, Status: 503, Method: "GetAccountInfo", Times: 1})
		secret := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: w.ns, Name: c.ConnectionSecretName()}}
		edit(ctx, secret, func(s *corev1.Secret) { delete(s.Data, "apiKey") })
		w.awaitLists(6)
		Expect(connectionOf(ctx, c)).To(HaveKey("apiKey"))
	})

	It("a rotation whose outcome is unknown is settled though it is not requested any more", func(ctx SpecContext) {
		w := startWorld(ctx)
		c := w.applyReady(ctx, "acme-torn2")
		w.sim.AddFault(simulator.Fault{Kind: simulator.FaultLoseAnswer, Method: "SetChildAccountInfo", Times: 1})
		down := w.sim.AddFault(simulator.Fault{Kind: simulator.FaultHTTP, Status: 503, Method: "GetAccountInfo"})
		rotate(ctx, c, "1")
		Eventually(state(ctx, c)).Should(BeTryingAs(v1alpha1.ReasonAPIUnavailable, "True/Available"))
		edit(ctx, c, func(c *v1alpha1.ChildAccount) { delete(c.Annotations, v1alpha1.AnnotationRotatePassword) })
		w.sim.RemoveFault(down)
		w.awaitLists(6)
		Expect(state(ctx, c)(Default)).To(BeAvailable())
		Expect(w.sim.CheckPassword(w.account("acme-torn2").ID, connectionOf(ctx, c)["password"])).To(BeTrue(), "Available, with a password that is not the account's")
	})

	It("a look that is asked for of a stopped resource is one look", func(ctx SpecContext) {
		w := startWorld(ctx)
		all := w.fleet(ctx, 8)
		for _, c := range all {
			edit(ctx, c, func(c *v1alpha1.ChildAccount) { c.Spec.LanguageCode = ptr.To("de") })
		}
		var waiting []*v1alpha1.ChildAccount
		Eventually(func() int { _, waiting = split(ctx, all); return len(waiting) }).Should(Equal(3))
		looks := func() (n int) {
			for _, call := range w.sim.Calls() {
				if id := call.Params["child_account_id"]; call.Method == "GetChildrenAccounts" && id != "" && id != "all" {
					n++
				}
			}
			return n
		}
		before := looks()
		edit(ctx, waiting[0], func(c *v1alpha1.ChildAccount) {
			if c.Annotations == nil {
				c.Annotations = map[string]string{}
			}
			c.Annotations[v1alpha1.AnnotationReconcileRequestedAt] = "now"
		})
		Eventually(func(g Gomega) string { state(ctx, waiting[0])(g); return waiting[0].Status.LastHandledReconcileAt }).Should(Equal("now"))
		w.awaitLists(4)
		Expect(looks() - before).To(BeNumerically("<=", 2))
	})

	It("so many are switched off as are allowed, by edits", func(ctx SpecContext) {
		w := newWorld(ctx)
		p := w.applyParent(ctx, func(p *v1alpha1.ParentAccount) {
			p.Spec.Limits.MaxDeactivationsPerHour = ptr.To[int32](2)
			p.Spec.Limits.MassChange = &v1alpha1.MassChange{Percent: ptr.To[int32](100)}
		})
		w.start(ctx)
		all := w.fleet(ctx, 20)
		edit(ctx, p, func(p *v1alpha1.ParentAccount) { p.Spec.Suspend = ptr.To(true) })
		for _, c := range all {
			edit(ctx, c, func(c *v1alpha1.ChildAccount) { c.Spec.Active = ptr.To(false) })
		}
		edit(ctx, p, func(p *v1alpha1.ParentAccount) { p.Spec.Suspend = nil })
		w.awaitLists(6)
		off := 0
		for _, c := range all {
			if !w.account(c.AccountName()).Active() {
				off++
			}
		}
		Expect(off).To(Equal(2))
	})

	It("so many are switched off as are allowed, by adoption", func(ctx SpecContext) {
		w := newWorld(ctx)
		for i := range 20 {
			n := fmt.Sprintf("acme-take%02d", i)
			w.sim.PutAccount(simulatorChild(w, n, n+"@acme.example"))
		}
		w.applyParent(ctx, allowingTwoDeactivations)
		for i := range 20 {
			w.apply(ctx, fmt.Sprintf("acme-take%02d", i), func(c *v1alpha1.ChildAccount) {
				c.Spec.Active = ptr.To(false)
				c.Spec.AdoptionPolicy = ptr.To(v1alpha1.AdoptAlways)
			})
		}
		w.start(ctx)
		Eventually(w.switchedOff).Should(BeNumerically(">=", 2))
		w.awaitLists(4)
		Expect(w.switchedOff()).To(Equal(2))
	})

	It("an approval holds for the one that asks for a look, too", func(ctx SpecContext) {
		w := startWorld(ctx)
		all := w.fleet(ctx, 8)
		for _, c := range all {
			edit(ctx, c, func(c *v1alpha1.ChildAccount) { c.Spec.LanguageCode = ptr.To("de") })
		}
		var waiting []*v1alpha1.ChildAccount
		Eventually(func() int { _, waiting = split(ctx, all); return len(waiting) }).Should(Equal(3))
		hash := hashOf(ctx, waiting[0])
		edit(ctx, waiting[0], func(c *v1alpha1.ChildAccount) {
			if c.Annotations == nil {
				c.Annotations = map[string]string{}
			}
			c.Annotations[v1alpha1.AnnotationReconcileRequestedAt] = "now"
		})
		w.awaitLists(3)
		edit(ctx, w.parentAccount(), func(p *v1alpha1.ParentAccount) {
			p.Annotations = map[string]string{v1alpha1.AnnotationApproveMassChange: hash}
		})
		w.awaitLists(5)
		for _, c := range waiting {
			Expect(state(ctx, c)(Default)).To(BeAvailable())
		}
	})

	It("a claim alone does not bind an account of a shared parent; the connection Secret proves it", func(ctx SpecContext) {
		w := newWorld(ctx)
		w.options.InstallationID = "inst"
		w.applyParent(ctx, sharing(fromAll)) // no grants
		b := w.tenant(ctx, nil)
		a := simulatorChild(w, "team-b-voice", "b@b.example")
		a.Fields["account_password"] = "Known-to-A-9zz"
		a.Fields["account_custom_data"] = fmt.Sprintf(`{"accounts.cpaas.dev/claim":{"installation":"inst","namespace":%q,"name":"team-b-voice"}}`, b.ns)
		w.sim.PutAccount(a)
		w.start(ctx)
		c := b.apply(ctx, "team-b-voice")
		w.awaitLists(3)
		Eventually(state(ctx, c)).Should(BeStalledAs(v1alpha1.ReasonAdoptionRefused))
		Expect(c.Status.AccountID).To(BeEmpty(), "an account whose password somebody else knows")

		mine := b.apply(ctx, "team-b-own")
		Eventually(state(ctx, mine)).Should(BeAvailable())
		Expect(b.Delete(ctx, mine)).To(Succeed())
		Eventually(func() error { return k8s.Get(ctx, clientKey(mine), mine) }).Should(beNotFound())
		mine = b.apply(ctx, "team-b-own")
		Eventually(state(ctx, mine)).Should(BeAvailable())
		Expect(w.count("AddAccount")).To(Equal(1))
	})

	It("so many are switched off as are allowed, by deletions", func(ctx SpecContext) {
		w := newWorld(ctx)
		w.applyParent(ctx, allowingTwoDeactivations)
		w.start(ctx)
		w.fleet(ctx, 20, func(c *v1alpha1.ChildAccount) { c.Spec.DeletionPolicy = ptr.To(v1alpha1.DeletionDeactivate) })
		w.stop()
		Expect(k8s.DeleteAllOf(ctx, &v1alpha1.ChildAccount{}, client.InNamespace(w.ns))).To(Succeed())
		w.start(ctx)
		Eventually(w.switchedOff).Should(BeNumerically(">=", 2))
		w.awaitLists(4)
		Expect(w.switchedOff()).To(Equal(2))
	})

	It("maxDeactivationsPerHour 0 switches nothing off, and stops nothing else", func(ctx SpecContext) {
		w := newWorld(ctx)
		w.applyParent(ctx, func(p *v1alpha1.ParentAccount) { p.Spec.Limits.MaxDeactivationsPerHour = ptr.To[int32](0) })
		w.start(ctx)
		all := w.fleet(ctx, 6)
		edit(ctx, all[0], func(c *v1alpha1.ChildAccount) { c.Spec.Active = ptr.To(false) })
		w.awaitLists(2)
		for _, c := range all {
			Expect(w.sim.SetField(w.account(c.AccountName()).ID, "account_email", c.Name+"@drift.example")).To(Succeed())
		}
		w.awaitLists(6)
		drifted := 0
		for _, c := range all[1:] {
			if w.account(c.AccountName()).Fields["account_email"] != c.Spec.Email {
				drifted++
			}
		}
		Expect(logs.String()).NotTo(ContainSubstring("index out of range"))
		Expect(drifted).To(BeZero())
	})

	It("tries in vain count once", func(ctx SpecContext) {
		w := newWorld(ctx)
		p := w.applyParent(ctx, func(p *v1alpha1.ParentAccount) { p.Spec.Limits.MaxDeactivationsPerHour = ptr.To[int32](3) })
		w.start(ctx)
		all := w.fleet(ctx, 2)
		f := w.sim.AddFault(simulator.Fault{Kind: simulator.FaultError, Code: 340, Method: "SetChildAccountInfo"})
		edit(ctx, all[0], func(c *v1alpha1.ChildAccount) { c.Spec.Active = ptr.To(false) })
		Eventually(func() int { _ = k8s.Get(ctx, clientKey(p), p); return len(p.Status.Deactivations) }).Should(Equal(1))
		Eventually(func() int { return w.count("SetChildAccountInfo") }).Should(BeNumerically(">=", 3))
		w.sim.RemoveFault(f)
		edit(ctx, all[1], func(c *v1alpha1.ChildAccount) { c.Spec.Active = ptr.To(false) })
		Eventually(state(ctx, all[1])).Should(BeReadyAs(v1alpha1.ReasonDeactivated))
		Expect(k8s.Get(ctx, clientKey(p), p)).To(Succeed())
		Expect(p.Status.Deactivations).To(HaveLen(2))
	})

	It("a tenant who switches on and off keeps nobody else from it", func(ctx SpecContext) {
		w := newWorld(ctx)
		w.applyParent(ctx, sharing(fromAll), func(p *v1alpha1.ParentAccount) { p.Spec.Limits.MaxDeactivationsPerHour = ptr.To[int32](3) })
		w.start(ctx)
		bad, good := w.tenant(ctx, nil), w.tenant(ctx, nil)
		c, victim := bad.apply(ctx, "acme-toggle"), good.apply(ctx, "acme-victim")
		Eventually(state(ctx, c)).Should(BeAvailable())
		Eventually(state(ctx, victim)).Should(BeAvailable())
		for range 3 {
			edit(ctx, c, func(c *v1alpha1.ChildAccount) { c.Spec.Active = ptr.To(false) })
			Eventually(func() bool { return w.account("acme-toggle").Active() }).Should(BeFalse())
			edit(ctx, c, func(c *v1alpha1.ChildAccount) { c.Spec.Active = ptr.To(true) })
			Eventually(func() bool { return w.account("acme-toggle").Active() }).Should(BeTrue())
		}
		edit(ctx, victim, func(c *v1alpha1.ChildAccount) { c.Spec.Active = ptr.To(false) })
		w.awaitLists(3)
		Expect(w.account("acme-victim").Active()).To(BeFalse())
	})

	It("a parent in a namespace that is not looked after is none", func(ctx SpecContext) {
		w := newWorld(ctx)
		w.applyParent(ctx)
		t := w.tenant(ctx, nil)
		w.options.Namespaces, w.options.InstallationID = []string{w.ns}, "bounds"
		w.start(ctx)
		c := w.apply(ctx, "acme-abroad", func(c *v1alpha1.ChildAccount) { c.Spec.ParentRef.Namespace = ptr.To(t.ns) })
		Eventually(state(ctx, c)).Should(BeStalledAs(v1alpha1.ReasonNamespaceNotAllowed))
	})
})
