package engine_test

import (
	"fmt"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"cpaas.dev/child-account-operator/api/v1alpha1"
	"cpaas.dev/child-account-operator/internal/account"
	"cpaas.dev/child-account-operator/internal/engine"
	"cpaas.dev/child-account-operator/internal/provider"
	"cpaas.dev/child-account-operator/internal/provider/fake"
)

// The tables below combine each way in which a resource comes to an account with each state in which the record of a requested plan can be, with the
// time since the request, and with a restart: the plan is requested once, until somebody removes it from the spec and declares it again.

// planRecord is a state of the record of a requested plan.
type planRecord struct {
	options fake.Options
	// before is what happens to the calls of the request, and after once it is made.
	before, after func(*world)
	// shown is set where a read shows the plan, unmade where the provider has never got the request.
	shown, unmade bool
}

var planRecords = map[string]planRecord{
	"requested, made":     {fake.Options{}, func(w *world) { w.service.Add(fake.LoseAnswer(fake.MethodChangePlan)) }, nil, true, false},
	"requested, not made": {fake.Options{}, func(w *world) { w.service.Add(fake.LoseRequest(fake.MethodChangePlan)) }, nil, true, true},
	"accepted, not shown": {fake.Options{ForgetfulPlans: true}, nil, nil, false, false},
	"accepted, unreadable": {fake.Options{ForgetfulPlans: true}, func(w *world) {
		unread := fake.Refuse(fake.MethodPlans, account.RoleMissing)
		unread.After = 1
		w.service.Add(unread)
	}, nil, false, false},
	"of an earlier resource": {fake.Options{ForgetfulPlans: true}, nil, func(w *world) {
		w.remove(namespace)
		w.start()
		w.applyAgain("-earlier", nil)
	}, false, false},
}

// planWay is a way in which a resource comes to an account. restart, to be called while there is none, is a restart of the operator or nothing.
type planWay struct {
	before func(*world)
	come   func(w *world, restart func())
	// namespace is that of the resource, "" for the usual one.
	namespace string
}

// applyAgain applies the line once more, as another resource.
func (w *world) applyAgain(suffix string, change func(*Line)) {
	w.Helper()
	l := w.withPlan("2")
	l.UID += types.UID(suffix)
	if change != nil {
		change(l)
	}
	w.apply(l)
}

// deleteLine deletes the line; told has the engine hear of that.
func (w *world) deleteLine(told bool) {
	w.Helper()
	l := w.line(name)
	w.remove(namespace)
	if !told {
		return
	}
	w.engine.Gone(w.Context(), managedLine{l}, nil)
	if err := w.engine.Forget(w.Context(), ctrl.Request{NamespacedName: types.NamespacedName{Namespace: namespace, Name: name}}, l.UID); err != nil {
		w.Fatal(err)
	}
}

// withoutClaim has somebody replace the claim of the account.
func (w *world) withoutClaim() {
	w.Helper()
	if err := w.service.Remote().(provider.Claimer).SetCustomData(w.Context(), w.account().ID, "mine"); err != nil {
		w.Fatal(err)
	}
	w.list()
}

var planWays = map[string]planWay{
	"restarted":            {nil, func(w *world, restart func()) { restart(); w.reconcile(name) }, ""},
	"creation found again": {func(w *world) { w.service.Add(fake.LoseAnswer(fake.MethodCreate)) }, func(w *world, restart func()) { restart(); w.reconcile(name) }, ""},
	"deleted and applied again": {nil, func(w *world, restart func()) {
		w.deleteLine(true)
		restart()
		w.applyAgain("-again", nil)
	}, ""},
	"replaced by force": {nil, func(w *world, restart func()) {
		w.deleteLine(false)
		restart()
		w.applyAgain("-again", nil)
	}, ""},
	"adopted": {nil, func(w *world, restart func()) {
		w.deleteLine(true)
		w.withoutClaim()
		restart()
		w.applyAgain("-again", func(l *Line) { l.Spec.Policy.Adopt = account.AdoptIfIdentical })
	}, ""},
	"moved": {nil, func(w *world, restart func()) {
		w.parent.GrantsAdopt = true
		w.deleteLine(true)
		restart()
		w.parent.GrantsAdopt = true
		w.in("sales", func(l *Line) { l.Spec.Plan = "2" })
	}, "sales"},
	"taken over from one that is being deleted": {nil, func(w *world, restart func()) {
		w.parent.GrantsAdopt = true
		l := w.line(name)
		l.Finalizers = []string{v1alpha1.Finalizer}
		if err := w.client.Update(w.Context(), l); err != nil {
			w.Fatal(err)
		}
		w.remove(namespace)
		restart()
		w.parent.GrantsAdopt = true
		w.in("sales", acceptingLine, func(l *Line) { l.Spec.Plan = "2" })
		w.reconcile(name)
	}, "sales"},
	"adopted from one that is being deleted": {nil, func(w *world, restart func()) {
		l := w.line(name)
		l.Finalizers = []string{v1alpha1.Finalizer}
		if err := w.client.Update(w.Context(), l); err != nil {
			w.Fatal(err)
		}
		w.remove(namespace)
		w.withoutClaim()
		restart()
		w.parent.GrantsAdopt = true
		w.reconcile(name)
		w.in("sales", func(l *Line) { l.Spec.Plan, l.Spec.Policy.Adopt = "2", account.AdoptIfIdentical })
	}, "sales"},
	"a status of before the request is restored": {nil, func(w *world, _ func()) { // a restart leaves no trace of the request
		before := w.line(name).Status.AccountStatus
		w.deleteLine(true)
		l := w.withPlan("2")
		l.UID += "-again"
		if err := w.client.Create(w.Context(), l); err != nil {
			w.Fatal(err)
		}
		l.Status.AccountID, l.Status.ParentAccountID, l.Status.Origin, l.Status.ObservedGeneration = before.AccountID, before.ParentAccountID, before.Origin, 1
		if err := w.client.Status().Update(w.Context(), l); err != nil {
			w.Fatal(err)
		}
		w.reconcile(name)
	}, ""},
	"the status is restored": {nil, func(w *world, restart func()) {
		before := w.line(name).Status
		w.deleteLine(true)
		restart()
		l := w.withPlan("2")
		l.UID += "-again"
		if err := w.client.Create(w.Context(), l); err != nil {
			w.Fatal(err)
		}
		l.Status = before
		if err := w.client.Status().Update(w.Context(), l); err != nil {
			w.Fatal(err)
		}
		w.reconcile(name)
	}, ""},
}

// later lets time pass, with lists and reconciles of the line.
func (w *world) later(ns string, times int, step time.Duration) {
	w.Helper()
	for range times {
		w.clock.Step(step)
		w.list()
		l := &Line{}
		for _, ns := range []string{namespace, ns} {
			if w.client.Get(w.Context(), client.ObjectKey{Namespace: ns, Name: name}, l) == nil {
				w.reconcileKey(l)
			}
		}
	}
}

func (w *world) reconcileKey(l *Line) {
	w.Helper()
	if _, err := w.engine.Reconcile(w.Context(), managedLine{l}); err != nil {
		w.Logf("reconcile %s/%s: %v", l.Namespace, l.Name, err)
	}
}

func TestPlanIsRequestedOnceHoweverTheAccountIsFound(t *testing.T) {
	t.Parallel()
	for state, record := range planRecords {
		for what, way := range planWays {
			for _, since := range []time.Duration{5 * time.Second, 3 * time.Minute} {
				for _, restart := range []bool{false, true} {
					t.Run(fmt.Sprintf("%s, %s, after %s, restart %v", state, what, since, restart), func(t *testing.T) {
						t.Parallel()
						onePlanRequest(t, record, way, since, restart)
					})
				}
			}
		}
	}
}

// onePlanRequest is a case of the table.
func onePlanRequest(t *testing.T, record planRecord, way planWay, since time.Duration, restart bool) {
	t.Helper()
	w := newWorld(t, record.options)
	if way.before != nil {
		way.before(w)
	}
	l := w.withPlan("")
	l.Spec.Policy.Adopt = account.AdoptIfIdentical
	w.apply(l)
	if record.before != nil {
		record.before(w)
	}
	w.edit(name, func(l *Line) { l.Spec.Plan = "2" })
	if n := w.service.Count(fake.MethodChangePlan); n != 1 {
		t.Fatalf("%d changes at first: %s", n, w.message(name))
	}
	w.service.Heal()
	if record.after != nil {
		record.after(w)
	}
	w.clock.Step(since)
	restarted := func() {}
	if restart {
		restarted = w.start
	}
	way.come(w, restarted)
	if n := w.service.Count(fake.MethodChangePlan); n != 1 && !(record.unmade && since > time.Minute) {
		t.Fatalf("%d changes once it has come to the account", n)
	}
	ns := way.namespace
	if ns == "" {
		ns = namespace
	}
	w.later(ns, 2, 50*time.Second) // beyond the minute in which the provider may still be at it
	if way.namespace != "" {
		w.later(ns, 2, 11*time.Minute) // in which the account is left to its namespace
		w.later(ns, 2, time.Minute)
	}
	got := &Line{}
	if err := w.client.Get(t.Context(), client.ObjectKey{Namespace: ns, Name: name}, got); err != nil {
		t.Fatal(err)
	}
	requested("read them")(got)
	if err := w.client.Update(t.Context(), got); err != nil {
		t.Fatal(err)
	}
	w.later(ns, 2, time.Minute)
	if err := w.client.Get(t.Context(), client.ObjectKey{Namespace: ns, Name: name}, got); err != nil {
		t.Fatal(err)
	}
	c := meta.FindStatusCondition(got.Status.Conditions, v1alpha1.ConditionPlansSynced)
	if c == nil {
		t.Fatalf("nothing is said of plans: %+v", got.Status)
	}
	n := w.service.Count(fake.MethodChangePlan)
	want := c.Reason == v1alpha1.ReasonAvailable || c.Reason == v1alpha1.ReasonValueNotKept && (!record.shown || record.unmade && n == 1)
	if most := map[bool]int{false: 1, true: 2}[record.unmade]; n > most || !want {
		t.Errorf("%d changes: %s, %s; %+v", n, c.Reason, c.Message, got.Status.PlanChanges)
	}
	if got.Status.AccountID != w.account().ID {
		t.Errorf("bound to %q", got.Status.AccountID)
	}
	if way.namespace == "" && !record.shown {
		planAgain(w, "2")
		if n := w.service.Count(fake.MethodChangePlan); n != 2 {
			t.Errorf("%d changes once it is declared again", n)
		}
	}
}

// planHandOvers are the ways in which a ParentAccount comes to the plans of its account.
var planHandOvers = map[string]func(w *ownWorld, restart func()){
	"restarted": func(_ *ownWorld, restart func()) { restart() },
	"deleted and applied again": func(w *ownWorld, restart func()) {
		w.deleteParent(w.name)
		w.declare(w.name, func(p *v1alpha1.ParentAccount) { p.UID = "applied-again"; buys("11")(p) })
		restart()
		w.recordAgain()
	},
	"left to another until now": func(w *ownWorld, restart func()) {
		w.leaveToThis("younger")
		w.deleteParent(w.name)
		w.name = "younger"
		restart()
	},
	"the other one is not ready": func(w *ownWorld, restart func()) {
		w.leaveToThis("younger")
		p := w.object()
		p.Status.Conditions[0].Status = metav1.ConditionFalse
		if err := w.client.Status().Update(w.Context(), p); err != nil {
			w.Fatal(err)
		}
		restart()
		w.name = "younger"
	},
}

// deleteParent deletes a ParentAccount.
func (w *ownWorld) deleteParent(of string) {
	w.Helper()
	p := &v1alpha1.ParentAccount{}
	key := client.ObjectKey{Namespace: namespace, Name: of}
	if err := w.client.Get(w.Context(), key, p); err != nil {
		w.Fatal(err)
	}
	if err := w.client.Delete(w.Context(), p); err != nil {
		w.Fatal(err)
	}
	w.engine.ForgetParent(key)
}

// recordAgain has the ParentAccount's account be recorded for the first time.
func (w *ownWorld) recordAgain() {
	w.Helper()
	p := w.object()
	conditions := p.Status.Conditions
	p.Status = v1alpha1.ParentAccountStatus{ObservedGeneration: 1, Conditions: conditions, AccountID: ownParentID}
	w.connect()
	engine.NoteEarlierPlans(w.engine, p, "")
	if err := w.client.Status().Update(w.Context(), p); err != nil {
		w.Fatal(err)
	}
}

// leaveToThis makes a pass for another ParentAccount, younger than this one, which declares the same plan.
func (w *ownWorld) leaveToThis(other string) {
	w.Helper()
	was := w.name
	w.declare(other, buys("11"))
	w.name = other
	w.connect()
	w.pass()
	w.name = was
}

// A ParentAccount's own plans: the states of the record are made by what happens to the calls.
func TestPlanOfTheParentAccountIsRequestedOnceHoweverItComesToIt(t *testing.T) {
	lost := account.Error{Class: account.Unavailable, Message: "no answer in time", OutcomeUnknown: true}
	for state, prepare := range map[string]func(*ownWorld){
		"requested, made":     func(w *ownWorld) { w.fails[callBuy] = []account.Error{lost} },
		"accepted, not shown": func(w *ownWorld) { w.forgetful = true },
		"accepted, unreadable": func(w *ownWorld) {
			w.forgetful = true
			w.meanwhile = func(call string) {
				if call == callBuy {
					w.fails[callPlans] = []account.Error{{Class: account.RoleMissing, Message: "no", Answered: true}}
				}
			}
		},
	} {
		for what, come := range planHandOvers {
			for _, since := range []time.Duration{5 * time.Second, 3 * time.Minute} {
				for _, restart := range []bool{false, true} {
					t.Run(fmt.Sprintf("%s, %s, after %s, restart %v", state, what, since, restart), func(t *testing.T) {
						w := newOwnWorld(t)
						w.service.Put("acme-support", account.State{fake.PathLogin: "acme-support"}, ownClaim.CustomData())
						w.restart()
						prepare(w)
						w.edit(buys("11"))
						w.pass()
						if n := w.bought(); n != 1 {
							t.Fatalf("requested %d times at first", n)
						}
						w.meanwhile = nil
						w.clock.Step(since)
						restarted := func() {}
						if restart {
							restarted = w.restart
						}
						come(w, restarted)
						w.connect()
						for i := range 4 {
							if i == 2 {
								w.request("read them")
							}
							w.pass()
							w.clock.Step(ownPause)
						}
						want := "False ValueNotKept"
						if !w.forgetful {
							want = "True Available"
						}
						w.expectSaid(plansCondition, want)
						if n := w.bought(); n != 1 {
							t.Errorf("requested %d times", n)
						}
					})
				}
			}
		}
	}
}
