package engine_test

import (
	"cmp"
	"context"
	"errors"
	"maps"
	"strings"
	"sync"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	"k8s.io/apimachinery/pkg/types"
	clienttesting "k8s.io/client-go/testing"
	"k8s.io/client-go/tools/events"
	clocktesting "k8s.io/utils/clock/testing"
	"k8s.io/utils/ptr"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	fakeclient "sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"cpaas.dev/child-account-operator/api/v1alpha1"
	"cpaas.dev/child-account-operator/internal/account"
	"cpaas.dev/child-account-operator/internal/changeguard"
	"cpaas.dev/child-account-operator/internal/conditions"
	"cpaas.dev/child-account-operator/internal/directory"
	"cpaas.dev/child-account-operator/internal/engine"
	"cpaas.dev/child-account-operator/internal/pacing"
	"cpaas.dev/child-account-operator/internal/plan"
	"cpaas.dev/child-account-operator/internal/provider/fake"
	"cpaas.dev/child-account-operator/internal/secrets"
)

const namespace = "telephony"

// world is a Kubernetes API and a provider in memory, and the engine between them.
type world struct {
	testing.TB

	client client.WithWatch
	// cache is what the engine has in place of reads of the Kubernetes API; nil is one that is never behind.
	cache  client.WithWatch
	writes int
	// refusing has the Kubernetes API refuse patches of Secrets.
	refusing bool
	// refuse, where set, says with which error the Kubernetes API refuses to patch a Secret; nil for none.
	refuse func(*corev1.Secret) error
	// written are the writes by verb and kind; meanwhile, where set, is told of each before it is carried out.
	written   []string
	meanwhile func(write string)
	// tap, where set, is told of each call about service-account keys before it is made.
	tap func(call string)
	// beforeGet, where set, is told of each read of one object before it is carried out.
	beforeGet func(client.Object)
	// priorities are those of the last update of an account by its parent (false), and acting as the account (true).
	priorities sync.Map
	// failing, where set, says which writes fail, as they do where the process is killed before.
	failing func(write string) error
	// events are those that were emitted.
	events  *events.FakeRecorder
	service *fake.Service
	options fake.Options
	clock   *clocktesting.FakeClock
	parent  *engine.Parent
	parents *directory.Registry
	dir     *directory.Parent
	engine  *engine.Engine
	lines   *lines
	// woken are the resources that the engine has put into its queue.
	woken chan types.NamespacedName
	// stored are the deactivations in the parent's status.
	stored changeguard.Stored
}

// fakeKubernetes builds a Kubernetes API in memory without managed fields, which only server-side apply needs. To keep them took as
// much as half of all that these tests do.
func fakeKubernetes(scheme *runtime.Scheme) *fakeclient.ClientBuilder {
	tracker := clienttesting.NewObjectTracker(scheme, serializer.NewCodecFactory(scheme).UniversalDecoder())
	return fakeclient.NewClientBuilder().WithScheme(scheme).WithObjectTracker(tracker)
}

func newWorld(t testing.TB, o fake.Options) *world {
	t.Helper()
	w := &world{TB: t, service: fake.New(o), options: o, clock: clocktesting.NewFakeClock(time.Now())}
	scheme := runtime.NewScheme()
	addLines(scheme)
	if err := corev1.AddToScheme(scheme); err != nil {
		t.Fatal(err)
	}
	w.client = interceptor.NewClient(fakeKubernetes(scheme).WithStatusSubresource(&Line{}).Build(), interceptor.Funcs{
		Get: func(ctx context.Context, c client.WithWatch, key client.ObjectKey, o client.Object, opts ...client.GetOption) error {
			if _, surroundings := o.(*metav1.PartialObjectMetadata); surroundings {
				return nil // neither the namespace nor the CRD is being deleted
			}
			if w.beforeGet != nil {
				w.beforeGet(o)
			}
			return c.Get(ctx, key, o, opts...)
		},
		Patch: func(ctx context.Context, c client.WithWatch, o client.Object, p client.Patch, opts ...client.PatchOption) error {
			if err := w.note("patch", o); err != nil {
				return err
			}
			if _, secret := o.(*corev1.Secret); secret && w.refusing {
				return errors.New("the Kubernetes API is away")
			}
			if s, secret := o.(*corev1.Secret); secret && w.refuse != nil {
				if err := w.refuse(s); err != nil {
					return err
				}
			}
			return c.Patch(ctx, o, p, opts...)
		},
		SubResourcePatch: func(ctx context.Context, c client.Client, sub string, o client.Object, p client.Patch, opts ...client.SubResourcePatchOption) error {
			if err := w.note("patch "+sub+" of", o); err != nil {
				return err
			}
			return c.SubResource(sub).Patch(ctx, o, p, opts...)
		},
		Create: func(ctx context.Context, c client.WithWatch, o client.Object, opts ...client.CreateOption) error {
			if err := w.note("create", o); err != nil {
				return err
			}
			return c.Create(ctx, o, opts...)
		},
	})
	w.events = events.NewFakeRecorder(10000)
	w.lines = &lines{Reader: w.client, namespaceUID: "first"}
	w.start()
	return w
}

// note notes a write. An error says that it fails.
func (w *world) note(verb string, o client.Object) error {
	w.writes++
	kind := "Line"
	if _, secret := o.(*corev1.Secret); secret {
		kind = "Secret"
	}
	write := verb + " " + kind
	w.written = append(w.written, write)
	if meanwhile := w.meanwhile; meanwhile != nil {
		meanwhile(write)
	}
	if w.failing != nil {
		return w.failing(write)
	}
	return nil
}

// start has a new process take over: it remembers nothing, and reads the list.
func (w *world) start() {
	w.Helper()
	key := types.NamespacedName{Namespace: namespace, Name: "acme"}
	w.dir = &directory.Parent{
		Directory: directory.New(w.remote(), w.clock), Budget: pacing.NewBudget(1000, 100), AccountID: "parent", Endpoint: "https://api.example",
		Connection: "credentials", Verified: "parent/1",
	}
	w.parents = &directory.Registry{}
	w.parents.Put(key, w.dir)
	limits := changeguard.Limits{Percent: 100, Minimum: 100, Window: 10 * time.Minute, DeactivationsPerHour: 50}
	if w.parent != nil {
		limits = w.parent.Limits
	}
	w.parent = &engine.Parent{
		Key: key, State: "parent/1", StatusUpToDate: true, Resync: 5 * time.Minute, Guarded: changeguard.Parent{Key: key, UID: "parent"},
		Limits:     limits,
		Conditions: []metav1.Condition{{Type: v1alpha1.ConditionReady, Status: metav1.ConditionTrue}},
		Storage:    w, ResourceVersion: "1",
		Deactivations: func() []changeguard.Deactivation { return w.stored.Deactivations },
	}
	w.woken = make(chan types.NamespacedName, 1000)
	w.engine = engine.New(engine.Config{
		Client: cmp.Or(w.cache, w.client), Kind: w.lines, Table: w.table(), Parents: w, Connected: w.parents,
		Connections: secrets.Store{Client: w.client, Live: w.client}, Inputs: secrets.Reader{Labelled: w.client, Live: w.client},
		Recorder: conditions.NewEventRecorder(w.events), Clock: w.clock, Installation: "prod",
		Wake: func(req ctrl.Request, _ bool) { w.woken <- req.NamespacedName },
	})
	w.list()
}

// table is the condition table of a kind whose accounts the provider has.
func (w *world) table() conditions.Table {
	if w.options == claimless {
		return conditions.SubAccounts
	}
	return conditions.Children
}

// Write implements changeguard.Storage.
func (w *world) Write(_ context.Context, s changeguard.Stored) (string, error) {
	w.stored = s
	return "1", nil
}

// Read implements changeguard.Storage.
func (w *world) Read(context.Context) (changeguard.Stored, error) { return w.stored, nil }

// Find implements engine.Parents.
func (w *world) Find(context.Context, engine.Managed, types.NamespacedName) (*engine.Parent, *plan.Stop, error) {
	return w.parent, nil, nil
}

// Usable implements engine.Parents.
func (w *world) Usable(context.Context, engine.Managed) bool { return true }

// Ours implements engine.Parents.
func (w *world) Ours(context.Context, engine.Managed) (ours, orphan bool, err error) {
	return true, false, nil
}

// list reads the provider's list twice: what two lists don't have is missing.
func (w *world) list() {
	for range 2 {
		_ = w.dir.Refresh(w.Context(), directory.Known{}) // how it went is in the directory
		w.judge()
	}
}

// judge has it decided which missing accounts are believed to be missing.
func (w *world) judge() (verdict *changeguard.Disbelief, changed bool) {
	all, err := w.lines.all(w.Context())
	if err != nil {
		w.Fatal(err)
	}
	return w.engine.JudgeAbsences(w.parent, w.dir, func(yield func(engine.Managed) bool) {
		for i := range all {
			if !yield(managedLine{&all[i]}) {
				return
			}
		}
	})
}

// name is that of the only account of most tests.
const name = "child-1"

// declared is a line that declares a value for most fields, and its account's name.
func (w *world) declared(name string) *Line {
	l := &Line{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name, Generation: 1, UID: types.UID("uid-" + name)}}
	l.Spec = LineSpec{
		Login: ptr.To("login-" + name), Contact: name + "@acme.example", Tongue: ptr.To("de"), Nickname: ptr.To("nick"),
		Limits: &LineLimits{Credit: ptr.To("5.00")}, Region: ptr.To("north"),
	}
	return l
}

// apply creates a line and reconciles it.
func (w *world) apply(l *Line) {
	w.Helper()
	if err := w.client.Create(w.Context(), l); err != nil {
		w.Fatal(err)
	}
	w.reconcile(l.Name)
}

// edit changes a line's spec, and reconciles it.
func (w *world) edit(name string, change func(*Line)) {
	w.Helper()
	l := w.line(name)
	change(l)
	l.Generation++
	if err := w.client.Update(w.Context(), l); err != nil {
		w.Fatal(err)
	}
	w.reconcile(name)
}

func (w *world) line(name string) *Line {
	w.Helper()
	l := &Line{}
	if err := w.client.Get(w.Context(), client.ObjectKey{Namespace: namespace, Name: name}, l); err != nil {
		w.Fatal(err)
	}
	return l
}

// reconcile reconciles a line once.
func (w *world) reconcile(name string) ctrl.Result {
	w.Helper()
	result, err := w.engine.Reconcile(w.Context(), managedLine{w.line(name)})
	if err != nil {
		w.Logf("reconcile %s: %v", name, err)
	}
	return result
}

// settle reconciles a line until it is at rest, with all the time that it asks for, and new lists.
func (w *world) settle(name string) {
	w.Helper()
	for range 10 {
		pause := w.reconcile(name).RequeueAfter
		if pause == 0 && !w.engine.NeedsWork(w.Context(), managedLine{w.line(name)}) {
			return
		}
		w.clock.Step(max(pause, time.Second))
		w.list()
	}
	w.Fatalf("%s does not come to rest: %s", name, w.said(name))
}

// said is the reason of the Synced condition, with the status of Ready.
func (w *world) said(name string) string {
	w.Helper()
	st := w.line(name).Status
	ready, synced := meta.FindStatusCondition(st.Conditions, v1alpha1.ConditionReady), meta.FindStatusCondition(st.Conditions, v1alpha1.ConditionSynced)
	if ready == nil || synced == nil {
		return "nothing"
	}
	return string(ready.Status) + " " + synced.Reason
}

func (w *world) expect(name, want string) {
	w.Helper()
	if got := w.said(name); got != want {
		w.Fatalf("%s: %s, want %s: %s", name, got, want, w.message(name))
	}
}

func (w *world) message(name string) string {
	if c := meta.FindStatusCondition(w.line(name).Status.Conditions, v1alpha1.ConditionSynced); c != nil {
		return c.Message
	}
	return ""
}

// account is the only account that there is.
func (w *world) account() account.Account {
	w.Helper()
	ids := w.service.Accounts()
	if len(ids) != 1 {
		w.Fatalf("there are accounts %v, want one", ids)
	}
	a, _ := w.service.Account(ids[0])
	return a
}

// expectValues compares the account with values by path.
func (w *world) expectValues(want account.State) {
	w.Helper()
	a, schema := w.account(), w.service.Fields()
	for path, v := range want {
		if f, _ := schema.Field(path); f.Normal(a.State[path]) != f.Normal(v) {
			w.Errorf("%s is %q, want %q", path, a.State[path], v)
		}
	}
}

// secret is what the connection Secret holds.
func (w *world) secret(name string) map[string]string {
	w.Helper()
	s := &corev1.Secret{}
	if err := w.client.Get(w.Context(), client.ObjectKey{Namespace: namespace, Name: name + "-connection"}, s); err != nil {
		w.Fatal(err)
	}
	out := map[string]string{}
	for k, v := range s.Data {
		out[k] = string(v)
	}
	return out
}

// password writes the Secret with a declared password.
func (w *world) password(value string) {
	w.Helper()
	w.input("declared", "password", value)
}

// input writes a labelled Secret that a resource refers to, with a value under a key.
func (w *world) input(secret, key, value string) {
	w.Helper()
	s := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: secret, Labels: map[string]string{v1alpha1.LabelInput: "true"}}}
	s.Data = map[string][]byte{key: []byte(value)}
	err := w.client.Create(w.Context(), s)
	if err != nil {
		err = w.client.Update(w.Context(), s)
	}
	if err != nil {
		w.Fatal(err)
	}
}

// expectPassword compares the account's password with the one that is known of it.
func (w *world) expectPassword(want string) {
	w.Helper()
	if w.options.NoPasswords {
		return
	}
	if got := w.service.Password(w.account().ID).Reveal(); got != want || want == "" {
		w.Errorf("the account has another password than %d characters that are known", len(want))
	}
}

// expectRest checks that nothing is written or called any more.
func (w *world) expectRest(name string) {
	w.Helper()
	calls, writes := len(w.service.Calls()), w.writes
	if w.engine.NeedsWork(w.Context(), managedLine{w.line(name)}) {
		p, err := w.engine.Plan(w.Context(), managedLine{w.line(name)})
		w.Errorf("%s needs work at rest: %s, %v", name, p, err)
	}
	w.reconcile(name)
	if n := len(w.service.Calls()) - calls; n != 0 || w.writes != writes {
		w.Errorf("%s at rest: %d calls, %d writes", name, n, w.writes-writes)
	}
}

// values are those that a line declares, by path.
func values(l *Line, change account.State) account.State {
	out := account.State{
		fake.PathLogin: *l.Spec.Login, fake.PathContact: l.Spec.Contact, fake.PathTongue: *l.Spec.Tongue, fake.PathNickname: *l.Spec.Nickname,
		fake.PathCredit: *l.Spec.Limits.Credit, fake.PathRegion: *l.Spec.Region,
	}
	maps.Copy(out, change)
	return out
}

// hash is what approves the changes that a message is about.
func hash(message string) string {
	_, hash, _ := strings.Cut(message, v1alpha1.AnnotationApproveMassChange+"=")
	return hash
}
