package directory_test

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

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

// While any call is under way, every other method can be used: no lock is held during a call.
func TestNoLockIsHeldDuringACall(t *testing.T) {
	w := makeWorld(simulator.Settings{})
	w.url = "http://simulator.test"
	transport := &probing{next: inProcess{w.handler()}}
	w.Directory = directory.New(w.remote(t, transport), w.clock)
	created, err := w.Create(background, newAccount("acme-probed"))
	if err != nil {
		t.Fatal(err)
	}
	id := created.Account.ID
	probed := context.WithValue(background, probedKey{}, true)
	var names atomic.Int32
	calls := map[string]func(context.Context) error{
		"Refresh": func(ctx context.Context) error { return w.Refresh(ctx, directory.Known{}) },
		"Switch": func(ctx context.Context) error {
			return w.Switch(ctx, w.remote(t, transport), directory.Known{})
		},
		"Read by id":   func(ctx context.Context) error { _, err := w.Read(ctx, directory.Key{ID: id}); return err },
		"Read by name": func(ctx context.Context) error { _, err := w.Read(ctx, directory.Key{Name: "acme-probed"}); return err },
		"Create": func(ctx context.Context) error {
			_, err := w.Create(ctx, newAccount(fmt.Sprintf("acme-%d", names.Add(1)))) // one of its own even during another Create
			return err
		},
		"Update": func(ctx context.Context) error {
			return w.Update(ctx, provider.Target{ID: id}, w.changes("languageCode", "de"))
		},
		"Claim":         func(ctx context.Context) error { return w.Claim(ctx, id, "claim") },
		"CheckPassword": func(ctx context.Context) error { _, err := w.CheckPassword(ctx, id, password); return err },
		"RecoverKey":    func(ctx context.Context) error { _, err := w.RecoverKey(ctx, id, password); return err },
		"SetPassword": func(ctx context.Context) error {
			err := w.SetPassword(ctx, provider.Target{ID: id}, password)
			if account.ClassOf(err) == account.PasswordReused { // it is the present one; the call was made
				return nil
			}
			return err
		},
	}
	for name, call := range calls {
		transport.during = func() {
			for other, call := range calls {
				if err := call(background); err != nil {
					t.Errorf("%s during %s: %v", other, name, err)
				}
			}
			w.Observe(directory.Key{ID: id})
			w.Listings()
			w.ListMethod()
			w.Fields()
			w.SetMaxBatch(100)
			directory.CapabilitiesOf(w.Directory)
		}
		before := transport.ran
		if err := call(probed); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if transport.ran == before {
			t.Fatalf("during %s the other methods did not return: a lock is held, or no call was made", name)
		}
	}
}

// probedKey marks the context of calls that probing interrupts.
type probedKey struct{}

// probing runs something during each marked call, and counts how often that returned in time.
type probing struct {
	next   http.RoundTripper
	during func()
	ran    int
}

func (p *probing) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Context().Value(probedKey{}) != nil {
		done := make(chan struct{})
		go func() { p.during(); close(done) }()
		select {
		case <-done:
			p.ran++
		case <-time.After(30 * time.Second):
		}
	}
	return p.next.RoundTrip(r)
}
