package voximplant

import (
	"context"
	"encoding/json"
	"errors"
	"maps"
	"net/url"
	"strconv"
	"strings"

	"cpaas.dev/child-account-operator/internal/account"
)

// The methods, as the service calls them.
const (
	methodAddAccount             = "AddAccount"
	methodChangeAccountPlan      = "ChangeAccountPlan"
	methodCloneAccount           = "CloneAccount"
	methodCreateKey              = "CreateKey"
	methodDeleteKey              = "DeleteKey"
	methodGetAccountDocuments    = "GetAccountDocuments"
	methodGetAccountInfo         = "GetAccountInfo"
	methodGetAccountPlans        = "GetAccountPlans"
	methodGetAvailablePlans      = "GetAvailablePlans"
	methodGetChildrenAccounts    = "GetChildrenAccounts"
	methodGetCurrencyRate        = "GetCurrencyRate"
	methodGetKeys                = "GetKeys"
	methodGetMoneyAmountToCharge = "GetMoneyAmountToCharge"
	methodSetAccountInfo         = "SetAccountInfo"
	methodSetChildAccountInfo    = "SetChildAccountInfo"
)

// Methods are the methods that the operator calls. Billing and Invoke are for people.
func Methods() []string {
	return []string{
		methodAddAccount,
		methodChangeAccountPlan,
		methodCloneAccount,
		methodCreateKey,
		methodDeleteKey,
		methodGetAccountDocuments,
		methodGetAccountInfo,
		methodGetAccountPlans,
		methodGetAvailablePlans,
		methodGetChildrenAccounts,
		methodGetCurrencyRate,
		methodGetKeys,
		methodGetMoneyAmountToCharge,
		methodSetAccountInfo,
		methodSetChildAccountInfo,
	}
}

const (
	// maxPage is the most that GetChildrenAccounts returns with full output.
	maxPage = 1000
	// listSeparator joins lists in parameters.
	listSeparator = ";"
	// everyone is the literal that stands for all ids.
	everyone = "all"
)

// AccountInfo is an account as the service shows it (AccountInfoType).
type AccountInfo struct {
	// ID is account_id.
	ID string
	// APIKey is api_key; shown only to calls that prove themselves by password or API key.
	APIKey account.Secret

	values map[string]value
}

// value is a scalar of an AccountInfo; not shown where it is null or no scalar.
type value struct {
	text  string
	shown bool
}

// UnmarshalJSON implements json.Unmarshaler.
func (v *value) UnmarshalJSON(raw []byte) error {
	switch raw[0] {
	case 'n', '{', '[':
		*v = value{}
	default:
		*v = value{text: scalar(raw), shown: true}
	}
	return nil
}

// Value is any other scalar by its wire name, a number or boolean as its JSON text; false where the account doesn't show it.
func (i AccountInfo) Value(name string) (string, bool) {
	v := i.values[name]
	return v.text, v.shown
}

var errNotAccount = errors.New("no account as the Management API writes it")

// UnmarshalJSON implements json.Unmarshaler.
func (i *AccountInfo) UnmarshalJSON(data []byte) error {
	*i = AccountInfo{}
	if json.Unmarshal(data, &i.values) != nil {
		return errNotAccount
	}
	i.ID, i.APIKey = i.values["account_id"].text, account.Secret(i.values["api_key"].text)
	for _, kept := range []string{"account_id", "api_key", "callback_salt"} { // the salt is a secret that nothing needs
		delete(i.values, kept)
	}
	if !validID(i.ID) {
		return errNotAccount
	}
	return nil
}

// GetChildrenAccountsParams are the parameters of GetChildrenAccounts. Order (by id) and return_live_balance=false
// are always asked for, and the full output but for NamesOnly.
type GetChildrenAccountsParams struct {
	// All sends child_account_id=all.
	All bool
	// IDs sends the ids, at most 1000, along with ignore_invalid_accounts=true: those that don't exist are left out.
	IDs []string
	// Name sends child_account_name, which the service compares with parts of names.
	Name string
	// Offset skips the first accounts. Count, 1 to 1000, is the size of the page; 0 is 1000.
	Offset, Count int
	// NamesOnly sends medium_output=true: the accounts have their ids, names and e-mails alone.
	NamesOnly bool
}

// ChildrenPage is the answer of GetChildrenAccounts.
type ChildrenPage struct {
	Accounts []AccountInfo
	// Total is how many accounts the request selects altogether.
	Total int

	// size is how many bytes the answer had.
	size int64
}

// GetChildrenAccounts reads one page of the parent's child accounts. Needs the role Owner.
func (c *Client) GetChildrenAccounts(ctx context.Context, p GetChildrenAccountsParams) (*ChildrenPage, error) {
	return c.childrenAccounts(ctx, p, call{issuer: c.config.Credentials.AccountID})
}

// GetChildrenAccountsByKey is GetChildrenAccounts with the parent's API key in place of a token, which shows the API keys
// of the accounts. It can only be called where the Config has the parent's API key.
func (c *Client) GetChildrenAccountsByKey(ctx context.Context, p GetChildrenAccountsParams) (*ChildrenPage, error) {
	key := c.config.ParentAPIKey
	if key == "" {
		return nil, &account.Error{Class: account.Invalid, Method: methodGetChildrenAccounts, Message: "the parent's API key is not known"}
	}
	return c.childrenAccounts(ctx, p, call{
		params: url.Values{"account_id": {c.config.Credentials.AccountID}, "api_key": {key.Reveal()}},
	})
}

// childrenAccounts makes the call, whose params are those that prove who calls.
func (c *Client) childrenAccounts(ctx context.Context, p GetChildrenAccountsParams, call call) (*ChildrenPage, error) {
	params, err := p.values()
	if err != nil {
		return nil, err
	}
	maps.Copy(params, call.params)
	call.method, call.params = methodGetChildrenAccounts, params
	call.timeout, call.most, call.list = c.config.ListTimeout, c.config.MaxList, true
	a, err := c.do(ctx, call)
	if err != nil && a != nil {
		return nil, &pageTooLarge{cause: err, whole: len(a.Rows.accounts)}
	}
	if err != nil {
		return nil, err
	}
	page, err := a.children()
	if err != nil {
		return nil, err
	}
	return page, nil
}

// children reads the answer of GetChildrenAccounts.
func (a *answer) children() (*ChildrenPage, *account.Error) {
	total, ok := a.TotalCount.integer()
	if !ok || !a.Rows.proper {
		return nil, improper(methodGetChildrenAccounts, false, "the answer is not a list of accounts with its total_count")
	}
	if count, ok := a.Count.integer(); ok && count != len(a.Rows.accounts) {
		return nil, contradiction("the page has %d accounts, but count says %d", len(a.Rows.accounts), count)
	}
	return &ChildrenPage{Accounts: a.Rows.accounts, Total: total, size: a.size}, nil
}

// rows are the accounts of a page.
type rows struct {
	accounts []AccountInfo
	// found is set where there is a result, proper where it is a list of accounts.
	found, proper bool
}

// read reads a result: no further than to see that the accounts are too many, since a few bytes can be one.
func (r *rows) read(d *json.Decoder) error {
	*r = rows{found: true}
	open, err := d.Token()
	if err != nil || open != json.Delim('[') {
		return skip(d, open, err)
	}
	r.proper = true
	for d.More() {
		var info AccountInfo
		switch err := d.Decode(&info); {
		case errors.Is(err, errNotAccount):
			r.proper = false
		case err != nil:
			return err
		case len(r.accounts) == maxPage:
			return contradiction("a page has more than the %d accounts that were asked for", maxPage)
		default:
			r.accounts = append(r.accounts, info)
		}
	}
	_, err = d.Token()
	return err
}

// deepest is how deep a value may be that nobody reads.
const deepest = 100

// skip reads on to the end of a value whose first token was read.
func skip(d *json.Decoder, token json.Token, err error) error {
	for depth := 0; err == nil; token, err = d.Token() {
		switch token {
		case json.Delim('{'), json.Delim('['):
			depth++
		case json.Delim('}'), json.Delim(']'):
			depth--
		}
		switch depth {
		case 0:
			return nil
		case deepest:
			return errNotAnswer
		}
	}
	return err
}

func (p GetChildrenAccountsParams) values() (url.Values, *account.Error) {
	count := p.Count
	if count <= 0 || count > maxPage {
		count = maxPage
	}
	v := url.Values{
		"count":               {strconv.Itoa(count)},
		"order_by":            {"child_account_id"},
		"return_live_balance": {"false"},
	}
	if p.Offset > 0 {
		v.Set("offset", strconv.Itoa(p.Offset))
	}
	if p.NamesOnly {
		v.Set("medium_output", "true")
	}
	switch {
	case p.All:
		v.Set("child_account_id", everyone)
	case len(p.IDs) > 0:
		ids, err := joinIDs(methodGetChildrenAccounts, p.IDs)
		if err != nil {
			return nil, err
		}
		v.Set("child_account_id", ids)
		v.Set("ignore_invalid_accounts", "true")
	}
	if p.Name != "" {
		if !safeName(p.Name) {
			return nil, badName()
		}
		v.Set("child_account_name", p.Name)
	}
	return v, nil
}

// AddAccountParams are the parameters of AddAccount. The parent's id is sent always, its API key where there is one.
type AddAccountParams struct {
	Name       string
	Password   account.Secret
	CustomData string
	// Fields are the other parameters by wire name.
	Fields map[string]string
}

// AddedAccount is the answer of AddAccount.
type AddedAccount struct {
	ID string
	// Active is the text of the boolean, "" where the answer has none.
	Active string
	// APIKey is the new account's; "" where the answer has none.
	APIKey account.Secret
}

// AddAccount makes a child account. Needs the role Owner or Admin.
func (c *Client) AddAccount(ctx context.Context, p AddAccountParams) (*AddedAccount, error) {
	v := url.Values{
		"parent_account_id": {c.config.Credentials.AccountID},
		"account_name":      {p.Name},
		"account_password":  {p.Password.Reveal()},
	}
	if c.config.ParentAPIKey != "" {
		v.Set("parent_account_api_key", c.config.ParentAPIKey.Reveal())
	}
	if p.CustomData != "" {
		v.Set(wireCustomData, p.CustomData)
	}
	for name, value := range p.Fields {
		v.Set(name, value)
	}
	a, err := c.do(ctx, call{
		method: methodAddAccount, params: v, write: true,
		issuer: c.config.Credentials.AccountID, secrets: []account.Secret{p.Password},
	})
	switch {
	case err != nil:
		return nil, c.hintAtAPIKey(err)
	case !a.done() || !validID(string(a.AccountID)):
		return nil, improper(methodAddAccount, true, "the answer says neither that the account was made nor why not")
	}
	return &AddedAccount{ID: string(a.AccountID), Active: string(a.Active), APIKey: account.Secret(a.APIKey)}, nil
}

// hintAtAPIKey says what may help: the documents want the parent's API key, and whether a token alone is enough is not known.
func (c *Client) hintAtAPIKey(e *account.Error) *account.Error {
	if e.Code != codeAuthorizationFailed || c.config.ParentAPIKey != "" || tellsOfClock(e) {
		return e
	}
	return withHint(e, "it may want the parent's API key: set apiKeySecretRef")
}

// SetChildAccountInfo writes the same values, by wire name, to all accounts with these ids.
func (c *Client) SetChildAccountInfo(ctx context.Context, ids []string, values map[string]string) error {
	list, err := joinIDs(methodSetChildAccountInfo, ids)
	if err != nil {
		return err
	}
	v := url.Values{"child_account_id": {list}}
	for name, value := range values {
		v.Set(name, value)
	}
	return c.write(ctx, call{method: methodSetChildAccountInfo, params: v, issuer: c.config.Credentials.AccountID})
}

// SetChildPassword gives one account a new password, by SetChildAccountInfo.
func (c *Client) SetChildPassword(ctx context.Context, id string, password account.Secret) error {
	if !validID(id) {
		return badID(methodSetChildAccountInfo)
	}
	return c.write(ctx, call{
		method: methodSetChildAccountInfo,
		params: url.Values{"child_account_id": {id}, "new_child_account_password": {password.Reveal()}},
		issuer: c.config.Credentials.AccountID, secrets: []account.Secret{password},
	})
}

// write makes a call that is answered with a 1 when it is done.
func (c *caller) write(ctx context.Context, call call) error {
	call.write = true
	a, err := c.do(ctx, call)
	switch {
	case err != nil:
		return err
	case !a.done():
		return improper(call.method, true, "the answer says neither that it was done nor why not")
	}
	return nil
}

// OwnInfo is the answer of GetAccountInfo.
type OwnInfo struct {
	Account AccountInfo
	// APIAddress is the host that the service prefers for further calls; "" where the answer has none.
	APIAddress string
}

// GetAccountInfo reads the parent's own account.
func (c *Client) GetAccountInfo(ctx context.Context) (*OwnInfo, error) {
	return c.accountInfo(ctx, call{params: url.Values{}, issuer: c.config.Credentials.AccountID})
}

// GetAccountInfoAs reads an account that proves itself by its own password. That shows its API key.
func (c *Client) GetAccountInfoAs(ctx context.Context, id string, password account.Secret) (*OwnInfo, error) {
	if !validID(id) {
		return nil, badID(methodGetAccountInfo)
	}
	return c.accountInfo(ctx, call{
		params:  url.Values{"account_id": {id}, "account_password": {password.Reveal()}},
		secrets: []account.Secret{password},
	})
}

func (c *Client) accountInfo(ctx context.Context, call call) (*OwnInfo, error) {
	call.method = methodGetAccountInfo
	call.params.Set("return_live_balance", "false")
	a, err := c.do(ctx, call)
	if err != nil {
		return nil, err
	}
	info := &OwnInfo{APIAddress: string(a.APIAddress)}
	if json.Unmarshal(a.Result, &info.Account) != nil || info.Account.ID == "" {
		return nil, improper(methodGetAccountInfo, false, "the answer is not an account")
	}
	return info, nil
}

// joinIDs makes the list parameter. It refuses what is no id, so that nothing gets in between, and an empty list,
// because a call without a selection may mean everyone.
func joinIDs(method string, ids []string) (string, *account.Error) {
	if len(ids) == 0 {
		return "", &account.Error{Class: account.Invalid, Method: method, Message: "no account is selected"}
	}
	for _, id := range ids {
		if !validID(id) {
			return "", badID(method)
		}
	}
	return strings.Join(ids, listSeparator), nil
}

func badName() *account.Error {
	return &account.Error{
		Class: account.Invalid, Method: methodGetChildrenAccounts, Field: fieldAccountName,
		Message: "not a name that an account can have",
	}
}

func badID(method string) *account.Error {
	return &account.Error{Class: account.Invalid, Method: method, Message: "an account id must be a positive whole number"}
}
