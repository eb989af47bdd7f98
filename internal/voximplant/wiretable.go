package voximplant

import "cpaas.dev/child-account-operator/internal/account"

// row is one row of the field table: what the engine has to know of a field, from which its account.Field is made, and
// what the API calls it, which nobody else has to know.
type row struct {
	// path is the field's place below spec.
	path string
	kind account.Kind
	// mark and identity are account.Field's.
	mark     account.Mark
	identity bool
	// create is its parameter at AddAccount; "" where creation can't set it. createDefault is what creation sends where the
	// field is not declared; "" sends nothing.
	create, createDefault string
	// method and update are the method that changes the field and its parameter there; "" where nothing changes it.
	method, update string
	// read is its name in AccountInfo; "" where it is written but never shown.
	read string
	// absent is the value meant where a complete answer leaves the field out; "" means that nothing is known.
	absent string
	// omitted is account.Field's OmittedEmpty: a full answer leaves the field out where it is empty, or has an empty text.
	omitted bool
	// batchable, canonical and check are account.Field's.
	batchable bool
	canonical account.Canonical
	check     func(string) error
}

// field is the row without the API's names. Changes of one method share a call, and those of SetAccountInfo are made acting as the child.
func (r row) field() account.Field {
	return account.Field{
		Path: r.path, Kind: r.kind, Mark: r.mark, Identity: r.identity,
		Settable: r.create != "", Clonable: r.clonable(), CreateDefault: r.createDefault,
		Updatable: r.update != "", Group: r.method, Delegated: r.method == methodSetAccountInfo, Readable: r.read != "", OmittedEmpty: r.omitted,
		Batchable: r.batchable, Canonical: r.canonical, Check: r.check,
	}
}

// schema is the field table without the API's names.
var schema = func() account.Schema {
	s := make(account.Schema, len(fields))
	for i, r := range fields {
		s[i] = r.field()
	}
	return s
}()

var rowByPath = func() map[string]row {
	rows := make(map[string]row, len(fields))
	for _, r := range fields {
		rows[r.path] = r
	}
	return rows
}()

// Fields returns the field table without the API's names, for those who have no Remote at hand. It is shared and must not
// be changed.
func Fields() account.Schema { return schema }

// WireNames are what the API calls a field; "" where it has no such name.
type WireNames struct {
	// Create is the parameter of AddAccount, Update that of the method that changes the field, Read its name in AccountInfo.
	Create, Update, Read string
}

// WireNamesOf returns what the API calls the field of a path, for tests that look at the other side.
func WireNamesOf(path string) WireNames {
	r := rowByPath[path]
	return WireNames{Create: r.create, Update: r.update, Read: r.read}
}
