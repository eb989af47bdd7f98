package namespacecache

import (
	"errors"
	"slices"
	"time"

	toolscache "k8s.io/client-go/tools/cache"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/cache"
)

// informer implements cache.Informer for one kind of all scopes.
type informer struct {
	c   *Cache
	key key
}

var _ cache.Informer = (*informer)(nil)

// handler is an event handler of one kind, with its registrations.
type handler struct {
	toolscache.ResourceEventHandler

	c       *Cache
	key     key
	options toolscache.HandlerOptions
	// registered are the registrations with the mirrors that are kept up to date; the cache's lock guards them.
	registered map[*reader]toolscache.ResourceEventHandlerRegistration
}

// attach registers the handler with the reader's mirror, which hands it all objects. The caller holds the lock.
func (h *handler) attach(r *reader) {
	m := r.latest.Load()
	registration, err := m.informer.AddEventHandlerWithOptions(h.ResourceEventHandler, h.options)
	if err != nil { // it was stopped meanwhile: the next one takes its place
		delete(h.registered, r)
		return
	}
	h.registered[r] = registration
}

// AddEventHandler implements cache.Informer.
func (i *informer) AddEventHandler(h toolscache.ResourceEventHandler) (toolscache.ResourceEventHandlerRegistration, error) {
	return i.AddEventHandlerWithOptions(h, toolscache.HandlerOptions{})
}

// AddEventHandlerWithResyncPeriod implements cache.Informer.
func (i *informer) AddEventHandlerWithResyncPeriod(h toolscache.ResourceEventHandler, period time.Duration) (toolscache.ResourceEventHandlerRegistration, error) {
	return i.AddEventHandlerWithOptions(h, toolscache.HandlerOptions{ResyncPeriod: ptr.To(period)})
}

// AddEventHandlerWithOptions implements cache.Informer.
func (i *informer) AddEventHandlerWithOptions(h toolscache.ResourceEventHandler, options toolscache.HandlerOptions) (toolscache.ResourceEventHandlerRegistration, error) {
	i.c.mu.Lock()
	defer i.c.mu.Unlock()
	added := &handler{
		ResourceEventHandler: h, c: i.c, key: i.key, options: options,
		registered: map[*reader]toolscache.ResourceEventHandlerRegistration{},
	}
	for _, s := range i.c.scopes {
		if r := s.reader(i.key); r.synced {
			added.attach(r)
		}
	}
	i.c.handlers = append(i.c.handlers, added)
	return added, nil
}

// RemoveEventHandler implements cache.Informer.
func (i *informer) RemoveEventHandler(registration toolscache.ResourceEventHandlerRegistration) error {
	h, ok := registration.(*handler)
	if !ok {
		return errors.New("the handler was not added to this cache")
	}
	i.c.mu.Lock()
	defer i.c.mu.Unlock()
	i.c.handlers = slices.DeleteFunc(i.c.handlers, func(other *handler) bool { return other == h })
	var err error
	for r, registered := range h.registered {
		err = errors.Join(err, r.latest.Load().informer.RemoveEventHandler(registered))
	}
	clear(h.registered)
	return err
}

// AddIndexers implements cache.Informer: indexes are added by the cache's IndexField.
func (i *informer) AddIndexers(toolscache.Indexers) error {
	return errors.New("add the index to the cache, before it starts")
}

// HasSynced implements cache.Informer: all scopes can be read.
func (i *informer) HasSynced() bool {
	i.c.mu.Lock()
	defer i.c.mu.Unlock()
	return !slices.ContainsFunc(i.c.scopes, func(s *scope) bool { return !s.reader(i.key).synced })
}

// HasSyncedChecker implements cache.Informer.
func (i *informer) HasSyncedChecker() toolscache.DoneChecker {
	return &checker{name: i.key.String(), c: i.c, is: i.HasSynced}
}

// IsStopped implements cache.Informer.
func (i *informer) IsStopped() bool {
	i.c.mu.Lock()
	defer i.c.mu.Unlock()
	return i.c.stopped
}

// HasSynced implements toolscache.ResourceEventHandlerRegistration: the handler was given all objects that are read at
// present. What can't be read is not waited for.
func (h *handler) HasSynced() bool {
	h.c.mu.Lock()
	defer h.c.mu.Unlock()
	for r, registration := range h.registered {
		if r.synced && !registration.HasSynced() {
			return false
		}
	}
	return true
}

// HasSyncedChecker implements toolscache.ResourceEventHandlerRegistration.
func (h *handler) HasSyncedChecker() toolscache.DoneChecker {
	return &checker{name: h.key.String(), c: h.c, is: h.HasSynced}
}

// checker implements toolscache.DoneChecker.
type checker struct {
	name string
	c    *Cache
	is   func() bool
}

// Name implements toolscache.DoneChecker.
func (d *checker) Name() string { return d.name }

// Done implements toolscache.DoneChecker.
func (d *checker) Done() <-chan struct{} {
	done := make(chan struct{})
	go func() {
		ticker := d.c.options.Clock.NewTicker(checkEvery)
		defer ticker.Stop()
		for !d.is() {
			select {
			case <-ticker.C():
			case <-d.c.options.Stop:
				return
			}
		}
		close(done)
	}()
	return done
}

// checkEvery is how often a checker looks, as client-go does.
const checkEvery = 100 * time.Millisecond
