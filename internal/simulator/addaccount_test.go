package simulator

import (
	"fmt"
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

func (f *fixture) newAccount(name string) form {
	return form{
		"parent_account_id": fmt.Sprint(f.parent.ID), "account_name": name,
		"account_email": name + "@new.example", "account_password": goodPassword,
	}
}

func TestAddAccount(t *testing.T) {
	f := newFixture(t)
	r := f.call("AddAccount", f.newAccount("acme-one"))
	wantCode(t, r, 0)
	if string(r.Result) != "1" || r.AccountID == 0 || r.Active || len(r.APIKey) != 36 {
		t.Fatalf("answer %s", r.body)
	}
	if c := f.lastCall(); !c.Changed || !c.Delivered || c.Outcome != "ok" || c.Params["account_password"] != goodPassword {
		t.Fatalf("logged %+v", c)
	}
	info := f.call("GetChildrenAccounts", nil).rows(t)[0]
	want := map[string]any{
		"account_id": float64(r.AccountID), "account_name": "acme-one", "account_email": "acme-one@new.example",
		"active": false, "frozen": false, "language_code": "en", "location": "Etc/GMT", "created": "2026-05-06 07:08:09",
		"account_notifications": false, "tariff_changing_notifications": false, "news_notifications": false,
		"min_balance_to_notify": 0.0, "balance": 0.0, "live_balance": 0.0, "credit_limit": 0.0, "currency": "USD",
		"support_bank_card": true, "support_robokassa": false, "support_invoice": false, "send_js_error": false,
	}
	if !maps.Equal(info, want) {
		t.Fatalf("AccountInfo\n%v, want\n%v", info, want)
	}
	if !f.CheckPassword(r.AccountID, goodPassword) || f.CheckPassword(r.AccountID, "other") || f.CheckPassword(1, "") {
		t.Error("CheckPassword")
	}
}

func TestAddAccountWithEverything(t *testing.T) {
	f := newFixture(t)
	given := form{
		"active": "true", "language_code": "de", "location": "Europe/Berlin", "min_balance_to_notify": "5.5",
		"account_notifications": "1", "tariff_changing_notifications": "true", "news_notifications": "true",
		"account_first_name": "Ada", "account_last_name": "Lovelace", "account_custom_data": "{\"a\":1}", "record_storage_name": "eu",
	}
	r := f.call("AddAccount", f.newAccount("acme-one").with(given))
	wantCode(t, r, 0)
	if !r.Active {
		t.Error("not active")
	}
	info := f.call("GetChildrenAccounts", nil).rows(t)[0]
	for name, value := range map[string]any{
		"active": true, "language_code": "de", "location": "Europe/Berlin", "min_balance_to_notify": 5.5,
		"account_notifications": true, "tariff_changing_notifications": true, "news_notifications": true,
		"account_first_name": "Ada", "account_last_name": "Lovelace", "account_custom_data": "{\"a\":1}", "record_storage_name": "eu",
	} {
		if info[name] != value {
			t.Errorf("%s is %v, want %v", name, info[name], value)
		}
	}
}

func TestAddAccountRules(t *testing.T) {
	f := newFixture(t)
	other := f.AddParent(Parent{Name: "globex", Email: "owner@globex.example"})
	f.AddStranger("stranger", "someone@elsewhere.example")
	f.child("acme-one")
	before := len(f.Accounts(0))
	for name, test := range map[string]struct {
		change form
		code   int
	}{
		"no name":                 {form{"account_name": "-"}, 485},
		"empty name":              {form{"account_name": ""}, 134},
		"name too short":          {form{"account_name": "acme"}, 113},
		"name too long":           {form{"account_name": strings.Repeat("a", 21)}, 113},
		"name with a capital":     {form{"account_name": "Acme-two"}, 114},
		"name starts with digit":  {form{"account_name": "2acme"}, 114},
		"name with underscore":    {form{"account_name": "acme_two"}, 114},
		"name of a child":         {form{"account_name": "acme-one"}, 106},
		"name of a parent":        {form{"account_name": "globex"}, 106},
		"name of a stranger":      {form{"account_name": "stranger"}, 106},
		"no e-mail":               {form{"account_email": "-"}, 485},
		"e-mail without a domain": {form{"account_email": "me"}, 136},
		"e-mail without a dot":    {form{"account_email": "me@home"}, 136},
		"two e-mails":             {form{"account_email": "a@b.example;c@d.example"}, 136},
		"e-mail of a child":       {form{"account_email": "ACME-ONE@acme.example"}, 128},
		"e-mail of a parent":      {form{"account_email": "owner@Globex.example"}, 128},
		"e-mail of a stranger":    {form{"account_email": "someone@elsewhere.example"}, 128},
		"no password":             {form{"account_password": "-"}, 485},
		"blank password":          {form{"account_password": ""}, 463},
		"weak password":           {form{"account_password": "weak"}, 464},
		"password with a space":   {form{"account_password": "With Space-1"}, 524},
		"unknown language":        {form{"language_code": "xx"}, 202},
		"unknown location":        {form{"location": "Europe/Atlantis"}, 496},
		"long custom data":        {form{"account_custom_data": strings.Repeat("x", 8192)}, 211},
		"long first name":         {form{"account_first_name": strings.Repeat("x", 50)}, 163},
		"long last name":          {form{"account_last_name": strings.Repeat("x", 50)}, 164},
		"bad minimum":             {form{"min_balance_to_notify": "five"}, 496},
		"bad storage":             {form{"record_storage_id": "eu"}, 396},
		"two storages":            {form{"record_storage_id": "1", "record_storage_name": "eu"}, 458},
		"not settable here":       {form{"support_invoice": "true"}, 492},
		"no parent":               {form{"parent_account_id": "-"}, 485},
		"another parent":          {form{"parent_account_id": fmt.Sprint(other.ID)}, 177},
		"unknown parent":          {form{"parent_account_id": "1"}, 177},
		"parent not a number":     {form{"parent_account_id": "acme"}, 177},
		"another parent's name":   {form{"parent_account_id": "-", "parent_account_name": "globex"}, 496},
		"another parent's e-mail": {form{"parent_account_id": "-", "parent_account_email": other.Email}, 496},
		"wrong parent key":        {form{"parent_account_api_key": other.APIKey}, 100},
		"wrong parent password":   {form{"parent_account_password": other.Password}, 100},
	} {
		t.Run(name, func(t *testing.T) {
			wantCode(t, f.call("AddAccount", f.newAccount("acme-two").with(test.change)), test.code)
			if c := f.lastCall(); c.Changed || len(f.Accounts(0)) != before {
				t.Fatal("something changed")
			}
		})
	}
}

func TestParentCredentials(t *testing.T) {
	f := newFixture(t)
	byName := form{"parent_account_id": "-", "parent_account_name": "acme"}
	byEmail := form{"parent_account_id": "-", "parent_account_email": "Owner@acme.example"}
	key := form{"parent_account_api_key": f.parent.APIKey}
	both := func(a, b form) form {
		merged := maps.Clone(a)
		maps.Copy(merged, b)
		return merged
	}
	password := form{"parent_account_password": f.parent.Password}
	token := f.token(f.creds, nil)
	for i, test := range []struct {
		required      bool
		authorization string
		change        form
		code          int
	}{
		{false, token, form{}, 0},
		{false, token, byName, 0},
		{false, token, byEmail, 0},
		{false, token, key, 0},
		{false, token, password, 0},
		{true, token, form{}, 100},
		{true, token, byName, 100},
		{true, token, key, 0},
		{true, token, both(byName, key), 0},
		{true, token, both(byEmail, password), 0},
		{true, token, form{"parent_account_api_key": "wrong"}, 100},
		{false, "", form{}, 100},
		{false, "", key, 0},
		{true, "", both(byName, password), 0},
		{true, "", form{"parent_account_api_key": "wrong"}, 100},
		{false, "", form{"parent_account_id": "-", "parent_account_api_key": f.parent.APIKey}, 100},
		{false, "", form{"parent_account_id": "x", "parent_account_api_key": f.parent.APIKey}, 100},
	} {
		f.Update(func(s *Settings) { s.RequireParentCredentials = test.required })
		r := f.callAs(test.authorization, "AddAccount", f.newAccount(fmt.Sprintf("acme-%d", i)).with(test.change))
		if r.Error.Code != test.code {
			t.Errorf("%d: %s, want code %d", i, r.body, test.code)
		}
	}
}

func TestChildrenNotEnabled(t *testing.T) {
	f := newFixture(t)
	p := f.AddParent(Parent{Name: "globex", Email: "owner@globex.example", ChildrenDisabled: true})
	token := f.token(f.newKey(p.ID), nil)
	params := f.newAccount("globex-one").with(form{"parent_account_id": fmt.Sprint(p.ID)})
	wantCode(t, f.callAs(token, "AddAccount", params), 104)
	if err := f.SetField(p.ID, "children_enabled", true); err != nil {
		t.Fatal(err)
	}
	r := f.callAs(token, "AddAccount", params)
	wantCode(t, r, 0)
	// A child has no children.
	asChild := f.token(f.newKey(p.ID), jwt.MapClaims{"iss": r.AccountID})
	wantCode(t, f.callAs(asChild, "AddAccount", f.newAccount("globex-two").with(form{"parent_account_id": fmt.Sprint(r.AccountID)})), 104)
}

func TestChildrenPerDay(t *testing.T) {
	f := newFixture(t, func(s *Settings) { s.ChildrenPerDay = 2 })
	for i, want := range []int{0, 0, 397, 397} {
		if r := f.call("AddAccount", f.newAccount(fmt.Sprintf("acme-%d", i))); r.Error.Code != want {
			t.Fatalf("account %d: %s", i, r.body)
		}
	}
	f.now = f.now.Add(24 * time.Hour)
	wantCode(t, f.call("AddAccount", f.newAccount("acme-9")), 0)
}

func TestIDsGrow(t *testing.T) {
	f := newFixture(t)
	last := int64(1 << 32)
	f.PutAccount(Account{ID: 6_000_000_000, ParentID: f.parent.ID, Fields: Fields{"account_name": "old", "account_email": "old@acme.example"}})
	for i := range 5 {
		r := f.call("AddAccount", f.newAccount(fmt.Sprintf("acme-%d", i)))
		if r.AccountID <= last {
			t.Fatalf("id %d after %d", r.AccountID, last)
		}
		last = r.AccountID
	}
}
