package main

import (
	"context"

	"k8s.io/utils/ptr"

	"cpaas.dev/child-account-operator/api/v1alpha1"
)

// profilesAlone are tried on a stack of their own, with an operator that has readingFlags.
var profilesAlone = []scenario{
	{profilesStart, (*fleet).restart},
	{profiles, (*fleet).createWithProfiles},
	{profilesRest, (*fleet).watchRest},
}

// readingFlags have the operator read what is read beside the list.
var readingFlags = []string{"--read-verifications", "--money-metrics"}

const (
	// documents is the method by which verifications are read.
	documents = "GetAccountDocuments"
	// mostMoneyCalls is how many calls an operator may make for money in an hour. All scenarios with profiles together take less.
	mostMoneyCalls = 2
)

// moneyMethods are the methods by which money is read.
var moneyMethods = []string{"GetMoneyAmountToCharge", "GetCurrencyRate"}

// createWithProfiles applies all with a profile, and then has the list read.
func (f *fleet) createWithProfiles(ctx context.Context) (measured, error) {
	return f.measure(ctx, func(m *measured) error {
		applied, ready, err := forAll(ctx, f, func(c *v1alpha1.ChildAccount) error {
			c.Spec.Profile = profile(c.Name)
			return f.cluster.Create(ctx, c)
		})
		if err != nil {
			return err
		}
		m.Applied, m.Ready, m.Resyncs = applied.Seconds(), seconds(ready), 1
		if _, err := f.settle(ctx); err != nil {
			return err
		}
		return f.request(ctx)
	})
}

// profile has values that AddAccount takes, values that it does not take, and some that the provider never returns.
func profile(name string) *v1alpha1.Profile {
	return &v1alpha1.Profile{
		FirstName: ptr.To("Ada"), LastName: ptr.To("Lovelace"), MobilePhone: ptr.To("+4915112345678"),
		SendJSErrors: ptr.To(true), StoreInboundSMS: ptr.To(true), StoreOutboundSMS: ptr.To(true),
		BillingAddress: &v1alpha1.BillingAddress{Name: ptr.To(name + " GmbH"), CountryCode: ptr.To("DE"), Address: ptr.To("Hauptstr. 1, Berlin"), Zip: ptr.To("10115")},
	}
}

// moneyCalls is how many calls for money there were in all scenarios with profiles.
func (f fleetResult) moneyCalls() (n int) {
	for _, scenario := range profilesAlone {
		for _, method := range moneyMethods {
			n += f.Scenarios[scenario.name].Calls[method]
		}
	}
	return n
}
