package voximplant

import (
	"net/http"
	"strings"
	"time"

	"cpaas.dev/child-account-operator/internal/account"
)

// mostClockSkew is by how much our clock and the service's may differ before that is told of: the service's Date has whole seconds, and
// no document says how exact the times of a token have to be.
const mostClockSkew = 30 * time.Second

// clockIsOff begins what is said of a clock that is off.
const clockIsOff = "the clock of the operator's node is "

// nextOfClock is what to do next about it.
const nextOfClock = "Synchronize the clock of the operator's node (NTP). The operator retries automatically, after a minute at first."

// tellsOfClock says whether withClock has said something.
func tellsOfClock(e *account.Error) bool { return e.Next == nextOfClock }

// withClock has a refusal of the token say how far our clock is off, if it is. The service knows codes of its own for a token from
// another time (455, 456); that 100 can mean the same is seen, not documented. date is the answer's header; the service wrote it between
// sent and now, by our clock.
func withClock(e *account.Error, date string, sent, now time.Time) *account.Error {
	if e.Code != codeAuthorizationFailed && !rowOf(e.Code).resign {
		return e
	}
	theirs, err := http.ParseTime(date)
	if err != nil {
		return e
	}
	off, direction := sent.Sub(theirs.Add(time.Second)), "ahead of" // the header leaves parts of a second out
	if behind := theirs.Sub(now); behind > off {
		off, direction = behind, "behind"
	}
	if off <= mostClockSkew {
		return e
	}
	hinted := withHint(e, clockIsOff+"about "+roughly(off)+" "+direction+" the Voximplant API's, which refuses tokens from another time")
	hinted.Next, hinted.MayPass = nextOfClock, true // nodes set their clocks themselves, most of the time
	return hinted
}

// roughly is a time as people say it. It is rounded, so that the text of the same trouble stays the same: the header has whole seconds,
// and an answer takes a while.
func roughly(d time.Duration) string {
	switch {
	case d < 5*time.Minute:
		d = d.Round(10 * time.Second)
	case d < 24*time.Hour:
		d = d.Round(time.Minute)
	default:
		d = d.Round(time.Hour)
	}
	text := d.String()
	for _, zero := range []string{"m0s", "h0m"} {
		if strings.HasSuffix(text, zero) {
			text = strings.TrimSuffix(text, zero[1:])
		}
	}
	return text
}
