package secrets

import (
	"sync"

	"k8s.io/apimachinery/pkg/types"
)

// Unverified remembers of which resources the password and the API key are to be verified, and which passwords the provider refused
// while that could not be written down yet. All methods may be called by several workers at once.
type Unverified struct {
	mu      sync.Mutex
	last    uint64
	marks   map[types.UID]Mark
	refused map[types.UID]knownPassword
}

// Mark says that a password and an API key are to be verified. The zero value is none.
type Mark struct {
	number uint64
	// HadPassword is set where the connection Secret held a password before somebody edited or deleted it.
	HadPassword bool
}

// Set says whether there is anything to verify.
func (m Mark) Set() bool { return m.number > 0 }

// NewUnverified returns an empty Unverified.
func NewUnverified() *Unverified {
	return &Unverified{marks: map[types.UID]Mark{}, refused: map[types.UID]knownPassword{}}
}

// Mark says that the resource's password and API key are to be verified.
func (u *Unverified) Mark(uid types.UID, hadPassword bool) Mark {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.last++
	u.marks[uid] = Mark{u.last, hadPassword || u.marks[uid].HadPassword}
	return u.marks[uid]
}

// Of is the mark of a resource.
func (u *Unverified) Of(uid types.UID) Mark {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.marks[uid]
}

// Done says that what was marked is verified. A mark that was made since stays.
func (u *Unverified) Done(uid types.UID, m Mark) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.marks[uid].number == m.number {
		delete(u.marks, uid)
	}
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
	return refused || u.marks[uid].Set()
}

// Forget drops what is known of a resource that is deleted.
func (u *Unverified) Forget(uid types.UID) {
	u.mu.Lock()
	defer u.mu.Unlock()
	delete(u.marks, uid)
	delete(u.refused, uid)
}
