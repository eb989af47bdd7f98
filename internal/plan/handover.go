package plan

import (
	"fmt"

	"cpaas.dev/child-account-operator/internal/account"
)

// Recipient is a resource that an account is handed over to.
type Recipient struct {
	// Namespace and Name are the resource's.
	Namespace, Name string
	// Lacks is why the resource does not get the account as things are, and Next what changes that; "" where it gets the account.
	Lacks, Next string
}

// recipientText names the recipient, where the resource may be told of it.
func recipientText(in *Input) string {
	if !in.canSee(in.Recipient.Namespace) {
		return "another " + in.Resource.Kind
	}
	return fmt.Sprintf("%s %s/%s", in.Resource.Kind, in.Recipient.Namespace, in.Recipient.Name)
}

// handOver is for an account that another resource declares, and may have, when this one is deleted: it stays active.
func handOver(in *Input, a *account.Account) Step {
	s := step(HandOver, in, a)
	s.Reason = ReasonHandedOver
	s.Message = fmt.Sprintf("account %s (id %s) is handed over to %s, which declares it, and is not deactivated", in.Subject.Name, a.ID, recipientText(in))
	return s
}

// notHandedOver is the end for an account that another resource declares, and does not get as things are: the account stays active, as that
// resource may get it later, but nobody has it, so this is reported and kept as what was not deactivated. What the resource says of handing
// over is stored all the same.
func notHandedOver(in *Input, a *account.Account) []Step {
	note := step(HandOver, in, a)
	note.Reason = ReasonNotHandedOver
	message := fmt.Sprintf("account %s (id %s) stays active: %s declares the account, but can't get it: %s", in.Subject.Name, a.ID, recipientText(in), in.Recipient.Lacks)
	return append([]Step{note}, leave(in, message, in.Recipient.Next+" "+NextIfActive)...)
}
