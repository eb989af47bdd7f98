package account_test

import (
	"fmt"
	"strings"
	"testing"

	"cpaas.dev/child-account-operator/internal/account"
)

var (
	free  = account.Plan{Type: "MAU", ID: "10", Name: "Free", Charge: "0"}
	start = account.Plan{Type: "MAU", ID: "11", Name: "Start", Charge: "50"}
	large = account.Plan{Type: "MAU", ID: "12", Charge: "200.50"}
	chat  = account.Plan{Type: "IM", ID: "11", Name: "Chat", Charge: "30"}
)

func declared(plans ...account.Plan) []account.Plan {
	out := make([]account.Plan, len(plans))
	for i, p := range plans {
		out[i] = account.Plan{Type: p.Type, ID: p.ID}
	}
	return out
}

func TestDiffPlans(t *testing.T) {
	for _, test := range []struct {
		name           string
		declared, seen []account.Plan
		applied        account.State
		want           string
	}{
		{"none declared", nil, []account.Plan{free}, nil, ""},
		{"never applied, never read", declared(start), nil, nil, "plans.MAU: > 11 Spec"},
		{"never applied, though the account has it", declared(start), []account.Plan{start}, nil, "plans.MAU: 11 > 11 Spec"},
		{"applied and seen", declared(start), []account.Plan{start}, account.State{"plans.MAU": "11"}, ""},
		{"applied, and never read", declared(start), nil, account.State{"plans.MAU": "11"}, ""},
		{"another one declared", declared(large), []account.Plan{start}, account.State{"plans.MAU": "11"}, "plans.MAU: 11 > 12 Spec"},
		{"changed at the provider", declared(start), []account.Plan{free}, account.State{"plans.MAU": "11"}, "plans.MAU: 10 > 11 Remote"},
		{"no plan any more", declared(start), []account.Plan{}, account.State{"plans.MAU": "11"}, "plans.MAU: > 11 Remote"},
		{"by type", declared(start, chat), []account.Plan{free, chat}, nil, "plans.IM: 11 > 11 Spec, plans.MAU: 10 > 11 Spec"},
		{"an id of another type is another plan", declared(chat), []account.Plan{start}, account.State{"plans.IM": "11"}, "plans.IM: > 11 Remote"},
		{"several of a type", declared(large), []account.Plan{free, start}, nil, "plans.MAU: 11 > 12 Spec"},
	} {
		var got []string
		for _, c := range account.DiffPlans(test.declared, test.seen, test.applied) {
			got = append(got, strings.Join(strings.Fields(fmt.Sprintf("%s: %s > %s %s", c.To.Path(), c.From.ID, c.To.ID, c.Origin)), " "))
		}
		if text := strings.Join(got, ", "); text != test.want {
			t.Errorf("%s: %q, want %q", test.name, text, test.want)
		}
	}
}

// A plan costs money: what is not offered, not upward, or can't be told is refused.
func TestCheckPlan(t *testing.T) {
	priced := func(charge string) account.Plan {
		return account.Plan{Type: "MAU", ID: "12", Charge: charge}
	}
	for _, test := range []struct {
		name          string
		to            account.Plan
		have, offered []account.Plan
		want          string
	}{
		{"upward", start, []account.Plan{free}, []account.Plan{start, large}, "11 for 10"},
		{"the first of its type", start, []account.Plan{chat}, []account.Plan{start}, "11 for "},
		{"not offered", large, []account.Plan{free}, []account.Plan{start, chat}, "plans.MAU: the provider does not offer plan 12 to the account. It offers: 11 (Start, 50 per period)"},
		{"not offered, as is no other", start, []account.Plan{free}, []account.Plan{chat}, "plans.MAU: the provider does not offer plan 11 to the account. It offers no other plan of type MAU"},
		{"offered under another type", chat, nil, []account.Plan{start}, "plans.IM: the provider does not offer plan 11 to the account. It offers no other plan of type IM"},
		{"downward", free, []account.Plan{start}, []account.Plan{free, large}, "plans.MAU: plan 10 (Free, 0 per period) does not cost more than the present plan 11 (Start, 50 per period), and the operator changes plans upward only"},
		{"of the same charge", priced("50.00"), []account.Plan{start}, []account.Plan{priced("50.00")}, "plans.MAU: plan 12 (50.00 per period) does not cost more than the present plan 11 (Start, 50 per period), and the operator changes plans upward only"},
		{"compared as numbers", priced("100"), []account.Plan{{Type: "MAU", ID: "9", Charge: "9.5"}}, []account.Plan{priced("100")}, "12 for 9"},
		{"several present plans: the dearest counts", start, []account.Plan{free, large}, []account.Plan{start}, "plans.MAU: plan 11 (Start, 50 per period) does not cost more than the present plan 12 (200.50 per period), and the operator changes plans upward only"},
		{"charge not said", priced(""), []account.Plan{free}, []account.Plan{priced("")}, "plans.MAU: the provider does not say what plan 12 or the present plan 10 (Free, 0 per period) costs, so the operator can't tell whether the change is upward"},
		{"charge is no decimal", priced("1e9"), []account.Plan{free}, []account.Plan{priced("1e9")}, "plans.MAU: the provider does not say what plan 12 (1e9 per period) or the present plan 10 (Free, 0 per period) costs, so the operator can't tell whether the change is upward"},
		{"negative charge", priced("-1"), []account.Plan{free}, []account.Plan{priced("-1")}, "plans.MAU: the provider does not say what plan 12 (-1 per period) or the present plan 10 (Free, 0 per period) costs, so the operator can't tell whether the change is upward"},
	} {
		offer, replaces, err := account.CheckPlan(declared(test.to)[0], test.have, test.offered)
		got := offer.ID + " for " + replaces.ID
		if err != nil {
			got = err.Field + ": " + err.Message
			if err.Class != account.Invalid {
				t.Errorf("%s: class %s", test.name, err.Class)
			}
		}
		if got != test.want {
			t.Errorf("%s: %q, want %q", test.name, got, test.want)
		}
	}
}

// A list of offers is bounded, whatever the provider answers.
func TestManyOffersAreCut(t *testing.T) {
	var offered []account.Plan
	for i := range 1000 {
		offered = append(offered, account.Plan{Type: "MAU", ID: fmt.Sprint(1000 + i), Name: "plan", Charge: "1"})
	}
	_, _, err := account.CheckPlan(account.Plan{Type: "MAU", ID: "1"}, nil, offered)
	if err == nil || len(err.Message) > 1500 || !strings.HasSuffix(err.Message, "and 980 more") {
		t.Errorf("%v", err)
	}
}
