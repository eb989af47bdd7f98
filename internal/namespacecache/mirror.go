package namespacecache

import (
	"context"
	"errors"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/runtime"
	utilnet "k8s.io/apimachinery/pkg/util/net"
	"k8s.io/apimachinery/pkg/watch"
	toolscache "k8s.io/client-go/tools/cache"
	"k8s.io/utils/clock"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/cache"
)

// mirror is a copy of a kind's objects in a scope, from its first list on until it is stopped or the kind is lost.
type mirror struct {
	reader   *reader
	cache    cache.Cache
	informer toolscache.SharedIndexInformer
	cancel   context.CancelFunc
	ended    chan struct{}
	// failed gets the failure that ends it: the first one before it is complete, then one that it does not get over by itself.
	failed chan error
	// refusedSince is when the refusals in a row began; the cache's lock guards it.
	refusedSince time.Time
}

// mirror begins a new one.
func (r *reader) mirror(ctx context.Context) (*mirror, error) {
	m := &mirror{reader: r, ended: make(chan struct{}), failed: make(chan error, 1)}
	var err error
	if m.cache, err = cache.New(r.c.config, m.options()); err != nil {
		return nil, err
	}
	for _, i := range r.c.indexes[r.key] { // fixed since the start
		if err := m.cache.IndexField(ctx, i.object, i.field, i.extract); err != nil {
			return nil, err
		}
	}
	if _, err := m.cache.GetInformer(ctx, r.kind.Object, cache.BlockUntilSynced(false)); err != nil {
		return nil, err
	}
	ctx, m.cancel = context.WithCancel(ctx)
	go func() {
		defer close(m.ended)
		_ = m.cache.Start(ctx) // it fails only when started twice
	}()
	return m, nil
}

func (m *mirror) options() cache.Options {
	r, base := m.reader, m.reader.c.base
	o := cache.Options{
		HTTPClient: base.HTTPClient, Scheme: base.Scheme, Mapper: base.Mapper,
		ReaderFailOnMissingInformer: true,
		DefaultLabelSelector:        r.kind.Label,
		DefaultTransform:            r.kind.Transform,
		DefaultWatchErrorHandler:    m.interrupted,
		NewInformer: func(lw toolscache.ListerWatcher, o runtime.Object, resync time.Duration, indexers toolscache.Indexers) toolscache.SharedIndexInformer {
			m.informer = toolscache.NewSharedIndexInformer(m.observed(lw), o, resync, indexers)
			return m.informer
		},
	}
	if r.scope.namespace != metav1.NamespaceAll {
		// By this the cache asks for the namespace alone. Its DefaultNamespaces do so too, but leave a goroutine behind for
		// every cache that never synced.
		o.DefaultFieldSelector = fields.OneTermEqualSelector("metadata.namespace", r.scope.namespace)
	}
	return o
}

// watchDivisor is how many times shorter a watch is than a reflector asks for, which is five to ten minutes. The Kubernetes
// API asks for rights only when a watch begins: so it takes two minutes at most until it is known that they are gone.
const watchDivisor = 5

// observed notes how requests are answered.
func (m *mirror) observed(lw toolscache.ListerWatcher) toolscache.ListerWatcher {
	asked := toolscache.ToListerWatcherWithContext(lw)
	return &toolscache.ListWatch{
		ListWithContextFunc: func(ctx context.Context, o metav1.ListOptions) (runtime.Object, error) {
			list, err := asked.ListWithContext(ctx, o)
			m.answered(ctx, err)
			return list, err
		},
		WatchFuncWithContext: func(ctx context.Context, o metav1.ListOptions) (watch.Interface, error) {
			if o.TimeoutSeconds != nil {
				o.TimeoutSeconds = ptr.To(*o.TimeoutSeconds / watchDivisor)
			}
			w, err := asked.WatchWithContext(ctx, o)
			if err != nil && o.SendInitialEvents != nil {
				m.requested(ctx, err) // what counts is the list that the reflector tries next
				return nil, impatient(err)
			}
			m.answered(ctx, err)
			return w, err
		},
	}
}

// impatient hides from a reflector that it might wait and try the same again: it would do so for up to a minute without
// noticing that it is told to stop.
func impatient(err error) error {
	if utilnet.IsConnectionRefused(err) || apierrors.IsTooManyRequests(err) {
		return errors.New(err.Error())
	}
	return err
}

// requested tells of a request, unless it was ended by us.
func (m *mirror) requested(ctx context.Context, err error) (ours bool) {
	if ctx.Err() != nil {
		return false
	}
	m.reader.c.options.Requested(m.reader.scope.namespace, m.reader.kind.Name, err)
	return true
}

// answered draws the conclusions from how a request was answered.
func (m *mirror) answered(ctx context.Context, err error) {
	if !m.requested(ctx, err) {
		return
	}
	if apierrors.IsResourceExpired(err) || apierrors.IsGone(err) { // the reflector lists again
		err = nil
	}
	switch {
	case !m.informer.HasSynced() && err != nil:
		m.fail(err)
	case m.informer.HasSynced():
		if m.reader.noted(m, err) {
			m.fail(err)
		}
	}
}

// noted notes how a request of a complete mirror was answered, and says whether its kind is lost.
func (r *reader) noted(m *mirror, err error) (lost bool) {
	r.c.mu.Lock()
	nothing := err == nil && r.trouble.err == nil
	r.c.mu.Unlock()
	if nothing {
		return false
	}
	now := r.c.options.Clock.Now()
	r.c.update(func() {
		switch {
		case err == nil:
			r.trouble, m.refusedSince = trouble{}, time.Time{}
			return
		case !refuses(err):
			m.refusedSince = time.Time{}
		case m.refusedSince.IsZero():
			m.refusedSince = now
		default:
			lost = now.Sub(m.refusedSince) >= lostAfter
		}
		r.trouble.add(err, now)
	})
	return lost
}

// interrupted is told whenever a reflector gives up for the moment: because of a failure that is known by now, or of an answer
// that it can't use.
func (m *mirror) interrupted(ctx context.Context, _ *toolscache.Reflector, err error) {
	if ctx.Err() != nil {
		return
	}
	r := m.reader
	r.c.options.Log.V(1).Info("reading is interrupted", "namespace", r.scope.namespace, "kind", r.kind.Name, "cause", err.Error())
	if !m.informer.HasSynced() {
		m.fail(err)
	}
}

func (m *mirror) fail(err error) {
	select {
	case m.failed <- err:
	default: // the first one counts
	}
}

// awaitSync waits until the mirror is complete.
func (m *mirror) awaitSync(ctx context.Context, c clock.WithTicker) error {
	timeout := c.NewTimer(syncTimeout)
	defer timeout.Stop()
	select {
	case <-m.informer.HasSyncedChecker().Done():
		return nil
	case err := <-m.failed:
		return err
	case <-timeout.C():
		return errNoAnswer
	case <-ctx.Done():
		return ctx.Err()
	}
}

// stop ends the mirror; what it has can still be read. An informer that does not listen at once is not waited for.
func (m *mirror) stop(c clock.WithTicker) {
	m.cancel()
	patience := c.NewTimer(stopPatience)
	defer patience.Stop()
	select {
	case <-m.ended:
	case <-patience.C():
	}
}

// without are the objects that a mirror, nil for an empty one, has and another one has not, or has anew under the same name.
func (m *mirror) without(other *mirror) []any {
	if m == nil {
		return nil
	}
	var out []any
	for _, name := range m.informer.GetStore().ListKeys() {
		mine, _, _ := m.informer.GetStore().GetByKey(name) // a store in memory does not fail
		others, there, _ := other.informer.GetStore().GetByKey(name)
		if !there || uidOf(mine) != uidOf(others) {
			out = append(out, mine)
		}
	}
	return out
}

func uidOf(o any) string {
	accessor, err := meta.Accessor(o)
	if err != nil {
		return ""
	}
	return string(accessor.GetUID())
}
