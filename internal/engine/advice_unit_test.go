package engine

import (
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"cpaas.dev/child-account-operator/api/v1alpha1"
	"cpaas.dev/child-account-operator/internal/account"
	"cpaas.dev/child-account-operator/internal/conditions"
	"cpaas.dev/child-account-operator/internal/plan"
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

// moving is a resource that is to have the account of another namespace.
func moving(namespace string) *scope {
	return &scope{
		obj:      &v1alpha1.ChildAccount{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "acme-support"}},
		managed:  ownedChild{&v1alpha1.ChildAccount{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "acme-support"}}},
		declared: Declaration{Kind: "ChildAccount", AccountName: "acme-support"},
		claim:    account.Claim{Installation: "prod", Namespace: namespace, Name: "acme-support"},
		previous: &account.Claim{Installation: "prod", Namespace: "sales", Name: "old"},
		parent:   &Parent{Key: types.NamespacedName{Namespace: "platform", Name: "acme"}, Shared: true, GrantsAdopt: true},
	}
}

// What a resource has to accept, who knows the account's credentials and how to replace them is said to whoever may know, with a command that
// comes last.
func TestWhatHasToBeAcceptedIsSaid(t *testing.T) {
	for _, namespace := range []string{"platform", "team"} {
		s := moving(namespace)
		stop := notAccepted(s, account.Account{ID: "7", Name: "acme-support"})
		text := conditions.Children.Text(conditions.Outcome{Reason: stop.Reason, Message: stop.Message, Next: stop.Next}, 4096)
		for _, part := range []string{"know the account's password and API key. To accept the account, set spec.adoptionPolicy", v1alpha1.AnnotationTakeover + `: "prod"`, "the provider to replace the API key"} {
			if !strings.Contains(text, part) {
				t.Errorf("%s: %q lacks %q", namespace, text, part)
			}
		}
		known := knownElsewhere(s)
		if !strings.HasSuffix(text, rotateCommand(s)) || strings.Contains(text+known, "sales") != (namespace == "platform") || !strings.HasSuffix(known, "know its password and API key") {
			t.Errorf("%s: %q, %q", namespace, text, known)
		}
		s.declared.PasswordSecret, s.declared.Policy.Adopt = &SecretKey{Name: "p"}, account.AdoptAlways
		if known := knownElsewhere(s); !strings.HasSuffix(known, "know its API key") || strings.Contains(replaceCredentials(s), "kubectl") {
			t.Errorf("%s, with a declared password: %q, %q", namespace, known, replaceCredentials(s))
		}
		for _, unknowing := range []string{namespace, "platform"} {
			if s.previous.Namespace = unknowing; knownElsewhere(s) != "" {
				t.Errorf("%s, from %s: %q", namespace, unknowing, knownElsewhere(s))
			}
		}
	}
}

// Who waits for another namespace's account is not told to delete the owner, and what it has to accept.
func TestAnOwnerOfAnotherNamespaceIsSaid(t *testing.T) {
	e := &observer{Config: &Config{Installation: "prod"}}
	for name, c := range map[string]struct {
		namespace, owner string
		grant, accepts   bool
		origin           v1alpha1.Origin
		has, lacks       []string
	}{
		"the parent's namespace":   {namespace: "platform", owner: "sales", origin: v1alpha1.OriginCreated, has: []string{"only if it accepts that: before the owner is deleted, set spec.adoptionPolicy", "know the account's password", "users of namespace sales"}},
		"one that accepts it":      {namespace: "platform", owner: "sales", origin: v1alpha1.OriginCreated, accepts: true, has: []string{"know the account's password"}, lacks: []string{"accepts"}},
		"of an owner without one":  {namespace: "platform", owner: "sales", has: []string{"only if it accepts that"}, lacks: []string{"know the account's password"}},
		"a tenant":                 {namespace: "team", owner: "sales", origin: v1alpha1.OriginCreated, has: []string{"the owner of ParentAccount acme"}, lacks: []string{"sales", "accepts", "know the"}},
		"a tenant with the grant":  {namespace: "team", owner: "sales", grant: true, origin: v1alpha1.OriginCreated, has: []string{"the owner of ParentAccount acme", "only if it accepts that", "know the account's password"}, lacks: []string{"sales"}},
		"a tenant, of the owner's": {namespace: "team", owner: "platform", grant: true, origin: v1alpha1.OriginCreated, has: []string{"the owner of ParentAccount acme"}, lacks: []string{"platform", "accepts", "know the"}},
	} {
		s := moving(c.namespace)
		s.parent.GrantsAdopt = c.grant
		if c.accepts {
			s.managed.Object().SetAnnotations(map[string]string{v1alpha1.AnnotationTakeover: "prod"})
		}
		owner := &v1alpha1.ChildAccount{ObjectMeta: metav1.ObjectMeta{Namespace: c.owner, Name: "old"}}
		owner.Status.Origin = c.origin
		stop := &plan.Stop{Reason: v1alpha1.ReasonDuplicateResource, Message: "account acme-support is owned by another ChildAccount"}
		ownedElsewhere(e, s, ownedChild{owner}, stop)
		text := conditions.Children.Text(conditions.Outcome{Reason: stop.Reason, Message: stop.Message, Next: stop.Next}, 4096)
		for _, part := range c.has {
			if !strings.Contains(text, part) {
				t.Errorf("%s: %q lacks %q", name, text, part)
			}
		}
		for _, part := range append(c.lacks, "Delete this resource") {
			if strings.Contains(text, part) {
				t.Errorf("%s: %q has %q", name, text, part)
			}
		}
	}
}
