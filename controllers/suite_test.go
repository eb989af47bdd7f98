package controllers_test

import (
	"cmp"
	"context"
	"crypto/rand"
	"crypto/rsa"
	"fmt"
	"net/http"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
	"k8s.io/utils/clock"
	"k8s.io/utils/ptr"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/envtest"
	"sigs.k8s.io/controller-runtime/pkg/log/zap"

	"cpaas.dev/child-account-operator/api/v1alpha1"
	"cpaas.dev/child-account-operator/internal/cli"
	"cpaas.dev/child-account-operator/internal/simulator"
)

var (
	config *rest.Config
	// kubeconfig is for processes beside the operator.
	kubeconfig []byte
	k8s        client.Client
	key        *rsa.PrivateKey
	// provider is the address of whichever simulator the running spec has.
	provider  *httptest.Server
	simulated atomic.Pointer[http.Handler]
	// logs is everything that the operator has logged so far, at the debug level.
	logs = &syncBuffer{}
)

func TestControllers(t *testing.T) {
	RegisterFailHandler(Fail)
	SetDefaultEventuallyTimeout(time.Minute) // a machine may have much else to do
	SetDefaultEventuallyPollingInterval(50 * time.Millisecond)
	SetDefaultConsistentlyDuration(500 * time.Millisecond)
	RunSpecs(t, "Controllers")
}

// Specs may run in several processes at one time (make test has them so). Each process has a control plane and a provider of
// its own: they share nothing.
var _ = BeforeSuite(func(ctx SpecContext) {
	ctrl.SetLogger(zap.New(zap.WriteTo(logs), zap.UseDevMode(false), zap.Level(zapDebug)))
	startControlPlane()
	deploy(ctx)

	var err error
	key, err = rsa.GenerateKey(rand.Reader, 2048)
	Expect(err).NotTo(HaveOccurred())
	provider = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		(*simulated.Load()).ServeHTTP(w, r)
	}))
	DeferCleanup(provider.Close)
}, NodeTimeout(3*time.Minute))

// startControlPlane starts an etcd and a kube-apiserver with our CRDs, until the clean-up, for all that follows.
func startControlPlane() {
	GinkgoHelper()
	control := &envtest.Environment{
		CRDDirectoryPaths:        []string{"../config/crd/bases"},
		ErrorIfCRDPathMissing:    true,
		ControlPlaneStartTimeout: controlPlanePatience,
		ControlPlaneStopTimeout:  controlPlanePatience,
	}
	DeferCleanup(control.Stop)
	started, err := control.Start()
	Expect(err).NotTo(HaveOccurred())
	config, kubeconfig = started, control.KubeConfig
	config.QPS, config.Burst = 1000, 2000
	k8s, err = client.New(config, client.Options{Scheme: cli.NewScheme()})
	Expect(err).NotTo(HaveOccurred())
}

// startOwnControlPlane is for specs that change what is the whole cluster's. The suite's control plane is back after them.
func startOwnControlPlane() {
	GinkgoHelper()
	suiteConfig, suiteKubeconfig, suiteClient := config, kubeconfig, k8s
	DeferCleanup(func() { config, kubeconfig, k8s = suiteConfig, suiteKubeconfig, suiteClient })
	startControlPlane()
}

// controlPlanePatience is how long a control plane may take to start or stop on a machine that has much else to do.
const controlPlanePatience = 2 * time.Minute

// world is what one spec has: a namespace, a simulator with one parent account, and an operator.
type world struct {
	ns     string
	sim    *simulator.Simulator
	parent simulator.Parent
	// second is another parent account, where a spec has one.
	second  simulator.Parent
	clock   clock.Clock
	options cli.ManagerOptions
	// config is how the operator reaches the API server.
	config *rest.Config
	// disposable is a world whose control plane ends with it: nothing has to be removed.
	disposable bool
	stop       func()
}

// newWorld makes the namespace and the simulator; nothing runs yet.
func newWorld(ctx context.Context) *world {
	w := &world{clock: clock.RealClock{}, config: operatorConfig()}
	ns := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{GenerateName: "spec-"}}
	Expect(k8s.Create(ctx, ns)).To(Succeed())
	w.ns = ns.Name
	w.sim = simulator.New(simulator.Options{Key: key, Clock: func() time.Time { return w.clock.Now() }})
	handler := w.sim.Handler()
	simulated.Store(&handler)
	w.parent = w.sim.AddParent(simulator.Parent{Name: "acme-telephony", Email: "owner@acme.example"})
	DeferCleanup(w.cleanUp)
	return w
}

// startWorld is a world with a ready parent and a running operator.
func startWorld(ctx context.Context) *world {
	w := newWorld(ctx)
	w.applyParent(ctx)
	w.start(ctx)
	return w
}

// longLease is not lost by a leader that a busy machine keeps from renewing it. Whoever stops in good order gives it back at once.
const longLease = 2 * time.Minute

// start runs the operator, with the rights of its ServiceAccount and no more; calling it again after w.stop() is a restart.
func (w *world) start(_ context.Context, otherEndpoints ...string) {
	w.options.AllowedEndpoints = append([]string{provider.URL}, otherEndpoints...)
	w.options.MetricsAddress, w.options.ProbeAddress = cmp.Or(w.options.MetricsAddress, "0"), cmp.Or(w.options.ProbeAddress, "0")
	w.options.SkipNameValidation = true
	w.options.Clock = w.clock
	w.options.LeaseDuration = longLease
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() {
		defer GinkgoRecover()
		err := cli.RunManager(ctx, w.config, w.options)
		if ctx.Err() == nil {
			GinkgoWriter.Println("the operator has ended by itself:", err)
		}
		done <- err
	}()
	w.stop = func() {
		cancel()
		// Told to stop while it starts, it may say so.
		Eventually(done).WithTimeout(gracefulStop).Should(Receive(Or(BeNil(), MatchError(ContainSubstring(context.Canceled.Error())))))
		w.stop = func() {}
	}
}

func (w *world) cleanUp(ctx SpecContext) {
	if w.stop != nil {
		w.stop()
	}
	w.sweep(ctx, w.ns)
	for _, call := range w.sim.Calls() {
		Expect(call.SecretInURL).To(BeFalse(), "a secret in the URL of %s", call.Method)
		Expect(call.HTTPMethod).To(Equal(http.MethodPost))
	}
}

// sweep removes what a spec has made in a namespace, and looks at how it was at the end. It removes first: later operators
// see the whole cluster.
func (w *world) sweep(ctx context.Context, ns string) {
	GinkgoHelper()
	if w.stop != nil {
		w.stop()
	}
	var children v1alpha1.ChildAccountList
	Expect(k8s.List(ctx, &children, client.InNamespace(ns))).To(Succeed())
	if !w.disposable {
		removeFrom(ctx, ns, children.Items)
	}
	for i := range children.Items {
		expectInvariants(&children.Items[i])
	}
}

// removeFrom removes the ChildAccounts and all ParentAccounts of a namespace, whose finalizers nobody waits for.
func removeFrom(ctx context.Context, ns string, children []v1alpha1.ChildAccount) {
	GinkgoHelper()
	inParallel(len(children), func(i int) error {
		if len(children[i].Finalizers) == 0 {
			return nil
		}
		kept := &v1alpha1.ChildAccount{ObjectMeta: metav1.ObjectMeta{Namespace: ns, Name: children[i].Name}}
		patch := []byte(`{"metadata":{"finalizers":null}}`)
		return client.IgnoreNotFound(k8s.Patch(ctx, kept, client.RawPatch("application/merge-patch+json", patch)))
	})
	Expect(k8s.DeleteAllOf(ctx, &v1alpha1.ChildAccount{}, client.InNamespace(ns))).To(Succeed())
	Expect(k8s.DeleteAllOf(ctx, &v1alpha1.ParentAccount{}, client.InNamespace(ns))).To(Succeed())
}

// inParallel does n things, some at a time.
func inParallel(n int, do func(i int) error) {
	GinkgoHelper()
	var wg sync.WaitGroup
	errs := make(chan error, n)
	places := make(chan struct{}, 32)
	for i := range n {
		places <- struct{}{}
		wg.Go(func() {
			errs <- do(i)
			<-places
		})
	}
	wg.Wait()
	close(errs)
	for err := range errs {
		Expect(err).NotTo(HaveOccurred())
	}
}

// credentials is a labelled Secret with the parent's credentials.
func (w *world) credentials(roles ...simulator.Role) *corev1.Secret {
	if len(roles) == 0 {
		roles = []simulator.Role{simulator.RoleOwner}
	}
	return &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Namespace: w.ns, Name: "voximplant", Labels: map[string]string{v1alpha1.LabelInput: "true"}},
		Data:       map[string][]byte{"credentials.json": w.sim.Credentials(w.parent.ID, roles...)},
	}
}

func (w *world) parentAccount() *v1alpha1.ParentAccount {
	return &v1alpha1.ParentAccount{
		ObjectMeta: metav1.ObjectMeta{Namespace: w.ns, Name: "acme"},
		Spec: v1alpha1.ParentAccountSpec{
			Voximplant: v1alpha1.VoximplantParent{
				CredentialsSecretRef: v1alpha1.SecretKeyReference{Name: "voximplant"},
				Endpoint:             ptr.To(provider.URL),
			},
			ResyncInterval: &metav1.Duration{Duration: time.Second},
			Limits:         &v1alpha1.Limits{RequestsPerSecond: ptr.To[int32](500), MaxInFlight: ptr.To[int32](10)},
		},
	}
}

// applyParent creates the credentials and the ParentAccount.
func (w *world) applyParent(ctx context.Context, change ...func(*v1alpha1.ParentAccount)) *v1alpha1.ParentAccount {
	Expect(k8s.Create(ctx, w.credentials())).To(Succeed())
	p := w.parentAccount()
	for _, f := range change {
		f(p)
	}
	Expect(k8s.Create(ctx, p)).To(Succeed())
	return p
}

// anyChange lets a mass change pass.
func anyChange(p *v1alpha1.ParentAccount) {
	p.Spec.Limits.MassChange = &v1alpha1.MassChange{Percent: ptr.To[int32](100)}
	p.Spec.Limits.MaxDeactivationsPerHour = ptr.To[int32](1000)
}

// child is a ChildAccount that is not created yet.
func (w *world) child(name string, change ...func(*v1alpha1.ChildAccount)) *v1alpha1.ChildAccount {
	c := &v1alpha1.ChildAccount{
		ObjectMeta: metav1.ObjectMeta{Namespace: w.ns, Name: name},
		Spec:       v1alpha1.ChildAccountSpec{ParentRef: v1alpha1.ParentReference{Name: "acme"}, Email: name + "@acme.example"},
	}
	for _, f := range change {
		f(c)
	}
	return c
}

func (w *world) apply(ctx context.Context, name string, change ...func(*v1alpha1.ChildAccount)) *v1alpha1.ChildAccount {
	c := w.child(name, change...)
	Expect(k8s.Create(ctx, c)).To(Succeed())
	return c
}

// applyReady applies a ChildAccount and waits until it is Available.
func (w *world) applyReady(ctx context.Context, name string, change ...func(*v1alpha1.ChildAccount)) *v1alpha1.ChildAccount {
	c := w.apply(ctx, name, change...)
	Eventually(state(ctx, c)).Should(BeAvailable())
	return c
}

// account is the account at the provider with this name.
func (w *world) account(name string) simulator.Account {
	a, ok := w.sim.Account(name)
	Expect(ok).To(BeTrue(), "no account %s at the provider", name)
	return a
}

// count is how many calls of a method there were.
func (w *world) count(method string) int { return w.sim.Counts()[method] }

// awaitLists waits until the operator has read the whole list n more times and drawn its conclusions.
func (w *world) awaitLists(n int) {
	GinkgoHelper()
	seen := w.count("GetChildrenAccounts")
	// One more begins only when the one before it is dealt with.
	Eventually(func() int { return w.count("GetChildrenAccounts") }).Should(BeNumerically(">", seen+n))
}

// awaitSilence waits until the list is not read any more.
func (w *world) awaitSilence() {
	GinkgoHelper()
	Eventually(func(g Gomega) {
		before := len(w.sim.Calls())
		g.Consistently(func() int { return len(w.sim.Calls()) }, "2s", "200ms").Should(Equal(before))
	}).WithTimeout(time.Minute).Should(Succeed())
}

// edit changes a resource as a person would, trying again where it was overtaken.
func edit[T client.Object](ctx context.Context, o T, change func(T)) {
	GinkgoHelper()
	Eventually(func(g Gomega) {
		g.Expect(k8s.Get(ctx, client.ObjectKeyFromObject(o), o)).To(Succeed())
		change(o)
		g.Expect(k8s.Update(ctx, o)).To(Succeed())
	}).Should(Succeed())
}

// connectionOf is the data of the connection Secret of a resource.
func connectionOf(ctx context.Context, c *v1alpha1.ChildAccount) map[string]string {
	GinkgoHelper()
	var secret corev1.Secret
	Expect(k8s.Get(ctx, client.ObjectKey{Namespace: c.Namespace, Name: c.ConnectionSecretName()}, &secret)).To(Succeed())
	out := map[string]string{}
	for k, v := range secret.Data {
		out[k] = string(v)
	}
	return out
}

// eventsOf lists the events about a resource as "Reason: note".
func eventsOf(ctx context.Context, o client.Object) func(Gomega) []string {
	return func(g Gomega) []string {
		var list corev1.EventList
		g.Expect(k8s.List(ctx, &list, client.InNamespace(o.GetNamespace()))).To(Succeed())
		var out []string
		for _, e := range list.Items {
			if e.InvolvedObject.Name == o.GetName() {
				out = append(out, fmt.Sprintf("%s: %s", e.Reason, e.Message))
			}
		}
		return out
	}
}
