package engine

import (
	"fmt"
	"strings"
	"testing"

	"cpaas.dev/child-account-operator/internal/account"
)

// A status has room for so many plans, whose texts it can't do without a bound for; the declared ones are always among them, as otherwise the
// account would seem to lack them.
func TestObservedPlansAreBounded(t *testing.T) {
	declared := []account.Plan{{Type: "MAU", ID: "99"}}
	var have []account.Plan
	for i := range 2 * mostObservedPlans {
		have = append(have, account.Plan{Type: "IM", ID: fmt.Sprint(i)})
	}
	have = append(have, account.Plan{Type: "MAU", ID: "99", Name: strings.Repeat("ü", longestPlanText)})
	got := observedPlans(declared, have)
	if len(got) != mostObservedPlans || got[0].TemplateID != "99" || len(*got[0].Name) > longestPlanText || !strings.HasPrefix(*got[0].Name, "ü") || got[1].TemplateID != "0" {
		t.Errorf("%d plans: %+v", len(got), got)
	}
	if few := observedPlans(declared, have[len(have)-2:]); len(few) != 2 || few[0].Type != "IM" {
		t.Errorf("%+v", few)
	}
	if none := observedPlans(declared, nil); none != nil {
		t.Errorf("%+v", none)
	}
}
