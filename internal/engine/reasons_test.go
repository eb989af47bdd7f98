package engine_test

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
	"cpaas.dev/child-account-operator/internal/testenv"
)

// claimed is a child account of the parent with a claim in its custom data.
func claimed(w *testenv.World, name string, claim account.Claim) simulator.Account {
	a := testenv.SimulatorChild(w, name, name+"@acme.example")
	a.Fields["account_custom_data"] = claim.CustomData()
	return a
}

var _ = Describe("A ChildAccount that can't have its account", func() {
	It("NameTaken: the name is a stranger's", func(ctx SpecContext) {
		w := testenv.StartWorld(ctx)
		w.Sim.AddStranger("acme-taken", "stranger@else.example")
		c := w.Apply(ctx, "acme-taken")
		Eventually(testenv.StateOf(ctx, c)).Should(testenv.BeStalledAs(v1alpha1.ReasonNameTaken))
		Expect(w.Count("AddAccount")).To(Equal(1))

		By("and is not tried again at each resync")
		w.AwaitLists(3)
		Expect(w.Count("AddAccount")).To(Equal(1))
		Expect(testenv.EventsOf(ctx, c)(Default)).To(ConsistOf(HavePrefix("NameTaken: ")))
	})

	It("EmailTaken: at creation, and again at a change", func(ctx SpecContext) {
		w := testenv.StartWorld(ctx)
		w.Sim.AddStranger("stranger", "taken@else.example")
		c := w.Apply(ctx, "acme-mail", func(c *v1alpha1.ChildAccount) { c.Spec.Email = "Taken@else.example" })
		Eventually(testenv.StateOf(ctx, c)).Should(testenv.BeStalledAs(v1alpha1.ReasonEmailTaken))
		Expect(testenv.StateOf(ctx, c)(Default).Message).To(ContainSubstring("spec.email"))

		testenv.Edit(ctx, c, func(c *v1alpha1.ChildAccount) { c.Spec.Email = "free@acme.example" })
		Eventually(testenv.StateOf(ctx, c)).Should(testenv.BeAvailable())
		testenv.Edit(ctx, c, func(c *v1alpha1.ChildAccount) { c.Spec.Email = "taken@else.example" })
		Eventually(testenv.StateOf(ctx, c)).Should(testenv.BeStalledAs(v1alpha1.ReasonEmailTaken))
		testenv.Edit(ctx, c, func(c *v1alpha1.ChildAccount) { c.Spec.Email = "free@acme.example" })
		Eventually(testenv.StateOf(ctx, c)).Should(testenv.BeAvailable())
		Expect(w.Account("acme-mail").Fields).To(HaveKeyWithValue("account_email", "free@acme.example"))
	})

	It("AdoptionRefused: the account was there before and is left alone", func(ctx SpecContext) {
		w := testenv.NewWorld(ctx)
		w.Sim.PutAccount(testenv.SimulatorChild(w, "acme-before", "before@acme.example"))
		w.ApplyParent(ctx)
		w.Start(ctx)
		c := w.Apply(ctx, "acme-before", func(c *v1alpha1.ChildAccount) { c.Spec.Active = ptr.To(false) })
		Eventually(testenv.StateOf(ctx, c)).Should(testenv.BeStalledAs(v1alpha1.ReasonAdoptionRefused))
		w.AwaitLists(2)
		Expect(w.Count("AddAccount") + w.Count("SetChildAccountInfo")).To(BeZero())
		Expect(w.Account("acme-before").Fields).To(HaveKeyWithValue("active", true))
		Expect(c.Status.AccountID).To(BeEmpty())
	})

	It("ClaimedElsewhere: another installation has it", func(ctx SpecContext) {
		w := testenv.NewWorld(ctx)
		w.Sim.PutAccount(claimed(w, "acme-other", account.Claim{Installation: "other-cluster", Namespace: "ns", Name: "acme-other"}))
		w.ApplyParent(ctx)
		w.Start(ctx)
		c := w.Apply(ctx, "acme-other")
		Eventually(testenv.StateOf(ctx, c)).Should(testenv.BeStalledAs(v1alpha1.ReasonClaimedElsewhere))
		Expect(testenv.StateOf(ctx, c)(Default).Message).To(ContainSubstring("ns/acme-other of installation other-cluster"))
		Expect(w.Count("AddAccount") + w.Count("SetChildAccountInfo")).To(BeZero())
	})

	It("DuplicateResource: another resource of this cluster has it", func(ctx SpecContext) {
		w := testenv.StartWorld(ctx)
		w.ApplyReady(ctx, "acme-first")
		c := w.Apply(ctx, "acme-second", func(c *v1alpha1.ChildAccount) {
			c.Spec.AccountName, c.Spec.Email = ptr.To("acme-first"), "second@acme.example"
		})
		Eventually(testenv.StateOf(ctx, c)).Should(testenv.BeStalledAs(v1alpha1.ReasonDuplicateResource))
		Expect(w.Count("AddAccount")).To(Equal(1))
		Expect(w.Account("acme-first").Fields).To(HaveKeyWithValue("account_email", "acme-first@acme.example"))
	})

	It("Rejected: a location that IANA doesn't know, before any call", func(ctx SpecContext) {
		w := testenv.StartWorld(ctx)
		c := w.Apply(ctx, "acme-where", func(c *v1alpha1.ChildAccount) { // the schema refuses it of those that adopt no account
			c.Spec.Location, c.Spec.AdoptionPolicy = ptr.To("Europe/Atlantis"), ptr.To(v1alpha1.AdoptIfIdentical)
		})
		Eventually(testenv.StateOf(ctx, c)).Should(testenv.BeStalledAs(v1alpha1.ReasonRejected))
		Expect(testenv.StateOf(ctx, c)(Default).Message).To(And(ContainSubstring("spec.location"), ContainSubstring("Europe/Atlantis")))
		Expect(w.Count("AddAccount")).To(BeZero())
		testenv.Edit(ctx, c, func(c *v1alpha1.ChildAccount) { c.Spec.Location = ptr.To("Europe/Berlin") })
		Eventually(testenv.StateOf(ctx, c)).Should(testenv.BeAvailable())
	})

	It("AccountMissing: only after two complete lists, and never made anew", func(ctx SpecContext) {
		w := testenv.StartWorld(ctx)
		c := w.ApplyReady(ctx, "acme-gone")
		w.Sim.Remove(w.Account("acme-gone").ID)
		Eventually(testenv.StateOf(ctx, c)).Should(testenv.BeStalledAs(v1alpha1.ReasonAccountMissing))
		w.AwaitLists(2)
		Expect(w.Count("AddAccount")).To(Equal(1))
	})

	It("Frozen: the provider has blocked it, and unblocks it", func(ctx SpecContext) {
		w := testenv.StartWorld(ctx)
		c := w.ApplyReady(ctx, "acme-cold")
		id := w.Account("acme-cold").ID
		Expect(w.Sim.Freeze(id)).To(Succeed())
		Eventually(testenv.StateOf(ctx, c)).Should(Satisfy(func(s testenv.State) bool {
			return s.Ready == "False/Frozen" && s.Second == "True/Frozen" && s.Flags == "Stalled" && s.KStatus == status.FailedStatus
		}))
		Expect(w.Sim.Unfreeze(id)).To(Succeed())
		Eventually(testenv.StateOf(ctx, c)).Should(testenv.BeAvailable())
	})

	It("SecretInvalid: the connection Secret's name is somebody else's", func(ctx SpecContext) {
		w := testenv.NewWorld(ctx)
		theirs := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: w.NS, Name: "acme-sec-connection"}, Data: map[string][]byte{"password": []byte("theirs")}}
		Expect(testenv.K8s.Create(ctx, theirs)).To(Succeed())
		w.ApplyParent(ctx)
		w.Start(ctx)
		c := w.Apply(ctx, "acme-sec")
		Eventually(testenv.StateOf(ctx, c)).Should(testenv.BeStalledAs(v1alpha1.ReasonSecretInvalid))
		Expect(w.Count("AddAccount")).To(BeZero())
		Expect(testenv.ConnectionOf(ctx, c)).To(Equal(map[string]string{"password": "theirs"}))
		Expect(testenv.K8s.Delete(ctx, theirs)).To(Succeed())
		Eventually(testenv.StateOf(ctx, c)).Should(testenv.BeAvailable())
	})

	DescribeTable("refused by the provider",
		func(ctx SpecContext, code int, reason string) {
			w := testenv.StartWorld(ctx)
			w.Sim.AddFault(simulator.Fault{Kind: simulator.FaultError, Method: "AddAccount", Code: code})
			c := w.Apply(ctx, "acme-refused")
			Eventually(testenv.StateOf(ctx, c)).Should(testenv.BeStalledAs(reason))
			Expect(testenv.StateOf(ctx, c)(Default).Message).To(ContainSubstring(fmt.Sprintf("code %d", code)))
			w.AwaitLists(2)
			Expect(w.Count("AddAccount")).To(Equal(1), "a stalled resource is not tried at each resync")

			By("and goes on when its spec changes and the trouble is over")
			w.Sim.ClearFaults()
			testenv.Edit(ctx, c, func(c *v1alpha1.ChildAccount) { c.Spec.LanguageCode = ptr.To("de") })
			Eventually(testenv.StateOf(ctx, c)).Should(testenv.BeAvailable())
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
		w := testenv.NewWorld(ctx)
		w.Parent = w.Sim.AddParent(simulator.Parent{Name: "other-parent", Email: "other@acme.example", ChildrenDisabled: true})
		w.ApplyParent(ctx)
		w.Start(ctx)
		c := w.Apply(ctx, "acme-early")
		Eventually(testenv.StateOf(ctx, c)).Should(Or(testenv.BeStalledAs(v1alpha1.ReasonBlockedNotEnabled), testenv.BeStalledAs(v1alpha1.ReasonRoleMissing)))
	})
})

var _ = Describe("A ParentAccount that can't be used", func() {
	// WrittenByBoth expects the parent's reason, and ParentNotReady of a child.
	both := func(ctx context.Context, p *v1alpha1.ParentAccount, c *v1alpha1.ChildAccount, reason string) {
		GinkgoHelper()
		Eventually(testenv.StateOf(ctx, p)).Should(testenv.BeStalledAs(reason))
		Eventually(testenv.StateOf(ctx, c)).Should(testenv.BeStalledAs(v1alpha1.ReasonParentNotReady))
		Eventually(func(g Gomega) string { return testenv.StateOf(ctx, c)(g).Message }).Should(ContainSubstring(reason)) // it may still be of what was before
	}

	It("ParentNotFound, until it is there", func(ctx SpecContext) {
		w := testenv.NewWorld(ctx)
		w.Start(ctx)
		c := w.Apply(ctx, "acme-orphan")
		Eventually(testenv.StateOf(ctx, c)).Should(testenv.BeStalledAs(v1alpha1.ReasonParentNotFound))
		w.ApplyParent(ctx)
		Eventually(testenv.StateOf(ctx, c)).Should(testenv.BeAvailable())
	})

	It("SecretMissing, SecretNotLabelled with the command, then ready", func(ctx SpecContext) {
		w := testenv.NewWorld(ctx)
		p, c := w.ParentAccount(), w.Child("acme-child")
		Expect(testenv.K8s.Create(ctx, p)).To(Succeed())
		Expect(testenv.K8s.Create(ctx, c)).To(Succeed())
		w.Start(ctx)
		both(ctx, p, c, v1alpha1.ReasonSecretMissing)

		secret := w.Credentials()
		secret.Labels = nil
		Expect(testenv.K8s.Create(ctx, secret)).To(Succeed())
		// Nothing wakes the operator for a Secret that it may not see; the next try finds it.
		testenv.Edit(ctx, p, func(p *v1alpha1.ParentAccount) { p.Spec.ResyncInterval = &metav1.Duration{Duration: 2 * time.Second} })
		both(ctx, p, c, v1alpha1.ReasonSecretNotLabelled)
		Expect(p.Status.Conditions).To(ContainElement(HaveField("Message", ContainSubstring(
			fmt.Sprintf("kubectl label secret -n %s voximplant accounts.cpaas.dev/input=true", w.NS)))))

		secret.Labels = map[string]string{v1alpha1.LabelInput: "true"}
		Expect(testenv.K8s.Update(ctx, secret)).To(Succeed())
		Eventually(testenv.StateOf(ctx, p)).Should(testenv.BeAvailable())
		Eventually(testenv.StateOf(ctx, c)).Should(testenv.BeAvailable())
	})

	DescribeTable("SecretInvalid: credentials that can't be read",
		func(ctx SpecContext, data map[string][]byte, text string) {
			w := testenv.NewWorld(ctx)
			secret := w.Credentials()
			secret.Data = data
			Expect(testenv.K8s.Create(ctx, secret)).To(Succeed())
			p, c := w.ParentAccount(), w.Child("acme-child")
			Expect(testenv.K8s.Create(ctx, p)).To(Succeed())
			Expect(testenv.K8s.Create(ctx, c)).To(Succeed())
			w.Start(ctx)
			both(ctx, p, c, v1alpha1.ReasonSecretInvalid)
			Expect(p.Status.Conditions).To(ContainElement(HaveField("Message", ContainSubstring(text))))
			Expect(w.Sim.Calls()).To(BeEmpty())
		},
		Entry("another key", map[string][]byte{"other": []byte("{}")}, `"credentials.json"`),
		Entry("UTF-16", map[string][]byte{"credentials.json": testenv.InUTF16("\ufeff{}")}, `Secret voximplant can't be used: key "credentials.json" is text in UTF-16: save it as UTF-8`),
		Entry("UTF-16, without a byte order mark", map[string][]byte{"credentials.json": testenv.InUTF16("{}")}, "is text in UTF-16: save it as UTF-8"),
		Entry("no JSON", map[string][]byte{"credentials.json": []byte("hunter2")}, "JSON"),
		Entry("no private key", map[string][]byte{"credentials.json": []byte(`{"account_email":"a@b","account_id":1,"key_id":"k"}`)}, "private_key"),
	)

	It("Unauthorized: the key was revoked; new credentials work without a restart", func(ctx SpecContext) {
		w := testenv.NewWorld(ctx)
		secret := w.Credentials()
		other := simulator.New(simulator.Options{Key: testenv.SigningKey})
		foreign := other.AddParent(simulator.Parent{ID: w.Parent.ID, Name: "acme-telephony", Email: "owner@acme.example"})
		secret.Data["credentials.json"] = other.Credentials(foreign.ID) // a key that this service does not know
		Expect(testenv.K8s.Create(ctx, secret)).To(Succeed())
		p, c := w.ParentAccount(), w.Child("acme-child")
		Expect(testenv.K8s.Create(ctx, p)).To(Succeed())
		Expect(testenv.K8s.Create(ctx, c)).To(Succeed())
		w.Start(ctx)
		both(ctx, p, c, v1alpha1.ReasonUnauthorized)
		Expect(p.Status.Conditions).To(ContainElement(HaveField("Message", MatchRegexp(`code 1\d\d\)\. The key may have been revoked: make a new one.* key credentials.json of Secret voximplant\.`))))

		secret.Data = w.Credentials().Data
		Expect(testenv.K8s.Update(ctx, secret)).To(Succeed())
		Eventually(testenv.StateOf(ctx, p)).Should(testenv.BeAvailable())
		Eventually(testenv.StateOf(ctx, c)).Should(testenv.BeAvailable())
	})

	It("RoleMissing: the key may not list children", func(ctx SpecContext) {
		w := testenv.NewWorld(ctx)
		Expect(testenv.K8s.Create(ctx, w.Credentials(simulator.RoleDeveloper))).To(Succeed())
		p, c := w.ParentAccount(), w.Child("acme-child")
		Expect(testenv.K8s.Create(ctx, p)).To(Succeed())
		Expect(testenv.K8s.Create(ctx, c)).To(Succeed())
		w.Start(ctx)
		Eventually(testenv.StateOf(ctx, p)).Should(testenv.BeStalledAs(v1alpha1.ReasonRoleMissing))
	})

	It("RoleMissing: new credentials have to show at once that they may list", func(ctx SpecContext) {
		w := testenv.NewWorld(ctx)
		p := w.ApplyParent(ctx, func(p *v1alpha1.ParentAccount) { p.Spec.ResyncInterval = nil }) // five minutes
		w.Start(ctx)
		Eventually(testenv.StateOf(ctx, p)).Should(testenv.BeAvailable())
		Expect(testenv.K8s.Update(ctx, w.Credentials(simulator.RoleAccountant))).To(Succeed())
		Eventually(testenv.StateOf(ctx, p)).Should(testenv.BeStalledAs(v1alpha1.ReasonRoleMissing))
	})

	It("EndpointNotAllowed: no call leaves for it", func(ctx SpecContext) {
		w := testenv.NewWorld(ctx)
		p := w.ApplyParent(ctx, func(p *v1alpha1.ParentAccount) { p.Spec.Voximplant.Endpoint = ptr.To("http://127.0.0.1:1") })
		c := w.Apply(ctx, "acme-child")
		w.Start(ctx)
		both(ctx, p, c, v1alpha1.ReasonEndpointNotAllowed)
		Expect(p.Status.Conditions).To(ContainElement(HaveField("Message", ContainSubstring("--allowed-endpoints: "+testenv.ProviderServer.URL+". Set the endpoint to an allowed one"))))
	})

	It("ParentChanged: credentials of another account stop everything until accepted", func(ctx SpecContext) {
		w := testenv.StartWorld(ctx)
		c := w.ApplyReady(ctx, "acme-child")
		p := w.ParentAccount()
		other := w.Sim.AddParent(simulator.Parent{Name: "other-parent", Email: "other@else.example"})
		secret := w.Credentials()
		secret.Data["credentials.json"] = w.Sim.Credentials(other.ID, simulator.RoleOwner)
		Expect(testenv.K8s.Update(ctx, secret)).To(Succeed())
		both(ctx, p, c, v1alpha1.ReasonParentChanged)
		Expect(w.Count("AddAccount")).To(Equal(1))

		By("accepting it on the ParentAccount, which leaves the child stopped")
		accept := func(o interface{ SetAnnotations(map[string]string) }) {
			o.SetAnnotations(map[string]string{v1alpha1.AnnotationAcceptParent: fmt.Sprint(other.ID)})
		}
		testenv.Edit(ctx, p, func(p *v1alpha1.ParentAccount) { accept(p) })
		Eventually(testenv.StateOf(ctx, p)).Should(testenv.BeAvailable())
		Eventually(testenv.StateOf(ctx, c)).Should(testenv.BeStalledAs(v1alpha1.ReasonParentChanged))
		Expect(w.Count("AddAccount")).To(Equal(1))

		By("and back: the old credentials are the other account's now")
		secret.Data = w.Credentials().Data
		Expect(testenv.K8s.Update(ctx, secret)).To(Succeed())
		Eventually(testenv.StateOf(ctx, p)).Should(testenv.BeStalledAs(v1alpha1.ReasonParentChanged))
		testenv.Edit(ctx, p, func(p *v1alpha1.ParentAccount) {
			p.SetAnnotations(map[string]string{v1alpha1.AnnotationAcceptParent: fmt.Sprint(w.Parent.ID)})
		})
		Eventually(testenv.StateOf(ctx, c)).Should(testenv.BeAvailable())
	})

	It("ParentChanged: another host is another account until accepted", func(ctx SpecContext) {
		w := testenv.NewWorld(ctx)
		w.ApplyParent(ctx)
		elsewhere := strings.Replace(testenv.ProviderServer.URL, "127.0.0.1", "localhost", 1)
		w.Start(ctx, elsewhere)
		c := w.ApplyReady(ctx, "acme-child")
		p := w.ParentAccount()
		testenv.Edit(ctx, p, func(p *v1alpha1.ParentAccount) { p.Spec.Voximplant.Endpoint = &elsewhere })
		both(ctx, p, c, v1alpha1.ReasonParentChanged)
		testenv.Edit(ctx, p, func(p *v1alpha1.ParentAccount) {
			p.SetAnnotations(map[string]string{v1alpha1.AnnotationAcceptParent: fmt.Sprint(w.Parent.ID)})
		})
		Eventually(testenv.StateOf(ctx, c)).Should(testenv.BeAvailable())
		Expect(w.Count("AddAccount")).To(Equal(1))
	})

	It("Suspended: no call is made for it or its children", func(ctx SpecContext) {
		w := testenv.StartWorld(ctx)
		c := w.ApplyReady(ctx, "acme-child")
		p := w.ParentAccount()
		testenv.Edit(ctx, p, func(p *v1alpha1.ParentAccount) { p.Spec.Suspend = ptr.To(true) })
		Eventually(testenv.StateOf(ctx, p)).Should(Satisfy(func(s testenv.State) bool { return s.Observed && s.Second == "Unknown/Suspended" }))
		Eventually(testenv.StateOf(ctx, c)).Should(Satisfy(func(s testenv.State) bool { return s.Ready == "True/Available" && s.Second == "Unknown/Suspended" }))
		calls := len(w.Sim.Calls())
		testenv.Edit(ctx, c, func(c *v1alpha1.ChildAccount) { c.Spec.Email = "new@acme.example" })
		Eventually(testenv.StateOf(ctx, c)).Should(Satisfy(func(s testenv.State) bool { return s.Observed && s.Second == "Unknown/Suspended" }))
		Consistently(func() int { return len(w.Sim.Calls()) }, "2s").Should(Equal(calls))
		testenv.Edit(ctx, p, func(p *v1alpha1.ParentAccount) { p.Spec.Suspend = nil })
		Eventually(testenv.StateOf(ctx, c)).Should(testenv.BeAvailable())
		Expect(w.Account("acme-child").Fields).To(HaveKeyWithValue("account_email", "new@acme.example"))
	})
})
