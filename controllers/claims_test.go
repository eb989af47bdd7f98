package controllers_test

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
)

// changes are the calls that are no mere looks.
func (w *world) changes() (out []string) {
	for _, call := range w.sim.Calls() {
		if call.Method != "GetAccountInfo" && call.Method != "GetChildrenAccounts" {
			out = append(out, call.Method)
		}
	}
	return out
}

// forget leaves nothing of a resource in the cluster, as if this were another one.
func (w *world) forget(ctx context.Context, c *v1alpha1.ChildAccount) {
	GinkgoHelper()
	Expect(k8s.Patch(ctx, c, client.RawPatch(types.MergePatchType, []byte(`{"metadata":{"finalizers":null}}`)))).To(Succeed())
	Expect(k8s.Delete(ctx, c)).To(Succeed())
	Expect(k8s.Delete(ctx, &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: c.Namespace, Name: c.ConnectionSecretName()}})).To(Succeed())
}

func withLocation(c *v1alpha1.ChildAccount) { c.Spec.Location = ptr.To("Europe/Berlin") }

var _ = Describe("Claims", func() {
	// elsewhere has another cluster make an account, and then starts one that knows nothing of it.
	elsewhere := func(ctx context.Context, name string) (*world, simulator.Account) {
		w := newWorld(ctx)
		w.options.InstallationID = "first"
		w.applyParent(ctx)
		w.start(ctx)
		c := w.applyReady(ctx, name)
		w.stop()
		w.forget(ctx, c)
		w.sim.ResetCalls()
		w.options.InstallationID = "second"
		w.start(ctx)
		return w, w.account(name)
	}

	It("of two clusters that want one account the second is refused, told of the first, and writes nothing", func(ctx SpecContext) {
		w, before := elsewhere(ctx, "acme-both")
		c := w.apply(ctx, "acme-both", withLocation, func(c *v1alpha1.ChildAccount) {
			c.Spec.Email, c.Spec.AdoptionPolicy, c.Spec.DeletionPolicy = "second@acme.example", ptr.To(v1alpha1.AdoptAlways), ptr.To(v1alpha1.DeletionDeactivate)
		})
		Eventually(state(ctx, c)).Should(BeStalledAs(v1alpha1.ReasonClaimedElsewhere))
		Expect(state(ctx, c)(Default).message).To(ContainSubstring("%s/acme-both of installation first", w.ns))
		w.awaitLists(2)
		Expect(c.Annotations).NotTo(HaveKey(v1alpha1.AnnotationCreateIntent))
		Expect(k8s.Get(ctx, client.ObjectKey{Namespace: w.ns, Name: c.ConnectionSecretName()}, &corev1.Secret{})).To(beNotFound())

		By("deleting it, which is no business of the account's either")
		Expect(k8s.Delete(ctx, c)).To(Succeed())
		Eventually(func() error { return k8s.Get(ctx, clientKey(c), c) }).Should(beNotFound())
		w.awaitLists(1)
		Expect(w.changes()).To(BeEmpty())
		Expect(w.account("acme-both")).To(Equal(before))
	})

	It("of two resources that want one account the second is refused, told of the first, and writes nothing", func(ctx SpecContext) {
		w := startWorld(ctx)
		first := w.applyReady(ctx, "acme-first")
		before := w.account("acme-first")
		w.sim.ResetCalls()
		second := w.apply(ctx, "acme-second", withLocation, func(c *v1alpha1.ChildAccount) {
			c.Spec.AccountName, c.Spec.AdoptionPolicy = ptr.To("acme-first"), ptr.To(v1alpha1.AdoptAlways)
			c.Annotations = map[string]string{v1alpha1.AnnotationTakeover: "any"}
		})
		Eventually(state(ctx, second)).Should(BeStalledAs(v1alpha1.ReasonDuplicateResource))
		Expect(state(ctx, second)(Default).message).To(ContainSubstring("%s/acme-first", w.ns))
		w.awaitLists(2)
		Expect(w.changes()).To(BeEmpty())
		Expect(w.account("acme-first")).To(Equal(before))
		Expect(state(ctx, first)(Default)).To(BeAvailable())
	})

	It("a cluster that is built anew from Git, with its installation id, makes no call but looks", func(ctx SpecContext) {
		w := newWorld(ctx)
		w.options.InstallationID = "prod-eu"
		parent := w.applyParent(ctx)
		w.start(ctx)
		names, ids, uids := []string{"acme-one", "acme-two", "acme-three"}, map[string]string{}, map[string]types.UID{}
		for _, name := range names {
			c := w.applyReady(ctx, name, withLocation)
			ids[name], uids[name] = c.Status.AccountID, c.UID
			Expect(w.account(name).Fields).To(HaveKeyWithValue("location", "Europe/Berlin"))
		}
		before := w.sim.Accounts(w.parent.ID)
		w.stop()
		for _, name := range names {
			c := w.child(name)
			w.forget(ctx, c)
		}
		Expect(k8s.Delete(ctx, parent)).To(Succeed())
		Expect(k8s.Delete(ctx, w.credentials())).To(Succeed())
		w.sim.ResetCalls()

		w.applyParent(ctx)
		w.start(ctx)
		for _, name := range names {
			c := w.applyReady(ctx, name, withLocation)
			Expect(c.Status.AccountID).To(Equal(ids[name]))
			Expect(c.UID).NotTo(Equal(uids[name]))
		}
		w.awaitLists(2)
		Expect(w.changes()).To(BeEmpty())
		Expect(w.sim.Accounts(w.parent.ID)).To(Equal(before))
	})

	It("a cluster that is built anew under a shared ParentAccount finds the accounts whose connection Secrets are restored, and leaves the rest alone", func(ctx SpecContext) {
		w := newWorld(ctx)
		w.options.InstallationID = "prod-eu"
		w.applyParent(ctx, sharing(fromAll))
		w.start(ctx)
		t := w.tenant(ctx, nil)
		kept, lost := t.apply(ctx, "acme-kept", withLocation), t.apply(ctx, "acme-lost", withLocation)
		for _, c := range []*v1alpha1.ChildAccount{kept, lost} {
			Eventually(state(ctx, c)).Should(BeAvailable())
		}
		var secret corev1.Secret
		Expect(k8s.Get(ctx, client.ObjectKey{Namespace: t.ns, Name: kept.ConnectionSecretName()}, &secret)).To(Succeed())
		before := w.sim.Accounts(w.parent.ID)
		w.stop()
		w.forget(ctx, kept)
		w.forget(ctx, lost)
		secret.ObjectMeta = metav1.ObjectMeta{Namespace: secret.Namespace, Name: secret.Name, Labels: secret.Labels, Annotations: secret.Annotations}
		Expect(k8s.Create(ctx, &secret)).To(Succeed())
		w.sim.ResetCalls()

		w.start(ctx)
		id := kept.Status.AccountID
		kept, lost = t.apply(ctx, "acme-kept", withLocation), t.apply(ctx, "acme-lost", withLocation)
		Eventually(state(ctx, kept)).Should(BeAvailable())
		Expect(kept.Status.AccountID).To(Equal(id))
		Eventually(state(ctx, lost)).Should(BeStalledAs(v1alpha1.ReasonAdoptionRefused))
		w.awaitLists(2)
		Expect(w.changes()).To(BeEmpty())
		Expect(w.sim.Accounts(w.parent.ID)).To(Equal(before))
	})

	It("an account is taken over by the annotation only, and for good", func(ctx SpecContext) {
		w, before := elsewhere(ctx, "acme-moved")
		c := w.apply(ctx, "acme-moved", withLocation)
		Eventually(state(ctx, c)).Should(BeStalledAs(v1alpha1.ReasonClaimedElsewhere))

		By("another installation's id, which is not the holder's")
		annotate := func(value string) {
			edit(ctx, c, func(c *v1alpha1.ChildAccount) {
				c.SetAnnotations(map[string]string{v1alpha1.AnnotationTakeover: value, v1alpha1.AnnotationReconcileRequestedAt: value})
			})
		}
		annotate("third")
		Eventually(func(g Gomega) {
			state(ctx, c)(g)
			g.Expect(c.Status.LastHandledReconcileAt).To(Equal("third"))
		}).Should(Succeed())
		w.awaitLists(1)
		Expect(state(ctx, c)(Default)).To(BeStalledAs(v1alpha1.ReasonClaimedElsewhere))
		Expect(w.changes()).To(BeEmpty())
		Expect(w.account("acme-moved")).To(Equal(before))

		By("the holder's")
		annotate("first")
		Eventually(state(ctx, c)).Should(BeAvailable())
		Expect(c.Status.AccountID).To(Equal(fmt.Sprint(before.ID)))
		Expect(c.Status.Origin).To(Equal(v1alpha1.OriginAdopted))
		after := w.account("acme-moved")
		Expect(after.Fields).To(HaveKeyWithValue("location", "Europe/Berlin"))
		Expect(after.Fields["account_password"]).To(Equal(before.Fields["account_password"]))
		Expect(after.Text("account_custom_data")).To(Equal(account.Claim{Installation: "second", Namespace: w.ns, Name: "acme-moved"}.CustomData()))
		Expect(w.changes()).To(ConsistOf("SetChildAccountInfo", "SetAccountInfo"))
	})

	It("a tenant of another namespace takes nothing over without the grant", func(ctx SpecContext) {
		w := newWorld(ctx)
		w.sim.PutAccount(claimed(w, "acme-theirs", account.Claim{Installation: "other", Namespace: "ns", Name: "acme-theirs"}))
		w.applyParent(ctx, sharing(fromAll))
		b := w.tenant(ctx, nil)
		w.start(ctx)
		c := b.apply(ctx, "acme-theirs", func(c *v1alpha1.ChildAccount) {
			c.Annotations = map[string]string{v1alpha1.AnnotationTakeover: "other"}
		})
		Eventually(state(ctx, c)).Should(BeStalledAs(v1alpha1.ReasonNotPermitted))
		w.awaitLists(1)
		Expect(w.changes()).To(BeEmpty())
	})
})
