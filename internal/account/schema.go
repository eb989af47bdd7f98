package account

// Kind is the type of a field's values.
type Kind string

// The kinds of values. The zero value is a string.
const (
	KindString  Kind = ""
	KindBool    Kind = "bool"
	KindDecimal Kind = "decimal"
)

// Mark names a field that the engine has to recognise, whatever its path and its provider. A table has each mark at most once;
// where it has none, the provider has no such field.
type Mark string

// The marks. The zero value is a field like any other.
const (
	MarkNone Mark = ""
	// MarkActive: a boolean, whether the account can be used. To write "false" deactivates the account.
	MarkActive Mark = "Active"
	// MarkFrozen: a boolean that only the provider sets, where it has blocked the account.
	MarkFrozen Mark = "Frozen"
	// MarkEmail: the account's e-mail address.
	MarkEmail Mark = "Email"
	// MarkCustomData: the account's custom data (Account.CustomData). To write it replaces the claim.
	MarkCustomData Mark = "CustomData"
)

// Field is one row of a provider's field table, as far as it is of use above the provider: no name on the wire is in it.
// Adding a field is adding a row and its API type; no code elsewhere knows a single field.
type Field struct {
	// Path is the field's place below spec, e.g. "notifications.account".
	Path string
	// Kind is the type of its values.
	Kind Kind
	// Mark is set where the engine has to recognise the field.
	Mark Mark
	// Identity is set where the field's value finds an account whose id is not known yet: Account.Name has it. One field of
	// a table has it. One that is not Updatable is the name alone, and in no State.
	Identity bool
	// Settable fields can be set at creation; the others are updated right after.
	Settable bool
	// Clonable fields can be set when the account is created as a clone of another one; the others are updated right after.
	Clonable bool
	// CreateDefault is what creation sends where the field is not declared; "" sends nothing.
	CreateDefault string
	// Updatable fields can be changed later.
	Updatable bool
	// Group tells changes that can share a call from those that can't: the same text, which says nothing else, for those
	// that can.
	Group string
	// Delegated fields are changed acting as the account itself, which the credentials may not be granted (class RoleMissing): the rest
	// of the account is kept all the same. Their Group has no others.
	Delegated bool
	// Readable fields are shown by the provider.
	Readable bool
	// OmittedEmpty fields are left out of what the provider shows where they are empty.
	OmittedEmpty bool
	// Batchable fields may be written to several accounts in one call: neither unique nor secret, and of a provider that
	// has such calls.
	Batchable bool
	// Canonical is the spelling for comparison; nil means the usual one of the Kind.
	Canonical Canonical
	// Check refuses a declared value before any call; nil accepts all.
	Check func(string) error
}

// WriteOnly fields are never shown by the provider: what was applied last stands for what is there.
func (f Field) WriteOnly() bool { return !f.Readable && f.Updatable }

// CreationOnly fields are set at creation and never changed.
func (f Field) CreationOnly() bool { return f.Settable && !f.Updatable }

// ReadOnly fields are shown but can't be declared.
func (f Field) ReadOnly() bool { return !f.Settable && !f.Updatable }

// NameOnly says whether the field is an account's name and no part of its State.
func (f Field) NameOnly() bool { return f.Identity && !f.Updatable }

// Normal returns v in the field's canonical spelling.
func (f Field) Normal(v string) string {
	switch {
	case f.Canonical != nil:
		return f.Canonical(v)
	case f.Kind == KindBool:
		return CanonicalBool(v)
	case f.Kind == KindDecimal:
		return CanonicalDecimal(v)
	}
	return v
}

// Schema is a provider's field table. Its order is the order of changes, messages and events.
type Schema []Field

// Field returns the row of a path.
func (s Schema) Field(path string) (Field, bool) {
	for _, f := range s {
		if f.Path == path {
			return f, true
		}
	}
	return Field{}, false
}

// Marked returns the row that has the mark.
func (s Schema) Marked(m Mark) (Field, bool) {
	for i := range s {
		if s[i].Mark == m {
			return s[i], true
		}
	}
	return Field{}, false
}

// Value is the marked field's value in a state; false where the state, or the table, does not have it.
func (s Schema) Value(state State, m Mark) (string, bool) {
	f, ok := s.Marked(m)
	if !ok {
		return "", false
	}
	v, ok := state[f.Path]
	return v, ok
}

// is says whether the state has the value in the marked boolean.
func (s Schema) is(state State, m Mark, value string) bool {
	v, ok := s.Value(state, m)
	return ok && CanonicalBool(v) == value
}

// Deactivated says whether the state is that of an account that can't be used, because somebody deactivated it.
func (s Schema) Deactivated(state State) bool { return s.is(state, MarkActive, "false") }

// Frozen says whether the state is that of an account that the provider has blocked.
func (s Schema) Frozen(state State) bool { return s.is(state, MarkFrozen, "true") }

// Deactivation is the change that deactivates an account; false where the provider has none.
func (s Schema) Deactivation(observed State) (Change, bool) {
	f, ok := s.Marked(MarkActive)
	if !ok || !f.Updatable {
		return Change{}, false
	}
	from, known := observed[f.Path]
	return Change{Field: f, From: from, Known: known, To: "false", Origin: FromSpec}, true
}

// Identity returns the row whose value finds an account whose id is not known yet; a Field without a path where the table has none.
func (s Schema) Identity() Field {
	for i := range s {
		if s[i].Identity {
			return s[i]
		}
	}
	return Field{}
}

// IsAnother says whether the account is not the one of this name. Where a name can be changed it finds an account only while no
// id is bound.
func (s Schema) IsAnother(a Account, boundID, name string) bool {
	f := s.Identity()
	return f.Normal(a.Name) != f.Normal(name) && (boundID == "" || !f.Updatable)
}

// Check returns what is wrong with the declared values, as an *Error of class Invalid that names the field; nil if nothing is.
func (s Schema) Check(desired State) error {
	for _, f := range s {
		v, declared := desired[f.Path]
		if !declared || f.Check == nil {
			continue
		}
		if err := f.Check(v); err != nil {
			return &Error{Class: Invalid, Field: f.Path, Message: err.Error()}
		}
	}
	return nil
}

// Normal returns the state with each value in canonical spelling; paths that the table does not have are left out.
func (s Schema) Normal(in State) State {
	out := make(State, len(in))
	for _, f := range s {
		if v, ok := in[f.Path]; ok && !f.NameOnly() {
			out[f.Path] = f.Normal(v)
		}
	}
	return out
}
