package directory

import (
	"context"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"

	"cpaas.dev/child-account-operator/internal/pacing"
)

// A shared read has the highest priority of the reads that share it, whichever came first.
func TestSharedReadHasTheHighestPriority(t *testing.T) {
	for _, reads := range [][]pacing.Priority{{pacing.Drift, pacing.Edit, pacing.Creation}, {pacing.Edit, pacing.Snapshot}, {pacing.Snapshot, pacing.Edit}, {pacing.Drift}} {
		synctest.Test(t, func(t *testing.T) {
			most := pacing.Snapshot
			var got []pacing.Priority
			c := readCoalescer{call: func(ctx context.Context, _ []Key) error {
				got = append(got, pacing.PriorityOf(ctx))
				return nil
			}}
			var all sync.WaitGroup
			for i, p := range reads {
				most = max(most, p)
				all.Go(func() { _ = c.read(pacing.WithPriority(t.Context(), p), Key{ID: strconv.Itoa(i + 1)}) })
				synctest.Wait() // it waits for the shared call before the next one comes
			}
			all.Wait()
			if len(got) != 1 || got[0] != most {
				t.Errorf("reads of priorities %v: calls of priority %v, want one of %v", reads, got, most)
			}
		})
	}
}
