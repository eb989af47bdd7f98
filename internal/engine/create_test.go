package engine_test

import (
	"github.com/fluxcd/cli-utils/pkg/kstatus/status"
	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/utils/ptr"

	"cpaas.dev/child-account-operator/api/v1alpha1"
	"cpaas.dev/child-account-operator/internal/testenv"
)

var _ = Describe("An applied ChildAccount", func() {
	It("becomes a child account and is Ready", func(ctx SpecContext) {
		w := testenv.StartWorld(ctx)
		c := w.ApplyReady(ctx, "acme-support")

		account := w.Account("acme-support")
		Expect(account.ParentID).To(Equal(w.Parent.ID))
		Expect(account.Fields).To(HaveKeyWithValue("account_email", "acme-support@acme.example"))
		Expect(account.Fields).To(HaveKeyWithValue("active", true))
		Expect(c.Status.Origin).To(Equal(v1alpha1.OriginCreated))
		Expect(c.Finalizers).To(BeEmpty(), "under Retain a deletion waits for nobody")
		Expect(c.Annotations).To(BeEmpty())
		Expect(c.Status.Observed.Email).To(HaveValue(Equal("acme-support@acme.example")))

		By("with everything in its connection Secret")
		data := testenv.ConnectionOf(ctx, c)
		Expect(data).To(HaveKeyWithValue("accountID", c.Status.AccountID))
		Expect(data).To(HaveKeyWithValue("accountName", "acme-support"))
		Expect(data).To(HaveKeyWithValue("email", "acme-support@acme.example"))
		Expect(data).To(HaveKeyWithValue("endpoint", testenv.ProviderServer.URL))
		Expect(data).To(HaveKeyWithValue("apiKey", account.Fields["api_key"]))
		Expect(w.Sim.CheckPassword(account.ID, data["password"])).To(BeTrue())

		By("for one call")
		Expect(w.Count("AddAccount")).To(Equal(1))
		Expect(w.Count("SetChildAccountInfo")).To(BeZero())
		Eventually(testenv.EventsOf(ctx, c)).Should(ContainElement(HavePrefix("Created: created account acme-support")))
	})

	It("sets every declared field, those that creation can't set included", func(ctx SpecContext) {
		w := testenv.StartWorld(ctx)
		c := w.ApplyReady(ctx, "full", func(c *v1alpha1.ChildAccount) {
			c.Spec.AccountName = ptr.To("acme-full")
			c.Spec.Email = "Full@Acme.example"
			c.Spec.LanguageCode = ptr.To("he")
			c.Spec.Location = ptr.To("Europe/Berlin")
			c.Spec.Notifications = &v1alpha1.Notifications{Account: ptr.To(true), TariffChanges: ptr.To(false), News: ptr.To(true)}
			c.Spec.MinBalanceToNotify = ptr.To(intstr.FromString("5.00"))
			c.Spec.Payments = &v1alpha1.Payments{BankCard: ptr.To(false), Invoice: ptr.To(true), Robokassa: ptr.To(true)}
			c.Spec.CanUseRestricted = ptr.To(true)
			c.Spec.ConnectionSecret = &v1alpha1.ConnectionSecret{Name: ptr.To("acme-full-login")}
		})
		fields := w.Account("acme-full").Fields
		Expect(fields).To(HaveKeyWithValue("account_email", "Full@Acme.example"))
		Expect(fields).To(HaveKeyWithValue("language_code", "he"))
		Expect(fields).To(HaveKeyWithValue("location", "Europe/Berlin"))
		Expect(fields).To(HaveKeyWithValue("account_notifications", true))
		Expect(fields).To(HaveKeyWithValue("tariff_changing_notifications", false))
		Expect(fields).To(HaveKeyWithValue("news_notifications", true))
		Expect(fields).To(HaveKeyWithValue("min_balance_to_notify", BeNumerically("==", 5)))
		Expect(fields).To(HaveKeyWithValue("support_bank_card", false))
		Expect(fields).To(HaveKeyWithValue("support_invoice", true))
		Expect(fields).To(HaveKeyWithValue("support_robokassa", true))
		Expect(fields).To(HaveKeyWithValue("can_use_restricted", true))
		Expect(w.Count("AddAccount")).To(Equal(1))
		Expect(w.Count("SetChildAccountInfo")).To(Equal(1))
		Expect(testenv.ConnectionOf(ctx, c)).To(HaveKey("password"))
		Expect(c.Status.LastApplied).To(HaveKeyWithValue("canUseRestricted", "true"))

		By("and then rests: no write to either side")
		w.AwaitLists(2) // the first one adds to status.observed what creation does not answer
		Expect(testenv.K8s.Get(ctx, testenv.KeyOf(c), c)).To(Succeed())
		version := c.ResourceVersion
		w.AwaitLists(2)
		Expect(w.Count("SetChildAccountInfo")).To(Equal(1))
		Expect(testenv.K8s.Get(ctx, testenv.KeyOf(c), c)).To(Succeed())
		Expect(c.ResourceVersion).To(Equal(version))
	})

	It("leaves alone what is not declared", func(ctx SpecContext) {
		w := testenv.StartWorld(ctx)
		c := w.ApplyReady(ctx, "acme-plain")
		id := w.Account("acme-plain").ID
		Expect(w.Sim.SetField(id, "location", "Asia/Tokyo")).To(Succeed())
		Expect(w.Sim.SetField(id, "active", false)).To(Succeed())
		Eventually(testenv.StateOf(ctx, c)).Should(testenv.BeReadyAs(v1alpha1.ReasonDeactivated))
		Expect(c.Status.Observed.Location).To(HaveValue(Equal("Asia/Tokyo")))
		Expect(w.Count("SetChildAccountInfo")).To(BeZero())
	})

	It("corrects drift at the next resync and says so", func(ctx SpecContext) {
		w := testenv.StartWorld(ctx)
		c := w.ApplyReady(ctx, "acme-drift", func(c *v1alpha1.ChildAccount) { c.Spec.Location = ptr.To("Europe/Berlin") })
		id := w.Account("acme-drift").ID
		Expect(w.Sim.SetField(id, "account_email", "somebody@else.example")).To(Succeed())
		Expect(w.Sim.SetField(id, "location", "Asia/Tokyo")).To(Succeed())
		Eventually(func() any { return w.Account("acme-drift").Fields["account_email"] }).Should(Equal("acme-drift@acme.example"))
		Expect(w.Account("acme-drift").Fields).To(HaveKeyWithValue("location", "Europe/Berlin"))
		Eventually(testenv.EventsOf(ctx, c)).Should(ContainElement("DriftCorrected: corrected email, location, changed at the provider"))
		Eventually(testenv.StateOf(ctx, c)).Should(testenv.BeAvailable())
	})

	It("follows its spec, with the names of the fields in an event", func(ctx SpecContext) {
		w := testenv.StartWorld(ctx)
		c := w.ApplyReady(ctx, "acme-edit")
		testenv.Edit(ctx, c, func(c *v1alpha1.ChildAccount) {
			c.Spec.Email = "new@acme.example"
			c.Spec.Active = ptr.To(false)
		})
		Eventually(testenv.StateOf(ctx, c)).Should(testenv.BeReadyAs(v1alpha1.ReasonDeactivated))
		Expect(w.Account("acme-edit").Fields).To(HaveKeyWithValue("account_email", "new@acme.example"))
		Expect(testenv.ConnectionOf(ctx, c)).To(HaveKeyWithValue("email", "new@acme.example"))
		Eventually(testenv.EventsOf(ctx, c)).Should(ContainElement("Updated: updated email, active"))
		Expect(w.Count("SetChildAccountInfo")).To(Equal(1))
	})

	It("keeps its account when it is deleted, and finds it when it comes back", func(ctx SpecContext) {
		w := testenv.StartWorld(ctx)
		c := w.ApplyReady(ctx, "acme-back")
		id, password := c.Status.AccountID, testenv.ConnectionOf(ctx, c)["password"]
		Expect(testenv.K8s.Delete(ctx, c)).To(Succeed())
		Eventually(func() error { return testenv.K8s.Get(ctx, testenv.KeyOf(c), c) }).ShouldNot(Succeed())
		Expect(w.Account("acme-back").Fields).To(HaveKeyWithValue("active", true))
		Expect(testenv.ConnectionOf(ctx, c)).To(HaveKeyWithValue("password", password))

		c = w.ApplyReady(ctx, "acme-back")
		Expect(c.Status.AccountID).To(Equal(id))
		Expect(w.Count("AddAccount")).To(Equal(1))
		Expect(w.Count("SetChildAccountInfo")).To(BeZero())
		Expect(testenv.ConnectionOf(ctx, c)).To(HaveKeyWithValue("password", password))
	})

	It("is left alone while suspended, and can be deleted", func(ctx SpecContext) {
		w := testenv.StartWorld(ctx)
		c := w.ApplyReady(ctx, "acme-rest")
		testenv.Edit(ctx, c, func(c *v1alpha1.ChildAccount) { c.Spec.Suspend, c.Spec.Email = ptr.To(true), "later@acme.example" })
		Eventually(testenv.StateOf(ctx, c)).Should(Satisfy(func(s testenv.State) bool {
			return s.Observed && s.Ready == "True/Available" && s.Second == "Unknown/Suspended" && s.Flags == "" && s.KStatus == status.CurrentStatus
		}))
		Expect(w.Count("SetChildAccountInfo")).To(BeZero())
		Expect(testenv.K8s.Delete(ctx, c)).To(Succeed())
		Eventually(func() error { return testenv.K8s.Get(ctx, testenv.KeyOf(c), c) }).ShouldNot(Succeed())
		Expect(w.Account("acme-rest").Fields).To(HaveKeyWithValue("active", true))
	})
})

var _ = Describe("A ParentAccount", func() {
	It("says who it is and counts its children", func(ctx SpecContext) {
		w := testenv.NewWorld(ctx)
		w.Sim.PutAccount(testenv.SimulatorChild(w, "unmanaged1", "unmanaged1@acme.example"))
		p := w.ApplyParent(ctx)
		w.Start(ctx)
		w.ApplyReady(ctx, "acme-one")
		Eventually(testenv.StateOf(ctx, p)).Should(testenv.BeAvailable())
		Eventually(func(g Gomega) *v1alpha1.ChildAccountCounts {
			g.Expect(testenv.K8s.Get(ctx, testenv.KeyOf(p), p)).To(Succeed())
			return p.Status.ChildAccounts
		}).Should(HaveValue(Equal(v1alpha1.ChildAccountCounts{Total: 2, Managed: 1, Unmanaged: 1})))
		Expect(p.Status.AccountName).To(Equal("acme-telephony"))
		Expect(p.Status.Provider).To(Equal("Voximplant"))
		Expect(testenv.ProviderServer.URL).To(HaveSuffix(p.Status.EndpointHost))
		Expect(p.Status.Conditions).NotTo(ContainElement(HaveField("Status", metav1.ConditionFalse)))
	})
})
