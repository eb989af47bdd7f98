package controllers_test

import (
	"fmt"

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

var _ = Describe("The parent account itself", func() {
	said := func(ctx SpecContext, p *v1alpha1.ParentAccount, kind string) func(Gomega) string {
		return func(g Gomega) string {
			g.Expect(testenv.K8s.Get(ctx, testenv.KeyOf(p), p)).To(Succeed())
			c := meta.FindStatusCondition(p.Status.Conditions, kind)
			if c == nil || c.ObservedGeneration != p.Generation {
				return ""
			}
			return string(c.Status) + " " + c.Reason
		}
	}

	It("is kept as declared, with its plan and the salt of its Secret; at rest that costs no call and no write, and neither does a restart", func(ctx SpecContext) {
		w := testenv.NewWorld(ctx)
		salt := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: w.NS, Name: "acme-salt", Labels: map[string]string{v1alpha1.LabelInput: "true"}}, StringData: map[string]string{"salt": "s4lt-canary-of-its-own"}}
		Expect(testenv.K8s.Create(ctx, salt)).To(Succeed())
		p := w.ApplyParent(ctx)
		w.Start(ctx)
		Eventually(testenv.StateOf(ctx, p)).Should(testenv.BeAvailable())
		Expect(w.Changes()).To(BeEmpty())

		testenv.Edit(ctx, p, func(p *v1alpha1.ParentAccount) {
			p.Spec.Account = &v1alpha1.OwnAccount{
				LanguageCode: ptr.To("de"), Location: ptr.To("Europe/Berlin"),
				Callback: &v1alpha1.Callback{URL: ptr.To("https://hooks.acme.example/voice"), SaltSecretRef: &v1alpha1.SecretKeyReference{Name: "acme-salt"}},
				Profile:  &v1alpha1.OwnProfile{FirstName: ptr.To("Ada"), StoreInboundSMS: ptr.To(true)},
			}
			p.Spec.Plans = []v1alpha1.DeclaredPlan{{Type: "MAU", TemplateID: "12"}}
		})
		Eventually(said(ctx, p, v1alpha1.ConditionAccountSynced)).Should(Equal("True Available"))
		Eventually(said(ctx, p, v1alpha1.ConditionPlansSynced)).Should(Equal("True Available"))
		own := w.Account("acme-telephony")
		for name, want := range map[string]any{
			"language_code": "de", "location": "Europe/Berlin", "callback_url": "https://hooks.acme.example/voice", "callback_salt": "s4lt-canary-of-its-own",
			"account_first_name": "Ada", "store_inbound_sms": true, "account_email": "owner@acme.example",
		} {
			Expect(own.Fields).To(HaveKeyWithValue(name, want))
		}
		Expect(w.Changes()).To(ConsistOf("GetAccountPlans", "SetAccountInfo", "GetAvailablePlans", "ChangeAccountPlan", "GetAccountPlans"))

		By("resting, and starting anew")
		version := p.ResourceVersion
		w.AwaitLists(2)
		w.Stop()
		w.Start(ctx)
		w.AwaitLists(2)
		Expect(w.Changes()).To(HaveLen(5))
		Expect(testenv.K8s.Get(ctx, testenv.KeyOf(p), p)).To(Succeed())
		Expect(p.ResourceVersion).To(Equal(version))

		By("changing the Secret")
		testenv.Edit(ctx, salt, func(s *corev1.Secret) { s.StringData = map[string]string{"salt": "s4lt-canary-the-next"} })
		Eventually(func() any { return w.Account("acme-telephony").Fields["callback_salt"] }).Should(Equal("s4lt-canary-the-next"))
		known := testenv.Canaries{}
		known.Add("salt", "s4lt-canary-of-its-own")
		known.Add("salt", "s4lt-canary-the-next")
		Expect(testenv.K8s.Get(ctx, testenv.KeyOf(p), p)).To(Succeed())
		Expect(known.In(fmt.Sprintf("%+v %v", p.Status, testenv.EventsOf(ctx, p)(Default)))).To(BeEmpty())

		By("declaring nothing any more")
		testenv.Edit(ctx, p, func(p *v1alpha1.ParentAccount) { p.Spec.Account, p.Spec.Plans = nil, nil })
		Eventually(func(g Gomega) {
			g.Expect(testenv.K8s.Get(ctx, testenv.KeyOf(p), p)).To(Succeed())
			g.Expect(p.Status.Account).To(BeNil())
			g.Expect(meta.FindStatusCondition(p.Status.Conditions, v1alpha1.ConditionAccountSynced)).To(BeNil())
			g.Expect(meta.FindStatusCondition(p.Status.Conditions, v1alpha1.ConditionPlansSynced)).To(BeNil())
		}).Should(Succeed())
	})

	It("gets its plans with the first ParentAccount, and none that a former one may have bought, where a restart has forgotten that", func(ctx SpecContext) {
		w := testenv.NewWorld(ctx)
		plan := func(id string) func(*v1alpha1.ParentAccount) {
			return func(p *v1alpha1.ParentAccount) { p.Spec.Plans = []v1alpha1.DeclaredPlan{{Type: "MAU", TemplateID: id}} }
		}
		p := w.ApplyParent(ctx, plan("11"))
		child := w.Apply(ctx, "acme-child") // whose claim is no earlier ParentAccount's
		w.Start(ctx)
		Eventually(testenv.StateOf(ctx, child)).Should(testenv.BeAvailable())
		Eventually(said(ctx, p, v1alpha1.ConditionPlansSynced)).Should(Equal("True Available"))
		Expect(w.Count("ChangeAccountPlan")).To(Equal(1))

		w.Stop()
		Expect(testenv.K8s.Delete(ctx, p)).To(Succeed())
		p = w.ParentAccount()
		plan("12")(p)
		Expect(testenv.K8s.Create(ctx, p)).To(Succeed())
		w.Start(ctx)
		Eventually(said(ctx, p, v1alpha1.ConditionPlansSynced)).Should(Equal("False ValueNotKept"))
		Expect(w.Count("ChangeAccountPlan")).To(Equal(1))
		Expect(p.Status.Account.PlanChanges).To(HaveExactElements(And(HaveField("TemplateID", "12"), HaveField("EarlierResource", HaveValue(BeTrue())))))
	})

	It("is the older ParentAccount's where two declare it, and Ready does not depend on it", func(ctx SpecContext) {
		w := testenv.NewWorld(ctx)
		elder := w.ApplyParent(ctx, func(p *v1alpha1.ParentAccount) { p.Spec.Account = &v1alpha1.OwnAccount{LanguageCode: ptr.To("de")} })
		w.Start(ctx)
		Eventually(said(ctx, elder, v1alpha1.ConditionAccountSynced)).Should(Equal("True Available"))
		younger := w.ParentAccount()
		younger.Name, younger.Spec.Account = "acme-younger", &v1alpha1.OwnAccount{LanguageCode: ptr.To("fr")} // the later one by its name, too
		Expect(testenv.K8s.Create(ctx, younger)).To(Succeed())
		Eventually(said(ctx, younger, v1alpha1.ConditionAccountSynced)).Should(Equal("False DuplicateResource"))
		Expect(testenv.StateOf(ctx, younger)(Default)).To(testenv.BeAvailable())
		Expect(w.Account("acme-telephony").Fields).To(HaveKeyWithValue("language_code", "de"))

		Expect(testenv.K8s.Delete(ctx, elder)).To(Succeed())
		Eventually(said(ctx, younger, v1alpha1.ConditionAccountSynced)).Should(Equal("True Available"))
		Expect(w.Account("acme-telephony").Fields).To(HaveKeyWithValue("language_code", "fr"))
	})

	It("stays as it is where the key lacks a role, and the child accounts are kept all the same", func(ctx SpecContext) {
		w := testenv.NewWorld(ctx)
		w.Sim.AddFault(simulator.Fault{Method: "SetAccountInfo", Kind: simulator.FaultError, Code: 100, Times: 1000})
		p := w.ApplyParent(ctx, func(p *v1alpha1.ParentAccount) { p.Spec.Account = &v1alpha1.OwnAccount{LanguageCode: ptr.To("de")} })
		w.Start(ctx)
		w.ApplyReady(ctx, "acme-child")
		Eventually(said(ctx, p, v1alpha1.ConditionAccountSynced)).Should(Equal("False RoleMissing"))
		Eventually(testenv.EventsOf(ctx, p)).Should(ContainElement(And(HavePrefix("RoleMissing: "), ContainSubstring("Owner, Admin, Developer, Accountant, Payer"))))
		w.AwaitLists(2)
		Expect(testenv.StateOf(ctx, p)(Default)).To(testenv.BeAvailable())
		Expect(w.Count("SetAccountInfo")).To(Equal(1))
	})
})
