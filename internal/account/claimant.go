package account

import "time"

// Claimant is a resource that declares an account which another one declares, too.
type Claimant struct {
	// Bound: it has the account. Claimed: the account's claim names it.
	Bound, Claimed bool
	// Named: the owner that the account's claim names has the account handed over to it. Permitted: it may have what that owner
	// had, once the owner is deleted.
	Named, Permitted bool
	// Created is when it was created.
	Created time.Time
	// Namespace and Name are the resource's.
	Namespace, Name string
}

// Precedes says whether c has a better right to the account than other: the one that has it, else the one that the account's
// claim names, else the one that the claim's owner names, else one that may have what that owner had, else the older, else the one
// with the lesser namespace and name. Of two that differ one precedes the other.
func (c Claimant) Precedes(other Claimant) bool {
	switch {
	case c.Bound != other.Bound:
		return c.Bound
	case !c.Bound && c.Claimed != other.Claimed:
		return c.Claimed
	case !c.Bound && c.Named != other.Named:
		return c.Named
	case !c.Bound && c.Permitted != other.Permitted:
		return c.Permitted
	case !c.Created.Equal(other.Created):
		return c.Created.Before(other.Created)
	}
	return c.Namespace+"/"+c.Name < other.Namespace+"/"+other.Name
}
