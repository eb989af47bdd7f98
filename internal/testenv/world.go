package testenv

import (
	"cmp"
	"context"
	"fmt"
	"net/http"
	"sync"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
	"k8s.io/utils/clock"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"cpaas.dev/child-account-operator/api/v1alpha1"
	"cpaas.dev/child-account-operator/internal/cli"
	"cpaas.dev/child-account-operator/internal/simulator"
)

// GracefulStop is more than the manager takes at most.
const GracefulStop = time.Minute

// World is what one spec has: a namespace, a simulator with one parent account, and an operator.
type World struct {
	NS     string
	Sim    *simulator.Simulator
	Parent simulator.Parent
	// Second is another parent account, where a spec has one.
	Second  simulator.Parent
	Clock   clock.Clock
	Options cli.ManagerOptions
	// Config is how the operator reaches the Kubernetes API.
	Config *rest.Config
	// Disposable is a world whose control plane ends with it: nothing has to be removed.
	Disposable bool
	Stop       func()
}

// NewWorld makes the namespace and the simulator; nothing runs yet.
func NewWorld(ctx context.Context) *World {
	w := &World{Clock: clock.RealClock{}, Config: OperatorConfig()}
	w.NS = newNamespace(ctx)
	w.Sim = simulator.New(simulator.Options{Key: SigningKey, Clock: func() time.Time { return w.Clock.Now() }})
	handler := w.Sim.Handler()
	ProviderHandler.Store(&handler)
	w.Parent = w.Sim.AddParent(simulator.Parent{Name: "acme-telephony", Email: "owner@acme.example"})
	DeferCleanup(w.CleanUp)
	return w
}

// newNamespace creates a namespace for a spec and returns its name.
func newNamespace(ctx context.Context) string {
	GinkgoHelper()
	ns := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{GenerateName: "spec-"}}
	Expect(K8s.Create(ctx, ns)).To(Succeed())
	return ns.Name
}

// StartWorld is a world with a ready parent and a running operator.
func StartWorld(ctx context.Context) *World {
	w := NewWorld(ctx)
	w.ApplyParent(ctx)
	w.Start(ctx)
	return w
}

// longLease is not lost by a leader that a busy machine keeps from renewing it. Whoever stops in good order gives it back at once.
const longLease = 2 * time.Minute

// Start runs the operator, with the rights of its ServiceAccount and no more; calling it again after w.Stop() is a restart.
func (w *World) Start(_ context.Context, otherEndpoints ...string) {
	w.Options.AllowedEndpoints = append([]string{ProviderServer.URL}, otherEndpoints...)
	w.Options.MetricsAddress, w.Options.ProbeAddress = cmp.Or(w.Options.MetricsAddress, "0"), cmp.Or(w.Options.ProbeAddress, "0")
	w.Options.SkipNameValidation = true
	w.Options.Clock = w.Clock
	w.Options.LeaseDuration = longLease
	w.Options.BelievedAfter = cmp.Or(w.Options.BelievedAfter, time.Second)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() {
		defer GinkgoRecover()
		err := cli.RunManager(ctx, w.Config, w.Options)
		if ctx.Err() == nil {
			GinkgoWriter.Println("the operator has ended by itself:", err)
		}
		done <- err
	}()
	w.Stop = func() {
		cancel()
		// Told to stop while it starts, it may say so.
		Eventually(done).WithTimeout(GracefulStop).Should(Receive(Or(BeNil(), MatchError(ContainSubstring(context.Canceled.Error())))))
		w.Stop = func() {}
	}
}

// CleanUp stops the operator, sweeps the namespace, and looks at the calls: it is a spec's last step.
func (w *World) CleanUp(ctx SpecContext) {
	if w.Stop != nil {
		w.Stop()
	}
	w.Sweep(ctx, w.NS)
	for _, call := range w.Sim.Calls() {
		Expect(call.SecretInURL).To(BeFalse(), "a secret in the URL of %s", call.Method)
		Expect(call.HTTPMethod).To(Equal(http.MethodPost))
	}
}

// Sweep removes what a spec has made in a namespace, and looks at how it was at the end. It removes first: later operators
// see the whole cluster.
func (w *World) Sweep(ctx context.Context, ns string) {
	GinkgoHelper()
	if w.Stop != nil {
		w.Stop()
	}
	var children v1alpha1.ChildAccountList
	Expect(K8s.List(ctx, &children, client.InNamespace(ns))).To(Succeed())
	if !w.Disposable {
		removeFrom(ctx, ns, children.Items)
	}
	for i := range children.Items {
		expectInvariants(&children.Items[i])
	}
}

// removeFrom removes the ChildAccounts and all ParentAccounts of a namespace, whose finalizers nobody waits for.
func removeFrom(ctx context.Context, ns string, children []v1alpha1.ChildAccount) {
	GinkgoHelper()
	Expect(K8s.DeleteAllOf(ctx, &v1alpha1.SubAccount{}, client.InNamespace(ns))).To(Succeed())
	InParallel(len(children), func(i int) error {
		if len(children[i].Finalizers) == 0 {
			return nil
		}
		kept := &v1alpha1.ChildAccount{ObjectMeta: metav1.ObjectMeta{Namespace: ns, Name: children[i].Name}}
		return client.IgnoreNotFound(DropFinalizers(ctx, kept))
	})
	Expect(K8s.DeleteAllOf(ctx, &v1alpha1.ChildAccount{}, client.InNamespace(ns))).To(Succeed())
	var parents v1alpha1.ParentAccountList
	Expect(K8s.List(ctx, &parents, client.InNamespace(ns))).To(Succeed())
	InParallel(len(parents.Items), func(i int) error {
		if len(parents.Items[i].Finalizers) == 0 {
			return nil
		}
		return client.IgnoreNotFound(DropFinalizers(ctx, &parents.Items[i]))
	})
	Expect(K8s.DeleteAllOf(ctx, &v1alpha1.ParentAccount{}, client.InNamespace(ns))).To(Succeed())
}

// DropFinalizers takes all finalizers of an object away, as somebody may who does not wait for whom they are for.
func DropFinalizers(ctx context.Context, o client.Object) error {
	return K8s.Patch(ctx, o, client.RawPatch("application/merge-patch+json", []byte(`{"metadata":{"finalizers":null}}`)))
}

// InParallel does n things, some at a time.
func InParallel(n int, do func(i int) error) {
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

// Credentials is a labelled Secret with the parent's credentials.
func (w *World) Credentials(roles ...simulator.Role) *corev1.Secret {
	if len(roles) == 0 {
		roles = []simulator.Role{simulator.RoleOwner}
	}
	return &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Namespace: w.NS, Name: "voximplant", Labels: map[string]string{v1alpha1.LabelInput: "true"}},
		Data:       map[string][]byte{"credentials.json": w.Sim.Credentials(w.Parent.ID, roles...)},
	}
}

// ParentAccount is a ParentAccount of the simulated parent that is not created yet, and is read each second.
func (w *World) ParentAccount() *v1alpha1.ParentAccount {
	return &v1alpha1.ParentAccount{
		ObjectMeta: metav1.ObjectMeta{Namespace: w.NS, Name: "acme"},
		Spec: v1alpha1.ParentAccountSpec{
			Voximplant: v1alpha1.VoximplantParent{
				CredentialsSecretRef: v1alpha1.SecretKeyReference{Name: "voximplant"},
				Endpoint:             ptr.To(ProviderServer.URL),
			},
			ResyncInterval: &metav1.Duration{Duration: time.Second},
			Limits:         &v1alpha1.Limits{RequestsPerSecond: ptr.To[int32](500), MaxInFlight: ptr.To[int32](10)},
		},
	}
}

// ApplyParent creates the credentials and the ParentAccount.
func (w *World) ApplyParent(ctx context.Context, change ...func(*v1alpha1.ParentAccount)) *v1alpha1.ParentAccount {
	Expect(K8s.Create(ctx, w.Credentials())).To(Succeed())
	p := w.ParentAccount()
	for _, f := range change {
		f(p)
	}
	Expect(K8s.Create(ctx, p)).To(Succeed())
	return p
}

// AllowMassChange lets a mass change pass.
func AllowMassChange(p *v1alpha1.ParentAccount) {
	p.Spec.Limits.MassChange = &v1alpha1.MassChange{Percent: ptr.To[int32](100)}
	p.Spec.Limits.MaxDeactivationsPerHour = ptr.To[int32](1000)
}

// Child is a ChildAccount that is not created yet.
func (w *World) Child(name string, change ...func(*v1alpha1.ChildAccount)) *v1alpha1.ChildAccount {
	c := &v1alpha1.ChildAccount{
		ObjectMeta: metav1.ObjectMeta{Namespace: w.NS, Name: name},
		Spec:       v1alpha1.ChildAccountSpec{ParentRef: v1alpha1.ParentReference{Name: "acme"}, Email: name + "@acme.example"},
	}
	for _, f := range change {
		f(c)
	}
	return c
}

// Apply creates a Child.
func (w *World) Apply(ctx context.Context, name string, change ...func(*v1alpha1.ChildAccount)) *v1alpha1.ChildAccount {
	c := w.Child(name, change...)
	Expect(K8s.Create(ctx, c)).To(Succeed())
	return c
}

// ApplyReady applies a ChildAccount and waits until it is Available.
func (w *World) ApplyReady(ctx context.Context, name string, change ...func(*v1alpha1.ChildAccount)) *v1alpha1.ChildAccount {
	c := w.Apply(ctx, name, change...)
	Eventually(StateOf(ctx, c)).Should(BeAvailable())
	return c
}

// Account is the account at the provider with this name.
func (w *World) Account(name string) simulator.Account {
	a, ok := w.Sim.Account(name)
	Expect(ok).To(BeTrue(), "no account %s at the provider", name)
	return a
}

// Count is how many calls of a method there were.
func (w *World) Count(method string) int { return w.Sim.Counts()[method] }

// AwaitLists waits until the operator has read the whole list n more times and drawn its conclusions.
func (w *World) AwaitLists(n int) {
	GinkgoHelper()
	seen := w.Count("GetChildrenAccounts")
	// One more begins only when the one before it is dealt with. A list may be megabytes, and the machine busy.
	Eventually(func() int { return w.Count("GetChildrenAccounts") }).WithTimeout(3 * time.Minute).Should(BeNumerically(">", seen+n))
}

// AwaitSilence waits until the list is not read any more.
func (w *World) AwaitSilence() {
	GinkgoHelper()
	Eventually(func(g Gomega) {
		before := len(w.Sim.Calls())
		g.Consistently(func() int { return len(w.Sim.Calls()) }, "2s", "200ms").Should(Equal(before))
	}).WithTimeout(time.Minute).Should(Succeed())
}

// Edit changes a resource as a person would, trying again where it was overtaken.
func Edit[T client.Object](ctx context.Context, o T, change func(T)) {
	GinkgoHelper()
	Eventually(func(g Gomega) {
		g.Expect(K8s.Get(ctx, client.ObjectKeyFromObject(o), o)).To(Succeed())
		change(o)
		g.Expect(K8s.Update(ctx, o)).To(Succeed())
	}).Should(Succeed())
}

// ConnectionOf is the data of the connection Secret of a resource.
func ConnectionOf(ctx context.Context, c *v1alpha1.ChildAccount) map[string]string {
	GinkgoHelper()
	var secret corev1.Secret
	Expect(K8s.Get(ctx, client.ObjectKey{Namespace: c.Namespace, Name: c.ConnectionSecretName()}, &secret)).To(Succeed())
	out := map[string]string{}
	for k, v := range secret.Data {
		out[k] = string(v)
	}
	return out
}

// EventsOf lists the events about a resource as "Reason: note".
func EventsOf(ctx context.Context, o client.Object) func(Gomega) []string {
	return func(g Gomega) []string {
		var list corev1.EventList
		g.Expect(K8s.List(ctx, &list, client.InNamespace(o.GetNamespace()))).To(Succeed())
		var out []string
		for _, e := range list.Items {
			if e.InvolvedObject.Name == o.GetName() {
				out = append(out, fmt.Sprintf("%s: %s", e.Reason, e.Message))
			}
		}
		return out
	}
}

// AwaitNextSecond waits until what is made now is younger than a resource, as far as creationTimestamp tells.
func AwaitNextSecond(c *v1alpha1.ChildAccount) {
	GinkgoHelper()
	Eventually(time.Now).Should(BeTemporally(">=", c.CreationTimestamp.Add(time.Second)))
}

// WithAccountName declares the name of the account.
func WithAccountName(name string) func(*v1alpha1.ChildAccount) {
	return func(c *v1alpha1.ChildAccount) { c.Spec.AccountName = ptr.To(name) }
}

// Changes are the calls that are no mere looks.
func (w *World) Changes() (out []string) {
	for _, call := range w.Sim.Calls() {
		if call.Method != "GetAccountInfo" && call.Method != "GetChildrenAccounts" {
			out = append(out, call.Method)
		}
	}
	return out
}

// Patience is for what takes its own time: the namespace controller lets five seconds pass before it begins, and a watch
// of a kind that was away comes back within half a minute.
const Patience = time.Minute

// Deactivating declares that the account is deactivated when the resource goes.
func Deactivating(c *v1alpha1.ChildAccount) {
	c.Spec.DeletionPolicy = ptr.To(v1alpha1.DeletionDeactivate)
}

// ExpectGone waits until an object is no more.
func ExpectGone(ctx context.Context, o client.Object) {
	GinkgoHelper()
	Eventually(func() error { return K8s.Get(ctx, KeyOf(o), o) }).WithTimeout(Patience).Should(BeNotFound())
}

// LoseParent takes the ParentAccount away with its finalizer, as somebody may who does not wait for the operator.
func (w *World) LoseParent(ctx context.Context) {
	GinkgoHelper()
	w.Stop() // which would put the finalizer back
	p := w.ParentAccount()
	Expect(DropFinalizers(ctx, p)).To(Succeed())
	Expect(K8s.Delete(ctx, p)).To(Succeed())
	w.Start(ctx)
}

// Neighbour is the same world in a namespace of its own.
func (w *World) Neighbour(ctx context.Context) *World {
	GinkgoHelper()
	n := *w
	n.NS, n.Stop = newNamespace(ctx), nil
	DeferCleanup(n.CleanUp)
	return &n
}

// SimulatorChild is a child account that somebody else made.
func SimulatorChild(w *World, name, email string) simulator.Account {
	return simulator.Account{ParentID: w.Parent.ID, Fields: simulator.Fields{"account_name": name, "account_email": email, "active": true}}
}

// Remove deletes a resource and waits until it is gone.
func Remove(ctx context.Context, _ *World, c *v1alpha1.ChildAccount) {
	Expect(K8s.Delete(ctx, c)).To(Succeed())
	ExpectGone(ctx, c)
}
