package engine_test

import (
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"cpaas.dev/child-account-operator/api/v1alpha1"
	"cpaas.dev/child-account-operator/internal/account"
	"cpaas.dev/child-account-operator/internal/conditions"
	"cpaas.dev/child-account-operator/internal/engine"
	"cpaas.dev/child-account-operator/internal/provider/fake"
)

// A resource that has waited long for the provider has something to do as soon as the parent's conditions show that the provider answers again,
// and not only when its own pause is over.
func TestTheEndOfAnOutageWakesWhatWaits(t *testing.T) {
	t.Parallel()
	for name, fault := range map[string]account.Error{
		"an outage":    {Class: account.Unavailable, Message: "not now", Answered: true},
		"rate-limited": {Class: account.Throttled, Message: "too many calls", Answered: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, fake.Options{})
			w.service.Add(fake.Fault{Method: fake.MethodCreate, Times: 1000, Error: fault})
			w.apply(w.declared("child-1"))
			resource := managedLine{w.line("child-1")}
			for since := w.clock.Now(); w.clock.Since(since) < 10*time.Minute; {
				w.clock.Step(max(w.reconcile("child-1").RequeueAfter, time.Second))
			}
			w.reconcile("child-1")
			w.service.Heal()
			w.clock.Step(5 * time.Second)
			w.list()
			needsWork := func() bool {
				return w.engine.NeedsWork(t.Context(), managedLine{w.line("child-1")})
			}
			if needsWork() {
				t.Fatal("it does not wait: this says nothing")
			}
			var troubled []metav1.Condition
			conditions.Parents.Write(&troubled, 1, conditions.Outcome{Reason: v1alpha1.ReasonAPIUnavailable}, w.clock.Now())
			parent := &v1alpha1.ParentAccount{}
			parent.Status.Conditions = troubled
			all := func() []engine.Managed { return []engine.Managed{resource} }
			if engine.ProviderRecovered(w.engine, parent, troubled, all) || needsWork() {
				t.Error("the provider does not answer yet")
			}
			parent.Status.Conditions = nil
			conditions.Parents.Write(&parent.Status.Conditions, 1, conditions.Outcome{Reason: v1alpha1.ReasonAvailable}, w.clock.Now())
			if !engine.ProviderRecovered(w.engine, parent, troubled, all) || !needsWork() || len(w.woken) != 1 {
				t.Fatal("the provider answers, and the resource waits")
			}
			w.settle("child-1")
			w.expect("child-1", "True Available")
		})
	}
}

// A resource whose profile is refused does not claim to match the spec as a whole; one whose profile is fine says what it did.
func TestSyncedNamesWhatIsNotApplied(t *testing.T) {
	t.Parallel()
	w := newWorld(t, fake.Options{})
	w.apply(w.profiled("first"))
	w.settle(name)
	if got := w.message(name); got != "the account matches the spec" {
		t.Errorf("all is applied: %q", got)
	}
	refuse := fake.Refuse(fake.MethodUpdateOwn, account.RoleMissing)
	refuse.Times = 1000
	w.service.Add(refuse)
	w.edit(name, func(l *Line) { l.Spec.Motto = ptr.To("second") })
	w.expect(name, "True Available")
	if got := w.message(name); !strings.HasPrefix(got, "the account matches the spec, but parts of the spec are not applied: ProfileSynced (RoleMissing). ") {
		t.Errorf("the profile is refused: %q", got)
	}
	w.expectRest(name)
}
