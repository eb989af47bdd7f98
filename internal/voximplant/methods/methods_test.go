package methods

import (
	"errors"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"cpaas.dev/child-account-operator/internal/account"
	"cpaas.dev/child-account-operator/internal/apihttp"
	"cpaas.dev/child-account-operator/internal/simulator"
	"cpaas.dev/child-account-operator/internal/voximplant"
)

const goodPassword = "Canary-Pa55word!/+x"

// The group Accounts of the vendor's reference, and the methods for keys.
var documented = []string{
	"AddAccount", "ChangeAccountPlan", "ChargeAccount", "CloneAccount", "CreateKey", "DeleteKey", "GetAccountDocuments", "GetAccountInfo",
	"GetAccountPlans", "GetAvailablePlans", "GetChildrenAccounts", "GetCurrencyRate", "GetKeys", "GetMoneyAmountToCharge", "GetResourcePrice",
	"GetSubscriptionPrice", "SetAccountInfo", "SetChildAccountInfo",
}

func TestTableHasEachMethod(t *testing.T) {
	if !slices.Equal(Names(), documented) {
		t.Errorf("the table has %v, want %v", Names(), documented)
	}
}

// What is written once for all methods would be wrong for one without being seen.
func TestTableIsSound(t *testing.T) {
	for _, m := range Table() {
		t.Run(m.Name, func(t *testing.T) {
			if m.Does == "" || m.Result == "" || m.Source == "" || m.Writes() && m.ReadBack == "" || len(m.Roles) > 0 && m.RolesSource == "" {
				t.Errorf("incomplete: %+v", m)
			}
			if m.ReadBack != "" {
				if back, ok := Find(m.ReadBack); !ok || back.Writes() {
					t.Errorf("%s does not read", m.ReadBack)
				}
			}
			if strings.HasPrefix(m.Name, "Get") == m.Writes() {
				t.Errorf("it %s", m.Effect)
			}
			seen := map[string]bool{}
			for _, p := range m.Parameters {
				if seen[p.Name] || p.Does == "" || p.Type == "" || p.Secret != SecretResult(p.Name) {
					t.Errorf("parameter %+v", p)
				}
				seen[p.Name] = true
			}
			for _, c := range m.Choices {
				for _, name := range c.Of {
					if !seen[name] {
						t.Errorf("there is no parameter %s to choose", name)
					}
				}
			}
			for _, column := range m.Columns {
				if rows, _, nested := strings.Cut(column, "."); nested && rows != m.Rows {
					t.Errorf("column %s is of no row", column)
				}
			}
		})
	}
}

// Whoever copies an example gets no refusal of ours.
func TestExamplesPass(t *testing.T) {
	for _, m := range Table() {
		if len(m.Examples) == 0 {
			t.Errorf("%s has no example", m.Name)
		}
		for _, line := range m.Examples {
			given := map[string]string{}
			words := strings.Fields(strings.ReplaceAll(line, "'", ""))
			for i, word := range words {
				if i == 0 || words[i-1] != "-p" {
					continue
				}
				name, value, _ := strings.Cut(word, "=")
				if strings.HasPrefix(value, "@") {
					value = goodPassword
				}
				given[name] = value
			}
			if err := m.Check(given); err != nil {
				t.Errorf("%s %s: %v", m.Name, line, err)
			}
		}
	}
}

func TestLike(t *testing.T) {
	for given, want := range map[string]string{
		"getaccountinfo": "GetAccountInfo", "GetAccountInfo": "GetAccountInfo", "GetAccountP": "GetAccountPlans", "clone": "CloneAccount",
		"Get": "", "": "", "nonsense": "",
	} {
		if got := Like(given); got != want {
			t.Errorf("%q is like %q, want %q", given, got, want)
		}
	}
}

// Each bad value is refused by what is wrong with it, and the refusal says the parameter and what to do.
func TestCheck(t *testing.T) {
	add := map[string]string{"account_name": "acme-one", "account_email": "one@acme.example", "account_password": goodPassword}
	for name, test := range map[string]struct {
		method string
		base   map[string]string
		change map[string]string // "-" takes a parameter out
		says   string            // "" for no refusal
	}{
		"all of it":               {"AddAccount", add, map[string]string{"active": "true", "language_code": "de", "location": "Europe/Berlin", "min_balance_to_notify": "5.00"}, ""},
		"unknown":                 {"AddAccount", add, map[string]string{"nonsense": "1"}, "choose among account_name"},
		"misspelt":                {"AddAccount", add, map[string]string{"accountFirstName": "Ada"}, `"accountFirstName" does not exist: write account_first_name`},
		"required":                {"AddAccount", add, map[string]string{"account_email": "-"}, "account_email is required: add -p account_email=…"},
		"required secret":         {"AddAccount", add, map[string]string{"account_password": "-"}, "account_password is required: add -p account_password=@FILE"},
		"empty":                   {"AddAccount", add, map[string]string{"account_first_name": ""}, "account_first_name is empty"},
		"no UTF-8":                {"AddAccount", add, map[string]string{"account_first_name": "\xff"}, "UTF-8"},
		"NUL":                     {"AddAccount", add, map[string]string{"account_first_name": "a\x00"}, "UTF-8"},
		"long":                    {"AddAccount", add, map[string]string{"account_first_name": strings.Repeat("ä", 50)}, "has 50 characters: shorten it to 49"},
		"just not long":           {"AddAccount", add, map[string]string{"account_first_name": strings.Repeat("ä", 49)}, ""},
		"name":                    {"AddAccount", add, map[string]string{"account_name": "Acme"}, "5 to 20 lower-case letters"},
		"e-mail":                  {"AddAccount", add, map[string]string{"account_email": "one"}, "account_email must be one e-mail address"},
		"boolean":                 {"AddAccount", add, map[string]string{"active": "yes"}, "active must be true or false"},
		"language":                {"AddAccount", add, map[string]string{"language_code": "xx"}, "language_code"},
		"time zone":               {"AddAccount", add, map[string]string{"location": "Berlin"}, "location"},
		"decimal":                 {"AddAccount", add, map[string]string{"min_balance_to_notify": "5,00"}, "must be a number such as 12.50"},
		"negative":                {"AddAccount", add, map[string]string{"min_balance_to_notify": "-1"}, "must be a number"},
		"id":                      {"AddAccount", add, map[string]string{"record_storage_id": "007"}, "positive whole number"},
		"id too large":            {"AddAccount", add, map[string]string{"record_storage_id": "9223372036854775808"}, "positive whole number"},
		"two of a choice":         {"AddAccount", add, map[string]string{"record_storage_id": "7", "record_storage_name": "x"}, "record_storage_name can't go with record_storage_id"},
		"password too short":      {"AddAccount", add, map[string]string{"account_password": "Ab1!"}, "at least 8 characters"},
		"password without digit":  {"AddAccount", add, map[string]string{"account_password": "Canary-Password"}, "a digit"},
		"password with space":     {"AddAccount", add, map[string]string{"account_password": goodPassword + " x"}, "must not have spaces"},
		"none of a choice":        {"ChargeAccount", nil, nil, "needs one of the parameters phone_id, phone_number"},
		"all":                     {"ChargeAccount", nil, map[string]string{"phone_id": "all"}, ""},
		"ids":                     {"ChargeAccount", nil, map[string]string{"phone_id": "1;2"}, ""},
		"ids with a comma":        {"ChargeAccount", nil, map[string]string{"phone_id": "1,2"}, "separated by semicolons"},
		"ids with brackets":       {"ChargeAccount", nil, map[string]string{"phone_id": "[1]"}, "separated by semicolons"},
		"an empty item":           {"ChargeAccount", nil, map[string]string{"phone_id": "1;;2"}, "empty item"},
		"phone number":            {"ChargeAccount", nil, map[string]string{"phone_number": "abc"}, "phone number"},
		"all where it can't be":   {"GetAccountPlans", nil, map[string]string{"plan_subscription_template_id": "all"}, "can't be all"},
		"a value's case":          {"ChangeAccountPlan", nil, map[string]string{"plan_type": "mau"}, "write MAU"},
		"a value":                 {"ChangeAccountPlan", nil, map[string]string{"plan_type": "X"}, "choose among IM, MAU"},
		"values in a list":        {"GetAccountDocuments", nil, map[string]string{"verification_status": "REQUIRED;DONE"}, "choose among REQUIRED"},
		"a date":                  {"GetAccountDocuments", nil, map[string]string{"from_unverified_hold_until": "2026-02-30"}, "must be a date"},
		"a new type of resource":  {"GetResourcePrice", nil, map[string]string{"resource_type": "PSTNOUT;ASR_DEEPGRAM"}, ""},
		"no type of resource":     {"GetResourcePrice", nil, map[string]string{"resource_type": "calls"}, "choose among AUDIOHDCONFERENCE"},
		"count":                   {"GetChildrenAccounts", nil, map[string]string{"count": "1001"}, "from 1 to 1000"},
		"offset":                  {"GetChildrenAccounts", nil, map[string]string{"offset": "-1"}, "whole number"},
		"offset too large":        {"GetChildrenAccounts", nil, map[string]string{"offset": "99999999999"}, "whole number"},
		"currency":                {"GetCurrencyRate", nil, map[string]string{"currency": "EUR;dollar"}, "three upper-case letters"},
		"country":                 {"SetAccountInfo", nil, map[string]string{"billing_address_country_code": "Germany"}, "two upper-case letters"},
		"URL":                     {"SetAccountInfo", nil, map[string]string{"callback_url": "acme.example"}, "callback_url must be a URL"},
		"nothing to change":       {"SetAccountInfo", nil, nil, "would change nothing: add a parameter"},
		"nothing to change there": {"SetChildAccountInfo", nil, map[string]string{"child_account_id": "5"}, "add a parameter besides child_account_id"},
		"nobody to change":        {"SetChildAccountInfo", nil, map[string]string{"active": "false"}, "needs one of the parameters child_account_id"},
		"no parameters":           {"GetAccountInfo", nil, nil, ""},
	} {
		t.Run(name, func(t *testing.T) {
			m, ok := Find(test.method)
			if !ok {
				t.Fatal("no such method")
			}
			given := map[string]string{}
			for _, part := range []map[string]string{test.base, test.change} {
				for name, value := range part {
					if given[name] = value; value == "-" {
						delete(given, name)
					}
				}
			}
			err := m.Check(given)
			if test.says == "" {
				if err != nil {
					t.Errorf("refused: %v", err)
				}
				return
			}
			var own *ParameterError
			if !errors.As(err, &own) || !strings.Contains(err.Error(), test.says) || !strings.HasPrefix(err.Error(), test.method) {
				t.Errorf("%v; want %q", err, test.says)
			}
			if strings.Contains(err.Error(), "Canary") {
				t.Errorf("a secret shows: %v", err)
			}
		})
	}
}

// sample is a value that the table allows.
func sample(p Parameter) string {
	own := map[string]string{
		"language_code": "de", "location": "Europe/Berlin", "billing_address_country_code": "DE", "currency": "EUR", "callback_url": "https://acme.example/x",
		"phone_number": "4930123456", "mobile_phone": "4930123456", "account_name": "acme-one", "new_account_name": "acme-one",
	}
	switch {
	case own[p.Name] != "":
		return own[p.Name]
	case strings.Contains(p.Name, "email"):
		return "x@acme.example"
	case strings.Contains(p.Name, "password"):
		return goodPassword
	case len(p.Values) > 0:
		return p.Values[0]
	}
	return map[Type]string{Bool: "true", Number: "1", Decimal: "5.00", Date: "2026-01-31", ID: "5", IDList: "5", TextList: "x", Text: "x"}[p.Type]
}

// The table and the simulator, which were written from the same documents one after the other, know the same parameters: no sample of the
// table is an unknown parameter there, or of another type.
func TestSimulatorKnowsTheParameters(t *testing.T) {
	sim := simulator.New(simulator.Options{Key: simulator.SharedKey()})
	parent := sim.AddParent(simulator.Parent{Name: "parent", Email: "parent@acme.example"})
	server := httptest.NewServer(sim.Handler())
	t.Cleanup(server.Close)
	credentials, err := voximplant.ParseCredentials(sim.Credentials(parent.ID))
	if err != nil {
		t.Fatal(err)
	}
	transport := apihttp.NewTransport(nil)
	t.Cleanup(transport.CloseIdleConnections)
	c, err := voximplant.NewClient(voximplant.Config{Endpoint: server.URL, Credentials: credentials, Transport: transport})
	if err != nil {
		t.Fatal(err)
	}
	const unknownMethod, forbiddenParameter = 103, 492
	known := 0
	for _, m := range Table() {
		for _, p := range m.Parameters {
			if p.Check(sample(p)) != nil {
				t.Errorf("%s %s: the sample %q is refused", m.Name, p.Name, sample(p))
			}
			_, err := voximplant.Invoke(t.Context(), c, voximplant.Invocation{Method: m.Name, Parameters: map[string]string{p.Name: sample(p)}, Write: m.Writes()})
			var e *account.Error
			if !errors.As(err, &e) {
				known++
				continue
			}
			if e.Code == forbiddenParameter {
				t.Errorf("%s: the simulator has no parameter %s", m.Name, p.Name)
			}
			if e.Code != unknownMethod {
				known++
			}
		}
	}
	if known < 60 {
		t.Errorf("only %d parameters are of methods that the simulator knows", known)
	}
}

func TestSecretResult(t *testing.T) {
	for name, want := range map[string]bool{
		"api_key": true, "private_key": true, "callback_salt": true, "account_password": true, "key_id": false, "key_name": false, "account_id": false,
	} {
		if SecretResult(name) != want {
			t.Errorf("%s: %v", name, !want)
		}
	}
}
