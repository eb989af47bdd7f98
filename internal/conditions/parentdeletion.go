package conditions

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"cpaas.dev/child-account-operator/api/v1alpha1"
)

// ParentDeletion is the deletion of a ParentAccount that is kept for ChildAccounts whose accounts are deactivated before it goes.
type ParentDeletion struct {
	// Until is when the ParentAccount goes at the latest.
	Until time.Time
	// Remaining and Deleting name the ChildAccounts that the ParentAccount is kept for: those that nobody has deleted, and those that are
	// being deleted.
	Remaining, Deleting []string
	// AllDeleting is set where every ChildAccount of the ParentAccount is being deleted, also those that it is not kept for.
	AllDeleting bool
	// Served is set where credentials whose Secret is missing still serve the ChildAccounts that are being deleted.
	Served bool
	// Approval is what to do where changes of ChildAccounts wait for an approval; "" where none do.
	Approval string
}

// Waits says whether the ParentAccount is kept for a ChildAccount.
func (d ParentDeletion) Waits() bool { return len(d.Remaining)+len(d.Deleting) > 0 }

// Of is the outcome of a reconcile of the ParentAccount, with what the deletion waits for. It is Deleting where nothing else is wrong: also where
// nothing is to be said of credentials that were taken away, and where these serve all that there is left to do.
func (d ParentDeletion) Of(out Outcome, now time.Time) Outcome {
	retry := out.Retry
	switch {
	case out.Err != nil:
		return out
	case out.Reason == "", out.Reason == v1alpha1.ReasonAvailable:
		out.Reason, out.Message, out.Next = v1alpha1.ReasonDeleting, d.message(), d.next()
	case out.Reason == v1alpha1.ReasonSecretMissing && d.Served && d.AllDeleting:
		again := Parents.retryOf(out) // nobody is to read the Secret more often than before
		retry = &again
		message := d.message() + "; " + out.Message + ", and the operator uses the credentials that it had for these deletions alone, until it restarts"
		out.Reason, out.Message, out.Next = v1alpha1.ReasonDeleting, message, d.next()
	default:
		out.Message += "; " + d.message()
		out.Next = Advise(cmp.Or(out.Next, Parents.NextStep(out.Reason)), d.next())
	}
	left := max(d.Until.Sub(now), SoonAtLeast)
	if out.Retry = retry; out.After == 0 && Parents.retryOf(out) == none { // nothing but the end of the hour brings it back
		out.After = left
	}
	out.After = max(min(out.After, left), SoonAtLeast)
	return out
}

// message says for which ChildAccounts the ParentAccount is kept.
func (d ParentDeletion) message() string {
	text := fmt.Sprintf("the ParentAccount is being deleted, and is kept until %s at most for ChildAccounts with deletionPolicy Deactivate, whose accounts are deactivated first",
		d.Until.UTC().Format(time.RFC3339))
	switch {
	case len(d.Deleting) == 0:
		return text + ": " + listed(d.Remaining)
	case len(d.Remaining) == 0:
		return text + ", and which are being deleted: " + listed(d.Deleting)
	}
	return text + ": " + listed(d.Remaining) + "; these are being deleted: " + listed(d.Deleting)
}

// next is what to do next: the approval comes last, as it may be a command.
func (d ParentDeletion) next() string {
	step := ""
	switch {
	case len(d.Deleting) == 0:
		step = Parents.NextStep(v1alpha1.ReasonDeleting)
	case len(d.Remaining) > 0:
		step = "Delete the ChildAccounts that are not being deleted yet, which deactivates their accounts, or set their spec.deletionPolicy: Retain, which leaves the accounts active."
	case d.Approval == "":
		step = "Nothing to do, unless the conditions of these ChildAccounts say otherwise."
	}
	return Advise(step, d.Approval)
}

// namedWaiters is how many ChildAccounts of a kind the message names.
const namedWaiters = 10

// listed are names in a message, in their order, the first few where there are many.
func listed(names []string) string {
	names = slices.Sorted(slices.Values(names))
	list := strings.Join(names[:min(len(names), namedWaiters)], ", ")
	if more := len(names) - namedWaiters; more > 0 {
		list += fmt.Sprintf(" and %d more", more)
	}
	return list
}
