// Package namespacecache is a cache of Kubernetes objects that reads each namespace, and each kind, by itself: what can't be
// read holds up nothing else, is retried within bounds, is reported, and joins when it can be read. A namespace that can't be
// read is never taken for an empty one.
package namespacecache

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/go-logr/logr"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/rest"
	toolscache "k8s.io/client-go/tools/cache"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/apiutil"
)

// Kind is a kind of objects to cache.
type Kind struct {
	// Object is an example. A *metav1.PartialObjectMetadata with its GroupVersionKind set has only the metadata cached.
	Object client.Object
	// Name is the kind's name in messages and metrics: "childaccounts".
	Name string
	// Label selects the objects; nil selects all.
	Label labels.Selector
	// Transform changes each object before it is stored; nil changes nothing.
	Transform toolscache.TransformFunc
	// Optional kinds hold up nothing else of their namespace. While one can't be read, the log says so, and its own objects can't be got or listed.
	Optional bool
}

// Options say what is cached, and who is told of it.
type Options struct {
	// Namespaces are the namespaces to read, each by itself. Nil reads the whole cluster at once.
	Namespaces []string
	// Kinds are the kinds to read in each.
	Kinds []Kind
	// Find returns a NotFound error if a namespace does not exist; other errors say nothing. It is asked about a namespace that
	// can be read and has none of the kinds. Nil asks nobody.
	Find func(ctx context.Context, namespace string) error
	// Requested is told of each list and watch request: where, of which kind, and how it was answered; nil tells nobody.
	Requested func(namespace, kind string, err error)
	// Advice says what to do where kinds can't be read for a reason, for the log; "" says nothing, and nil does so always.
	Advice func(kinds []string, reason string) string
	// Log is told when what can be read changes.
	Log logr.Logger
	// Clock is the time; nil is the real one.
	Clock clock.WithTicker
	// Stop ends every wait.
	Stop <-chan struct{}
}

// startPatience is how long a start waits for a namespace that neither answers nor refuses, while another one can be read.
const startPatience = 10 * time.Second

// Cache implements cache.Cache over all namespaces. Reads never block and make no request.
//
//   - Get, and List in one namespace, fail with a *NotSyncedError while the namespace can't be read.
//   - List over all namespaces returns what is known of each: of a namespace that can't be read any more what it last had, of
//     one that was never read nothing. Complete tells whether there is such a one.
//   - Event handlers get all objects of a namespace whenever it joins, and what was deleted meanwhile as deleted.
type Cache struct {
	objects

	options Options
	config  *rest.Config

	indexes  map[key][]index
	handlers []*handler
	joins    []func(namespace string)
	// open is set once what is read may be worked on.
	open bool
	// running is when Start was called, zero before that; passed is set once WaitForCacheSync let the start continue.
	running time.Time
	passed  bool
	stopped bool
	// changed is closed, and recreated, whenever a scope's state changes.
	changed chan struct{}
}

var _ cache.Cache = (*Cache)(nil)

// objects finds where the objects of a namespace and a kind are kept.
type objects struct {
	base   cache.Options
	scopes []*scope
	// whole is set where the one scope is the whole cluster.
	whole bool
	// mu guards what changes, here and in the Cache.
	mu sync.Mutex
}

// key tells kinds apart: an object and its metadata are cached separately.
type key struct {
	schema.GroupVersionKind
	metadata bool
}

// index is one of IndexField.
type index struct {
	object  client.Object
	field   string
	extract client.IndexerFunc
}

// New makes a cache. It makes no request before Start. Of the controller-runtime options it takes the HTTP client, the scheme
// and the mapper, which must all be set.
func New(config *rest.Config, base cache.Options, o Options) (*Cache, error) {
	switch {
	case base.HTTPClient == nil || base.Scheme == nil || base.Mapper == nil:
		return nil, errors.New("the HTTP client, the scheme and the mapper must be given")
	case o.Namespaces != nil && len(o.Namespaces) == 0, len(o.Kinds) == 0:
		return nil, errors.New("there must be a namespace and a kind to cache")
	}
	if o.Clock == nil {
		o.Clock = clock.RealClock{}
	}
	if o.Requested == nil {
		o.Requested = func(string, string, error) {}
	}
	c := &Cache{objects: objects{base: base, whole: o.Namespaces == nil}, options: o, config: config, indexes: map[key][]index{}, changed: make(chan struct{})}
	namespaces := slices.Compact(slices.Sorted(slices.Values(o.Namespaces)))
	if o.Namespaces == nil {
		namespaces = []string{metav1.NamespaceAll}
	}
	for _, namespace := range namespaces {
		s := &scope{namespace: namespace, retry: make(chan struct{}), found: o.Find == nil || namespace == metav1.NamespaceAll}
		for _, kind := range o.Kinds {
			k, err := c.keyOf(kind.Object)
			if err != nil {
				return nil, err
			}
			s.readers = append(s.readers, &reader{c: c, scope: s, kind: kind, key: k})
		}
		c.scopes = append(c.scopes, s)
	}
	return c, nil
}

func (c *objects) keyOf(o runtime.Object) (key, error) {
	gvk, err := apiutil.GVKForObject(o, c.base.Scheme)
	if err != nil {
		return key{}, err
	}
	gvk.Kind = strings.TrimSuffix(gvk.Kind, "List")
	switch o.(type) {
	case *metav1.PartialObjectMetadata, *metav1.PartialObjectMetadataList:
		return key{gvk, true}, nil
	}
	return key{gvk, false}, nil
}

// Open lets what was read be worked on. Before that nothing counts as synced.
func (c *Cache) Open() {
	c.update(func() { c.open = true })
}

// OnJoin has a function called whenever a namespace joins: when it can be read for the first time, and again after it could
// not. "" is the whole cluster.
func (c *Cache) OnJoin(f func(namespace string)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.joins = append(c.joins, f)
}

// Start reads until ctx ends.
func (c *Cache) Start(ctx context.Context) error {
	c.mu.Lock()
	if !c.running.IsZero() {
		c.mu.Unlock()
		return errors.New("the cache was started before")
	}
	c.running = c.options.Clock.Now()
	c.mu.Unlock()
	var all sync.WaitGroup
	for _, s := range c.scopes {
		for _, r := range s.readers {
			all.Go(func() { r.run(ctx) })
		}
		if c.options.Find != nil && s.namespace != metav1.NamespaceAll {
			all.Go(func() { c.keepFinding(ctx, s) })
		}
	}
	all.Wait()
	c.mu.Lock()
	defer c.mu.Unlock()
	c.stopped = true
	return nil
}

// WaitForCacheSync waits until there is something to work on: the cache is open, and all namespaces can be read; or some can
// be, and the others refused or have had startPatience. It returns true as well when Options.Stop ends it: the manager's start
// continues then to stop in good order, while it would never leave a wait that fails.
func (c *Cache) WaitForCacheSync(ctx context.Context) bool {
	patience := c.options.Clock.NewTimer(startPatience)
	defer patience.Stop()
	for {
		c.mu.Lock()
		ready, changed := c.mayStart(), c.changed
		c.mu.Unlock()
		if ready {
			return true
		}
		select {
		case <-changed:
		case <-patience.C():
		case <-c.options.Stop:
			return true
		case <-ctx.Done():
			return false
		}
	}
}

// mayStart says whether there is something to work on, or ever was. The caller holds the lock.
func (c *Cache) mayStart() bool {
	if c.passed {
		return true
	}
	if c.running.IsZero() {
		return false
	}
	late := c.options.Clock.Since(c.running) >= startPatience
	some := slices.ContainsFunc(c.scopes, func(s *scope) bool { return s.joined.Load() })
	settled := !slices.ContainsFunc(c.scopes, func(s *scope) bool { return !s.joined.Load() && !s.refused() && !late })
	c.passed = some && settled
	return c.passed
}

// Synced says whether a namespace can be read at present. "" asks for all of them.
func (c *objects) Synced(namespace string) bool {
	if namespace == metav1.NamespaceAll {
		return !slices.ContainsFunc(c.scopes, func(s *scope) bool { return !s.joined.Load() })
	}
	s := c.scopeOf(namespace)
	return s != nil && s.joined.Load()
}

// Complete says whether List over all namespaces returns objects of this kind from each: false while one was never read.
func (c *objects) Complete(kind client.Object) bool {
	k, err := c.keyOf(kind)
	return err == nil && !slices.ContainsFunc(c.scopes, func(s *scope) bool {
		r := s.reader(k)
		return r == nil || r.latest.Load() == nil
	})
}

// scopeOf is where a namespace is read; nil where it is not.
func (c *objects) scopeOf(namespace string) *scope {
	if c.whole {
		return c.scopes[0]
	}
	for _, s := range c.scopes {
		if s.namespace == namespace {
			return s
		}
	}
	return nil
}

// Get implements client.Reader.
func (c *Cache) Get(ctx context.Context, name client.ObjectKey, o client.Object, opts ...client.GetOption) error {
	reading, err := c.in(name.Namespace, o)
	if err != nil {
		return err
	}
	return reading.Get(ctx, name, o, opts...)
}

// List implements client.Reader.
func (c *Cache) List(ctx context.Context, list client.ObjectList, opts ...client.ListOption) error {
	o := client.ListOptions{}
	o.ApplyOptions(opts)
	if o.Namespace == metav1.NamespaceAll {
		return c.listAll(ctx, list, o)
	}
	reading, err := c.in(o.Namespace, list)
	if err != nil {
		return err
	}
	return reading.List(ctx, list, opts...)
}

// in is what a kind's objects of one namespace are read from.
func (c *objects) in(namespace string, o runtime.Object) (client.Reader, error) {
	k, err := c.keyOf(o)
	if err != nil {
		return nil, err
	}
	s := c.scopeOf(namespace)
	if s == nil {
		return nil, fmt.Errorf("namespace %q is not one of those that are cached", namespace)
	}
	r := s.reader(k)
	if r == nil {
		return nil, &cache.ErrResourceNotCached{GVK: k.GroupVersionKind}
	}
	m := r.latest.Load()
	if !s.joined.Load() || m == nil {
		return nil, c.notSynced(s)
	}
	return m.cache, nil
}

// IndexField implements client.FieldIndexer; call it before Start.
func (c *Cache) IndexField(_ context.Context, o client.Object, field string, extract client.IndexerFunc) error {
	k, err := c.cached(o)
	if err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.running.IsZero() {
		return errors.New("an index can't be added to a cache that was started")
	}
	c.indexes[k] = append(c.indexes[k], index{o, field, extract})
	return nil
}

// cached is the key of a kind that is cached.
func (c *objects) cached(o runtime.Object) (key, error) {
	k, err := c.keyOf(o)
	if err == nil && c.scopes[0].reader(k) == nil {
		err = &cache.ErrResourceNotCached{GVK: k.GroupVersionKind}
	}
	return k, err
}

// GetInformer implements cache.Informers. It does not wait.
func (c *Cache) GetInformer(_ context.Context, o client.Object, _ ...cache.InformerGetOption) (cache.Informer, error) {
	k, err := c.cached(o)
	if err != nil {
		return nil, err
	}
	return &informer{c: c, key: k}, nil
}

// GetInformerForKind implements cache.Informers. It does not wait.
func (c *Cache) GetInformerForKind(_ context.Context, gvk schema.GroupVersionKind, _ ...cache.InformerGetOption) (cache.Informer, error) {
	k := key{gvk, false}
	if c.scopes[0].reader(k) == nil {
		return nil, &cache.ErrResourceNotCached{GVK: gvk}
	}
	return &informer{c: c, key: k}, nil
}

// RemoveInformer implements cache.Informers: the kinds are fixed.
func (c *Cache) RemoveInformer(context.Context, client.Object) error {
	return errors.New("the kinds of this cache are fixed")
}
