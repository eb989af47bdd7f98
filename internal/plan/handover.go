package plan

import (
	"fmt"

	"cpaas.dev/child-account-operator/internal/account"
)

// Recipient is a resource that an account is handed over to.
type Recipient struct {
	// Namespace and Name are the resource's.
	Namespace, Name string
}

// handOver is for an account that another resource declares, and may have, when this one is deleted: it stays active.
func handOver(in *Input, a *account.Account) Step {
	s := step(HandOver, in, a)
	to := "another " + in.Resource.Kind
	if in.canSee(in.Recipient.Namespace) {
		to = fmt.Sprintf("%s %s/%s", in.Resource.Kind, in.Recipient.Namespace, in.Recipient.Name)
	}
	s.Reason = ReasonHandedOver
	s.Message = fmt.Sprintf("account %s (id %s) is handed over to %s, which declares it, and is not deactivated", in.Subject.Name, a.ID, to)
	return s
}
