package account

// Kind is the type of a field's values.
type Kind string

// The kinds of values. The zero value is a string.
const (
	KindString  Kind = ""
	KindBool    Kind = "bool"
	KindDecimal Kind = "decimal"
)

// Field is one row of a provider's field table: everything the operator knows about one field.
// Adding a field is adding a row and its API type; no code elsewhere knows a single field.
type Field struct {
	// Path is the field's place below spec, e.g. "notifications.account".
	Path string
	// Kind is the type of its values.
	Kind Kind
	// Create is its parameter at creation; "" where creation can't set it, so that it is updated right after.
	Create string
	// CreateDefault is what creation sends where the field is not declared; "" sends nothing.
	CreateDefault string
	// Method and Update are the method that changes the field and its parameter there; "" where nothing changes it.
	Method, Update string
	// Read is its name in what the provider shows; "" where it is written but never shown.
	Read string
	// Absent is the value meant where a complete answer leaves the field out; "" means that nothing is known.
	Absent string
	// Batchable fields may go out for several accounts in one call: neither unique nor secret.
	Batchable bool
	// Canonical is the spelling for comparison; nil means the usual one of the Kind.
	Canonical Canonical
	// Check refuses a declared value before any call; nil accepts all.
	Check func(string) error
}

// WriteOnly fields are never shown by the provider: what was applied last stands for what is there.
func (f Field) WriteOnly() bool { return f.Read == "" && f.Update != "" }

// ReadOnly fields are shown but can't be declared.
func (f Field) ReadOnly() bool { return f.Create == "" && f.Update == "" }

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
		if v, ok := in[f.Path]; ok {
			out[f.Path] = f.Normal(v)
		}
	}
	return out
}
