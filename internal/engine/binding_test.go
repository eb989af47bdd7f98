package engine_test

import (
	"context"
	"fmt"
	"os"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"cpaas.dev/child-account-operator/api/v1alpha1"
	"cpaas.dev/child-account-operator/internal/account"
	"cpaas.dev/child-account-operator/internal/testenv"
)

// sharedReads is of how many resources the reads are shared; make test-release has 200.
var sharedReads = map[bool]int{false: 80, true: 200}[os.Getenv("TEST_RELEASE") != ""]

var _ = Describe("Binding by claim", func() {
	hourly := func(p *v1alpha1.ParentAccount) { p.Spec.ResyncInterval.Duration = time.Hour }

	It("reads the account first: what the list has may be out of date", func(ctx SpecContext) {
		w := testenv.NewWorld(ctx)
		w.ApplyParent(ctx, hourly)
		w.Start(ctx)
		c := w.ApplyReady(ctx, "acme-stale")
		id := w.Account("acme-stale").ID
		forget(ctx, w, c)
		testenv.ExpectGone(ctx, c)
		Expect(w.Sim.SetField(id, "active", false)).To(Succeed()) // of which the operator knows nothing
		w.Sim.ResetCalls()
		again := w.Apply(ctx, "acme-stale")
		Eventually(testenv.StateOf(ctx, again)).Should(HaveField("Ready", "False/"+v1alpha1.ReasonDeactivatedEarlier))
		Expect(again.Status.Observed.Active).To(HaveValue(BeFalse()))
		Expect(w.Count("GetChildrenAccounts")).To(Equal(1), "reads")
		Expect(w.Changes()).To(BeEmpty())
	})

	It("does not come about where the claim was written over since the list", func(ctx SpecContext) {
		w := testenv.NewWorld(ctx)
		w.ApplyParent(ctx, hourly)
		w.Start(ctx)
		c := w.ApplyReady(ctx, "acme-theirs")
		id := w.Account("acme-theirs").ID
		forget(ctx, w, c)
		testenv.ExpectGone(ctx, c)
		theirs := account.Claim{Installation: "other", Namespace: "telephony", Name: "acme-theirs"}
		Expect(w.Sim.SetField(id, "account_custom_data", theirs.CustomData())).To(Succeed())
		again := w.Apply(ctx, "acme-theirs", func(c *v1alpha1.ChildAccount) { c.Spec.Location = ptr.To("Europe/Berlin") })
		Eventually(testenv.StateOf(ctx, again)).Should(testenv.BeStalledAs(v1alpha1.ReasonClaimedElsewhere))
		Expect(w.Account("acme-theirs").Fields).NotTo(HaveKeyWithValue("location", "Europe/Berlin"))
	})

	DescribeTable("of many resources at once shares its reads", func(ctx SpecContext, restart bool) {
		n := sharedReads
		w := testenv.NewWorld(ctx)
		w.ApplyParent(ctx, hourly)
		w.Start(ctx)
		applyMany(ctx, w, n)
		if restart {
			w.Stop()
		}
		testenv.InParallel(n, func(i int) error {
			c := w.Child(fmt.Sprintf("acme-%d", i))
			if err := testenv.K8s.Delete(context.Background(), c); err != nil {
				return err
			}
			return testenv.K8s.Delete(context.Background(), &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: c.Namespace, Name: c.ConnectionSecretName()}})
		})
		w.Sim.ResetCalls()
		begin := time.Now()
		if restart {
			testenv.InParallel(n, func(i int) error { return testenv.K8s.Create(ctx, w.Child(fmt.Sprintf("acme-%d", i))) })
			w.Start(ctx)
		} else {
			testenv.InParallel(n, func(i int) error { return testenv.K8s.Create(ctx, w.Child(fmt.Sprintf("acme-%d", i))) })
		}
		awaitBound(ctx, w, n)
		AddReportEntry("reads", w.Count("GetChildrenAccounts"))
		// Those that come one after another, as on a busy machine all do, need four calls a second at most.
		most := min(n/2, int(4*time.Since(begin).Seconds())+2)
		Expect(w.Count("GetChildrenAccounts")).To(BeNumerically("<=", most))
		Expect(w.Changes()).To(BeEmpty())
	},
		Entry("after a restart", Label("slow"), true),
		Entry("while the operator runs", false),
	)
})

// awaitBound waits until n ChildAccounts have their accounts.
func awaitBound(ctx context.Context, w *testenv.World, n int) {
	GinkgoHelper()
	Eventually(func(g Gomega) int {
		var list v1alpha1.ChildAccountList
		g.Expect(testenv.K8s.List(ctx, &list, client.InNamespace(w.NS))).To(Succeed())
		bound := 0
		for _, c := range list.Items {
			if c.Status.Origin != "" {
				bound++
			}
		}
		return bound
	}).WithPolling(time.Second).WithTimeout(3 * time.Minute).Should(Equal(n))
}
