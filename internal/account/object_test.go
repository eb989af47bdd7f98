package account_test

import (
	"encoding/json"
	"maps"
	"math"
	"reflect"
	"testing"

	"pgregory.net/rapid"

	"cpaas.dev/child-account-operator/internal/account"
)

func TestFromObject(t *testing.T) {
	for name, c := range map[string]struct {
		object string
		want   account.State
	}{
		"nothing":                  {`{}`, account.State{}},
		"null":                     {`null`, account.State{}},
		"strings stay as written":  {`{"name":" X ","mail":"A@B","balance":"05.00"}`, account.State{"name": " X ", "mail": "A@B", "balance": "05.00"}},
		"empty is declared":        {`{"name":""}`, account.State{"name": ""}},
		"null is not":              {`{"name":null,"flags":null}`, account.State{}},
		"nested":                   {`{"flags":{"on":true,"hidden":false},"limits":{"daily":{"calls":"7"}}}`, account.State{"flags.on": "true", "flags.hidden": "false", "limits.daily.calls": "7"}},
		"null inside":              {`{"flags":{"on":null,"hidden":true},"limits":{"daily":null}}`, account.State{"flags.hidden": "true"}},
		"a value where a group is": {`{"flags":"on","limits":{"daily":5}}`, account.State{}},
		"a group where a value is": {`{"name":{"first":"x"},"limits":{"daily":{"calls":{"max":1}}}}`, account.State{}},
		"a list where a value is":  {`{"name":["x"],"balance":[]}`, account.State{}},
		"a list where a group is":  {`{"flags":[{"on":true}]}`, account.State{}},
		"numbers":                  {`{"balance":5,"name":-0.5,"limits":{"daily":{"calls":123456789.1234}}}`, account.State{"balance": "5", "name": "-0.5", "limits.daily.calls": "123456789.1234"}},
		"other keys":               {`{"Name":"x","names":"x","flags.on":true,"profile":{"name":"x"}}`, account.State{}},
	} {
		t.Run(name, func(t *testing.T) {
			var object map[string]any
			if err := json.Unmarshal([]byte(c.object), &object); err != nil {
				t.Fatal(err)
			}
			if got := account.FromObject(small, object); !maps.Equal(got, c.want) {
				t.Errorf("%v, want %v", got, c.want)
			}
		})
	}
}

// Numbers as decoders of Kubernetes and encoding/json make them.
func TestFromObjectNumbers(t *testing.T) {
	for want, v := range map[string]any{"5": int64(5), "-7": -7, "0.1": 0.1, "12.50": json.Number("12.50"), "9007199254740993": int64(9007199254740993)} {
		if got := account.FromObject(small, map[string]any{"balance": v}); !maps.Equal(got, account.State{"balance": want}) {
			t.Errorf("%T %v: %v, want %s", v, v, got, want)
		}
	}
	if got := account.FromObject(small, map[string]any{"balance": math.NaN()}); len(got) != 0 {
		t.Errorf("what JSON can't say is taken for %v", got)
	}
}

func TestToObject(t *testing.T) {
	state := account.State{
		"name": "x", "flags.on": "YES", "flags.hidden": "false", "balance": "05.00", "limits.daily.calls": "7", "mail": "A@B", "other": "x",
	}
	want := map[string]any{
		"name": "x", "flags": map[string]any{"on": true, "hidden": false}, "balance": "5",
		"limits": map[string]any{"daily": map[string]any{"calls": "7"}}, "mail": "a@b",
	}
	if got := account.ToObject(small, state); !reflect.DeepEqual(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
	if got := account.ToObject(small, account.State{"flags.on": "perhaps"}); len(got) != 0 {
		t.Errorf("no boolean, but written: %v", got)
	}
	if got := account.ToObject(small, nil); got == nil || len(got) != 0 {
		t.Errorf("of nothing: %#v, want an empty object", got)
	}
}

// There and back, by way of JSON, is the canonical state.
func TestObjectRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		state := drawState(t, "state")
		text, err := json.Marshal(account.ToObject(schema, state))
		if err != nil {
			t.Fatal(err)
		}
		var object map[string]any
		if err := json.Unmarshal(text, &object); err != nil {
			t.Fatal(err)
		}
		if got, want := account.FromObject(schema, object), schema.Normal(state); !maps.Equal(got, want) {
			t.Errorf("%v came back as %v, by %s", want, got, text)
		}
	})
}

func FuzzFromObject(f *testing.F) {
	for _, s := range []string{
		`{}`, `null`, `{"email":"a@b","active":true,"minBalanceToNotify":5.00}`, `{"notifications":{"account":null}}`,
		`{"notifications":[1],"payments":"x"}`, `{"email":{"a":{"b":[{}]}}}`, `{"minBalanceToNotify":1e999}`, `{"frozen":"yes"}`, `{"":{"":1}}`,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		var object map[string]any
		if json.Unmarshal(text, &object) != nil {
			return
		}
		state := account.FromObject(schema, object)
		for path := range state {
			if _, ok := schema.Field(path); !ok {
				t.Errorf("a path that the table does not have: %s", path)
			}
		}
		// A second reading of what the first one understood gives the same values.
		again := account.FromObject(schema, account.ToObject(schema, state))
		for path, v := range again {
			if field(t, path).Normal(state[path]) != v {
				t.Errorf("%s: %q came back as %q", path, state[path], v)
			}
		}
		for path, v := range state {
			f := field(t, path)
			_, kept := again[path]
			if isBool := f.Normal(v) == "true" || f.Normal(v) == "false"; !kept && (f.Kind != account.KindBool || isBool) {
				t.Errorf("%s=%q got lost", path, v)
			}
		}
	})
}
