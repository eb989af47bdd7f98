package engine_test

import (
	"fmt"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"cpaas.dev/child-account-operator/api/v1alpha1"
	"cpaas.dev/child-account-operator/internal/testenv"
)

var _ = Describe("What others wrote into a resource", func() {
	It("stays there, though the operator does not cache it", func(ctx SpecContext) {
		const hold = "example.org/hold"
		labels := map[string]string{"team": "a"}
		annotations := map[string]string{"example.org/note": strings.Repeat("n", 10_000), "accounts.cpaas.dev/else": strings.Repeat("e", 10_000)}
		owners := []metav1.OwnerReference{{APIVersion: "v1", Kind: "ConfigMap", Name: "owner", UID: "theirs"}}
		// kept says whether all of it is there, whatever there is beside.
		kept := func(g Gomega, o metav1.Object) {
			g.Expect(o.GetLabels()).To(Equal(labels))
			g.Expect(o.GetOwnerReferences()).To(Equal(owners))
			for name, value := range annotations {
				g.Expect(o.GetAnnotations()).To(HaveKeyWithValue(name, value))
			}
		}
		w := testenv.NewWorld(ctx)
		p := w.ApplyParent(ctx, func(p *v1alpha1.ParentAccount) {
			p.Labels, p.Annotations, p.OwnerReferences, p.Finalizers = labels, annotations, owners, []string{hold}
		})
		w.Start(ctx)
		c := w.ApplyReady(ctx, "acme-noted", func(c *v1alpha1.ChildAccount) {
			c.Labels, c.Annotations, c.OwnerReferences, c.Finalizers = labels, annotations, owners, []string{hold}
			c.Spec.DeletionPolicy = ptr.To(v1alpha1.DeletionDeactivate) // for a finalizer of the operator's
		})
		Expect(testenv.K8s.Get(ctx, testenv.KeyOf(c), c)).To(Succeed())
		Expect(c.Finalizers).To(ConsistOf(hold, v1alpha1.Finalizer))
		kept(Default, c)
		Expect(testenv.K8s.Get(ctx, testenv.KeyOf(p), p)).To(Succeed())
		kept(Default, p)

		Expect(testenv.K8s.Delete(ctx, c)).To(Succeed())
		Eventually(func(g Gomega) {
			g.Expect(testenv.K8s.Get(ctx, testenv.KeyOf(c), c)).To(Succeed())
			g.Expect(c.Finalizers).To(ConsistOf(hold))
			kept(g, c)
		}).Should(Succeed())

		By("of what it keeps the status says so")
		Eventually(testenv.StateOf(ctx, c)).Should(And(HaveField("Ready", "False/Deleting"), HaveField("Flags", v1alpha1.ConditionStalled),
			HaveField("Message", And(ContainSubstring("others keep it: "+hold), ContainSubstring("is deactivated")))))
		Expect(c.Status.Observed.Active).To(HaveValue(BeFalse()))
		Expect(w.Account("acme-noted").Active()).To(BeFalse())
		Expect(testenv.K8s.Delete(ctx, p)).To(Succeed())
		Eventually(testenv.StateOf(ctx, p)).Should(And(HaveField("Ready", "True/Available"), HaveField("Second", "True/Deleting"),
			HaveField("Message", ContainSubstring("others keep it: "+hold))))
	})

	It("does not make it look again and again, however long", func(ctx SpecContext) {
		w := testenv.StartWorld(ctx)
		long := func(i int) map[string]string {
			return map[string]string{v1alpha1.AnnotationReconcileRequestedAt: strings.Repeat("x", 9000) + fmt.Sprint(i), v1alpha1.AnnotationCreateIntent: strings.Repeat("y", 9000)}
		}
		c := w.ApplyReady(ctx, "acme-long", func(c *v1alpha1.ChildAccount) { c.Annotations = long(1) })
		Expect(testenv.K8s.Get(ctx, testenv.KeyOf(c), c)).To(Succeed())
		Expect(c.Annotations).To(HaveKeyWithValue(v1alpha1.AnnotationCreateIntent, HaveLen(9000)))
		Expect(c.Annotations).To(HaveKeyWithValue(v1alpha1.AnnotationReconcileRequestedAt, HaveLen(9001)))
		version := c.ResourceVersion
		w.AwaitLists(2)
		Expect(testenv.K8s.Get(ctx, testenv.KeyOf(c), c)).To(Succeed())
		Expect(c.ResourceVersion).To(Equal(version))
	})

	It("says that credentials are too large, though they are not cached whole", func(ctx SpecContext) {
		w := testenv.NewWorld(ctx)
		p := w.ApplyParent(ctx)
		testenv.Edit(ctx, w.Credentials(), func(s *corev1.Secret) {
			s.Data["credentials.json"] = append(s.Data["credentials.json"], []byte(strings.Repeat(" ", 500_000))...)
		})
		w.Start(ctx)
		Eventually(testenv.StateOf(ctx, p)).Should(testenv.BeStalledAs(v1alpha1.ReasonSecretInvalid))
		Expect(testenv.StateOf(ctx, p)(Default).Message).To(ContainSubstring("larger than 65536 bytes"))
		testenv.Edit(ctx, w.Credentials(), func(s *corev1.Secret) { s.Data = w.Credentials().Data })
		Eventually(testenv.StateOf(ctx, p)).Should(testenv.BeAvailable())
	})
})
