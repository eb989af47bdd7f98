package config_test

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"github.com/onsi/gomega/types"
	"github.com/spf13/pflag"
	appsv1 "k8s.io/api/apps/v1"
	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"cpaas.dev/child-account-operator/api/v1alpha1"
	"cpaas.dev/child-account-operator/internal/cli"
	"cpaas.dev/child-account-operator/internal/testenv"
	"cpaas.dev/child-account-operator/internal/testenv/freeport"
)

func managerOf(objects []*unstructured.Unstructured) *appsv1.Deployment {
	GinkgoHelper()
	at := slices.IndexFunc(objects, isDeployment)
	Expect(at).NotTo(Equal(-1), "no Deployment")
	return testenv.Find[appsv1.Deployment](objects, "Deployment", objects[at].GetName())
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

// tokenOf makes a ServiceAccount and a token of it.
func tokenOf(ctx context.Context, namespace, name string) string {
	GinkgoHelper()
	account := &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name}}
	Expect(testenv.K8s.Create(ctx, account)).To(Succeed())
	request := &authenticationv1.TokenRequest{}
	Expect(testenv.K8s.SubResource("token").Create(ctx, account, request)).To(Succeed())
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

// deployable are the directories of config/ that make deploy installs.
var deployable = []string{"config/default", "config/namespaced", "config/shards/rest", "config/shards/b"}

// forEachDeployable is a table entry for each of them.
func forEachDeployable() (entries []TableEntry) {
	for _, dir := range deployable {
		entries = append(entries, Entry(nil, dir))
	}
	return entries
}

var _ = It("has a configuration in the tables here for everything in config/ that runs the operator in a cluster", func() {
	var running []string
	Expect(filepath.WalkDir("../config", func(path string, d fs.DirEntry, err error) error {
		if d == nil || d.Name() != "kustomization.yaml" {
			return err
		}
		dir, err := filepath.Rel("..", filepath.Dir(path))
		partOf := func(whole string) bool { return strings.HasPrefix(dir, whole+"/") }
		objects := testenv.Rendered(dir)
		if slices.ContainsFunc(objects, isDeployment) && slices.ContainsFunc(objects, isRole) && !slices.ContainsFunc(running, partOf) {
			running = append(running, dir)
		}
		return err
	})).To(Succeed())
	Expect(running).To(ConsistOf(deployable))
})

func isDeployment(u *unstructured.Unstructured) bool { return u.GetKind() == "Deployment" }
func isRole(u *unstructured.Unstructured) bool       { return u.GetKind() == "Role" }

var _ = DescribeTable("A Pod of the Deployment meets the restricted standard of Pod Security",
	func(ctx SpecContext, dir string) {
		ns := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{GenerateName: "restricted-", Labels: map[string]string{"pod-security.kubernetes.io/enforce": "restricted"}}}
		Expect(testenv.K8s.Create(ctx, ns)).To(Succeed())
		template := managerOf(testenv.Rendered(dir)).Spec.Template
		pod := func(change func(*corev1.PodSpec)) error {
			p := &corev1.Pod{ObjectMeta: template.ObjectMeta, Spec: *template.Spec.DeepCopy()}
			p.Namespace, p.Name = ns.Name, "manager"
			change(&p.Spec)
			return testenv.K8s.Create(ctx, p, client.DryRunAll)
		}
		Expect(pod(func(*corev1.PodSpec) {})).To(Succeed())
		Expect(pod(func(s *corev1.PodSpec) { s.Containers[0].SecurityContext.Capabilities = nil })).To(MatchError(ContainSubstring("violates PodSecurity")))
		Expect(pod(func(s *corev1.PodSpec) { s.SecurityContext.RunAsNonRoot = nil })).To(MatchError(ContainSubstring("violates PodSecurity")))
		Expect(*template.Spec.Containers[0].SecurityContext.ReadOnlyRootFilesystem).To(BeTrue())
		Expect(*template.Spec.TerminationGracePeriodSeconds).To(BeNumerically(">", 45), "a write to the provider is waited for")
	},
	forEachDeployable(),
)

// OpenShift gives each namespace a range of ids of its own and refuses a Pod that names any other.
var _ = DescribeTable("A Pod of the Deployment leaves its user and groups to the image, or to the cluster",
	func(dir string) {
		template, err := runtime.DefaultUnstructuredConverter.ToUnstructured(&managerOf(testenv.Rendered(dir)).Spec.Template)
		Expect(err).NotTo(HaveOccurred())
		Expect(fieldsNamed(template, "", "runAsUser", "runAsGroup", "fsGroup", "supplementalGroups", "runAsUserName")).To(BeEmpty())
		Expect(fieldsNamed(template, "", "runAsNonRoot")).To(Equal([]string{".spec.securityContext.runAsNonRoot"}))
	},
	forEachDeployable(),
)

// fieldsNamed are the paths of the fields with one of the names, wherever they are in an object.
func fieldsNamed(in any, path string, wanted ...string) (paths []string) {
	switch in := in.(type) {
	case map[string]any:
		for _, key := range slices.Sorted(maps.Keys(in)) {
			if slices.Contains(wanted, key) {
				paths = append(paths, path+"."+key)
			}
			paths = append(paths, fieldsNamed(in[key], path+"."+key, wanted...)...)
		}
	case []any:
		for i := range in {
			paths = append(paths, fieldsNamed(in[i], fmt.Sprintf("%s[%d]", path, i), wanted...)...)
		}
	}
	return paths
}

var _ = DescribeTable("The NetworkPolicy lets the Pods of the Deployment reach DNS, the provider and the API server, wherever clusters have them",
	func(dir string) {
		objects := testenv.Rendered(dir)
		d := managerOf(objects)
		var open []string
		for _, u := range objects {
			var policy networkingv1.NetworkPolicy
			if u.GetKind() != "NetworkPolicy" {
				continue
			}
			Expect(runtime.DefaultUnstructuredConverter.FromUnstructured(u.Object, &policy)).To(Succeed())
			selector, err := metav1.LabelSelectorAsSelector(&policy.Spec.PodSelector)
			Expect(err).NotTo(HaveOccurred())
			Expect(policy.Namespace).To(Equal(d.Namespace))
			Expect(selector.Matches(labels.Set(d.Spec.Template.Labels))).To(BeTrue(), policy.Name)
			for _, rule := range policy.Spec.Egress {
				Expect(rule.To).To(BeEmpty(), "addresses are not known beforehand")
				for _, port := range rule.Ports {
					open = append(open, fmt.Sprintf("%s %s", *port.Protocol, port.Port))
				}
			}
		}
		Expect(open).To(ConsistOf(
			"UDP 53", "TCP 53", "UDP 5353", "TCP 5353", // OpenShift's DNS Pods listen at 5353
			"TCP 443", "TCP 6443", "TCP 6444", "TCP 8443", "TCP 16443",
		))
		page, err := os.ReadFile("../docs/operations.md")
		Expect(err).NotTo(HaveOccurred())
		_, network, _ := strings.Cut(string(page), "\n## Network\n")
		network, _, _ = strings.Cut(network, "\n## ")
		for _, port := range open {
			Expect(network).To(MatchRegexp(`\b%s\b`, strings.Fields(port)[1]), "docs/operations.md, Network")
		}
	},
	forEachDeployable(),
)

var _ = DescribeTable("A Pod of the Deployment has the memory that docs/performance.md has measured",
	func(dir string) {
		resources := managerOf(testenv.Rendered(dir)).Spec.Template.Spec.Containers[0].Resources
		measured := measuredMemory()
		Expect(measured).To(And(HaveKey("1,000"), HaveKey("10,000")))
		Expect(resources.Requests.Memory().Value()).To(BeNumerically(">=", measured["1,000"]), "requested, for 1,000 accounts")
		Expect(resources.Limits.Memory().Value()).To(BeNumerically(">=", 2*measured["10,000"]), "the limit, for twice as much as 10,000 accounts take")
	},
	forEachDeployable(),
)

var _ = It("docs/operations.md asks for as much memory as docs/performance.md has measured", func() {
	page, err := os.ReadFile("../docs/operations.md")
	Expect(err).NotTo(HaveOccurred())
	measured := measuredMemory()
	rows := regexp.MustCompile(`(?m)^\| ([\d,]+) \| (\d+Mi) \| (\d+Mi) \|$`).FindAllStringSubmatch(string(page), -1)
	Expect(rows).NotTo(BeEmpty())
	for _, row := range rows {
		Expect(measured).To(HaveKey(row[1]))
		request, limit := resource.MustParse(row[2]), resource.MustParse(row[3])
		Expect(request.Value()).To(BeNumerically(">=", measured[row[1]]), row[0])
		Expect(limit.Value()).To(BeNumerically(">=", 2*measured[row[1]]), row[0])
	}
})

// measuredMemory are the bytes that the operator took at most, by how many accounts there were, as docs/performance.md has them.
func measuredMemory() map[string]int64 {
	GinkgoHelper()
	page, err := os.ReadFile("../docs/performance.md")
	Expect(err).NotTo(HaveOccurred())
	table := regexp.MustCompile(`(?s)\n\| accounts \|([^\n]*)\|\n.*?\n\| memory of the operator at most[^|]*\|([^\n]*)\|\n`).FindSubmatch(page)
	Expect(table).NotTo(BeNil(), "no row with the operator's memory")
	accounts, memory := strings.Split(string(table[1]), "|"), strings.Split(string(table[2]), "|")
	Expect(memory).To(HaveLen(len(accounts)))
	out := map[string]int64{}
	for i := range accounts {
		megabytes, err := strconv.ParseInt(strings.TrimSuffix(strings.TrimSpace(memory[i]), " MB"), 10, 64)
		Expect(err).NotTo(HaveOccurred())
		out[strings.TrimSpace(accounts[i])] = megabytes * 1e6
	}
	return out
}

var _ = Describe("config/default", func() {
	It("runs: elects itself, is alive and ready, shows its metrics to those who may see them", func(ctx SpecContext) {
		w := testenv.NewWorld(ctx)
		d := managerOf(testenv.Rendered("config/default"))
		w.Options = optionsOf(d)
		Expect(w.Options.MetricsSecure).To(BeTrue())
		w.Options.MetricsAddress, w.Options.ProbeAddress = freeport.Reserve(GinkgoT()), freeport.Reserve(GinkgoT())
		w.ApplyParent(ctx)
		testenv.FreeLease(ctx, testenv.OperatorNamespace)
		w.Start(ctx)
		w.ApplyReady(ctx, "acme-deployed")

		lease := testenv.LeaseOf(testenv.OperatorNamespace)
		Expect(testenv.K8s.Get(ctx, testenv.KeyOf(lease), lease)).To(Succeed())

		c := insecure()
		for _, probe := range []*corev1.Probe{d.Spec.Template.Spec.Containers[0].LivenessProbe, d.Spec.Template.Spec.Containers[0].ReadinessProbe} {
			Eventually(get(ctx, c, "http://"+w.Options.ProbeAddress+probe.HTTPGet.Path, "")).Should(haveCode(http.StatusOK))
		}

		reader := tokenOf(ctx, w.NS, "prometheus")
		binding := &rbacv1.ClusterRoleBinding{
			ObjectMeta: metav1.ObjectMeta{Name: w.NS},
			RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: "child-account-operator-metrics-reader"},
			Subjects:   []rbacv1.Subject{{Kind: "ServiceAccount", Namespace: w.NS, Name: "prometheus"}},
		}
		Expect(testenv.K8s.Create(ctx, binding)).To(Succeed())
		Eventually(testenv.IsAllowed).WithArguments(ctx, "system:serviceaccount:"+w.NS+":prometheus", metricsPath).Should(BeTrue())
		metrics := "https://" + w.Options.MetricsAddress + "/metrics"
		Eventually(get(ctx, c, metrics, reader)).Should(haveCode(http.StatusOK))
		Expect(get(ctx, c, metrics, reader)(Default).body).To(ContainSubstring(`controller_runtime_reconcile_total{controller="childaccount"`))
		Expect(get(ctx, c, metrics, "")(Default).code).To(Equal(http.StatusUnauthorized))
		Expect(get(ctx, c, metrics, tokenOf(ctx, w.NS, "somebody"))(Default).code).To(Equal(http.StatusForbidden))
	})
})

// Its namespaces have fixed names, and it must do without config/default's rights: it has a control plane that never had them.
var _ = Describe("config/namespaced", Ordered, ContinueOnFailure, func() {
	var objects []*unstructured.Unstructured

	// What it needs beforehand: the namespaces.
	BeforeAll(func(ctx SpecContext) {
		objects = testenv.Rendered("config/namespaced")
		testenv.StartOwnControlPlane()
		for _, name := range []string{testenv.OperatorNamespace, "telephony"} {
			Expect(testenv.K8s.Create(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name}})).To(Succeed())
		}
		Expect(testenv.Install(ctx, objects)).To(BeEmpty(), "warnings of the API server")
		for _, p := range permissions {
			for _, verb := range strings.Fields(p.verbs) {
				in, out := p.attributes(verb), p.attributes(verb)
				out.ResourceAttributes.Namespace = "default"
				if p.role == "manager-role" {
					in.ResourceAttributes.Namespace = "telephony"
					Eventually(testenv.IsAllowed).WithArguments(ctx, testenv.OperatorUser, in).Should(BeTrue(), "%s %s", verb, p.resource)
				}
				Eventually(testenv.IsAllowed).WithArguments(ctx, testenv.OperatorUser, out).Should(BeFalse(), "%s %s", verb, p.resource)
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
		err := cli.RunManager(ctx, testenv.OperatorConfig(), optionsOf(managerOf(objects)))
		Expect(err).To(MatchError(ContainSubstring("--installation-id")))
	})

	It("keeps accounts in its namespaces only, and switches none off before it may see whether the kind is going", func(ctx SpecContext) {
		w := testenv.NewWorld(ctx)
		elsewhere := w.Child("acme-elsewhere")
		Expect(testenv.K8s.Create(ctx, elsewhere)).To(Succeed())
		w.NS = "telephony"
		w.Options = optionsOf(managerOf(objects), "--installation-id=blue")
		Expect(w.Options.Namespaces).To(Equal([]string{"telephony"}))
		w.ApplyParent(ctx)
		w.Start(ctx)
		c := w.ApplyReady(ctx, "acme-here", func(c *v1alpha1.ChildAccount) { c.Spec.DeletionPolicy = ptr.To(v1alpha1.DeletionDeactivate) })
		claim := w.Account("acme-here").Text("account_custom_data")
		Expect(claim).To(ContainSubstring("blue"))

		// Input and connection Secrets are watched there, too.
		Expect(testenv.K8s.Delete(ctx, &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: w.NS, Name: c.ConnectionSecretName()}})).To(Succeed())
		Eventually(func(g Gomega) {
			g.Expect(testenv.K8s.Get(ctx, client.ObjectKey{Namespace: w.NS, Name: c.ConnectionSecretName()}, &corev1.Secret{})).To(Succeed())
		}).Should(Succeed())

		Expect(testenv.K8s.Get(ctx, testenv.KeyOf(elsewhere), elsewhere)).To(Succeed())
		Expect(elsewhere.Status.Conditions).To(BeEmpty())
		Expect(testenv.K8s.Delete(ctx, elsewhere)).To(Succeed(), "it never got a finalizer")

		Expect(testenv.K8s.Delete(ctx, c)).To(Succeed())
		Eventually(testenv.StateOf(ctx, c)).Should(Satisfy(func(s testenv.State) bool {
			return s.Flags == v1alpha1.ConditionStalled && strings.Contains(s.Message, "it is not known whether childaccounts.accounts.cpaas.dev is being deleted") && strings.Contains(s.Message, "docs/operations.md")
		}))
		Expect(w.Account("acme-here").Active()).To(BeTrue())
		reader := testenv.Rendered("config/namespaced/crd-reader")
		Expect(testenv.Install(ctx, reader)).To(BeEmpty())
		Eventually(func() error { return testenv.K8s.Get(ctx, testenv.KeyOf(c), c) }).Should(testenv.BeNotFound())
		Expect(w.Account("acme-here").Active()).To(BeFalse())
	})
})

// In one process: all write the same files below bin.
var _ = DescribeTable("make deploy puts the image in; make undeploy leaves the kinds and the namespace", Ordered, ContinueOnFailure,
	func(dir string) {
		const image = "registry.example:5000/telephony/operator@sha256:0123"
		deployed := testenv.Rendered(overlay("deploy", dir, image))
		containers := managerOf(deployed).Spec.Template.Spec.Containers
		Expect(containers).To(HaveLen(1))
		Expect(containers[0].Image).To(Equal(image))
		Expect(names(deployed)).To(Equal(names(testenv.Rendered(dir))))
		stays := Or(HavePrefix("CustomResourceDefinition "), HavePrefix("Namespace "))
		Expect(names(testenv.Rendered(overlay("undeploy", dir)))).To(Equal(slices.DeleteFunc(names(deployed), func(name string) bool {
			stay, _ := stays.Match(name)
			return stay
		})))
	},
	forEachDeployable(),
)

// overlay is the directory that make deploy or undeploy works with.
func overlay(args ...string) string {
	GinkgoHelper()
	return strings.TrimSpace(string(testenv.RunInTree("hack/overlay", args...)))
}

func names(objects []*unstructured.Unstructured) []string {
	var out []string
	for _, u := range objects {
		out = append(out, u.GetKind()+" "+u.GetNamespace()+"/"+u.GetName())
	}
	return out
}
