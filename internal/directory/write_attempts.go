package directory

import "cpaas.dev/child-account-operator/internal/account"

// attemptsUntilNotKept is after how many successful writes of one value that came back different the field is left unchanged.
const attemptsUntilNotKept = 2

// writeAttempts has, by id and path, the values that were written and have not come back yet. It is not safe for concurrent
// use: accountCache has the lock.
type writeAttempts map[string]map[string]*writeAttempt

// writeAttempt is a value that was written to a field, until a read returns it.
type writeAttempt struct {
	value  string
	writes int
	// differed is set once a read returned another value: returned, "" where it did not return the field at all.
	differed bool
	returned string
}

// recordAttempt counts values that were written to an account. Write-only fields are never returned, so they don't count.
func (w writeAttempts) recordAttempt(schema account.Schema, id string, written account.State) {
	if w[id] == nil {
		w[id] = map[string]*writeAttempt{}
	}
	for path, value := range written {
		if f, ok := schema.Field(path); ok && f.WriteOnly() {
			continue
		}
		if a := w[id][path]; a != nil && a.value == value {
			a.writes++
		} else {
			w[id][path] = &writeAttempt{value: value, writes: 1}
		}
	}
}

// compare compares what was written with what a later read returned. A value that arrived is forgotten; where the returned
// value is a new one, somebody changed it, and the count of writes begins again.
func (w writeAttempts) compare(schema account.Schema, a account.Account) {
	if len(w[a.ID]) == 0 {
		return
	}
	state := schema.Normal(a.State)
	for path, attempt := range w[a.ID] {
		got := state[path]
		switch {
		case got == attempt.value:
			delete(w[a.ID], path)
		case attempt.differed && attempt.returned != got:
			attempt.writes, attempt.returned = 0, got
		default:
			attempt.differed, attempt.returned = true, got
		}
	}
}

// notKept returns the values that the provider does not keep, nil for none.
func (w writeAttempts) notKept(id string) account.State {
	var out account.State
	for path, a := range w[id] {
		if a.writes >= attemptsUntilNotKept && a.differed {
			if out == nil {
				out = account.State{}
			}
			out[path] = a.value
		}
	}
	return out
}

// forget drops everything of an account.
func (w writeAttempts) forget(id string) { delete(w, id) }
