package engine_test

import (
	"encoding/json"
	"fmt"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"cpaas.dev/child-account-operator/api/v1alpha1"
	"cpaas.dev/child-account-operator/internal/account"
	"cpaas.dev/child-account-operator/internal/simulator"
	"cpaas.dev/child-account-operator/internal/testenv"
)

var _ = Describe("A tenant who may do nothing but work with ChildAccounts", func() {
	adopting := func(c *v1alpha1.ChildAccount) { c.Spec.AdoptionPolicy = ptr.To(v1alpha1.AdoptAlways) }
	observing := func(c *v1alpha1.ChildAccount) { c.Spec.ManagementPolicy = ptr.To(v1alpha1.ManagementObserve) }

	It("gets no account that was there before, by no policy, without the grant", func(ctx SpecContext) {
		w, p := testenv.StartShared(ctx, testenv.FromAll)
		t := w.NewTenant(ctx, nil)
		victim := w.Sim.PutAccount(testenv.SimulatorChild(w, "acme-treasure", "treasure@acme.example"))
		named := func(name string) func(*v1alpha1.ChildAccount) {
			return func(c *v1alpha1.ChildAccount) { c.Spec.AccountName = &name }
		}
		plain := t.Apply(ctx, "acme-plain", named("acme-treasure"))
		Eventually(testenv.StateOf(ctx, plain)).Should(testenv.BeStalledAs(v1alpha1.ReasonAdoptionRefused))
		Expect(t.Delete(ctx, plain)).To(Succeed())
		taker := t.Apply(ctx, "acme-taker", named("acme-treasure"), adopting)
		looker := t.Apply(ctx, "acme-looker", named("acme-treasure"), observing)
		Eventually(testenv.StateOf(ctx, taker)).Should(testenv.BeStalledAs(v1alpha1.ReasonNotPermitted))
		Eventually(testenv.StateOf(ctx, looker)).Should(testenv.BeStalledAs(v1alpha1.ReasonNotPermitted))
		Expect(looker.Status.Observed).To(BeNil())
		Expect(w.Writes()).To(BeZero())

		testenv.Edit(ctx, p, func(p *v1alpha1.ParentAccount) {
			p.Spec.AllowedNamespaces.Grants = []v1alpha1.Grant{v1alpha1.GrantAdopt}
		})
		Eventually(testenv.StateOf(ctx, taker)).Should(testenv.BeAvailable())
		Expect(taker.Status.AccountID).To(Equal(fmt.Sprint(victim.ID)))
		Eventually(testenv.StateOf(ctx, looker)).Should(testenv.BeReadyAs(v1alpha1.ReasonObserved))
		testenv.Edit(ctx, p, func(p *v1alpha1.ParentAccount) { p.Spec.AllowedNamespaces.Grants = nil })
		Eventually(testenv.StateOf(ctx, taker)).Should(testenv.BeStalledAs(v1alpha1.ReasonNotPermitted))
	})

	It("buys no plan without the grant", func(ctx SpecContext) {
		w, p := testenv.StartShared(ctx, testenv.FromAll)
		t := w.NewTenant(ctx, nil)
		c := t.Apply(ctx, "acme-planned", func(c *v1alpha1.ChildAccount) {
			c.Spec.Plans = []v1alpha1.DeclaredPlan{{Type: "MAU", TemplateID: "11"}}
		})
		Eventually(testenv.StateOf(ctx, c)).Should(testenv.BeStalledAs(v1alpha1.ReasonNotPermitted))
		Expect(w.Writes()).To(BeZero())
		testenv.Edit(ctx, p, func(p *v1alpha1.ParentAccount) {
			p.Spec.AllowedNamespaces.Grants = []v1alpha1.Grant{v1alpha1.GrantPlan}
		})
		Eventually(testenv.StateOf(ctx, c)).Should(testenv.BeAvailable())
		Expect(c.Status.Conditions).To(ContainElement(And(HaveField("Type", v1alpha1.ConditionPlansSynced), HaveField("Status", metav1.ConditionTrue))))
		Expect(c.Status.Observed.Plans).To(HaveLen(2))
		Expect(simulator.PlanOf(w.Sim, w.Account("acme-planned").ID, "MAU")).To(BeEquivalentTo(11))
		w.AwaitLists(2)
		Expect(w.Changes()).To(Equal([]string{"AddAccount", "GetAccountPlans", "GetAvailablePlans", "ChangeAccountPlan", "GetAccountPlans"}))
	})

	It("clones no account of another tenant, and its own and the parent's with the grant alone", func(ctx SpecContext) {
		w, p := testenv.StartShared(ctx, testenv.FromAll)
		t, other := w.NewTenant(ctx, nil), w.NewTenant(ctx, nil)
		template := func(name string) func(*v1alpha1.ChildAccount) {
			return func(c *v1alpha1.ChildAccount) { c.Spec.CloneFrom = &v1alpha1.CloneFrom{AccountName: name} }
		}
		Eventually(testenv.StateOf(ctx, other.Apply(ctx, "acme-theirs"))).Should(testenv.BeAvailable())
		simulator.SetParts(w.Sim, w.Account("acme-theirs").ID, simulator.Parts{Scenarios: []string{"their-secret-ivr"}})
		c := t.Apply(ctx, "acme-branch", template("acme-shared")) // before there is one
		Eventually(testenv.StateOf(ctx, c)).Should(testenv.BeStalledAs(v1alpha1.ReasonNotPermitted))
		testenv.Edit(ctx, p, func(p *v1alpha1.ParentAccount) {
			p.Spec.AllowedNamespaces.Grants = []v1alpha1.Grant{v1alpha1.GrantClone}
		})
		thief := t.Apply(ctx, "acme-thief", template("acme-theirs"))
		for _, waiting := range []*v1alpha1.ChildAccount{c, thief} {
			Eventually(testenv.StateOf(ctx, waiting)).Should(And(
				HaveField("Second", "Unknown/Creating"), HaveField("Message", ContainSubstring("that this resource may clone"))))
		}
		w.ApplyReady(ctx, "acme-shared")
		Eventually(testenv.StateOf(ctx, c)).Should(testenv.BeAvailable())
		Expect(c.Status.ClonedFrom).To(HaveField("AccountName", "acme-shared"))
		Expect(c.Status.ClonedFrom.Users).To(HaveField("Count", int32(0)))
		Expect(w.Account("acme-branch").ParentID).To(Equal(w.Account("acme-shared").ParentID))
		Expect(w.Count("CloneAccount")).To(Equal(1))
		Expect(w.Count("AddAccount")).To(Equal(2))
		Expect(t.Get(ctx, testenv.KeyOf(thief), thief)).To(Succeed())
		Expect(thief.Status.AccountID).To(BeEmpty())
	})

	It("gets no account of somebody else's resource, and can't stand in its way", func(ctx SpecContext) {
		w := testenv.StartWorld(ctx)
		t := w.NewTenant(ctx, nil)
		name := func(c *v1alpha1.ChildAccount) { c.Spec.AccountName = ptr.To("acme-wanted") }
		squatter := t.Apply(ctx, "acme-squatter", name) // older, and not let in
		Eventually(testenv.StateOf(ctx, squatter)).Should(testenv.BeStalledAs(v1alpha1.ReasonNamespaceNotAllowed))
		owner := w.ApplyReady(ctx, "acme-wanted")
		testenv.Edit(ctx, w.ParentAccount(), testenv.Sharing(testenv.FromAll))
		Eventually(testenv.StateOf(ctx, squatter)).Should(testenv.BeStalledAs(v1alpha1.ReasonDuplicateResource))
		Consistently(testenv.StateOf(ctx, owner)).Should(testenv.BeAvailable())
		// Not even after its resource is gone: the claim stays.
		testenv.Remove(ctx, w, owner)
		Eventually(testenv.StateOf(ctx, squatter)).Should(testenv.BeStalledAs(v1alpha1.ReasonClaimedElsewhere))
		Expect(w.Count("AddAccount")).To(Equal(1))
	})

	It("can't pass for the holder of an account by forging what the operator writes", func(ctx SpecContext) {
		w, _ := testenv.StartShared(ctx, testenv.FromAll)
		t := w.NewTenant(ctx, nil)
		owner := w.ApplyReady(ctx, "acme-mine")
		forged := t.Child("acme-forged", func(c *v1alpha1.ChildAccount) {
			c.Spec.AccountName = ptr.To("acme-mine")
			c.Annotations = map[string]string{
				v1alpha1.AnnotationCreateIntent: owner.Status.ParentAccountID + "/acme-mine",
				v1alpha1.AnnotationAcceptParent: owner.Status.ParentAccountID,
			}
			c.Finalizers = []string{v1alpha1.Finalizer}
			c.Status = owner.Status
		})
		Expect(t.Create(ctx, forged)).To(Succeed())
		Eventually(testenv.StateOf(ctx, forged)).Should(testenv.BeStalledAs(v1alpha1.ReasonDuplicateResource))
		Expect(forged.Status.AccountID).To(BeEmpty())
		err := t.Status().Patch(ctx, forged, client.RawPatch("application/merge-patch+json", []byte(`{"status":{"accountID":"1","origin":"Created"}}`)))
		Expect(apierrors.IsForbidden(err)).To(BeTrue(), "%v", err)
	})

	It("plants no account by writing its claim, neither after a restart nor once the sharing has ended", func(ctx SpecContext) {
		w, p := testenv.StartShared(ctx, testenv.FromAll)
		t := w.NewTenant(ctx, nil)
		wanted := func(c *v1alpha1.ChildAccount) { c.Spec.AccountName = ptr.To("acme-billing") }
		plant := t.Apply(ctx, "plant", wanted)
		Eventually(testenv.StateOf(ctx, plant)).Should(testenv.BeAvailable())
		victim := w.Apply(ctx, "acme-billing")
		Eventually(testenv.StateOf(ctx, victim)).Should(testenv.BeStalledAs(v1alpha1.ReasonDuplicateResource))
		claim := account.Claim{Installation: installationOf(w, plant), Namespace: w.NS, Name: victim.Name}
		Expect(w.Sim.SetField(w.Account("acme-billing").ID, "account_custom_data", claim.CustomData())).To(Succeed())
		w.AwaitLists(2)
		testenv.Remove(ctx, w, plant)
		Eventually(testenv.StateOf(ctx, victim)).Should(testenv.BeStalledAs(v1alpha1.ReasonAdoptionRefused))
		w.Stop()
		testenv.Edit(ctx, p, func(p *v1alpha1.ParentAccount) { p.Spec.AllowedNamespaces = nil })
		beside := w.ParentAccount() // of the same account, and never shared
		beside.Name = "beside"
		Expect(testenv.K8s.Create(ctx, beside)).To(Succeed())
		besides := w.Apply(ctx, "acme-besides", wanted, func(c *v1alpha1.ChildAccount) { c.Spec.ParentRef.Name = beside.Name })
		w.Start(ctx)
		writes := w.Writes()
		Eventually(testenv.StateOf(ctx, victim)).Should(And(
			testenv.BeStalledAs(v1alpha1.ReasonAdoptionRefused), HaveField("Message", ContainSubstring("was shared with other namespaces, whoever has had the account can write that"))))
		w.AwaitLists(3)
		Expect(testenv.StateOf(ctx, victim)(Default)).To(testenv.BeStalledAs(v1alpha1.ReasonAdoptionRefused))
		By("having another resource be named by the claim, under the ParentAccount that was never shared")
		Expect(testenv.K8s.Delete(ctx, victim)).To(Succeed())
		claim.Name = besides.Name
		Expect(w.Sim.SetField(w.Account("acme-billing").ID, "account_custom_data", claim.CustomData())).To(Succeed())
		w.AwaitLists(3)
		Eventually(testenv.StateOf(ctx, besides)).Should(testenv.BeStalledAs(v1alpha1.ReasonAdoptionRefused))
		Expect(w.Writes()).To(Equal(writes))
		testenv.Edit(ctx, besides, adopting)
		Eventually(testenv.StateOf(ctx, besides)).Should(testenv.BeAvailable())
	})

	It("can't have another's Secret read, written or taken over", func(ctx SpecContext) {
		w, _ := testenv.StartShared(ctx, testenv.FromAll)
		t := w.NewTenant(ctx, nil)
		testenv.ApplyPassword(ctx, w, "owners-password", testenv.FirstPassword)
		c := t.Apply(ctx, "acme-reader", testenv.WithPassword("owners-password")) // means one in the tenant's own namespace
		Eventually(testenv.StateOf(ctx, c)).Should(testenv.BeStalledAs(v1alpha1.ReasonSecretMissing))
		bystander := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: t.NS, Name: "bystander"}, Data: map[string][]byte{"password": []byte("untouched")}}
		Expect(testenv.K8s.Create(ctx, bystander)).To(Succeed())
		unlabelled := t.Apply(ctx, "acme-unmarked", testenv.WithPassword("bystander"))
		Eventually(testenv.StateOf(ctx, unlabelled)).Should(testenv.BeStalledAs(v1alpha1.ReasonSecretNotLabelled))
		over := t.Apply(ctx, "acme-over", func(c *v1alpha1.ChildAccount) {
			c.Spec.ConnectionSecret = &v1alpha1.ConnectionSecret{Name: ptr.To("bystander")}
		})
		Eventually(testenv.StateOf(ctx, over)).Should(testenv.BeStalledAs(v1alpha1.ReasonSecretInvalid))
		Expect(testenv.K8s.Get(ctx, testenv.KeyOf(bystander), bystander)).To(Succeed())
		Expect(bystander.Data).To(Equal(map[string][]byte{"password": []byte("untouched")}))
		Expect(w.Count("AddAccount")).To(BeZero())
	})

	It("can't choose the host, nor make a parent of their own", func(ctx SpecContext) {
		w, _ := testenv.StartShared(ctx, testenv.FromAll)
		t := w.NewTenant(ctx, nil)
		own := w.ParentAccount()
		own.Namespace = t.NS
		Expect(apierrors.IsForbidden(t.Create(ctx, own))).To(BeTrue())
		Expect(apierrors.IsForbidden(t.Update(ctx, w.ParentAccount()))).To(BeTrue())
		// Even somebody who may make ParentAccounts has the endpoints of --allowed-endpoints and no other.
		own.Spec.Voximplant.Endpoint = ptr.To("https://collector.example")
		Expect(testenv.K8s.Create(ctx, own)).To(Succeed())
		Eventually(testenv.StateOf(ctx, own)).Should(testenv.BeStalledAs(v1alpha1.ReasonEndpointNotAllowed))
	})

	DescribeTable("can't smuggle anything into a parameter", func(ctx SpecContext, field, value string) {
		spec, err := json.Marshal(map[string]any{"parentRef": map[string]any{"name": "acme"}, "email": "a@b.example"})
		Expect(err).NotTo(HaveOccurred())
		u := testenv.Manifest("ChildAccount", "default", "acme-inject", string(spec))
		u.Object["spec"].(map[string]any)[field] = value
		Expect(apierrors.IsInvalid(testenv.DryApply(ctx, u))).To(BeTrue(), "%s %q", field, value)
	}, injections())

	It("what a value may hold arrives as one value and changes one account", func(ctx SpecContext) {
		w, _ := testenv.StartShared(ctx, testenv.FromAll)
		t := w.NewTenant(ctx, nil)
		other := w.ApplyReady(ctx, "acme-other")
		c := t.Apply(ctx, "acme-special", func(c *v1alpha1.ChildAccount) { c.Spec.Email = "a+b&child_account_id=all#{x}|y~%3B@acme.example" })
		Eventually(testenv.StateOf(ctx, c)).Should(testenv.BeAvailable())
		Expect(w.Account("acme-special").Fields["account_email"]).To(Equal(c.Spec.Email))
		testenv.Edit(ctx, c, func(c *v1alpha1.ChildAccount) { c.Spec.Email = "all&child_account_email=x@acme.example" })
		Eventually(func() any { return w.Account("acme-special").Fields["account_email"] }).Should(Equal("all&child_account_email=x@acme.example"))
		Expect(w.Account("acme-other").Fields["account_email"]).To(Equal(other.Spec.Email))
	})

	It("a password with separators is one password, and one with line breaks or NUL is none", func(ctx SpecContext) {
		w := testenv.StartWorld(ctx)
		testenv.ApplyPassword(ctx, w, "separators", "Aa1;all,x=y&z%3B#-long")
		w.ApplyReady(ctx, "acme-password", testenv.WithPassword("separators"))
		Expect(testenv.HasPassword(w, "acme-password", "Aa1;all,x=y&z%3B#-long")()).To(BeTrue())
		for name, password := range map[string]string{"nul": "Aa1-\x00-zzzz", "line": "Aa1-zzzz\nx: y", "bytes": "Aa1-zzzz\xff"} {
			testenv.ApplyPassword(ctx, w, name, password)
			c := w.Apply(ctx, "acme-"+name+"-x", testenv.WithPassword(name))
			Eventually(testenv.StateOf(ctx, c)).Should(testenv.BeStalledAs(v1alpha1.ReasonSecretInvalid))
		}
		Expect(w.Count("AddAccount")).To(Equal(1))
	})
})

// injections tries every piece that means something to the API, or to whatever carries it, in every field of text.
func injections() []TableEntry {
	var out []TableEntry
	for field, good := range map[string]string{"accountName": "acme-x", "email": "a@b.example", "location": "Europe/Berlin", "languageCode": "en", "minBalanceToNotify": "5.00"} {
		for what, piece := range map[string]string{"semicolon": ";", "comma": ",", "newline": "\n", "carriage return": "\r", "NUL": "\x00", "blank": " ", "quote": "\""} {
			out = append(out, Entry(field+", "+what+" inside", field, good[:1]+piece+good[1:]), Entry(field+", "+what+" at the end", field, good+piece))
		}
	}
	return append(out, Entry("accountName, all", "accountName", "all"), Entry("a list of names", "accountName", "acme-a;acme-b"))
}
