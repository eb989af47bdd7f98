package provider

import "cpaas.dev/child-account-operator/internal/account"

// CallbackType is what a provider reports about an account by a callback.
type CallbackType string

// The types of callbacks.
const (
	// AccountFrozen and AccountUnfrozen: the provider blocks the account, or does so no more.
	AccountFrozen   CallbackType = "AccountFrozen"
	AccountUnfrozen CallbackType = "AccountUnfrozen"
	// BalanceBelowMinimum: the balance fell below the balance from which on the account is notified.
	BalanceBelowMinimum CallbackType = "BalanceBelowMinimum"
	// ChargeUpcoming: a periodic charge is due soon.
	ChargeUpcoming CallbackType = "ChargeUpcoming"
	// DocumentsUpdated: the verification of the account's documents has another result.
	DocumentsUpdated CallbackType = "DocumentsUpdated"
	// OtherCallback is any other report: nothing is done about it.
	OtherCallback CallbackType = "Other"
)

// CallbackTypes are all of them.
func CallbackTypes() []CallbackType {
	return []CallbackType{AccountFrozen, AccountUnfrozen, BalanceBelowMinimum, ChargeUpcoming, DocumentsUpdated, OtherCallback}
}

// Callback is one report about an account, as somebody has sent it. Nothing in it is to be believed before SignedWith says so.
type Callback struct {
	// Malformed is set where it is no report that can be verified; nothing else is set then.
	Malformed bool
	// ID tells the report from others; a report that is sent again has the same ID. It has at most 64 letters, digits, '-' and '_'.
	ID string
	// AccountID is the account's id at the provider: digits.
	AccountID string
	// Type is what is reported. No signature covers the type.
	Type CallbackType
	// SignedWith says, in a time that does not depend on the secrets, whether the sender knows the account's callback salt and its API key.
	// The signature covers ID and AccountID. It is false for an empty salt or API key.
	SignedWith func(salt, apiKey account.Secret) bool
}

// DecodeCallbacks decodes the body of a request with callbacks. The error says what is wrong with the body as a whole; it repeats nothing of it.
type DecodeCallbacks func(body []byte) ([]Callback, error)
