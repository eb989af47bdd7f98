package voximplant

import (
	"context"
	"encoding/json"
	"net/url"
	"strings"

	"cpaas.dev/child-account-operator/internal/account"
	"cpaas.dev/child-account-operator/internal/apihttp"
)

// CloneAccountParams are the parameters of CloneAccount. The parent's API key is sent where there is one.
type CloneAccountParams struct {
	// SourceID sends account_id, the account to clone; where it is "", SourceName sends account_name.
	SourceID, SourceName string
	// Name, Email and Password send new_account_name, new_account_email and new_account_password.
	Name, Email string
	Password    account.Secret
	// CustomData sends account_custom_data; "" sends nothing.
	CustomData string
	// Fields are the other parameters by wire name: account_first_name, account_last_name, language_code, location.
	Fields map[string]string
}

// ClonedAccount is the answer of CloneAccount (ClonedAccountType).
type ClonedAccount struct {
	// ID, Name and Email are account_id, account_name and account_email. Active is the text of the boolean, "" where the answer has none.
	ID, Name, Email, Active string
	// APIKey is the new account's; "" where the answer has none.
	APIKey account.Secret
	// What the account has got from the cloned one: users, scenarios, applications, acd_queues, acd_skills, admin_roles, admin_users.
	Users, Scenarios, Applications, ACDQueues, ACDSkills, AdminRoles, AdminUsers []ClonedPart
}

// ClonedPart is something that a clone has got from the cloned account. Whatever else the answer says of it, keys of admin users for example, is
// not kept.
type ClonedPart struct {
	// ID and Name are the part's, "" where the answer has none.
	ID, Name string
}

// clonedFields are the parameters that CloneAccount takes beside those that it always gets.
var clonedFields = map[string]bool{"account_first_name": true, "account_last_name": true, "language_code": true, "location": true}

// cloneMethods is the Client's method of cloning.
type cloneMethods struct{ caller *caller }

// CloneAccount makes a child account that has what another child of the parent has. It must not be repeated after an error with OutcomeUnknown
// before the account was read by its name. The documents say that it needs a role, and not which: presumably that of AddAccount, Owner or
// Admin. Source: CloneAccount, in the group Accounts.
func (m cloneMethods) CloneAccount(ctx context.Context, p CloneAccountParams) (*ClonedAccount, error) {
	c := m.caller
	v, invalid := p.values()
	if invalid != nil {
		return nil, invalid
	}
	if c.config.ParentAPIKey != "" {
		v.Set("parent_account_api_key", c.config.ParentAPIKey.Reveal())
	}
	a, err := c.do(ctx, call{
		method: methodCloneAccount, params: v, write: true, issuer: c.config.Credentials.AccountID,
		secrets: []account.Secret{p.Password}, most: c.config.MaxList, // an account may have many users
	})
	if err != nil {
		return nil, err
	}
	cloned, ok := a.cloned()
	if !ok {
		return nil, improper(methodCloneAccount, true, "the answer says neither that the account was cloned nor why not")
	}
	return cloned, nil
}

// values are the parameters. What can't be right never leaves: neither a list of sources nor a parameter that the method does not have.
func (p CloneAccountParams) values() (url.Values, *account.Error) {
	refuse := func(field, message string) (url.Values, *account.Error) {
		return nil, &account.Error{Class: account.Invalid, Method: methodCloneAccount, Field: field, Message: message}
	}
	v := url.Values{"new_account_name": {p.Name}, "new_account_email": {p.Email}, "new_account_password": {p.Password.Reveal()}}
	switch {
	case p.SourceID != "" && !validID(p.SourceID):
		return nil, badID(methodCloneAccount)
	case p.SourceID != "":
		v.Set("account_id", p.SourceID)
	case checkName(p.SourceName) != nil:
		return refuse("", "the account to clone: "+checkName(p.SourceName).Error())
	default:
		v.Set("account_name", p.SourceName)
	}
	switch {
	case checkName(p.Name) != nil:
		return refuse(fieldAccountName, checkName(p.Name).Error())
	case p.Password == "":
		return nil, &account.Error{Class: account.PasswordRejected, Method: methodCloneAccount, Message: "an account can't be made without a password"}
	}
	if p.CustomData != "" {
		v.Set("account_custom_data", p.CustomData)
	}
	for name, value := range p.Fields {
		if !clonedFields[name] {
			return refuse("", "CloneAccount has no parameter "+name)
		}
		v.Set(name, value)
	}
	return v, nil
}

// cloned reads the answer of CloneAccount; false where it is none. What the clone has got is read as far as it can be: the account and its API
// key, which nobody shows again, are worth more.
func (a *answer) cloned() (*ClonedAccount, bool) {
	var r struct {
		AccountID    loose           `json:"account_id"`
		AccountName  loose           `json:"account_name"`
		AccountEmail loose           `json:"account_email"`
		Active       loose           `json:"active"`
		APIKey       loose           `json:"api_key"`
		Users        json.RawMessage `json:"users"`
		Scenarios    json.RawMessage `json:"scenarios"`
		Applications json.RawMessage `json:"applications"`
		ACDQueues    json.RawMessage `json:"acd_queues"`
		ACDSkills    json.RawMessage `json:"acd_skills"`
		AdminRoles   json.RawMessage `json:"admin_roles"`
		AdminUsers   json.RawMessage `json:"admin_users"`
	}
	if json.Unmarshal(a.Result, &r) != nil || !validID(string(r.AccountID)) {
		return nil, false
	}
	return &ClonedAccount{
		ID: string(r.AccountID), Name: string(r.AccountName), Email: string(r.AccountEmail), Active: string(r.Active), APIKey: account.Secret(r.APIKey),
		Users: clonedParts(r.Users, "user"), Scenarios: clonedParts(r.Scenarios, "scenario"), Applications: clonedParts(r.Applications, "application"),
		ACDQueues: clonedParts(r.ACDQueues, "acd_queue"), ACDSkills: clonedParts(r.ACDSkills, "skill"),
		AdminRoles: clonedParts(r.AdminRoles, "admin_role"), AdminUsers: clonedParts(r.AdminUsers, "admin_user"),
	}, true
}

// clonedParts reads a list of parts, each an object whose id and name are called after its kind, as the types of the official client have it:
// user_id, user_name. A part that is otherwise counts, without id and name.
func clonedParts(raw json.RawMessage, kind string) []ClonedPart {
	var list []json.RawMessage
	if len(raw) == 0 || json.Unmarshal(raw, &list) != nil {
		return nil
	}
	out := make([]ClonedPart, len(list))
	for i, one := range list {
		var object map[string]loose
		if json.Unmarshal(one, &object) != nil {
			continue
		}
		for name, value := range object {
			switch name = strings.TrimPrefix(name, "acd_"); name {
			case strings.TrimPrefix(kind, "acd_") + "_id":
				out[i].ID = string(value)
			case strings.TrimPrefix(kind, "acd_") + "_name":
				out[i].Name = apihttp.NewRedactor().Clean(string(value))
			}
		}
	}
	return out
}
