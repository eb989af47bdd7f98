package namespacecache

import (
	"cmp"
	"context"
	"errors"
	"net"
	"strings"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

const (
	// failsAfter is for how long requests may fail before a namespace that was read counts as unreadable in reports. What
	// was read of it is worked with meanwhile, unless requests are refused.
	failsAfter = time.Minute
	// remindsAfter is after how long a namespace that still can't be read is logged again.
	remindsAfter = 10 * time.Minute
)

// Status is how reading a namespace goes.
type Status struct {
	// Namespace is "" for the whole cluster.
	Namespace string
	// Synced is set while all kinds can be read, and what is known of them is up to date.
	Synced bool
	// Ever is set once the namespace was synced.
	Ever bool
	// Kinds are those that can't be read. Reason is why the first of them can't, in a word: Forbidden, NotFound, Unreachable and
	// so on; Reading before the first answer, and Waiting, of no kind, while the cache is not open. Empty while Synced.
	Kinds  []string
	Reason string
	// Since is when that began.
	Since time.Time
	// Err is the first kind's last failure, nil where there was none.
	Err error
	// Optional are the optional kinds that can't be read, with the first one's last failure; they have no part in the above.
	Optional    []string
	OptionalErr error
}

// Statuses are those of all namespaces, in order.
func (c *Cache) Statuses() []Status {
	c.mu.Lock()
	defer c.mu.Unlock()
	out := make([]Status, len(c.scopes))
	for i, s := range c.scopes {
		out[i] = c.status(s)
	}
	return out
}

// status is that of one scope. The caller holds the lock.
func (c *Cache) status(s *scope) Status {
	is := Status{Namespace: s.namespace, Ever: s.ever, Synced: s.joined.Load()}
	if !is.Synced {
		is.Reason, is.Since = waiting, c.running
	}
	if is.Synced && s.missing.err != nil {
		is.fail("namespace", s.missing)
	}
	var unread []string
	for _, r := range s.readers {
		switch {
		case r.kind.Optional:
			if !r.synced && r.trouble.err != nil {
				is.Optional = append(is.Optional, r.kind.Name)
				is.OptionalErr = cmp.Or(is.OptionalErr, r.trouble.err)
			}
		case r.trouble.err != nil && (!r.synced || c.options.Clock.Since(r.trouble.since) >= failsAfter):
			is.fail(r.kind.Name, r.trouble)
		case !r.synced:
			unread = append(unread, r.kind.Name)
		}
	}
	if is.Err == nil && len(unread) > 0 {
		is.Kinds, is.Reason = unread, reading
	}
	return is
}

// The reasons that are no failures.
const (
	reading = "Reading"
	waiting = "Waiting"
)

// tell logs what has changed of a scope, and now and then what has not. The caller holds the lock.
func (c *Cache) tell(s *scope) {
	now, is := c.options.Clock.Now(), c.status(s)
	log := c.options.Log.WithValues("namespace", s.namespace)
	same := is.Synced == s.told.Synced && is.Reason == s.told.Reason
	if without := strings.Join(is.Optional, ", "); without != strings.Join(s.told.Optional, ", ") {
		s.told.Optional = is.Optional
		if without != "" {
			fields := []any{"kinds", without, "reason", ReasonOf(is.OptionalErr)}
			if c.options.Advice != nil {
				fields = append(fields, "next", c.options.Advice(is.Optional, ReasonOf(is.OptionalErr)))
			}
			log.Error(is.OptionalErr, "resources of a kind can't be read, and wait until they can: all else is worked with", fields...)
		} else {
			log.Info("resources of all kinds are read")
		}
	}
	switch {
	case same && (is.Err == nil || now.Sub(s.toldAt) < remindsAfter):
		return
	case is.Err != nil && s.joined.Load():
		log.Error(is.Err, "resources can't be read: the operator works with what it has read before", c.fields(is)...)
	case is.Err != nil:
		log.Error(is.Err, "resources can't be read, and wait until they can", c.fields(is)...)
	case is.Synced && !same:
		log.Info("resources are read")
	}
	s.told, s.toldAt = is, now
}

// fail adds a kind that can't be read.
func (s *Status) fail(kind string, t trouble) {
	s.Kinds = append(s.Kinds, kind)
	if s.Err == nil {
		s.Synced, s.Reason, s.Since, s.Err = false, ReasonOf(t.err), t.since, t.err
	}
}

// fields are those of a line of the log.
func (c *Cache) fields(s Status) []any {
	fields := []any{"kinds", strings.Join(s.Kinds, ", "), "reason", s.Reason, "since", s.Since.UTC().Format(time.RFC3339)}
	if c.options.Advice != nil {
		if advice := c.options.Advice(s.Kinds, s.Reason); advice != "" {
			fields = append(fields, "next", advice)
		}
	}
	return fields
}

// trouble is what stands in the way of reading a kind: the last failure, and when the failures in a row began.
type trouble struct {
	err   error
	since time.Time
}

func (t *trouble) add(err error, now time.Time) {
	if t.err == nil {
		t.since = now
	}
	t.err = err
}

// errNoAnswer is the failure of a list that neither ends nor fails.
var errNoAnswer = errors.New("the Kubernetes API does not end its answer")

// ReasonOf is the reason of a failed request in a word: what the Kubernetes API calls it; or Timeout or Unreachable where it
// did not answer.
func ReasonOf(err error) string {
	var timeout net.Error
	switch reason := apierrors.ReasonForError(err); {
	case reason != metav1.StatusReasonUnknown:
		return string(reason)
	case errors.Is(err, errNoAnswer), errors.Is(err, context.DeadlineExceeded), errors.As(err, &timeout) && timeout.Timeout():
		return string(metav1.StatusReasonTimeout)
	}
	return "Unreachable"
}

// refuses says whether a failure is an answer that stays the same until somebody acts.
func refuses(err error) bool {
	return apierrors.IsForbidden(err) || apierrors.IsUnauthorized(err) || apierrors.IsNotFound(err) || apierrors.IsMethodNotSupported(err)
}
