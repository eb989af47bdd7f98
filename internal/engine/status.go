package engine

import (
	"context"
	"encoding/json"
	"reflect"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
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

// reporter writes the statuses and events of resources.
type reporter struct {
	*Config
	stores
}

// finish writes the status, once and only if something changed, tells what happened, and says when to come back.
func (e *reporter) finish(ctx context.Context, s *scope, out conditions.Outcome) (ctrl.Result, error) {
	e.writeStatus(s, out)
	pause := e.attempts.Record(s.uid(), e.Table, out, s.was.Conditions, s.status.Conditions, e.Clock.Now())
	if again := e.awaitValue(s, out); again > 0 {
		pause = again
	}
	pause = soonest(awaitTemplate(e, s, pause), s.plans.ends)
	if out.Unsettled = out.DoubtsCredentials && s.dir != nil && directory.CredentialsDoubted(s.dir.Directory); awaitsList(e, s, out) {
		pause = soonest(pause, listAwaited)
	}
	e.emitEvents(s)
	e.raiseAlarm(s)
	changed := !e.statusUpToDate(s)
	if err := e.patchStatus(ctx, s); err != nil {
		e.reportLeft(ctx, s, err)
		if pause, refused := statusRefused(ctx, e.Config, e.refusals, s.uid(), s.obj, err); refused {
			return ctrl.Result{RequeueAfter: pause}, nil
		}
		return ctrl.Result{}, err
	}
	e.refusals.Forget(s.uid())
	noteBindings(e.stores, s)
	if s.boundID() != "" {
		e.attempts.NoteBound(s.uid())
		e.left.drop(leftKey{s.status.ParentAccountID, s.status.AccountID})
	}
	if changed {
		e.wakeApplicants(s)
		wakeClones(e, s)
	}
	tellTrouble(e, s, out)
	conditions.EmitPasswordUnknown(e.Recorder, s.obj, s.was.Conditions, s.status.Conditions)
	conditions.EmitPlans(e.Recorder, s.obj, s.was.Conditions, s.status.Conditions)
	emitDeactivated(e.Recorder, s)
	emitServiceKeyTrouble(e.Table, e.Recorder, s)
	emitProfile(e.Recorder, s)
	if out.Err != nil {
		return ctrl.Result{}, out.Err
	}
	return ctrl.Result{RequeueAfter: e.Table.Requeue(out, pause)}, nil
}

// reportLeft tells of an account that was created for a resource that is deleted by now: nobody else will.
func (e *reporter) reportLeft(ctx context.Context, s *scope, err error) {
	if !s.created || !apierrors.IsNotFound(err) {
		return
	}
	log.FromContext(ctx).Info("the resource was deleted while its account was created: the account stays", "accountID", s.status.AccountID, "connectionSecret", s.declared.ConnectionSecret.Name)
	e.Recorder.Eventf(s.obj, nil, corev1.EventTypeWarning, "AccountLeft", "Create",
		"account %s (id %s) was created while this resource was being deleted, and stays: Secret %s has its API key. Apply the resource again to keep the account, or delete it at the provider",
		s.declared.AccountName, s.status.AccountID, s.declared.ConnectionSecret.Name)
}

// raiseAlarm tells the parent that its provider does not answer, where it has not found out by itself.
func (e *reporter) raiseAlarm(s *scope) {
	if s.dir == nil || e.Alarm == nil || s.dir.Listings().Err != nil {
		return
	}
	if down, _ := s.dir.Budget.Unavailable(); down {
		e.Alarm(s.declared.Parent)
	}
}

// writeStatus computes the whole status from what happened. It is pure but for the clock.
func (e *reporter) writeStatus(s *scope, out conditions.Outcome) {
	keepFormer(s)
	if out.Reason == "" {
		return
	}
	now, generation, st := e.Clock.Now(), s.obj.GetGeneration(), s.status
	out.PastGrace = e.Table.Row(out.Reason).Reconciling() && pastGrace(s, now)
	st.ObservedGeneration = generation
	if !e.Table.Row(out.Reason).Reconciling() {
		st.LastHandledReconcileAt = s.requested()
	}
	e.Table.Write(&st.Conditions, generation, out, now)
	writeServiceKeyState(s, now)
	_, notGranted := e.grants.Last(s.uid())
	writePlans(s, notGranted, generation, now)
	writeProfileState(s, now)
	if except := conditions.Except(e.Table, out, st.Conditions); except.Message != out.Message {
		e.Table.Write(&st.Conditions, generation, except, now)
	}
	if out.Secret != nil {
		meta.SetStatusCondition(&st.Conditions, metav1.Condition{
			Type: v1alpha1.ConditionConnectionSecretReady, Status: out.Secret.Status, Reason: out.Secret.Reason, Message: conditions.Bounded(out.Secret.Message),
			ObservedGeneration: generation, LastTransitionTime: metav1.NewTime(now),
		})
	}
}

func (e *reporter) patchStatus(ctx context.Context, s *scope) error {
	if e.statusUpToDate(s) {
		return nil
	}
	before := s.managed.Copy()
	*before.Status() = s.was
	before.SetObserved(s.wasObserved)
	ctx, cancel := lasting(ctx)
	defer cancel()
	err := e.Status().Patch(ctx, s.obj, client.MergeFromWithOptions(before.Object(), client.MergeFromWithOptimisticLock{}))
	if err == nil {
		e.ownWrites.Note(s.uid(), s.obj.GetResourceVersion(), e.Clock.Now())
	}
	return err
}

// fillsInAfter is how long after an account became ready its status is left without what only a list shows (when it was
// created, its currency, defaults): that alone is not worth one more write while thousands are being made.
const fillsInAfter = 10 * time.Minute

// statusUpToDate says whether the stored status has all there is to say.
func (e *reporter) statusUpToDate(s *scope) bool {
	if !equality.Semantic.DeepEqual(&s.was, s.status) {
		return false
	}
	was, now := s.wasObserved, s.managed.Observed()
	if equality.Semantic.DeepEqual(was, now) {
		return true
	}
	ready := meta.FindStatusCondition(s.was.Conditions, v1alpha1.ConditionReady)
	if ready == nil || was == nil || e.Clock.Now().After(ready.LastTransitionTime.Add(fillsInAfter)) {
		return false
	}
	return fillsIn(was, now)
}

// fillsIn says whether all that was observed before is still as it was.
func fillsIn(before, now any) bool {
	a, b := map[string]any{}, map[string]any{}
	for _, o := range []struct {
		of   any
		into *map[string]any
	}{{before, &a}, {now, &b}} {
		text, err := json.Marshal(o.of)
		if err != nil || json.Unmarshal(text, o.into) != nil {
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
		} else if !reflect.DeepEqual(b[k], v) { // a list can't be compared otherwise
			return false
		}
	}
	return true
}

// emitEvents writes events of what was done at the provider.
func (e *reporter) emitEvents(s *scope) {
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
		e.Recorder.Eventf(s.obj, nil, corev1.EventTypeNormal, "Updated", "Update", "updated %s", account.FieldNames(edited))
	}
	if len(drifted) > 0 {
		e.Recorder.Eventf(s.obj, nil, corev1.EventTypeNormal, "DriftCorrected", "Update", "corrected %s, changed at the provider", account.FieldNames(drifted))
	}
}
