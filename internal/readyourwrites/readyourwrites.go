// Package readyourwrites remembers what was last written to each object, so that nothing is done on an older state that a cache
// still has. It knows no kind, makes no call and reads no clock.
package readyourwrites

import (
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/resourceversion"
)

const (
	// Pause is how long an object waits for the cache to have what was last written to it.
	Pause = 50 * time.Millisecond
	// patience is after how long the cache is believed all the same: a restored cluster may count from below.
	patience = 10 * time.Second
)

// Writes remembers the last write to each object, by its UID. All methods may be called by several workers at once.
type Writes struct{ last sync.Map }

// write is the resource version that a write came back with.
type write struct {
	version string
	at      time.Time
}

// New returns an empty Writes.
func New() *Writes { return &Writes{} }

// Note remembers that the object was written, and has this resource version since.
func (w *Writes) Note(uid types.UID, resourceVersion string, now time.Time) {
	w.last.Store(uid, write{resourceVersion, now})
}

// Behind says whether the object, as a cache has it, is older than what was last written to it. What the cache has caught up with
// is not remembered any more.
func (w *Writes) Behind(uid types.UID, resourceVersion string, now time.Time) bool {
	v, ok := w.last.Load(uid)
	if !ok {
		return false
	}
	last := v.(write)
	order, err := resourceversion.CompareResourceVersion(resourceVersion, last.version)
	if err == nil && order < 0 && now.Sub(last.at) < patience {
		return true
	}
	w.last.CompareAndDelete(uid, last)
	return false
}

// Remembers says whether the cache has yet to catch up, as far as is known.
func (w *Writes) Remembers(uid types.UID) bool {
	_, ok := w.last.Load(uid)
	return ok
}

// Forget drops an object that is deleted.
func (w *Writes) Forget(uid types.UID) { w.last.Delete(uid) }
