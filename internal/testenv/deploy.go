package testenv

import (
	"bytes"
	"context"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	authorizationv1 "k8s.io/api/authorization/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/yaml"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"cpaas.dev/child-account-operator/internal/cli"
)

// RunInTree is what a command says, run in the top folder.
func RunInTree(name string, args ...string) []byte {
	GinkgoHelper()
	command := exec.Command(name, args...)
	command.Dir, command.Env = InTree("."), append(os.Environ(), "GOWORK=off")
	var problems bytes.Buffer
	command.Stderr = &problems
	out, err := command.Output()
	Expect(err).NotTo(HaveOccurred(), problems.String())
	return out
}

// kustomized is what kustomize has made of directories of this tree, which don't change. Those of make deploy do.
var kustomized = map[string][]byte{}

// Rendered is what kustomize makes of a directory, in its order. kustomize is built where it is not yet.
func Rendered(dir string) []*unstructured.Unstructured {
	GinkgoHelper()
	out, ok := kustomized[dir]
	if !ok {
		out = RunInTree("go", "tool", "-modfile=hack/kustomize/go.mod", "kustomize", "build", dir)
		if strings.HasPrefix(dir, "config/") {
			kustomized[dir] = out
		}
	}
	var objects []*unstructured.Unstructured
	for documents := yaml.NewYAMLOrJSONDecoder(bytes.NewReader(out), len(out)); ; {
		u := &unstructured.Unstructured{}
		err := documents.Decode(&u.Object)
		if err == io.EOF {
			return objects
		}
		Expect(err).NotTo(HaveOccurred())
		objects = append(objects, u)
	}
}

// warnings are what the Kubernetes API has warned of.
type warnings struct {
	mu   sync.Mutex
	text []string
}

// HandleWarningHeader implements rest.WarningHandler.
func (w *warnings) HandleWarningHeader(_ int, _ string, text string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.text = append(w.text, text)
}

// Install applies objects as kubectl apply --server-side would, and returns what the Kubernetes API warns of.
func Install(ctx context.Context, objects []*unstructured.Unstructured) []string {
	GinkgoHelper()
	heard := &warnings{}
	admin := rest.CopyConfig(Config)
	admin.WarningHandler = heard
	c, err := client.New(admin, client.Options{Scheme: cli.Scheme()})
	Expect(err).NotTo(HaveOccurred())
	for _, u := range objects {
		err := c.Apply(ctx, client.ApplyConfigurationFromUnstructured(u.DeepCopy()), client.FieldOwner("kubectl"), client.ForceOwnership)
		Expect(err).NotTo(HaveOccurred(), "%s %s", u.GetKind(), u.GetName())
	}
	return heard.text
}

// DeployDefault applies config/default as it is, so that the operator under test has the rights of its ServiceAccount.
func DeployDefault(ctx context.Context) {
	GinkgoHelper()
	objects := Rendered("config/default")
	Expect(Install(ctx, objects)).To(BeEmpty(), "warnings of the API server")
	awaitRights(ctx, objects)
}

// awaitRights waits until the Kubernetes API has seen all of the operator's roles, which are among the objects.
func awaitRights(ctx context.Context, objects []*unstructured.Unstructured) {
	GinkgoHelper()
	for _, role := range rolesIn(objects) {
		for _, rule := range role.Rules {
			for _, what := range attributesOf(rule, role.Namespace) {
				review := authorizationv1.SubjectAccessReviewSpec{ResourceAttributes: &what}
				Eventually(IsAllowed).WithArguments(ctx, OperatorUser, review).Should(BeTrue(), "%s: %v", role.Name, what)
			}
		}
	}
}

// rolesIn are the roles that are bound by the objects, in the namespaces that they are bound in.
func rolesIn(objects []*unstructured.Unstructured) (roles []*rbacv1.ClusterRole) {
	GinkgoHelper()
	for _, u := range objects {
		if strings.HasSuffix(u.GetKind(), "RoleBinding") {
			bound := Find[rbacv1.ClusterRoleBinding](objects, u.GetKind(), u.GetName()).RoleRef
			role := Find[rbacv1.ClusterRole](objects, bound.Kind, bound.Name)
			role.Namespace = u.GetNamespace()
			roles = append(roles, role)
		}
	}
	return roles
}

// attributesOf is all that a rule allows, in a namespace or ("") everywhere.
func attributesOf(rule rbacv1.PolicyRule, namespace string) (all []authorizationv1.ResourceAttributes) {
	names := rule.ResourceNames
	if len(names) == 0 {
		names = []string{""}
	}
	for _, group := range rule.APIGroups {
		for _, resource := range rule.Resources {
			resource, subresource, _ := strings.Cut(resource, "/")
			for _, verb := range rule.Verbs {
				for _, name := range names {
					all = append(all, authorizationv1.ResourceAttributes{
						Namespace: namespace, Verb: verb, Group: group, Resource: resource, Subresource: subresource, Name: name,
					})
				}
			}
		}
	}
	return all
}

// InTree is the path of what lies in the tree under this name, wherever the package under test lies.
func InTree(name string) string {
	dir := "."
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return filepath.Join(dir, name)
		}
		above, err := filepath.Abs(filepath.Join(dir, ".."))
		if err != nil || above == "/" {
			panic("no go.mod above the working directory")
		}
		dir = filepath.Join("..", dir)
	}
}

// Find picks the object of a kind and name, as a typed one.
func Find[T any](objects []*unstructured.Unstructured, kind, name string) *T {
	GinkgoHelper()
	for _, u := range objects {
		if u.GetKind() == kind && u.GetName() == name {
			out := new(T)
			Expect(runtime.DefaultUnstructuredConverter.FromUnstructured(u.Object, out)).To(Succeed())
			return out
		}
	}
	Fail("no " + kind + " " + name)
	return nil
}
