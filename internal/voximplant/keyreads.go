package voximplant

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"cpaas.dev/child-account-operator/internal/account"
)

// keysTogetherFor is how long the first read of an API key waits for others to share its call.
const keysTogetherFor = 5 * time.Millisecond

// keyReads lets reads of API keys with the parent's own key share a call: where all connection Secrets of a parent were lost, one list
// shows the keys of a thousand accounts. It is safe for concurrent use: mu guards the call that reads can still join, and is not held
// during the call.
type keyReads struct {
	client *Client

	mu   sync.Mutex
	next *keyRead
}

// keyRead is one call, or several where the answer to one would be too large. Its ids are guarded by the lock of keyReads until it is
// made; keys and err by done.
type keyRead struct {
	ids  []string
	done chan struct{}
	keys map[string]account.Secret
	err  error
}

func newKeyReads(client *Client) *keyReads { return &keyReads{client: client} }

// read returns the API key of an account, "" where the answer has none.
func (r *keyReads) read(ctx context.Context, id string) (account.Secret, error) {
	shared := r.join(ctx, id)
	select {
	case <-shared.done:
		if key := shared.keys[id]; key != "" {
			return key, nil
		}
		return "", shared.err
	case <-ctx.Done():
		return "", ctx.Err()
	}
}

// join adds the account to the next call.
func (r *keyReads) join(ctx context.Context, id string) *keyRead {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.next == nil || len(r.next.ids) >= maxPage {
		shared := &keyRead{done: make(chan struct{})}
		r.next = shared
		// The call serves others too, so it must not end with the context of the first read.
		ctx := context.WithoutCancel(ctx)
		time.AfterFunc(keysTogetherFor, func() { r.run(ctx, shared) })
	}
	if !slices.Contains(r.next.ids, id) {
		r.next.ids = append(r.next.ids, id)
	}
	return r.next
}

// run makes the call.
func (r *keyReads) run(ctx context.Context, shared *keyRead) {
	r.mu.Lock()
	if r.next == shared {
		r.next = nil
	}
	ids := shared.ids
	r.mu.Unlock()
	defer close(shared.done)
	shared.keys = make(map[string]account.Secret, len(ids))
	shared.err = r.readKeys(ctx, ids, shared.keys)
}

// readKeys reads the keys of accounts into keys. Where the answer is too large, each half is read by itself.
func (r *keyReads) readKeys(ctx context.Context, ids []string, keys map[string]account.Secret) error {
	page, err := r.client.GetChildrenAccountsByKey(ctx, GetChildrenAccountsParams{IDs: ids})
	if _, cut := errors.AsType[*pageTooLarge](err); cut && len(ids) > 1 {
		half := len(ids) / 2
		if err := r.readKeys(ctx, ids[:half], keys); err != nil {
			return err
		}
		return r.readKeys(ctx, ids[half:], keys)
	}
	if err != nil {
		return err
	}
	for _, info := range page.Accounts {
		keys[info.ID] = info.APIKey
	}
	return nil
}
