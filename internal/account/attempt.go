package account

import "slices"

// Attempt is an attempt to create an account that was stored before the call, where the provider's accounts carry no claims.
type Attempt struct {
	// Others are the ids of the accounts that had the name before, or were the resource's: none of them was created by the attempt.
	Others []string
	// Sent holds the values that the call had.
	Sent State
}

// Made says whether the attempt may have created the account: it was not there before, and has every value that the provider shows as sent.
func (t *Attempt) Made(schema Schema, a Account) bool {
	return t != nil && !slices.Contains(t.Others, a.ID) && len(t.Differences(schema, a)) == 0
}

// Differences are the values that the provider shows otherwise than they were sent.
func (t *Attempt) Differences(schema Schema, a Account) []Change {
	return readable(Diff(schema, t.Sent, a.State, nil))
}
