package voximplant

import (
	"fmt"

	"cpaas.dev/child-account-operator/internal/account"
)

// improper is the error for an answer that is JSON but not what the method answers.
func improper(method string, write bool, message string) *account.Error {
	return &account.Error{Class: account.Unavailable, Method: method, Message: message, OutcomeUnknown: write}
}

// contradiction is the error for a list that can't be complete.
func contradiction(format string, args ...any) *account.Error {
	return &account.Error{Class: account.Incomplete, Method: methodGetChildrenAccounts, Message: "the list contradicts itself: " + fmt.Sprintf(format, args...)}
}

// withHint is the error with something that may help put after its text. It is a copy: an observer may have kept e.
func withHint(e *account.Error, hint string) *account.Error {
	hinted := *e
	hinted.Message += "; " + hint
	return &hinted
}
