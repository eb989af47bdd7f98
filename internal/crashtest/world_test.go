package crashtest

import (
	"context"
	"os"
	"slices"
	"strings"
	"sync/atomic"
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

// world is what one run has for its own: a namespace, and a provider. It shares the operator between the two with others.
type world struct {
	Gomega
	t        *testing.T
	group    *group
	ns       string
	sim      *simulator.Simulator
	parent   simulator.Parent
	endpoint string
	tap      *tap
	// foreign are accounts that the operator must leave alone.
	foreign []simulator.Account
	// master is the master account of a SubAccount, foreignSubs are sub-accounts of it that the operator must leave alone.
	master      simulator.Master
	foreignSubs []simulator.SubAccount
	// passwordBefore is a generated password that is not to be any more.
	passwordBefore string
	// passwordHandedOver is the one that goes along with an account.
	passwordHandedOver string
}

// worlds counts the worlds. An operator takes accounts of one id for the same account, at whatever address: each world has idsOfWorld ids
// of its own, from its parent's on. The simulator's own ids are less than firstID.
var worlds atomic.Int64

const firstID, idsOfWorld = 10_000_000_000, 1_000_000

// newWorld makes a world and has the group wait for it, until it is left.
func newWorld(t *testing.T, g *group) *world {
	w := &world{Gomega: NewWithT(t), t: t, group: g, tap: &tap{operator: g.operator}}
	w.tap.arm()
	w.tap.wrongly = w.wrongly
	ns := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{GenerateName: "crash-"}}
	w.Expect(k8s.Create(w.ctx(), ns)).To(Succeed())
	w.ns = ns.Name
	w.sim = simulator.New(simulator.Options{Key: key})
	w.parent = w.sim.AddParent(simulator.Parent{ID: firstID + idsOfWorld*worlds.Add(1), Name: "acme-telephony", Email: "owner@acme.example"})
	w.meetStrangers()
	w.endpoint = g.serve(front(&g.operator.lives, providerFront(w.tap, w.sim.Handler())))
	g.join(w)
	return w
}

// leave is for the end of a world's run, however that ends.
func (w *world) leave() {
	w.explain()
	w.group.leave()
}

func (w *world) ctx() context.Context { return w.t.Context() }

// meet waits for the other worlds of the group and has something done for all of them.
func (w *world) meet(then func() error) {
	w.Expect(w.group.meet(then)).To(Succeed())
}

// explain says what the operator did, where that was wrong.
func (w *world) explain() {
	if !w.t.Failed() {
		return
	}
	for _, s := range w.tap.taken() {
		w.t.Logf("step: %s (answered: %v)", s.what, s.answered)
	}
	for _, name := range w.group.operator.logFiles() {
		log, _ := os.ReadFile(name)
		lines := strings.Split(strings.TrimSpace(string(log)), "\n")
		lines = slices.DeleteFunc(lines, func(line string) bool { return strings.Contains(line, `"crash-`) && !strings.Contains(line, w.ns) }) // another world's
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

const (
	// polling is how often it is asked whether anything has happened, settling how long nothing has to before all is looked at, and
	// relooking how long after that at the latest it is looked at again. Each look is some requests, which cost more than all waiting.
	polling, settling, relooking = 50 * time.Millisecond, 100 * time.Millisecond, time.Second
)

// eventually waits until all of it holds, unless something was done meanwhile that must never be.
func (w *world) eventually(holds func(g Gomega)) {
	seen, looked, failed := -1, time.Now(), "nothing has come to rest"
	w.Eventually(func() (string, error) {
		steps := w.tap.count()
		if (steps == seen || w.tap.quiet() < settling) && time.Since(looked) < relooking {
			return failed, nil
		}
		seen, looked = steps, time.Now()
		if violated := w.violated(); violated != "" {
			return "", StopTrying(violated)
		}
		failed = failureOf(holds)
		return failed, nil
	}).WithTimeout(patience).WithPolling(polling).Should(BeEmpty())
}

// failureOf is what does not hold, "" where all does.
func failureOf(holds func(g Gomega)) (failure string) {
	type failed struct{}
	defer func() {
		p := recover()
		if _, ok := p.(failed); p != nil && !ok {
			panic(p)
		}
	}()
	holds(NewGomega(func(message string, _ ...int) {
		failure = message
		panic(failed{})
	}))
	return ""
}
