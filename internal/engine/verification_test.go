package engine_test

import (
	"context"
	"fmt"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"cpaas.dev/child-account-operator/api/v1alpha1"
	"cpaas.dev/child-account-operator/internal/readings"
	"cpaas.dev/child-account-operator/internal/simulator"
	"cpaas.dev/child-account-operator/internal/testenv"
)

var _ = Describe("What is read beside the list", func() {
	It("is one call a list for verifications, reports them, and costs nothing at rest or after a restart", Label("slow"), func(ctx SpecContext) {
		meter := testenv.NewRequestMeter()
		w := testenv.NewWorld(ctx)
		w.Config = meter.On(testenv.OperatorConfig())
		w.Options.Readings = readings.Options{Verifications: true, Money: true}
		w.Options.CountsAfter = leastBatchDelay
		var ids []int64
		for i := range 3 {
			name := fmt.Sprintf("acme-%d", i)
			ids = append(ids, w.Sim.PutAccount(simulator.Account{ParentID: w.Parent.ID, Fields: simulator.Fields{"account_name": name, "account_email": name + "@acme.example", "active": true}}).ID)
		}
		verify(w, ids[0], simulator.Verification{Name: "A", Status: simulator.VerificationVerified}, simulator.Verification{Name: "DE", Status: simulator.VerificationRequired, HoldUntil: "2126-01-02"})
		verify(w, ids[1], simulator.Verification{Name: "DE", Status: simulator.VerificationVerified})
		verify(w, w.Sim.AddStranger("stranger", "stranger@else.example").ID, simulator.Verification{Name: "DE", Status: simulator.VerificationRequired})
		parent := w.ApplyParent(ctx, func(p *v1alpha1.ParentAccount) { p.Spec.ResyncInterval = &metav1.Duration{Duration: time.Hour} })
		w.Start(ctx)
		Eventually(testenv.StateOf(ctx, parent)).Should(testenv.BeAvailable())
		Eventually(testenv.Scrape).Should(ContainSubstring(`child_account_operator_verifications{namespace="` + w.NS + `",parent="acme",state="Required"} 1`))

		var children []*v1alpha1.ChildAccount
		for i := range ids {
			children = append(children, w.ApplyReady(ctx, fmt.Sprintf("acme-%d", i), func(c *v1alpha1.ChildAccount) {
				c.Spec.AdoptionPolicy = ptr.To(v1alpha1.AdoptAlways)
				withProfileAlone(c)
			}))
		}
		Expect(verificationOf(ctx, children[0])).To(Equal("DE REQUIRED 2126-01-02, A VERIFIED"))
		Expect(verificationOf(ctx, children[1])).To(Equal("DE VERIFIED"))
		Expect(verificationOf(ctx, children[2])).To(BeEmpty())
		Expect(testenv.ColumnsOf(ctx, children[0])()).To(HaveKeyWithValue("Verification", "REQUIRED"))

		By("a change at the provider")
		verify(w, ids[1], simulator.Verification{Name: "DE", Status: simulator.VerificationInProgress})
		resync(ctx, w, parent, 1)
		Eventually(func() string { return verificationOf(ctx, children[1]) }).Should(Equal("DE IN_PROGRESS"))

		By("lists at rest")
		before := meter.AtRest(w)
		resync(ctx, w, parent, resyncsAtRest)
		after := meter.AtRest(w)
		spent := after.Since(before)
		Expect(spent).To(HaveKeyWithValue("GetAccountDocuments", resyncsAtRest))
		Expect(spent).To(HaveKeyWithValue(testenv.APICalls, 2*resyncsAtRest))
		Expect(spent).NotTo(HaveKey(testenv.Requests))

		By("a restart")
		w.Stop()
		awaitList(w, func() { w.Start(ctx) })
		restarted := meter.AtRest(w).Since(after)
		Expect(restarted).NotTo(HaveKey(testenv.WriteRequests), restarted.String())
		// Identity, list and verifications; the amount to charge and exchange rates.
		Expect(restarted).To(HaveKeyWithValue(testenv.APICalls, 5), restarted.String())
		Expect(verificationOf(ctx, children[0])).To(Equal("DE REQUIRED 2126-01-02, A VERIFIED"))
	})

	It("is reported once where the provider refuses it, and all else works", func(ctx SpecContext) {
		w := testenv.NewWorld(ctx)
		w.Options.Readings = readings.Options{Verifications: true}
		refused := w.Sim.AddFault(simulator.Fault{Kind: simulator.FaultError, Method: "GetAccountDocuments", Code: 100})
		parent := w.ApplyParent(ctx)
		w.Start(ctx)
		missing := func() *metav1.Condition {
			p := &v1alpha1.ParentAccount{}
			Expect(testenv.K8s.Get(ctx, client.ObjectKeyFromObject(parent), p)).To(Succeed())
			return meta.FindStatusCondition(p.Status.Conditions, v1alpha1.ConditionCapabilityMissing)
		}
		Eventually(missing).Should(HaveValue(HaveField("Message", And(ContainSubstring("GetAccountDocuments: Authorization failed (code 100)"), ContainSubstring("--read-verifications")))))
		Expect(testenv.StateOf(ctx, parent)(Default)).To(testenv.BeAvailable())
		w.ApplyReady(ctx, "acme-child")
		calls := w.Count("GetAccountDocuments")
		w.AwaitLists(3)
		Expect(w.Count("GetAccountDocuments")).To(Equal(calls), "it is tried with each list")
		Expect(testenv.Scrape()).To(ContainSubstring(`child_account_operator_capability_granted{capability="Verification",namespace="` + w.NS + `",parent="acme"} 0`))
		Eventually(testenv.EventsOf(ctx, parent)).Should(ConsistOf(HavePrefix(v1alpha1.ConditionCapabilityMissing + ": ")))

		By("a role that is granted, and a request")
		w.Sim.RemoveFault(refused)
		resync(ctx, w, parent, 1)
		Eventually(missing).Should(BeNil())
	})
})

// verify gives an account its verifications.
func verify(w *testenv.World, id int64, list ...simulator.Verification) {
	GinkgoHelper()
	Expect(w.Sim.SetField(id, "verifications", list)).To(Succeed())
}

// verificationOf is what the status says of an account's verifications, in one line.
func verificationOf(ctx context.Context, c *v1alpha1.ChildAccount) (text string) {
	GinkgoHelper()
	Expect(testenv.K8s.Get(ctx, client.ObjectKeyFromObject(c), c)).To(Succeed())
	for i, v := range c.Status.Observed.Verification {
		if i > 0 {
			text += ", "
		}
		text += v.Name + " " + ptr.Deref(v.Status, "")
		if v.HoldUntil != nil {
			text += " " + *v.HoldUntil
		}
	}
	return text
}
