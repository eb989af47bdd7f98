package engine_test

import (
	"context"
	"fmt"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"cpaas.dev/child-account-operator/api/v1alpha1"
	"cpaas.dev/child-account-operator/internal/account"
	"cpaas.dev/child-account-operator/internal/golden"
	"cpaas.dev/child-account-operator/internal/simulator"
	"cpaas.dev/child-account-operator/internal/testenv"
)

// policyCase is one value of one policy: how it is declared, and what happens once the resource has settled.
type policyCase struct {
	policy, value string
	declare       func(*v1alpha1.ChildAccountSpec)
	// then is what happens afterwards, as the page calls it, and does it; nil for nothing.
	then   string
	happen func(context.Context, *testenv.World, *v1alpha1.ChildAccount)
}

func adopting(change func(*v1alpha1.ChildAccountSpec)) func(*v1alpha1.ChildAccountSpec) {
	return func(s *v1alpha1.ChildAccountSpec) {
		s.AdoptionPolicy = ptr.To(v1alpha1.AdoptAlways)
		change(s)
	}
}

var policyCases = []policyCase{
	{policy: "adoptionPolicy", value: "Never", declare: func(s *v1alpha1.ChildAccountSpec) { s.AdoptionPolicy = ptr.To(v1alpha1.AdoptNever) }},
	{policy: "adoptionPolicy", value: "IfIdentical", declare: func(s *v1alpha1.ChildAccountSpec) { s.AdoptionPolicy = ptr.To(v1alpha1.AdoptIfIdentical) }},
	{policy: "adoptionPolicy", value: "Always", declare: func(s *v1alpha1.ChildAccountSpec) { s.AdoptionPolicy = ptr.To(v1alpha1.AdoptAlways) }},
	{policy: "managementPolicy", value: "Manage", declare: adopting(func(s *v1alpha1.ChildAccountSpec) { s.ManagementPolicy = ptr.To(v1alpha1.ManagementManage) })},
	{policy: "managementPolicy", value: "Observe", declare: adopting(func(s *v1alpha1.ChildAccountSpec) { s.ManagementPolicy = ptr.To(v1alpha1.ManagementObserve) })},
	{policy: "driftPolicy", value: "Correct", then: "then changed at the provider", happen: drift, declare: adopting(func(s *v1alpha1.ChildAccountSpec) { s.DriftPolicy = ptr.To(v1alpha1.DriftCorrect) })},
	{policy: "driftPolicy", value: "Report", then: "then changed at the provider", happen: drift, declare: adopting(func(s *v1alpha1.ChildAccountSpec) { s.DriftPolicy = ptr.To(v1alpha1.DriftReport) })},
	{policy: "missingPolicy", value: "Report", then: "then missing at the provider", happen: vanish, declare: adopting(func(s *v1alpha1.ChildAccountSpec) { s.MissingPolicy = ptr.To(v1alpha1.MissingReport) })},
	{policy: "missingPolicy", value: "Recreate", then: "then missing at the provider", happen: vanish, declare: adopting(func(s *v1alpha1.ChildAccountSpec) { s.MissingPolicy = ptr.To(v1alpha1.MissingRecreate) })},
	{policy: "deletionPolicy", value: "Retain", then: "then deleted", happen: testenv.Remove, declare: adopting(func(s *v1alpha1.ChildAccountSpec) { s.DeletionPolicy = ptr.To(v1alpha1.DeletionRetain) })},
	{policy: "deletionPolicy", value: "Deactivate", then: "then deleted", happen: testenv.Remove, declare: adopting(func(s *v1alpha1.ChildAccountSpec) { s.DeletionPolicy = ptr.To(v1alpha1.DeletionDeactivate) })},
}

var situations = []string{"absent", "present, identical", "present, different", "name taken, of another parent"}

func drift(_ context.Context, w *testenv.World, c *v1alpha1.ChildAccount) {
	if a, ok := w.Sim.Account(c.AccountName()); ok && a.ParentID == w.Parent.ID {
		Expect(w.Sim.SetField(a.ID, "location", "Africa/Cairo")).To(Succeed())
	}
}

func vanish(_ context.Context, w *testenv.World, c *v1alpha1.ChildAccount) {
	if a, ok := w.Sim.Account(c.AccountName()); ok && a.ParentID == w.Parent.ID {
		Expect(w.Sim.Remove(a.ID)).To(BeTrue())
	}
}

// policyRun is one case in one situation.
type policyRun struct {
	policyCase
	situation string
	child     *v1alpha1.ChildAccount
	before    *simulator.Account
}

// set makes the situation and the resource.
func (r *policyRun) set(w *testenv.World, name string) {
	r.child = w.Child(name, func(c *v1alpha1.ChildAccount) {
		c.Spec.Location = ptr.To("Europe/Berlin")
		r.declare(&c.Spec)
	})
	a := testenv.SimulatorChild(w, name, name+"@acme.example")
	switch r.situation {
	case "absent":
		return
	case "present, identical":
		a.Fields["location"] = "Europe/Berlin"
	case "present, different":
		a.Fields["location"] = "Asia/Tokyo"
	default:
		a = simulator.Account{Fields: simulator.Fields{"account_name": name, "account_email": name + "@stranger.example"}}
	}
	a = w.Sim.PutAccount(a)
	r.before = &a
}

// cell says how it ended: the reason of Ready, and what became of the account.
func (r *policyRun) cell(ctx context.Context, w *testenv.World) string {
	reason := "resource deleted"
	if err := testenv.K8s.Get(ctx, testenv.KeyOf(r.child), r.child); err == nil {
		reason = meta.FindStatusCondition(r.child.Status.Conditions, v1alpha1.ConditionReady).Reason
	}
	return reason + "; " + r.fate(w)
}

func (r *policyRun) fate(w *testenv.World) string {
	a, there := w.Sim.Account(r.child.AccountName())
	switch {
	case !there && r.before == nil && r.happen == nil:
		return "no account"
	case !there:
		return "account missing"
	case a.ParentID != w.Parent.ID:
		return "that account unchanged"
	case r.before == nil || r.before.ID != a.ID:
		return "account created" + off(a)
	case a.Text("location") != r.before.Text("location") && a.Text("location") == "Europe/Berlin":
		return "account changed to match the spec" + off(a)
	case a.Text("location") == "Africa/Cairo":
		return "change at the provider kept" + off(a)
	}
	return "account unchanged" + off(a)
}

func off(a simulator.Account) string {
	if a.Active() {
		return ""
	}
	return ", deactivated"
}

var _ = Describe("Every policy", func() {
	It("in every situation is as docs/policies.md says", Label("slow"), func(ctx SpecContext) {
		w := testenv.NewWorld(ctx)
		var runs []*policyRun
		for _, c := range policyCases {
			for _, situation := range situations {
				r := &policyRun{policyCase: c, situation: situation}
				r.set(w, fmt.Sprintf("policy-%02d", len(runs)))
				runs = append(runs, r)
			}
		}
		w.ApplyParent(ctx, testenv.AllowMassChange)
		w.Start(ctx)
		for _, r := range runs {
			Expect(testenv.K8s.Create(ctx, r.child)).To(Succeed())
		}
		for _, r := range runs {
			Eventually(testenv.StateOf(ctx, r.child)).Should(Satisfy(func(s testenv.State) bool { return s.Observed && s.Ready != "" }))
		}
		w.AwaitLists(2)
		for _, r := range runs {
			if r.happen != nil {
				r.happen(ctx, w, r.child)
			}
		}
		w.AwaitLists(4)
		golden.Check(GinkgoTB(), "../../docs/policies.md", policyPage(ctx, w, runs), "UPDATE_DOCS=1 make test PKG=./internal/engine")
	})
})

func policyPage(ctx context.Context, w *testenv.World, runs []*policyRun) string {
	var b strings.Builder
	b.WriteString(`# Policies

For namespace admins who choose a policy: what each value does, in each situation that a ChildAccount may meet. The table is made from
runs against the simulator. Each cell has the reason of Ready and what happened to the account.

The ChildAccount declares an e-mail and a location. A "present" account is pre-existing and has no claim; the different account has
another location. "Of another parent" means that an account of another parent account has the name. All rows but those of
adoptionPolicy declare adoptionPolicy: Always, so that the policy has something to act on.

| policy | ` + strings.Join(situations, " | ") + " |\n|---|" + strings.Repeat("---|", len(situations)) + "\n")
	for i, r := range runs {
		if i%len(situations) == 0 {
			b.WriteString("| " + r.policy + ": " + r.value)
			if r.then != "" {
				b.WriteString(", " + r.then)
			}
			b.WriteString(" |")
		}
		b.WriteString(" " + r.cell(ctx, w) + " |")
		if (i+1)%len(situations) == 0 {
			b.WriteString("\n")
		}
	}
	return b.String()
}

var _ = Describe("A policy", func() {
	It("IfIdentical looks anew before it takes an account", func(ctx SpecContext) {
		w := testenv.NewWorld(ctx)
		a := w.Sim.PutAccount(testenv.SimulatorChild(w, "acme-same", "acme-same@acme.example"))
		w.ApplyParent(ctx)
		w.Start(ctx)
		Eventually(testenv.StateOf(ctx, w.ParentAccount())).Should(testenv.BeAvailable())
		// Changed since the list was read, and the next list is far away.
		testenv.Edit(ctx, w.ParentAccount(), func(p *v1alpha1.ParentAccount) { p.Spec.ResyncInterval = nil })
		Eventually(testenv.StateOf(ctx, w.ParentAccount())).Should(testenv.BeAvailable())
		Expect(w.Sim.SetField(a.ID, "location", "Asia/Tokyo")).To(Succeed())
		c := w.Apply(ctx, "acme-same", func(c *v1alpha1.ChildAccount) {
			c.Spec.AdoptionPolicy, c.Spec.Location = ptr.To(v1alpha1.AdoptIfIdentical), ptr.To("Etc/GMT")
		})
		Eventually(testenv.StateOf(ctx, c)).Should(testenv.BeStalledAs(v1alpha1.ReasonAdoptionRefused))
		Expect(testenv.StateOf(ctx, c)(Default).Message).To(ContainSubstring("location"))
		Expect(w.Count("SetChildAccountInfo")).To(BeZero())
	})

	It("adoption neither makes nor resets a password", func(ctx SpecContext) {
		w := testenv.NewWorld(ctx)
		a := testenv.SimulatorChild(w, "acme-kept", "acme-kept@acme.example")
		a.Fields["account_password"] = "Their-0wn-password!"
		id := w.Sim.PutAccount(a).ID
		w.ApplyParent(ctx)
		w.Start(ctx)
		c := w.ApplyReady(ctx, "acme-kept", func(c *v1alpha1.ChildAccount) { c.Spec.AdoptionPolicy = ptr.To(v1alpha1.AdoptAlways) })
		Expect(c.Status.Origin).To(Equal(v1alpha1.OriginAdopted))
		Expect(testenv.ConnectionOf(ctx, c)).NotTo(HaveKey("password"))
		Expect(w.Sim.CheckPassword(id, "Their-0wn-password!")).To(BeTrue())
		Expect(c.Status.Conditions).To(ContainElement(And(HaveField("Type", v1alpha1.ConditionConnectionSecretReady), HaveField("Reason", v1alpha1.ReasonPartialAdopted))))
		Eventually(testenv.EventsOf(ctx, c)).Should(ContainElement(HavePrefix("Adopted: ")))
		Expect(w.Account("acme-kept").Text("account_custom_data")).To(ContainSubstring(`"name":"acme-kept"`), "the claim goes into an account without custom data")
	})

	It("adoption leaves somebody's custom data alone, and does without the right to write it", func(ctx SpecContext) {
		w := testenv.NewWorld(ctx)
		theirs := testenv.SimulatorChild(w, "acme-data", "acme-data@acme.example")
		theirs.Fields["account_custom_data"] = "crm: 4711"
		w.Sim.PutAccount(theirs)
		w.Sim.PutAccount(testenv.SimulatorChild(w, "acme-mute", "acme-mute@acme.example"))
		w.Sim.Update(func(s *simulator.Settings) { s.NoActAsChild = true })
		w.ApplyParent(ctx)
		w.Start(ctx)
		for _, name := range []string{"acme-data", "acme-mute"} {
			w.ApplyReady(ctx, name, func(c *v1alpha1.ChildAccount) { c.Spec.AdoptionPolicy = ptr.To(v1alpha1.AdoptAlways) })
		}
		Expect(w.Account("acme-data").Text("account_custom_data")).To(Equal("crm: 4711"))
		Expect(w.Account("acme-mute").Text("account_custom_data")).To(BeEmpty())
		w.AwaitLists(2)
		Expect(w.Count("SetAccountInfo")).To(Equal(1))
	})

	It("Always never takes what another installation has claimed", func(ctx SpecContext) {
		w := testenv.NewWorld(ctx)
		w.Sim.PutAccount(claimed(w, "acme-theirs", account.Claim{Installation: "other", Namespace: "n", Name: "acme-theirs"}))
		w.ApplyParent(ctx)
		w.Start(ctx)
		c := w.Apply(ctx, "acme-theirs", func(c *v1alpha1.ChildAccount) { c.Spec.AdoptionPolicy = ptr.To(v1alpha1.AdoptAlways) })
		Eventually(testenv.StateOf(ctx, c)).Should(testenv.BeStalledAs(v1alpha1.ReasonClaimedElsewhere))
	})

	It("Always gives an account to one of two resources only", func(ctx SpecContext) {
		w := testenv.NewWorld(ctx)
		w.Sim.PutAccount(testenv.SimulatorChild(w, "acme-shared", "acme-shared@acme.example"))
		w.ApplyParent(ctx)
		var children []*v1alpha1.ChildAccount
		for _, name := range []string{"acme-aaa", "acme-bbb"} {
			children = append(children, w.Apply(ctx, name, func(c *v1alpha1.ChildAccount) {
				c.Spec.AdoptionPolicy, c.Spec.AccountName = ptr.To(v1alpha1.AdoptAlways), ptr.To("acme-shared")
			}))
		}
		w.Start(ctx)
		Eventually(testenv.StateOf(ctx, children[0])).Should(testenv.BeAvailable())
		Eventually(testenv.StateOf(ctx, children[1])).Should(testenv.BeStalledAs(v1alpha1.ReasonDuplicateResource))
		Expect(w.Account("acme-shared").Fields).To(HaveKeyWithValue("account_email", "acme-aaa@acme.example"))
	})

	It("an account is one resource's across ParentAccounts of the same parent account", func(ctx SpecContext) {
		w := testenv.StartWorld(ctx)
		w.ApplyReady(ctx, "acme-first")
		other := w.ParentAccount()
		other.Name = "acme-again"
		Expect(testenv.K8s.Create(ctx, other)).To(Succeed())
		c := w.Apply(ctx, "acme-other", func(c *v1alpha1.ChildAccount) {
			c.Spec.ParentRef.Name, c.Spec.AccountName = "acme-again", ptr.To("acme-first")
			c.Spec.AdoptionPolicy = ptr.To(v1alpha1.AdoptAlways)
		})
		Eventually(testenv.StateOf(ctx, c)).Should(testenv.BeStalledAs(v1alpha1.ReasonDuplicateResource))
		Expect(w.Count("AddAccount")).To(Equal(1))
		Expect(w.Count("SetChildAccountInfo")).To(BeZero())
	})

	It("Report lists drift with its beginning, applies the spec, and ends when the drift does", func(ctx SpecContext) {
		w := testenv.StartWorld(ctx)
		c := w.ApplyReady(ctx, "acme-drift", func(c *v1alpha1.ChildAccount) {
			c.Spec.DriftPolicy, c.Spec.Location = ptr.To(v1alpha1.DriftReport), ptr.To("Europe/Berlin")
		})
		id := w.Account("acme-drift").ID
		Expect(w.Sim.SetField(id, "location", "Asia/Tokyo")).To(Succeed())
		Eventually(testenv.StateOf(ctx, c)).Should(Satisfy(func(s testenv.State) bool {
			return s.Ready == "True/DriftDetected" && s.Second == "False/DriftDetected"
		}))
		Expect(c.Status.Drift).To(HaveLen(1))
		Expect(c.Status.Drift[0]).To(And(HaveField("Field", "location"), HaveField("Desired", "Europe/Berlin"), HaveField("Observed", HaveValue(Equal("Asia/Tokyo")))))
		since := c.Status.Drift[0].Since

		By("a change in Git is applied, to that field alone")
		testenv.Edit(ctx, c, func(c *v1alpha1.ChildAccount) { c.Spec.LanguageCode = ptr.To("de") })
		Eventually(func() any { return w.Account("acme-drift").Fields["language_code"] }).Should(Equal("de"))
		Expect(w.Account("acme-drift").Fields).To(HaveKeyWithValue("location", "Asia/Tokyo"))
		w.AwaitLists(1)
		Expect(testenv.K8s.Get(ctx, testenv.KeyOf(c), c)).To(Succeed())
		Expect(c.Status.Drift).To(HaveLen(1))
		Expect(c.Status.Drift[0].Since.Equal(&since)).To(BeTrue())

		Expect(w.Sim.SetField(id, "location", "Europe/Berlin")).To(Succeed())
		Eventually(testenv.StateOf(ctx, c)).Should(testenv.BeAvailable())
		Expect(c.Status.Drift).To(BeEmpty())
	})

	It("Observe reads only: no finalizer, no Secret, no write, and Manage then asks for adoption", func(ctx SpecContext) {
		w := testenv.NewWorld(ctx)
		w.Sim.PutAccount(testenv.SimulatorChild(w, "acme-seen", "seen@acme.example"))
		w.ApplyParent(ctx)
		w.Start(ctx)
		c := w.Apply(ctx, "acme-seen", func(c *v1alpha1.ChildAccount) { c.Spec.ManagementPolicy = ptr.To(v1alpha1.ManagementObserve) })
		Eventually(testenv.StateOf(ctx, c)).Should(testenv.BeReadyAs(v1alpha1.ReasonObserved))
		Expect(c.Finalizers).To(BeEmpty())
		Expect(c.Status.AccountID).NotTo(BeEmpty())
		Expect(c.Status.Drift).To(ConsistOf(HaveField("Field", "email")))
		testenv.Edit(ctx, c, func(c *v1alpha1.ChildAccount) { c.Spec.ManagementPolicy = nil })
		Eventually(testenv.StateOf(ctx, c)).Should(testenv.BeStalledAs(v1alpha1.ReasonAdoptionRefused))
		Expect(w.Count("SetChildAccountInfo") + w.Count("AddAccount")).To(BeZero())
	})

	It("Recreate makes a new account, with its key and the password that is in the Secret", func(ctx SpecContext) {
		w := testenv.StartWorld(ctx)
		c := w.ApplyReady(ctx, "acme-anew", func(c *v1alpha1.ChildAccount) { c.Spec.MissingPolicy = ptr.To(v1alpha1.MissingRecreate) })
		old := c.Status.AccountID
		w.Sim.Remove(w.Account("acme-anew").ID)
		Eventually(func(g Gomega) {
			g.Expect(testenv.StateOf(ctx, c)(g)).To(testenv.BeAvailable())
			g.Expect(c.Status.AccountID).NotTo(Equal(old))
		}).Should(Succeed())
		data := testenv.ConnectionOf(ctx, c)
		Expect(data).To(HaveKeyWithValue("accountID", c.Status.AccountID))
		Expect(data).To(HaveKeyWithValue("apiKey", w.Account("acme-anew").Fields["api_key"]))
		Expect(w.Sim.CheckPassword(w.Account("acme-anew").ID, data["password"])).To(BeTrue())
	})

	It("Deactivate switches off, and says so when the resource comes back", func(ctx SpecContext) {
		w := testenv.StartWorld(ctx)
		deactivate := func(c *v1alpha1.ChildAccount) { c.Spec.DeletionPolicy = ptr.To(v1alpha1.DeletionDeactivate) }
		c := w.ApplyReady(ctx, "acme-off", deactivate)
		testenv.Remove(ctx, w, c)
		Expect(w.Account("acme-off").Active()).To(BeFalse())
		c = w.Apply(ctx, "acme-off", deactivate)
		Eventually(testenv.StateOf(ctx, c)).Should(Satisfy(func(s testenv.State) bool {
			return s.Ready == "False/DeactivatedEarlier" && s.Second == "True/DeactivatedEarlier" && s.Flags == "Stalled"
		}))
		w.AwaitLists(2)
		Expect(testenv.StateOf(ctx, c)(Default).Ready).To(Equal("False/DeactivatedEarlier"))
		Expect(w.Account("acme-off").Active()).To(BeFalse())
		testenv.Edit(ctx, c, func(c *v1alpha1.ChildAccount) { c.Spec.Active = ptr.To(true) })
		Eventually(testenv.StateOf(ctx, c)).Should(testenv.BeAvailable())
		Expect(w.Account("acme-off").Active()).To(BeTrue())
	})

	It("Deactivate waits for the API, says so, and ends when it is back", func(ctx SpecContext) {
		w := testenv.StartWorld(ctx)
		c := w.ApplyReady(ctx, "acme-late", func(c *v1alpha1.ChildAccount) { c.Spec.DeletionPolicy = ptr.To(v1alpha1.DeletionDeactivate) })
		w.Sim.AddFault(simulator.Fault{Kind: simulator.FaultHTTP, Method: "SetChildAccountInfo", Status: 503})
		Expect(testenv.K8s.Delete(ctx, c)).To(Succeed())
		Eventually(testenv.StateOf(ctx, c)).Should(HaveField("String()", ContainSubstring(`"reason": "Deleting"`)))
		w.Sim.ClearFaults()
		Eventually(func() error { return testenv.K8s.Get(ctx, testenv.KeyOf(c), c) }).Should(testenv.BeNotFound())
		Expect(w.Account("acme-late").Active()).To(BeFalse())
	})

	It("Deactivate leaves alone an account of a suspended resource", func(ctx SpecContext) {
		w := testenv.StartWorld(ctx)
		c := w.ApplyReady(ctx, "acme-rest", func(c *v1alpha1.ChildAccount) { c.Spec.DeletionPolicy = ptr.To(v1alpha1.DeletionDeactivate) })
		testenv.Edit(ctx, c, func(c *v1alpha1.ChildAccount) { c.Spec.Suspend = ptr.To(true) })
		testenv.Remove(ctx, w, c)
		Expect(w.Account("acme-rest").Active()).To(BeTrue())
		Expect(w.Count("SetChildAccountInfo")).To(BeZero())
		Eventually(testenv.EventsOf(ctx, c)).Should(ContainElement(HavePrefix("NotDeactivated: ")))
		p := w.ParentAccount()
		Expect(testenv.K8s.Get(ctx, testenv.KeyOf(p), p)).To(Succeed())
		Expect(p.Status.NotDeactivated).To(HaveField("Accounts", ConsistOf(HaveField("Message", HaveValue(ContainSubstring("spec.suspend is true"))))))
	})

	It("Deactivate does not outlive the hour without credentials", func(ctx SpecContext) {
		w := testenv.StartWorld(ctx)
		c := w.ApplyReady(ctx, "acme-hour", func(c *v1alpha1.ChildAccount) { c.Spec.DeletionPolicy = ptr.To(v1alpha1.DeletionDeactivate) })
		w.LoseParent(ctx)
		Eventually(testenv.StateOf(ctx, c)).Should(testenv.BeStalledAs(v1alpha1.ReasonParentNotFound))
		Expect(testenv.K8s.Delete(ctx, c)).To(Succeed())
		Eventually(testenv.StateOf(ctx, c)).Should(HaveField("String()", And(ContainSubstring(`"type": "Stalled"`), ContainSubstring(`"reason": "Deleting"`))))
		w.Stop()
		w.Clock = testenv.Ahead{Clock: w.Clock, By: 2 * time.Hour}
		w.Start(ctx)
		Eventually(func() error { return testenv.K8s.Get(ctx, testenv.KeyOf(c), c) }).Should(testenv.BeNotFound())
		Expect(w.Account("acme-hour").Active()).To(BeTrue())
		Eventually(testenv.EventsOf(ctx, c)).Should(ContainElement(HavePrefix("NotDeactivated: ")))
	})

	It("Deactivate leaves an account alone that has got another claim meanwhile, and says so", func(ctx SpecContext) {
		w := testenv.StartWorld(ctx)
		c := w.ApplyReady(ctx, "acme-moved", func(c *v1alpha1.ChildAccount) { c.Spec.DeletionPolicy = ptr.To(v1alpha1.DeletionDeactivate) })
		theirs := account.Claim{Installation: "theirs", Namespace: w.NS, Name: "acme-moved"}
		Expect(w.Sim.SetField(w.Account("acme-moved").ID, "account_custom_data", theirs.CustomData())).To(Succeed())
		testenv.Remove(ctx, w, c)
		Expect(w.Account("acme-moved").Active()).To(BeTrue())
		Eventually(testenv.EventsOf(ctx, c)).Should(ContainElement(HavePrefix("NotDeactivated: ")))
	})

	It("a requested look corrects at once, and is echoed", func(ctx SpecContext) {
		w := testenv.NewWorld(ctx)
		w.ApplyParent(ctx, func(p *v1alpha1.ParentAccount) { p.Spec.ResyncInterval = nil }) // five minutes
		w.Start(ctx)
		c := w.ApplyReady(ctx, "acme-now")
		Expect(w.Sim.SetField(w.Account("acme-now").ID, "account_email", "drift@else.example")).To(Succeed())
		testenv.Edit(ctx, c, func(c *v1alpha1.ChildAccount) {
			metav1.SetMetaDataAnnotation(&c.ObjectMeta, v1alpha1.AnnotationReconcileRequestedAt, "2026-11-21T12:00:00Z")
		})
		Eventually(func() any { return w.Account("acme-now").Fields["account_email"] }).Should(Equal("acme-now@acme.example"))
		Eventually(func(g Gomega) string { testenv.StateOf(ctx, c)(g); return c.Status.LastHandledReconcileAt }).Should(Equal("2026-11-21T12:00:00Z"))
	})
})
