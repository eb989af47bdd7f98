package secrets

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"sync"

	"k8s.io/apimachinery/pkg/types"

	"cpaas.dev/child-account-operator/internal/account"
)

// KnownPasswords remember in memory which password each account is known to have, so that nothing is read or asked for an
// account whose password did not change. No password is kept, only what tells it from others within this process; after a
// restart the connection Secrets remember. All methods may be called by several workers at once.
type KnownPasswords struct {
	key [sha256.Size]byte

	mu    sync.Mutex
	known map[types.UID]knownPassword
}

// knownPassword is the mark of the password that an account has.
type knownPassword struct{ account, mark string }

// NewKnownPasswords returns an empty KnownPasswords, whose marks tell nothing to anybody else.
func NewKnownPasswords() *KnownPasswords {
	k := &KnownPasswords{known: map[types.UID]knownPassword{}}
	_, _ = rand.Read(k.key[:]) // never fails (crypto/rand)
	return k
}

// Mark tells one password from another, within this process only.
func (k *KnownPasswords) Mark(password account.Secret) string {
	h := hmac.New(sha256.New, k.key[:])
	h.Write([]byte(password.Reveal()))
	return hex.EncodeToString(h.Sum(nil))
}

// Set notes that the resource's account has the password with this mark.
func (k *KnownPasswords) Set(uid types.UID, account, mark string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.known[uid] = knownPassword{account, mark}
}

// Has says whether the resource's account is known to have the password with this mark. An empty mark is no password's.
func (k *KnownPasswords) Has(uid types.UID, account, mark string) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	return mark != "" && k.known[uid] == knownPassword{account, mark}
}

// Remembers says whether a password of the resource's account is known.
func (k *KnownPasswords) Remembers(uid types.UID) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	_, known := k.known[uid]
	return known
}

// Forget drops what is known of a resource that is deleted, or of whose account it is not certain any more.
func (k *KnownPasswords) Forget(uid types.UID) {
	k.mu.Lock()
	defer k.mu.Unlock()
	delete(k.known, uid)
}
