package plan_test

import (
	"strings"
	"testing"

	"cpaas.dev/child-account-operator/internal/plan"
)

func TestTaken(t *testing.T) {
	holder := func(resource string, to plan.ValueRelease, reason string) plan.Holder {
		return plan.Holder{AccountID: "17", AccountName: "acme-" + resource, Resource: "telephony/" + resource, Release: to, Reason: reason}
	}
	unmanaged := plan.Holder{AccountID: "17", AccountName: "acme-a"}
	for name, c := range map[string]struct {
		holders []plan.Holder
		ring    bool
		waits   bool
		want    []string
	}{
		"nobody who may be named": {nil, false, false, []string{"in use (code 1). Another account has the value. Declare another value for spec.email", "The operator retries"}},
		"declared there":          {[]plan.Holder{holder("a", plan.ReleaseDeclared, "")}, false, false, []string{"in use (code 1): account acme-a (id 17) of ChildAccount telephony/a has it", "declares the value", "here or there"}},
		"without a resource":      {[]plan.Holder{unmanaged}, false, false, []string{"account acme-a (id 17) has it, and no ChildAccount manages that account", "Change the account at the provider"}},
		"another installation's":  {[]plan.Holder{{AccountID: "17", AccountName: "acme-a", Claim: theirs.String()}}, false, false, []string{"is owned by ChildAccount sales/acme-support of installation other. Have the owner of that installation change the value"}},
		"about to be given up":    {[]plan.Holder{holder("a", plan.ReleasePending, "")}, false, true, []string{"spec.email: waiting for ChildAccount telephony/a", "The operator retries as soon as"}},
		"one after the other": {[]plan.Holder{holder("a", plan.ReleaseApplies, ""), holder("b", plan.ReleasePending, "")}, false, true,
			[]string{"waiting for ChildAccount telephony/a", "as soon as its present owner gives"}},
		"one after the other, and the last stays": {[]plan.Holder{holder("a", plan.ReleaseApplies, ""), holder("b", plan.ReleaseBlocked, "Suspended")}, false, false,
			[]string{"telephony/a has it", "which is taken, too", "Read the conditions"}},
		"one after the other, and the last is a stranger's": {[]plan.Holder{holder("a", plan.ReleaseApplies, "")}, false, false, []string{"which is taken, too"}},
		"blocked":  {[]plan.Holder{holder("a", plan.ReleaseBlocked, "AwaitingApproval")}, false, false, []string{"keeps it", "(AwaitingApproval)"}},
		"deleted":  {[]plan.Holder{holder("a", plan.ReleaseDeleted, "")}, false, false, []string{"is being deleted, which changes no value"}},
		"exchange": {[]plan.Holder{holder("a", plan.ReleaseApplies, "")}, true, false, []string{"exchange spec.email", "telephony/a (account acme-a) and this one", "1. Declare for spec.email of telephony/a a temporary value", "3. Declare for telephony/a"}},
		"ring of three": {[]plan.Holder{holder("a", plan.ReleaseApplies, ""), holder("b", plan.ReleaseApplies, "")}, true, false,
			[]string{"telephony/a (account acme-a), telephony/b (account acme-b) and this one", "of telephony/b a temporary value"}},
	} {
		taken := plan.Taken{
			Message: "AddAccount: spec.email: in use (code 1)", Path: "email", Kind: "ChildAccount", Holders: c.holders, Ring: c.ring,
		}
		message, next := taken.Explanation()
		text := message + ". " + next
		for _, want := range c.want {
			if !strings.Contains(text, want) {
				t.Errorf("%s: %q lacks %q", name, text, want)
			}
		}
		if taken.Waits() != c.waits || c.waits == strings.Contains(text, "in use") {
			t.Errorf("%s: waits %v: %s", name, taken.Waits(), text)
		}
	}
}
