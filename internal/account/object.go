package account

import (
	"encoding/json"
	"strings"
)

// FromObject reads the fields of the table out of an object as JSON decodes it (a spec, say), by path.
// Values stay as they are written; an account's name is none of them; what is absent or null is left out.
func FromObject(schema Schema, object map[string]any) State {
	out := State{}
	for _, f := range schema {
		if f.NameOnly() {
			continue
		}
		if v, ok := lookup(object, strings.Split(f.Path, ".")); ok {
			if text, ok := scalar(v); ok {
				out[f.Path] = text
			}
		}
	}
	return out
}

// ToObject is the way back: an object that JSON can encode, with each value at its path and of its kind.
func ToObject(schema Schema, state State) map[string]any {
	out := map[string]any{}
	for _, f := range schema {
		v, ok := state[f.Path]
		if !ok || f.NameOnly() {
			continue
		}
		switch n := f.Normal(v); {
		case f.Kind != KindBool:
			put(out, f.Path, n)
		case n == "true" || n == "false":
			put(out, f.Path, n == "true")
		}
	}
	return out
}

func lookup(object map[string]any, path []string) (any, bool) {
	v, ok := object[path[0]]
	if !ok || len(path) == 1 {
		return v, ok
	}
	inner, ok := v.(map[string]any)
	if !ok {
		return nil, false
	}
	return lookup(inner, path[1:])
}

func put(object map[string]any, path string, v any) {
	head, rest, nested := strings.Cut(path, ".")
	if !nested {
		object[head] = v
		return
	}
	inner, ok := object[head].(map[string]any)
	if !ok {
		inner = map[string]any{}
		object[head] = inner
	}
	put(inner, rest, v)
}

func scalar(v any) (string, bool) {
	switch v := v.(type) {
	case string:
		return v, true
	case nil, map[string]any, []any:
		return "", false
	}
	b, err := json.Marshal(v)
	return string(b), err == nil
}
