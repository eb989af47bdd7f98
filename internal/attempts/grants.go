package attempts

import (
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/types"

	"cpaas.dev/child-account-operator/internal/conditions"
)

// Refused is an attempt that was refused because a capability is not granted.
type Refused struct {
	// Fingerprint tells what was tried from anything else: another one is tried at once.
	Fingerprint string
	// Since is when this very attempt was first refused, Until when it may be retried.
	Since, Until time.Time
	// Outcome is how it ended, where that is said again while it is not repeated.
	Outcome conditions.Outcome
}

// notGranted remembers attempts at what is not granted, by the UID of the resource. Such a refusal stops nothing else, so it is kept beside
// the failed attempts of Store. All methods may be called by several workers at once.
type notGranted struct {
	mu      sync.Mutex
	refused map[types.UID]Refused
}

// refuse remembers that an attempt was refused, and returns for how long it is not to be repeated: pause says so, of when it was first refused.
func (g *notGranted) refuse(uid types.UID, r Refused, now time.Time, pause func(since time.Time) time.Duration) time.Duration {
	g.mu.Lock()
	defer g.mu.Unlock()
	r.Since = now
	if last, ok := g.refused[uid]; ok && last.Fingerprint == r.Fingerprint {
		r.Since = last.Since
	}
	wait := pause(r.Since)
	r.Until = now.Add(wait)
	if g.refused == nil {
		g.refused = map[types.UID]Refused{}
	}
	g.refused[uid] = r
	return wait
}

// Last is the attempt that was refused last, whether it may be repeated by now or not; false where none was.
func (g *notGranted) Last(uid types.UID) (Refused, bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	r, ok := g.refused[uid]
	return r, ok
}

// Forget drops what is remembered of a resource: it was granted, or the resource is deleted.
func (g *notGranted) Forget(uid types.UID) {
	g.mu.Lock()
	defer g.mu.Unlock()
	delete(g.refused, uid)
}

// Grants remembers attempts of which only the pause matters. It is safe for concurrent use.
type Grants struct{ notGranted }

// How long an attempt that is not granted is not repeated: for as long as it has been refused, within these bounds.
const (
	grantPauseLeast = 10 * time.Minute
	grantPauseMost  = 6 * time.Hour
)

// NewGrants returns an empty Grants.
func NewGrants() *Grants { return &Grants{} }

// Refuse remembers that an attempt was refused, and returns for how long it is not to be repeated.
func (g *Grants) Refuse(uid types.UID, fingerprint string, now time.Time) time.Duration {
	return g.refuse(uid, Refused{Fingerprint: fingerprint}, now, func(since time.Time) time.Duration {
		return min(max(now.Sub(since), grantPauseLeast), grantPauseMost)
	})
}

// Delegations remembers attempts at changes that act as the account itself, with their outcomes. It is safe for concurrent use.
type Delegations struct{ notGranted }

// NewDelegations returns an empty Delegations.
func NewDelegations() *Delegations { return &Delegations{} }

// Refuse notes an attempt that was refused. Its pauses grow as the row of the outcome's reason has it.
func (d *Delegations) Refuse(uid types.UID, t conditions.Table, fingerprint string, out conditions.Outcome, now time.Time) {
	d.refuse(uid, Refused{Fingerprint: fingerprint, Outcome: out}, now, func(since time.Time) time.Duration {
		return t.Requeue(out, t.Pause(out, since, now))
	})
}
