package controllers_test

import (
	"fmt"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"cpaas.dev/child-account-operator/api/v1alpha1"
	"cpaas.dev/child-account-operator/internal/simulator"
	"cpaas.dev/child-account-operator/internal/testenv"
)

var _ = Describe("Many slow ParentAccounts of one namespace", func() {
	It("don't keep a stranger's waiting", func(ctx SpecContext) {
		const many = 100 // three times as many as there are workers
		w := testenv.NewWorld(ctx)
		slow := w.Sim.AddParent(simulator.Parent{Name: "slow-telephony", Email: "slow@acme.example"})
		ns := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{GenerateName: "slow-"}}
		Expect(testenv.K8s.Create(ctx, ns)).To(Succeed())
		DeferCleanup(func(ctx SpecContext) { w.Sweep(ctx, ns.Name) })
		secret := w.Credentials()
		secret.Namespace, secret.Data["credentials.json"] = ns.Name, w.Sim.Credentials(slow.ID, simulator.RoleOwner)
		Expect(testenv.K8s.Create(ctx, secret)).To(Succeed())
		testenv.InParallel(many, func(i int) error {
			p := w.ParentAccount()
			p.Namespace, p.Name = ns.Name, fmt.Sprint("slow", i)
			p.Spec.Limits = &v1alpha1.Limits{RequestsPerSecond: ptr.To[int32](1), MaxInFlight: ptr.To[int32](1)}
			return testenv.K8s.Create(ctx, p)
		})
		w.Start(ctx)
		// looked are those that were looked at to the end.
		looked := func(g Gomega) (n int) {
			var list v1alpha1.ParentAccountList
			g.Expect(testenv.K8s.List(ctx, &list, client.InNamespace(ns.Name))).To(Succeed())
			for _, p := range list.Items {
				if p.Status.ObservedGeneration != 0 {
					n++
				}
			}
			return n
		}
		Eventually(looked).Should(Equal(many))

		before := w.Count("GetChildrenAccounts")
		p := w.ApplyParent(ctx, func(p *v1alpha1.ParentAccount) { p.Spec.ResyncInterval.Duration = time.Hour })
		Eventually(testenv.StateOf(ctx, p)).Should(testenv.BeAvailable())
		Expect(w.Count("GetChildrenAccounts")-before).To(BeNumerically("<", many/4), "lists meanwhile")
	})
})
