package engine_test

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/ptr"
	ctrl "sigs.k8s.io/controller-runtime"

	"cpaas.dev/child-account-operator/api/v1alpha1"
	"cpaas.dev/child-account-operator/internal/account"
	"cpaas.dev/child-account-operator/internal/plan"
	"cpaas.dev/child-account-operator/internal/provider/fake"
)

// withPlan is a line that declares a plan.
func (w *world) withPlan(id string) *Line {
	l := w.declared(name)
	l.Spec.Plan = id
	return l
}

// planCalls are the calls about plans so far, in order.
func planCalls(w *world) string {
	var out []string
	for _, c := range w.service.Calls() {
		if slices.Contains([]string{fake.MethodPlans, fake.MethodPlanOffers, fake.MethodChangePlan}, c.Method) {
			out = append(out, c.Method)
		}
	}
	return strings.Join(out, " ")
}

// plansSynced is the PlansSynced condition as "<status> <reason>", "" where there is none.
func plansSynced(w *world) string {
	c := meta.FindStatusCondition(w.line(name).Status.Conditions, v1alpha1.ConditionPlansSynced)
	if c == nil {
		return ""
	}
	return string(c.Status) + " " + c.Reason
}

func expectPlans(t *testing.T, w *world, synced, has string) {
	t.Helper()
	if got := plansSynced(w); got != synced {
		t.Errorf("plans are %q, want %q: %s", got, synced, w.message(name))
	}
	if got := fake.PlanOf(w.service, w.account().ID); got != has {
		t.Errorf("the account has plan %s, want %s", got, has)
	}
}

// planEvents are the events about plans so far, by reason.
func planEvents(w *world) (out []string) {
	for {
		select {
		case e := <-w.events.Events:
			if reason := strings.Fields(e)[1]; strings.HasPrefix(reason, "Plan") {
				out = append(out, reason)
			}
		default:
			return out
		}
	}
}

func requested(value string) func(*Line) {
	return func(l *Line) {
		l.Annotations = map[string]string{v1alpha1.AnnotationReconcileRequestedAt: value}
		l.Generation-- // an annotation is no edit of the spec
	}
}

// A plan is bought at creation and by an edit, read on request, and not looked at in between, whatever else is edited.
func TestPlans(t *testing.T) {
	t.Parallel()
	w := newWorld(t, fake.Options{})
	w.apply(w.withPlan("2"))
	w.settle(name)
	w.expect(name, "True Available")
	expectPlans(t, w, "True Available", "2")
	const bought = "Plans PlanOffers ChangePlan Plans"
	if got := planCalls(w); got != bought {
		t.Errorf("calls at creation: %s", got)
	}
	if got := planEvents(w); !slices.Equal(got, []string{"PlanChanging", "PlanChanged"}) {
		t.Errorf("events: %v", got)
	}
	st := w.line(name).Status
	if len(st.Plans) != 1 || !reflect.DeepEqual(st.Plans[0], v1alpha1.ObservedPlan{Type: fake.PlanType, TemplateID: "2", Name: ptr.To("small"), PeriodicCharge: ptr.To("5.50")}) || st.PlanChanges != nil || st.LastApplied["plans.VOICE"] != "2" {
		t.Errorf("the status has %+v, %+v, %v", st.Plans, st.PlanChanges, st.LastApplied)
	}
	w.expectRest(name)
	w.start()
	w.expectRest(name)

	w.edit(name, func(l *Line) { l.Spec.Contact = "other@acme.example" })
	w.settle(name)
	if got := planCalls(w); got != bought {
		t.Errorf("an edit of another field: %s", got)
	}
	w.edit(name, func(l *Line) { l.Spec.Plan = "3" })
	w.settle(name)
	expectPlans(t, w, "True Available", "3")
	if got := planCalls(w); got != bought+" "+bought {
		t.Errorf("calls after an edit: %s", got)
	}
	w.edit(name, requested("now"))
	w.settle(name)
	if got := planCalls(w); got != bought+" "+bought+" Plans" {
		t.Errorf("calls on request: %s", got)
	}
	w.edit(name, func(l *Line) { l.Spec.Plan = "" })
	w.settle(name)
	expectPlans(t, w, "", "3")
	if got := planCalls(w); got != bought+" "+bought+" Plans" {
		t.Errorf("calls for a plan that is not declared: %s", got)
	}
	w.expectRest(name)
}

// An account that has the plan already is not charged for it.
func TestPlanThatTheAccountHas(t *testing.T) {
	t.Parallel()
	w := newWorld(t, fake.Options{})
	w.apply(w.withPlan("1"))
	w.settle(name)
	expectPlans(t, w, "True Available", "1")
	if got := planCalls(w); got != "Plans" {
		t.Errorf("calls: %s", got)
	}
	w.expectRest(name)
}

// What is not offered, or not upward, is refused before anything is bought; the message has what is offered.
func TestRefusedPlans(t *testing.T) {
	t.Parallel()
	for id, want := range map[string]string{"7": "It offers: 2 (small, 5.50 per period), 3 (large, 50 per period)", "1": "It offers: 3 (large, 50 per period)"} {
		w := newWorld(t, fake.Options{})
		w.apply(w.declared(name))
		w.settle(name)
		if id == "1" {
			fake.SetPlan(w.service, w.account().ID, 2)
		}
		w.edit(name, func(l *Line) { l.Spec.Plan = id })
		w.settle(name)
		w.expect(name, "False Rejected")
		if m := w.message(name); !strings.Contains(m, "spec.plans.VOICE: the provider does not offer plan "+id) || !strings.Contains(m, want) {
			t.Errorf("message: %s", m)
		}
		if got := planCalls(w); got != "Plans PlanOffers" || plansSynced(w) != "False Rejected" {
			t.Errorf("calls: %s; %s", got, plansSynced(w))
		}
		w.expectRest(name)
		w.edit(name, func(l *Line) { l.Spec.Plan = "3" })
		w.settle(name)
		expectPlans(t, w, "True Available", "3")
	}
}

// Where the capability is not granted, the rest is as it would be without plans, and nothing is tried again before its time.
func TestPlansNotGranted(t *testing.T) {
	t.Parallel()
	for _, method := range []string{fake.MethodPlans, fake.MethodPlanOffers, fake.MethodChangePlan} {
		w := newWorld(t, fake.Options{})
		refuse := fake.Refuse(method, account.RoleMissing)
		refuse.Times = 1000
		w.service.Add(refuse)
		w.apply(w.withPlan("2"))
		w.reconcile(name)
		w.expect(name, "True Available")
		expectPlans(t, w, "False RoleMissing", "1")
		if c := meta.FindStatusCondition(w.line(name).Status.Conditions, v1alpha1.ConditionPlansSynced); !strings.Contains(c.Message, "the role Owner") {
			t.Errorf("the message does not name the role: %s", c.Message)
		}
		if n := w.service.Count(method); n != 1 {
			t.Errorf("%d calls of %s", n, method)
		}
		events := planEvents(w)
		if !slices.Contains(events, "PlansNotGranted") {
			t.Errorf("events: %v", events)
		}
		w.edit(name, func(l *Line) { l.Spec.Contact = "new@acme.example" }) // another generation is another attempt
		w.expectValues(account.State{fake.PathContact: "new@acme.example"})
		if n := w.service.Count(method); n != 2 {
			t.Errorf("%d calls of %s after an edit", n, method)
		}
		for range 3 {
			w.list()
			w.expectRest(name)
		}
		w.service.Heal()
		w.clock.Step(11 * time.Minute)
		w.settle(name)
		expectPlans(t, w, "True Available", "2")
		if events := planEvents(w); slices.Contains(events, "PlansNotGranted") {
			t.Errorf("told again: %v", events)
		}
		w.expectRest(name)
	}
}

// A read on request that is not granted is said until it is granted, and costs nothing meanwhile.
func TestPlansCantBeReadOnRequest(t *testing.T) {
	t.Parallel()
	w := newWorld(t, fake.Options{})
	w.apply(w.withPlan("2"))
	w.settle(name)
	refuse := fake.Refuse(fake.MethodPlans, account.RoleMissing)
	refuse.Times = 1000
	w.service.Add(refuse)
	w.edit(name, requested("now"))
	w.reconcile(name)
	w.expect(name, "True Available")
	expectPlans(t, w, "False RoleMissing", "2")
	w.list()
	w.expectRest(name)
	w.service.Heal()
	w.edit(name, requested("later"))
	w.settle(name)
	expectPlans(t, w, "True Available", "2")
	w.expectRest(name)
}

// After a lost answer, or a crash at any moment, no plan is bought twice: a read comes first, and a pause.
func TestPlanIsNotBoughtTwice(t *testing.T) {
	t.Parallel()
	for _, done := range []bool{true, false} {
		for _, crash := range []bool{true, false} {
			t.Run(fmt.Sprintf("done %v, crash %v", done, crash), func(t *testing.T) {
				t.Parallel()
				w := newWorld(t, fake.Options{})
				w.apply(w.declared(name))
				w.settle(name)
				lost := fake.LoseAnswer(fake.MethodChangePlan)
				lost.Done = done
				w.service.Add(lost)
				w.edit(name, func(l *Line) { l.Spec.Plan = "2" })
				w.expect(name, "True APIUnavailable")
				if c := w.line(name).Status.PlanChanges; len(c) != 1 || c[0].TemplateID != "2" || c[0].Accepted != nil {
					t.Fatalf("what was requested is not stored: %+v", c)
				}
				if crash {
					w.start()
				}
				w.clock.Step(5 * time.Second)
				w.reconcile(name)
				if n := w.service.Count(fake.MethodChangePlan); n != 1 {
					t.Fatalf("%d changes within seconds", n)
				}
				w.settle(name)
				for range 5 {
					w.clock.Step(20 * time.Second)
					w.settle(name)
				}
				expectPlans(t, w, "True Available", "2")
				if want := map[bool]int{true: 1, false: 2}[done]; w.service.Count(fake.MethodChangePlan) != want {
					t.Errorf("%d changes: %s", w.service.Count(fake.MethodChangePlan), planCalls(w))
				}
				if events := planEvents(w); !slices.Contains(events, "PlanChangeUnconfirmed") || !slices.Contains(events, "PlanChanged") {
					t.Errorf("events: %v", events)
				}
				if c := w.line(name).Status.PlanChanges; c != nil {
					t.Errorf("still requested: %+v", c)
				}
				w.expectRest(name)
			})
		}
	}
}

// Killed before or after each call and each write on the way to a plan, the operator requests one change, once it has started again.
func TestCrashesOnTheWayToAPlan(t *testing.T) {
	t.Parallel()
	for at := 0; ; at++ {
		w := newWorld(t, fake.Options{})
		w.apply(w.declared(name))
		w.settle(name)
		l := w.line(name)
		l.Spec.Plan, l.Generation = "2", l.Generation+1
		if err := w.client.Update(t.Context(), l); err != nil {
			t.Fatal(err)
		}
		crashed := crashAt(w, at)
		w.start()
		for range 10 {
			w.clock.Step(20 * time.Second)
			w.list()
			w.settle(name)
		}
		w.expect(name, "True Available")
		expectPlans(t, w, "True Available", "2")
		if n := w.service.Count(fake.MethodChangePlan); n != 1 {
			t.Errorf("crash at %d: %d changes: %s", at, n, planCalls(w))
		}
		if !crashed {
			if at < 6 {
				t.Errorf("only %d moments", at)
			}
			return
		}
	}
}

// crashAt reconciles the line until the moment, before a call about plans or a write, at which the process dies; false where it comes to its
// end first. What comes after a call is the moment before the next.
func crashAt(w *world, at int) (crashed bool) {
	type death struct{}
	moments := 0
	moment := func() {
		if moments++; moments > at {
			panic(death{})
		}
	}
	arm := func() {
		for _, method := range []string{fake.MethodPlans, fake.MethodPlanOffers, fake.MethodChangePlan} {
			fake.During(w.service, method, moment)
		}
	}
	defer func() {
		w.meanwhile = nil
		for _, method := range []string{fake.MethodPlans, fake.MethodPlanOffers, fake.MethodChangePlan} {
			fake.During(w.service, method, nil)
		}
		if p := recover(); p != nil {
			if _, crashed = p.(death); !crashed {
				panic(p)
			}
		}
	}()
	arm()
	w.meanwhile = func(string) {
		arm() // what was called before is called again after the request is stored
		moment()
	}
	w.reconcile(name)
	return false
}

// again deletes a line and applies it again, with a plan; meanwhile is called in between.
func (w *world) again(id string, meanwhile func()) {
	w.Helper()
	w.remove(namespace)
	meanwhile()
	l := w.withPlan(id)
	l.UID += "-again"
	w.apply(l)
	w.settle(name)
}

// planAgain removes the plan from the spec, waits until nothing is recorded, and declares it once more.
func planAgain(w *world, id string) {
	w.Helper()
	w.edit(name, func(l *Line) { l.Spec.Plan = "" })
	w.settle(name)
	if st := w.line(name).Status; len(st.PlanChanges) > 0 {
		w.Errorf("the status has %+v", st.PlanChanges)
	}
	w.edit(name, func(l *Line) { l.Spec.Plan = id })
	w.settle(name)
}

// A line that is deleted and applied again does not buy what nobody shows, over a restart either, until somebody declares it anew.
func TestPlanOfALineThatIsAppliedAgain(t *testing.T) {
	t.Parallel()
	w := newWorld(t, fake.Options{ForgetfulPlans: true})
	w.apply(w.withPlan("2"))
	w.settle(name)
	if got := planEvents(w); !slices.Equal(got, []string{"PlanChanging"}) {
		t.Errorf("events of a plan that is not shown: %v", got)
	}
	w.again("2", func() {
		if err := w.engine.Forget(t.Context(), ctrl.Request{NamespacedName: types.NamespacedName{Namespace: namespace, Name: name}}, w.declared(name).UID); err != nil {
			t.Fatal(err)
		}
	})
	w.expect(name, "True ValueNotKept")
	expectPlans(t, w, "False ValueNotKept", "1")
	if c := w.line(name).Status.PlanChanges; len(c) != 1 || !ptr.Deref(c[0].Accepted, false) || !strings.Contains(w.message(name), "plans.VOICE is 1") {
		t.Errorf("the status has %+v: %s", c, w.message(name))
	}
	w.expectRest(name)
	w.start()
	w.settle(name)
	w.expectRest(name)
	if n := w.service.Count(fake.MethodChangePlan); n != 1 {
		t.Fatalf("%d changes", n)
	}
	fake.SetPlan(w.service, w.account().ID, 2)
	w.edit(name, requested("now"))
	w.settle(name)
	expectPlans(t, w, "True Available", "2")
	if got := planEvents(w); !slices.Equal(got, []string{"PlanChanged"}) {
		t.Errorf("events once it is shown: %v", got)
	}
}

// What is removed from the spec and declared again is requested again, by the line that is applied again too.
func TestPlanThatIsDeclaredAnew(t *testing.T) {
	t.Parallel()
	w := newWorld(t, fake.Options{ForgetfulPlans: true})
	w.apply(w.withPlan("2"))
	w.settle(name)
	w.again("2", func() {})
	planAgain(w, "2")
	if n := w.service.Count(fake.MethodChangePlan); n != 2 {
		t.Errorf("%d changes", n)
	}
}

// After a restart nobody knows what was bought for a line that is gone: the one in its place waits, says so, and costs nothing meanwhile. Where the
// account has the plan there is nothing to wait for.
func TestPlanOfAnEarlierLine(t *testing.T) {
	t.Parallel()
	for _, forgetful := range []bool{true, false} {
		w := newWorld(t, fake.Options{ForgetfulPlans: forgetful})
		w.apply(w.withPlan("2"))
		w.settle(name)
		w.again("2", w.start)
		if n := w.service.Count(fake.MethodChangePlan); n != 1 {
			t.Fatalf("%d changes", n)
		}
		if !forgetful {
			expectPlans(t, w, "True Available", "2")
			continue
		}
		w.expect(name, "True ValueNotKept")
		expectPlans(t, w, "False ValueNotKept", "1")
		if m := w.message(name); !strings.Contains(m, `plans.VOICE="2" may have been`) || !strings.Contains(m, "kubectl patch") {
			t.Errorf("message: %s", m)
		}
		w.expectRest(name)
		w.start()
		w.settle(name)
		w.edit(name, func(l *Line) { l.Spec.Contact = "other@acme.example" })
		w.settle(name)
		w.expectRest(name)
		if n := w.service.Count(fake.MethodChangePlan); n != 1 {
			t.Fatalf("%d changes at rest", n)
		}
		planAgain(w, "2")
		if n := w.service.Count(fake.MethodChangePlan); n != 2 {
			t.Errorf("%d changes once it is declared anew", n)
		}
	}
}

// Where the plans can't be read at once it is still not known what was bought.
func TestPlanOfAnEarlierLineThatCantBeRead(t *testing.T) {
	t.Parallel()
	w := newWorld(t, fake.Options{ForgetfulPlans: true})
	w.apply(w.withPlan("2"))
	w.settle(name)
	w.again("2", func() {
		w.start()
		w.service.Add(fake.Refuse(fake.MethodPlans, account.RoleMissing))
	})
	w.clock.Step(11 * time.Minute)
	w.settle(name)
	expectPlans(t, w, "False ValueNotKept", "1")
	if n := w.service.Count(fake.MethodChangePlan); n != 1 {
		t.Errorf("%d changes", n)
	}
}

// The process ends once it is stored which account the line has, and before its plans were read: the next one does not know either.
func TestPlanOfAnEarlierLineAfterACrash(t *testing.T) {
	t.Parallel()
	w := newWorld(t, fake.Options{ForgetfulPlans: true})
	w.apply(w.withPlan("2"))
	w.settle(name)
	w.remove(namespace)
	l := w.withPlan("2")
	l.UID += "-again"
	if err := w.client.Create(t.Context(), l); err != nil {
		t.Fatal(err)
	}
	l.Status.AccountID, l.Status.ParentAccountID, l.Status.Origin = w.account().ID, "parent", v1alpha1.OriginAdopted
	if err := w.client.Status().Update(t.Context(), l); err != nil {
		t.Fatal(err)
	}
	w.start()
	w.settle(name)
	expectPlans(t, w, "False ValueNotKept", "1")
	if n := w.service.Count(fake.MethodChangePlan); n != 1 {
		t.Errorf("%d changes", n)
	}
}

// Whatever else PlansSynced says meanwhile, over a restart too, it stays unknown what was bought for a line that is gone.
func TestPlanOfAnEarlierLineAfterOtherTrouble(t *testing.T) {
	t.Parallel()
	refuse := func(w *world) {
		r := fake.Refuse(fake.MethodPlans, account.RoleMissing)
		r.Times = 1000
		w.service.Add(r)
	}
	for what, trouble := range map[string]func(*world){
		"the first read is refused": nil,
		"a request is refused": func(w *world) {
			w.settle(name)
			refuse(w)
			w.edit(name, requested("now"))
		},
		"an edit and a request are refused": func(w *world) {
			w.settle(name)
			refuse(w)
			w.edit(name, func(l *Line) {
				requested("now")(l)
				l.Generation++
				l.Spec.Contact = "other@acme.example"
			})
		},
	} {
		for _, restart := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, restart %v", what, restart), func(t *testing.T) {
				t.Parallel()
				w := newWorld(t, fake.Options{ForgetfulPlans: true})
				w.apply(w.withPlan("2"))
				w.settle(name)
				w.remove(namespace)
				w.start()
				l := w.withPlan("2")
				l.UID += "-again"
				if trouble == nil {
					refuse(w)
				}
				w.apply(l)
				if trouble != nil {
					trouble(w)
				}
				expectPlans(t, w, "False RoleMissing", "1")
				if restart {
					w.start()
				}
				w.service.Heal()
				for i := range 2 {
					w.clock.Step(11 * time.Minute)
					w.list()
					w.settle(name)
					w.edit(name, requested(fmt.Sprint("later ", i)))
					w.settle(name)
				}
				expectPlans(t, w, "False ValueNotKept", "1")
				if n := w.service.Count(fake.MethodChangePlan); n != 1 {
					t.Errorf("%d changes", n)
				}
				w.expectRest(name)
				planAgain(w, "2")
				if n := w.service.Count(fake.MethodChangePlan); n != 2 {
					t.Errorf("%d changes once it is declared anew", n)
				}
			})
		}
	}
}

// A line that is moved takes along what was requested, however long ago: a process that has not reconciled the former one hears of it with that
// one's deletion.
func TestPlanOfALineThatIsMoved(t *testing.T) {
	t.Parallel()
	for _, restart := range []bool{false, true} {
		w := newWorld(t, fake.Options{ForgetfulPlans: true})
		w.apply(w.withPlan("2"))
		w.settle(name)
		if restart {
			w.start()
		}
		w.parent.GrantsAdopt = true
		w.engine.Gone(t.Context(), managedLine{w.line(name)}, nil)
		w.remove(namespace)
		w.clock.Step(11 * time.Minute)
		w.list()
		l := w.in("sales", func(l *Line) { l.Spec.Plan = "2" })
		for range 5 {
			w.clock.Step(time.Minute)
			w.list()
			l = w.reconcileIn("sales")
		}
		if c := l.Status.PlanChanges; l.Status.AccountID == "" || len(c) != 1 || !ptr.Deref(c[0].Accepted, false) || c[0].EarlierResource != nil {
			t.Errorf("the status has %q, %+v: %+v", l.Status.AccountID, c, l.Status.Conditions)
		}
		if n := w.service.Count(fake.MethodChangePlan); n != 1 {
			t.Errorf("%d changes", n)
		}
	}
}

// A change that was accepted, and whose plans could not be read after it, is not requested again where a later read does not show it.
func TestPlanThatALaterReadDoesNotShow(t *testing.T) {
	t.Parallel()
	w := newWorld(t, fake.Options{ForgetfulPlans: true})
	w.apply(w.declared(name))
	w.settle(name)
	unread := fake.Refuse(fake.MethodPlans, account.RoleMissing)
	unread.After = 1
	w.service.Add(unread)
	w.edit(name, func(l *Line) { l.Spec.Plan = "2" })
	w.settle(name)
	if got := planEvents(w); !slices.Contains(got, "PlanChangeUnconfirmed") || slices.Contains(got, "PlanChanged") {
		t.Errorf("events: %v", got)
	}
	w.service.Heal()
	w.edit(name, requested("now"))
	w.settle(name)
	w.expect(name, "True ValueNotKept")
	if n := w.service.Count(fake.MethodChangePlan); n != 1 {
		t.Errorf("%d changes", n)
	}
}

// A provider that accepts a change and does not show it is not asked for it again, neither at rest nor on request.
func TestPlanThatIsNotShown(t *testing.T) {
	t.Parallel()
	w := newWorld(t, fake.Options{ForgetfulPlans: true})
	w.apply(w.withPlan("2"))
	w.settle(name)
	w.expect(name, "True ValueNotKept")
	expectPlans(t, w, "False ValueNotKept", "1")
	w.expectRest(name)
	w.start()
	w.expectRest(name)
	w.clock.Step(time.Hour)
	w.list()
	w.edit(name, requested("now"))
	w.settle(name)
	w.expect(name, "True ValueNotKept")
	if n := w.service.Count(fake.MethodChangePlan); n != 1 {
		t.Errorf("%d changes", n)
	}
	fake.SetPlan(w.service, w.account().ID, 2)
	w.edit(name, requested("later"))
	w.settle(name)
	w.expect(name, "True Available")
	expectPlans(t, w, "True Available", "2")
	w.expectRest(name)
}

// A plan that was changed at the provider is noticed on request alone, and bought again unless drift is only reported.
func TestPlanChangedAtTheProvider(t *testing.T) {
	t.Parallel()
	for _, report := range []bool{false, true} {
		w := newWorld(t, fake.Options{})
		l := w.withPlan("2")
		l.Spec.Policy.ReportDrift = report
		w.apply(l)
		w.settle(name)
		fake.SetPlan(w.service, w.account().ID, 1)
		w.list()
		w.expectRest(name)
		w.edit(name, requested("now"))
		w.settle(name)
		if !report {
			w.expect(name, "True Available")
			expectPlans(t, w, "True Available", "2")
			continue
		}
		w.expect(name, "True DriftDetected")
		expectPlans(t, w, "False DriftDetected", "1")
		if d := w.line(name).Status.Drift; len(d) != 1 || d[0].Field != "plans.VOICE" || d[0].Desired != "2" || *d[0].Observed != "1" {
			t.Errorf("drift: %+v", d)
		}
		w.expectRest(name)
		w.start()
		w.expectRest(name)
	}
}

// Each change of a plan counts for the governor, that of a new account too; what waits costs no call.
func TestPlansCountForTheGovernor(t *testing.T) {
	t.Parallel()
	w := newWorld(t, fake.Options{})
	w.clock.SetTime(time.Now())
	w.parent.Limits.Percent, w.parent.Limits.Minimum = 1, 1
	for i := range 2 {
		l := w.declared(child(i))
		l.Spec.Plan = "2"
		w.apply(l)
		w.reconcile(child(i))
	}
	if n := w.service.Count(fake.MethodChangePlan); n != 1 {
		t.Fatalf("%d changes", n)
	}
	calls := planCalls(w)
	for w.said(child(1)) == "nothing" { // until no other change was stopped for a second
		w.reconcile((<-w.woken).Name)
	}
	if said, c := w.said(child(1)), w.line(child(1)).Status.Conditions; said != "Unknown AwaitingApproval" || !meta.IsStatusConditionTrue(c, v1alpha1.ConditionConnectionSecretReady) {
		t.Fatalf("%s: %s, %v", said, w.message(child(1)), c)
	}
	w.reconcile(child(1))
	w.list()
	if got := planCalls(w); got != calls {
		t.Errorf("calls while it waits: %s, before %s", got, calls)
	}
	w.parent.Approvals = []string{hash(w.message(child(1)))}
	w.settle(child(1))
	if said := w.said(child(1)); said != "True Available" || w.service.Count(fake.MethodChangePlan) != 2 {
		t.Errorf("after the approval: %s, %d changes", said, w.service.Count(fake.MethodChangePlan))
	}
}

// Nothing is bought for an account that can't be used.
func TestNoPlanForAFrozenAccount(t *testing.T) {
	t.Parallel()
	w := newWorld(t, fake.Options{})
	w.apply(w.declared(name))
	w.settle(name)
	w.service.Set(w.account().ID, fake.PathBarred, "true")
	w.list()
	w.edit(name, func(l *Line) { l.Spec.Plan = "2" })
	w.settle(name)
	w.expect(name, "False Frozen")
	if got := planCalls(w); got != "" || plansSynced(w) != "Unknown Updating" {
		t.Errorf("calls: %s; %s", got, plansSynced(w))
	}
	w.expectRest(name)
	w.service.Set(w.account().ID, fake.PathBarred, "false")
	w.list()
	w.settle(name)
	expectPlans(t, w, "True Available", "2")
}

// What stands in the way is said, and tried again in its time; whatever else is declared is applied meanwhile.
func TestPlanThatCantBePaid(t *testing.T) {
	t.Parallel()
	w := newWorld(t, fake.Options{})
	refuse := fake.Refuse(fake.MethodChangePlan, account.BalanceTooLow)
	refuse.Times = 1000
	w.service.Add(refuse)
	w.apply(w.withPlan("2"))
	w.reconcile(name)
	w.expect(name, "False BalanceTooLow")
	expectPlans(t, w, "False BalanceTooLow", "1")
	if got := planEvents(w); !slices.Equal(got, []string{"PlanChanging", "PlanNotChanged"}) {
		t.Errorf("events: %v", got)
	}
	if c := w.line(name).Status; c.PlanChanges != nil || !meta.IsStatusConditionTrue(c.Conditions, v1alpha1.ConditionConnectionSecretReady) {
		t.Errorf("%+v", c)
	}
	w.expectRest(name)
	w.service.Set(w.account().ID, fake.PathTongue, "fr") // drift
	w.list()
	w.reconcile(name)
	w.expectValues(account.State{fake.PathTongue: "de"})
	if n := w.service.Count(fake.MethodChangePlan); n != 1 {
		t.Errorf("%d changes", n)
	}
	w.service.Heal()
	w.clock.Step(11 * time.Minute)
	w.list()
	w.settle(name)
	w.expect(name, "True Available")
	expectPlans(t, w, "True Available", "2")
}

// Somebody who changes the resource just before a plan is bought is heard first.
func TestPlanIsNotBoughtForAnOldSpec(t *testing.T) {
	t.Parallel()
	w := newWorld(t, fake.Options{})
	w.apply(w.declared(name))
	w.settle(name)
	edited := false
	w.meanwhile = func(write string) {
		if write == "patch status of Line" && !edited {
			edited = true
			l := w.line(name)
			l.Spec.Plan, l.Generation = "", l.Generation+1
			if err := w.client.Update(t.Context(), l); err != nil {
				t.Error(err)
			}
		}
	}
	w.edit(name, func(l *Line) { l.Spec.Plan = "3" })
	w.settle(name)
	if n := w.service.Count(fake.MethodChangePlan); n != 0 || !edited {
		t.Errorf("%d changes, edited %v", n, edited)
	}
	w.expect(name, "True Available")
}

// A provider without plans refuses them; an account that is only read has none read.
func TestPlansThatAreNone(t *testing.T) {
	t.Parallel()
	w := newWorld(t, fake.Options{NoPlans: true})
	w.apply(w.withPlan("2"))
	w.expect(name, "False Rejected")
	if m := w.message(name); !strings.Contains(m, "spec.plans: this provider's accounts have no plans") || len(w.service.Accounts()) != 0 {
		t.Errorf("%s; accounts %v", m, w.service.Accounts())
	}

	w = newWorld(t, fake.Options{})
	w.service.Put(name, account.State{fake.PathEnabled: "true"}, "")
	w.list()
	l := w.withPlan("2")
	l.Spec.Policy.Observe = true
	w.apply(l)
	w.settle(name)
	w.expect(name, "True Observed")
	if got := planCalls(w); got != "" || plansSynced(w) != "" {
		t.Errorf("calls: %s; %s", got, plansSynced(w))
	}
}

// Writes that a start holds include plans, and cost no call meanwhile.
func TestPlansAreHeldAtAStart(t *testing.T) {
	t.Parallel()
	in := plan.Input{Start: &plan.Start{Rule: " waits", Next: "Approve."}, Now: time.Now()}
	in.View.Listed, in.View.Confirmed = true, true
	in.Schema = fake.New(fake.Options{}).Fields()
	in.Subject.ID, in.Subject.Name, in.Resource.Origin, in.Secret.Settled = "1", name, plan.Created, true
	in.View.Account = &account.Account{ID: "1", Name: name, State: account.State{}}
	in.Plans.Declared = []account.Plan{{Type: fake.PlanType, ID: "2"}}
	p := plan.For(in)
	if last := p.Last(); p.Work() || !last.Held || last.Message != "plans.VOICE=2 waits" {
		t.Errorf("%s", p)
	}
}
