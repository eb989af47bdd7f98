package engine_test

import (
	"strings"
	"testing"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"cpaas.dev/child-account-operator/api/v1alpha1"
	"cpaas.dev/child-account-operator/internal/account"
)

const plansCondition = v1alpha1.ConditionPlansSynced

// buys declares a plan.
func buys(id string) func(*v1alpha1.ParentAccount) {
	return func(p *v1alpha1.ParentAccount) { p.Spec.Plans = []v1alpha1.DeclaredPlan{{Type: "MAU", TemplateID: id}} }
}

// bought is how many plans were requested.
func (w *ownWorld) bought() int {
	n := 0
	for _, c := range w.calls {
		if strings.HasPrefix(c, callBuy) {
			n++
		}
	}
	return n
}

// A plan is bought once, after its request is in the stored status, with an event before and after; then it costs nothing.
func TestAPlanOfTheParentAccountIsBoughtOnce(t *testing.T) {
	w := newOwnWorld(t)
	w.edit(buys("11"))
	w.meanwhile = func(call string) {
		if call != callBuy {
			return
		}
		if st := w.object().Status.Account; st == nil || len(st.PlanChanges) != 1 || st.PlanChanges[0].TemplateID != "11" {
			t.Errorf("the request is not stored: %+v", st)
		}
		if got := w.emitted(); got != "PlanChanging" {
			t.Errorf("events before: %s", got)
		}
	}
	w.expectPass("declared", "Plans, PlanOffers, status, ChangePlan 11, Plans, status")
	w.expectSaid(plansCondition, "True Available")
	if st := w.object().Status.Account; len(st.PlanChanges) != 0 || len(st.Plans) != 1 || st.Plans[0].TemplateID != "11" || w.emitted() != "PlanChanged" {
		t.Errorf("%+v", st)
	}
	for range 3 {
		w.clock.Step(ownPause)
		w.expectPass("at rest", "")
	}
	w.restart()
	w.expectPass("after a restart", "")
	w.request("please")
	w.expectPass("requested", "Plans, status")
	w.expectPass("and then", "")
}

func TestAPlanThatTheParentAccountHas(t *testing.T) {
	w := newOwnWorld(t)
	w.edit(buys("10"))
	w.expectPass("declared", "Plans, status")
	w.expectSaid(plansCondition, "True Available")
	w.expectPass("and then", "")
}

// After a lost answer nothing is requested for a minute, and after that only if the account does not have the plan.
func TestALostAnswerAboutAPlanOfTheParentAccount(t *testing.T) {
	for what, carriedOut := range map[string]bool{"carried out": true, "not carried out": false} {
		t.Run(what, func(t *testing.T) {
			w := newOwnWorld(t)
			w.edit(buys("11"))
			lost := account.Error{Class: account.Unavailable, Message: "no answer in time", OutcomeUnknown: true}
			if !carriedOut {
				lost.Code = 1
			}
			w.fails[callBuy] = []account.Error{lost}
			w.pass()
			if got := w.emitted(); got != "PlanChanging PlanChangeUnconfirmed" {
				t.Errorf("events %s", got)
			}
			if !carriedOut {
				for range 5 { // over a restart too
					w.restart()
					w.clock.Step(10 * time.Second)
					w.pass()
				}
				w.expectSaid(plansCondition, "Unknown Updating", "does not know yet")
				if n := w.bought(); n != 1 {
					t.Fatalf("requested %d times within the minute", n)
				}
			}
			w.clock.Step(time.Minute)
			w.pass()
			w.expectSaid(plansCondition, "True Available")
			if n, want := w.bought(), map[bool]int{true: 1, false: 2}[carriedOut]; n != want {
				t.Errorf("requested %d times, want %d", n, want)
			}
			if got := w.emitted(); !strings.HasSuffix(got, "PlanChanged") {
				t.Errorf("events %s", got)
			}
		})
	}
}

// Where somebody else has changed the resource nothing is requested: another process may be at it.
func TestAPlanIsNotRequestedOnAnOldStatus(t *testing.T) {
	w := newOwnWorld(t)
	w.edit(buys("11"))
	w.refuse = func() error {
		return apierrors.NewConflict(schema.GroupResource{Resource: "parentaccounts"}, "acme", nil)
	}
	pause, _ := w.pass()
	if w.bought() != 0 || pause > time.Second || pause <= 0 {
		t.Errorf("requested %d times, again in %s", w.bought(), pause)
	}
	w.refuse = nil
	w.pass()
	w.expectSaid(plansCondition, "True Available")
	if w.bought() != 1 {
		t.Errorf("requested %d times", w.bought())
	}
}

// The process ends right after the request: the next one reads before it requests anything.
func TestACrashAfterTheRequestOfAPlan(t *testing.T) {
	w := newOwnWorld(t)
	w.edit(buys("11"))
	writes := 0
	w.refuse = func() error {
		if writes++; writes > 1 {
			return apierrors.NewServiceUnavailable("killed")
		}
		return nil
	}
	w.pass()
	w.refuse = nil
	w.restart()
	w.expectPass("after the restart", "Plans, status")
	w.expectSaid(plansCondition, "True Available")
	if w.bought() != 1 {
		t.Errorf("requested %d times", w.bought())
	}
}

// A change that the provider has accepted and does not show is never requested again.
func TestAPlanOfTheParentAccountThatIsNotShown(t *testing.T) {
	w := newOwnWorld(t)
	w.forgetful = true
	w.edit(buys("11"))
	w.pass()
	for range 5 {
		w.clock.Step(ownPause)
		w.restart()
		w.pass()
	}
	w.expectSaid(plansCondition, "False ValueNotKept", "does not report the new plan")
	if w.bought() != 1 {
		t.Errorf("requested %d times", w.bought())
	}
}

// A ParentAccount that is deleted and applied again does not buy what the former one has bought, which nobody shows, over a restart either; once a
// read shows the plan, an event says so.
func TestAPlanOfAParentAccountThatIsAppliedAgain(t *testing.T) {
	w := newOwnWorld(t)
	w.forgetful = true
	w.edit(buys("11"))
	w.pass()
	if got := w.emitted(); !strings.HasPrefix(got, "PlanChanging") || strings.Contains(got, "PlanChanged") {
		t.Errorf("events of a plan that is not shown: %s", got)
	}
	p := w.object()
	if err := w.client.Delete(t.Context(), p); err != nil {
		t.Fatal(err)
	}
	w.engine.ForgetParent(client.ObjectKeyFromObject(p))
	w.declare(w.name, func(p *v1alpha1.ParentAccount) { p.UID = "applied-again"; buys("11")(p) })
	w.connect()
	w.engine.Starts.Begin(t.Context(), w.parent(w.object()), nil, nil)
	for range 3 {
		w.clock.Step(ownPause)
		w.pass()
	}
	w.expectSaid(plansCondition, "False ValueNotKept", "does not report the new plan", "plans.MAU is 10")
	w.restart()
	w.pass()
	if w.bought() != 1 {
		t.Fatalf("requested %d times", w.bought())
	}
	w.plans = []account.Plan{{Type: "MAU", ID: "11", Charge: "50"}}
	w.emitted()
	w.request("please")
	w.pass()
	w.expectSaid(plansCondition, "True Available")
	if got := w.emitted(); !strings.Contains(got, "PlanChanged") {
		t.Errorf("events: %s", got)
	}
}

// A plan that is not offered, or not upward, is refused with those that are offered; neither is it tried again by itself.
func TestAPlanOfTheParentAccountThatIsRefused(t *testing.T) {
	w := newOwnWorld(t)
	w.edit(buys("99"))
	w.expectPass("declared", "Plans, PlanOffers, status")
	w.expectSaid(plansCondition, "False Rejected", "spec.plans.MAU", "It offers: 11 (Start, 50 per period), 12 (Large, 90.5 per period)")
	if got := w.emitted(); got != "Rejected" {
		t.Errorf("events %s", got)
	}
	w.clock.Step(24 * time.Hour)
	w.expectPass("a day later", "")
	for class, want := range map[account.Class]string{account.BalanceTooLow: "False BalanceTooLow", account.RoleMissing: "False RoleMissing", account.BlockedNotEnabled: "False BlockedNotEnabled"} {
		w := newOwnWorld(t)
		w.edit(buys("11"))
		w.fails[callBuy] = []account.Error{{Class: class, Message: "no", Answered: true}}
		w.pass()
		w.expectSaid(plansCondition, want, "10 minutes")
		if st := w.object().Status.Account; len(st.PlanChanges) != 0 {
			t.Errorf("%+v", st)
		}
		if pause, done := w.pass(); done != "" || pause < 9*time.Minute {
			t.Errorf("%s: %q, again in %s", class, done, pause)
		}
	}
}

// A frozen account keeps its plans.
func TestAFrozenParentAccountKeepsItsPlans(t *testing.T) {
	w := newOwnWorld(t)
	w.state["barred"] = "true"
	w.restart()
	w.edit(buys("11"))
	w.expectPass("frozen", "Plans, status")
	w.expectSaid(plansCondition, "Unknown Updating", "frozen")
	w.state["barred"] = "false"
	w.clock.Step(ownPause)
	if _, done := w.pass(); !strings.Contains(done, callBuy) {
		t.Errorf("unfrozen: %s", done)
	}
}
