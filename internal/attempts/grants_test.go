package attempts_test

import (
	"testing"
	"time"

	"cpaas.dev/child-account-operator/internal/attempts"
)

// The pauses double from ten minutes to six hours, and begin anew with another attempt.
func TestGrants(t *testing.T) {
	g, now := attempts.NewGrants(), time.Unix(0, 0)
	if _, known := g.Last("a"); known {
		t.Error("something is known of what was never tried")
	}
	for i, want := range []time.Duration{10 * time.Minute, 10 * time.Minute, 20 * time.Minute, 40 * time.Minute} {
		pause := g.Refuse("a", "x", now)
		last, known := g.Last("a")
		if pause != want || !known || last.Fingerprint != "x" || !last.Until.Equal(now.Add(want)) {
			t.Errorf("refusal %d: %s, %+v; want %s", i, pause, last, want)
		}
		now = now.Add(pause)
	}
	if pause := g.Refuse("a", "x", now.Add(100*time.Hour)); pause != 6*time.Hour {
		t.Errorf("after days: %s", pause)
	}
	if pause := g.Refuse("a", "y", now); pause != 10*time.Minute {
		t.Errorf("another attempt: %s", pause)
	}
	g.Forget("a")
	if _, known := g.Last("a"); known {
		t.Error("not forgotten")
	}
}
