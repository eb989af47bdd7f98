package simulator

import (
	"fmt"
	"strings"
	"testing"

	"github.com/golang-jwt/jwt/v5"
)

func TestGetAccountInfo(t *testing.T) {
	f := newFixture(t)
	r := f.call("GetAccountInfo", nil)
	info := r.info(t)
	if info["account_id"] != float64(f.parent.ID) || info["account_name"] != "acme" || info["active"] != true || info["live_balance"] != 0.0 {
		t.Errorf("%s", r.body)
	}
	if r.APIAddress != strings.TrimPrefix(f.server.URL, "http://") {
		t.Errorf("api_address %q", r.APIAddress)
	}
	f.Update(func(s *Settings) { s.APIAddress = "api-eu.voximplant.example" })
	r = f.call("GetAccountInfo", form{"return_live_balance": "false"})
	if _, shown := r.info(t)["live_balance"]; shown || r.APIAddress != "api-eu.voximplant.example" {
		t.Errorf("%s", r.body)
	}
	for _, hidden := range []string{"account_password", "children_enabled", "can_use_restricted", "store_inbound_sms", "store_outbound_sms"} {
		if _, shown := info[hidden]; shown {
			t.Errorf("%s is shown", hidden)
		}
	}
}

func TestSetAccountInfoAsChild(t *testing.T) {
	f := newFixture(t)
	child := f.child("acme-one")
	asChild := f.token(f.creds, jwt.MapClaims{"iss": child.ID})
	profile := form{
		"language_code": "de", "location": "Europe/Berlin", "account_first_name": "Ada", "account_last_name": "Lovelace",
		"mobile_phone": "+49301234567", "min_balance_to_notify": "3", "account_notifications": "true",
		"tariff_changing_notifications": "true", "news_notifications": "true", "send_js_error": "true",
		"billing_address_name": "Acme", "billing_address_country_code": "DE", "billing_address_address": "Street 1",
		"billing_address_zip": "10115", "billing_address_phone": "+49301", "account_custom_data": "x",
		"callback_url": "http://acme.example", "callback_salt": "salt", "store_outbound_sms": "true", "store_inbound_sms": "true",
	}
	wantCode(t, f.callAs(asChild, "SetAccountInfo", profile), 0)
	got, _ := f.AccountByID(child.ID)
	for name, value := range profile {
		if fmt.Sprint(got.Fields[name]) != value {
			t.Errorf("%s is %v, want %s", name, got.Fields[name], value)
		}
	}
	if p, _ := f.Account("acme"); p.Text("account_first_name") != "" {
		t.Error("the parent has changed")
	}
	info := f.callAs(asChild, "GetAccountInfo", nil).info(t)
	if info["send_js_error"] != true || info["mobile_phone"] != "+49301234567" {
		t.Errorf("%v", info)
	}
}

func TestSetAccountInfoEmailAndPassword(t *testing.T) {
	f := newFixture(t)
	child := f.child("acme-one")
	f.AddStranger("stranger", "taken@elsewhere.example")
	asChild := f.token(f.creds, jwt.MapClaims{"iss": child.ID})
	byPassword := form{"account_id": fmt.Sprint(child.ID), "account_password": goodPassword}
	byKey := form{"account_id": fmt.Sprint(child.ID), "api_key": child.APIKey()}
	email := form{"new_account_email": "new@acme.example", "location": "Europe/Rome"}
	wantCode(t, f.callAs(asChild, "SetAccountInfo", email), 537)
	wantCode(t, f.callAs("", "SetAccountInfo", byKey.with(email)), 537)
	if got, _ := f.AccountByID(child.ID); got.Text("location") != "Etc/GMT" {
		t.Error("the location changed along with the refused e-mail")
	}
	wantCode(t, f.callAs("", "SetAccountInfo", byPassword.with(form{"new_account_email": "Taken@elsewhere.example"})), 128)
	wantCode(t, f.callAs("", "SetAccountInfo", byPassword.with(form{"new_account_email": "me"})), 136)
	wantCode(t, f.callAs("", "SetAccountInfo", byPassword.with(email)), 0)
	if got, _ := f.AccountByID(child.ID); got.Email() != "new@acme.example" {
		t.Errorf("e-mail %s", got.Email())
	}
	wantCode(t, f.callAs(asChild, "SetAccountInfo", form{"new_account_password": goodPassword}), 535)
	f.Update(func(s *Settings) { s.PasswordChangeBlocked = true })
	wantCode(t, f.callAs(asChild, "SetAccountInfo", form{"new_account_password": "Another-Horse-2"}), 230)
	f.Update(func(s *Settings) { s.PasswordChangeBlocked = false })
	wantCode(t, f.callAs(asChild, "SetAccountInfo", form{"new_account_password": "Another-Horse-2"}), 0)
	if !f.CheckPassword(child.ID, "Another-Horse-2") {
		t.Error("the password has not changed")
	}
}
