package directory_test

import (
	"context"
	"fmt"
	"maps"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	clocktesting "k8s.io/utils/clock/testing"

	"cpaas.dev/child-account-operator/internal/account"
	"cpaas.dev/child-account-operator/internal/directory"
	"cpaas.dev/child-account-operator/internal/provider"
	"cpaas.dev/child-account-operator/internal/provider/fake"
	"cpaas.dev/child-account-operator/internal/simulator"
)

// listedChildren makes n accounts and has the directory list them.
func (w *world) listedChildren(t *testing.T, n int) []string {
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
		ids := w.listedChildren(t, 250)
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

// Different changes, and those that must be unique, are calls of their own; a single change does not wait long.
func TestChangesThatDoNotShareACall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newBubbleWorld(t, simulator.Settings{})
		ids := w.listedChildren(t, 3)
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
			t.Errorf("a single change took %v", took)
		}
	})
}

// Where a batch is refused, it is written in halves until only those accounts fail that the refusal is about.
func TestRefusedBatchIsHalved(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newBubbleWorld(t, simulator.Settings{})
		ids := w.listedChildren(t, 64)
		for _, id := range []string{ids[7], ids[40]} {
			w.remove(t, id)
		}
		failed := w.updateAll(ids, w.changes("languageCode", "de"))
		if len(failed) != 2 || failed[ids[7]] == nil || failed[ids[40]] == nil {
			t.Errorf("failed: %v, want %s and %s", failed, ids[7], ids[40])
		}
		if got := w.count(change); got > 1+2*2*6 {
			t.Errorf("%d calls to find two among 64", got)
		}
		if !w.Observe(directory.Key{ID: ids[7]}).OutcomeUnknown || w.Observe(directory.Key{ID: ids[8]}).OutcomeUnknown {
			t.Error("only the missing account has to be read")
		}
	})
}

// With a least delay nothing is sent before a batch is full, however slowly accounts come in that time, and what is left is sent after it.
func TestLeastBatchDelay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newBubbleWorld(t, simulator.Settings{})
		ids := w.listedChildren(t, 101)
		changes := w.changes("languageCode", "de")
		w.SetLeastBatchDelay(30 * time.Second)
		var all sync.WaitGroup
		for _, id := range ids {
			<-time.After(250 * time.Millisecond)
			if got := w.count(change); got != 0 {
				t.Fatalf("%d calls before the batch is full", got)
			}
			all.Go(func() {
				if err := w.Update(background, provider.Target{ID: id}, changes); err != nil {
					t.Error(err)
				}
			})
			synctest.Wait()
			if id == ids[99] {
				break
			}
		}
		all.Wait()
		if got := w.count(change); got != 1 {
			t.Errorf("%d calls for a full batch, want 1", got)
		}
		start := time.Now()
		if err := w.Update(background, provider.Target{ID: ids[100]}, changes); err != nil {
			t.Error(err)
		}
		if took := time.Since(start); took < 30*time.Second || took > 31*time.Second {
			t.Errorf("what is left waited for %v, want 30s", took)
		}
	})
}

// A failure that is about no account in particular fails all of them, with one call.
func TestBatchWhoseFailureIsAboutNoAccount(t *testing.T) {
	for _, fault := range []simulator.Fault{
		{Kind: simulator.FaultHTTP, Status: 503}, {Kind: simulator.FaultHTTP, Status: 429}, {Kind: simulator.FaultLoseAnswer}, {Kind: simulator.FaultError, Code: 340},
	} {
		t.Run(strings.TrimSpace(fmt.Sprint(fault.Kind, fault.Status, fault.Code)), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newBubbleWorld(t, simulator.Settings{})
				ids := w.listedChildren(t, 20)
				fault.Method = change
				w.sim.AddFault(fault)
				failed := w.updateAll(ids, w.changes("languageCode", "de"))
				if len(failed) != 20 {
					t.Errorf("%d failed, want all", len(failed))
				}
				if unknown := account.AsError(failed[ids[0]]).OutcomeUnknown; unknown != (fault.Kind == simulator.FaultLoseAnswer || fault.Status == 503) {
					t.Errorf("outcome unknown: %v", unknown)
				}
				if got := w.count(change); got != 1 {
					t.Errorf("%d calls, want 1", got)
				}
			})
		})
	}
}

// A mass change that arrives slowly and irregularly, as the Kubernetes API is busy with the status writes of the last batch, still
// takes no more calls than full batches.
func TestBatchesOfIrregularArrivals(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newBubbleWorld(t, simulator.Settings{})
		ids := w.listedChildren(t, 500)
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

// Each account of a batch is a target with what is known of it.
func TestBatchHasATargetForEachAccount(t *testing.T) {
	s := fake.New(fake.Options{})
	spy := &updates{Parent: s.Remote()}
	d := directory.New(spy, clocktesting.NewFakeClock(begin))
	w := &fakeWorld{d, s}
	var ids []string
	for _, name := range []string{"one", "two", "three"} {
		ids = append(ids, s.Put(name, account.State{fake.PathNickname: "nick of " + name}, ""))
	}
	w.refresh(t)
	var all sync.WaitGroup
	for _, id := range ids {
		all.Go(func() {
			if err := w.Update(background, provider.Target{ID: id, Desired: account.State{fake.PathLogin: "login of " + id}}, w.changes(t, account.State{fake.PathTongue: "he"})); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	seen := map[string]string{}
	for _, u := range spy.seen {
		for _, target := range u.Targets {
			seen[target.ID] = target.Observed[fake.PathNickname] + ", " + target.Desired[fake.PathLogin]
		}
	}
	want := map[string]string{ids[0]: "nick of one, login of 1", ids[1]: "nick of two, login of 2", ids[2]: "nick of three, login of 3"}
	if !maps.Equal(seen, want) {
		t.Errorf("%v, want %v", seen, want)
	}
}

// updates is a Remote that remembers what it was to write.
type updates struct {
	provider.Parent
	mu   sync.Mutex
	seen []provider.Update
}

func (u *updates) Update(ctx context.Context, update provider.Update) error {
	u.mu.Lock()
	u.seen = append(u.seen, update)
	u.mu.Unlock()
	return u.Parent.Update(ctx, update)
}
