package config_test

import (
	"fmt"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	authorizationv1 "k8s.io/api/authorization/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/util/sets"

	"cpaas.dev/child-account-operator/internal/golden"
	"cpaas.dev/child-account-operator/internal/testenv"
)

// permission is what one of the operator's roles lets it do, and why.
type permission struct{ role, resource, names, verbs, why string }

// permissions are all of them; docs/rbac.md is made of this table.
var permissions = []permission{
	{"manager-role", "parentaccounts.accounts.cpaas.dev", "", "list watch", "the ParentAccounts, cached; the operator never writes their spec"},
	{"manager-role", "parentaccounts.accounts.cpaas.dev", "", "patch", "the finalizer, while a ChildAccount under deletionPolicy Deactivate needs it"},
	{"manager-role", "parentaccounts.accounts.cpaas.dev/status", "", "patch", "their conditions"},
	{"manager-role", "childaccounts.accounts.cpaas.dev", "", "list watch", "the ChildAccounts, cached"},
	{"manager-role", "childaccounts.accounts.cpaas.dev", "", "get", "the last read before an account is created"},
	{"manager-role", "childaccounts.accounts.cpaas.dev", "", "patch", "the finalizer, under deletionPolicy Deactivate"},
	{"manager-role", "childaccounts.accounts.cpaas.dev/status", "", "patch", "their conditions"},
	{"manager-role", "subaccounts.accounts.cpaas.dev", "", "list watch", "the SubAccounts, cached; without this right the operator serves all else"},
	{"manager-role", "subaccounts.accounts.cpaas.dev", "", "get", "the last read before an account is created"},
	{"manager-role", "subaccounts.accounts.cpaas.dev/status", "", "patch", "their conditions, and the attempt to create an account"},
	{"manager-role", "secrets", "", "list watch", "Secrets with the label accounts.cpaas.dev/input, and the metadata of those with accounts.cpaas.dev/connection"},
	{"manager-role", "secrets", "", "get", "a connection Secret, which is not cached; whether a Secret that is referred to lacks the label"},
	{"manager-role", "secrets", "", "create patch", "connection Secrets"},
	{"manager-role", "secrets", "", "delete", "the connection Secret of a resource that never had an account"},
	{"manager-role", "events.events.k8s.io", "", "create patch", "events about the resources"},
	{"manager-role", "namespaces", "", "get", "deletionPolicy Deactivate: whether the namespace is being deleted, too. Without --installation-id: the UID of kube-system"},
	{"manager-cluster-role", "namespaces", "", "list watch", "the labels that a ParentAccount's allowedNamespaces selects by; not watched with --namespaces"},
	{"manager-cluster-role", "customresourcedefinitions.apiextensions.k8s.io", "childaccounts.accounts.cpaas.dev", "get", "deletionPolicy Deactivate: whether the CRD itself is being deleted"},
	{"leader-election-role", "leases.coordination.k8s.io", "", "create", "the lease; its creation can't be bound to its name"},
	{"leader-election-role", "leases.coordination.k8s.io", "child-account-operator.cpaas.dev", "get update", "the lease"},
	{"leader-election-role", "events", "", "create", "events about the lease"},
	{"metrics-auth-role", "tokenreviews.authentication.k8s.io", "", "create", "the identity of a client that requests metrics"},
	{"metrics-auth-role", "subjectaccessreviews.authorization.k8s.io", "", "create", "whether that client may read metrics"},
}

func (p permission) attributes(verb string) authorizationv1.SubjectAccessReviewSpec {
	a := &authorizationv1.ResourceAttributes{Verb: verb, Name: p.names}
	a.Resource, a.Subresource, _ = strings.Cut(p.resource, "/")
	a.Resource, a.Group, _ = strings.Cut(a.Resource, ".")
	if p.role == "leader-election-role" {
		a.Namespace = testenv.OperatorNamespace
	}
	return authorizationv1.SubjectAccessReviewSpec{ResourceAttributes: a}
}

var metricsPath = authorizationv1.SubjectAccessReviewSpec{NonResourceAttributes: &authorizationv1.NonResourceAttributes{Path: "/metrics", Verb: "get"}}

var _ = Describe("The operator's rights", func() {
	It("are those of the table with the reasons, from which docs/rbac.md is made", func() {
		objects, have := testenv.Rendered("config/default"), sets.New[string]()
		for _, u := range objects {
			binding := rbacv1.ClusterRoleBinding{}
			if !strings.HasSuffix(u.GetKind(), "RoleBinding") {
				continue
			}
			binding = *testenv.Find[rbacv1.ClusterRoleBinding](objects, u.GetKind(), u.GetName())
			Expect(binding.Subjects).To(HaveExactElements(rbacv1.Subject{Kind: "ServiceAccount", Name: testenv.OperatorAccount, Namespace: testenv.OperatorNamespace}))
			role := testenv.Find[rbacv1.ClusterRole](objects, binding.RoleRef.Kind, binding.RoleRef.Name)
			for _, rule := range role.Rules {
				Expect(rule.APIGroups).To(HaveLen(1))
				for _, resource := range rule.Resources {
					for _, verb := range rule.Verbs {
						have.Insert(strings.Join([]string{strings.TrimPrefix(role.Name, "child-account-operator-"), verb, testenv.QualifiedResource(rule.APIGroups[0], resource), strings.Join(rule.ResourceNames, " ")}, " "))
					}
				}
			}
		}
		want := sets.New[string]()
		for _, p := range permissions {
			for _, verb := range strings.Fields(p.verbs) {
				want.Insert(strings.Join([]string{p.role, verb, p.resource, p.names}, " "))
			}
		}
		Expect(sets.List(have)).To(Equal(sets.List(want)), "config/rbac, and the table with the reasons in rights_test.go")
		golden.Check(GinkgoTB(), "../docs/rbac.md", rightsTable(), "UPDATE_DOCS=1 make test PKG=./config")
	})

	It("of manager-role are such as a Role of a namespace can give", func() {
		for _, p := range permissions {
			if p.role == "manager-role" && p.resource == "namespaces" {
				Expect(p.verbs).To(Equal("get"), "a Role can let its own namespace be read, and nothing more: give the marker roleName=manager-cluster-role")
			}
		}
	})

	DescribeTable("do not let it",
		func(ctx SpecContext, verb, resource, namespace, name string) {
			p := permission{resource: resource, names: name}
			what := p.attributes(verb)
			what.ResourceAttributes.Namespace = namespace
			Expect(testenv.IsAllowed(ctx, testenv.OperatorUser, what)).To(BeFalse())
		},
		Entry("delete ChildAccounts", "delete", "childaccounts.accounts.cpaas.dev", "default", "acme"),
		Entry("create ChildAccounts", "create", "childaccounts.accounts.cpaas.dev", "default", ""),
		Entry("replace ChildAccounts", "update", "childaccounts.accounts.cpaas.dev", "default", "acme"),
		Entry("change SubAccounts", "patch", "subaccounts.accounts.cpaas.dev", "default", "acme"),
		Entry("create ParentAccounts", "create", "parentaccounts.accounts.cpaas.dev", "default", ""),
		Entry("replace ParentAccounts", "update", "parentaccounts.accounts.cpaas.dev", "default", "acme"),
		Entry("delete ParentAccounts", "delete", "parentaccounts.accounts.cpaas.dev", "default", "acme"),
		Entry("replace Secrets", "update", "secrets", "default", "acme"),
		Entry("delete all Secrets", "deletecollection", "secrets", "default", ""),
		Entry("read ConfigMaps", "get", "configmaps", "default", "acme"),
		Entry("look at Pods", "list", "pods", "default", ""),
		Entry("run Pods", "create", "pods", "default", ""),
		Entry("go into Pods", "create", "pods/exec", "default", "acme"),
		Entry("change Deployments, its own too", "patch", "deployments.apps", testenv.OperatorNamespace, testenv.OperatorAccount),
		Entry("change namespaces", "patch", "namespaces", "", "default"),
		Entry("delete namespaces", "delete", "namespaces", "", "default"),
		Entry("look at another kind's definition", "get", "customresourcedefinitions.apiextensions.k8s.io", "", "parentaccounts.accounts.cpaas.dev"),
		Entry("change its kind's definition", "patch", "customresourcedefinitions.apiextensions.k8s.io", "", "childaccounts.accounts.cpaas.dev"),
		Entry("take another's lease", "update", "leases.coordination.k8s.io", testenv.OperatorNamespace, "other"),
		Entry("take a lease elsewhere", "update", "leases.coordination.k8s.io", "default", "child-account-operator.cpaas.dev"),
		Entry("delete its lease", "delete", "leases.coordination.k8s.io", testenv.OperatorNamespace, "child-account-operator.cpaas.dev"),
		Entry("remove events", "delete", "events.events.k8s.io", "default", "acme"),
		Entry("make tokens", "create", "serviceaccounts/token", testenv.OperatorNamespace, testenv.OperatorAccount),
		Entry("give itself rights", "create", "clusterrolebindings.rbac.authorization.k8s.io", "", ""),
		Entry("widen its role", "escalate", "clusterroles.rbac.authorization.k8s.io", "", "child-account-operator-manager-role"),
		Entry("speak for others", "impersonate", "users", "", "admin"),
	)

	It("do not let it read its own metrics", func(ctx SpecContext) {
		Expect(testenv.IsAllowed(ctx, testenv.OperatorUser, metricsPath)).To(BeFalse())
	})
})

func rightsTable() string {
	var b strings.Builder
	b.WriteString(`# What the operator may do

For cluster admins who review the operator's rights: every rule of its roles (config/rbac), and what the rule is for. The page is made
from the table against which the roles are checked. The tests run the operator with these rights and no others, and check that it uses each.

RBAC knows no labels: a right to read some Secrets of a namespace is a right to read them all. The operator requests only Secrets with
its labels, and by name the Secrets that its resources refer to. config/namespaced limits the rights to the namespaces that the
operator works in.

| role | resource | verbs | for |
|---|---|---|---|
`)
	for _, p := range permissions {
		resource := p.resource
		if p.names != "" {
			resource += ": only " + p.names
		}
		fmt.Fprintf(&b, "| %s | %s | %s | %s |\n", p.role, resource, strings.ReplaceAll(p.verbs, " ", ", "), p.why)
	}
	b.WriteString(`
manager-role is bound for the whole cluster, or as a Role in each namespace (config/namespaced); leader-election-role only ever
in the operator's own namespace. metrics-auth-role is needed only where metrics are served.
`)
	return b.String()
}

var _ = AfterSuite(testenv.ReportRightsUsed)

// Those of manager-role and manager-cluster-role are looked at where resources have all their states, in internal/engine.
var _ = ReportAfterSuite("The operator has used all of its rights", func(r Report) {
	testenv.ExpectRightsUsed(r, func(role string) bool { return !testenv.IsManagerRole(role) })
})
