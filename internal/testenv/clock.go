package testenv

import (
	"time"

	"k8s.io/utils/clock"
)

// Ahead is a clock that is ahead of another one.
type Ahead struct {
	clock.Clock
	By time.Duration
}

// Now is so much after what the other clock says.
func (c Ahead) Now() time.Time { return c.Clock.Now().Add(c.By) }
