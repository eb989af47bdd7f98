package cli

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"cpaas.dev/child-account-operator/internal/voximplant/methods"
)

// The tables of answers that are lists in lists, or of other shapes than the documents have.
func TestTablesOfAnswers(t *testing.T) {
	const documents = `{"result": [{"account_id": 5, "verifications": [{"verification_name": "RU", "verification_status": "REQUIRED"},
		{"verification_name": "GB", "verification_status": "VERIFIED", "unverified_hold_until": "2026-01-31"}]}, {"account_id": 6, "verifications": []}, {"account_id": 7}]}`
	for name, test := range map[string]struct{ method, answer, want string }{
		"documents": {"GetAccountDocuments", documents, `
ACCOUNT_ID  VERIFICATION_NAME  VERIFICATION_STATUS  UNVERIFIED_HOLD_UNTIL
5           RU                 REQUIRED
5           GB                 VERIFIED             2026-01-31
6
7
`},
		"plans": {"GetAccountPlans", `{"result": [{"plan_type": "MAU", "plan_subscription_template_id": 11, "plan_name": "Start", "periodic_charge": 50.00, "next_charge": "2026-02-01", "packages": [{"x": 1}]}]}`, `
PLAN_TYPE  PLAN_SUBSCRIPTION_TEMPLATE_ID  PLAN_NAME  PERIODIC_CHARGE  NEXT_CHARGE
MAU        11                             Start      50.00            2026-02-01
`},
		"rates":                   {"GetCurrencyRate", `{"result": {"EUR": 0.92, "RUR": 80.1}}`, "\nNAME        VALUE\nresult.EUR  0.92\nresult.RUR  80.1\n"},
		"a plan changed":          {"ChangeAccountPlan", `{"result": 1, "account_info": {"balance": 5}}`, "\nNAME                  VALUE\naccount_info.balance  5\nresult                1\n"},
		"a charge without phones": {"ChargeAccount", `{"result": {"charged_amount": 0}}`, "\nNAME                   VALUE\nresult.charged_amount  0\n"},
		"no objects":              {"GetAccountPlans", `{"result": [1, null, "a", [2]]}`, "\nPLAN_TYPE  PLAN_SUBSCRIPTION_TEMPLATE_ID  PLAN_NAME  PERIODIC_CHARGE  NEXT_CHARGE\n\n\n\n\n"},
		"no list inside":          {"GetResourcePrice", `{"result": [{"resource_type": "X", "price_groups": 5}]}`, "\nRESOURCE_TYPE  PRICE_GROUP_ID  PRICE_GROUP_NAME  PRICE  NUM_RESOURCES_PER_PRICE  QUANTUM\nX\n"},
		"no result":               {"GetAccountPlans", `{"x": [1, {"y": null}]}`, "\nNAME    VALUE\nx[0]    1\nx[1].y\n"},
		"a cell":                  {"GetAccountPlans", `{"result": [{"plan_type": {"b": 1, "a": "\u001b"}, "plan_name": "a\tb\nc"}]}`, "\nPLAN_TYPE             PLAN_SUBSCRIPTION_TEMPLATE_ID  PLAN_NAME        PERIODIC_CHARGE  NEXT_CHARGE\n{\"a\":\"\\u001b\",\"b\":1}                                 a\\u0009b\\u000ac\n"},
	} {
		t.Run(name, func(t *testing.T) {
			m, _ := methods.Find(test.method)
			answer, err := decodeAnswer(json.RawMessage(test.answer))
			if err != nil {
				t.Fatal(err)
			}
			var b bytes.Buffer
			if err := printTable(&b, m, answer); err != nil {
				t.Fatal(err)
			}
			if got, want := b.String(), strings.TrimPrefix(test.want, "\n"); got != want {
				t.Errorf("got\n%s\nwant\n%s", got, want)
			}
		})
	}
}

// Secrets are masked wherever they stand, and nothing else is.
func TestMaskSecrets(t *testing.T) {
	for given, want := range map[string]string{
		`{"result":{"key_id":"k","private_key":"-----BEGIN"}}`:                       `{"result":{"key_id":"k","private_key":"[redacted]"}}`,
		`{"result":[{"private_key":"x"}]}`:                                           `{"result":[{"private_key":"[redacted]"}]}`,
		`{"result":{"users":[{"user_name":"u","user_password":"p"}]},"api_key":"a"}`: `{"api_key":"[redacted]","result":{"users":[{"user_name":"u","user_password":"[redacted]"}]}}`,
		`{"api_key":5}`:     `{"api_key":"[redacted]"}`,
		`{"API_Key":["a"]}`: `{"API_Key":"[redacted]"}`,
		`{"api_key":"","has_password":true,"callback_salt":null}`: `{"api_key":"","callback_salt":null,"has_password":true}`,
	} {
		answer, err := decodeAnswer(json.RawMessage(given))
		if err != nil {
			t.Fatal(err)
		}
		masked := maskSecrets(answer)
		got, err := json.Marshal(answer)
		if err != nil || string(got) != want || masked != strings.Contains(want, "redacted") {
			t.Errorf("%s becomes %s (%v)", given, got, masked)
		}
	}
}
