package account_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"cpaas.dev/child-account-operator/internal/account"
)

func TestErrorText(t *testing.T) {
	for want, e := range map[string]*account.Error{
		"":                  {},
		"Unavailable":       {Class: account.Unavailable},
		"no answer in time": {Class: account.Unavailable, Message: "no answer in time"},
		"AddAccount: spec.email: is taken (code 215)":          {Class: account.EmailTaken, Method: "AddAccount", Field: "email", Message: "is taken", Code: 215},
		"AddAccount: NameTaken (code 106)":                     {Class: account.NameTaken, Method: "AddAccount", Code: 106},
		"spec.notifications.account: must be true or false":    {Class: account.Invalid, Field: "notifications.account", Message: "must be true or false"},
		"GetChildrenAccounts: slow down":                       {Class: account.Throttled, Method: "GetChildrenAccounts", Message: "slow down", RetryAfter: time.Minute},
		"SetChildAccountInfo: the connection was closed":       {Class: account.Unavailable, Method: "SetChildAccountInfo", Message: "the connection was closed", OutcomeUnknown: true},
		"SetChildAccountInfo: spec.location: Invalid (code 9)": {Class: account.Invalid, Method: "SetChildAccountInfo", Field: "location", Code: 9},
	} {
		if got := e.Error(); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

func TestAsError(t *testing.T) {
	own := &account.Error{Class: account.NameTaken, Code: 106}
	for name, c := range map[string]struct {
		err  error
		want *account.Error
	}{
		"nil":               {nil, nil},
		"itself":            {own, own},
		"wrapped":           {fmt.Errorf("creating: %w", own), own},
		"joined":            {errors.Join(errors.New("other"), own), own},
		"anything else":     {errors.New("boom"), &account.Error{Class: account.Unavailable, Message: "boom", OutcomeUnknown: true}},
		"the context's end": {context.Canceled, &account.Error{Class: account.Unavailable, Message: "context canceled", OutcomeUnknown: true}},
	} {
		t.Run(name, func(t *testing.T) {
			got := account.AsError(c.err)
			if c.want == nil || got == nil {
				if got != c.want {
					t.Fatalf("%v, want %v", got, c.want)
				}
				return
			}
			if *got != *c.want {
				t.Errorf("%#v, want %#v", got, c.want)
			}
			if account.ClassOf(c.err) != c.want.Class {
				t.Errorf("class %s, want %s", account.ClassOf(c.err), c.want.Class)
			}
		})
	}
	if account.ClassOf(nil) != "" {
		t.Error("nil has a class")
	}
}
