package simulator

import (
	"encoding/json"
	"net/http"
)

// twoSMSControls are the calls of the control API for the 2sms admin API, below the same prefix.
func twoSMSControls(t *TwoSMS) []controlCall {
	const prefix = "2sms/"
	all := []controlCall{
		{"GET", prefix + "accounts", "lists all sub-accounts, with ?master=ID those of that account", func(r *http.Request) (any, error) {
			return t.Accounts(r.URL.Query().Get("master")), nil
		}},
		{"POST", prefix + "accounts", "adds a sub-account as if it had always been there: id, masterID, values", func(r *http.Request) (any, error) {
			var a SubAccount
			if err := readJSON(r, &a); err != nil {
				return nil, err
			}
			return putSubAccount(t, a)
		}},
		{"GET", prefix + "accounts/{id}", "returns a sub-account", func(r *http.Request) (any, error) { return controlSubAccount(t, r) }},
		{"PATCH", prefix + "accounts/{id}", "changes values of a sub-account, as somebody might in the portal; an empty text removes a value", func(r *http.Request) (any, error) {
			var values map[string]string
			if err := readJSON(r, &values); err != nil {
				return nil, err
			}
			if err := setSubAccountValues(t, r.PathValue("id"), values); err != nil {
				return nil, err
			}
			return controlSubAccount(t, r)
		}},
		{"DELETE", prefix + "accounts/{id}", "removes a sub-account, which no method of the API can", func(r *http.Request) (any, error) {
			if !t.Remove(r.PathValue("id")) {
				return nil, notFound("account")
			}
			return nil, nil
		}},
		{"POST", prefix + "masters", "adds a master account: companyName, email, and if you like id, clientID, clientSecret", func(r *http.Request) (any, error) {
			var m Master
			if err := readJSON(r, &m); err != nil {
				return nil, err
			}
			m, err := addMaster(t, m)
			m.ClientSecret = Masked
			return m, err
		}},
		{"GET", prefix + "masters/{id}/credentials", "returns accountID, clientID and clientSecret of a master account", func(r *http.Request) (any, error) {
			document, ok := t.Credentials(r.PathValue("id"))
			if !ok {
				return nil, notFound("master account")
			}
			return json.RawMessage(document), nil
		}},
		{"DELETE", prefix + "tokens", "revokes all tokens, and returns how many were valid", func(*http.Request) (any, error) {
			return map[string]any{"revoked": t.RevokeTokens()}, nil
		}},
	}
	all = append(all, logControls(prefix, t.calls)...)
	all = append(all, faultControls(prefix, &t.sim.mu, &t.faults)...)
	return append(all,
		controlCall{"GET", prefix + "settings", "returns the settings", func(*http.Request) (any, error) { return t.Settings(), nil }},
		controlCall{"PUT", prefix + "settings", "replaces the settings: what is left out has its default", func(r *http.Request) (any, error) { return controlTwoSMSSettings(t, r, TwoSMSSettings{}) }},
		controlCall{"PATCH", prefix + "settings", "changes settings: what is left out stays", func(r *http.Request) (any, error) { return controlTwoSMSSettings(t, r, t.Settings()) }},
	)
}

func controlSubAccount(t *TwoSMS, r *http.Request) (any, error) {
	a, ok := t.Account(r.PathValue("id"))
	if !ok {
		return nil, notFound("account")
	}
	return a, nil
}

func controlTwoSMSSettings(t *TwoSMS, r *http.Request, settings TwoSMSSettings) (any, error) {
	if err := readJSON(r, &settings); err != nil {
		return nil, err
	}
	t.Update(func(current *TwoSMSSettings) { *current = settings })
	return settings, nil
}
