package attempts

import (
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/types"

	"cpaas.dev/child-account-operator/internal/conditions"
)

// Delegation is an attempt at changes that act as the account itself, which the provider did not grant.
type Delegation struct {
	// Fingerprint tells what was tried from anything else: another one is tried at once.
	Fingerprint string
	// Since is when this very attempt was first refused, Until when it may be tried again.
	Since, Until time.Time
	// Outcome is how it ended.
	Outcome conditions.Outcome
}

// Delegations remembers such attempts of each resource, by its UID. All methods may be called by several workers at once.
type Delegations struct {
	mu      sync.Mutex
	refused map[types.UID]Delegation
}

// NewDelegations returns an empty Delegations.
func NewDelegations() *Delegations {
	return &Delegations{refused: map[types.UID]Delegation{}}
}

// Refuse notes an attempt that was refused. Its pauses grow as the row of the outcome's reason has it.
func (d *Delegations) Refuse(uid types.UID, t conditions.Table, fingerprint string, out conditions.Outcome, now time.Time) {
	d.mu.Lock()
	defer d.mu.Unlock()
	since := now
	if last, ok := d.refused[uid]; ok && last.Fingerprint == fingerprint {
		since = last.Since
	}
	pause := t.Requeue(out, t.Pause(out, since, now))
	d.refused[uid] = Delegation{Fingerprint: fingerprint, Since: since, Until: now.Add(pause), Outcome: out}
}

// Last returns the attempt that was refused last, whether it may be repeated by now or not.
func (d *Delegations) Last(uid types.UID) (Delegation, bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	last, ok := d.refused[uid]
	return last, ok
}

// Forget drops what is remembered of a resource that is deleted, or whose changes were granted.
func (d *Delegations) Forget(uid types.UID) {
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.refused, uid)
}
