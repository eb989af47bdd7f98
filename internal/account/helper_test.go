package account_test

import (
	"strings"
	"testing"

	"pgregory.net/rapid"

	"cpaas.dev/child-account-operator/internal/account"
	"cpaas.dev/child-account-operator/internal/voximplant"
)

// schema is a real field table.
var schema = voximplant.Fields()

// field is the row of a path that must be there.
func field(t testing.TB, path string) account.Field {
	t.Helper()
	f, ok := schema.Field(path)
	if !ok {
		t.Fatalf("the field table has no row %s", path)
	}
	return f
}

// spellings are values that fields are declared with, several of them for one and the same thing.
var spellings = map[string][]string{
	"email":              {"a@acme.example", "A@Acme.Example", "b@acme.example", "B@ACME.EXAMPLE"},
	"languageCode":       {"en", "he", "iw", "id", "in", "yi", "ji", "ro", "mo", "sr", "sh"},
	"location":           {"Europe/Berlin", "Europe/Kyiv", "Europe/Kiev", "US/Pacific", "America/Los_Angeles"},
	"minBalanceToNotify": {"5", "5.0", "05.00", "0", "0.00", "12.5", "12.50"},
}

// valuesOf are values of a field that differ, or only look as if they did.
func valuesOf(f account.Field) []string {
	if known, ok := spellings[f.Path]; ok {
		return known
	}
	if f.Kind == account.KindBool {
		return []string{"true", "false"}
	}
	return []string{"one", "two"}
}

// drawState draws values for some of the fields of the table, read-only ones too, and sometimes a path that it doesn't have.
func drawState(t *rapid.T, label string) account.State {
	state := account.State{}
	for _, f := range schema {
		if f.NameOnly() {
			continue
		}
		if rapid.Bool().Draw(t, label+" has "+f.Path) {
			state[f.Path] = rapid.SampledFrom(valuesOf(f)).Draw(t, label+" "+f.Path)
		}
	}
	if rapid.Bool().Draw(t, label+" has another path") {
		state["no.such.path"] = "Ada"
	}
	return state
}

// respell is another spelling of the same value, as a provider may answer with; v itself where there is none.
func respell(t *rapid.T, f account.Field, v string) string {
	same := []string{v}
	for _, other := range valuesOf(f) {
		if f.Normal(other) == f.Normal(v) {
			same = append(same, other)
		}
	}
	return rapid.SampledFrom(same).Draw(t, "spelling of "+f.Path)
}

// paths are those of the changes, in their order.
func paths(changes []account.Change) string {
	return strings.Join(strings.Fields(strings.ReplaceAll(account.FieldNames(changes), ",", " ")), " ")
}
