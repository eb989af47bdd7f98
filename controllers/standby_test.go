package controllers_test

import (
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	coordinationv1 "k8s.io/api/coordination/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"cpaas.dev/child-account-operator/api/v1alpha1"
)

var _ = Describe("A replica that stands by", func() {
	It("has seen all, and makes no call and no write before it leads", func(ctx SpecContext) {
		w := newWorld(ctx)
		now := metav1.NewMicroTime(time.Now())
		lease := leaseOf(operatorNamespace)
		lease.Spec = coordinationv1.LeaseSpec{
			HolderIdentity: ptr.To("another replica"), LeaseDurationSeconds: ptr.To[int32](3600), AcquireTime: &now, RenewTime: &now,
		}
		freeLease(ctx, operatorNamespace)
		Expect(k8s.Create(ctx, lease)).To(Succeed())
		w.options.LeaderElect, w.options.LeaderElectionNamespace = true, operatorNamespace
		p, c := w.applyParent(ctx), w.apply(ctx, "acme-waiting", deactivating)
		orphan := w.apply(ctx, "acme-lost", func(c *v1alpha1.ChildAccount) { c.Spec.ParentRef.Name = "nowhere" })
		scribe := w.noted()
		w.start(ctx)
		Eventually(scribe.watched).Should(And(HaveKey("watch childaccounts"), HaveKey("watch parentaccounts"), HaveKey("watch secrets"), HaveKey("watch namespaces")))
		Consistently(func(g Gomega) {
			g.Expect(w.sim.Calls()).To(BeEmpty())
			g.Expect(scribe.written()).To(BeEmpty())
		}).WithTimeout(3 * time.Second).Should(Succeed()) // it asks for the lease every two
		seen := scribe.watched()

		Expect(k8s.Get(ctx, clientKey(lease), lease)).To(Succeed())
		Expect(*lease.Spec.HolderIdentity).To(Equal("another replica"))
		edit(ctx, lease, func(l *coordinationv1.Lease) { l.Spec.HolderIdentity = ptr.To("") })
		Eventually(state(ctx, c)).Should(BeAvailable())
		Eventually(state(ctx, p)).Should(BeAvailable())
		Eventually(state(ctx, orphan)).Should(BeStalledAs(v1alpha1.ReasonParentNotFound))
		Expect(scribe.watched()).To(Equal(seen), "nothing had to be read first")
		Expect(of(scribe.written(), "acme-waiting")).NotTo(BeZero(), "the scribe is awake")
	})
})
