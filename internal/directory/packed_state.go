package directory

import (
	"fmt"
	"math/bits"

	"cpaas.dev/child-account-operator/internal/account"
)

// packedState is an account's state: the values that it has, in the order of the field table. Thousands are kept: a map takes three times
// the memory, and most accounts have no value for half of the table.
type packedState struct {
	// known has a bit for each row of the table, set where the state has a value.
	known  uint64
	values []string
}

// mostFields is how many rows a field table may have.
const mostFields = 64

// unknown stands for a path that the state does not have. No value is like it.
const unknown = "\x00"

func pack(schema account.Schema, state account.State) packedState {
	if len(schema) > mostFields {
		panic(fmt.Sprintf("a field table has %d rows, at most %d are possible", len(schema), mostFields))
	}
	p := packedState{values: make([]string, 0, len(state))}
	for i, f := range schema {
		if value, ok := state[f.Path]; ok {
			p.known |= 1 << i
			p.values = append(p.values, value)
		}
	}
	return p
}

func (p packedState) unpack(schema account.Schema) account.State {
	state, values := make(account.State, len(p.values)), p.values
	for i, f := range schema {
		if p.known&(1<<i) != 0 {
			state[f.Path], values = values[0], values[1:]
		}
	}
	return state
}

// at is the value of a row of the table.
func (p packedState) at(row int) string {
	if p.known&(1<<row) == 0 {
		return unknown
	}
	return p.values[bits.OnesCount64(p.known&(1<<row-1))]
}
