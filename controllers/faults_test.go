package controllers_test

import (
	"net/http"
	"os"
	"time"

	"github.com/fluxcd/cli-utils/pkg/kstatus/status"
	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"github.com/onsi/gomega/types"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"cpaas.dev/child-account-operator/api/v1alpha1"
	"cpaas.dev/child-account-operator/internal/simulator"
)

// lookedBefore says whether a GetChildrenAccounts was answered between any two AddAccounts for one name.
func lookedBefore(calls []simulator.Call) bool {
	looked := map[string]bool{}
	for _, c := range calls {
		name := c.Params["account_name"]
		switch {
		case c.Method == "GetChildrenAccounts" && c.Outcome == "ok" && c.Delivered:
			for n := range looked {
				looked[n] = true
			}
		case c.Method == "AddAccount":
			if before, known := looked[name]; known && !before {
				return false
			}
			looked[name] = false
		}
	}
	return true
}

var _ = Describe("A fault of the provider", func() {
	DescribeTable("at creation: exactly one account, found again or made later",
		func(ctx SpecContext, fault simulator.Fault) {
			w := startWorld(ctx)
			fault.Method, fault.Times = "AddAccount", 1
			w.sim.AddFault(fault)
			c := w.applyReady(ctx, "acme-fault")
			Expect(w.sim.Accounts(w.parent.ID)).To(HaveLen(1))
			Expect(lookedBefore(w.sim.Calls())).To(BeTrue(), "an AddAccount after an unknown outcome without a read in between")
			Expect(c.Status.Origin).To(Equal(v1alpha1.OriginCreated))
			data := connectionOf(ctx, c)
			account := w.account("acme-fault")
			Expect(w.sim.CheckPassword(account.ID, data["password"])).To(BeTrue())
			Expect(data).To(HaveKeyWithValue("apiKey", account.Fields["api_key"]), "the API key was lost and not recovered")
		},
		Entry("the answer is lost after the change", simulator.Fault{Kind: simulator.FaultLoseAnswer}),
		Entry("the answer is cut off", simulator.Fault{Kind: simulator.FaultTruncate}),
		Entry("reset before the change", simulator.Fault{Kind: simulator.FaultReset}),
		Entry("502 after the change", simulator.Fault{Kind: simulator.FaultHTTP, Status: 502, AfterChange: true}),
		Entry("503 before the change", simulator.Fault{Kind: simulator.FaultHTTP, Status: 503}),
		Entry("a page of HTML with 200", simulator.Fault{Kind: simulator.FaultHTTP, Status: 200, Body: "<html>maintenance</html>"}),
		Entry("429 with Retry-After", simulator.Fault{Kind: simulator.FaultHTTP, Status: 429, Header: map[string]string{"Retry-After": "1"}}),
		Entry("an internal error", simulator.Fault{Kind: simulator.FaultError, Code: 2}),
		Entry("an internal error after the change", simulator.Fault{Kind: simulator.FaultError, Code: 1, AfterChange: true}),
		Entry("reset after the change", simulator.Fault{Kind: simulator.FaultReset, AfterChange: true}),
		Entry("creation has already started", simulator.Fault{Kind: simulator.FaultError, Code: 514, AfterChange: true}),
		Entry("creation has already started, and comes to nothing", simulator.Fault{Kind: simulator.FaultError, Code: 514}),
		Entry("the same operation has been performed recently", simulator.Fault{Kind: simulator.FaultError, Code: 515, AfterChange: true}),
		Entry("the same was asked for before", simulator.Fault{Kind: simulator.FaultError, Code: 484, AfterChange: true}),
		Entry("the same was asked for before, and comes to nothing", simulator.Fault{Kind: simulator.FaultError, Code: 484}),
		Entry("rate limit", simulator.Fault{Kind: simulator.FaultError, Code: 340}),
		Entry("Repeat after 1 seconds", simulator.Fault{Kind: simulator.FaultError, Code: 416, Message: "Repeat after 1 seconds"}),
		Entry("a list of errors", simulator.Fault{Kind: simulator.FaultError, Code: 340, List: true}),
		Entry("a redirect", simulator.Fault{Kind: simulator.FaultRedirect, URL: "http://127.0.0.1:1/"}),
		Entry("a slow answer", simulator.Fault{Kind: simulator.FaultSlow, Delay: 300 * time.Millisecond}),
	)

	It("at creation, and at the looks after it: not created again before one is answered", func(ctx SpecContext) {
		w := newWorld(ctx)
		w.applyParent(ctx, func(p *v1alpha1.ParentAccount) { p.Spec.ResyncInterval = nil }) // five minutes
		w.start(ctx)
		Eventually(state(ctx, w.parentAccount())).Should(BeAvailable())
		w.sim.AddFault(simulator.Fault{Kind: simulator.FaultLoseAnswer, Method: "AddAccount", Times: 1})
		w.sim.AddFault(simulator.Fault{Kind: simulator.FaultLoseAnswer, Method: "GetChildrenAccounts", Match: map[string]string{"child_account_name": "acme-fault"}, Times: 2})
		w.applyReady(ctx, "acme-fault")
		Expect(w.count("AddAccount")).To(Equal(1))
	})

	It("at creation, an answer that does not come in time: found again", func(ctx SpecContext) {
		if os.Getenv("TEST_ALL") == "" {
			Skip("make test-all runs it: a call waits 30 seconds for its answer")
		}
		w := startWorld(ctx)
		w.sim.AddFault(simulator.Fault{Kind: simulator.FaultSlow, Method: "AddAccount", Delay: time.Minute})
		c := w.apply(ctx, "acme-late")
		Eventually(state(ctx, c)).WithTimeout(time.Minute).Should(BeAvailable())
		Expect(w.count("AddAccount")).To(Equal(1))
		Expect(connectionOf(ctx, c)).To(HaveKeyWithValue("apiKey", w.account("acme-late").Fields["api_key"]))
	})

	DescribeTable("the API key of a lost answer is found: by the parent's own first, by the account's password where that shows none",
		func(ctx SpecContext, wrong func(*world), by ...simulator.AuthKind) {
			w := newWorld(ctx)
			key := w.password("voximplant-key", w.parent.APIKey)
			Expect(k8s.Create(ctx, key)).To(Succeed())
			w.applyParent(ctx, func(p *v1alpha1.ParentAccount) {
				p.Spec.Voximplant.APIKeySecretRef = &v1alpha1.SecretKeyReference{Name: key.Name, Key: ptr.To("password")}
			})
			w.sim.AddFault(simulator.Fault{Kind: simulator.FaultLoseAnswer, Method: "AddAccount", Times: 1})
			wrong(w)
			w.start(ctx)
			c := w.applyReady(ctx, "acme-key")
			Expect(connectionOf(ctx, c)).To(HaveKeyWithValue("apiKey", w.account("acme-key").Fields["api_key"]))
			var asked []simulator.AuthKind
			for _, call := range w.sim.Calls() {
				if call.Params["api_key"] != "" || call.Method == "GetAccountInfo" && call.Params["account_password"] != "" {
					asked = append(asked, call.Auth)
				}
			}
			Expect(asked).To(Equal(append([]simulator.AuthKind{simulator.AuthPassword}, by...)), "once to see that it is the account's password")
		},
		Entry("shown", func(*world) {}, simulator.AuthAPIKey),
		Entry("not shown", func(w *world) { w.sim.Update(func(s *simulator.Settings) { s.HideChildAPIKeys = true }) }, simulator.AuthAPIKey, simulator.AuthPassword),
		Entry("no answer at first", func(w *world) {
			w.sim.AddFault(simulator.Fault{Kind: simulator.FaultLoseAnswer, Method: "GetChildrenAccounts", Match: map[string]string{"api_key": w.parent.APIKey}, Times: 1})
		}, simulator.AuthAPIKey, simulator.AuthAPIKey),
	)

	DescribeTable("at an update: the declared value in the end",
		func(ctx SpecContext, fault simulator.Fault) {
			w := startWorld(ctx)
			c := w.applyReady(ctx, "acme-fault")
			fault.Method = "SetChildAccountInfo"
			if fault.Times == 0 {
				fault.Times = 2
			}
			w.sim.AddFault(fault)
			edit(ctx, c, func(c *v1alpha1.ChildAccount) { c.Spec.Email = "new@acme.example" })
			Eventually(func() any { return w.account("acme-fault").Fields["account_email"] }).Should(Equal("new@acme.example"))
			Eventually(state(ctx, c)).Should(BeAvailable())
		},
		Entry("the answer is lost after the change", simulator.Fault{Kind: simulator.FaultLoseAnswer}),
		Entry("reset before the change", simulator.Fault{Kind: simulator.FaultReset}),
		Entry("500", simulator.Fault{Kind: simulator.FaultHTTP, Status: 500}),
		Entry("the token is refused once", simulator.Fault{Kind: simulator.FaultError, Code: 456, Times: 1}),
		Entry("the token is too new once", simulator.Fault{Kind: simulator.FaultError, Code: 455, Times: 1}),
		Entry("rate limit", simulator.Fault{Kind: simulator.FaultError, Code: 340}),
		Entry("the same operation has been performed recently", simulator.Fault{Kind: simulator.FaultError, Code: 515, AfterChange: true}),
		Entry("the same was asked for before, and comes to nothing", simulator.Fault{Kind: simulator.FaultError, Code: 484}),
	)

	DescribeTable("the conditions meanwhile: Ready as before, and it goes on by itself",
		func(ctx SpecContext, fault simulator.Fault, reason string) {
			w := startWorld(ctx)
			c := w.applyReady(ctx, "acme-wait")
			fault.Method = "SetChildAccountInfo"
			w.sim.AddFault(fault)
			edit(ctx, c, func(c *v1alpha1.ChildAccount) { c.Spec.Email = "new@acme.example" })
			Eventually(state(ctx, c)).Should(BeTryingAs(reason, "True/Available"))
			ready := meta.FindStatusCondition(c.Status.Conditions, v1alpha1.ConditionReady)
			Expect(ready.ObservedGeneration).To(BeNumerically("<", c.Generation), "as before, it speaks of the spec before: kubectl wait must not take it for the new one")
			w.sim.ClearFaults()
			Eventually(state(ctx, c)).Should(BeAvailable())
		},
		Entry("rate limit", simulator.Fault{Kind: simulator.FaultError, Code: 340}, v1alpha1.ReasonRateLimited),
		Entry("try later", simulator.Fault{Kind: simulator.FaultError, Code: 162}, v1alpha1.ReasonRateLimited),
		Entry("unavailable", simulator.Fault{Kind: simulator.FaultHTTP, Status: http.StatusServiceUnavailable}, v1alpha1.ReasonAPIUnavailable),
		Entry("HTML", simulator.Fault{Kind: simulator.FaultHTTP, Status: 200, Body: "<html>"}, v1alpha1.ReasonAPIUnavailable),
	)

	It("RoleMissing: the key may list but not create", func(ctx SpecContext) {
		w := startWorld(ctx)
		Eventually(func() int { return w.count("GetChildrenAccounts") }).Should(BeNumerically(">", 0))
		w.sim.AddFault(simulator.Fault{Kind: simulator.FaultError, Method: "SetChildAccountInfo", Code: 100})
		c := w.apply(ctx, "acme-role", func(c *v1alpha1.ChildAccount) {
			c.Spec.Payments = &v1alpha1.Payments{Invoice: ptr.To(true)}
		})
		Eventually(state(ctx, c)).Should(BeStalledAs(v1alpha1.ReasonRoleMissing))
		Expect(c.Status.AccountID).NotTo(BeEmpty())
	})

	It("ValueNotKept: a value that comes back different twice is left alone", func(ctx SpecContext) {
		w := startWorld(ctx)
		c := w.applyReady(ctx, "acme-norm")
		w.sim.AddFault(simulator.Fault{Kind: simulator.FaultStore, Method: "SetChildAccountInfo", Param: "location", Store: "Etc/GMT+3"})
		edit(ctx, c, func(c *v1alpha1.ChildAccount) { c.Spec.Location = ptr.To("Europe/Berlin") })
		Eventually(state(ctx, c)).Should(Satisfy(func(s summary) bool {
			return s.ready == "True/ValueNotKept" && s.second == "False/ValueNotKept" && s.flags == "" && s.observed && s.kstatus == status.CurrentStatus
		}))
		Expect(state(ctx, c)(Default).message).To(ContainSubstring("spec.location"))
		writes := w.count("SetChildAccountInfo")
		w.awaitLists(2)
		Expect(w.count("SetChildAccountInfo")).To(Equal(writes))
		Expect(writes).To(Equal(2))

		By("until somebody changes it at the provider")
		w.sim.ClearFaults()
		Expect(w.sim.SetField(w.account("acme-norm").ID, "location", "Asia/Tokyo")).To(Succeed())
		Eventually(state(ctx, c)).Should(BeAvailable())
		Expect(w.account("acme-norm").Fields).To(HaveKeyWithValue("location", "Europe/Berlin"))
	})

	It("twins of language codes and aliases of time zones cause no write", func(ctx SpecContext) {
		w := startWorld(ctx)
		w.sim.Update(func(s *simulator.Settings) { s.TwinLanguages = true })
		c := w.applyReady(ctx, "acme-twin", func(c *v1alpha1.ChildAccount) {
			c.Spec.LanguageCode, c.Spec.Location = ptr.To("he"), ptr.To("Europe/Kyiv")
		})
		Expect(w.account("acme-twin").Fields).To(HaveKeyWithValue("language_code", "iw"))
		Expect(w.sim.SetField(w.account("acme-twin").ID, "location", "Europe/Kiev")).To(Succeed())
		w.awaitLists(2)
		Expect(w.count("SetChildAccountInfo")).To(BeZero())
		Eventually(state(ctx, c)).Should(BeAvailable())
	})

	DescribeTable("each rung of the list ladder",
		func(ctx SpecContext, refuse func(*simulator.Settings)) {
			w := newWorld(ctx)
			w.sim.PutAccount(simulatorChild(w, "acme-there", "there@acme.example"))
			w.sim.Update(refuse)
			w.applyParent(ctx)
			w.start(ctx)
			c := w.applyReady(ctx, "acme-rung")
			there := w.apply(ctx, "acme-there")
			Eventually(state(ctx, there)).Should(BeStalledAs(v1alpha1.ReasonAdoptionRefused))
			Expect(w.sim.SetField(w.account("acme-rung").ID, "account_email", "drift@else.example")).To(Succeed())
			Eventually(func() any { return w.account("acme-rung").Fields["account_email"] }).Should(Equal("acme-rung@acme.example"))
			w.sim.Remove(w.account("acme-rung").ID)
			Eventually(state(ctx, c)).Should(BeStalledAs(v1alpha1.ReasonAccountMissing))
			Expect(w.count("AddAccount")).To(Equal(1))
		},
		Entry("child_account_id=all", func(*simulator.Settings) {}),
		Entry("no filter", func(s *simulator.Settings) { s.RefuseAll = true }),
		Entry("known ids and exact names", func(s *simulator.Settings) { s.RefuseAll, s.RefuseUnfiltered = true, true }),
	)

	DescribeTable("a list that contradicts itself concludes nothing",
		func(ctx SpecContext, kind simulator.FaultKind) {
			w := newWorld(ctx)
			for _, name := range manyNames(1100) {
				w.sim.PutAccount(simulatorChild(w, name, name+"@bulk.example"))
			}
			w.applyParent(ctx)
			w.start(ctx)
			c := w.applyReady(ctx, "acme-list")
			p := w.parentAccount()
			w.sim.AddFault(simulator.Fault{Kind: kind, Method: "GetChildrenAccounts"})
			Eventually(state(ctx, p)).Should(BeTryingAs(v1alpha1.ReasonAPIUnavailable, "True/Available"))
			Expect(state(ctx, c)(Default)).To(BeAvailable())
			w.sim.ClearFaults()
			Eventually(state(ctx, p)).Should(BeAvailable())
		},
		Entry("the total changes between pages", simulator.FaultTotal),
		Entry("a row comes twice", simulator.FaultRepeatRow),
	)
})

var _ = Describe("A restart", func() {
	It("after a lost answer finds the account by name and claim", func(ctx SpecContext) {
		w := startWorld(ctx)
		w.sim.AddFault(simulator.Fault{Kind: simulator.FaultLoseAnswer, Method: "AddAccount", Times: 1})
		w.sim.AddFault(simulator.Fault{Kind: simulator.FaultDown, Method: "GetChildrenAccounts"})
		c := w.apply(ctx, "acme-crash")
		// The first list was refused, so nothing is created until it works.
		w.sim.ClearFaults()
		w.sim.AddFault(simulator.Fault{Kind: simulator.FaultLoseAnswer, Method: "AddAccount", Times: 1})
		Eventually(func() int { return w.count("AddAccount") }).Should(Equal(1))
		w.stop()
		w.start(ctx)
		Eventually(state(ctx, c)).Should(BeAvailable())
		Expect(w.count("AddAccount")).To(Equal(1))
		Expect(connectionOf(ctx, c)).To(HaveKeyWithValue("apiKey", w.account("acme-crash").Fields["api_key"]))
	})

	It("with nothing changed costs one look at the parent, the list, and no write", func(ctx SpecContext) {
		w := startWorld(ctx)
		c := w.applyReady(ctx, "acme-calm", func(c *v1alpha1.ChildAccount) { c.Spec.CanUseRestricted = ptr.To(true) })
		w.awaitLists(2)
		w.stop()
		Expect(k8s.Get(ctx, clientKey(c), c)).To(Succeed())
		version := c.ResourceVersion
		w.sim.ResetCalls()
		w.start(ctx)
		w.awaitLists(2)
		Expect(w.count("GetAccountInfo")).To(Equal(1))
		Expect(w.count("AddAccount") + w.count("SetChildAccountInfo")).To(BeZero())
		Expect(k8s.Get(ctx, clientKey(c), c)).To(Succeed())
		Expect(c.ResourceVersion).To(Equal(version))
	})

	It("of the whole cluster, from Git and with the same installation id, finds its accounts without a write", func(ctx SpecContext) {
		w := newWorld(ctx)
		w.options.InstallationID = "prod-eu"
		w.applyParent(ctx)
		w.start(ctx)
		c := w.applyReady(ctx, "acme-again")
		id := c.Status.AccountID
		w.stop()

		By("the resource and its Secret are new, without a status")
		Expect(k8s.Patch(ctx, c, client.RawPatch("application/merge-patch+json", []byte(`{"metadata":{"finalizers":null}}`)))).To(Succeed())
		Expect(k8s.Delete(ctx, c)).To(Succeed())
		Expect(k8s.Delete(ctx, &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: w.ns, Name: c.ConnectionSecretName()}})).To(Succeed())
		w.start(ctx)
		c = w.applyReady(ctx, "acme-again")
		Expect(c.Status.AccountID).To(Equal(id))
		Expect(c.Status.Origin).To(Equal(v1alpha1.OriginAdopted))
		Expect(w.count("AddAccount")).To(Equal(1))
		Expect(w.count("SetChildAccountInfo")).To(BeZero())
		Expect(c.Status.Conditions).To(ContainElement(And(
			HaveField("Type", v1alpha1.ConditionConnectionSecretReady), HaveField("Status", metav1.ConditionFalse), HaveField("Reason", v1alpha1.ReasonPartialAdopted))))
		Expect(connectionOf(ctx, c)).NotTo(HaveKey("password"))
	})
})

var _ = Describe("The connection Secret", func() {
	It("APIKeyMissing: says how to go on when the key is lost for good, and heals", func(ctx SpecContext) {
		w := startWorld(ctx)
		Eventually(state(ctx, w.parentAccount())).Should(BeAvailable())
		w.sim.AddFault(simulator.Fault{Kind: simulator.FaultLoseAnswer, Method: "AddAccount", Times: 1})
		lost := w.sim.AddFault(simulator.Fault{Kind: simulator.FaultError, Method: "GetAccountInfo", Code: 100})
		c := w.apply(ctx, "acme-key")
		Eventually(state(ctx, c)).Should(BeStalledWithSynced(v1alpha1.ReasonAPIKeyMissing))
		Expect(state(ctx, c)(Default).json).To(ContainSubstring("put it into key apiKey of Secret acme-key-connection"))
		w.sim.RemoveFault(lost)

		By("the user puts it there")
		var secret corev1.Secret
		Expect(k8s.Get(ctx, client.ObjectKey{Namespace: w.ns, Name: "acme-key-connection"}, &secret)).To(Succeed())
		secret.Data["apiKey"] = []byte("by-hand")
		Expect(k8s.Update(ctx, &secret)).To(Succeed())
		edit(ctx, c, func(c *v1alpha1.ChildAccount) { c.Spec.LanguageCode = ptr.To("de") })
		Eventually(state(ctx, c)).Should(BeAvailable())
		Expect(connectionOf(ctx, c)).To(HaveKeyWithValue("apiKey", "by-hand"))
	})

	It("is restored when it is deleted by hand, and its status says what is lost", func(ctx SpecContext) {
		w := startWorld(ctx)
		c := w.applyReady(ctx, "acme-lost")
		Expect(k8s.Delete(ctx, &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: w.ns, Name: c.ConnectionSecretName()}})).To(Succeed())
		Eventually(state(ctx, c)).Should(BeStalledWithSynced(v1alpha1.ReasonAPIKeyMissing))
		Expect(connectionOf(ctx, c)).To(HaveKeyWithValue("accountID", c.Status.AccountID))

		By("putting the key there by hand is noticed")
		var secret corev1.Secret
		Expect(k8s.Get(ctx, client.ObjectKey{Namespace: w.ns, Name: c.ConnectionSecretName()}, &secret)).To(Succeed())
		secret.Data["apiKey"] = []byte("by-hand")
		Expect(k8s.Update(ctx, &secret, client.FieldOwner("kubectl-edit"))).To(Succeed())
		Eventually(state(ctx, c)).Should(BeAvailable())
	})

	It("is looked at after a restart where somebody deleted or edited it meanwhile", func(ctx SpecContext) {
		w := startWorld(ctx)
		w.applyPassword(ctx, "mine", firstPassword) // by which the API key is found
		deleted, edited := w.applyReady(ctx, "acme-deleted", withPassword("mine")), w.applyReady(ctx, "acme-edited")
		was := map[*v1alpha1.ChildAccount]map[string]string{deleted: connectionOf(ctx, deleted), edited: connectionOf(ctx, edited)}
		w.stop()
		Expect(k8s.Delete(ctx, &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: w.ns, Name: deleted.ConnectionSecretName()}})).To(Succeed())
		edit(ctx, &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: w.ns, Name: edited.ConnectionSecretName()}}, func(s *corev1.Secret) {
			s.Data["email"] = []byte("wrong@else.example")
		})
		w.start(ctx)
		for c, data := range was {
			Eventually(func(g Gomega) {
				var secret corev1.Secret
				g.Expect(k8s.Get(ctx, client.ObjectKey{Namespace: w.ns, Name: c.ConnectionSecretName()}, &secret)).To(Succeed())
				g.Expect(connectionOf(ctx, c)).To(Equal(data))
			}).Should(Succeed())
		}
	})

	It("gets a lost API key back by the parent's own API key", func(ctx SpecContext) {
		w := newWorld(ctx)
		w.sim.Update(func(s *simulator.Settings) { s.RequireParentCredentials = true })
		Expect(k8s.Create(ctx, &corev1.Secret{
			ObjectMeta: metav1.ObjectMeta{Namespace: w.ns, Name: "voximplant-key", Labels: map[string]string{v1alpha1.LabelInput: "true"}},
			Data:       map[string][]byte{"api-key": []byte(w.parent.APIKey + "\n")},
		})).To(Succeed())
		w.applyParent(ctx, func(p *v1alpha1.ParentAccount) {
			p.Spec.Voximplant.APIKeySecretRef = &v1alpha1.SecretKeyReference{Name: "voximplant-key"}
		})
		w.start(ctx)
		c := w.applyReady(ctx, "acme-found")
		lose := func() {
			Expect(k8s.Delete(ctx, &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: w.ns, Name: c.ConnectionSecretName()}})).To(Succeed())
		}
		foundAgain := func(g Gomega) {
			var secret corev1.Secret
			g.Expect(k8s.Get(ctx, client.ObjectKey{Namespace: w.ns, Name: c.ConnectionSecretName()}, &secret)).To(Succeed())
			g.Expect(string(secret.Data["apiKey"])).To(Equal(w.account("acme-found").Fields["api_key"]))
		}
		lose()
		Eventually(foundAgain).Should(Succeed())
		Eventually(state(ctx, c)).Should(BeAvailable())

		By("an outage in between or not")
		w.sim.AddFault(simulator.Fault{Kind: simulator.FaultHTTP, Status: 503, Match: map[string]string{"api_key": w.parent.APIKey}, Times: 2})
		lose()
		Eventually(state(ctx, c)).Should(BeTryingAs(v1alpha1.ReasonAPIUnavailable, "True/Available"))
		Eventually(foundAgain).Should(Succeed())
		Eventually(state(ctx, c)).Should(BeAvailable())
		Expect(meta.IsStatusConditionTrue(c.Status.Conditions, v1alpha1.ConditionConnectionSecretReady)).To(BeTrue())
		Expect(logs.String()).NotTo(ContainSubstring(w.parent.APIKey))
	})

	It("is repaired when what is the operator's is edited by hand", func(ctx SpecContext) {
		w := startWorld(ctx)
		c := w.applyReady(ctx, "acme-hand")
		var secret corev1.Secret
		Expect(k8s.Get(ctx, client.ObjectKey{Namespace: w.ns, Name: c.ConnectionSecretName()}, &secret)).To(Succeed())
		secret.Data["email"] = []byte("wrong@else.example")
		Expect(k8s.Update(ctx, &secret, client.FieldOwner("kubectl-edit"))).To(Succeed())
		Eventually(func() string { return connectionOf(ctx, c)["email"] }).Should(Equal("acme-hand@acme.example"))
	})

	It("that lost its annotations is not called somebody else's to be removed", func(ctx SpecContext) {
		w := startWorld(ctx)
		c := w.applyReady(ctx, "acme-anno")
		password := connectionOf(ctx, c)["password"]
		var secret corev1.Secret
		Expect(k8s.Get(ctx, client.ObjectKey{Namespace: w.ns, Name: c.ConnectionSecretName()}, &secret)).To(Succeed())
		secret.Annotations = nil
		Expect(k8s.Update(ctx, &secret, client.FieldOwner("kubectl-edit"))).To(Succeed())
		edit(ctx, c, func(c *v1alpha1.ChildAccount) { c.Spec.LanguageCode = ptr.To("de") })
		Eventually(state(ctx, c)).Should(BeStalledAs(v1alpha1.ReasonSecretInvalid))
		Expect(state(ctx, c)(Default).message).To(And(Not(ContainSubstring("remove")),
			ContainSubstring("kubectl annotate secret -n "+w.ns+" acme-anno-connection --overwrite accounts.cpaas.dev/resource=ChildAccount/acme-anno accounts.cpaas.dev/account="+c.Status.ParentAccountID+"/acme-anno")))
		Expect(connectionOf(ctx, c)).To(HaveKeyWithValue("password", password))
	})

	It("gets a new name with everything in it", func(ctx SpecContext) {
		w := startWorld(ctx)
		c := w.applyReady(ctx, "acme-name")
		before := connectionOf(ctx, c)
		edit(ctx, c, func(c *v1alpha1.ChildAccount) {
			c.Spec.ConnectionSecret = &v1alpha1.ConnectionSecret{Name: ptr.To("login")}
		})
		Eventually(func() error {
			return k8s.Get(ctx, client.ObjectKey{Namespace: w.ns, Name: "login"}, &corev1.Secret{})
		}).Should(Succeed())
		Eventually(state(ctx, c)).Should(BeAvailable())
		Expect(connectionOf(ctx, c)).To(Equal(before))
	})

	It("goes with a resource whose account was never made, and not otherwise", func(ctx SpecContext) {
		w := startWorld(ctx)
		w.sim.AddFault(simulator.Fault{Kind: simulator.FaultError, Method: "AddAccount", Code: 127})
		c := w.apply(ctx, "acme-never")
		Eventually(state(ctx, c)).Should(BeStalledAs(v1alpha1.ReasonBalanceTooLow))
		Expect(connectionOf(ctx, c)).To(HaveKey("password"))
		Expect(k8s.Delete(ctx, c)).To(Succeed())
		Eventually(func() error {
			return k8s.Get(ctx, client.ObjectKey{Namespace: w.ns, Name: c.ConnectionSecretName()}, &corev1.Secret{})
		}).Should(beNotFound())
		Eventually(func() error { return k8s.Get(ctx, clientKey(c), c) }).Should(beNotFound())
	})
})

var _ = Describe("Secrets", func() {
	It("show nowhere but in Secrets", func(ctx SpecContext) {
		w := startWorld(ctx)
		w.sim.AddFault(simulator.Fault{Kind: simulator.FaultTruncate, Method: "AddAccount", Times: 1})
		c := w.applyReady(ctx, "acme-quiet")
		w.sim.AddFault(simulator.Fault{Kind: simulator.FaultHTTP, Method: "SetChildAccountInfo", Status: 500, Times: 1})
		edit(ctx, c, func(c *v1alpha1.ChildAccount) { c.Spec.Email = "new@acme.example" })
		Eventually(state(ctx, c)).Should(BeAvailable())
		data := connectionOf(ctx, c)
		canaries := []string{data["password"], data["apiKey"], "PRIVATE KEY"}
		p := w.parentAccount()
		places := logs.String() + state(ctx, c)(Default).String() + state(ctx, p)(Default).String()
		for _, e := range eventsOf(ctx, c)(Default) {
			places += e
		}
		for _, canary := range canaries {
			Expect(canary).NotTo(BeEmpty())
			Expect(places).NotTo(ContainSubstring(canary))
		}
	})
})

func beNotFound() types.GomegaMatcher {
	return Satisfy(apierrors.IsNotFound)
}

func manyNames(n int) []string {
	out := make([]string, n)
	for i := range out {
		out[i] = "bulk-" + string(rune('a'+i/26/26%26)) + string(rune('a'+i/26%26)) + string(rune('a'+i%26))
	}
	return out
}
