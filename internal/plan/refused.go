package plan

import "cpaas.dev/child-account-operator/internal/account"

// RefusedValue is why a declared value can't be written, as an *account.Error of class Invalid that names the field; nil where all can, or
// none has to. What the account has already is not written: the provider may have values that would be refused here.
func (in *Input) RefusedValue() error {
	switch {
	case in.Subject.Policy.Observe:
		return nil
	case in.View.Account != nil:
		return in.Schema.Check(in.differing(in.View.Account))
	case in.unseen():
		return nil
	}
	return in.Schema.Check(in.Subject.Desired)
}

// differing are the declared values that the account does not have.
func (in *Input) differing(a *account.Account) account.State {
	out := account.State{}
	for _, c := range account.Diff(in.Schema, in.Subject.Desired, a.State, in.Subject.LastApplied) {
		out[c.Field.Path] = c.To
	}
	return out
}

// unseen says whether the resource has, or may adopt, an account that nobody has seen yet, or that is missing and is not recreated.
func (in *Input) unseen() bool {
	if in.Subject.ID != "" {
		return !in.Subject.Policy.Recreate || in.View.Doubted || in.View.Absences < account.AbsencesUntilMissing
	}
	adopts := in.Subject.Policy.Adopt == account.AdoptIfIdentical || in.Subject.Policy.Adopt == account.AdoptAlways
	return adopts && !in.View.Listed && !in.View.Fresh
}
