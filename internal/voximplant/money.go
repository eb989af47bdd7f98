package voximplant

import (
	"context"
	"encoding/json"
	"net/url"
	"strings"
	"time"

	"cpaas.dev/child-account-operator/internal/account"
	"cpaas.dev/child-account-operator/internal/provider"
)

// documentedCurrencies are those that the documents of GetCurrencyRate name. No others are asked for, as the service refuses a call
// that has an unknown one.
var documentedCurrencies = []string{"RUR", "KZT", "EUR", "USD"}

// MoneyAmount is the answer of GetMoneyAmountToCharge (GetMoneyAmountToChargeResult).
type MoneyAmount struct {
	// Amount is the recommended amount, MinAmount the least one, in the currency that was asked for. Decimals, as the service writes them.
	Amount, MinAmount string
	// BankCardUSD and MinBankCardUSD are the same for a bank card, in USD; RobokassaRUB and MinRobokassaRUB for Robokassa, in RUB; "" where
	// the answer has none.
	BankCardUSD, MinBankCardUSD, RobokassaRUB, MinRobokassaRUB string
	// Subscriptions are what the money is needed for.
	Subscriptions []ChargedSubscription
}

// ChargedSubscription is a subscription that is charged for next (SubscriptionsToChargeType).
type ChargedSubscription struct {
	// Amount is what the subscription costs, Type and Description what it is.
	Amount, Type, Description string
	// AutoCharge is set where the service charges for the subscription by itself.
	AutoCharge bool
	// NextRenewal is the day of its next renewal, "" where it has none.
	NextRenewal string
}

// GetMoneyAmountToCharge reads how much money the service recommends to add to the parent's account, by the method of that name (group
// Accounts). date is the day of the next charge, zero for today; currency is what the amounts are in, "" for the account's. The documents
// don't name the roles that it needs.
func (c *Client) GetMoneyAmountToCharge(ctx context.Context, date time.Time, currency string) (*MoneyAmount, error) {
	v := url.Values{}
	if !date.IsZero() {
		v.Set("charge_date", date.UTC().Format(time.DateOnly))
	}
	if currency != "" {
		v.Set("currency", currency)
	}
	a, err := c.do(ctx, call{method: methodGetMoneyAmountToCharge, params: v, issuer: c.config.Credentials.AccountID, optional: true})
	if err != nil {
		return nil, err
	}
	var w wireMoneyAmount
	if json.Unmarshal(a.Result, &w) != nil || w.Amount == "" {
		return nil, improper(methodGetMoneyAmountToCharge, false, "the answer has no amount")
	}
	return w.amount(), nil
}

// wireMoneyAmount is MoneyAmount as the service writes it.
type wireMoneyAmount struct {
	Amount          loose              `json:"amount"`
	MinAmount       loose              `json:"min_amount"`
	BankCardUSD     loose              `json:"bank_card_amount_usd"`
	MinBankCardUSD  loose              `json:"min_bank_card_amount_usd"`
	RobokassaRUB    loose              `json:"robokassa_amount_rub"`
	MinRobokassaRUB loose              `json:"min_robokassa_amount_rub"`
	Subscriptions   []wireSubscription `json:"subscriptions"`
}

type wireSubscription struct {
	Amount      loose `json:"subscription_amount"`
	Type        loose `json:"subscription_type"`
	Description loose `json:"subscription_description"`
	AutoCharge  loose `json:"subscription_auto_charge"`
	NextRenewal loose `json:"subscription_next_renewal"`
}

func (w wireMoneyAmount) amount() *MoneyAmount {
	m := &MoneyAmount{
		Amount: string(w.Amount), MinAmount: string(w.MinAmount), BankCardUSD: string(w.BankCardUSD), MinBankCardUSD: string(w.MinBankCardUSD),
		RobokassaRUB: string(w.RobokassaRUB), MinRobokassaRUB: string(w.MinRobokassaRUB),
	}
	for _, s := range w.Subscriptions {
		m.Subscriptions = append(m.Subscriptions, ChargedSubscription{
			Amount: string(s.Amount), Type: string(s.Type), Description: string(s.Description),
			AutoCharge: account.CanonicalBool(string(s.AutoCharge)) == "true", NextRenewal: string(s.NextRenewal),
		})
	}
	return m
}

// GetCurrencyRate reads how much of each currency a US dollar is worth on a day, zero for today, by the method of that name (group
// Accounts). It needs no role. The rates are decimals by currency; a currency without a rate is left out.
func (c *Client) GetCurrencyRate(ctx context.Context, currencies []string, date time.Time) (map[string]string, error) {
	v := url.Values{"currency": {strings.Join(currencies, listSeparator)}}
	if !date.IsZero() {
		v.Set("date", date.UTC().Format(time.DateOnly))
	}
	a, err := c.do(ctx, call{method: methodGetCurrencyRate, params: v, issuer: c.config.Credentials.AccountID, optional: true})
	if err != nil {
		return nil, err
	}
	var rates map[string]loose
	if json.Unmarshal(a.Result, &rates) != nil || rates == nil {
		return nil, improper(methodGetCurrencyRate, false, "the answer has no exchange rates")
	}
	out := map[string]string{}
	for _, currency := range currencies {
		if rate := rates[currency]; rate != "" {
			out[currency] = string(rate)
		}
	}
	return out, nil
}

// treasurer reads the parent's money. It has no state of its own.
type treasurer struct{ client *Client }

var _ provider.Treasurer = treasurer{}

// Balance implements provider.Treasurer by GetAccountInfo. It is not the live balance, which the service would have to compute.
func (r treasurer) Balance(ctx context.Context) (account.Balance, error) {
	info, err := r.client.GetAccountInfo(ctx)
	if err != nil {
		return account.Balance{}, err
	}
	b := balanceOf(info.Account)
	if b == nil {
		return account.Balance{}, improper(methodGetAccountInfo, false, "the answer has no balance")
	}
	return *b, nil
}

// AmountToCharge implements provider.Treasurer by GetMoneyAmountToCharge.
func (r treasurer) AmountToCharge(ctx context.Context) (account.Charge, error) {
	m, err := r.client.GetMoneyAmountToCharge(ctx, time.Time{}, "")
	if err != nil {
		return account.Charge{}, err
	}
	amount, ok := account.ParseAmount(m.Amount)
	minimum, okMinimum := account.ParseAmount(m.MinAmount)
	if !ok || !okMinimum {
		return account.Charge{}, improper(methodGetMoneyAmountToCharge, false, "the answer has no amount")
	}
	return account.Charge{Amount: amount, Minimum: minimum}, nil
}

// ExchangeRates implements provider.Treasurer by GetCurrencyRate, for the currencies that its documents name.
func (r treasurer) ExchangeRates(ctx context.Context) (map[string]float64, error) {
	rates, err := r.client.GetCurrencyRate(ctx, documentedCurrencies, time.Time{})
	if err != nil {
		return nil, err
	}
	out := map[string]float64{}
	for currency, text := range rates {
		if rate, ok := account.ParseAmount(text); ok {
			out[currency] = rate
		}
	}
	return out, nil
}

// balanceOf is the money of an account, nil where the answer does not show it.
func balanceOf(info AccountInfo) *account.Balance {
	text, _ := info.Value("balance")
	amount, ok := account.ParseAmount(text)
	if !ok {
		return nil
	}
	b := &account.Balance{Amount: amount}
	b.Currency, _ = info.Value("currency")
	if limit, ok := info.Value("credit_limit"); ok {
		if n, ok := account.ParseAmount(limit); ok {
			b.CreditLimit = &n
		}
	}
	return b
}
