package engine_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"cpaas.dev/child-account-operator/api/v1alpha1"
	"cpaas.dev/child-account-operator/internal/account"
	"cpaas.dev/child-account-operator/internal/provider/fake"
)

// Three writes make an account under Retain, and none of them is of the resource itself.
func TestOnlyTheStatusIsWritten(t *testing.T) {
	t.Parallel()
	w := newWorld(t, fake.Options{})
	w.apply(w.declared(name))
	w.settle(name)
	w.expect(name, "True Available")
	want := []string{"create Line", "create Secret", "patch Secret", "patch status of Line"} // the first is the test's
	if !slices.Equal(w.written, want) {
		t.Errorf("writes: %v, want %v", w.written, want)
	}
	if l := w.line(name); len(l.Finalizers)+len(l.Annotations) > 0 {
		t.Errorf("finalizers %v, annotations %v", l.Finalizers, l.Annotations)
	}
	if n := w.service.Count(fake.MethodGet); n != 0 {
		t.Errorf("%d reads of an account that nobody can have created", n)
	}
}

// Under Deactivate the finalizer is there before the account, and before Ready speaks of the generation that asks for it; under
// Retain it goes again.
func TestTheFinalizerFollowsTheDeletionPolicy(t *testing.T) {
	t.Parallel()
	w := newWorld(t, fake.Options{})
	l := w.declared(name)
	l.Spec.Deactivate = true
	w.meanwhile = func(write string) {
		if write == "create Secret" && !slices.Contains(w.line(name).Finalizers, v1alpha1.Finalizer) {
			t.Error("an account is about to be created without a finalizer")
		}
	}
	w.apply(l)
	w.settle(name)
	w.meanwhile = nil

	w.edit(name, func(l *Line) { l.Spec.Deactivate = false })
	if w.expect(name, "True Available"); len(w.line(name).Finalizers) > 0 {
		t.Error("under Retain the finalizer stays")
	}
	w.expectRest(name)
	w.meanwhile = func(write string) {
		if write == "patch status of Line" && len(w.line(name).Finalizers) == 0 {
			t.Error("Ready speaks of a generation that is not prepared for its deletion")
		}
	}
	w.edit(name, func(l *Line) { l.Spec.Deactivate = true })
	w.expect(name, "True Available")
	w.expectRest(name)
}

// What an earlier version has left costs no write, and does not keep the resource.
func TestTheFinalizerOfAnEarlierVersion(t *testing.T) {
	t.Parallel()
	w := newWorld(t, fake.Options{})
	l := w.declared(name)
	l.Finalizers, l.Annotations = []string{v1alpha1.Finalizer}, map[string]string{v1alpha1.AnnotationCreateIntent: "parent/" + name}
	w.apply(l)
	w.settle(name)
	w.start()
	w.settle(name)
	w.expectRest(name)
	if len(w.line(name).Finalizers) != 1 {
		t.Error("the finalizer was taken away for nothing")
	}
	if err := w.client.Delete(t.Context(), w.line(name)); err != nil {
		t.Fatal(err)
	}
	w.reconcile(name)
	w.expectGone(name)
	if w.account().State[fake.PathEnabled] == "false" {
		t.Error("its account was deactivated")
	}
}

// expectGone says that there is no such line.
func (w *world) expectGone(name string) {
	w.Helper()
	if err := w.client.Get(w.Context(), client.ObjectKey{Namespace: namespace, Name: name}, &Line{}); !apierrors.IsNotFound(err) {
		w.Errorf("%s is still there, %v", name, err)
	}
}

// A resource that goes before its account is created gets none, and leaves no connection Secret.
func TestDeletedBeforeTheCreation(t *testing.T) {
	t.Parallel()
	for _, anew := range []bool{false, true} {
		w := newWorld(t, fake.Options{})
		l := w.declared(name)
		w.meanwhile = func(write string) {
			if write != "create Secret" {
				return
			}
			w.meanwhile = nil
			if err := w.client.Delete(t.Context(), w.line(name)); err != nil {
				t.Fatal(err)
			}
			if anew { // by another one of the name
				other := w.declared(name)
				other.UID = "uid-of-another"
				if err := w.client.Create(t.Context(), other); err != nil {
					t.Fatal(err)
				}
			}
		}
		w.apply(l)
		if n := w.service.Count(fake.MethodCreate); n != 0 {
			t.Errorf("anew %v: %d accounts were created", anew, n)
		}
		if err := w.engine.Forget(t.Context(), request(name), l.UID); err != nil {
			t.Fatal(err)
		}
		w.expectNoSecret(name)
	}
}

func request(name string) ctrl.Request {
	return ctrl.Request{NamespacedName: types.NamespacedName{Namespace: namespace, Name: name}}
}

// expectNoSecret says that a line has no connection Secret.
func (w *world) expectNoSecret(name string) {
	w.Helper()
	err := w.client.Get(w.Context(), client.ObjectKey{Namespace: namespace, Name: name + "-connection"}, &corev1.Secret{})
	if !apierrors.IsNotFound(err) {
		w.Errorf("there is a connection Secret, %v", err)
	}
}

// An account that is created for a resource that goes meanwhile is named in an event, and the connection Secret has its key.
func TestDeletedDuringTheCreation(t *testing.T) {
	t.Parallel()
	w := newWorld(t, fake.Options{})
	l := w.declared(name)
	w.meanwhile = func(write string) {
		if write == "patch Secret" {
			w.meanwhile = nil
			if err := w.client.Delete(t.Context(), w.line(name)); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := w.client.Create(t.Context(), l); err != nil {
		t.Fatal(err)
	}
	_, _ = w.engine.Reconcile(t.Context(), managedLine{w.line(name)}) // which ends with what is gone
	w.expectGone(name)
	a := w.account()
	if got := w.secret(name); got["accountID"] != a.ID || got["apiKey"] == "" {
		t.Errorf("the connection Secret has account %q, and a key: %v", got["accountID"], got["apiKey"] != "")
	}
	w.expectPassword(w.secret(name)["password"])
	var said []string
	for len(w.events.Events) > 0 {
		said = append(said, <-w.events.Events)
	}
	if !slices.ContainsFunc(said, func(e string) bool { return strings.Contains(e, "AccountLeft") && strings.Contains(e, a.ID) }) {
		t.Errorf("no event names the account: %q", said)
	}
	if err := w.engine.Forget(t.Context(), request(name), l.UID); err != nil {
		t.Fatal(err)
	}
	if w.secret(name)["accountID"] == "" {
		t.Error("the Secret is gone")
	}
}

// A connection Secret that the process knows to be unused goes with its resource; one that anybody has touched, or that an account
// may have been created with, stays.
func TestUnusedSecretsGo(t *testing.T) {
	t.Parallel()
	for what, c := range map[string]struct {
		fault   fake.Fault
		restart bool
		touched bool
		stays   bool
	}{
		"refused":                         {fault: fake.Refuse(fake.MethodCreate, account.EmailTaken)},
		"refused, touched by somebody":    {fault: fake.Refuse(fake.MethodCreate, account.EmailTaken), touched: true, stays: true},
		"refused, by a former process":    {fault: fake.Refuse(fake.MethodCreate, account.EmailTaken), restart: true, stays: true},
		"without an answer, and not done": {fault: fake.LoseRequest(fake.MethodCreate), stays: true},
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, fake.Options{})
			w.service.Add(c.fault)
			l := w.declared(name)
			w.apply(l)
			if c.restart {
				w.start()
			}
			if c.touched {
				w.editSecret(name, func(s *corev1.Secret) { s.Data["note"] = []byte("mine") })
			}
			if err := w.client.Delete(t.Context(), w.line(name)); err != nil {
				t.Fatal(err)
			}
			if err := w.engine.Forget(t.Context(), request(name), l.UID); err != nil {
				t.Fatal(err)
			}
			if c.stays {
				w.secret(name)
				return
			}
			w.expectNoSecret(name)
		})
	}
}

// Whatever hints at an earlier attempt has the account read before another one is made: a status, an edit, a mark of an earlier
// version, a Secret that is there.
func TestReadBeforeCreation(t *testing.T) {
	t.Parallel()
	for hint, give := range map[string]func(*world, *Line){
		"status": func(_ *world, l *Line) { l.Status.ObservedGeneration = 1 },
		"edit":   func(_ *world, l *Line) { l.Generation = 2 },
		"annotation": func(_ *world, l *Line) {
			l.Annotations = map[string]string{v1alpha1.AnnotationCreateIntent: "parent/" + name}
		},
		"finalizer": func(_ *world, l *Line) { l.Finalizers = []string{v1alpha1.Finalizer} },
		"Secret": func(w *world, l *Line) {
			w.putSecret(l, "", map[string][]byte{"password": []byte("prepared")})
		},
		"Secret with the attempt": func(w *world, l *Line) {
			w.putSecret(l, string(l.UID)+"/1/parent/"+name, map[string][]byte{"password": []byte("prepared")})
		},
	} {
		t.Run(hint, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, fake.Options{})
			l := w.declared(name)
			give(w, l)
			w.apply(l)
			w.settle(name)
			w.expect(name, "True Available")
			if n := w.service.Count(fake.MethodGet); n == 0 {
				t.Error("the account was not read")
			}
			w.expectPassword(w.secret(name)["password"])
		})
	}
}

// A process that has not created an account has it read where another process may have: after an edit, which may have given the
// connection Secret another name, and where the resource has a status that was not read. The Secret tells of nothing then.
func TestReadAfterAnotherProcess(t *testing.T) {
	t.Parallel()
	for what, c := range map[string]struct {
		fault  fake.Fault // of the other process's call
		edited bool
	}{
		"edited":                       {fault: fake.LoseAnswer(fake.MethodCreate), edited: true},
		"status not read":              {},
		"status of an unknown outcome": {fault: fake.LoseAnswer(fake.MethodCreate)},
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, fake.Options{})
			if c.edited { // seen by this process before
				w.service.Add(fake.Refuse(fake.MethodCreate, account.EmailTaken))
				w.apply(w.declared(name))
			} else if err := w.client.Create(t.Context(), w.declared(name)); err != nil {
				t.Fatal(err)
			}
			this, known := w.engine, w.line(name)
			w.start()
			if c.fault != (fake.Fault{}) {
				w.service.Add(c.fault)
			}
			w.reconcile(name)
			w.account()
			created := w.service.Count(fake.MethodCreate)
			if err := w.client.Delete(t.Context(), &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name + "-connection"}}); err != nil {
				t.Fatal(err)
			}
			if c.edited {
				known = w.line(name)
				known.Generation++
				known.Spec.Contact = "other@acme.example"
				if err := w.client.Update(t.Context(), known); err != nil {
					t.Fatal(err)
				}
				w.clock.Step(time.Hour)
			}
			_, _ = this.Reconcile(t.Context(), managedLine{known}) // what it finds is for the next one
			if n := w.service.Count(fake.MethodCreate); n != created {
				t.Errorf("%d calls for an account that exists", n-created)
			}
		})
	}
}

// putSecret makes a line's connection Secret.
func (w *world) putSecret(l *Line, intent string, data map[string][]byte) {
	w.Helper()
	s := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{
		Namespace: namespace, Name: l.Name + "-connection", Labels: map[string]string{v1alpha1.LabelConnection: "true"},
		Annotations: map[string]string{v1alpha1.AnnotationResource: "Line/" + l.Name, v1alpha1.AnnotationAccount: "parent/" + l.Name},
	}, Data: data}
	if intent != "" {
		s.Annotations[v1alpha1.AnnotationCreateIntent] = intent
	}
	if err := w.client.Create(w.Context(), s); err != nil {
		w.Fatal(err)
	}
}

// Of two leaders that go on from one attempt, only one renews it.
func TestTwoLeadersRenewOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t, fake.Options{})
	w.service.Add(fake.LoseRequest(fake.MethodCreate))
	w.apply(w.declared(name))
	first := w.engine
	w.start()
	w.meanwhile = func(write string) {
		if write != "patch Secret" {
			return
		}
		w.meanwhile = nil
		_, _ = first.Reconcile(t.Context(), managedLine{w.line(name)}) // the former leader goes on, from the same Secret
	}
	w.reconcile(name)
	w.settle(name)
	if n := w.service.Count(fake.MethodCreate); n != 2 { // the one that was lost, and one more
		t.Errorf("%d calls", n)
	}
	w.account()
}

// editSecret changes a line's connection Secret, as somebody else does.
func (w *world) editSecret(name string, change func(*corev1.Secret)) {
	w.Helper()
	s := &corev1.Secret{}
	if err := w.client.Get(w.Context(), client.ObjectKey{Namespace: namespace, Name: name + "-connection"}, s); err != nil {
		w.Fatal(err)
	}
	change(s)
	if err := w.client.Update(w.Context(), s); err != nil {
		w.Fatal(err)
	}
}
