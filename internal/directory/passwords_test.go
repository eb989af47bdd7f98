package directory_test

import (
	"testing"

	"cpaas.dev/child-account-operator/internal/account"
	"cpaas.dev/child-account-operator/internal/directory"
	"cpaas.dev/child-account-operator/internal/provider"
	"cpaas.dev/child-account-operator/internal/provider/fake"
	"cpaas.dev/child-account-operator/internal/simulator"
)

func TestPasswords(t *testing.T) {
	w := newWorld(t, simulator.Settings{})
	created, err := w.Create(background, newAccount("acme-support"))
	if err != nil {
		t.Fatal(err)
	}
	id := created.Account.ID
	const other = account.Secret("Canary-0ther-one!")
	for _, c := range []struct {
		password account.Secret
		want     bool
	}{{password, true}, {other, false}} {
		if got, err := w.CheckPassword(background, id, c.password); err != nil || got != c.want {
			t.Errorf("checked: %v, %v; want %v", got, err, c.want)
		}
	}
	if err := w.SetPassword(background, provider.Target{ID: id}, other); err != nil {
		t.Fatal(err)
	}
	if got, err := w.CheckPassword(background, id, other); err != nil || !got {
		t.Errorf("checked: %v, %v", got, err)
	}
	wantError(t, w.SetPassword(background, provider.Target{ID: id}, "weak"), account.PasswordRejected, false)
	if w.Observe(directory.Key{ID: id}).OutcomeUnknown {
		t.Error("a refused password makes the outcome unknown")
	}
	w.sim.AddFault(simulator.Fault{Kind: simulator.FaultLoseAnswer, Method: change, Times: 1})
	wantError(t, w.SetPassword(background, provider.Target{ID: id}, password), account.Unavailable, true)
	if w.Observe(directory.Key{ID: id}).OutcomeUnknown {
		t.Error("an unknown outcome for the password is one for the account")
	}
	w.sim.Remove(w.sim.Accounts(w.parent.ID)[0].ID)
	wantError(t, w.SetPassword(background, provider.Target{ID: id}, other), account.NotFound, false)
	if !w.Observe(directory.Key{ID: id}).OutcomeUnknown {
		t.Error("an account that the provider does not know need not be read")
	}
}

func TestProviderWithoutPasswords(t *testing.T) {
	d := directory.New(fake.New(fake.Options{NoPasswords: true}).Remote(), nil)
	wantError(t, d.SetPassword(background, provider.Target{ID: "5"}, password), account.Invalid, false)
	has, err := d.CheckPassword(background, "5", password)
	wantError(t, err, account.Invalid, false)
	if has {
		t.Error("a provider without passwords knows one")
	}
}
