package simulator

import (
	"cmp"
	"maps"
	"slices"
	"strings"
	"time"
)

// planTemplate is a subscription plan that the service sells.
type planTemplate struct {
	id     int64
	kind   string
	name   string
	charge float64
}

// The types of plans.
const (
	planMAU = "MAU"
	planIM  = "IM"
)

// planTemplates are the plans that there are, those of a type from the cheapest on. Guess: each account begins with the first of each type.
// Neither ids nor prices are documented.
var planTemplates = []planTemplate{
	{id: 10, kind: planMAU, name: "MAU Free"},
	{id: 11, kind: planMAU, name: "MAU Start", charge: 50},
	{id: 12, kind: planMAU, name: "MAU Pro", charge: 200.5},
	{id: 20, kind: planIM, name: "IM Free"},
	{id: 21, kind: planIM, name: "IM Start", charge: 30},
	{id: 22, kind: planIM, name: "IM Pro", charge: 120},
}

func templateOf(id int64) (planTemplate, bool) {
	i := slices.IndexFunc(planTemplates, func(p planTemplate) bool { return p.id == id })
	if i < 0 {
		return planTemplate{}, false
	}
	return planTemplates[i], true
}

// accountPlans are the plans that accounts have changed to: by account and type the id of the template.
type accountPlans map[int64]map[string]int64

// of is the account's plan of a type.
func (p accountPlans) of(account int64, kind string) planTemplate {
	if t, ok := templateOf(p[account][kind]); ok {
		return t
	}
	i := slices.IndexFunc(planTemplates, func(t planTemplate) bool { return t.kind == kind })
	return planTemplates[i]
}

func (p accountPlans) set(account int64, t planTemplate) {
	if p[account] == nil {
		p[account] = map[string]int64{}
	}
	p[account][t.kind] = t.id
}

// shown is the template as the service offers it. What the packages of a plan have is made up.
func (t planTemplate) shown() map[string]any {
	return map[string]any{
		"plan_subscription_template_id": t.id, "plan_type": t.kind, "plan_name": t.name, "periodic_charge": t.charge,
		"packages": []map[string]any{{
			"price_group_id": []int64{t.id * 10}, "package_name": t.name, "may_overrun": true, "overrun_price": 0.02,
			"overrun_resources": 1, "package_size": 1000,
		}},
	}
}

// PlanOf is the template id of an account's plan of a type, MAU or IM.
func PlanOf(s *Simulator, accountID int64, kind string) int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.plans.of(accountID, kind).id
}

// SetPlan changes an account's plan behind everybody's back. It panics if there is no such template.
func SetPlan(s *Simulator, accountID, templateID int64) {
	t, ok := templateOf(templateID)
	if !ok {
		panic("no such plan template")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.plans.set(accountID, t)
	s.save()
}

// planFilter says which plans a call asks for.
func planFilter(c *invocation) func(planTemplate) bool {
	kinds, _ := c.values["plan_type"].([]string)
	list, given := c.values["plan_subscription_template_id"].(idList)
	return func(t planTemplate) bool {
		return (kinds == nil || slices.Contains(kinds, t.kind)) && (!given || list.all || slices.Contains(list.ids, t.id))
	}
}

// getAccountPlans is GetAccountPlans: the plans of the account that the call runs as.
func getAccountPlans(s *Simulator, c *invocation) (map[string]any, *apiError) {
	meant, plans := planFilter(c), []map[string]any{}
	for _, kind := range []string{planMAU, planIM} {
		t := s.plans.of(c.who.account.ID, kind)
		if !meant(t) {
			continue
		}
		shown := t.shown()
		shown["next_charge"] = s.clock().UTC().AddDate(0, 1, 0).Format(time.DateOnly)
		packages, _ := shown["packages"].([]map[string]any)
		for _, p := range packages { // what an account's plan has beside what is offered
			p["resource_left"], p["orig_package_size"] = p["package_size"], p["package_size"]
		}
		plans = append(plans, shown)
	}
	return map[string]any{"result": plans}, nil
}

// getAvailablePlans is GetAvailablePlans: the plans to which the account can change. Guess: those that cost more than the present one.
func getAvailablePlans(s *Simulator, c *invocation) (map[string]any, *apiError) {
	meant, plans := planFilter(c), []map[string]any{}
	for _, t := range planTemplates {
		if meant(t) && (s.settings.OfferAllPlans || t.charge > s.plans.of(c.who.account.ID, t.kind).charge) {
			plans = append(plans, t.shown())
		}
	}
	return map[string]any{"result": plans}, nil
}

// changeAccountPlan is ChangeAccountPlan. Guess: a plan that is not dearer than the present one is answered with 379, a template that
// there is not with 110, and the fee of the first period is taken from the account's balance.
func changeAccountPlan(s *Simulator, c *invocation) (map[string]any, *apiError) {
	account, kind := c.who.account, c.values.text("plan_type")
	id, given := c.values["plan_subscription_template_id"].(int64)
	t, known := templateOf(id)
	switch {
	case !given:
		return nil, fail(codeSpecify, "plan_subscription_template_id")
	case !known || t.kind != kind:
		return nil, fail(codePlan)
	case s.settings.PaymentInProgress:
		return nil, fail(codePaymentInProgress)
	case s.settings.ForbidPlanChange || t.charge <= s.plans.of(account.ID, kind).charge:
		return nil, fail(codePlanForbidden)
	}
	balance, _ := account.Fields["balance"].(float64)
	credit, _ := account.Fields["credit_limit"].(float64)
	if s.settings.ChargePlans {
		if balance+credit < t.charge {
			return nil, fail(codeMoney)
		}
		balance -= t.charge
		s.set(account, "balance", balance)
	}
	if c.changed = true; !s.settings.IgnorePlanChange {
		s.plans.set(account.ID, t)
	}
	return map[string]any{"result": 1, "account_info": map[string]any{
		"account_id": account.ID, "frozen": account.Flag("frozen"), "balance": balance, "currency": account.Text("currency"),
	}}, nil
}

// asPlanType is a type of plans.
func asPlanType(_, raw string) (any, *apiError) {
	if raw != planMAU && raw != planIM {
		return nil, fail(codePlanType)
	}
	return raw, nil
}

// asPlanTypes is a list of types of plans.
func asPlanTypes(_, raw string) (any, *apiError) {
	kinds := strings.Split(raw, ";")
	for _, kind := range kinds {
		if _, err := asPlanType("", kind); err != nil {
			return nil, err
		}
	}
	return kinds, nil
}

// planParams are the parameters of the methods that list plans.
var planParams = []param{
	{name: "plan_type", parse: asPlanTypes},
	{name: "plan_subscription_template_id", parse: asIDs(codeInvalidParameter)},
}

// planMethods are the methods of plans. No roles are documented for them.
var planMethods = []method{
	{
		name: "ChangeAccountPlan",
		run:  changeAccountPlan,
		params: []param{
			{name: "plan_type", parse: asPlanType, required: true},
			{name: "plan_subscription_template_id", parse: asID(codePlan)},
		},
	},
	{name: "GetAccountPlans", run: getAccountPlans, params: planParams},
	{name: "GetAvailablePlans", run: getAvailablePlans, params: planParams},
}

// statePlan is an account's plan in the state file.
type statePlan struct {
	AccountID  int64 `json:"accountID"`
	TemplateID int64 `json:"templateID"`
}

// saved are the plans for the state file, in the order of accounts and templates.
func (p accountPlans) saved() []statePlan {
	var out []statePlan
	for account, plans := range p {
		for id := range maps.Values(plans) {
			out = append(out, statePlan{account, id})
		}
	}
	slices.SortFunc(out, func(a, b statePlan) int {
		return cmp.Or(cmp.Compare(a.AccountID, b.AccountID), cmp.Compare(a.TemplateID, b.TemplateID))
	})
	return out
}

func (p accountPlans) restore(saved []statePlan) {
	for _, one := range saved {
		if t, ok := templateOf(one.TemplateID); ok {
			p.set(one.AccountID, t)
		}
	}
}
