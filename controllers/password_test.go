package controllers_test

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
)

// Passwords that nothing but the provider and the Secret with them may ever show.
const (
	firstPassword  = "Canary-first-1x"
	secondPassword = "Canary-second-2x"
	weakPassword   = "canary-weak"
)

// withPassword declares the password of the Secret.
func withPassword(secret string) func(*v1alpha1.ChildAccount) {
	return func(c *v1alpha1.ChildAccount) {
		c.Spec.PasswordSecretRef = &v1alpha1.SecretKeyReference{Name: secret}
	}
}

// password is a labelled Secret that is not created yet.
func (w *world) password(name, password string) *corev1.Secret {
	return &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Namespace: w.ns, Name: name, Labels: map[string]string{v1alpha1.LabelInput: "true"}},
		Data:       map[string][]byte{"password": []byte(password)},
	}
}

func (w *world) applyPassword(ctx context.Context, name, password string) *corev1.Secret {
	GinkgoHelper()
	secret := w.password(name, password)
	Expect(k8s.Create(ctx, secret)).To(Succeed())
	return secret
}

func changePassword(ctx context.Context, secret *corev1.Secret, password string) {
	GinkgoHelper()
	edit(ctx, secret, func(s *corev1.Secret) { s.Data["password"] = []byte(password) })
}

// has says whether the account has the password.
func (w *world) has(name, password string) func() bool {
	return func() bool { return w.sim.CheckPassword(w.account(name).ID, password) }
}

// passwordCalls are the calls that set or try a password.
func (w *world) passwordCalls() int {
	n := 0
	for _, call := range w.sim.Calls() {
		if call.Params["new_child_account_password"] != "" || call.Method == "GetAccountInfo" && call.Params["account_password"] != "" {
			n++
		}
	}
	return n
}

// digestOf is what the connection Secret remembers of the password.
func digestOf(ctx context.Context, c *v1alpha1.ChildAccount) string {
	GinkgoHelper()
	var secret corev1.Secret
	Expect(k8s.Get(ctx, client.ObjectKey{Namespace: c.Namespace, Name: c.ConnectionSecretName()}, &secret)).To(Succeed())
	return secret.Annotations[v1alpha1.AnnotationPasswordDigest]
}

// expectUnseen looks for the passwords wherever none may be.
func expectUnseen(ctx context.Context, w *world, passwords ...string) {
	GinkgoHelper()
	var places strings.Builder
	places.WriteString(logs.String())
	var children v1alpha1.ChildAccountList
	var events corev1.EventList
	var secrets corev1.SecretList
	Expect(k8s.List(ctx, &children, client.InNamespace(w.ns))).To(Succeed())
	Expect(k8s.List(ctx, &events, client.InNamespace(w.ns))).To(Succeed())
	Expect(k8s.List(ctx, &secrets, client.InNamespace(w.ns), client.MatchingLabels{v1alpha1.LabelConnection: "true"})).To(Succeed())
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
		w := startWorld(ctx)
		secret := w.applyPassword(ctx, "support-password", firstPassword+"\n")
		c := w.applyReady(ctx, "acme-declared", withPassword("support-password"))
		Expect(w.has("acme-declared", firstPassword)()).To(BeTrue())
		Expect(connectionOf(ctx, c)).NotTo(HaveKey("password"))
		Expect(connectionOf(ctx, c)).To(HaveKeyWithValue("apiKey", w.account("acme-declared").Fields["api_key"]))
		digest := digestOf(ctx, c)
		Expect(digest).To(MatchRegexp("^[0-9a-f]{32}:[0-9a-f]{64}$"))
		w.awaitLists(2)
		Expect(w.passwordCalls()).To(BeZero())
		Expect(w.count("SetChildAccountInfo")).To(BeZero())

		By("a change of the Secret is one call")
		changePassword(ctx, secret, secondPassword)
		Eventually(w.has("acme-declared", secondPassword)).Should(BeTrue())
		Eventually(func() string { return digestOf(ctx, c) }).ShouldNot(Or(BeEmpty(), Equal(digest)))
		Eventually(state(ctx, c)).Should(BeAvailable())
		Eventually(eventsOf(ctx, c)).Should(ContainElement(HavePrefix("PasswordChanged: ")))
		w.awaitLists(2)
		Expect(w.passwordCalls()).To(Equal(1))

		By("a restart is none, and neither are an edit of the spec and a deleted connection Secret")
		w.stop()
		w.start(ctx)
		w.awaitLists(2)
		Expect(w.passwordCalls()).To(Equal(1))
		edit(ctx, c, func(c *v1alpha1.ChildAccount) { c.Spec.LanguageCode = ptr.To("de") })
		Eventually(state(ctx, c)).Should(BeAvailable())
		digest = digestOf(ctx, c)
		Expect(k8s.Delete(ctx, &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: w.ns, Name: c.ConnectionSecretName()}})).To(Succeed())
		Eventually(func(g Gomega) {
			var restored corev1.Secret
			g.Expect(k8s.Get(ctx, client.ObjectKey{Namespace: w.ns, Name: c.ConnectionSecretName()}, &restored)).To(Succeed())
			g.Expect(restored.Annotations[v1alpha1.AnnotationPasswordDigest]).NotTo(Or(BeEmpty(), Equal(digest)))
			g.Expect(restored.Data).To(HaveKey("apiKey"))
		}).Should(Succeed())
		set := 0
		for _, call := range w.sim.Calls() {
			if call.Params["new_child_account_password"] != "" {
				set++
			}
		}
		Expect(set).To(Equal(1), "the key is recovered with the password, and the password is left as it is")
		expectUnseen(ctx, w, firstPassword, secondPassword)
	})

	It("takes the place of a generated one, which then leaves the connection Secret", func(ctx SpecContext) {
		w := startWorld(ctx)
		c := w.applyReady(ctx, "acme-later")
		generated := connectionOf(ctx, c)["password"]
		Expect(w.has("acme-later", generated)()).To(BeTrue())
		w.applyPassword(ctx, "later", firstPassword)
		w.sim.Update(func(s *simulator.Settings) { s.PasswordChangeBlocked = true })
		edit(ctx, c, withPassword("later"))
		Eventually(state(ctx, c)).Should(BeStalledAs(v1alpha1.ReasonPasswordBlocked))
		Expect(connectionOf(ctx, c)).To(HaveKeyWithValue("password", generated), "until it is certain")
		blocked := w.passwordCalls()
		w.awaitLists(2)
		Expect(w.passwordCalls()).To(Equal(blocked), "tried again before its time")
		connection := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: w.ns, Name: c.ConnectionSecretName()}}
		edit(ctx, connection, func(s *corev1.Secret) { s.Data["email"] = []byte("edited") })
		Eventually(func() map[string]string { return connectionOf(ctx, c) }).Should(HaveKeyWithValue("email", c.Spec.Email))
		w.awaitLists(1)
		Expect(w.passwordCalls()).To(Equal(blocked), "tried again because somebody edited the connection Secret")
		Eventually(state(ctx, c)).Should(BeStalledAs(v1alpha1.ReasonPasswordBlocked))

		w.sim.Update(func(s *simulator.Settings) { s.PasswordChangeBlocked = false })
		edit(ctx, c, func(c *v1alpha1.ChildAccount) {
			c.Annotations[v1alpha1.AnnotationReconcileRequestedAt] = "now"
		})
		Eventually(state(ctx, c)).Should(BeAvailable())
		Expect(w.has("acme-later", firstPassword)()).To(BeTrue())
		Expect(connectionOf(ctx, c)).NotTo(HaveKey("password"))
	})

	DescribeTable("whose Secret can't be used is said before any call",
		func(ctx SpecContext, reason, says string, change func(*corev1.Secret)) {
			w := startWorld(ctx)
			secret := w.password("mine", firstPassword)
			if change != nil {
				change(secret)
				Expect(k8s.Create(ctx, secret)).To(Succeed())
			}
			c := w.apply(ctx, "acme-secret", withPassword("mine"))
			Eventually(state(ctx, c)).Should(BeStalledAs(reason))
			Expect(state(ctx, c)(Default).message).To(ContainSubstring(says))
			Expect(c.Finalizers).To(BeEmpty())
			Expect(w.count("AddAccount")).To(BeZero())

			By("and mended, is applied at once")
			Expect(client.IgnoreNotFound(k8s.Delete(ctx, w.password("mine", "")))).To(Succeed())
			w.applyPassword(ctx, "mine", firstPassword)
			Eventually(state(ctx, c)).Should(BeAvailable())
			Expect(w.has("acme-secret", firstPassword)()).To(BeTrue())
			expectUnseen(ctx, w, firstPassword)
		},
		Entry("missing", v1alpha1.ReasonSecretMissing, "Secret mine does not exist", nil),
		Entry("without the label", v1alpha1.ReasonSecretNotLabelled, "kubectl label secret", func(s *corev1.Secret) { s.Labels = nil }),
		Entry("without the key", v1alpha1.ReasonSecretInvalid, `"password"`, func(s *corev1.Secret) { s.Data = map[string][]byte{"pass": []byte(firstPassword)} }),
		Entry("empty", v1alpha1.ReasonSecretInvalid, `"password"`, func(s *corev1.Secret) { s.Data["password"] = []byte("\n") }),
		Entry("of two lines", v1alpha1.ReasonSecretInvalid, `"password"`, func(s *corev1.Secret) { s.Data["password"] = []byte(firstPassword + "\nmore\n") }),
		Entry("too long", v1alpha1.ReasonSecretInvalid, "256", func(s *corev1.Secret) { s.Data["password"] = []byte(strings.Repeat("Aa1!", 65)) }),
		Entry("with a byte order mark before it", v1alpha1.ReasonSecretInvalid, `Secret mine can't serve as the password: key "password" has a byte order mark (U+FEFF) in it`, func(s *corev1.Secret) { s.Data["password"] = []byte("\ufeff" + firstPassword + "\n") }),
		Entry("with a byte order mark inside", v1alpha1.ReasonSecretInvalid, "(U+FEFF)", func(s *corev1.Secret) { s.Data["password"] = []byte(firstPassword + "\ufeff!") }),
		Entry("with an invisible character", v1alpha1.ReasonSecretInvalid, "U+200B", func(s *corev1.Secret) { s.Data["password"] = []byte(firstPassword + "\u200b") }),
		Entry("in UTF-16", v1alpha1.ReasonSecretInvalid, "is text in UTF-16: save it as UTF-8", func(s *corev1.Secret) { s.Data["password"] = inUTF16("\ufeff" + firstPassword) }),
		Entry("in UTF-16, without a byte order mark", v1alpha1.ReasonSecretInvalid, "is text in UTF-16: save it as UTF-8", func(s *corev1.Secret) { s.Data["password"] = inUTF16(firstPassword) }),
	)

	It("that gets a byte order mark later leaves the account's as it is, until the Secret is corrected", func(ctx SpecContext) {
		w := startWorld(ctx)
		secret := w.applyPassword(ctx, "marked", firstPassword)
		c := w.applyReady(ctx, "acme-marked", withPassword("marked"))
		changePassword(ctx, secret, "\ufeff"+secondPassword)
		Eventually(state(ctx, c)).Should(BeStalledAs(v1alpha1.ReasonSecretInvalid))
		w.awaitLists(2)
		Expect(w.passwordCalls()).To(BeZero())
		Expect(w.has("acme-marked", firstPassword)()).To(BeTrue())
		changePassword(ctx, secret, secondPassword)
		Eventually(w.has("acme-marked", secondPassword)).Should(BeTrue())
		Eventually(state(ctx, c)).Should(BeAvailable())
		expectUnseen(ctx, w, firstPassword, secondPassword)
	})

	It("too weak is refused with the rule, at creation and later, and applied once the Secret is corrected", func(ctx SpecContext) {
		w := startWorld(ctx)
		secret := w.applyPassword(ctx, "weak", weakPassword)
		c := w.apply(ctx, "acme-weak", withPassword("weak"))
		Eventually(state(ctx, c)).Should(BeStalledAs(v1alpha1.ReasonPasswordRejected))
		Expect(state(ctx, c)(Default).message).To(ContainSubstring("upper-case"))
		w.awaitLists(2)
		Expect(w.count("AddAccount")).To(Equal(1))
		changePassword(ctx, secret, firstPassword)
		Eventually(state(ctx, c)).Should(BeAvailable())
		Expect(w.has("acme-weak", firstPassword)()).To(BeTrue())

		changePassword(ctx, secret, weakPassword)
		Eventually(state(ctx, c)).Should(BeStalledAs(v1alpha1.ReasonPasswordRejected))
		Expect(state(ctx, c)(Default).message).To(ContainSubstring("upper-case"))
		w.awaitLists(2)
		Expect(w.passwordCalls()).To(Equal(1))
		changePassword(ctx, secret, firstPassword)
		Eventually(state(ctx, c)).Should(BeAvailable())
		Expect(w.passwordCalls()).To(Equal(1), "it never stopped being the password")
		changePassword(ctx, secret, weakPassword)
		Eventually(state(ctx, c)).Should(BeStalledAs(v1alpha1.ReasonPasswordRejected))
		changePassword(ctx, secret, secondPassword)
		Eventually(state(ctx, c)).Should(BeAvailable())
		Expect(w.has("acme-weak", secondPassword)()).To(BeTrue())
		expectUnseen(ctx, w, firstPassword, secondPassword, weakPassword)
	})

	It("whose change got no answer is settled by trying it", func(ctx SpecContext) {
		w := startWorld(ctx)
		secret := w.applyPassword(ctx, "lost", firstPassword)
		c := w.applyReady(ctx, "acme-lost", withPassword("lost"))
		w.sim.AddFault(simulator.Fault{Kind: simulator.FaultLoseAnswer, Method: "SetChildAccountInfo", Times: 1})
		changePassword(ctx, secret, secondPassword)
		Eventually(eventsOf(ctx, c)).Should(ContainElement(HavePrefix("PasswordChanged: ")))
		Eventually(state(ctx, c)).Should(BeAvailable())
		Expect(w.has("acme-lost", secondPassword)()).To(BeTrue())
		Expect(w.count("SetChildAccountInfo")).To(Equal(1))
		Expect(w.passwordCalls()).To(Equal(2))

		By("and one that never arrived is sent again")
		w.sim.AddFault(simulator.Fault{Kind: simulator.FaultReset, Method: "SetChildAccountInfo", Times: 1})
		changePassword(ctx, secret, firstPassword)
		Eventually(w.has("acme-lost", firstPassword)).Should(BeTrue())
		Eventually(state(ctx, c)).Should(BeAvailable())

		By("so is one that was carried out and not remembered")
		w.sim.AddFault(simulator.Fault{Kind: simulator.FaultLoseAnswer, Method: "SetChildAccountInfo", Times: 1})
		w.sim.AddFault(simulator.Fault{Kind: simulator.FaultHTTP, Status: 503, Method: "GetAccountInfo", Times: 1})
		changePassword(ctx, secret, secondPassword)
		Eventually(state(ctx, c)).Should(BeTryingAs(v1alpha1.ReasonAPIUnavailable, "True/Available"))
		changePassword(ctx, secret, firstPassword)
		Eventually(w.has("acme-lost", firstPassword)).Should(BeTrue(), "the one before is not taken for the present one")
		Eventually(state(ctx, c)).Should(BeAvailable())
		expectUnseen(ctx, w, firstPassword, secondPassword)
	})

	It("that the account has already is no failure", func(ctx SpecContext) {
		w := startWorld(ctx)
		w.applyPassword(ctx, "same", firstPassword)
		c := w.applyReady(ctx, "acme-same")
		Expect(w.sim.SetField(w.account("acme-same").ID, "account_password", firstPassword)).To(Succeed())
		edit(ctx, c, withPassword("same"))
		Eventually(func() string { return digestOf(ctx, c) }).ShouldNot(BeEmpty())
		Eventually(state(ctx, c)).Should(BeAvailable())
		Expect(w.passwordCalls()).To(Equal(2))
		w.awaitLists(2)
		Expect(w.passwordCalls()).To(Equal(2))
	})

	It("that the account had before is refused", func(ctx SpecContext) {
		w := startWorld(ctx)
		secret := w.applyPassword(ctx, "used", firstPassword)
		c := w.applyReady(ctx, "acme-used", withPassword("used"))
		w.sim.AddFault(simulator.Fault{Kind: simulator.FaultError, Method: "SetChildAccountInfo", Code: 535})
		changePassword(ctx, secret, secondPassword)
		Eventually(state(ctx, c)).Should(BeStalledAs(v1alpha1.ReasonPasswordRejected))
		Expect(state(ctx, c)(Default).message).To(ContainSubstring("has not had before"))
		w.awaitLists(2)
		Expect(w.passwordCalls()).To(Equal(2))
	})

	It("waits where the provider asks for patience", func(ctx SpecContext) {
		w := startWorld(ctx)
		secret := w.applyPassword(ctx, "calm", firstPassword)
		c := w.applyReady(ctx, "acme-calm", withPassword("calm"))
		w.sim.AddFault(simulator.Fault{Kind: simulator.FaultError, Method: "SetChildAccountInfo", Code: 340})
		changePassword(ctx, secret, secondPassword)
		Eventually(state(ctx, c)).Should(BeTryingAs(v1alpha1.ReasonRateLimited, "True/Available"))
		w.sim.ClearFaults()
		Eventually(state(ctx, c)).Should(BeAvailable())
		Expect(w.has("acme-calm", secondPassword)()).To(BeTrue())
	})

	It("is given to an account that was there before only under Always", func(ctx SpecContext) {
		w := newWorld(ctx)
		const theirs = "Theirs-before-3x"
		a := simulatorChild(w, "acme-theirs", "acme-theirs@acme.example")
		a.Fields["account_password"] = theirs
		w.sim.PutAccount(a)
		w.applyParent(ctx)
		w.applyPassword(ctx, "adopted", firstPassword)
		w.start(ctx)
		c := w.applyReady(ctx, "acme-theirs", withPassword("adopted"), func(c *v1alpha1.ChildAccount) {
			c.Spec.AdoptionPolicy = ptr.To(v1alpha1.AdoptIfIdentical)
		})
		w.awaitLists(2)
		Expect(w.has("acme-theirs", theirs)()).To(BeTrue())
		Expect(w.passwordCalls()).To(BeZero())
		ready := meta.FindStatusCondition(c.Status.Conditions, v1alpha1.ConditionConnectionSecretReady)
		Expect(ready.Message).To(ContainSubstring("spec.passwordSecretRef is left aside"))

		edit(ctx, c, func(c *v1alpha1.ChildAccount) { c.Spec.AdoptionPolicy = ptr.To(v1alpha1.AdoptAlways) })
		Eventually(w.has("acme-theirs", firstPassword)).Should(BeTrue())
		Eventually(state(ctx, c)).Should(BeAvailable())
		Expect(digestOf(ctx, c)).NotTo(BeEmpty())
		Expect(connectionOf(ctx, c)).To(HaveKey("apiKey"), "found with the password that is known now")
		expectUnseen(ctx, w, firstPassword, theirs)
	})

	It("survives a lost answer of the creation", func(ctx SpecContext) {
		w := startWorld(ctx)
		w.applyPassword(ctx, "born", firstPassword)
		w.sim.AddFault(simulator.Fault{Kind: simulator.FaultLoseAnswer, Method: "AddAccount", Times: 1})
		c := w.applyReady(ctx, "acme-born", withPassword("born"))
		Expect(w.has("acme-born", firstPassword)()).To(BeTrue())
		Expect(connectionOf(ctx, c)).To(HaveKeyWithValue("apiKey", w.account("acme-born").Fields["api_key"]))
		Expect(digestOf(ctx, c)).To(MatchRegexp("^[0-9a-f]{32}:[0-9a-f]{64}$"))
	})

	It("is not applied under Observe", func(ctx SpecContext) {
		w := newWorld(ctx)
		w.sim.PutAccount(simulatorChild(w, "acme-watch", "acme-watch@acme.example"))
		w.applyParent(ctx)
		w.start(ctx)
		c := w.apply(ctx, "acme-watch", withPassword("nowhere"), func(c *v1alpha1.ChildAccount) {
			c.Spec.ManagementPolicy = ptr.To(v1alpha1.ManagementObserve)
		})
		Eventually(state(ctx, c)).Should(BeReadyAs(v1alpha1.ReasonObserved))
		Expect(w.passwordCalls()).To(BeZero())
	})
})
