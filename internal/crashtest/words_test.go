package crashtest

import (
	"net/http"
	"net/url"
	"slices"
	"testing"
)

func TestUnlooked(t *testing.T) {
	sent, lost := step{account: "a", answered: true}, step{account: "a"}
	look, lostLook := step{looks: true, answered: true}, step{looks: true}
	for name, test := range map[string]struct {
		steps []step
		want  []string
	}{
		"answered":                    {[]step{sent}, nil},
		"lost, looked, sent":          {[]step{lost, look, sent}, nil},
		"lost, sent":                  {[]step{lost, sent}, []string{"a"}},
		"lost, another":               {[]step{lost, {account: "b"}}, nil},
		"lost, the look was lost too": {[]step{lost, lostLook, sent}, []string{"a"}},
		"looked, lost, sent":          {[]step{look, lost, sent}, []string{"a"}},
	} {
		if got := unlooked(test.steps); !slices.Equal(got, test.want) {
			t.Errorf("%s: %v; want %v", name, got, test.want)
		}
	}
}

func TestWords(t *testing.T) {
	const child = "/apis/accounts.cpaas.dev/v1alpha1/namespaces/ns/childaccounts/acme"
	for got, want := range map[string]string{
		callOf("GetAccountInfo", url.Values{"return_live_balance": {"false"}}).what:                                "GetAccountInfo",
		callOf("GetAccountInfo", url.Values{"account_password": {"p"}}).what:                                       "GetAccountInfo: with the account's password",
		callOf("GetChildrenAccounts", url.Values{"child_account_id": {"all"}}).what:                                "GetChildrenAccounts: all",
		callOf("GetChildrenAccounts", url.Values{"child_account_id": {"1;2"}}).what:                                "GetChildrenAccounts: by id",
		callOf("GetChildrenAccounts", url.Values{"child_account_id": {"1"}, "api_key": {"k"}}).what:                "GetChildrenAccounts: with the parent's API key",
		callOf("CloneAccount", url.Values{"account_id": {"1"}, "new_account_name": {"acme"}}).what:                 "CloneAccount",
		callOf("CloneAccount", url.Values{"account_id": {"1"}, "new_account_name": {"acme"}}).account:              "acme",
		callOf("SetChildAccountInfo", url.Values{"child_account_id": {"1"}, "active": {"false"}}).what:             "SetChildAccountInfo: active",
		writeOf(http.MethodPost, "/api/v1/namespaces/ns/secrets", nil).what:                                        "create Secret",
		writeOf(http.MethodPatch, "/api/v1/namespaces/ns/secrets/s", []byte(`{"data":{"b":"","a":null}}`)).what:    "patch Secret: a, b",
		writeOf(http.MethodPatch, child, []byte(`{"metadata":{"finalizers":[],"annotations":{"x/y":"z"}}}`)).what:  "patch ChildAccount: finalizers, y",
		writeOf(http.MethodPatch, child+"/status", []byte(`{"status":{"conditions":[]}}`)).what:                    "patch ChildAccount/status",
		writeOf(http.MethodPatch, child+"/status", []byte(`{"status":{"conditions":[],"deactivations":[]}}`)).what: "patch ChildAccount/status: deactivations",
		writeOf(http.MethodDelete, "/api/v1/namespaces/ns/secrets/s", []byte(`{"kind":"DeleteOptions"}`)).what:     "delete Secret",
	} {
		if got != want {
			t.Errorf("%q; want %q", got, want)
		}
	}
}
