package engine

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"cpaas.dev/child-account-operator/api/v1alpha1"
	"cpaas.dev/child-account-operator/internal/account"
	"cpaas.dev/child-account-operator/internal/conditions"
	"cpaas.dev/child-account-operator/internal/directory"
	"cpaas.dev/child-account-operator/internal/pacing"
	"cpaas.dev/child-account-operator/internal/plan"
	"cpaas.dev/child-account-operator/internal/provider"
	"cpaas.dev/child-account-operator/internal/secrets"
)

// keyProgress is what a reconcile did for the service-account key.
type keyProgress struct {
	// listed is set once the account's keys were listed.
	listed bool
	// state is what there is to say of the key; nil leaves the condition as it is.
	state *conditions.SecretState
	// gone is set where there is nothing to say of any key.
	gone bool
	// after is when something is to be done for the key although nothing changes; 0 for never.
	after time.Duration
}

// observeServiceKey has what is known of the service-account key without a call.
func observeServiceKey(ctx context.Context, e *observer, s *scope) plan.ServiceKey {
	keys, known := s.latest.LatestKeys(s.boundID())
	if !known {
		keys, known = e.serviceKeys.Get(s.uid(), s.boundID())
	}
	if !known && e.ConnectionSecrets != nil && s.boundID() != "" {
		keys = e.ConnectionSecrets.StoredKeys(ctx, s.connection(), s.boundID())
	}
	return serviceKeyOf(s, e.serviceKeys, keys)
}

// serviceKeyOf is what a connection Secret says of the service-account key, as plans depend on it.
func serviceKeyOf(s *scope, known *secrets.KnownServiceKeys, keys secrets.StoredKeys) plan.ServiceKey {
	k := plan.ServiceKey{
		Unsupported: !directory.CapabilitiesOf(s.dir.Directory).ServiceKeys,
		Unlisted:    !keys.Recorded && !s.created && !s.serviceKey.listed,
		Pending:     keys.Pending != "" && !known.WasNotMade(s.uid(), keys.Pending),
		Intact:      keys.Intact, NextDeletion: keys.NextDeletion(), Blocked: known.Blocked(s.uid(), serviceKeyMark(s)),
	}
	if d := s.declared.ConnectionSecret.ServiceKey; d != nil {
		k.Declared, k.RotateAfter = true, d.RotateAfter
		k.OtherRoles = keys.Current != nil && keys.Current.Roles != secrets.RolesMark(d.Roles)
	}
	if keys.Current != nil {
		k.Stored, k.Created = true, keys.Current.Created
	}
	return k
}

// serviceKeyMark tells what is tried for the service-account key from anything else.
func serviceKeyMark(s *scope) string {
	return fmt.Sprintf("%d %q %q %s", s.obj.GetGeneration(), s.requested(), s.dir.Connection, s.boundID())
}

// noteServiceKeys notes what the connection Secret says of the keys, which was just read or written, and has another plan made where that
// leads to steps that this one does not have.
func noteServiceKeys(r *run) {
	s := r.s
	keys, ok := s.latest.LatestKeys(s.boundID())
	if !ok {
		return
	}
	r.serviceKeys.Set(s.uid(), keys)
	now := r.Clock.Now()
	k := serviceKeyOf(s, r.serviceKeys, keys)
	needed := k.Create(now) != "" || k.Delete(now) != ""
	planned := slices.ContainsFunc(r.plan.Steps, func(step plan.Step) bool {
		return step.Kind == plan.CreateServiceKey || step.Kind == plan.DeleteServiceKeys
	})
	r.again = r.again || needed && !planned && serviceKeysUsable(r, k)
}

// serviceKeysUsable says whether anything can be tried for the keys now.
func serviceKeysUsable(r *run, k plan.ServiceKey) bool {
	a := r.view.Account
	return !k.Unsupported && a != nil && !r.s.schema.Deactivated(a.State) && !r.s.schema.Frozen(a.State) && !r.Clock.Now().Before(k.Blocked)
}

// settleServiceKeys deletes keys that are not needed and makes the one that is, by what the connection Secret itself says: the plan is made
// from a cache that may be behind.
func settleServiceKeys(ctx context.Context, r *run, step plan.Step) *conditions.Outcome {
	switch step.Reason {
	case plan.ReasonKeyDeclared, plan.ReasonKeyRoles, plan.ReasonKeyNotDeclared: // a person has just said so
	default:
		ctx = pacing.WithPriority(ctx, pacing.Drift)
	}
	for range 3 { // delete, create, and see that it is done
		keys, out := readServiceKeys(ctx, r)
		if out != nil {
			return out
		}
		now, k := r.Clock.Now(), serviceKeyOf(r.s, r.serviceKeys, keys)
		remove, create := k.Delete(now), k.Create(now)
		switch {
		case now.Before(k.Blocked):
			return nil
		case remove != "":
			out = cleanServiceKeys(ctx, r, keys.ServiceKeys, !k.Declared)
		case create != "":
			out = makeServiceKey(ctx, r, keys.ServiceKeys, create)
		default:
			return nil
		}
		if out != nil {
			return out
		}
	}
	return nil
}

// readServiceKeys reads what the connection Secret says of the keys.
func readServiceKeys(ctx context.Context, r *run) (secrets.StoredKeys, *conditions.Outcome) {
	s := r.s
	keys, ok, err := secrets.ReadServiceKeys(ctx, r.Connections, s.connection(), s.boundID())
	switch {
	case err != nil:
		return keys, brokenSecret(v1alpha1.ReasonUpdating, err)
	case !ok:
		r.settledSecrets.Recheck(s.uid())
		return keys, broken(v1alpha1.ReasonUpdating, secrets.ErrNoConnectionSecret)
	}
	keys.AccountID = s.boundID()
	r.serviceKeys.Set(s.uid(), keys)
	return keys, nil
}

// listServiceKeys lists the account's keys, and says what follows from that.
func listServiceKeys(ctx context.Context, r *run, keys secrets.ServiceKeys, all bool) (provider.ServiceKeyer, secrets.Settlement, error) {
	s := r.s
	remote, err := directory.ServiceKeysOf(s.dir.Directory)
	if err != nil {
		return nil, secrets.Settlement{}, err
	}
	found, err := remote.ServiceKeys(ctx, s.boundID())
	if err != nil {
		return nil, secrets.Settlement{}, err
	}
	s.serviceKey.listed = true
	listed := make([]secrets.ListedKey, len(found))
	for i, key := range found {
		listed[i] = secrets.ListedKey{ID: key.ID, Name: key.Name}
	}
	return remote, keys.Settle(s.uid(), listed, all, r.Clock.Now()), nil
}

// cleanServiceKeys deletes the keys that the operator made and that are not needed: all of them where none is declared any more.
func cleanServiceKeys(ctx context.Context, r *run, keys secrets.ServiceKeys, all bool) *conditions.Outcome {
	s := r.s
	remote, settled, err := listServiceKeys(ctx, r, keys, all)
	if err != nil {
		return serviceKeyFailed(ctx, r, err, "the service-account keys of the account can't be listed")
	}
	for _, key := range settled.Delete {
		err := remote.DeleteServiceKey(ctx, s.boundID(), key.ID)
		logWritten(ctx, s, writeDeleteKey, whyKey(all), s.boundID(), err, "keyID", key.ID)
		if err != nil && account.ClassOf(err) != account.NotFound {
			return serviceKeyFailed(ctx, r, err, fmt.Sprintf("service-account key %s can't be deleted", shownKey(key.ID)))
		}
		r.Recorder.Eventf(s.obj, nil, corev1.EventTypeNormal, "ServiceKeyDeleted", "Update", "deleted service-account key %s of account %s (id %s)",
			shownKey(key.ID), s.declared.AccountName, s.status.AccountID)
	}
	for _, id := range settled.Renamed {
		r.Recorder.Eventf(s.obj, nil, corev1.EventTypeWarning, "ServiceKeyLeft", "Update",
			"service-account key %s of account %s (id %s) was renamed, so the operator does not delete it. Delete it at the provider if no workload needs it", shownKey(id), s.declared.AccountName, s.status.AccountID)
	}
	var credentials *account.Secret
	if all {
		credentials = new(account.Secret)
	}
	if keys.Same(settled.Keys) && credentials == nil {
		return nil
	}
	return recordServiceKeys(ctx, r, settled.Keys, credentials)
}

// recordServiceKeys writes the record of the keys. What it says was done at the provider is seen there again, should the write fail.
func recordServiceKeys(ctx context.Context, r *run, keys secrets.ServiceKeys, credentials *account.Secret) *conditions.Outcome {
	s := r.s
	if err := secrets.WriteServiceKeys(ctx, r.Connections, s.connection(), keys, credentials); err != nil {
		return serviceKeyNotStored(ctx, r, err)
	}
	if stored, ok := s.latest.LatestKeys(s.boundID()); ok {
		r.serviceKeys.Set(s.uid(), stored)
	}
	return nil
}

// makeServiceKey makes a key. The attempt is recorded before the call, and the key stored after it: at no time is there a key that neither
// the connection Secret holds nor the record has the name of.
func makeServiceKey(ctx context.Context, r *run, keys secrets.ServiceKeys, why string) *conditions.Outcome {
	s := r.s
	remote, err := directory.ServiceKeysOf(s.dir.Directory)
	if err != nil {
		return serviceKeyFailed(ctx, r, err, noServiceKey)
	}
	name := keys.Pending
	if name == "" { // else it was certainly not made
		keys, name = keys.Begun(s.uid(), s.boundID())
		if out := recordServiceKeys(ctx, r, keys, nil); out != nil || s.serviceKey.state != nil {
			return out
		}
	}
	roles := s.declared.ConnectionSecret.ServiceKey.Roles
	key, err := remote.CreateServiceKey(ctx, s.boundID(), provider.NewServiceKey{
		Name: name, Roles: roles, Description: fmt.Sprintf("made by child-account-operator for %s %s/%s", s.declared.Kind, s.obj.GetNamespace(), s.obj.GetName()),
	})
	logWritten(ctx, s, writeCreateKey, whyMade(s, why), s.boundID(), err, "key", name)
	if err != nil {
		if account.AsError(err).OutcomeUnknown {
			name = ""
		}
		r.serviceKeys.NotMade(s.uid(), name)
		return serviceKeyFailed(ctx, r, err, noServiceKey)
	}
	if err := storeServiceKey(ctx, r, name, key, secrets.RolesMark(roles)); err != nil {
		return serviceKeyUnstored(ctx, r, remote, key.ID, err)
	}
	r.serviceKeys.Accepted(s.uid())
	if stored, ok := s.latest.LatestKeys(s.boundID()); ok {
		r.serviceKeys.Set(s.uid(), stored)
	}
	r.Recorder.Eventf(s.obj, nil, corev1.EventTypeNormal, "ServiceKeyCreated", "Update", "made service-account key %s of account %s (id %s): Secret %s has it under %s",
		shownKey(key.ID), s.declared.AccountName, s.status.AccountID, s.declared.ConnectionSecret.Name, secrets.KeyCredentials)
	return nil
}

// noServiceKey is said where a key could not be made.
const noServiceKey = "the service-account key can't be made"

// errKeyOvertaken says that another attempt has been recorded since a key was to be made.
var errKeyOvertaken = errors.New("another attempt to make a service-account key was recorded meanwhile")

// storeServiceKey stores a key that was made, unless another attempt has begun since.
func storeServiceKey(ctx context.Context, r *run, name string, key provider.ServiceKey, rolesMark string) error {
	c := r.s.connection()
	return persist(ctx, func(ctx context.Context) error {
		live, ok, err := secrets.ReadServiceKeys(ctx, r.Connections, c, r.s.boundID())
		switch {
		case err != nil:
			return err
		case !ok:
			return secrets.ErrNoConnectionSecret
		case live.Current != nil && live.Current.ID == key.ID: // the answer of an earlier write was lost
			return nil
		case live.Pending != name:
			return errKeyOvertaken
		}
		return secrets.WriteServiceKeys(ctx, r.Connections, c, live.Made(key.ID, rolesMark, key.Credentials, r.Clock.Now()), &key.Credentials)
	})
}

// serviceKeyUnstored is for a key that was made and could not be stored. Where it certainly is not in the Secret it is deleted at once;
// otherwise the record has its name.
func serviceKeyUnstored(ctx context.Context, r *run, remote provider.ServiceKeyer, keyID string, err error) *conditions.Outcome {
	_, refused := conditions.Refusal(err)
	if refused || errors.Is(err, errKeyOvertaken) || errors.Is(err, secrets.ErrNoConnectionSecret) || isProblem(err) {
		ctx, cancel := lasting(ctx)
		defer cancel()
		failed := remote.DeleteServiceKey(ctx, r.s.boundID(), keyID)
		logWritten(ctx, r.s, writeDeleteKey, whyUnstored, r.s.boundID(), failed, "keyID", keyID)
		if failed != nil {
			log.FromContext(ctx).Info("a service-account key that could not be stored is still to be deleted", "keyID", keyID, "cause", failed.Error())
		}
	}
	if errors.Is(err, errKeyOvertaken) {
		return broken(v1alpha1.ReasonUpdating, err)
	}
	return serviceKeyNotStored(ctx, r, err)
}

// serviceKeyNotStored is the outcome where the connection Secret could not be written. A refusal leaves the rest as it is.
func serviceKeyNotStored(_ context.Context, r *run, err error) *conditions.Outcome {
	out := brokenSecret(v1alpha1.ReasonUpdating, err)
	if out.Secret == nil {
		r.settledSecrets.Recheck(r.s.uid())
		return out
	}
	r.serviceKeys.Refuse(r.s.uid(), serviceKeyMark(r.s), r.Clock.Now())
	r.s.serviceKey.state = &conditions.SecretState{Status: metav1.ConditionFalse, Reason: out.Secret.Reason, Message: "the service-account key can't be stored: " + out.Secret.Message}
	return nil
}

// serviceKeyFailed is the outcome of a call that failed. What passes by itself is retried with the account; a refusal of the key leaves
// the account as it is, and is a condition of its own.
func serviceKeyFailed(_ context.Context, r *run, err error, what string) *conditions.Outcome {
	switch account.ClassOf(err) {
	case account.Unavailable, account.Incomplete, account.Throttled, account.Unauthorized, account.NotFound:
		return r.stopped(err)
	}
	out := r.Table.Failed(err)
	r.serviceKeys.Refuse(r.s.uid(), serviceKeyMark(r.s), r.Clock.Now())
	next := cmp.Or(out.Next, r.Table.NextStep(out.Reason))
	r.s.serviceKey.state = &conditions.SecretState{Status: metav1.ConditionFalse, Reason: out.Reason, Message: conditions.Advise(what+": "+out.Message, next)}
	return nil
}

// verifyServiceKey finds out whether the account still has the key that the connection Secret holds. It is as urgent as drift. Where the
// provider refuses to say, the key is taken for good.
func verifyServiceKey(ctx context.Context, r *run, _ plan.Step) *conditions.Outcome {
	s := r.s
	if s.serviceKey.listed {
		return nil
	}
	keys, out := readServiceKeys(ctx, r)
	if out != nil {
		return out
	}
	_, settled, err := listServiceKeys(pacing.WithPriority(ctx, pacing.Drift), r, keys.ServiceKeys, false)
	switch {
	case isTransient(err), account.ClassOf(err) == account.Incomplete:
		r.unverified.Mark(s.uid(), s.unverified.HadPassword)
		return r.stopped(err)
	case err != nil:
		log.FromContext(ctx).Info("the service-account key could not be verified", "accountID", s.boundID(), "cause", err.Error())
		return nil
	case len(settled.Delete) > 0 || keys.Same(settled.Keys): // the former are for another plan
		r.again = len(settled.Delete) > 0
		return nil
	}
	if out := recordServiceKeys(ctx, r, settled.Keys, nil); out != nil {
		return out
	}
	r.again = settled.Lost && s.serviceKey.state == nil
	return nil
}

// reportServiceKey says, at the end of a reconcile, how the service-account key is, and when something is to be done for it.
func reportServiceKey(ctx context.Context, r *run) {
	s := r.s
	keys, known := s.latest.LatestKeys(s.boundID())
	if !known {
		keys, known = r.serviceKeys.Get(s.uid(), s.boundID())
	}
	was := meta.FindStatusCondition(s.was.Conditions, v1alpha1.ConditionServiceAccountKeyReady)
	if !known && r.ConnectionSecrets != nil && (was != nil || s.declared.ConnectionSecret.ServiceKey != nil) {
		keys = r.ConnectionSecrets.StoredKeys(ctx, s.connection(), s.boundID())
	}
	unknown := !known && r.ConnectionSecrets == nil && s.declared.ConnectionSecret.ServiceKey == nil
	now, k, p := r.Clock.Now(), serviceKeyOf(s, r.serviceKeys, keys), &s.serviceKey
	done := k.Create(now) == "" && k.Delete(now) == ""
	switch {
	case p.state != nil:
	case !k.Declared && done && !unknown:
		p.gone = true
	case k.Declared && done:
		p.state = &conditions.SecretState{Status: metav1.ConditionTrue, Reason: v1alpha1.ReasonAvailable, Message: fmt.Sprintf("the connection Secret holds service-account key %s", shownKey(keys.Current.ID))}
	case was != nil: // refused before, or the account can't be used: as it was, of this generation
		p.state = &conditions.SecretState{Status: was.Status, Reason: was.Reason, Message: was.Message}
	}
	if next := k.Next(now); !next.IsZero() && (done || now.Before(k.Blocked)) {
		p.after = max(next.Sub(now), time.Second)
	}
}

// writeServiceKeyState writes the condition of the service-account key.
func writeServiceKeyState(s *scope, now time.Time) {
	switch p := s.serviceKey; {
	case p.gone:
		meta.RemoveStatusCondition(&s.status.Conditions, v1alpha1.ConditionServiceAccountKeyReady)
	case p.state != nil:
		meta.SetStatusCondition(&s.status.Conditions, metav1.Condition{
			Type: v1alpha1.ConditionServiceAccountKeyReady, Status: p.state.Status, Reason: p.state.Reason, Message: conditions.Bounded(p.state.Message),
			ObservedGeneration: s.obj.GetGeneration(), LastTransitionTime: metav1.NewTime(now),
		})
	}
}

// emitServiceKeyTrouble tells of a service-account key that can't be had, once.
func emitServiceKeyTrouble(table conditions.Table, recorder conditions.EventRecorder, s *scope) {
	c := meta.FindStatusCondition(s.status.Conditions, v1alpha1.ConditionServiceAccountKeyReady)
	if c == nil || c.Status != metav1.ConditionFalse || conditions.HadReason(s.was.Conditions, c.Type, c.Reason) {
		return
	}
	recorder.Eventf(s.obj, nil, corev1.EventTypeWarning, c.Reason, "Reconcile", "%s", table.ForEvent(conditions.Outcome{Reason: c.Reason, Message: c.Message, Next: conditions.NothingToDo}))
}

// whyKey says why a key is deleted.
func whyKey(all bool) string {
	if all {
		return whyEdit
	}
	return whyRotation
}

// whyMade says why a key is made.
func whyMade(s *scope, reason string) string {
	switch {
	case reason == plan.ReasonKeyExpired:
		return whyRotation
	case reason == plan.ReasonKeyLost:
		return whyLost
	case s.created:
		return whyCreation
	}
	return whyEdit
}

// shownKey is as much of a key's id, which the provider chose, as a text for people has.
func shownKey(id string) string { return fmt.Sprintf("%.64q", id) }
