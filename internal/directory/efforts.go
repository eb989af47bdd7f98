package directory

import "cpaas.dev/child-account-operator/internal/account"

// vainWrites is after how many successful writes of one value that came back different the field is left alone.
const vainWrites = 2

// effort is a value that was written to a field, until it is seen there.
type effort struct {
	value  string
	writes int
	// seen is set once another value was seen instead: back, "" where the field was not shown at all.
	seen bool
	back string
}

// strive notes values that were written to an account.
func (d *Directory) strive(id string, applied account.State) {
	if d.efforts[id] == nil {
		d.efforts[id] = map[string]*effort{}
	}
	schema := d.remote.Fields()
	for path, value := range applied {
		if f, ok := schema.Field(path); ok && f.WriteOnly() {
			continue // never shown, so never seen to arrive
		}
		if e := d.efforts[id][path]; e != nil && e.value == value {
			e.writes++
		} else {
			d.efforts[id][path] = &effort{value: value, writes: 1}
		}
	}
}

// judgeEfforts compares what was written with what the provider shows now. A value that arrived is forgotten;
// where something new stands instead, somebody changed it, and the field is worth new tries.
func (d *Directory) judgeEfforts(a account.Account) {
	if len(d.efforts[a.ID]) == 0 {
		return
	}
	shown := d.remote.Fields().Normal(a.State)
	for path, e := range d.efforts[a.ID] {
		got := shown[path]
		switch {
		case got == e.value:
			delete(d.efforts[a.ID], path)
		case e.seen && e.back != got:
			e.writes, e.back = 0, got
		default:
			e.seen, e.back = true, got
		}
	}
}

// notKept holds the values that the provider does not keep.
func (d *Directory) notKept(id string) account.State {
	var out account.State
	for path, e := range d.efforts[id] {
		if e.writes >= vainWrites && e.seen {
			if out == nil {
				out = account.State{}
			}
			out[path] = e.value
		}
	}
	return out
}
