package engine

import (
	"context"
	"strings"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"cpaas.dev/child-account-operator/api/v1alpha1"
	"cpaas.dev/child-account-operator/internal/changeguard"
	"cpaas.dev/child-account-operator/internal/conditions"
	"cpaas.dev/child-account-operator/internal/plan"
)

// ownAtStart is the parent's resource as its start knows it.
func ownAtStart(p *v1alpha1.ParentAccount) changeguard.Resource {
	return changeguard.Resource{UID: p.UID, Namespace: p.Namespace, Name: p.Name, Generation: p.Generation}
}

// start has the parent's start know of the account, where that was declared when the start began.
func (o *own) start() {
	if o.known.started {
		return
	}
	o.known.started = true
	if o.parent.Start.Holds && (declaresAccount(o.object) || declaresPlans(o.object)) {
		changeguard.Include(o.e.starts, o.parent.Guarded, ownAtStart(o.object))
	}
}

// admit asks whether a change of the account may be made now. Where it may not, the outcome says why, without a reason while nothing is to be
// said yet.
func (o *own) admit(ctx context.Context, text string) (conditions.Outcome, bool) {
	now := o.e.Clock.Now()
	if o.parent.Start.Holds {
		v := o.e.starts.Judge(o.parent.Guarded, ownAtStart(o.object), o.parent.Start.Approvals, now)
		if v.State == changeguard.StartApproved && !plan.OwnWithin(text, v.Approved) { // it was not known yet what else would be needed
			changeguard.Reopen(o.e.starts, o.parent.Guarded, ownAtStart(o.object))
			v.State = changeguard.StartHolds
		}
		switch v.State {
		case changeguard.StartAwaited:
			return conditions.Undecided, false
		case changeguard.StartHolds:
			o.e.starts.Hold(o.parent.Guarded, ownAtStart(o.object), text, "")
			rule, next := startRule(o.parent, "ParentAccount", v.Later)
			return conditions.Outcome{Reason: v1alpha1.ReasonAwaitingApproval, Message: text + rule, Next: next}, false
		case changeguard.StartApproved:
			o.startApproved = true
			return conditions.Undecided, true
		case changeguard.StartFree:
		}
	}
	subject := ownSubject{object: o.object, parent: o.parent.Key}
	fleet, err := o.e.changes.Fleet(o.parent.Guarded, o.object.Namespace, now, func() (changeguard.Fleet, error) { return o.e.Kind.Fleet(ctx, subject) })
	if err != nil {
		o.failed = err
		return conditions.Undecided, false
	}
	v := o.e.changes.Admit(changeguard.Change{
		Parent: o.parent.Guarded, Namespace: fleet.Namespace, Total: fleet.Total, Limits: o.parent.Limits, Approvals: o.parent.Approvals,
		UID: o.object.UID, Name: o.object.Name, Generation: o.object.Generation, Account: o.dir.AccountName,
		Text: text, Waited: ownWaited(o.object.Status.Conditions),
	}, now)
	o.approved = v.Approved
	if v.Allowed || !v.Settled {
		return conditions.Undecided, v.Allowed
	}
	o.comeBack(v.Wait)
	return conditions.AwaitingApproval(text, v.Rule, v.List, "To approve exactly these: "+ApproveCommand(o.parent.Key, v1alpha1.AnnotationApproveMassChange, v.Hash)), false
}

// ownWaited says whether conditions say that a change of the account waits as too many change.
func ownWaited(conds []metav1.Condition) bool {
	for _, kind := range []string{v1alpha1.ConditionAccountSynced, v1alpha1.ConditionPlansSynced} {
		c := meta.FindStatusCondition(conds, kind)
		if c != nil && c.Reason == v1alpha1.ReasonAwaitingApproval && strings.Contains(c.Message, v1alpha1.AnnotationApproveMassChange+"=") {
			return true
		}
	}
	return false
}
