package engine_test

import (
	"context"
	"fmt"
	"os"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"cpaas.dev/child-account-operator/api/v1alpha1"
	"cpaas.dev/child-account-operator/internal/testenv"
)

// onlyInTestAll skips what takes long.
func onlyInTestAll() {
	if os.Getenv("TEST_ALL") == "" {
		Skip("slow: make test-all")
	}
}

// invalidResources is how many one namespace has; takenNames of them cost calls, and of the others two thirds wait for a parent, more than
// a quarter for being let in: the two waves have to be far more than what comes together with a good resource. What they cost is the same
// for each, so that 2,200 of them are enough for every change; make test-release has 10,000.
var (
	invalidResources = map[bool]int{false: 2_200, true: 10_000}[os.Getenv("TEST_RELEASE") != ""]
	takenNames       = invalidResources / 20
	withoutParent    = (invalidResources - takenNames) * 16 / 24
	notLetIn         = (invalidResources - takenNames) * 7 / 24
)

const (

	// placesOfStatuses is how many statuses of one namespace are written at one time. A good resource has four writes of its own,
	// each of which comes to the API server together with as many of theirs.
	placesOfStatuses = 32
	// placesOfParent is how many of a parent's resources are worked on at one time: each write of a good one comes together with
	// one of each of theirs.
	placesOfParent = 128
)

// invalid is the number i of a tenant's resources, each wrong in its way.
func invalid(t *testenv.Tenant, i int) *v1alpha1.ChildAccount {
	c := t.Child(fmt.Sprintf("bad-%05d", i))
	switch {
	case i < takenNames: // the name is taken at the provider, as only a call finds out
	case i%24 < 16: // a parent that does not exist, yet
		c.Spec.ParentRef = v1alpha1.ParentReference{Name: "later"}
	case i%24 < 23: // one that does not let the namespace in, yet
		c.Spec.ParentRef.Name = "closed"
	default: // somebody's account
		c.Spec.AccountName = ptr.To("acme-theirs")
	}
	return c
}

// crowd is a world with a tenant of whom there is too much.
type crowd struct {
	*testenv.World
	*testenv.Tenant
	meter *testenv.RequestMeter
	good  int
}

// newCrowd has a parent that lets all in, and a slower one for the same account that does not.
func newCrowd(ctx context.Context) *crowd {
	GinkgoHelper()
	c := &crowd{World: testenv.NewWorld(ctx), meter: testenv.NewRequestMeter()}
	c.Config = c.meter.On(testenv.OperatorConfig())
	c.Sim.PutAccount(testenv.SimulatorChild(c.World, "acme-theirs", "theirs@acme.example"))
	for i := range takenNames {
		c.Sim.AddStranger(fmt.Sprintf("bad-%05d", i), fmt.Sprintf("%d@else.example", i))
	}
	calm := func(p *v1alpha1.ParentAccount) { p.Spec.ResyncInterval.Duration = time.Hour }
	c.ApplyParent(ctx, testenv.Sharing(testenv.FromAll), calm)
	closed := c.ParentAccount()
	closed.Name = "closed"
	calm(closed)
	closed.Spec.Limits.RequestsPerSecond = ptr.To[int32](100)
	Expect(testenv.K8s.Create(ctx, closed)).To(Succeed())
	c.Tenant = c.World.NewTenant(ctx, nil)
	return c
}

// visit has n good resources made one after another. It returns the shortest time that one took to be ready, and what the
// operator did for all while one was made of which it did the least of what is counted: a busy machine has bad moments.
func (c *crowd) visit(ctx context.Context, n int, what, parent, counted string) (least time.Duration, cost testenv.Costs) {
	GinkgoHelper()
	for i := range n {
		c.good++
		before, start := c.meter.Costs(c.World), time.Now()
		c.ApplyReady(ctx, fmt.Sprintf("acme-good-%d", c.good), func(child *v1alpha1.ChildAccount) { child.Spec.ParentRef.Name = parent })
		took, spent := time.Since(start), c.meter.Costs(c.World).Since(before)
		AddReportEntry(what, fmt.Sprint(took, ": ", spent))
		if i == 0 || spent[counted] < cost[counted] {
			cost = spent
		}
		if i == 0 || took < least {
			least = took
		}
	}
	return least, cost
}

// await waits until a count has grown by n.
func (c *crowd) await(of string, before testenv.Costs, n int) {
	GinkgoHelper()
	Eventually(func() int { return c.meter.Costs(c.World).Since(before)[of] }).WithTimeout(4 * time.Minute).Should(BeNumerically(">=", n))
}

var _ = Describe("Thousands of invalid resources of one namespace", func() {
	It("cost little, and leave the others' latency as it was", Label("scale"), Serial, func(ctx SpecContext) {
		onlyInTestAll()
		testenv.StartOwnControlPlane() // removing them would take as long as all the rest
		testenv.DeployDefault(ctx)
		c := newCrowd(ctx)
		c.Disposable = true
		c.Start(ctx)
		c.visit(ctx, 1, "first", "acme", testenv.Requests) // which waits for the first list
		alone, cost := c.visit(ctx, 3, "alone", "acme", testenv.Requests)

		By("each costs one write, and one creation where the name is free as far as anybody knows")
		before := c.meter.AtRest(c.World)
		testenv.InParallel(invalidResources, func(i int) error { return testenv.K8s.Create(ctx, invalid(c.Tenant, i)) })
		c.await("patch childaccounts/status", before, invalidResources)
		spent := c.meter.AtRest(c.World).Since(before)
		AddReportEntry("all", spent.String())
		Expect(spent["AddAccount"]).To(Equal(takenNames))
		Expect(spent[testenv.APICalls]).To(BeNumerically("<=", 2*takenNames+10))
		Expect(spent["patch childaccounts/status"]).To(BeNumerically("<=", invalidResources*11/10))
		Expect(spent[testenv.WriteRequests]).To(BeNumerically("<=", invalidResources*11/10+3*takenNames))

		By("once they are said to be invalid nobody notices them")
		amid, same := c.visit(ctx, 3, "amid", "acme", testenv.Requests)
		Expect(same).To(Equal(cost))
		Expect(amid).To(BeNumerically("<", 3*alone+250*time.Millisecond))

		By("a wave of their statuses lets others by")
		before = c.meter.Costs(c.World)
		later := c.ParentAccount()
		later.Namespace, later.Name, later.Spec.Suspend = c.Tenant.NS, "later", ptr.To(true)
		Expect(testenv.K8s.Create(ctx, later)).To(Succeed())
		c.await("patch childaccounts/status", before, 20)
		_, same = c.visit(ctx, 3, "amid statuses", "acme", "patch childaccounts/status")
		Expect(same["patch childaccounts/status"]).To(BeNumerically("<", 10*placesOfStatuses), "of %d", withoutParent)
		Expect(c.meter.Costs(c.World).Since(before)["patch childaccounts/status"]).To(BeNumerically("<", withoutParent*3/4), "while all three were made, each of which may come together with 320")
		c.await("patch childaccounts/status", before, withoutParent-10)

		By("so does a wave of their creations")
		before = c.meter.AtRest(c.World)
		testenv.Edit(ctx, &v1alpha1.ParentAccount{ObjectMeta: metav1.ObjectMeta{Namespace: c.World.NS, Name: "closed"}}, testenv.Sharing(testenv.FromAll))
		c.await("AddAccount", before, 20)
		_, same = c.visit(ctx, 1, "amid creations", "closed", "AddAccount")
		Expect(same["AddAccount"]).To(BeNumerically("<", 3*placesOfParent), "of %d", notLetIn)
		c.Stop()
	}, NodeTimeout(15*time.Minute))
})
