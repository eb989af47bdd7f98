package controllers_test

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"cpaas.dev/child-account-operator/api/v1alpha1"
	"cpaas.dev/child-account-operator/internal/simulator"
	"cpaas.dev/child-account-operator/internal/testenv"
)

// hourly has the list read at the beginning, and then not before an hour has passed.
func hourly(p *v1alpha1.ParentAccount) { p.Spec.ResyncInterval.Duration = time.Hour }

// applyBeside creates another ParentAccount of the world's namespace, with credentials of its own.
func applyBeside(ctx context.Context, w *testenv.World, name string, credentials []byte, change ...func(*v1alpha1.ParentAccount)) *v1alpha1.ParentAccount {
	GinkgoHelper()
	secret := w.Credentials()
	secret.Name, secret.Data["credentials.json"] = name, credentials
	Expect(testenv.K8s.Create(ctx, secret)).To(Succeed())
	p := w.ParentAccount()
	p.Name, p.Spec.Voximplant.CredentialsSecretRef.Name = name, name
	for _, f := range change {
		f(p)
	}
	Expect(testenv.K8s.Create(ctx, p)).To(Succeed())
	return p
}

// under names another ParentAccount of the same namespace.
func under(p *v1alpha1.ParentAccount) func(*v1alpha1.ChildAccount) {
	return func(c *v1alpha1.ChildAccount) { c.Spec.ParentRef.Name = p.Name }
}

func observing(c *v1alpha1.ChildAccount) {
	c.Spec.ManagementPolicy = ptr.To(v1alpha1.ManagementObserve)
}

// observedLanguage is what a ChildAccount's status has of its account's language, "" for nothing.
func observedLanguage(ctx context.Context, c *v1alpha1.ChildAccount) func(Gomega) string {
	return func(g Gomega) string {
		g.Expect(testenv.K8s.Get(ctx, testenv.KeyOf(c), c)).To(Succeed())
		if c.Status.Observed == nil {
			return ""
		}
		return ptr.Deref(c.Status.Observed.LanguageCode, "")
	}
}

// keyID is the id of the key in credentials.
func keyID(credentials []byte) string {
	GinkgoHelper()
	var file struct {
		KeyID string `json:"key_id"`
	}
	Expect(json.Unmarshal(credentials, &file)).To(Succeed())
	return file.KeyID
}

// claiming is credentials that claim another account id than their own.
func claiming(credentials []byte, id int64) []byte {
	GinkgoHelper()
	file := map[string]any{}
	Expect(json.Unmarshal(credentials, &file)).To(Succeed())
	file["account_id"] = id
	out, err := json.Marshal(file)
	Expect(err).NotTo(HaveOccurred())
	return out
}

var _ = Describe("Two ParentAccounts of one account", func() {
	It("know of each other's deactivations: a resource that is deleted under one and applied under the other finds its account off", func(ctx SpecContext) {
		w := testenv.NewWorld(ctx)
		w.ApplyParent(ctx, hourly)
		other := applyBeside(ctx, w, "other", w.Sim.Credentials(w.Parent.ID), hourly)
		w.Start(ctx)
		c := w.ApplyReady(ctx, "acme-moved", testenv.Deactivating)
		id := c.Status.AccountID
		w.ApplyReady(ctx, "acme-stays", under(other))
		testenv.Remove(ctx, w, c)
		Expect(w.Account("acme-moved").Active()).To(BeFalse())

		again := w.Apply(ctx, "acme-moved", under(other))
		Eventually(testenv.StateOf(ctx, again)).Should(HaveField("Ready", "False/"+v1alpha1.ReasonDeactivatedEarlier))
		Expect(again.Status.AccountID).To(Equal(id))
		Expect(again.Status.Observed.Active).To(HaveValue(BeFalse()))

		By("declaring that it is on")
		testenv.Edit(ctx, again, func(c *v1alpha1.ChildAccount) { c.Spec.Active = ptr.To(true) })
		Eventually(testenv.StateOf(ctx, again)).Should(testenv.BeAvailable())
		Expect(w.Account("acme-moved").Active()).To(BeTrue())
	})

	It("see at once what is written through the other one", func(ctx SpecContext) {
		w := testenv.NewWorld(ctx)
		w.ApplyParent(ctx, hourly)
		other := applyBeside(ctx, w, "other", w.Sim.Credentials(w.Parent.ID), hourly)
		w.Start(ctx)
		c := w.ApplyReady(ctx, "acme-seen", func(c *v1alpha1.ChildAccount) { c.Spec.LanguageCode = ptr.To("en") })
		watcher := w.Apply(ctx, "acme-watcher", under(other), observing, testenv.WithAccountName("acme-seen"))
		Eventually(observedLanguage(ctx, watcher)).Should(Equal("en"))
		lists := w.Count("GetChildrenAccounts")
		testenv.Edit(ctx, c, func(c *v1alpha1.ChildAccount) { c.Spec.LanguageCode = ptr.To("de") })
		Eventually(observedLanguage(ctx, watcher)).Should(Equal("de"))
		Expect(w.Count("GetChildrenAccounts")).To(Equal(lists), "lists and reads")
	})

	It("read the list in turns, as often as the one wants that wants it more often", func(ctx SpecContext) {
		w := testenv.NewWorld(ctx)
		w.ApplyParent(ctx, hourly)
		account := testenv.SimulatorChild(w, "acme-turns", "acme-turns@acme.example")
		account.Fields["language_code"] = "en"
		id := w.Sim.PutAccount(account).ID
		watcher := w.Apply(ctx, "acme-turns", observing)
		w.Start(ctx)
		Eventually(observedLanguage(ctx, watcher)).Should(Equal("en"))
		other := applyBeside(ctx, w, "other", w.Sim.Credentials(w.Parent.ID)) // each second
		Eventually(testenv.StateOf(ctx, other)).Should(testenv.BeAvailable())
		for _, language := range []string{"de", "fr", "it"} {
			Expect(w.Sim.SetField(id, "language_code", language)).To(Succeed())
			Eventually(observedLanguage(ctx, watcher)).Should(Equal(language))
		}
	})

	It("recover API keys each with its own API key alone", func(ctx SpecContext) {
		w := testenv.NewWorld(ctx)
		Expect(testenv.K8s.Create(ctx, &corev1.Secret{
			ObjectMeta: w.Credentials().ObjectMeta, Data: map[string][]byte{"credentials.json": w.Sim.Credentials(w.Parent.ID), "api-key": []byte(w.Parent.APIKey)},
		})).To(Succeed())
		p := w.ParentAccount()
		p.Spec.Voximplant.APIKeySecretRef = &v1alpha1.SecretKeyReference{Name: "voximplant"}
		hourly(p)
		Expect(testenv.K8s.Create(ctx, p)).To(Succeed())
		other := applyBeside(ctx, w, "other", w.Sim.Credentials(w.Parent.ID), hourly)
		for _, name := range []string{"acme-with", "acme-without"} {
			w.Sim.PutAccount(testenv.SimulatorChild(w, name, name+"@acme.example"))
		}
		w.Start(ctx)
		adopting := func(c *v1alpha1.ChildAccount) { c.Spec.AdoptionPolicy = ptr.To(v1alpha1.AdoptAlways) }
		with := w.ApplyReady(ctx, "acme-with", adopting)
		Expect(testenv.ConnectionOf(ctx, with)).To(HaveKeyWithValue("apiKey", w.Account("acme-with").Fields["api_key"]))
		w.Sim.ResetCalls()
		without := w.ApplyReady(ctx, "acme-without", adopting, under(other))
		Expect(without.Status.Conditions).To(ContainElement(And(HaveField("Type", v1alpha1.ConditionConnectionSecretReady), HaveField("Reason", v1alpha1.ReasonPartialAdopted))))
		Expect(testenv.ConnectionOf(ctx, without)).NotTo(HaveKey("apiKey"))
		for _, call := range w.Sim.Calls() {
			Expect(call.Params).NotTo(HaveKey("api_key"), call.Method)
		}
	})

	It("keep what is known for as long as one of them is there, and share nothing with one that comes back before it has read the list", func(ctx SpecContext) {
		w := testenv.NewWorld(ctx)
		w.ApplyParent(ctx, hourly)
		other := applyBeside(ctx, w, "other", w.Sim.Credentials(w.Parent.ID), hourly)
		w.Start(ctx)
		c := w.ApplyReady(ctx, "acme-kept", under(other))
		Expect(testenv.K8s.Delete(ctx, w.ParentAccount())).To(Succeed())
		testenv.ExpectGone(ctx, w.ParentAccount())
		lists := w.Count("GetChildrenAccounts")
		testenv.Edit(ctx, c, func(c *v1alpha1.ChildAccount) { c.Spec.LanguageCode = ptr.To("de") })
		Eventually(testenv.StateOf(ctx, c)).Should(testenv.BeAvailable())
		Expect(w.Account("acme-kept").Fields).To(HaveKeyWithValue("language_code", "de"))
		Expect(w.Count("GetChildrenAccounts")).To(Equal(lists))
		back := w.ParentAccount()
		hourly(back)
		Expect(testenv.K8s.Create(ctx, back)).To(Succeed())
		Eventually(testenv.StateOf(ctx, back)).Should(testenv.BeAvailable())
		Expect(w.Count("GetChildrenAccounts")).To(Equal(lists + 1))
	})
})

var _ = Describe("A tenant whose ParentAccount names somebody else's account", func() {
	// hostile is a tenant in a namespace of its own, who observes the account that somebody else's ParentAccount manages.
	hostile := func(ctx context.Context, w *testenv.World, credentials []byte) (*testenv.World, *v1alpha1.ParentAccount, *v1alpha1.ChildAccount) {
		n := w.Neighbour(ctx)
		p := applyBeside(ctx, n, "acme", credentials)
		return n, p, n.Apply(ctx, "acme-target", observing)
	}
	start := func(ctx context.Context) (*testenv.World, *v1alpha1.ChildAccount) {
		w := testenv.StartWorld(ctx)
		return w, w.ApplyReady(ctx, "acme-target", func(c *v1alpha1.ChildAccount) { c.Spec.LanguageCode = ptr.To("en") })
	}
	// expectNothing expects that nothing of the account comes to the tenant, although others read and write it.
	expectNothing := func(ctx context.Context, w *testenv.World, c, target *v1alpha1.ChildAccount, p *v1alpha1.ParentAccount) {
		GinkgoHelper()
		for _, language := range []string{"de", "fr"} {
			testenv.Edit(ctx, target, func(c *v1alpha1.ChildAccount) { c.Spec.LanguageCode = ptr.To(language) })
			Eventually(testenv.StateOf(ctx, target)).Should(testenv.BeAvailable())
			w.AwaitLists(2)
			Expect(observedLanguage(ctx, c)(Default)).NotTo(Equal(language))
		}
		Expect(testenv.K8s.Get(ctx, testenv.KeyOf(p), p)).To(Succeed())
		Expect(fmt.Sprint(p.Status, c.Status)).NotTo(ContainSubstring("acme-target@acme.example"))
	}

	It("sees nothing with credentials that may not read the list", func(ctx SpecContext) {
		w, target := start(ctx)
		_, p, c := hostile(ctx, w, w.Sim.Credentials(w.Parent.ID, simulator.RoleAccountant))
		Eventually(testenv.StateOf(ctx, p)).Should(testenv.BeStalledAs(v1alpha1.ReasonRoleMissing))
		expectNothing(ctx, w, c, target, p)
		Expect(c.Status.AccountID).To(BeEmpty())
		Expect(c.Status.Observed).To(BeNil())
		Expect(p.Status.ChildAccounts).To(BeNil())
	})

	It("sees nothing with credentials that the provider does not know", func(ctx SpecContext) {
		w, target := start(ctx)
		revoked := w.Sim.Credentials(w.Parent.ID)
		Expect(w.Sim.RevokeKey(keyID(revoked))).To(BeTrue())
		_, p, c := hostile(ctx, w, revoked)
		Eventually(testenv.StateOf(ctx, p)).Should(testenv.BeStalledAs(v1alpha1.ReasonUnauthorized))
		expectNothing(ctx, w, c, target, p)
		Expect(c.Status.AccountID).To(BeEmpty())
		Expect(p.Status.ChildAccounts).To(BeNil())
	})

	It("sees nothing with the credentials of another account, whatever id they claim", func(ctx SpecContext) {
		w, target := start(ctx)
		own := w.Sim.AddParent(simulator.Parent{Name: "tenant", Email: "tenant@else.example"})
		_, p, c := hostile(ctx, w, claiming(w.Sim.Credentials(own.ID), w.Parent.ID))
		Eventually(testenv.StateOf(ctx, p)).Should(HaveField("Ready", HavePrefix("False/")))
		expectNothing(ctx, w, c, target, p)
		Expect(c.Status.AccountID).To(BeEmpty())
		Expect(p.Status.AccountID).To(BeEmpty())

		By("its own, without a lie")
		secret := &corev1.Secret{}
		Expect(testenv.K8s.Get(ctx, client.ObjectKey{Namespace: p.Namespace, Name: "acme"}, secret)).To(Succeed())
		secret.Data["credentials.json"] = w.Sim.Credentials(own.ID)
		Expect(testenv.K8s.Update(ctx, secret)).To(Succeed())
		Eventually(testenv.StateOf(ctx, p)).Should(testenv.BeAvailable())
		expectNothing(ctx, w, c, target, p)
		Expect(p.Status.ChildAccounts.Total).To(BeZero())
	})

	It("sees no more once its credentials are revoked, though others go on reading and writing", func(ctx SpecContext) {
		w, target := start(ctx)
		credentials := w.Sim.Credentials(w.Parent.ID)
		_, p, c := hostile(ctx, w, credentials)
		Eventually(observedLanguage(ctx, c)).Should(Equal("en"))
		Expect(w.Sim.RevokeKey(keyID(credentials))).To(BeTrue())
		Eventually(testenv.StateOf(ctx, p)).Should(testenv.BeStalledAs(v1alpha1.ReasonUnauthorized))
		Eventually(testenv.StateOf(ctx, c)).Should(testenv.BeStalledAs(v1alpha1.ReasonParentNotReady))
		expectNothing(ctx, w, c, target, p)
		Expect(observedLanguage(ctx, c)(Default)).To(Equal("en"), "what it saw before")
	})
})
