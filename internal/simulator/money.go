package simulator

import (
	"math"
	"strings"
	"time"
)

// Subscription is something that an account pays for again and again, as GetMoneyAmountToCharge answers with it. An account's are its
// field "subscriptions".
type Subscription struct {
	// Amount is in the account's currency.
	Amount      float64 `json:"subscription_amount"`
	Type        string  `json:"subscription_type"`
	Description string  `json:"subscription_description"`
	AutoCharge  bool    `json:"subscription_auto_charge"`
	// NextRenewal is a day, YYYY-MM-DD; "" counts for any day.
	NextRenewal string `json:"subscription_next_renewal,omitempty"`
}

// currencyRates are what a US dollar is worth, by the currencies that the documents name. The numbers are made up.
var currencyRates = map[string]float64{"USD": 1, "EUR": 0.92, "RUR": 90.5, "KZT": 470.25}

// oldestRate is the first day that there are exchange rates of: a guess.
const oldestRate = "2013-01-01"

// asCurrency is a currency that there is a rate of.
func asCurrency(_, raw string) (any, *apiError) {
	if currencyRates[raw] == 0 {
		return nil, fail(codeCurrency)
	}
	return raw, nil
}

// asCurrencies is a list of currencies: USD;EUR.
func asCurrencies(_, raw string) (any, *apiError) {
	items := strings.Split(raw, ";")
	for _, item := range items {
		if currencyRates[item] == 0 {
			return nil, fail(codeCurrency)
		}
	}
	return items, nil
}

// getCurrencyRate is GetCurrencyRate. The rates are the same each day; guess: there are none of days to come.
func getCurrencyRate(s *Simulator, c *invocation) (map[string]any, *apiError) {
	if date := c.values.text("date"); date != "" && (date > today(s) || date < oldestRate) {
		return nil, fail(codeInvalidParameter, "date")
	}
	rates := map[string]any{}
	currencies, _ := c.values["currency"].([]string)
	for _, currency := range currencies {
		rates[currency] = currencyRates[currency]
	}
	return map[string]any{"result": rates}, nil
}

// getMoneyAmountToCharge is GetMoneyAmountToCharge. Guess: recommended is what the subscriptions that are due by then cost more than the
// balance has, the least is what they cost more than balance and credit limit; a day that is over is refused.
func getMoneyAmountToCharge(s *Simulator, c *invocation) (map[string]any, *apiError) {
	account := c.who.account
	date := c.values.text("charge_date")
	if date == "" {
		date = today(s)
	}
	if date < today(s) {
		return nil, fail(codeInvalidParameter, "charge_date")
	}
	subscriptions, _ := account.Fields[fieldSubscriptions].([]Subscription)
	due := 0.0
	for _, sub := range subscriptions {
		if sub.NextRenewal <= date {
			due += sub.Amount
		}
	}
	balance, _ := account.Fields["balance"].(float64)
	limit, _ := account.Fields["credit_limit"].(float64)
	own := currencyRates[account.Text("currency")]
	if own == 0 {
		own = 1
	}
	to := own
	if currency := c.values.text("currency"); currency != "" {
		to = currencyRates[currency]
	}
	amount, least := max(due-balance, 0), max(due-balance-limit, 0)
	if subscriptions == nil {
		subscriptions = []Subscription{}
	}
	return map[string]any{"result": map[string]any{
		"amount": cents(amount / own * to), "min_amount": cents(least / own * to),
		"bank_card_amount_usd": cents(amount / own), "min_bank_card_amount_usd": cents(least / own),
		"subscriptions": subscriptions,
	}}, nil
}

// cents is an amount with two decimals.
func cents(amount float64) float64 { return math.Round(amount*100) / 100 }

// today is the service's day.
func today(s *Simulator) string {
	return s.settings.serviceTime(s.clock).UTC().Format(time.DateOnly)
}
