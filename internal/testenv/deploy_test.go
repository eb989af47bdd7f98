package testenv

import (
	"os"
	"path/filepath"
	"testing"

	. "github.com/onsi/gomega"
	authorizationv1 "k8s.io/api/authorization/v1"
	rbacv1 "k8s.io/api/rbac/v1"
)

// A suite starts when all of the operator's rights hold, so none may be left out.
func TestAttributesOf(t *testing.T) {
	g := NewWithT(t)
	rule := rbacv1.PolicyRule{APIGroups: []string{"", "apps"}, Resources: []string{"pods", "pods/log"}, Verbs: []string{"get", "list"}}
	all := attributesOf(rule, "")
	g.Expect(all).To(HaveLen(8))
	g.Expect(all).To(ContainElement(authorizationv1.ResourceAttributes{Verb: "list", Group: "apps", Resource: "pods", Subresource: "log"}))
	rule.ResourceNames = []string{"one", "other"}
	named := attributesOf(rule, "somewhere")
	g.Expect(named).To(HaveLen(16))
	g.Expect(named).To(ContainElement(authorizationv1.ResourceAttributes{Namespace: "somewhere", Verb: "get", Resource: "pods", Name: "other"}))
}

func TestInTree(t *testing.T) {
	g := NewWithT(t)
	here, err := os.ReadFile("deploy_test.go")
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(os.ReadFile(InTree("internal/testenv/deploy_test.go"))).To(Equal(here))
	deep := filepath.Join(t.TempDir(), "deep")
	g.Expect(os.Mkdir(deep, 0o750)).To(Succeed())
	t.Chdir(deep)
	g.Expect(func() { InTree("config") }).To(Panic(), "there is no tree above")
}
