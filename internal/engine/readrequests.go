package engine

import (
	"context"
	"sync"

	"k8s.io/apimachinery/pkg/types"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// readRequests are the resources whose accounts are to be read although nothing of the resources changed. A request that is made while the
// account is being read is answered by another read. It is safe for concurrent use.
type readRequests struct {
	mu   sync.Mutex
	last uint64
	open map[types.UID]uint64
}

func newReadRequests() *readRequests { return &readRequests{open: map[types.UID]uint64{}} }

// add requests a read.
func (q *readRequests) add(uid types.UID) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.last++
	q.open[uid] = q.last
}

// of is the open request of a resource, 0 for none.
func (q *readRequests) of(uid types.UID) uint64 {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.open[uid]
}

// wants says whether the resource's account is to be read: somebody asks for it by an annotation, or by add. The read that this reconcile
// makes answers what was added by now.
func (q *readRequests) wants(s *scope) bool {
	if !s.read {
		s.readRequest = q.of(s.uid())
	}
	return readRequested(s) || s.readRequest > 0
}

// done ends a request, and no later one.
func (q *readRequests) done(uid types.UID, request uint64) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.open[uid] == request {
		delete(q.open, uid)
	}
}

// forget drops what is remembered of a resource.
func (q *readRequests) forget(uid types.UID) {
	q.mu.Lock()
	defer q.mu.Unlock()
	delete(q.open, uid)
}

// OwnerOf is the resource of a parent that the account with a name and an id belongs to, as the cache has it; nil where there is none, or where
// the resource only observes the account, is released or may not use the parent. It must not be changed.
func OwnerOf(ctx context.Context, e *Engine, parent types.NamespacedName, accountName, accountID string) (Managed, error) {
	named, err := e.Kind.Named(ctx, accountName)
	for _, m := range named {
		if st := m.Status(); m.Declaration().Parent == parent && st.AccountID == accountID && st.Origin != "" && !isReleased(m.Object()) && e.Parents.Usable(ctx, m) {
			return m, nil
		}
	}
	return nil, err
}

// ReadNow has the account of a resource read in its next reconcile, which comes at once: something is known to have happened to the account.
func ReadNow(e *Engine, o client.Object) {
	e.readRequests.add(o.GetUID())
	e.Wake(ctrl.Request{NamespacedName: client.ObjectKeyFromObject(o)}, true)
}
