package account_test

import (
	"errors"
	"maps"
	"testing"

	"cpaas.dev/child-account-operator/internal/account"
)

// small is a table with a row of each sort.
var small = account.Schema{
	{Path: "name", Settable: true, Updatable: true, Readable: true, Check: func(v string) error {
		if v == "" {
			return errors.New("must not be empty")
		}
		return nil
	}},
	{Path: "flags.on", Mark: account.MarkActive, Kind: account.KindBool, Updatable: true, Readable: true},
	{Path: "flags.hidden", Kind: account.KindBool, Updatable: true},
	{Path: "balance", Kind: account.KindDecimal, Settable: true, Readable: true},
	{Path: "limits.daily.calls", Updatable: true, Readable: true, Check: func(v string) error { return errors.New("never right") }},
	{Path: "seen", Readable: true},
	{Path: "mail", Mark: account.MarkEmail, Canonical: account.CanonicalEmail, Kind: account.KindDecimal, Updatable: true, Readable: true},
	{Path: "login", Identity: true, Settable: true, Readable: true},
}

func TestFieldSorts(t *testing.T) {
	for path, want := range map[string][2]bool{
		"name": {false, false}, "flags.on": {false, false}, "flags.hidden": {true, false}, "balance": {false, false}, "seen": {false, true},
		"login": {false, false},
	} {
		f, ok := small.Field(path)
		if !ok {
			t.Fatalf("no row %s", path)
		}
		if got := [2]bool{f.WriteOnly(), f.ReadOnly()}; got != want {
			t.Errorf("%s: write-only, read-only = %v, want %v", path, got, want)
		}
	}
	if f, ok := small.Field("flags"); ok {
		t.Errorf("a part of a path found %+v", f)
	}
}

// The row's own canonical spelling goes before that of its kind.
func TestFieldNormal(t *testing.T) {
	for path, want := range map[string]string{"name": "01.0 YES", "flags.on": "01.0 YES", "mail": "01.0 yes"} {
		f, _ := small.Field(path)
		if got := f.Normal("01.0 YES"); got != want {
			t.Errorf("%s: %q, want %q", path, got, want)
		}
	}
	balance, _ := small.Field("balance")
	on, _ := small.Field("flags.on")
	if balance.Normal("01.0") != "1" || on.Normal("YES") != "true" {
		t.Error("the usual spelling of the kind is not taken")
	}
}

func TestSchemaCheck(t *testing.T) {
	for name, c := range map[string]struct {
		desired account.State
		field   string // "" for no complaint
	}{
		"nothing declared":            {nil, ""},
		"good":                        {account.State{"name": "x", "balance": "no check"}, ""},
		"unknown path":                {account.State{"other": ""}, ""},
		"empty but declared":          {account.State{"name": ""}, "name"},
		"nested":                      {account.State{"name": "x", "limits.daily.calls": "5"}, "limits.daily.calls"},
		"the first by order of rows":  {account.State{"limits.daily.calls": "5", "name": ""}, "name"},
		"a check of what is not said": {account.State{"flags.on": "perhaps"}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			err := small.Check(c.desired)
			if c.field == "" {
				if err != nil {
					t.Fatalf("complains: %v", err)
				}
				return
			}
			var e *account.Error
			if !errors.As(err, &e) || e.Class != account.Invalid || e.Field != c.field || e.Message == "" || e.OutcomeUnknown {
				t.Fatalf("%#v; want class Invalid, field %s", err, c.field)
			}
		})
	}
}

func TestSchemaNormal(t *testing.T) {
	in := account.State{"name": " X ", "flags.on": "YES", "balance": "07.10", "mail": "A@B", "login": "x", "other": "gone"}
	before := maps.Clone(in)
	want := account.State{"name": " X ", "flags.on": "true", "balance": "7.1", "mail": "a@b"}
	if got := small.Normal(in); !maps.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
	if !maps.Equal(in, before) {
		t.Errorf("changed what it was given: %v", in)
	}
	if got := small.Normal(nil); got == nil || len(got) != 0 {
		t.Errorf("of nothing: %#v, want an empty state", got)
	}
}

func TestStateWith(t *testing.T) {
	s := account.State{"b": "1", "a": "2"}
	merged := s.With(account.State{"b": "3", "c": "4"})
	if !maps.Equal(merged, account.State{"a": "2", "b": "3", "c": "4"}) || !maps.Equal(s, account.State{"b": "1", "a": "2"}) {
		t.Errorf("with: %v from %v", merged, s)
	}
	if got := account.State(nil).With(nil); got == nil {
		t.Error("with of nothing is nil: nobody could write to it")
	}
}

// Above the table nobody knows a path: what the engine has to recognise, it finds by its mark.
func TestMarks(t *testing.T) {
	if f, ok := small.Marked(account.MarkEmail); !ok || f.Path != "mail" {
		t.Errorf("e-mail: %+v, %v", f, ok)
	}
	if f, ok := small.Marked(account.MarkFrozen); ok {
		t.Errorf("a mark that the table does not have: %+v", f)
	}
	if f := small.Identity(); f.Path != "login" || !f.NameOnly() {
		t.Errorf("identity: %+v", f)
	}
	if f := small[:7].Identity(); f.Path != "" || f.NameOnly() {
		t.Errorf("identity of a table without one: %+v", f)
	}
	for value, deactivated := range map[string]bool{"false": true, "No": true, "true": false, "": false, "perhaps": false} {
		if small.Deactivated(account.State{"flags.on": value}) != deactivated {
			t.Errorf("deactivated by %q: %v", value, !deactivated)
		}
	}
	if small.Deactivated(nil) || small.Frozen(account.State{"frozen": "true"}) {
		t.Error("what is not known, or not marked, counts")
	}
	if v, ok := small.Value(account.State{"mail": "A@B"}, account.MarkEmail); !ok || v != "A@B" {
		t.Errorf("value %q, %v", v, ok)
	}
}

func TestDeactivation(t *testing.T) {
	c, ok := small.Deactivation(account.State{"flags.on": "true"})
	if !ok || !c.Known || c.From != "true" || !account.Deactivates([]account.Change{{To: "false"}, c}) {
		t.Errorf("%+v, %v", c, ok)
	}
	c.To = "yes"
	if account.Deactivates([]account.Change{c, {To: "false"}}) {
		t.Error("activating, or a change of another field, deactivates")
	}
	if c, ok := small[2:].Deactivation(nil); ok {
		t.Errorf("of a provider that can't: %+v", c)
	}
}
