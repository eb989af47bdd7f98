package engine

import (
	"slices"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/utils/ptr"

	"cpaas.dev/child-account-operator/api/v1alpha1"
	"cpaas.dev/child-account-operator/internal/account"
)

// A change of a plan is recorded in the status of the resource. A resource that is deleted and applied again has another status, and the same
// account. So what statuses record is remembered for each account too, and a new status begins with that.

// planRememberedFor is how long a change of a plan is remembered that no status has: it was paid for a month.
const planRememberedFor = 31 * 24 * time.Hour

// boughtPlans are the changes of plans that were requested and that no read has shown, by the account. An account is in it, with changes or
// without, once a status was seen that had it: of such an account it is known what was requested. All methods may be called by several workers
// at once.
type boughtPlans struct {
	mu sync.Mutex
	by map[leftKey][]v1alpha1.PlanChange
	// unsure are the accounts that a resource has of which no earlier resource's status was seen, until the status says so.
	unsure map[leftKey]bool
}

func newBoughtPlans() *boughtPlans {
	return &boughtPlans{by: map[leftKey][]v1alpha1.PlanChange{}, unsure: map[leftKey]bool{}}
}

// doubt notes that an account had an earlier resource, unless that one's status was seen.
func (b *boughtPlans) doubt(key leftKey) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if _, known := b.by[key]; !known {
		b.unsure[key] = true
	}
}

// doubted says whether it is not known what an earlier resource has requested. settled ends that: the status says so, or no plan is declared.
func (b *boughtPlans) doubted(key leftKey, settled bool) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if settled {
		delete(b.unsure, key)
	}
	return b.unsure[key]
}

// shown forgets changes to plans that the account is seen to have.
func (b *boughtPlans) shown(key leftKey, have []account.Plan) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if before, known := b.by[key]; known {
		b.by[key] = slices.DeleteFunc(slices.Clone(before), func(c v1alpha1.PlanChange) bool { return account.HasPlan(have, planOf(c)) })
	}
}

// sync notes what the status of an account's resource records, and returns what it is to record: with what is remembered of declared plans
// that were not seen. restored is set where the status lacked any of it. What is not declared any more is forgotten, as it is in a status.
func (b *boughtPlans) sync(key leftKey, recorded []v1alpha1.PlanChange, declared, seen []account.Plan, now time.Time) (all []v1alpha1.PlanChange, restored bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	all = recorded
	var kept []v1alpha1.PlanChange // that the status need not record
	for _, c := range b.by[key] {
		p := planOf(c)
		at := slices.IndexFunc(all, func(o v1alpha1.PlanChange) bool { return o.Type == c.Type })
		switch {
		case at >= 0:
			if all[at].TemplateID == c.TemplateID && accepted(c) && !accepted(all[at]) { // the status that said so could not be stored
				all = slices.Clone(all)
				all[at].Accepted = ptr.To(true)
			}
		case now.Sub(c.RequestedAt.Time) > planRememberedFor:
		case account.HasPlan(declared, p) && !account.HasPlan(seen, p):
			all, restored = append(slices.Clone(all), c), true
		default:
			kept = append(kept, c)
		}
	}
	b.by[key] = slices.DeleteFunc(slices.Concat(all, kept), func(c v1alpha1.PlanChange) bool {
		return !account.HasPlan(declared, planOf(c)) && (accepted(c) || now.After(c.RequestedAt.Add(planSettles)))
	})
	return all, restored
}

// note remembers a change that a status records, in the place of an earlier one of its type.
func (b *boughtPlans) note(key leftKey, c v1alpha1.PlanChange) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.by[key] = append(withoutPlan(b.by[key], c.Type), c)
}

// drop forgets the change of a plan of a type: it is shown, or was certainly not made.
func (b *boughtPlans) drop(key leftKey, kind string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if before, known := b.by[key]; known {
		b.by[key] = withoutPlan(before, kind)
	}
}

// withoutPlan is a copy of the changes but for those of a type; nil for none.
func withoutPlan(changes []v1alpha1.PlanChange, kind string) []v1alpha1.PlanChange {
	var out []v1alpha1.PlanChange
	for _, c := range changes {
		if c.Type != kind {
			out = append(out, c)
		}
	}
	return out
}

// acceptPlan notes in changes, which are changed in place, that the provider has accepted the one of a type, and returns it.
func acceptPlan(changes []v1alpha1.PlanChange, kind string) (accepted v1alpha1.PlanChange, ok bool) {
	for i := range changes {
		if changes[i].Type == kind {
			changes[i].Accepted = ptr.To(true)
			return changes[i], true
		}
	}
	return v1alpha1.PlanChange{}, false
}

// planOf is the plan that a change is to.
func planOf(c v1alpha1.PlanChange) account.Plan { return account.Plan{Type: c.Type, ID: c.TemplateID} }

// accountKey is the resource's account.
func accountKey(s *scope) leftKey { return leftKey{s.status.ParentAccountID, s.boundID()} }

// syncPlans has the status of a resource that has an account record what was requested for the account.
func syncPlans(e *Engine, s *scope) {
	if s.boundID() == "" {
		return
	}
	was := meta.FindStatusCondition(s.was.Conditions, v1alpha1.ConditionPlansSynced)
	if s.was.AccountID == s.boundID() && s.was.Origin == v1alpha1.OriginAdopted && s.was.ObservedGeneration <= 0 && len(s.was.PlanChanges) == 0 && plansOf(s).Seen == nil {
		e.bought.doubt(accountKey(s)) // a process has ended that had found the account
	}
	settled := len(s.declared.Plans) == 0 || s.was.AccountID == s.boundID() && was != nil && (was.Reason == v1alpha1.ReasonValueNotKept || was.Reason == v1alpha1.ReasonAvailable)
	if s.plans.unsure = e.bought.doubted(accountKey(s), settled); s.plans.unsure {
		return
	}
	restored := false
	s.status.PlanChanges, restored = e.bought.sync(accountKey(s), s.status.PlanChanges, s.declared.Plans, plansOf(s).Seen, e.Clock.Now())
	s.plans.restored = s.plans.restored || restored
}

// takeUpPlans has the status of a resource that was just bound record what was requested for the account. An account with a claim that was not
// created for the resource has had another one. Where no status of that one was seen, nobody knows what it has requested.
func takeUpPlans(e *Engine, s *scope, a account.Account, made bool) {
	if _, claimed := a.Claim(); claimed && !made {
		e.bought.doubt(accountKey(s))
	}
	syncPlans(e, s)
}
