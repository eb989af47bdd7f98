package engine_test

import (
	"context"
	"fmt"
	"os"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"cpaas.dev/child-account-operator/api/v1alpha1"
	"cpaas.dev/child-account-operator/internal/testenv"
)

const (
	// costAccounts is how many accounts the costs are measured with, profiledAccounts how many more that have a profile, and resyncsAtRest
	// how many resyncs.
	costAccounts     = 200
	profiledAccounts = 20
	resyncsAtRest    = 3
	// leastBatchDelay is longer than a busy machine stands still: no batch is sent before it is full, and new accounts are counted once. The
	// delays that people have are tried in internal/directory, where time stands still.
	leastBatchDelay = 30 * time.Second
)

// limits are what each stage may cost at most: so much an account and so much besides. They are what it costs today and
// only ever become smaller. make bench measures the same with more accounts.
var limits = []struct {
	stage, WrittenTo string
	each, besides    float64
}{
	// The list is read once, and the parent's status counts the accounts.
	{creating, testenv.APICalls, 1, 1},
	{creating, "AddAccount", 1, 0},
	{creating, testenv.WriteRequests, 3, 1},
	{creating, testenv.Requests, 4, 1},
	{creating, "patch childaccounts", 0, 0},
	{creating, "get childaccounts", 1, 0}, // the last read before the call
	{creating, "post secrets", 1, 0},
	{creating, "get secrets", 0, 0},
	{creating, "patch secrets", 1, 0},
	{creating, "patch childaccounts/status", 1, 0},

	{resting, testenv.APICalls, 0, resyncsAtRest},
	{resting, testenv.Requests, 0, 0},

	{restarting, testenv.APICalls, 0, 2}, // the parent's identity and the list
	{restarting, testenv.APIWrites, 0, 0},
	{restarting, testenv.Requests, 0, 3}, // discovery, and the UID of kube-system
	{restarting, testenv.WriteRequests, 0, 0},

	{changing, "SetChildAccountInfo", 0, 2}, // full batches, as leastBatchDelay leaves no others
	{changing, testenv.WriteRequests, 1, 0},
	{changing, testenv.Requests, 2, 3}, // after a restart each connection Secret is looked at with the first edit

	{restingAgain, testenv.APICalls, 0, resyncsAtRest},
	{restingAgain, testenv.Requests, 0, 0},

	{creatingProfiled, testenv.APICalls, 0, 2*profiledAccounts + 1}, // the profile is one call, acting as the account
	{creatingProfiled, "SetAccountInfo", 0, profiledAccounts},
	{creatingProfiled, testenv.WriteRequests, 0, 4*profiledAccounts + 1}, // the account's id is stored before custom data replaces the claim

	{restingProfiled, testenv.APICalls, 0, resyncsAtRest},
	{restingProfiled, testenv.Requests, 0, 0},
}

// The stages.
const (
	creating         = "creation, first resync included"
	resting          = "at rest"
	restarting       = "restart"
	changing         = "the same change of all"
	restingAgain     = "at rest again"
	creatingProfiled = "creation with a profile, resync included"
	restingProfiled  = "at rest with profiles"
)

var _ = Describe("The operator's costs", func() {
	It("stay within their limits", Label("slow", "scale"), testenv.TakesLong, func(ctx SpecContext) {
		meter := testenv.NewRequestMeter()
		w := testenv.NewWorld(ctx)
		w.Config = meter.On(testenv.OperatorConfig())
		w.Options.LeastBatchDelay, w.Options.CountsAfter = leastBatchDelay, leastBatchDelay
		parent := w.ApplyParent(ctx, func(p *v1alpha1.ParentAccount) {
			p.Spec.ResyncInterval = &metav1.Duration{Duration: time.Hour}
			testenv.AllowMassChange(p) // the change of all is meant
		})
		w.Start(ctx)
		Eventually(testenv.StateOf(ctx, parent)).Should(testenv.BeAvailable())

		stages := []struct {
			name string
			run  func()
		}{
			{creating, func() {
				before := cachedAvailable()
				applyMany(ctx, w, costAccounts)
				// The parent's status counts them as the operator's cache has them, which lags behind on a busy machine.
				Eventually(cachedAvailable).Should(Equal(before + costAccounts))
				resync(ctx, w, parent, 1)
			}},
			{resting, func() { resync(ctx, w, parent, resyncsAtRest) }},
			{restarting, func() {
				w.Stop()
				awaitList(w, func() { w.Start(ctx) })
			}},
			{changing, func() {
				w.Stop() // so that the changes come at once, however fast this machine is
				changeAll(ctx, w, costAccounts, "Europe/Lisbon")
				w.Start(ctx)
				awaitAllReady(ctx, w, costAccounts)
			}},
			{restingAgain, func() { resync(ctx, w, parent, resyncsAtRest) }},
			{creatingProfiled, func() {
				before := cachedAvailable()
				testenv.InParallel(profiledAccounts, func(i int) error {
					return testenv.K8s.Create(ctx, w.Child(fmt.Sprintf("acme-profiled-%d", i), withProfileAlone))
				})
				awaitAllReady(ctx, w, costAccounts+profiledAccounts)
				Eventually(cachedAvailable).Should(Equal(before + profiledAccounts))
				resync(ctx, w, parent, 1)
			}},
			{restingProfiled, func() { resync(ctx, w, parent, resyncsAtRest) }},
		}
		spent := map[string]testenv.Costs{}
		before := meter.AtRest(w)
		for _, stage := range stages {
			stage.run()
			after := meter.AtRest(w)
			spent[stage.name] = after.Since(before)
			before = after
			AddReportEntry(stage.name, spent[stage.name].String())
		}
		for _, l := range limits {
			most := int(l.each*costAccounts + l.besides)
			Expect(spent[l.stage][l.WrittenTo]).To(BeNumerically("<=", most), "%s, %s: %v", l.WrittenTo, l.stage, spent[l.stage])
		}
	}, NodeTimeout(5*time.Minute))
})

// changedAlike is how many accounts are changed at one time: several batches' worth, and more than one parent has places for, which are 128. So
// 300 are enough for every change; make test-release has 500.
var changedAlike = map[bool]int{false: 300, true: 500}[os.Getenv("TEST_RELEASE") != ""]

var _ = Describe("The same change of hundreds of accounts", func() {
	It("is one call for each hundred", Label("scale"), Serial, func(ctx SpecContext) {
		onlyInTestAll()
		accounts, calls := changedAlike, changedAlike/100 // maxBatchSize, unless said otherwise
		w := testenv.NewWorld(ctx)
		w.Options.LeastBatchDelay, w.Options.CountsAfter = leastBatchDelay, leastBatchDelay
		w.ApplyParent(ctx, testenv.AllowMassChange, func(p *v1alpha1.ParentAccount) { p.Spec.ResyncInterval.Duration = time.Hour })
		w.Start(ctx)
		applyMany(ctx, w, accounts)
		w.Stop() // so that the changes come at once, however fast they are applied
		changeAll(ctx, w, accounts, "Europe/Lisbon")
		before := w.Count("SetChildAccountInfo")
		w.Start(ctx)
		awaitAllReady(ctx, w, accounts)
		for _, a := range w.Sim.Accounts(w.Parent.ID) {
			Expect(a.Fields).To(HaveKeyWithValue("location", "Europe/Lisbon"))
		}
		Expect(w.Count("SetChildAccountInfo") - before).To(Equal(calls))
	}, NodeTimeout(5*time.Minute))
})

// applyMany applies n ChildAccounts and waits until all are Ready.
func applyMany(ctx context.Context, w *testenv.World, n int) {
	GinkgoHelper()
	testenv.InParallel(n, func(i int) error {
		return testenv.K8s.Create(ctx, w.Child(fmt.Sprintf("acme-%d", i), func(c *v1alpha1.ChildAccount) { c.Spec.Location = ptr.To("Europe/Berlin") }))
	})
	awaitAllReady(ctx, w, n)
}

// changeAll changes the location of all n ChildAccounts.
func changeAll(ctx context.Context, w *testenv.World, n int, to string) {
	GinkgoHelper()
	testenv.InParallel(n, func(i int) error {
		patch := client.RawPatch("application/merge-patch+json", fmt.Appendf(nil, `{"spec": {"location": %q}}`, to))
		return testenv.K8s.Patch(ctx, w.Child(fmt.Sprintf("acme-%d", i)), patch)
	})
}

// awaitAllReady waits until n ChildAccounts are Ready as their present spec says.
func awaitAllReady(ctx context.Context, w *testenv.World, n int) {
	GinkgoHelper()
	Eventually(func(g Gomega) int {
		var list v1alpha1.ChildAccountList
		g.Expect(testenv.K8s.List(ctx, &list, client.InNamespace(w.NS))).To(Succeed())
		ready := 0
		for _, c := range list.Items {
			cond := meta.FindStatusCondition(c.Status.Conditions, v1alpha1.ConditionReady)
			if cond != nil && cond.Status == metav1.ConditionTrue && cond.ObservedGeneration == c.Generation {
				ready++
			}
		}
		return ready
	}).WithPolling(250 * time.Millisecond).WithTimeout(3 * time.Minute).Should(Equal(n))
}

// cachedAvailable is how many Available ChildAccounts there are in the cache of the operator.
func cachedAvailable() int { return testenv.Gauge(testenv.AvailableResources) }

// resync has the whole list read n times.
func resync(ctx context.Context, w *testenv.World, parent *v1alpha1.ParentAccount, n int) {
	GinkgoHelper()
	for range n {
		awaitList(w, func() {
			testenv.Edit(ctx, parent, func(p *v1alpha1.ParentAccount) {
				metav1.SetMetaDataAnnotation(&p.ObjectMeta, v1alpha1.AnnotationReconcileRequestedAt, time.Now().Format(time.RFC3339Nano))
			})
		})
	}
}

// awaitList does something, and waits until it has the whole list read.
func awaitList(w *testenv.World, do func()) {
	GinkgoHelper()
	before := w.Count("GetChildrenAccounts")
	do()
	Eventually(func() int { return w.Count("GetChildrenAccounts") }).Should(BeNumerically(">", before))
}
