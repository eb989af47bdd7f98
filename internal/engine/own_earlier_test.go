package engine_test

import (
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"cpaas.dev/child-account-operator/api/v1alpha1"
	"cpaas.dev/child-account-operator/internal/account"
	"cpaas.dev/child-account-operator/internal/directory"
	"cpaas.dev/child-account-operator/internal/engine"
	"cpaas.dev/child-account-operator/internal/provider/fake"
)

// record stores the account of the ParentAccount for the first time, as a reconcile does once it has connected.
func (w *ownWorld) record(store bool) []v1alpha1.PlanChange {
	w.Helper()
	p := w.object()
	was := p.Status.AccountID
	p.Status.AccountID = ownParentID
	engine.NoteEarlierPlans(w.engine, p, was)
	if store {
		if err := w.client.Status().Update(w.Context(), p); err != nil {
			w.Fatal(err)
		}
	}
	if p.Status.Account == nil {
		return nil
	}
	return p.Status.Account.PlanChanges
}

// applyNew has the ParentAccount be a new one, which declares a plan, in a new process.
func (w *ownWorld) applyNew(claims ...account.Claim) {
	w.Helper()
	if err := w.client.Delete(w.Context(), w.object()); err != nil {
		w.Fatal(err)
	}
	w.declare(w.name, buys("11"))
	p := w.object()
	p.Status = v1alpha1.ParentAccountStatus{}
	if err := w.client.Status().Update(w.Context(), p); err != nil {
		w.Fatal(err)
	}
	for _, c := range claims {
		w.service.Put(c.Name, account.State{fake.PathLogin: c.Name}, c.CustomData())
	}
	w.restart()
}

var ownClaim = account.Claim{Installation: "prod", Namespace: "telephony", Name: "acme-support"}

// After a restart nobody knows what a ParentAccount has bought that was deleted meanwhile. Where its account has accounts of this installation, the
// one in its place waits, whatever happens, until somebody declares the plan again.
func TestAPlanOfAnEarlierParentAccount(t *testing.T) {
	w := newOwnWorld(t)
	w.applyNew(ownClaim)
	w.fails[callPlans] = []account.Error{{Class: account.RoleMissing, Message: "no", Answered: true}}
	if got := w.record(true); len(got) != 1 || !ptr.Deref(got[0].EarlierResource, false) || got[0].TemplateID != "11" {
		t.Fatalf("the first status has %+v", got)
	}
	w.expectPass("read", "Plans, status")
	w.expectSaid(plansCondition, "False RoleMissing")
	for range 3 {
		w.clock.Step(time.Hour)
		w.restart()
		w.record(false)
		w.pass()
	}
	w.expectSaid(plansCondition, "False ValueNotKept", "had a resource before", "plans.MAU is 10")
	w.expectPass("at rest", "")
	if n := w.bought(); n != 0 {
		t.Fatalf("requested %d times", n)
	}
	w.plansAgain("11")
	w.expectSaid(plansCondition, "True Available")
	if n := w.bought(); n != 1 {
		t.Errorf("requested %d times once it is declared anew", n)
	}
}

// A plan that the account has is no doubt, and no news.
func TestAPlanOfAnEarlierParentAccountThatIsShown(t *testing.T) {
	w := newOwnWorld(t)
	w.applyNew(ownClaim)
	w.plans = []account.Plan{{Type: "MAU", ID: "11", Charge: "50"}}
	w.record(true)
	w.expectPass("read", "Plans, status")
	w.expectSaid(plansCondition, "True Available")
	if got := w.emitted(); got != "" || len(w.object().Status.Account.PlanChanges) != 0 {
		t.Errorf("events %s, %+v", got, w.object().Status.Account)
	}
}

// Another ParentAccount of the account, without plans, tells nothing of what a deleted one has bought, however long it has been seen, and as often as that
// one is deleted and applied again.
func TestAPlanOfAnEarlierParentAccountBesideAnother(t *testing.T) {
	w := newOwnWorld(t)
	w.forgetful = true
	w.declare("without", func(*v1alpha1.ParentAccount) {})
	w.service.Put("acme-support", account.State{fake.PathLogin: "acme-support"}, ownClaim.CustomData())
	w.restart()
	w.edit(buys("11"))
	w.pass()
	others := func(begin func()) {
		was := w.name
		w.name = "without"
		begin()
		for range 2 {
			w.pass()
			w.clock.Step(ownPause)
		}
		w.name = was
	}
	for i := range 3 {
		w.deleteParent(w.name)
		others(w.restart)
		w.declare(w.name, func(p *v1alpha1.ParentAccount) { p.UID += types.UID(rune('a' + i)); buys("11")(p) })
		w.recordAgain()
		w.connect()
		w.pass()
		others(w.connect)
		w.connect()
		w.request("read them")
		w.pass()
		w.expectSaid(plansCondition, "False ValueNotKept", "had a resource before")
		if n := w.bought(); n != 1 {
			t.Fatalf("requested %d times", n)
		}
	}
}

// The first ParentAccount of an account gets its plans: what its own resources make after the first list proves nothing, nor do accounts of other
// installations.
func TestAPlanOfTheFirstParentAccount(t *testing.T) {
	for what, c := range map[string]struct {
		claims []account.Claim
		before func(*ownWorld)
	}{
		"no accounts":                     {nil, func(*ownWorld) {}},
		"accounts of other installations": {[]account.Claim{{Installation: "other", Namespace: "telephony", Name: "acme-support"}}, func(*ownWorld) {}},
		"the list is not read yet, and accounts are made after it": {nil, func(w *ownWorld) {
			dir := *w.parents.Former(client.ObjectKeyFromObject(w.object()))
			list := dir.Directory
			dir.Directory = directory.New(w.ownProvider, w.clock)
			w.parents.Put(client.ObjectKeyFromObject(w.object()), &dir)
			if got := w.record(false); len(got) != 1 {
				w.Errorf("before the list: %+v", got)
			}
			dir.Directory = list
			w.parents.Put(client.ObjectKeyFromObject(w.object()), &dir)
			w.record(false) // and the status can't be stored
			w.service.Put("acme-new", account.State{fake.PathLogin: "acme-new"}, ownClaim.CustomData())
			if err := list.Refresh(w.Context(), directory.Known{}); err != nil {
				w.Fatal(err)
			}
		}},
	} {
		t.Run(what, func(t *testing.T) {
			w := newOwnWorld(t)
			w.applyNew(c.claims...)
			c.before(w)
			if got := w.record(true); len(got) != 0 {
				t.Fatalf("the first status has %+v", got)
			}
			w.expectPass("declared", "Plans, PlanOffers, status, ChangePlan 11, Plans, status")
			w.expectSaid(plansCondition, "True Available")
		})
	}
}
