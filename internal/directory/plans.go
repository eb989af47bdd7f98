package directory

import (
	"context"

	"cpaas.dev/child-account-operator/internal/account"
	"cpaas.dev/child-account-operator/internal/provider"
)

// planner is the connection's Remote where its accounts have plans, else an error of class Invalid.
func planner(c *connection) (provider.Planner, error) {
	return capability[provider.Planner](c, account.Error{Field: "plans", Message: "this provider's accounts have no plans"})
}

// AccountPlans reads the plans that an account has. Class RoleMissing: this capability is not granted.
func AccountPlans(ctx context.Context, d *Directory, id string) ([]account.Plan, error) {
	remote, err := planner(d.connection)
	if err != nil {
		return nil, err
	}
	plans, err := remote.Plans(ctx, id)
	return plans, learn(d, err)
}

// PlanOffers reads the plans to which an account may change.
func PlanOffers(ctx context.Context, d *Directory, id string) ([]account.Plan, error) {
	remote, err := planner(d.connection)
	if err != nil {
		return nil, err
	}
	plans, err := remote.PlanOffers(ctx, id)
	return plans, learn(d, err)
}

// ChangePlan changes a plan of an account, which costs money. After an error with OutcomeUnknown AccountPlans has to be asked before
// anything else. A NotFound has the account read before anything is done for it.
func ChangePlan(ctx context.Context, d *Directory, id string, p account.Plan) error {
	remote, err := planner(d.connection)
	if err != nil {
		return err
	}
	err = remote.ChangePlan(ctx, id, p)
	if account.ClassOf(err) == account.NotFound {
		d.cache.outcomeUnknown(id)
		d.shared.wroteTo(d, id)
	}
	return learn(d, err)
}
