package engine_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	ctrl "sigs.k8s.io/controller-runtime"

	"cpaas.dev/child-account-operator/api/v1alpha1"
	"cpaas.dev/child-account-operator/internal/account"
	"cpaas.dev/child-account-operator/internal/provider/fake"
)

// gone has the engine told that a line is gone, as the controller does.
func (w *world) gone(l *Line) {
	w.Helper()
	others, err := w.lines.Named(w.Context(), l.Name)
	if err != nil {
		w.Fatal(err)
	}
	w.engine.Gone(w.Context(), managedLine{l}, others)
	if err := w.engine.Forget(w.Context(), ctrl.Request{}, l.UID); err != nil {
		w.Fatal(err)
	}
}

// Whoever has had an account can write any claim into it. Whose account it was says the status of the resource that had it: what has to be accepted, and
// what is said of credentials that others know, does not depend on the claim.
func TestAForgedClaimHidesNobody(t *testing.T) {
	t.Parallel()
	claim := func(ns, name string) string {
		return account.Claim{Installation: "prod", Namespace: ns, Name: name}.CustomData()
	}
	for what, claim := range map[string]string{
		"the owner's":                claim("sales", name),
		"forged for the new one":     claim(namespace, name),
		"forged for an earlier one":  claim(namespace, "never"),
		"forged for somebody else's": claim("innocent", "never"),
		"replaced":                   "other data",
	} {
		for _, c := range []struct {
			adopt         account.Adoption
			shared, start bool
			taken, warned bool
		}{
			{adopt: ""},
			{adopt: "", shared: true},
			{adopt: account.AdoptIfIdentical, taken: true, warned: true},
			{adopt: account.AdoptIfIdentical, shared: true, taken: true, warned: true},
			{adopt: account.AdoptAlways, shared: true, taken: true, warned: true},
		} {
			w := newWorld(t, fake.Options{})
			w.parent.GrantsAdopt, w.parent.Shared = true, c.shared
			w.in("sales")
			owner := w.reconcileIn("sales")
			if err := w.dir.Claim(t.Context(), owner.Status.AccountID, claim); err != nil {
				t.Fatal(err)
			}
			w.remove("sales")
			w.gone(owner)
			w.list()
			w.emitted()
			w.in(namespace, func(l *Line) { l.Spec.Policy.Adopt = c.adopt })
			for range 3 {
				w.clock.Step(11 * time.Minute)
				w.list()
				w.reconcileIn(namespace)
			}
			l, emitted := w.reconcileIn(namespace), strings.Join(w.emitted(), "\n")
			said := w.message(name)
			if taken := l.Status.AccountID == owner.Status.AccountID; taken != c.taken || !taken && (!strings.Contains(said, "belonged to Line sales/"+name) || !strings.Contains(said, "To accept the account, set spec.adoptionPolicy")) {
				t.Errorf("%s, %+v: account %q: %s", what, c, l.Status.AccountID, said)
			}
			if warned := strings.Contains(emitted, "Warning CredentialsKnownElsewhere") && strings.Contains(emitted, "users of namespace sales"); warned != c.warned {
				t.Errorf("%s, %+v: %s", what, c, emitted)
			}
			if told := strings.Contains(emitted, "Adopted") || strings.Contains(emitted, "TakenOver"); told != c.taken {
				t.Errorf("%s, %+v: %s", what, c, emitted)
			}
			if strings.Contains(emitted+said, "innocent") && c.taken == strings.Contains(emitted+said, "users of namespace innocent") {
				t.Errorf("%s, %+v: the claim is taken for the truth: %s, %s", what, c, emitted, said)
			}
		}
	}
}

// In its namespace nothing has to be accepted and nothing is said, and after a restart nobody knows who had an account: then the message says only what the
// custom data has.
func TestWhoHadAnAccount(t *testing.T) {
	t.Parallel()
	for what, c := range map[string]struct {
		to                string
		restart, deleted  bool
		claim             string
		warned, uncertain bool
	}{
		"the same namespace":                         {to: "sales", claim: "other data"},
		"the same name, of another namespace by now": {to: "sales", claim: "other data", deleted: true, warned: true},
		"the same name, created again":               {to: "sales", claim: account.Claim{Installation: "prod", Namespace: "sales", Name: name}.CustomData(), deleted: true},
		"another namespace":                          {to: namespace, claim: "other data", warned: true},
		"another namespace, the former is deleted":   {to: namespace, claim: "other data", deleted: true, warned: true},
		"after a restart":                            {to: namespace, claim: "other data", restart: true},
		"after a restart, by the claim":              {to: namespace, claim: account.Claim{Installation: "prod", Namespace: "sales", Name: name}.CustomData(), restart: true, warned: true, uncertain: true},
	} {
		w := newWorld(t, fake.Options{})
		w.in("sales")
		owner := w.reconcileIn("sales")
		if err := w.dir.Claim(t.Context(), owner.Status.AccountID, c.claim); err != nil {
			t.Fatal(err)
		}
		w.remove("sales")
		w.gone(owner)
		if c.restart {
			w.start()
		}
		if c.deleted {
			w.engine.ForgetNamespace("sales")
		}
		w.parent.GrantsAdopt = true
		w.parents.Put(types.NamespacedName{Namespace: c.to, Name: "acme"}, w.dir)
		w.list()
		w.emitted()
		w.in(c.to, func(l *Line) { l.Spec.Policy.Adopt, l.UID = account.AdoptIfIdentical, "uid-new" })
		for range 3 {
			w.clock.Step(11 * time.Minute)
			w.list()
			w.reconcileIn(c.to)
		}
		l, emitted := w.reconcileIn(c.to), strings.Join(w.emitted(), "\n")
		if l.Status.AccountID != owner.Status.AccountID {
			t.Errorf("%s: %+v", what, l.Status)
		}
		if warned := strings.Contains(emitted, "CredentialsKnownElsewhere"); warned != c.warned || strings.Contains(emitted, "former one by its custom data") != c.uncertain ||
			warned && (!strings.Contains(emitted, "callback URL") || strings.Contains(emitted, "namespace sales") == c.deleted) {
			t.Errorf("%s: %s", what, emitted)
		}
	}
}

// A resource under deletionPolicy Deactivate that nobody could keep, as it had no finalizer, says once it is gone that its account stays active.
func TestAResourceThatIsGoneWithoutTheOperator(t *testing.T) {
	t.Parallel()
	for what, c := range map[string]struct {
		before func(*world, *Line)
		said   bool
	}{
		"without a finalizer": {before: func(*world, *Line) {}, said: true},
		"the parent is not connected": {before: func(w *world, l *Line) {
			w.parent.Suspended, w.parent.AccountID = true, l.Status.ParentAccountID
			w.parents.Put(types.NamespacedName{Namespace: namespace, Name: "acme"}, nil)
		}, said: true},
		"inactive": {before: func(w *world, l *Line) {
			w.service.Set(l.Status.AccountID, fake.PathEnabled, "false")
			w.list()
		}},
		"missing": {before: func(w *world, l *Line) {
			w.service.Remove(l.Status.AccountID)
			w.list()
		}},
		"under Retain": {before: func(_ *world, l *Line) { l.Spec.Deactivate = false }},
		"declared by another one, which waits": {before: func(w *world, _ *Line) {
			w.parents.Put(types.NamespacedName{Namespace: "sales", Name: "acme"}, w.dir)
			w.parent.GrantsAdopt = true
			w.in("sales", acceptingLine)
		}, said: true},
		"declared by another one, which it names": {before: func(w *world, l *Line) {
			w.parents.Put(types.NamespacedName{Namespace: "sales", Name: "acme"}, w.dir)
			w.parent.GrantsAdopt = true
			w.in("sales", acceptingLine)
			metav1.SetMetaDataAnnotation(&l.ObjectMeta, v1alpha1.AnnotationHandOverTo, "sales/"+name)
		}},
	} {
		w := newWorld(t, fake.Options{})
		left := w.noteLeftActive()
		w.in(namespace, func(l *Line) { l.Spec.Deactivate = true })
		w.settle(name)
		l := w.line(name)
		c.before(w, l)
		l.Finalizers = nil
		if err := w.client.Update(t.Context(), l); err != nil {
			t.Fatal(err)
		}
		w.remove(namespace)
		w.emitted()
		w.gone(l)
		emitted := strings.Join(w.emitted(), "\n")
		if said := strings.Contains(emitted, "Warning NotDeactivated"); said != c.said || (len(*left) == 1) != c.said {
			t.Errorf("%s: %s, %+v", what, emitted, *left)
		}
		if w.gone(l); !c.said && strings.Contains(strings.Join(w.emitted(), "\n"), "NotDeactivated") {
			t.Errorf("%s: said later", what)
		}
	}
}

// What the engine releases itself is said by the release, and no more once the resource is gone.
func TestASuspendedDeletionIsSaidOnce(t *testing.T) {
	t.Parallel()
	for what, c := range map[string]struct {
		before func(*world)
		said   int
	}{
		"neither suspended nor observed": {before: func(*world) {}},
		"suspended":                      {before: func(w *world) { w.edit(name, func(l *Line) { l.Spec.Suspend = true }) }, said: 1},
		"observed":                       {before: func(w *world) { w.edit(name, func(l *Line) { l.Spec.Policy.Observe = true }) }, said: 1},
		"the parent is suspended": {before: func(w *world) {
			w.parent.Suspended = true
			w.parents.Put(types.NamespacedName{Namespace: namespace, Name: "acme"}, nil)
		}, said: 1},
		"suspended, inactive": {before: func(w *world) {
			w.edit(name, func(l *Line) { l.Spec.Suspend = true })
			w.service.Set(w.line(name).Status.AccountID, fake.PathEnabled, "false")
			w.list()
		}},
	} {
		w := newWorld(t, fake.Options{})
		left := w.noteLeftActive()
		w.in(namespace, func(l *Line) { l.Spec.Deactivate = true })
		w.settle(name)
		c.before(w)
		w.emitted()
		calls := len(w.service.Calls())
		l := w.line(name)
		w.remove(namespace)
		w.meanwhile = func(write string) {
			if write == "patch Line" { // the cache sees that the resource is gone before the engine has the answer
				w.engine.Gone(t.Context(), managedLine{l}, nil)
			}
		}
		w.endDeletionIn(namespace)
		w.meanwhile = nil
		if made := len(w.service.Calls()) - calls; c.said > 0 && made > 0 {
			t.Errorf("%s: %d calls", what, made)
		}
		if what == "observed" { // the edit has taken the finalizer away
			l.Finalizers = nil
		}
		w.gone(l)
		emitted := strings.Join(w.emitted(), "\n")
		if n := strings.Count(emitted, "Warning NotDeactivated"); n != c.said || len(*left) != c.said {
			t.Errorf("%s: said %d times, the parent is told of %+v: %s", what, n, *left, emitted)
		}
	}
}

// Whoever waits for a deletion is told that it ends after an hour, with the account active, whatever it waits for.
func TestADeletionThatWaitsSaysHowItEnds(t *testing.T) {
	t.Parallel()
	w := newWorld(t, fake.Options{})
	w.in(namespace, func(l *Line) { l.Spec.Deactivate = true })
	w.settle(name)
	w.service.Add(fake.Refuse(fake.MethodUpdate, account.RoleMissing))
	w.remove(namespace)
	for range 3 {
		w.reconcile(name)
	}
	w.expect(name, "True "+v1alpha1.ReasonDeleting)
	if said := w.message(name); !strings.Contains(said, "after an hour at most this Line is deleted all the same, and its account stays active") {
		t.Errorf("it says %s", said)
	}
}

// A resource gets the finalizer though its parent can't be worked with: its deletion then waits for the parent.
func TestAFinalizerIsAddedWithoutTheParent(t *testing.T) {
	t.Parallel()
	w := newWorld(t, fake.Options{})
	w.in(namespace)
	w.settle(name)
	w.parents.Put(types.NamespacedName{Namespace: namespace, Name: "acme"}, nil)
	w.edit(name, func(l *Line) { l.Spec.Deactivate = true })
	calls := len(w.service.Calls())
	if w.reconcile(name); !slices.Contains(w.line(name).Finalizers, v1alpha1.Finalizer) || len(w.service.Calls()) != calls {
		t.Errorf("finalizers %v, %d calls", w.line(name).Finalizers, len(w.service.Calls())-calls)
	}
}
