package voximplant

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"

	"cpaas.dev/child-account-operator/internal/account"
	"cpaas.dev/child-account-operator/internal/provider"
	"cpaas.dev/child-account-operator/internal/simulator"
)

// everything are all parameters that a token may set.
func everything() SetAccountInfoParams {
	yes, no := true, false
	return SetAccountInfoParams{
		Password: goodPassword, LanguageCode: "de", Location: "Europe/Berlin", FirstName: "Ada", LastName: "Lovelace", MobilePhone: "+4915112345678",
		MinBalanceToNotify: "5.50", AccountNotifications: &yes, TariffChangingNotifications: &no, NewsNotifications: &yes, SendJSError: &yes,
		BillingAddress: BillingAddress{Name: "Acme & Sons", CountryCode: "DE", Address: "Hauptstr. 1; Berlin", Zip: "10115", Phone: "+49 30 1234567"},
		CustomData:     "ours", CallbackURL: "https://hooks.example.com/a?b=c&d", CallbackSalt: testSalt, StoreInboundSMS: &yes, StoreOutboundSMS: &no,
	}
}

func TestSetAccountInfoAsChild(t *testing.T) {
	w := newWorld(t, simulator.Settings{})
	ids := w.children(2)
	before, _ := w.Account("child-00001")
	if err := w.Client().SetAccountInfo(background, ids[0], everything()); err != nil {
		t.Fatal(err)
	}
	got, _ := w.Account("child-00000")
	for name, want := range map[string]any{
		"account_password": goodPassword.Reveal(), "language_code": "de", "location": "Europe/Berlin", "account_first_name": "Ada", "account_last_name": "Lovelace",
		"mobile_phone": "+4915112345678", "min_balance_to_notify": 5.5, "account_notifications": true, "tariff_changing_notifications": false,
		"news_notifications": true, "send_js_error": true, "billing_address_name": "Acme & Sons", "billing_address_country_code": "DE",
		"billing_address_address": "Hauptstr. 1; Berlin", "billing_address_zip": "10115", "billing_address_phone": "+49 30 1234567", "account_custom_data": "ours",
		"callback_url": "https://hooks.example.com/a?b=c&d", "callback_salt": testSalt.Reveal(), "store_inbound_sms": true, "store_outbound_sms": false,
	} {
		if got.Fields[name] != want {
			t.Errorf("%s is %v; want %v", name, got.Fields[name], want)
		}
	}
	if after, _ := w.Account("child-00001"); !maps.Equal(before.Fields, after.Fields) {
		t.Error("another child has changed")
	}
	c := w.Calls()[0]
	if len(w.Calls()) != 1 || c.Auth != simulator.AuthJWT || fmt.Sprint(c.Account) != ids[0] || c.SecretInURL {
		t.Errorf("%s by %s as %d", c.Method, c.Auth, c.Account)
	}
	// Each field of the type is a parameter of its own, and what is not given is not sent.
	fields := 0
	for _, f := range reflect.ValueOf(everything()).Fields() {
		if f.Kind() == reflect.Struct {
			fields += f.NumField()
		} else {
			fields++
		}
	}
	if len(c.Params) != fields-1 { // the e-mail
		t.Errorf("%d parameters for %d fields: %v", len(c.Params), fields, slices.Sorted(maps.Keys(c.Params)))
	}
	if err := w.Client().SetAccountInfo(background, ids[0], SetAccountInfoParams{LastName: "King"}); err != nil {
		t.Fatal(err)
	}
	if c := w.Calls()[1]; len(c.Params) != 1 || c.Params["account_last_name"] != "King" {
		t.Errorf("%v", c.Params)
	}
}

// Under a token the service changes no e-mail.
func TestSetAccountInfoChangesNoEmail(t *testing.T) {
	w := newWorld(t, simulator.Settings{})
	id := w.children(1)[0]
	e := wantError(t, w.Client().SetAccountInfo(background, id, SetAccountInfoParams{Email: "new@example.com", FirstName: "Ada"}), account.Invalid, false)
	if got, _ := w.Account("child-00000"); e.Code != 537 || e.Field != fieldEmail || got.Text("account_first_name") != "" {
		t.Errorf("%#v, %v", e, got.Fields)
	}
}

// profileChanges are a change for every field of the profile.
func profileChanges(t *testing.T) []account.Change {
	t.Helper()
	values := map[string]string{
		"profile.firstName": "Ada", "profile.lastName": "Lovelace", "profile.mobilePhone": "+4915112345678", "profile.customData": "ours",
		"profile.sendJSErrors": "true", "profile.storeInboundSMS": "true", "profile.storeOutboundSMS": "true", "profile.billingAddress.name": "Acme",
		"profile.billingAddress.countryCode": "DE", "profile.billingAddress.address": "Hauptstr. 1", "profile.billingAddress.zip": "10115", "profile.billingAddress.phone": "030",
	}
	var changes []account.Change
	for _, f := range schema {
		if value, ok := values[f.Path]; ok && f.Delegated {
			changes = append(changes, account.Change{Field: f, To: value})
			delete(values, f.Path)
		} else if f.Delegated {
			t.Errorf("no value for %s", f.Path)
		}
	}
	if len(values) > 0 {
		t.Errorf("no field of the profile: %v", values)
	}
	return changes
}

// A profile is one call, which runs as the child. What is shown of it is read back in the spelling for comparison.
func TestUpdateOfAProfile(t *testing.T) {
	w := newWorld(t, simulator.Settings{})
	id, changes := w.children(1)[0], profileChanges(t)
	if err := w.Remote.Update(background, updateOf([]string{id}, changes)); err != nil {
		t.Fatal(err)
	}
	if c := w.Calls()[0]; len(w.Calls()) != 1 || c.Method != "SetAccountInfo" || fmt.Sprint(c.Account) != id || len(c.Params) != len(changes) {
		t.Errorf("%d calls, %s as %d: %v", len(w.Calls()), c.Method, c.Account, c.Params)
	}
	found, err := w.Get(background, provider.Selector{IDs: []string{id}})
	if err != nil || len(found) != 1 || found[0].CustomData != "ours" {
		t.Fatalf("%v, %v", found, err)
	}
	if left := account.Diff(schema, declared(changes), found[0].State, account.Applied(changes)); len(left) > 0 {
		t.Errorf("differs after the write: %+v", left)
	}
}

func declared(changes []account.Change) account.State {
	state := account.State{}
	for _, c := range changes {
		state[c.Field.Path] = c.To
	}
	return state
}

// A text that the service shows as empty is as good as one that it leaves out: who has applied one sees that it was taken away.
func TestEmptyTexts(t *testing.T) {
	w := newWorld(t, simulator.Settings{})
	id := w.children(1)[0]
	for _, shown := range []any{"", nil} {
		if err := w.SetField(idOf(t, id), "account_first_name", shown); err != nil {
			t.Fatal(err)
		}
		found, err := w.Get(background, provider.Selector{IDs: []string{id}})
		if err != nil {
			t.Fatal(err)
		}
		if _, known := found[0].State["profile.firstName"]; known {
			t.Errorf("%v is known", shown)
		}
		want := account.State{"profile.firstName": "Ada"}
		for origin, applied := range map[account.Origin]account.State{account.FromSpec: nil, account.FromRemote: want} {
			if changes := account.Diff(schema, want, found[0].State, applied); len(changes) != 1 || changes[0].Origin != origin {
				t.Errorf("applied %v: %+v", applied, changes)
			}
		}
	}
}

// Which roles do for a profile, and what is said where they are missing.
func TestRolesOfAProfile(t *testing.T) {
	for _, code := range []int{100, 104} {
		w := newWorld(t, simulator.Settings{MissingRoleCode: code})
		id := w.children(1)[0]
		for role, may := range map[simulator.Role]bool{
			simulator.RoleOwner: true, simulator.RoleAdmin: true, simulator.RoleDeveloper: true, simulator.RoleAccountant: true, simulator.RolePayer: true, "Support": false,
		} {
			remote := w.remote(t, func(c *Config) { c.Credentials = credentials(t, w.Credentials(w.parent.ID, role)) })
			err := remote.Update(background, updateOf([]string{id}, []account.Change{change(t, "profile.firstName", string(role))}))
			if may && err != nil {
				t.Errorf("%s: %v", role, err)
			}
			if may {
				continue
			}
			if e := wantError(t, err, account.RoleMissing, false); !strings.Contains(e.Message, "Owner, Admin, Developer, Accountant, Payer") || !strings.Contains(e.Next, "Owner, Admin") {
				t.Errorf("%s: %+v", role, e)
			}
		}
	}
}

// A child that is not active may be refused: that is about the child, and not about its parent.
func TestProfileOfAnInactiveChild(t *testing.T) {
	w := newWorld(t, simulator.Settings{RefuseInactiveChildren: true})
	id := w.children(1)[0]
	if err := w.SetField(idOf(t, id), "active", false); err != nil {
		t.Fatal(err)
	}
	err := w.Remote.Update(background, updateOf([]string{id}, []account.Change{change(t, "profile.firstName", "Ada")}))
	if e := wantError(t, err, account.BlockedVerification, false); !strings.Contains(e.Message, "child account is not active") || !strings.Contains(e.Next, "Activate the account") {
		t.Errorf("%+v", e)
	}
}

// Whatever the service refuses of these fields, the error names the field of the spec.
func TestRefusalsNameTheField(t *testing.T) {
	w := newWorld(t, simulator.Settings{})
	id := w.children(1)[0]
	for code, field := range map[int]string{
		163: "profile.firstName", 164: "profile.lastName", 203: "profile.mobilePhone", 204: "profile.billingAddress.countryCode", 205: "profile.billingAddress.name",
		206: "profile.billingAddress.address", 207: "profile.billingAddress.zip", 208: "profile.billingAddress.phone", 211: "profile.customData",
		543: "profile.billingAddress", 466: "profile.billingAddress",
	} {
		w.AddFault(simulator.Fault{Kind: simulator.FaultError, Code: code, Times: 1})
		err := w.Remote.Update(background, updateOf([]string{id}, profileChanges(t)))
		if e := wantError(t, err, account.Invalid, false); e.Field != field {
			t.Errorf("%d: %q; want %q", code, e.Field, field)
		}
	}
	for parameter, field := range map[string]string{"store_inbound_sms": "profile.storeInboundSMS", "callback_url": "callback.url", "callback_salt": fieldSalt, "record_storage_name": "recordStorage.name"} {
		w.AddFault(simulator.Fault{Kind: simulator.FaultError, Code: 496, Message: fmt.Sprintf("The '%s' parameter is invalid", parameter), Times: 1})
		err := w.Remote.Update(background, updateOf([]string{id}, profileChanges(t)))
		if e := wantError(t, err, account.Invalid, false); e.Field != field {
			t.Errorf("%s: %q; want %q", parameter, e.Field, field)
		}
	}
	w.AddFault(simulator.Fault{Kind: simulator.FaultError, Code: 396, Times: 1})
	_, err := w.Create(background, newAccount("child-1"))
	if e := wantError(t, err, account.Invalid, false); e.Field != "recordStorage.name" {
		t.Errorf("%+v", e)
	}
}

func TestProfileWithUnknownOutcome(t *testing.T) {
	for _, test := range lostAnswers {
		t.Run(fmt.Sprint(test.fault.Kind, test.fault.AfterChange), func(t *testing.T) {
			w := newWorld(t, simulator.Settings{}, func(c *Config) { c.MaxAnswer, c.MaxList = 1<<20, 1<<20 })
			id := w.children(1)[0]
			w.AddFault(test.fault)
			err := w.Remote.Update(background, updateOf([]string{id}, []account.Change{change(t, "profile.firstName", "Ada")}))
			wantError(t, err, account.Unavailable, true)
			there, _ := w.Account("child-00000")
			if made := there.Text("account_first_name") == "Ada"; made != test.made || w.Counts()["SetAccountInfo"] != 1 {
				t.Errorf("made: %v, %v", made, w.Counts())
			}
		})
	}
}

func TestSetCallbackSalt(t *testing.T) {
	w := newWorld(t, simulator.Settings{})
	ids := w.children(2)
	for range 2 { // it may be repeated
		if err := w.SetCallbackSalt(background, ids[0], testSalt); err != nil {
			t.Fatal(err)
		}
	}
	one, _ := w.Account("child-00000")
	two, _ := w.Account("child-00001")
	if one.Text("callback_salt") != testSalt.Reveal() || two.Text("callback_salt") != "" {
		t.Error("the wrong account has the salt")
	}
	// It is shown to whoever lists the account, and kept out of all that is known of the account here.
	found, err := w.Get(background, provider.Selector{IDs: ids})
	if err != nil {
		t.Fatal(err)
	}
	noSecrets(t, fmt.Sprintf("%+v", found), []string{testSalt.Reveal()})
	w.AddFault(simulator.Fault{Kind: simulator.FaultError, Code: 399, Message: "The 'callback_salt' is " + testSalt.Reveal(), Times: 1})
	e := wantError(t, w.SetCallbackSalt(background, ids[0], testSalt), account.Invalid, false)
	noSecrets(t, fmt.Sprintf("%+v %v", e, w.seen.texts), []string{testSalt.Reveal()})
	if e.Field != fieldSalt {
		t.Errorf("%+v", e)
	}
	w.AddFault(simulator.Fault{Kind: simulator.FaultLoseAnswer, Times: 1})
	wantError(t, w.SetCallbackSalt(background, ids[0], "another"), account.Unavailable, true)
	wantError(t, w.SetCallbackSalt(background, "424242", testSalt), account.NotFound, false)
}

// The secrets of SetAccountInfo show in no error.
func TestSecretsOfSetAccountInfo(t *testing.T) {
	w := newWorld(t, simulator.Settings{})
	id := w.children(1)[0]
	w.AddFault(simulator.Fault{Kind: simulator.FaultError, Code: 101, Message: "bad: " + testSalt.Reveal() + " and " + goodPassword.Reveal()})
	err := w.Client().SetAccountInfo(background, id, everything())
	noSecrets(t, fmt.Sprintf("%+v %v", err, w.seen.texts), []string{testSalt.Reveal(), goodPassword.Reveal()})
	if e := wantError(t, err, account.Invalid, false); e.Message != "bad: [redacted] and [redacted]" {
		t.Error(e)
	}
}
