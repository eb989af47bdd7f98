package engine_test

import (
	"context"
	"fmt"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"cpaas.dev/child-account-operator/api/v1alpha1"
	"cpaas.dev/child-account-operator/internal/account"
	"cpaas.dev/child-account-operator/internal/simulator"
	"cpaas.dev/child-account-operator/internal/testenv"
)

// forget leaves nothing of a resource in the cluster, as if this were another one.
func forget(ctx context.Context, w *testenv.World, c *v1alpha1.ChildAccount) {
	GinkgoHelper()
	Expect(testenv.DropFinalizers(ctx, c)).To(Succeed())
	Expect(testenv.K8s.Delete(ctx, c)).To(Succeed())
	Expect(testenv.K8s.Delete(ctx, &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: c.Namespace, Name: c.ConnectionSecretName()}})).To(Succeed())
}

func withLocation(c *v1alpha1.ChildAccount) { c.Spec.Location = ptr.To("Europe/Berlin") }

var _ = Describe("Claims", func() {
	// elsewhere has another cluster make an account, and then starts one that knows nothing of it.
	elsewhere := func(ctx context.Context, name string) (*testenv.World, simulator.Account) {
		w := testenv.NewWorld(ctx)
		w.Options.InstallationID = "first"
		w.ApplyParent(ctx)
		w.Start(ctx)
		c := w.ApplyReady(ctx, name)
		w.Stop()
		forget(ctx, w, c)
		w.Sim.ResetCalls()
		w.Options.InstallationID = "second"
		w.Start(ctx)
		return w, w.Account(name)
	}

	It("of two clusters that want one account the second is refused, told of the first, and writes nothing", func(ctx SpecContext) {
		w, before := elsewhere(ctx, "acme-both")
		c := w.Apply(ctx, "acme-both", withLocation, func(c *v1alpha1.ChildAccount) {
			c.Spec.Email, c.Spec.AdoptionPolicy, c.Spec.DeletionPolicy = "second@acme.example", ptr.To(v1alpha1.AdoptAlways), ptr.To(v1alpha1.DeletionDeactivate)
		})
		Eventually(testenv.StateOf(ctx, c)).Should(testenv.BeStalledAs(v1alpha1.ReasonClaimedElsewhere))
		Expect(testenv.StateOf(ctx, c)(Default).Message).To(ContainSubstring("%s/acme-both of installation first", w.NS))
		w.AwaitLists(2)
		Expect(c.Annotations).NotTo(HaveKey(v1alpha1.AnnotationCreateIntent))
		Expect(testenv.K8s.Get(ctx, client.ObjectKey{Namespace: w.NS, Name: c.ConnectionSecretName()}, &corev1.Secret{})).To(testenv.BeNotFound())

		By("deleting it, which is no business of the account's either")
		Expect(testenv.K8s.Delete(ctx, c)).To(Succeed())
		Eventually(func() error { return testenv.K8s.Get(ctx, testenv.KeyOf(c), c) }).Should(testenv.BeNotFound())
		w.AwaitLists(1)
		Expect(w.Changes()).To(BeEmpty())
		Expect(w.Account("acme-both")).To(Equal(before))
	})

	It("of two resources that want one account the second is refused, told of the first, and writes nothing", func(ctx SpecContext) {
		w := testenv.StartWorld(ctx)
		first := w.ApplyReady(ctx, "acme-first")
		before := w.Account("acme-first")
		w.Sim.ResetCalls()
		second := w.Apply(ctx, "acme-second", withLocation, func(c *v1alpha1.ChildAccount) {
			c.Spec.AccountName, c.Spec.AdoptionPolicy = ptr.To("acme-first"), ptr.To(v1alpha1.AdoptAlways)
			c.Annotations = map[string]string{v1alpha1.AnnotationTakeover: "any"}
		})
		Eventually(testenv.StateOf(ctx, second)).Should(testenv.BeStalledAs(v1alpha1.ReasonDuplicateResource))
		Expect(testenv.StateOf(ctx, second)(Default).Message).To(ContainSubstring("%s/acme-first", w.NS))
		w.AwaitLists(2)
		Expect(w.Changes()).To(BeEmpty())
		Expect(w.Account("acme-first")).To(Equal(before))
		Expect(testenv.StateOf(ctx, first)(Default)).To(testenv.BeAvailable())
	})

	It("a cluster that is built anew from Git, with its installation id, makes no call but looks", func(ctx SpecContext) {
		w := testenv.NewWorld(ctx)
		w.Options.InstallationID = "prod-eu"
		parent := w.ApplyParent(ctx)
		w.Start(ctx)
		names, ids, uids := []string{"acme-one", "acme-two", "acme-three"}, map[string]string{}, map[string]types.UID{}
		for _, name := range names {
			c := w.ApplyReady(ctx, name, withLocation)
			ids[name], uids[name] = c.Status.AccountID, c.UID
			Expect(w.Account(name).Fields).To(HaveKeyWithValue("location", "Europe/Berlin"))
		}
		before := w.Sim.Accounts(w.Parent.ID)
		w.Stop()
		for _, name := range names {
			c := w.Child(name)
			forget(ctx, w, c)
		}
		Expect(testenv.K8s.Delete(ctx, parent)).To(Succeed())
		Expect(testenv.K8s.Delete(ctx, w.Credentials())).To(Succeed())
		w.Sim.ResetCalls()

		w.ApplyParent(ctx)
		w.Start(ctx)
		for _, name := range names {
			c := w.ApplyReady(ctx, name, withLocation)
			Expect(c.Status.AccountID).To(Equal(ids[name]))
			Expect(c.UID).NotTo(Equal(uids[name]))
		}
		w.AwaitLists(2)
		Expect(w.Changes()).To(BeEmpty())
		Expect(w.Sim.Accounts(w.Parent.ID)).To(Equal(before))
	})

	It("a cluster that is built anew under a shared ParentAccount finds the accounts whose connection Secrets are restored, and leaves the rest alone", func(ctx SpecContext) {
		w := testenv.NewWorld(ctx)
		w.Options.InstallationID = "prod-eu"
		w.ApplyParent(ctx, testenv.Sharing(testenv.FromAll))
		w.Start(ctx)
		t := w.NewTenant(ctx, nil)
		kept, lost := t.Apply(ctx, "acme-kept", withLocation), t.Apply(ctx, "acme-lost", withLocation)
		for _, c := range []*v1alpha1.ChildAccount{kept, lost} {
			Eventually(testenv.StateOf(ctx, c)).Should(testenv.BeAvailable())
		}
		var secret corev1.Secret
		Expect(testenv.K8s.Get(ctx, client.ObjectKey{Namespace: t.NS, Name: kept.ConnectionSecretName()}, &secret)).To(Succeed())
		before := w.Sim.Accounts(w.Parent.ID)
		w.Stop()
		forget(ctx, w, kept)
		forget(ctx, w, lost)
		secret.ObjectMeta = metav1.ObjectMeta{Namespace: secret.Namespace, Name: secret.Name, Labels: secret.Labels, Annotations: secret.Annotations}
		Expect(testenv.K8s.Create(ctx, &secret)).To(Succeed())
		w.Sim.ResetCalls()

		w.Start(ctx)
		id := kept.Status.AccountID
		kept, lost = t.Apply(ctx, "acme-kept", withLocation), t.Apply(ctx, "acme-lost", withLocation)
		Eventually(testenv.StateOf(ctx, kept)).Should(testenv.BeAvailable())
		Expect(kept.Status.AccountID).To(Equal(id))
		Eventually(testenv.StateOf(ctx, lost)).Should(testenv.BeStalledAs(v1alpha1.ReasonAdoptionRefused))
		w.AwaitLists(2)
		Expect(w.Changes()).To(BeEmpty())
		Expect(w.Sim.Accounts(w.Parent.ID)).To(Equal(before))
	})

	It("an account is taken over by the annotation only, and for good", func(ctx SpecContext) {
		w, before := elsewhere(ctx, "acme-moved")
		c := w.Apply(ctx, "acme-moved", withLocation)
		Eventually(testenv.StateOf(ctx, c)).Should(testenv.BeStalledAs(v1alpha1.ReasonClaimedElsewhere))

		By("another installation's id, which is not the holder's")
		annotate := func(value string) {
			testenv.Edit(ctx, c, func(c *v1alpha1.ChildAccount) {
				c.SetAnnotations(map[string]string{v1alpha1.AnnotationTakeover: value, v1alpha1.AnnotationReconcileRequestedAt: value})
			})
		}
		annotate("third")
		Eventually(func(g Gomega) {
			testenv.StateOf(ctx, c)(g)
			g.Expect(c.Status.LastHandledReconcileAt).To(Equal("third"))
		}).Should(Succeed())
		w.AwaitLists(1)
		Expect(testenv.StateOf(ctx, c)(Default)).To(testenv.BeStalledAs(v1alpha1.ReasonClaimedElsewhere))
		Expect(w.Changes()).To(BeEmpty())
		Expect(w.Account("acme-moved")).To(Equal(before))

		By("the holder's")
		annotate("first")
		Eventually(testenv.StateOf(ctx, c)).Should(testenv.BeAvailable())
		Expect(c.Status.AccountID).To(Equal(fmt.Sprint(before.ID)))
		Expect(c.Status.Origin).To(Equal(v1alpha1.OriginAdopted))
		after := w.Account("acme-moved")
		Expect(after.Fields).To(HaveKeyWithValue("location", "Europe/Berlin"))
		Expect(after.Fields["account_password"]).To(Equal(before.Fields["account_password"]))
		Expect(after.Text("account_custom_data")).To(Equal(account.Claim{Installation: "second", Namespace: w.NS, Name: "acme-moved"}.CustomData()))
		Expect(w.Changes()).To(ConsistOf("SetChildAccountInfo", "SetAccountInfo"))
	})

	It("a tenant of another namespace takes nothing over without the grant", func(ctx SpecContext) {
		w := testenv.NewWorld(ctx)
		w.Sim.PutAccount(claimed(w, "acme-theirs", account.Claim{Installation: "other", Namespace: "ns", Name: "acme-theirs"}))
		w.ApplyParent(ctx, testenv.Sharing(testenv.FromAll))
		b := w.NewTenant(ctx, nil)
		w.Start(ctx)
		c := b.Apply(ctx, "acme-theirs", func(c *v1alpha1.ChildAccount) {
			c.Annotations = map[string]string{v1alpha1.AnnotationTakeover: "other"}
		})
		Eventually(testenv.StateOf(ctx, c)).Should(testenv.BeStalledAs(v1alpha1.ReasonNotPermitted))
		w.AwaitLists(1)
		Expect(w.Changes()).To(BeEmpty())
	})
})
