package controllers_test

import (
	"context"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"k8s.io/utils/clock"
	"k8s.io/utils/ptr"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	ctrlconfig "sigs.k8s.io/controller-runtime/pkg/config"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"

	"cpaas.dev/child-account-operator/api/v1alpha1"
	"cpaas.dev/child-account-operator/controllers"
	"cpaas.dev/child-account-operator/internal/cli"
	"cpaas.dev/child-account-operator/internal/conditions"
	"cpaas.dev/child-account-operator/internal/directory"
	"cpaas.dev/child-account-operator/internal/testenv"
)

var _ = Describe("A resource that goes without being let go", func() {
	// reconciling runs the controller of children alone, so that it can be looked into.
	reconciling := func(ctx context.Context, w *testenv.World) *controllers.AccountReconciler {
		GinkgoHelper()
		mgr, err := ctrl.NewManager(testenv.Config, ctrl.Options{
			Scheme: cli.Scheme(), Metrics: metricsserver.Options{BindAddress: "0"},
			Cache:      cache.Options{DefaultNamespaces: map[string]cache.Config{w.NS: {}}},
			Controller: ctrlconfig.Controller{SkipNameValidation: ptr.To(true)},
		})
		Expect(err).NotTo(HaveOccurred())
		Expect(controllers.Index(ctx, mgr.GetFieldIndexer())).To(Succeed())
		r := &controllers.AccountReconciler{
			Client: mgr.GetClient(), Parents: &directory.Registry{}, Recorder: conditions.NewEventRecorder(mgr.GetEventRecorder("spec")), Clock: clock.RealClock{}, Concurrency: 1,
		}
		Expect(r.SetupWithManager(mgr)).To(Succeed())
		running, stop := context.WithCancel(context.Background())
		done := make(chan error, 1)
		go func() { done <- mgr.Start(running) }()
		DeferCleanup(func() {
			stop()
			Eventually(done).Should(Receive(BeNil()))
		})
		return r
	}

	It("is forgotten", func(ctx SpecContext) {
		w := testenv.NewWorld(ctx)
		r := reconciling(ctx, w)
		c, stays := w.Apply(ctx, "acme-stripped"), w.Apply(ctx, "acme-stays")
		for _, one := range []*v1alpha1.ChildAccount{c, stays} {
			Eventually(testenv.StateOf(ctx, one)).Should(testenv.BeStalledAs(v1alpha1.ReasonParentNotFound))
			r.Remember(one)
			Expect(r.Remembered(one)).To(ContainElement("recheck"))
		}
		Expect(testenv.K8s.Delete(ctx, c)).To(Succeed())
		Eventually(func() []string { return r.Remembered(c) }).Should(BeEmpty())
		Expect(r.Remembered(stays)).NotTo(BeEmpty())
	})
})
