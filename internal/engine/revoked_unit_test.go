package engine_test

import (
	"strings"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"cpaas.dev/child-account-operator/api/v1alpha1"
	"cpaas.dev/child-account-operator/internal/account"
	"cpaas.dev/child-account-operator/internal/provider/fake"
)

// What may be a refusal of the parent's credentials is no event of the resource before the parent's list has shown that they are good. To learn of that
// costs no call.
func TestARefusalIsAnEventOnceTheListIsRead(t *testing.T) {
	t.Parallel()
	w := newWorld(t, fake.Options{})
	w.apply(w.declared(name))
	w.settle(name)
	told := func() (n int) {
		for len(w.events.Events) > 0 {
			if strings.HasPrefix(<-w.events.Events, "Warning "+v1alpha1.ReasonRoleMissing) {
				n++
			}
		}
		return n
	}
	w.service.Add(fake.Fault{Method: fake.MethodUpdate, Error: account.Error{Class: account.RoleMissing, Message: "authorization failed", Answered: true, DoubtsCredentials: true}})
	w.edit(name, func(l *Line) { l.Spec.Contact = "other@acme.example" })
	w.expect(name, "False RoleMissing")
	calls := len(w.service.Calls())
	for range 2 {
		if pause := w.reconcile(name).RequeueAfter; pause <= 0 || pause > 20*time.Second {
			t.Errorf("looks again after %s", pause)
		}
	}
	if n := told(); n != 0 || len(w.service.Calls()) != calls {
		t.Errorf("%d events, %d calls", n, len(w.service.Calls())-calls)
	}
	w.list()
	calls = len(w.service.Calls())
	for range 2 {
		if pause := w.reconcile(name).RequeueAfter; pause < time.Minute {
			t.Errorf("looks again after %s", pause)
		}
	}
	if n := told(); n != 1 || len(w.service.Calls()) != calls {
		t.Errorf("%d events, %d calls", n, len(w.service.Calls())-calls)
	}
}

// While the provider can't be asked whether a password is right, it is not said that the connection Secret lacks anything.
func TestWhatCouldNotBeAsked(t *testing.T) {
	t.Parallel()
	w := newWorld(t, fake.Options{})
	w.apply(w.declared(name))
	w.settle(name)
	w.service.Add(fake.Fault{Method: fake.MethodCheckPassword, Error: account.Error{Class: account.Unavailable, Message: "not now", Answered: true}})
	w.edit(name, func(l *Line) { l.Annotations = map[string]string{v1alpha1.AnnotationReconcileRequestedAt: "now"} })
	state := meta.FindStatusCondition(w.line(name).Status.Conditions, v1alpha1.ConditionConnectionSecretReady)
	const want = "the provider could not be asked yet whether the password in the connection Secret is the account's: see the condition Synced"
	if state == nil || state.Status != metav1.ConditionFalse || state.Message != want {
		t.Errorf("%+v, want %q", state, want)
	}
}
