package engine

import (
	"context"
	"errors"

	corev1 "k8s.io/api/core/v1"

	"cpaas.dev/child-account-operator/api/v1alpha1"
	"cpaas.dev/child-account-operator/internal/conditions"
	"cpaas.dev/child-account-operator/internal/directory"
	"cpaas.dev/child-account-operator/internal/plan"
	"cpaas.dev/child-account-operator/internal/secrets"
)

// readSalt reads the declared salt of the account's callbacks, or says why its Secret can't be used.
func readSalt(ctx context.Context, e *observer, s *scope) (*plan.Stop, error) {
	from := s.declared.CallbackSaltSecret
	if from == nil || s.declared.Policy.Observe {
		return nil, nil
	}
	salt, err := e.Inputs.Salt(ctx, s.obj.GetNamespace(), from.Name, from.Key)
	if p, ok := errors.AsType[*secrets.Problem](err); ok {
		return &plan.Stop{Reason: p.Reason, Message: "spec.callback.saltSecretRef: " + p.Message, Next: p.Next}, nil
	} else if err != nil {
		return nil, err
	}
	s.salt, s.saltMark = salt, e.salts.Mark(salt)
	return nil, nil
}

// saltOf is what is known of the salt.
func saltOf(e *observer, s *scope) plan.Salt {
	return plan.Salt{Declared: s.salt != "", Mark: s.saltMark, Settled: e.salts.Has(s.uid(), s.boundID(), s.saltMark)}
}

// setSalt gives the account's callbacks the declared salt, unless the connection Secret says that it has it. Until the answer is there the
// Secret does not know: so a crash in between has it set again.
func setSalt(ctx context.Context, r *run, step plan.Step) *conditions.Outcome {
	s, id := r.s, r.s.status.AccountID
	known, err := secrets.RemembersSalt(ctx, r.Connections, s.connection(), id, s.salt)
	if err != nil {
		return brokenSecret(v1alpha1.ReasonUpdating, err)
	}
	if known {
		r.salts.Set(s.uid(), id, s.saltMark)
		return nil
	}
	if step.Held {
		return heldSalt(r, step)
	}
	if err := secrets.ReserveSalt(ctx, r.Connections, s.connection()); err != nil {
		return brokenSecret(v1alpha1.ReasonUpdating, err)
	}
	r.salts.Forget(s.uid())
	err = directory.SetCallbackSalt(ctx, s.dir.Directory, id, s.salt)
	logWritten(ctx, s, writeSalt, whySalted(s), id, err)
	if err != nil {
		return r.stopped(err)
	}
	r.Recorder.Eventf(s.obj, nil, corev1.EventTypeNormal, "CallbackSaltChanged", "Update",
		"gave the callbacks of account %s (id %s) the salt that is declared", s.declared.AccountName, id)
	err = persist(ctx, func(ctx context.Context) error {
		return secrets.RememberSalt(ctx, r.Connections, s.connection(), id, s.salt)
	})
	if err != nil {
		return brokenSecret(v1alpha1.ReasonUpdating, err)
	}
	r.salts.Set(s.uid(), id, s.saltMark)
	return nil
}

// heldSalt is the outcome of a step that found that the account lacks the salt, where the start holds that.
func heldSalt(r *run, step plan.Step) *conditions.Outcome {
	r.noAttempt = true
	r.starts.Hold(r.s.parent.Guarded, resourceAtStart(r.s), step.Change, "")
	return &conditions.Outcome{Reason: v1alpha1.ReasonAwaitingApproval, Message: step.Message, Next: step.Next, Quiet: true}
}

// whySalted says why the account's callbacks get a salt.
func whySalted(s *scope) string {
	switch {
	case s.created:
		return whyCreation
	case s.was.Origin == "":
		return whyAdoption
	}
	return whyEdit
}
