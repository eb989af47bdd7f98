package engine_test

import (
	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"cpaas.dev/child-account-operator/api/v1alpha1"
	"cpaas.dev/child-account-operator/internal/simulator"
	"cpaas.dev/child-account-operator/internal/testenv"
)

// withProfile declares every field of the profile, the callback and the record storage.
func withProfile(c *v1alpha1.ChildAccount) {
	c.Spec.Profile = &v1alpha1.Profile{
		FirstName: ptr.To("Ada"), LastName: ptr.To("Lovelace"), MobilePhone: ptr.To("+4915112345678"), CustomData: ptr.To("crm 4711"),
		SendJSErrors: ptr.To(true), StoreInboundSMS: ptr.To(true), StoreOutboundSMS: ptr.To(false),
		BillingAddress: &v1alpha1.BillingAddress{
			Name: ptr.To("Acme GmbH"), CountryCode: ptr.To("DE"), Address: ptr.To("Hauptstr. 1, Berlin"), Zip: ptr.To("10115"), Phone: ptr.To("+49 30 1234567"),
		},
	}
	c.Spec.Callback = &v1alpha1.Callback{URL: ptr.To("https://hooks.acme.example/voice"), SaltSecretRef: &v1alpha1.SecretKeyReference{Name: "acme-salt"}}
	c.Spec.RecordStorage = &v1alpha1.RecordStorage{Name: "eu-records"}
}

// withProfileAlone declares every field of the profile.
func withProfileAlone(c *v1alpha1.ChildAccount) {
	withProfile(c)
	c.Spec.Callback, c.Spec.RecordStorage = nil, nil
}

var _ = Describe("A profile", func() {
	profileOf := func(c *v1alpha1.ChildAccount) metav1.Condition {
		cond := meta.FindStatusCondition(c.Status.Conditions, v1alpha1.ConditionProfileSynced)
		if cond == nil {
			return metav1.Condition{}
		}
		return *cond
	}

	It("comes to the account as it is declared, with callback and record storage, and costs nothing at rest", func(ctx SpecContext) {
		w := testenv.StartWorld(ctx)
		salt := &corev1.Secret{
			ObjectMeta: metav1.ObjectMeta{Namespace: w.NS, Name: "acme-salt", Labels: map[string]string{v1alpha1.LabelInput: "true"}},
			StringData: map[string]string{"salt": "canary-salt-one"},
		}
		Expect(testenv.K8s.Create(ctx, salt)).To(Succeed())
		c := w.ApplyReady(ctx, "acme-profile", withProfile)
		Expect(w.Account("acme-profile").Fields).To(And(
			HaveKeyWithValue("account_first_name", "Ada"), HaveKeyWithValue("account_last_name", "Lovelace"), HaveKeyWithValue("mobile_phone", "+4915112345678"),
			HaveKeyWithValue("account_custom_data", "crm 4711"), HaveKeyWithValue("send_js_error", true), HaveKeyWithValue("store_inbound_sms", true),
			HaveKeyWithValue("store_outbound_sms", false), HaveKeyWithValue("billing_address_name", "Acme GmbH"), HaveKeyWithValue("billing_address_country_code", "DE"),
			HaveKeyWithValue("billing_address_address", "Hauptstr. 1, Berlin"), HaveKeyWithValue("billing_address_zip", "10115"),
			HaveKeyWithValue("billing_address_phone", "+49 30 1234567"), HaveKeyWithValue("callback_url", "https://hooks.acme.example/voice"),
			HaveKeyWithValue("callback_salt", "canary-salt-one"), HaveKeyWithValue("record_storage_name", "eu-records"),
		))
		// The profile is one call; the callback's URL and its salt go the parent's ordinary way.
		Expect(w.Changes()).To(ConsistOf("AddAccount", "SetChildAccountInfo", "SetChildAccountInfo", "SetAccountInfo"))
		Expect(profileOf(c)).To(And(HaveField("Status", metav1.ConditionTrue), HaveField("Message", ContainSubstring("adoptionPolicy"))))
		Expect(testenv.StateOf(ctx, c)(Default).JSON).NotTo(ContainSubstring("canary-salt"))

		By("a resync and a restart make no call but for the list")
		w.AwaitLists(2)
		w.Stop()
		w.Start(ctx)
		w.AwaitLists(2)
		Expect(w.Changes()).To(HaveLen(4))

		By("another salt in the Secret")
		testenv.Edit(ctx, salt, func(s *corev1.Secret) { s.Data = map[string][]byte{"salt": []byte("canary-salt-two")} })
		Eventually(func() string { return w.Account("acme-profile").Text("callback_salt") }).Should(Equal("canary-salt-two"))

		By("a change at the provider")
		Expect(w.Sim.SetField(w.Account("acme-profile").ID, "billing_address_zip", "99999")).To(Succeed())
		Eventually(func() string { return w.Account("acme-profile").Text("billing_address_zip") }).Should(Equal("10115"))
		Eventually(testenv.EventsOf(ctx, c)).Should(ContainElement(ContainSubstring("corrected profile.billingAddress.zip")))
	})

	It("is left out where the parent's key may not act as its child, and the rest is kept", func(ctx SpecContext) {
		w := testenv.NewWorld(ctx)
		w.Sim.Update(func(s *simulator.Settings) { s.NoActAsChild = true })
		w.ApplyParent(ctx)
		w.Start(ctx)
		c := w.ApplyReady(ctx, "acme-norole", func(c *v1alpha1.ChildAccount) {
			c.Spec.Profile = &v1alpha1.Profile{FirstName: ptr.To("Ada"), MobilePhone: ptr.To("+4915112345678")}
		})
		Expect(profileOf(c)).To(And(HaveField("Status", metav1.ConditionFalse), HaveField("Reason", v1alpha1.ReasonRoleMissing),
			HaveField("Message", ContainSubstring("Owner, Admin, Developer, Accountant, Payer"))))
		Expect(w.Account("acme-norole").Fields).To(HaveKeyWithValue("account_first_name", "Ada")) // AddAccount takes it

		w.AwaitLists(2)
		Expect(w.Count("SetAccountInfo")).To(Equal(1))
		testenv.Edit(ctx, c, func(c *v1alpha1.ChildAccount) { c.Spec.Location = ptr.To("Europe/Lisbon") })
		Eventually(func() string { return w.Account("acme-norole").Text("location") }).Should(Equal("Europe/Lisbon"))

		w.Sim.Update(func(s *simulator.Settings) { s.NoActAsChild = false })
		testenv.Edit(ctx, c, func(c *v1alpha1.ChildAccount) {
			metav1.SetMetaDataAnnotation(&c.ObjectMeta, v1alpha1.AnnotationReconcileRequestedAt, "now")
		})
		Eventually(func() string { return w.Account("acme-norole").Text("mobile_phone") }).Should(Equal("+4915112345678"))
		Eventually(func(g Gomega) string {
			testenv.StateOf(ctx, c)(g)
			return string(profileOf(c).Status)
		}).Should(Equal("True"))
	})
})
