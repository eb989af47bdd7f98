package engine_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/events"
	clocktesting "k8s.io/utils/clock/testing"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"cpaas.dev/child-account-operator/api/v1alpha1"
	"cpaas.dev/child-account-operator/internal/account"
	"cpaas.dev/child-account-operator/internal/changeguard"
	"cpaas.dev/child-account-operator/internal/conditions"
	"cpaas.dev/child-account-operator/internal/directory"
	"cpaas.dev/child-account-operator/internal/engine"
	"cpaas.dev/child-account-operator/internal/pacing"
	"cpaas.dev/child-account-operator/internal/provider"
	"cpaas.dev/child-account-operator/internal/provider/fake"
	"cpaas.dev/child-account-operator/internal/secrets"
)

// ownSchema is what of the parent account itself the provider of these tests can change.
var ownSchema = account.Schema{
	{Path: "languageCode", Updatable: true, Readable: true, Canonical: account.CanonicalLanguage},
	{Path: "location", Updatable: true, Readable: true, Check: func(v string) error {
		if v == "Mars" {
			return errors.New("is no time zone")
		}
		return nil
	}},
	{Path: "notifications.news", Kind: account.KindBool, Updatable: true, Readable: true},
	{Path: "profile.firstName", Updatable: true, Readable: true, OmittedEmpty: true},
	{Path: "profile.storeInboundSMS", Kind: account.KindBool, Updatable: true},
}

// The calls for the parent account itself.
const (
	callRead, callUpdate                = "Own", "UpdateOwn"
	callPlans, callOffers, callBuy      = "Plans", "PlanOffers", "ChangePlan"
	writeStatus                         = "status"
	ownConnection, laterOwnCredentials  = "credentials", "other credentials"
	ownParentID, ownSalt, ownSaltSecret = "4711", "s4lt-of-the-parent", "acme-salt"
)

// ownProvider is a provider whose parent account can be changed, and has plans.
type ownProvider struct {
	provider.Parent

	state  account.State
	salt   account.Secret
	plans  []account.Plan
	offers []account.Plan
	// calls are those that came in, with the fields of an update.
	calls []string
	// fails are the errors of the next calls by method; those with OutcomeUnknown are carried out all the same.
	fails map[string][]account.Error
	// forgetful has changes be accepted and not be kept.
	forgetful bool
	// meanwhile, where set, is told of each call before it is carried out.
	meanwhile func(call string)
}

func (p *ownProvider) call(method, detail string, do func()) error {
	if p.meanwhile != nil {
		p.meanwhile(method)
	}
	p.calls = append(p.calls, strings.TrimSpace(method+" "+detail))
	if next := p.fails[method]; len(next) > 0 {
		p.fails[method] = next[1:]
		e := next[0]
		if e.Method = method; e.OutcomeUnknown && e.Code == 0 {
			do()
		}
		return &e
	}
	do()
	return nil
}

func (*ownProvider) OwnFields() account.Schema { return ownSchema }

func (p *ownProvider) Own(context.Context) (a account.Account, err error) {
	err = p.call(callRead, "", func() { a = account.Account{ID: ownParentID, State: p.shown()} })
	return a, err
}

// shown is the account as the provider shows it.
func (p *ownProvider) shown() account.State {
	out := account.State{}
	for path, v := range p.state {
		if f, ok := ownSchema.Field(path); !ok || f.Readable {
			out[path] = v
		}
	}
	return out
}

func (p *ownProvider) UpdateOwn(_ context.Context, changes []account.Change, salt account.Secret) error {
	names := account.FieldNames(changes)
	if salt != "" {
		names += " salt"
	}
	return p.call(callUpdate, strings.TrimSpace(names), func() {
		if !p.forgetful {
			p.state = p.state.With(account.Applied(changes))
		}
		if salt != "" {
			p.salt = salt
		}
	})
}

func (p *ownProvider) Plans(_ context.Context, id string) (out []account.Plan, err error) {
	err = p.call(callPlans, p.for_(id), func() { out = slices.Clone(p.plans) })
	return out, err
}

func (p *ownProvider) PlanOffers(_ context.Context, id string) (out []account.Plan, err error) {
	err = p.call(callOffers, p.for_(id), func() { out = slices.Clone(p.offers) })
	return out, err
}

func (p *ownProvider) ChangePlan(_ context.Context, id string, to account.Plan) error {
	return p.call(callBuy, to.ID+p.for_(id), func() {
		if !p.forgetful {
			p.plans = []account.Plan{{Type: to.Type, ID: to.ID, Charge: "50"}}
		}
	})
}

// for_ is "" for the parent account itself.
func (*ownProvider) for_(id string) string {
	if id == ownParentID {
		return ""
	}
	return " for account " + id
}

// ownKind has no resources.
type ownKind struct{}

func (ownKind) CRD() string { return "childaccounts" }

func (ownKind) Named(context.Context, string) ([]engine.Managed, error) { return nil, nil }

func (ownKind) Bound(context.Context, string, string) ([]engine.Managed, error) { return nil, nil }

func (ownKind) Complete() bool { return true }

func (ownKind) Fleet(_ context.Context, m engine.Managed) (changeguard.Fleet, error) {
	return changeguard.Fleet{Total: 10, Namespace: changeguard.Namespace{Name: m.Object().GetNamespace(), UID: "ns"}}, nil
}

// ownWorld is a ParentAccount of such a provider, and the engine between them.
type ownWorld struct {
	testing.TB
	*ownProvider

	client   client.WithWatch
	clock    *clocktesting.FakeClock
	recorder *events.FakeRecorder
	engine   *engine.Engine
	// service has the child accounts.
	service *fake.Service
	parents *directory.Registry
	settled chan struct{}
	// refuse, where set, says which writes of the status fail.
	refuse     func() error
	writes     int
	connection string
	start      engine.StartPolicy
	limits     changeguard.Limits
	// name is the ParentAccount that a pass is for.
	name string
}

func newOwnWorld(t *testing.T) *ownWorld {
	t.Helper()
	service := fake.New(fake.Options{})
	w := &ownWorld{
		TB: t, service: service, clock: clocktesting.NewFakeClock(time.Date(2026, 5, 6, 7, 8, 9, 0, time.UTC)), connection: ownConnection, name: "acme",
		ownProvider: &ownProvider{
			Parent: service.Remote(), fails: map[string][]account.Error{},
			state:  account.State{"languageCode": "en", "location": "Etc/UTC", "notifications.news": "true", "profile.storeInboundSMS": "false"},
			plans:  []account.Plan{{Type: "MAU", ID: "10", Charge: "5"}},
			offers: []account.Plan{{Type: "MAU", ID: "11", Name: "Start", Charge: "50"}, {Type: "MAU", ID: "12", Name: "Large", Charge: "90.5"}},
		},
		limits: changeguard.Limits{Percent: 100, Minimum: 10, Window: 10 * time.Minute, DeactivationsPerHour: 50},
	}
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{corev1.AddToScheme, v1alpha1.AddToScheme} {
		if err := add(scheme); err != nil {
			t.Fatal(err)
		}
	}
	salt := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: ownSaltSecret, Labels: map[string]string{v1alpha1.LabelInput: "true"}}}
	salt.Data = map[string][]byte{"salt": []byte(ownSalt)}
	w.client = interceptor.NewClient(fakeKubernetes(scheme).WithObjects(salt).WithStatusSubresource(&v1alpha1.ParentAccount{}).Build(), interceptor.Funcs{
		SubResourcePatch: func(ctx context.Context, c client.Client, sub string, o client.Object, p client.Patch, opts ...client.SubResourcePatchOption) error {
			w.calls = append(w.calls, writeStatus)
			w.writes++
			if w.refuse != nil {
				if err := w.refuse(); err != nil {
					return err
				}
			}
			return c.SubResource(sub).Patch(ctx, o, p, opts...)
		},
	})
	w.recorder = events.NewFakeRecorder(1000)
	w.declare("acme", func(p *v1alpha1.ParentAccount) {})
	w.restart()
	return w
}

// declare creates a ParentAccount of the account.
func (w *ownWorld) declare(name string, change func(*v1alpha1.ParentAccount)) {
	w.Helper()
	p := &v1alpha1.ParentAccount{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name, UID: types.UID("uid-" + name), Generation: 1, CreationTimestamp: metav1.NewTime(w.clock.Now())}}
	change(p)
	if err := w.client.Create(w.Context(), p); err != nil {
		w.Fatal(err)
	}
	p.Status.AccountID, p.Status.ObservedGeneration = ownParentID, 1
	p.Status.Conditions = []metav1.Condition{{Type: v1alpha1.ConditionReady, Status: metav1.ConditionTrue, Reason: v1alpha1.ReasonAvailable, LastTransitionTime: metav1.NewTime(w.clock.Now())}}
	if err := w.client.Status().Update(w.Context(), p); err != nil {
		w.Fatal(err)
	}
}

// edit changes the ParentAccount's spec.
func (w *ownWorld) edit(change func(*v1alpha1.ParentAccount)) {
	w.Helper()
	p := w.object()
	change(p)
	p.Generation++
	if err := w.client.Update(w.Context(), p); err != nil {
		w.Fatal(err)
	}
	w.connect()
}

func (w *ownWorld) object() *v1alpha1.ParentAccount {
	w.Helper()
	p := &v1alpha1.ParentAccount{}
	if err := w.client.Get(w.Context(), client.ObjectKey{Namespace: namespace, Name: w.name}, p); err != nil {
		w.Fatal(err)
	}
	return p
}

func stateOfOwn(p *v1alpha1.ParentAccount) string { return fmt.Sprintf("%s/%d", p.UID, p.Generation) }

// restart has a new process take over, which connects.
func (w *ownWorld) restart() {
	w.Helper()
	w.parents, w.settled = &directory.Registry{}, make(chan struct{}, 100)
	w.engine = engine.New(engine.Config{
		Client: w.client, Kind: ownKind{}, Table: conditions.Children, Connected: w.parents, Inputs: secrets.Reader{Labelled: w.client, Live: w.client},
		Recorder: conditions.NewEventRecorder(w.recorder), Clock: w.clock, Wake: func(ctrl.Request, bool) {}, Installation: "prod",
		Alarm: func(types.NamespacedName) { w.settled <- struct{}{} },
	})
	w.connect()
	w.engine.Starts.Begin(w.Context(), w.parent(w.object()), nil, nil)
}

// connect has the ParentAccount be connected as it is now.
func (w *ownWorld) connect() {
	w.Helper()
	p := w.object()
	key := client.ObjectKeyFromObject(p)
	dir := w.parents.Former(key)
	if dir == nil || dir.Connection != w.connection {
		dir = &directory.Parent{
			Directory: directory.New(w.ownProvider, w.clock), Budget: pacing.NewBudget(1000, 100), AccountID: ownParentID, AccountName: "acme-telephony",
			Connection: w.connection, Own: directory.OwnAccount{State: w.shown(), At: w.clock.Now()},
		}
		if err := dir.Refresh(w.Context(), directory.Known{}); err != nil {
			w.Fatal(err)
		}
	}
	dir.Verified = stateOfOwn(p)
	w.parents.Put(key, dir)
}

func (w *ownWorld) parent(p *v1alpha1.ParentAccount) *engine.Parent {
	out := &engine.Parent{
		Key: client.ObjectKeyFromObject(p), State: stateOfOwn(p), Resync: 5 * time.Minute, Guarded: changeguard.Parent{Key: client.ObjectKeyFromObject(p), UID: p.UID},
		Limits: w.limits, Start: w.start,
	}
	if hashes := p.Annotations[v1alpha1.AnnotationApproveMassChange]; hashes != "" {
		out.Approvals = strings.Split(hashes, ",")
	}
	if hashes := p.Annotations[v1alpha1.AnnotationApproveStart]; hashes != "" {
		out.Start.Approvals = strings.Split(hashes, ",")
	}
	return out
}

// pass makes one pass, and returns when the next is wanted and what was done in it: calls, and writes of the status.
func (w *ownWorld) pass() (pause time.Duration, done string) {
	w.Helper()
	before := len(w.calls)
	p := w.object()
	pause = engine.KeepOwnAccount(w.Context(), w.engine, w.parent(p), p, 0)
	return pause, strings.Join(w.calls[before:], ", ")
}

// expectPass makes a pass and compares what was done in it.
func (w *ownWorld) expectPass(what, want string) {
	w.Helper()
	if _, done := w.pass(); done != want {
		w.Errorf("%s: %q, want %q; %s", what, done, want, w.said())
	}
}

// said are the conditions about the account itself, each with its reason, and the message of those that are not True.
func (w *ownWorld) said() string {
	w.Helper()
	var out []string
	for _, kind := range []string{v1alpha1.ConditionAccountSynced, v1alpha1.ConditionPlansSynced} {
		if c := meta.FindStatusCondition(w.object().Status.Conditions, kind); c != nil {
			out = append(out, fmt.Sprintf("%s %s %s: %s", kind, c.Status, c.Reason, c.Message))
		}
	}
	return strings.Join(out, "; ")
}

// expectSaid compares the condition of a kind, "<status> <reason>" or "" for none, and parts of its message.
func (w *ownWorld) expectSaid(kind, want string, parts ...string) {
	w.Helper()
	got, message := "", ""
	if c := meta.FindStatusCondition(w.object().Status.Conditions, kind); c != nil {
		got, message = string(c.Status)+" "+c.Reason, c.Message
	}
	if got != want {
		w.Errorf("%s is %q, want %q: %s", kind, got, want, message)
	}
	for _, part := range parts {
		if !strings.Contains(message, part) {
			w.Errorf("%q lacks %q", message, part)
		}
	}
}

// emitted are the reasons of the events since it was last asked.
func (w *ownWorld) emitted() string {
	var out []string
	for {
		select {
		case e := <-w.recorder.Events:
			out = append(out, strings.Fields(e)[1])
			if strings.Contains(e, ownSalt) {
				w.Errorf("an event shows the salt: %s", e)
			}
		default:
			return strings.Join(out, " ")
		}
	}
}
