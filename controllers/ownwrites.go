package controllers

import (
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/resourceversion"
	"k8s.io/utils/clock"

	"cpaas.dev/child-account-operator/api/v1alpha1"
)

const (
	// cachePause is how long a resource waits for the cache to show what was last written to it.
	cachePause = 50 * time.Millisecond
	// cachePatience is after how long the cache is believed all the same: a restored cluster may count from below.
	cachePatience = 10 * time.Second
)

// ownWrites remember what was last written to each resource, so that nothing is done on an older state from the cache.
type ownWrites struct{ m sync.Map }

type ownWrite struct {
	version string
	at      time.Time
}

// note remembers that the resource was written, and has the version that came back.
func (o *ownWrites) note(child *v1alpha1.ChildAccount, c clock.PassiveClock) {
	o.m.Store(child.UID, ownWrite{child.ResourceVersion, c.Now()})
}

// unseen says whether the resource, as the cache has it, is older than what was last written to it.
func (o *ownWrites) unseen(child *v1alpha1.ChildAccount, c clock.PassiveClock) bool {
	v, ok := o.m.Load(child.UID)
	if !ok {
		return false
	}
	last := v.(ownWrite)
	order, err := resourceversion.CompareResourceVersion(child.ResourceVersion, last.version)
	if err == nil && order < 0 && c.Since(last.at) < cachePatience {
		return true
	}
	o.m.CompareAndDelete(child.UID, last) // seen: nothing to remember
	return false
}

func (o *ownWrites) forget(uid types.UID) { o.m.Delete(uid) }
