package simulator

import (
	"fmt"
	"maps"
	"math"
	"strconv"
	"strings"
)

// timeLayout is how the Management API writes time stamps, in UTC.
const timeLayout = "2006-01-02 15:04:05"

// Account is one account of the simulated service: a parent, a child or a stranger.
type Account struct {
	// ID is the account_id.
	ID int64 `json:"id"`
	// ParentID is the account whose child this one is; 0 for a parent and for a stranger.
	ParentID int64 `json:"parentID,omitempty"`
	// Fields are the account's values.
	Fields Fields `json:"fields"`
}

// Name is the account_name.
func (a Account) Name() string { return a.Text("account_name") }

// Email is the account_email.
func (a Account) Email() string { return a.Text("account_email") }

// APIKey is the api_key.
func (a Account) APIKey() string { return a.Text("api_key") }

// Active tells whether the account is active.
func (a Account) Active() bool { return a.Flag("active") }

// Text is the value of a text field, "" where it is not set.
func (a Account) Text(field string) string {
	value, _ := a.Fields[field].(string)
	return value
}

// Flag is the value of a boolean field, false where it is not set.
func (a Account) Flag(field string) bool {
	value, _ := a.Fields[field].(bool)
	return value
}

func (a Account) clone() Account {
	a.Fields = maps.Clone(a.Fields)
	return a
}

// fieldKind is the JSON type of a field.
type fieldKind int

const (
	textField fieldKind = iota
	boolField
	intField
	decimalField
	otherField
)

// visibility says to whom a field is shown in AccountInfo.
type visibility int

const (
	toAll     visibility = iota
	toKeyAuth            // calls with an API key or a password only, not with a JWT
	toNobody             // written, never read back
)

// field is a value that an account can have. One that is not set is absent from AccountInfo.
type field struct {
	name    string
	kind    fieldKind
	shown   visibility
	initial any // of a new account; nil: not set
}

// fieldTable has AccountInfo as documented (GetChildrenAccounts, AccountInfoType), account_id and live_balance aside,
// and what is only written. The initial values are the documented ones, except those marked as guesses.
var fieldTable = []field{
	{name: "account_name"},
	{name: "account_email"},
	{name: "api_key", shown: toKeyAuth},
	{name: "account_first_name"},
	{name: "account_last_name"},
	{name: "created"},
	{name: "language_code", initial: "en"},
	{name: "location", initial: "Etc/GMT"},
	{name: "min_balance_to_notify", kind: decimalField, initial: 0.0}, // guess
	{name: "account_notifications", kind: boolField, initial: false},
	{name: "tariff_changing_notifications", kind: boolField, initial: false},
	{name: "news_notifications", kind: boolField, initial: false},
	{name: "billing_address_name"},
	{name: "billing_address_country_code"},
	{name: "billing_address_address"},
	{name: "billing_address_zip"},
	{name: "billing_address_phone"},
	{name: "billing_address_state"},
	{name: "active", kind: boolField, initial: false},
	{name: "frozen", kind: boolField, initial: false},
	{name: "balance", kind: decimalField, initial: 0.0},          // guess
	{name: "credit_limit", kind: decimalField, initial: 0.0},     // guess
	{name: "currency", initial: "USD"},                           // guess; a child gets its parent's
	{name: "support_robokassa", kind: boolField, initial: false}, // guess
	{name: "support_bank_card", kind: boolField, initial: true},  // guess
	{name: "support_invoice", kind: boolField, initial: false},   // guess
	{name: "account_custom_data"},
	{name: "access_entries", kind: otherField},
	{name: "with_access_entries", kind: boolField},
	{name: "callback_url"},
	{name: "callback_salt"},
	{name: "send_js_error", kind: boolField, initial: false}, // guess
	{name: "billing_limits", kind: otherField},
	{name: "a2p_sms_enabled", kind: boolField},
	{name: "max_sip_registrations", kind: intField},
	{name: "fixed_balance", kind: decimalField},
	{name: "money_on_hold", kind: decimalField},
	{name: "bank_card_provider"},
	{name: "enabled_3ds", kind: boolField},
	{name: "record_storage_id", kind: intField},
	{name: "record_storage_name"},
	{name: "mobile_phone"},
	{name: "allow_invoice", kind: boolField},
	{name: "is_bank_card_auto_charge_prohibited", kind: boolField},
	{name: "taxpayer_type"},
	{name: "custom_pricing", kind: boolField},
	{name: "grace_credit", kind: intField},
	{name: "credit_limit_aware_balance_notifications", kind: boolField},

	{name: "account_password", shown: toNobody},
	{name: "can_use_restricted", kind: boolField, shown: toNobody, initial: false},
	{name: "store_inbound_sms", kind: boolField, shown: toNobody, initial: false},
	{name: "store_outbound_sms", kind: boolField, shown: toNobody, initial: false},
	{name: phonesField, kind: otherField, shown: toNobody},
	// What GetAccountDocuments and GetMoneyAmountToCharge answer with: lists of objects as these write them.
	{name: fieldVerifications, kind: otherField, shown: toNobody},
	{name: fieldSubscriptions, kind: otherField, shown: toNobody},
	// Not a field of the service: whether it has enabled child accounts for this account.
	{name: childrenEnabled, kind: boolField, shown: toNobody},
}

const childrenEnabled = "children_enabled"

var fieldsByName = func() map[string]field {
	byName := map[string]field{}
	for _, f := range fieldTable {
		byName[f.name] = f
	}
	return byName
}()

func initialFields() Fields {
	values := Fields{}
	for _, f := range fieldTable {
		if f.initial != nil {
			values[f.name] = f.initial
		}
	}
	return values
}

// coerce brings a value of any Go number type, or one read from JSON, to the type of the field; nil stays nil.
func coerce(name string, value any) (any, error) {
	f, ok := fieldsByName[name]
	if !ok {
		return nil, fmt.Errorf("account has no field %q", name)
	}
	if value == nil {
		return nil, nil
	}
	switch f.kind {
	case textField:
		if text, ok := value.(string); ok {
			return text, nil
		}
	case boolField:
		if flag, ok := value.(bool); ok {
			return flag, nil
		}
	case intField, decimalField:
		number, err := strconv.ParseFloat(fmt.Sprint(value), 64)
		if err == nil && f.kind == decimalField {
			return number, nil
		}
		if err == nil && number == math.Trunc(number) {
			return int64(number), nil
		}
	case otherField:
		return coerceList(name, value)
	}
	return nil, fmt.Errorf("field %q cannot be a %T", name, value)
}

// info is the account as AccountInfo for the caller.
func (a *Account) info(who principal, withLiveBalance bool) map[string]any {
	shown := map[string]any{"account_id": a.ID}
	for name, value := range a.Fields {
		if v := fieldsByName[name].shown; v == toAll || v == toKeyAuth && who.kind != AuthJWT {
			shown[name] = value
		}
	}
	if withLiveBalance {
		shown["live_balance"] = a.Fields["balance"]
	}
	return shown
}

// getAccountInfo is GetAccountInfo: the account that the call runs as.
func (s *Simulator) getAccountInfo(c *invocation) (map[string]any, *apiError) {
	address := s.settings.APIAddress
	if address == "" {
		address = c.host
	}
	return map[string]any{
		"result":      c.who.account.info(c.who, c.values.flag("return_live_balance", true)),
		"api_address": address,
	}, nil
}

// setAccountInfo is SetAccountInfo: changes the account that the call runs as.
func (s *Simulator) setAccountInfo(c *invocation) (map[string]any, *apiError) {
	account := c.who.account
	if email, ok := c.values["new_account_email"].(string); ok {
		if c.who.kind != AuthPassword {
			return nil, fail(codeEmailByPassword)
		}
		if s.emailTaken(email, account) {
			return nil, fail(codeEmailTaken)
		}
	}
	if err := s.checkNewPassword(c.values["new_account_password"], account); err != nil {
		return nil, err
	}
	s.apply(c, account)
	return map[string]any{"result": 1}, nil
}

// checkNewPassword refuses to change any of the accounts' passwords where it is blocked or would be the same again.
func (s *Simulator) checkNewPassword(password any, accounts ...*Account) *apiError {
	if password == nil {
		return nil
	}
	if s.settings.PasswordChangeBlocked {
		return fail(codePasswordBlocked)
	}
	for _, a := range accounts {
		if a.Fields["account_password"] == password {
			return fail(codePasswordUsed)
		}
	}
	return nil
}

// apply stores the call's changes in the account, whatever a fault or a setting makes of them.
func (s *Simulator) apply(c *invocation, account *Account) {
	for name, value := range s.changes(c) {
		if s.set(account, name, value) {
			c.changed = true
		}
	}
}

// changes are the call's parameters that stand for a field, by that field.
func (s *Simulator) changes(c *invocation) Fields {
	changes := Fields{}
	for _, p := range c.method.params {
		value, given := c.values[p.name]
		if !given || p.field == "" {
			continue
		}
		if instead, ok := c.plan.stores[p.name]; ok {
			if value = p.storable(instead); value == nil {
				continue
			}
		}
		changes[p.field] = value
	}
	if code, ok := changes["language_code"].(string); ok && s.settings.TwinLanguages {
		changes["language_code"] = languageTwin(code)
	}
	return changes
}

// set stores one value, nil to unset it, and tells whether that changed anything.
func (s *Simulator) set(a *Account, name string, value any) bool {
	before, had := a.Fields[name]
	if value == nil {
		delete(a.Fields, name)
		return had
	}
	a.Fields[name] = value
	if fieldsByName[name].kind == otherField {
		return true
	}
	switch name {
	case "account_name":
		s.reindex(s.byName, a, before, value)
	case "account_email":
		s.reindex(s.byEmail, a, before, value)
	}
	return before != value
}

// reindex moves the account to its new name or e-mail in an index; both are unique whatever their case.
func (s *Simulator) reindex(index map[string]*Account, a *Account, before, after any) {
	if old := indexKey(before); index[old] == a {
		delete(index, old)
	}
	index[indexKey(after)] = a
}

func indexKey(value any) string {
	text, _ := value.(string)
	return strings.ToLower(text)
}

func (s *Simulator) emailTaken(email string, except *Account) bool {
	holder := s.byEmail[indexKey(email)]
	return holder != nil && holder != except
}
