package controllers

import (
	"context"
	"fmt"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"cpaas.dev/child-account-operator/api/v1alpha1"
	"cpaas.dev/child-account-operator/internal/account"
)

// assessment is what can be said of a resource without asking or writing anything.
type assessment struct {
	// outcome is final unless work is set.
	outcome outcome
	// work is set where something has to be asked or written first; decision says what.
	work     bool
	decision account.Decision
}

// assess gates, observes and plans, from memory alone. The same assessment decides after a resync which resources
// are woken, and at the start of a reconcile what is to be done, so that the two can't disagree.
func (r *ChildAccountReconciler) assess(ctx context.Context, s *childScope) assessment {
	if stop, out := r.gate(ctx, s); stop {
		r.governor.forget(s)
		return assessment{outcome: out}
	}
	d := account.Decide(s.schema, s.subject(), s.dir.Observe(s.key()))
	if s.asked() && d.Step != account.StepWait {
		d = account.Decision{Step: account.StepLook}
	}
	return r.judge(ctx, s, d)
}

// gate says whether the resource is to be worked on at all.
func (r *ChildAccountReconciler) gate(ctx context.Context, s *childScope) (stop bool, out outcome) {
	if s.child.Suspended() {
		return true, outcome{reason: v1alpha1.ReasonSuspended, message: "spec.suspend is true"}
	}
	if stop, out := r.reach(ctx, s); stop {
		return true, out
	}
	if err := s.schema.Check(s.desired); err != nil {
		return true, childTable.failed(err)
	}
	if out := r.readPassword(ctx, s); out != nil {
		return true, *out
	}
	return false, outcome{}
}

// reach takes up the parent, or says why it can't be worked with.
func (r *ChildAccountReconciler) reach(ctx context.Context, s *childScope) (stop bool, out outcome) {
	parent, denied := r.findParent(ctx, s)
	if denied != nil {
		return true, *denied
	}
	s.parent = parent
	if s.parent.Suspended() {
		return true, outcome{reason: v1alpha1.ReasonSuspended, message: fmt.Sprintf("ParentAccount %s is suspended", s.parent.Name)}
	}
	dir := r.Parents.Get(s.child.ParentKey())
	if dir == nil {
		return true, r.withoutParent(s)
	}
	if dir.Verified != verified(s.parent) { // the parent's own reconcile comes first, and wakes its children
		if s.parent.Status.ObservedGeneration != s.parent.Generation {
			return true, undecided
		}
		return true, r.withoutParent(s)
	}
	if err := s.enter(dir); err != nil {
		return true, outcome{err: err}
	}
	if l := dir.Listings(); l.Err != nil && parentTable.row(parentTable.failed(l.Err).reason).stalled {
		return true, parentNotReady(s, parentTable.failed(l.Err))
	}
	if out := pinned(s); out != nil {
		return true, *out
	}
	return false, outcome{}
}

// withoutParent is the outcome while the parent can't be worked with.
func (r *ChildAccountReconciler) withoutParent(s *childScope) outcome {
	ready := meta.FindStatusCondition(s.parent.Status.Conditions, v1alpha1.ConditionReady)
	if meta.IsStatusConditionTrue(s.parent.Status.Conditions, v1alpha1.ConditionStalled) && ready != nil {
		return parentNotReady(s, outcome{reason: ready.Reason, message: ready.Message})
	}
	if out := r.outage(s); out != nil {
		return *out
	}
	return undecided // the parent's first reconcile wakes its children
}

func parentNotReady(s *childScope, of outcome) outcome {
	message := fmt.Sprintf("ParentAccount %s is not ready: %s", s.parent.Name, of.reason)
	if s.parent.Namespace == s.child.Namespace { // the details, names of Secrets for example, are not for other namespaces
		message += ": " + of.message
	}
	return outcome{reason: v1alpha1.ReasonParentNotReady, message: message}
}

// outage is the outcome while the provider does not answer the parent; nil if it does. The message is the same for as
// long as it lasts, so that it is written once; the parent's own condition has the details.
func (r *ChildAccountReconciler) outage(s *childScope) *outcome {
	out := outcome{message: fmt.Sprintf("the provider does not answer, or not consistently: see ParentAccount %s", s.parent.Name)}
	c := meta.FindStatusCondition(s.parent.Status.Conditions, v1alpha1.ConditionAPIAvailable)
	if c != nil && c.Status == metav1.ConditionFalse {
		out.reason = c.Reason
	}
	if s.dir != nil { // newer than the condition
		err := s.dir.Listings().Err
		if err == nil {
			return nil
		}
		out.reason = childTable.failed(err).reason
	}
	if out.reason == "" {
		return nil
	}
	return &out
}

// pinned stops a resource whose account belongs to another parent account than the credentials do now,
// unless the change was accepted: then the account is looked for anew.
func pinned(s *childScope) *outcome {
	st := &s.child.Status
	if st.ParentAccountID == "" || st.ParentAccountID == s.dir.AccountID {
		return nil
	}
	if s.child.Annotations[v1alpha1.AnnotationAcceptParent] == s.dir.AccountID {
		s.unbind()
		return nil
	}
	return &outcome{reason: v1alpha1.ReasonParentChanged, message: fmt.Sprintf(
		"the account belongs to parent account %s, but ParentAccount %s is account %s now: restore its credentials, or give this ChildAccount the annotation %s: %q to look for an account there",
		st.ParentAccountID, s.parent.Name, s.dir.AccountID, v1alpha1.AnnotationAcceptParent, s.dir.AccountID)}
}

// judge says what a decision means for the resource.
func (r *ChildAccountReconciler) judge(ctx context.Context, s *childScope, d account.Decision) assessment {
	if out := r.duplicate(ctx, s, d); out != nil {
		return assessment{outcome: *out}
	}
	if out := r.unseenOwner(s, d); out != nil {
		return assessment{outcome: *out}
	}
	if out := r.stopMassChange(ctx, s, d); out != nil {
		return assessment{outcome: *out}
	}
	switch d.Step {
	case account.StepNone:
		if s.child.Observes() {
			return assessment{outcome: r.observed(s, d)}
		}
		return r.settle(ctx, s, d)
	case account.StepWait:
		if out := r.outage(s); out != nil {
			return assessment{outcome: *out}
		}
		return assessment{outcome: undecided} // the next list wakes it
	case account.StepRefuse:
		return assessment{outcome: r.refused(s, d)}
	case account.StepMissing:
		return assessment{outcome: missing(s, d)}
	}
	return r.workUnlessHeld(s, d)
}

// workUnlessHeld has a decision carried out, unless the same was tried in vain and it is not time to try again.
func (r *ChildAccountReconciler) workUnlessHeld(s *childScope, d account.Decision) assessment {
	if held, ok := r.holds.active(s.child.UID, s.plan(d), r.Clock.Now()); ok {
		return assessment{outcome: held.remaining(r.Clock.Now())}
	}
	return assessment{work: true, decision: d}
}

// settle is for an account that is as declared.
func (r *ChildAccountReconciler) settle(ctx context.Context, s *childScope, d account.Decision) assessment {
	if _, recheck := r.recheck.Load(s.child.UID); recheck { // whatever is held: somebody touched the connection Secret
		return assessment{work: true, decision: d}
	}
	if !r.settled(ctx, s, d) || !r.passwordSettled(s) {
		return r.workUnlessHeld(s, d)
	}
	s.confirm(d, r.Clock.Now())
	if out := r.outage(s); out != nil && stale(s.parent, s.dir, r.Clock.Now()) {
		return assessment{outcome: *out}
	}
	out := s.asDeclared(d)
	out.secret = s.secretAsBefore()
	return assessment{outcome: out}
}

// observed is the outcome under managementPolicy Observe, of an account that is there.
func (r *ChildAccountReconciler) observed(s *childScope, d account.Decision) outcome {
	s.observe(*d.Account)
	s.drift(d.Drift, r.Clock.Now())
	s.child.Status.AccountID, s.child.Status.ParentAccountID = d.Account.ID, s.dir.AccountID
	if out := r.outage(s); out != nil && stale(s.parent, s.dir, r.Clock.Now()) {
		return *out
	}
	return outcome{reason: v1alpha1.ReasonObserved, message: "the account is there and is only read"}
}

// remaining is the outcome of a try that is not to be repeated yet.
func (h hold) remaining(now time.Time) outcome {
	out := h.outcome
	if out.after = 0; !h.until.IsZero() {
		out.after = h.until.Sub(now)
	}
	out.held = true
	return out
}

// asDeclared is the outcome of an account that nothing more is written to.
func (s *childScope) asDeclared(d account.Decision) outcome {
	off := d.Account.State["active"] == "false"
	earlier := s.foundOff || hadReason(s.was.Conditions, v1alpha1.ConditionReady, v1alpha1.ReasonDeactivatedEarlier)
	switch a := d.Account; {
	case a.State["frozen"] == "true":
		return outcome{reason: v1alpha1.ReasonFrozen, message: "the provider has blocked the account"}
	case len(d.NotKept) > 0:
		return outcome{reason: v1alpha1.ReasonValueNotKept, message: notKept(d.NotKept)}
	case len(d.Drift) > 0:
		return outcome{reason: v1alpha1.ReasonDriftDetected, message: "changed at the provider and left alone: " + account.FieldNames(d.Drift)}
	case off && earlier && s.child.Spec.Active == nil:
		return outcome{reason: v1alpha1.ReasonDeactivatedEarlier, message: "the account was found again, switched off; declare spec.active to say whether it is to be on"}
	case off:
		return outcome{reason: v1alpha1.ReasonDeactivated, message: "the account is switched off"}
	}
	return outcome{reason: v1alpha1.ReasonAvailable, message: "the account is as declared"}
}

func notKept(changes []account.Change) string {
	var parts []string
	for _, c := range changes {
		parts = append(parts, fmt.Sprintf("spec.%s: %q was written twice and came back as %q", c.Field.Path, c.To, c.From))
	}
	return strings.Join(parts, "; ") + "; left alone until one of the two changes"
}

// refused names whoever holds the account.
func (r *ChildAccountReconciler) refused(s *childScope, d account.Decision) outcome {
	name := s.child.AccountName()
	switch {
	case len(d.Drift) > 0:
		return outcome{reason: v1alpha1.ReasonAdoptionRefused, message: fmt.Sprintf(
			"account %s (id %s) was there before this resource and is not identical: %s", name, d.Account.ID, account.FieldNames(d.Drift))}
	case d.Holder == nil:
		return outcome{reason: v1alpha1.ReasonAdoptionRefused, message: fmt.Sprintf(
			"account %s (id %s) was there before this resource and is left alone; choose another accountName in a new ChildAccount, or a spec.adoptionPolicy that takes it", name, d.Account.ID)}
	}
	if !s.mayHear(d.Holder.Namespace) {
		return outcome{reason: v1alpha1.ReasonClaimedElsewhere, message: fmt.Sprintf("account %s belongs to another resource and is left alone", name)}
	}
	return outcome{reason: v1alpha1.ReasonClaimedElsewhere, message: fmt.Sprintf(
		"account %s (id %s) belongs to ChildAccount %s and is left alone; if that is gone for good, the annotation %s: %q takes it",
		name, d.Account.ID, d.Holder, v1alpha1.AnnotationTakeover, d.Holder.Installation)}
}

func missing(s *childScope, d account.Decision) outcome {
	if d.Account != nil {
		return outcome{reason: v1alpha1.ReasonAccountMissing, message: fmt.Sprintf("account %s is not %s any more but %s", d.Account.ID, s.child.AccountName(), d.Account.Name)}
	}
	if s.boundID() == "" {
		return outcome{reason: v1alpha1.ReasonAccountMissing, message: fmt.Sprintf("the parent has no account %s to observe", s.child.AccountName())}
	}
	return outcome{reason: v1alpha1.ReasonAccountMissing, message: fmt.Sprintf("account %s (%s) is gone at the provider; missingPolicy Recreate makes a new one", s.child.Status.AccountID, s.child.AccountName())}
}
