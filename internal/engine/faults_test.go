package engine_test

import (
	"net/http"
	"os"
	"time"

	"github.com/fluxcd/cli-utils/pkg/kstatus/status"
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
			w := testenv.StartWorld(ctx)
			fault.Method, fault.Times = "AddAccount", 1
			w.Sim.AddFault(fault)
			c := w.ApplyReady(ctx, "acme-fault")
			Expect(w.Sim.Accounts(w.Parent.ID)).To(HaveLen(1))
			Expect(lookedBefore(w.Sim.Calls())).To(BeTrue(), "an AddAccount after an unknown outcome without a read in between")
			Expect(c.Status.Origin).To(Equal(v1alpha1.OriginCreated))
			data := testenv.ConnectionOf(ctx, c)
			account := w.Account("acme-fault")
			Expect(w.Sim.CheckPassword(account.ID, data["password"])).To(BeTrue())
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
		w := testenv.NewWorld(ctx)
		w.ApplyParent(ctx, func(p *v1alpha1.ParentAccount) { p.Spec.ResyncInterval = nil }) // five minutes
		w.Start(ctx)
		Eventually(testenv.StateOf(ctx, w.ParentAccount())).Should(testenv.BeAvailable())
		w.Sim.AddFault(simulator.Fault{Kind: simulator.FaultLoseAnswer, Method: "AddAccount", Times: 1})
		w.Sim.AddFault(simulator.Fault{Kind: simulator.FaultLoseAnswer, Method: "GetChildrenAccounts", Match: map[string]string{"child_account_name": "acme-fault"}, Times: 2})
		w.ApplyReady(ctx, "acme-fault")
		Expect(w.Count("AddAccount")).To(Equal(1))
	})

	It("at creation, an answer that does not come in time: found again", func(ctx SpecContext) {
		if os.Getenv("TEST_ALL") == "" {
			Skip("make test-all runs it: a call waits 30 seconds for its answer")
		}
		w := testenv.StartWorld(ctx)
		w.Sim.AddFault(simulator.Fault{Kind: simulator.FaultSlow, Method: "AddAccount", Delay: time.Minute})
		c := w.Apply(ctx, "acme-late")
		Eventually(testenv.StateOf(ctx, c)).WithTimeout(time.Minute).Should(testenv.BeAvailable())
		Expect(w.Count("AddAccount")).To(Equal(1))
		Expect(testenv.ConnectionOf(ctx, c)).To(HaveKeyWithValue("apiKey", w.Account("acme-late").Fields["api_key"]))
	})

	DescribeTable("the API key of a lost answer is found: by the parent's own first, by the account's password where that shows none",
		func(ctx SpecContext, wrong func(*testenv.World), by ...simulator.AuthKind) {
			w := testenv.NewWorld(ctx)
			key := testenv.PasswordSecret(w, "voximplant-key", w.Parent.APIKey)
			Expect(testenv.K8s.Create(ctx, key)).To(Succeed())
			w.ApplyParent(ctx, func(p *v1alpha1.ParentAccount) {
				p.Spec.Voximplant.APIKeySecretRef = &v1alpha1.SecretKeyReference{Name: key.Name, Key: ptr.To("password")}
			})
			w.Sim.AddFault(simulator.Fault{Kind: simulator.FaultLoseAnswer, Method: "AddAccount", Times: 1})
			wrong(w)
			w.Start(ctx)
			c := w.ApplyReady(ctx, "acme-key")
			Expect(testenv.ConnectionOf(ctx, c)).To(HaveKeyWithValue("apiKey", w.Account("acme-key").Fields["api_key"]))
			var asked []simulator.AuthKind
			for _, call := range w.Sim.Calls() {
				if call.Params["api_key"] != "" || call.Method == "GetAccountInfo" && call.Params["account_password"] != "" {
					asked = append(asked, call.Auth)
				}
			}
			Expect(asked).To(Equal(append([]simulator.AuthKind{simulator.AuthPassword}, by...)), "once to see that it is the account's password")
		},
		Entry("shown", func(*testenv.World) {}, simulator.AuthAPIKey),
		Entry("not shown", func(w *testenv.World) { w.Sim.Update(func(s *simulator.Settings) { s.HideChildAPIKeys = true }) }, simulator.AuthAPIKey, simulator.AuthPassword),
		Entry("no answer at first", func(w *testenv.World) {
			w.Sim.AddFault(simulator.Fault{Kind: simulator.FaultLoseAnswer, Method: "GetChildrenAccounts", Match: map[string]string{"api_key": w.Parent.APIKey}, Times: 1})
		}, simulator.AuthAPIKey, simulator.AuthAPIKey),
	)

	DescribeTable("at an update: the declared value in the end",
		func(ctx SpecContext, fault simulator.Fault) {
			w := testenv.StartWorld(ctx)
			c := w.ApplyReady(ctx, "acme-fault")
			fault.Method = "SetChildAccountInfo"
			if fault.Times == 0 {
				fault.Times = 2
			}
			w.Sim.AddFault(fault)
			testenv.Edit(ctx, c, func(c *v1alpha1.ChildAccount) { c.Spec.Email = "new@acme.example" })
			Eventually(func() any { return w.Account("acme-fault").Fields["account_email"] }).Should(Equal("new@acme.example"))
			Eventually(testenv.StateOf(ctx, c)).Should(testenv.BeAvailable())
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
			w := testenv.StartWorld(ctx)
			c := w.ApplyReady(ctx, "acme-wait")
			fault.Method = "SetChildAccountInfo"
			w.Sim.AddFault(fault)
			testenv.Edit(ctx, c, func(c *v1alpha1.ChildAccount) { c.Spec.Email = "new@acme.example" })
			Eventually(testenv.StateOf(ctx, c)).Should(testenv.BeTryingAs(reason, "True/Available"))
			ready := meta.FindStatusCondition(c.Status.Conditions, v1alpha1.ConditionReady)
			Expect(ready.ObservedGeneration).To(BeNumerically("<", c.Generation), "as before, it speaks of the spec before: kubectl wait must not take it for the new one")
			w.Sim.ClearFaults()
			Eventually(testenv.StateOf(ctx, c)).Should(testenv.BeAvailable())
		},
		Entry("rate limit", simulator.Fault{Kind: simulator.FaultError, Code: 340}, v1alpha1.ReasonRateLimited),
		Entry("try later", simulator.Fault{Kind: simulator.FaultError, Code: 162}, v1alpha1.ReasonRateLimited),
		Entry("unavailable", simulator.Fault{Kind: simulator.FaultHTTP, Status: http.StatusServiceUnavailable}, v1alpha1.ReasonAPIUnavailable),
		Entry("HTML", simulator.Fault{Kind: simulator.FaultHTTP, Status: 200, Body: "<html>"}, v1alpha1.ReasonAPIUnavailable),
	)

	It("RoleMissing: the key may list but not create", func(ctx SpecContext) {
		w := testenv.StartWorld(ctx)
		Eventually(func() int { return w.Count("GetChildrenAccounts") }).Should(BeNumerically(">", 0))
		w.Sim.AddFault(simulator.Fault{Kind: simulator.FaultError, Method: "SetChildAccountInfo", Code: 100})
		c := w.Apply(ctx, "acme-role", func(c *v1alpha1.ChildAccount) {
			c.Spec.Payments = &v1alpha1.Payments{Invoice: ptr.To(true)}
		})
		Eventually(testenv.StateOf(ctx, c)).Should(testenv.BeStalledAs(v1alpha1.ReasonRoleMissing))
		Expect(c.Status.AccountID).NotTo(BeEmpty())
	})

	It("ValueNotKept: a value that comes back different twice is left alone", func(ctx SpecContext) {
		w := testenv.StartWorld(ctx)
		c := w.ApplyReady(ctx, "acme-norm")
		w.Sim.AddFault(simulator.Fault{Kind: simulator.FaultStore, Method: "SetChildAccountInfo", Param: "location", Store: "Etc/GMT+3"})
		testenv.Edit(ctx, c, func(c *v1alpha1.ChildAccount) { c.Spec.Location = ptr.To("Europe/Berlin") })
		Eventually(testenv.StateOf(ctx, c)).Should(Satisfy(func(s testenv.State) bool {
			return s.Ready == "True/ValueNotKept" && s.Second == "False/ValueNotKept" && s.Flags == "" && s.Observed && s.KStatus == status.CurrentStatus
		}))
		Expect(testenv.StateOf(ctx, c)(Default).Message).To(ContainSubstring("spec.location"))
		writes := w.Count("SetChildAccountInfo")
		w.AwaitLists(2)
		Expect(w.Count("SetChildAccountInfo")).To(Equal(writes))
		Expect(writes).To(Equal(2))

		By("until somebody changes it at the provider")
		w.Sim.ClearFaults()
		Expect(w.Sim.SetField(w.Account("acme-norm").ID, "location", "Asia/Tokyo")).To(Succeed())
		Eventually(testenv.StateOf(ctx, c)).Should(testenv.BeAvailable())
		Expect(w.Account("acme-norm").Fields).To(HaveKeyWithValue("location", "Europe/Berlin"))
	})

	It("twins of language codes and aliases of time zones cause no write", func(ctx SpecContext) {
		w := testenv.StartWorld(ctx)
		w.Sim.Update(func(s *simulator.Settings) { s.TwinLanguages = true })
		c := w.ApplyReady(ctx, "acme-twin", func(c *v1alpha1.ChildAccount) {
			c.Spec.LanguageCode, c.Spec.Location = ptr.To("he"), ptr.To("Europe/Kyiv")
		})
		Expect(w.Account("acme-twin").Fields).To(HaveKeyWithValue("language_code", "iw"))
		Expect(w.Sim.SetField(w.Account("acme-twin").ID, "location", "Europe/Kiev")).To(Succeed())
		w.AwaitLists(2)
		Expect(w.Count("SetChildAccountInfo")).To(BeZero())
		Eventually(testenv.StateOf(ctx, c)).Should(testenv.BeAvailable())
	})

	DescribeTable("each rung of the list ladder",
		func(ctx SpecContext, refuse func(*simulator.Settings)) {
			w := testenv.NewWorld(ctx)
			w.Sim.PutAccount(testenv.SimulatorChild(w, "acme-there", "there@acme.example"))
			w.Sim.Update(refuse)
			w.ApplyParent(ctx)
			w.Start(ctx)
			c := w.ApplyReady(ctx, "acme-rung")
			there := w.Apply(ctx, "acme-there")
			Eventually(testenv.StateOf(ctx, there)).Should(testenv.BeStalledAs(v1alpha1.ReasonAdoptionRefused))
			Expect(w.Sim.SetField(w.Account("acme-rung").ID, "account_email", "drift@else.example")).To(Succeed())
			Eventually(func() any { return w.Account("acme-rung").Fields["account_email"] }).Should(Equal("acme-rung@acme.example"))
			w.Sim.Remove(w.Account("acme-rung").ID)
			Eventually(testenv.StateOf(ctx, c)).Should(testenv.BeStalledAs(v1alpha1.ReasonAccountMissing))
			Expect(w.Count("AddAccount")).To(Equal(1))
		},
		Entry("child_account_id=all", func(*simulator.Settings) {}),
		Entry("no filter", func(s *simulator.Settings) { s.RefuseAll = true }),
		Entry("known ids and exact names", func(s *simulator.Settings) { s.RefuseAll, s.RefuseUnfiltered = true, true }),
	)

	DescribeTable("a list that contradicts itself concludes nothing",
		func(ctx SpecContext, kind simulator.FaultKind) {
			w := testenv.NewWorld(ctx)
			for _, name := range manyNames(1100) {
				w.Sim.PutAccount(testenv.SimulatorChild(w, name, name+"@bulk.example"))
			}
			w.ApplyParent(ctx)
			w.Start(ctx)
			c := w.ApplyReady(ctx, "acme-list")
			p := w.ParentAccount()
			w.Sim.AddFault(simulator.Fault{Kind: kind, Method: "GetChildrenAccounts"})
			Eventually(testenv.StateOf(ctx, p)).Should(testenv.BeTryingAs(v1alpha1.ReasonAPIUnavailable, "True/Available"))
			Expect(testenv.StateOf(ctx, c)(Default)).To(testenv.BeAvailable())
			w.Sim.ClearFaults()
			Eventually(testenv.StateOf(ctx, p)).Should(testenv.BeAvailable())
		},
		Entry("the total changes between pages", Label("slow"), simulator.FaultTotal),
		Entry("a row comes twice", simulator.FaultRepeatRow),
	)
})

var _ = Describe("A restart", func() {
	It("after a lost answer finds the account by name and claim", func(ctx SpecContext) {
		w := testenv.StartWorld(ctx)
		w.Sim.AddFault(simulator.Fault{Kind: simulator.FaultLoseAnswer, Method: "AddAccount", Times: 1})
		w.Sim.AddFault(simulator.Fault{Kind: simulator.FaultDown, Method: "GetChildrenAccounts"})
		c := w.Apply(ctx, "acme-crash")
		// The first list was refused, so nothing is created until it works.
		w.Sim.ClearFaults()
		w.Sim.AddFault(simulator.Fault{Kind: simulator.FaultLoseAnswer, Method: "AddAccount", Times: 1})
		Eventually(func() int { return w.Count("AddAccount") }).Should(Equal(1))
		w.Stop()
		w.Start(ctx)
		Eventually(testenv.StateOf(ctx, c)).Should(testenv.BeAvailable())
		Expect(w.Count("AddAccount")).To(Equal(1))
		Expect(testenv.ConnectionOf(ctx, c)).To(HaveKeyWithValue("apiKey", w.Account("acme-crash").Fields["api_key"]))
	})

	It("with nothing changed costs one look at the parent, the list, and no write", func(ctx SpecContext) {
		w := testenv.StartWorld(ctx)
		c := w.ApplyReady(ctx, "acme-calm", func(c *v1alpha1.ChildAccount) { c.Spec.CanUseRestricted = ptr.To(true) })
		w.AwaitLists(2)
		w.Stop()
		Expect(testenv.K8s.Get(ctx, testenv.KeyOf(c), c)).To(Succeed())
		version := c.ResourceVersion
		w.Sim.ResetCalls()
		w.Start(ctx)
		w.AwaitLists(2)
		Expect(w.Count("GetAccountInfo")).To(Equal(1))
		Expect(w.Count("AddAccount") + w.Count("SetChildAccountInfo")).To(BeZero())
		Expect(testenv.K8s.Get(ctx, testenv.KeyOf(c), c)).To(Succeed())
		Expect(c.ResourceVersion).To(Equal(version))
	})

	It("of the whole cluster, from Git and with the same installation id, finds its accounts without a write", func(ctx SpecContext) {
		w := testenv.NewWorld(ctx)
		w.Options.InstallationID = "prod-eu"
		w.ApplyParent(ctx)
		w.Start(ctx)
		c := w.ApplyReady(ctx, "acme-again")
		id := c.Status.AccountID
		w.Stop()

		By("the resource and its Secret are new, without a status")
		Expect(testenv.DropFinalizers(ctx, c)).To(Succeed())
		Expect(testenv.K8s.Delete(ctx, c)).To(Succeed())
		Expect(testenv.K8s.Delete(ctx, &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: w.NS, Name: c.ConnectionSecretName()}})).To(Succeed())
		w.Start(ctx)
		c = w.ApplyReady(ctx, "acme-again")
		Expect(c.Status.AccountID).To(Equal(id))
		Expect(c.Status.Origin).To(Equal(v1alpha1.OriginAdopted))
		Expect(w.Count("AddAccount")).To(Equal(1))
		Expect(w.Count("SetChildAccountInfo")).To(BeZero())
		Expect(c.Status.Conditions).To(ContainElement(And( // its claim says that there was one
			HaveField("Type", v1alpha1.ConditionConnectionSecretReady), HaveField("Status", metav1.ConditionFalse), HaveField("Reason", v1alpha1.ReasonPasswordUnknown))))
		Expect(testenv.ConnectionOf(ctx, c)).NotTo(HaveKey("password"))
		Eventually(noted(ctx, c, v1alpha1.ReasonPasswordUnknown)).Should(ConsistOf(ContainSubstring("kubectl annotate childaccount -n " + w.NS + " acme-again")))
	})
})

func manyNames(n int) []string {
	out := make([]string, n)
	for i := range out {
		out[i] = "bulk-" + string(rune('a'+i/26/26%26)) + string(rune('a'+i/26%26)) + string(rune('a'+i%26))
	}
	return out
}
