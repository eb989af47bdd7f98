package config_test

import (
	"context"
	"encoding/json"
	"maps"
	"slices"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/jsonmergepatch"
	"k8s.io/apimachinery/pkg/util/yaml"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"cpaas.dev/child-account-operator/api/v1alpha1"
	"cpaas.dev/child-account-operator/internal/argocd"
	"cpaas.dev/child-account-operator/internal/secrets"
	"cpaas.dev/child-account-operator/internal/testenv"
)

const (
	argoCD      = "argocd-controller"
	flux        = "kustomize-controller"
	kubectl     = "kubectl-client-side-apply"
	trackingID  = "argocd.argoproj.io/tracking-id"
	lastApplied = "kubectl.kubernetes.io/last-applied-configuration"
)

// applyAs is server-side apply, without force: who would take a field from somebody else hears of it.
func applyAs(ctx context.Context, manager string, u *unstructured.Unstructured) error {
	return testenv.K8s.Apply(ctx, client.ApplyConfigurationFromUnstructured(u.DeepCopy()), client.FieldOwner(manager))
}

// kubectlApply is kubectl apply without --server-side: what was applied last is in an annotation, and what is gone since
// is removed.
func kubectlApply(ctx context.Context, u *unstructured.Unstructured) {
	GinkgoHelper()
	live := liveOf(ctx, u)
	modified := u.DeepCopy()
	annotations := map[string]string{lastApplied: string(asJSON(u))}
	maps.Copy(annotations, u.GetAnnotations())
	modified.SetAnnotations(annotations)
	patch, err := jsonmergepatch.CreateThreeWayJSONMergePatch([]byte(live.GetAnnotations()[lastApplied]), asJSON(modified), asJSON(live))
	Expect(err).NotTo(HaveOccurred())
	Expect(testenv.K8s.Patch(ctx, live, client.RawPatch(types.MergePatchType, patch), client.FieldOwner(kubectl))).To(Succeed())
}

func asJSON(u *unstructured.Unstructured) []byte {
	GinkgoHelper()
	b, err := json.Marshal(u)
	Expect(err).NotTo(HaveOccurred())
	return b
}

// liveOf is an object as the API server has it.
func liveOf(ctx context.Context, o client.Object) *unstructured.Unstructured {
	GinkgoHelper()
	kinds, _, err := testenv.K8s.Scheme().ObjectKinds(o)
	Expect(err).NotTo(HaveOccurred())
	live := &unstructured.Unstructured{}
	live.SetGroupVersionKind(kinds[0])
	Expect(testenv.K8s.Get(ctx, testenv.KeyOf(o), live)).To(Succeed())
	return live
}

// ownersOf says which managers own which fields of a part of an object ("spec", "metadata").
func ownersOf(ctx context.Context, o client.Object, part string) map[string][]string {
	GinkgoHelper()
	owners := map[string][]string{}
	for _, m := range liveOf(ctx, o).GetManagedFields() {
		var fields map[string]map[string]any
		Expect(json.Unmarshal(m.FieldsV1.GetRawBytes(), &fields)).To(Succeed())
		for name := range fields["f:"+part] {
			owners[m.Manager] = append(owners[m.Manager], strings.TrimPrefix(name, "f:"))
		}
		slices.Sort(owners[m.Manager])
	}
	maps.DeleteFunc(owners, func(_ string, fields []string) bool { return len(fields) == 0 })
	return owners
}

// expectUntouched holds for a resource under Retain, whatever is applied: the operator writes its status and nothing else.
func expectUntouched(ctx context.Context, c *v1alpha1.ChildAccount) {
	GinkgoHelper()
	Expect(testenv.K8s.Get(ctx, testenv.KeyOf(c), c)).To(Succeed())
	Expect(c.Finalizers).To(BeEmpty())
	Expect(c.Annotations).NotTo(HaveKey(v1alpha1.AnnotationCreateIntent))
}

var _ = Describe("Applied from Git", func() {
	It("again and again, by several managers, without a conflict and without a write at rest", func(ctx SpecContext) {
		w := testenv.StartWorld(ctx)
		git := testenv.Manifest("ChildAccount", w.NS, "acme-gitops", `{"parentRef":{"name":"acme"},"email":"gitops@acme.example","location":"Europe/Berlin"}`)
		c := w.Child("acme-gitops")

		By("while the account is being made")
		Eventually(func(g Gomega) testenv.State {
			Expect(applyAs(ctx, argoCD, git)).To(Succeed())
			return testenv.StateOf(ctx, c)(g)
		}).Should(testenv.BeAvailable())
		expectUntouched(ctx, c)
		Expect(w.Count("AddAccount")).To(Equal(1))

		By("at rest")
		w.AwaitLists(1) // the first has more of the account than AddAccount tells
		version := liveOf(ctx, c).GetResourceVersion()
		for range 5 {
			Expect(applyAs(ctx, argoCD, git)).To(Succeed())
		}
		w.AwaitLists(2)
		Expect(liveOf(ctx, c).GetResourceVersion()).To(Equal(version))

		By("with a second manager, of another field")
		Expect(applyAs(ctx, flux, testenv.Manifest("ChildAccount", w.NS, "acme-gitops", `{"notifications":{"news":true}}`))).To(Succeed())
		Eventually(testenv.StateOf(ctx, c)).Should(testenv.BeAvailable())
		Expect(applyAs(ctx, argoCD, git)).To(Succeed())
		Expect(w.Account("acme-gitops").Fields).To(And(HaveKeyWithValue("news_notifications", true), HaveKeyWithValue("location", "Europe/Berlin")))

		By("while a change made at the provider is corrected")
		Expect(w.Sim.SetField(w.Account("acme-gitops").ID, "account_email", "drift@else.example")).To(Succeed())
		Eventually(func() any {
			Expect(applyAs(ctx, argoCD, git)).To(Succeed())
			return w.Account("acme-gitops").Fields["account_email"]
		}).Should(Equal("gitops@acme.example"))

		By("each manager with its own fields, and none of the spec for the operator")
		Expect(ownersOf(ctx, c, "spec")).To(Equal(map[string][]string{argoCD: {"email", "location", "parentRef"}, flux: {"notifications"}}))
		Expect(ownersOf(ctx, c, "metadata")).To(BeEmpty())
		Expect(ownersOf(ctx, c, "status")).To(HaveLen(1))
		Expect(ownersOf(ctx, w.ParentAccount(), "spec")).NotTo(HaveKey(secrets.FieldManager))
		err := applyAs(ctx, flux, testenv.Manifest("ChildAccount", w.NS, "acme-gitops", `{"notifications":{"news":true},"email":"other@acme.example"}`))
		Expect(apierrors.IsConflict(err)).To(BeTrue(), "%v", err)
		Expect(err).To(MatchError(And(ContainSubstring(argoCD), Not(ContainSubstring(secrets.FieldManager)))))

		By("a field that leaves Git leaves the spec, and is not managed any more")
		Expect(applyAs(ctx, argoCD, testenv.Manifest("ChildAccount", w.NS, "acme-gitops", `{"parentRef":{"name":"acme"},"email":"gitops@acme.example"}`))).To(Succeed())
		Eventually(testenv.StateOf(ctx, c)).Should(testenv.BeAvailable())
		Expect(c.Spec.Location).To(BeNil())
		Expect(c.Spec.Notifications.News).To(HaveValue(BeTrue()))
		Expect(c.Status.LastApplied).NotTo(HaveKey("location"))
		Expect(w.Account("acme-gitops").Fields).To(HaveKeyWithValue("location", "Europe/Berlin"))
		expectUntouched(ctx, c)
	})

	It("by kubectl apply after a server-side apply, without losing what the operator wrote", func(ctx SpecContext) {
		w := testenv.StartWorld(ctx)
		git := testenv.Manifest("ChildAccount", w.NS, "acme-kubectl", `{"parentRef":{"name":"acme"},"email":"first@acme.example","location":"Europe/Berlin"}`)
		git.SetAnnotations(map[string]string{trackingID: "as Argo CD writes it"})
		Expect(applyAs(ctx, argoCD, git)).To(Succeed())
		c := w.Child("acme-kubectl")
		Eventually(testenv.StateOf(ctx, c)).Should(testenv.BeAvailable())
		Expect(c.Annotations).To(HaveKey(trackingID))

		kubectlApply(ctx, git)
		Eventually(testenv.StateOf(ctx, c)).Should(testenv.BeAvailable())
		Expect(c.Generation).To(BeEquivalentTo(1))
		Expect(c.Annotations).To(HaveKey(trackingID))
		expectUntouched(ctx, c)

		kubectlApply(ctx, testenv.Manifest("ChildAccount", w.NS, "acme-kubectl", `{"parentRef":{"name":"acme"},"email":"second@acme.example"}`))
		Eventually(testenv.StateOf(ctx, c)).Should(testenv.BeAvailable())
		Expect(c.Spec.Location).To(BeNil())
		Expect(w.Account("acme-kubectl").Fields).To(HaveKeyWithValue("account_email", "second@acme.example"))
		Expect(ownersOf(ctx, c, "spec")).To(Equal(map[string][]string{argoCD: {"parentRef"}, kubectl: {"email"}}))
		expectUntouched(ctx, c)
	})

	It("by replacing it, as Argo CD does with Replace=true, gets its finalizer back", func(ctx SpecContext) {
		w := testenv.NewWorld(ctx)
		w.ApplyParent(ctx, func(p *v1alpha1.ParentAccount) { p.Spec.ResyncInterval = nil }) // five minutes
		w.Start(ctx)
		git := testenv.Manifest("ChildAccount", w.NS, "acme-replace", `{"parentRef":{"name":"acme"},"email":"replace@acme.example","deletionPolicy":"Deactivate"}`)
		Expect(applyAs(ctx, argoCD, git)).To(Succeed())
		c := w.Child("acme-replace")
		Eventually(testenv.StateOf(ctx, c)).Should(testenv.BeAvailable())
		git.SetResourceVersion(liveOf(ctx, c).GetResourceVersion())
		Expect(testenv.K8s.Update(ctx, git, client.FieldOwner(argoCD))).To(Succeed())
		Eventually(func() []string { return liveOf(ctx, c).GetFinalizers() }).Should(ConsistOf(v1alpha1.Finalizer))
		Expect(testenv.K8s.Delete(ctx, c)).To(Succeed())
		Eventually(func() error { return testenv.K8s.Get(ctx, testenv.KeyOf(c), c) }).Should(testenv.BeNotFound())
		Expect(w.Account("acme-replace").Active()).To(BeFalse())
	})

	It("and handled by Argo CD's actions, shows its health", func(ctx SpecContext) {
		w := testenv.NewWorld(ctx)
		w.ApplyParent(ctx)
		git := testenv.Manifest("ChildAccount", w.NS, "acme-argo", `{"parentRef":{"name":"acme"},"email":"argo@acme.example"}`)
		Expect(applyAs(ctx, argoCD, git)).To(Succeed())
		all, err := argocd.Read("../config/argocd/argocd-cm.yaml")
		Expect(err).NotTo(HaveOccurred())
		argo := all["ChildAccount"]
		health := func() string {
			h, err := argo.HealthOf(liveOf(ctx, git))
			Expect(err).NotTo(HaveOccurred())
			return h.Status
		}
		act := func(action string) {
			GinkgoHelper()
			live := liveOf(ctx, git)
			Expect(argo.Offered(live)).To(ContainElement(action))
			wanted, err := argo.Act(action, live)
			Expect(err).NotTo(HaveOccurred())
			Expect(testenv.K8s.Patch(ctx, wanted, client.MergeFrom(live), client.FieldOwner("argocd-server"))).To(Succeed())
		}
		Expect(health()).To(Equal("Progressing"))
		w.Start(ctx)
		Eventually(health).Should(Equal("Healthy"))
		act("suspend")
		Eventually(health).Should(Equal("Suspended"))
		Expect(applyAs(ctx, argoCD, git)).To(Succeed()) // Git says nothing of suspend
		act("resume")
		Eventually(health).Should(Equal("Healthy"))
		act("reconcile")
		c := w.Child("acme-argo")
		Eventually(func(g Gomega) string { testenv.StateOf(ctx, c)(g); return c.Status.LastHandledReconcileAt }).ShouldNot(BeEmpty())
		Expect(ownersOf(ctx, c, "spec")).To(Equal(map[string][]string{argoCD: {"email", "parentRef"}, "argocd-server": {"suspend"}}))
		expectUntouched(ctx, c)

		Expect(w.Sim.Freeze(w.Account("acme-argo").ID)).To(Succeed())
		Eventually(health).Should(Equal("Degraded"))
	})
})

var _ = It("Every manifest of docs/gitops.md is well-formed, and those of our kinds are accepted", func(ctx SpecContext) {
	var groups []string
	for _, m := range manifestsOf("../docs/gitops.md") {
		u := &unstructured.Unstructured{}
		Expect(yaml.UnmarshalStrict([]byte(m), &u.Object)).To(Succeed(), m)
		groups = append(groups, u.GroupVersionKind().Group)
		if u.GroupVersionKind().Group == v1alpha1.GroupVersion.Group {
			u.SetNamespace("default")
			Expect(testenv.DryApply(ctx, u)).To(Succeed(), m)
		}
	}
	Expect(groups).To(ContainElements(v1alpha1.GroupVersion.Group, "argoproj.io", "kustomize.toolkit.fluxcd.io"))
})
