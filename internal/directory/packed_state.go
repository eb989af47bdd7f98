package directory

import "cpaas.dev/child-account-operator/internal/account"

// packedState is an account's state: a value for each row of the field table, in its order. Thousands are kept, and a map takes
// three times the memory.
type packedState []string

// unknown stands for a path that the state does not have. No value is like it.
const unknown = "\x00"

func pack(schema account.Schema, state account.State) packedState {
	p := make(packedState, len(schema))
	for i, f := range schema {
		if value, ok := state[f.Path]; ok {
			p[i] = value
		} else {
			p[i] = unknown
		}
	}
	return p
}

func (p packedState) unpack(schema account.Schema) account.State {
	state := make(account.State, len(p))
	for i, value := range p {
		if value != unknown {
			state[schema[i].Path] = value
		}
	}
	return state
}
