package providertest

import (
	"testing"

	"cpaas.dev/child-account-operator/internal/account"
	"cpaas.dev/child-account-operator/internal/provider"
)

// testClones checks that a clone is an account of its own, with what was sent, and that nothing is sent twice.
func testClones(t *testing.T, h *Harness) {
	cloner, ok := h.Remote.(provider.Cloner)
	if !ok {
		t.Skip("clones nothing")
	}
	template, n := h.create(t, 1), h.NewAccount(2)
	before, was := h.Calls(), h.Stored(t, template.ID)
	cloned, err := cloner.Clone(background, template.ID, n)
	if err != nil {
		t.Fatal(err)
	}
	if calls := h.Calls() - before; calls != 1 {
		t.Errorf("%d calls", calls)
	}
	a := h.named(t, n.Name)
	if id := cloned.Account.ID; id != a.ID && id != "" || id == "" && cloned.APIKey != "" || a.ID == template.ID {
		t.Errorf("cloned %q from %q with the key %q, read %q", id, template.ID, cloned.APIKey.Reveal(), a.ID)
	}
	if _, claims := h.Remote.(provider.Claimer); a.CustomData != map[bool]string{true: n.CustomData}[claims] {
		t.Errorf("custom data %q", a.CustomData)
	}
	h.testCloned(t, n, cloned.Account.State, h.Stored(t, a.ID))
	h.has(t, a.ID, n.Password, true)
	h.has(t, template.ID, h.NewAccount(1).Password, true)
	h.same(t, "a clone", template.ID, was)

	_, err = cloner.Clone(background, template.ID, n)
	wantError(t, h, err, false, account.NameTaken)
	_, err = cloner.Clone(background, h.UnknownID, h.NewAccount(3))
	wantError(t, h, err, false, account.NotFound)
	h.LoseAnswer()
	before = h.Calls()
	_, err = cloner.Clone(background, template.ID, h.NewAccount(4))
	wantError(t, h, err, true, account.Unavailable)
	if calls := h.Calls() - before; calls != 1 {
		t.Errorf("%d calls", calls)
	}
	if a := h.named(t, h.NewAccount(4).Name); a.CustomData != h.NewAccount(4).CustomData {
		t.Errorf("after a lost answer: custom data %q", a.CustomData)
	}
}

// testCloned checks what is known of a clone, and what it has: what was sent, and nothing else but what the service has said.
func (h *Harness) testCloned(t *testing.T, n provider.NewAccount, known, stored account.State) {
	t.Helper()
	for _, f := range h.Remote.Fields() {
		want, declared := n.Desired[f.Path]
		v, is := known[f.Path]
		switch {
		case f.NameOnly():
		case declared && f.Clonable && (f.Normal(v) != f.Normal(want) || f.Normal(stored[f.Path]) != f.Normal(want)):
			t.Errorf("%s: sent %q, stored %q, want %q", f.Path, v, stored[f.Path], want)
		case is && f.Normal(v) != f.Normal(stored[f.Path]):
			t.Errorf("%s: it is said to be %q, and is %q", f.Path, v, stored[f.Path])
		}
	}
}
