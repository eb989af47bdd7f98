package engine

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"cpaas.dev/child-account-operator/api/v1alpha1"
	"cpaas.dev/child-account-operator/internal/account"
	"cpaas.dev/child-account-operator/internal/conditions"
	"cpaas.dev/child-account-operator/internal/directory"
	"cpaas.dev/child-account-operator/internal/plan"
)

// PlanObserver is implemented by a Managed whose kind declares plans: its status has the plans that were last read.
type PlanObserver interface {
	// ObservedPlans are those plans, nil where they never were read. They are never changed, only replaced.
	ObservedPlans() []v1alpha1.ObservedPlan
	// SetObservedPlans replaces them, and nothing else of what was observed.
	SetObservedPlans(plans []v1alpha1.ObservedPlan)
}

// planSettles is how long after a change of a plan was requested, and its answer was lost, no other change of the plan is requested: the
// provider may still be at it. An account that has the plan is seen earlier.
const planSettles = time.Minute

// scopePlans is what a reconcile knows of the account's plans.
type scopePlans struct {
	// have are those that this reconcile has read; nil before, and after a change was requested.
	have []account.Plan
	// state is what there is to say of them; nil has that follow from the status.
	state *conditions.PlansState
	// restored is set where the status lacked what was requested for the account; the plans are read once more then.
	restored bool
	// ends is after what time changes are to be forgotten whose type is not declared any more; 0 where there are none.
	ends time.Duration
	// pause is for how long nothing more is tried that is not granted, 0 for no such thing.
	pause time.Duration
}

// observePlans has what is known of the account's plans without a call.
func observePlans(e *observer, s *scope, in *plan.Input) {
	if len(s.declared.Plans) == 0 {
		return
	}
	in.Plans = plansOf(s)
	if a := in.View.Account; a != nil && s.boundID() == "" {
		requested := e.bought.requested(leftKey{s.dir.AccountID, a.ID}, e.Clock.Now())
		in.Plans.Found = knownPlans(s.declared.Plans, nil, requested).NotShown
	}
	in.Plans.ReadRequested = (readRequested(s) || s.plans.restored) && s.plans.have == nil && s.plans.state == nil
	if last, ok := e.grants.Last(s.uid()); ok {
		in.Plans.NotGranted = &plan.NotGranted{Attempt: last.Fingerprint, Until: last.Until}
	}
}

// plansOf are the plans as the spec declares them, and as the status has them.
func plansOf(s *scope) plan.Plans {
	var observed []v1alpha1.ObservedPlan
	if o, ok := s.managed.(PlanObserver); ok {
		observed = o.ObservedPlans()
	}
	p := knownPlans(s.declared.Plans, observed, s.status.PlanChanges)
	p.Resource = kubectlName(s.declared.Kind, s.obj)
	return p
}

// kubectlName names a resource of a kind for kubectl.
func kubectlName(kind string, o client.Object) string {
	return fmt.Sprintf("%s -n %s %s", strings.ToLower(kind), o.GetNamespace(), o.GetName())
}

// knownPlans is what a status has of the plans that are declared.
func knownPlans(declared []account.Plan, observed []v1alpha1.ObservedPlan, changes []v1alpha1.PlanChange) plan.Plans {
	p := plan.Plans{Declared: declared}
	for _, seen := range observed {
		p.Seen = append(p.Seen, account.Plan{Type: seen.Type, ID: seen.TemplateID, Name: ptr.Deref(seen.Name, ""), Charge: ptr.Deref(seen.PeriodicCharge, "")})
	}
	for _, c := range changes {
		switch {
		case accepted(c):
			p.NotShown = append(p.NotShown, planOf(c))
		case ofEarlier(c) && c.Accepted != nil: // before a read nobody knows whether it matters
			p.Unsure = append(p.Unsure, planOf(c))
		}
	}
	return p
}

// accepted says whether the provider has accepted a change.
func accepted(c v1alpha1.PlanChange) bool { return ptr.Deref(c.Accepted, false) }

// readPlans reads the plans that the account has.
func readPlans(ctx context.Context, r *run, step plan.Step) *conditions.Outcome {
	waited := len(plansOf(r.s).NotShown) > 0
	if ok, out := currentPlans(ctx, r, step); !ok {
		return out
	}
	p := plansOf(r.s)
	r.again = waited || len(account.DiffPlans(p.Declared, p.Seen, r.s.status.LastApplied)) > 0
	return nil
}

// currentPlans makes sure that the account's plans were read in this reconcile, after all that was requested. ok is false where they were
// not; a nil outcome then stops nothing else.
func currentPlans(ctx context.Context, r *run, step plan.Step) (ok bool, out *conditions.Outcome) {
	if r.s.plans.have != nil {
		return true, nil
	}
	have, err := directory.AccountPlans(ctx, r.s.dir.Directory, step.AccountID)
	if err != nil {
		return false, plansFailed(r, step, err)
	}
	seePlans(r, have)
	return true, nil
}

// changePlan gives the account the declared plans that it does not have. Each change costs money, so it is requested only after a read
// in the same reconcile, once it is recorded in the status, and not before the provider has had its time for an earlier request.
func changePlan(ctx context.Context, r *run, step plan.Step) *conditions.Outcome {
	s := r.s
	if ok, out := currentPlans(ctx, r, step); !ok {
		return out
	}
	lacking := account.LackedPlans(plansIn(s, step), s.plans.have)
	if len(lacking) == 0 {
		r.changes.Done(s.uid(), true)
		return nil
	}
	if slices.ContainsFunc(lacking, plansOf(s).Withheld) { // what was found out since the plan was made: it costs money
		r.changes.Done(s.uid(), true)
		r.again = true // the next plan leaves these alone
		return nil
	}
	if wait := untilPlansSettle(s.status.PlanChanges, lacking, r.Clock.Now()); wait > 0 {
		out := unsettledPlans(s.status.PlanChanges, lacking)
		out.After = wait
		return plansWait(r, step, &out)
	}
	offered, err := directory.PlanOffers(ctx, s.dir.Directory, step.AccountID)
	if err != nil {
		return plansFailed(r, step, err)
	}
	changes, err := checkedPlans(lacking, s.plans.have, offered)
	if err != nil {
		return plansFailed(r, step, err)
	}
	for _, c := range changes {
		if ok, out := requestPlan(ctx, r, step, c); !ok {
			return out
		}
	}
	confirmPlans(ctx, r, step, changes)
	return nil
}

// unsettledPlans is the outcome while changes of the types of lacking plans may still be made.
func unsettledPlans(changes []v1alpha1.PlanChange, lacking []account.Plan) conditions.Outcome {
	var requested []account.Plan
	for _, c := range changes {
		if declaresType(lacking, c.Type) {
			requested = append(requested, planOf(c))
		}
	}
	return conditions.Outcome{
		Reason:  v1alpha1.ReasonUpdating,
		Message: "the operator does not know yet whether a change of the plan was made that it has requested: " + planNames(requested),
		Next:    "The operator reads the plans again, and requests a change only if the account does not have the declared plan.",
	}
}

// plansIn are the declared plans that a step is to change.
func plansIn(s *scope, step plan.Step) []account.Plan {
	var out []account.Plan
	for _, p := range s.declared.Plans {
		if slices.ContainsFunc(step.Changes, func(c plan.FieldChange) bool { return c.Field == p.Path() }) {
			out = append(out, p)
		}
	}
	return out
}

// planRequest is a change of a plan: from one, the zero value for none, to one that is offered.
type planRequest struct{ from, to account.Plan }

// checkedPlans are the changes of plans that are lacking; the error says why one of them is refused. Then none is requested.
func checkedPlans(lacking, have, offered []account.Plan) ([]planRequest, error) {
	var out []planRequest
	for _, p := range lacking {
		offer, replaces, refused := account.CheckPlan(p, have, offered)
		if refused != nil {
			return nil, refused
		}
		out = append(out, planRequest{replaces, offer})
	}
	return out, nil
}

// requestPlan has the provider change a plan. ok is false where it did not, or nobody knows.
func requestPlan(ctx context.Context, r *run, step plan.Step, c planRequest) (ok bool, out *conditions.Outcome) {
	s := r.s
	if out := recordPlan(ctx, r, step, c.to); out != nil {
		return false, out
	}
	what := planText(s, step, c)
	r.Recorder.Eventf(s.obj, nil, corev1.EventTypeNormal, "PlanChanging", "Update", "changing %s, which costs money", what)
	s.plans.have = nil // what was read is out of date, whatever comes of it
	err := directory.ChangePlan(ctx, s.dir.Directory, step.AccountID, c.to)
	r.changes.Done(s.uid(), refused(err))
	logWritten(ctx, s, writePlan, whyPlan(s, step), step.AccountID, err, "plan", c.to.Path()+"="+c.to.ID)
	switch e := account.AsError(err); {
	case err == nil:
		r.grants.Forget(s.uid())
		applyPlan(s, c.to)
		if taken, ok := acceptPlan(s.status.PlanChanges, c.to.Type); ok {
			r.bought.note(accountKey(s), taken)
		}
		return true, nil
	case e.OutcomeUnknown:
		r.Recorder.Eventf(s.obj, nil, corev1.EventTypeWarning, "PlanChangeUnconfirmed", "Update",
			"it is not known whether the provider changed %s: %s. The operator reads the plans before it requests anything again", what, e)
	default:
		endPlan(r, c.to)
		r.Recorder.Eventf(s.obj, nil, corev1.EventTypeWarning, "PlanNotChanged", "Update", "the provider did not change %s: %s", what, e)
	}
	return false, plansFailed(r, step, err)
}

// recordPlan notes in the stored status that a change of a plan is requested, before it is: in a patch that fails where anybody has changed
// the resource since. So neither another process nor this one after a crash requests it again without a read and a pause.
func recordPlan(ctx context.Context, r *run, step plan.Step, p account.Plan) *conditions.Outcome {
	s := r.s
	endPlan(r, p)
	c := v1alpha1.PlanChange{Type: p.Type, TemplateID: p.ID, RequestedAt: metav1.NewTime(r.Clock.Now()).Rfc3339Copy()}
	s.status.PlanChanges = append(s.status.PlanChanges, c)
	if err := r.reporter.patchStatus(ctx, s); err != nil {
		endPlan(r, p)
		return plansWait(r, step, refusedWrite(r, v1alpha1.ReasonUpdating, theResource(s), err))
	}
	r.bought.note(accountKey(s), c)
	s.was, s.wasObserved = *s.status.DeepCopy(), s.managed.Observed()
	return nil
}

// endPlan forgets a change of a plan of a type.
func endPlan(r *run, p account.Plan) {
	r.bought.drop(accountKey(r.s), p.Type)
	r.s.status.PlanChanges = withoutPlan(r.s.status.PlanChanges, p.Type)
}

// applyPlan notes that the account has a plan: an answer of success counts as a read.
func applyPlan(s *scope, p account.Plan) {
	setApplied(s, p, true)
	if o, ok := s.managed.(PlanObserver); ok {
		seen := slices.DeleteFunc(plansOf(s).Seen, func(o account.Plan) bool { return o.Type == p.Type })
		o.SetObservedPlans(observedPlans(s.declared.Plans, append(seen, p)))
	}
}

// setApplied notes that a declared plan is applied, or is not.
func setApplied(s *scope, p account.Plan, applied bool) {
	was := s.status.LastApplied
	if applied == (was[p.Path()] == p.ID) {
		return
	}
	s.status.LastApplied = maps.Clone(was)
	if !applied {
		delete(s.status.LastApplied, p.Path())
		return
	}
	if s.status.LastApplied == nil {
		s.status.LastApplied = map[string]string{}
	}
	s.status.LastApplied[p.Path()] = p.ID
}

// appliedPlans are the declared plans that are applied, by path.
func appliedPlans(s *scope) account.State {
	out := account.State{}
	for _, p := range s.declared.Plans {
		if id, ok := s.status.LastApplied[p.Path()]; ok {
			out[p.Path()] = id
		}
	}
	return out
}

// confirmPlans reads the plans after a change that the provider has accepted. Where that fails its answer stands, and the change stays recorded,
// as a later read may not show it. A change that is not shown is never requested again by itself.
func confirmPlans(ctx context.Context, r *run, step plan.Step, changes []planRequest) {
	s := r.s
	have, err := directory.AccountPlans(ctx, s.dir.Directory, step.AccountID)
	if err != nil {
		log.FromContext(ctx).Info("the plans could not be read after their change: the answer to the change counts", "accountID", step.AccountID, "cause", err.Error())
		for _, c := range changes {
			r.Recorder.Eventf(s.obj, nil, corev1.EventTypeWarning, "PlanChangeUnconfirmed", "Update", unreadPlan, planText(s, step, c), err)
		}
		return
	}
	for _, c := range changes {
		if account.HasPlan(have, c.to) {
			endPlan(r, c.to)
			r.Recorder.Eventf(s.obj, nil, corev1.EventTypeNormal, "PlanChanged", "Update", "changed %s", planText(s, step, c))
		}
	}
	seePlans(r, have)
	r.again = len(s.status.PlanChanges) > 0
}

// unreadPlan is what an event says of a change that was accepted where the plans can't be read after it.
const unreadPlan = "the provider has accepted the change of %s, and the plans could not be read after it: %v. The answer counts. To have the plans read, give the annotation " +
	v1alpha1.AnnotationReconcileRequestedAt + " a new value"

// planText names a change of a plan for people.
func planText(s *scope, step plan.Step, c planRequest) string {
	return fmt.Sprintf("plan %s of account %s (id %s) from %s to %s", c.to.Type, s.declared.AccountName, step.AccountID, planOrNone(c.from), c.to)
}

// shownPlan says how a change came to be shown that was not at once.
func shownPlan(c v1alpha1.PlanChange) string {
	if accepted(c) {
		return "the provider reports the change that it had accepted"
	}
	return "the change whose answer was lost was made"
}

// seePlans notes the plans that the account has.
func seePlans(r *run, have []account.Plan) {
	s := r.s
	if s.plans.have = have; have == nil {
		s.plans.have = []account.Plan{}
	}
	r.grants.Forget(s.uid())
	if o, ok := s.managed.(PlanObserver); ok {
		o.SetObservedPlans(observedPlans(s.declared.Plans, have))
	}
	for _, p := range s.declared.Plans {
		switch {
		case account.HasPlan(have, p):
			setApplied(s, p, true)
		case !slices.ContainsFunc(have, func(o account.Plan) bool { return o.Type == p.Type }): // a status can't say that there is none
			setApplied(s, p, false)
		}
	}
	for _, c := range s.status.PlanChanges {
		p := planOf(c)
		if !account.HasPlan(have, p) {
			continue
		}
		if endPlan(r, p); ofEarlier(c) {
			continue
		}
		r.Recorder.Eventf(s.obj, nil, corev1.EventTypeNormal, "PlanChanged", "Update",
			"account %s (id %s) has plan %s of type %s: %s", s.declared.AccountName, s.status.AccountID, p.ID, p.Type, shownPlan(c))
	}
	s.status.PlanChanges = lackingEarlier(s.status.PlanChanges, have)
	r.bought.shown(accountKey(s), have)
	syncPlans(r.Engine, s)
}

// What a status has of the account's plans at most.
const (
	mostObservedPlans  = 16
	longestPlanType    = 32
	longestPlanText    = 256
	longestPlanDecimal = 64
)

// observedPlans are plans as the status has them. Where there are more than it has room for, the declared ones are among them: whether the
// account has these is what is asked.
func observedPlans(declared, have []account.Plan) []v1alpha1.ObservedPlan {
	if len(have) > mostObservedPlans {
		others := slices.DeleteFunc(slices.Clone(have), func(p account.Plan) bool { return account.HasPlan(declared, p) })
		have = slices.DeleteFunc(slices.Clone(have), func(p account.Plan) bool { return !account.HasPlan(declared, p) })
		have = append(have, others...)
		have = have[:mostObservedPlans]
	}
	var out []v1alpha1.ObservedPlan
	for _, p := range have {
		out = append(out, v1alpha1.ObservedPlan{
			Type: cut(p.Type, longestPlanType), TemplateID: cut(p.ID, longestPlanDecimal), Name: cutOrNone(p.Name, longestPlanText), PeriodicCharge: cutOrNone(p.Charge, longestPlanDecimal),
		})
	}
	return out
}

// untilPlansSettle is for how long no change of the plans may be requested, as an earlier one may still be made.
func untilPlansSettle(changes []v1alpha1.PlanChange, lacking []account.Plan, now time.Time) time.Duration {
	wait := time.Duration(0)
	for _, c := range changes {
		if !ofEarlier(c) && declaresType(lacking, c.Type) {
			wait = max(wait, c.RequestedAt.Add(planSettles).Sub(now))
		}
	}
	return min(wait, planSettles)
}

func planNames(plans []account.Plan) string {
	names := make([]string, len(plans))
	for i, p := range plans {
		names[i] = p.Path() + "=" + p.ID
	}
	return strings.Join(names, ", ")
}

func planOrNone(p account.Plan) string {
	if p.ID == "" {
		return "none"
	}
	return p.String()
}

// whyPlan says why a plan is changed.
func whyPlan(s *scope, step plan.Step) string {
	switch {
	case s.recreated:
		return whyRecreate
	case s.created:
		return whyCreation
	case step.Reason == plan.ReasonDrift:
		return whyDrift
	}
	return whyEdit
}

// plansFailed is the outcome of a call that failed. What is not granted stops nothing else: then there is none.
func plansFailed(r *run, step plan.Step, err error) *conditions.Outcome {
	s, e := r.s, account.AsError(err)
	r.changes.Done(s.uid(), refused(err))
	out := r.stopped(err)
	s.plans.state = conditions.FailedPlans(r.Table, *out)
	if e.Class != account.RoleMissing {
		return plansWait(r, step, out)
	}
	s.plans.pause = r.grants.Refuse(s.uid(), step.Attempt, r.Clock.Now())
	return nil
}

// plansWait adds to the outcome of an account that matches the spec but for its plans what there is to say beside.
func plansWait(r *run, step plan.Step, out *conditions.Outcome) *conditions.Outcome {
	s := r.s
	if out.Err == nil && out.Reason != v1alpha1.ReasonParentNotReady && !out.InBackoff {
		out.Fingerprint = step.Attempt // an attempt of its own, whatever there is to say of the connection Secret
	}
	if out.Reason != "" && s.plans.state == nil {
		s.plans.state = conditions.FailedPlans(r.Table, *out)
	}
	switch {
	case s.connected != nil:
		addIgnored(s)
		out.Secret = s.connected
	case out.InBackoff: // it stays as it is
		out.Secret = nil
	}
	return out
}

// awaitPlans is the outcome of an account that matches the spec but for its plans, for which nothing can be done now.
func awaitPlans(ctx context.Context, r *run, step plan.Step) *conditions.Outcome {
	return plansWait(r, step, end(ctx, r, step))
}

// writePlans writes the condition PlansSynced. notGranted is set where an attempt was refused that is not repeated yet.
func writePlans(s *scope, notGranted bool, generation int64, now time.Time) {
	if len(s.status.PlanChanges) == 0 {
		s.status.PlanChanges = nil
	}
	was := meta.FindStatusCondition(s.status.Conditions, v1alpha1.ConditionPlansSynced)
	if len(s.declared.Plans) == 0 || s.declared.Policy.Observe {
		if was != nil {
			meta.RemoveStatusCondition(&s.status.Conditions, v1alpha1.ConditionPlansSynced)
		}
		return
	}
	state := s.plans.state
	if state == nil {
		reason, message, next := plansOf(s).State(s.status.LastApplied, s.declared.Policy.ReportDrift)
		if was != nil && was.ObservedGeneration == generation && (reason == "" || notGranted && was.Reason == v1alpha1.ReasonRoleMissing) { // what it says holds
			return
		}
		state = conditions.SyncedPlans(reason, message, next)
	}
	meta.SetStatusCondition(&s.status.Conditions, metav1.Condition{
		Type: v1alpha1.ConditionPlansSynced, Status: state.Status, Reason: state.Reason, Message: conditions.Bounded(state.Message),
		ObservedGeneration: generation, LastTransitionTime: metav1.NewTime(now),
	})
}
