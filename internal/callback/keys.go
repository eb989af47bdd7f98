package callback

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/clock"

	"cpaas.dev/child-account-operator/api/v1alpha1"
	"cpaas.dev/child-account-operator/internal/account"
	"cpaas.dev/child-account-operator/internal/secrets"
)

// Signing is what the callbacks of an account are signed with: its callback salt and its API key.
type Signing struct{ Salt, APIKey account.Secret }

// Keys reads what the callbacks of accounts are signed with. A *secrets.Problem says what is missing; any other error may pass by itself.
type Keys interface {
	// OfChild is for the account of a child under a parent, whose account has the id parentAccountID.
	OfChild(ctx context.Context, parent *v1alpha1.ParentAccount, parentAccountID string, child *v1alpha1.ChildAccount) (Signing, error)
	// OfParent is for the parent's own account.
	OfParent(ctx context.Context, parent *v1alpha1.ParentAccount) (Signing, error)
}

// SecretKeys reads them from Secrets: salts from labelled ones, which the cache has, the API key of a child from its connection Secret, by
// one request.
type SecretKeys struct {
	Inputs      secrets.Reader
	Connections secrets.Store
}

// OfChild implements Keys: the salt is the child's, or the parent's where the child declares none.
func (k SecretKeys) OfChild(ctx context.Context, parent *v1alpha1.ParentAccount, parentAccountID string, child *v1alpha1.ChildAccount) (Signing, error) {
	salt, err := k.saltOfChild(ctx, parent, child)
	if err != nil {
		return Signing{}, err
	}
	secret := child.ConnectionSecretName()
	held, err := k.Connections.Read(ctx, secrets.Connection{
		Namespace: child.Namespace, Name: secret, Resource: "ChildAccount/" + child.Name, Account: parentAccountID + "/" + child.AccountName(),
	})
	switch {
	case err != nil:
		return Signing{}, err
	case held[secrets.KeyAPIKey] == "" || held[secrets.KeyAccountID].Reveal() != child.Status.AccountID:
		return Signing{}, missing("Secret %s has no API key of the account", secret)
	}
	return Signing{salt, held[secrets.KeyAPIKey]}, nil
}

// OfParent implements Keys.
func (k SecretKeys) OfParent(ctx context.Context, parent *v1alpha1.ParentAccount) (Signing, error) {
	salt, err := k.saltOfParent(ctx, parent)
	if err != nil {
		return Signing{}, err
	}
	name, key, ok := parent.APIKeySecret()
	if !ok { // the salt may be elsewhere
		return Signing{}, missing("ParentAccount %s names no Secret with an API key", parent.Name)
	}
	apiKey, err := k.Inputs.APIKey(ctx, parent.Namespace, name, key)
	return Signing{salt, apiKey}, err
}

func (k SecretKeys) saltOfChild(ctx context.Context, parent *v1alpha1.ParentAccount, child *v1alpha1.ChildAccount) (account.Secret, error) {
	if name, key, ok := child.CallbackSaltSecret(); ok {
		return k.salt(ctx, child.Namespace, name, key)
	}
	return k.saltOfParent(ctx, parent)
}

// saltOfParent is the salt that the ParentAccount declares for its own account, or else what is beside the parent's API key.
func (k SecretKeys) saltOfParent(ctx context.Context, parent *v1alpha1.ParentAccount) (account.Secret, error) {
	if name, key, ok := parent.Spec.Account.CallbackSaltSecret(); ok {
		return k.salt(ctx, parent.Namespace, name, key)
	}
	name, _, ok := parent.APIKeySecret()
	if !ok {
		return "", missing("ParentAccount %s names no Secret with a callback salt", parent.Name)
	}
	return k.salt(ctx, parent.Namespace, name, v1alpha1.DefaultParentCallbackSaltKey)
}

// salt is what is under a key of an input Secret, without the line break that an editor leaves at its end.
func (k SecretKeys) salt(ctx context.Context, namespace, name, key string) (account.Secret, error) {
	salt, err := k.Inputs.Input(ctx, namespace, name, key)
	return account.Secret(strings.TrimSuffix(strings.TrimSuffix(string(salt), "\n"), "\r")), err
}

func missing(format string, args ...any) error {
	return &secrets.Problem{Reason: v1alpha1.ReasonSecretMissing, Message: fmt.Sprintf(format, args...)}
}

const (
	// keptFor is for how long what signs an account's callbacks is remembered, or that it could not be read.
	keptFor = time.Minute
	// readTimeout bounds a read.
	readTimeout = 5 * time.Second
)

// readsPerSecond bounds the reads for all accounts: whoever knows many ids may send callbacks of each of them.
var readsPerSecond = rate{burst: 100, every: 50 * time.Millisecond}

// errTooManyReads says that nothing is read at present.
var errTooManyReads = errors.New("too many accounts' Secrets were read within the last seconds")

// keyring remembers what signs the callbacks of accounts, by their resource. It is safe for concurrent use. What is remembered is dropped
// after a minute at the latest, or with the next read after that.
type keyring struct {
	clock clock.PassiveClock

	mu    sync.Mutex
	known map[types.UID]*keyringEntry
	reads bucket
	swept time.Time
}

type keyringEntry struct {
	until time.Time
	// read is closed once the rest is known.
	read    chan struct{}
	signing Signing
	err     error
}

func newKeyring(c clock.PassiveClock) *keyring {
	return &keyring{clock: c, known: map[types.UID]*keyringEntry{}}
}

// get returns what signs the callbacks of a resource's account. It is read at most once a minute, by one of those who ask.
func (k *keyring) get(ctx context.Context, uid types.UID, read func(context.Context) (Signing, error)) (Signing, error) {
	entry, first := k.entry(uid)
	if entry == nil {
		return Signing{}, errTooManyReads
	}
	if first {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), readTimeout) // others wait for it too
		defer cancel()
		func() {
			defer close(entry.read)
			entry.signing, entry.err = read(ctx)
		}()
	}
	select {
	case <-entry.read:
		return entry.signing, entry.err
	case <-ctx.Done():
		return Signing{}, ctx.Err()
	}
}

// entry is what is known of a resource, or to be read, which is for the first to do; nil where no more may be read now.
func (k *keyring) entry(uid types.UID) (entry *keyringEntry, first bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	now := k.clock.Now()
	if now.Sub(k.swept) >= keptFor {
		k.swept = now
		for uid, e := range k.known {
			if !now.Before(e.until) {
				delete(k.known, uid)
			}
		}
	}
	if e := k.known[uid]; e != nil && now.Before(e.until) {
		return e, false
	}
	if !k.reads.take(now, readsPerSecond) {
		return nil, false
	}
	entry = &keyringEntry{until: now.Add(keptFor), read: make(chan struct{})}
	k.known[uid] = entry
	return entry, true
}
