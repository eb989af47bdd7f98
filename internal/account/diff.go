package account

import (
	"slices"
	"strings"
)

// Origin says where a difference comes from.
type Origin string

// The origins of a difference.
const (
	// FromSpec: the declaration changed since it was last applied, or was never applied.
	FromSpec Origin = "Spec"
	// FromRemote: the account changed behind the operator's back.
	FromRemote Origin = "Remote"
)

// Change is one field that has to be written.
type Change struct {
	// Field is the row of the table.
	Field Field
	// From is what was seen (canonical), "" with Known=false where nobody knows.
	From  string
	Known bool
	// To is the declared value, as declared.
	To string
	// Origin tells an edit of the resource from drift.
	Origin Origin
}

// Diff is the only comparison of the project: the declared fields that differ at the provider, in the order of the table.
// A field that is not declared never appears. What can't be read back is compared with what was applied last.
func Diff(schema Schema, desired, observed, lastApplied State) []Change {
	var changes []Change
	for _, f := range schema {
		to, declared := desired[f.Path]
		if !declared || !f.Updatable {
			continue
		}
		applied, wasApplied := lastApplied[f.Path]
		from, known := observed[f.Path]
		if f.WriteOnly() && !known {
			from, known = applied, wasApplied
		}
		if f.OmittedEmpty && !known && wasApplied {
			known = true
		}
		want := f.Normal(to)
		if known && f.Normal(from) == want {
			continue
		}
		c := Change{Field: f, From: from, Known: known, To: to, Origin: FromSpec}
		if known && wasApplied && f.Normal(applied) == want {
			c.Origin = FromRemote
		}
		changes = append(changes, c)
	}
	return changes
}

// Fixed are the declared fields that can only be set at creation and are otherwise, as the provider shows them.
func Fixed(schema Schema, desired, observed State) []Change {
	var fixed []Change
	for _, f := range schema {
		to, declared := desired[f.Path]
		from, known := observed[f.Path]
		if declared && f.CreationOnly() && f.Readable && !f.NameOnly() && f.Normal(from) != f.Normal(to) {
			fixed = append(fixed, Change{Field: f, From: from, Known: known, To: to, Origin: FromSpec})
		}
	}
	return fixed
}

// Split separates the changes that are made acting as the account itself from the others.
func Split(changes []Change) (own, delegated []Change) {
	for _, c := range changes {
		if c.Field.Delegated {
			delegated = append(delegated, c)
		} else {
			own = append(own, c)
		}
	}
	return own, delegated
}

// Has says whether a marked field is among the changes.
func Has(changes []Change, m Mark) bool {
	return slices.ContainsFunc(changes, func(c Change) bool { return c.Field.Mark == m })
}

// Applied is the state that the changes leave behind, canonical.
func Applied(changes []Change) State {
	out := make(State, len(changes))
	for _, c := range changes {
		out[c.Field.Path] = c.Field.Normal(c.To)
	}
	return out
}

// Deactivates says whether the changes deactivate the account.
func Deactivates(changes []Change) bool {
	return slices.ContainsFunc(changes, func(c Change) bool { return c.Field.Mark == MarkActive && c.Field.Normal(c.To) == "false" })
}

// FieldNames lists the paths of the changes for an event or message: "email, notifications.account".
func FieldNames(changes []Change) string {
	names := make([]string, len(changes))
	for i, c := range changes {
		names[i] = c.Field.Path
	}
	return strings.Join(names, ", ")
}
