package gauges

import (
	"k8s.io/apimachinery/pkg/types"

	"cpaas.dev/child-account-operator/api/v1alpha1"
	"cpaas.dev/child-account-operator/internal/account"
	"cpaas.dev/child-account-operator/internal/directory"
	"cpaas.dev/child-account-operator/internal/metrics"
)

// collectReadings has what was read of a connected ParentAccount beside its list. Its series end with the connection.
func (g *Gauges) collectReadings(put put, key types.NamespacedName) {
	for capability, granted := range g.Readings.Granted(key) {
		put(metrics.CapabilityGranted, number(granted), key.Namespace, key.Name, string(capability))
	}
	if counts := g.Readings.CountVerifications(key); counts != nil {
		for _, state := range account.VerificationStates {
			put(metrics.Verifications, float64(counts[state]), key.Namespace, key.Name, state.String())
		}
	}
	money, _ := g.Readings.MoneyOf(key)
	currency := account.CurrencyCode(money.Currency)
	if b := money.Balance; b != nil {
		put(metrics.ParentBalance, b.Amount, key.Namespace, key.Name, currency)
		if b.CreditLimit != nil {
			put(metrics.ParentCreditLimit, *b.CreditLimit, key.Namespace, key.Name, currency)
		}
	}
	if c := money.Charge; c != nil {
		put(metrics.AmountToCharge, c.Amount, key.Namespace, key.Name, currency)
		put(metrics.MinimumToCharge, c.Minimum, key.Namespace, key.Name, currency)
	}
	for of, rate := range money.Rates {
		put(metrics.ExchangeRate, rate, key.Namespace, key.Name, account.CurrencyCode(of))
	}
}

// collectChildMoney has the balance of a ChildAccount's account, as its ParentAccount's last list showed it.
func (g *Gauges) collectChildMoney(put put, c *v1alpha1.ChildAccount) {
	if _, read := g.Readings.MoneyOf(c.ParentKey()); !read || c.Status.AccountID == "" {
		return
	}
	p := g.Parents.Get(c.ParentKey())
	if p == nil || p.Directory == nil || p.AccountID != c.Status.ParentAccountID {
		return
	}
	b, known := directory.BalanceOf(p.Directory, c.Status.AccountID)
	if !known {
		return
	}
	currency := account.CurrencyCode(b.Currency)
	put(metrics.ChildBalance, b.Amount, c.Namespace, c.Name, currency)
	if b.CreditLimit != nil {
		put(metrics.ChildCreditLimit, *b.CreditLimit, c.Namespace, c.Name, currency)
	}
}
