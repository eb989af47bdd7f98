package directory

import (
	"maps"
	"testing"

	"pgregory.net/rapid"

	"cpaas.dev/child-account-operator/internal/account"
	"cpaas.dev/child-account-operator/internal/voximplant"
)

// Whatever a state has of the table's paths comes back, the empty value too.
func TestPacked(t *testing.T) {
	schema := voximplant.Fields()
	rapid.Check(t, func(t *rapid.T) {
		state := account.State{}
		for _, f := range schema {
			if rapid.Bool().Draw(t, f.Path) {
				state[f.Path] = rapid.String().Filter(func(s string) bool { return s != unknown }).Draw(t, "value")
			}
		}
		p := pack(schema, state)
		if got := p.unpack(schema); !maps.Equal(got, state) {
			t.Fatalf("%v came back as %v", state, got)
		}
		for i, f := range schema {
			if value, known := state[f.Path]; known && p.at(i) != value || !known && p.at(i) != unknown {
				t.Fatalf("%s is %q in %v", f.Path, p.at(i), state)
			}
		}
	})
}
