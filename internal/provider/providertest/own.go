package providertest

import (
	"maps"
	"strings"
	"testing"

	"cpaas.dev/child-account-operator/internal/account"
	"cpaas.dev/child-account-operator/internal/provider"
)

// testOwn writes each field of the parent account itself, one after another: no other field changes, and no child.
func testOwn(t *testing.T, h *Harness) {
	keeper, ok := h.Remote.(provider.OwnKeeper)
	if !ok {
		t.Skip("can't change the parent account")
	}
	child := h.create(t, 1)
	before := h.Stored(t, child.ID)
	fields := keeper.OwnFields()
	for _, f := range fields {
		testField(t, f)
		if !f.Updatable || f.Settable || f.Batchable || f.Delegated || f.Identity || f.Mark != account.MarkNone {
			t.Errorf("%s is no field of the parent account: %+v", f.Path, f)
		}
		for _, value := range h.Values(f.Path, 1) {
			was := h.own(t, keeper)
			if err := keeper.UpdateOwn(background, []account.Change{{Field: f, To: value}}, ""); err != nil {
				t.Fatalf("%s=%q: %v", f.Path, value, err)
			}
			now := h.own(t, keeper)
			if f.Readable && now[f.Path] != f.Normal(value) {
				t.Errorf("%s is %q after %q was written", f.Path, now[f.Path], value)
			}
			delete(was, f.Path)
			delete(now, f.Path)
			if !maps.Equal(was, now) {
				t.Errorf("%s changed more: %v, before %v", f.Path, now, was)
			}
		}
	}
	for range 2 {
		was := h.own(t, keeper)
		if err := keeper.UpdateOwn(background, nil, "a-salt"); err != nil || !maps.Equal(was, h.own(t, keeper)) {
			t.Errorf("a salt: %v", err)
		}
	}
	h.same(t, "the parent account", child.ID, before)
	change := []account.Change{{Field: fields[0], To: h.Values(fields[0].Path, 1)[0]}}
	h.silently(t, "a field that there is not", func() error {
		return keeper.UpdateOwn(background, []account.Change{{Field: account.Field{Path: "nothing.like.it"}, To: "x"}}, "")
	}, account.Invalid)
	h.LoseAnswer()
	wantError(t, h, keeper.UpdateOwn(background, change, "a-salt"), true, account.Unavailable)
	if now := h.own(t, keeper); now[fields[0].Path] != fields[0].Normal(change[0].To) {
		t.Errorf("after a lost answer the account has %q", now[fields[0].Path])
	}
	h.Throttle()
	if e := wantedError(t, h, keeper.UpdateOwn(background, change, "a-salt"), false, account.Throttled); e != nil && strings.Contains(e.Error(), "a-salt") {
		t.Errorf("the salt shows: %v", e)
	}
}

// own is the parent account as it is read.
func (h *Harness) own(t *testing.T, keeper provider.OwnKeeper) account.State {
	t.Helper()
	a, err := keeper.Own(background)
	if err != nil || a.ID != h.SelfID {
		t.Fatalf("the parent account is %s, %v; want %s", a.ID, err, h.SelfID)
	}
	return maps.Clone(a.State)
}
