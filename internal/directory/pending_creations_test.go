package directory

import "testing"

// The outcome of a creation is settled by a read that was requested after it, not by an older one, and not by lists.
func TestPendingCreationIsSettledByALaterRead(t *testing.T) {
	p := newPendingCreations()
	p.add("acme", 5, 1, false)
	if !p.unsettled("acme") || p.unsettled("other") || p.awaited("acme", 1) {
		t.Errorf("after the creation: %+v", p)
	}
	p.expire(100)
	for _, older := range []revision{4, 5} {
		if p.read("acme", older); !p.unsettled("acme") {
			t.Errorf("settled by a read of revision %d", older)
		}
	}
	if p.read("acme", 6); p.unsettled("acme") {
		t.Error("not settled by a read of a later revision")
	}
}

// A confirmed creation is awaited until the account is returned, or three complete lists later.
func TestConfirmedPendingCreation(t *testing.T) {
	p := newPendingCreations()
	p.add("expires", 5, 7, true)
	p.add("returned", 6, 7, true)
	p.read("expires", 9) // did not return it
	for lists := 7; lists <= 12; lists++ {
		p.expire(lists)
		if got, want := p.awaited("expires", lists), lists < 10; got != want {
			t.Errorf("awaited after %d lists: %v, want %v", lists, got, want)
		}
	}
	if _, kept := p.confirmed["expires"]; kept {
		t.Error("what is awaited no longer is kept")
	}
	if p.returned("returned"); p.awaited("returned", 7) {
		t.Error("awaited although it was returned")
	}
}
