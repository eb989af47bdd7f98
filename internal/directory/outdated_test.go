package directory_test

import (
	"context"
	"testing"

	"cpaas.dev/child-account-operator/internal/account"
	"cpaas.dev/child-account-operator/internal/directory"
	"cpaas.dev/child-account-operator/internal/provider"
	"cpaas.dev/child-account-operator/internal/provider/fake"
)

// An account that was changed since it was read is read before anything else, whichever write noticed it.
func TestOutdatedAccountIsReadFirst(t *testing.T) {
	for method, write := range map[string]func(*fakeWorld, string) error{
		fake.MethodUpdate: func(w *fakeWorld, id string) error {
			return w.Update(background, provider.Target{ID: id}, w.changes(t, account.State{fake.PathNickname: "ada"}))
		},
		fake.MethodSetPassword: func(w *fakeWorld, id string) error {
			return w.SetPassword(background, provider.Target{ID: id, Password: func(context.Context) (account.Secret, error) { return password, nil }}, "another-password")
		},
	} {
		w := newFakeWorld(fake.Options{})
		created, err := w.Create(background, fakeAccount("acme"))
		if err != nil {
			t.Fatal(err)
		}
		key := directory.Key{ID: created.Account.ID}
		w.refresh(t)
		w.service.Add(fake.Refuse(method, account.Outdated))
		wantError(t, write(w, key.ID), account.Outdated, false)
		if !w.Observe(key).OutcomeUnknown {
			t.Errorf("%s: the account need not be read", method)
		}
		if view, err := w.Read(background, key); err != nil || view.OutcomeUnknown {
			t.Errorf("%s: after a read: %+v, %v", method, view, err)
		}
	}
}
