package config_test

import (
	"os"
	"path/filepath"
	"slices"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/labels"

	"cpaas.dev/child-account-operator/internal/testenv"
)

var _ = Describe("config/callbacks", func() {
	It("has the operator of config/default receive callbacks at its Service, and changes nothing else", func() {
		const overlay = "bin/callbacks"
		Expect(os.MkdirAll(filepath.Join("..", overlay), 0o755)).To(Succeed())
		Expect(os.WriteFile(filepath.Join("..", overlay, "kustomization.yaml"), []byte(`apiVersion: kustomize.config.k8s.io/v1beta1
kind: Kustomization
resources: [../../config/default]
components: [../../config/callbacks]
`), 0o644)).To(Succeed())
		plain, objects := testenv.Rendered("config/default"), testenv.Rendered(overlay)
		const serviceName, policyName = "child-account-operator-callbacks", "child-account-operator-allow-callbacks"
		service := testenv.Find[corev1.Service](objects, "Service", serviceName)
		policy := testenv.Find[networkingv1.NetworkPolicy](objects, "NetworkPolicy", policyName)
		d := managerOf(objects)
		Expect([]string{service.Namespace, policy.Namespace}).To(Equal([]string{d.Namespace, d.Namespace}))
		pod := labels.Set(d.Spec.Template.Labels)

		container := d.Spec.Template.Spec.Containers[0]
		at := slices.IndexFunc(container.Ports, func(p corev1.ContainerPort) bool { return p.Name == service.Spec.Ports[0].TargetPort.String() })
		Expect(at).NotTo(Equal(-1), "the Service's port is none of the container's")
		port := container.Ports[at].ContainerPort
		Expect(optionsOf(d).CallbackAddress).To(HaveSuffix(":%d", port))
		Expect(labels.SelectorFromSet(service.Spec.Selector).Matches(pod)).To(BeTrue())

		selected, err := metav1.LabelSelectorAsSelector(&policy.Spec.PodSelector)
		Expect(err).NotTo(HaveOccurred())
		Expect(selected.Matches(pod)).To(BeTrue())
		Expect(policy.Spec.Ingress).To(HaveLen(1))
		Expect(policy.Spec.Ingress[0].Ports[0].Port.IntVal).To(Equal(port))
		Expect(policy.Spec.Ingress[0].From[0].NamespaceSelector.MatchLabels).To(Equal(map[string]string{"callbacks": "enabled"}))

		before := managerOf(plain)
		Expect(container.Args).To(Equal(append(before.Spec.Template.Spec.Containers[0].Args, "--callback-address=:8444")))
		Expect(names(objects)).To(ConsistOf(append(names(plain), "Service "+d.Namespace+"/"+serviceName, "NetworkPolicy "+d.Namespace+"/"+policyName)))
		for _, u := range plain { // no right is added
			if u.GetKind() == "Role" || u.GetKind() == "ClusterRole" {
				same := slices.IndexFunc(objects, func(o *unstructured.Unstructured) bool {
					return o.GetKind() == u.GetKind() && o.GetName() == u.GetName()
				})
				Expect(objects[same].Object).To(Equal(u.Object))
			}
		}
	})
})
