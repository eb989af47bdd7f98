package engine_test

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"cpaas.dev/child-account-operator/api/v1alpha1"
	"cpaas.dev/child-account-operator/internal/account"
	"cpaas.dev/child-account-operator/internal/pacing"
	"cpaas.dev/child-account-operator/internal/provider/fake"
)

// profile is the condition ProfileSynced of a line: its status and reason, and its message; "" where there is none.
func (w *world) profile(name string) (said, message string) {
	w.Helper()
	c := meta.FindStatusCondition(w.line(name).Status.Conditions, v1alpha1.ConditionProfileSynced)
	if c == nil {
		return "", ""
	}
	return string(c.Status) + " " + c.Reason, c.Message
}

func (w *world) expectProfile(name, want string, says ...string) {
	w.Helper()
	got, message := w.profile(name)
	if got != want {
		w.Fatalf("the profile of %s: %s, want %s: %s", name, got, want, message)
	}
	for _, text := range says {
		if !strings.Contains(message, text) {
			w.Errorf("%q does not say %q", message, text)
		}
	}
}

// profiled is a line with a field that is changed acting as the account itself.
func (w *world) profiled(motto string) *Line {
	l := w.declared(name)
	l.Spec.Nickname, l.Spec.Motto = nil, ptr.To(motto) // all else is set at creation
	return l
}

// An account with a profile costs two calls and no more writes than any; at rest, after a restart too, it costs nothing.
func TestAProfileIsOneCall(t *testing.T) {
	t.Parallel()
	w := newWorld(t, fake.Options{})
	w.apply(w.profiled("first"))
	w.settle(name)
	w.expect(name, "True Available")
	w.expectProfile(name, "True Available", "the account has the declared profile")
	w.expectValues(account.State{fake.PathMotto: "first"})
	if c, u, own := w.service.Count(fake.MethodCreate), w.service.Count(fake.MethodUpdate), w.service.Count(fake.MethodUpdateOwn); c != 1 || u != 0 || own != 1 {
		t.Errorf("%d creations, %d updates, %d as the account", c, u, own)
	}
	if want := []string{"create Line", "create Secret", "patch Secret", "patch status of Line"}; !slices.Equal(w.written, want) {
		t.Errorf("writes: %v, want %v", w.written, want)
	}
	w.expectRest(name)
	w.start()
	w.expectRest(name)

	w.service.Set(w.account().ID, fake.PathMotto, "elsewhere")
	w.list()
	w.settle(name)
	w.expectValues(account.State{fake.PathMotto: "first"})
	w.expectRest(name)
	w.edit(name, func(l *Line) { l.Spec.Motto, l.Spec.Tongue = nil, ptr.To("he") })
	w.settle(name)
	if got, message := w.profile(name); got != "" {
		t.Errorf("no profile is declared any more: %s %s", got, message)
	}
	w.expectValues(account.State{fake.PathMotto: "first", fake.PathTongue: "he"})
}

// No change of a profile can share a call. So many of them delay nothing else: they come after other edits.
func TestAProfileIsNotUrgent(t *testing.T) {
	t.Parallel()
	w := newWorld(t, fake.Options{})
	w.apply(w.profiled("first"))
	w.settle(name)
	w.edit(name, func(l *Line) { l.Spec.Motto, l.Spec.Tongue = ptr.To("second"), ptr.To("he") })
	w.settle(name)
	w.expectValues(account.State{fake.PathMotto: "second", fake.PathTongue: "he"})
	for asAccount, want := range map[bool]pacing.Priority{false: pacing.Edit, true: pacing.Drift} {
		if got, _ := w.priorities.Load(asAccount); got != want {
			t.Errorf("acting as the account: %v; priority %v, want %v", asAccount, got, want)
		}
	}
}

// Where the provider does not let anybody act as the account, the rest of it is kept all the same, and that is told once.
func TestAProfileThatIsNotGranted(t *testing.T) {
	t.Parallel()
	w := newWorld(t, fake.Options{})
	refuse := fake.Refuse(fake.MethodUpdateOwn, account.RoleMissing)
	refuse.Times, refuse.Error.Message = 1000, "this capability is not granted"
	w.service.Add(refuse)
	w.apply(w.profiled("first"))
	w.expect(name, "True Available")
	w.expectProfile(name, "False RoleMissing", "the profile is not written", "this capability is not granted", "role Owner")
	if l := w.line(name); l.Status.LastApplied[fake.PathMotto] != "" || l.Status.LastApplied[fake.PathTongue] != "de" {
		t.Errorf("applied: %v", l.Status.LastApplied)
	}
	w.expectRest(name)
	if n := w.service.Count(fake.MethodUpdateOwn); n != 1 {
		t.Errorf("%d calls", n)
	}

	// An edit of something else is applied, and the profile tried once more with it.
	w.edit(name, func(l *Line) { l.Spec.Tongue = ptr.To("he") })
	w.expect(name, "True Available")
	w.expectValues(account.State{fake.PathTongue: "he"})
	w.expectProfile(name, "False RoleMissing")
	w.expectRest(name)
	if n := w.service.Count(fake.MethodUpdateOwn); n != 2 {
		t.Errorf("%d calls after an edit", n)
	}
	if n := w.countEvents("ProfileRefused"); n != 1 {
		t.Errorf("it is told %d times", n)
	}

	// It is tried again after ten minutes, and later ever more seldom; a restart costs one try.
	if after := w.reconcile(name).RequeueAfter; after < 9*time.Minute || after > 12*time.Minute {
		t.Errorf("it is tried again after %s", after)
	}
	w.clock.Step(12 * time.Minute)
	w.list()
	if !w.engine.NeedsWork(t.Context(), managedLine{w.line(name)}) {
		t.Error("nothing wakes it after its time")
	}
	w.reconcile(name)
	if n := w.service.Count(fake.MethodUpdateOwn); n != 3 {
		t.Errorf("%d calls after the pause", n)
	}
	w.start()
	w.reconcile(name)
	w.expectRest(name)
	if n := w.service.Count(fake.MethodUpdateOwn); n != 4 {
		t.Errorf("%d calls after a restart", n)
	}

	// Once it is granted, the next try writes it.
	w.service.Heal()
	w.clock.Step(12 * time.Minute)
	w.list()
	w.settle(name)
	w.expectProfile(name, "True Available")
	w.expectValues(account.State{fake.PathMotto: "first"})
	w.expectRest(name)
}

// What was not granted is no mass change when it is tried again: the change guard has let it pass before, in a former process too. A new
// profile is one.
func TestAProfileThatIsTriedAgainIsNoMassChange(t *testing.T) {
	t.Parallel()
	w := newWorld(t, fake.Options{})
	refuse := fake.Refuse(fake.MethodUpdateOwn, account.RoleMissing)
	refuse.Times = 1000
	w.service.Add(refuse)
	w.apply(w.profiled("first"))
	w.expectProfile(name, "False RoleMissing")
	w.parent.Limits.Percent, w.parent.Limits.Minimum = 0, 0
	w.clock.Step(12 * time.Minute)
	w.list()
	w.reconcile(name)
	w.expect(name, "True Available")
	w.start()
	w.service.Heal()
	w.settle(name)
	w.expect(name, "True Available")
	w.expectValues(account.State{fake.PathMotto: "first"})

	w.edit(name, func(l *Line) { l.Spec.Motto = ptr.To("second") })
	w.clock.Step(10 * time.Second)
	w.reconcile(name)
	w.expectValues(account.State{fake.PathMotto: "first"})
}

// countEvents is how many events of a reason were emitted.
func (w *world) countEvents(reason string) (n int) {
	for {
		select {
		case e := <-w.events.Events:
			if strings.Contains(e, " "+reason+" ") {
				n++
			}
		default:
			return n
		}
	}
}

// A value that the provider refuses is Rejected, as any; a provider that does not answer is asked again.
func TestAProfileThatIsRefused(t *testing.T) {
	t.Parallel()
	w := newWorld(t, fake.Options{})
	refuse := fake.Refuse(fake.MethodUpdateOwn, account.Invalid)
	refuse.Error.Field, refuse.Times = fake.PathMotto, 2
	w.service.Add(refuse)
	w.apply(w.profiled("first"))
	w.expect(name, "False Rejected")
	w.expectProfile(name, "False Rejected", "spec.motto")
	w.edit(name, func(l *Line) { l.Spec.Motto = ptr.To("second") })
	w.expect(name, "False Rejected")
	w.edit(name, func(l *Line) { l.Spec.Motto = ptr.To("third") })
	w.settle(name)
	w.expect(name, "True Available")
	w.expectProfile(name, "True Available")

	w.service.Add(fake.LoseAnswer(fake.MethodUpdateOwn))
	w.edit(name, func(l *Line) { l.Spec.Motto = ptr.To("fourth") })
	w.settle(name)
	w.expectProfile(name, "True Available")
	w.expectValues(account.State{fake.PathMotto: "fourth"})
	w.expectRest(name)
}

// Custom data of the spec takes the place of the claim only once the status says whose the account is: whenever the operator is killed, the
// account is found again.
func TestCustomDataReplacesTheClaimLast(t *testing.T) {
	t.Parallel()
	for crash := range 8 {
		w := newWorld(t, fake.Options{})
		l := w.profiled("first")
		l.Spec.Notes = ptr.To("ours")
		// A write of the Kubernetes API that fails ends the reconcile as a crash does; the next process remembers nothing.
		writes := 0
		w.failing = func(write string) error {
			if write == "create Line" { // the test's own
				return nil
			}
			if writes++; writes == crash {
				return errors.New("killed before " + write)
			}
			return nil
		}
		w.apply(l)
		claimed := func() {
			for _, id := range w.service.Accounts() {
				a, _ := w.service.Account(id)
				if _, ok := a.Claim(); !ok && w.line(name).Status.AccountID != id {
					t.Errorf("killed at write %d: neither the claim nor the status says whose account %s is", crash, id)
				}
			}
		}
		claimed()
		w.failing = nil
		w.start()
		w.settle(name)
		w.expect(name, "True Available")
		w.expectValues(account.State{fake.PathNotes: "ours", fake.PathMotto: "first"})
		w.expectProfile(name, "True Available", "spec.notes replaces the claim", "adoptionPolicy")
		w.expectRest(name)
		if crash == 0 {
			want := []string{"create Line", "create Secret", "patch Secret", "patch status of Line", "patch status of Line"}
			if !slices.Equal(w.written, want) || w.service.Count(fake.MethodUpdateOwn) != 1 || w.service.Count(fake.MethodSetCustomData) != 0 {
				t.Errorf("writes: %v; %d calls as the account", w.written, w.service.Count(fake.MethodUpdateOwn))
			}
		}
	}
}

// What the provider never shows is written again where the operator may have written something else and was killed before it could say so.
func TestWhatIsNeverShownAfterACrash(t *testing.T) {
	t.Parallel()
	w := newWorld(t, fake.Options{})
	l := w.profiled("first")
	l.Spec.Quiet = ptr.To(false)
	w.apply(l)
	w.settle(name)
	w.expectValues(account.State{fake.PathQuiet: "false"})
	calls := w.service.Count(fake.MethodUpdateOwn)

	w.failing = func(write string) error {
		if write == "patch status of Line" {
			return errors.New("killed")
		}
		return nil
	}
	w.edit(name, func(l *Line) { l.Spec.Quiet = ptr.To(true) })
	w.expectValues(account.State{fake.PathQuiet: "true"})
	w.failing = nil
	w.start()
	w.edit(name, func(l *Line) { l.Spec.Quiet = ptr.To(false) }) // as the status has it still
	w.settle(name)
	w.expectValues(account.State{fake.PathQuiet: "false"})
	if n := w.service.Count(fake.MethodUpdateOwn) - calls; n != 2 {
		t.Errorf("%d calls for two changes", n)
	}
	w.expectRest(name)
	w.edit(name, func(l *Line) { l.Spec.Tongue = ptr.To("he") })
	w.settle(name)
	if n := w.service.Count(fake.MethodUpdateOwn) - calls; n != 2 {
		t.Error("an edit of something else writes the profile again")
	}
}

// A resource that was deleted and applied again finds the account by its claim no more: it needs a policy to adopt it.
func TestWithoutAClaimTheAccountIsAdopted(t *testing.T) {
	t.Parallel()
	w := newWorld(t, fake.Options{})
	l := w.profiled("first")
	l.Spec.Notes = ptr.To("ours")
	w.apply(l)
	w.settle(name)
	if err := w.client.Delete(t.Context(), w.line(name)); err != nil {
		t.Fatal(err)
	}
	again := w.profiled("first")
	again.UID, again.Spec.Notes = "uid-again", ptr.To("ours")
	w.apply(again)
	w.expect(name, "False AdoptionRefused")
	w.edit(name, func(l *Line) { l.Spec.Policy.Adopt = account.AdoptIfIdentical })
	w.settle(name)
	w.expect(name, "True Available")
	w.expectValues(account.State{fake.PathNotes: "ours"})
	if n := w.service.Count(fake.MethodSetCustomData); n != 0 {
		t.Errorf("%d claims were written over the declared custom data", n)
	}
	w.expectRest(name)
}

// An account without a claim is left to another resource only where that one may adopt it: else nobody would have it, and it would stay active.
func TestWithoutAClaimNothingIsHandedOver(t *testing.T) {
	t.Parallel()
	for policy, active := range map[account.Adoption]string{account.AdoptNever: "false", account.AdoptAlways: "true"} {
		w := newWorld(t, fake.Options{})
		l := w.profiled("first")
		l.Spec.Notes, l.Spec.Deactivate = ptr.To("ours"), true
		w.apply(l)
		w.settle(name)
		other := w.declared(name)
		other.Namespace, other.UID, other.Spec.Policy.Adopt = "sales", "uid-sales", policy
		w.parent.GrantsAdopt = true
		w.parents.Put(types.NamespacedName{Namespace: "sales", Name: "acme"}, w.dir)
		if err := w.client.Create(t.Context(), other); err != nil {
			t.Fatal(err)
		}
		if err := w.client.Delete(t.Context(), w.line(name)); err != nil {
			t.Fatal(err)
		}
		for range 3 {
			w.reconcileIfThere(name)
			w.clock.Step(2 * time.Minute)
			w.list()
		}
		w.expectGone(name)
		if got := w.account().State[fake.PathEnabled]; got != active {
			t.Errorf("adoption %s: the account is active: %s", policy, got)
		}
	}
}

// reconcileIfThere reconciles a line that may be gone by now.
func (w *world) reconcileIfThere(name string) {
	l := &Line{}
	if w.client.Get(w.Context(), client.ObjectKey{Namespace: namespace, Name: name}, l) == nil {
		w.reconcile(name)
	}
}

// An adopted account gets custom data of the spec, and no claim before.
func TestAdoptionWithCustomData(t *testing.T) {
	t.Parallel()
	w := newWorld(t, fake.Options{})
	l := w.profiled("first")
	l.Spec.Notes, l.Spec.Policy.Adopt = ptr.To("ours"), account.AdoptAlways
	w.service.Put(name, account.State{fake.PathContact: l.Spec.Contact, fake.PathEnabled: "true"}, "somebody's")
	w.list()
	w.apply(l)
	w.settle(name)
	w.expect(name, "True Available")
	w.expectValues(account.State{fake.PathNotes: "ours", fake.PathMotto: "first", fake.PathTongue: "de"})
	if n := w.service.Count(fake.MethodSetCustomData); n != 0 {
		t.Errorf("%d claims were written", n)
	}
	w.expectRest(name)
}

// salt writes the Secret with a declared salt.
func (w *world) salt(value string) {
	w.Helper()
	w.input("salt", "salt", value)
}

// A salt is set once, and again when its Secret changes; after a restart the connection Secret remembers it.
func TestTheSaltOfCallbacks(t *testing.T) {
	t.Parallel()
	w := newWorld(t, fake.Options{})
	w.salt("first-salt\n")
	l := w.profiled("first")
	l.Spec.Salt = "salt"
	w.apply(l)
	w.settle(name)
	w.expect(name, "True Available")
	expect := func(salt account.Secret, calls int) {
		t.Helper()
		if got := fake.SaltOf(w.service, w.account().ID); got != salt {
			t.Errorf("the account has another salt than %d characters", len(salt))
		}
		if n := w.service.Count(fake.MethodSetSalt); n != calls {
			t.Errorf("%d calls, want %d", n, calls)
		}
	}
	expect("first-salt", 1)
	w.expectRest(name)
	w.start()
	w.settle(name)
	expect("first-salt", 1)
	w.expectRest(name)

	w.salt("second-salt")
	w.settle(name)
	expect("second-salt", 2)
	w.expectRest(name)

	// A lost answer has it set again: nobody knows which one the account has, whatever the Secret says by then.
	w.service.Add(fake.LoseAnswer(fake.MethodSetSalt))
	w.salt("third-salt")
	w.reconcile(name)
	w.start() // killed
	w.salt("second-salt")
	w.settle(name)
	expect("second-salt", 4)
	w.expect(name, "True Available")
	w.expectRest(name)

	w.salt(strings.Repeat("x", 40))
	w.reconcile(name)
	w.expect(name, "False SecretInvalid")
	if message := w.message(name); !strings.Contains(message, "spec.callback.saltSecretRef") || !strings.Contains(message, "39 characters") {
		t.Error(message)
	}
	expect("second-salt", 4)
	w.edit(name, func(l *Line) { l.Spec.Salt = "" })
	w.settle(name)
	w.expect(name, "True Available")
	expect("second-salt", 4)
	for _, text := range []string{w.message(name), strings.Join(w.written, " ")} {
		if strings.Contains(text, "-salt") {
			t.Errorf("a salt shows in %s", text)
		}
	}
}
