package controllers_test

import (
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	coordinationv1 "k8s.io/api/coordination/v1"
	"k8s.io/utils/ptr"

	"cpaas.dev/child-account-operator/api/v1alpha1"
	"cpaas.dev/child-account-operator/internal/testenv"
)

var _ = Describe("A replica that stands by", func() {
	It("has seen all, and makes no call and no write before it leads", func(ctx SpecContext) {
		w := testenv.NewWorld(ctx)
		lease := testenv.HoldLease(ctx, testenv.OperatorNamespace)
		w.Options.LeaderElect, w.Options.LeaderElectionNamespace = true, testenv.OperatorNamespace
		p, c := w.ApplyParent(ctx), w.Apply(ctx, "acme-waiting", testenv.Deactivating)
		orphan := w.Apply(ctx, "acme-lost", func(c *v1alpha1.ChildAccount) { c.Spec.ParentRef.Name = "nowhere" })
		scribe := w.RecordRequests()
		w.Start(ctx)
		Eventually(scribe.Watched).Should(And(HaveKey("watch childaccounts"), HaveKey("watch parentaccounts"), HaveKey("watch secrets"), HaveKey("watch namespaces")))
		Consistently(func(g Gomega) {
			g.Expect(w.Sim.Calls()).To(BeEmpty())
			g.Expect(scribe.Written()).To(BeEmpty())
		}).WithTimeout(3 * time.Second).Should(Succeed()) // it asks for the lease every two
		seen := scribe.Watched()

		Expect(testenv.K8s.Get(ctx, testenv.KeyOf(lease), lease)).To(Succeed())
		Expect(*lease.Spec.HolderIdentity).To(Equal("another replica"))
		testenv.Edit(ctx, lease, func(l *coordinationv1.Lease) { l.Spec.HolderIdentity = ptr.To("") })
		Eventually(testenv.StateOf(ctx, c)).Should(testenv.BeAvailable())
		Eventually(testenv.StateOf(ctx, p)).Should(testenv.BeAvailable())
		Eventually(testenv.StateOf(ctx, orphan)).Should(testenv.BeStalledAs(v1alpha1.ReasonParentNotFound))
		Expect(scribe.Watched()).To(Equal(seen), "nothing had to be read first")
		Expect(testenv.WrittenTo(scribe.Written(), "acme-waiting")).NotTo(BeZero(), "the scribe is awake")
	})
})
