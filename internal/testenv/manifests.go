package testenv

import (
	"context"
	"encoding/json"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"cpaas.dev/child-account-operator/api/v1alpha1"
)

// Manifest is a resource as a person may write it, wrong types included.
func Manifest(kind, ns, name, spec string) *unstructured.Unstructured {
	GinkgoHelper()
	u := &unstructured.Unstructured{Object: map[string]any{}}
	Expect(json.Unmarshal([]byte(spec), &u.Object)).To(Succeed())
	u.Object = map[string]any{"spec": u.Object}
	u.SetAPIVersion(v1alpha1.GroupVersion.String())
	u.SetKind(kind)
	u.SetNamespace(ns)
	u.SetName(name)
	return u
}

// DryApply is a strict server-side dry run, as kubectl apply makes one.
func DryApply(ctx context.Context, u *unstructured.Unstructured) error {
	return K8s.Create(ctx, u, client.DryRunAll, client.FieldValidation(metav1.FieldValidationStrict))
}
