package controllers_test

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/fluxcd/cli-utils/pkg/kstatus/status"
	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"cpaas.dev/child-account-operator/api/v1alpha1"
	"cpaas.dev/child-account-operator/internal/account"
	"cpaas.dev/child-account-operator/internal/simulator"
)

// claimed is a child account of the parent with a claim in its custom data.
func claimed(w *world, name string, claim account.Claim) simulator.Account {
	a := simulatorChild(w, name, name+"@acme.example")
	a.Fields["account_custom_data"] = claim.CustomData()
	return a
}

var _ = Describe("A ChildAccount that can't have its account", func() {
	It("NameTaken: the name is a stranger's", func(ctx SpecContext) {
		w := startWorld(ctx)
		w.sim.AddStranger("acme-taken", "stranger@else.example")
		c := w.apply(ctx, "acme-taken")
		Eventually(state(ctx, c)).Should(BeStalledAs(v1alpha1.ReasonNameTaken))
		Expect(w.count("AddAccount")).To(Equal(1))

		By("and is not tried again at each resync")
		w.awaitLists(3)
		Expect(w.count("AddAccount")).To(Equal(1))
		Expect(eventsOf(ctx, c)(Default)).To(ConsistOf(HavePrefix("NameTaken: ")))
	})

	It("EmailTaken: at creation, and again at a change", func(ctx SpecContext) {
		w := startWorld(ctx)
		w.sim.AddStranger("stranger", "taken@else.example")
		c := w.apply(ctx, "acme-mail", func(c *v1alpha1.ChildAccount) { c.Spec.Email = "Taken@else.example" })
		Eventually(state(ctx, c)).Should(BeStalledAs(v1alpha1.ReasonEmailTaken))
		Expect(state(ctx, c)(Default).message).To(ContainSubstring("spec.email"))

		edit(ctx, c, func(c *v1alpha1.ChildAccount) { c.Spec.Email = "free@acme.example" })
		Eventually(state(ctx, c)).Should(BeAvailable())
		edit(ctx, c, func(c *v1alpha1.ChildAccount) { c.Spec.Email = "taken@else.example" })
		Eventually(state(ctx, c)).Should(BeStalledAs(v1alpha1.ReasonEmailTaken))
		edit(ctx, c, func(c *v1alpha1.ChildAccount) { c.Spec.Email = "free@acme.example" })
		Eventually(state(ctx, c)).Should(BeAvailable())
		Expect(w.account("acme-mail").Fields).To(HaveKeyWithValue("account_email", "free@acme.example"))
	})

	It("AdoptionRefused: the account was there before and is left alone", func(ctx SpecContext) {
		w := newWorld(ctx)
		w.sim.PutAccount(simulatorChild(w, "acme-before", "before@acme.example"))
		w.applyParent(ctx)
		w.start(ctx)
		c := w.apply(ctx, "acme-before", func(c *v1alpha1.ChildAccount) { c.Spec.Active = ptr.To(false) })
		Eventually(state(ctx, c)).Should(BeStalledAs(v1alpha1.ReasonAdoptionRefused))
		w.awaitLists(2)
		Expect(w.count("AddAccount") + w.count("SetChildAccountInfo")).To(BeZero())
		Expect(w.account("acme-before").Fields).To(HaveKeyWithValue("active", true))
		Expect(c.Status.AccountID).To(BeEmpty())
	})

	It("ClaimedElsewhere: another installation has it", func(ctx SpecContext) {
		w := newWorld(ctx)
		w.sim.PutAccount(claimed(w, "acme-other", account.Claim{Installation: "other-cluster", Namespace: "ns", Name: "acme-other"}))
		w.applyParent(ctx)
		w.start(ctx)
		c := w.apply(ctx, "acme-other")
		Eventually(state(ctx, c)).Should(BeStalledAs(v1alpha1.ReasonClaimedElsewhere))
		Expect(state(ctx, c)(Default).message).To(ContainSubstring("ns/acme-other of installation other-cluster"))
		Expect(w.count("AddAccount") + w.count("SetChildAccountInfo")).To(BeZero())
	})

	It("DuplicateResource: another resource of this cluster has it", func(ctx SpecContext) {
		w := startWorld(ctx)
		w.applyReady(ctx, "acme-first")
		c := w.apply(ctx, "acme-second", func(c *v1alpha1.ChildAccount) {
			c.Spec.AccountName, c.Spec.Email = ptr.To("acme-first"), "second@acme.example"
		})
		Eventually(state(ctx, c)).Should(BeStalledAs(v1alpha1.ReasonDuplicateResource))
		Expect(w.count("AddAccount")).To(Equal(1))
		Expect(w.account("acme-first").Fields).To(HaveKeyWithValue("account_email", "acme-first@acme.example"))
	})

	It("Rejected: a location that IANA doesn't know, before any call", func(ctx SpecContext) {
		w := startWorld(ctx)
		c := w.apply(ctx, "acme-where", func(c *v1alpha1.ChildAccount) { c.Spec.Location = ptr.To("Europe/Atlantis") })
		Eventually(state(ctx, c)).Should(BeStalledAs(v1alpha1.ReasonRejected))
		Expect(state(ctx, c)(Default).message).To(And(ContainSubstring("spec.location"), ContainSubstring("Europe/Atlantis")))
		Expect(w.count("AddAccount")).To(BeZero())
		edit(ctx, c, func(c *v1alpha1.ChildAccount) { c.Spec.Location = ptr.To("Europe/Berlin") })
		Eventually(state(ctx, c)).Should(BeAvailable())
	})

	It("AccountMissing: only after two complete lists, and never made anew", func(ctx SpecContext) {
		w := startWorld(ctx)
		c := w.applyReady(ctx, "acme-gone")
		w.sim.Remove(w.account("acme-gone").ID)
		Eventually(state(ctx, c)).Should(BeStalledAs(v1alpha1.ReasonAccountMissing))
		w.awaitLists(2)
		Expect(w.count("AddAccount")).To(Equal(1))
	})

	It("Frozen: the provider has blocked it, and unblocks it", func(ctx SpecContext) {
		w := startWorld(ctx)
		c := w.applyReady(ctx, "acme-cold")
		id := w.account("acme-cold").ID
		Expect(w.sim.Freeze(id)).To(Succeed())
		Eventually(state(ctx, c)).Should(Satisfy(func(s summary) bool {
			return s.ready == "False/Frozen" && s.second == "True/Frozen" && s.flags == "Stalled" && s.kstatus == status.FailedStatus
		}))
		Expect(w.sim.Unfreeze(id)).To(Succeed())
		Eventually(state(ctx, c)).Should(BeAvailable())
	})

	It("SecretInvalid: the connection Secret's name is somebody else's", func(ctx SpecContext) {
		w := newWorld(ctx)
		theirs := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: w.ns, Name: "acme-sec-connection"}, Data: map[string][]byte{"password": []byte("theirs")}}
		Expect(k8s.Create(ctx, theirs)).To(Succeed())
		w.applyParent(ctx)
		w.start(ctx)
		c := w.apply(ctx, "acme-sec")
		Eventually(state(ctx, c)).Should(BeStalledAs(v1alpha1.ReasonSecretInvalid))
		Expect(w.count("AddAccount")).To(BeZero())
		Expect(connectionOf(ctx, c)).To(Equal(map[string]string{"password": "theirs"}))
		Expect(k8s.Delete(ctx, theirs)).To(Succeed())
		Eventually(state(ctx, c)).Should(BeAvailable())
	})

	DescribeTable("refused by the provider",
		func(ctx SpecContext, code int, reason string) {
			w := startWorld(ctx)
			w.sim.AddFault(simulator.Fault{Kind: simulator.FaultError, Method: "AddAccount", Code: code})
			c := w.apply(ctx, "acme-refused")
			Eventually(state(ctx, c)).Should(BeStalledAs(reason))
			Expect(state(ctx, c)(Default).message).To(ContainSubstring(fmt.Sprintf("code %d", code)))
			w.awaitLists(2)
			Expect(w.count("AddAccount")).To(Equal(1), "a stalled resource is not tried at each resync")

			By("and goes on when its spec changes and the trouble is over")
			w.sim.ClearFaults()
			edit(ctx, c, func(c *v1alpha1.ChildAccount) { c.Spec.LanguageCode = ptr.To("de") })
			Eventually(state(ctx, c)).Should(BeAvailable())
		},
		Entry("not enough money", 127, v1alpha1.ReasonBalanceTooLow),
		Entry("verification required", 281, v1alpha1.ReasonBlockedVerification),
		Entry("verification in progress", 282, v1alpha1.ReasonBlockedVerification),
		Entry("not activated", 131, v1alpha1.ReasonBlockedVerification),
		Entry("the day's accounts are used up", 397, v1alpha1.ReasonBlockedDailyLimit),
		Entry("a forbidden name", 173, v1alpha1.ReasonRejected),
		Entry("an invalid value", 202, v1alpha1.ReasonRejected),
		Entry("a weak password", 523, v1alpha1.ReasonPasswordRejected),
		Entry("a password that may not change now", 230, v1alpha1.ReasonPasswordBlocked),
		Entry("a code nobody knows", 9999, v1alpha1.ReasonRejected),
	)

	It("BlockedNotEnabled or RoleMissing: child accounts are not enabled for the parent", func(ctx SpecContext) {
		w := newWorld(ctx)
		w.parent = w.sim.AddParent(simulator.Parent{Name: "other-parent", Email: "other@acme.example", ChildrenDisabled: true})
		w.applyParent(ctx)
		w.start(ctx)
		c := w.apply(ctx, "acme-early")
		Eventually(state(ctx, c)).Should(Or(BeStalledAs(v1alpha1.ReasonBlockedNotEnabled), BeStalledAs(v1alpha1.ReasonRoleMissing)))
	})
})

var _ = Describe("A ParentAccount that can't be used", func() {
	// both expects the parent's reason, and ParentNotReady of a child.
	both := func(ctx context.Context, p *v1alpha1.ParentAccount, c *v1alpha1.ChildAccount, reason string) {
		GinkgoHelper()
		Eventually(state(ctx, p)).Should(BeStalledAs(reason))
		Eventually(state(ctx, c)).Should(BeStalledAs(v1alpha1.ReasonParentNotReady))
		Eventually(func(g Gomega) string { return state(ctx, c)(g).message }).Should(ContainSubstring(reason)) // it may still be of what was before
	}

	It("ParentNotFound, until it is there", func(ctx SpecContext) {
		w := newWorld(ctx)
		w.start(ctx)
		c := w.apply(ctx, "acme-orphan")
		Eventually(state(ctx, c)).Should(BeStalledAs(v1alpha1.ReasonParentNotFound))
		w.applyParent(ctx)
		Eventually(state(ctx, c)).Should(BeAvailable())
	})

	It("SecretMissing, SecretNotLabelled with the command, then ready", func(ctx SpecContext) {
		w := newWorld(ctx)
		p, c := w.parentAccount(), w.child("acme-child")
		Expect(k8s.Create(ctx, p)).To(Succeed())
		Expect(k8s.Create(ctx, c)).To(Succeed())
		w.start(ctx)
		both(ctx, p, c, v1alpha1.ReasonSecretMissing)

		secret := w.credentials()
		secret.Labels = nil
		Expect(k8s.Create(ctx, secret)).To(Succeed())
		// Nothing wakes the operator for a Secret that it may not see; the next try finds it.
		edit(ctx, p, func(p *v1alpha1.ParentAccount) { p.Spec.ResyncInterval = &metav1.Duration{Duration: 2 * time.Second} })
		both(ctx, p, c, v1alpha1.ReasonSecretNotLabelled)
		Expect(p.Status.Conditions).To(ContainElement(HaveField("Message", ContainSubstring(
			fmt.Sprintf("kubectl label secret -n %s voximplant accounts.cpaas.dev/input=true", w.ns)))))

		secret.Labels = map[string]string{v1alpha1.LabelInput: "true"}
		Expect(k8s.Update(ctx, secret)).To(Succeed())
		Eventually(state(ctx, p)).Should(BeAvailable())
		Eventually(state(ctx, c)).Should(BeAvailable())
	})

	DescribeTable("SecretInvalid: credentials that can't be read",
		func(ctx SpecContext, data map[string][]byte, text string) {
			w := newWorld(ctx)
			secret := w.credentials()
			secret.Data = data
			Expect(k8s.Create(ctx, secret)).To(Succeed())
			p, c := w.parentAccount(), w.child("acme-child")
			Expect(k8s.Create(ctx, p)).To(Succeed())
			Expect(k8s.Create(ctx, c)).To(Succeed())
			w.start(ctx)
			both(ctx, p, c, v1alpha1.ReasonSecretInvalid)
			Expect(p.Status.Conditions).To(ContainElement(HaveField("Message", ContainSubstring(text))))
			Expect(w.sim.Calls()).To(BeEmpty())
		},
		Entry("another key", map[string][]byte{"other": []byte("{}")}, `"credentials.json"`),
		Entry("UTF-16", map[string][]byte{"credentials.json": inUTF16("\ufeff{}")}, `Secret voximplant can't be used: key "credentials.json" is text in UTF-16: save it as UTF-8`),
		Entry("UTF-16, without a byte order mark", map[string][]byte{"credentials.json": inUTF16("{}")}, "is text in UTF-16: save it as UTF-8"),
		Entry("no JSON", map[string][]byte{"credentials.json": []byte("hunter2")}, "JSON"),
		Entry("no private key", map[string][]byte{"credentials.json": []byte(`{"account_email":"a@b","account_id":1,"key_id":"k"}`)}, "private_key"),
	)

	It("Unauthorized: the key was revoked; new credentials work without a restart", func(ctx SpecContext) {
		w := newWorld(ctx)
		secret := w.credentials()
		other := simulator.New(simulator.Options{Key: key})
		foreign := other.AddParent(simulator.Parent{ID: w.parent.ID, Name: "acme-telephony", Email: "owner@acme.example"})
		secret.Data["credentials.json"] = other.Credentials(foreign.ID) // a key that this service does not know
		Expect(k8s.Create(ctx, secret)).To(Succeed())
		p, c := w.parentAccount(), w.child("acme-child")
		Expect(k8s.Create(ctx, p)).To(Succeed())
		Expect(k8s.Create(ctx, c)).To(Succeed())
		w.start(ctx)
		both(ctx, p, c, v1alpha1.ReasonUnauthorized)

		secret.Data = w.credentials().Data
		Expect(k8s.Update(ctx, secret)).To(Succeed())
		Eventually(state(ctx, p)).Should(BeAvailable())
		Eventually(state(ctx, c)).Should(BeAvailable())
	})

	It("RoleMissing: the key may not list children", func(ctx SpecContext) {
		w := newWorld(ctx)
		Expect(k8s.Create(ctx, w.credentials(simulator.RoleDeveloper))).To(Succeed())
		p, c := w.parentAccount(), w.child("acme-child")
		Expect(k8s.Create(ctx, p)).To(Succeed())
		Expect(k8s.Create(ctx, c)).To(Succeed())
		w.start(ctx)
		Eventually(state(ctx, p)).Should(BeStalledAs(v1alpha1.ReasonRoleMissing))
	})

	It("RoleMissing: new credentials have to show at once that they may list", func(ctx SpecContext) {
		w := newWorld(ctx)
		p := w.applyParent(ctx, func(p *v1alpha1.ParentAccount) { p.Spec.ResyncInterval = nil }) // five minutes
		w.start(ctx)
		Eventually(state(ctx, p)).Should(BeAvailable())
		Expect(k8s.Update(ctx, w.credentials(simulator.RoleAccountant))).To(Succeed())
		Eventually(state(ctx, p)).Should(BeStalledAs(v1alpha1.ReasonRoleMissing))
	})

	It("EndpointNotAllowed: no call leaves for it", func(ctx SpecContext) {
		w := newWorld(ctx)
		p := w.applyParent(ctx, func(p *v1alpha1.ParentAccount) { p.Spec.Voximplant.Endpoint = ptr.To("http://127.0.0.1:1") })
		c := w.apply(ctx, "acme-child")
		w.start(ctx)
		both(ctx, p, c, v1alpha1.ReasonEndpointNotAllowed)
	})

	It("ParentChanged: credentials of another account stop everything until accepted", func(ctx SpecContext) {
		w := startWorld(ctx)
		c := w.applyReady(ctx, "acme-child")
		p := w.parentAccount()
		other := w.sim.AddParent(simulator.Parent{Name: "other-parent", Email: "other@else.example"})
		secret := w.credentials()
		secret.Data["credentials.json"] = w.sim.Credentials(other.ID, simulator.RoleOwner)
		Expect(k8s.Update(ctx, secret)).To(Succeed())
		both(ctx, p, c, v1alpha1.ReasonParentChanged)
		Expect(w.count("AddAccount")).To(Equal(1))

		By("accepting it on the ParentAccount, which leaves the child stopped")
		accept := func(o interface{ SetAnnotations(map[string]string) }) {
			o.SetAnnotations(map[string]string{v1alpha1.AnnotationAcceptParent: fmt.Sprint(other.ID)})
		}
		edit(ctx, p, func(p *v1alpha1.ParentAccount) { accept(p) })
		Eventually(state(ctx, p)).Should(BeAvailable())
		Eventually(state(ctx, c)).Should(BeStalledAs(v1alpha1.ReasonParentChanged))
		Expect(w.count("AddAccount")).To(Equal(1))

		By("and back: the old credentials are the other account's now")
		secret.Data = w.credentials().Data
		Expect(k8s.Update(ctx, secret)).To(Succeed())
		Eventually(state(ctx, p)).Should(BeStalledAs(v1alpha1.ReasonParentChanged))
		edit(ctx, p, func(p *v1alpha1.ParentAccount) {
			p.SetAnnotations(map[string]string{v1alpha1.AnnotationAcceptParent: fmt.Sprint(w.parent.ID)})
		})
		Eventually(state(ctx, c)).Should(BeAvailable())
	})

	It("ParentChanged: another host is another account until accepted", func(ctx SpecContext) {
		w := newWorld(ctx)
		w.applyParent(ctx)
		elsewhere := strings.Replace(provider.URL, "127.0.0.1", "localhost", 1)
		w.start(ctx, elsewhere)
		c := w.applyReady(ctx, "acme-child")
		p := w.parentAccount()
		edit(ctx, p, func(p *v1alpha1.ParentAccount) { p.Spec.Voximplant.Endpoint = &elsewhere })
		both(ctx, p, c, v1alpha1.ReasonParentChanged)
		edit(ctx, p, func(p *v1alpha1.ParentAccount) {
			p.SetAnnotations(map[string]string{v1alpha1.AnnotationAcceptParent: fmt.Sprint(w.parent.ID)})
		})
		Eventually(state(ctx, c)).Should(BeAvailable())
		Expect(w.count("AddAccount")).To(Equal(1))
	})

	It("Suspended: no call is made for it or its children", func(ctx SpecContext) {
		w := startWorld(ctx)
		c := w.applyReady(ctx, "acme-child")
		p := w.parentAccount()
		edit(ctx, p, func(p *v1alpha1.ParentAccount) { p.Spec.Suspend = ptr.To(true) })
		Eventually(state(ctx, p)).Should(Satisfy(func(s summary) bool { return s.observed && s.second == "Unknown/Suspended" }))
		Eventually(state(ctx, c)).Should(Satisfy(func(s summary) bool { return s.ready == "True/Available" && s.second == "Unknown/Suspended" }))
		calls := len(w.sim.Calls())
		edit(ctx, c, func(c *v1alpha1.ChildAccount) { c.Spec.Email = "new@acme.example" })
		Eventually(state(ctx, c)).Should(Satisfy(func(s summary) bool { return s.observed && s.second == "Unknown/Suspended" }))
		Consistently(func() int { return len(w.sim.Calls()) }, "2s").Should(Equal(calls))
		edit(ctx, p, func(p *v1alpha1.ParentAccount) { p.Spec.Suspend = nil })
		Eventually(state(ctx, c)).Should(BeAvailable())
		Expect(w.account("acme-child").Fields).To(HaveKeyWithValue("account_email", "new@acme.example"))
	})
})
