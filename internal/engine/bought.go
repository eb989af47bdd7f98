package engine

import (
	"context"
	"maps"
	"slices"
	"sync"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"cpaas.dev/child-account-operator/api/v1alpha1"
	"cpaas.dev/child-account-operator/internal/account"
	"cpaas.dev/child-account-operator/internal/secrets"
)

// A change of a plan is recorded in the status of the resource. A resource that is deleted and applied again has another status, and the same
// account. So what statuses record is remembered for each account too, and a new status begins with that.
//
// A change that was requested and that no read has shown stands in the way of all other plans of its type: what the provider makes of it nobody
// knows, and each plan costs money. So an account has one such change of a type at most, and an edit of the spec does not end it.

// planRememberedFor is how long a change of a plan is remembered that no status has: it was paid for a month.
const planRememberedFor = 31 * 24 * time.Hour

// boughtPlans are the changes of plans that were requested and that no read has shown, by the account. An account is in it, with changes or
// without, once a status was seen that had it: of such an account it is known what was requested. It is dropped once nothing was seen of it for
// planRememberedFor. All methods may be called by several workers at once.
type boughtPlans struct {
	mu sync.Mutex
	by map[leftKey]boughtPlan
	// pruned is when accounts were last dropped.
	pruned time.Time
}

// boughtPlan are the changes of an account's plans, one of a type, and when its status was last seen.
type boughtPlan struct {
	changes []v1alpha1.PlanChange
	at      time.Time
	// undeclared is since when a type is known not to be declared any more, of which a change is remembered.
	undeclared map[string]time.Time
}

// planEndsAfter is for how long no plan of a type has to be declared before a change of that type is forgotten. That the change is made again then is
// what people ask for who remove the plan and declare it later; whoever removes it for a moment, or edits it, does not ask for that.
const planEndsAfter = time.Minute

// prunePlansEvery is how often accounts are dropped of which nothing was seen.
const prunePlansEvery = time.Hour

func newBoughtPlans() *boughtPlans { return &boughtPlans{by: map[leftKey]boughtPlan{}} }

// knows says whether a status was seen that had the account.
func (b *boughtPlans) knows(key leftKey) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	_, known := b.by[key]
	return known
}

// see notes that a status of an account was seen, with what it records of plans of which nothing is remembered: another status of the same
// account may have been seen that records nothing.
func (b *boughtPlans) see(key leftKey, recorded []v1alpha1.PlanChange, now time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.prune(now)
	one := b.by[key]
	for _, c := range recorded {
		if !slices.ContainsFunc(one.changes, func(o v1alpha1.PlanChange) bool { return o.Type == c.Type }) {
			one.changes = append(slices.Clone(one.changes), c)
		}
	}
	one.at = now
	b.by[key] = one
}

// requested are the changes that are remembered of an account.
func (b *boughtPlans) requested(key leftKey, now time.Time) []v1alpha1.PlanChange {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(b.by[key].changes), func(c v1alpha1.PlanChange) bool { return isForgotten(c, now) })
}

// isForgotten says whether a change was requested too long ago to be remembered beside the status.
func isForgotten(c v1alpha1.PlanChange, now time.Time) bool {
	return now.Sub(c.RequestedAt.Time) > planRememberedFor
}

// set replaces the changes of an account that is known. The caller holds the lock.
func (b *boughtPlans) set(key leftKey, changes []v1alpha1.PlanChange) {
	if one, known := b.by[key]; known {
		one.changes = changes
		b.by[key] = one
	}
}

// shown forgets changes to plans that the account is seen to have.
func (b *boughtPlans) shown(key leftKey, have []account.Plan) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.set(key, slices.DeleteFunc(slices.Clone(b.by[key].changes), func(c v1alpha1.PlanChange) bool { return account.HasPlan(have, planOf(c)) }))
}

// syncedPlans is what a status is to record.
type syncedPlans struct {
	changes []v1alpha1.PlanChange
	// restored is set where the status lacked any of the changes.
	restored bool
	// ends is after what time changes are to be forgotten whose type is not declared any more; 0 where there are none.
	ends time.Duration
}

// sync notes what the status of an account's resource records, and returns what it is to record: with what is remembered of declared types and
// was not seen, and without what is to be forgotten.
func (b *boughtPlans) sync(key leftKey, recorded []v1alpha1.PlanChange, declared, seen []account.Plan, now time.Time) syncedPlans {
	b.mu.Lock()
	defer b.mu.Unlock()
	out := syncedPlans{changes: slices.Clone(recorded)}
	var kept []v1alpha1.PlanChange // that the status need not record
	for _, c := range b.by[key].changes {
		at := slices.IndexFunc(out.changes, func(o v1alpha1.PlanChange) bool { return o.Type == c.Type })
		switch {
		case at >= 0:
			if one := &out.changes[at]; one.TemplateID == c.TemplateID && accepted(c) { // the status that said so could not be stored
				one.Accepted = ptr.To(true)
			} else if one.TemplateID != c.TemplateID && one.RequestedAt.Before(&c.RequestedAt) { // the status is as old as a backup
				*one, out.restored = c, true
			}
		case isForgotten(c, now):
		case declaresType(declared, c.Type) && !account.HasPlan(seen, planOf(c)):
			out.changes, out.restored = append(out.changes, c), true
		default:
			kept = append(kept, c)
		}
	}
	b.prune(now)
	one := boughtPlan{at: now, undeclared: undeclaredSince(b.by[key].undeclared, slices.Concat(out.changes, kept), declared, now)}
	over := func(c v1alpha1.PlanChange) bool {
		since, is := one.undeclared[c.Type]
		return is && !now.Before(since.Add(planEndsAfter))
	}
	out.changes, kept = slices.DeleteFunc(out.changes, over), slices.DeleteFunc(kept, over)
	one.changes = slices.Concat(out.changes, kept)
	if len(out.changes) == 0 {
		out.changes = nil // as a status without any has it
	}
	for _, c := range out.changes {
		if since, is := one.undeclared[c.Type]; is {
			out.ends = soonest(out.ends, since.Add(planEndsAfter).Sub(now))
		}
	}
	b.by[key] = one
	return out
}

// declaresType says whether a plan of the type is declared.
func declaresType(declared []account.Plan, kind string) bool {
	return slices.ContainsFunc(declared, func(p account.Plan) bool { return p.Type == kind })
}

// undeclaredSince is since when the types of changes are not declared: as it was, but for those that are declared again. A process that has just
// started begins anew.
func undeclaredSince(was map[string]time.Time, changes []v1alpha1.PlanChange, declared []account.Plan, now time.Time) map[string]time.Time {
	var out map[string]time.Time
	for _, c := range changes {
		if declaresType(declared, c.Type) {
			continue
		}
		if out == nil {
			out = map[string]time.Time{}
		}
		if out[c.Type] = now; !was[c.Type].IsZero() {
			out[c.Type] = was[c.Type]
		}
	}
	return out
}

// note remembers a change that a status records, in the place of an earlier one of its type.
func (b *boughtPlans) note(key leftKey, c v1alpha1.PlanChange) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.by[key] = boughtPlan{changes: append(withoutPlan(b.by[key].changes, c.Type), c), at: c.RequestedAt.Time}
}

// drop forgets the change of a plan of a type: it is shown, or was certainly not made.
func (b *boughtPlans) drop(key leftKey, kind string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.set(key, withoutPlan(b.by[key].changes, kind))
}

// prune drops the accounts of which nothing was seen for long. The caller holds the lock.
func (b *boughtPlans) prune(now time.Time) {
	if now.Sub(b.pruned) < prunePlansEvery {
		return
	}
	b.pruned = now
	maps.DeleteFunc(b.by, func(_ leftKey, one boughtPlan) bool { return now.Sub(one.at) > planRememberedFor })
}

// ofEarlier says whether an earlier resource of the account may have requested a change, and nobody knows whether it did.
func ofEarlier(c v1alpha1.PlanChange) bool { return ptr.Deref(c.EarlierResource, false) }

// ofEarlierPlans are the entries of plans that an earlier resource may have requested. They are in a status from the very write on that binds
// the resource to the account, so that neither a crash nor another process takes the doubt away.
func ofEarlierPlans(plans []account.Plan, now time.Time) (out []v1alpha1.PlanChange) {
	for _, p := range plans {
		out = append(out, v1alpha1.PlanChange{Type: p.Type, TemplateID: p.ID, RequestedAt: metav1.NewTime(now).Rfc3339Copy(), EarlierResource: ptr.To(true)})
	}
	return out
}

// lackingEarlier is a copy of the changes where those of earlier resources say that a read has not shown them.
func lackingEarlier(changes []v1alpha1.PlanChange, have []account.Plan) []v1alpha1.PlanChange {
	out := slices.Clone(changes)
	for i := range out {
		if ofEarlier(out[i]) && !account.HasPlan(have, planOf(out[i])) {
			out[i].Accepted = ptr.To(false)
		}
	}
	return out
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
	if s.was.AccountID == s.boundID() && s.was.Origin == v1alpha1.OriginAdopted && s.was.ObservedGeneration <= 0 && len(s.was.PlanChanges) == 0 && plansOf(s).Seen == nil {
		doubtPlans(e, s) // a process has ended that had found the account
	}
	is := e.bought.sync(accountKey(s), s.status.PlanChanges, s.declared.Plans, plansOf(s).Seen, e.Clock.Now())
	s.status.PlanChanges, s.plans.restored, s.plans.ends = is.changes, s.plans.restored || is.restored, is.ends
}

// takeUpPlans has the status of a resource that was just bound record what was requested for the account. An account that was not created for the
// resource has had another one if it has a claim, or if its id is in the connection Secret: custom data may have replaced the claim.
func takeUpPlans(ctx context.Context, e *Engine, s *scope, a account.Account, made bool) {
	if _, claimed := a.Claim(); !made && len(s.declared.Plans) > 0 && !e.bought.knows(accountKey(s)) && (claimed || holdsAccount(ctx, e, s)) {
		doubtPlans(e, s)
	}
	syncPlans(e, s)
}

// holdsAccount says whether the connection Secret has told of an account before this resource had one. It costs no call where the connection
// Secrets are watched.
func holdsAccount(ctx context.Context, e *Engine, s *scope) bool {
	if e.ConnectionSecrets != nil {
		return e.ConnectionSecrets.Intact(ctx, connectionKey(s), []secrets.Field{secrets.DataField(secrets.KeyAccountID)})
	}
	held, err := e.Connections.Read(ctx, s.connection())
	return err == nil && held[secrets.KeyAccountID] != ""
}

// seeDeleted notes what the status of a resource that is being deleted records: this process may not have reconciled that one before.
func seeDeleted(e *Engine, s *scope) {
	if s.boundID() != "" {
		e.bought.see(accountKey(s), s.status.PlanChanges, e.Clock.Now())
	}
}

// doubtPlans has the status record the declared plans as those that an earlier resource may have requested, unless that one's status was seen.
func doubtPlans(e *Engine, s *scope) {
	if !e.bought.knows(accountKey(s)) {
		s.status.PlanChanges = ofEarlierPlans(s.declared.Plans, e.Clock.Now())
	}
}
