package engine_test

import (
	"strings"
	"testing"
	"time"

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
