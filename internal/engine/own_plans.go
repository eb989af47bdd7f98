package engine

import (
	"context"
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"cpaas.dev/child-account-operator/api/v1alpha1"
	"cpaas.dev/child-account-operator/internal/account"
	"cpaas.dev/child-account-operator/internal/conditions"
	"cpaas.dev/child-account-operator/internal/directory"
	"cpaas.dev/child-account-operator/internal/plan"
)

// ownPlanning is a pass over the parent account's own plans. The rules are those of the plans of accounts (plans.go): bought once, upward, recorded
// in the stored status before the request leaves, and after a read in the same pass.
type ownPlanning struct {
	o        *own
	part     *ownPart
	declared []account.Plan
	// have are the plans that this pass has read; nil before, and after a change was requested.
	have []account.Plan
	// restored is set where the status lacked what was requested for the account; the plans are read once more then.
	restored bool
}

// ownPlans finds out which of the declared plans the parent account lacks.
func ownPlans(ctx context.Context, o *own) *ownPart {
	p := &ownPart{kind: v1alpha1.ConditionPlansSynced}
	w := &ownPlanning{o: o, part: p}
	switch {
	case o.failed != nil:
		return p
	case !declaresPlans(o.object):
		p.done = true
		conditions.WriteState(&o.object.Status.Conditions, p.kind, 0, nil, o.e.Clock.Now())
		w.forget()
		return p
	case o.leaveTo(ctx, p, "plans", declaresPlans, w.forgetApplied):
		return p
	case !directory.CapabilitiesOf(o.dir.Directory).Plans:
		o.say(p.kind, conditions.FailedOwn(&account.Error{Class: account.Invalid, Field: "plans", Message: "this provider's accounts have no plans"}))
		return p
	}
	w.declared = plansOfParent(o.object)
	w.takeOver()
	w.sync()
	w.pruneApplied()
	return w.compare(ctx)
}

// compare reads the plans where that is due, and finds out what the account lacks.
func (w *ownPlanning) compare(ctx context.Context) *ownPart {
	o, p := w.o, w.part
	changes, requested := w.lacking(), o.requested()
	p.attempt = w.attempt(changes)
	due := w.restored || len(changes) > 0 && o.known.plansReadAs != p.attempt || requested != "" && o.known.plansReadFor != requested
	switch p.waits = (due || len(changes) > 0) && o.inBackoff(o.e.owns.plans, p.attempt); {
	case p.waits:
		return p
	case due:
		if !w.read(ctx) {
			return p
		}
		changes = w.lacking()
		p.attempt = w.attempt(changes)
		o.known.plansReadAs = p.attempt
		if requested != "" {
			o.known.plansReadFor = requested
		}
	}
	if len(changes) == 0 {
		w.settled()
		return p
	}
	if err := o.look(ctx); err != nil {
		o.fail(o.e.owns.plans, p, p.attempt, err)
		return p
	}
	if full := directory.RemoteOf(o.dir.Directory).Fields(); full.Frozen(o.known.state) || full.Deactivated(o.known.state) { // no money for an account that can't be used
		o.comeBack(ownReadEvery)
		o.say(p.kind, conditions.Outcome{
			Reason: v1alpha1.ReasonUpdating, Message: "the parent account is frozen or deactivated, and keeps its plans meanwhile",
			Next: "Ask the provider why. The operator reads the account again within an hour, and on request.",
		})
		return p
	}
	p.text, p.write = planNames(plansOfChanges(changes)), w.write
	return p
}

// lacking are the declared plans that the account is not known to have, as the status has it, without those that the provider has accepted
// and does not show, or may have.
func (w *ownPlanning) lacking() []account.PlanChange {
	k := w.known()
	return slices.DeleteFunc(account.DiffPlans(k.Declared, k.Seen, w.o.status().LastApplied), func(c account.PlanChange) bool {
		return k.Withheld(c.To)
	})
}

// known is what the status has of the plans.
func (w *ownPlanning) known() plan.Plans {
	p := knownPlans(w.declared, w.o.status().Plans, w.o.status().PlanChanges)
	p.Resource = kubectlName("ParentAccount", w.o.object)
	return p
}

// takeOver has the status record the declared plans as those that an earlier resource may have requested, where they were left to another
// ParentAccount of the account until now and this process has not seen what that one has requested.
func (w *ownPlanning) takeOver() {
	o := w.o
	if !conditions.HadReason(o.was, w.part.kind, v1alpha1.ReasonDuplicateResource) || o.e.bought.knows(w.key()) {
		return
	}
	st := o.status()
	for _, c := range ofEarlierPlans(w.declared, o.e.Clock.Now()) {
		if !slices.ContainsFunc(st.PlanChanges, func(known v1alpha1.PlanChange) bool { return known.Type == c.Type }) {
			st.PlanChanges = append(slices.Clone(st.PlanChanges), c)
		}
	}
}

func plansOfChanges(changes []account.PlanChange) []account.Plan {
	out := make([]account.Plan, len(changes))
	for i, c := range changes {
		out[i] = c.To
	}
	return out
}

// attempt tells an attempt at plans from others.
func (w *ownPlanning) attempt(changes []account.PlanChange) string {
	var fields []plan.FieldChange
	for _, c := range changes {
		fields = append(fields, plan.FieldChange{Field: c.To.Path(), To: c.To.ID})
	}
	return "plans " + plan.Delegation(w.o.tried(), w.o.dir.Connection, fields)
}

// read reads the plans that the account has; false where that failed.
func (w *ownPlanning) read(ctx context.Context) bool {
	have, err := directory.AccountPlans(ctx, w.o.dir.Directory, w.o.dir.AccountID)
	if err != nil {
		w.failed(err)
		return false
	}
	w.see(have)
	return true
}

// see notes the plans that the account has.
func (w *ownPlanning) see(have []account.Plan) {
	o := w.o
	if w.have = have; have == nil {
		w.have = []account.Plan{}
	}
	o.status().Plans = observedPlans(w.declared, have)
	for _, p := range w.declared {
		switch {
		case account.HasPlan(have, p):
			w.setApplied(p, true)
		case !slices.ContainsFunc(have, func(o account.Plan) bool { return o.Type == p.Type }): // a status can't say that there is none
			w.setApplied(p, false)
		}
	}
	for _, c := range o.status().PlanChanges {
		p := planOf(c)
		if !account.HasPlan(have, p) {
			continue
		}
		if w.end(p); ofEarlier(c) {
			continue
		}
		o.e.Recorder.Eventf(o.object, nil, corev1.EventTypeNormal, "PlanChanged", "Update",
			"the parent account %s (id %s) has plan %s of type %s: %s", o.dir.AccountName, o.dir.AccountID, p.ID, p.Type, shownPlan(c))
	}
	o.status().PlanChanges = lackingEarlier(o.status().PlanChanges, have)
	o.e.bought.shown(w.key(), have)
	w.sync()
}

// setApplied notes that a declared plan is applied, or is not.
func (w *ownPlanning) setApplied(p account.Plan, applied bool) {
	values := account.State{}
	if applied {
		values[p.Path()] = p.ID
	}
	w.o.setApplied(func(path string) bool { return path != p.Path() }, values)
}

// end forgets a change of a plan of a type.
func (w *ownPlanning) end(p account.Plan) {
	st := w.o.status()
	w.o.e.bought.drop(w.key(), p.Type)
	st.PlanChanges = withoutPlan(st.PlanChanges, p.Type)
}

// key is the parent account among those whose plans are remembered.
func (w *ownPlanning) key() leftKey { return leftKey{w.o.dir.AccountID, w.o.dir.AccountID} }

// sync has the status record what was requested for the account, which another object of the same name may have done.
func (w *ownPlanning) sync() {
	is := w.o.e.bought.sync(w.key(), w.o.status().PlanChanges, w.declared, w.known().Seen, w.o.e.Clock.Now())
	w.o.status().PlanChanges, w.restored = is.changes, is.restored
	w.o.comeBack(is.ends)
}

// pruneApplied drops what was applied of plans that are not declared any more.
func (w *ownPlanning) pruneApplied() {
	w.o.setApplied(func(path string) bool {
		return !account.IsPlanPath(path) || slices.ContainsFunc(w.declared, func(p account.Plan) bool { return p.Path() == path })
	}, nil)
}

// forget drops what is known of plans that are not declared any more; what was requested stays until it is to be forgotten. A status that records
// nothing says nothing of what another ParentAccount of the account has requested, which may be deleted since.
func (w *ownPlanning) forget() {
	st := w.o.object.Status.Account
	if st == nil {
		return
	}
	if len(st.PlanChanges) > 0 {
		w.sync()
	}
	w.forgetApplied()
}

// forgetApplied drops which plans the account had, which are read again before anything is to be changed. What was requested stays.
func (w *ownPlanning) forgetApplied() {
	w.o.known.plansReadAs = ""
	w.o.setApplied(func(path string) bool { return !account.IsPlanPath(path) }, nil)
	w.o.status().Plans = nil
}

// settled says how the plans are where none is to be changed.
func (w *ownPlanning) settled() {
	reason, message, next := w.known().State(w.o.status().LastApplied, false)
	if reason == "" {
		reason = v1alpha1.ReasonUpdating
	}
	if reason == v1alpha1.ReasonAvailable {
		next = conditions.NothingToDo
	}
	w.part.done = true
	w.o.say(w.part.kind, conditions.Outcome{Reason: reason, Message: message, Next: next})
	w.o.handled()
}

// failed notes a call that failed.
func (w *ownPlanning) failed(err error) {
	w.o.e.changes.Done(w.o.object.UID, refused(err))
	w.o.fail(w.o.e.owns.plans, w.part, w.part.attempt, err)
}

// write gives the account the declared plans that it lacks.
func (w *ownPlanning) write(ctx context.Context) {
	o := w.o
	lacking := plansOfChanges(w.lacking())
	if wait := untilPlansSettle(o.status().PlanChanges, lacking, o.e.Clock.Now()); wait > 0 {
		o.comeBack(wait)
		o.say(w.part.kind, unsettledPlans(o.status().PlanChanges, lacking))
		return
	}
	if w.have == nil && !w.read(ctx) {
		return
	}
	lacking = account.LackedPlans(plansOfChanges(w.lacking()), w.have)
	if len(lacking) == 0 {
		o.e.changes.Done(o.object.UID, true)
		w.settled()
		return
	}
	offered, err := directory.PlanOffers(ctx, o.dir.Directory, o.dir.AccountID)
	if err != nil {
		w.failed(err)
		return
	}
	changes, err := checkedPlans(lacking, w.have, offered)
	if err != nil {
		w.failed(err)
		return
	}
	for _, c := range changes {
		if !w.request(ctx, c) {
			return
		}
	}
	o.e.owns.plans.Forget(o.object.UID)
	w.confirm(ctx, changes)
	w.settled()
}

// request has the provider change a plan, once that is recorded in the stored status. It is false where it did not, or nobody knows.
func (w *ownPlanning) request(ctx context.Context, c planRequest) bool {
	o, st := w.o, w.o.status()
	w.end(c.to)
	requested := v1alpha1.PlanChange{Type: c.to.Type, TemplateID: c.to.ID, RequestedAt: metav1.NewTime(o.e.Clock.Now()).Rfc3339Copy()}
	st.PlanChanges = append(st.PlanChanges, requested)
	if o.patch(ctx); o.failed != nil {
		return false
	}
	o.e.bought.note(w.key(), requested)
	what := w.text(c)
	o.e.Recorder.Eventf(o.object, nil, corev1.EventTypeNormal, "PlanChanging", "Update", "changing %s, which costs money", what)
	w.have = nil // what was read is out of date, whatever comes of it
	err := directory.ChangePlan(ctx, o.dir.Directory, o.dir.AccountID, c.to)
	o.e.changes.Done(o.object.UID, refused(err))
	o.logOwn(ctx, writePlan, whyEdit, err, "plan", c.to.Path()+"="+c.to.ID)
	switch e := account.AsError(err); {
	case err == nil:
		w.setApplied(c.to, true)
		seen := slices.DeleteFunc(w.known().Seen, func(p account.Plan) bool { return p.Type == c.to.Type })
		o.status().Plans = observedPlans(w.declared, append(seen, c.to))
		if taken, ok := acceptPlan(o.status().PlanChanges, c.to.Type); ok {
			o.e.bought.note(w.key(), taken)
		}
		return true
	case e.OutcomeUnknown:
		o.known.plansReadAs = "" // they are read before anything is requested again
		o.e.Recorder.Eventf(o.object, nil, corev1.EventTypeWarning, "PlanChangeUnconfirmed", "Update",
			"it is not known whether the provider changed %s: %s. The operator reads the plans before it requests anything again", what, e)
	default:
		w.end(c.to)
		o.e.Recorder.Eventf(o.object, nil, corev1.EventTypeWarning, "PlanNotChanged", "Update", "the provider did not change %s: %s", what, e)
	}
	w.failed(err)
	return false
}

// text names a change of a plan for people.
func (w *ownPlanning) text(c planRequest) string {
	o := w.o
	return fmt.Sprintf("plan %s of the parent account %s (id %s) from %s to %s", c.to.Type, o.dir.AccountName, o.dir.AccountID, planOrNone(c.from), c.to)
}

// confirm reads the plans after changes that the provider has accepted. Where that fails its answer stands, and the changes stay recorded, as a
// later read may not show them. A change that is not shown is never requested again by itself.
func (w *ownPlanning) confirm(ctx context.Context, changes []planRequest) {
	o := w.o
	have, err := directory.AccountPlans(ctx, o.dir.Directory, o.dir.AccountID)
	if err != nil {
		log.FromContext(ctx).Info("the plans could not be read after their change: the answer to the change counts", "accountID", o.dir.AccountID, "cause", err.Error())
		for _, c := range changes {
			o.e.Recorder.Eventf(o.object, nil, corev1.EventTypeWarning, "PlanChangeUnconfirmed", "Update", unreadPlan, w.text(c), err)
		}
		return
	}
	for _, c := range changes {
		if account.HasPlan(have, c.to) {
			w.end(c.to)
			o.e.Recorder.Eventf(o.object, nil, corev1.EventTypeNormal, "PlanChanged", "Update", "changed %s", w.text(c))
		}
	}
	w.see(have)
}
