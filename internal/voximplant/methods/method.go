package methods

import (
	"slices"
	"strings"
)

// Effect is what a call does to the account.
type Effect string

// The effects.
const (
	// Reads changes nothing.
	Reads Effect = "reads"
	// Changes changes settings, or makes or deletes something.
	Changes Effect = "changes"
	// CostsMoney changes something and takes money from the balance, or may.
	CostsMoney Effect = "costs money"
)

// Source says where a fact of the table is from, and so how sure it is.
type Source string

// The sources.
const (
	// Documented: the vendor's reference of the Management API, group Accounts.
	Documented Source = "vendor's reference"
	// FromClient: the vendor's client libraries; the reference at hand does not have it.
	FromClient Source = "vendor's client libraries"
	// Later: what else is public of the vendor; neither the reference at hand nor version 4.11.0 of the vendor's Node.js client has it.
	Later Source = "later than the vendor's reference"
	// Guessed: none of them says so.
	Guessed Source = "guess"
)

// Method is a method of the Management API.
type Method struct {
	// Name is the method's, as the API spells it.
	Name string
	// Does says in a sentence what a call does.
	Does   string
	Effect Effect
	// Source is where the method and its parameters are described, unless a parameter says otherwise.
	Source Source
	// Roles of which the service account's key needs one; none: the documents name none. RolesSource is where they are from.
	Roles       []string
	RolesSource Source
	// OfParent is set where the method is about an account's child accounts, so that no call of it runs as a child.
	OfParent   bool
	Parameters []Parameter
	// Choices are parameters that exclude each other.
	Choices []Choice
	// Selectors are the parameters that say what is changed; a call needs another parameter besides, which says how. None: no such rule.
	Selectors []string
	// Result says what the answer's result is.
	Result string
	// Rows is the member of the result's elements whose elements are the rows of a table, "" where the result's own elements are.
	Rows string
	// Columns are the members that a table has for each row, by their paths. None: each scalar member of the answer has a line.
	Columns []string
	// OnceSecret is the member of the result that is a secret which no other call ever returns, "" where there is none.
	OnceSecret string
	// ReadBack is the method that shows whether a call was carried out whose answer was lost; "" where the call can be repeated.
	ReadBack string
	// Examples are parameters of calls as people type them, one a line.
	Examples []string
}

// Choice is a set of parameters of which a call may have one.
type Choice struct {
	Of []string
	// Required is set where a call must have one.
	Required bool
}

// Type is the type of a parameter's values.
type Type string

// The types. Lists are joined with semicolons, as the API wants them.
const (
	Text     Type = "text"
	Bool     Type = "boolean"
	Number   Type = "number"
	Decimal  Type = "decimal"
	Date     Type = "date"
	ID       Type = "id"
	IDList   Type = "list of ids"
	TextList Type = "list of texts"
)

// Fill says what a parameter has where a call does not give it.
type Fill string

// The fillings. The zero value sends nothing.
const (
	// ParentID is the id of the account that the credentials are of.
	ParentID Fill = "parent's id"
	// ParentAPIKey is that account's API key, where it is known.
	ParentAPIKey Fill = "parent's API key"
)

// Parameter is a parameter of a method.
type Parameter struct {
	// Name is the parameter's on the wire.
	Name     string
	Type     Type
	Required bool
	// Secret parameters must not show anywhere: not in a process list, a log or an error.
	Secret bool
	// All is set for a list that may be the word all.
	All bool
	// Min and Max bound a Number, and the characters of a Text; 0 and 0: no bounds.
	Min, Max int
	// Values are the values that the documents name; none: any. Open is set where there may be more than those.
	Values []string
	Open   bool
	// Default is what the service takes where the parameter is left out, "" where the documents don't say.
	Default string
	Fill    Fill
	Does    string
	// Source is where the parameter is from, "" for the method's Source.
	Source Source

	check func(string) error
}

// Table is all methods, by name.
func Table() []Method { return table }

// Names are the names of all methods, in order.
func Names() []string {
	names := make([]string, len(table))
	for i := range table {
		names[i] = table[i].Name
	}
	return names
}

// Find returns a method by its name.
func Find(name string) (Method, bool) {
	i := slices.IndexFunc(table, func(m Method) bool { return m.Name == name })
	if i < 0 {
		return Method{}, false
	}
	return table[i], true
}

// Like returns the name of the method that somebody meant who wrote it in other letters or with its beginning alone, "" where none or
// more than one is like it.
func Like(name string) string {
	var found []string
	for i := range table {
		switch {
		case strings.EqualFold(table[i].Name, name):
			return table[i].Name
		case name != "" && strings.HasPrefix(strings.ToLower(table[i].Name), strings.ToLower(name)):
			found = append(found, table[i].Name)
		}
	}
	if len(found) != 1 {
		return ""
	}
	return found[0]
}

// Writes says whether a call changes something, so that a lost answer leaves its outcome unknown.
func (m Method) Writes() bool { return m.Effect != Reads }

// Parameter returns a parameter by its name.
func (m Method) Parameter(name string) (Parameter, bool) {
	i := slices.IndexFunc(m.Parameters, func(p Parameter) bool { return p.Name == name })
	if i < 0 {
		return Parameter{}, false
	}
	return m.Parameters[i], true
}

// SecretResult says whether a member of an answer is a secret, by its name. It goes by parts of the name, so that a member that the
// documents don't have is covered too.
func SecretResult(name string) bool {
	name = strings.ToLower(name)
	for _, part := range []string{"password", "api_key", "private_key", "salt", "secret", "token", "session_id"} {
		if strings.Contains(name, part) {
			return true
		}
	}
	return false
}
