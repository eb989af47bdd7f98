package simulator

import (
	"maps"
	"slices"
)

// Parts are what an account has that a clone of it gets: the names of users, scenarios and applications.
type Parts struct {
	Users        []string `json:"users,omitempty"`
	Scenarios    []string `json:"scenarios,omitempty"`
	Applications []string `json:"applications,omitempty"`
}

// PartsOf is what an account has.
func PartsOf(s *Simulator, accountID int64) Parts {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.parts[accountID]
}

// SetParts gives an account what a clone of it is to get.
func SetParts(s *Simulator, accountID int64, p Parts) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.parts[accountID] = p
	s.save()
}

// cloneAccount is CloneAccount: makes a child of the account that the call runs as, with what another child has. Guess: it has the settings and
// the parts of that one, but neither its custom data, plans and balance nor what the provider has set, and it is active.
func cloneAccount(s *Simulator, c *invocation) (map[string]any, *apiError) {
	parent := c.who.account
	if err := s.mayHaveChildren(parent); err != nil {
		return nil, err
	}
	key, password := c.values["parent_account_api_key"], c.values["parent_account_password"]
	switch {
	case key != nil && key != parent.Fields["api_key"],
		password != nil && password != parent.Fields["account_password"],
		key == nil && password == nil && s.settings.RequireParentCredentials:
		return nil, fail(codeUnauthorized)
	}
	source, err := clonedFrom(s, c)
	if err != nil {
		return nil, err
	}
	switch {
	case s.byName[c.values.text("new_account_name")] != nil:
		return nil, fail(codeNameTaken)
	case s.emailTaken(c.values.text("new_account_email"), nil):
		return nil, fail(codeEmailTaken)
	case !s.countChild(parent.ID):
		return nil, fail(codeDailyLimit)
	}
	values := Fields{}
	for _, name := range clonedFields {
		if value, has := source.Fields[name]; has {
			values[name] = value
		}
	}
	maps.Copy(values, s.changes(c))
	values["active"] = true
	clone := s.makeChild(parent, values)
	parts := s.parts[source.ID]
	s.parts[clone.ID] = parts
	c.changed = true
	return map[string]any{"result": map[string]any{
		"account_id": clone.ID, "account_name": clone.Name(), "account_email": clone.Email(), "active": clone.Active(), "api_key": clone.APIKey(),
		"users": shownParts("user", clone.ID, parts.Users), "scenarios": shownParts("scenario", clone.ID, parts.Scenarios),
		"applications": shownParts("application", clone.ID, parts.Applications),
		"acd_queues":   []any{}, "acd_skills": []any{}, "admin_roles": []any{}, "admin_users": []any{},
	}}, nil
}

// clonedFields are the settings that a clone has of the cloned account.
var clonedFields = []string{
	"language_code", "location", "min_balance_to_notify", "account_notifications", "tariff_changing_notifications", "news_notifications",
	"support_robokassa", "support_bank_card", "support_invoice", "callback_url", "callback_salt", "record_storage_id", "record_storage_name",
}

// clonedFrom is the account that is cloned: a child of the caller, by exactly one of id, name and e-mail.
func clonedFrom(s *Simulator, c *invocation) (*Account, *apiError) {
	names := []string{"account_id", "account_name", "account_email"}
	given := slices.DeleteFunc(slices.Clone(names), func(name string) bool { return c.values[name] == nil })
	if len(given) != 1 {
		return nil, fail(codeOneOf, "account_id, account_name, account_email")
	}
	var source *Account
	switch given[0] {
	case "account_id":
		id, _ := c.values["account_id"].(int64)
		source = s.accounts[id]
	case "account_name":
		source = s.byName[indexKey(c.values["account_name"])]
	default:
		source = s.byEmail[indexKey(c.values["account_email"])]
	}
	if source == nil || source.ParentID != c.who.account.ID {
		return nil, fail(codeAccountID)
	}
	return source, nil
}

// shownParts are parts as the answer has them. Their ids are made up.
func shownParts(kind string, account int64, names []string) []map[string]any {
	out := make([]map[string]any, len(names))
	for i, name := range names {
		out[i] = map[string]any{kind + "_id": account*1000 + int64(i), kind + "_name": name}
	}
	return out
}

// cloneMethods has CloneAccount. The documents say that it needs a role and not which. Guess: as AddAccount.
var cloneMethods = []method{{
	name:  "CloneAccount",
	roles: []Role{RoleOwner, RoleAdmin},
	pair:  "parent_",
	run:   cloneAccount,
	params: params(
		[]param{
			{name: "account_id", parse: asID(codeAccountID)},
			{name: "account_name", parse: asText},
			{name: "account_email", parse: asText},
			{name: "parent_account_api_key", parse: asText},
			{name: "parent_account_password", parse: asText},
			{name: "new_account_name", field: "account_name", parse: asAccountName, required: true},
			{name: "new_account_email", field: "account_email", parse: asEmail(codeEmail), required: true},
			{name: "new_account_password", field: "account_password", parse: asPassword, required: true, blank: codePasswordBlank},
			{name: "language_code", field: "language_code", parse: asCode(languageCodes, codeLanguage)},
			{name: "location", field: "location", parse: asLocation},
		},
		profileParams,
	),
}}
