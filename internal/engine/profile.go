package engine

import (
	"context"
	"fmt"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"cpaas.dev/child-account-operator/api/v1alpha1"
	"cpaas.dev/child-account-operator/internal/account"
	"cpaas.dev/child-account-operator/internal/conditions"
	"cpaas.dev/child-account-operator/internal/pacing"
	"cpaas.dev/child-account-operator/internal/plan"
)

// Fields that are changed acting as the account itself are its profile, for people. Where the provider does not grant that, the condition
// ProfileSynced says so, and the rest of the account is kept all the same.

// declaresProfile says whether the resource declares any of them.
func declaresProfile(s *scope) bool {
	return slices.ContainsFunc(s.schema, func(f account.Field) bool {
		_, declared := s.desired[f.Path]
		return f.Delegated && declared
	})
}

// lastApplied is what was applied last, as far as that is certain. Of what is never shown only the status tells, and it may be older than a
// write of a spec between its own and the present one: the operator was killed before it could say so.
func lastApplied(s *scope) account.State {
	applied := account.State(s.status.LastApplied)
	of, now := s.was.ObservedGeneration, s.obj.GetGeneration()
	if of == now || of == now-1 && meta.IsStatusConditionTrue(s.was.Conditions, v1alpha1.ConditionSynced) {
		return applied
	}
	var doubtful []account.Change
	for _, f := range s.schema {
		written := slices.ContainsFunc(s.written, func(c account.Change) bool { return c.Field.Path == f.Path })
		if _, was := applied[f.Path]; was && f.Delegated && f.WriteOnly() && !written {
			doubtful = append(doubtful, account.Change{Field: f})
		}
	}
	if len(doubtful) == 0 {
		return applied
	}
	return applied.WithoutHidden(doubtful)
}

// delegatedOf is what is known of changes that are made acting as the account itself.
func delegatedOf(e *observer, s *scope) plan.Delegated {
	d := plan.Delegated{BindingStored: bindingStored(s), Admitted: triedBefore(s)}
	if last, ok := e.delegations.Last(s.uid()); ok {
		d.Refused = &plan.Failed{Attempt: last.Fingerprint, Until: last.Until, Reason: last.Outcome.Reason, Message: last.Outcome.Message, Next: last.Outcome.Next}
	}
	return d
}

// triedBefore says whether the status says that the profile of this very spec was not granted: the change guard has let it pass, be it in a
// former process.
func triedBefore(s *scope) bool {
	c := meta.FindStatusCondition(s.was.Conditions, v1alpha1.ConditionProfileSynced)
	return c != nil && c.Status == metav1.ConditionFalse && c.ObservedGeneration == s.obj.GetGeneration() &&
		slices.Contains([]string{v1alpha1.ReasonRoleMissing, v1alpha1.ReasonBlockedNotEnabled, v1alpha1.ReasonBlockedVerification}, c.Reason)
}

// bindingStored says whether the status, as the Kubernetes API has it, says which account is the resource's.
func bindingStored(s *scope) bool {
	id := s.boundID()
	return id != "" && (s.storedBinding == id || s.was.AccountID == id && s.was.Origin != "")
}

// storeBinding stores in the status which account is the resource's, and nothing else: a claim that is replaced next says so no longer.
func storeBinding(ctx context.Context, r *run, _ plan.Step) *conditions.Outcome {
	s := r.s
	if bindingStored(s) {
		return nil
	}
	before, bound := s.managed.Copy(), s.managed.Copy()
	for _, m := range []Managed{before, bound} {
		*m.Status() = *s.was.DeepCopy()
		m.SetObserved(s.wasObserved)
	}
	st := bound.Status()
	st.AccountID, st.ParentAccountID, st.Origin, st.LastApplied = s.status.AccountID, s.status.ParentAccountID, s.status.Origin, nil
	st.ClonedFrom = s.status.ClonedFrom // nobody says it again
	ctx, cancel := lasting(ctx)
	defer cancel()
	err := r.Status().Patch(ctx, bound.Object(), client.MergeFromWithOptions(before.Object(), client.MergeFromWithOptimisticLock{}))
	if err != nil {
		return refusedWrite(r, r.working(), theResource(s), err)
	}
	s.obj.SetResourceVersion(bound.Object().GetResourceVersion())
	r.ownWrites.Note(s.uid(), s.obj.GetResourceVersion(), r.Clock.Now())
	s.storedBinding = s.status.AccountID
	return nil
}

// updateDelegated makes the changes that act as the account itself. They give way to all other calls. Where they are not granted, another
// plan goes without them.
func updateDelegated(ctx context.Context, r *run, step plan.Step, changes []account.Change) *conditions.Outcome {
	s := r.s
	err := s.dir.Update(pacing.WithPriority(ctx, pacing.Drift), r.target(step.AccountID), changes)
	r.changes.Done(s.uid(), refused(err))
	logWritten(ctx, s, writeProfile, whyUpdated(s, changes), step.AccountID, err, "fields", account.FieldNames(changes))
	if err == nil {
		r.delegations.Forget(s.uid())
		changed(r, changes)
		return nil
	}
	out := r.stopped(err)
	if seen := s.dir.Observe(s.key()).Account; seen != nil { // what was written before
		s.observe(*seen)
	}
	if account.AsError(err).OutcomeUnknown {
		s.status.LastApplied = account.State(s.status.LastApplied).WithoutHidden(changes)
	}
	if !notGranted(err) {
		s.profile = &conditions.State{Status: metav1.ConditionFalse, Reason: out.Reason, Message: r.Table.Text(*out, longestProfile)}
		return out
	}
	log.FromContext(ctx).Info("the profile could not be written", "accountID", step.AccountID, "fields", account.FieldNames(changes), "cause", err.Error())
	tried := plan.Delegation(resourceOf(s), s.dir.Connection, fieldsOf(changes))
	r.delegations.Refuse(s.uid(), r.Table, tried, *out, r.Clock.Now())
	r.again = true
	return nil
}

// fieldsOf are changes as plan.Delegation takes them.
func fieldsOf(changes []account.Change) []plan.FieldChange {
	out := make([]plan.FieldChange, len(changes))
	for i, c := range changes {
		out[i] = plan.FieldChange{Field: c.Field.Path, To: c.To}
	}
	return out
}

// notGranted says whether the provider does not allow to act as the account, now or at all.
func notGranted(err error) bool {
	switch account.ClassOf(err) {
	case account.RoleMissing, account.BlockedNotEnabled, account.BlockedVerification:
		return true
	}
	return false
}

// longestProfile is how many bytes there are in ProfileSynced's message of what the provider answered.
const longestProfile = 2048

// profileState is what there is to say of the profile of an account that matches the spec but for what the step has; nil where none is
// declared.
func profileState(r *run, step plan.Step) *conditions.State {
	s := r.s
	if !declaresProfile(s) {
		return nil
	}
	state := &conditions.State{Status: metav1.ConditionFalse}
	last, _ := r.delegations.Last(s.uid())
	switch {
	case len(step.NotGranted) > 0:
		state.Reason = last.Outcome.Reason
		state.Message = "the profile is not written: " + r.Table.Text(last.Outcome, longestProfile)
		s.retryProfile = max(last.Until.Sub(r.Clock.Now()), time.Second)
	case delegates(s, step.NotKept):
		state.Reason, state.Message = v1alpha1.ReasonValueNotKept, "the provider does not keep a value of the profile: see the condition "+v1alpha1.ConditionSynced
	case delegates(s, step.Differs):
		state.Reason, state.Message = v1alpha1.ReasonDriftDetected, "the profile was changed at the provider, and is not corrected as spec.driftPolicy is Report: see status.drift"
	default:
		state.Status, state.Reason, state.Message = metav1.ConditionTrue, v1alpha1.ReasonAvailable, "the account has the declared profile"+withoutClaim(s)
	}
	return state
}

// delegates says whether a field of the profile is among the changes.
func delegates(s *scope, changes []plan.FieldChange) bool {
	return slices.ContainsFunc(changes, func(c plan.FieldChange) bool {
		f, _ := s.schema.Field(c.Field)
		return f.Delegated
	})
}

// withoutClaim warns of what follows from custom data of the spec.
func withoutClaim(s *scope) string {
	f, ok := s.schema.Marked(account.MarkCustomData)
	if _, declared := s.desired[f.Path]; !ok || !declared {
		return ""
	}
	return fmt.Sprintf("; spec.%s replaces the claim, so only this status says that the account is this resource's: without the status, in a rebuilt cluster for example, and for another resource that is to have the account, an adoptionPolicy other than Never is needed", f.Path)
}

// notApplied has the status say of changes that are not made yet what was applied before.
func notApplied(s *scope, before map[string]string, changes []plan.FieldChange) {
	for _, c := range changes {
		if was, ok := before[c.Field]; ok {
			s.status.LastApplied[c.Field] = was
		} else {
			delete(s.status.LastApplied, c.Field)
		}
	}
}

// writeProfileState sets the condition ProfileSynced: absent where no profile is declared, or the account is only read.
func writeProfileState(s *scope, now time.Time) {
	switch {
	case s.dir == nil: // what is declared is not known
	case s.declared.Policy.Observe, !declaresProfile(s):
		conditions.WriteState(&s.status.Conditions, v1alpha1.ConditionProfileSynced, s.obj.GetGeneration(), nil, now)
	case s.profile != nil:
		conditions.WriteState(&s.status.Conditions, v1alpha1.ConditionProfileSynced, s.obj.GetGeneration(), s.profile, now)
	}
}

// emitProfile tells once of a profile that the provider does not let be written.
func emitProfile(recorder conditions.EventRecorder, s *scope) {
	is := meta.FindStatusCondition(s.status.Conditions, v1alpha1.ConditionProfileSynced)
	if s.retryProfile == 0 || is == nil || conditions.HadReason(s.was.Conditions, v1alpha1.ConditionProfileSynced, is.Reason) {
		return
	}
	recorder.Eventf(s.obj, nil, corev1.EventTypeWarning, "ProfileRefused", "Update", "%s", is.Message)
}
