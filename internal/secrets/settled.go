package secrets

import (
	"sync"

	"k8s.io/apimachinery/pkg/types"
)

// Settled remembers what each resource's connection Secret was last made of, and which of them have to be read again though
// nothing of their resource changed. All methods may be called by several workers at once.
type Settled struct {
	mu      sync.Mutex
	madeOf  map[types.UID]string
	recheck map[types.UID]bool
}

// NewSettled returns an empty Settled.
func NewSettled() *Settled {
	return &Settled{madeOf: map[types.UID]string{}, recheck: map[types.UID]bool{}}
}

// Set notes what the connection Secret was made of.
func (s *Settled) Set(uid types.UID, madeOf string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.madeOf[uid] = madeOf
}

// MadeOf is what the connection Secret was last made of; ok is false where that is not known.
func (s *Settled) MadeOf(uid types.UID) (madeOf string, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	madeOf, ok = s.madeOf[uid]
	return madeOf, ok
}

// Unset drops what the connection Secret was made of: it is read again in the next reconcile that concerns it.
func (s *Settled) Unset(uid types.UID) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.madeOf, uid)
}

// Recheck has the connection Secret read again.
func (s *Settled) Recheck(uid types.UID) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.recheck[uid] = true
}

// NeedsRecheck says whether the connection Secret has to be read again.
func (s *Settled) NeedsRecheck(uid types.UID) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.recheck[uid]
}

// Rechecking says that the connection Secret is about to be read: whoever edits it from now on is noticed again.
func (s *Settled) Rechecking(uid types.UID) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.recheck, uid)
}

// Forget drops what is known of a resource that is deleted.
func (s *Settled) Forget(uid types.UID) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.madeOf, uid)
	delete(s.recheck, uid)
}
