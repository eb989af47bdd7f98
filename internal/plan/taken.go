package plan

import (
	"fmt"
	"strings"
)

// Taken is a value that the provider refused, because another account has it, and what the resource may know of that account.
type Taken struct {
	// Message is what the provider said.
	Message string
	// Path is the field's place below spec, Value is the declared value.
	Path, Value string
	// Kind is the resource's kind, Resource its "<namespace>/<name>" and AccountName its account's.
	Kind, Resource, AccountName string
	// Holders are the account that has the value and, where that one's resource applies for a value itself, the one that has that value, and
	// so on. Only accounts that the resource may know are among them.
	Holders []Holder
	// Ring is set where the last of them applies for a value that the resource's own account has.
	Ring bool
}

// Holder is an account that has a value, and its resource.
type Holder struct {
	AccountID, AccountName string
	// Resource is the "<namespace>/<name>" of its resource, "" where it has none.
	Resource string
	// Claim is whose it is by its claim, where that is another installation's; "" else.
	Claim string
	// Release says whether it is about to give the value up.
	Release ValueRelease
	// Reason is that of the resource's conditions, where that is why it does not.
	Reason string
}

// ValueRelease says whether an account is about to give up a value.
type ValueRelease string

// What becomes of the value.
const (
	// ReleaseNone: it has no resource that could give it another value.
	ReleaseNone ValueRelease = ""
	// ReleaseDeclared: its resource declares the value.
	ReleaseDeclared ValueRelease = "Declared"
	// ReleasePending: its resource is about to give it another value.
	ReleasePending ValueRelease = "Pending"
	// ReleaseApplies: its resource declares another value, which is taken too.
	ReleaseApplies ValueRelease = "Applies"
	// ReleaseBlocked: its resource declares another value, and something stands in the way.
	ReleaseBlocked ValueRelease = "Blocked"
	// ReleaseDeleted: its resource is being deleted, which does not change the account's values.
	ReleaseDeleted ValueRelease = "Deleted"
)

// Waits says whether the value is about to be given up, so that nobody has to do anything.
func (t Taken) Waits() bool {
	return !t.Ring && len(t.Holders) > 0 && t.Holders[len(t.Holders)-1].Release == ReleasePending
}

// Explanation is the message of the conditions: what happened, why, and what to do.
func (t Taken) Explanation() string {
	const retries = "The operator retries as soon as it sees that the value is free."
	if len(t.Holders) == 0 {
		return fmt.Sprintf("%s. Another account has it: declare another value for spec.%s, or have that account changed first. %s", t.Message, t.Path, retries)
	}
	h := t.Holders[0]
	has := fmt.Sprintf("account %s (id %s) has it", h.AccountName, h.AccountID)
	if h.Resource != "" {
		has = fmt.Sprintf("account %s (id %s) of %s %s has it", h.AccountName, h.AccountID, t.Kind, h.Resource)
	}
	switch {
	case t.Ring:
		return fmt.Sprintf("%s: %s. %s", t.Message, has, t.exchange())
	case t.Waits() && len(t.Holders) == 1:
		return fmt.Sprintf("spec.%s: waiting for %s %s, which is about to give its account (id %s) another value. Nothing to do: %s", t.Path, t.Kind, h.Resource, h.AccountID, retries)
	case t.Waits():
		return fmt.Sprintf("spec.%s: waiting for %s %s, whose account (id %s) is to get another value once that is free, which is about to happen. Nothing to do: %s", t.Path, t.Kind, h.Resource, h.AccountID, retries)
	}
	return fmt.Sprintf("%s: %s%s. %s", t.Message, has, t.why(h), retries)
}

// why says why the account keeps the value, and what to do.
func (t Taken) why(h Holder) string {
	other := fmt.Sprintf("declare another value for spec.%s here", t.Path)
	switch h.Release {
	case ReleaseDeclared:
		return fmt.Sprintf(", and that %s declares it: %s or there", t.Kind, other)
	case ReleaseApplies:
		return fmt.Sprintf(", and is to get another value, which is taken, too: see the conditions of that %s, or %s", t.Kind, other)
	case ReleaseBlocked:
		return fmt.Sprintf(", and keeps it: that %s declares another value, but is not applied (%s). See its conditions, or %s", t.Kind, h.Reason, other)
	case ReleaseDeleted:
		return fmt.Sprintf(", and keeps it: that %s is being deleted, which changes no value of the account. Change the account at the provider, or %s", t.Kind, other)
	}
	if h.Claim != "" {
		return fmt.Sprintf(", and belongs to %s %s: have it changed there, or %s", t.Kind, h.Claim, other)
	}
	return fmt.Sprintf(", and no %s manages that account: change it at the provider, or %s", t.Kind, other)
}

// exchange says how to have accounts exchange values that none can have before another has given it up.
func (t Taken) exchange() string {
	members := make([]string, len(t.Holders))
	for i, h := range t.Holders {
		members[i] = fmt.Sprintf("%s (account %s)", h.Resource, h.AccountName)
	}
	last := t.Holders[len(t.Holders)-1].Resource
	return fmt.Sprintf("These exchange spec.%s in a ring, which the provider can't do in one step, and the operator uses no temporary value that nobody has declared: %s and this one. "+
		"By hand: 1. declare for spec.%s of %s a temporary value that no account has. 2. Wait until all others are Ready: each gets its value by itself. 3. Declare for %s the value that it is to have",
		t.Path, strings.Join(members, ", "), t.Path, last, last)
}
