package voximplant

import (
	"fmt"
	"strconv"
	"testing"

	"cpaas.dev/child-account-operator/internal/account"
	"cpaas.dev/child-account-operator/internal/provider"
	"cpaas.dev/child-account-operator/internal/provider/providertest"
	"cpaas.dev/child-account-operator/internal/simulator"
)

// The contracts of package provider, over HTTP against the simulator, in each way of listing.
func TestContracts(t *testing.T) {
	for name, settings := range map[string]simulator.Settings{
		"all":        {},
		"unfiltered": {RefuseAll: true},
		"known":      {RefuseAll: true, RefuseUnfiltered: true},
	} {
		t.Run(name, func(t *testing.T) {
			providertest.Run(t, func(t *testing.T) *providertest.Harness { return harness(t, settings) })
		})
	}
}

func harness(t *testing.T, settings simulator.Settings) *providertest.Harness {
	t.Helper()
	w := newWorld(t, settings)
	fault := func(f simulator.Fault) func() {
		return func() {
			f.Times = 1
			w.AddFault(f)
		}
	}
	return &providertest.Harness{
		Remote: w.Remote, SelfID: fmt.Sprint(w.parent.ID), UnknownID: "4711", NextPassword: otherPassword, KeyRole: "Developer",
		KeyWorks: func(t *testing.T, document account.Secret) bool { return w.keyWorks(t, []byte(document.Reveal())) },
		NewAccount: func(n int) provider.NewAccount {
			a := newAccount(fmt.Sprintf("child-%d", n))
			a.Desired = a.Desired.With(account.State{
				"active": "true", "languageCode": "de", "location": "Europe/Berlin", "minBalanceToNotify": "5.00", "notifications.news": "true",
				"profile.firstName": "Ada", "profile.lastName": "Lovelace", "recordStorage.name": "eu-records",
			})
			return a
		},
		Values: func(path string, n int) [2]string {
			f, _ := schema.Field(path)
			switch {
			case path == fieldEmail:
				return [2]string{fmt.Sprintf("a%d@example.com", n), fmt.Sprintf("b%d@example.com", n)}
			case path == "languageCode":
				return [2]string{"en", "he"}
			case path == "location":
				return [2]string{"Europe/Berlin", "Europe/Kyiv"}
			case path == "callback.url":
				return [2]string{"https://a.example.com/hook", "https://b.example.com/hook"}
			case path == "profile.mobilePhone":
				return [2]string{"+4915112345678", "4915187654321"}
			case path == "profile.billingAddress.countryCode":
				return [2]string{"DE", "FR"}
			case f.Kind == account.KindDecimal:
				return [2]string{"5.00", "7.50"}
			}
			return [2]string{"true", "false"}
		},
		Spelling: func(name string) string { return name },
		Stored: func(t *testing.T, id string) account.State {
			a, ok := w.AccountByID(idOf(t, id))
			if !ok {
				t.Fatalf("there is no account %s", id)
			}
			state := account.State{}
			for _, r := range fields {
				name := r.read
				if name == "" {
					name = r.update
				}
				if v, known := a.Fields[name]; known && !r.identity {
					state[r.path] = fmt.Sprint(v)
				}
			}
			return state
		},
		Remove:     func(t *testing.T, id string) { w.Remove(idOf(t, id)) },
		Calls:      func() int { return len(w.Calls()) },
		LoseAnswer: fault(simulator.Fault{Kind: simulator.FaultLoseAnswer}),
		Outage:     fault(simulator.Fault{Kind: simulator.FaultHTTP, Status: 503}),
		Throttle:   fault(simulator.Fault{Kind: simulator.FaultHTTP, Status: 429, Header: map[string]string{"Retry-After": "2"}}),
	}
}

func idOf(t *testing.T, id string) int64 {
	t.Helper()
	n, err := strconv.ParseInt(id, 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return n
}
