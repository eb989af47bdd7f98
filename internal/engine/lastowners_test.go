package engine

import (
	"strconv"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"cpaas.dev/child-account-operator/api/v1alpha1"
	"cpaas.dev/child-account-operator/internal/plan"
)

// What is remembered of the resources that had accounts is bounded, and the last ones are kept.
func TestLastOwnersAreBounded(t *testing.T) {
	t.Parallel()
	l, owner := newLastOwners(), types.NamespacedName{Namespace: "tenant", Name: "old"}
	for i := range maxLastOwners + 1 {
		l.note(leftKey{"parent", strconv.Itoa(i)}, owner, true)
	}
	if l.of(leftKey{"parent", "0"}) != nil || l.of(leftKey{"parent", strconv.Itoa(maxLastOwners)}) == nil || len(l.by) > maxLastOwners {
		t.Errorf("%d are remembered", len(l.by))
	}
	key := leftKey{"parent", strconv.Itoa(maxLastOwners)}
	if l.forgetNamespace("another"); l.of(key).former {
		t.Error("another namespace was deleted")
	}
	if l.forgetNamespace("tenant"); !l.of(key).former {
		t.Error("its namespace is deleted")
	}
	if l.drop(key); l.of(key) != nil {
		t.Error("it is still remembered")
	}
}

// Where the resource that can't prove the handover may not adopt either, the message says who grants that.
func TestTheGrantIsNamedWhereAHandoverCantBeProved(t *testing.T) {
	for name, c := range map[string]struct {
		to     string
		grants bool
		asks   bool
	}{
		"the parent's namespace":            {to: "platform"},
		"another namespace":                 {to: "team", asks: true},
		"another namespace, with the grant": {to: "team", grants: true},
	} {
		s := &scope{obj: &v1alpha1.ChildAccount{ObjectMeta: metav1.ObjectMeta{Namespace: "team", Name: "old"}}}
		parent := &Parent{Key: types.NamespacedName{Namespace: "platform", Name: "acme"}, Shared: true, GrantsAdopt: c.grants}
		next := nextIfUnprovable(s, &plan.Recipient{Namespace: c.to, Name: "new"}, parent)
		if asks := strings.Contains(next, "ask the owner of ParentAccount acme to add the grant Adopt"); asks != c.asks || !strings.Contains(next, "set spec.adoptionPolicy of that resource") {
			t.Errorf("%s: %s", name, next)
		}
	}
}
