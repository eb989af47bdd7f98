package account

import "maps"

// State holds values by spec path ("notifications.account") in their canonical spelling:
// booleans are "true" and "false", decimals have no superfluous zeros. A path that is absent is unknown
// (in what was seen) or not managed (in what is declared).
type State map[string]string

// With returns a copy of s with the values of o over it.
func (s State) With(o State) State {
	out := make(State, len(s)+len(o))
	maps.Copy(out, s)
	maps.Copy(out, o)
	return out
}

// WithoutHidden returns a copy of s, where it holds what was applied last, without the fields of these changes that are never
// shown: a change whose outcome is unknown leaves nobody knowing them.
func (s State) WithoutHidden(changes []Change) State {
	out := maps.Clone(s)
	for _, c := range changes {
		if c.Field.WriteOnly() {
			delete(out, c.Field.Path)
		}
	}
	return out
}

// Account is one child account as a provider shows it.
type Account struct {
	// ID is the provider's id of the account, as a string.
	ID string
	// Name is the value of the schema's Identity field: the account's name, or what takes its place.
	Name string
	// CustomData is the account's free text, where the claim stands; "" where the provider has none.
	CustomData string
	// State holds every field of the table that the provider showed.
	State State
	// Balance is the account's money as the provider showed it; nil where nobody asked for it. It is never part of a status.
	Balance *Balance
}

// Claim returns the claim that stands in the account's custom data, if any.
func (a *Account) Claim() (Claim, bool) { return ParseClaim(a.CustomData) }
