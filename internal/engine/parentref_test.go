package engine_test

import (
	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"cpaas.dev/child-account-operator/api/v1alpha1"
	"cpaas.dev/child-account-operator/internal/simulator"
	"cpaas.dev/child-account-operator/internal/testenv"
)

var _ = Describe("spec.parentRef", func() {
	It("with the namespace written out names the same ParentAccount", func(ctx SpecContext) {
		w := testenv.StartWorld(ctx)
		c := w.ApplyReady(ctx, "acme-same")
		w.Sim.ResetCalls()
		testenv.Edit(ctx, c, func(c *v1alpha1.ChildAccount) { c.Spec.ParentRef.Namespace = &c.Namespace })
		Eventually(testenv.StateOf(ctx, c)).Should(testenv.BeAvailable())
		Expect(w.Changes()).To(BeEmpty())
	})

	It("may name another ParentAccount of the same account: one that was renamed", func(ctx SpecContext) {
		w := testenv.StartWorld(ctx)
		c := w.ApplyReady(ctx, "acme-moved")
		id := c.Status.AccountID
		renamed := w.ParentAccount()
		renamed.Name = "renamed"
		Expect(testenv.K8s.Create(ctx, renamed)).To(Succeed())
		Expect(testenv.K8s.Delete(ctx, w.ParentAccount())).To(Succeed())
		Eventually(testenv.StateOf(ctx, c)).Should(testenv.BeStalledAs(v1alpha1.ReasonParentNotFound))
		testenv.Edit(ctx, c, func(c *v1alpha1.ChildAccount) {
			c.Spec.ParentRef.Name, c.Spec.Location = "renamed", ptr.To("Europe/Berlin")
		})
		Eventually(testenv.StateOf(ctx, c)).Should(testenv.BeAvailable())
		Expect(c.Status.AccountID).To(Equal(id))
		Expect(w.Account("acme-moved").Fields).To(HaveKeyWithValue("location", "Europe/Berlin"))
		Expect(w.Count("AddAccount")).To(Equal(1))
	})

	It("that leads to another account stops everything but the deletion, which the account's own parent serves", func(ctx SpecContext) {
		w := testenv.StartWorld(ctx)
		c := w.ApplyReady(ctx, "acme-pinned", testenv.Deactivating)
		other := w.Sim.AddParent(simulator.Parent{Name: "other-parent", Email: "other@else.example"})
		Expect(testenv.K8s.Create(ctx, &corev1.Secret{
			ObjectMeta: metav1.ObjectMeta{Namespace: w.NS, Name: "other", Labels: map[string]string{v1alpha1.LabelInput: "true"}},
			Data:       map[string][]byte{"credentials.json": w.Sim.Credentials(other.ID, simulator.RoleOwner)},
		})).To(Succeed())
		elsewhere := w.ParentAccount()
		elsewhere.Name, elsewhere.Spec.Voximplant.CredentialsSecretRef.Name = "other", "other"
		Expect(testenv.K8s.Create(ctx, elsewhere)).To(Succeed())
		Eventually(testenv.StateOf(ctx, elsewhere)).Should(testenv.BeAvailable())
		w.Sim.ResetCalls()
		testenv.Edit(ctx, c, func(c *v1alpha1.ChildAccount) {
			c.Spec.ParentRef.Name, c.Spec.Email = "other", "changed@acme.example"
		})
		Eventually(testenv.StateOf(ctx, c)).Should(testenv.BeStalledAs(v1alpha1.ReasonParentChanged))
		Expect(testenv.StateOf(ctx, c)(Default).Message).To(And(ContainSubstring("spec.parentRef"), ContainSubstring(c.Status.ParentAccountID)))
		Expect(w.Changes()).To(BeEmpty())
		testenv.Remove(ctx, w, c)
		Expect(w.Account("acme-pinned").Active()).To(BeFalse())
		Expect(w.Sim.Accounts(other.ID)).To(BeEmpty())
	})

	It("that names a ParentAccount which is no more does not keep a deletion from being served", func(ctx SpecContext) {
		w := testenv.StartWorld(ctx)
		c := w.ApplyReady(ctx, "acme-orphan", testenv.Deactivating)
		renamed := w.ParentAccount()
		renamed.Name = "renamed"
		Expect(testenv.K8s.Create(ctx, renamed)).To(Succeed())
		Eventually(testenv.StateOf(ctx, renamed)).Should(testenv.BeAvailable())
		w.LoseParent(ctx)
		testenv.Remove(ctx, w, c)
		Expect(w.Account("acme-orphan").Active()).To(BeFalse())
	})
})
