package plan

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"

	"cpaas.dev/child-account-operator/internal/account"
)

// Delegated is what is known of changes that are made acting as the account itself.
type Delegated struct {
	// Refused is the last attempt at them that the provider did not grant; nil where none was refused. Its Attempt is a Delegation.
	Refused *Failed
	// Admitted is set where the change guard has let the declared changes pass before: they were tried, and the provider did not grant them.
	Admitted bool
	// BindingStored is set where the resource's status names the account as the Kubernetes API has it: from then on the claim is not
	// needed to find the account.
	BindingStored bool
}

// Salt is what is known of the salt of the account's callbacks.
type Salt struct {
	// Declared is set where the resource declares one.
	Declared bool
	// Mark tells the declared salt from others. It gives nothing away.
	Mark string
	// Settled is set where the account is known to have the salt that Mark stands for.
	Settled bool
	// Problem is why the declared salt can't be read; nil where it can.
	Problem *Stop
}

// saltSettled says whether nothing is left to do for the salt.
func (in *Input) saltSettled() bool { return !in.Salt.Declared || in.Salt.Settled }

// applySalt gives the account the declared salt.
func applySalt(in *Input, d account.Decision) []Step {
	if in.saltSettled() {
		return nil
	}
	return []Step{step(SetSalt, in, d.Account)}
}

// Delegation tells one attempt at changes that act as the account itself from another: the generation, what was requested, the
// connection it uses, and what it writes.
func Delegation(r Resource, connection string, changes []FieldChange) string {
	h := sha256.New()
	fmt.Fprintf(h, "%d %q %q", r.Generation, r.Requested, connection)
	for _, c := range changes {
		fmt.Fprintf(h, " %s=%q", c.Field, c.To)
	}
	return hex.EncodeToString(h.Sum(nil)[:attemptBytes])
}

// delegate takes out of a decision the changes that act as the account itself and can't be made now: the provider does not grant them,
// or they would replace the claim before the resource's status names the account.
func delegate(in *Input, d account.Decision) account.Decision {
	own, delegated := account.Split(d.Changes)
	if d.Step != account.StepUpdate && d.Step != account.StepNone || len(delegated) == 0 {
		return d
	}
	switch {
	case in.notGranted(delegated):
		d.Changes, d.NotGranted = own, delegated
	case account.Has(delegated, account.MarkCustomData) && !in.Delegated.BindingStored:
		d.Changes, d.Later = own, delegated
	}
	if len(d.Changes) == 0 {
		d.Step = account.StepNone
	}
	return d
}

// notGranted says whether the provider has refused these changes and they are not to be retried yet.
func (in *Input) notGranted(delegated []account.Change) bool {
	f := in.Delegated.Refused
	return f != nil && f.Attempt == Delegation(in.Resource, in.Attempts.Connection, fieldChanges(delegated)) && in.Now.Before(f.Until)
}

// triesAgain says whether changes are retried that the change guard has let pass before.
func (in *Input) triesAgain(changes []account.Change) bool {
	own, _ := account.Split(changes)
	return in.Delegated.Admitted && len(own) == 0
}

// storesBinding is what is done before changes may replace the claim: all that depends on the claim, and then the status names the
// account.
func storesBinding(in *Input, d account.Decision) []Step {
	steps, stored := take(in, d.Account), step(StoreBinding, in, d.Account)
	if in.Secret.Content == nil { // the claim tells whose connection Secret goes along, and what that holds decides how to continue
		s := step(StoreSecret, in, d.Account)
		s.Reason, s.Secret = storeReason(in), in.Secret.Name
		return append(steps, s, stored)
	}
	after := taken(in, d.Account)
	after.Delegated.BindingStored = true
	if len(superfluousFinalizer(in)) > 0 { // it was taken away before
		after.Resource.Finalizer = false
	}
	return append(append(steps, stored), then(&after, *d.Account)...)
}

// replacesClaim says whether the resource declares custom data, so that no claim is written.
func (in *Input) replacesClaim() bool {
	f, ok := in.Schema.Marked(account.MarkCustomData)
	_, declared := in.Subject.Desired[f.Path]
	return ok && declared
}
