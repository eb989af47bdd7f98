package directory_test

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"cpaas.dev/child-account-operator/internal/account"
	"cpaas.dev/child-account-operator/internal/directory"
	"cpaas.dev/child-account-operator/internal/provider"
	"cpaas.dev/child-account-operator/internal/simulator"
)

// many makes n accounts and has them listed.
func (w *world) many(t *testing.T, n int) []string {
	t.Helper()
	ids := w.children(n)
	w.refresh(t)
	return ids
}

// updateAll changes all accounts at once and returns the error of each.
func (w *world) updateAll(ids []string, changes []account.Change) map[string]error {
	var mu sync.Mutex
	failed := map[string]error{}
	var all sync.WaitGroup
	for _, id := range ids {
		all.Go(func() {
			if err := w.Update(background, provider.Target{ID: id}, changes); err != nil {
				mu.Lock()
				defer mu.Unlock()
				failed[id] = err
			}
		})
	}
	all.Wait()
	return failed
}

// The same change of many accounts is as many calls as batches are full.
func TestBatches(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newBubbleWorld(t, simulator.Settings{})
		ids := w.many(t, 250)
		changes := w.changes("languageCode", "de")
		if failed := w.updateAll(ids, changes); len(failed) > 0 {
			t.Fatal(failed)
		}
		if got := w.count(change); got != 3 {
			t.Errorf("%d calls for 250 accounts, want 3", got)
		}
		for _, id := range ids {
			if a := w.Observe(directory.Key{ID: id}).Account; a.State["languageCode"] != "de" {
				t.Fatalf("%s is not remembered: %v", id, a.State)
			}
		}
		w.SetMaxBatch(1)
		w.updateAll(ids[:5], w.changes("languageCode", "fr"))
		if got := w.count(change); got != 8 {
			t.Errorf("%d calls without batches, want 5 more than 3", got)
		}
	})
}

// Different changes, and those that must be unique, are calls of their own; a lone one does not wait long.
func TestWhatIsNotBatched(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newBubbleWorld(t, simulator.Settings{})
		ids := w.many(t, 3)
		start := time.Now()
		var all sync.WaitGroup
		for i, changes := range [][]account.Change{
			w.changes("languageCode", "de"), w.changes("languageCode", "fr"), w.changes("email", "new@acme.example"),
		} {
			all.Go(func() {
				if err := w.Update(background, provider.Target{ID: ids[i]}, changes); err != nil {
					t.Error(err)
				}
			})
		}
		all.Wait()
		if got := w.count(change); got != 3 {
			t.Errorf("%d calls, want 3", got)
		}
		if took := time.Since(start); took > 100*time.Millisecond {
			t.Errorf("a lone change took %v", took)
		}
	})
}

// Where a batch is refused, halves find the accounts that are to blame, and only those fail.
func TestBatchWithCulprits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newBubbleWorld(t, simulator.Settings{})
		ids := w.many(t, 64)
		for _, gone := range []string{ids[7], ids[40]} {
			w.remove(t, gone)
		}
		failed := w.updateAll(ids, w.changes("languageCode", "de"))
		if len(failed) != 2 || failed[ids[7]] == nil || failed[ids[40]] == nil {
			t.Errorf("failed: %v, want %s and %s", failed, ids[7], ids[40])
		}
		if got := w.count(change); got > 1+2*2*6 {
			t.Errorf("%d calls to find two among 64", got)
		}
		if !w.Observe(directory.Key{ID: ids[7]}).OutcomeUnknown || w.Observe(directory.Key{ID: ids[8]}).OutcomeUnknown {
			t.Error("whoever is gone is to be looked at, nobody else")
		}
	})
}

// Trouble that is nobody's fault fails all of them, with one call.
func TestBatchThatNobodyIsToBlameFor(t *testing.T) {
	for _, fault := range []simulator.Fault{
		{Kind: simulator.FaultHTTP, Status: 503}, {Kind: simulator.FaultHTTP, Status: 429}, {Kind: simulator.FaultLoseAnswer}, {Kind: simulator.FaultError, Code: 340},
	} {
		t.Run(strings.TrimSpace(fmt.Sprint(fault.Kind, fault.Status, fault.Code)), func(t *testing.T) {
			w := newWorld(t, simulator.Settings{})
			ids := w.many(t, 20)
			fault.Method = change
			w.sim.AddFault(fault)
			if failed := w.updateAll(ids, w.changes("languageCode", "de")); len(failed) != 20 {
				t.Errorf("%d failed, want all", len(failed))
			}
			if got := w.count(change); got != 1 {
				t.Errorf("%d calls, want 1", got)
			}
		})
	}
}

// A mass change that comes in slowly, and by fits and starts because the API server has to write down what the last batch
// did, is still no more calls than batches can be full.
func TestBatchesOfWhatComesByFitsAndStarts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newBubbleWorld(t, simulator.Settings{})
		ids := w.many(t, 500)
		changes := w.changes("languageCode", "de")
		var all sync.WaitGroup
		for i, id := range ids {
			<-time.After(15 * time.Millisecond)
			if i%110 == 109 {
				<-time.After(900 * time.Millisecond)
			}
			all.Go(func() {
				if err := w.Update(background, provider.Target{ID: id}, changes); err != nil {
					t.Error(err)
				}
			})
		}
		all.Wait()
		if got := w.count(change); got != 5 {
			t.Errorf("%d calls for 500 accounts, want 5", got)
		}
	})
}
