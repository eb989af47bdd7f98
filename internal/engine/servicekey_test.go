package engine_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"cpaas.dev/child-account-operator/api/v1alpha1"
	"cpaas.dev/child-account-operator/internal/account"
	"cpaas.dev/child-account-operator/internal/pacing"
	"cpaas.dev/child-account-operator/internal/provider"
	"cpaas.dev/child-account-operator/internal/provider/fake"
	"cpaas.dev/child-account-operator/internal/secrets"
)

// everything is a Remote with all that the provider in memory can do.
type everything interface { //nolint:interfacebloat // all that there is
	provider.Parent
	provider.Claimer
	provider.PasswordSetter
	provider.PasswordChecker
	provider.KeyRecoverer
	provider.ServiceKeyer
	provider.Planner
	provider.Cloner
	provider.CallbackSalter
}

// tapped is a Remote whose calls about service-account keys are told of before, and whose updates are noted with their priority.
type tapped struct {
	everything

	w *world
}

func (t tapped) tell(call string) {
	if t.w.tap != nil {
		t.w.tap(call)
	}
}

func (t tapped) Update(ctx context.Context, u provider.Update) error {
	t.w.priorities.Store(u.Changes[0].Field.Delegated, pacing.PriorityOf(ctx))
	return t.everything.Update(ctx, u)
}

func (t tapped) CreateServiceKey(ctx context.Context, id string, n provider.NewServiceKey) (provider.ServiceKey, error) {
	t.tell("create")
	return t.everything.CreateServiceKey(ctx, id, n)
}

func (t tapped) ServiceKeys(ctx context.Context, id string) ([]provider.ServiceKey, error) {
	t.tell("list")
	return t.everything.ServiceKeys(ctx, id)
}

func (t tapped) DeleteServiceKey(ctx context.Context, id, keyID string) error {
	t.tell("delete")
	return t.everything.DeleteServiceKey(ctx, id, keyID)
}

// remote is a connection to the service.
func (w *world) remote() provider.Parent {
	remote := w.service.Remote()
	if all, ok := remote.(everything); ok {
		return tapped{all, w}
	}
	return remote
}

// month is how old a key gets.
const month = 720 * time.Hour

// withKey is a line that declares a service-account key.
func (w *world) withKey(roles ...string) *Line {
	l := w.declared(name)
	l.Spec.Key = &LineKey{Roles: roles, RotateAfter: month}
	return l
}

// longPause is that of a resource that is at rest, or whose key was refused.
const longPause = 10 * time.Minute

// rest reconciles the line until nothing is left to do now; a minute passes at most for each time.
func (w *world) rest() {
	w.Helper()
	for range 20 {
		pause := w.reconcile(name).RequeueAfter
		if (pause == 0 || pause >= longPause) && !w.engine.NeedsWork(w.Context(), managedLine{w.line(name)}) {
			return
		}
		w.clock.Step(min(max(pause, time.Second), time.Minute))
		w.list()
	}
	w.Fatalf("%s does not come to rest: %s", name, w.said(name))
}

// pass lets time pass; the line is reconciled then.
func (w *world) pass(d time.Duration) {
	w.Helper()
	w.clock.Step(d)
	w.list()
	w.rest()
}

// keyState is the condition of the key: its status and reason, "" where there is none.
func (w *world) keyState() string {
	w.Helper()
	c := meta.FindStatusCondition(w.line(name).Status.Conditions, v1alpha1.ConditionServiceAccountKeyReady)
	if c == nil {
		return ""
	}
	return string(c.Status) + " " + c.Reason
}

func (w *world) keyMessage() string {
	if c := meta.FindStatusCondition(w.line(name).Status.Conditions, v1alpha1.ConditionServiceAccountKeyReady); c != nil {
		return c.Message
	}
	return ""
}

// record is what the connection Secret records of keys.
func (w *world) record() secrets.ServiceKeys {
	w.Helper()
	s := &corev1.Secret{}
	if err := w.client.Get(w.Context(), client.ObjectKey{Namespace: namespace, Name: name + "-connection"}, s); err != nil {
		w.Fatal(err)
	}
	var k secrets.ServiceKeys
	if text := s.Annotations[v1alpha1.AnnotationServiceKeys]; text != "" {
		if err := json.Unmarshal([]byte(text), &k); err != nil {
			w.Fatal(err)
		}
	}
	return k
}

// keys are the ids of the account's keys at the provider.
func (w *world) keys() (ids []string) {
	for _, k := range fake.ServiceKeysOf(w.service, w.account().ID) {
		ids = append(ids, k.ID)
	}
	return ids
}

// expectKey checks that the connection Secret holds the last of the account's keys, of which there are so many.
func (w *world) expectKey(n int) {
	w.Helper()
	all := fake.ServiceKeysOf(w.service, w.account().ID)
	if len(all) != n {
		w.Fatalf("the account has keys %v, want %d; recorded is %+v", w.keys(), n, w.record())
	}
	if n == 0 {
		return
	}
	last, k := all[n-1], w.record()
	if w.secret(name)[secrets.KeyCredentials] != last.Credentials.Reveal() || k.Current == nil || k.Current.ID != last.ID || k.Pending != "" {
		w.Errorf("the Secret does not hold key %s: %+v", last.ID, k)
	}
}

// keyCalls are the numbers of calls about keys.
func (w *world) keyCalls() string {
	return fmt.Sprintf("%d made, %d listed, %d deleted", w.service.Count(fake.MethodCreateServiceKey), w.service.Count(fake.MethodServiceKeys), w.service.Count(fake.MethodDeleteServiceKey))
}

func (w *world) expectCalls(want string) {
	w.Helper()
	if got := w.keyCalls(); got != want {
		w.Errorf("keys: %s; want %s", got, want)
	}
}

// A key is made with the account, costs nothing at rest, is replaced when it is old enough, and the former one is deleted after the
// overlap.
func TestServiceKey(t *testing.T) {
	t.Parallel()
	w := newWorld(t, fake.Options{})
	w.apply(w.withKey("Developer"))
	w.rest()
	w.expect(name, "True Available")
	w.expectKey(1)
	w.expectCalls("1 made, 0 listed, 0 deleted")
	if got := w.keyState(); got != "True Available" {
		t.Errorf("the key is %s: %s", got, w.keyMessage())
	}
	if n := strings.Count(strings.Join(w.written, ","), "patch Secret"); n != 3 { // the account, the attempt, the key
		t.Errorf("writes: %v", w.written)
	}
	w.expectRest(name)
	if after := w.reconcile(name).RequeueAfter; after < month-time.Hour || after > month {
		t.Errorf("looks again after %v", after)
	}
	w.start()
	w.rest()
	w.expectRest(name)
	w.expectCalls("1 made, 0 listed, 0 deleted")

	w.pass(month)
	w.expectKey(2)
	w.expectCalls("2 made, 0 listed, 0 deleted")
	if after := w.reconcile(name).RequeueAfter; after < secrets.KeyOverlap-time.Minute || after > secrets.KeyOverlap {
		t.Errorf("looks again after %v", after)
	}
	w.pass(secrets.KeyOverlap / 2)
	w.expectKey(2)
	w.pass(secrets.KeyOverlap)
	w.expectKey(1)
	w.expectCalls("2 made, 1 listed, 1 deleted")
	w.expectRest(name)
	w.expect(name, "True Available")
}

// Whoever declares no key pays nothing.
func TestNoServiceKey(t *testing.T) {
	t.Parallel()
	w := newWorld(t, fake.Options{})
	w.apply(w.declared(name))
	w.rest()
	w.pass(month)
	w.expectCalls("0 made, 0 listed, 0 deleted")
	if w.keyState() != "" || w.record().Attempt != 0 {
		t.Errorf("the key is %s", w.keyState())
	}
}

// A key that is declared later is made after a look at the account's keys; other roles make another one; when it is not declared any more,
// no key of ours is left, and somebody's stays.
func TestServiceKeyFollowsTheSpec(t *testing.T) {
	t.Parallel()
	w := newWorld(t, fake.Options{})
	w.apply(w.declared(name))
	w.rest()
	fake.PutServiceKey(w.service, w.account().ID, provider.ServiceKey{ID: "theirs", Name: "theirs"})
	w.edit(name, func(l *Line) { l.Spec.Key = &LineKey{Roles: []string{"a", "b"}} })
	w.rest()
	w.expectKey(2)
	w.expectCalls("1 made, 1 listed, 0 deleted")
	w.edit(name, func(l *Line) { l.Spec.Key.Roles = []string{"b", "a"} })
	w.rest()
	w.expectCalls("1 made, 1 listed, 0 deleted")
	w.edit(name, func(l *Line) { l.Spec.Key.Roles = []string{"b"} })
	w.rest()
	w.expectKey(3)
	w.edit(name, func(l *Line) { l.Spec.Key = nil })
	w.rest()
	if got := w.keys(); !slices.Equal(got, []string{"theirs"}) {
		t.Errorf("the account has keys %v", got)
	}
	if _, there := w.secret(name)[secrets.KeyCredentials]; there || !w.record().Empty() || w.keyState() != "" {
		t.Errorf("the Secret holds a key: %v; recorded %+v; the condition %q", there, w.record(), w.keyState())
	}
	w.expect(name, "True Available")
	w.expectRest(name)
	w.start()
	w.rest()
	w.expectRest(name)
}

// What the provider refuses is a condition of its own, and is not tried again before its time; the rest is as it was.
func TestServiceKeyRefused(t *testing.T) {
	t.Parallel()
	for class, reason := range map[account.Class]string{
		account.RoleMissing: v1alpha1.ReasonRoleMissing, account.Invalid: v1alpha1.ReasonRejected, account.Unknown: v1alpha1.ReasonRejected,
		account.BlockedVerification: v1alpha1.ReasonBlockedVerification, account.BalanceTooLow: v1alpha1.ReasonBalanceTooLow,
	} {
		w := newWorld(t, fake.Options{})
		for range 3 {
			w.service.Add(fake.Refuse(fake.MethodCreateServiceKey, class))
		}
		w.apply(w.withKey("Developer"))
		w.rest()
		w.expect(name, "True Available")
		if got := w.keyState(); got != "False "+reason || !strings.Contains(w.keyMessage(), "can't be made") {
			t.Errorf("%s: %s: %s", class, got, w.keyMessage())
		}
		w.expectRest(name)
		w.expectCalls("1 made, 0 listed, 0 deleted")
		writes := w.writes
		w.pass(10 * time.Minute)
		w.expectCalls("2 made, 0 listed, 0 deleted")
		if slices.Contains(w.written[writes:], "patch Secret") {
			t.Errorf("%s: writes of one more refusal: %v", class, w.written[writes:])
		}
		w.start() // which remembers nothing: the attempt may have made a key
		w.rest()
		w.expectCalls("3 made, 1 listed, 0 deleted")
		w.edit(name, func(l *Line) { l.Annotations = map[string]string{v1alpha1.AnnotationReconcileRequestedAt: "now"} })
		w.rest()
		w.expectKey(1)
		if got := w.keyState(); got != "True Available" {
			t.Errorf("%s: %s", class, got)
		}
		w.expectRest(name)
	}
}

// While the provider does not answer, the account says so and not the key; no key is left over.
func TestServiceKeyInAnOutage(t *testing.T) {
	t.Parallel()
	for _, fault := range []fake.Fault{
		fake.LoseAnswer(fake.MethodCreateServiceKey), fake.LoseRequest(fake.MethodCreateServiceKey),
		fake.Refuse(fake.MethodCreateServiceKey, account.Throttled), fake.Refuse(fake.MethodCreateServiceKey, account.Unavailable),
	} {
		w := newWorld(t, fake.Options{})
		w.service.Add(fault)
		w.apply(w.withKey("Developer"))
		if said := w.said(name); said == "True Available" || w.keyState() != "" {
			t.Errorf("%s, the key %s", said, w.keyState())
		}
		w.rest()
		w.expect(name, "True Available")
		w.expectKey(1)
		w.pass(2 * secrets.KeyOverlap)
		w.expectKey(1)
		if k := w.record(); len(k.Retired) > 0 {
			t.Errorf("retired: %+v", k.Retired)
		}
		w.expectRest(name)
	}
}

// A key that the Secret has lost, or the account, is made anew: the one on the next edit, the other on request.
func TestServiceKeyLost(t *testing.T) {
	t.Parallel()
	for what, lose := range map[string]func(*world){
		"removed": func(w *world) { w.touchSecret(func(s *corev1.Secret) { delete(s.Data, secrets.KeyCredentials) }) },
		"edited": func(w *world) {
			w.touchSecret(func(s *corev1.Secret) { s.Data[secrets.KeyCredentials] = []byte("{}") })
		},
		"record edited": func(w *world) {
			w.touchSecret(func(s *corev1.Secret) { s.Annotations[v1alpha1.AnnotationServiceKeys] = "{" })
		},
		"deleted": func(w *world) { w.deleteSecret() },
		"renewed on request": func(w *world) {
			if err := w.service.Remote().(provider.ServiceKeyer).DeleteServiceKey(w.Context(), w.account().ID, w.keys()[0]); err != nil {
				w.Fatal(err)
			}
			w.edit(name, func(l *Line) { l.Annotations = map[string]string{v1alpha1.AnnotationReconcileRequestedAt: "now"} })
		},
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, fake.Options{})
			w.apply(w.withKey("Developer"))
			w.rest()
			first := w.keys()[0]
			fake.PutServiceKey(w.service, w.account().ID, provider.ServiceKey{ID: "theirs", Name: "theirs"})
			lose(w)
			w.reconcile(name) // nothing else wakes it before the next list
			if k := w.record().Current; k == nil || k.ID == first {
				t.Errorf("not made at once: %+v", k)
			}
			w.rest()
			w.pass(2 * secrets.KeyOverlap)
			if got := w.keys(); len(got) != 2 || slices.Contains(got, first) || !slices.Contains(got, "theirs") {
				t.Errorf("keys %v; %s was lost", got, first)
			}
			w.expectKey(2)
			w.expectRest(name)
		})
	}
}

// touchSecret changes the connection Secret as somebody else, of which the watch tells.
func (w *world) touchSecret(change func(*corev1.Secret)) {
	w.Helper()
	s := &corev1.Secret{}
	if err := w.client.Get(w.Context(), client.ObjectKey{Namespace: namespace, Name: name + "-connection"}, s); err != nil {
		w.Fatal(err)
	}
	change(s)
	if err := w.client.Update(w.Context(), s); err != nil {
		w.Fatal(err)
	}
	w.engine.SecretEdited(w.line(name).UID, secrets.Edit{Version: s.ResourceVersion, HadPassword: true})
}

func (w *world) deleteSecret() {
	w.Helper()
	s := &corev1.Secret{}
	s.Namespace, s.Name = namespace, name+"-connection"
	if err := w.client.Delete(w.Context(), s); err != nil {
		w.Fatal(err)
	}
	w.engine.SecretEdited(w.line(name).UID, secrets.Edit{Version: "deleted", HadPassword: true})
}

// While the account can't be used nothing is tried for its key.
func TestServiceKeyOfADeactivatedAccount(t *testing.T) {
	t.Parallel()
	w := newWorld(t, fake.Options{})
	l := w.withKey("Developer")
	l.Spec.Enabled = ptr.To(false)
	w.apply(l)
	w.rest()
	w.expect(name, "True Deactivated")
	w.expectCalls("0 made, 0 listed, 0 deleted")
	w.expectRest(name)
	w.edit(name, func(l *Line) { l.Spec.Enabled = ptr.To(true) })
	w.rest()
	w.expectKey(1)
	w.edit(name, func(l *Line) { l.Spec.Enabled, l.Spec.Key = ptr.To(false), nil })
	w.rest()
	w.expectKey(1)
	w.start()
	w.rest()
	if w.expectRest(name); w.keyState() != "True Available" {
		t.Errorf("the key is %s", w.keyState())
	}
	w.edit(name, func(l *Line) { l.Spec.Enabled = ptr.To(true) })
	w.rest()
	w.expectKey(0)
	if w.keyState() != "" {
		t.Errorf("the key is %s", w.keyState())
	}
}

// Where accounts have no keys, a declared one is refused before any call.
func TestServiceKeyUnsupported(t *testing.T) {
	t.Parallel()
	w := newWorld(t, fake.Options{NoPasswords: true})
	w.apply(w.withKey("Developer"))
	w.expect(name, "False Rejected")
	if !strings.Contains(w.message(name), "spec.connectionSecret.serviceAccountKey") || w.service.Count(fake.MethodCreate) != 0 {
		t.Errorf("%s, after %d creations", w.message(name), w.service.Count(fake.MethodCreate))
	}
}

// Deleting the resource leaves the key where it is, and waits for nothing; a resource that is applied again goes on with it.
func TestServiceKeyStaysUnderRetain(t *testing.T) {
	t.Parallel()
	w := newWorld(t, fake.Options{})
	w.apply(w.withKey("Developer"))
	w.rest()
	if err := w.client.Delete(t.Context(), w.line(name)); err != nil {
		t.Fatal(err)
	}
	w.expectGone(name)
	w.expectKey(1)
	w.start()
	l := w.withKey("Developer")
	l.UID = "uid-of-another"
	w.apply(l)
	w.rest()
	w.expectKey(1)
	if n := w.service.Count(fake.MethodCreateServiceKey); n != 1 {
		t.Errorf("%d keys were made", n)
	}
	w.pass(month)
	w.pass(2 * secrets.KeyOverlap)
	w.expectKey(1) // the former one had the UID of the former resource in its name
	w.expectCalls("2 made, 2 listed, 1 deleted")
}

// A key that can't be stored is deleted again, and not made again at once.
func TestServiceKeyCantBeStored(t *testing.T) {
	t.Parallel()
	w := newWorld(t, fake.Options{})
	refusal := apierrors.NewForbidden(schema.GroupResource{Resource: "secrets"}, name, errors.New("policy says no to canary-service-key"))
	refused := 0
	w.refuse = func(s *corev1.Secret) error {
		if len(s.Data[secrets.KeyCredentials]) > 0 {
			refused++
			return refusal
		}
		return nil
	}
	w.apply(w.withKey("Developer"))
	w.rest()
	w.expect(name, "True Available")
	if got := w.keyState(); got != "False SecretInvalid" || strings.Contains(w.keyMessage(), "canary") {
		t.Errorf("%s: %s", got, w.keyMessage())
	}
	if len(w.keys()) != 0 || refused != 1 {
		t.Errorf("keys %v after %d refusals", w.keys(), refused)
	}
	w.expectRest(name)
	w.refuse = nil
	w.pass(10 * time.Minute)
	w.expectKey(1)
	w.pass(2 * secrets.KeyOverlap)
	w.expectKey(1)
	w.expectRest(name)
}

// Of two leaders that make a key, the one that was overtaken deletes its own.
func TestServiceKeyOvertaken(t *testing.T) {
	t.Parallel()
	w := newWorld(t, fake.Options{})
	w.apply(w.declared(name))
	w.rest()
	w.edit(name, func(l *Line) { l.Spec.Key = &LineKey{Roles: []string{"a"}} }) // this one sets the spec, and makes a key
	w.rest()
	first := w.engine
	w.edit(name, func(l *Line) { l.Spec.Key = nil })
	w.rest()
	w.expectKey(0)
	l := w.line(name)
	l.Spec.Key, l.Generation = &LineKey{Roles: []string{"a"}}, l.Generation+1
	if err := w.client.Update(t.Context(), l); err != nil {
		t.Fatal(err)
	}
	w.tap = func(call string) {
		if call != "create" {
			return
		}
		w.tap = nil // the first leader is about to make its key; a second one takes over, and does all of it
		w.start()
		w.rest()
	}
	_, _ = first.Reconcile(t.Context(), managedLine{w.line(name)})
	w.expectKey(1) // that of the second one
	if n := w.service.Count(fake.MethodCreateServiceKey); n != 3 {
		t.Errorf("%d keys were made", n)
	}
	w.start()
	w.rest()
	w.pass(2 * secrets.KeyOverlap)
	w.expectKey(1)
	w.expectRest(name)
}

// crashing carries out what may end the process before one of its calls and writes, and says before which it did; "" where it did not.
func crashing(w *world, at int, do func()) (before string) {
	w.Helper()
	n := 0
	tell := func(what string) {
		if n++; n-1 == at {
			before = what
			runtime.Goexit()
		}
	}
	w.tap, w.meanwhile = tell, tell
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		do()
	}()
	<-ended
	w.tap, w.meanwhile = nil, nil
	return before
}

// The process is killed before each call and each write in the life of a key: no key is left over at the provider, and none is lost that
// the Secret holds.
func TestServiceKeySurvivesCrashes(t *testing.T) {
	t.Parallel()
	declare := func(roles ...string) func(*world) {
		return func(w *world) {
			w.respec(&LineKey{Roles: roles, RotateAfter: month})
			w.rest()
		}
	}
	for name, life := range map[string]keyLife{
		"new account": {does: func(w *world) {
			if err := w.client.Create(w.Context(), w.withKey("a")); client.IgnoreAlreadyExists(err) != nil {
				w.Fatal(err)
			}
			w.rest()
		}, keys: 1},
		"declared later": {before: func(w *world) { w.apply(w.declared(name)) }, does: declare("a"), keys: 1},
		"other roles":    {before: func(w *world) { w.apply(w.withKey("a")) }, does: declare("b"), keys: 1},
		"rotation": {
			before: func(w *world) { w.apply(w.withKey("a")) }, begins: func(w *world) { w.clock.Step(month) },
			does: func(w *world) { w.rest(); w.pass(secrets.KeyOverlap + time.Minute) }, keys: 1,
		},
		"not declared any more": {
			before: func(w *world) { w.apply(w.withKey("a")) }, begins: func(w *world) { w.pass(month) },
			does: func(w *world) { w.respec(nil); w.rest() },
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			at := 0
			for life.survives(newWorld(t, fake.Options{}), at) {
				at++
			}
			if at < 3 {
				t.Errorf("only %d calls and writes", at)
			}
		})
	}
}

// keyLife is a part of the life of a key.
type keyLife struct {
	// before is what was there before, begins what starts it, does what the operator is to do, which may be told twice.
	before, begins, does func(*world)
	// keys is how many there are at the end.
	keys int
}

// survives goes through the life, kills the process before one of its calls and writes, and checks what becomes of it; false where there is
// no such call or write.
func (life keyLife) survives(w *world, at int) bool {
	w.Helper()
	theirs := 0
	if life.before != nil {
		life.before(w)
		w.rest()
		theirs = 1
		fake.PutServiceKey(w.service, w.account().ID, provider.ServiceKey{ID: "theirs", Name: "theirs"})
	}
	if life.begins != nil {
		life.begins(w)
	}
	before := crashing(w, at, func() { life.does(w) })
	w.start()
	life.does(w)
	w.sound(life.keys, before)
	w.pass(2 * secrets.KeyOverlap)
	w.sound(life.keys, before)
	if n := len(w.keys()); n != life.keys+theirs || theirs > 0 && !slices.Contains(w.keys(), "theirs") {
		w.Fatalf("killed before %s (%d): keys %v, want %d of ours; recorded %+v", before, at, w.keys(), life.keys, w.record())
	}
	w.expectRest(name)
	return before != ""
}

// respec changes what is declared of the key, unless that is so already.
func (w *world) respec(k *LineKey) {
	w.Helper()
	l := w.line(name)
	l.Spec.Key = k
	l.Generation++
	if err := w.client.Update(w.Context(), l); err != nil {
		w.Fatal(err)
	}
}

// sound checks that the Secret holds a key that works, where one is to be there.
func (w *world) sound(keys int, before string) {
	w.Helper()
	held := w.secret(name)[secrets.KeyCredentials]
	works := slices.ContainsFunc(fake.ServiceKeysOf(w.service, w.account().ID), func(k provider.ServiceKey) bool { return k.Credentials.Reveal() == held })
	if keys > 0 && !works || keys == 0 && held != "" {
		w.Fatalf("killed before %s: the key in the Secret works: %v; recorded %+v", before, works, w.record())
	}
}
