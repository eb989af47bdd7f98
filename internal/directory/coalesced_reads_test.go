package directory_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"cpaas.dev/child-account-operator/internal/account"
	"cpaas.dev/child-account-operator/internal/directory"
	"cpaas.dev/child-account-operator/internal/simulator"
)

// requestedIDs are the ids of a call.
func requestedIDs(c simulator.Call) []string { return strings.Split(c.Params["child_account_id"], ";") }

func TestSimultaneousReadsByIDShareACall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newBubbleWorld(t, simulator.Settings{})
		ids := w.children(100)
		var all sync.WaitGroup
		for i := range 3 * len(ids) {
			id := ids[i%len(ids)]
			all.Go(func() {
				v, err := w.Read(background, directory.Key{ID: id})
				if err != nil || v.Account == nil || v.Account.ID != id || !v.Fresh {
					t.Errorf("read of %s: %+v, %v", id, v, err)
				}
			})
		}
		all.Wait()
		calls := w.sim.Calls()
		if len(calls) != 1 {
			t.Fatalf("%d calls for %d reads", len(calls), 3*len(ids))
		}
		requested := map[string]bool{}
		for _, id := range requestedIDs(calls[0]) {
			requested[id] = true
		}
		if len(requested) != len(ids) {
			t.Errorf("%d accounts requested, want %d", len(requested), len(ids))
		}
	})
}

// One call requests as many accounts as the provider takes at once.
func TestMoreReadsThanOneCallTakes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newBubbleWorld(t, simulator.Settings{RefuseLongLists: true})
		ids := w.children(pageSize + 500)
		var all sync.WaitGroup
		for _, id := range ids {
			all.Go(func() {
				if v, err := w.Read(background, directory.Key{ID: id}); err != nil || v.Account == nil {
					t.Errorf("read of %s: %+v, %v", id, v, err)
				}
			})
		}
		all.Wait()
		if n := len(w.sim.Calls()); n != 2 {
			t.Errorf("%d calls for %d accounts", n, len(ids))
		}
	})
}

// The answer of a call that is under way may be older than the read.
func TestReadNeverJoinsACallUnderWay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newBubbleWorld(t, simulator.Settings{})
		ids := w.children(1)
		g := w.hold(list)
		first := make(chan account.View, 1)
		go func() { v, _ := w.Read(background, directory.Key{ID: ids[0]}); first <- v }()
		<-g.answered
		w.set(t, ids[0], "language_code", "de")
		second := make(chan account.View, 1)
		go func() { v, _ := w.Read(background, directory.Key{ID: ids[0]}); second <- v }()
		if v := <-second; v.Account == nil || v.Account.State["languageCode"] != "de" {
			t.Errorf("the second read does not return what was there before it: %+v", v.Account)
		}
		if n := w.count(list); n != 2 {
			t.Errorf("%d calls, want 2", n)
		}
		close(g.release)
		if v := <-first; v.Account == nil {
			t.Errorf("the first read: %+v", v)
		}
	})
}

// The older answer comes last, and yet does not replace the newer one.
func TestTheOlderOfTwoReadsDoesNotOverrideTheNewer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newBubbleWorld(t, simulator.Settings{})
		ids := w.children(1)
		w.during(t, list, func() error { _, err := w.Read(background, directory.Key{ID: ids[0]}); return err }, func() {
			w.set(t, ids[0], "language_code", "de")
			w.read(t, directory.Key{ID: ids[0]})
		})
		if got := w.value(ids[0], "languageCode"); got != "de" {
			t.Errorf("known of it: %q", got)
		}
	})
}

// A failure is returned to all reads that shared the call, and to no other.
func TestReadsThatShareACallShareItsFailure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newBubbleWorld(t, simulator.Settings{})
		ids := w.children(10)
		w.sim.AddFault(simulator.Fault{Kind: simulator.FaultHTTP, Method: list, Times: 1})
		var all sync.WaitGroup
		for _, id := range ids {
			all.Go(func() {
				_, err := w.Read(background, directory.Key{ID: id})
				if account.ClassOf(err) != account.Unavailable {
					t.Errorf("error %v", err)
				}
			})
		}
		all.Wait()
		w.read(t, directory.Key{ID: ids[0]})
		if n := w.count(list); n != 2 {
			t.Errorf("%d calls, want 2", n)
		}
	})
}

// The first read is cancelled; the others that share its call still get their answer.
func TestSharedReadOutlivesTheContextOfTheFirstRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newBubbleWorld(t, simulator.Settings{})
		ids := w.children(2)
		ctx, cancel := context.WithCancel(background)
		first := make(chan error, 1)
		go func() { _, err := w.Read(ctx, directory.Key{ID: ids[0]}); first <- err }()
		synctest.Wait() // it waits for the shared call
		second := make(chan account.View, 1)
		go func() { v, _ := w.Read(background, directory.Key{ID: ids[1]}); second <- v }()
		synctest.Wait() // so does this one
		cancel()
		if err := <-first; !errors.Is(err, context.Canceled) {
			t.Errorf("error %v", err)
		}
		if v := <-second; v.Account == nil || v.Account.ID != ids[1] {
			t.Errorf("the other read: %+v", v)
		}
		if n := w.count(list); n != 1 {
			t.Errorf("%d calls, want 1", n)
		}
	})
}

// A provider looks up one name at a time.
func TestReadsByNameDoNotShareACall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newBubbleWorld(t, simulator.Settings{})
		w.children(5)
		var all sync.WaitGroup
		for i := range 5 {
			all.Go(func() {
				name := fmt.Sprintf("child-%05d", i)
				if v, err := w.Read(background, directory.Key{Name: name}); err != nil || v.Account == nil || v.Account.Name != name {
					t.Errorf("read of %s: %+v, %v", name, v, err)
				}
			})
		}
		all.Wait()
		if n := w.count(list); n != 5 {
			t.Errorf("%d calls, want 5", n)
		}
	})
}

// The end of the context ends the waiting, not the call that others share.
func TestReadEndsWithItsContext(t *testing.T) {
	w := newWorld(t, simulator.Settings{})
	ids := w.children(1)
	g := w.hold(list)
	ctx, cancel := context.WithCancel(background)
	done := make(chan error, 2)
	go func() { _, err := w.Read(ctx, directory.Key{ID: ids[0]}); done <- err }()
	<-g.answered
	cancel()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
	close(g.release)

	canceled, cancel := context.WithCancel(background)
	cancel()
	if _, err := w.Read(canceled, directory.Key{Name: "child-00000"}); err == nil {
		t.Error("a read by name continues after its context")
	}
}
