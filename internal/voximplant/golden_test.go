package voximplant

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"cpaas.dev/child-account-operator/internal/account"
	"cpaas.dev/child-account-operator/internal/golden"
	"cpaas.dev/child-account-operator/internal/provider"
	"cpaas.dev/child-account-operator/internal/simulator"
)

// The exact parameters of every method, with all fields.
func TestRequestsGolden(t *testing.T) {
	w := newWorld(t, simulator.Settings{RefuseAll: true, RefuseUnfiltered: true}, func(c *Config) { c.ParentAPIKey = testAPIKey })
	full := account.State{
		"email": "Child-1@Example.com", "active": "false", "languageCode": "de", "location": "Europe/Berlin",
		"notifications.account": "true", "notifications.tariffChanges": "false", "notifications.news": "true",
		"minBalanceToNotify": "5.00", "payments.bankCard": "true", "payments.invoice": "false", "payments.robokassa": "true", "canUseRestricted": "true",
		"callback.url": "https://hooks.example.com/a?b=c&d", "recordStorage.name": "eu-records",
		"profile.firstName": "Ada", "profile.lastName": "Lovelace", "profile.mobilePhone": "+4915112345678", "profile.customData": `{"crm": "4711"}`,
		"profile.sendJSErrors": "true", "profile.storeInboundSMS": "true", "profile.storeOutboundSMS": "false",
		"profile.billingAddress.name": "Acme & Sons", "profile.billingAddress.countryCode": "DE", "profile.billingAddress.address": "Hauptstr. 1, Berlin",
		"profile.billingAddress.zip": "10115", "profile.billingAddress.phone": "+49 30 1234567",
	}
	n := newAccount("child-1")
	n.Desired = full
	small := newAccount("child-2")
	small.CustomData = ""
	one, err := w.Create(background, n)
	if err != nil {
		t.Fatal(err)
	}
	two, err := w.Create(background, small)
	if err != nil {
		t.Fatal(err)
	}
	var batchable []account.Change
	all := map[bool][]account.Change{}
	for _, f := range schema {
		if value, ok := full[f.Path]; ok && f.Updatable {
			c := account.Change{Field: f, To: value}
			all[f.Delegated] = append(all[f.Delegated], c)
			if f.Batchable {
				batchable = append(batchable, c)
			}
		}
	}
	ids := []string{one.Account.ID, two.Account.ID}
	for _, err := range []error{
		w.Remote.Update(background, updateOf(ids[:1], all[false])),
		w.Remote.Update(background, updateOf(ids[:1], all[true])),
		w.SetCallbackSalt(background, ids[0], testSalt),
		w.Remote.Update(background, updateOf(ids, batchable)),
		func() error { _, err := w.Self(background); return err }(),
		func() error { _, err := w.RecoverKey(background, ids[0], goodPassword); return err }(), // with the parent's API key
		func() error { _, err := w.remote(t).RecoverKey(background, ids[0], goodPassword); return err }(),
		w.SetPassword(background, provider.Target{ID: ids[0]}, otherPassword),
		func() error { _, err := w.Remote.CheckPassword(background, ids[0], otherPassword); return err }(),
		w.SetCustomData(background, ids[0], account.Claim{Installation: "one", Namespace: "telephony", Name: "child-1"}.CustomData()),
		func() error {
			_, _, err := list(w.Remote, provider.Known{IDs: ids, Names: []string{"child-2"}})
			return err
		}(),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	golden.Check(t, "testdata/requests.golden", transcript(w), "UPDATE_DOCS=1 go test ./internal/voximplant")
}

// transcript writes the calls down, with the ids that the simulator made up.
func transcript(w *world) string {
	var b strings.Builder
	for _, c := range w.Calls() {
		fmt.Fprintf(&b, "%s %s, authenticated by %s: %s\n", c.HTTPMethod, c.Method, c.Auth, c.Outcome)
		for _, name := range slices.Sorted(maps.Keys(c.Params)) {
			fmt.Fprintf(&b, "  %s=%s\n", name, c.Params[name])
		}
		if c.SecretInURL {
			b.WriteString("  SECRET IN THE URL\n")
		}
	}
	return b.String()
}
