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
)

var _ = Describe("Many slow ParentAccounts of one namespace", func() {
	It("don't keep a stranger's waiting", func(ctx SpecContext) {
		const many = 100 // three times as many as there are workers
		w := newWorld(ctx)
		slow := w.sim.AddParent(simulator.Parent{Name: "slow-telephony", Email: "slow@acme.example"})
		ns := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{GenerateName: "slow-"}}
		Expect(k8s.Create(ctx, ns)).To(Succeed())
		DeferCleanup(func(ctx SpecContext) { w.sweep(ctx, ns.Name) })
		secret := w.credentials()
		secret.Namespace, secret.Data["credentials.json"] = ns.Name, w.sim.Credentials(slow.ID, simulator.RoleOwner)
		Expect(k8s.Create(ctx, secret)).To(Succeed())
		inParallel(many, func(i int) error {
			p := w.parentAccount()
			p.Namespace, p.Name = ns.Name, fmt.Sprint("slow", i)
			p.Spec.Limits = &v1alpha1.Limits{RequestsPerSecond: ptr.To[int32](1), MaxInFlight: ptr.To[int32](1)}
			return k8s.Create(ctx, p)
		})
		w.start(ctx)
		// looked are those that were looked at to the end.
		looked := func(g Gomega) (n int) {
			var list v1alpha1.ParentAccountList
			g.Expect(k8s.List(ctx, &list, client.InNamespace(ns.Name))).To(Succeed())
			for _, p := range list.Items {
				if p.Status.ObservedGeneration != 0 {
					n++
				}
			}
			return n
		}
		Eventually(looked).Should(Equal(many))

		before := w.count("GetChildrenAccounts")
		p := w.applyParent(ctx, func(p *v1alpha1.ParentAccount) { p.Spec.ResyncInterval.Duration = time.Hour })
		Eventually(state(ctx, p)).Should(BeAvailable())
		Expect(w.count("GetChildrenAccounts")-before).To(BeNumerically("<", many/4), "lists meanwhile")
	})
})
