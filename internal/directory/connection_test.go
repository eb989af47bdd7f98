package directory_test

import (
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	"cpaas.dev/child-account-operator/internal/account"
	"cpaas.dev/child-account-operator/internal/directory"
	"cpaas.dev/child-account-operator/internal/provider"
	"cpaas.dev/child-account-operator/internal/provider/fake"
	"cpaas.dev/child-account-operator/internal/simulator"
)

func TestSwitchKeepsTheCache(t *testing.T) {
	w := newWorld(t, simulator.Settings{})
	ids := w.children(1)
	w.refresh(t)
	w.sim.AddFault(simulator.Fault{Kind: simulator.FaultLoseAnswer, Method: add, Times: 1})
	_, _ = w.Create(background, newAccount("acme-new"))
	was := w.Listings()
	w.clock.Step(time.Minute)

	var used atomic.Int32
	w.change(t, w.remote(t, roundTripper(func(r *http.Request) (*http.Response, error) {
		used.Add(1)
		return http.DefaultTransport.RoundTrip(r)
	})))
	wantView(t, w.Observe(directory.Key{ID: ids[0]}), ids[0], account.View{Listed: true})
	if v := w.Observe(directory.Key{Name: "acme-new"}); !v.OutcomeUnknown {
		t.Errorf("the outcome counts as known: %+v", v)
	}
	was.Complete, was.Total = was.Complete+1, 2
	was.CompleteAt, was.AttemptedAt = w.clock.Now(), w.clock.Now()
	if w.Listings() != was {
		t.Errorf("listings %+v, want %+v", w.Listings(), was)
	}
	before := used.Load()
	w.read(t, directory.Key{ID: ids[0]})
	if used.Load() != before+1 {
		t.Error("the new connection is not used")
	}
}

// A connection that can't read the list, for whatever reason, is not changed to.
func TestSwitchRefused(t *testing.T) {
	w := newWorld(t, simulator.Settings{})
	ids := w.children(1)
	w.refresh(t)
	was := w.Listings()
	for class, fault := range map[account.Class]simulator.Fault{
		account.RoleMissing: {Kind: simulator.FaultError, Method: list, Code: 104, Times: 1},
		account.Unavailable: {Kind: simulator.FaultReset, Method: list, Times: 1},
		account.Throttled:   {Kind: simulator.FaultHTTP, Method: list, Status: 429, Times: 1},
	} {
		w.clock.Step(time.Minute)
		w.sim.AddFault(fault)
		wantError(t, w.Switch(background, w.remote(t, nil), directory.Known{}), class, false)
		if w.Listings() != was {
			t.Errorf("%s: listings %+v, want %+v", class, w.Listings(), was)
		}
	}
	wantView(t, w.Observe(directory.Key{ID: ids[0]}), ids[0], account.View{Listed: true})
	w.write(t, ids[0], "languageCode", "de") // on the former one
}

// A call that is under way ends on the connection that it began on, and its answer counts.
func TestSwitchDuringACall(t *testing.T) {
	w := newWorld(t, simulator.Settings{})
	w.refresh(t)
	w.during(t, add, func() error { _, err := w.Create(background, newAccount("acme-new")); return err }, func() {
		w.change(t, w.remote(t, http.DefaultTransport))
	})
	if v := w.Observe(directory.Key{Name: "acme-new"}); v.Account == nil || v.OutcomeUnknown {
		t.Errorf("the account is not known: %+v", v)
	}
	if n := w.sim.Counts()[add]; n != 1 {
		t.Errorf("%d calls", n)
	}
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// Views of a provider without claims are Claimless.
func TestClaimless(t *testing.T) {
	w := newFakeWorld(fake.Options{NoClaims: true})
	created, err := w.Create(background, fakeAccount("acme"))
	if err != nil || created.Account.CustomData != "" {
		t.Fatalf("%+v, %v", created, err)
	}
	wantError(t, w.Claim(background, created.Account.ID, "claim"), account.Invalid, false)
	view, err := w.Read(background, directory.Key{Name: "acme"})
	if err != nil || !view.Claimless {
		t.Fatalf("%+v, %v", view, err)
	}
	if v := newFakeWorld(fake.Options{}).Observe(directory.Key{Name: "acme"}); v.Claimless {
		t.Error("a provider with claims has none")
	}
}

func TestRecoverKey(t *testing.T) {
	w := newWorld(t, simulator.Settings{})
	created, err := w.Create(background, newAccount("acme-new"))
	if err != nil {
		t.Fatal(err)
	}
	key, err := w.RecoverKey(background, created.Account.ID, password)
	if err != nil || key.Reveal() != created.APIKey.Reveal() {
		t.Errorf("not the account's key, %v", err)
	}
	if key, err = w.RecoverKey(background, created.Account.ID, "Another-Pa55word!"); err == nil || key != "" {
		t.Error("a wrong password finds the key")
	}
	w.change(t, struct{ provider.Remote }{w.remote(t, http.DefaultTransport)})
	_, err = w.RecoverKey(background, created.Account.ID, password)
	wantError(t, err, account.Invalid, false)
}
