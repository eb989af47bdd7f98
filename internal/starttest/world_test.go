package starttest

import (
	"context"
	"fmt"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	authorizationv1 "k8s.io/api/authorization/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/yaml"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"cpaas.dev/child-account-operator/api/v1alpha1"
	"cpaas.dev/child-account-operator/internal/simulator"
)

// installRoles makes ClusterRoles of all the roles that config/rbac has for the operator.
func (c *cluster) installRoles(t *testing.T) {
	g := NewWithT(t)
	text, err := os.ReadFile(filepath.Join("..", "..", "config", "rbac", "role", "role.yaml"))
	g.Expect(err).NotTo(HaveOccurred())
	for _, document := range strings.Split(string(text), "\n---\n") {
		var role rbacv1.ClusterRole
		g.Expect(yaml.Unmarshal([]byte(document), &role)).To(Succeed())
		role.Kind, role.Namespace = "ClusterRole", ""
		g.Expect(c.k8s.Create(t.Context(), &role)).To(Succeed())
		if role.Name == "manager-role" {
			less := &rbacv1.ClusterRole{ObjectMeta: metav1.ObjectMeta{Name: withoutNamespaces}}
			less.Rules = slices.DeleteFunc(role.Rules, func(r rbacv1.PolicyRule) bool { return slices.Contains(r.Resources, "namespaces") })
			g.Expect(c.k8s.Create(t.Context(), less)).To(Succeed())
		}
	}
}

// withoutNamespaces is manager-role without the right to get namespaces.
const withoutNamespaces = "manager-role-without-namespaces"

// world is what one test has: a user for the operator, two namespaces, a provider, and a way to the Kubernetes API.
type world struct {
	Gomega
	*cluster

	t        *testing.T
	user     string
	a, b     string
	sim      *simulator.Simulator
	parent   simulator.Parent
	endpoint string
	front    *front
}

var worlds atomic.Int32

func (c *cluster) newWorld(t *testing.T) *world {
	n := worlds.Add(1)
	w := &world{Gomega: NewWithT(t), cluster: c, t: t, user: fmt.Sprintf("system:serviceaccount:%s:operator-%d", operatorNamespace, n), front: newFront(t, c.config.Host)}
	w.a, w.b = fmt.Sprintf("a-%d", n), fmt.Sprintf("b-%d", n)
	for _, ns := range []string{w.a, w.b} {
		w.create(&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: ns}})
	}
	w.sim = simulator.New(simulator.Options{Key: simulator.SharedKey()})
	w.parent = w.sim.AddParent(simulator.Parent{Name: "acme-telephony", Email: "owner@acme.example"})
	server := httptest.NewServer(w.sim.Handler())
	t.Cleanup(func() {
		server.CloseClientConnections()
		server.Close()
	})
	w.endpoint = server.URL
	return w
}

func (w *world) create(o client.Object) {
	w.t.Helper()
	w.Expect(w.k8s.Create(w.t.Context(), o)).To(Succeed())
}

func (w *world) subject() []rbacv1.Subject {
	parts := strings.Split(w.user, ":")
	return []rbacv1.Subject{{Kind: "ServiceAccount", Namespace: parts[2], Name: parts[3]}}
}

// grant lets the operator do in a namespace, "" for the cluster, what a role says.
func (w *world) grant(namespace, role string) {
	w.t.Helper()
	name := strings.ReplaceAll(w.user, ":", ".") + "." + role
	ref := rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: role}
	if namespace == "" {
		w.create(&rbacv1.ClusterRoleBinding{ObjectMeta: metav1.ObjectMeta{Name: name}, RoleRef: ref, Subjects: w.subject()})
		return
	}
	w.create(&rbacv1.RoleBinding{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name}, RoleRef: ref, Subjects: w.subject()})
}

// revoke takes a grant of a namespace away. The Kubernetes API goes by it a moment later; until then a list is answered.
func (w *world) revoke(namespace, role string) {
	w.t.Helper()
	name := strings.ReplaceAll(w.user, ":", ".") + "." + role
	w.Expect(w.k8s.Delete(w.t.Context(), &rbacv1.RoleBinding{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name}})).To(Succeed())
	w.eventually(func(g Gomega) { g.Expect(w.may(namespace)).To(BeFalse()) })
}

// labelWorld has the ParentAccounts of a world. An operator that may read the whole cluster reads those of the worlds beside it, too.
const labelWorld = "starttest.cpaas.dev/world"

// run starts the operator, for the ParentAccounts of this world alone, with more flags than it needs in any case.
func (w *world) run(args ...string) *operator {
	w.t.Helper()
	return w.start(w.t, w.front, w.user, nil, append([]string{"--allowed-endpoints=" + w.endpoint, "--parent-selector=" + labelWorld + "=" + w.a}, args...)...)
}

// runFor starts the operator for the two namespaces.
func (w *world) runFor(args ...string) *operator {
	w.t.Helper()
	return w.run(append([]string{"--namespaces=" + w.a + "," + w.b, "--installation-id=blue"}, args...)...)
}

// declareParent declares the ParentAccount acme with its credentials.
func (w *world) declareParent(ns string) *v1alpha1.ParentAccount {
	w.t.Helper()
	w.create(input(ns, "voximplant", v1alpha1.DefaultCredentialsKey, w.sim.Credentials(w.parent.ID, simulator.RoleOwner)))
	p := &v1alpha1.ParentAccount{ObjectMeta: metav1.ObjectMeta{Namespace: ns, Name: "acme", Labels: map[string]string{labelWorld: w.a}}, Spec: v1alpha1.ParentAccountSpec{
		Voximplant: v1alpha1.VoximplantParent{
			CredentialsSecretRef: v1alpha1.SecretKeyReference{Name: "voximplant"}, Endpoint: ptr.To(w.endpoint),
		},
		ResyncInterval: &metav1.Duration{Duration: time.Second},
		Limits:         &v1alpha1.Limits{RequestsPerSecond: ptr.To[int32](200), MassChange: &v1alpha1.MassChange{Percent: ptr.To[int32](100)}},
	}}
	w.create(p)
	return p
}

func input(ns, name, key string, value []byte) *corev1.Secret {
	return &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Namespace: ns, Name: name, Labels: map[string]string{v1alpha1.LabelInput: "true"}},
		Data:       map[string][]byte{key: value},
	}
}

// declare declares a ChildAccount.
func (w *world) declare(ns, name string, change ...func(*v1alpha1.ChildAccount)) *v1alpha1.ChildAccount {
	w.t.Helper()
	c := &v1alpha1.ChildAccount{
		ObjectMeta: metav1.ObjectMeta{Namespace: ns, Name: name},
		Spec:       v1alpha1.ChildAccountSpec{ParentRef: v1alpha1.ParentReference{Name: "acme"}, Email: name + "@acme.example"},
	}
	for _, f := range change {
		f(c)
	}
	w.create(c)
	return c
}

// edit changes a ChildAccount as a person would, retrying where it was overtaken.
func (w *world) edit(c *v1alpha1.ChildAccount, change func(*v1alpha1.ChildAccount)) {
	w.t.Helper()
	w.eventually(func(g Gomega) {
		g.Expect(w.k8s.Get(w.t.Context(), client.ObjectKeyFromObject(c), c)).To(Succeed())
		change(c)
		g.Expect(w.k8s.Update(w.t.Context(), c)).To(Succeed())
	})
}

// eventually waits until a condition holds.
func (w *world) eventually(is func(Gomega)) {
	w.t.Helper()
	w.Eventually(is).WithTimeout(patience).WithPolling(50 * time.Millisecond).Should(Succeed())
}

// expectServed waits until the present spec of a ChildAccount is applied.
func (w *world) expectServed(c *v1alpha1.ChildAccount) {
	w.t.Helper()
	w.eventually(func(g Gomega) {
		g.Expect(w.k8s.Get(w.t.Context(), client.ObjectKeyFromObject(c), c)).To(Succeed())
		ready := meta.FindStatusCondition(c.Status.Conditions, v1alpha1.ConditionReady)
		g.Expect(ready).NotTo(BeNil(), "%s/%s has no condition", c.Namespace, c.Name)
		g.Expect(*ready).To(And(HaveField("Status", metav1.ConditionTrue), HaveField("ObservedGeneration", c.Generation)), c.Name)
	})
}

// serve declares a ChildAccount and waits until it is served.
func (w *world) serve(ns, name string, change ...func(*v1alpha1.ChildAccount)) *v1alpha1.ChildAccount {
	w.t.Helper()
	c := w.declare(ns, name, change...)
	w.expectServed(c)
	return c
}

// email is what an account has at the provider.
func (w *world) email(name string) string {
	a, ok := w.sim.Account(name)
	w.Expect(ok).To(BeTrue(), "no account %s", name)
	return a.Text("account_email")
}

// awaitLists waits until the whole list was read n more times.
func (w *world) awaitLists(n int) {
	w.t.Helper()
	seen := w.sim.Counts()["GetChildrenAccounts"]
	w.eventually(func(g Gomega) { g.Expect(w.sim.Counts()["GetChildrenAccounts"]).To(BeNumerically(">", seen+n)) })
}

// gone waits until an object is no more.
func (w *world) gone(o client.Object) {
	w.t.Helper()
	w.eventually(func(g Gomega) {
		g.Expect(client.IgnoreNotFound(w.k8s.Get(context.Background(), client.ObjectKeyFromObject(o), o))).To(Succeed())
		g.Expect(w.k8s.Get(context.Background(), client.ObjectKeyFromObject(o), o)).NotTo(Succeed())
	})
}

// may says whether the operator may list ChildAccounts in a namespace.
func (w *world) may(ns string) bool {
	review := &authorizationv1.SubjectAccessReview{Spec: authorizationv1.SubjectAccessReviewSpec{
		User: w.user, Groups: []string{"system:serviceaccounts", "system:authenticated"},
		ResourceAttributes: &authorizationv1.ResourceAttributes{Namespace: ns, Verb: "list", Group: v1alpha1.GroupVersion.Group, Resource: "childaccounts"},
	}}
	w.create(review)
	return review.Status.Allowed
}
