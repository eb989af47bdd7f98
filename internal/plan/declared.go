package plan

import (
	"encoding/json"
	"reflect"
	"strconv"
	"strings"
	"sync"

	"cpaas.dev/child-account-operator/internal/account"
)

// Declared reads the fields of the table out of a spec, by path, as its JSON has them: what is absent is left out. It takes a
// microsecond where a detour over JSON takes some tens; a resync does it for every resource. spec is a struct or a pointer to
// one, whose fields have json tags.
func Declared(schema account.Schema, spec any) account.State {
	v := reflect.ValueOf(spec)
	for v.Kind() == reflect.Pointer {
		v = v.Elem()
	}
	out := account.State{}
	for i, at := range placesOf(schema, v.Type()) {
		if at == nil {
			continue
		}
		if text, ok := at.read(v); ok {
			out[schema[i].Path] = text
		}
	}
	return out
}

// place is where a path leads in a type: the index of a field at each level.
type place []placeField

type placeField struct {
	index     []int
	omitEmpty bool
}

// placesKey tells the places of one table in one type from others. A table never changes.
type placesKey struct {
	first *account.Field
	rows  int
	spec  reflect.Type
}

var known sync.Map // placesKey to []place

// placesOf finds the places of a table's rows, nil for those that the type does not have.
func placesOf(schema account.Schema, spec reflect.Type) []place {
	if len(schema) == 0 {
		return nil
	}
	key := placesKey{&schema[0], len(schema), spec}
	if found, ok := known.Load(key); ok {
		return found.([]place)
	}
	out := make([]place, len(schema))
	for i := range schema {
		if !schema[i].NameOnly() { // an account's name is no declared field
			out[i] = find(spec, strings.Split(schema[i].Path, "."))
		}
	}
	known.Store(key, out)
	return out
}

func find(spec reflect.Type, path []string) place {
	var out place
	for _, name := range path {
		for spec.Kind() == reflect.Pointer {
			spec = spec.Elem()
		}
		f, ok := fieldNamed(spec, name)
		if !ok {
			return nil
		}
		out = append(out, f.placeField)
		spec = f.is
	}
	return out
}

type fieldOf struct {
	placeField
	is reflect.Type
}

// fieldNamed finds the field that JSON calls so, in embedded structs too.
func fieldNamed(spec reflect.Type, name string) (fieldOf, bool) {
	if spec.Kind() != reflect.Struct {
		return fieldOf{}, false
	}
	for _, f := range reflect.VisibleFields(spec) {
		tag, options, _ := strings.Cut(f.Tag.Get("json"), ",")
		if tag == name && f.IsExported() {
			return fieldOf{placeField{f.Index, strings.Contains(options, "omitempty")}, f.Type}, true
		}
	}
	return fieldOf{}, false
}

// read returns the value at the place, as JSON has it.
func (p place) read(v reflect.Value) (string, bool) {
	for i, at := range p {
		v = v.FieldByIndex(at.index)
		if at.omitEmpty && v.IsZero() {
			return "", false
		}
		if _, ok := reflect.TypeAssert[json.Marshaler](v); ok && i == len(p)-1 {
			return marshalled(v)
		}
		for v.Kind() == reflect.Pointer {
			if v.IsNil() {
				return "", false
			}
			v = v.Elem()
		}
	}
	return scalar(v)
}

func scalar(v reflect.Value) (string, bool) {
	switch v.Kind() { //nolint:exhaustive // everything else is no scalar that a table could have
	case reflect.String:
		return v.String(), true
	case reflect.Bool:
		return strconv.FormatBool(v.Bool()), true
	case reflect.Int, reflect.Int32, reflect.Int64:
		return strconv.FormatInt(v.Int(), 10), true
	}
	if v.CanAddr() {
		if _, ok := reflect.TypeAssert[json.Marshaler](v.Addr()); ok {
			return marshalled(v.Addr())
		}
	}
	return marshalled(v)
}

// marshalled is the value of a type that has a spelling of its own.
func marshalled(v reflect.Value) (string, bool) {
	raw, err := json.Marshal(v.Interface())
	if err != nil {
		return "", false
	}
	var text string
	if json.Unmarshal(raw, &text) == nil {
		return text, string(raw) != "null"
	}
	switch raw[0] {
	case '{', '[', 'n':
		return "", false
	}
	return string(raw), true
}
