package engine

import (
	"testing"
	"time"
)

func TestDeletionPause(t *testing.T) {
	for name, c := range map[string]struct{ pause, left, want time.Duration }{
		"the pauses' own pace":          {20 * time.Second, time.Hour, 20 * time.Second},
		"the provider asks for more":    {2 * time.Hour, time.Hour, time.Minute},
		"the hour is nearly over":       {20 * time.Second, time.Second, time.Second},
		"a failure, which has no pause": {0, time.Hour, 0},
	} {
		if got := deletionPause(c.pause, c.left); got != c.want {
			t.Errorf("%s: %v, want %v", name, got, c.want)
		}
	}
}
