package directory_test

import (
	"fmt"
	"slices"
	"sync"
	"testing"

	"cpaas.dev/child-account-operator/internal/account"
	"cpaas.dev/child-account-operator/internal/directory"
	"cpaas.dev/child-account-operator/internal/provider"
	"cpaas.dev/child-account-operator/internal/simulator"
	"cpaas.dev/child-account-operator/internal/voximplant"
)

func TestFields(t *testing.T) {
	w := newWorld(t, simulator.Settings{})
	var got, want []string
	for _, f := range w.Fields() {
		got = append(got, f.Path)
	}
	for _, f := range voximplant.Fields() {
		want = append(want, f.Path)
	}
	if len(want) == 0 || !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
}

// All methods concurrently, for the race detector; at the end all values are those written last.
func TestConcurrentUse(t *testing.T) {
	w := newWorld(t, simulator.Settings{})
	ids := w.children(20)
	w.refresh(t)
	var all sync.WaitGroup
	for i, id := range ids {
		all.Go(func() {
			for _, language := range []string{"de", "fr", "it"} {
				if err := w.Update(background, provider.Target{ID: id}, w.changes("languageCode", language)); err != nil {
					t.Error(err)
				}
				if got := w.value(id, "languageCode"); got != language {
					t.Errorf("wrote %s, and then knows %s", language, got)
				}
				if v, err := w.Read(background, directory.Key{ID: id}); err != nil || v.Account == nil || v.Account.State["languageCode"] != language {
					t.Errorf("read: %+v, %v", v, err)
				}
			}
			if _, err := w.Create(background, newAccount(fmt.Sprintf("acme-%02d", i))); err != nil {
				t.Error(err)
			}
		})
	}
	for range 3 {
		all.Go(func() {
			for range 5 {
				if err := w.Refresh(background, directory.Known{IDs: ids}); err != nil && account.ClassOf(err) != account.Incomplete {
					t.Error(err)
				}
				_ = w.Listings()
			}
		})
	}
	all.Wait()
	for i, id := range ids {
		if got := w.value(id, "languageCode"); got != "it" {
			t.Errorf("account %s: %q", id, got)
		}
		if v := w.Observe(directory.Key{Name: fmt.Sprintf("acme-%02d", i)}); v.Account == nil || v.Absences != 0 {
			t.Errorf("created, and then not known: %+v", v)
		}
	}
}
