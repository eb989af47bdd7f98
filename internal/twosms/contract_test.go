package twosms

import (
	"fmt"
	"strings"
	"testing"

	"cpaas.dev/child-account-operator/internal/account"
	"cpaas.dev/child-account-operator/internal/provider"
	"cpaas.dev/child-account-operator/internal/provider/providertest"
	"cpaas.dev/child-account-operator/internal/simulator"
)

// The contracts of package provider, over HTTP against the simulator, with each of the answers that the documents leave open.
func TestContracts(t *testing.T) {
	for name, settings := range map[string]simulator.TwoSMSSettings{
		"anything goes": {},
		"unique values": {UniqueEmails: true, UniqueUsernames: true, NullError: true},
		"no filters":    {UniqueUsernames: true, IgnoreFilters: true, DetailHasID: true},
	} {
		t.Run(name, func(t *testing.T) {
			providertest.Run(t, func(t *testing.T) *providertest.Harness { return harness(t, settings) })
		})
	}
}

func harness(t *testing.T, settings simulator.TwoSMSSettings) *providertest.Harness {
	t.Helper()
	w := newWorld(t, settings)
	if _, err := w.Self(background); err != nil { // which gets the token: no fault is for that
		t.Fatal(err)
	}
	fault := func(faults ...simulator.Fault) func() {
		return func() {
			for _, f := range faults {
				f.Times = max(f.Times, 1)
				w.sms.AddFault(f)
			}
		}
	}
	return &providertest.Harness{
		Remote: w.Remote, SelfID: w.master.ID, UnknownID: "00000000-0000-0000-0000-000000000001", NextPassword: otherPassword,
		ReadsBeforeUpdate: true, NamesRepeat: true,
		NewAccount: newAccount,
		Values:     values,
		Spelling:   strings.ToUpper,
		Stored: func(t *testing.T, id string) account.State {
			a, ok := w.sms.Account(id)
			if !ok {
				t.Fatalf("there is no account %s", id)
			}
			state := account.State{}
			for _, r := range fields {
				state[r.path] = a.Values[r.written]
			}
			return state
		},
		Remove: func(_ *testing.T, id string) { w.sms.Remove(id) },
		Calls: func() int {
			n := 0
			for method, calls := range w.sms.Counts() {
				if method != simulator.TwoSMSToken {
					n += calls
				}
			}
			return n
		},
		// net/http repeats a GET on a new connection.
		LoseAnswer: fault(simulator.Fault{Kind: simulator.FaultLoseAnswer, Method: simulator.TwoSMSList, Times: 2}),
		LoseWrite: fault(
			simulator.Fault{Kind: simulator.FaultLoseAnswer, Method: simulator.TwoSMSCreate},
			simulator.Fault{Kind: simulator.FaultLoseAnswer, Method: simulator.TwoSMSUpdate},
		),
		Outage:   fault(simulator.Fault{Kind: simulator.FaultHTTP, Status: 503}),
		Throttle: fault(simulator.Fault{Kind: simulator.FaultHTTP, Status: 429, Header: map[string]string{"Retry-After": "2"}}),
	}
}

func values(path string, n int) [2]string {
	switch path {
	case fieldEmail:
		return [2]string{fmt.Sprintf("a%d@example.com", n), fmt.Sprintf("b%d@example.com", n)}
	case "mobilePhone":
		return [2]string{fmt.Sprintf("+49 30 10%d", n+10), fmt.Sprintf("(030) 20-%d", n+100)}
	}
	return [2]string{fmt.Sprintf("%s %d a", path, n), fmt.Sprintf("%s %d b", path, n)}
}

// The Remote has no methods for what the API can't do.
func TestNoMoreThanTheAPI(t *testing.T) {
	var r any = newWorld(t, simulator.TwoSMSSettings{}).Remote
	_, claims := r.(provider.Claimer)
	_, checks := r.(provider.PasswordChecker)
	_, recovers := r.(provider.KeyRecoverer)
	_, plans := r.(provider.Planner)
	if claims || checks || recovers || plans {
		t.Errorf("claims %v, checks passwords %v, recovers keys %v, plans %v", claims, checks, recovers, plans)
	}
	if _, deactivates := schema.Deactivation(account.State{}); deactivates {
		t.Error("accounts can be deactivated")
	}
	if f, _ := schema.Field(fieldUsername); f.Readable || !f.WriteOnly() {
		t.Errorf("%+v", f)
	}
}
