package attempts

import (
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/types"
)

// Refusals remembers the resources whose status the Kubernetes API refuses to store, by their UID: nothing else can. All methods may be
// called by several workers at once.
type Refusals struct {
	mu      sync.Mutex
	refused map[types.UID]refusal
}

// refusal is that of one resource's status, of the resource as it was in one version.
type refusal struct {
	since, until time.Time
	version      string
}

// NewRefusals returns an empty Refusals.
func NewRefusals() *Refusals { return &Refusals{refused: map[types.UID]refusal{}} }

// Note remembers a refusal, and returns when the first came since the status was stored last; first is set for that one.
func (r *Refusals) Note(uid types.UID, version string, now time.Time) (since time.Time, first bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	was, known := r.refused[uid]
	if !known {
		was.since = now
	}
	was.version = version
	r.refused[uid] = was
	return was.since, !known
}

// Until notes that the status of the same version is not to be written before.
func (r *Refusals) Until(uid types.UID, until time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if was, known := r.refused[uid]; known {
		was.until = until
		r.refused[uid] = was
	}
}

// Remaining is for how long the status of a resource is not to be written, 0 for not at all: it was refused for the same version.
func (r *Refusals) Remaining(uid types.UID, version string, now time.Time) time.Duration {
	r.mu.Lock()
	defer r.mu.Unlock()
	was, known := r.refused[uid]
	if !known || was.version != version {
		return 0
	}
	return max(was.until.Sub(now), 0)
}

// Remembers says whether anything is remembered of a resource.
func (r *Refusals) Remembers(uid types.UID) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	_, known := r.refused[uid]
	return known
}

// Forget drops what is remembered of a resource: its status was stored, or it is deleted.
func (r *Refusals) Forget(uid types.UID) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.refused, uid)
}
