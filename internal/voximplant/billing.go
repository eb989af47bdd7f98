package voximplant

import (
	"bytes"
	"context"
	"encoding/json"
	"net/url"
	"strconv"
	"strings"

	"cpaas.dev/child-account-operator/internal/account"
	"cpaas.dev/child-account-operator/internal/charset"
)

// The methods of Billing, as the service calls them. The operator calls none of them.
const (
	methodChargeAccount        = "ChargeAccount"
	methodGetResourcePrice     = "GetResourcePrice"
	methodGetSubscriptionPrice = "GetSubscriptionPrice"
)

// Scalar is a value as the service wrote it: a text, or a number or boolean as its JSON text, to the digit. "" stands for null and for a
// value that is not there.
type Scalar = loose

// Billing has the methods about what one account pays. Every error is an *account.Error. It is safe for concurrent use.
type Billing struct {
	client *Client
	// issuer is the account that the calls run as.
	issuer string
}

// BillingOf returns the methods for an account: the client's own, where id is "", or one of its children.
func BillingOf(c *Client, id string) Billing {
	if id == "" {
		id = c.config.Credentials.AccountID
	}
	return Billing{client: c, issuer: id}
}

// ChargeAccountParams say which phone numbers are charged: exactly one of the three. They must be such as have auto_charge=false.
type ChargeAccountParams struct {
	// PhoneIDs are their ids, PhoneNumbers the numbers themselves.
	PhoneIDs, PhoneNumbers []string
	// All charges every one.
	All bool
}

// Charge is the answer of ChargeAccount.
type Charge struct {
	// Amount is what was taken from the balance altogether, in Account's currency.
	Amount  Scalar
	Phones  []ChargedPhone
	Account ChargedAccount
}

// ChargedPhone is a phone number that ChargeAccount was called for.
type ChargedPhone struct {
	ID     Scalar `json:"phone_id"`
	Number Scalar `json:"phone_number"`
	// Charged is whether money was taken for it. Deactivated is whether the number can't be used.
	Charged     Scalar `json:"is_charged"`
	Deactivated Scalar `json:"deactivated"`
}

// ChargedAccount is how an account stands after a call that took money from it (ShortAccountInfo).
type ChargedAccount struct {
	ID       Scalar `json:"account_id"`
	Frozen   Scalar `json:"frozen"`
	Balance  Scalar `json:"balance"`
	Currency Scalar `json:"currency"`
}

// ChargeAccount charges the subscriptions of phone numbers that are not charged automatically. It costs money: after a lost answer
// (OutcomeUnknown) the balance has to be read before anybody calls it again. It needs a role that the copy of the reference at hand does
// not name. Source: ChargeAccount in the vendor's reference, group Accounts.
func (b Billing) ChargeAccount(ctx context.Context, p ChargeAccountParams) (*Charge, error) {
	params := url.Values{}
	switch {
	case p.All && len(p.PhoneIDs)+len(p.PhoneNumbers) == 0:
		params.Set("phone_id", everyone)
	case !p.All && len(p.PhoneIDs) > 0 && len(p.PhoneNumbers) == 0:
		ids, err := joinIDs(methodChargeAccount, p.PhoneIDs)
		if err != nil {
			return nil, err
		}
		params.Set("phone_id", ids)
	case !p.All && len(p.PhoneIDs) == 0 && len(p.PhoneNumbers) > 0:
		if err := setTexts(params, methodChargeAccount, "phone_number", p.PhoneNumbers); err != nil {
			return nil, err
		}
	default:
		return nil, &account.Error{Class: account.Invalid, Method: methodChargeAccount, Message: "phone numbers must be selected in one way: by id, by number, or all"}
	}
	var answer struct {
		Result *struct {
			Amount Scalar         `json:"charged_amount"`
			Phones []ChargedPhone `json:"phones"`
		} `json:"result"`
		Account ChargedAccount `json:"account_info"`
	}
	if err := b.call(ctx, call{method: methodChargeAccount, params: params, write: true}, &answer); err != nil {
		return nil, err
	}
	if answer.Result == nil || answer.Result.Amount == "" {
		return nil, improper(methodChargeAccount, true, "the answer says neither what was charged nor why not")
	}
	return &Charge{Amount: answer.Result.Amount, Phones: answer.Result.Phones, Account: answer.Account}, nil
}

// ResourcePriceParams select prices; what is empty selects all.
type ResourcePriceParams struct {
	// Types are resource_type, for example PSTNOUT.
	Types []string
	// GroupIDs and GroupName select price groups, the latter by a template.
	GroupIDs  []string
	GroupName string
	// For is what the price is for (resource_param): phone numbers, for example.
	For []string
}

// ResourcePrice is the price of a type of resource.
type ResourcePrice struct {
	Type   Scalar       `json:"resource_type"`
	Groups []PriceGroup `json:"price_groups"`
}

// PriceGroup is a price for some of a type's resources.
type PriceGroup struct {
	ID   Scalar `json:"price_group_id"`
	Name Scalar `json:"price_group_name"`
	// Price is for Resources of them, in the account's currency; they are counted in steps of Quantum.
	Price     Scalar `json:"price"`
	Resources Scalar `json:"num_resources_per_price"`
	Quantum   Scalar `json:"quantum"`
	// Params are the beginnings of parameters that the price is for, and those that were asked for.
	Params struct {
		Allowed   []Scalar `json:"allowed"`
		Forbidden []Scalar `json:"forbidden"`
		Requested []Scalar `json:"requested"`
	} `json:"params"`
}

// GetResourcePrice reads what resources cost the account. Source: GetResourcePrice in the vendor's reference, group Accounts, which names
// no role for it; the types are those of the vendor's Node.js client.
func (b Billing) GetResourcePrice(ctx context.Context, p ResourcePriceParams) ([]ResourcePrice, error) {
	params := url.Values{}
	if err := setTexts(params, methodGetResourcePrice, "resource_type", p.Types); err != nil {
		return nil, err
	}
	if err := setTexts(params, methodGetResourcePrice, "resource_param", p.For); err != nil {
		return nil, err
	}
	if err := setIDs(params, methodGetResourcePrice, "price_group_id", p.GroupIDs); err != nil {
		return nil, err
	}
	if p.GroupName != "" {
		params.Set("price_group_name", p.GroupName)
	}
	var answer struct {
		Result []ResourcePrice `json:"result"`
	}
	if err := b.call(ctx, call{method: methodGetResourcePrice, params: params}, &answer); err != nil {
		return nil, err
	}
	return answer.Result, nil
}

// SubscriptionPriceParams select templates; what is empty selects all.
type SubscriptionPriceParams struct {
	TemplateIDs []string
	// Name and Type are those of templates, for example "SIP registration" and SIP_REGISTRATION.
	Name, Type string
	// Offset skips the first templates. Count is how many are returned at most; 0: as many as the service likes.
	Offset, Count int
}

// SubscriptionPrice is the price of a template of subscriptions.
type SubscriptionPrice struct {
	ID   Scalar `json:"subscription_template_id"`
	Name Scalar `json:"subscription_template_name"`
	// Type is PHONE_NUM or SIP_REGISTRATION.
	Type Scalar `json:"subscription_template_type"`
	// Price is for each Period ("0-1-0 0:0:0" is a month), Installation once; both in the account's currency. The other two prices are
	// in Currency.
	Price                  Scalar `json:"price"`
	PriceInCurrency        Scalar `json:"price_in_currency"`
	Installation           Scalar `json:"installation_price"`
	InstallationInCurrency Scalar `json:"installation_price_in_currency"`
	Currency               Scalar `json:"currency"`
	Period                 Scalar `json:"period"`
	// RequiredVerification names the verification that the account needs for it, VerificationStatus says how that stands: REQUIRED,
	// IN_PROGRESS, VERIFIED or NOT_REQUIRED.
	RequiredVerification Scalar `json:"required_verification"`
	VerificationStatus   Scalar `json:"verification_status"`
	// InstallationTaxReserve and TaxReserve are put aside for taxes.
	InstallationTaxReserve Scalar `json:"installation_tax_reserve"`
	TaxReserve             Scalar `json:"tax_reserve"`
}

// GetSubscriptionPrice reads what subscriptions cost the account. Source: GetSubscriptionPrice in the vendor's reference, group Accounts,
// which names no role for it; the types are those of the vendor's Node.js client.
func (b Billing) GetSubscriptionPrice(ctx context.Context, p SubscriptionPriceParams) ([]SubscriptionPrice, error) {
	params := url.Values{}
	if err := setIDs(params, methodGetSubscriptionPrice, "subscription_template_id", p.TemplateIDs); err != nil {
		return nil, err
	}
	for name, value := range map[string]string{"subscription_template_name": p.Name, "subscription_template_type": p.Type} {
		if value != "" {
			params.Set(name, value)
		}
	}
	for name, value := range map[string]int{"offset": p.Offset, "count": p.Count} {
		if value > 0 {
			params.Set(name, strconv.Itoa(value))
		}
	}
	var answer struct {
		Result []SubscriptionPrice `json:"result"`
	}
	if err := b.call(ctx, call{method: methodGetSubscriptionPrice, params: params}, &answer); err != nil {
		return nil, err
	}
	return answer.Result, nil
}

// call makes a call as the account, and decodes its whole answer.
func (b Billing) call(ctx context.Context, call call, into any) error {
	if !validID(b.issuer) {
		return badID(call.method)
	}
	var whole bytes.Buffer
	call.issuer, call.whole, call.most = b.issuer, &whole, b.client.config.MaxList
	if _, err := b.client.do(ctx, call); err != nil {
		return err
	}
	if json.Unmarshal(charset.WithoutMark(whole.Bytes()), into) != nil {
		return improper(call.method, call.write, "the answer is none of this method's")
	}
	return nil
}

// setTexts sets a list of texts, unless it is empty. An item that would be several, or none, is refused.
func setTexts(params url.Values, method, name string, items []string) *account.Error {
	for _, item := range items {
		if item == "" || item == everyone || strings.Contains(item, listSeparator) {
			return &account.Error{Class: account.Invalid, Method: method, Message: "parameter " + name + " has an item that is empty, all, or has a semicolon in it"}
		}
	}
	if len(items) > 0 {
		params.Set(name, strings.Join(items, listSeparator))
	}
	return nil
}

// setIDs sets a list of ids, unless it is empty.
func setIDs(params url.Values, method, name string, ids []string) *account.Error {
	if len(ids) == 0 {
		return nil
	}
	list, err := joinIDs(method, ids)
	if err == nil {
		params.Set(name, list)
	}
	return err
}
