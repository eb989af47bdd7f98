package account

import (
	"cmp"
	"fmt"
	"math/big"
	"slices"
	"strings"
)

// Plan is a subscription plan of an account, or one that the account could have.
type Plan struct {
	// Type is the plan's type: an account has one plan of each. Kinds of plans are the provider's own.
	Type string
	// ID is the provider's id of the plan.
	ID string
	// Name is what the provider calls the plan, "" where it says none.
	Name string
	// Charge is the fee of a period in the account's currency, as a decimal; "" where the provider says none.
	Charge string
}

// String names the plan for people: "11 (Start, 50 per period)".
func (p Plan) String() string {
	var details []string
	if p.Name != "" {
		details = append(details, p.Name)
	}
	if p.Charge != "" {
		details = append(details, p.Charge+" per period")
	}
	if len(details) == 0 {
		return p.ID
	}
	return p.ID + " (" + strings.Join(details, ", ") + ")"
}

// planPrefix is how the paths of plans begin.
const planPrefix = "plans."

// Path is the plan's place below spec, and in what was last applied: "plans." and its type.
func (p Plan) Path() string { return planPrefix + p.Type }

// IsPlanPath says whether a path is that of a plan.
func IsPlanPath(path string) bool { return strings.HasPrefix(path, planPrefix) }

// PlanChange is a declared plan that the account is not known to have.
type PlanChange struct {
	// From is the plan that was seen last, the zero value where nobody knows one.
	From Plan
	// To is the declared plan: its type and its ID.
	To Plan
	// Origin tells an edit of the spec from a change at the provider.
	Origin Origin
}

// DiffPlans are the declared plans that the account is not known to have, by type. seen is what the account had when its plans were last
// read, nil where they never were; applied is what was last applied, or found in place.
func DiffPlans(declared, seen []Plan, applied State) []PlanChange {
	var out []PlanChange
	for _, to := range sortedPlans(declared) {
		has := HasPlan(seen, to)
		wasApplied := applied[to.Path()] == to.ID
		if wasApplied && (has || seen == nil) {
			continue
		}
		c := PlanChange{To: to, Origin: FromSpec}
		c.From, _ = presentPlan(seen, to.Type)
		if wasApplied {
			c.Origin = FromRemote
		}
		out = append(out, c)
	}
	return out
}

// HasPlan says whether the plan is among the plans.
func HasPlan(plans []Plan, p Plan) bool {
	return slices.ContainsFunc(plans, func(o Plan) bool { return o.Type == p.Type && o.ID == p.ID })
}

// LackedPlans are the declared plans that an account with these plans does not have, by type.
func LackedPlans(declared, have []Plan) []Plan {
	return slices.DeleteFunc(sortedPlans(declared), func(p Plan) bool { return HasPlan(have, p) })
}

// sortedPlans is a copy in the order of types and ids.
func sortedPlans(plans []Plan) []Plan {
	return slices.SortedFunc(slices.Values(plans), func(a, b Plan) int {
		return cmp.Or(cmp.Compare(a.Type, b.Type), cmp.Compare(len(a.ID), len(b.ID)), cmp.Compare(a.ID, b.ID))
	})
}

// presentPlan is the account's plan of a type. Guess: where it has several, the one with the largest charge counts.
func presentPlan(have []Plan, kind string) (present Plan, ok bool) {
	for _, p := range have {
		if p.Type != kind {
			continue
		}
		if dearer, known := isDearer(p, present); !ok || known && dearer {
			present, ok = p, true
		}
	}
	return present, ok
}

// isDearer says whether a plan's charge is larger than another's; known is false where one of them is not said as a decimal.
func isDearer(p, than Plan) (dearer, known bool) {
	a, ok := charge(p)
	b, ok2 := charge(than)
	if !ok || !ok2 {
		return false, false
	}
	return a.Cmp(b) > 0, true
}

// charge is the plan's charge as a number; false where it is none, or negative.
func charge(p Plan) (*big.Rat, bool) {
	if len(p.Charge) > longestCharge || strings.ContainsAny(p.Charge, "/eEpPxX_") { // a decimal alone, of which no large number is made
		return nil, false
	}
	n, ok := new(big.Rat).SetString(p.Charge)
	return n, ok && n.Sign() >= 0
}

// longestCharge is how many characters a charge has at most.
const longestCharge = 32

// CheckPlan says which of the offered plans a declared one is, and which plan it replaces (the zero value for none). A plan costs money, so it
// must be offered now, and be one upward. The error, of class Invalid, says why it is refused, and which plans are offered.
//
// Guess: the documents say of a new plan that its price is larger than the present one's, and of the offers that they are the plans to
// which the account may change. So upward is: of a larger charge than the plan of the same type that the account has. Where the account
// has no plan of the type, each offer is upward. An offer with the same charge is not, and where one of the charges is not known
// nobody can say: then the plan is left to people.
func CheckPlan(to Plan, have, offered []Plan) (offer, replaces Plan, err *Error) {
	refuse := func(format string, args ...any) (Plan, Plan, *Error) {
		return Plan{}, Plan{}, &Error{Class: Invalid, Field: to.Path(), Message: fmt.Sprintf(format, args...)}
	}
	at := slices.IndexFunc(offered, func(p Plan) bool { return p.Type == to.Type && p.ID == to.ID })
	if at < 0 {
		return refuse("the provider does not offer plan %s to the account. %s", to.ID, offers(to.Type, offered))
	}
	offer = offered[at]
	present, has := presentPlan(have, to.Type)
	if !has {
		return offer, Plan{}, nil
	}
	dearer, known := isDearer(offer, present)
	switch {
	case !known:
		return refuse("the provider does not say what plan %s or the present plan %s costs, so the operator can't tell whether the change is upward", offer, present)
	case !dearer:
		return refuse("plan %s does not cost more than the present plan %s, and the operator changes plans upward only", offer, present)
	}
	return offer, present, nil
}

// shownOffers is how many offers a message names.
const shownOffers = 20

// offers says which plans of a type are offered.
func offers(kind string, offered []Plan) string {
	var names []string
	for _, p := range sortedPlans(offered) {
		if p.Type == kind {
			names = append(names, p.String())
		}
	}
	switch n := len(names); {
	case n == 0:
		return "It offers no other plan of type " + kind
	case n > shownOffers:
		names = append(names[:shownOffers], fmt.Sprintf("and %d more", n-shownOffers))
	}
	return "It offers: " + strings.Join(names, ", ")
}
