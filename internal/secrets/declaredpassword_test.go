package secrets_test

import (
	"context"
	"encoding/json"
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

// passwordCalls are the calls that set or try a password.
func passwordCalls(w *testenv.World) int {
	n := 0
	for _, call := range w.Sim.Calls() {
		if call.Params["new_child_account_password"] != "" || call.Method == "GetAccountInfo" && call.Params["account_password"] != "" {
			n++
		}
	}
	return n
}

// connectionDigest is what the connection Secret remembers of the password.
func connectionDigest(ctx context.Context, c *v1alpha1.ChildAccount) string {
	GinkgoHelper()
	var secret corev1.Secret
	Expect(testenv.K8s.Get(ctx, client.ObjectKey{Namespace: c.Namespace, Name: c.ConnectionSecretName()}, &secret)).To(Succeed())
	return secret.Annotations[v1alpha1.AnnotationPasswordDigest]
}

// expectUnseen looks for the passwords wherever none may be.
func expectUnseen(ctx context.Context, w *testenv.World, passwords ...string) {
	GinkgoHelper()
	var places strings.Builder
	places.WriteString(testenv.Logs.String())
	var children v1alpha1.ChildAccountList
	var events corev1.EventList
	var secrets corev1.SecretList
	Expect(testenv.K8s.List(ctx, &children, client.InNamespace(w.NS))).To(Succeed())
	Expect(testenv.K8s.List(ctx, &events, client.InNamespace(w.NS))).To(Succeed())
	Expect(testenv.K8s.List(ctx, &secrets, client.InNamespace(w.NS), client.MatchingLabels{v1alpha1.LabelConnection: "true"})).To(Succeed())
	for _, o := range []any{children, events} {
		text, err := json.Marshal(o)
		Expect(err).NotTo(HaveOccurred())
		places.Write(text)
	}
	for _, s := range secrets.Items {
		text, err := json.Marshal(s.ObjectMeta)
		Expect(err).NotTo(HaveOccurred())
		places.Write(text)
		for _, v := range s.Data {
			places.Write(v)
		}
	}
	for _, p := range passwords {
		Expect(strings.Contains(places.String(), p)).To(BeFalse(), "a password is shown")
	}
}

var _ = Describe("A declared password", func() {
	It("is what the account is created with, changed with its Secret, and not asked about otherwise", func(ctx SpecContext) {
		w := testenv.StartWorld(ctx)
		secret := testenv.ApplyPassword(ctx, w, "support-password", testenv.FirstPassword+"\n")
		c := w.ApplyReady(ctx, "acme-declared", testenv.WithPassword("support-password"))
		Expect(testenv.HasPassword(w, "acme-declared", testenv.FirstPassword)()).To(BeTrue())
		Expect(testenv.ConnectionOf(ctx, c)).NotTo(HaveKey("password"))
		Expect(testenv.ConnectionOf(ctx, c)).To(HaveKeyWithValue("apiKey", w.Account("acme-declared").Fields["api_key"]))
		digest := connectionDigest(ctx, c)
		Expect(digest).To(MatchRegexp("^[0-9a-f]{32}:[0-9a-f]{64}$"))
		w.AwaitLists(2)
		Expect(passwordCalls(w)).To(BeZero())
		Expect(w.Count("SetChildAccountInfo")).To(BeZero())

		By("a change of the Secret is one call")
		testenv.ChangePassword(ctx, secret, testenv.SecondPassword)
		Eventually(testenv.HasPassword(w, "acme-declared", testenv.SecondPassword)).Should(BeTrue())
		Eventually(func() string { return connectionDigest(ctx, c) }).ShouldNot(Or(BeEmpty(), Equal(digest)))
		Eventually(testenv.StateOf(ctx, c)).Should(testenv.BeAvailable())
		Eventually(testenv.EventsOf(ctx, c)).Should(ContainElement(HavePrefix("PasswordChanged: ")))
		w.AwaitLists(2)
		Expect(passwordCalls(w)).To(Equal(1))

		By("a restart is none, and neither are an edit of the spec and a deleted connection Secret")
		w.Stop()
		w.Start(ctx)
		w.AwaitLists(2)
		Expect(passwordCalls(w)).To(Equal(1))
		testenv.Edit(ctx, c, func(c *v1alpha1.ChildAccount) { c.Spec.LanguageCode = ptr.To("de") })
		Eventually(testenv.StateOf(ctx, c)).Should(testenv.BeAvailable())
		digest = connectionDigest(ctx, c)
		Expect(testenv.K8s.Delete(ctx, &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: w.NS, Name: c.ConnectionSecretName()}})).To(Succeed())
		Eventually(func(g Gomega) {
			var restored corev1.Secret
			g.Expect(testenv.K8s.Get(ctx, client.ObjectKey{Namespace: w.NS, Name: c.ConnectionSecretName()}, &restored)).To(Succeed())
			g.Expect(restored.Annotations[v1alpha1.AnnotationPasswordDigest]).NotTo(Or(BeEmpty(), Equal(digest)))
			g.Expect(restored.Data).To(HaveKey("apiKey"))
		}).Should(Succeed())
		set := 0
		for _, call := range w.Sim.Calls() {
			if call.Params["new_child_account_password"] != "" {
				set++
			}
		}
		Expect(set).To(Equal(1), "the key is recovered with the password, and the password is left as it is")
		expectUnseen(ctx, w, testenv.FirstPassword, testenv.SecondPassword)
	})

	It("takes the place of a generated one, which then leaves the connection Secret", func(ctx SpecContext) {
		w := testenv.StartWorld(ctx)
		c := w.ApplyReady(ctx, "acme-later")
		generated := testenv.ConnectionOf(ctx, c)["password"]
		Expect(testenv.HasPassword(w, "acme-later", generated)()).To(BeTrue())
		testenv.ApplyPassword(ctx, w, "later", testenv.FirstPassword)
		w.Sim.Update(func(s *simulator.Settings) { s.PasswordChangeBlocked = true })
		testenv.Edit(ctx, c, testenv.WithPassword("later"))
		Eventually(testenv.StateOf(ctx, c)).Should(testenv.BeStalledAs(v1alpha1.ReasonPasswordBlocked))
		Expect(testenv.ConnectionOf(ctx, c)).To(HaveKeyWithValue("password", generated), "until it is certain")
		blocked := passwordCalls(w)
		w.AwaitLists(2)
		Expect(passwordCalls(w)).To(Equal(blocked), "tried again before its time")
		connection := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: w.NS, Name: c.ConnectionSecretName()}}
		testenv.Edit(ctx, connection, func(s *corev1.Secret) { s.Data["email"] = []byte("edited") })
		Eventually(func() map[string]string { return testenv.ConnectionOf(ctx, c) }).Should(HaveKeyWithValue("email", c.Spec.Email))
		w.AwaitLists(1)
		Expect(passwordCalls(w)).To(Equal(blocked), "tried again because somebody edited the connection Secret")
		Eventually(testenv.StateOf(ctx, c)).Should(testenv.BeStalledAs(v1alpha1.ReasonPasswordBlocked))

		w.Sim.Update(func(s *simulator.Settings) { s.PasswordChangeBlocked = false })
		testenv.Edit(ctx, c, func(c *v1alpha1.ChildAccount) {
			metav1.SetMetaDataAnnotation(&c.ObjectMeta, v1alpha1.AnnotationReconcileRequestedAt, "now")
		})
		Eventually(testenv.StateOf(ctx, c)).Should(testenv.BeAvailable())
		Expect(testenv.HasPassword(w, "acme-later", testenv.FirstPassword)()).To(BeTrue())
		Expect(testenv.ConnectionOf(ctx, c)).NotTo(HaveKey("password"))
	})

	DescribeTable("whose Secret can't be used is said before any call",
		func(ctx SpecContext, reason, says string, change func(*corev1.Secret)) {
			w := testenv.StartWorld(ctx)
			secret := testenv.PasswordSecret(w, "mine", testenv.FirstPassword)
			if change != nil {
				change(secret)
				Expect(testenv.K8s.Create(ctx, secret)).To(Succeed())
			}
			c := w.Apply(ctx, "acme-secret", testenv.WithPassword("mine"))
			Eventually(testenv.StateOf(ctx, c)).Should(testenv.BeStalledAs(reason))
			Expect(testenv.StateOf(ctx, c)(Default).Message).To(ContainSubstring(says))
			Expect(c.Finalizers).To(BeEmpty())
			Expect(w.Count("AddAccount")).To(BeZero())

			By("and mended, is applied at once")
			Expect(client.IgnoreNotFound(testenv.K8s.Delete(ctx, testenv.PasswordSecret(w, "mine", "")))).To(Succeed())
			testenv.ApplyPassword(ctx, w, "mine", testenv.FirstPassword)
			Eventually(testenv.StateOf(ctx, c)).Should(testenv.BeAvailable())
			Expect(testenv.HasPassword(w, "acme-secret", testenv.FirstPassword)()).To(BeTrue())
			expectUnseen(ctx, w, testenv.FirstPassword)
		},
		Entry("missing", v1alpha1.ReasonSecretMissing, "Secret mine does not exist", nil),
		Entry("without the label", v1alpha1.ReasonSecretNotLabelled, "kubectl label secret", func(s *corev1.Secret) { s.Labels = nil }),
		Entry("without the key", v1alpha1.ReasonSecretInvalid, `"password"`, func(s *corev1.Secret) { s.Data = map[string][]byte{"pass": []byte(testenv.FirstPassword)} }),
		Entry("empty", v1alpha1.ReasonSecretInvalid, `"password"`, func(s *corev1.Secret) { s.Data["password"] = []byte("\n") }),
		Entry("of two lines", v1alpha1.ReasonSecretInvalid, `"password"`, func(s *corev1.Secret) { s.Data["password"] = []byte(testenv.FirstPassword + "\nmore\n") }),
		Entry("too long", v1alpha1.ReasonSecretInvalid, "256", func(s *corev1.Secret) { s.Data["password"] = []byte(strings.Repeat("Aa1!", 65)) }),
		Entry("with a byte order mark before it", v1alpha1.ReasonSecretInvalid, `Secret mine can't serve as the password: key "password" has a byte order mark (U+FEFF) in it`, func(s *corev1.Secret) { s.Data["password"] = []byte("\ufeff" + testenv.FirstPassword + "\n") }),
		Entry("with a byte order mark inside", v1alpha1.ReasonSecretInvalid, "(U+FEFF)", func(s *corev1.Secret) { s.Data["password"] = []byte(testenv.FirstPassword + "\ufeff!") }),
		Entry("with an invisible character", v1alpha1.ReasonSecretInvalid, "U+200B", func(s *corev1.Secret) { s.Data["password"] = []byte(testenv.FirstPassword + "\u200b") }),
		Entry("in UTF-16", v1alpha1.ReasonSecretInvalid, "is text in UTF-16: save it as UTF-8", func(s *corev1.Secret) { s.Data["password"] = testenv.InUTF16("\ufeff" + testenv.FirstPassword) }),
		Entry("in UTF-16, without a byte order mark", v1alpha1.ReasonSecretInvalid, "is text in UTF-16: save it as UTF-8", func(s *corev1.Secret) { s.Data["password"] = testenv.InUTF16(testenv.FirstPassword) }),
	)

	It("that gets a byte order mark later leaves the account's as it is, until the Secret is corrected", func(ctx SpecContext) {
		w := testenv.StartWorld(ctx)
		secret := testenv.ApplyPassword(ctx, w, "marked", testenv.FirstPassword)
		c := w.ApplyReady(ctx, "acme-marked", testenv.WithPassword("marked"))
		testenv.ChangePassword(ctx, secret, "\ufeff"+testenv.SecondPassword)
		Eventually(testenv.StateOf(ctx, c)).Should(testenv.BeStalledAs(v1alpha1.ReasonSecretInvalid))
		w.AwaitLists(2)
		Expect(passwordCalls(w)).To(BeZero())
		Expect(testenv.HasPassword(w, "acme-marked", testenv.FirstPassword)()).To(BeTrue())
		testenv.ChangePassword(ctx, secret, testenv.SecondPassword)
		Eventually(testenv.HasPassword(w, "acme-marked", testenv.SecondPassword)).Should(BeTrue())
		Eventually(testenv.StateOf(ctx, c)).Should(testenv.BeAvailable())
		expectUnseen(ctx, w, testenv.FirstPassword, testenv.SecondPassword)
	})

	It("too weak is refused with the rule, at creation and later, and applied once the Secret is corrected", func(ctx SpecContext) {
		w := testenv.StartWorld(ctx)
		secret := testenv.ApplyPassword(ctx, w, "weak", testenv.WeakPassword)
		c := w.Apply(ctx, "acme-weak", testenv.WithPassword("weak"))
		Eventually(testenv.StateOf(ctx, c)).Should(testenv.BeStalledAs(v1alpha1.ReasonPasswordRejected))
		Expect(testenv.StateOf(ctx, c)(Default).Message).To(ContainSubstring("upper-case"))
		w.AwaitLists(2)
		Expect(w.Count("AddAccount")).To(Equal(1))
		testenv.ChangePassword(ctx, secret, testenv.FirstPassword)
		Eventually(testenv.StateOf(ctx, c)).Should(testenv.BeAvailable())
		Expect(testenv.HasPassword(w, "acme-weak", testenv.FirstPassword)()).To(BeTrue())

		testenv.ChangePassword(ctx, secret, testenv.WeakPassword)
		Eventually(testenv.StateOf(ctx, c)).Should(testenv.BeStalledAs(v1alpha1.ReasonPasswordRejected))
		Expect(testenv.StateOf(ctx, c)(Default).Message).To(ContainSubstring("upper-case"))
		w.AwaitLists(2)
		Expect(passwordCalls(w)).To(Equal(1))
		testenv.ChangePassword(ctx, secret, testenv.FirstPassword)
		Eventually(testenv.StateOf(ctx, c)).Should(testenv.BeAvailable())
		Expect(passwordCalls(w)).To(Equal(1), "it never stopped being the password")
		testenv.ChangePassword(ctx, secret, testenv.WeakPassword)
		Eventually(testenv.StateOf(ctx, c)).Should(testenv.BeStalledAs(v1alpha1.ReasonPasswordRejected))
		testenv.ChangePassword(ctx, secret, testenv.SecondPassword)
		Eventually(testenv.StateOf(ctx, c)).Should(testenv.BeAvailable())
		Expect(testenv.HasPassword(w, "acme-weak", testenv.SecondPassword)()).To(BeTrue())
		expectUnseen(ctx, w, testenv.FirstPassword, testenv.SecondPassword, testenv.WeakPassword)
	})

	It("whose change got no answer is settled by trying it", func(ctx SpecContext) {
		w := testenv.StartWorld(ctx)
		secret := testenv.ApplyPassword(ctx, w, "lost", testenv.FirstPassword)
		c := w.ApplyReady(ctx, "acme-lost", testenv.WithPassword("lost"))
		w.Sim.AddFault(simulator.Fault{Kind: simulator.FaultLoseAnswer, Method: "SetChildAccountInfo", Times: 1})
		testenv.ChangePassword(ctx, secret, testenv.SecondPassword)
		Eventually(testenv.EventsOf(ctx, c)).Should(ContainElement(HavePrefix("PasswordChanged: ")))
		Eventually(testenv.StateOf(ctx, c)).Should(testenv.BeAvailable())
		Expect(testenv.HasPassword(w, "acme-lost", testenv.SecondPassword)()).To(BeTrue())
		Expect(w.Count("SetChildAccountInfo")).To(Equal(1))
		Expect(passwordCalls(w)).To(Equal(2))

		By("and one that never arrived is sent again")
		w.Sim.AddFault(simulator.Fault{Kind: simulator.FaultReset, Method: "SetChildAccountInfo", Times: 1})
		testenv.ChangePassword(ctx, secret, testenv.FirstPassword)
		Eventually(testenv.HasPassword(w, "acme-lost", testenv.FirstPassword)).Should(BeTrue())
		Eventually(testenv.StateOf(ctx, c)).Should(testenv.BeAvailable())

		By("so is one that was carried out and not remembered")
		w.Sim.AddFault(simulator.Fault{Kind: simulator.FaultLoseAnswer, Method: "SetChildAccountInfo", Times: 1})
		w.Sim.AddFault(simulator.Fault{Kind: simulator.FaultHTTP, Status: 503, Method: "GetAccountInfo", Times: 1})
		testenv.ChangePassword(ctx, secret, testenv.SecondPassword)
		Eventually(testenv.StateOf(ctx, c)).Should(testenv.BeTryingAs(v1alpha1.ReasonAPIUnavailable, "True/Available"))
		testenv.ChangePassword(ctx, secret, testenv.FirstPassword)
		Eventually(testenv.HasPassword(w, "acme-lost", testenv.FirstPassword)).Should(BeTrue(), "the one before is not taken for the present one")
		Eventually(testenv.StateOf(ctx, c)).Should(testenv.BeAvailable())
		expectUnseen(ctx, w, testenv.FirstPassword, testenv.SecondPassword)
	})

	It("that the account has already is no failure", func(ctx SpecContext) {
		w := testenv.StartWorld(ctx)
		testenv.ApplyPassword(ctx, w, "same", testenv.FirstPassword)
		c := w.ApplyReady(ctx, "acme-same")
		Expect(w.Sim.SetField(w.Account("acme-same").ID, "account_password", testenv.FirstPassword)).To(Succeed())
		testenv.Edit(ctx, c, testenv.WithPassword("same"))
		Eventually(func() string { return connectionDigest(ctx, c) }).ShouldNot(BeEmpty())
		Eventually(testenv.StateOf(ctx, c)).Should(testenv.BeAvailable())
		Expect(passwordCalls(w)).To(Equal(2))
		w.AwaitLists(2)
		Expect(passwordCalls(w)).To(Equal(2))
	})

	It("that the account had before is refused", func(ctx SpecContext) {
		w := testenv.StartWorld(ctx)
		secret := testenv.ApplyPassword(ctx, w, "used", testenv.FirstPassword)
		c := w.ApplyReady(ctx, "acme-used", testenv.WithPassword("used"))
		w.Sim.AddFault(simulator.Fault{Kind: simulator.FaultError, Method: "SetChildAccountInfo", Code: 535})
		testenv.ChangePassword(ctx, secret, testenv.SecondPassword)
		Eventually(testenv.StateOf(ctx, c)).Should(testenv.BeStalledAs(v1alpha1.ReasonPasswordRejected))
		Expect(testenv.StateOf(ctx, c)(Default).Message).To(ContainSubstring("has not had before"))
		w.AwaitLists(2)
		Expect(passwordCalls(w)).To(Equal(2))
	})

	It("waits where the provider asks for patience", func(ctx SpecContext) {
		w := testenv.StartWorld(ctx)
		secret := testenv.ApplyPassword(ctx, w, "calm", testenv.FirstPassword)
		c := w.ApplyReady(ctx, "acme-calm", testenv.WithPassword("calm"))
		w.Sim.AddFault(simulator.Fault{Kind: simulator.FaultError, Method: "SetChildAccountInfo", Code: 340})
		testenv.ChangePassword(ctx, secret, testenv.SecondPassword)
		Eventually(testenv.StateOf(ctx, c)).Should(testenv.BeTryingAs(v1alpha1.ReasonRateLimited, "True/Available"))
		w.Sim.ClearFaults()
		Eventually(testenv.StateOf(ctx, c)).Should(testenv.BeAvailable())
		Expect(testenv.HasPassword(w, "acme-calm", testenv.SecondPassword)()).To(BeTrue())
	})

	It("is given to an account that was there before only under Always", func(ctx SpecContext) {
		w := testenv.NewWorld(ctx)
		const theirs = "Theirs-before-3x"
		a := testenv.SimulatorChild(w, "acme-theirs", "acme-theirs@acme.example")
		a.Fields["account_password"] = theirs
		w.Sim.PutAccount(a)
		w.ApplyParent(ctx)
		testenv.ApplyPassword(ctx, w, "adopted", testenv.FirstPassword)
		w.Start(ctx)
		c := w.ApplyReady(ctx, "acme-theirs", testenv.WithPassword("adopted"), func(c *v1alpha1.ChildAccount) {
			c.Spec.AdoptionPolicy = ptr.To(v1alpha1.AdoptIfIdentical)
		})
		w.AwaitLists(2)
		Expect(testenv.HasPassword(w, "acme-theirs", theirs)()).To(BeTrue())
		Expect(passwordCalls(w)).To(BeZero())
		ready := meta.FindStatusCondition(c.Status.Conditions, v1alpha1.ConditionConnectionSecretReady)
		Expect(ready.Message).To(ContainSubstring("spec.passwordSecretRef is ignored"))

		testenv.Edit(ctx, c, func(c *v1alpha1.ChildAccount) { c.Spec.AdoptionPolicy = ptr.To(v1alpha1.AdoptAlways) })
		Eventually(testenv.HasPassword(w, "acme-theirs", testenv.FirstPassword)).Should(BeTrue())
		Eventually(testenv.StateOf(ctx, c)).Should(testenv.BeAvailable())
		Expect(connectionDigest(ctx, c)).NotTo(BeEmpty())
		Expect(testenv.ConnectionOf(ctx, c)).To(HaveKey("apiKey"), "found with the password that is known now")
		expectUnseen(ctx, w, testenv.FirstPassword, theirs)
	})

	It("survives a lost answer of the creation", func(ctx SpecContext) {
		w := testenv.StartWorld(ctx)
		testenv.ApplyPassword(ctx, w, "born", testenv.FirstPassword)
		w.Sim.AddFault(simulator.Fault{Kind: simulator.FaultLoseAnswer, Method: "AddAccount", Times: 1})
		c := w.ApplyReady(ctx, "acme-born", testenv.WithPassword("born"))
		Expect(testenv.HasPassword(w, "acme-born", testenv.FirstPassword)()).To(BeTrue())
		Expect(testenv.ConnectionOf(ctx, c)).To(HaveKeyWithValue("apiKey", w.Account("acme-born").Fields["api_key"]))
		Expect(connectionDigest(ctx, c)).To(MatchRegexp("^[0-9a-f]{32}:[0-9a-f]{64}$"))
	})

	It("is not applied under Observe", func(ctx SpecContext) {
		w := testenv.NewWorld(ctx)
		w.Sim.PutAccount(testenv.SimulatorChild(w, "acme-watch", "acme-watch@acme.example"))
		w.ApplyParent(ctx)
		w.Start(ctx)
		c := w.Apply(ctx, "acme-watch", testenv.WithPassword("nowhere"), func(c *v1alpha1.ChildAccount) {
			c.Spec.ManagementPolicy = ptr.To(v1alpha1.ManagementObserve)
		})
		Eventually(testenv.StateOf(ctx, c)).Should(testenv.BeReadyAs(v1alpha1.ReasonObserved))
		Expect(passwordCalls(w)).To(BeZero())
	})
})
