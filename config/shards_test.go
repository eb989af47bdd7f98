package config_test

import (
	"context"
	"fmt"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/labels"

	"cpaas.dev/child-account-operator/api/v1alpha1"
	"cpaas.dev/child-account-operator/internal/simulator"
	"cpaas.dev/child-account-operator/internal/testenv"
)

var _ = Describe("config/shards", func() {
	var rest, second []*unstructured.Unstructured
	BeforeEach(func() { rest, second = testenv.Rendered("config/shards/rest"), testenv.Rendered("config/shards/b") })

	It("has two operators, of which the first is config/default but for its share", func() {
		Expect(names(rest)).To(Equal(names(testenv.Rendered("config/default"))))
		d := managerOf(rest)
		d.Spec.Template.Spec.Containers[0].Args = d.Spec.Template.Spec.Containers[0].Args[:len(d.Spec.Template.Spec.Containers[0].Args)-1]
		Expect(d).To(Equal(managerOf(testenv.Rendered("config/default"))))
	})

	It("has nothing twice, and the kinds with the first alone", func() {
		there, crds := map[string]bool{}, 0
		for _, name := range names(rest) {
			there[name] = true
			if strings.HasPrefix(name, "CustomResourceDefinition ") {
				crds++
			}
		}
		for _, name := range names(second) {
			Expect(there).NotTo(HaveKey(name))
			Expect(name).NotTo(HavePrefix("CustomResourceDefinition "))
		}
		Expect(crds).To(BeNumerically(">", 0))
		Expect(names(second)).To(HaveLen(len(rest) - crds))
	})

	It("gives every ParentAccount to exactly one", func() {
		a, b := optionsOf(managerOf(rest)), optionsOf(managerOf(second))
		Expect(a.LeaderElectionNamespace).NotTo(Equal(b.LeaderElectionNamespace), "the lease has the same name in both")
		for _, set := range []labels.Set{nil, {"shard": "a"}, {"shard": "b"}, {"shard": ""}, {"other": "b"}} {
			Expect(picks(a.ParentSelector, set)).NotTo(Equal(picks(b.ParentSelector, set)), "%v", set)
		}
	})

	DescribeTable("each is complete, and has to do with nobody else",
		func(dir string) {
			objects := testenv.Rendered(dir)
			d := managerOf(objects)
			account := testenv.Find[corev1.ServiceAccount](objects, "ServiceAccount", d.Spec.Template.Spec.ServiceAccountName)
			bindings := 0
			for _, u := range objects {
				if u.GetNamespace() != "" {
					Expect(u.GetNamespace()).To(Equal(d.Namespace), "%s %s", u.GetKind(), u.GetName())
				}
				switch u.GetKind() {
				case "Namespace":
					Expect(u.GetName()).To(Equal(d.Namespace))
				case "RoleBinding", "ClusterRoleBinding":
					bindings++
					binding := testenv.Find[rbacv1.ClusterRoleBinding](objects, u.GetKind(), u.GetName())
					Expect(binding.Subjects).To(HaveExactElements(rbacv1.Subject{Kind: "ServiceAccount", Name: account.Name, Namespace: d.Namespace}))
					testenv.Find[rbacv1.ClusterRole](objects, binding.RoleRef.Kind, binding.RoleRef.Name)
				case "Service":
					expectToPick(d, testenv.Find[corev1.Service](objects, u.GetKind(), u.GetName()).Spec.Selector)
				case "NetworkPolicy":
					expectToPick(d, testenv.Find[networkingv1.NetworkPolicy](objects, u.GetKind(), u.GetName()).Spec.PodSelector.MatchLabels)
				}
			}
			Expect(bindings).To(Equal(4))
			expectToPick(d, d.Spec.Selector.MatchLabels)
		},
		Entry(nil, "config/shards/rest"),
		Entry(nil, "config/shards/b"),
	)

	It("runs: each works for its own ParentAccounts, and nothing is written by two", func(ctx SpecContext) {
		Expect(testenv.Install(ctx, second)).To(BeEmpty(), "warnings of the API server")
		DeferCleanup(func(ctx SpecContext) {
			for _, u := range second {
				if strings.HasPrefix(u.GetKind(), "Cluster") {
					Expect(testenv.K8s.Delete(ctx, u.DeepCopy())).To(Succeed())
				}
			}
		})
		w := testenv.NewWorld(ctx)
		first, b := release(ctx, w, rest), release(ctx, w, second)
		w.ApplyParent(ctx)
		other := applySecondParent(ctx, w)
		c, theirs := w.Apply(ctx, "acme-first"), w.Apply(ctx, "acme-second", ofSecondParent)
		touched := fmt.Sprintf("childaccounts %s/acme-second", w.NS)
		orphan := w.Apply(ctx, "acme-lost", func(c *v1alpha1.ChildAccount) { c.Spec.ParentRef.Name = "nowhere" })
		for _, c := range []*v1alpha1.ChildAccount{c, theirs} {
			Eventually(testenv.StateOf(ctx, c)).Should(testenv.BeAvailable())
		}
		Eventually(testenv.StateOf(ctx, orphan)).Should(testenv.BeStalledAs(v1alpha1.ReasonParentNotFound))
		testenv.Edit(ctx, orphan, func(c *v1alpha1.ChildAccount) { c.Spec.Email = "found@acme.example" })
		Eventually(testenv.StateOf(ctx, orphan)).Should(testenv.BeStalledAs(v1alpha1.ReasonParentNotFound))
		Eventually(testenv.EventsOf(ctx, theirs)).ShouldNot(BeEmpty())
		w.AwaitLists(4) // of the two
		wrote, wroteB := first.Written(), b.Written()
		Expect(testenv.WrittenByBoth(wrote, wroteB)).To(BeEmpty(), "written by two")
		for _, name := range []string{"acme", "acme-first", "acme-first-connection", "acme-lost"} {
			Expect(testenv.WrittenTo(wrote, name)).NotTo(BeZero(), "%s: %v", name, wrote)
		}
		for _, name := range []string{"acme-b", "acme-second", "acme-second-connection"} {
			Expect(testenv.WrittenTo(wroteB, name)).NotTo(BeZero(), "%s: %v", name, wroteB)
		}
		Expect(wrote).To(HaveKeyWithValue(fmt.Sprintf("childaccounts %s/acme-lost", w.NS), 2), "a status for each generation")

		By("a ParentAccount that goes leaves its resources to the first")
		Expect(testenv.K8s.Delete(ctx, other)).To(Succeed())
		Eventually(testenv.StateOf(ctx, theirs)).Should(testenv.BeStalledAs(v1alpha1.ReasonParentNotFound))
		w.AwaitLists(3)
		Expect(first.Written()).To(HaveKeyWithValue(touched, 1))
		Expect(b.Written()).To(BeEmpty())
		By("and gets them back")
		applySecondParent(ctx, w)
		Eventually(testenv.StateOf(ctx, theirs)).Should(testenv.BeAvailable())
		w.AwaitLists(4)
		Expect(testenv.WrittenTo(b.Written(), "acme-second")).NotTo(BeZero())
		Expect(testenv.WrittenTo(first.Written(), "acme-second")).To(BeZero())
		Expect(w.Sim.Accounts(w.Parent.ID)).To(HaveLen(1))

		By("and nobody is in the way of their deletion")
		Expect(testenv.K8s.Delete(ctx, other)).To(Succeed())
		Eventually(testenv.StateOf(ctx, theirs)).Should(testenv.BeStalledAs(v1alpha1.ReasonParentNotFound))
		w.AwaitLists(3) // of the first: so it has noted what it wrote
		first.Written()
		b.Written()
		Expect(testenv.K8s.Delete(ctx, theirs)).To(Succeed())
		testenv.ExpectGone(ctx, theirs) // under Retain it waits for nobody
		w.AwaitLists(3)
		Expect(first.Written()).To(BeEmpty())
		Expect(b.Written()).To(BeEmpty())
	})
})

// release starts an operator of a kustomization, with its ServiceAccount's rights, beside whatever runs.
func release(ctx context.Context, w *testenv.World, objects []*unstructured.Unstructured) *testenv.Recorder {
	GinkgoHelper()
	d := managerOf(objects)
	user := fmt.Sprintf("system:serviceaccount:%s:%s", d.Namespace, d.Spec.Template.Spec.ServiceAccountName)
	for _, p := range permissions {
		for _, verb := range strings.Fields(p.verbs) {
			what := p.attributes(verb)
			if what.ResourceAttributes.Namespace != "" {
				what.ResourceAttributes.Namespace = d.Namespace
			}
			Eventually(testenv.IsAllowed).WithArguments(ctx, user, what).Should(BeTrue(), "%s: %s %s", p.role, verb, p.resource)
		}
	}
	o := *w
	o.Config, o.Options = testenv.ConfigOf(user), optionsOf(d)
	o.Options.MetricsAddress, o.Options.ProbeAddress = "0", "0"
	s := o.RecordRequests()
	testenv.FreeLease(ctx, d.Namespace)
	o.Start(ctx)
	DeferCleanup(o.Stop)
	return s
}

// applySecondParent is one of another account at the provider, labelled for the second operator.
func applySecondParent(ctx context.Context, w *testenv.World) *v1alpha1.ParentAccount {
	GinkgoHelper()
	if w.Second.ID == 0 {
		w.Second = w.Sim.AddParent(simulator.Parent{Name: "acme-b", Email: "owner-b@acme.example"})
		secret := w.Credentials()
		secret.Name, secret.Data = "voximplant-b", map[string][]byte{"credentials.json": w.Sim.Credentials(w.Second.ID, simulator.RoleOwner)}
		Expect(testenv.K8s.Create(ctx, secret)).To(Succeed())
	}
	p := w.ParentAccount()
	p.Name, p.Labels, p.Spec.Voximplant.CredentialsSecretRef.Name = "acme-b", map[string]string{"shard": "b"}, "voximplant-b"
	p.Spec.ResyncInterval = &metav1.Duration{Duration: time.Second}
	Expect(testenv.K8s.Create(ctx, p)).To(Succeed())
	return p
}

func ofSecondParent(c *v1alpha1.ChildAccount) { c.Spec.ParentRef.Name = "acme-b" }

// expectToPick says that a selector picks the Deployment's Pods.
func expectToPick(d *appsv1.Deployment, selector map[string]string) {
	GinkgoHelper()
	Expect(selector).NotTo(BeEmpty())
	Expect(labels.SelectorFromSet(selector).Matches(labels.Set(d.Spec.Template.Labels))).To(BeTrue())
}

func picks(selector string, set labels.Set) bool {
	GinkgoHelper()
	s, err := labels.Parse(selector)
	Expect(err).NotTo(HaveOccurred())
	return s.Matches(set)
}
