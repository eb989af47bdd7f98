package controllers_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"path"
	"strings"
	"sync"
	"time"
	"unicode/utf16"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"cpaas.dev/child-account-operator/api/v1alpha1"
	"cpaas.dev/child-account-operator/internal/simulator"
)

const goOn = "; the former credentials go on until the operator restarts"

// putCredentials changes the credentials Secret as a person would.
func (w *world) putCredentials(ctx context.Context, data map[string][]byte) {
	GinkgoHelper()
	secret := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: w.ns, Name: "voximplant"}}
	edit(ctx, secret, func(s *corev1.Secret) { s.Data = data })
}

// newKey is a Secret's data with a new key of the parent account.
func (w *world) newKey(roles ...simulator.Role) map[string][]byte {
	return w.credentials(roles...).Data
}

// inUTF16 is a text as some tools of Windows save it, without the byte order mark that most put before it.
func inUTF16(text string) []byte {
	var out []byte
	for _, unit := range utf16.Encode([]rune(text)) {
		out = binary.LittleEndian.AppendUint16(out, unit)
	}
	return out
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
func (w *world) presentKey(ctx context.Context) string {
	GinkgoHelper()
	secret := &corev1.Secret{}
	Expect(k8s.Get(ctx, client.ObjectKey{Namespace: w.ns, Name: "voximplant"}, secret)).To(Succeed())
	return keyID(secret.Data)
}

// revoked is a Secret's data with a key that was revoked.
func (w *world) revoked() map[string][]byte {
	data := w.newKey()
	Expect(w.sim.RevokeKey(keyID(data))).To(BeTrue())
	return data
}

// changeEmail gives the account a new e-mail and waits until it has it.
func (w *world) changeEmail(ctx context.Context, c *v1alpha1.ChildAccount, email string) {
	GinkgoHelper()
	edit(ctx, c, func(c *v1alpha1.ChildAccount) { c.Spec.Email = email })
	Eventually(state(ctx, c)).Should(BeAvailable())
	Expect(w.account(c.AccountName()).Email()).To(Equal(email))
}

// goingOn is a parent that is stalled because of its new credentials, while the former ones go on.
func goingOn(ctx context.Context, p *v1alpha1.ParentAccount, reason string) {
	GinkgoHelper()
	Eventually(func(g Gomega) {
		s := state(ctx, p)(g)
		g.Expect(s).To(BeStalledAs(reason))
		g.Expect(s.message).To(HaveSuffix(goOn))
	}).Should(Succeed())
}

// gate holds the answer of the next call of a method, which was carried out when answered is closed, until it is released.
func (w *world) gate(method string) (answered <-chan struct{}, release func()) {
	carriedOut, released := make(chan struct{}), make(chan struct{})
	var once sync.Once
	api := w.sim.Handler()
	var handler http.Handler = http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		mine := false
		if path.Base(r.URL.Path) == method {
			once.Do(func() { mine = true })
		}
		if !mine {
			api.ServeHTTP(rw, r)
			return
		}
		recorder := httptest.NewRecorder()
		api.ServeHTTP(recorder, r)
		close(carriedOut)
		<-released
		rw.WriteHeader(recorder.Code)
		_, _ = rw.Write(recorder.Body.Bytes())
	})
	simulated.Store(&handler)
	release = sync.OnceFunc(func() { close(released) })
	DeferCleanup(release)
	return carriedOut, release
}

var _ = Describe("New credentials", func() {
	It("take the place of the former ones, and nothing is written because of it", func(ctx SpecContext) {
		w := newWorld(ctx)
		p := w.applyParent(ctx)
		w.start(ctx)
		c := w.applyReady(ctx, "acme-child")
		w.sim.AddFault(simulator.Fault{Kind: simulator.FaultStore, Method: "SetChildAccountInfo", Param: "language_code"})
		stubborn := w.apply(ctx, "acme-other")
		Eventually(state(ctx, stubborn)).Should(BeAvailable())
		edit(ctx, stubborn, func(c *v1alpha1.ChildAccount) { c.Spec.LanguageCode = ptr.To("de") })
		Eventually(func(g Gomega) string { return state(ctx, stubborn)(g).ready }).Should(Equal("True/ValueNotKept"))
		Eventually(state(ctx, p)).Should(BeAvailable())
		versions := []string{version(ctx, c), version(ctx, stubborn), version(ctx, p)}
		first, writes := w.presentKey(ctx), w.count("SetChildAccountInfo")

		w.putCredentials(ctx, w.newKey())
		Eventually(eventsOf(ctx, p)).Should(ContainElement(HavePrefix("Reconnected: ")))
		Expect(w.sim.RevokeKey(first)).To(BeTrue())
		w.awaitLists(2)
		Expect(state(ctx, p)(Default)).To(BeAvailable())
		Expect(state(ctx, c)(Default)).To(BeAvailable())
		Expect(state(ctx, stubborn)(Default).ready).To(Equal("True/ValueNotKept"), "what is known is kept")
		Expect([]string{c.ResourceVersion, stubborn.ResourceVersion, p.ResourceVersion}).To(Equal(versions))
		Expect(w.count("SetChildAccountInfo")).To(Equal(writes))
		Expect(w.count("AddAccount")).To(Equal(2))
		for _, call := range w.sim.Calls() {
			Expect(call.Outcome).To(Equal("ok"), call.Method)
		}
	})

	It("let a call that is under way end on the former ones", func(ctx SpecContext) {
		w := startWorld(ctx)
		c, p := w.applyReady(ctx, "acme-child"), w.parentAccount()
		first := w.presentKey(ctx)
		answered, release := w.gate("SetChildAccountInfo")
		edit(ctx, c, func(c *v1alpha1.ChildAccount) { c.Spec.Email = "new@acme.example" })
		Eventually(answered).Should(BeClosed())
		w.putCredentials(ctx, w.newKey())
		Eventually(eventsOf(ctx, p)).Should(ContainElement(HavePrefix("Reconnected: ")))
		Expect(w.sim.RevokeKey(first)).To(BeTrue())
		release()
		Eventually(state(ctx, c)).Should(BeAvailable())
		Expect(w.count("SetChildAccountInfo")).To(Equal(1))
	})

	It("are put in, the former ones revoked, while accounts are edited: no call fails, no edit is lost", func(ctx SpecContext) {
		w := startWorld(ctx)
		var children []*v1alpha1.ChildAccount
		for i := range 3 {
			children = append(children, w.applyReady(ctx, fmt.Sprintf("acme-busy-%d", i)))
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
						w.changeEmail(ctx, c, fmt.Sprintf("mail-%d@%s.example", i, c.Name))
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
			first := w.presentKey(ctx)
			selves := w.count("GetAccountInfo")
			w.putCredentials(ctx, w.newKey())
			Eventually(func() int { return w.count("GetAccountInfo") }).Should(BeNumerically(">", selves))
			w.awaitLists(1) // the new ones have shown that they may
			for len(edits) > 0 {
				<-edits
			}
			more() // what was under way has ended
			Expect(w.sim.RevokeKey(first)).To(BeTrue())
		}
		more()
		close(stop)
		busy.Wait()
		for _, c := range children {
			Expect(w.account(c.Name).Email()).To(Equal(c.Spec.Email))
		}
		for _, call := range w.sim.Calls() {
			Expect(call.Outcome).To(Equal("ok"), call.Method)
		}
	})

	DescribeTable("that can't be used leave the former ones at work",
		func(ctx SpecContext, bad func(*world) map[string][]byte, reason string) {
			w := startWorld(ctx)
			p := w.parentAccount()
			c := w.applyReady(ctx, "acme-child")
			Eventually(state(ctx, p)).Should(BeAvailable())
			was := version(ctx, c)
			w.putCredentials(ctx, bad(w))
			goingOn(ctx, p, reason)
			selves, stalled := w.count("GetAccountInfo"), version(ctx, p)

			By("the list is read as ever, and the new ones are not tried at each resync")
			w.awaitLists(2)
			Expect(w.count("GetAccountInfo")).To(Equal(selves))
			goingOn(ctx, p, reason)
			Expect(version(ctx, p)).To(Equal(stalled))
			Expect(state(ctx, c)(Default)).To(BeAvailable())
			Expect(c.ResourceVersion).To(Equal(was))

			By("drift is corrected, edits are applied, accounts are made")
			Expect(w.sim.SetField(w.account("acme-child").ID, "account_email", "drift@else.example")).To(Succeed())
			Eventually(func() string { return w.account("acme-child").Email() }).Should(Equal("acme-child@acme.example"))
			w.changeEmail(ctx, c, "new@acme.example")
			w.applyReady(ctx, "acme-second")

			By("a change of the ParentAccount that has nothing to do with it changes nothing")
			edit(ctx, p, func(p *v1alpha1.ParentAccount) { p.Spec.Limits = nil })
			goingOn(ctx, p, reason)
			w.changeEmail(ctx, c, "newer@acme.example")
			Expect(w.count("GetAccountInfo")).To(Equal(selves))

			By("good ones are taken at once")
			w.putCredentials(ctx, w.newKey())
			Eventually(state(ctx, p)).Should(BeAvailable())
			w.changeEmail(ctx, c, "newest@acme.example")
		},
		Entry("a key that was revoked", (*world).revoked, v1alpha1.ReasonUnauthorized),
		Entry("a key without the role", func(w *world) map[string][]byte { return w.newKey(simulator.RoleAccountant) }, v1alpha1.ReasonRoleMissing),
		Entry("no credentials.json", func(*world) map[string][]byte {
			return map[string][]byte{"credentials.json": []byte("hunter2")}
		}, v1alpha1.ReasonSecretInvalid),
		Entry("another key of the Secret", func(w *world) map[string][]byte {
			return map[string][]byte{"credentials": w.newKey()["credentials.json"]}
		}, v1alpha1.ReasonSecretInvalid),
	)

	It("with a byte order mark are as good as without", func(ctx SpecContext) {
		w := newWorld(ctx)
		secret := w.credentials()
		plain := secret.Data["credentials.json"]
		marked := append([]byte("\ufeff"), bytes.ReplaceAll(plain, []byte("\n"), []byte("\r\n"))...)
		secret.Data["credentials.json"] = marked
		Expect(k8s.Create(ctx, secret)).To(Succeed())
		p := w.parentAccount()
		Expect(k8s.Create(ctx, p)).To(Succeed())
		w.start(ctx)
		w.applyReady(ctx, "acme-child")
		Eventually(state(ctx, p)).Should(BeAvailable())
	})

	It("that can't be used end with the process that knew better ones", func(ctx SpecContext) {
		w := startWorld(ctx)
		p, c := w.parentAccount(), w.applyReady(ctx, "acme-child")
		w.putCredentials(ctx, w.revoked())
		goingOn(ctx, p, v1alpha1.ReasonUnauthorized)
		w.stop()
		w.start(ctx)
		stopped(ctx, p, c, v1alpha1.ReasonUnauthorized)
		Eventually(func(g Gomega) { g.Expect(state(ctx, p)(g).message).NotTo(ContainSubstring("former")) }).Should(Succeed())
		w.putCredentials(ctx, w.newKey())
		Eventually(state(ctx, c)).Should(BeAvailable())
	})

	It("that can't be used stop everything once the former ones are revoked", func(ctx SpecContext) {
		w := startWorld(ctx)
		p, c := w.parentAccount(), w.applyReady(ctx, "acme-child")
		first := w.presentKey(ctx)
		w.putCredentials(ctx, map[string][]byte{"credentials.json": []byte("hunter2")})
		goingOn(ctx, p, v1alpha1.ReasonSecretInvalid)
		Expect(w.sim.RevokeKey(first)).To(BeTrue())
		Eventually(func(g Gomega) {
			s := state(ctx, p)(g)
			g.Expect(s).To(BeStalledAs(v1alpha1.ReasonSecretInvalid))
			g.Expect(s.message).To(MatchRegexp("JSON object.*; the former credentials are of no use either: .*code 100"))
		}).Should(Succeed())
		Eventually(state(ctx, c)).Should(BeStalledAs(v1alpha1.ReasonParentNotReady))
		Expect(state(ctx, c)(Default).message).To(ContainSubstring(v1alpha1.ReasonUnauthorized))
		calls := len(w.sim.Calls())
		Consistently(func() int { return len(w.sim.Calls()) }, "1500ms").Should(Equal(calls))
		w.putCredentials(ctx, w.newKey())
		Eventually(state(ctx, c)).Should(BeAvailable())
	})

	It("that can't be asked about leave the former ones at work", func(ctx SpecContext) {
		w := startWorld(ctx)
		p, c := w.parentAccount(), w.applyReady(ctx, "acme-child")
		Eventually(state(ctx, p)).Should(BeAvailable())
		fault := w.sim.AddFault(simulator.Fault{Kind: simulator.FaultReset, Method: "GetAccountInfo"})
		w.putCredentials(ctx, w.newKey())
		Eventually(state(ctx, p)).Should(BeTryingAs(v1alpha1.ReasonAPIUnavailable, "True/Available"))
		w.changeEmail(ctx, c, "new@acme.example")
		w.awaitLists(2)
		w.sim.RemoveFault(fault)
		Eventually(state(ctx, p)).Should(BeAvailable())
		Eventually(eventsOf(ctx, p)).Should(ContainElement(HavePrefix("Reconnected: ")))
	})

	It("that were refused are tried again when somebody asks, or when they come back", func(ctx SpecContext) {
		w := newWorld(ctx)
		p := w.applyParent(ctx, func(p *v1alpha1.ParentAccount) { p.Spec.ResyncInterval = &metav1.Duration{Duration: 10 * time.Minute} })
		w.start(ctx)
		w.applyReady(ctx, "acme-child")
		Eventually(state(ctx, p)).Should(BeAvailable())
		secret := &corev1.Secret{}
		Expect(k8s.Get(ctx, client.ObjectKey{Namespace: w.ns, Name: "voximplant"}, secret)).To(Succeed())
		former, key := secret.Data, w.newKey()
		refused := func() {
			GinkgoHelper()
			w.sim.AddFault(simulator.Fault{Kind: simulator.FaultError, Method: "GetChildrenAccounts", Code: 104, Times: 1})
			w.putCredentials(ctx, key)
			goingOn(ctx, p, v1alpha1.ReasonRoleMissing)
		}
		back := func() {
			GinkgoHelper()
			w.putCredentials(ctx, former)
			Eventually(state(ctx, p)).Should(BeAvailable())
		}

		refused()
		back()
		refused()
		edit(ctx, p, func(p *v1alpha1.ParentAccount) {
			p.Annotations = map[string]string{v1alpha1.AnnotationReconcileRequestedAt: "now"}
		})
		Eventually(state(ctx, p)).Should(BeAvailable())
		Expect(w.sim.RevokeKey(keyID(former))).To(BeTrue())
		w.applyReady(ctx, "acme-second")
	})

	DescribeTable("that are taken away stop everything, whatever went on before",
		func(ctx SpecContext, before func(*world) map[string][]byte, take func(context.Context, *corev1.Secret), reason string) {
			w := startWorld(ctx)
			p, c := w.parentAccount(), w.applyReady(ctx, "acme-child")
			Eventually(state(ctx, p)).Should(BeAvailable())
			if data := before(w); data != nil {
				w.putCredentials(ctx, data)
				goingOn(ctx, p, v1alpha1.ReasonUnauthorized)
			}
			secret := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: w.ns, Name: "voximplant"}}
			take(ctx, secret)
			stopped(ctx, p, c, reason)
			calls := len(w.sim.Calls())
			edit(ctx, c, func(c *v1alpha1.ChildAccount) { c.Spec.Email = "new@acme.example" })
			Eventually(state(ctx, c)).Should(BeStalledAs(v1alpha1.ReasonParentNotReady))
			Consistently(func() int { return len(w.sim.Calls()) }, "1500ms").Should(Equal(calls))
		},
		Entry("deleted", (*world).good, deleteSecret, v1alpha1.ReasonSecretMissing),
		Entry("deleted after a typo", (*world).revoked, deleteSecret, v1alpha1.ReasonSecretMissing),
		Entry("no longer labelled", (*world).good, unlabel, v1alpha1.ReasonSecretNotLabelled),
		Entry("no longer labelled after a typo", (*world).revoked, unlabel, v1alpha1.ReasonSecretNotLabelled),
	)

	It("of another account stop everything, after a typo too", func(ctx SpecContext) {
		w := startWorld(ctx)
		p, c := w.parentAccount(), w.applyReady(ctx, "acme-child")
		w.putCredentials(ctx, w.revoked())
		goingOn(ctx, p, v1alpha1.ReasonUnauthorized)
		other := w.sim.AddParent(simulator.Parent{Name: "other-parent", Email: "other@else.example"})
		w.putCredentials(ctx, map[string][]byte{"credentials.json": w.sim.Credentials(other.ID, simulator.RoleAccountant)})
		stopped(ctx, p, c, v1alpha1.ReasonParentChanged)
	})

	It("that can't be used at another endpoint leave nothing at work at the former one", func(ctx SpecContext) {
		w := newWorld(ctx)
		elsewhere := strings.Replace(provider.URL, "127.0.0.1", "localhost", 1)
		p := w.applyParent(ctx)
		w.start(ctx, elsewhere)
		c := w.applyReady(ctx, "acme-child")
		w.putCredentials(ctx, w.revoked())
		goingOn(ctx, p, v1alpha1.ReasonUnauthorized)
		edit(ctx, p, func(p *v1alpha1.ParentAccount) { p.Spec.Voximplant.Endpoint = &elsewhere })
		Eventually(func(g Gomega) string { return state(ctx, p)(g).message }).ShouldNot(ContainSubstring("former"))
		stopped(ctx, p, c, v1alpha1.ReasonUnauthorized)
	})
})

// good leaves the credentials as they are.
func (w *world) good() map[string][]byte { return nil }

func deleteSecret(ctx context.Context, secret *corev1.Secret) {
	GinkgoHelper()
	Expect(k8s.Delete(ctx, secret)).To(Succeed())
}

func unlabel(ctx context.Context, secret *corev1.Secret) {
	GinkgoHelper()
	edit(ctx, secret, func(s *corev1.Secret) { s.Labels = nil })
}

var _ = Describe("The parent's own API key", func() {
	// putKey writes the Secret with the API key.
	putKey := func(ctx context.Context, w *world, value string) {
		GinkgoHelper()
		secret := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: w.ns, Name: "voximplant-key", Labels: map[string]string{v1alpha1.LabelInput: "true"}}}
		Expect(client.IgnoreAlreadyExists(k8s.Create(ctx, secret))).To(Succeed())
		edit(ctx, secret, func(s *corev1.Secret) { s.Data = map[string][]byte{"api-key": []byte(value)} })
	}
	giveKey := func(p *v1alpha1.ParentAccount) {
		p.Spec.Voximplant.APIKeySecretRef = &v1alpha1.SecretKeyReference{Name: "voximplant-key"}
	}

	It("finds a lost API key as soon as it is given, and as soon as it is right", func(ctx SpecContext) {
		w := startWorld(ctx)
		p, c := w.parentAccount(), w.applyReady(ctx, "acme-lost")
		deleteSecret(ctx, &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: w.ns, Name: c.ConnectionSecretName()}})
		Eventually(state(ctx, c)).Should(BeStalledWithSynced(v1alpha1.ReasonAPIKeyMissing))
		putKey(ctx, w, "wrong")
		edit(ctx, p, giveKey)
		Eventually(func(g Gomega) string { return state(ctx, c)(g).message }).Should(ContainSubstring("apiKeySecretRef"))
		Eventually(state(ctx, c)).Should(BeStalledWithSynced(v1alpha1.ReasonAPIKeyMissing))
		putKey(ctx, w, w.parent.APIKey)
		Eventually(state(ctx, c)).Should(BeAvailable())
		Expect(connectionOf(ctx, c)).To(HaveKeyWithValue("apiKey", w.account("acme-lost").Fields["api_key"]))
	})

	It("is good as any editor saved it in UTF-8, and called by its name otherwise", func(ctx SpecContext) {
		w := newWorld(ctx)
		putKey(ctx, w, string(inUTF16(w.parent.APIKey+"\r\n")))
		p := w.applyParent(ctx, giveKey)
		w.start(ctx)
		Eventually(state(ctx, p)).Should(BeStalledAs(v1alpha1.ReasonSecretInvalid))
		Expect(state(ctx, p)(Default).message).To(ContainSubstring(`Secret voximplant-key can't be used: key "api-key" is text in UTF-16`))
		putKey(ctx, w, w.parent.APIKey[:4]+"\ufeff"+w.parent.APIKey[4:])
		Eventually(func(g Gomega) string { return state(ctx, p)(g).message }).Should(ContainSubstring(`Secret voximplant-key can't serve as the API key: key "api-key" has a byte order mark (U+FEFF) in it`))
		Expect(w.sim.Calls()).To(BeEmpty())

		putKey(ctx, w, "\ufeff"+w.parent.APIKey+"\r\n")
		w.applyReady(ctx, "acme-key")
		Eventually(state(ctx, p)).Should(BeAvailable())
		Expect(w.sim.Calls()).To(ContainElement(HaveField("Params", HaveKeyWithValue("parent_account_api_key", w.parent.APIKey))))
	})

	It("finds those of adopted accounts, whichever of the two comes first", func(ctx SpecContext) {
		w := newWorld(ctx)
		w.sim.PutAccount(simulatorChild(w, "acme-before", "acme-before@acme.example"))
		p := w.applyParent(ctx)
		w.start(ctx)
		c := w.applyReady(ctx, "acme-before", func(c *v1alpha1.ChildAccount) { c.Spec.AdoptionPolicy = ptr.To(v1alpha1.AdoptAlways) })
		Expect(connectionOf(ctx, c)).NotTo(HaveKey("apiKey"))
		edit(ctx, p, giveKey)
		Eventually(state(ctx, p)).Should(BeStalledAs(v1alpha1.ReasonSecretMissing))
		putKey(ctx, w, w.parent.APIKey)
		Eventually(func() map[string]string { return connectionOf(ctx, c) }).Should(HaveKeyWithValue("apiKey", w.account("acme-before").Fields["api_key"]))
		Eventually(state(ctx, c)).Should(BeAvailable())
	})
})
