package namespacecache

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// scope is a namespace, or the whole cluster. Its kinds are worked on together, once all of them can be read.
type scope struct {
	namespace string
	readers   []*reader

	// joined is set while all kinds can be read and the cache is open. It is written under the cache's lock.
	joined atomic.Bool
	// ever is set once it has joined, and exists as far as is known. The cache's lock guards it and what follows.
	ever bool
	// found is set once it was asked whether the namespace exists; missing is the answer where it does not.
	found   bool
	missing trouble
	// told is what was last logged, and when.
	told   Status
	toldAt time.Time
	// retry is closed, and recreated, when a kind could be read: the others may be too now.
	retry chan struct{}
}

func (s *scope) reader(k key) *reader {
	for _, r := range s.readers {
		if r.key == k {
			return r
		}
	}
	return nil
}

// refused says whether a kind is known not to be readable. The caller holds the lock.
func (s *scope) refused() bool {
	return slices.ContainsFunc(s.readers, func(r *reader) bool { return r.holdsUp() && refuses(r.trouble.err) })
}

// update changes something under the lock, draws the conclusions for all scopes, and tells of them.
func (c *Cache) update(change func()) {
	c.mu.Lock()
	change()
	var joined []*scope
	for _, s := range c.scopes {
		readable := c.open && !slices.ContainsFunc(s.readers, (*reader).holdsUp)
		if was := s.joined.Swap(readable); readable && !was {
			joined = append(joined, s)
		}
		s.ever = s.ever || readable && s.found && s.missing.err == nil
		c.tell(s)
	}
	close(c.changed)
	c.changed = make(chan struct{})
	handlers, joins := slices.Clone(c.handlers), slices.Clone(c.joins)
	c.mu.Unlock()
	for _, s := range joined {
		s.replay(handlers)
		for _, f := range joins {
			f(s.namespace)
		}
	}
}

// replay hands all objects of a scope to the handlers. Whatever they made of earlier events may have been left undone, as
// the scope could not be read.
func (s *scope) replay(handlers []*handler) {
	for _, h := range handlers {
		r := s.reader(h.key)
		if r.latest.Load() == nil {
			continue
		}
		for _, o := range r.latest.Load().informer.GetStore().List() {
			h.OnAdd(o, true)
		}
	}
}

// findEvery is after how long it is asked again whether a namespace exists.
const findEvery = 30 * time.Second

// keepFinding asks whether a namespace exists until ctx ends, as long as nothing is known to be in it. One that does not exist
// may well be readable: it is just empty, and whoever has mistyped its name would never know.
func (c *Cache) keepFinding(ctx context.Context, s *scope) {
	ticker := c.options.Clock.NewTicker(findEvery)
	defer ticker.Stop()
	for ctx.Err() == nil {
		var err error
		if s.empty() {
			asking, cancel := context.WithTimeout(ctx, findEvery)
			err = c.options.Find(asking, s.namespace)
			cancel()
		}
		if ctx.Err() != nil {
			return
		}
		c.update(func() {
			s.found = true
			if apierrors.IsNotFound(err) {
				s.missing.add(err, c.options.Clock.Now())
			} else {
				s.missing = trouble{}
			}
		})
		select {
		case <-ticker.C():
		case <-ctx.Done():
		}
	}
}

// empty says whether nothing is known to be in the scope.
func (s *scope) empty() bool {
	return !slices.ContainsFunc(s.readers, func(r *reader) bool {
		m := r.latest.Load()
		return m != nil && len(m.informer.GetStore().ListKeys()) > 0
	})
}

// NotSyncedError says that a namespace can't be read at present, so that nothing is known of an object: neither that it is
// there nor that it is not.
type NotSyncedError struct {
	// Namespace is "" for the whole cluster.
	Namespace string
	// Failed is set where a request has failed, not before the first answer.
	Failed bool
}

// Error implements error.
func (e *NotSyncedError) Error() string {
	if e.Namespace == metav1.NamespaceAll {
		return "the cluster can't be read at present"
	}
	return fmt.Sprintf("namespace %s can't be read at present", e.Namespace)
}

// IsNotSynced says whether an error is, or wraps, a *NotSyncedError.
func IsNotSynced(err error) bool {
	var e *NotSyncedError
	return errors.As(err, &e)
}

// IgnoreNotSynced is nil for a *NotSyncedError, and the error itself for any other: for those who are woken when the
// namespace joins.
func IgnoreNotSynced(err error) error {
	if IsNotSynced(err) {
		return nil
	}
	return err
}

func (c *objects) notSynced(s *scope) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return &NotSyncedError{Namespace: s.namespace, Failed: slices.ContainsFunc(s.readers, func(r *reader) bool { return r.trouble.err != nil })}
}
