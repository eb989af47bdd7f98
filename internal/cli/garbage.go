package cli

import (
	"context"
	"math"
	"os"
	"runtime/debug"
	"runtime/metrics"
	"time"
)

const (
	// garbageAllowance is how many bytes of garbage may lie about in a small heap, garbageShare which part of a large one: what
	// lives of thousands of accounts is large already, and collecting costs little beside what a resync does.
	garbageAllowance = 20 << 20
	garbageShare     = 4
	// garbageInterval is how often it is looked how large the heap is.
	garbageInterval = 5 * time.Second
)

// gcPercent is the GOGC for a heap with so many bytes alive.
func gcPercent(alive uint64) int {
	if alive <= garbageAllowance {
		return 100 // Go's own
	}
	return max(100/garbageShare, 100*garbageAllowance/int(min(alive, math.MaxInt)))
}

// boundGarbage keeps the memory within bounds until ctx ends, unless somebody has set GOGC.
func boundGarbage(ctx context.Context) error {
	if os.Getenv("GOGC") != "" {
		return nil
	}
	sample := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
	ticker := time.NewTicker(garbageInterval)
	defer ticker.Stop()
	for now := 0; ; {
		metrics.Read(sample)
		if percent := gcPercent(sample[0].Value.Uint64()); percent != now {
			now = percent
			debug.SetGCPercent(percent)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
	}
}
