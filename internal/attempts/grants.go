package attempts

import (
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/types"
)

// Grants remembers attempts at what is not granted, by the UID of the resource. Such a refusal stops nothing else, so it is kept beside the
// failed attempts of Store. All methods may be called by several workers at once.
type Grants struct {
	mu      sync.Mutex
	refused map[types.UID]Refused
}

// Refused is an attempt that was refused because a capability is not granted.
type Refused struct {
	// Fingerprint tells what was tried from anything else.
	Fingerprint string
	// Until is when it may be tried again.
	Until time.Time

	since time.Time
}

// How long an attempt that is not granted is not repeated: for as long as it has been refused, within these bounds.
const (
	grantPauseLeast = 10 * time.Minute
	grantPauseMost  = 6 * time.Hour
)

// NewGrants returns an empty Grants.
func NewGrants() *Grants { return &Grants{refused: map[types.UID]Refused{}} }

// Refuse remembers that an attempt was refused, and returns for how long it is not to be repeated.
func (g *Grants) Refuse(uid types.UID, fingerprint string, now time.Time) time.Duration {
	g.mu.Lock()
	defer g.mu.Unlock()
	r := g.refused[uid]
	if r.Fingerprint != fingerprint {
		r = Refused{Fingerprint: fingerprint, since: now}
	}
	pause := min(max(now.Sub(r.since), grantPauseLeast), grantPauseMost)
	r.Until = now.Add(pause)
	g.refused[uid] = r
	return pause
}

// Last is the attempt that was refused last; false where none was.
func (g *Grants) Last(uid types.UID) (Refused, bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	r, ok := g.refused[uid]
	return r, ok
}

// Forget drops what is remembered of a resource: it was granted, or the resource is deleted.
func (g *Grants) Forget(uid types.UID) {
	g.mu.Lock()
	defer g.mu.Unlock()
	delete(g.refused, uid)
}
