package engine

import (
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/types"

	"cpaas.dev/child-account-operator/api/v1alpha1"
	"cpaas.dev/child-account-operator/internal/conditions"
)

// troubles are those of which this process has told, by what is troubled: that of a resource whose conditions speak of a trouble of its parent's
// meanwhile, too. All methods may be called by several workers at once.
type troubles[K comparable] struct {
	mu    sync.Mutex
	known map[K]trouble
}

// trouble is one that was told of.
type trouble struct {
	reason string
	// since is when it took the place of another trouble, zero where it did not, or nobody knows: the conditions have the time then.
	since time.Time
	// deferred is set where it is told of once the parent's list has shown that the credentials are good.
	deferred bool
}

// begins says whether a trouble was not told of yet: what an earlier process has told, it does not know.
func (t *troubles[K]) begins(of K, reason string, since time.Time) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.known[of].reason == reason {
		return false
	}
	if t.known == nil {
		t.known = map[K]trouble{}
	}
	t.known[of] = trouble{reason: reason, since: since}
	return true
}

// deferred notes a trouble that is not to be told of yet.
func (t *troubles[K]) deferred(of K, reason string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.known == nil {
		t.known = map[K]trouble{}
	}
	t.known[of] = trouble{reason: reason, deferred: true}
}

// last is what was told of last; ok is false where nothing was.
func (t *troubles[K]) last(of K) (last trouble, ok bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	last, ok = t.known[of]
	return last, ok
}

// forget drops what is remembered of what has no trouble, or is deleted.
func (t *troubles[K]) forget(of K) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.known, of)
}

// over is a recovery, with the time at which the trouble took another one's place, where that is known.
func (t trouble) over(r conditions.Recovery, now time.Time) conditions.Recovery {
	if t.reason != r.Reason {
		return r
	}
	return r.Since(t.since, now)
}

// tellTrouble tells in events of a trouble of a resource that begins or is over, once its conditions are stored. A trouble that is back after one
// of the parent's is not told of again.
func tellTrouble(e *reporter, s *scope, out conditions.Outcome) {
	table, was, now := e.Table, s.was.Conditions, e.Clock.Now()
	if out.Reason == "" {
		return
	}
	told, _ := e.told.last(s.uid())
	if awaitsList(e, s, out) {
		e.told.deferred(s.uid(), out.Reason)
		return
	}
	if told.deferred && told.reason == out.Reason { // the conditions speak of it since it began
		e.told.forget(s.uid())
		told, was = trouble{}, nil
	}
	again := told.reason == out.Reason && conditions.Told(table, was) == "" && out.Reason != v1alpha1.ReasonAwaitingApproval // whose command may be another one
	if !again {
		table.EmitEvent(e.Recorder, s.obj, was, out)
	}
	if over, ok := table.Recovered(was, out, now); ok {
		table.EmitRecovery(e.Recorder, s.obj, told.over(over, now))
	}
	noteTrouble(e.told, table, s, out, now)
}

// listAwaited is after how long a resource looks again whose event waits for the parent's list. That costs no call.
const listAwaited = 15 * time.Second

// awaitsList says whether a trouble that begins is not told of yet, since the parent's list is to show first whether it is the parent's: then this has
// the event, and the resource none. After a restart nobody knows of it any more, and the conditions alone speak of the trouble.
func awaitsList(e *reporter, s *scope, out conditions.Outcome) bool {
	told, _ := e.told.last(s.uid())
	begins := told.reason != out.Reason && !conditions.HadReason(s.was.Conditions, e.Table.Second(), out.Reason)
	return out.Unsettled && (begins || told.deferred && told.reason == out.Reason)
}

// noteTrouble remembers the trouble that was told of, as long as the conditions say nothing of it.
func noteTrouble(all *troubles[types.UID], table conditions.Table, s *scope, out conditions.Outcome, now time.Time) {
	was := s.was.Conditions
	switch before := conditions.Told(table, was); {
	case conditions.Overlays(table, out.Reason):
		if before != "" {
			all.begins(s.uid(), before, time.Time{})
		}
	case table.Troubled(out.Reason) && !out.Quiet:
		all.begins(s.uid(), out.Reason, conditions.TookPlace(table, was, out.Reason, now))
	default:
		all.forget(s.uid())
	}
}
