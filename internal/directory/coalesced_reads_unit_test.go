package directory

import (
	"context"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"

	"cpaas.dev/child-account-operator/internal/pacing"
)

// A look that is shared is as urgent as the most urgent of those who ask, whoever came first.
func TestSharedLookIsAsUrgentAsTheMostUrgentAsker(t *testing.T) {
	for _, askers := range [][]pacing.Priority{{pacing.Drift, pacing.Edit, pacing.Creation}, {pacing.Edit, pacing.Snapshot}, {pacing.Snapshot, pacing.Edit}, {pacing.Drift}} {
		synctest.Test(t, func(t *testing.T) {
			most := pacing.Snapshot
			var got []pacing.Priority
			c := readCoalescer{call: func(ctx context.Context, _ []Key) error {
				got = append(got, pacing.PriorityOf(ctx))
				return nil
			}}
			var all sync.WaitGroup
			for i, p := range askers {
				most = max(most, p)
				all.Go(func() { _ = c.read(pacing.WithPriority(t.Context(), p), Key{ID: strconv.Itoa(i + 1)}) })
				synctest.Wait() // it has asked before the next one does
			}
			all.Wait()
			if len(got) != 1 || got[0] != most {
				t.Errorf("askers %v: calls of priority %v, want one of %v", askers, got, most)
			}
		})
	}
}
