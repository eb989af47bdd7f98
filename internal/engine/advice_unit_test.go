package engine

import (
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"cpaas.dev/child-account-operator/api/v1alpha1"
)

// A step that the parent forbids is not advised without the step that has the parent allow it.
func TestAdoptionIsAdvisedWithTheGrantThatItNeeds(t *testing.T) {
	for name, c := range map[string]struct {
		namespace string
		grants    bool
		asks      bool
	}{
		"the parent's namespace":                  {namespace: "platform"},
		"another one":                             {namespace: "team", asks: true},
		"another one, which the parent grants it": {namespace: "team", grants: true},
	} {
		s := &scope{
			obj:    &v1alpha1.ChildAccount{ObjectMeta: metav1.ObjectMeta{Namespace: c.namespace}},
			parent: &Parent{Key: types.NamespacedName{Namespace: "platform", Name: "acme"}, Shared: true, GrantsAdopt: c.grants},
		}
		step := adoptStep(s, "spec.adoptionPolicy")
		if asks := strings.Contains(step, "owner of ParentAccount acme to add the grant Adopt"); asks != c.asks || !strings.HasSuffix(step, "set spec.adoptionPolicy") {
			t.Errorf("%s: %s", name, step)
		}
	}
}

// A resource that is deleted under Retain and applied again is refused its account under a shared parent.
func TestDeletingIsAdvisedOnlyWhereTheAccountIsFoundAgain(t *testing.T) {
	for origin, retains := range map[v1alpha1.Origin]bool{v1alpha1.OriginCreated: true, v1alpha1.OriginAdopted: false} {
		for _, shared := range []bool{false, true} {
			s := &scope{
				obj: &v1alpha1.ChildAccount{}, declared: Declaration{Kind: "ChildAccount"},
				status: &v1alpha1.AccountStatus{Origin: origin}, parent: &Parent{Shared: shared},
			}
			steps := newPasswordSteps(s)
			if has := strings.Contains(steps, "Retain"); has != (retains && !shared) {
				t.Errorf("%s, shared: %v: %s", origin, shared, steps)
			}
			if !strings.HasSuffix(steps, rotateCommand(s)) {
				t.Errorf("%s, shared: %v: %s", origin, shared, steps)
			}
		}
	}
}
