package engine

import (
	"context"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/types"
	clocktesting "k8s.io/utils/clock/testing"
	"k8s.io/utils/ptr"

	"cpaas.dev/child-account-operator/api/v1alpha1"
	"cpaas.dev/child-account-operator/internal/account"
	"cpaas.dev/child-account-operator/internal/provider"
	"cpaas.dev/child-account-operator/internal/readings"
)

// verifier is a provider that verifies account 1.
type verifier struct{ provider.Remote }

func (verifier) Verifications(context.Context) (map[string][]account.Verification, error) {
	return map[string][]account.Verification{"1": {{Name: "DE", Status: "REQUIRED"}}}, nil
}

// A status keeps what it said until something else is known, so that a restart writes nothing, and loses it where nothing is to be read.
func TestObserveVerification(t *testing.T) {
	t.Parallel()
	key := types.NamespacedName{Namespace: "telephony", Name: "acme"}
	clock := clocktesting.NewFakeClock(time.Date(2026, 5, 6, 7, 8, 9, 0, time.UTC))
	read := func(options readings.Options, lists int) *readings.Store {
		s := readings.New(options, clock)
		for range lists {
			clock.Step(time.Minute)
			s.Read(t.Context(), readings.Source{Key: key, Remote: verifier{}, ListedAt: clock.Now(), Has: func(string) bool { return true }})
		}
		return s
	}
	on := readings.Options{Verifications: true}
	was := []v1alpha1.ObservedVerification{{Name: "RU", Status: ptr.To("VERIFIED")}}
	for name, test := range map[string]struct {
		store *readings.Store
		id    string
		want  string
	}{
		"no store":                           {nil, "1", ""},
		"not to be read":                     {read(readings.Options{}, 1), "1", ""},
		"not read yet":                       {read(on, 0), "1", "RU"},
		"not read yet, and of another id":    {read(on, 0), "2", ""},
		"read":                               {read(on, 1), "1", "DE"},
		"read of another account":            {read(on, 2), "2", ""},
		"missing from the first answer only": {read(on, 1), "3", "RU"},
		"missing from two answers":           {read(on, 2), "3", ""},
	} {
		s := &scope{readings: test.store, parent: &Parent{Key: key}, wasObserved: &v1alpha1.ObservedAccount{Verification: was}}
		s.was.AccountID = map[string]string{"3": "3"}[test.id]
		if test.id == "1" {
			s.was.AccountID = "1"
		}
		observed := &v1alpha1.ObservedAccount{}
		observeVerification(s, observed, test.id)
		got := ""
		for _, v := range observed.Verification {
			got += v.Name
		}
		if got != test.want {
			t.Errorf("%s: %q, want %q", name, got, test.want)
		}
	}
	observeVerification(&scope{}, &v1alpha1.ObservedAccount{}, "1") // no parent, and a kind that has no verifications: nothing
	observeVerification(&scope{parent: &Parent{Key: key}}, struct{}{}, "1")
}

// Lists are no reason to panic, and one that differs is more than what was filled in.
func TestFillsInLists(t *testing.T) {
	t.Parallel()
	one := &v1alpha1.ObservedAccount{Verification: []v1alpha1.ObservedVerification{{Name: "DE"}}}
	other := &v1alpha1.ObservedAccount{Verification: []v1alpha1.ObservedVerification{{Name: "RU"}}, Currency: ptr.To("USD")}
	same := &v1alpha1.ObservedAccount{Verification: one.Verification, Currency: ptr.To("USD")}
	if !fillsIn(&v1alpha1.ObservedAccount{}, one) || !fillsIn(one, same) || fillsIn(one, other) || fillsIn(one, &v1alpha1.ObservedAccount{}) {
		t.Error("a list is not compared by what it has")
	}
}
