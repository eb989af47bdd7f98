package secrets

import (
	"slices"
	"sync"

	"k8s.io/apimachinery/pkg/types"
)

// Unverified remembers of which resources the password and the API key are to be verified, and which passwords the provider refused
// while that could not be written down yet. All methods may be called by several workers at once.
type Unverified struct {
	mu      sync.Mutex
	last    uint64
	marks   map[types.UID]Mark
	edits   map[types.UID][]edit
	own     map[types.UID][]string
	refused map[types.UID]knownPassword
}

// Mark says that a password and an API key are to be verified. The zero value is none.
type Mark struct {
	number uint64
	// HadPassword is set where the connection Secret held a password before somebody edited or deleted it.
	HadPassword bool
}

// edit is one that made a resource's connection Secret what it is in this version.
type edit struct {
	version     string
	number      uint64
	hadPassword bool
}

// ownVersions is of how many of its own writes of a Secret the operator still hears from the watch.
const ownVersions = 4

// keptEdits is how many edits of one Secret are told apart.
const keptEdits = 4

// Set says whether there is anything to verify.
func (m Mark) Set() bool { return m.number > 0 }

// NewUnverified returns an empty Unverified.
func NewUnverified() *Unverified {
	return &Unverified{marks: map[types.UID]Mark{}, edits: map[types.UID][]edit{}, own: map[types.UID][]string{}, refused: map[types.UID]knownPassword{}}
}

// Mark says that the resource's password and API key are to be verified.
func (u *Unverified) Mark(uid types.UID, hadPassword bool) Mark {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.last++
	u.marks[uid] = Mark{u.last, hadPassword || u.marks[uid].HadPassword}
	return u.marks[uid]
}

// Edited is Mark, for an edit that made the connection Secret what it is in this version: one that the operator made is none.
func (u *Unverified) Edited(uid types.UID, version string, hadPassword bool) {
	u.mu.Lock()
	defer u.mu.Unlock()
	known := slices.ContainsFunc(u.edits[uid], func(e edit) bool { return e.version == version })
	if known || slices.Contains(u.own[uid], version) {
		return
	}
	u.last++
	u.edits[uid] = append(u.edits[uid], edit{version, u.last, hadPassword})
	if all := u.edits[uid]; len(all) > keptEdits { // whoever edits again and again must not fill the memory
		u.marks[uid] = Mark{max(u.marks[uid].number, all[0].number), all[0].hadPassword || u.marks[uid].HadPassword}
		u.edits[uid] = all[1:]
	}
}

// Own says that the operator made the connection Secret what it is in this version.
func (u *Unverified) Own(uid types.UID, version string) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.own[uid] = append(u.own[uid], version)
	u.own[uid] = u.own[uid][max(0, len(u.own[uid])-ownVersions):]
	u.keep(uid, func(e edit) bool { return e.version != version })
}

// keep drops all other edits; the caller holds the lock.
func (u *Unverified) keep(uid types.UID, which func(edit) bool) {
	if u.edits[uid] = slices.DeleteFunc(u.edits[uid], func(e edit) bool { return !which(e) }); len(u.edits[uid]) == 0 {
		delete(u.edits, uid)
	}
}

// Of is the mark of a resource.
func (u *Unverified) Of(uid types.UID) Mark {
	u.mu.Lock()
	defer u.mu.Unlock()
	m := u.marks[uid]
	for _, e := range u.edits[uid] {
		m = Mark{max(m.number, e.number), m.HadPassword || e.hadPassword}
	}
	return m
}

// Done says that what was marked is verified. What was marked or edited since stays so.
func (u *Unverified) Done(uid types.UID, m Mark) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.marks[uid].number <= m.number {
		delete(u.marks, uid)
	}
	u.keep(uid, func(e edit) bool { return e.number > m.number })
}

// Refuse notes that the provider refused the password with this mark (KnownPasswords.Mark).
func (u *Unverified) Refuse(uid types.UID, account, mark string) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.refused[uid] = knownPassword{account, mark}
}

// Refused says whether the provider refused the password with this mark.
func (u *Unverified) Refused(uid types.UID, account, mark string) bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.refused[uid] == knownPassword{account, mark}
}

// Recorded says that the connection Secret remembers the refused password by now.
func (u *Unverified) Recorded(uid types.UID) {
	u.mu.Lock()
	defer u.mu.Unlock()
	delete(u.refused, uid)
}

// Remembers says whether anything is remembered of the resource.
func (u *Unverified) Remembers(uid types.UID) bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	_, refused := u.refused[uid]
	_, own := u.own[uid]
	return refused || own || u.marks[uid].Set() || len(u.edits[uid]) > 0
}

// Forget drops what is known of a resource that is deleted.
func (u *Unverified) Forget(uid types.UID) {
	u.mu.Lock()
	defer u.mu.Unlock()
	delete(u.marks, uid)
	delete(u.edits, uid)
	delete(u.own, uid)
	delete(u.refused, uid)
}
