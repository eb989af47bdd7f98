package simulator

import (
	"encoding/json"
	"path/filepath"
	"testing"

	"github.com/golang-jwt/jwt/v5"
)

// payer puts an account with phone numbers there: one that is due, one that is paid, one that is charged automatically.
func (f *fixture) payer() Account {
	return f.PutAccount(Account{ParentID: f.parent.ID, Fields: Fields{
		"account_name": "payer", "account_email": "payer@acme.example", "account_password": goodPassword, "active": true, "balance": 4.0, "currency": "EUR",
		phonesField: []map[string]any{
			{"phone_id": 11, "phone_number": "4930111", "price": 2.5, "deactivated": true},
			{"phone_id": 12, "phone_number": "4930112", "price": 3.0, "paid": true},
			{"phone_id": 13, "phone_number": "4930113", "price": 1.0, "auto_charge": true},
		},
	}})
}

type charged struct {
	Amount float64 `json:"charged_amount"`
	Phones []struct {
		ID          int64 `json:"phone_id"`
		Charged     bool  `json:"is_charged"`
		Deactivated bool  `json:"deactivated"`
	} `json:"phones"`
}

func (f *fixture) charge(authorization string, params form) (charged, map[string]any) {
	f.t.Helper()
	r := f.callAs(authorization, "ChargeAccount", params)
	wantCode(f.t, r, 0)
	var c charged
	var whole struct {
		Account map[string]any `json:"account_info"`
	}
	if err := json.Unmarshal(r.Result, &c); err != nil {
		f.t.Fatal(err)
	}
	if err := json.Unmarshal([]byte(r.body), &whole); err != nil {
		f.t.Fatal(err)
	}
	return c, whole.Account
}

func TestChargeAccount(t *testing.T) {
	f := newFixture(t)
	a := f.payer()
	as := f.token(f.creds, jwt.MapClaims{"iss": a.ID})
	c, info := f.charge(as, form{"phone_id": "all"})
	if c.Amount != 2.5 || len(c.Phones) != 3 || !c.Phones[0].Charged || c.Phones[0].Deactivated || c.Phones[1].Charged || c.Phones[2].Charged {
		t.Errorf("%+v", c)
	}
	if info["balance"] != 1.5 || info["currency"] != "EUR" || info["frozen"] != false {
		t.Errorf("%v", info)
	}
	if !f.lastCall().Changed {
		t.Error("the call changed something")
	}
	if c, info := f.charge(as, form{"phone_number": "4930111;4930111"}); c.Amount != 0 || len(c.Phones) != 1 || info["balance"] != 1.5 || f.lastCall().Changed {
		t.Errorf("what is paid is charged again: %+v, %v", c, info)
	}
	if shown := f.callAs(as, "GetAccountInfo", nil).info(t); shown[phonesField] != nil || shown["balance"] != 1.5 {
		t.Errorf("GetAccountInfo shows %v", shown)
	}
}

func TestChargeAccountRefusals(t *testing.T) {
	f := newFixture(t)
	a := f.payer()
	as := f.token(f.creds, jwt.MapClaims{"iss": a.ID})
	for name, test := range map[string]struct {
		params form
		code   int
	}{
		"nothing":     {form{}, codeOneOf},
		"both":        {form{"phone_id": "11", "phone_number": "4930111"}, codeOneOf},
		"a stranger":  {form{"phone_id": "99"}, codeInvalidParameter},
		"a number":    {form{"phone_number": "4930999"}, codeInvalidParameter},
		"one of two":  {form{"phone_id": "11;99"}, codeInvalidParameter},
		"no id":       {form{"phone_id": "x"}, codeInvalidParameter},
		"empty items": {form{"phone_number": ";"}, codeInvalidParameter},
		"more":        {form{"phone_id": "11", "auto_charge": "true"}, codeForbiddenParameter},
	} {
		wantCode(t, f.callAs(as, "ChargeAccount", test.params), test.code)
		if now, _ := f.Account("payer"); now.Fields["balance"] != 4.0 {
			t.Errorf("%s: the balance is %v", name, now.Fields["balance"])
		}
	}
	developer := f.newKey(f.parent.ID, RoleDeveloper)
	wantCode(t, f.callAs(f.token(developer, jwt.MapClaims{"iss": a.ID}), "ChargeAccount", form{"phone_id": "11"}), codeUnauthorized)
	if err := f.SetField(a.ID, "balance", 1.0); err != nil {
		t.Fatal(err)
	}
	wantCode(t, f.callAs(as, "ChargeAccount", form{"phone_id": "11"}), codeMoney)
	if err := f.SetField(a.ID, "credit_limit", 2.0); err != nil {
		t.Fatal(err)
	}
	if c, info := f.charge(as, form{"phone_id": "11"}); c.Amount != 2.5 || info["balance"] != -1.5 {
		t.Errorf("%+v, %v", c, info)
	}
}

// What was paid stays paid in a state file.
func TestPhonesAreKept(t *testing.T) {
	file := filepath.Join(t.TempDir(), "state.json")
	first := New(Options{Key: SharedKey(), StateFile: file})
	f := &fixture{t: t, Simulator: first}
	f.parent = first.AddParent(Parent{Name: "acme", Email: "owner@acme.example"})
	a := f.payer()
	first.mu.Lock()
	_, failed := chargeAccount(first, &invocation{who: principal{account: first.accounts[a.ID]}, values: values{"phone_id": idList{all: true}}})
	first.save()
	first.mu.Unlock()
	if failed != nil {
		t.Fatal(failed)
	}
	second := New(Options{Key: SharedKey(), StateFile: file})
	for _, p := range phonesOf(second.accounts[a.ID]) {
		if due(p) {
			t.Errorf("%+v is due again", p)
		}
	}
	if len(phonesOf(second.accounts[a.ID])) != 3 {
		t.Error("phone numbers are lost")
	}
}

func TestGetResourcePrice(t *testing.T) {
	f := newFixture(t)
	for name, test := range map[string]struct {
		params form
		types  []string
		groups int
	}{
		"all":           {form{}, []string{"PSTNOUT", "PSTN_IN_GEOGRAPHIC", "SMSOUT", "AUDIORECORD", "VOIPOUT"}, 7},
		"types":         {form{"resource_type": "PSTNOUT;SMSOUT"}, []string{"PSTNOUT", "SMSOUT"}, 4},
		"a group":       {form{"price_group_id": "103"}, []string{"PSTNOUT"}, 1},
		"all groups":    {form{"price_group_id": "all"}, []string{"PSTNOUT", "PSTN_IN_GEOGRAPHIC", "SMSOUT", "AUDIORECORD", "VOIPOUT"}, 7},
		"a name":        {form{"price_group_name": "MOBILE"}, []string{"PSTNOUT"}, 2},
		"a landline":    {form{"resource_param": "4930123456", "resource_type": "PSTNOUT"}, []string{"PSTNOUT"}, 1},
		"a mobile":      {form{"resource_param": "4915123456"}, []string{"PSTNOUT", "SMSOUT"}, 2},
		"where nobody":  {form{"resource_param": "1"}, nil, 0},
		"unknown group": {form{"price_group_id": "9"}, nil, 0},
	} {
		rows := f.call("GetResourcePrice", test.params).rows(t)
		groups := 0
		for i, row := range rows {
			if i >= len(test.types) || row["resource_type"] != test.types[i] {
				t.Errorf("%s: row %d is %v", name, i, row["resource_type"])
			}
			of, _ := row["price_groups"].([]any)
			groups += len(of)
		}
		if len(rows) != len(test.types) || groups != test.groups {
			t.Errorf("%s: %d rows, %d groups", name, len(rows), groups)
		}
	}
	wantCode(t, f.call("GetResourcePrice", form{"resource_type": "CALLS"}), codeInvalidParameter)
	wantCode(t, f.call("GetResourcePrice", form{"price_group_id": "x"}), codeInvalidParameter)
	wantCode(t, f.call("GetResourcePrice", form{"nonsense": "x"}), codeForbiddenParameter)
}

func TestGetSubscriptionPrice(t *testing.T) {
	f := newFixture(t)
	for name, test := range map[string]struct {
		params form
		ids    []float64
	}{
		"all":        {form{}, []float64{1, 2, 3}},
		"the word":   {form{"subscription_template_id": "all"}, []float64{1, 2, 3}},
		"ids":        {form{"subscription_template_id": "1;3"}, []float64{1, 3}},
		"a type":     {form{"subscription_template_type": "PHONE_NUM"}, []float64{2, 3}},
		"a name":     {form{"subscription_template_name": "phone ru"}, []float64{3}},
		"a page":     {form{"offset": "1", "count": "1"}, []float64{2}},
		"the last":   {form{"offset": "2", "count": "5"}, []float64{3}},
		"behind all": {form{"offset": "9"}, nil},
	} {
		rows := f.call("GetSubscriptionPrice", test.params).rows(t)
		if len(rows) != len(test.ids) {
			t.Errorf("%s: %v", name, rows)
			continue
		}
		for i, row := range rows {
			if row["subscription_template_id"] != test.ids[i] || row["period"] != "0-1-0 0:0:0" || row["currency"] != "USD" {
				t.Errorf("%s: %v", name, row)
			}
		}
	}
	wantCode(t, f.call("GetSubscriptionPrice", form{"subscription_template_type": "CARS"}), codeInvalidParameter)
	wantCode(t, f.call("GetSubscriptionPrice", form{"count": "0"}), codeRange)
}
