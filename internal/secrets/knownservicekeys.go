package secrets

import (
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/types"
)

// KnownServiceKeys remember in memory what the connection Secrets of resources say of service-account keys, so that nothing is read at
// rest, and which attempts the provider refused. No key is kept. All methods may be called by several workers at once.
type KnownServiceKeys struct {
	mu      sync.Mutex
	known   map[types.UID]StoredKeys
	refused map[types.UID]refusedKey
}

// refusedKey is an attempt that was refused.
type refusedKey struct {
	// mark tells what was tried from anything else.
	mark string
	// since is when it was first refused, until when it is not retried.
	since, until time.Time
	// notMade is the name of a key that was certainly not made.
	notMade string
}

// The pauses after an attempt that was refused: they double from the first to the longest.
const (
	firstKeyPause   = 10 * time.Minute
	longestKeyPause = 6 * time.Hour
)

// NewKnownServiceKeys returns an empty KnownServiceKeys.
func NewKnownServiceKeys() *KnownServiceKeys {
	return &KnownServiceKeys{known: map[types.UID]StoredKeys{}, refused: map[types.UID]refusedKey{}}
}

// Set notes what the connection Secret says; a Secret that tells of no key is not remembered.
func (k *KnownServiceKeys) Set(uid types.UID, keys StoredKeys) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if !keys.Recorded {
		delete(k.known, uid)
		return
	}
	keys.ServiceKeys = keys.clone()
	k.known[uid] = keys
}

// Get returns what the connection Secret of a resource is known to say of the account's keys; false where that is not known.
func (k *KnownServiceKeys) Get(uid types.UID, accountID string) (StoredKeys, bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	keys, ok := k.known[uid]
	if !ok || keys.AccountID != accountID {
		return StoredKeys{}, false
	}
	keys.ServiceKeys = keys.clone()
	return keys, true
}

// Refuse notes that an attempt was refused at a time, and returns until when it is not repeated.
func (k *KnownServiceKeys) Refuse(uid types.UID, mark string, now time.Time) time.Time {
	k.mu.Lock()
	defer k.mu.Unlock()
	r := k.refused[uid]
	if r.mark != mark || r.since.IsZero() {
		r.mark, r.since = mark, now
	}
	r.until = now.Add(min(max(now.Sub(r.since), firstKeyPause), longestKeyPause))
	k.refused[uid] = r
	return r.until
}

// Blocked is until when what the mark stands for is not retried; zero where it may be tried.
func (k *KnownServiceKeys) Blocked(uid types.UID, mark string) time.Time {
	k.mu.Lock()
	defer k.mu.Unlock()
	if r := k.refused[uid]; r.mark == mark {
		return r.until
	}
	return time.Time{}
}

// NotMade notes that the key of this name was certainly not made, "" that nothing is known of any.
func (k *KnownServiceKeys) NotMade(uid types.UID, name string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	r := k.refused[uid]
	if r.notMade = name; r == (refusedKey{}) {
		delete(k.refused, uid)
		return
	}
	k.refused[uid] = r
}

// WasNotMade says whether the key of this name was certainly not made.
func (k *KnownServiceKeys) WasNotMade(uid types.UID, name string) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	return name != "" && k.refused[uid].notMade == name
}

// Accepted notes that an attempt was not refused.
func (k *KnownServiceKeys) Accepted(uid types.UID) {
	k.mu.Lock()
	defer k.mu.Unlock()
	delete(k.refused, uid)
}

// Remembers says whether anything is remembered of a resource.
func (k *KnownServiceKeys) Remembers(uid types.UID) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	_, known := k.known[uid]
	_, refused := k.refused[uid]
	return known || refused
}

// Forget drops what is remembered of a resource that is deleted.
func (k *KnownServiceKeys) Forget(uid types.UID) {
	k.mu.Lock()
	defer k.mu.Unlock()
	delete(k.known, uid)
	delete(k.refused, uid)
}
