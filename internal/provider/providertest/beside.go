package providertest

import (
	"slices"
	"testing"

	"cpaas.dev/child-account-operator/internal/account"
	"cpaas.dev/child-account-operator/internal/provider"
)

// testBesideList checks the reads that the operator can do without: one call each, and no doubt about the outcome of a call that failed.
func testBesideList(t *testing.T, h *Harness) {
	reads := map[string]func() error{}
	if v, ok := h.Remote.(provider.Verifier); ok {
		reads["Verifications"] = func() error {
			found, err := v.Verifications(background)
			for id, list := range found {
				if !slices.Equal(list, account.BoundVerifications(list)) {
					t.Errorf("the verifications of %s are not bounded: %v", id, list)
				}
			}
			return err
		}
	}
	if r, ok := h.Remote.(provider.Treasurer); ok {
		reads["Balance"] = func() error { _, err := r.Balance(background); return err }
		reads["AmountToCharge"] = func() error { _, err := r.AmountToCharge(background); return err }
		reads["ExchangeRates"] = func() error { _, err := r.ExchangeRates(background); return err }
	}
	if len(reads) == 0 {
		t.Skip("reads nothing beside lists")
	}
	h.create(t, 1)
	for what, read := range reads {
		before := h.Calls()
		if err := read(); err != nil {
			t.Errorf("%s: %v", what, err)
		}
		if made := h.Calls() - before; made != 1 {
			t.Errorf("%s makes %d calls", what, made)
		}
		h.Throttle()
		wantError(t, h, read(), false, account.Throttled)
		h.Outage()
		wantError(t, h, read(), false, account.Unavailable)
	}
}
