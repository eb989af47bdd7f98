package account

import (
	"errors"
	"fmt"
	"strings"
	"time"
)

// Class says what kind of failure an answer of a provider is, and so what can be done about it.
// A provider's error table maps its codes to classes; the controllers' table maps classes to conditions and retries.
type Class string

// The classes of failures.
const (
	// Unavailable: the service did not answer or answered that it can't now. Retried soon.
	Unavailable Class = "Unavailable"
	// Throttled: too many calls. Retried after RetryAfter.
	Throttled Class = "Throttled"
	// Unauthorized: the parent's credentials were refused.
	Unauthorized Class = "Unauthorized"
	// RoleMissing: the credentials are good, but not for this method.
	RoleMissing Class = "RoleMissing"
	// Invalid: the request was refused for what it says. Waits for a change of the resource.
	Invalid Class = "Invalid"
	// NameTaken: another account has the name.
	NameTaken Class = "NameTaken"
	// EmailTaken: another account has the e-mail.
	EmailTaken Class = "EmailTaken"
	// NotFound: the provider knows no such account under this parent.
	NotFound Class = "NotFound"
	// BalanceTooLow: the balance of the account that pays is too low for the call: the parent's, or of a plan the child's own.
	BalanceTooLow Class = "BalanceTooLow"
	// InProgress: the provider is still at an earlier change of the account, which may be ours. Retried later.
	InProgress Class = "InProgress"
	// BlockedVerification: the parent account must be verified or activated first.
	BlockedVerification Class = "BlockedVerification"
	// BlockedNotEnabled: the provider has not enabled this (child accounts, say) for the parent.
	BlockedNotEnabled Class = "BlockedNotEnabled"
	// BlockedDailyLimit: no more child accounts today; the next UTC day begins a new count.
	BlockedDailyLimit Class = "BlockedDailyLimit"
	// PasswordRejected: the password breaks a rule of the provider.
	PasswordRejected Class = "PasswordRejected"
	// PasswordReused: the account has, or has had, the very password. So it may be the present one, where an earlier call set
	// it: Passwords.CheckPassword settles that.
	PasswordReused Class = "PasswordReused"
	// PasswordBlocked: passwords can't be changed now. Retried later.
	PasswordBlocked Class = "PasswordBlocked"
	// Incomplete: a list contradicted itself while it was read; nothing may be concluded from it.
	Incomplete Class = "Incomplete"
	// Outdated: the account is otherwise than it was when the change was planned, so nothing was written. It has to be read, and the change
	// planned again.
	Outdated Class = "Outdated"
	// Unknown: a code that no table knows. Retried slowly, reported plainly.
	Unknown Class = "Unknown"
)

// Error is a failure of one call to a provider. It never carries a secret.
type Error struct {
	// Class is what the controllers act on.
	Class Class
	// Method is the provider's method that was called, for people and metrics.
	Method string
	// Code is the provider's own code, for people alone: what follows from it is in Class and the other fields. 0 where the
	// answer had none (HTTP status, transport).
	Code int
	// Field is the spec path that the provider complains about, "" where it names none.
	Field string
	// Message is the provider's text, shortened and free of secrets.
	Message string
	// Next is what people have to do, "" where that follows from the class.
	Next string
	// RetryAfter is how long the provider asks to wait, 0 where it does not say.
	RetryAfter time.Duration
	// MayPass is set where somebody has to act on the failure, and it may as well pass by itself within minutes.
	MayPass bool
	// DoubtsCredentials is set where the class is not Unauthorized, and the provider might answer the same once the credentials are refused.
	DoubtsCredentials bool
	// Answered is set where the provider itself said so, if only to say that something is wrong there; it is not where
	// nothing came, or no proper answer.
	Answered bool
	// Alone is set where the failure is about one account: it says nothing about calls for others.
	Alone bool
	// OutcomeUnknown is set where the change may have been made although no proper answer came.
	OutcomeUnknown bool
}

// Error implements error: method, code, field and text, as far as each is known.
func (e *Error) Error() string {
	var b strings.Builder
	if e.Method != "" {
		b.WriteString(e.Method + ": ")
	}
	if e.Field != "" {
		b.WriteString("spec." + e.Field + ": ")
	}
	if e.Message != "" {
		b.WriteString(e.Message)
	} else {
		b.WriteString(string(e.Class))
	}
	if e.Code != 0 {
		fmt.Fprintf(&b, " (code %d)", e.Code)
	}
	return b.String()
}

// AsError returns the *Error in err's chain. Any other error counts as Unavailable with OutcomeUnknown:
// the account must be read before another attempt.
func AsError(err error) *Error {
	if err == nil {
		return nil
	}
	if e, ok := errors.AsType[*Error](err); ok {
		return e
	}
	return &Error{Class: Unavailable, Message: err.Error(), OutcomeUnknown: true}
}

// ClassOf is the class of err, "" for nil.
func ClassOf(err error) Class {
	if e := AsError(err); e != nil {
		return e.Class
	}
	return ""
}
