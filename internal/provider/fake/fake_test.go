package fake_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"cpaas.dev/child-account-operator/internal/account"
	"cpaas.dev/child-account-operator/internal/provider"
	"cpaas.dev/child-account-operator/internal/provider/fake"
	"cpaas.dev/child-account-operator/internal/provider/providertest"
)

const firstPassword, nextPassword = account.Secret("first-secret-of-all"), account.Secret("next-secret-of-all")

// variations are the services that the contracts allow.
var variations = map[string]fake.Options{
	"plain":                 {},
	"full replace":          {FullReplace: true},
	"no id at creation":     {NoID: true},
	"found by e-mail":       {FoundByEmail: true},
	"no claim":              {NoClaims: true},
	"no password":           {NoPasswords: true},
	"nothing but the least": {FullReplace: true, NoID: true, FoundByEmail: true, NoClaims: true, NoPasswords: true, PageSize: 1},
	"names that repeat":     {NoID: true, FoundByEmail: true, NoClaims: true, NamesRepeat: true},
	"as a service that replaces and keeps passwords": {FullReplace: true, NoID: true, FoundByEmail: true, NoClaims: true},
}

func newAccount(o fake.Options, n int) provider.NewAccount {
	contact := fmt.Sprintf("child-%d@example.com", n)
	name := fmt.Sprintf("child-%d", n)
	desired := account.State{
		fake.PathLogin: fmt.Sprintf("login-%d", n), fake.PathContact: contact, fake.PathTongue: "de", fake.PathCredit: "5.00", fake.PathRegion: "north",
	}
	if o.FoundByEmail {
		desired[fake.PathName] = "the child " + name
		name = contact
	}
	return provider.NewAccount{Name: name, Password: firstPassword, CustomData: "claim of " + name, Desired: desired}
}

func values(path string, n int) [2]string {
	switch path {
	case fake.PathEnabled, fake.PathQuiet:
		return [2]string{"true", "false"}
	case fake.PathCredit:
		return [2]string{"5.00", "7.50"}
	case fake.PathTongue:
		return [2]string{"en", "he"}
	}
	return [2]string{fmt.Sprintf("%s-%d-a@example.com", path, n), fmt.Sprintf("%s-%d-b@example.com", path, n)}
}

func harness(o fake.Options) func(*testing.T) *providertest.Harness {
	return func(*testing.T) *providertest.Harness {
		s := fake.New(o)
		spelling := func(name string) string { return name }
		if o.FoundByEmail {
			spelling = strings.ToUpper
		}
		return &providertest.Harness{
			Remote: s.Remote(), SelfID: "parent", UnknownID: "4711", NextPassword: nextPassword, KeyRole: "any",
			NewAccount: func(n int) provider.NewAccount { return newAccount(o, n) },
			Values:     values,
			Spelling:   spelling, NamesRepeat: o.NamesRepeat,
			Stored: func(t *testing.T, id string) account.State {
				a, ok := s.Account(id)
				if !ok {
					t.Fatalf("there is no account %s", id)
				}
				return a.State
			},
			Remove:     func(_ *testing.T, id string) { s.Remove(id) },
			Calls:      func() int { return len(s.Calls()) },
			LoseAnswer: func() { s.Add(fake.LoseAnswer("")) },
			Outage:     func() { s.Add(fake.Fault{Error: account.Error{Class: account.Unavailable, Message: "no route"}}) },
			Throttle: func() {
				s.Add(fake.Fault{Error: account.Error{Class: account.Throttled, Message: "too many", Answered: true, RetryAfter: time.Second}})
			},
		}
	}
}

func TestContracts(t *testing.T) {
	for name, o := range variations {
		t.Run(name, func(t *testing.T) { providertest.Run(t, harness(o)) })
	}
}

// What the options take away is not there to be tried.
func TestVariationsHaveNoMoreThanTheySay(t *testing.T) {
	for name, o := range variations {
		remote := fake.New(o).Remote()
		_, claims := remote.(provider.Claimer)
		_, sets := remote.(provider.PasswordSetter)
		_, checks := remote.(provider.PasswordChecker)
		if claims == o.NoClaims || sets == o.NoPasswords || checks == o.NoPasswords {
			t.Errorf("%s: claims %v, sets %v, checks %v", name, claims, sets, checks)
		}
	}
}

// A whole that lacks a value is not sent: the account would lose it.
func TestFullReplaceWantsEveryValue(t *testing.T) {
	s := fake.New(fake.Options{FullReplace: true})
	remote := s.Remote()
	n := newAccount(fake.Options{}, 1)
	created, err := remote.Create(t.Context(), n)
	if err != nil {
		t.Fatal(err)
	}
	known := func(context.Context) (account.Secret, error) { return firstPassword, nil }
	tongue, _ := remote.Fields().Field(fake.PathTongue)
	for want, target := range map[string]provider.Target{
		fake.PathLogin:      {Observed: created.Account.State.With(nil), Password: known},
		"passwordSecretRef": {Observed: created.Account.State, Desired: n.Desired},
	} {
		target.ID = created.Account.ID
		if want == fake.PathLogin {
			delete(target.Observed, fake.PathLogin)
		}
		calls := len(s.Calls())
		err := remote.Update(t.Context(), provider.Update{Targets: []provider.Target{target}, Changes: []account.Change{{Field: tongue, To: "en"}}})
		if e := account.AsError(err); e == nil || e.Class != account.Invalid || e.Field != want || len(s.Calls()) != calls {
			t.Errorf("without %s: %#v, %d calls", want, e, len(s.Calls())-calls)
		}
	}
}
