package crashtest

import (
	"context"
	"os"
	"strings"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"cpaas.dev/child-account-operator/api/v1alpha1"
	"cpaas.dev/child-account-operator/internal/account"
	"cpaas.dev/child-account-operator/internal/simulator"
)

const (
	// installation is the operator's --installation-id.
	installation = "crash"
	// pause is for how long nothing happens before a run is taken to be over.
	pause = time.Second
)

// world is what one run has for its own: a namespace, a provider, and the operator between the two.
type world struct {
	Gomega
	t        *testing.T
	ns       string
	sim      *simulator.Simulator
	parent   simulator.Parent
	endpoint string
	operator *operator
	tap      *tap
	// foreign are accounts that the operator must leave alone.
	foreign []simulator.Account
	// passwordBefore is a generated password that is not to be any more.
	passwordBefore string
	// passwordHandedOver is the one that goes along with an account.
	passwordHandedOver string
}

func newWorld(t *testing.T) *world {
	w := &world{Gomega: NewWithT(t), t: t, tap: &tap{}}
	w.tap.arm()
	w.tap.unprepared = w.unprepared
	ns := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{GenerateName: "crash-"}}
	w.Expect(k8s.Create(w.ctx(), ns)).To(Succeed())
	w.ns = ns.Name
	w.sim = simulator.New(simulator.Options{Key: key})
	w.parent = w.sim.AddParent(simulator.Parent{Name: "acme-telephony", Email: "owner@acme.example"})
	w.meetStrangers()

	api, err := apiServerFront(w.tap, config, w.ns)
	w.Expect(err).NotTo(HaveOccurred())
	provider, apiServer := front(w.tap, providerFront(w.tap, w.sim.Handler())), front(w.tap, api)
	t.Cleanup(func() {
		provider.CloseClientConnections()
		apiServer.CloseClientConnections()
		provider.Close()
		apiServer.Close()
	})
	w.endpoint = provider.URL
	w.operator = newOperator(t, apiServer.URL, w.endpoint)
	w.tap.kill = w.operator.kill
	t.Cleanup(w.explain)
	return w
}

func (w *world) ctx() context.Context { return w.t.Context() }

// start starts the operator, anew if it ran before.
func (w *world) start() {
	w.tap.begin()
	w.operator.start()
}

// explain says what the operator did, where that was wrong.
func (w *world) explain() {
	if !w.t.Failed() {
		return
	}
	for _, s := range w.tap.taken() {
		w.t.Logf("step: %s (answered: %v)", s.what, s.answered)
	}
	for _, name := range w.operator.logs {
		log, _ := os.ReadFile(name)
		lines := strings.Split(strings.TrimSpace(string(log)), "\n")
		w.t.Logf("%s:\n%s", name, strings.Join(lines[max(0, len(lines)-20):], "\n"))
	}
}

// account is a child account that somebody else made.
func (w *world) account(name string) simulator.Account {
	return simulator.Account{ParentID: w.parent.ID, Fields: simulator.Fields{
		"account_name": name, "account_email": name + "@acme.example", "active": true, "location": "Asia/Tokyo",
	}}
}

// meetStrangers makes accounts that the operator must leave alone. Those under its parent are each nearly the resource's
// own: all of its name but the end, its e-mail but for the domain, or its very claim; a claim without the name is none.
func (w *world) meetStrangers() {
	own := account.Claim{Installation: installation, Namespace: w.ns, Name: name}
	others := own
	others.Installation = "other"
	w.addForeign(w.sim.AddStranger("acme-stranger", "stranger@else.example"))
	w.addForeign(w.sim.PutAccount(w.account("acme-unmanaged")))
	w.addForeign(w.sim.PutAccount(w.with(w.account(name+"-x"), own)))
	w.addForeign(w.sim.PutAccount(w.with(w.account(name+"x"), others)))
	cousin := w.account("acme-cras")
	cousin.Fields["account_email"] = name + "@acme.example.org"
	w.addForeign(w.sim.PutAccount(cousin))
}

func (w *world) addForeign(a simulator.Account) { w.foreign = append(w.foreign, a) }

// with is the account with a claim.
func (*world) with(a simulator.Account, claim account.Claim) simulator.Account {
	a.Fields["account_custom_data"] = claim.CustomData()
	return a
}

// create creates an object in the world's namespace.
func (w *world) create(o client.Object) {
	o.SetNamespace(w.ns)
	w.Expect(k8s.Create(w.ctx(), o)).To(Succeed())
}

// input is a Secret that the operator may read.
func input(name, key string, value []byte) *corev1.Secret {
	return &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Name: name, Labels: map[string]string{v1alpha1.LabelInput: "true"}},
		Data:       map[string][]byte{key: value},
	}
}

// createParent creates the credentials and the ParentAccount. Its list is read at the start and then not for minutes: what
// a crash has left open must not wait for that.
func (w *world) createParent(change ...func(*v1alpha1.ParentAccount)) {
	w.create(input("voximplant", "credentials.json", w.sim.Credentials(w.parent.ID, simulator.RoleOwner)))
	p := &v1alpha1.ParentAccount{ObjectMeta: metav1.ObjectMeta{Name: "acme"}, Spec: v1alpha1.ParentAccountSpec{
		Voximplant: v1alpha1.VoximplantParent{
			CredentialsSecretRef: v1alpha1.SecretKeyReference{Name: "voximplant"},
			Endpoint:             &w.endpoint,
		},
		Limits: &v1alpha1.Limits{RequestsPerSecond: ptr.To[int32](500)},
	}}
	for _, f := range change {
		f(p)
	}
	w.create(p)
}

// createChild creates a ChildAccount that declares an e-mail and a location.
func (w *world) createChild(name string, change ...func(*v1alpha1.ChildAccount)) {
	c := &v1alpha1.ChildAccount{ObjectMeta: metav1.ObjectMeta{Name: name}, Spec: v1alpha1.ChildAccountSpec{
		ParentRef: v1alpha1.ParentReference{Name: "acme"}, Email: name + "@acme.example", Location: ptr.To("Europe/Berlin"),
	}}
	for _, f := range change {
		f(c)
	}
	w.create(c)
}

// edit changes an object as a person would, trying again where that was overtaken.
func edit[T client.Object](w *world, name string, o T, change func(T)) {
	w.Eventually(func(g Gomega) {
		g.Expect(k8s.Get(w.ctx(), client.ObjectKey{Namespace: w.ns, Name: name}, o)).To(Succeed())
		change(o)
		g.Expect(k8s.Update(w.ctx(), o)).To(Succeed())
	}).WithTimeout(patience).Should(Succeed())
}

func (w *world) editChild(name string, change func(*v1alpha1.ChildAccount)) {
	edit(w, name, &v1alpha1.ChildAccount{}, change)
}

// patience is for how long a run may take to come to its end (CRASH_PATIENCE=10s).
var patience = func() time.Duration {
	if d, err := time.ParseDuration(os.Getenv("CRASH_PATIENCE")); err == nil {
		return d
	}
	return time.Minute
}()

// eventually waits until all of it holds, unless something was done meanwhile that must never be.
func (w *world) eventually(holds func(g Gomega)) {
	w.Eventually(func(g Gomega) {
		if violated := w.violated(); violated != "" {
			StopTrying(violated).Now()
		}
		holds(g)
	}).WithTimeout(patience).WithPolling(120 * time.Millisecond).Should(Succeed())
}
