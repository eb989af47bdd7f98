package example

import (
	"fmt"
	"testing"
	"time"

	"cpaas.dev/child-account-operator/internal/account"
	"cpaas.dev/child-account-operator/internal/provider"
	"cpaas.dev/child-account-operator/internal/provider/fake"
	"cpaas.dev/child-account-operator/internal/provider/providertest"
)

// In the copy of the tree that hack/recipes makes: the new provider keeps the contracts.
func TestContracts(t *testing.T) {
	providertest.Run(t, func(t *testing.T) *providertest.Harness {
		s := fake.New(fake.Options{NoClaims: true, NoPasswords: true})
		remote, err := Connect(s)(provider.Connection{})
		if err != nil {
			t.Fatal(err)
		}
		return &providertest.Harness{
			Remote: remote, SelfID: "parent", UnknownID: "4711",
			NewAccount: func(n int) provider.NewAccount {
				return provider.NewAccount{Name: fmt.Sprintf("child-%d", n), Password: "first-secret-of-all", Desired: account.State{
					"email": fmt.Sprintf("child-%d@example.com", n), "active": "true", "language": "de",
				}}
			},
			Values:   values,
			Spelling: func(name string) string { return name },
			Stored: func(t *testing.T, id string) account.State {
				a, ok := s.Account(id)
				if !ok {
					t.Fatalf("there is no account %s", id)
				}
				return read([]account.Account{a})[0].State
			},
			Remove:     func(_ *testing.T, id string) { s.Remove(id) },
			Calls:      func() int { return len(s.Calls()) },
			LoseAnswer: func() { s.Add(fake.LoseAnswer("")) },
			Outage:     func() { s.Add(fake.Fault{Error: account.Error{Class: account.Unavailable, Message: "no route"}}) },
			Throttle: func() {
				s.Add(fake.Fault{Error: account.Error{Class: account.Throttled, Message: "too many", Answered: true, RetryAfter: time.Second}})
			},
		}
	})
}

func values(path string, n int) [2]string {
	switch path {
	case "active":
		return [2]string{"true", "false"}
	case "language":
		return [2]string{"en", "he"}
	}
	return [2]string{fmt.Sprintf("a%d@example.com", n), fmt.Sprintf("b%d@example.com", n)}
}
