package pacing

import "time"

const (
	// shortestQuiet is for how long calls have to be answered without rate-limiting until that counts as over. Where rate-limiting is back
	// within flapsWithin it is twice as long as the last time, longestQuiet at most: so one that comes and goes is one trouble.
	shortestQuiet = 10 * time.Second
	longestQuiet  = 2 * time.Minute
	flapsWithin   = 10 * time.Minute
)

// throttle notices that the provider rate-limits calls, and that it does so no more.
type throttle struct {
	on bool
	// at is when a call was last rate-limited; answered is set once a call was answered otherwise since.
	at       time.Time
	answered bool
	quiet    time.Duration
}

// limited takes note of a call that was rate-limited, and says whether it is the first of a trouble.
func (t *throttle) limited(now time.Time) (begins bool) {
	t.settle(now)
	if begins = !t.on; begins {
		if t.at.IsZero() || now.Sub(t.at) >= flapsWithin {
			t.quiet = shortestQuiet
		} else {
			t.quiet = min(2*t.quiet, longestQuiet)
		}
	}
	t.on, t.at, t.answered = true, now, false
	return begins
}

// wasAnswered takes note of a call that was answered otherwise, and says whether the trouble is over with it.
func (t *throttle) wasAnswered(now time.Time) (ends bool) {
	was := t.on
	t.answered = true
	t.settle(now)
	return was && !t.on
}

// settle ends a trouble whose time is over: calls were answered for long enough, or none was made for longer than anybody waits who was refused.
func (t *throttle) settle(now time.Time) {
	if t.left(now) == 0 {
		t.on = false
	}
}

// interrupt ends a trouble in whose place is one of another kind: what is after that one shows only then.
func (t *throttle) interrupt() { t.on = false }

// left is after how long a trouble is over if nothing more is heard; 0 where there is none.
func (t *throttle) left(now time.Time) time.Duration {
	if !t.on {
		return 0
	}
	quiet := longestQuiet
	if t.answered {
		quiet = t.quiet
	}
	return max(t.at.Add(quiet).Sub(now), 0)
}
