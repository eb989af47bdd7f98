package crashtest

import (
	"strconv"

	. "github.com/onsi/gomega"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"cpaas.dev/child-account-operator/api/v1alpha1"
	"cpaas.dev/child-account-operator/internal/simulator"
)

// createSalted has a ParentAccount at rest, and a Secret with a salt. Had it declared plans from the start, none would be bought: the first list has a claim
// of this installation.
func createSalted(w *world) {
	w.createParent()
	w.declareSalt()
	w.eventually(func(g Gomega) {
		w.expectParent(g)
		g.Expect(w.parentAccount(g).Status.ChildAccounts).To(HaveValue(HaveField("Total", BeEquivalentTo(len(w.sim.Accounts(w.parent.ID))))))
	})
}

// declareOwn has the ParentAccount declare its own account: a value that the provider returns, one that it never returns, a salt, and a plan
// that costs money.
func declareOwn(w *world) {
	edit(w, "acme", &v1alpha1.ParentAccount{}, func(p *v1alpha1.ParentAccount) {
		p.Spec.Account = &v1alpha1.OwnAccount{
			LanguageCode: ptr.To("de"), Profile: &v1alpha1.OwnProfile{StoreInboundSMS: ptr.To(true)},
			Callback: &v1alpha1.Callback{SaltSecretRef: &v1alpha1.SecretKeyReference{Name: "salt"}},
		}
		p.Spec.Plans = []v1alpha1.DeclaredPlan{{Type: "MAU", TemplateID: "11"}}
	})
}

// changeOwn changes the value of it that the provider never returns.
func changeOwn(w *world) {
	edit(w, "acme", &v1alpha1.ParentAccount{}, func(p *v1alpha1.ParentAccount) { p.Spec.Account.Profile.StoreInboundSMS = ptr.To(false) })
}

// passMinuteOfParent is passMinute for a plan of the ParentAccount.
func passMinuteOfParent(w *world) {
	p := w.parentAccount(w)
	if p.Status.Account == nil || len(p.Status.Account.PlanChanges) == 0 {
		return
	}
	aMinuteAgo(p.Status.Account.PlanChanges)
	w.Expect(k8s.Status().Update(w.ctx(), p)).To(Succeed())
}

func (w *world) parentAccount(g Gomega) *v1alpha1.ParentAccount {
	p := &v1alpha1.ParentAccount{}
	g.Expect(k8s.Get(w.ctx(), client.ObjectKey{Namespace: w.ns, Name: "acme"}, p)).To(Succeed())
	return p
}

// expectOwn says that the parent account is as its ParentAccount declares it, and that the status says so.
func (w *world) expectOwn(g Gomega) {
	p := w.parentAccount(g)
	own, _ := w.sim.AccountByID(w.parent.ID)
	stored := *p.Spec.Account.Profile.StoreInboundSMS
	g.Expect(own.Fields).To(And(HaveKeyWithValue("language_code", "de"), HaveKeyWithValue("store_inbound_sms", stored), HaveKeyWithValue("callback_salt", firstPassword)))
	g.Expect(simulator.PlanOf(w.sim, own.ID, "MAU")).To(BeEquivalentTo(11))
	g.Expect(p.Status.Conditions).To(ContainElements(
		condition(v1alpha1.ConditionAccountSynced, v1alpha1.ReasonAvailable), condition(v1alpha1.ConditionPlansSynced, v1alpha1.ReasonAvailable)))
	g.Expect(p.Status.Conditions).To(HaveEach(HaveField("ObservedGeneration", p.Generation)))
	g.Expect(p.Status.Account.PlanChanges).To(BeEmpty())
	g.Expect(p.Status.Account.Plans).To(ContainElement(And(HaveField("Type", "MAU"), HaveField("TemplateID", "11"))))
	g.Expect(p.Status.Account.LastApplied).To(HaveKeyWithValue("profile.storeInboundSMS", strconv.FormatBool(stored)))
	g.Expect(p.Status.Account.CallbackSaltDigest).NotTo(BeEmpty())
}
