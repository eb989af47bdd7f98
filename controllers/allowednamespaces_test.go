package controllers_test

import (
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"cpaas.dev/child-account-operator/api/v1alpha1"
	"cpaas.dev/child-account-operator/internal/testenv"
)

var _ = Describe("Sharing a parent", func() {
	It("Same: another namespace is not let in, without a call, and hears nothing of what is there", func(ctx SpecContext) {
		w := testenv.StartWorld(ctx)
		t := w.NewTenant(ctx, nil)
		c := t.Apply(ctx, "acme-stranger")
		nowhere := t.Apply(ctx, "acme-nowhere", func(c *v1alpha1.ChildAccount) { c.Spec.ParentRef.Name = "not-there" })
		Eventually(testenv.StateOf(ctx, c)).Should(testenv.BeStalledAs(v1alpha1.ReasonNamespaceNotAllowed))
		Eventually(testenv.StateOf(ctx, nowhere)).Should(testenv.BeStalledAs(v1alpha1.ReasonNamespaceNotAllowed))
		same := func(c *v1alpha1.ChildAccount) string {
			return strings.ReplaceAll(testenv.StateOf(ctx, c)(Default).Message, c.Spec.ParentRef.Name, "NAME")
		}
		Expect(same(c)).To(Equal(same(nowhere)))
		w.AwaitLists(2)
		Expect(w.Writes()).To(BeZero())
		for _, call := range w.Sim.Calls() {
			Expect(call.Params).NotTo(ContainElement(ContainSubstring("acme-stranger")))
		}
		Expect(t.Delete(ctx, c)).To(Succeed())
		Eventually(func() error { return testenv.K8s.Get(ctx, testenv.KeyOf(c), c) }).Should(testenv.BeNotFound())
	})

	It("All: another namespace has accounts, with its own connection Secret; withdrawn, they stay and nothing is written", func(ctx SpecContext) {
		w, p := testenv.StartShared(ctx, testenv.FromAll)
		t := w.NewTenant(ctx, nil)
		c := t.Apply(ctx, "acme-guest", func(c *v1alpha1.ChildAccount) {
			c.Spec.DeletionPolicy = ptr.To(v1alpha1.DeletionDeactivate)
		})
		Eventually(testenv.StateOf(ctx, c)).Should(testenv.BeAvailable())
		Expect(testenv.ConnectionOf(ctx, c)).To(HaveKeyWithValue("apiKey", w.Account("acme-guest").Fields["api_key"]))

		testenv.Edit(ctx, p, func(p *v1alpha1.ParentAccount) { p.Spec.AllowedNamespaces = nil })
		Eventually(testenv.StateOf(ctx, c)).Should(testenv.BeStalledAs(v1alpha1.ReasonNamespaceNotAllowed))
		writes := w.Writes()
		testenv.Edit(ctx, c, func(c *v1alpha1.ChildAccount) { c.Spec.Email = "changed@acme.example" })
		Expect(w.Sim.SetField(w.Account("acme-guest").ID, "account_email", "drift@else.example")).To(Succeed())
		w.AwaitLists(2)
		Expect(testenv.K8s.Delete(ctx, c)).To(Succeed())
		Eventually(func() error { return testenv.K8s.Get(ctx, testenv.KeyOf(c), c) }).Should(testenv.BeNotFound())
		Expect(w.Writes()).To(Equal(writes))
		Expect(w.Account("acme-guest").Active()).To(BeTrue())
		Eventually(testenv.EventsOf(ctx, c)).Should(ContainElement(HavePrefix("NotDeactivated: ")))
		Expect(testenv.K8s.Get(ctx, testenv.KeyOf(p), p)).To(Succeed())
		Expect(p.Status.NotDeactivated).To(HaveField("Accounts", ConsistOf(HaveField("AccountID", HaveValue(Equal(c.Status.AccountID))))), "its owner is told")

		testenv.Edit(ctx, p, testenv.Sharing(testenv.FromAll))
		c = t.Apply(ctx, "acme-guest")
		Eventually(testenv.StateOf(ctx, c)).Should(testenv.BeAvailable())
		Expect(w.Count("AddAccount")).To(Equal(1))
		Expect(w.Account("acme-guest").Fields["account_email"]).To(Equal("acme-guest@acme.example"))
	})

	It("Selector: a namespace is let in and out again by its labels", func(ctx SpecContext) {
		w, p := testenv.StartShared(ctx, v1alpha1.AllowedNamespaces{
			From:     ptr.To(v1alpha1.NamespacesSelector),
			Selector: &metav1.LabelSelector{MatchLabels: map[string]string{"telephony": "yes"}},
		})
		in, out := w.NewTenant(ctx, map[string]string{"telephony": "yes"}), w.NewTenant(ctx, nil)
		guest, stranger := in.Apply(ctx, "acme-inside"), out.Apply(ctx, "acme-outside")
		Eventually(testenv.StateOf(ctx, guest)).Should(testenv.BeAvailable())
		Eventually(testenv.StateOf(ctx, stranger)).Should(testenv.BeStalledAs(v1alpha1.ReasonNamespaceNotAllowed))
		label := func(ns string, labels map[string]string) {
			testenv.Edit(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: ns}}, func(n *corev1.Namespace) { n.Labels = labels })
		}
		label(out.NS, map[string]string{"telephony": "yes"})
		Eventually(testenv.StateOf(ctx, stranger)).Should(testenv.BeAvailable())
		label(in.NS, nil)
		Eventually(testenv.StateOf(ctx, guest)).Should(testenv.BeStalledAs(v1alpha1.ReasonNamespaceNotAllowed))

		testenv.Edit(ctx, p, func(p *v1alpha1.ParentAccount) {
			p.Spec.AllowedNamespaces.Selector = &metav1.LabelSelector{MatchExpressions: []metav1.LabelSelectorRequirement{{Key: "telephony", Operator: "Roughly"}}}
		})
		Eventually(testenv.StateOf(ctx, p)).Should(testenv.BeStalledAs(v1alpha1.ReasonInvalidSelector))
		Expect(testenv.StateOf(ctx, p)(Default).Message).To(ContainSubstring("spec.allowedNamespaces.selector"))
	})

	It("a parent that is not ready tells other namespaces no more than that", func(ctx SpecContext) {
		w, p := testenv.StartShared(ctx, testenv.FromAll)
		t := w.NewTenant(ctx, nil)
		Eventually(testenv.StateOf(ctx, p)).Should(testenv.BeAvailable())
		testenv.Edit(ctx, p, func(p *v1alpha1.ParentAccount) { p.Spec.Voximplant.CredentialsSecretRef.Name = "hidden-name" })
		c := t.Apply(ctx, "acme-curious")
		Eventually(testenv.StateOf(ctx, c)).Should(testenv.BeStalledAs(v1alpha1.ReasonParentNotReady))
		Expect(testenv.StateOf(ctx, c)(Default).Message).To(And(ContainSubstring("SecretMissing"), Not(ContainSubstring("hidden-name"))))
	})
})
