package voximplant

import (
	"context"
	"encoding/json"
	"net/url"
	"strconv"
	"strings"
	"unicode/utf8"

	"cpaas.dev/child-account-operator/internal/account"
)

const (
	// longestKeyName is how many characters key_name may have.
	longestKeyName = 50
	// keysPage is how many keys a page of GetKeys is asked for. Guess: the documents name no maximum, and a service that has a lower one
	// returns fewer, which the reader of pages allows for.
	keysPage = 100
	// smallestPage is how many keys a page has at least unless it is the last. Guess: GetKeys may have no total_count, and a service that
	// returns fewer keys than it is asked for returns as many as the other methods do by default.
	smallestPage = 20
	// mostKeys bounds how many keys of one account are read.
	mostKeys = 10_000
	// longestKeyID is how many bytes a key_id may have.
	longestKeyID = 256
)

// CreateKeyParams are the parameters of CreateKey.
type CreateKeyParams struct {
	// Name is key_name, 1 to 50 characters. Description is for people; "" sends none.
	Name, Description string
	// Roles are the key's roles by name, at least one.
	Roles []string
}

// CreatedKey is the answer of CreateKey (KeyInfo). Nobody shows the private key a second time.
type CreatedKey struct {
	// ID is key_id.
	ID string
	// Credentials is the key as a credentials.json: account_email, account_id (a number), key_id and private_key (PEM).
	Credentials account.Secret
}

// KeyView is a key as GetKeys shows it: without its private key.
type KeyView struct {
	// ID is key_id, Name key_name, "" for a key that has none.
	ID, Name string
	// Description is for people.
	Description string
	// Roles are the names of the key's roles; nil unless they were requested.
	Roles []string
}

// GetKeysParams are the parameters of GetKeys.
type GetKeysParams struct {
	// KeyID selects one key; "" selects all.
	KeyID string
	// WithRoles has the roles returned, too.
	WithRoles bool
	// Offset skips the first keys. Count is the size of the page; 0 leaves it to the service.
	Offset, Count int
}

// KeysPage is the answer of GetKeys.
type KeysPage struct {
	Keys []KeyView
	// Total is how many keys the request selects altogether, -1 where the answer does not say.
	Total int
}

// keyMethods are the Client's methods of service-account keys.
type keyMethods struct{ caller *caller }

// CreateKey makes a service-account key of the account with this id. The call runs as that account, the parent itself or a child: the
// token is signed with the parent's key and issued for the account. It is never repeated by itself: an error with OutcomeUnknown says
// that the key may exist, under its name. Source: CreateKey and KeyInfo of the Management API. Which role the parent's key needs to do
// this as a child is open; 100 and 104 are of class RoleMissing.
func (m keyMethods) CreateKey(ctx context.Context, id string, p CreateKeyParams) (*CreatedKey, error) {
	if err := checkNewKey(id, p); err != nil {
		return nil, err
	}
	params := url.Values{"key_name": {p.Name}, "role_name": {strings.Join(p.Roles, listSeparator)}}
	if p.Description != "" {
		params.Set("description", p.Description)
	}
	a, err := m.caller.do(ctx, call{method: methodCreateKey, params: params, write: true, issuer: id})
	if err != nil {
		return nil, aboutRoles(err)
	}
	key := createdKey(a.Result, id)
	if key == nil {
		return nil, improper(methodCreateKey, true, "the answer is not a key of the account with its private key")
	}
	return key, nil
}

func checkNewKey(id string, p CreateKeyParams) error {
	invalid := func(message string) error {
		return &account.Error{Class: account.Invalid, Method: methodCreateKey, Message: message}
	}
	switch {
	case !validID(id):
		return badID(methodCreateKey)
	case p.Name == "" || utf8.RuneCountInString(p.Name) > longestKeyName:
		return invalid("a key's name must have 1 to 50 characters")
	case len(p.Roles) == 0:
		return &account.Error{Class: account.Invalid, Method: methodCreateKey, Field: fieldKeyRoles, Message: "a key must have a role"}
	}
	for _, role := range p.Roles {
		if strings.TrimSpace(role) == "" || strings.Contains(role, listSeparator) {
			return &account.Error{Class: account.Invalid, Method: methodCreateKey, Field: fieldKeyRoles, Message: "the name of a role must not be empty, nor have a semicolon in it"}
		}
	}
	return nil
}

// fieldKeyRoles is the spec path of a key's roles.
const fieldKeyRoles = "connectionSecret.serviceAccountKey.roles"

// aboutRoles names the field of the spec where an error is about the roles.
func aboutRoles(e *account.Error) *account.Error {
	if parameter := quotedParameter(e.Message); e.Class == account.Invalid && (parameter == "role_name" || parameter == "role_id") {
		named := *e
		named.Field = fieldKeyRoles
		named.Next = "Correct spec." + fieldKeyRoles + ": the provider does not know one of these roles, or does not allow it for a key."
		return &named
	}
	return e
}

// keyInfo is KeyInfo on the wire.
type keyInfo struct {
	AccountEmail loose  `json:"account_email"`
	AccountID    loose  `json:"account_id"`
	KeyID        loose  `json:"key_id"`
	PrivateKey   string `json:"private_key"`
}

// createdKey reads a key of an account; nil where it is none that works. Guess: the key is an object in some documents and the only
// element of a list in others, so both are read.
func createdKey(result json.RawMessage, id string) *CreatedKey {
	var info keyInfo
	if json.Unmarshal(result, &info) != nil {
		var list []keyInfo
		if json.Unmarshal(result, &list) != nil || len(list) != 1 {
			return nil
		}
		info = list[0]
	}
	number, err := strconv.ParseInt(string(info.AccountID), 10, 64)
	if err != nil || string(info.AccountID) != id || !validKeyID(string(info.KeyID)) {
		return nil
	}
	if _, err := parsePrivateKey(info.PrivateKey); err != nil {
		return nil
	}
	document, err := json.MarshalIndent(struct { //nolint:gosec // a key is what the file is for
		AccountEmail string `json:"account_email"`
		AccountID    int64  `json:"account_id"`
		KeyID        string `json:"key_id"`
		PrivateKey   string `json:"private_key"`
	}{string(info.AccountEmail), number, string(info.KeyID), info.PrivateKey}, "", "  ")
	if err != nil { // texts and a number always marshal
		return nil
	}
	return &CreatedKey{ID: string(info.KeyID), Credentials: account.Secret(document)}
}

// GetKeys reads one page of the service-account keys of the account with this id, as which the call runs. Source: GetKeys and KeyView of
// the Management API. 100 and 104 are of class RoleMissing.
func (m keyMethods) GetKeys(ctx context.Context, id string, p GetKeysParams) (*KeysPage, error) {
	if !validID(id) {
		return nil, badID(methodGetKeys)
	}
	params := url.Values{}
	if p.KeyID != "" {
		params.Set("key_id", p.KeyID)
	}
	if p.WithRoles {
		params.Set("with_roles", "true")
	}
	if p.Offset > 0 {
		params.Set("offset", strconv.Itoa(p.Offset))
	}
	if p.Count > 0 {
		params.Set("count", strconv.Itoa(p.Count))
	}
	a, err := m.caller.do(ctx, call{method: methodGetKeys, params: params, issuer: id})
	if err != nil {
		return nil, err
	}
	page := keysOf(a)
	if page == nil {
		return nil, improper(methodGetKeys, false, "the answer is not a list of keys")
	}
	return page, nil
}

// keysOf reads the answer of GetKeys; nil where it is no list of keys.
func keysOf(a *answer) *KeysPage {
	var rows []struct {
		KeyID       loose `json:"key_id"`
		KeyName     loose `json:"key_name"`
		Description loose `json:"description"`
		Roles       []struct {
			RoleName loose `json:"role_name"`
		} `json:"roles"`
	}
	if json.Unmarshal(a.Result, &rows) != nil {
		return nil
	}
	page := &KeysPage{Total: -1}
	if total, ok := a.TotalCount.integer(); ok {
		page.Total = total
	}
	for _, row := range rows {
		if row.KeyID == "" || len(row.KeyID) > longestKeyID {
			return nil
		}
		key := KeyView{ID: string(row.KeyID), Name: string(row.KeyName), Description: string(row.Description)}
		for _, role := range row.Roles {
			key.Roles = append(key.Roles, string(role.RoleName))
		}
		page.Keys = append(page.Keys, key)
	}
	return page
}

// DeleteKey deletes a service-account key of the account with this id, as which the call runs. Its tokens are refused from then on. It
// may be repeated. Source: DeleteKey of the Management API. 100 and 104 are of class RoleMissing; a key that the account does not have
// is of class NotFound.
func (m keyMethods) DeleteKey(ctx context.Context, id, keyID string) error {
	switch {
	case !validID(id):
		return badID(methodDeleteKey)
	case keyID == "" || len(keyID) > longestKeyID:
		return &account.Error{Class: account.Invalid, Method: methodDeleteKey, Message: "no key is selected"}
	}
	return m.caller.write(ctx, call{method: methodDeleteKey, params: url.Values{"key_id": {keyID}}, issuer: id})
}

// allKeys reads all service-account keys of the account with this id, page by page. An error of class Incomplete says that the pages
// contradict each other.
func allKeys(ctx context.Context, c *Client, id string) ([]KeyView, error) {
	var all []KeyView
	for {
		page, err := c.GetKeys(ctx, id, GetKeysParams{Offset: len(all), Count: keysPage})
		if err != nil {
			return nil, err
		}
		all = append(all, page.Keys...)
		switch {
		case page.Total >= 0 && len(all) >= page.Total, page.Total < 0 && len(page.Keys) < smallestPage:
			return all, nil
		case len(page.Keys) == 0, len(all) > mostKeys:
			return nil, contradictoryKeys(len(all), page.Total)
		}
	}
}

func contradictoryKeys(read, total int) *account.Error {
	e := contradiction("the pages have %d keys, but total_count says %d", read, total)
	e.Method = methodGetKeys
	return e
}
