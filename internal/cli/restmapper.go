package cli

import (
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"cpaas.dev/child-account-operator/api/v1alpha1"
)

// restMapper knows the kinds that the operator reads and writes, so that it needn't ask the Kubernetes API which it has: the
// operator starts although that does not answer, and although its own kinds are not installed yet.
func restMapper() meta.RESTMapper {
	m := meta.NewDefaultRESTMapper(nil)
	for _, k := range []struct {
		version  schema.GroupVersion
		kind     string
		resource string
		scope    meta.RESTScope
	}{
		{v1alpha1.GroupVersion, "ParentAccount", "parentaccounts", meta.RESTScopeNamespace},
		{v1alpha1.GroupVersion, "ChildAccount", "childaccounts", meta.RESTScopeNamespace},
		{v1alpha1.GroupVersion, "SubAccount", "subaccounts", meta.RESTScopeNamespace},
		{corev1.SchemeGroupVersion, "Secret", "secrets", meta.RESTScopeNamespace},
		{corev1.SchemeGroupVersion, "Namespace", "namespaces", meta.RESTScopeRoot},
		{schema.GroupVersion{Group: "apiextensions.k8s.io", Version: "v1"}, "CustomResourceDefinition", "customresourcedefinitions", meta.RESTScopeRoot},
	} {
		singular := k.version.WithResource(k.resource[:len(k.resource)-1])
		m.AddSpecific(k.version.WithKind(k.kind), k.version.WithResource(k.resource), singular, k.scope)
	}
	return m
}
