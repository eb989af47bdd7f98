package secrets_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"sync"
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

// newKey is a Secret's data with a new key of the parent account.
func newKey(w *testenv.World, roles ...simulator.Role) map[string][]byte {
	return w.Credentials(roles...).Data
}

func keyID(data map[string][]byte) string {
	GinkgoHelper()
	var file struct {
		KeyID string `json:"key_id"`
	}
	Expect(json.Unmarshal(data["credentials.json"], &file)).To(Succeed())
	return file.KeyID
}

// presentKey is the key in the credentials Secret.
func presentKey(ctx context.Context, w *testenv.World) string {
	GinkgoHelper()
	secret := &corev1.Secret{}
	Expect(testenv.K8s.Get(ctx, client.ObjectKey{Namespace: w.NS, Name: "voximplant"}, secret)).To(Succeed())
	return keyID(secret.Data)
}

// revoked is a Secret's data with a key that was revoked.
func revoked(w *testenv.World) map[string][]byte {
	data := newKey(w)
	Expect(w.Sim.RevokeKey(keyID(data))).To(BeTrue())
	return data
}

// changeEmail gives the account a new e-mail and waits until it has it.
func changeEmail(ctx context.Context, w *testenv.World, c *v1alpha1.ChildAccount, email string) {
	GinkgoHelper()
	testenv.Edit(ctx, c, func(c *v1alpha1.ChildAccount) { c.Spec.Email = email })
	Eventually(testenv.StateOf(ctx, c)).Should(testenv.BeAvailable())
	Expect(w.Account(c.AccountName()).Email()).To(Equal(email))
}

var _ = Describe("New credentials", func() {
	It("take the place of the former ones, and nothing is written because of it", func(ctx SpecContext) {
		w := testenv.NewWorld(ctx)
		p := w.ApplyParent(ctx)
		w.Start(ctx)
		c := w.ApplyReady(ctx, "acme-child")
		w.Sim.AddFault(simulator.Fault{Kind: simulator.FaultStore, Method: "SetChildAccountInfo", Param: "language_code"})
		stubborn := w.Apply(ctx, "acme-other")
		Eventually(testenv.StateOf(ctx, stubborn)).Should(testenv.BeAvailable())
		testenv.Edit(ctx, stubborn, func(c *v1alpha1.ChildAccount) { c.Spec.LanguageCode = ptr.To("de") })
		Eventually(func(g Gomega) string { return testenv.StateOf(ctx, stubborn)(g).Ready }).Should(Equal("True/ValueNotKept"))
		Eventually(testenv.StateOf(ctx, p)).Should(testenv.BeAvailable())
		versions := []string{testenv.ResourceVersion(ctx, c), testenv.ResourceVersion(ctx, stubborn), testenv.ResourceVersion(ctx, p)}
		first, writes := presentKey(ctx, w), w.Count("SetChildAccountInfo")

		testenv.PutCredentials(ctx, w, newKey(w))
		Eventually(testenv.EventsOf(ctx, p)).Should(ContainElement(HavePrefix("Reconnected: ")))
		Expect(w.Sim.RevokeKey(first)).To(BeTrue())
		w.AwaitLists(2)
		Expect(testenv.StateOf(ctx, p)(Default)).To(testenv.BeAvailable())
		Expect(testenv.StateOf(ctx, c)(Default)).To(testenv.BeAvailable())
		Expect(testenv.StateOf(ctx, stubborn)(Default).Ready).To(Equal("True/ValueNotKept"), "what is known is kept")
		Expect([]string{c.ResourceVersion, stubborn.ResourceVersion, p.ResourceVersion}).To(Equal(versions))
		Expect(w.Count("SetChildAccountInfo")).To(Equal(writes))
		Expect(w.Count("AddAccount")).To(Equal(2))
		for _, call := range w.Sim.Calls() {
			Expect(call.Outcome).To(Equal("ok"), call.Method)
		}
	})

	It("let a call that is under way end on the former ones", func(ctx SpecContext) {
		w := testenv.StartWorld(ctx)
		c, p := w.ApplyReady(ctx, "acme-child"), w.ParentAccount()
		first := presentKey(ctx, w)
		answered, release := w.Gate("SetChildAccountInfo")
		testenv.Edit(ctx, c, func(c *v1alpha1.ChildAccount) { c.Spec.Email = "new@acme.example" })
		Eventually(answered).Should(BeClosed())
		testenv.PutCredentials(ctx, w, newKey(w))
		Eventually(testenv.EventsOf(ctx, p)).Should(ContainElement(HavePrefix("Reconnected: ")))
		Expect(w.Sim.RevokeKey(first)).To(BeTrue())
		release()
		Eventually(testenv.StateOf(ctx, c)).Should(testenv.BeAvailable())
		Expect(w.Count("SetChildAccountInfo")).To(Equal(1))
	})

	It("are put in, the former ones revoked, while accounts are edited: no call fails, no edit is lost", func(ctx SpecContext) {
		w := testenv.StartWorld(ctx)
		var children []*v1alpha1.ChildAccount
		for i := range 3 {
			children = append(children, w.ApplyReady(ctx, fmt.Sprintf("acme-busy-%d", i)))
		}
		stop, edits := make(chan struct{}), make(chan struct{}, 1000)
		var busy sync.WaitGroup
		for _, c := range children {
			busy.Go(func() {
				defer GinkgoRecover()
				for i := 0; ; i++ {
					select {
					case <-stop:
						return
					default:
						changeEmail(ctx, w, c, fmt.Sprintf("mail-%d@%s.example", i, c.Name))
						edits <- struct{}{}
					}
				}
			})
		}
		more := func() { // each account was edited at least once more, from begin to end
			GinkgoHelper()
			for range 3 * len(children) {
				Eventually(edits).Should(Receive())
			}
		}
		for range 3 {
			more()
			first := presentKey(ctx, w)
			selves := w.Count("GetAccountInfo")
			testenv.PutCredentials(ctx, w, newKey(w))
			Eventually(func() int { return w.Count("GetAccountInfo") }).Should(BeNumerically(">", selves))
			w.AwaitLists(1) // the new ones have shown that they may
			for len(edits) > 0 {
				<-edits
			}
			more() // what was under way has ended
			Expect(w.Sim.RevokeKey(first)).To(BeTrue())
		}
		more()
		close(stop)
		busy.Wait()
		for _, c := range children {
			Expect(w.Account(c.Name).Email()).To(Equal(c.Spec.Email))
		}
		for _, call := range w.Sim.Calls() {
			Expect(call.Outcome).To(Equal("ok"), call.Method)
		}
	})

	DescribeTable("that can't be used leave the former ones at work",
		func(ctx SpecContext, bad func(*testenv.World) map[string][]byte, reason string) {
			w := testenv.StartWorld(ctx)
			p := w.ParentAccount()
			c := w.ApplyReady(ctx, "acme-child")
			Eventually(testenv.StateOf(ctx, p)).Should(testenv.BeAvailable())
			was := testenv.ResourceVersion(ctx, c)
			testenv.PutCredentials(ctx, w, bad(w))
			testenv.ExpectFormerCredentials(ctx, p, reason)
			selves, stalled := w.Count("GetAccountInfo"), testenv.ResourceVersion(ctx, p)

			By("the list is read as ever, and the new ones are not tried at each resync")
			w.AwaitLists(2)
			Expect(w.Count("GetAccountInfo")).To(Equal(selves))
			testenv.ExpectFormerCredentials(ctx, p, reason)
			Expect(testenv.ResourceVersion(ctx, p)).To(Equal(stalled))
			Expect(testenv.StateOf(ctx, c)(Default)).To(testenv.BeAvailable())
			Expect(c.ResourceVersion).To(Equal(was))

			By("drift is corrected, edits are applied, accounts are made")
			Expect(w.Sim.SetField(w.Account("acme-child").ID, "account_email", "drift@else.example")).To(Succeed())
			Eventually(func() string { return w.Account("acme-child").Email() }).Should(Equal("acme-child@acme.example"))
			changeEmail(ctx, w, c, "new@acme.example")
			w.ApplyReady(ctx, "acme-second")

			By("a change of the ParentAccount that has nothing to do with it changes nothing")
			testenv.Edit(ctx, p, func(p *v1alpha1.ParentAccount) { p.Spec.Limits = nil })
			testenv.ExpectFormerCredentials(ctx, p, reason)
			changeEmail(ctx, w, c, "newer@acme.example")
			Expect(w.Count("GetAccountInfo")).To(Equal(selves))

			By("good ones are taken at once")
			testenv.PutCredentials(ctx, w, newKey(w))
			Eventually(testenv.StateOf(ctx, p)).Should(testenv.BeAvailable())
			changeEmail(ctx, w, c, "newest@acme.example")
		},
		Entry("a key that was revoked", revoked, v1alpha1.ReasonUnauthorized),
		Entry("a key without the role", func(w *testenv.World) map[string][]byte { return newKey(w, simulator.RoleAccountant) }, v1alpha1.ReasonRoleMissing),
		Entry("no credentials.json", func(*testenv.World) map[string][]byte {
			return map[string][]byte{"credentials.json": []byte("hunter2")}
		}, v1alpha1.ReasonSecretInvalid),
		Entry("another key of the Secret", func(w *testenv.World) map[string][]byte {
			return map[string][]byte{"credentials": newKey(w)["credentials.json"]}
		}, v1alpha1.ReasonSecretInvalid),
	)

	It("with a byte order mark are as good as without", func(ctx SpecContext) {
		w := testenv.NewWorld(ctx)
		secret := w.Credentials()
		plain := secret.Data["credentials.json"]
		marked := append([]byte("\ufeff"), bytes.ReplaceAll(plain, []byte("\n"), []byte("\r\n"))...)
		secret.Data["credentials.json"] = marked
		Expect(testenv.K8s.Create(ctx, secret)).To(Succeed())
		p := w.ParentAccount()
		Expect(testenv.K8s.Create(ctx, p)).To(Succeed())
		w.Start(ctx)
		w.ApplyReady(ctx, "acme-child")
		Eventually(testenv.StateOf(ctx, p)).Should(testenv.BeAvailable())
	})

	It("that can't be used end with the process that knew better ones", func(ctx SpecContext) {
		w := testenv.StartWorld(ctx)
		p, c := w.ParentAccount(), w.ApplyReady(ctx, "acme-child")
		testenv.PutCredentials(ctx, w, revoked(w))
		testenv.ExpectFormerCredentials(ctx, p, v1alpha1.ReasonUnauthorized)
		w.Stop()
		w.Start(ctx)
		testenv.ExpectStopped(ctx, p, c, v1alpha1.ReasonUnauthorized)
		Eventually(func(g Gomega) { g.Expect(testenv.StateOf(ctx, p)(g).Message).NotTo(ContainSubstring("former")) }).Should(Succeed())
		testenv.PutCredentials(ctx, w, newKey(w))
		Eventually(testenv.StateOf(ctx, c)).Should(testenv.BeAvailable())
	})

	It("that can't be used stop everything once the former ones are revoked", func(ctx SpecContext) {
		w := testenv.StartWorld(ctx)
		p, c := w.ParentAccount(), w.ApplyReady(ctx, "acme-child")
		first := presentKey(ctx, w)
		testenv.PutCredentials(ctx, w, map[string][]byte{"credentials.json": []byte("hunter2")})
		testenv.ExpectFormerCredentials(ctx, p, v1alpha1.ReasonSecretInvalid)
		Expect(w.Sim.RevokeKey(first)).To(BeTrue())
		Eventually(func(g Gomega) {
			s := testenv.StateOf(ctx, p)(g)
			g.Expect(s).To(testenv.BeStalledAs(v1alpha1.ReasonSecretInvalid))
			g.Expect(s.Message).To(MatchRegexp("JSON object.*; the former credentials are of no use either: .*code 100"))
		}).Should(Succeed())
		Eventually(testenv.StateOf(ctx, c)).Should(testenv.BeStalledAs(v1alpha1.ReasonParentNotReady))
		Expect(testenv.StateOf(ctx, c)(Default).Message).To(ContainSubstring(v1alpha1.ReasonUnauthorized))
		calls := len(w.Sim.Calls())
		Consistently(func() int { return len(w.Sim.Calls()) }, "1500ms").Should(Equal(calls))
		testenv.PutCredentials(ctx, w, newKey(w))
		Eventually(testenv.StateOf(ctx, c)).Should(testenv.BeAvailable())
	})

	It("that can't be asked about leave the former ones at work", func(ctx SpecContext) {
		w := testenv.StartWorld(ctx)
		p, c := w.ParentAccount(), w.ApplyReady(ctx, "acme-child")
		Eventually(testenv.StateOf(ctx, p)).Should(testenv.BeAvailable())
		fault := w.Sim.AddFault(simulator.Fault{Kind: simulator.FaultReset, Method: "GetAccountInfo"})
		testenv.PutCredentials(ctx, w, newKey(w))
		Eventually(testenv.StateOf(ctx, p)).Should(testenv.BeTryingAs(v1alpha1.ReasonAPIUnavailable, "True/Available"))
		changeEmail(ctx, w, c, "new@acme.example")
		w.AwaitLists(2)
		w.Sim.RemoveFault(fault)
		Eventually(testenv.StateOf(ctx, p)).Should(testenv.BeAvailable())
		Eventually(testenv.EventsOf(ctx, p)).Should(ContainElement(HavePrefix("Reconnected: ")))
	})

	It("that were refused are tried again when somebody asks, or when they come back", func(ctx SpecContext) {
		w := testenv.NewWorld(ctx)
		p := w.ApplyParent(ctx, func(p *v1alpha1.ParentAccount) { p.Spec.ResyncInterval = &metav1.Duration{Duration: 10 * time.Minute} })
		w.Start(ctx)
		w.ApplyReady(ctx, "acme-child")
		Eventually(testenv.StateOf(ctx, p)).Should(testenv.BeAvailable())
		secret := &corev1.Secret{}
		Expect(testenv.K8s.Get(ctx, client.ObjectKey{Namespace: w.NS, Name: "voximplant"}, secret)).To(Succeed())
		former, key := secret.Data, newKey(w)
		refused := func() {
			GinkgoHelper()
			w.Sim.AddFault(simulator.Fault{Kind: simulator.FaultError, Method: "GetChildrenAccounts", Code: 104, Times: 1})
			testenv.PutCredentials(ctx, w, key)
			testenv.ExpectFormerCredentials(ctx, p, v1alpha1.ReasonRoleMissing)
		}
		back := func() {
			GinkgoHelper()
			testenv.PutCredentials(ctx, w, former)
			Eventually(testenv.StateOf(ctx, p)).Should(testenv.BeAvailable())
		}

		refused()
		back()
		refused()
		testenv.Edit(ctx, p, func(p *v1alpha1.ParentAccount) {
			p.Annotations = map[string]string{v1alpha1.AnnotationReconcileRequestedAt: "now"}
		})
		Eventually(testenv.StateOf(ctx, p)).Should(testenv.BeAvailable())
		Expect(w.Sim.RevokeKey(keyID(former))).To(BeTrue())
		w.ApplyReady(ctx, "acme-second")
	})

	DescribeTable("that are taken away stop everything, whatever went on before",
		func(ctx SpecContext, before func(*testenv.World) map[string][]byte, take func(context.Context, *corev1.Secret), reason string) {
			w := testenv.StartWorld(ctx)
			p, c := w.ParentAccount(), w.ApplyReady(ctx, "acme-child")
			Eventually(testenv.StateOf(ctx, p)).Should(testenv.BeAvailable())
			if data := before(w); data != nil {
				testenv.PutCredentials(ctx, w, data)
				testenv.ExpectFormerCredentials(ctx, p, v1alpha1.ReasonUnauthorized)
			}
			secret := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: w.NS, Name: "voximplant"}}
			take(ctx, secret)
			testenv.ExpectStopped(ctx, p, c, reason)
			calls := len(w.Sim.Calls())
			testenv.Edit(ctx, c, func(c *v1alpha1.ChildAccount) { c.Spec.Email = "new@acme.example" })
			Eventually(testenv.StateOf(ctx, c)).Should(testenv.BeStalledAs(v1alpha1.ReasonParentNotReady))
			Consistently(func() int { return len(w.Sim.Calls()) }, "1500ms").Should(Equal(calls))
		},
		Entry("deleted", good, deleteSecret, v1alpha1.ReasonSecretMissing),
		Entry("deleted after a typo", revoked, deleteSecret, v1alpha1.ReasonSecretMissing),
		Entry("no longer labelled", good, unlabel, v1alpha1.ReasonSecretNotLabelled),
		Entry("no longer labelled after a typo", revoked, unlabel, v1alpha1.ReasonSecretNotLabelled),
	)

	It("of another account stop everything, after a typo too", func(ctx SpecContext) {
		w := testenv.StartWorld(ctx)
		p, c := w.ParentAccount(), w.ApplyReady(ctx, "acme-child")
		testenv.PutCredentials(ctx, w, revoked(w))
		testenv.ExpectFormerCredentials(ctx, p, v1alpha1.ReasonUnauthorized)
		other := w.Sim.AddParent(simulator.Parent{Name: "other-parent", Email: "other@else.example"})
		testenv.PutCredentials(ctx, w, map[string][]byte{"credentials.json": w.Sim.Credentials(other.ID, simulator.RoleAccountant)})
		testenv.ExpectStopped(ctx, p, c, v1alpha1.ReasonParentChanged)
	})

	It("that can't be used at another endpoint leave nothing at work at the former one", func(ctx SpecContext) {
		w := testenv.NewWorld(ctx)
		elsewhere := strings.Replace(testenv.ProviderServer.URL, "127.0.0.1", "localhost", 1)
		p := w.ApplyParent(ctx)
		w.Start(ctx, elsewhere)
		c := w.ApplyReady(ctx, "acme-child")
		testenv.PutCredentials(ctx, w, revoked(w))
		testenv.ExpectFormerCredentials(ctx, p, v1alpha1.ReasonUnauthorized)
		testenv.Edit(ctx, p, func(p *v1alpha1.ParentAccount) { p.Spec.Voximplant.Endpoint = &elsewhere })
		Eventually(func(g Gomega) string { return testenv.StateOf(ctx, p)(g).Message }).ShouldNot(ContainSubstring("former"))
		testenv.ExpectStopped(ctx, p, c, v1alpha1.ReasonUnauthorized)
	})
})

// good leaves the credentials as they are.
func good(w *testenv.World) map[string][]byte { return nil }

func deleteSecret(ctx context.Context, secret *corev1.Secret) {
	GinkgoHelper()
	Expect(testenv.K8s.Delete(ctx, secret)).To(Succeed())
}

func unlabel(ctx context.Context, secret *corev1.Secret) {
	GinkgoHelper()
	testenv.Edit(ctx, secret, func(s *corev1.Secret) { s.Labels = nil })
}

var _ = Describe("The parent's own API key", func() {
	// putKey writes the Secret with the API key.
	putKey := func(ctx context.Context, w *testenv.World, value string) {
		GinkgoHelper()
		secret := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: w.NS, Name: "voximplant-key", Labels: map[string]string{v1alpha1.LabelInput: "true"}}}
		Expect(client.IgnoreAlreadyExists(testenv.K8s.Create(ctx, secret))).To(Succeed())
		testenv.Edit(ctx, secret, func(s *corev1.Secret) { s.Data = map[string][]byte{"api-key": []byte(value)} })
	}
	giveKey := func(p *v1alpha1.ParentAccount) {
		p.Spec.Voximplant.APIKeySecretRef = &v1alpha1.SecretKeyReference{Name: "voximplant-key"}
	}

	It("finds a lost API key as soon as it is given, and as soon as it is right", func(ctx SpecContext) {
		w := testenv.StartWorld(ctx)
		p, c := w.ParentAccount(), w.ApplyReady(ctx, "acme-lost")
		deleteSecret(ctx, &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: w.NS, Name: c.ConnectionSecretName()}})
		Eventually(testenv.StateOf(ctx, c)).Should(testenv.BeStalledWithSynced(v1alpha1.ReasonAPIKeyMissing))
		putKey(ctx, w, "wrong")
		testenv.Edit(ctx, p, giveKey)
		Eventually(func(g Gomega) string { return testenv.StateOf(ctx, c)(g).Message }).Should(ContainSubstring("apiKeySecretRef"))
		Eventually(testenv.StateOf(ctx, c)).Should(testenv.BeStalledWithSynced(v1alpha1.ReasonAPIKeyMissing))
		putKey(ctx, w, w.Parent.APIKey)
		Eventually(testenv.StateOf(ctx, c)).Should(testenv.BeAvailable())
		Expect(testenv.ConnectionOf(ctx, c)).To(HaveKeyWithValue("apiKey", w.Account("acme-lost").Fields["api_key"]))
	})

	It("is good as any editor saved it in UTF-8, and called by its name otherwise", func(ctx SpecContext) {
		w := testenv.NewWorld(ctx)
		putKey(ctx, w, string(testenv.InUTF16(w.Parent.APIKey+"\r\n")))
		p := w.ApplyParent(ctx, giveKey)
		w.Start(ctx)
		Eventually(testenv.StateOf(ctx, p)).Should(testenv.BeStalledAs(v1alpha1.ReasonSecretInvalid))
		Expect(testenv.StateOf(ctx, p)(Default).Message).To(ContainSubstring(`Secret voximplant-key can't be used: key "api-key" is text in UTF-16`))
		putKey(ctx, w, w.Parent.APIKey[:4]+"\ufeff"+w.Parent.APIKey[4:])
		Eventually(func(g Gomega) string { return testenv.StateOf(ctx, p)(g).Message }).Should(ContainSubstring(`Secret voximplant-key can't serve as the API key: key "api-key" has a byte order mark (U+FEFF) in it`))
		Expect(w.Sim.Calls()).To(BeEmpty())

		putKey(ctx, w, "\ufeff"+w.Parent.APIKey+"\r\n")
		w.ApplyReady(ctx, "acme-key")
		Eventually(testenv.StateOf(ctx, p)).Should(testenv.BeAvailable())
		Expect(w.Sim.Calls()).To(ContainElement(HaveField("Params", HaveKeyWithValue("parent_account_api_key", w.Parent.APIKey))))
	})

	It("finds those of adopted accounts, whichever of the two comes first", func(ctx SpecContext) {
		w := testenv.NewWorld(ctx)
		w.Sim.PutAccount(testenv.SimulatorChild(w, "acme-before", "acme-before@acme.example"))
		p := w.ApplyParent(ctx)
		w.Start(ctx)
		c := w.ApplyReady(ctx, "acme-before", func(c *v1alpha1.ChildAccount) { c.Spec.AdoptionPolicy = ptr.To(v1alpha1.AdoptAlways) })
		Expect(testenv.ConnectionOf(ctx, c)).NotTo(HaveKey("apiKey"))
		testenv.Edit(ctx, p, giveKey)
		Eventually(testenv.StateOf(ctx, p)).Should(testenv.BeStalledAs(v1alpha1.ReasonSecretMissing))
		putKey(ctx, w, w.Parent.APIKey)
		Eventually(func() map[string]string { return testenv.ConnectionOf(ctx, c) }).Should(HaveKeyWithValue("apiKey", w.Account("acme-before").Fields["api_key"]))
		Eventually(testenv.StateOf(ctx, c)).Should(testenv.BeAvailable())
	})
})
