package attempts

import (
	"cmp"
	"slices"
	"sync"

	"k8s.io/apimachinery/pkg/types"
)

// Awaited is an account that other accounts are to be cloned from: its name, among the child accounts of a parent account.
type Awaited struct{ ParentAccountID, AccountName string }

// Waiters remembers which resources wait for an account that they can't do without, each for one. All methods may be called by several workers at
// once. The zero value has none.
type Waiters struct {
	mu sync.Mutex
	of map[types.UID]*waiter
	by index[Awaited]
}

type waiter struct {
	key     types.NamespacedName
	account Awaited
	woken   bool
}

// Wait notes that a resource waits for an account. It says whether the resource was woken since it noted that before: what it was woken for may
// not be in the cache yet.
func (w *Waiters) Wait(uid types.UID, key types.NamespacedName, account Awaited) (woken bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if before := w.of[uid]; before != nil && before.account == account {
		woken, before.woken = before.woken, false
		return woken
	}
	w.forget(uid)
	if w.of == nil {
		w.of, w.by = map[types.UID]*waiter{}, index[Awaited]{}
	}
	w.of[uid] = &waiter{key: key, account: account}
	w.by.add(account, uid)
	return false
}

// Wake returns those that wait for an account, in the order of their names. They are woken.
func (w *Waiters) Wake(account Awaited) (keys []types.NamespacedName) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for uid := range w.by[account] {
		waits := w.of[uid]
		waits.woken = true
		keys = append(keys, waits.key)
	}
	slices.SortFunc(keys, func(a, b types.NamespacedName) int { return cmp.Compare(a.String(), b.String()) })
	return keys
}

// Remembers says whether a resource waits for an account.
func (w *Waiters) Remembers(uid types.UID) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.of[uid] != nil
}

// Forget has a resource wait for nothing.
func (w *Waiters) Forget(uid types.UID) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.forget(uid)
}

// forget is Forget. The caller holds the lock.
func (w *Waiters) forget(uid types.UID) {
	waits := w.of[uid]
	if waits == nil {
		return
	}
	delete(w.of, uid)
	w.by.remove(waits.account, uid)
}
