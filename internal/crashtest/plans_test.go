package crashtest

import (
	"fmt"
	"slices"
	"time"

	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"cpaas.dev/child-account-operator/api/v1alpha1"
)

// firstPlan is the plan for active users that each account begins with.
const firstPlan = int64(10)

// planned declares a plan that costs money.
func planned(c *v1alpha1.ChildAccount) {
	c.Spec.Plans = []v1alpha1.DeclaredPlan{{Type: "MAU", TemplateID: "11"}}
}

// bought has the account have that plan.
func bought(w *want) { w.plan = 11 }

// passMinute has the request of a plan be as old as it would be if the operator were started a minute later. Before that minute is over
// it is not repeated, whatever a read shows.
func passMinute(w *world) {
	var c v1alpha1.ChildAccount
	w.Expect(k8s.Get(w.ctx(), client.ObjectKey{Namespace: w.ns, Name: name}, &c)).To(Succeed())
	if len(c.Status.PlanChanges) == 0 {
		return
	}
	aMinuteAgo(c.Status.PlanChanges)
	w.Expect(k8s.Status().Update(w.ctx(), &c)).To(Succeed())
}

// aMinuteAgo has requests be older by a minute.
func aMinuteAgo(changes []v1alpha1.PlanChange) {
	for i := range changes {
		requested := &changes[i].RequestedAt
		*requested = metav1.NewTime(requested.Add(-time.Minute))
	}
}

// expectPlan says that the status shows the plan, and waits for nothing.
func expectPlan(g Gomega, c *v1alpha1.ChildAccount) {
	declared := c.Spec.Plans[0]
	g.Expect(c.Status.Observed.Plans).To(ContainElement(And(HaveField("Type", string(declared.Type)), HaveField("TemplateID", declared.TemplateID))))
	g.Expect(c.Status.PlanChanges).To(BeEmpty())
}

// planUnrecorded says that the status does not record that this plan is requested: that of the resource, or of the ParentAccount where that declares
// plans.
func (w *world) planUnrecorded(id string) string {
	var c v1alpha1.ChildAccount
	var p v1alpha1.ParentAccount
	err := k8s.Get(w.ctx(), client.ObjectKey{Namespace: w.ns, Name: "acme"}, &p)
	changes := ptr.Deref(p.Status.Account, v1alpha1.OwnAccountStatus{}).PlanChanges
	if err == nil && p.Spec.Plans == nil {
		err = k8s.Get(w.ctx(), client.ObjectKey{Namespace: w.ns, Name: name}, &c)
		changes = c.Status.PlanChanges
	}
	if err != nil {
		return err.Error()
	}
	if !slices.ContainsFunc(changes, func(p v1alpha1.PlanChange) bool { return p.TemplateID == id }) {
		return fmt.Sprintf("no request of plan %s is recorded", id)
	}
	return ""
}

// expectBoughtOnce says that the plan was paid once.
func (w *world) expectBoughtOnce() {
	times := 0
	for _, call := range w.sim.Calls() {
		if call.Method == "ChangeAccountPlan" && call.Outcome == "ok" {
			times++
		}
	}
	w.Expect(times).To(Equal(1), "times that the plan was bought")
}
