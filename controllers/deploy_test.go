package controllers_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"github.com/onsi/gomega/types"
	"github.com/spf13/pflag"
	appsv1 "k8s.io/api/apps/v1"
	authenticationv1 "k8s.io/api/authentication/v1"
	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/yaml"
	"k8s.io/client-go/rest"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"cpaas.dev/child-account-operator/api/v1alpha1"
	"cpaas.dev/child-account-operator/internal/cli"
)

const (
	// operatorNamespace and operatorAccount are where and who the operator is, as config/default has them.
	operatorNamespace = "child-account-operator-system"
	operatorAccount   = "child-account-operator-controller-manager"
)

// output is what a command says, run in the top folder.
func output(name string, args ...string) []byte {
	GinkgoHelper()
	command := exec.Command(name, args...)
	command.Dir, command.Env = "..", append(os.Environ(), "GOWORK=off")
	var problems bytes.Buffer
	command.Stderr = &problems
	out, err := command.Output()
	Expect(err).NotTo(HaveOccurred(), problems.String())
	return out
}

// kustomized is what kustomize has made of directories of this tree, which don't change. Those of make deploy do.
var kustomized = map[string][]byte{}

// rendered is what kustomize makes of a directory, in its order. kustomize is built where it is not yet.
func rendered(dir string) []*unstructured.Unstructured {
	GinkgoHelper()
	out, ok := kustomized[dir]
	if !ok {
		out = output("go", "tool", "-modfile=hack/kustomize/go.mod", "kustomize", "build", dir)
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

// warnings are what the API server has warned of.
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

// install applies objects as kubectl apply --server-side would, and returns what the API server warns of.
func install(ctx context.Context, objects []*unstructured.Unstructured) []string {
	GinkgoHelper()
	heard := &warnings{}
	admin := rest.CopyConfig(config)
	admin.WarningHandler = heard
	c, err := client.New(admin, client.Options{Scheme: cli.NewScheme()})
	Expect(err).NotTo(HaveOccurred())
	for _, u := range objects {
		err := c.Apply(ctx, client.ApplyConfigurationFromUnstructured(u.DeepCopy()), client.FieldOwner("kubectl"), client.ForceOwnership)
		Expect(err).NotTo(HaveOccurred(), "%s %s", u.GetKind(), u.GetName())
	}
	return heard.text
}

// deploy applies config/default as it is, so that the operator under test has the rights of its ServiceAccount.
func deploy(ctx context.Context) {
	GinkgoHelper()
	Expect(install(ctx, rendered("config/default"))).To(BeEmpty(), "warnings of the API server")
	awaitRights(ctx)
}

// awaitRights waits until the API server has seen all of the operator's roles.
func awaitRights(ctx context.Context) {
	GinkgoHelper()
	for _, p := range permissions {
		for _, verb := range strings.Fields(p.verbs) {
			Eventually(may).WithArguments(ctx, operatorUser, p.attributes(verb)).Should(BeTrue(), "%s: %s %s", p.role, verb, p.resource)
		}
	}
}

// operatorConfig talks to the API server as the operator's ServiceAccount.
func operatorConfig() *rest.Config { return configOf(operatorUser) }

// configOf talks to the API server as a ServiceAccount.
func configOf(user string) *rest.Config {
	c := rest.CopyConfig(config)
	c.Impersonate = rest.ImpersonationConfig{UserName: user, Groups: serviceAccountGroups(strings.Split(user, ":")[2])}
	c.Wrap(used.recording)
	return c
}

// only picks the object of a kind and name, as a typed one.
func only[T any](objects []*unstructured.Unstructured, kind, name string) *T {
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

func managerOf(objects []*unstructured.Unstructured) *appsv1.Deployment {
	GinkgoHelper()
	at := slices.IndexFunc(objects, func(u *unstructured.Unstructured) bool { return u.GetKind() == "Deployment" })
	Expect(at).NotTo(Equal(-1), "no Deployment")
	return only[appsv1.Deployment](objects, "Deployment", objects[at].GetName())
}

// optionsOf are the options that a Deployment's command line gives.
func optionsOf(d *appsv1.Deployment, more ...string) cli.ManagerOptions {
	GinkgoHelper()
	args := d.Spec.Template.Spec.Containers[0].Args
	Expect(args[0]).To(Equal("manager"))
	var o cli.ManagerOptions
	flags := pflag.NewFlagSet("manager", pflag.ContinueOnError)
	o.BindFlags(flags)
	Expect(flags.Parse(append(args[1:], more...))).To(Succeed())
	Expect(flags.Args()).To(BeEmpty())
	Expect(o.LeaderElect).To(BeTrue())
	o.LeaderElectionNamespace = d.Namespace // in a pod it is the pod's
	return o
}

// leaseOf is the lease of the operators in a namespace.
func leaseOf(namespace string) *coordinationv1.Lease {
	return &coordinationv1.Lease{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "child-account-operator.cpaas.dev"}}
}

// freeLease takes the lease from whoever has it, as an operator of another spec may that could not give it back.
func freeLease(ctx context.Context, namespace string) {
	GinkgoHelper()
	Expect(client.IgnoreNotFound(k8s.Delete(ctx, leaseOf(namespace)))).To(Succeed())
}

// freePort is an address that nobody serves at.
func freePort() string {
	GinkgoHelper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	Expect(err).NotTo(HaveOccurred())
	defer l.Close()
	return l.Addr().String()
}

// tokenOf makes a ServiceAccount and a token of it.
func tokenOf(ctx context.Context, namespace, name string) string {
	GinkgoHelper()
	account := &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name}}
	Expect(k8s.Create(ctx, account)).To(Succeed())
	request := &authenticationv1.TokenRequest{}
	Expect(k8s.SubResource("token").Create(ctx, account, request)).To(Succeed())
	return request.Status.Token
}

// insecure is a client that takes any certificate.
func insecure() *http.Client {
	t := &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}
	DeferCleanup(t.CloseIdleConnections)
	return &http.Client{Transport: t}
}

// answer is what an HTTP server said.
type answer struct {
	code int
	body string
}

func get(ctx context.Context, c *http.Client, url, token string) func(Gomega) answer {
	return func(g Gomega) answer {
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
		g.Expect(err).NotTo(HaveOccurred())
		if token != "" {
			request.Header.Set("Authorization", "Bearer "+token)
		}
		response, err := c.Do(request)
		g.Expect(err).NotTo(HaveOccurred())
		defer response.Body.Close()
		body, err := io.ReadAll(response.Body)
		g.Expect(err).NotTo(HaveOccurred())
		return answer{response.StatusCode, string(body)}
	}
}

func haveCode(code int) types.GomegaMatcher {
	return WithTransform(func(a answer) int { return a.code }, Equal(code))
}

var _ = DescribeTable("A Pod of the Deployment meets the restricted standard of Pod Security",
	func(ctx SpecContext, dir string) {
		ns := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{GenerateName: "restricted-", Labels: map[string]string{"pod-security.kubernetes.io/enforce": "restricted"}}}
		Expect(k8s.Create(ctx, ns)).To(Succeed())
		template := managerOf(rendered(dir)).Spec.Template
		pod := func(change func(*corev1.PodSpec)) error {
			p := &corev1.Pod{ObjectMeta: template.ObjectMeta, Spec: *template.Spec.DeepCopy()}
			p.Namespace, p.Name = ns.Name, "manager"
			change(&p.Spec)
			return k8s.Create(ctx, p, client.DryRunAll)
		}
		Expect(pod(func(*corev1.PodSpec) {})).To(Succeed())
		Expect(pod(func(s *corev1.PodSpec) { s.Containers[0].SecurityContext.Capabilities = nil })).To(MatchError(ContainSubstring("violates PodSecurity")))
		Expect(*template.Spec.Containers[0].SecurityContext.ReadOnlyRootFilesystem).To(BeTrue())
		Expect(*template.Spec.TerminationGracePeriodSeconds).To(BeNumerically(">", 45), "a write to the provider is waited for")
	},
	Entry(nil, "config/default"),
	Entry(nil, "config/namespaced"),
)

var _ = Describe("config/default", func() {
	It("runs: elects itself, is alive and ready, shows its metrics to those who may see them", func(ctx SpecContext) {
		w := newWorld(ctx)
		d := managerOf(rendered("config/default"))
		w.options = optionsOf(d)
		Expect(w.options.MetricsSecure).To(BeTrue())
		w.options.MetricsAddress, w.options.ProbeAddress = freePort(), freePort()
		w.applyParent(ctx)
		freeLease(ctx, operatorNamespace)
		w.start(ctx)
		w.applyReady(ctx, "acme-deployed")

		lease := leaseOf(operatorNamespace)
		Expect(k8s.Get(ctx, clientKey(lease), lease)).To(Succeed())

		c := insecure()
		for _, probe := range []*corev1.Probe{d.Spec.Template.Spec.Containers[0].LivenessProbe, d.Spec.Template.Spec.Containers[0].ReadinessProbe} {
			Eventually(get(ctx, c, "http://"+w.options.ProbeAddress+probe.HTTPGet.Path, "")).Should(haveCode(http.StatusOK))
		}

		reader := tokenOf(ctx, w.ns, "prometheus")
		binding := &rbacv1.ClusterRoleBinding{
			ObjectMeta: metav1.ObjectMeta{Name: w.ns},
			RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: "child-account-operator-metrics-reader"},
			Subjects:   []rbacv1.Subject{{Kind: "ServiceAccount", Namespace: w.ns, Name: "prometheus"}},
		}
		Expect(k8s.Create(ctx, binding)).To(Succeed())
		Eventually(may).WithArguments(ctx, "system:serviceaccount:"+w.ns+":prometheus", metricsPath).Should(BeTrue())
		metrics := "https://" + w.options.MetricsAddress + "/metrics"
		Eventually(get(ctx, c, metrics, reader)).Should(haveCode(http.StatusOK))
		Expect(get(ctx, c, metrics, reader)(Default).body).To(ContainSubstring(`controller_runtime_reconcile_total{controller="childaccount"`))
		Expect(get(ctx, c, metrics, "")(Default).code).To(Equal(http.StatusUnauthorized))
		Expect(get(ctx, c, metrics, tokenOf(ctx, w.ns, "somebody"))(Default).code).To(Equal(http.StatusForbidden))
	})
})

// Its namespaces have fixed names, and it must do without config/default's rights: it has a control plane that never had them.
var _ = Describe("config/namespaced", Ordered, ContinueOnFailure, func() {
	var objects []*unstructured.Unstructured

	// What it needs beforehand: the namespaces.
	BeforeAll(func(ctx SpecContext) {
		objects = rendered("config/namespaced")
		startOwnControlPlane()
		for _, name := range []string{operatorNamespace, "telephony"} {
			Expect(k8s.Create(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name}})).To(Succeed())
		}
		Expect(install(ctx, objects)).To(BeEmpty(), "warnings of the API server")
		for _, p := range permissions {
			for _, verb := range strings.Fields(p.verbs) {
				in, out := p.attributes(verb), p.attributes(verb)
				out.ResourceAttributes.Namespace = "default"
				if p.role == "manager-role" {
					in.ResourceAttributes.Namespace = "telephony"
					Eventually(may).WithArguments(ctx, operatorUser, in).Should(BeTrue(), "%s %s", verb, p.resource)
				}
				Eventually(may).WithArguments(ctx, operatorUser, out).Should(BeFalse(), "%s %s", verb, p.resource)
			}
		}
	})

	It("has no role for the cluster", func() {
		for _, u := range objects {
			Expect(u.GetKind()).NotTo(HavePrefix("Cluster"))
			Expect(u.GetNamespace()).NotTo(BeEmpty(), "%s %s", u.GetKind(), u.GetName())
		}
	})

	It("wants an installation id", func(ctx SpecContext) {
		err := cli.RunManager(ctx, operatorConfig(), optionsOf(managerOf(objects)))
		Expect(err).To(MatchError(ContainSubstring("--installation-id")))
	})

	It("keeps accounts in its namespaces only, and switches none off before it may see whether the kind is going", func(ctx SpecContext) {
		w := newWorld(ctx)
		elsewhere := w.child("acme-elsewhere")
		Expect(k8s.Create(ctx, elsewhere)).To(Succeed())
		w.ns = "telephony"
		w.options = optionsOf(managerOf(objects), "--installation-id=blue")
		Expect(w.options.Namespaces).To(Equal([]string{"telephony"}))
		w.applyParent(ctx)
		w.start(ctx)
		c := w.applyReady(ctx, "acme-here", func(c *v1alpha1.ChildAccount) { c.Spec.DeletionPolicy = ptr.To(v1alpha1.DeletionDeactivate) })
		claim := w.account("acme-here").Text("account_custom_data")
		Expect(claim).To(ContainSubstring("blue"))

		// Input and connection Secrets are watched there, too.
		Expect(k8s.Delete(ctx, &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: w.ns, Name: c.ConnectionSecretName()}})).To(Succeed())
		Eventually(func(g Gomega) {
			g.Expect(k8s.Get(ctx, client.ObjectKey{Namespace: w.ns, Name: c.ConnectionSecretName()}, &corev1.Secret{})).To(Succeed())
		}).Should(Succeed())

		Expect(k8s.Get(ctx, clientKey(elsewhere), elsewhere)).To(Succeed())
		Expect(elsewhere.Status.Conditions).To(BeEmpty())
		Expect(k8s.Delete(ctx, elsewhere)).To(Succeed(), "it never got a finalizer")

		Expect(k8s.Delete(ctx, c)).To(Succeed())
		Eventually(state(ctx, c)).Should(Satisfy(func(s summary) bool {
			return s.flags == v1alpha1.ConditionStalled && strings.Contains(s.message, "is childaccounts.accounts.cpaas.dev going?") && strings.Contains(s.message, "docs/operations.md")
		}))
		Expect(w.account("acme-here").Active()).To(BeTrue())
		reader := rendered("config/namespaced/crd-reader")
		Expect(install(ctx, reader)).To(BeEmpty())
		Eventually(func() error { return k8s.Get(ctx, clientKey(c), c) }).Should(beNotFound())
		Expect(w.account("acme-here").Active()).To(BeFalse())
	})
})

// In one process: all write the same files below bin.
var _ = DescribeTable("make deploy puts the image in; make undeploy leaves the kinds and the namespace", Ordered, ContinueOnFailure,
	func(dir string) {
		const image = "registry.example:5000/telephony/operator@sha256:0123"
		deployed := rendered(overlay("deploy", dir, image))
		containers := managerOf(deployed).Spec.Template.Spec.Containers
		Expect(containers).To(HaveLen(1))
		Expect(containers[0].Image).To(Equal(image))
		Expect(names(deployed)).To(Equal(names(rendered(dir))))
		stays := Or(HavePrefix("CustomResourceDefinition "), HavePrefix("Namespace "))
		Expect(names(rendered(overlay("undeploy", dir)))).To(Equal(slices.DeleteFunc(names(deployed), func(name string) bool {
			stay, _ := stays.Match(name)
			return stay
		})))
	},
	Entry(nil, "config/default"),
	Entry(nil, "config/namespaced"),
	Entry(nil, "config/shards/rest"),
	Entry(nil, "config/shards/b"),
)

// overlay is the directory that make deploy or undeploy works with.
func overlay(args ...string) string {
	GinkgoHelper()
	return strings.TrimSpace(string(output("hack/overlay", args...)))
}

func names(objects []*unstructured.Unstructured) []string {
	var out []string
	for _, u := range objects {
		out = append(out, u.GetKind()+" "+u.GetNamespace()+"/"+u.GetName())
	}
	return out
}
