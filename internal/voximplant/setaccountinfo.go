package voximplant

import (
	"context"
	"net/url"
	"strconv"

	"cpaas.dev/child-account-operator/internal/account"
	"cpaas.dev/child-account-operator/internal/provider"
)

// SetAccountInfoParams are the parameters of SetAccountInfo. What is nil, or "" where it is no pointer, is not sent and keeps its
// value at the service, which takes an empty text for none.
type SetAccountInfoParams struct {
	// Email is new_account_email. The service refuses it under a token (537), which is all that this client has: a child's e-mail is
	// changed by SetChildAccountInfo.
	Email string
	// Password is new_account_password: at least 8 characters with an upper-case and a lower-case letter, a digit and a special one.
	Password account.Secret
	// LanguageCode is language_code, ISO 639-1. Location is location, a time zone of the IANA database.
	LanguageCode, Location string
	// FirstName and LastName are account_first_name and account_last_name, less than 50 characters each.
	FirstName, LastName string
	// MobilePhone is mobile_phone, which the documents of the method lack and the vendor's clients have.
	MobilePhone string
	// MinBalanceToNotify is min_balance_to_notify, a decimal with a dot.
	MinBalanceToNotify string
	// AccountNotifications, TariffChangingNotifications and NewsNotifications are the parameters of these names: which e-mails are sent.
	AccountNotifications, TariffChangingNotifications, NewsNotifications *bool
	// SendJSError is send_js_error: e-mails about errors of scenarios.
	SendJSError *bool
	// BillingAddress is what the parameters that begin with billing_address_ are. A billing address can be changed and not removed.
	BillingAddress BillingAddress
	// CustomData is account_custom_data, less than 8192 characters.
	CustomData string
	// CallbackURL is callback_url, CallbackSalt is callback_salt, less than 40 characters.
	CallbackURL  string
	CallbackSalt account.Secret
	// StoreInboundSMS and StoreOutboundSMS are store_inbound_sms and store_outbound_sms, which are never shown.
	StoreInboundSMS, StoreOutboundSMS *bool
}

// BillingAddress is an account's billing address. What is "" keeps its value.
type BillingAddress struct {
	// Name has less than 200 characters, Address less than 512, Zip and Phone less than 30. CountryCode is one of ISO 3166-1 alpha-2.
	Name, CountryCode, Address, Zip, Phone string
}

// values are the parameters by wire name.
func (p SetAccountInfoParams) values() map[string]string {
	values := map[string]string{}
	for name, text := range map[string]string{
		"new_account_email": p.Email, "new_account_password": p.Password.Reveal(),
		"language_code": p.LanguageCode, "location": p.Location, "min_balance_to_notify": p.MinBalanceToNotify,
		"account_first_name": p.FirstName, "account_last_name": p.LastName, "mobile_phone": p.MobilePhone,
		"billing_address_name": p.BillingAddress.Name, "billing_address_country_code": p.BillingAddress.CountryCode,
		"billing_address_address": p.BillingAddress.Address, "billing_address_zip": p.BillingAddress.Zip, "billing_address_phone": p.BillingAddress.Phone,
		wireCustomData: p.CustomData, wireCallbackURL: p.CallbackURL, wireCallbackSalt: p.CallbackSalt.Reveal(),
	} {
		if text != "" {
			values[name] = text
		}
	}
	for name, flag := range map[string]*bool{
		"account_notifications": p.AccountNotifications, "tariff_changing_notifications": p.TariffChangingNotifications, "news_notifications": p.NewsNotifications,
		"send_js_error": p.SendJSError, "store_inbound_sms": p.StoreInboundSMS, "store_outbound_sms": p.StoreOutboundSMS,
	} {
		if flag != nil {
			values[name] = strconv.FormatBool(*flag)
		}
	}
	return values
}

// SetAccountInfo changes the account with this id. The call runs as that account, the parent itself or a child: the token is signed with
// the parent's key and issued for the account. It needs one of the roles Owner, Admin, Developer, Accountant and Payer; where the key
// may not act as the child the error is of class RoleMissing. Without parameters no call is made. Source: SetAccountInfo of the
// Management API.
func (c *Client) SetAccountInfo(ctx context.Context, id string, p SetAccountInfoParams) error {
	return c.setAccountInfo(ctx, id, p.values(), p.Password, p.CallbackSalt)
}

// setAccountInfo is SetAccountInfo with values by wire name; secrets are those among them.
func (c *Client) setAccountInfo(ctx context.Context, id string, values map[string]string, secrets ...account.Secret) error {
	if !validID(id) {
		return badID(methodSetAccountInfo)
	}
	if len(values) == 0 {
		return nil
	}
	params := make(url.Values, len(values))
	for name, value := range values {
		params.Set(name, value)
	}
	return c.write(ctx, call{method: methodSetAccountInfo, params: params, issuer: id, secrets: secrets})
}

// SetChildCallbackSalt gives one account the salt of its callbacks, by SetChildAccountInfo. The salt has less than 40 characters (399).
func (c *Client) SetChildCallbackSalt(ctx context.Context, id string, salt account.Secret) error {
	if !validID(id) {
		return badID(methodSetChildAccountInfo)
	}
	return c.write(ctx, call{
		method: methodSetChildAccountInfo,
		params: url.Values{"child_account_id": {id}, wireCallbackSalt: {salt.Reveal()}},
		issuer: c.config.Credentials.AccountID, secrets: []account.Secret{salt},
	})
}

// salter gives accounts the salt of their callbacks. It has no state of its own.
type salter struct{ client *Client }

var _ provider.CallbackSalter = salter{}

// SetCallbackSalt implements provider.CallbackSalter by SetChildAccountInfo.
func (s salter) SetCallbackSalt(ctx context.Context, id string, salt account.Secret) error {
	if salt == "" { // whether an empty value removes the salt is open
		return &account.Error{Class: account.Invalid, Method: methodSetChildAccountInfo, Field: fieldSalt, Message: "the salt must not be empty"}
	}
	return s.client.SetChildCallbackSalt(ctx, id, salt)
}
