package voximplant

import (
	"cmp"
	"context"
	"encoding/json"
	"net/url"
	"slices"
	"strings"

	"cpaas.dev/child-account-operator/internal/account"
	"cpaas.dev/child-account-operator/internal/apihttp"
)

// AccountPlan is a subscription plan, of an account or on offer (PlanType, AccountPlanType).
type AccountPlan struct {
	// TemplateID is plan_subscription_template_id, Type is plan_type: IM or MAU.
	TemplateID, Type string
	// Name is plan_name, PeriodicCharge periodic_charge, a decimal in the account's currency; "" where the answer has none.
	Name, PeriodicCharge string
	// NextCharge is next_charge, a date (YYYY-MM-DD); "" for a plan on offer.
	NextCharge string
	// Packages are what the plan has.
	Packages []PlanPackage
}

// PlanPackage is a package of a plan (PlanPackageType). Numbers are decimals as the service writes them, "" where the answer has none.
type PlanPackage struct {
	// PriceGroupIDs are price_group_id.
	PriceGroupIDs []string
	// Name is package_name.
	Name string
	// MayOverrun is may_overrun: "true" or "false". OverrunPrice and OverrunResources say what more than the package costs, and for how much.
	MayOverrun, OverrunPrice, OverrunResources string
	// ResourceLeft is what is left of Size, OriginalSize (orig_package_size) what the package has by itself.
	ResourceLeft, Size, OriginalSize string
}

// PlansParams are the parameters of GetAccountPlans and GetAvailablePlans. The zero value asks for all plans.
type PlansParams struct {
	// Types sends plan_type: IM, MAU. TemplateIDs sends plan_subscription_template_id.
	Types, TemplateIDs []string
}

// AccountState is the state of an account after a change that costs money (account_info).
type AccountState struct {
	// ID is account_id.
	ID string
	// Frozen is "true" or "false", Balance a decimal, and Currency its currency; "" where the answer has none.
	Frozen, Balance, Currency string
}

// planMethods are the Client's methods of plans.
type planMethods struct{ caller *caller }

// GetAccountPlans reads the plans of the account with this id, with their packages. The call runs as that account, the parent itself or a
// child: the token is signed with the parent's key and issued for the account. The documents name no role.
// Source: GetAccountPlans, in the group Accounts.
func (m planMethods) GetAccountPlans(ctx context.Context, accountID string, p PlansParams) ([]AccountPlan, error) {
	return plans(ctx, m.caller, methodGetAccountPlans, accountID, p)
}

// GetAvailablePlans reads the plans to which the account with this id may change. It runs as GetAccountPlans does.
// Source: GetAvailablePlans, in the group Accounts.
func (m planMethods) GetAvailablePlans(ctx context.Context, accountID string, p PlansParams) ([]AccountPlan, error) {
	return plans(ctx, m.caller, methodGetAvailablePlans, accountID, p)
}

// ChangeAccountPlan changes the plan of a type of the account with this id, which costs money: the service reserves the fee and taxes for the
// coming month. The new plan's price must be larger than the present one's. It runs as GetAccountPlans does, and is not to be repeated after
// an error with OutcomeUnknown before GetAccountPlans was asked.
// Source: ChangeAccountPlan, in the group Accounts.
func (m planMethods) ChangeAccountPlan(ctx context.Context, accountID, planType, templateID string) (*AccountState, error) {
	switch {
	case !validID(accountID):
		return nil, badID(methodChangeAccountPlan)
	case !validPlanType(planType):
		return nil, badPlan(methodChangeAccountPlan, "the type of a plan must be letters, such as MAU")
	case !validID(templateID): // Guess: the parameter is optional in the documents, which don't say what a call without it does
		return nil, badPlan(methodChangeAccountPlan, "the id of a plan must be a positive whole number")
	}
	a, err := m.caller.do(ctx, call{
		method: methodChangeAccountPlan, write: true, issuer: accountID, optional: true,
		params: url.Values{"plan_type": {planType}, "plan_subscription_template_id": {templateID}},
	})
	switch {
	case err != nil:
		return nil, planRefusal(err)
	case !a.done():
		return nil, improper(methodChangeAccountPlan, true, "the answer says neither that the plan was changed nor why not")
	}
	return a.accountState(), nil
}

// accountState reads what stands beside the result. Nothing depends on it, so what is not there is left out.
func (a *answer) accountState() *AccountState {
	var info struct {
		AccountID loose `json:"account_id"`
		Frozen    loose `json:"frozen"`
		Balance   loose `json:"balance"`
		Currency  loose `json:"currency"`
	}
	if json.Unmarshal(a.AccountInfo, &info) != nil {
		return &AccountState{}
	}
	return &AccountState{ID: string(info.AccountID), Frozen: string(info.Frozen), Balance: string(info.Balance), Currency: string(info.Currency)}
}

// validPlanType keeps anything but a word out of a list of types.
func validPlanType(kind string) bool {
	return kind != "" && len(kind) <= 32 && strings.Trim(kind, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_") == ""
}

func badPlan(method, message string) *account.Error {
	return &account.Error{Class: account.Invalid, Method: method, Field: fieldPlans, Message: message}
}

// fieldPlans is the spec path of plans.
const fieldPlans = "plans"

// plans makes a call that lists plans.
func plans(ctx context.Context, c *caller, method, accountID string, p PlansParams) ([]AccountPlan, error) {
	if !validID(accountID) {
		return nil, badID(method)
	}
	params := url.Values{}
	if len(p.Types) > 0 {
		if slices.ContainsFunc(p.Types, func(kind string) bool { return !validPlanType(kind) }) {
			return nil, badPlan(method, "the type of a plan must be letters, such as MAU")
		}
		params.Set("plan_type", strings.Join(p.Types, listSeparator))
	}
	if len(p.TemplateIDs) > 0 {
		if slices.ContainsFunc(p.TemplateIDs, func(id string) bool { return !validID(id) }) {
			return nil, badPlan(method, "the id of a plan must be a positive whole number")
		}
		params.Set("plan_subscription_template_id", strings.Join(p.TemplateIDs, listSeparator))
	}
	a, err := c.do(ctx, call{method: method, params: params, issuer: accountID, optional: true})
	if err != nil {
		return nil, planRefusal(err)
	}
	read, ok := a.plans()
	if !ok {
		return nil, improper(method, false, "the answer is not a list of plans")
	}
	return read, nil
}

// planRow is a plan as the service writes it.
type planRow struct {
	TemplateID     loose        `json:"plan_subscription_template_id"`
	Type           loose        `json:"plan_type"`
	Name           loose        `json:"plan_name"`
	PeriodicCharge loose        `json:"periodic_charge"`
	NextCharge     loose        `json:"next_charge"`
	Packages       []packageRow `json:"packages"`
}

type packageRow struct {
	PriceGroupIDs    []loose `json:"price_group_id"`
	Name             loose   `json:"package_name"`
	MayOverrun       loose   `json:"may_overrun"`
	OverrunPrice     loose   `json:"overrun_price"`
	OverrunResources loose   `json:"overrun_resources"`
	ResourceLeft     loose   `json:"resource_left"`
	Size             loose   `json:"package_size"`
	OriginalSize     loose   `json:"orig_package_size"`
}

// plans reads a list of plans; false where the answer is none, or one of them has no id or no type.
func (a *answer) plans() ([]AccountPlan, bool) {
	var rows []planRow
	if json.Unmarshal(a.Result, &rows) != nil || rows == nil {
		return nil, false
	}
	out := make([]AccountPlan, len(rows))
	for i, r := range rows {
		if !validID(string(r.TemplateID)) || !validPlanType(string(r.Type)) {
			return nil, false
		}
		out[i] = AccountPlan{
			TemplateID: string(r.TemplateID), Type: string(r.Type), Name: string(r.Name), PeriodicCharge: string(r.PeriodicCharge),
			NextCharge: string(r.NextCharge), Packages: packages(r.Packages),
		}
	}
	return out, true
}

func packages(rows []packageRow) []PlanPackage {
	var out []PlanPackage
	for _, r := range rows {
		p := PlanPackage{
			Name: string(r.Name), MayOverrun: string(r.MayOverrun), OverrunPrice: string(r.OverrunPrice), OverrunResources: string(r.OverrunResources),
			ResourceLeft: string(r.ResourceLeft), Size: string(r.Size), OriginalSize: string(r.OriginalSize),
		}
		for _, id := range r.PriceGroupIDs {
			p.PriceGroupIDs = append(p.PriceGroupIDs, string(id))
		}
		out = append(out, p)
	}
	return out
}

// planRefusals are what the codes of the plan methods mean, whose own texts don't say what to do: with those methods it is the child account
// that pays, and that is verified.
var planRefusals = map[int]struct{ text, next string }{
	110: {"the provider knows no such plan", "Declare one of the plans that the provider offers to the account."},
	127: {"the account's own balance is too low for the plan: the provider reserves the fee and taxes for the coming month",
		"Top up this account, not its parent, at the provider, or declare another plan. The operator retries automatically, after 10 minutes at first."},
	131: {"the account is not activated", "Have this account activated at the provider. The operator retries automatically, after 10 minutes at first."},
	281: {"the account must be verified first", "Have this account verified at the provider. The operator retries automatically, after 10 minutes at first."},
	282: {"the account's verification is in progress", "Wait until this account is verified at the provider. The operator retries automatically, after 10 minutes at first."},
	379: {"the provider forbids to change the plan of this account",
		"Declare the plan that the account has, or ask the provider's support why. The operator retries automatically, after 10 minutes at first."},
	426: {"the provider knows no such type of plan", "Declare a type that the provider has: MAU or IM."},
	516: {"a payment of this account is in progress at the provider, which may be that of an earlier try",
		"The operator retries automatically, and reads before whether the account has the plan by now."},
}

// planRefusal is the error of a plan method with what it means there. It is a copy: an observer may have kept e.
func planRefusal(e *account.Error) *account.Error {
	row, ok := planRefusals[e.Code]
	if !ok || e.Class == account.Throttled {
		return e
	}
	said := *e
	said.Message, said.Next = row.text, row.next
	if said.Class == account.Invalid {
		said.Field = fieldPlans
	}
	return &said
}

// planner has the plans of accounts. It has no state of its own.
type planner struct{ client *Client }

// Plans implements provider.Planner by GetAccountPlans, which runs as the account.
func (p planner) Plans(ctx context.Context, id string) ([]account.Plan, error) {
	read, err := p.client.GetAccountPlans(ctx, id, PlansParams{})
	return neutralPlans(read), err
}

// PlanOffers implements provider.Planner by GetAvailablePlans, which runs as the account.
func (p planner) PlanOffers(ctx context.Context, id string) ([]account.Plan, error) {
	read, err := p.client.GetAvailablePlans(ctx, id, PlansParams{})
	return neutralPlans(read), err
}

// ChangePlan implements provider.Planner by ChangeAccountPlan, which runs as the account.
func (p planner) ChangePlan(ctx context.Context, id string, to account.Plan) error {
	_, err := p.client.ChangeAccountPlan(ctx, id, to.Type, to.ID)
	return err
}

// neutralPlans are plans without what only the provider knows of, by type and id. Their texts are fit for messages.
func neutralPlans(plans []AccountPlan) []account.Plan {
	out, text := make([]account.Plan, len(plans)), apihttp.NewRedactor()
	for i, p := range plans {
		out[i] = account.Plan{Type: p.Type, ID: p.TemplateID, Name: text.Clean(p.Name), Charge: text.Clean(p.PeriodicCharge)}
	}
	slices.SortStableFunc(out, func(a, b account.Plan) int {
		return cmp.Or(cmp.Compare(a.Type, b.Type), cmp.Compare(len(a.ID), len(b.ID)), cmp.Compare(a.ID, b.ID))
	})
	return out
}
