package engine

import (
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/types"

	"cpaas.dev/child-account-operator/internal/account"
	"cpaas.dev/child-account-operator/internal/attempts"
	"cpaas.dev/child-account-operator/internal/directory"
)

// ownAccounts is what this process knows of the parent accounts themselves, by the parent's resource. It is safe for concurrent use: mu guards
// parents, and one worker at a time works on a parent.
type ownAccounts struct {
	// fields and plans are the attempts that failed.
	fields, plans *attempts.Store

	mu      sync.Mutex
	parents map[types.NamespacedName]*ownKnown
}

func newOwnAccounts() *ownAccounts {
	return &ownAccounts{fields: attempts.New(), plans: attempts.New(), parents: map[types.NamespacedName]*ownKnown{}}
}

// ownKnown is what is known of one.
type ownKnown struct {
	uid types.UID
	// of is the connection that it was read by.
	of struct {
		*directory.Directory
		connection string
	}
	// state is the account as of readAt, with what was written since; nil where an answer was lost. generation is the spec that it was read for.
	state      account.State
	readAt     time.Time
	generation int64
	// readFor and plansReadFor are the requested reconciles that the account, and its plans, were read for.
	readFor, plansReadFor string
	// plansReadAs is the attempt at plans that they were last read for.
	plansReadAs string
	// hidden are the values that this process has written and nobody shows, salt tells the salt of callbacks that it has written: a status that
	// can't be stored has nothing written again.
	hidden account.State
	salt   string
	// alone are the parts, by their conditions, that no other resource has had applied since the connection was made.
	alone map[string]bool
	// unready is set where the resource was False in Ready when it was last looked at.
	unready bool
	// written are the values that a later read has not confirmed.
	written map[string]ownWritten
	// earlier says whether the first complete list had accounts with claims of this installation, nil where nobody has asked yet.
	earlier *bool
	// started is set once the start of the parent knows of the account.
	started bool
}

// ownWritten is a value, canonical, that was written to the account, and how many times in a row.
type ownWritten struct {
	to    string
	times int
}

// writesUntilNotKept is after how many writes in a row, each of which a read did not show, a value is not changed.
const writesUntilNotKept = 2

// of is what is known of a parent, which is dropped where the resource is another one by now.
func (a *ownAccounts) of(key types.NamespacedName, uid types.UID) *ownKnown {
	a.mu.Lock()
	defer a.mu.Unlock()
	k := a.parents[key]
	if k == nil || k.uid != uid {
		if k != nil {
			a.fields.Forget(k.uid)
			a.plans.Forget(k.uid)
		}
		k = &ownKnown{uid: uid}
		a.parents[key] = k
	}
	return k
}

// forget drops what is known of a parent that is deleted.
func (a *ownAccounts) forget(key types.NamespacedName) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if k := a.parents[key]; k != nil {
		a.fields.Forget(k.uid)
		a.plans.Forget(k.uid)
		delete(a.parents, key)
	}
}

// connect notes what the connection's first call has returned, where the connection is another one than before.
func (k *ownKnown) connect(dir *directory.Parent) {
	if k.of.Directory == dir.Directory && k.of.connection == dir.Connection {
		return
	}
	k.of.Directory, k.of.connection = dir.Directory, dir.Connection
	k.state, k.readAt, k.generation, k.hidden, k.salt, k.alone = dir.Own.State, dir.Own.At, 0, nil, "", nil
}

// note notes whether a part is this resource's to apply.
func (k *ownKnown) note(kind string, alone bool) {
	if k.alone == nil {
		k.alone = map[string]bool{}
	}
	k.alone[kind] = alone
}

// ready notes whether the resource is False in Ready. Once it is not any more, another one may have written to the account meanwhile, although the
// connection is the same.
func (k *ownKnown) ready(is bool) {
	if is && k.unready {
		k.alone, k.state = nil, nil
	}
	k.unready = !is
}

// read notes what a read has returned.
func (k *ownKnown) read(schema account.Schema, state account.State, now time.Time) {
	k.state, k.readAt = state, now
	for path, w := range k.written {
		if f, ok := schema.Field(path); ok && f.Normal(state[path]) == w.to {
			delete(k.written, path)
		}
	}
}

// writing forgets what is about to be written and nobody shows: until there is an answer nobody knows it.
func (k *ownKnown) writing(changes []account.Change, salt bool) {
	k.hidden = k.hidden.WithoutHidden(changes)
	if salt {
		k.salt = ""
	}
}

// wrote notes what was written.
func (k *ownKnown) wrote(changes []account.Change) {
	k.state = k.state.With(account.Applied(changes)).WithoutHidden(changes)
	if k.written == nil {
		k.written = map[string]ownWritten{}
	}
	for _, c := range changes {
		if c.Field.WriteOnly() {
			k.hidden = k.hidden.With(account.State{c.Field.Path: c.Field.Normal(c.To)})
			continue
		}
		w := k.written[c.Field.Path]
		if to := c.Field.Normal(c.To); w.to != to {
			w = ownWritten{to: to}
		}
		w.times++
		k.written[c.Field.Path] = w
	}
}

// keeps separates changes from those that the provider does not keep.
func (k *ownKnown) keeps(changes []account.Change) (toWrite, notKept []account.Change) {
	for _, c := range changes {
		if w := k.written[c.Field.Path]; w.times >= writesUntilNotKept && w.to == c.Field.Normal(c.To) {
			notKept = append(notKept, c)
		} else {
			toWrite = append(toWrite, c)
		}
	}
	return toWrite, notKept
}
