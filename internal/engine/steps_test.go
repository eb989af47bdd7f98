package engine_test

import (
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"

	"cpaas.dev/child-account-operator/api/v1alpha1"
	"cpaas.dev/child-account-operator/internal/account"
	"cpaas.dev/child-account-operator/internal/plan"
	"cpaas.dev/child-account-operator/internal/provider/fake"
	"cpaas.dev/child-account-operator/internal/secrets"
)

// Somebody who asks for a read gets one, once for each value.
func TestReadRequested(t *testing.T) {
	t.Parallel()
	w := newWorld(t, fake.Options{})
	w.apply(w.declared(name))
	w.settle(name)
	reads := w.service.Count(fake.MethodGet)
	w.edit(name, func(l *Line) { l.Annotations = map[string]string{v1alpha1.AnnotationReconcileRequestedAt: "now"} })
	w.settle(name)
	w.expect(name, "True Available")
	if n := w.service.Count(fake.MethodGet) - reads; n != 1 {
		t.Errorf("%d reads", n)
	}
	if got := w.line(name).Status.LastHandledReconcileAt; got != "now" {
		t.Errorf("handled: %q", got)
	}
	w.expectRest(name)
}

// Deletions that deactivate keep to the budget; what waits says so, and goes on with the next hour.
func TestDeletionsKeepToTheBudget(t *testing.T) {
	t.Parallel()
	w := newWorld(t, fake.Options{})
	for i := range 2 {
		l := w.declared(child(i))
		l.Spec.Deactivate = true
		w.apply(l)
		w.settle(child(i))
	}
	w.clock.SetTime(time.Now())
	w.parent.Limits.DeactivationsPerHour = 1
	for i := range 2 {
		if err := w.client.Delete(t.Context(), w.line(child(i))); err != nil {
			t.Fatal(err)
		}
		w.reconcile(child(i))
	}
	off := 0
	for _, id := range w.service.Accounts() {
		if a, _ := w.service.Account(id); a.State[fake.PathEnabled] == "false" {
			off++
		}
	}
	if off != 1 {
		t.Fatalf("%d accounts are deactivated within the hour", off)
	}
	w.expect(child(1), "True Deleting")
	w.reconcile((<-w.woken).Name)
	if c := meta.FindStatusCondition(w.line(child(1)).Status.Conditions, v1alpha1.ConditionStalled); c == nil {
		t.Error("nobody hears that somebody has to act")
	}
}

// The claim of the owner that an account is taken from is replaced, however often that takes.
func TestTakeoverReplacesTheClaim(t *testing.T) {
	t.Parallel()
	w := newWorld(t, fake.Options{})
	former := account.Claim{Installation: "former", Namespace: namespace, Name: name}
	w.service.Put(name, account.State{fake.PathEnabled: "true"}, former.CustomData())
	w.list()
	w.apply(w.declared(name))
	w.expect(name, "False ClaimedElsewhere")
	w.service.Add(fake.Refuse(fake.MethodSetCustomData, account.Unavailable))
	w.edit(name, func(l *Line) { l.Annotations = map[string]string{v1alpha1.AnnotationTakeover: "former"} })
	if a := w.account(); a.CustomData != former.CustomData() {
		t.Fatalf("the claim is %s", a.CustomData)
	}
	w.expect(name, "False APIUnavailable")
	w.settle(name)
	if claim, _ := new(w.account()).Claim(); claim.Installation != "prod" {
		t.Errorf("the claim is %s", claim)
	}
	w.expectRest(name)
}

// What is seen of an account is in the status, though its password could not be set.
func TestARefusedPasswordHidesNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t, fake.Options{})
	l := w.declared(name)
	l.Spec.Tongue, l.Spec.Password = nil, "declared"
	w.password("declared-password-1")
	w.apply(l)
	w.settle(name)
	w.service.Set(w.account().ID, fake.PathTongue, "fr")
	w.list()
	w.service.Add(fake.Refuse(fake.MethodSetPassword, account.PasswordBlocked))
	w.password("declared-password-2")
	w.reconcile(name)
	w.expect(name, "False PasswordBlocked")
	if got := w.line(name).Status.Seen["tongue"]; got != "fr" {
		t.Errorf("the status shows %v", got)
	}
	w.expectRest(name)
	w.clock.Step(time.Hour)
	w.settle(name)
	w.expect(name, "True Available")
	w.expectPassword("declared-password-2")
	if _, there := w.secret(name)[secrets.KeyPassword]; there {
		t.Error("the connection Secret has the declared password")
	}
}

// What would be done can be asked for, and asking does nothing.
func TestPlan(t *testing.T) {
	t.Parallel()
	w := newWorld(t, fake.Options{})
	l := w.declared(name)
	if err := w.client.Create(t.Context(), l); err != nil {
		t.Fatal(err)
	}
	calls, writes := len(w.service.Calls()), w.writes
	p, err := w.engine.Plan(t.Context(), managedLine{w.line(name)})
	if err != nil || !p.Begins(plan.PrepareSecret) || p.Last().Kind != plan.Report {
		t.Errorf("%s, %v", p, err)
	}
	if len(w.service.Calls()) != calls || w.writes != writes {
		t.Error("planning called or wrote something")
	}
	l = w.line(name)
	l.Finalizers = []string{v1alpha1.Finalizer} // of an earlier version
	if err := w.client.Update(t.Context(), l); err != nil {
		t.Fatal(err)
	}
	if err := w.client.Delete(t.Context(), w.line(name)); err != nil {
		t.Fatal(err)
	}
	if p, err = w.engine.Plan(t.Context(), managedLine{w.line(name)}); err != nil || !p.Begins(plan.ReleaseFinalizer) {
		t.Errorf("deleted: %s, %v", p, err)
	}
}
