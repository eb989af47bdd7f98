package pacing

import (
	"time"

	"cpaas.dev/child-account-operator/internal/account"
)

const (
	// breaksAfter is after how many calls in a row without a proper answer the provider counts as down.
	breaksAfter = 3
	// firstProbe and lastProbe bound the pauses between the calls that try whether it is back; they double.
	firstProbe = time.Second
	lastProbe  = 10 * time.Second
)

// breaker notices that the provider does not answer: then one call tries now and then, instead of one for each resource.
type breaker struct {
	failures int
	open     bool
	pause    time.Duration
	until    time.Time
	// probe is the call that tries, nil while none does; failed is set once one of those since it began had no answer.
	probe  *turn
	failed bool
	// cause is how the last call failed.
	cause string
}

// learn takes note of an answer and says whether it is the one that tells that the provider is down.
func (k *breaker) learn(now time.Time, failed *account.Error) (opened bool) {
	silent := failed != nil && failed.Class == account.Unavailable && !failed.Answered
	switch {
	case failed == nil, failed.Class != account.Unavailable, k.open && !silent:
		*k = breaker{}
	case !silent: // it answers, if only to say that something is wrong there
	case k.open: // the probe, or a call that was under way when it opened, which says nothing new
		k.cause = failed.Message
		k.failed = true
	default:
		k.cause = failed.Message
		if k.failures++; k.failures >= breaksAfter {
			k.open, k.pause, k.until = true, firstProbe, now.Add(firstProbe)
			return true
		}
	}
	return false
}

// begin has the call be the one that tries.
func (k *breaker) begin(probe *turn) { k.probe, k.failed = probe, false }

// end says that a call is over, or was given up, and tells whether it was the probe.
func (k *breaker) end(call *turn) bool {
	if k.probe != call {
		return false
	}
	k.probe = nil
	return true
}

// backOff makes the pause longer after a probe without an answer.
func (k *breaker) backOff(now time.Time) {
	if k.failed {
		k.pause = min(2*k.pause, lastProbe)
		k.until = now.Add(k.pause)
	}
}

// untilProbe is how long to wait before the next try; 0 where it may be made now.
func (k *breaker) untilProbe(now time.Time) time.Duration {
	if k.probe != nil {
		return max(k.until.Sub(now), firstProbe)
	}
	return k.until.Sub(now)
}

// refusal is the error for a call that is not made. It reads like the last that was: the same trouble has the same text.
func (k *breaker) refusal(now time.Time) *account.Error {
	return &account.Error{Class: account.Unavailable, Message: k.cause, RetryAfter: max(k.untilProbe(now), firstProbe)}
}
