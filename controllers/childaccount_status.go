package controllers

import (
	"context"
	"encoding/json"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"cpaas.dev/child-account-operator/api/v1alpha1"
	"cpaas.dev/child-account-operator/internal/account"
	"cpaas.dev/child-account-operator/internal/conditions"
	"cpaas.dev/child-account-operator/internal/directory"
	"cpaas.dev/child-account-operator/internal/metrics"
)

// longestObserved bounds what is copied from the provider into a status (ObservedAccount's longest field).
const longestObserved = 1024

// finish writes the status, once and only if something changed, tells what happened, and says when to come back.
func (r *ChildAccountReconciler) finish(ctx context.Context, s *childScope, out conditions.Outcome) (ctrl.Result, error) {
	r.writeStatus(s, out)
	pause := r.attempts.Record(s.child.UID, conditions.Children, out, s.was.Conditions, s.child.Status.Conditions, r.Clock.Now())
	r.tell(ctx, s)
	r.raiseAlarm(s)
	if err := r.patchStatus(ctx, s); err != nil {
		return ctrl.Result{}, err
	}
	conditions.Children.EmitEvent(r.Recorder, s.child, s.was.Conditions, out)
	if out.Err != nil {
		return ctrl.Result{}, out.Err
	}
	return ctrl.Result{RequeueAfter: conditions.Children.Requeue(out, pause)}, nil
}

// raiseAlarm tells the parent that its provider does not answer, where it has not found out by itself.
func (r *ChildAccountReconciler) raiseAlarm(s *childScope) {
	if s.dir == nil || r.alarm == nil || s.dir.Listings().Err != nil {
		return
	}
	if down, _ := s.dir.Budget.Unavailable(); down {
		r.alarm(s.child.ParentKey())
	}
}

// writeStatus computes the whole status from what happened. It is pure but for the clock.
func (r *ChildAccountReconciler) writeStatus(s *childScope, out conditions.Outcome) {
	if out.Reason == "" {
		return
	}
	st := &s.child.Status
	out.PastGrace = conditions.Children.Row(out.Reason).Reconciling() && r.pastGrace(s)
	st.ObservedGeneration = s.child.Generation
	if !conditions.Children.Row(out.Reason).Reconciling() {
		st.LastHandledReconcileAt = s.requested()
	}
	conditions.Children.Write(&st.Conditions, s.child.Generation, out, r.Clock.Now())
	if out.Secret != nil {
		meta.SetStatusCondition(&st.Conditions, metav1.Condition{
			Type: v1alpha1.ConditionConnectionSecretReady, Status: out.Secret.Status, Reason: out.Secret.Reason, Message: out.Secret.Message,
			ObservedGeneration: s.child.Generation, LastTransitionTime: metav1.NewTime(r.Clock.Now()),
		})
	}
}

// pastGrace says whether the list was last seen, or the resource has been trying in vain, for longer than what was last seen
// is believed.
func (r *ChildAccountReconciler) pastGrace(s *childScope) bool {
	if s.parent == nil {
		return false
	}
	now := r.Clock.Now()
	c := meta.FindStatusCondition(s.was.Conditions, v1alpha1.ConditionReconciling)
	return stale(s.parent, s.dir, now) || c != nil && conditions.Expired(s.parent.ResyncInterval(), c.LastTransitionTime.Time, now)
}

// stale says whether what was last seen of a parent's accounts is too old to be believed. dir is nil where there is none.
func stale(p *v1alpha1.ParentAccount, dir *directory.Parent, now time.Time) bool {
	var listed time.Time
	if dir != nil {
		listed = dir.Listings().AskedAt
	}
	return conditions.Stale(listed, p.Status.Conditions, p.ResyncInterval(), now)
}

func (r *ChildAccountReconciler) patchStatus(ctx context.Context, s *childScope) error {
	if r.said(s) {
		return nil
	}
	before := s.child.DeepCopy()
	before.Status = s.was
	ctx, cancel := lasting(ctx)
	defer cancel()
	err := r.Status().Patch(ctx, s.child, client.MergeFromWithOptions(before, client.MergeFromWithOptimisticLock{}))
	if err == nil {
		r.ownWrites.Note(s.child.UID, s.child.ResourceVersion, r.Clock.Now())
	}
	return err
}

// fillsInAfter is how long after an account became ready its status is left without what only a list shows (when it was
// created, its currency, defaults): that alone is not worth one more write while thousands are being made.
const fillsInAfter = 10 * time.Minute

// said says whether the stored status says all there is to say.
func (r *ChildAccountReconciler) said(s *childScope) bool {
	if equality.Semantic.DeepEqual(s.was, s.child.Status) {
		return true
	}
	ready := meta.FindStatusCondition(s.was.Conditions, v1alpha1.ConditionReady)
	if ready == nil || s.was.Observed == nil || r.Clock.Now().After(ready.LastTransitionTime.Add(fillsInAfter)) {
		return false
	}
	now := s.child.Status
	now.Observed = s.was.Observed
	return equality.Semantic.DeepEqual(s.was, now) && fillsIn(s.was.Observed, s.child.Status.Observed)
}

// fillsIn says whether all that was observed before is still as it was.
func fillsIn(before, now *v1alpha1.ObservedAccount) bool {
	var a, b map[string]any
	for o, into := range map[*v1alpha1.ObservedAccount]*map[string]any{before: &a, now: &b} {
		text, err := json.Marshal(o)
		if err != nil || json.Unmarshal(text, into) != nil {
			return false
		}
	}
	return within(a, b)
}

// within says whether every value of a is in b.
func within(a, b map[string]any) bool {
	for k, v := range a {
		if inner, ok := v.(map[string]any); ok {
			if other, ok := b[k].(map[string]any); !ok || !within(inner, other) {
				return false
			}
		} else if b[k] != v {
			return false
		}
	}
	return true
}

// tell writes events of what was done at the provider.
func (r *ChildAccountReconciler) tell(ctx context.Context, s *childScope) {
	var edited, drifted []account.Change
	for _, c := range s.written {
		if c.Origin == account.FromRemote {
			drifted = append(drifted, c)
			metrics.Corrected(c.Field.Path)
		} else {
			edited = append(edited, c)
		}
	}
	if len(edited) > 0 && !s.created {
		r.Recorder.Eventf(s.child, nil, corev1.EventTypeNormal, "Updated", "Update", "updated %s", account.FieldNames(edited))
	}
	if len(drifted) > 0 {
		r.Recorder.Eventf(s.child, nil, corev1.EventTypeNormal, "DriftCorrected", "Update", "corrected %s, changed at the provider", account.FieldNames(drifted))
	}
	if s.created || len(s.written) > 0 {
		log.FromContext(ctx).Info("account written", "accountID", s.child.Status.AccountID, "created", s.created, "updated", account.FieldNames(s.written))
	}
}

// observe notes what the provider shows of the account.
func (s *childScope) observe(a account.Account) {
	shown := account.State{}
	for path, v := range a.State {
		if f, ok := s.schema.Field(path); ok && f.Readable {
			shown[path] = v[:min(len(v), longestObserved)]
		}
	}
	object, err := json.Marshal(account.ToObject(s.schema, shown))
	if err != nil { // a map of strings and booleans always marshals
		panic(err)
	}
	observed := &v1alpha1.ObservedAccount{}
	if json.Unmarshal(object, observed) == nil {
		s.child.Status.Observed = observed
	}
}

// drift notes the differences that are left alone, each since it was first seen.
func (s *childScope) drift(changes []account.Change, now time.Time) {
	since := map[string]metav1.Time{}
	for _, d := range s.was.Drift {
		since[d.Field] = d.Since
	}
	var out []v1alpha1.DriftedField
	for _, c := range changes {
		d := v1alpha1.DriftedField{Field: c.Field.Path, Desired: c.To, Since: metav1.NewTime(now).Rfc3339Copy()}
		if first, ok := since[d.Field]; ok {
			d.Since = first
		}
		if c.Known {
			observed := c.From[:min(len(c.From), longestObserved)]
			d.Observed = &observed
		}
		out = append(out, d)
	}
	s.child.Status.Drift = out
}

// confirm notes an account that is as declared: all that is declared counts as applied.
func (s *childScope) confirm(d account.Decision, now time.Time) {
	s.observe(*d.Account)
	s.drift(d.Drift, now)
	applied := s.schema.Normal(s.desired)
	if len(applied) == 0 {
		applied = nil
	}
	s.child.Status.LastApplied = applied
}
