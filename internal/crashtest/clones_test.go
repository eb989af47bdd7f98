package crashtest

import (
	"strconv"

	. "github.com/onsi/gomega"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"cpaas.dev/child-account-operator/api/v1alpha1"
	"cpaas.dev/child-account-operator/internal/simulator"
)

const (
	// templateName is the account that is cloned.
	templateName = "acme-template"
	// clonesBalance is a value that the clone declares, and its template has not.
	clonesBalance = 12.5
)

// templateParts are what a clone gets of the template.
var templateParts = simulator.Parts{Users: []string{"ada", "bob"}, Scenarios: []string{"ivr"}}

// cloned declares a clone of the template.
func cloned(c *v1alpha1.ChildAccount) {
	c.Spec.CloneFrom = &v1alpha1.CloneFrom{AccountName: templateName}
	c.Spec.MinBalanceToNotify = ptr.To(intstr.FromString("12.50"))
}

// withTemplate has a template with something to get.
func withTemplate(w *world) {
	w.createParent()
	w.createChild(templateName)
	w.eventually(func(g Gomega) { w.expect(g, templateName, available) })
	template, _ := w.sim.Account(templateName)
	simulator.SetParts(w.sim, template.ID, templateParts)
}

// noTemplate says that no resource has the account that is about to be cloned.
func (w *world) noTemplate(id string) string {
	var all v1alpha1.ChildAccountList
	if err := k8s.List(w.ctx(), &all, client.InNamespace(w.ns)); err != nil {
		return err.Error()
	}
	for _, c := range all.Items {
		if c.AccountName() == templateName && c.Status.AccountID == id {
			return ""
		}
	}
	return "no resource has the template " + id
}

// expectClonedOnce says that the account is a clone and was made once, that it has what its template has and what its spec declares, and that the status
// says what it was cloned from.
func (w *world) expectClonedOnce() {
	template, _ := w.sim.Account(templateName)
	clone, calls := w.taken(), 0
	for _, call := range w.sim.Calls() {
		if call.Method == "CloneAccount" && call.Changed {
			calls++
		}
		w.Expect(call.Method == "AddAccount" && call.Params["account_name"] == name).To(BeFalse(), "the account was to be created and not cloned")
	}
	w.Expect(calls).To(Equal(1), "clones that were made")
	w.Expect(simulator.PartsOf(w.sim, clone.ID)).To(Equal(simulator.PartsOf(w.sim, template.ID)))
	w.Expect(clone.Fields).To(HaveKeyWithValue("min_balance_to_notify", clonesBalance))
	w.Expect(template.Fields).NotTo(HaveKeyWithValue("min_balance_to_notify", clonesBalance))
	var c v1alpha1.ChildAccount
	w.Expect(k8s.Get(w.ctx(), client.ObjectKey{Namespace: w.ns, Name: name}, &c)).To(Succeed())
	w.Expect(c.Status.ClonedFrom).To(HaveValue(HaveField("AccountName", templateName)))
	if users := c.Status.ClonedFrom.Users; users != nil { // unknown after a lost answer
		w.Expect(users.Count).To(BeEquivalentTo(len(simulator.PartsOf(w.sim, template.ID).Users)))
		w.Expect(c.Status.ClonedFrom.AccountID).To(HaveValue(Equal(strconv.FormatInt(template.ID, 10))))
	}
}
