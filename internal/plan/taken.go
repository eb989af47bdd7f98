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
	// Claim is the owner by the account's claim, if that is another installation; "" else.
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

// Explanation is what happened and why, and what to do next.
func (t Taken) Explanation() (message, next string) {
	const retries = " The operator retries as soon as it sees that the value is free."
	other := fmt.Sprintf("eclare another value for spec.%s here", t.Path) // d or D
	if t.Path == "accountName" {                                          // the CRD refuses to change it
		other = fmt.Sprintf("eclare the account in a new %s with another spec.accountName; if the account is yours, name its ParentAccount in spec.parentRef there", t.Kind)
	}
	if len(t.Holders) == 0 {
		return t.Message + ". Another account has the value", "D" + other + ", or have that account changed first. The operator retries automatically, after 10 minutes at first."
	}
	h := t.Holders[0]
	has := fmt.Sprintf("account %s (id %s) has it", h.AccountName, h.AccountID)
	if h.Resource != "" {
		has = fmt.Sprintf("account %s (id %s) of %s %s has it", h.AccountName, h.AccountID, t.Kind, h.Resource)
	}
	switch {
	case t.Ring:
		ring, steps := t.exchange()
		return fmt.Sprintf("%s: %s. %s", t.Message, has, ring), steps
	case t.Waits() && len(t.Holders) == 1:
		return fmt.Sprintf("spec.%s: waiting for %s %s, which is about to give its account (id %s) another value", t.Path, t.Kind, h.Resource, h.AccountID), strings.TrimSpace(retries)
	case t.Waits():
		return fmt.Sprintf("spec.%s: waiting for %s %s, whose account (id %s) gets another value as soon as its present owner gives that other value up, which is about to happen", t.Path, t.Kind, h.Resource, h.AccountID), strings.TrimSpace(retries)
	}
	why, next := t.why(h, other)
	return fmt.Sprintf("%s: %s%s", t.Message, has, why), next + "." + retries
}

// why says why the account keeps the value, and what to do next. other is the step that is always possible, but for its first letter.
func (t Taken) why(h Holder, other string) (why, next string) {
	switch h.Release {
	case ReleaseDeclared:
		if t.Path == "accountName" { // no resource can give a name up
			return fmt.Sprintf(", and that %s declares the name", t.Kind), "D" + other
		}
		return fmt.Sprintf(", and that %s declares the value", t.Kind), "D" + other + " or there"
	case ReleaseApplies:
		return fmt.Sprintf(", and keeps the value: that %s declares another value, which is taken, too", t.Kind), fmt.Sprintf("Read the conditions of that %s, or d%s", t.Kind, other)
	case ReleaseBlocked:
		return fmt.Sprintf(", and keeps it: that %s declares another value, but is not applied (%s)", t.Kind, h.Reason), fmt.Sprintf("Read the conditions of that %s, or d%s", t.Kind, other)
	case ReleaseDeleted:
		return fmt.Sprintf(", and keeps it: that %s is being deleted, which changes no value of the account", t.Kind), "Change the account at the provider, or d" + other
	}
	if h.Claim != "" {
		return fmt.Sprintf(", and is owned by %s %s", t.Kind, h.Claim), "Have the owner of that installation change the value, or d" + other
	}
	return fmt.Sprintf(", and no %s manages that account", t.Kind), "Change the account at the provider, or d" + other
}

// exchange says which accounts exchange values, and how to have them do so: none can have a value before another has given it up.
func (t Taken) exchange() (ring, steps string) {
	members := make([]string, len(t.Holders))
	for i, h := range t.Holders {
		members[i] = fmt.Sprintf("%s (account %s)", h.Resource, h.AccountName)
	}
	last := t.Holders[len(t.Holders)-1].Resource
	ring = fmt.Sprintf("These exchange spec.%s in a ring, which the provider can't do in one step, and the operator uses no temporary value that nobody has declared: %s and this one",
		t.Path, strings.Join(members, ", "))
	steps = fmt.Sprintf("By hand: 1. Declare for spec.%s of %s a temporary value that no account has. 2. Wait until all others are Ready: each gets its value automatically. 3. Declare for %s the value that it is to have.",
		t.Path, last, last)
	return ring, steps
}
