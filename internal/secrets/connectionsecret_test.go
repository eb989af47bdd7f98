package secrets_test

import (
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

var _ = Describe("The connection Secret", func() {
	It("APIKeyMissing: says how to go on when the key is lost for good, and heals", func(ctx SpecContext) {
		w := testenv.StartWorld(ctx)
		Eventually(testenv.StateOf(ctx, w.ParentAccount())).Should(testenv.BeAvailable())
		w.Sim.AddFault(simulator.Fault{Kind: simulator.FaultLoseAnswer, Method: "AddAccount", Times: 1})
		lost := w.Sim.AddFault(simulator.Fault{Kind: simulator.FaultError, Method: "GetAccountInfo", Code: 100})
		c := w.Apply(ctx, "acme-key")
		Eventually(testenv.StateOf(ctx, c)).Should(testenv.BeStalledWithSynced(v1alpha1.ReasonAPIKeyMissing))
		Expect(testenv.StateOf(ctx, c)(Default).JSON).To(And(
			ContainSubstring("put it into key apiKey of Secret acme-key-connection"), ContainSubstring("accounts.cpaas.dev/rotate-password=")))
		w.Sim.RemoveFault(lost)

		By("the user puts it there")
		var secret corev1.Secret
		Expect(testenv.K8s.Get(ctx, client.ObjectKey{Namespace: w.NS, Name: "acme-key-connection"}, &secret)).To(Succeed())
		secret.Data["apiKey"] = []byte("by-hand")
		Expect(testenv.K8s.Update(ctx, &secret)).To(Succeed())
		testenv.Edit(ctx, c, func(c *v1alpha1.ChildAccount) { c.Spec.LanguageCode = ptr.To("de") })
		Eventually(testenv.StateOf(ctx, c)).Should(testenv.BeAvailable())
		Expect(testenv.ConnectionOf(ctx, c)).To(HaveKeyWithValue("apiKey", "by-hand"))
	})

	It("is restored when it is deleted by hand, and its status says what is lost", func(ctx SpecContext) {
		w := testenv.StartWorld(ctx)
		c := w.ApplyReady(ctx, "acme-lost")
		Expect(testenv.K8s.Delete(ctx, &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: w.NS, Name: c.ConnectionSecretName()}})).To(Succeed())
		Eventually(testenv.StateOf(ctx, c)).Should(testenv.BeStalledWithSynced(v1alpha1.ReasonAPIKeyMissing))
		Expect(testenv.ConnectionOf(ctx, c)).To(HaveKeyWithValue("accountID", c.Status.AccountID))

		By("putting the key there by hand is noticed")
		var secret corev1.Secret
		Expect(testenv.K8s.Get(ctx, client.ObjectKey{Namespace: w.NS, Name: c.ConnectionSecretName()}, &secret)).To(Succeed())
		secret.Data["apiKey"] = []byte("by-hand")
		Expect(testenv.K8s.Update(ctx, &secret, client.FieldOwner("kubectl-edit"))).To(Succeed())
		Eventually(testenv.StateOf(ctx, c)).Should(testenv.BeAvailable())
	})

	It("is looked at after a restart where somebody deleted or edited it meanwhile", func(ctx SpecContext) {
		w := testenv.StartWorld(ctx)
		testenv.ApplyPassword(ctx, w, "mine", testenv.FirstPassword) // by which the API key is found
		deleted, edited := w.ApplyReady(ctx, "acme-deleted", testenv.WithPassword("mine")), w.ApplyReady(ctx, "acme-edited")
		was := map[*v1alpha1.ChildAccount]map[string]string{deleted: testenv.ConnectionOf(ctx, deleted), edited: testenv.ConnectionOf(ctx, edited)}
		w.Stop()
		Expect(testenv.K8s.Delete(ctx, &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: w.NS, Name: deleted.ConnectionSecretName()}})).To(Succeed())
		testenv.Edit(ctx, &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: w.NS, Name: edited.ConnectionSecretName()}}, func(s *corev1.Secret) {
			s.Data["email"] = []byte("wrong@else.example")
		})
		w.Start(ctx)
		for c, data := range was {
			Eventually(func(g Gomega) {
				var secret corev1.Secret
				g.Expect(testenv.K8s.Get(ctx, client.ObjectKey{Namespace: w.NS, Name: c.ConnectionSecretName()}, &secret)).To(Succeed())
				g.Expect(testenv.ConnectionOf(ctx, c)).To(Equal(data))
			}).Should(Succeed())
		}
	})

	It("gets a lost API key back by the parent's own API key", func(ctx SpecContext) {
		w := testenv.NewWorld(ctx)
		w.Sim.Update(func(s *simulator.Settings) { s.RequireParentCredentials = true })
		Expect(testenv.K8s.Create(ctx, &corev1.Secret{
			ObjectMeta: metav1.ObjectMeta{Namespace: w.NS, Name: "voximplant-key", Labels: map[string]string{v1alpha1.LabelInput: "true"}},
			Data:       map[string][]byte{"api-key": []byte(w.Parent.APIKey + "\n")},
		})).To(Succeed())
		w.ApplyParent(ctx, func(p *v1alpha1.ParentAccount) {
			p.Spec.Voximplant.APIKeySecretRef = &v1alpha1.SecretKeyReference{Name: "voximplant-key"}
		})
		w.Start(ctx)
		c := w.ApplyReady(ctx, "acme-found")
		lose := func() {
			Expect(testenv.K8s.Delete(ctx, &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: w.NS, Name: c.ConnectionSecretName()}})).To(Succeed())
		}
		foundAgain := func(g Gomega) {
			var secret corev1.Secret
			g.Expect(testenv.K8s.Get(ctx, client.ObjectKey{Namespace: w.NS, Name: c.ConnectionSecretName()}, &secret)).To(Succeed())
			g.Expect(string(secret.Data["apiKey"])).To(Equal(w.Account("acme-found").Fields["api_key"]))
		}
		lose()
		Eventually(foundAgain).Should(Succeed())
		Eventually(testenv.StateOf(ctx, c)).Should(testenv.BeAvailable())

		By("an outage in between or not")
		w.Sim.AddFault(simulator.Fault{Kind: simulator.FaultHTTP, Status: 503, Match: map[string]string{"api_key": w.Parent.APIKey}, Times: 2})
		lose()
		Eventually(testenv.StateOf(ctx, c)).Should(testenv.BeTryingAs(v1alpha1.ReasonAPIUnavailable, "True/Available"))
		Eventually(foundAgain).Should(Succeed())
		Eventually(testenv.StateOf(ctx, c)).Should(testenv.BeAvailable())
		Expect(connectionReady(ctx, c)(Default)).To(Equal(unknownPassword), "the generated password went with the Secret")
		Expect(testenv.Logs.String()).NotTo(ContainSubstring(w.Parent.APIKey))
	})

	It("is repaired when what is the operator's is edited by hand", func(ctx SpecContext) {
		w := testenv.StartWorld(ctx)
		c := w.ApplyReady(ctx, "acme-hand")
		var secret corev1.Secret
		Expect(testenv.K8s.Get(ctx, client.ObjectKey{Namespace: w.NS, Name: c.ConnectionSecretName()}, &secret)).To(Succeed())
		secret.Data["email"] = []byte("wrong@else.example")
		Expect(testenv.K8s.Update(ctx, &secret, client.FieldOwner("kubectl-edit"))).To(Succeed())
		Eventually(func() string { return testenv.ConnectionOf(ctx, c)["email"] }).Should(Equal("acme-hand@acme.example"))
	})

	It("that lost its annotations is not called somebody else's to be removed", func(ctx SpecContext) {
		w := testenv.StartWorld(ctx)
		c := w.ApplyReady(ctx, "acme-anno")
		password := testenv.ConnectionOf(ctx, c)["password"]
		var secret corev1.Secret
		Expect(testenv.K8s.Get(ctx, client.ObjectKey{Namespace: w.NS, Name: c.ConnectionSecretName()}, &secret)).To(Succeed())
		secret.Annotations = nil
		Expect(testenv.K8s.Update(ctx, &secret, client.FieldOwner("kubectl-edit"))).To(Succeed())
		testenv.Edit(ctx, c, func(c *v1alpha1.ChildAccount) { c.Spec.LanguageCode = ptr.To("de") })
		Eventually(testenv.StateOf(ctx, c)).Should(testenv.BeStalledAs(v1alpha1.ReasonSecretInvalid))
		Expect(testenv.StateOf(ctx, c)(Default).Message).To(And(Not(ContainSubstring("remove")),
			ContainSubstring("kubectl annotate secret -n "+w.NS+" acme-anno-connection --overwrite accounts.cpaas.dev/resource=ChildAccount/acme-anno accounts.cpaas.dev/account="+c.Status.ParentAccountID+"/acme-anno")))
		Expect(testenv.ConnectionOf(ctx, c)).To(HaveKeyWithValue("password", password))
	})

	It("gets a new name with everything in it", func(ctx SpecContext) {
		w := testenv.StartWorld(ctx)
		c := w.ApplyReady(ctx, "acme-name")
		before := testenv.ConnectionOf(ctx, c)
		testenv.Edit(ctx, c, func(c *v1alpha1.ChildAccount) {
			c.Spec.ConnectionSecret = &v1alpha1.ConnectionSecret{Name: ptr.To("login")}
		})
		Eventually(func() error {
			return testenv.K8s.Get(ctx, client.ObjectKey{Namespace: w.NS, Name: "login"}, &corev1.Secret{})
		}).Should(Succeed())
		Eventually(testenv.StateOf(ctx, c)).Should(testenv.BeAvailable())
		Expect(testenv.ConnectionOf(ctx, c)).To(Equal(before))
	})

	It("goes with a resource whose account was never made, and not otherwise", func(ctx SpecContext) {
		w := testenv.StartWorld(ctx)
		w.Sim.AddFault(simulator.Fault{Kind: simulator.FaultError, Method: "AddAccount", Code: 127})
		c := w.Apply(ctx, "acme-never")
		Eventually(testenv.StateOf(ctx, c)).Should(testenv.BeStalledAs(v1alpha1.ReasonBalanceTooLow))
		Expect(testenv.ConnectionOf(ctx, c)).To(HaveKey("password"))
		Expect(testenv.K8s.Delete(ctx, c)).To(Succeed())
		Eventually(func() error {
			return testenv.K8s.Get(ctx, client.ObjectKey{Namespace: w.NS, Name: c.ConnectionSecretName()}, &corev1.Secret{})
		}).Should(testenv.BeNotFound())
		Eventually(func() error { return testenv.K8s.Get(ctx, testenv.KeyOf(c), c) }).Should(testenv.BeNotFound())
	})
})

var _ = Describe("Secrets", func() {
	It("show nowhere but in Secrets", func(ctx SpecContext) {
		w := testenv.StartWorld(ctx)
		w.Sim.AddFault(simulator.Fault{Kind: simulator.FaultTruncate, Method: "AddAccount", Times: 1})
		c := w.ApplyReady(ctx, "acme-quiet")
		w.Sim.AddFault(simulator.Fault{Kind: simulator.FaultHTTP, Method: "SetChildAccountInfo", Status: 500, Times: 1})
		testenv.Edit(ctx, c, func(c *v1alpha1.ChildAccount) { c.Spec.Email = "new@acme.example" })
		Eventually(testenv.StateOf(ctx, c)).Should(testenv.BeAvailable())
		data := testenv.ConnectionOf(ctx, c)
		canaries := []string{data["password"], data["apiKey"], "PRIVATE KEY"}
		p := w.ParentAccount()
		places := testenv.Logs.String() + testenv.StateOf(ctx, c)(Default).String() + testenv.StateOf(ctx, p)(Default).String()
		for _, e := range testenv.EventsOf(ctx, c)(Default) {
			places += e
		}
		for _, canary := range canaries {
			Expect(canary).NotTo(BeEmpty())
			Expect(places).NotTo(ContainSubstring(canary))
		}
	})
})
