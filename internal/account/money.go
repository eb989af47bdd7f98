package account

import (
	"math"
	"strconv"
	"strings"
)

// Balance is the money of an account, in the account's currency.
type Balance struct {
	// Amount is the balance, which may be negative.
	Amount float64
	// CreditLimit is how far the balance may fall below zero; nil where the provider does not show it.
	CreditLimit *float64
	// Currency is what the provider calls the currency, "" where it does not show it.
	Currency string
}

// Charge is the money that the provider recommends to add to an account, in the account's currency.
type Charge struct {
	// Amount is what is recommended, Minimum the least that keeps the account working.
	Amount, Minimum float64
}

// ParseAmount reads an amount as a provider writes it; ok is false for what is no finite number.
func ParseAmount(text string) (amount float64, ok bool) {
	amount, err := strconv.ParseFloat(strings.TrimSpace(text), 64)
	if err != nil || math.IsNaN(amount) || math.IsInf(amount, 0) {
		return 0, false
	}
	return amount, true
}

// CurrencyCode is a currency as the label of a metric: its three capital letters, or "other" for anything else, so that nobody's text
// becomes a label.
func CurrencyCode(currency string) string {
	if len(currency) != 3 || strings.Trim(currency, "ABCDEFGHIJKLMNOPQRSTUVWXYZ") != "" {
		return "other"
	}
	return currency
}
