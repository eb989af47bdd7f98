package directory_test

import (
	"testing"

	"cpaas.dev/child-account-operator/internal/account"
	"cpaas.dev/child-account-operator/internal/directory"
	"cpaas.dev/child-account-operator/internal/provider"
	"cpaas.dev/child-account-operator/internal/provider/fake"
	"cpaas.dev/child-account-operator/internal/simulator"
)

func TestSetCallbackSalt(t *testing.T) {
	w := newFakeWorld(fake.Options{})
	created, err := w.Create(background, fakeAccount("acme"))
	if err != nil {
		t.Fatal(err)
	}
	id := created.Account.ID
	if err := directory.SetCallbackSalt(background, w.Directory, id, "a-salt"); err != nil || fake.SaltOf(w.service, id) != "a-salt" {
		t.Errorf("%v", err)
	}
	w.refresh(t)
	w.service.Add(fake.Refuse(fake.MethodSetSalt, account.NotFound))
	err = directory.SetCallbackSalt(background, w.Directory, id, "a-salt")
	if view := w.Observe(directory.Key{ID: id}); account.ClassOf(err) != account.NotFound || !view.OutcomeUnknown {
		t.Errorf("an account that is not found is not to be read: %v, %+v", err, view)
	}
}

// Custom data is one text, whether it is written as a field or as a claim: what is known of the account has it in both places.
func TestCustomDataIsAFieldToo(t *testing.T) {
	w := newWorld(t, simulator.Settings{})
	claim := account.Claim{Installation: "one", Namespace: "telephony", Name: "acme"}
	created, err := w.Create(background, provider.NewAccount{Name: "acme-one", Password: password, CustomData: claim.CustomData(), Desired: account.State{"email": "a@acme.example"}})
	if err != nil {
		t.Fatal(err)
	}
	id := created.Account.ID
	if err := w.Refresh(background, directory.Known{}); err != nil {
		t.Fatal(err)
	}
	known := func(what, customData string, claimed bool) {
		t.Helper()
		a := w.Observe(directory.Key{ID: id}).Account
		_, is := a.Claim()
		if a.CustomData != customData || a.State["profile.customData"] != customData || is != claimed {
			t.Errorf("%s: %q and %q, a claim: %v", what, a.CustomData, a.State["profile.customData"], is)
		}
	}
	known("created", claim.CustomData(), true)
	f, _ := w.Fields().Field("profile.customData")
	if err := w.Update(background, provider.Target{ID: id}, []account.Change{{Field: f, To: "ours"}}); err != nil {
		t.Fatal(err)
	}
	known("written as a field", "ours", false)
	if err := w.Claim(background, id, claim.CustomData()); err != nil {
		t.Fatal(err)
	}
	known("written as a claim", claim.CustomData(), true)
}
