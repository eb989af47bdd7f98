package controllers_test

import (
	"context"
	"fmt"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/utils/ptr"

	"cpaas.dev/child-account-operator/api/v1alpha1"
	"cpaas.dev/child-account-operator/internal/account"
	"cpaas.dev/child-account-operator/internal/golden"
	"cpaas.dev/child-account-operator/internal/simulator"
)

// policyCase is one value of one policy: how it is declared, and what happens once the resource has settled.
type policyCase struct {
	policy, value string
	declare       func(*v1alpha1.ChildAccountSpec)
	// then is what happens afterwards, as the page calls it, and does it; nil for nothing.
	then   string
	happen func(context.Context, *world, *v1alpha1.ChildAccount)
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
	{policy: "missingPolicy", value: "Report", then: "then gone at the provider", happen: vanish, declare: adopting(func(s *v1alpha1.ChildAccountSpec) { s.MissingPolicy = ptr.To(v1alpha1.MissingReport) })},
	{policy: "missingPolicy", value: "Recreate", then: "then gone at the provider", happen: vanish, declare: adopting(func(s *v1alpha1.ChildAccountSpec) { s.MissingPolicy = ptr.To(v1alpha1.MissingRecreate) })},
	{policy: "deletionPolicy", value: "Retain", then: "then deleted", happen: remove, declare: adopting(func(s *v1alpha1.ChildAccountSpec) { s.DeletionPolicy = ptr.To(v1alpha1.DeletionRetain) })},
	{policy: "deletionPolicy", value: "Deactivate", then: "then deleted", happen: remove, declare: adopting(func(s *v1alpha1.ChildAccountSpec) { s.DeletionPolicy = ptr.To(v1alpha1.DeletionDeactivate) })},
}

var situations = []string{"absent", "present, identical", "present, different", "name taken by a stranger"}

func drift(_ context.Context, w *world, c *v1alpha1.ChildAccount) {
	if a, ok := w.sim.Account(c.AccountName()); ok && a.ParentID == w.parent.ID {
		Expect(w.sim.SetField(a.ID, "location", "Africa/Cairo")).To(Succeed())
	}
}

func vanish(_ context.Context, w *world, c *v1alpha1.ChildAccount) {
	if a, ok := w.sim.Account(c.AccountName()); ok && a.ParentID == w.parent.ID {
		Expect(w.sim.Remove(a.ID)).To(BeTrue())
	}
}

func remove(ctx context.Context, _ *world, c *v1alpha1.ChildAccount) {
	Expect(k8s.Delete(ctx, c)).To(Succeed())
	Eventually(func() bool { return apierrors.IsNotFound(k8s.Get(ctx, clientKey(c), c)) }).Should(BeTrue())
}

// policyRun is one case in one situation.
type policyRun struct {
	policyCase
	situation string
	child     *v1alpha1.ChildAccount
	before    *simulator.Account
}

// set makes the situation and the resource.
func (r *policyRun) set(w *world, name string) {
	r.child = w.child(name, func(c *v1alpha1.ChildAccount) {
		c.Spec.Location = ptr.To("Europe/Berlin")
		r.declare(&c.Spec)
	})
	a := simulatorChild(w, name, name+"@acme.example")
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
	a = w.sim.PutAccount(a)
	r.before = &a
}

// cell says how it ended: the reason of Ready, and what became of the account.
func (r *policyRun) cell(ctx context.Context, w *world) string {
	reason := "resource gone"
	if err := k8s.Get(ctx, clientKey(r.child), r.child); err == nil {
		reason = meta.FindStatusCondition(r.child.Status.Conditions, v1alpha1.ConditionReady).Reason
	}
	return reason + "; " + r.fate(w)
}

func (r *policyRun) fate(w *world) string {
	a, there := w.sim.Account(r.child.AccountName())
	switch {
	case !there && r.before == nil && r.happen == nil:
		return "no account"
	case !there:
		return "account gone"
	case a.ParentID != w.parent.ID:
		return "theirs untouched"
	case r.before == nil || r.before.ID != a.ID:
		return "account created" + off(a)
	case a.Text("location") != r.before.Text("location") && a.Text("location") == "Europe/Berlin":
		return "account changed to what is declared" + off(a)
	case a.Text("location") == "Africa/Cairo":
		return "their change left alone" + off(a)
	}
	return "account unchanged" + off(a)
}

func off(a simulator.Account) string {
	if a.Active() {
		return ""
	}
	return ", switched off"
}

var _ = Describe("Every policy", func() {
	It("in every situation is as docs/policies.md says", func(ctx SpecContext) {
		w := newWorld(ctx)
		var runs []*policyRun
		for _, c := range policyCases {
			for _, situation := range situations {
				r := &policyRun{policyCase: c, situation: situation}
				r.set(w, fmt.Sprintf("policy-%02d", len(runs)))
				runs = append(runs, r)
			}
		}
		w.applyParent(ctx, anyChange)
		w.start(ctx)
		for _, r := range runs {
			Expect(k8s.Create(ctx, r.child)).To(Succeed())
		}
		for _, r := range runs {
			Eventually(state(ctx, r.child)).Should(Satisfy(func(s summary) bool { return s.observed && s.ready != "" }))
		}
		w.awaitLists(2)
		for _, r := range runs {
			if r.happen != nil {
				r.happen(ctx, w, r.child)
			}
		}
		w.awaitLists(4)
		golden.Check(GinkgoTB(), "../docs/policies.md", policyPage(ctx, w, runs), "UPDATE_DOCS=1 make test PKG=./controllers")
	})
})

func policyPage(ctx context.Context, w *world, runs []*policyRun) string {
	var b strings.Builder
	b.WriteString(`# Policies

What each value of each policy does, in each situation that a ChildAccount may meet. This table is made from runs against the
simulator (controllers/policies_test.go); each cell has the reason of Ready and what became of the account.

The account is declared with an e-mail and a location. "Present" accounts were there before the resource and nobody has
claimed them; the different one has another location. All rows but those of adoptionPolicy declare adoptionPolicy: Always,
so that there is something to see.

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
		w := newWorld(ctx)
		a := w.sim.PutAccount(simulatorChild(w, "acme-same", "acme-same@acme.example"))
		w.applyParent(ctx)
		w.start(ctx)
		Eventually(state(ctx, w.parentAccount())).Should(BeAvailable())
		// Changed since the list was read, and the next list is far away.
		edit(ctx, w.parentAccount(), func(p *v1alpha1.ParentAccount) { p.Spec.ResyncInterval = nil })
		Eventually(state(ctx, w.parentAccount())).Should(BeAvailable())
		Expect(w.sim.SetField(a.ID, "location", "Asia/Tokyo")).To(Succeed())
		c := w.apply(ctx, "acme-same", func(c *v1alpha1.ChildAccount) {
			c.Spec.AdoptionPolicy, c.Spec.Location = ptr.To(v1alpha1.AdoptIfIdentical), ptr.To("Etc/GMT")
		})
		Eventually(state(ctx, c)).Should(BeStalledAs(v1alpha1.ReasonAdoptionRefused))
		Expect(state(ctx, c)(Default).message).To(ContainSubstring("location"))
		Expect(w.count("SetChildAccountInfo")).To(BeZero())
	})

	It("adoption neither makes nor resets a password", func(ctx SpecContext) {
		w := newWorld(ctx)
		a := simulatorChild(w, "acme-kept", "acme-kept@acme.example")
		a.Fields["account_password"] = "Their-0wn-password!"
		id := w.sim.PutAccount(a).ID
		w.applyParent(ctx)
		w.start(ctx)
		c := w.applyReady(ctx, "acme-kept", func(c *v1alpha1.ChildAccount) { c.Spec.AdoptionPolicy = ptr.To(v1alpha1.AdoptAlways) })
		Expect(c.Status.Origin).To(Equal(v1alpha1.OriginAdopted))
		Expect(connectionOf(ctx, c)).NotTo(HaveKey("password"))
		Expect(w.sim.CheckPassword(id, "Their-0wn-password!")).To(BeTrue())
		Expect(c.Status.Conditions).To(ContainElement(And(HaveField("Type", v1alpha1.ConditionConnectionSecretReady), HaveField("Reason", v1alpha1.ReasonPartialAdopted))))
		Eventually(eventsOf(ctx, c)).Should(ContainElement(HavePrefix("Adopted: ")))
		Expect(w.account("acme-kept").Text("account_custom_data")).To(ContainSubstring(`"name":"acme-kept"`), "the claim goes into an account without custom data")
	})

	It("adoption leaves somebody's custom data alone, and does without the right to write it", func(ctx SpecContext) {
		w := newWorld(ctx)
		theirs := simulatorChild(w, "acme-data", "acme-data@acme.example")
		theirs.Fields["account_custom_data"] = "crm: 4711"
		w.sim.PutAccount(theirs)
		w.sim.PutAccount(simulatorChild(w, "acme-mute", "acme-mute@acme.example"))
		w.sim.Update(func(s *simulator.Settings) { s.NoActAsChild = true })
		w.applyParent(ctx)
		w.start(ctx)
		for _, name := range []string{"acme-data", "acme-mute"} {
			w.applyReady(ctx, name, func(c *v1alpha1.ChildAccount) { c.Spec.AdoptionPolicy = ptr.To(v1alpha1.AdoptAlways) })
		}
		Expect(w.account("acme-data").Text("account_custom_data")).To(Equal("crm: 4711"))
		Expect(w.account("acme-mute").Text("account_custom_data")).To(BeEmpty())
		w.awaitLists(2)
		Expect(w.count("SetAccountInfo")).To(Equal(1))
	})

	It("Always never takes what another installation has claimed", func(ctx SpecContext) {
		w := newWorld(ctx)
		w.sim.PutAccount(claimed(w, "acme-theirs", account.Claim{Installation: "other", Namespace: "n", Name: "acme-theirs"}))
		w.applyParent(ctx)
		w.start(ctx)
		c := w.apply(ctx, "acme-theirs", func(c *v1alpha1.ChildAccount) { c.Spec.AdoptionPolicy = ptr.To(v1alpha1.AdoptAlways) })
		Eventually(state(ctx, c)).Should(BeStalledAs(v1alpha1.ReasonClaimedElsewhere))
	})

	It("Always gives an account to one of two resources only", func(ctx SpecContext) {
		w := newWorld(ctx)
		w.sim.PutAccount(simulatorChild(w, "acme-shared", "acme-shared@acme.example"))
		w.applyParent(ctx)
		var children []*v1alpha1.ChildAccount
		for _, name := range []string{"acme-aaa", "acme-bbb"} {
			children = append(children, w.apply(ctx, name, func(c *v1alpha1.ChildAccount) {
				c.Spec.AdoptionPolicy, c.Spec.AccountName = ptr.To(v1alpha1.AdoptAlways), ptr.To("acme-shared")
			}))
		}
		w.start(ctx)
		Eventually(state(ctx, children[0])).Should(BeAvailable())
		Eventually(state(ctx, children[1])).Should(BeStalledAs(v1alpha1.ReasonDuplicateResource))
		Expect(w.account("acme-shared").Fields).To(HaveKeyWithValue("account_email", "acme-aaa@acme.example"))
	})

	It("an account is one resource's across ParentAccounts of the same parent account", func(ctx SpecContext) {
		w := startWorld(ctx)
		w.applyReady(ctx, "acme-first")
		other := w.parentAccount()
		other.Name = "acme-again"
		Expect(k8s.Create(ctx, other)).To(Succeed())
		c := w.apply(ctx, "acme-other", func(c *v1alpha1.ChildAccount) {
			c.Spec.ParentRef.Name, c.Spec.AccountName = "acme-again", ptr.To("acme-first")
			c.Spec.AdoptionPolicy = ptr.To(v1alpha1.AdoptAlways)
		})
		Eventually(state(ctx, c)).Should(BeStalledAs(v1alpha1.ReasonDuplicateResource))
		Expect(w.count("AddAccount")).To(Equal(1))
		Expect(w.count("SetChildAccountInfo")).To(BeZero())
	})

	It("Report lists drift with its beginning, applies the spec, and ends when the drift does", func(ctx SpecContext) {
		w := startWorld(ctx)
		c := w.applyReady(ctx, "acme-drift", func(c *v1alpha1.ChildAccount) {
			c.Spec.DriftPolicy, c.Spec.Location = ptr.To(v1alpha1.DriftReport), ptr.To("Europe/Berlin")
		})
		id := w.account("acme-drift").ID
		Expect(w.sim.SetField(id, "location", "Asia/Tokyo")).To(Succeed())
		Eventually(state(ctx, c)).Should(Satisfy(func(s summary) bool { return s.ready == "True/DriftDetected" && s.second == "False/DriftDetected" }))
		Expect(c.Status.Drift).To(HaveLen(1))
		Expect(c.Status.Drift[0]).To(And(HaveField("Field", "location"), HaveField("Desired", "Europe/Berlin"), HaveField("Observed", HaveValue(Equal("Asia/Tokyo")))))
		since := c.Status.Drift[0].Since

		By("a change in Git is applied, to that field alone")
		edit(ctx, c, func(c *v1alpha1.ChildAccount) { c.Spec.LanguageCode = ptr.To("de") })
		Eventually(func() any { return w.account("acme-drift").Fields["language_code"] }).Should(Equal("de"))
		Expect(w.account("acme-drift").Fields).To(HaveKeyWithValue("location", "Asia/Tokyo"))
		w.awaitLists(1)
		Expect(k8s.Get(ctx, clientKey(c), c)).To(Succeed())
		Expect(c.Status.Drift).To(HaveLen(1))
		Expect(c.Status.Drift[0].Since.Equal(&since)).To(BeTrue())

		Expect(w.sim.SetField(id, "location", "Europe/Berlin")).To(Succeed())
		Eventually(state(ctx, c)).Should(BeAvailable())
		Expect(c.Status.Drift).To(BeEmpty())
	})

	It("Observe reads only: no finalizer, no Secret, no write, and Manage then asks for adoption", func(ctx SpecContext) {
		w := newWorld(ctx)
		w.sim.PutAccount(simulatorChild(w, "acme-seen", "seen@acme.example"))
		w.applyParent(ctx)
		w.start(ctx)
		c := w.apply(ctx, "acme-seen", func(c *v1alpha1.ChildAccount) { c.Spec.ManagementPolicy = ptr.To(v1alpha1.ManagementObserve) })
		Eventually(state(ctx, c)).Should(BeReadyAs(v1alpha1.ReasonObserved))
		Expect(c.Finalizers).To(BeEmpty())
		Expect(c.Status.AccountID).NotTo(BeEmpty())
		Expect(c.Status.Drift).To(ConsistOf(HaveField("Field", "email")))
		edit(ctx, c, func(c *v1alpha1.ChildAccount) { c.Spec.ManagementPolicy = nil })
		Eventually(state(ctx, c)).Should(BeStalledAs(v1alpha1.ReasonAdoptionRefused))
		Expect(w.count("SetChildAccountInfo") + w.count("AddAccount")).To(BeZero())
	})

	It("Recreate makes a new account, with its key and the password that is in the Secret", func(ctx SpecContext) {
		w := startWorld(ctx)
		c := w.applyReady(ctx, "acme-anew", func(c *v1alpha1.ChildAccount) { c.Spec.MissingPolicy = ptr.To(v1alpha1.MissingRecreate) })
		old := c.Status.AccountID
		w.sim.Remove(w.account("acme-anew").ID)
		Eventually(func(g Gomega) {
			g.Expect(state(ctx, c)(g)).To(BeAvailable())
			g.Expect(c.Status.AccountID).NotTo(Equal(old))
		}).Should(Succeed())
		data := connectionOf(ctx, c)
		Expect(data).To(HaveKeyWithValue("accountID", c.Status.AccountID))
		Expect(data).To(HaveKeyWithValue("apiKey", w.account("acme-anew").Fields["api_key"]))
		Expect(w.sim.CheckPassword(w.account("acme-anew").ID, data["password"])).To(BeTrue())
	})

	It("Deactivate switches off, and says so when the resource comes back", func(ctx SpecContext) {
		w := startWorld(ctx)
		deactivate := func(c *v1alpha1.ChildAccount) { c.Spec.DeletionPolicy = ptr.To(v1alpha1.DeletionDeactivate) }
		c := w.applyReady(ctx, "acme-off", deactivate)
		remove(ctx, w, c)
		Expect(w.account("acme-off").Active()).To(BeFalse())
		c = w.apply(ctx, "acme-off", deactivate)
		Eventually(state(ctx, c)).Should(Satisfy(func(s summary) bool {
			return s.ready == "False/DeactivatedEarlier" && s.second == "True/DeactivatedEarlier" && s.flags == "Stalled"
		}))
		w.awaitLists(2)
		Expect(state(ctx, c)(Default).ready).To(Equal("False/DeactivatedEarlier"))
		Expect(w.account("acme-off").Active()).To(BeFalse())
		edit(ctx, c, func(c *v1alpha1.ChildAccount) { c.Spec.Active = ptr.To(true) })
		Eventually(state(ctx, c)).Should(BeAvailable())
		Expect(w.account("acme-off").Active()).To(BeTrue())
	})

	It("Deactivate waits for the API, says so, and ends when it is back", func(ctx SpecContext) {
		w := startWorld(ctx)
		c := w.applyReady(ctx, "acme-late", func(c *v1alpha1.ChildAccount) { c.Spec.DeletionPolicy = ptr.To(v1alpha1.DeletionDeactivate) })
		w.sim.AddFault(simulator.Fault{Kind: simulator.FaultHTTP, Method: "SetChildAccountInfo", Status: 503})
		Expect(k8s.Delete(ctx, c)).To(Succeed())
		Eventually(state(ctx, c)).Should(HaveField("String()", ContainSubstring(`"reason": "Deleting"`)))
		w.sim.ClearFaults()
		Eventually(func() error { return k8s.Get(ctx, clientKey(c), c) }).Should(beNotFound())
		Expect(w.account("acme-late").Active()).To(BeFalse())
	})

	It("Deactivate leaves alone an account of a suspended resource", func(ctx SpecContext) {
		w := startWorld(ctx)
		c := w.applyReady(ctx, "acme-rest", func(c *v1alpha1.ChildAccount) { c.Spec.DeletionPolicy = ptr.To(v1alpha1.DeletionDeactivate) })
		edit(ctx, c, func(c *v1alpha1.ChildAccount) { c.Spec.Suspend = ptr.To(true) })
		remove(ctx, w, c)
		Expect(w.account("acme-rest").Active()).To(BeTrue())
		Expect(w.count("SetChildAccountInfo")).To(BeZero())
	})

	It("Deactivate does not outlive the hour without credentials", func(ctx SpecContext) {
		w := startWorld(ctx)
		c := w.applyReady(ctx, "acme-hour", func(c *v1alpha1.ChildAccount) { c.Spec.DeletionPolicy = ptr.To(v1alpha1.DeletionDeactivate) })
		Expect(k8s.Delete(ctx, w.parentAccount())).To(Succeed())
		Eventually(state(ctx, c)).Should(BeStalledAs(v1alpha1.ReasonParentNotFound))
		Expect(k8s.Delete(ctx, c)).To(Succeed())
		Eventually(state(ctx, c)).Should(HaveField("String()", And(ContainSubstring(`"type": "Stalled"`), ContainSubstring(`"reason": "Deleting"`))))
		w.stop()
		w.clock = ahead{w.clock, 2 * time.Hour}
		w.start(ctx)
		Eventually(func() error { return k8s.Get(ctx, clientKey(c), c) }).Should(beNotFound())
		Expect(w.account("acme-hour").Active()).To(BeTrue())
		Eventually(eventsOf(ctx, c)).Should(ContainElement(HavePrefix("NotDeactivated: ")))
	})

	It("Deactivate leaves an account alone that has got another claim meanwhile, and says so", func(ctx SpecContext) {
		w := startWorld(ctx)
		c := w.applyReady(ctx, "acme-moved", func(c *v1alpha1.ChildAccount) { c.Spec.DeletionPolicy = ptr.To(v1alpha1.DeletionDeactivate) })
		theirs := account.Claim{Installation: "theirs", Namespace: w.ns, Name: "acme-moved"}
		Expect(w.sim.SetField(w.account("acme-moved").ID, "account_custom_data", theirs.CustomData())).To(Succeed())
		remove(ctx, w, c)
		Expect(w.account("acme-moved").Active()).To(BeTrue())
		Eventually(eventsOf(ctx, c)).Should(ContainElement(HavePrefix("NotDeactivated: ")))
	})

	It("a requested look corrects at once, and is echoed", func(ctx SpecContext) {
		w := newWorld(ctx)
		w.applyParent(ctx, func(p *v1alpha1.ParentAccount) { p.Spec.ResyncInterval = nil }) // five minutes
		w.start(ctx)
		c := w.applyReady(ctx, "acme-now")
		Expect(w.sim.SetField(w.account("acme-now").ID, "account_email", "drift@else.example")).To(Succeed())
		edit(ctx, c, func(c *v1alpha1.ChildAccount) {
			c.Annotations[v1alpha1.AnnotationReconcileRequestedAt] = "2026-11-21T12:00:00Z"
		})
		Eventually(func() any { return w.account("acme-now").Fields["account_email"] }).Should(Equal("acme-now@acme.example"))
		Eventually(func(g Gomega) string { state(ctx, c)(g); return c.Status.LastHandledReconcileAt }).Should(Equal("2026-11-21T12:00:00Z"))
	})
})
