package controllers_test

import (
	"context"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/events"
	"k8s.io/utils/clock"
	"k8s.io/utils/ptr"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/event"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"

	"cpaas.dev/child-account-operator/api/v1alpha1"
	"cpaas.dev/child-account-operator/controllers"
	"cpaas.dev/child-account-operator/internal/changeguard"
	"cpaas.dev/child-account-operator/internal/cli"
	"cpaas.dev/child-account-operator/internal/conditions"
	"cpaas.dev/child-account-operator/internal/directory"
	"cpaas.dev/child-account-operator/internal/engine"
	"cpaas.dev/child-account-operator/internal/example"
	"cpaas.dev/child-account-operator/internal/pacing"
	"cpaas.dev/child-account-operator/internal/plan"
	seam "cpaas.dev/child-account-operator/internal/provider"
	"cpaas.dev/child-account-operator/internal/provider/fake"
	"cpaas.dev/child-account-operator/internal/secrets"
	"cpaas.dev/child-account-operator/internal/testenv"
)

// onlyParent is the parent of every ExampleAccount.
type onlyParent struct{ *engine.Parent }

func (p onlyParent) Find(context.Context, engine.Managed, types.NamespacedName) (*engine.Parent, *plan.Stop, error) {
	return p.Parent, nil, nil
}
func (onlyParent) Usable(context.Context, engine.Managed) bool { return true }
func (onlyParent) Ours(context.Context, engine.Managed) (ours, orphan bool, _ error) {
	return true, false, nil
}

// startExamples runs the controller of ExampleAccounts, with a parent account at the provider. resync reads its list and wakes a
// resource.
func startExamples(ctx SpecContext, parent types.NamespacedName, remote seam.Parent) (resync func(client.Object)) {
	dir := &directory.Parent{
		Directory: directory.New(remote, clock.RealClock{}), Budget: pacing.NewBudget(1000, 100), AccountID: "parent", Endpoint: "memory",
		Connection: "credentials", Verified: "parent/1",
	}
	for range 2 {
		Expect(dir.Refresh(ctx, directory.Known{})).To(Succeed())
	}
	connected := &directory.Registry{}
	connected.Put(parent, dir)
	mgr, err := ctrl.NewManager(testenv.Config, ctrl.Options{Scheme: cli.Scheme(), Metrics: metricsserver.Options{BindAddress: "0"}})
	Expect(err).NotTo(HaveOccurred())
	r := &controllers.ExampleAccountReconciler{Client: mgr.GetClient(), Woken: make(chan event.GenericEvent, 100)}
	r.Engine = engine.New(engine.Config{
		Client: r.Client, Kind: controllers.ExampleKind{Reader: r.Client}, Table: conditions.Children, Connected: connected,
		Parents: onlyParent{&engine.Parent{
			Key: parent, State: "parent/1", StatusUpToDate: true, Resync: time.Minute, Guarded: changeguard.Parent{Key: parent, UID: "parent"},
			Limits:        changeguard.Limits{Percent: 100, Minimum: 100, Window: time.Minute, DeactivationsPerHour: 50},
			Conditions:    []metav1.Condition{{Type: v1alpha1.ConditionReady, Status: metav1.ConditionTrue}},
			Deactivations: func() []changeguard.Deactivation { return nil },
		}},
		Connections: secrets.Store{Client: r.Client, Live: mgr.GetAPIReader()}, Inputs: secrets.Reader{Labelled: r.Client, Live: mgr.GetAPIReader()},
		Recorder: conditions.NewEventRecorder(events.NewFakeRecorder(100)), Clock: clock.RealClock{}, Installation: "examples", Wake: r.Wake,
	})
	Expect(r.SetupWithManager(mgr)).To(Succeed())
	running, stop := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- mgr.Start(running) }()
	DeferCleanup(func() {
		stop()
		Eventually(done).Should(Receive())
	})
	return func(o client.Object) {
		Expect(dir.Refresh(ctx, directory.Known{})).To(Succeed())
		r.Wake(ctrl.Request{NamespacedName: client.ObjectKeyFromObject(o)}, false)
	}
}

// In the copy of the tree that hack/recipes makes.
var _ = Describe("A kind that was just added", func() {
	It("is created and updated at a provider that was just added", func(ctx SpecContext) {
		w := testenv.StartWorld(ctx)
		service := fake.New(fake.Options{NoClaims: true, NoPasswords: true})
		remote, err := seam.Registry{v1alpha1.ProviderExample: example.Connect(service)}.Connect(v1alpha1.ProviderExample, seam.Connection{})
		Expect(err).NotTo(HaveOccurred())
		resync := startExamples(ctx, types.NamespacedName{Namespace: w.NS, Name: "acme"}, remote)
		e := &v1alpha1.ExampleAccount{ObjectMeta: metav1.ObjectMeta{Namespace: w.NS, Name: "example-1"}}
		e.Spec = v1alpha1.ExampleAccountSpec{ParentRef: v1alpha1.ParentReference{Name: "acme"}, Email: "one@acme.example", Language: ptr.To("de")}
		settled := func(g Gomega) {
			resync(e)
			g.Expect(testenv.K8s.Get(ctx, client.ObjectKeyFromObject(e), e)).To(Succeed())
			g.Expect(e.Status.ObservedGeneration).To(Equal(e.Generation))
			synced := meta.FindStatusCondition(e.Status.Conditions, v1alpha1.ConditionSynced)
			g.Expect(synced).To(HaveValue(And(HaveField("Status", metav1.ConditionTrue), HaveField("Reason", v1alpha1.ReasonAvailable))))
		}

		By("creation")
		Expect(testenv.K8s.Create(ctx, e)).To(Succeed())
		Eventually(settled).Should(Succeed())
		Expect(service.Accounts()).To(Equal([]string{e.Status.AccountID}))
		Expect(e.Status.Observed).To(HaveValue(And(HaveField("Email", HaveValue(Equal("one@acme.example"))), HaveField("Language", HaveValue(Equal("de"))))))

		By("an edit")
		testenv.Edit(ctx, e, func(e *v1alpha1.ExampleAccount) { e.Spec.Email, e.Spec.Language = "two@acme.example", ptr.To("fr") })
		Eventually(settled).Should(Succeed())
		a, _ := service.Account(e.Status.AccountID)
		Expect(a.State).To(And(HaveKeyWithValue(fake.PathContact, "two@acme.example"), HaveKeyWithValue(fake.PathTongue, "fr")))
		Expect(service.Count(fake.MethodCreate)).To(Equal(1))

		By("a value that the schema refuses")
		refused := &v1alpha1.ExampleAccount{ObjectMeta: metav1.ObjectMeta{Namespace: w.NS, Name: "example-2"}}
		refused.Spec = v1alpha1.ExampleAccountSpec{ParentRef: v1alpha1.ParentReference{Name: "acme"}, Email: "x"}
		Expect(testenv.K8s.Create(ctx, refused)).NotTo(Succeed())
	})
})
