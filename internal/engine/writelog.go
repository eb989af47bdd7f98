package engine

import (
	"context"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"cpaas.dev/child-account-operator/api/v1alpha1"
	"cpaas.dev/child-account-operator/internal/account"
	"cpaas.dev/child-account-operator/internal/conditions"
	"cpaas.dev/child-account-operator/internal/plan"
)

// Each write to the provider that was carried out is a line of the log, which says why. No value is in it, and no secret.

// The writes.
const (
	writeCreate     = "create"
	writeClone      = "clone"
	writeUpdate     = "update"
	writePassword   = "set password"
	writeClaim      = "claim"
	writeDeactivate = "deactivate"
	writeCreateKey  = "create key"
	writeDeleteKey  = "delete key"
	writePlan       = "change plan"
	writeOwn        = "update the parent account"
	writeProfile    = "update as the account itself"
	writeSalt       = "set callback salt"
)

// Why the account was written.
const (
	whyCreation = "creation"
	whyRecreate = "recreate"
	whyAdoption = "adoption"
	whyEdit     = "edit"
	whyDrift    = "drift"
	whyDeletion = "deletion"
	whyRotation = "rotation"
	whyTakeover = "takeover"
	whyHandover = "handover"
	whyApproval = "approval"
	whyLost     = "lost"
	whyUnstored = "not stored"
)

// logWritten logs a write to the provider for a resource.
func logWritten(ctx context.Context, s *scope, write, why, accountID string, err error, more ...any) {
	logWrite(ctx, write, why, s.approved || s.startApproved, s.declared.AccountName, accountID, err, more...)
}

// logWrite logs a write to the provider, which was approved or not. One whose outcome is unknown may have been carried out, and is logged as such.
func logWrite(ctx context.Context, write, why string, approved bool, accountName, accountID string, err error, more ...any) {
	message := "account written"
	switch e := account.AsError(err); {
	case err == nil:
	case e.OutcomeUnknown:
		message = "account may have been written"
		more = append(more, "class", string(e.Class))
	default:
		return
	}
	values := []any{"write", write, "why", why}
	if approved {
		values = []any{"write", write, "why", whyApproval, "approved", why}
	}
	values = append(values, "accountName", accountName, "accountID", accountID)
	log.FromContext(ctx).Info(message, append(values, more...)...)
}

// whyCreated says why an account is created.
func whyCreated(s *scope) string {
	if s.former != nil {
		return whyRecreate
	}
	return whyCreation
}

// whyUpdated says why fields of the account are changed.
func whyUpdated(s *scope, changes []account.Change) string {
	switch {
	case s.recreated:
		return whyRecreate
	case s.created, s.status.Origin == v1alpha1.OriginCreated && len(s.was.LastApplied) == 0: // what no creation can set
		return whyCreation
	case s.was.Origin == "":
		return whyAdoption
	}
	for _, c := range changes {
		if c.Origin == account.FromSpec {
			return whyEdit
		}
	}
	return whyDrift
}

// whyGiven says why the account gets a password.
func whyGiven(s *scope) string {
	switch {
	case s.rotation != "":
		return whyRotation
	case s.was.Origin == "":
		return whyAdoption
	}
	return whyEdit
}

// whyClaimed says why the account gets the resource's claim.
func whyClaimed(step plan.Step) string {
	switch step.Reason {
	case plan.ReasonTakeover:
		return whyTakeover
	case plan.ReasonHandedOver:
		return whyHandover
	}
	return whyAdoption
}

// emitDeactivated tells of an account that was deactivated at the provider, where the resource does not say whether it is to be active.
func emitDeactivated(recorder conditions.EventRecorder, s *scope) {
	if s.dir == nil || s.boundID() == "" || s.was.AccountID != s.status.AccountID || s.wasObserved == nil || s.managed.Observed() == nil {
		return
	}
	_, declared := s.schema.Value(s.desired, account.MarkActive)
	before, now := plan.Declared(s.schema, s.wasObserved), plan.Declared(s.schema, s.managed.Observed())
	if declared || s.schema.Deactivated(before) || !s.schema.Deactivated(now) {
		return
	}
	recorder.Eventf(s.obj, nil, corev1.EventTypeWarning, "DeactivatedElsewhere", "Reconcile",
		"account %s (id %s) was deactivated at the provider, not by the operator: spec.active of this %s is not set, so the operator leaves the account inactive. To activate it, and keep it active, set spec.active: true",
		s.declared.AccountName, s.status.AccountID, s.declared.Kind)
}
