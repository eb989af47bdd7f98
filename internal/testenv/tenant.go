package testenv

import (
	"context"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"cpaas.dev/child-account-operator/api/v1alpha1"
	"cpaas.dev/child-account-operator/internal/cli"
)

// Tenant is somebody in a namespace of their own who may work with ChildAccounts there and read Secrets, and nothing else.
type Tenant struct {
	// World has the parent that the tenant's resources refer to.
	World *World
	NS    string
	// Client has the tenant's rights.
	client.Client
}

// NewTenant makes a namespace and whoever works there.
func (w *World) NewTenant(ctx context.Context, labels map[string]string) *Tenant {
	GinkgoHelper()
	ns := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{GenerateName: "tenant-", Labels: labels}}
	Expect(K8s.Create(ctx, ns)).To(Succeed())
	user := "user-of-" + ns.Name
	role := &rbacv1.Role{ObjectMeta: metav1.ObjectMeta{Namespace: ns.Name, Name: "tenant"}, Rules: []rbacv1.PolicyRule{
		{APIGroups: []string{v1alpha1.GroupVersion.Group}, Resources: []string{"childaccounts"}, Verbs: []string{"*"}},
		{APIGroups: []string{""}, Resources: []string{"secrets"}, Verbs: []string{"get", "list"}},
	}}
	Expect(K8s.Create(ctx, role)).To(Succeed())
	Expect(K8s.Create(ctx, &rbacv1.RoleBinding{
		ObjectMeta: metav1.ObjectMeta{Namespace: ns.Name, Name: "tenant"},
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "Role", Name: "tenant"},
		Subjects:   []rbacv1.Subject{{APIGroup: rbacv1.GroupName, Kind: "User", Name: user}},
	})).To(Succeed())
	as := rest.CopyConfig(Config)
	as.Impersonate = rest.ImpersonationConfig{UserName: user, Groups: []string{"system:authenticated"}}
	c, err := client.New(as, client.Options{Scheme: cli.Scheme()})
	Expect(err).NotTo(HaveOccurred())
	t := &Tenant{World: w, NS: ns.Name, Client: c}
	DeferCleanup(func(ctx SpecContext) { w.Sweep(ctx, ns.Name) })
	return t
}

// Child declares an account of the parent in the world's namespace.
func (t *Tenant) Child(name string, change ...func(*v1alpha1.ChildAccount)) *v1alpha1.ChildAccount {
	c := t.World.Child(name, change...)
	c.Namespace = t.NS
	c.Spec.ParentRef.Namespace = ptr.To(t.World.NS)
	return c
}

// Apply creates a Child as the tenant.
func (t *Tenant) Apply(ctx context.Context, name string, change ...func(*v1alpha1.ChildAccount)) *v1alpha1.ChildAccount {
	GinkgoHelper()
	c := t.Child(name, change...)
	Expect(t.Create(ctx, c)).To(Succeed())
	return c
}

// Sharing is a parent that lets other namespaces in.
func Sharing(allowed v1alpha1.AllowedNamespaces) func(*v1alpha1.ParentAccount) {
	return func(p *v1alpha1.ParentAccount) { p.Spec.AllowedNamespaces = &allowed }
}

// StartShared is a world with such a parent and a running operator.
func StartShared(ctx context.Context, allowed v1alpha1.AllowedNamespaces) (*World, *v1alpha1.ParentAccount) {
	w := NewWorld(ctx)
	p := w.ApplyParent(ctx, Sharing(allowed))
	w.Start(ctx)
	return w, p
}

// FromAll lets all namespaces in.
var FromAll = v1alpha1.AllowedNamespaces{From: ptr.To(v1alpha1.NamespacesAll)}

// Writes is how many calls there were that make or change an account.
func (w *World) Writes() int {
	return w.Count("AddAccount") + w.Count("CloneAccount") + w.Count("SetChildAccountInfo") + w.Count("SetAccountInfo")
}
