package providertest

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"cpaas.dev/child-account-operator/internal/account"
	"cpaas.dev/child-account-operator/internal/provider"
)

// keyName is a name as long as a name may be.
var keyName = "0b5f2c1e-7a64-4f0c-9a55-2f6f3f1b8c11-" + strings.Repeat("7", 13)

// newKey is a key that can be made.
func (h *Harness) newKey(name string) provider.NewServiceKey {
	return provider.NewServiceKey{Name: name, Description: "made by a test", Roles: []string{h.KeyRole}}
}

func testServiceKeys(t *testing.T, h *Harness) {
	keyer, ok := h.Remote.(provider.ServiceKeyer)
	if !ok {
		t.Skip("has no service-account keys")
	}
	a, other := h.create(t, 1), h.create(t, 2)
	before := h.Stored(t, a.ID)
	h.wantKeys(t, a.ID)
	key, err := keyer.CreateServiceKey(background, a.ID, h.newKey(keyName))
	if err != nil || key.ID == "" || key.Name != keyName || key.Credentials == "" {
		t.Fatalf("made %+v, %v", key, err)
	}
	h.works(t, key, true)
	h.wantKeys(t, a.ID, key)
	h.wantKeys(t, other.ID)
	if text := fmt.Sprintf("%+v", key); strings.Contains(text, key.Credentials.Reveal()[:20]) {
		t.Errorf("a secret shows: %s", text)
	}

	// After a lost answer the key is there, and a list says which: by its name.
	h.LoseAnswer()
	_, err = keyer.CreateServiceKey(background, a.ID, h.newKey("lost-1"))
	wantError(t, h, err, true, account.Unavailable)
	keys, err := keyer.ServiceKeys(background, a.ID)
	i := slices.IndexFunc(keys, func(k provider.ServiceKey) bool { return k.Name == "lost-1" })
	if err != nil || len(keys) != 2 || i < 0 {
		t.Fatalf("after a lost answer: %v, %v", keys, err)
	}
	h.LoseAnswer()
	wantError(t, h, keyer.DeleteServiceKey(background, a.ID, keys[i].ID), true, account.Unavailable)
	h.wantKeys(t, a.ID, key)
	if err := keyer.DeleteServiceKey(background, a.ID, keys[i].ID); err != nil {
		wantError(t, h, err, false, account.NotFound)
	}

	if err := keyer.DeleteServiceKey(background, a.ID, key.ID); err != nil {
		t.Fatal(err)
	}
	h.works(t, key, false)
	h.wantKeys(t, a.ID)
	h.same(t, "a service-account key", a.ID, before)
	h.refusesKeys(t, keyer, a.ID)
}

// refusesKeys checks what is refused before any call, and how a call fails.
func (h *Harness) refusesKeys(t *testing.T, keyer provider.ServiceKeyer, id string) {
	t.Helper()
	for what, n := range map[string]provider.NewServiceKey{
		"no name": h.newKey(""), "a name that is too long": h.newKey(keyName + "7"), "no role": {Name: keyName},
	} {
		h.silently(t, what, func() error { _, err := keyer.CreateServiceKey(background, id, n); return err }, account.Invalid)
	}
	h.Outage()
	if _, err := keyer.ServiceKeys(background, id); account.ClassOf(err) != account.Unavailable {
		t.Errorf("a list during an outage: %v", err)
	}
	h.Throttle()
	_, err := keyer.CreateServiceKey(background, id, h.newKey(keyName))
	wantError(t, h, err, false, account.Throttled)
	h.wantKeys(t, id)
}

// works checks whether the service accepts a key, where that can be tried.
func (h *Harness) works(t *testing.T, key provider.ServiceKey, want bool) {
	t.Helper()
	if h.KeyWorks != nil && h.KeyWorks(t, key.Credentials) != want {
		t.Errorf("key %s works: %v, want %v", key.ID, !want, want)
	}
}

// wantKeys checks which keys an account has.
func (h *Harness) wantKeys(t *testing.T, id string, want ...provider.ServiceKey) {
	t.Helper()
	keys, err := h.Remote.(provider.ServiceKeyer).ServiceKeys(background, id)
	same := func(a, b provider.ServiceKey) bool { return a.ID == b.ID && a.Name == b.Name }
	if err != nil || !slices.EqualFunc(keys, want, same) {
		t.Errorf("account %s has keys %v, %v; want %v", id, keys, err, want)
	}
}
