package engine_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"cpaas.dev/child-account-operator/api/v1alpha1"
	"cpaas.dev/child-account-operator/internal/account"
	"cpaas.dev/child-account-operator/internal/changeguard"
	"cpaas.dev/child-account-operator/internal/engine"
	"cpaas.dev/child-account-operator/internal/plan"
	"cpaas.dev/child-account-operator/internal/provider/fake"
)

// template is the line whose account is cloned.
const template = "template-1"

// toClone is a line whose account is to be a clone of the template's, applied just now.
func (w *world) toClone() *Line {
	l := w.declared(name)
	l.Spec.CloneFrom, l.CreationTimestamp = template, metav1.NewTime(w.clock.Now())
	return l
}

// withTemplate has the template created, and returns its account's id.
func (w *world) withTemplate() string {
	w.Helper()
	w.apply(w.declared(template))
	w.settle(template)
	id := w.line(template).Status.AccountID
	fake.SetParts(w.service, id, fake.Parts{Users: []string{"ada", "bob"}, Scenarios: []string{"ivr"}})
	return id
}

// cloneOf is the account of the line that is a clone.
func (w *world) cloneOf() account.Account {
	w.Helper()
	var found []account.Account
	for _, id := range w.service.Accounts() {
		if a, _ := w.service.Account(id); a.Name == name {
			found = append(found, a)
		}
	}
	if len(found) != 1 {
		w.Fatalf("there are %d accounts %s: %v", len(found), name, w.service.Accounts())
	}
	return found[0]
}

// expectClone checks that the line has one account, that this is a clone, and that all is known and as declared.
func (w *world) expectClone(parts bool) {
	w.Helper()
	w.expect(name, "True Available")
	a, l := w.cloneOf(), w.line(name)
	if got := fake.PartsOf(w.service, a.ID); len(got.Users) != 2 {
		w.Errorf("the clone has %+v", got)
	}
	if claim, ok := a.Claim(); !ok || claim.Name != name || l.Status.AccountID != a.ID || l.Status.Origin != v1alpha1.OriginCreated {
		w.Errorf("account %s with %q; the status says %s, %s", a.ID, a.CustomData, l.Status.AccountID, l.Status.Origin)
	}
	schema := w.service.Fields()
	for path, v := range values(l, account.State{fake.PathEnabled: "true"}) {
		if f, _ := schema.Field(path); f.Normal(a.State[path]) != f.Normal(v) {
			w.Errorf("%s is %q, want %q", path, a.State[path], v)
		}
	}
	if s := w.secret(name); s["password"] == "" || s["password"] != w.service.Password(a.ID).Reveal() || s["apiKey"] != "key-of-"+a.ID {
		w.Errorf("the connection Secret of account %s has another password or key", a.ID)
	}
	from := l.Status.ClonedFrom
	switch {
	case from == nil || from.AccountName != template:
		w.Errorf("cloned from %+v", from)
	case !parts && from.Users != nil:
		w.Errorf("users of a lost answer: %+v", from.Users)
	case parts && (from.Users == nil || from.Users.Count != 2 || !slices.Equal(from.Users.Names, []string{"ada", "bob"}) || from.Scenarios.Count != 1 || from.Applications.Count != 0):
		w.Errorf("cloned: %+v, %+v, %+v", from.Users, from.Scenarios, from.Applications)
	}
	w.expectRest(name)
}

// createEvents are the events of creations so far.
func createEvents(w *world) (out []string) {
	for {
		select {
		case e := <-w.events.Events:
			if strings.Fields(e)[1] == "Created" {
				out = append(out, e)
			}
		default:
			return out
		}
	}
}

// An account is cloned once, gets what its template has, and then what its spec declares. Nothing of that costs anything at rest.
func TestClone(t *testing.T) {
	t.Parallel()
	w := newWorld(t, fake.Options{})
	id := w.withTemplate()
	createEvents(w)
	created, updated := w.service.Count(fake.MethodCreate), w.service.Count(fake.MethodUpdate)
	w.apply(w.toClone())
	w.settle(name)
	w.expectClone(true)
	if n := w.service.Count(fake.MethodClone); n != 1 || w.service.Count(fake.MethodCreate) != created {
		t.Errorf("%d clones, %d accounts created", n, w.service.Count(fake.MethodCreate)-created)
	}
	if n := w.service.Count(fake.MethodUpdate) - updated; n != 2 { // the region has a call of its own
		t.Errorf("%d updates", n)
	}
	if from := w.line(name).Status.ClonedFrom; *from.AccountID != id {
		t.Errorf("cloned from %s, want %s", *from.AccountID, id)
	}
	want := "Normal Created created account child-1 (id " + w.cloneOf().ID + ") as a clone of account template-1 (id " + id + "), with 2 users, 1 scenario, 0 applications"
	if got := createEvents(w); !slices.Equal(got, []string{want}) {
		t.Errorf("events: %q", got)
	}
	w.start()
	w.expectClone(true)
	w.edit(name, func(l *Line) { l.Spec.Contact = "new@acme.example" })
	w.settle(name)
	w.expectClone(true)
	w.expect(template, "True Available")
	w.expectRest(template)
}

// What is not ready to be cloned is waited for, at no cost, and in whatever order the two are applied.
func TestCloneWaitsForItsTemplate(t *testing.T) {
	t.Parallel()
	w := newWorld(t, fake.Options{})
	waits := func(message string) {
		t.Helper()
		w.expect(name, "Unknown Creating")
		if got := w.message(name); !strings.HasPrefix(got, message) {
			t.Errorf("message %q, want %q", got, message)
		}
		if w.service.Count(fake.MethodClone) != 0 || w.service.Count(fake.MethodGet) != 0 {
			t.Errorf("calls %v", w.service.Calls())
		}
	}
	w.apply(w.toClone())
	waits("waiting for the account to clone: spec.cloneFrom.accountName: the operator knows of no account template-1")
	w.service.Add(fake.Refuse(fake.MethodCreate, account.Throttled))
	w.apply(w.declared(template))
	w.start() // which knows only what is stored
	if pause := w.reconcile(name).RequeueAfter; pause <= 0 || pause > time.Minute {
		t.Errorf("looks again after %s", pause)
	}
	waits("waiting for account template-1, which this account is cloned from: it is not set up yet, see Line telephony/template-1.")
	w.expectRest(name)
	w.settle(template)
	fake.SetParts(w.service, w.line(template).Status.AccountID, fake.Parts{Users: []string{"ada", "bob"}, Scenarios: []string{"ivr"}})
	w.settle(name)
	w.expectClone(true)
}

// An account whose spec is not applied yet is no template.
func TestCloneWaitsUntilItsTemplateIsSetUp(t *testing.T) {
	t.Parallel()
	w := newWorld(t, fake.Options{})
	refuse := fake.Refuse(fake.MethodUpdate, account.Throttled)
	refuse.Times = 100
	w.service.Add(refuse)
	w.apply(w.declared(template)) // whose nickname can't be set at creation
	w.expect(template, "Unknown RateLimited")
	w.apply(w.toClone())
	w.expect(name, "Unknown Creating")
	w.list()
	w.expectRest(name)
	w.service.Heal()
	w.settle(template)
	fake.SetParts(w.service, w.line(template).Status.AccountID, fake.Parts{Users: []string{"ada", "bob"}, Scenarios: []string{"ivr"}})
	w.settle(name)
	w.expectClone(true)
}

// What there is not is refused after a minute, and found once it is there.
func TestNoTemplate(t *testing.T) {
	t.Parallel()
	w := newWorld(t, fake.Options{})
	w.apply(w.toClone())
	w.expect(name, "Unknown Creating")
	w.clock.Step(2 * time.Minute)
	if pause := w.reconcile(name).RequeueAfter; pause < time.Minute || pause > 10*time.Minute {
		t.Errorf("looks again after %s", pause)
	}
	w.expect(name, "False Rejected")
	w.list()
	w.expectRest(name)
	w.clock.Step(24 * time.Hour)
	w.list()
	if pause := w.reconcile(name).RequeueAfter; pause > 11*time.Minute {
		t.Errorf("looks again after %s", pause)
	}
	if n := len(slices.DeleteFunc(w.service.Calls(), func(c fake.Call) bool { return c.Method == fake.MethodList })); n != 0 {
		t.Errorf("%d calls", n)
	}
	w.withTemplate()
	w.settle(name)
	w.expectClone(true)
}

// A resource that declares the template and creates no account is named, with its reason.
func TestTemplateThatIsDeclaredAndNotCreated(t *testing.T) {
	t.Parallel()
	for what, c := range map[string]struct {
		change func(*Line)
		reason string
	}{
		"suspended":             {func(l *Line) { l.Spec.Suspend = true }, v1alpha1.ReasonSuspended},
		"observes what is gone": {func(l *Line) { l.Spec.Policy.Observe = true }, v1alpha1.ReasonAccountMissing},
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, fake.Options{})
			l := w.declared(template)
			c.change(l)
			w.apply(l)
			w.list()
			w.reconcile(template)
			w.apply(w.toClone())
			w.clock.Step(2 * time.Minute)
			w.reconcile(name)
			w.expect(name, "False Rejected")
			want := "account template-1 of the parent account, and Line " + namespace + "/" + template + ", which declares it, creates none (" + c.reason + "). "
			if m := w.message(name); !strings.Contains(m, want) {
				t.Errorf("%q lacks %q", m, want)
			}
		})
	}
}

// A resource whose template could not be cloned hears of it at once, whatever its own time to look again is, and looks a second time as the cache may be
// behind. Once it has its account it hears of nothing more.
func TestCloneIsWokenByItsTemplate(t *testing.T) {
	t.Parallel()
	w := newWorld(t, fake.Options{})
	l := w.declared(template)
	l.Spec.Suspend = true
	w.apply(l)
	w.apply(w.toClone())
	w.clock.Step(5 * time.Minute)
	w.reconcile(name)
	w.expect(name, "False Rejected")
	woken := func() (n int) {
		for {
			select {
			case key := <-w.woken:
				if key.Name == name {
					n++
				}
			default:
				return n
			}
		}
	}
	woken()
	if pause := w.reconcile(name).RequeueAfter; pause < time.Minute {
		t.Errorf("looks again after %s", pause)
	}
	w.edit(template, func(l *Line) { l.Spec.Contact = "edited@acme.example" })
	if n := woken(); n == 0 {
		t.Error("not woken")
	}
	if pause := w.reconcile(name).RequeueAfter; pause <= 0 || pause > 3*time.Second {
		t.Errorf("looks a second time after %s", pause)
	}
	if pause := w.reconcile(name).RequeueAfter; pause < time.Minute {
		t.Errorf("looks a third time after %s", pause)
	}
	w.edit(template, func(l *Line) { l.Spec.Suspend = false })
	w.settle(template)
	if n := woken(); n == 0 {
		t.Error("not woken once the template is there")
	}
	w.settle(name)
	w.expect(name, "True Available")
	w.edit(template, func(l *Line) { l.Spec.Contact = "other@acme.example" })
	w.settle(template)
	if n := woken(); n != 0 {
		t.Errorf("woken %d times with its account", n)
	}
}

// So it is where the operator was started since: a reconcile before the first list can't tell that the resource waits, so the list wakes it.
func TestCloneIsWokenByItsTemplateAfterARestart(t *testing.T) {
	t.Parallel()
	w := newWorld(t, fake.Options{})
	refuse := fake.Refuse(fake.MethodCreate, account.Throttled)
	refuse.Times = 100
	w.service.Add(refuse)
	w.apply(w.declared(template))
	w.apply(w.toClone())
	w.expect(name, "Unknown Creating")
	w.start()
	if w.list(); !w.engine.NeedsWork(t.Context(), managedLine{w.line(name)}) {
		t.Fatal("no list wakes it")
	}
	w.reconcile(name)
	w.expectRest(name)
	w.service.Heal()
	w.settle(template)
	for len(w.woken) > 0 {
		if (<-w.woken).Name == name {
			return
		}
	}
	t.Error("the template does not wake it")
}

// An account that nobody declares can be cloned in the ParentAccount's namespace.
func TestCloneOfAnUndeclaredAccount(t *testing.T) {
	t.Parallel()
	w := newWorld(t, fake.Options{})
	id := w.service.Put(template, account.State{fake.PathEnabled: "true"}, "")
	fake.SetParts(w.service, id, fake.Parts{Users: []string{"ada", "bob"}, Scenarios: []string{"ivr"}})
	w.list()
	squatter := w.declared(template) // which may not have it, and keeps nobody waiting, whatever it says
	squatter.Namespace, squatter.Spec.Password = "tenant", "missing"
	w.apply2(squatter)
	w.apply(w.toClone())
	w.settle(name)
	w.expectClone(true)
}

// apply2 creates a line of another namespace and reconciles it.
func (w *world) apply2(l *Line) {
	w.Helper()
	l.UID = types.UID("uid-" + l.Namespace + "-" + l.Name)
	w.parents.Put(types.NamespacedName{Namespace: l.Namespace, Name: "acme"}, w.dir)
	if err := w.client.Create(w.Context(), l); err != nil {
		w.Fatal(err)
	}
	w.reconcile2(l.Namespace, l.Name)
}

// reconcile2 reconciles a line of another namespace until it waits for something.
func (w *world) reconcile2(namespace, name string) *Line {
	w.Helper()
	l := &Line{}
	for range 3 {
		if err := w.client.Get(w.Context(), client.ObjectKey{Namespace: namespace, Name: name}, l); err != nil {
			w.Fatal(err)
		}
		if _, err := w.engine.Reconcile(w.Context(), managedLine{l}); err != nil {
			w.Logf("reconcile %s/%s: %v", namespace, name, err)
		}
	}
	return l
}

// After a lost answer, or a crash then, no second account is made, be the first there or not. What the clone got is not known then.
func TestCloneIsMadeOnce(t *testing.T) {
	t.Parallel()
	for _, done := range []bool{true, false} {
		for _, crash := range []bool{true, false} {
			t.Run(fmt.Sprintf("done %v, crash %v", done, crash), func(t *testing.T) {
				t.Parallel()
				w := newWorld(t, fake.Options{})
				id := w.withTemplate()
				w.service.Set(id, fake.PathEnabled, "false") // and so is the clone, which is to be active all the same
				w.list()
				lost := fake.LoseAnswer(fake.MethodClone)
				lost.Done = done
				w.service.Add(lost)
				w.apply(w.toClone())
				w.expect(name, "Unknown APIUnavailable")
				if crash {
					w.start()
				}
				w.settle(name)
				w.expectClone(!done)
				if want := map[bool]int{true: 1, false: 2}[done]; w.service.Count(fake.MethodClone) != want {
					t.Errorf("%d calls", w.service.Count(fake.MethodClone))
				}
				if n := len(w.service.Accounts()); n != 2 {
					t.Errorf("%d accounts", n)
				}
			})
		}
	}
}

// Killed before the call, or before any write to the Kubernetes API, the operator makes one account, once it has started again.
func TestCrashesOnTheWayToAClone(t *testing.T) {
	t.Parallel()
	for at := 0; ; at++ {
		w := newWorld(t, fake.Options{})
		id := w.withTemplate()
		w.service.Set(id, fake.PathEnabled, "false")
		w.list()
		l := w.toClone()
		if err := w.client.Create(t.Context(), l); err != nil {
			t.Fatal(err)
		}
		crashed := cloneCrashAt(w, at)
		w.start()
		w.settle(name)
		w.expect(name, "True Available")
		w.expectClone(w.line(name).Status.ClonedFrom.Users != nil)
		if n := len(w.service.Accounts()); n != 2 || w.service.Count(fake.MethodClone) != 1 {
			t.Errorf("crash at %d: %d accounts, %d calls", at, n, w.service.Count(fake.MethodClone))
		}
		if !crashed {
			if at < 4 {
				t.Errorf("only %d moments", at)
			}
			return
		}
	}
}

// What the clone got is said once: whoever dies after the status names the account, before custom data replaces the claim, has said it.
func TestCrashesOnTheWayToACloneWithCustomData(t *testing.T) {
	t.Parallel()
	for at := 0; ; at++ {
		w := newWorld(t, fake.Options{})
		w.withTemplate()
		l := w.toClone()
		l.Spec.Notes = ptr.To("text of our own")
		if err := w.client.Create(t.Context(), l); err != nil {
			t.Fatal(err)
		}
		crashed := cloneCrashAt(w, at)
		bound := w.line(name).Status
		if (bound.Origin != "") != (bound.ClonedFrom != nil) {
			t.Errorf("crash at %d: the status says %+v", at, bound)
		}
		w.start()
		w.settle(name)
		w.expect(name, "True Available")
		if a := w.cloneOf(); a.CustomData != "text of our own" || w.line(name).Status.ClonedFrom == nil || len(w.service.Accounts()) != 2 {
			t.Errorf("crash at %d: %q, %+v, accounts %v", at, a.CustomData, w.line(name).Status.ClonedFrom, w.service.Accounts())
		}
		if !crashed {
			if at < 5 {
				t.Errorf("only %d moments", at)
			}
			return
		}
	}
}

// cloneCrashAt reconciles the line until the moment, before the clone or a write, at which the process dies; false where it comes to its end
// first.
func cloneCrashAt(w *world, at int) (crashed bool) {
	type death struct{}
	moments := 0
	moment := func() {
		if moments++; moments > at {
			panic(death{})
		}
	}
	defer func() {
		w.meanwhile = nil
		fake.During(w.service, fake.MethodClone, nil)
		if p := recover(); p != nil {
			if _, crashed = p.(death); !crashed {
				panic(p)
			}
		}
	}()
	fake.During(w.service, fake.MethodClone, moment)
	w.meanwhile = func(string) { moment() }
	w.reconcile(name)
	return false
}

// Two leaders make one account: whoever comes second finds that the attempt is recorded.
func TestTwoLeadersMakeOneClone(t *testing.T) {
	t.Parallel()
	for _, at := range []string{"create Secret", "patch Secret", "patch status of Line"} {
		w := newWorld(t, fake.Options{})
		w.withTemplate()
		if err := w.client.Create(t.Context(), w.toClone()); err != nil {
			t.Fatal(err)
		}
		overtaken, former := false, w.engine
		w.start()
		other := w.engine
		w.engine = former
		w.meanwhile = func(write string) {
			if write != at || overtaken {
				return
			}
			overtaken = true
			if _, err := other.Reconcile(t.Context(), managedLine{w.line(name)}); err != nil {
				t.Logf("the other leader: %v", err)
			}
		}
		w.reconcile(name)
		w.meanwhile, w.engine = nil, other
		w.list()
		w.settle(name)
		if n := len(w.service.Accounts()); n != 2 || !overtaken {
			t.Errorf("%s: %d accounts, overtaken %v", at, n, overtaken)
		}
		w.expectClone(w.line(name).Status.ClonedFrom.Users != nil)
	}
}

// A clone of an account that is not active is active unless its spec says otherwise, and stays as it is from then on.
func TestCloneIsActive(t *testing.T) {
	t.Parallel()
	for _, declared := range []bool{false, true} {
		w := newWorld(t, fake.Options{})
		w.service.Set(w.withTemplate(), fake.PathEnabled, "false")
		w.list()
		l := w.toClone()
		if declared {
			l.Spec.Enabled = new(bool)
		}
		w.apply(l)
		w.settle(name)
		if got := w.cloneOf().State[fake.PathEnabled]; got != fmt.Sprint(!declared) {
			t.Fatalf("declared %v: the clone is active: %s", declared, got)
		}
		if declared {
			continue
		}
		w.service.Set(w.cloneOf().ID, fake.PathEnabled, "false")
		w.list()
		w.settle(name)
		w.expect(name, "True Deactivated")
		if _, is := w.line(name).Status.LastApplied[fake.PathEnabled]; is || w.cloneOf().State[fake.PathEnabled] != "false" {
			t.Errorf("what is not declared is managed: %v", w.line(name).Status.LastApplied)
		}
	}
}

// So it is where the answer was lost, and nothing else is to be changed.
func TestCloneIsActiveAfterALostAnswer(t *testing.T) {
	t.Parallel()
	w := newWorld(t, fake.Options{})
	w.service.Set(w.withTemplate(), fake.PathEnabled, "false")
	w.list()
	w.service.Add(fake.LoseAnswer(fake.MethodClone))
	l := w.toClone()
	l.Spec = LineSpec{Contact: l.Spec.Contact, CloneFrom: template}
	w.apply(l)
	w.start()
	w.settle(name)
	w.expect(name, "True Available")
	if got := w.cloneOf().State[fake.PathEnabled]; got != "true" {
		t.Errorf("the clone is active: %s", got)
	}
}

// An account that has the name already is none to be cloned: the policies decide, as ever, and cloneFrom changes nothing.
func TestCloneOfWhatExists(t *testing.T) {
	t.Parallel()
	for _, adopt := range []account.Adoption{account.AdoptNever, account.AdoptAlways} {
		w := newWorld(t, fake.Options{})
		w.withTemplate()
		w.service.Put(name, account.State{fake.PathEnabled: "false"}, "")
		w.list()
		l := w.toClone()
		l.Spec.Policy.Adopt = adopt
		w.apply(l)
		w.settle(name)
		if adopt == account.AdoptAlways {
			w.expect(name, "True Deactivated")
		} else {
			w.expect(name, "False AdoptionRefused")
		}
		if n := w.service.Count(fake.MethodClone); n != 0 || w.line(name).Status.ClonedFrom != nil {
			t.Errorf("%d calls, %+v", n, w.line(name).Status.ClonedFrom)
		}
	}
}

// A template that the provider does not know is refused, and not tried again and again.
func TestTemplateIsGone(t *testing.T) {
	t.Parallel()
	w := newWorld(t, fake.Options{})
	id := w.withTemplate()
	w.service.Remove(id)
	w.apply(w.toClone())
	w.expect(name, "False Rejected")
	if m := w.message(name); !strings.Contains(m, "spec.cloneFrom.accountName: the provider does not know account template-1 (id "+id+")") {
		t.Errorf("message: %s", m)
	}
	w.expectRest(name)
	w.clock.Step(5 * time.Minute)
	w.expectRest(name)
	w.list()
	w.reconcile(template)
	w.expect(template, "False AccountMissing")
	w.reconcile(name)
	if m := w.message(name); !strings.Contains(m, "account template-1 is missing at the provider") || w.service.Count(fake.MethodClone) != 1 {
		t.Errorf("message: %s; %d calls", m, w.service.Count(fake.MethodClone))
	}
	w.edit(template, func(l *Line) { l.Spec.Policy.Recreate = true })
	w.settle(template)
	fake.SetParts(w.service, w.line(template).Status.AccountID, fake.Parts{Users: []string{"ada", "bob"}, Scenarios: []string{"ivr"}})
	w.settle(name)
	w.expectClone(true)
}

// A template that the provider did not know once is tried again later, by itself.
func TestTemplateIsKnownLater(t *testing.T) {
	t.Parallel()
	w := newWorld(t, fake.Options{})
	w.withTemplate()
	w.service.Add(fake.Refuse(fake.MethodClone, account.NotFound))
	w.apply(w.toClone())
	w.expect(name, "False Rejected")
	if pause := w.reconcile(name).RequeueAfter; pause < 9*time.Minute || pause > 12*time.Minute {
		t.Errorf("tries again after %s", pause)
	}
	w.clock.Step(12 * time.Minute)
	w.list()
	w.settle(name)
	w.expectClone(true)
}

// An account that is missing is cloned again, from the template as it is then; without a template it stays missing, at no cost.
func TestRecreatedAsAClone(t *testing.T) {
	t.Parallel()
	w := newWorld(t, fake.Options{})
	id := w.withTemplate()
	l := w.toClone()
	l.Spec.Policy.Recreate = true
	w.apply(l)
	w.settle(name)
	first := w.line(name).Status
	w.service.Remove(first.AccountID)
	w.service.Remove(id)
	w.list()
	w.reconcile(name)
	w.expect(name, "False AccountMissing")
	if m := w.message(name); !strings.Contains(m, "account child-1 is missing at the provider, and can't be recreated yet: spec.cloneFrom.accountName: account template-1 is missing") {
		t.Errorf("message: %s", m)
	}
	if st := w.line(name).Status; st.AccountID != first.AccountID || st.ClonedFrom == nil {
		t.Errorf("the former account is forgotten: %+v", st)
	}
	w.expectRest(name)
	w.edit(template, func(l *Line) { l.Spec.Policy.Recreate = true })
	w.settle(template)
	fake.SetParts(w.service, w.line(template).Status.AccountID, fake.Parts{Users: []string{"ada", "bob"}, Scenarios: []string{"ivr"}})
	w.service.Add(fake.Refuse(fake.MethodClone, account.Throttled))
	w.reconcile(name)
	if st := w.line(name).Status; w.service.Count(fake.MethodClone) != 2 || st.AccountID != first.AccountID || st.ClonedFrom == nil || *st.ClonedFrom.AccountID != id {
		t.Errorf("before there is another account the status says %+v: %s", st, w.message(name))
	}
	w.settle(name)
	w.expectClone(true)
	if st := w.line(name).Status; st.AccountID == first.AccountID || *st.ClonedFrom.AccountID == id {
		t.Errorf("%+v", st)
	}
}

// Accounts that are to be cloned from each other are refused, each; others in front of them wait.
func TestTemplatesInARing(t *testing.T) {
	t.Parallel()
	w := newWorld(t, fake.Options{})
	ring := []string{"ring-1", "ring-2", "ring-3"}
	for i, n := range ring {
		l := w.declared(n)
		l.Spec.CloneFrom = ring[(i+1)%len(ring)]
		if err := w.client.Create(t.Context(), l); err != nil {
			t.Fatal(err)
		}
	}
	l := w.toClone()
	l.Spec.CloneFrom = ring[0]
	w.apply(l)
	w.expect(name, "Unknown Creating")
	for _, n := range ring {
		w.reconcile(n)
		w.expect(n, "False Rejected")
		w.expectRest(n)
	}
	w.reconcile(name)
	w.expect(name, "Unknown Creating")
	if m := w.message(name); !strings.Contains(m, "needs somebody to act (Rejected)") {
		t.Errorf("message: %s", m)
	}
	if n := w.service.Count(fake.MethodClone); n != 0 {
		t.Errorf("%d calls", n)
	}
}

// A provider that clones nothing refuses it; an account that is only read is none to be created.
func TestClonesThatAreNone(t *testing.T) {
	t.Parallel()
	w := newWorld(t, fake.Options{NoPlans: true})
	w.apply(w.declared(template))
	w.settle(template)
	w.apply(w.toClone())
	w.expect(name, "False Rejected")
	if m := w.message(name); !strings.Contains(m, "spec.cloneFrom: this provider can't clone accounts") || len(w.service.Accounts()) != 1 {
		t.Errorf("%s; accounts %v", m, w.service.Accounts())
	}
	w = newWorld(t, fake.Options{})
	w.service.Put(name, account.State{fake.PathEnabled: "true"}, "")
	w.list()
	l := w.toClone()
	l.Spec.Policy.Observe = true
	w.apply(l)
	w.settle(name)
	w.expect(name, "True Observed")
}

// Under another namespace's parent a resource clones what resources of its own namespace have, and of the parent's, and nothing else:
// not even with the grant, and whatever it claims. What it may not clone it hears nothing of.
func TestTenantsClone(t *testing.T) {
	t.Parallel()
	const tenant, another = "tenant", "another"
	claimOf := func(namespace string) string {
		return account.Claim{Installation: "prod", Namespace: namespace, Name: template}.CustomData()
	}
	// lined has a resource of a namespace create the template.
	lined := func(namespace string, change func(*Line)) func(w *world) {
		return func(w *world) {
			l := w.declared(template)
			l.Namespace = namespace
			if change != nil {
				change(l)
			}
			w.apply2(l)
			w.list()
			w.reconcile2(namespace, template)
		}
	}
	// kept has a deleted resource of a namespace, which finalizers of others keep, once have had the template that one of another namespace has.
	kept := func(namespace, owner string) func(w *world) {
		return func(w *world) {
			has, l := &Line{}, w.declared(template)
			l.Namespace, l.UID, l.Finalizers = namespace, "uid-kept", []string{"example.org/a"}
			if err := w.client.Create(w.Context(), l); err != nil {
				w.Fatal(err)
			}
			if err := w.client.Get(w.Context(), client.ObjectKey{Namespace: owner, Name: template}, has); err != nil || has.Status.AccountID == "" {
				w.Fatal(has.Status, err)
			}
			l.Status = has.Status
			if err := errors.Join(w.client.Status().Update(w.Context(), l), w.client.Delete(w.Context(), l)); err != nil {
				w.Fatal(err)
			}
		}
	}
	observed := func(l *Line) { l.Spec.Policy.Observe = true }
	put := func(customData string) func(w *world) {
		return func(w *world) {
			w.service.Put(template, account.State{fake.PathEnabled: "true"}, customData)
			w.list()
		}
	}
	// released has the template be that of a resource which others keep after its deletion, and by now of a resource of another namespace.
	released := func(former, present string) func(w *world) {
		return func(w *world) {
			lined(former, func(l *Line) { l.Finalizers = []string{"example.com/keeps"} })(w)
			was := &Line{}
			if err := w.client.Get(t.Context(), client.ObjectKey{Namespace: former, Name: template}, was); err != nil {
				t.Fatal(err)
			}
			if err := w.client.Delete(t.Context(), was); err != nil {
				t.Fatal(err)
			}
			l := w.declared(template)
			l.Namespace, l.UID = present, types.UID("uid-"+present)
			if err := w.client.Create(t.Context(), l); err != nil {
				t.Fatal(err)
			}
			l.Status = was.Status
			if err := w.client.Status().Update(t.Context(), l); err != nil {
				t.Fatal(err)
			}
		}
	}
	for what, c := range map[string]struct {
		world []func(w *world)
		want  bool
	}{
		"its own":                            {[]func(*world){lined(tenant, nil)}, true},
		"the parent's":                       {[]func(*world){lined(namespace, nil)}, true},
		"another tenant's":                   {[]func(*world){lined(another, nil)}, false},
		"none":                               {nil, false},
		"nobody's":                           {[]func(*world){put("")}, false},
		"nobody's, observed by the parent's": {[]func(*world){put(""), lined(namespace, observed)}, true},
		"nobody's, observed by itself":       {[]func(*world){put(""), lined(tenant, observed)}, false},
		"another tenant's, observed by the parent":         {[]func(*world){lined(another, nil), lined(namespace, observed)}, false},
		"a deleted one's, observed by the parent":          {[]func(*world){put(claimOf(another)), lined(namespace, observed)}, false},
		"with its own claim, forged":                       {[]func(*world){put(claimOf(tenant))}, false},
		"another installation's, observed":                 {[]func(*world){put(account.Claim{Installation: "other", Namespace: namespace, Name: template}.CustomData()), lined(namespace, observed)}, false},
		"its own former one's, observed":                   {[]func(*world){put(claimOf(tenant)), lined(namespace, observed)}, true},
		"another tenant's, and its own wants it":           {[]func(*world){lined(another, nil), lined(tenant, nil)}, false},
		"another tenant's, and its own observes it":        {[]func(*world){lined(another, nil), lined(tenant, observed)}, false},
		"another tenant's, and its own former one is kept": {[]func(*world){lined(another, nil), kept(tenant, another)}, false},
		"another tenant's, its own once":                   {[]func(*world){released(tenant, another)}, false},
		"its own, another tenant's once":                   {[]func(*world){released("z-"+another, tenant)}, true},
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, fake.Options{})
			w.parent.Shared, w.parent.GrantsClone = true, true
			for _, has := range c.world {
				has(w)
			}
			l := w.toClone()
			l.Namespace, l.CreationTimestamp = tenant, metav1.Time{}
			w.apply2(l)
			got := w.reconcile2(tenant, name)
			message := ""
			for _, c := range got.Status.Conditions {
				if c.Type == v1alpha1.ConditionSynced {
					message = c.Reason + ": " + c.Message
				}
			}
			if n := w.service.Count(fake.MethodClone); (n == 1) != c.want || (got.Status.ClonedFrom != nil) != c.want {
				t.Fatalf("%d clones, %+v: %s", n, got.Status.ClonedFrom, message)
			}
			if !c.want && !strings.HasPrefix(message, "Rejected: spec.cloneFrom.accountName: there is no account template-1 that this resource may clone: only those of Lines in its own namespace, or in the ParentAccount's.") {
				t.Errorf("it hears %q", message)
			}
		})
	}
}

// The grant is needed to create an account, again where it is recreated, and not for one that exists.
func TestCloningNeedsTheGrant(t *testing.T) {
	t.Parallel()
	w := newWorld(t, fake.Options{})
	w.parent.Shared = true
	tenant := w.declared(template)
	tenant.Namespace = "tenant"
	w.apply2(tenant)
	l := w.toClone()
	l.Namespace, l.Spec.Policy.Recreate = "tenant", true
	w.apply2(l)
	said := func() string {
		t.Helper()
		got := w.reconcile2("tenant", name)
		for _, c := range got.Status.Conditions {
			if c.Type == v1alpha1.ConditionSynced {
				return fmt.Sprintf("%s %s, account %v", c.Status, c.Reason, got.Status.AccountID != "")
			}
		}
		return ""
	}
	if got := said(); got != "False NotPermitted, account false" {
		t.Fatalf("without the grant: %s", got)
	}
	w.parent.GrantsClone = true
	if got := said(); got != "True Available, account true" {
		t.Fatalf("with the grant: %s", got)
	}
	w.parent.GrantsClone = false
	if got := said(); got != "True Available, account true" {
		t.Fatalf("without the grant again: %s", got)
	}
	w.service.Remove(w.cloneOf().ID)
	w.list()
	if got := said(); got != "False AccountMissing, account true" || w.service.Count(fake.MethodClone) != 1 {
		t.Fatalf("missing: %s, %d clones", got, w.service.Count(fake.MethodClone))
	}
}

// What is declared decides which grant a resource of another namespace lacks; what exists needs none for having been cloned.
func TestLackedGrant(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		change  func(*Line)
		granted []v1alpha1.Grant
		want    v1alpha1.Grant
	}{
		{func(*Line) {}, nil, ""},
		{func(l *Line) { l.Spec.CloneFrom = template }, nil, v1alpha1.GrantClone},
		{func(l *Line) { l.Spec.CloneFrom = template }, []v1alpha1.Grant{v1alpha1.GrantPlan, v1alpha1.GrantAdopt}, v1alpha1.GrantClone},
		{func(l *Line) { l.Spec.CloneFrom = template }, []v1alpha1.Grant{v1alpha1.GrantClone}, ""},
		{func(l *Line) { l.Spec.CloneFrom, l.Status.Origin = template, v1alpha1.OriginCreated }, nil, ""},
		{func(l *Line) { l.Spec.CloneFrom, l.Spec.Policy.Observe = template, true }, nil, ""},
		{func(l *Line) { l.Spec.CloneFrom, l.Spec.Plan = template, "2" }, []v1alpha1.Grant{v1alpha1.GrantPlan}, v1alpha1.GrantClone},
		{func(l *Line) { l.Spec.CloneFrom, l.Spec.Plan = template, "2" }, []v1alpha1.Grant{v1alpha1.GrantClone}, v1alpha1.GrantPlan},
	} {
		l := &Line{}
		c.change(l)
		what, got := engine.LackedGrant(managedLine{l}, func(g v1alpha1.Grant) bool { return slices.Contains(c.granted, g) })
		if got != c.want || (what == "") != (got == "") {
			t.Errorf("%+v with %v: %s, %s; want %s", l.Spec, c.granted, what, got, c.want)
		}
	}
}

// A clone is a creation: it counts for no limit of changes, and a start holds it.
func TestClonesAtAStart(t *testing.T) {
	t.Parallel()
	w := newWorld(t, fake.Options{})
	w.withTemplate()
	w.parent.Limits = changeguard.Limits{Percent: 1, Minimum: 0, Window: time.Hour}
	w.apply(w.toClone())
	w.settle(name)
	w.expectClone(true)

	in := plan.Input{Start: &plan.Start{Rule: " waits", Next: "Approve."}, Schema: w.service.Fields()}
	in.View.Listed, in.Subject.Name = true, name
	in.Template = plan.Template{AccountName: template, AccountID: "1"}
	p := plan.For(in)
	if last := p.Last(); p.Work() || !last.Held || !strings.HasSuffix(last.Message, "create account child-1 as a clone of template-1 (id 1) waits") {
		t.Errorf("%s", p)
	}
}
