package attempts

import (
	"sync"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"cpaas.dev/child-account-operator/internal/conditions"
	"cpaas.dev/child-account-operator/internal/secrets"
)

// Failed is an attempt that failed. Its backoff ends early with whatever may change the answer: another fingerprint.
type Failed struct {
	// Fingerprint tells what was tried from anything else.
	Fingerprint string
	// Until is when it may be retried; zero for never.
	Until time.Time
	// Since is when this very attempt first failed, or when the provider recovered after that.
	Since time.Time
	// NotBefore is until when the provider has asked to wait.
	NotBefore time.Time
	// Outcome is how it ended.
	Outcome conditions.Outcome
}

// Remaining is the outcome of an attempt that is not repeated yet.
func (f Failed) Remaining(now time.Time) conditions.Outcome {
	out := f.Outcome
	if out.After = 0; !f.Until.IsZero() {
		out.After = f.Until.Sub(now)
	}
	out.InBackoff = true
	return out
}

// Store remembers the failed attempts of each resource, by its UID. All methods may be called by several workers at once.
type Store struct {
	mu     sync.Mutex
	failed map[types.UID]Failed
	// creations are those of resources that this process has seen before they had an account.
	creations map[types.UID]creation
}

// New returns an empty Store.
func New() *Store {
	return &Store{failed: map[types.UID]Failed{}, creations: map[types.UID]creation{}}
}

// InBackoff returns the attempt with this fingerprint, if it failed and is not to be repeated yet.
func (s *Store) InBackoff(uid types.UID, fingerprint string, now time.Time) (Failed, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f, ok := s.failed[uid]
	if !ok || f.Fingerprint != fingerprint || !f.Until.IsZero() && !now.Before(f.Until) {
		return Failed{}, false
	}
	return f, true
}

// Last returns the attempt that failed last, whether it may be repeated by now or not.
func (s *Store) Last(uid types.UID) (Failed, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f, ok := s.failed[uid]
	return f, ok
}

// Record remembers how an attempt ended, and returns when to come back: 0 for when the resource is woken. was are the
// conditions before it, is those after it.
func (s *Store) Record(uid types.UID, t conditions.Table, out conditions.Outcome, was, is []metav1.Condition, now time.Time) time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	since := s.since(uid, out.Fingerprint, now)
	if since.IsZero() && conditions.HadReason(was, t.Second(), out.Reason) { // a restart: the conditions remember
		since = conditions.TroubledSince(is, now)
	} else if since.IsZero() {
		since = now
	}
	pause := t.Pause(out, since, now)
	switch {
	case out.InBackoff, out.Reason == "":
	case out.Fingerprint == "":
		delete(s.failed, uid)
	case pause == 0:
		s.failed[uid] = Failed{Fingerprint: out.Fingerprint, Outcome: out, Since: since}
	default:
		s.failed[uid] = Failed{Fingerprint: out.Fingerprint, Outcome: out, Since: since, NotBefore: now.Add(out.After), Until: now.Add(pause)}
	}
	return pause
}

// EndBackoff has an attempt that failed repeated at a time, and not later than before, where a value was refused that another account had.
func (s *Store) EndBackoff(uid types.UID, at time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if f, ok := s.failed[uid]; ok && f.Outcome.Taken != nil && f.Until.After(at) {
		f.Until = at
		s.failed[uid] = f
	}
}

// ProviderRecovered has an attempt that the provider did not answer, or rate-limited, be retried as soon as the provider lets it: the provider
// answers again. The pauses begin anew. It returns whether there was such an attempt.
func (s *Store) ProviderRecovered(uid types.UID, now time.Time) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	f, ok := s.failed[uid]
	if !ok || !conditions.WaitsForProvider(f.Outcome) {
		return false
	}
	f.Since = now
	from := now
	if conditions.IsRateLimited(f.Outcome) && f.NotBefore.After(now) { // nobody asks for patience during an outage: the breaker says when it tries
		from = f.NotBefore
	}
	if f.Until.After(from) {
		f.Until = from
	}
	s.failed[uid] = f
	return true
}

// since is when the attempt first failed; zero where nothing is remembered, now where it was another one.
func (s *Store) since(uid types.UID, fingerprint string, now time.Time) time.Time {
	f, ok := s.failed[uid]
	switch {
	case !ok:
		return time.Time{}
	case f.Fingerprint == fingerprint:
		return f.Since
	}
	return now
}

// creation is what is known of the attempts to create an account.
type creation struct {
	// certain is set where it is certain that none was created: each attempt was made by this process and definitely refused.
	certain bool
	// prepared is the connection Secret of the attempts.
	prepared secrets.Version
}

// NoteNew notes that nothing hints at an earlier attempt to create an account for the resource, unless this process has made one.
func (s *Store) NoteNew(uid types.UID) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, noted := s.creations[uid]; !noted {
		s.creations[uid] = creation{certain: true}
	}
}

// NotePrepared notes the connection Secret that was prepared for an attempt.
func (s *Store) NotePrepared(uid types.UID, secret secrets.Version) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.creations[uid] = creation{s.creations[uid].certain, secret}
}

// NoteCreated notes that an account was, or may have been, created for the resource.
func (s *Store) NoteCreated(uid types.UID) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.creations[uid] = creation{}
}

// NoteBound notes that the resource's status names its account: nothing else need be remembered of how it was created.
func (s *Store) NoteBound(uid types.UID) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.creations, uid)
}

// Uncreated says whether it is certain that no account was created for the resource.
func (s *Store) Uncreated(uid types.UID) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.creations[uid].certain
}

// Attempted says whether this process has tried to create an account for the resource.
func (s *Store) Attempted(uid types.UID) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	c, noted := s.creations[uid]
	return noted && c != creation{certain: true}
}

// Unused is the connection Secret that was prepared for an account that was certainly never created; ok is false where there is none.
func (s *Store) Unused(uid types.UID) (secret secrets.Version, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := s.creations[uid]
	return c.prepared, c.certain && c.prepared != secrets.Version{}
}

// Forget drops everything about a resource that is deleted.
func (s *Store) Forget(uid types.UID) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.failed, uid)
	delete(s.creations, uid)
}
