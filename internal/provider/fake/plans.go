package fake

import (
	"context"
	"maps"
	"slices"

	"cpaas.dev/child-account-operator/internal/account"
	"cpaas.dev/child-account-operator/internal/provider"
)

// PlanType is the only type of plans.
const PlanType = "VOICE"

// Offers are the plans that there are, from the cheapest on. A new account has the first.
func Offers() []account.Plan {
	return []account.Plan{
		{Type: PlanType, ID: "1", Name: "free", Charge: "0"},
		{Type: PlanType, ID: "2", Name: "small", Charge: "5.50"},
		{Type: PlanType, ID: "3", Name: "large", Charge: "50"},
	}
}

// planner has the plans of accounts.
type planner struct{ r *remote }

var _ provider.Planner = planner{}

// planOf is the account's plan.
func (a *stored) planOf() account.Plan {
	if p, ok := a.plans[PlanType]; ok {
		return p
	}
	return Offers()[0]
}

// Plans implements provider.Planner.
func (p planner) Plans(ctx context.Context, id string) (out []account.Plan, err error) {
	err = p.r.call(ctx, Call{Method: MethodPlans, IDs: []string{id}}, false, func() *account.Error {
		a := p.r.service.accounts[id]
		if a == nil {
			return notFound()
		}
		out = []account.Plan{a.planOf()}
		return nil
	})
	return out, err
}

// PlanOffers implements provider.Planner: those that cost more.
func (p planner) PlanOffers(ctx context.Context, id string) (out []account.Plan, err error) {
	err = p.r.call(ctx, Call{Method: MethodPlanOffers, IDs: []string{id}}, false, func() *account.Error {
		a := p.r.service.accounts[id]
		if a == nil {
			return notFound()
		}
		out = slices.DeleteFunc(Offers(), func(o account.Plan) bool { return number(o.ID) <= number(a.planOf().ID) })
		return nil
	})
	return out, err
}

// ChangePlan implements provider.Planner.
func (p planner) ChangePlan(ctx context.Context, id string, to account.Plan) error {
	return p.r.call(ctx, Call{Method: MethodChangePlan, IDs: []string{id}, Paths: []string{to.Path() + "=" + to.ID}}, true, func() *account.Error {
		a := p.r.service.accounts[id]
		switch i := number(to.ID) - 1; {
		case a == nil:
			return notFound()
		case to.Type != PlanType || i < 0 || i >= len(Offers()):
			return &account.Error{Class: account.Invalid, Field: "plans", Message: "no such plan", Answered: true}
		case i <= number(a.planOf().ID)-1:
			return &account.Error{Class: account.BlockedNotEnabled, Message: "the plan is not dearer", Answered: true}
		case !p.r.service.options.ForgetfulPlans:
			setPlan(a, i)
		}
		return nil
	})
}

func setPlan(a *stored, i int) {
	a.plans = maps.Clone(a.plans)
	if a.plans == nil {
		a.plans = map[string]account.Plan{}
	}
	a.plans[PlanType] = Offers()[i]
}

// PlanOf is the id of the account's plan.
func PlanOf(s *Service, id string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.accounts[id].planOf().ID
}

// SetPlan changes the account's plan behind everybody's back.
func SetPlan(s *Service, id string, plan int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	setPlan(s.accounts[id], plan-1)
}
