package engine_test

import (
	"strings"
	"testing"
	"time"

	"cpaas.dev/child-account-operator/api/v1alpha1"
	"cpaas.dev/child-account-operator/internal/account"
	"cpaas.dev/child-account-operator/internal/provider/fake"
)

// editsOfPlans are edits of a plan that was requested as "2" and that no read shows, after which that plan is declared again; "" declares none. The
// account has "1" for as long as anybody can see.
var editsOfPlans = map[string][]string{
	"dearer":                          {"3"},
	"the one that the account has":    {"1"},
	"removed for a moment":            {""},
	"one after the other":             {"1", "3", "1"},
	"removed and another for a while": {"", "3", ""},
}

// editPlans has a plan be declared as in these edits, and then the one that was requested; between is called after each.
func editPlans(edits []string, declare func(id string), between func(id string)) {
	for _, id := range edits {
		declare(id)
		between(id)
	}
	declare("2")
	between("2")
}

// A record of a plan that was accepted and is not shown outlives edits of the spec: neither is that plan requested again, nor any other of its type,
// and the condition names what was accepted. Restarts and deletions in between change nothing.
func TestPlanIsRequestedOnceHoweverTheSpecIsEdited(t *testing.T) {
	t.Parallel()
	for what, edits := range editsOfPlans {
		for between, happens := range map[string]func(*world){
			"nothing":  func(*world) {},
			"lists":    func(w *world) { w.later(namespace, 2, 20*time.Second) },
			"restarts": func(w *world) { w.start() },
			"reads":    func(w *world) { w.edit(name, requested(w.clock.Now().String())) },
			"deletions": func(w *world) {
				id := w.line(name).Spec.Plan
				w.deleteLine(true)
				w.applyAgain("-again", func(l *Line) { l.Spec.Plan = id })
			},
		} {
			t.Run(what+", with "+between, func(t *testing.T) {
				t.Parallel()
				w := newWorld(t, fake.Options{ForgetfulPlans: true})
				w.apply(w.withPlan("2"))
				w.settle(name)
				editPlans(edits, func(id string) { w.edit(name, func(l *Line) { l.Spec.Plan = id }) }, func(id string) {
					w.clock.Step(3 * time.Second)
					happens(w)
					w.reconcile(name)
					w.list()
					w.reconcile(name)
					st := w.line(name).Status
					if len(st.PlanChanges) != 1 && (id != "" || between != "deletions") || len(st.PlanChanges) > 0 && st.PlanChanges[0].TemplateID != "2" {
						t.Errorf("with %q the status has %+v", id, st.PlanChanges)
					}
					if id == "3" && !strings.Contains(w.message(name), "accepted a change of the plan to plans.VOICE=2, ") {
						t.Errorf("with %q: %s", id, w.message(name))
					}
				})
				w.later(namespace, 3, time.Minute)
				w.expect(name, "True ValueNotKept")
				if n := w.service.Count(fake.MethodChangePlan); n != 1 {
					t.Fatalf("%d changes", n)
				}
				planAgain(w, "2")
				if n := w.service.Count(fake.MethodChangePlan); n != 2 {
					t.Errorf("%d changes once it is declared anew", n)
				}
			})
		}
	}
}

// A template that is edited before the answer about the former one is known waits for that one: the message names what was requested, and what is
// bought then is what the spec has by then, upward from what the account has got meanwhile.
func TestPlanEditedBeforeTheAnswerIsKnown(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		to, synced, has string
		changes         int
	}{
		{"1", "False Rejected", "2", 1},
		{"3", "True Available", "3", 2},
		{"2", "True Available", "2", 1},
	} {
		t.Run(c.to, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, fake.Options{})
			w.apply(w.declared(name))
			w.settle(name)
			w.service.Add(fake.LoseAnswer(fake.MethodChangePlan))
			unread := fake.Refuse(fake.MethodPlans, account.Unavailable)
			unread.After = 1
			w.service.Add(unread)
			w.edit(name, func(l *Line) { l.Spec.Plan = "2" })
			w.service.Heal()
			unread = fake.Refuse(fake.MethodPlans, account.Unavailable)
			unread.Times = 100
			w.service.Add(unread)
			for _, id := range []string{"3", "1", c.to} {
				w.edit(name, func(l *Line) { l.Spec.Plan = id })
				if st := w.line(name).Status; len(st.PlanChanges) != 1 || st.PlanChanges[0].TemplateID != "2" {
					t.Errorf("with %s the status has %+v", id, st.PlanChanges)
				}
			}
			w.service.Heal()
			w.later(namespace, 10, time.Minute)
			expectPlans(t, w, c.synced, c.has)
			if n := w.service.Count(fake.MethodChangePlan); n != c.changes {
				t.Errorf("%d changes", n)
			}
		})
	}
}

// A change that was accepted, and whose plans could not be read after it, stands in the way of another plan only if a read does not show it: an edit
// has the plans read.
func TestPlanEditedBeforeTheFormerOneIsRead(t *testing.T) {
	t.Parallel()
	for _, forgetful := range []bool{false, true} {
		w := newWorld(t, fake.Options{ForgetfulPlans: forgetful})
		w.apply(w.declared(name))
		w.settle(name)
		unread := fake.Refuse(fake.MethodPlans, account.RoleMissing)
		unread.After = 1
		w.service.Add(unread)
		w.edit(name, func(l *Line) { l.Spec.Plan = "2" })
		w.edit(name, func(l *Line) { l.Spec.Plan = "3" })
		w.later(namespace, 3, time.Minute)
		if !forgetful {
			expectPlans(t, w, "True Available", "3")
			continue
		}
		expectPlans(t, w, "False ValueNotKept", "1")
		if n := w.service.Count(fake.MethodChangePlan); n != 1 {
			t.Errorf("%d changes", n)
		}
	}
}

// Until the provider has had its time, the message names the plan that was requested, and not the one that is declared by now.
func TestMessageAboutAPlanWhoseAnswerWasLost(t *testing.T) {
	t.Parallel()
	w := newWorld(t, fake.Options{})
	w.apply(w.declared(name))
	w.settle(name)
	w.service.Add(fake.LoseRequest(fake.MethodChangePlan))
	w.edit(name, func(l *Line) { l.Spec.Plan = "2" })
	w.service.Heal()
	w.edit(name, func(l *Line) { l.Spec.Plan = "3" })
	if m := w.message(name); !strings.Contains(m, "that it has requested: plans.VOICE=2. ") {
		t.Error(m)
	}
}

// The same of the parent account's own plans.
func TestPlanOfTheParentAccountIsRequestedOnceHoweverTheSpecIsEdited(t *testing.T) {
	ids := map[string]string{"": "", "1": "10", "2": "11", "3": "12"}
	for what, edits := range editsOfPlans {
		for between, happens := range map[string]func(*ownWorld){
			"nothing":  func(*ownWorld) {},
			"restarts": (*ownWorld).restart,
			"reads":    func(w *ownWorld) { w.request(w.clock.Now().String()) },
		} {
			t.Run(what+", with "+between, func(t *testing.T) {
				w := newOwnWorld(t)
				w.forgetful = true
				declare := func(id string) {
					w.edit(func(p *v1alpha1.ParentAccount) {
						if p.Spec.Plans = nil; id != "" {
							buys(ids[id])(p)
						}
					})
					w.pass()
				}
				declare("2")
				editPlans(edits, declare, func(id string) {
					w.clock.Step(3 * time.Second)
					happens(w)
					w.pass()
					if st := w.object().Status.Account; st == nil || len(st.PlanChanges) != 1 || st.PlanChanges[0].TemplateID != "11" {
						t.Errorf("with %q the status has %+v", id, st)
					}
					if id == "3" {
						w.expectSaid(plansCondition, "False ValueNotKept", "accepted a change of the plan to plans.MAU=11, ", "the spec has 12")
					}
					if id == "1" {
						w.expectSaid(plansCondition, "True Available", "did not report the new plan: plans.MAU=11")
					}
				})
				for range 3 {
					w.clock.Step(ownPause)
					w.pass()
				}
				w.expectSaid(plansCondition, "False ValueNotKept")
				if n := w.bought(); n != 1 {
					t.Fatalf("requested %d times", n)
				}
				w.plansAgain("11")
				if n := w.bought(); n != 2 {
					t.Errorf("requested %d times once it is declared anew", n)
				}
			})
		}
	}
}

// plansAgain removes the plans from the spec, waits until nothing is recorded, and declares a plan.
func (w *ownWorld) plansAgain(id string) {
	w.Helper()
	w.edit(func(p *v1alpha1.ParentAccount) { p.Spec.Plans = nil })
	pause, _ := w.pass()
	if pause <= 0 || pause > time.Minute {
		w.Errorf("the next pass is in %s", pause)
	}
	w.clock.Step(pause)
	w.pass()
	if st := w.object().Status.Account; st != nil && len(st.PlanChanges) > 0 {
		w.Errorf("the status has %+v", st)
	}
	w.edit(buys(id))
	w.pass()
}
