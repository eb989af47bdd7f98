package cli

import (
	"os"
	"slices"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/yaml"

	"cpaas.dev/child-account-operator/api/v1alpha1"
)

// ourKinds are those of our group.
func ourKinds(t *testing.T) []string {
	t.Helper()
	scheme := runtime.NewScheme()
	if err := v1alpha1.AddToScheme(scheme); err != nil {
		t.Fatal(err)
	}
	var kinds []string
	for kind, goType := range scheme.KnownTypes(v1alpha1.GroupVersion) {
		if !strings.HasSuffix(kind, "List") && strings.HasSuffix(goType.PkgPath(), "/api/v1alpha1") {
			kinds = append(kinds, kind)
		}
	}
	if len(kinds) < 2 {
		t.Fatalf("only %v", kinds)
	}
	return kinds
}

// The operator asks nobody which kinds there are: it has to know all of ours, by the names of their CRDs, which are installed.
func TestEveryKindIsKnownAndInstalled(t *testing.T) {
	var installed struct{ Resources []string }
	text, err := os.ReadFile("../../config/crd/kustomization.yaml")
	if err == nil {
		err = yaml.Unmarshal(text, &installed)
	}
	if err != nil {
		t.Fatal(err)
	}
	for _, kind := range ourKinds(t) {
		gvk := v1alpha1.GroupVersion.WithKind(kind)
		mapping, err := restMapper().RESTMapping(gvk.GroupKind(), gvk.Version)
		if err != nil {
			t.Errorf("restMapper: %v", err)
			continue
		}
		crd := "bases/" + gvk.Group + "_" + mapping.Resource.Resource + ".yaml"
		if _, err := os.Stat("../../config/crd/" + crd); err != nil {
			t.Errorf("%s: %v", kind, err)
		}
		if !slices.Contains(installed.Resources, crd) {
			t.Errorf("config/crd/kustomization.yaml does not have %s", crd)
		}
	}
}
