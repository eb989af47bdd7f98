package engine

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"cpaas.dev/child-account-operator/api/v1alpha1"
	"cpaas.dev/child-account-operator/internal/account"
	"cpaas.dev/child-account-operator/internal/conditions"
	"cpaas.dev/child-account-operator/internal/directory"
	"cpaas.dev/child-account-operator/internal/pacing"
	"cpaas.dev/child-account-operator/internal/plan"
	"cpaas.dev/child-account-operator/internal/secrets"
)

// ownWrite is what is to be written to the parent account itself.
type ownWrite struct {
	o    *own
	part *ownPart
	// desired are the declared values, changes those of them that the account lacks, notKept those that the provider does not keep.
	desired          account.State
	changes, notKept []account.Change
	// salt is the declared salt of the account's callbacks, mark tells it from others; both are "" where none is declared.
	salt account.Secret
	mark string
}

// ownFields finds out which of the declared fields the parent account lacks.
func ownFields(ctx context.Context, o *own) *ownPart {
	p := &ownPart{kind: v1alpha1.ConditionAccountSynced}
	store := o.e.owns.fields
	switch {
	case !declaresAccount(o.object):
		p.done = true
		conditions.WriteState(&o.object.Status.Conditions, p.kind, 0, nil, o.e.Clock.Now())
		o.forgetFields()
		return p
	case o.leaveTo(ctx, p, "account", declaresAccount, o.forgetFields):
		return p
	}
	w := &ownWrite{o: o, part: p, desired: account.FromObject(o.schema, jsonOf(o.object.Spec.Account))}
	if !w.valid(ctx) {
		return p
	}
	reading := "read " + plan.Delegation(o.tried(), o.dir.Connection, nil)
	if p.waits = o.inBackoff(store, reading); p.waits {
		return p
	}
	if err := o.look(ctx); err != nil {
		o.fail(store, p, reading, err)
		return p
	}
	o.comeBack(max(o.known.readAt.Add(ownReadEvery).Sub(o.e.Clock.Now()), conditions.SoonAtLeast))
	w.compare()
	if len(w.changes) == 0 && !w.saltDiffers() {
		store.Forget(o.object.UID)
		w.settled()
		return p
	}
	p.text, p.write = plan.OwnText(w.changes, w.saltDiffers()), w.write
	p.attempt = plan.Delegation(o.tried(), o.dir.Connection, fieldsOf(w.changes)) + " " + w.mark
	p.waits = o.inBackoff(store, p.attempt)
	return p
}

// tried is the resource as attempts are told from others by it.
func (o *own) tried() plan.Resource {
	return plan.Resource{Generation: o.object.Generation, Requested: o.object.Annotations[v1alpha1.AnnotationReconcileRequestedAt]}
}

// forgetFields drops what is known to be applied of the fields.
func (o *own) forgetFields() {
	o.known.hidden, o.known.salt = nil, ""
	if st := o.object.Status.Account; st != nil {
		st.CallbackSaltDigest = ""
		o.setApplied(account.IsPlanPath, nil)
	}
}

// setApplied replaces what was last applied by what is kept of it and some values.
func (o *own) setApplied(keep func(path string) bool, values account.State) {
	applied := maps.Clone(o.status().LastApplied)
	maps.DeleteFunc(applied, func(path, _ string) bool { return !keep(path) })
	if applied == nil {
		applied = map[string]string{}
	}
	maps.Copy(applied, values)
	if o.status().LastApplied = applied; len(applied) == 0 {
		o.status().LastApplied = nil
	}
}

// valid reads the declared salt, and says what can't be written of what is declared, before any call.
func (w *ownWrite) valid(ctx context.Context) bool {
	o := w.o
	if o.schema == nil {
		o.say(w.part.kind, conditions.FailedOwn(&account.Error{Class: account.Invalid, Field: "account", Message: "this provider's parent account can't be changed by its API"}))
		return false
	}
	if err := o.schema.Check(w.desired); err != nil {
		o.say(w.part.kind, conditions.FailedOwn(belowAccount(err)))
		return false
	}
	name, key, declared := o.object.Spec.Account.CallbackSaltSecret()
	if !declared {
		return true
	}
	salt, err := o.e.Inputs.Salt(ctx, o.object.Namespace, name, key)
	if p, ok := errors.AsType[*secrets.Problem](err); ok {
		o.say(w.part.kind, conditions.Outcome{Reason: p.Reason, Message: "spec." + plan.OwnSalt + ": " + p.Message, Next: p.Next})
		return false
	}
	if o.failed = err; err != nil {
		return false
	}
	w.salt, w.mark = salt, ownSaltMark(o.dir, salt)
	return true
}

// ownSaltMark tells a salt of a parent account's callbacks from others. It stands in a status, where many may read it: the key of the HMAC is
// made of the account's credentials, so that nobody can try salts with it.
func ownSaltMark(dir *directory.Parent, salt account.Secret) string {
	h := hmac.New(sha256.New, []byte(dir.Connection))
	fmt.Fprintf(h, "callback salt of %s\x00%s", dir.AccountID, salt.Reveal())
	return hex.EncodeToString(h.Sum(nil)[:16])
}

// saltDiffers says whether the account is not known to have the declared salt.
func (w *ownWrite) saltDiffers() bool {
	return w.salt != "" && w.mark != w.o.status().CallbackSaltDigest
}

// compare finds out what the account lacks, and notes what it has. What is not declared any more is forgotten.
func (w *ownWrite) compare() {
	o, st := w.o, w.o.status()
	maps.DeleteFunc(o.known.hidden, func(path, _ string) bool { _, declared := w.desired[path]; return !declared })
	if w.salt == "" {
		o.known.salt = ""
	}
	if w.salt == "" || w.mark == o.known.salt {
		st.CallbackSaltDigest = w.mark
	}
	all := account.Diff(o.schema, w.desired, o.known.state, account.State(st.LastApplied).With(o.known.hidden))
	w.changes, w.notKept = o.known.keeps(all)
	has := o.schema.Normal(w.desired)
	for _, c := range all {
		delete(has, c.Field.Path)
	}
	o.setApplied(func(path string) bool {
		_, declared := w.desired[path]
		return declared || account.IsPlanPath(path)
	}, has)
}

// settled says that there is nothing to write.
func (w *ownWrite) settled() {
	out := conditions.Outcome{Reason: v1alpha1.ReasonAvailable, Message: "the parent account has the declared values", Next: conditions.NothingToDo}
	if len(w.notKept) > 0 {
		out = conditions.Outcome{
			Reason: v1alpha1.ReasonValueNotKept, Message: plan.OwnNotKept(w.notKept),
			Next: "Declare the value that the provider returns, or remove the field from the spec. The operator writes the field again once the declared value changes.",
		}
	}
	w.part.done = true
	w.o.say(w.part.kind, out)
	w.o.handled()
}

// write writes what the account lacks. What nobody shows is taken from the status before, so that after a crash, or a lost answer, it is
// written again.
func (w *ownWrite) write(ctx context.Context) {
	o := w.o
	salt, saltDiffers := account.Secret(""), w.saltDiffers()
	if saltDiffers {
		salt = w.salt
	}
	o.known.writing(w.changes, saltDiffers)
	if w.reserve(saltDiffers) {
		if o.patch(ctx); o.failed != nil {
			return
		}
	}
	err := directory.UpdateOwn(pacing.WithPriority(ctx, pacing.Drift), o.dir.Directory, w.changes, salt)
	o.e.changes.Done(o.object.UID, refused(err))
	fields := fieldNames(w.changes, saltDiffers)
	o.logOwn(ctx, writeOwn, whyOwn(w.changes, saltDiffers), err, "fields", fields)
	if err != nil {
		if account.AsError(err).OutcomeUnknown {
			o.known.state = nil // to be read before anything is written again
		}
		o.fail(o.e.owns.fields, w.part, w.part.attempt, belowAccount(err))
		return
	}
	o.e.owns.fields.Forget(o.object.UID)
	o.known.wrote(w.changes)
	o.setApplied(func(string) bool { return true }, account.Applied(w.changes))
	if saltDiffers {
		o.known.salt, o.status().CallbackSaltDigest = w.mark, w.mark
	}
	o.e.Recorder.Eventf(o.object, nil, corev1.EventTypeNormal, "AccountChanged", "Update", "changed %s of the parent account %s (id %s)", fields, o.dir.AccountName, o.dir.AccountID)
	w.settled()
}

// reserve takes from the status what is about to be written and nobody shows. It says whether there was anything of it.
func (w *ownWrite) reserve(salt bool) (reserved bool) {
	st := w.o.status()
	if salt && st.CallbackSaltDigest != "" {
		st.CallbackSaltDigest, reserved = "", true
	}
	w.o.setApplied(func(path string) bool {
		hidden := slices.ContainsFunc(w.changes, func(c account.Change) bool { return c.Field.Path == path && c.Field.WriteOnly() })
		reserved = reserved || hidden
		return !hidden
	}, nil)
	return reserved
}

// belowAccount is an error about a field of the parent account itself, whose path is then below spec.
func belowAccount(err error) error {
	e := *account.AsError(err)
	if e.Field != "" {
		e.Field = plan.OwnPath(e.Field)
	}
	return &e
}

// fieldNames are the paths of what is written, below spec.account.
func fieldNames(changes []account.Change, salt bool) string {
	names := account.FieldNames(changes)
	if salt {
		names = strings.TrimPrefix(names+", callback.saltSecretRef", ", ")
	}
	return names
}

// whyOwn says why the parent account itself is written.
func whyOwn(changes []account.Change, salt bool) string {
	if salt || slices.ContainsFunc(changes, func(c account.Change) bool { return c.Origin == account.FromSpec }) {
		return whyEdit
	}
	return whyDrift
}
