package engine_test

import (
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"cpaas.dev/child-account-operator/api/v1alpha1"
	"cpaas.dev/child-account-operator/internal/simulator"
	"cpaas.dev/child-account-operator/internal/testenv"
)

var _ = Describe("A key that is revoked", func() {
	It("is told of by its ParentAccount as soon as a call for a ChildAccount is refused, long before the list is due", func(ctx SpecContext) {
		w := testenv.NewWorld(ctx)
		p := w.ApplyParent(ctx, func(p *v1alpha1.ParentAccount) {
			p.Spec.ResyncInterval = &metav1.Duration{Duration: time.Hour}
		})
		w.Start(ctx)
		c := w.ApplyReady(ctx, "acme-revoked")
		w.Sim.AddFault(simulator.Fault{Kind: simulator.FaultError, Code: 100})
		testenv.Edit(ctx, c, func(c *v1alpha1.ChildAccount) { c.Spec.LanguageCode = ptr.To("fr") }) // by a method that has never worked: a role may be missing
		Eventually(testenv.StateOf(ctx, p)).Should(testenv.BeStalledAs(v1alpha1.ReasonUnauthorized))
		Eventually(testenv.StateOf(ctx, c)).Should(And(testenv.BeStalledAs(v1alpha1.ReasonParentNotReady), HaveField("Message", ContainSubstring("Unauthorized"))))
		w.Sim.ClearFaults()
		testenv.Edit(ctx, p, func(p *v1alpha1.ParentAccount) {
			p.Annotations = map[string]string{v1alpha1.AnnotationReconcileRequestedAt: "now"}
		})
		Eventually(testenv.StateOf(ctx, c)).Should(testenv.BeAvailable())
		Expect(w.Account(c.Name).Fields["language_code"]).To(Equal("fr"))
	})
})
