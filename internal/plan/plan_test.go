package plan_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"cpaas.dev/child-account-operator/api/v1alpha1"
	"cpaas.dev/child-account-operator/internal/account"
	"cpaas.dev/child-account-operator/internal/golden"
	"cpaas.dev/child-account-operator/internal/plan"
)

const again = "UPDATE_DOCS=1 go test ./internal/plan"

// fresh is a resource that was just applied, at a provider without accounts.
func fresh() *plan.Input {
	return &plan.Input{
		Now: now, Schema: schema,
		Resource: plan.Resource{Kind: "ChildAccount", Namespace: ours.Namespace, Name: ours.Name, Generation: 1, Parent: "acme"},
		Subject:  account.Subject{Claim: ours, Name: "acme-support", Desired: account.State{"email": "support@acme.example", "payments.invoice": "true"}},
		View:     account.View{Listed: true},
		Secret:   plan.Secret{Name: "acme-support-connection"},
		SeesAll:  true,
		MayAdopt: true,
	}
}

// bound is a resource whose account was created and matches the spec.
func bound() *plan.Input {
	in := fresh()
	in.Resource.Origin, in.Resource.ObservedID = plan.Created, "7"
	in.Subject.ID, in.Subject.Intent = "7", true
	in.Subject.LastApplied = schema.Normal(in.Subject.Desired)
	in.View.Account = &account.Account{ID: "7", Name: "acme-support", CustomData: ours.CustomData(), State: account.State{
		"email": "support@acme.example", "payments.invoice": "true", "active": "true", "frozen": "false", "languageCode": "en",
	}}
	in.Secret.Settled, in.Secret.HoldsKey = true, true
	return in
}

// found is a resource that was just applied, where an account has its name already, and was read since.
func found(customData string) *plan.Input {
	in := fresh()
	in.View.Confirmed = true
	in.View.Account = bound().View.Account
	in.View.Account.CustomData = customData
	return in
}

// missing is a resource whose account is gone and is to be created anew; other is another account of the name.
func missing(other *account.Account) *plan.Input {
	in := bound()
	in.View.Account, in.View.Absences, in.Subject.Policy.Recreate = nil, 2, true
	in.Successor = &account.View{Listed: true, Confirmed: true, Account: other}
	return in
}

// successor is an account of the name with another id.
func successor(customData string) *account.Account {
	a := bound().View.Account
	a.ID, a.CustomData = "9", customData
	return a
}

// prepared is a resource that was about to create its account.
func prepared(in *plan.Input) *plan.Input {
	in.Subject.Intent, in.Secret.Prepared = true, true
	return in
}

// succeeding is a resource that may have the account of another one, which is gone.
func succeeding(in *plan.Input) *plan.Input {
	in.Subject.PreviousOwner = &another
	return in
}

func with(in *plan.Input, change func(*plan.Input)) *plan.Input {
	change(in)
	return in
}

// claimless is where the provider's accounts carry no claims.
func claimless(in *plan.Input) *plan.Input {
	in.View.Claimless, in.NoKeys = true, true
	return in
}

// sending is where each change of an account sends the account's password.
func sending(in *plan.Input) *plan.Input {
	in.Password.Sent = true
	return claimless(in)
}

// failedNow is an attempt at what the inputs lead to that has just failed.
func failedNow(in *plan.Input) *plan.Input {
	in.Attempts.Failed = &plan.Failed{
		Attempt: plan.For(*in).Attempt, Until: now.Add(time.Minute),
		Reason: v1alpha1.ReasonEmailTaken, Message: "AddAccount: spec.email: in use (code 1)",
	}
	return in
}

// Plans of an account.
var free, start = account.Plan{Type: "MAU", ID: "10", Name: "Free", Charge: "0"}, account.Plan{Type: "MAU", ID: "11", Name: "Start", Charge: "50"}

// planned is a resource that declares a plan.
func planned(in *plan.Input) *plan.Input {
	in.Plans.Declared, in.Plans.Resource = []account.Plan{{Type: "MAU", ID: "11"}}, "childaccount -n telephony acme-support"
	return in
}

// havingPlan is a resource whose plan was applied, and whose account has this one.
func havingPlan(in *plan.Input, has account.Plan) *plan.Input {
	in = planned(in)
	in.Plans.Seen = []account.Plan{has}
	in.Subject.LastApplied = in.Subject.LastApplied.With(account.State{"plans.MAU": "11"})
	return in
}

// cloned is a resource whose account is to be a clone.
func cloned(in *plan.Input) *plan.Input {
	in.Template = plan.Template{AccountName: "acme-template", AccountID: "5"}
	return in
}

// uncloned is a resource whose account is to be a clone and can't be, for a reason.
func uncloned(in *plan.Input, state plan.TemplateState) *plan.Input {
	in.Template = plan.Template{AccountName: "acme-template", State: state, Retry: 10 * time.Minute}
	return in
}

// A command that people are to copy names what it is for.
func TestCommandsNameTheirResource(t *testing.T) {
	in := havingPlan(bound(), free)
	in.Plans.Unsure = in.Plans.Declared
	for what, p := range map[string]plan.Plans{
		"ChildAccount":  in.Plans,
		"ParentAccount": {Declared: in.Plans.Declared, Seen: in.Plans.Seen, Unsure: in.Plans.Declared, Resource: "parentaccount -n telephony acme"},
	} {
		_, _, next := p.State(nil, false)
		if want := "kubectl patch " + p.Resource + " --type=json -p '"; p.Resource == "" || !strings.Contains(next, want) {
			t.Errorf("%s: %q lacks %q", what, next, want)
		}
	}
}

// planAttempt tells the attempt to change the plan from others.
func planAttempt(in *plan.Input) string {
	for _, s := range plan.For(*in).Steps {
		if s.Kind == plan.ChangePlan {
			return s.Attempt
		}
	}
	return ""
}

// planFailed is an attempt to change the plan that has just failed.
func planFailed(in *plan.Input) *plan.Input {
	in.Attempts.Failed = &plan.Failed{
		Attempt: planAttempt(in), Until: now.Add(time.Minute), Reason: v1alpha1.ReasonBalanceTooLow, Message: "the account's own balance is too low for the plan",
	}
	return in
}

// profiled is a resource that declares fields of the profile. Where it is bound, its status names the account.
func profiled(in *plan.Input, paths ...string) *plan.Input {
	values := account.State{
		"profile.firstName": "Ada", "profile.lastName": "Lovelace", "profile.mobilePhone": "+4915112345678", "profile.customData": `{"crm": "4711"}`, "profile.storeInboundSMS": "true",
	}
	for _, path := range paths {
		in.Subject.Desired[path] = values[path]
	}
	in.Delegated.BindingStored = in.Subject.ID != ""
	return in
}

// notGranted is a resource whose profile the provider has just refused to have written, until a time.
func notGranted(in *plan.Input, until time.Time) *plan.Input {
	var tried []plan.FieldChange
	for _, f := range schema {
		if value, declared := in.Subject.Desired[f.Path]; declared && f.Delegated {
			tried = append(tried, plan.FieldChange{Field: f.Path, To: value})
		}
	}
	in.Delegated.Refused = &plan.Failed{
		Attempt: plan.Delegation(in.Resource, in.Attempts.Connection, tried), Until: until,
		Reason: v1alpha1.ReasonRoleMissing, Message: "this capability is not granted",
	}
	return in
}

func deleted(in *plan.Input) *plan.Input {
	in.Resource.Finalizer, in.Resource.NeedsFinalizer = true, true
	in.Deletion = &plan.Deletion{Deactivate: true, Surroundings: plan.SurroundingsStay}
	return in
}

// held is a resource whose writes the operator's start holds.
func held(in *plan.Input) *plan.Input {
	if in.Start == nil {
		in.Start = &plan.Start{}
	}
	in.Start.Rule, in.Start.Next = " waits: this change was pending when the operator started", "To approve it: kubectl"
	return in
}

// keyed is a resource whose connection Secret has held a service-account key for 30 days.
func keyed(change func(*plan.Input)) *plan.Input {
	in := bound()
	in.ServiceKey = plan.ServiceKey{Declared: true, Stored: true, Intact: true, Created: now.Add(-720 * time.Hour)}
	change(in)
	return in
}

// awaited is a resource whose parent has read no complete list yet.
func awaited(in *plan.Input) *plan.Input {
	in.Start = &plan.Start{Awaited: true}
	return in
}

// situations are what a resource can be in, with what is done then.
var situations = []struct {
	name string
	in   *plan.Input
}{
	{"suspended", with(fresh(), func(in *plan.Input) { in.Resource.Suspended = true })},
	{"parent not ready", with(fresh(), func(in *plan.Input) {
		in.Stop = &plan.Stop{Reason: v1alpha1.ReasonParentNotReady, Message: "ParentAccount acme is not ready: Unauthorized"}
	})},
	{"parent not ready, finalizer missing", with(bound(), func(in *plan.Input) {
		in.Stop = &plan.Stop{Reason: v1alpha1.ReasonParentNotReady, Message: "ParentAccount acme is not ready: Unauthorized"}
		in.Resource.NeedsFinalizer, in.Resource.Finalizer = true, false
	})},
	{"parent not read yet", with(fresh(), func(in *plan.Input) { in.Stop = &plan.Stop{} })},
	{"adoptable account while others can't be seen", with(found(""), func(in *plan.Input) {
		in.Subject.Policy.Adopt, in.OthersUnseen = account.AdoptAlways, true
	})},
	{"own account found again while others can't be seen", with(found(ours.CustomData()), func(in *plan.Input) { in.OthersUnseen = true })},
	{"value refused", with(fresh(), func(in *plan.Input) { in.Subject.Desired["email"] = "nobody" })},
	{"value refused, but the account has it", with(bound(), func(in *plan.Input) {
		in.Subject.Desired["email"], in.View.Account.State["email"] = "jörg@acme.example", "jörg@acme.example"
		in.Subject.LastApplied["email"] = "jörg@acme.example"
	})},
	{"value refused, and the account has another one by now", with(bound(), func(in *plan.Input) {
		in.Subject.Desired["email"], in.Subject.LastApplied["email"] = "jörg@acme.example", "jörg@acme.example"
	})},
	{"value refused, only observed", with(found(""), func(in *plan.Input) {
		in.Subject.Policy.Observe, in.Subject.Desired["email"] = true, "jörg@acme.example"
	})},
	{"value refused, adoptable account not listed yet", with(fresh(), func(in *plan.Input) {
		in.View, in.Subject.Policy.Adopt, in.Subject.Desired["email"] = account.View{}, account.AdoptAlways, "jörg@acme.example"
	})},
	{"value refused, no account to adopt", with(fresh(), func(in *plan.Input) {
		in.Subject.Policy.Adopt, in.Subject.Desired["email"] = account.AdoptAlways, "info@bücher.example"
	})},
	{"value refused, account missing", with(bound(), func(in *plan.Input) {
		in.View.Account, in.View.Absences, in.Subject.Desired["email"] = nil, 2, "jörg@acme.example"
	})},
	{"value refused, account to be created anew", with(missing(nil), func(in *plan.Input) { in.Subject.Desired["email"] = "jörg@acme.example" })},
	{"password Secret missing", with(fresh(), func(in *plan.Input) {
		in.Password = plan.Password{Declared: true, Problem: &plan.Stop{Reason: v1alpha1.ReasonSecretMissing, Message: "Secret p does not exist"}}
	})},
	{"no list yet", with(fresh(), func(in *plan.Input) { in.View = account.View{} })},
	{"no list, outage", with(fresh(), func(in *plan.Input) {
		in.View = account.View{}
		in.Outage = &plan.Stop{Reason: v1alpha1.ReasonAPIUnavailable, Message: "the provider does not answer"}
	})},
	{"duplicate", with(fresh(), func(in *plan.Input) {
		in.Duplicate = &plan.Stop{Reason: v1alpha1.ReasonDuplicateResource, Message: "account acme-support is owned by ChildAccount telephony/older"}
	})},

	{"new", fresh()},
	{"without claims: new", claimless(fresh())},
	{"without claims: new, read", with(claimless(fresh()), func(in *plan.Input) { in.View.Fresh = true })},
	{"without claims: of the open attempt", with(claimless(found("")), func(in *plan.Input) {
		in.View.Fresh, in.Subject.Intent, in.Subject.Attempt = true, true, &account.Attempt{Sent: account.State{"email": "support@acme.example"}}
	})},
	{"without claims: of the open attempt, in a namespace of a shared parent", with(claimless(found("")), func(in *plan.Input) {
		in.View.Fresh, in.Shared, in.Subject.Intent, in.Subject.Attempt = true, true, true, &account.Attempt{Sent: account.State{"email": "support@acme.example"}}
	})},
	{"without claims: otherwise than the open attempt has sent", with(claimless(found("")), func(in *plan.Input) {
		in.View.Fresh, in.Subject.Intent, in.Subject.Attempt = true, true, &account.Attempt{Sent: account.State{"email": "other@acme.example"}}
	})},
	{"without claims: there before the open attempt", with(claimless(found("")), func(in *plan.Input) {
		in.View.Fresh, in.Subject.Intent, in.Subject.Attempt = true, true, &account.Attempt{Others: []string{"7"}, Sent: account.State{"email": "support@acme.example"}}
	})},
	{"without claims: two of the name", with(claimless(found("")), func(in *plan.Input) {
		in.View.Namesakes, in.Subject.Policy.Adopt = []string{"7", "8"}, account.AdoptAlways
	})},
	{"the password goes with each change: found, adoptable, nobody knows it", with(sending(found("")), func(in *plan.Input) {
		in.View.Fresh, in.Subject.Policy.Adopt = true, account.AdoptAlways
		in.Subject.Desired["languageCode"] = "de"
	})},
	{"the password goes with each change: adopted, nobody knows it", with(sending(bound()), func(in *plan.Input) {
		in.Resource.Origin, in.Subject.LastApplied, in.Subject.Desired["canUseRestricted"] = plan.Adopted, nil, "true"
	})},
	{"the password goes with each change: adopted, declared", with(sending(bound()), func(in *plan.Input) {
		in.Resource.Origin, in.Subject.LastApplied, in.Subject.Desired["canUseRestricted"] = plan.Adopted, nil, "true"
		in.Password.Declared, in.Password.Mark = true, "m"
	})},
	{"the password goes with each change: created, nobody knows it any more", with(sending(bound()), func(in *plan.Input) { in.Subject.Desired["languageCode"] = "de" })},
	{"the password goes with each change: created", with(sending(bound()), func(in *plan.Input) {
		in.Subject.Desired["languageCode"], in.Password.Known = "de", true
	})},
	{"new, password declared", with(fresh(), func(in *plan.Input) { in.Password = plan.Password{Declared: true, Mark: "m"} })},
	{"new, everything at creation", with(fresh(), func(in *plan.Input) { delete(in.Subject.Desired, "payments.invoice") })},
	{"new, deactivated with its resource", with(fresh(), func(in *plan.Input) { in.Resource.NeedsFinalizer = true })},
	{"new, perhaps tried before", with(fresh(), func(in *plan.Input) { in.Subject.Retried = true })},
	{"creation not confirmed", with(fresh(), func(in *plan.Input) { in.Subject.Intent = true })},
	{"creation failed, backoff", failedNow(fresh())},
	{"partial list", with(fresh(), func(in *plan.Input) { in.View = account.View{Partial: true} })},

	{"found, not allowed", found("")},
	{"found, owned by another installation", found(theirs.CustomData())},
	{"found, owned by a resource that must not be named", with(found(another.CustomData()), func(in *plan.Input) { in.SeesAll = false })},
	{"found, takeover", with(found(theirs.CustomData()), func(in *plan.Input) { in.Subject.Takeover, in.View.Fresh = "other", true })},
	{"found, its previous owner gone, to be read", succeeding(found(another.CustomData()))},
	{"found, its previous owner gone", with(succeeding(found(another.CustomData())), func(in *plan.Input) { in.View.Fresh = true })},
	{"found, its previous owner gone, inactive", with(succeeding(found(another.CustomData())), func(in *plan.Input) {
		in.View.Fresh, in.View.Account.State["active"] = true, "false"
	})},
	{"found, its previous owner gone, shared parent", with(succeeding(found(another.CustomData())), func(in *plan.Input) {
		in.View.Fresh, in.Shared = true, true
		in.View.Account.State["email"] = "other@acme.example"
	})},
	{"found, its previous owner gone, shared parent, to be adopted", with(succeeding(found(another.CustomData())), func(in *plan.Input) {
		in.View.Fresh, in.Shared, in.Subject.Policy.Adopt = true, true, account.AdoptAlways
	})},
	{"found, own claim", found(ours.CustomData())},
	{"found in a list alone, own claim", with(found(ours.CustomData()), func(in *plan.Input) { in.View.Confirmed = false })},
	{"found, own claim, inactive", with(found(ours.CustomData()), func(in *plan.Input) { in.View.Account.State["active"] = "false" })},
	{"found, own claim, shared parent", with(found(ours.CustomData()), func(in *plan.Input) { in.Shared = true })},
	{"found, not identical", with(found(""), func(in *plan.Input) {
		in.Subject.Policy.Adopt, in.View.Account.State["email"] = account.AdoptIfIdentical, "other@acme.example"
	})},
	{"found, not allowed, a password prepared", prepared(found(""))},
	{"found, not allowed, the password is the account's", failedNow(prepared(found("")))},
	{"found, to be adopted", with(found(""), func(in *plan.Input) { in.Subject.Policy.Adopt = account.AdoptAlways })},
	{"found, adopted", with(found(""), func(in *plan.Input) {
		in.Subject.Policy.Adopt, in.View.Fresh = account.AdoptAlways, true
		in.Password = plan.Password{Declared: true, Mark: "m"}
		in.View.Account.State["email"] = "other@acme.example"
	})},

	{"matches", bound()},
	{"frozen", with(bound(), func(in *plan.Input) { in.View.Account.State["frozen"] = "true" })},
	{"inactive", with(bound(), func(in *plan.Input) { in.View.Account.State["active"] = "false" })},
	{"read requested", with(bound(), func(in *plan.Input) { in.ReadRequested = true })},
	{"outcome unknown", with(bound(), func(in *plan.Input) { in.View.OutcomeUnknown = true })},
	{"edited", with(bound(), func(in *plan.Input) { in.Subject.Desired["minBalanceToNotify"] = "5.0" })},
	{"edited by many", with(bound(), func(in *plan.Input) {
		in.Subject.Desired["email"] = "new@acme.example"
		in.Guard = &plan.Guarded{Change: "email=new@acme.example", Reason: v1alpha1.ReasonAwaitingApproval, Message: "email=new@acme.example waits: no more than 5 accounts (of 9) may change within 10m0s"}
	})},
	{"edited by many, counting", with(bound(), func(in *plan.Input) {
		in.Subject.Desired["email"] = "new@acme.example"
		in.Guard = &plan.Guarded{Change: "email=new@acme.example"}
	})},
	{"deactivated", with(bound(), func(in *plan.Input) { in.Subject.Desired["active"] = "false" })},
	{"update failed, backoff", failedNow(with(bound(), func(in *plan.Input) { in.Subject.Desired["email"] = "new@acme.example" }))},
	{"drift", with(bound(), func(in *plan.Input) { in.View.Account.State["email"] = "other@acme.example" })},
	{"drift, reported", with(bound(), func(in *plan.Input) {
		in.Subject.Policy.ReportDrift, in.View.Account.State["email"] = true, "other@acme.example"
	})},
	{"value not kept", with(bound(), func(in *plan.Input) {
		in.View.Account.State["payments.invoice"], in.View.NotKept = "false", account.State{"payments.invoice": "true"}
	})},
	{"outage, seen lately", with(bound(), func(in *plan.Input) {
		in.Outage = &plan.Stop{Reason: v1alpha1.ReasonAPIUnavailable, Message: "the provider does not answer"}
	})},
	{"outage, too long", with(bound(), func(in *plan.Input) {
		in.Outage, in.Stale = &plan.Stop{Reason: v1alpha1.ReasonAPIUnavailable, Message: "the provider does not answer"}, true
	})},
	{"outage, too long, Secret outdated", with(bound(), func(in *plan.Input) {
		in.Outage, in.Stale = &plan.Stop{Reason: v1alpha1.ReasonAPIUnavailable, Message: "the provider does not answer"}, true
		in.Secret.Settled = false
	})},

	{"Secret edited", with(bound(), func(in *plan.Input) { in.Secret.Recheck = true })},
	{"Secret edited, not verified since", with(bound(), func(in *plan.Input) { in.Secret.Recheck, in.Secret.Verify = true, true })},
	{"verification requested", with(bound(), func(in *plan.Input) { in.Secret.Verify = true })},
	{"verification requested, no API keys", with(bound(), func(in *plan.Input) { in.Secret.Verify, in.NoKeys = true, true })},
	{"verification failed, backoff", failedNow(with(bound(), func(in *plan.Input) { in.Secret.Verify = true }))},
	{"Secret outdated, no custom data", with(bound(), func(in *plan.Input) { in.Secret.Settled, in.View.Account.CustomData = false, "" })},
	{"finalizer gone", with(bound(), func(in *plan.Input) { in.Resource.NeedsFinalizer = true })},
	{"finalizer not needed any more", with(bound(), func(in *plan.Input) { in.Resource.Finalizer, in.Resource.Edited = true, true })},
	{"finalizer of an earlier version", with(bound(), func(in *plan.Input) { in.Resource.Finalizer = true })},
	{"password declared", with(bound(), func(in *plan.Input) { in.Password = plan.Password{Declared: true, Mark: "m"} })},
	{"password declared, adopted account", with(bound(), func(in *plan.Input) {
		in.Resource.Origin, in.Password = plan.Adopted, plan.Password{Declared: true, Mark: "m"}
	})},
	{"plan declared", planned(bound())},
	{"plan declared, new", planned(fresh())},
	{"plan declared, to be adopted", planned(with(found(""), func(in *plan.Input) { in.Subject.Policy.Adopt, in.View.Fresh = account.AdoptAlways, true }))},
	{"plan in its place", havingPlan(bound(), start)},
	{"plan in its place, read requested", with(havingPlan(bound(), start), func(in *plan.Input) { in.Plans.ReadRequested = true })},
	{"plan changed at the provider", havingPlan(bound(), free)},
	{"plan changed at the provider, reported", with(havingPlan(bound(), free), func(in *plan.Input) { in.Subject.Policy.ReportDrift = true })},
	{"plan that an earlier resource of a found account has requested", with(planned(found("")), func(in *plan.Input) {
		in.Subject.Policy.Adopt, in.View.Fresh, in.Plans.Found = account.AdoptAlways, true, in.Plans.Declared
	})},
	{"plan that an earlier resource may have requested", with(havingPlan(bound(), free), func(in *plan.Input) { in.Plans.Unsure = in.Plans.Declared })},
	{"plan accepted and not shown", with(havingPlan(bound(), free), func(in *plan.Input) { in.Plans.NotShown = in.Plans.Declared })},
	{"plan, and another field, edited", with(planned(bound()), func(in *plan.Input) { in.Subject.Desired["email"] = "new@acme.example" })},
	{"plan changed by many", with(planned(bound()), func(in *plan.Input) {
		in.Guard = &plan.Guarded{Change: "plans.MAU=11", Reason: v1alpha1.ReasonAwaitingApproval, Message: "plans.MAU=11 waits: no more than 5 accounts (of 9) may change within 10m0s"}
	})},
	{"plan changed by many, new", with(planned(fresh()), func(in *plan.Input) {
		in.Guard = &plan.Guarded{Change: "plans.MAU=11", Reason: v1alpha1.ReasonAwaitingApproval, Message: "plans.MAU=11 waits: no more than 5 accounts (of 9) may change within 10m0s"}
	})},
	{"plan changed by many, counting", with(planned(bound()), func(in *plan.Input) { in.Guard = &plan.Guarded{Change: "plans.MAU=11"} })},
	{"plan could not be paid, backoff", planFailed(planned(bound()))},
	{"plan not granted, backoff", with(planned(bound()), func(in *plan.Input) {
		in.Plans.NotGranted = &plan.NotGranted{Attempt: planAttempt(in), Until: now.Add(time.Minute)}
	})},
	{"plan declared, frozen", planned(with(bound(), func(in *plan.Input) { in.View.Account.State["frozen"] = "true" }))},
	{"plan declared, outage", with(planned(bound()), func(in *plan.Input) {
		in.Outage = &plan.Stop{Reason: v1alpha1.ReasonAPIUnavailable, Message: "the provider does not answer"}
	})},
	{"plan declared, held at the start", held(planned(bound()))},
	{"plan declared, only observed", planned(with(found(""), func(in *plan.Input) { in.Subject.Policy.Observe = true }))},
	{"to be cloned, new", cloned(fresh())},
	{"to be cloned, with what cloning does not set", with(cloned(fresh()), func(in *plan.Input) {
		in.Subject.Desired["location"], in.Subject.Desired["minBalanceToNotify"], in.Subject.Desired["active"] = "Europe/Berlin", "5", "true"
	})},
	{"to be cloned, created before without an answer", cloned(with(fresh(), func(in *plan.Input) { in.Subject.Intent = true }))},
	{"to be cloned, held at the start", held(cloned(fresh()))},
	{"to be cloned, failed before", failedNow(cloned(fresh()))},
	{"to be cloned, missing", cloned(missing(nil))},
	{"to be cloned, missing, no template", uncloned(missing(nil), plan.TemplateAwaited)},
	{"to be cloned, read requested, no template", with(uncloned(fresh(), plan.TemplateRing), func(in *plan.Input) { in.ReadRequested = true })},
	{"to be cloned, created before without an answer, no template", uncloned(with(fresh(), func(in *plan.Input) {
		in.Subject.Intent, in.View.OutcomeUnknown = true, true
	}), plan.TemplateRing)},
	{"to be cloned, tried before, no template", uncloned(with(fresh(), func(in *plan.Input) { in.Subject.Intent = true }), plan.TemplateRing)},
	{"to be cloned, exists", cloned(found(ours.CustomData()))},
	{"to be cloned, template awaited", with(uncloned(fresh(), plan.TemplateAwaited), func(in *plan.Input) { in.Template.Resource = "ChildAccount telephony/template" })},
	{"to be cloned, template in trouble", with(uncloned(fresh(), plan.TemplateAwaited), func(in *plan.Input) {
		in.Template.Resource, in.Template.Trouble = "ChildAccount telephony/template", v1alpha1.ReasonEmailTaken
	})},
	{"to be cloned, template awaited, a tenant", with(uncloned(fresh(), plan.TemplateAwaited), func(in *plan.Input) { in.SeesAll = false })},
	{"to be cloned, no template yet", with(uncloned(fresh(), plan.TemplateUnknown), func(in *plan.Input) { in.Template.Grace = true })},
	{"to be cloned, no template", uncloned(fresh(), plan.TemplateUnknown)},
	{"to be cloned, no template, a tenant", with(uncloned(fresh(), plan.TemplateUnknown), func(in *plan.Input) { in.SeesAll = false })},
	{"to be cloned, template suspended", with(uncloned(fresh(), plan.TemplateUnknown), func(in *plan.Input) {
		in.Template.Resource, in.Template.Trouble = "ChildAccount telephony/template", v1alpha1.ReasonSuspended
	})},
	{"to be cloned, template observed and missing, a tenant", with(uncloned(fresh(), plan.TemplateUnknown), func(in *plan.Input) {
		in.SeesAll, in.Template.Resource, in.Template.Trouble = false, "ChildAccount tenant/template", v1alpha1.ReasonAccountMissing
	})},
	{"to be cloned, template missing", with(uncloned(fresh(), plan.TemplateMissing), func(in *plan.Input) { in.Template.Resource = "ChildAccount telephony/template" })},
	{"to be cloned, ring", uncloned(fresh(), plan.TemplateRing)},
	{"to be cloned, not granted", uncloned(fresh(), plan.TemplateNotGranted)},
	{"to be cloned, the provider can't", with(fresh(), func(in *plan.Input) { in.Template.Unsupported = true })},
	{"to be cloned, only observed", with(cloned(found("")), func(in *plan.Input) { in.Subject.Policy.Observe = true })},
	{"plan declared, the provider has none", with(planned(fresh()), func(in *plan.Input) { in.NoPlans = true })},
	{"rotation requested", with(bound(), func(in *plan.Input) { in.Password = plan.Password{Rotation: "1", Mark: "rotation 1"} })},
	{"rotation requested, key unknown", with(bound(), func(in *plan.Input) {
		in.Password, in.Secret.HoldsKey = plan.Password{Rotation: "1", Mark: "rotation 1"}, false
	})},
	{"rotation requested, password unknown, no API keys", with(bound(), func(in *plan.Input) {
		in.Password, in.Secret.LacksPassword, in.NoKeys = plan.Password{Rotation: "1", Mark: "rotation 1"}, true, true
	})},
	{"rotation failed, Secret edited", with(failedNow(with(bound(), func(in *plan.Input) {
		in.Password = plan.Password{Rotation: "1", Mark: "rotation 1"}
	})), func(in *plan.Input) { in.Secret.Recheck = true })},

	{"new, with a profile", profiled(fresh(), "profile.firstName", "profile.mobilePhone", "profile.storeInboundSMS")},
	{"new, with custom data", profiled(fresh(), "profile.lastName", "profile.customData")},
	{"found, own claim, with a profile", profiled(found(ours.CustomData()), "profile.firstName", "profile.customData")},
	{"found, its previous owner gone, with custom data", with(profiled(succeeding(found(another.CustomData())), "profile.customData"), func(in *plan.Input) { in.View.Fresh = true })},
	{"found, takeover, with custom data", with(profiled(found(theirs.CustomData()), "profile.customData"), func(in *plan.Input) {
		in.Subject.Takeover, in.View.Fresh = "other", true
	})},
	{"found, stored in another record storage", with(found(""), func(in *plan.Input) {
		in.Subject.Policy.Adopt, in.Subject.Desired["recordStorage.name"] = account.AdoptIfIdentical, "eu-records"
	})},
	{"profile edited", profiled(bound(), "profile.firstName", "profile.storeInboundSMS")},
	{"profile edited, and more", with(profiled(bound(), "profile.firstName"), func(in *plan.Input) { in.Subject.Desired["languageCode"] = "de" })},
	{"custom data edited", profiled(bound(), "profile.customData")},
	{"profile edited by many", with(profiled(bound(), "profile.firstName"), func(in *plan.Input) {
		in.Guard = &plan.Guarded{Change: "profile.firstName=Ada", Reason: v1alpha1.ReasonAwaitingApproval, Message: "waits"}
	})},
	{"profile not granted", notGranted(profiled(bound(), "profile.firstName", "profile.customData"), now.Add(time.Minute))},
	{"profile not granted, and more edited", notGranted(with(profiled(bound(), "profile.firstName"), func(in *plan.Input) { in.Subject.Desired["languageCode"] = "de" }), now.Add(time.Minute))},
	{"custom data not granted, none there", with(notGranted(profiled(bound(), "profile.customData"), now.Add(time.Minute)), func(in *plan.Input) {
		in.Resource.Origin, in.View.Account.CustomData, in.Secret.Settled = plan.Adopted, "", false
	})},
	{"profile not granted, to be tried again", notGranted(profiled(bound(), "profile.firstName"), now)},
	{"profile not granted, edited since", with(notGranted(profiled(bound(), "profile.firstName"), now.Add(time.Minute)), func(in *plan.Input) {
		in.Resource.Generation = 2
	})},
	{"profile changed at the provider, reported", with(profiled(bound(), "profile.firstName"), func(in *plan.Input) {
		in.Subject.Policy.ReportDrift, in.Subject.LastApplied["profile.firstName"] = true, "Ada"
	})},
	{"profile observed", with(profiled(bound(), "profile.firstName"), func(in *plan.Input) { in.Subject.Policy.Observe = true })},
	{"salt declared", with(bound(), func(in *plan.Input) { in.Salt = plan.Salt{Declared: true, Mark: "m"} })},
	{"salt in its place", with(bound(), func(in *plan.Input) { in.Salt = plan.Salt{Declared: true, Mark: "m", Settled: true} })},
	{"salt Secret missing", with(bound(), func(in *plan.Input) {
		in.Salt.Problem = &plan.Stop{Reason: v1alpha1.ReasonSecretMissing, Message: "Secret s does not exist"}
	})},
	{"new, salt declared", with(fresh(), func(in *plan.Input) { in.Salt = plan.Salt{Declared: true, Mark: "m"} })},
	{"start held, salt declared", held(with(bound(), func(in *plan.Input) { in.Salt = plan.Salt{Declared: true, Mark: "m"} }))},
	{"start held, profile edited", held(profiled(bound(), "profile.firstName"))},

	{"observed", with(bound(), func(in *plan.Input) {
		in.Subject.Policy.Observe, in.View.Account.State["email"] = true, "other@acme.example"
	})},
	{"nothing to observe", with(fresh(), func(in *plan.Input) { in.Subject.Policy.Observe = true })},
	{"missing once", with(bound(), func(in *plan.Input) { in.View.Account, in.View.Absences = nil, 1 })},
	{"missing", with(bound(), func(in *plan.Input) { in.View.Account, in.View.Absences = nil, 2 })},
	{"missing, recreated", missing(nil)},
	{"missing, adopted, recreated", with(missing(nil), func(in *plan.Input) { in.Resource.Origin, in.Subject.Intent = plan.Adopted, false })},
	{"missing, recreation not confirmed", missing(successor(ours.CustomData()))},
	{"missing, recreation not confirmed, found in a list alone", with(missing(successor(ours.CustomData())), func(in *plan.Input) { in.Successor.Confirmed = false })},
	{"missing, its name taken", missing(successor(theirs.CustomData()))},
	{"missing, recreation failed, backoff", failedNow(missing(nil))},
	{"missing, recreated, read requested", with(missing(nil), func(in *plan.Input) { in.ReadRequested = true })},
	{"renamed", with(bound(), func(in *plan.Input) { in.View.Account.Name = "acme-sales" })},

	{"start held, matches", held(bound())},
	{"start held, edited", held(with(bound(), func(in *plan.Input) {
		in.Subject.Desired["email"], in.Subject.Desired["active"] = "new@acme.example", "false"
	}))},
	{"start held, new", held(fresh())},
	{"start held, creation not confirmed", held(with(fresh(), func(in *plan.Input) { in.Subject.Intent = true }))},
	{"start held, found, own claim", held(found(ours.CustomData()))},
	{"start held, found, own claim, another e-mail", held(with(found(ours.CustomData()), func(in *plan.Input) { in.View.Account.State["email"] = "other@acme.example" }))},
	{"start held, found, adopted", held(with(found(""), func(in *plan.Input) { in.Subject.Policy.Adopt, in.View.Fresh = account.AdoptAlways, true }))},
	{"start held, missing, recreated", held(missing(nil))},
	{"start held, password declared", held(with(bound(), func(in *plan.Input) { in.Password = plan.Password{Declared: true, Mark: "m"} }))},
	{"start held, password declared that the account has not", held(with(bound(), func(in *plan.Input) {
		in.Password, in.Start = plan.Password{Declared: true, Mark: "m"}, &plan.Start{Password: "m"}
	}))},
	{"start held, rotation requested, key unknown", held(with(bound(), func(in *plan.Input) {
		in.Password, in.Secret.HoldsKey = plan.Password{Rotation: "1", Mark: "rotation 1"}, false
	}))},
	{"start held, Secret outdated, no custom data", held(with(bound(), func(in *plan.Input) { in.Secret.Settled, in.View.Account.CustomData = false, "" }))},
	{"start held, suspended", held(with(fresh(), func(in *plan.Input) { in.Resource.Suspended = true }))},
	{"start held, deleted", held(with(deleted(bound()), func(in *plan.Input) { in.Deletion.Surroundings = "" }))},
	{"start held, deleted, read", held(with(deleted(bound()), func(in *plan.Input) { in.View.Fresh = true }))},
	{"start held, deleted, an hour later", held(with(deleted(bound()), func(in *plan.Input) { in.View.Fresh, in.Deletion.Expired = true, true }))},
	{"start awaited, edited", awaited(with(bound(), func(in *plan.Input) { in.Subject.Desired["email"] = "new@acme.example" }))},
	{"start awaited, password declared", awaited(with(bound(), func(in *plan.Input) { in.Password = plan.Password{Declared: true, Mark: "m"} }))},
	{"start awaited, matches", awaited(bound())},
	{"start awaited, deleted", awaited(with(deleted(bound()), func(in *plan.Input) { in.View.Fresh = true }))},

	{"deleted, retained", with(deleted(bound()), func(in *plan.Input) { in.Deletion.Deactivate = false })},
	{"deleted, no account made", with(deleted(fresh()), func(in *plan.Input) { in.Attempts.NoAccount = true })},
	{"deleted, without a finalizer", with(deleted(fresh()), func(in *plan.Input) { in.Resource.Finalizer = false })},
	{"deleted", with(deleted(bound()), func(in *plan.Input) { in.Deletion.Surroundings = "" })},
	{"deleted with its namespace", with(deleted(bound()), func(in *plan.Input) { in.Deletion.Surroundings = plan.SurroundingsDeleted })},
	{"deleted, surroundings forbidden", with(deleted(bound()), func(in *plan.Input) {
		in.Deletion.Surroundings, in.Deletion.Forbidden = plan.SurroundingsForbidden, "it is not known whether telephony is being deleted: forbidden"
	})},
	{"deleted, to be read", deleted(bound())},
	{"deleted, read", with(deleted(bound()), func(in *plan.Input) { in.View.Fresh = true })},
	{"deleted, missing", with(deleted(missing(nil)), func(in *plan.Input) { in.View.Fresh = true })},
	{"deleted, inactive", with(deleted(bound()), func(in *plan.Input) { in.View.Fresh, in.View.Account.State["active"] = true, "false" })},
	{"deleted, claimed by another", with(deleted(bound()), func(in *plan.Input) {
		in.View.Fresh, in.View.Account.CustomData = true, theirs.CustomData()
	})},
	{"deleted, claimed by another that has it", with(deleted(bound()), func(in *plan.Input) {
		in.View.Fresh, in.View.Account.CustomData, in.HeldByAnother = true, theirs.CustomData(), true
	})},
	{"deleted, suspended", with(deleted(bound()), func(in *plan.Input) { in.Resource.Suspended, in.Deletion.Surroundings = true, "" })},
	{"deleted, suspended, surroundings read", with(deleted(bound()), func(in *plan.Input) { in.Resource.Suspended = true })},
	{"deleted, parent suspended", with(deleted(bound()), func(in *plan.Input) {
		in.Stop = &plan.Stop{Reason: v1alpha1.ReasonSuspended, Message: "ParentAccount acme is suspended", ParentSuspended: true}
	})},
	{"deleted, handed over", with(deleted(bound()), func(in *plan.Input) {
		in.View.Fresh, in.Recipient = true, &plan.Recipient{Namespace: "telephony", Name: "acme-renamed"}
		in.Guard = &plan.Guarded{Change: "deactivated by deletion", Reason: v1alpha1.ReasonAwaitingApproval, Message: "waits"}
	})},
	{"deleted, handed over to one that must not be named", with(deleted(bound()), func(in *plan.Input) {
		in.View.Fresh, in.SeesAll, in.Recipient = true, false, &plan.Recipient{Namespace: "sales", Name: "acme-renamed"}
	})},
	{"deleted, declared by one that does not get it", with(deleted(bound()), func(in *plan.Input) {
		in.View.Fresh, in.Recipient = true, &plan.Recipient{
			Namespace: "sales", Name: "acme-renamed", Lacks: "it does not accept an account of another namespace", Next: "Set spec.adoptionPolicy: IfIdentical there.",
		}
	})},
	{"start held, deleted, declared by one that does not get it", held(with(deleted(bound()), func(in *plan.Input) {
		in.View.Fresh, in.Recipient = true, &plan.Recipient{Namespace: "telephony", Name: "acme-renamed", Lacks: "it can't", Next: "Let it."}
	}))},
	{"found, its previous owner gone and not accepted", with(found(another.CustomData()), func(in *plan.Input) {
		in.NotAccepted = &plan.Stop{Message: "account acme-support (id 7) belonged to another namespace", Next: "Accept it."}
	})},
	{"found by its claim, had by a resource of another namespace and not accepted", with(found(ours.CustomData()), func(in *plan.Input) {
		in.NotAccepted = &plan.Stop{Message: "account acme-support (id 7) belonged to another namespace", Next: "Accept it."}
	})},
	{"deleted, never the owner of what another one declares", with(deleted(found(another.CustomData())), func(in *plan.Input) {
		in.View.Fresh, in.Recipient = true, &plan.Recipient{Namespace: "telephony", Name: "acme-renamed"}
	})},
	{"deleted, before it took over from its previous owner, shared parent", with(deleted(succeeding(found(another.CustomData()))), func(in *plan.Input) {
		in.View.Fresh, in.Shared = true, true
	})},
	{"new, with a service-account key", with(fresh(), func(in *plan.Input) { in.ServiceKey.Declared = true })},
	{"a service-account key is declared", keyed(func(in *plan.Input) { in.ServiceKey = plan.ServiceKey{Declared: true, Unlisted: true} })},
	{"a service-account key is declared, and the account's keys are known", keyed(func(in *plan.Input) { in.ServiceKey = plan.ServiceKey{Declared: true} })},
	{"the service-account key is in its place", keyed(func(*plan.Input) {})},
	{"the service-account key is not in the Secret any more", keyed(func(in *plan.Input) { in.ServiceKey.Intact = false })},
	{"the service-account key is to have other roles", keyed(func(in *plan.Input) { in.ServiceKey.OtherRoles = true })},
	{"the service-account key has expired", keyed(func(in *plan.Input) { in.ServiceKey.RotateAfter = 720 * time.Hour })},
	{"a service-account key may have been made", keyed(func(in *plan.Input) { in.ServiceKey.Pending = true })},
	{"the overlap of service-account keys has ended", keyed(func(in *plan.Input) { in.ServiceKey.NextDeletion = now })},
	{"the overlap of service-account keys goes on", keyed(func(in *plan.Input) { in.ServiceKey.NextDeletion = now.Add(1) })},
	{"the service-account key is not declared any more", keyed(func(in *plan.Input) { in.ServiceKey.Declared = false })},
	{"the service-account key is not declared any more, and the account is deactivated", keyed(func(in *plan.Input) {
		in.ServiceKey.Declared, in.View.Account.State["active"] = false, "false"
	})},
	{"the service-account key was refused", keyed(func(in *plan.Input) { in.ServiceKey.Stored, in.ServiceKey.Blocked = false, now.Add(1) })},
	{"the service-account key is to be verified", keyed(func(in *plan.Input) { in.Secret.Verify = true })},
	{"the service-account key has expired, and the start holds writes", held(keyed(func(in *plan.Input) { in.ServiceKey.RotateAfter = time.Hour }))},
	{"accounts have no service-account keys", keyed(func(in *plan.Input) { in.ServiceKey.Unsupported = true })},
	{"accounts have no service-account keys, only observed", keyed(func(in *plan.Input) {
		in.ServiceKey.Unsupported, in.Subject.Policy.Observe = true, true
	})},
	{"deleted, the claim is its previous owner's", with(deleted(succeeding(bound())), func(in *plan.Input) {
		in.View.Fresh, in.View.Account.CustomData = true, another.CustomData()
	})},
	{"deleted, never bound, shared parent", with(deleted(found(ours.CustomData())), func(in *plan.Input) {
		in.Subject.Intent, in.Shared, in.View.Fresh = true, true, true
	})},
	{"deleted, one of many", with(deleted(bound()), func(in *plan.Input) {
		in.View.Fresh = true
		in.Guard = &plan.Guarded{Change: "deactivated by deletion", Reason: v1alpha1.ReasonAwaitingApproval, Message: "waits: no more than 50 accounts may be deactivated within an hour", RetryAfter: time.Hour}
	})},
	{"deleted, parent denied", with(deleted(bound()), func(in *plan.Input) {
		in.Stop = &plan.Stop{Reason: v1alpha1.ReasonNotPermitted, Message: "needs the grant Adopt", Denied: true}
	})},
	{"deleted, account given up for one of another parent account", with(deleted(bound()), func(in *plan.Input) {
		in.Stop = &plan.Stop{Reason: v1alpha1.ReasonParentChanged, Message: "the account belongs to parent account 1, and the annotation gives it up", Left: true}
	})},
	{"deleted, parent not ready", with(deleted(bound()), func(in *plan.Input) {
		in.Stop = &plan.Stop{Reason: v1alpha1.ReasonParentNotReady, Message: "ParentAccount acme is not ready"}
	})},
	{"deleted, parent not ready, an hour later", with(deleted(bound()), func(in *plan.Input) {
		in.Stop, in.Deletion.Expired = &plan.Stop{Reason: v1alpha1.ReasonParentNotReady, Message: "ParentAccount acme is not ready"}, true
	})},
	{"deleted, another operator's perhaps", with(deleted(bound()), func(in *plan.Input) {
		in.Deletion.Orphan, in.Deletion.OrphanGrace = true, 40*time.Second
	})},
	{"deleted, failed before", failedNow(deleted(bound()))},
}

// What is done in each situation reads as testdata/plans.txt has it.
func TestPlanInEachSituation(t *testing.T) {
	var b strings.Builder
	for _, s := range situations {
		fmt.Fprintf(&b, "%s:\n", s.name)
		steps := plan.For(*s.in).Steps
		if len(steps) == 0 {
			fmt.Fprintf(&b, "    %s\n", plan.Plan{})
		}
		for _, step := range steps {
			fmt.Fprintf(&b, "    %s\n", step)
		}
	}
	golden.Check(t, "testdata/plans.txt", b.String(), again)
}

// A resource that has an account gets the finalizer whatever is in the way, unless its deletion would wait for nothing.
func TestTheFinalizerWaitsForNothing(t *testing.T) {
	stopped := func(stop plan.Stop) func(*plan.Input) { return func(in *plan.Input) { in.Stop = &stop } }
	for name, c := range map[string]struct {
		in     *plan.Input
		change func(*plan.Input)
		added  bool
	}{
		"parent not ready":    {bound(), stopped(plan.Stop{Reason: v1alpha1.ReasonParentNotReady}), true},
		"parent not read yet": {bound(), stopped(plan.Stop{}), true},
		"outage": {bound(), func(in *plan.Input) {
			in.View.Account, in.View.Listed, in.Outage = nil, false, &plan.Stop{Reason: v1alpha1.ReasonAPIUnavailable}
		}, true},
		"value refused":        {bound(), func(in *plan.Input) { in.Subject.Desired["email"] = "nobody" }, true},
		"missing":              {missing(nil), func(in *plan.Input) { in.Subject.Policy.Recreate = false }, true},
		"failed before":        {failedNow(bound()), func(*plan.Input) {}, true},
		"held since the start": {held(bound()), func(in *plan.Input) { in.View.Account.State["email"] = "other@acme.example" }, true},
		"nothing to do":        {bound(), func(*plan.Input) {}, true},
		"no account yet":       {fresh(), stopped(plan.Stop{Reason: v1alpha1.ReasonParentNotReady}), false},
		"suspended":            {bound(), func(in *plan.Input) { in.Resource.Suspended = true }, false},
		"parent suspended":     {bound(), stopped(plan.Stop{Reason: v1alpha1.ReasonSuspended, ParentSuspended: true}), false},
		"not allowed":          {bound(), stopped(plan.Stop{Reason: v1alpha1.ReasonNotPermitted, Denied: true}), false},
	} {
		c.change(c.in)
		for _, needed := range []bool{true, false} {
			c.in.Resource.NeedsFinalizer, c.in.Resource.Finalizer = needed, false
			if p := plan.For(*c.in); p.Begins(plan.AddFinalizer) != (c.added && needed) {
				t.Errorf("%s, needed %v: %s", name, needed, p)
			}
		}
	}
}

// The JSON of a plan is an interface: scripts read it.
func TestPlanJSON(t *testing.T) {
	out := map[string]plan.Plan{}
	for _, s := range situations {
		switch s.name {
		case "new", "to be cloned, new", "drift", "found, not identical", "deleted, one of many":
			out[s.name] = plan.For(*s.in)
		}
	}
	raw, err := json.MarshalIndent(out, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	golden.Check(t, "testdata/plans.json", string(raw)+"\n", again)
}

// What was refused of one template is tried again with another.
func TestTheTemplateTellsAttempts(t *testing.T) {
	in := cloned(fresh())
	before := plan.For(*in).Attempt
	in.Template.AccountID = "6"
	if after := plan.For(*in).Attempt; before == "" || after == before {
		t.Errorf("attempts %q and %q", before, after)
	}
}

// A final refusal ends once the parent allows what it did not, and only for a resource that has no account yet.
func TestTheParentsPermissionsTellAttempts(t *testing.T) {
	for name, change := range map[string]func(*plan.Input){
		"shared":     func(in *plan.Input) { in.Shared = !in.Shared },
		"sees all":   func(in *plan.Input) { in.SeesAll = !in.SeesAll },
		"may adopt":  func(in *plan.Input) { in.MayAdopt = !in.MayAdopt },
		"the parent": func(in *plan.Input) { in.Attempts.Connection += "another" },
	} {
		in := with(found(ours.CustomData()), func(in *plan.Input) { in.Shared = true })
		before := plan.For(*in).Attempt
		if before == "" || before != plan.For(*in).Attempt {
			t.Fatalf("%s: attempt %q", name, before)
		}
		if change(in); plan.For(*in).Attempt == before {
			t.Errorf("%s: the same attempt", name)
		}
	}
	drifted := with(bound(), func(in *plan.Input) { in.View.Account.State["email"] = "other@acme.example" })
	before := plan.For(*drifted).Attempt
	drifted.Shared, drifted.MayAdopt = !drifted.Shared, !drifted.MayAdopt
	if before == "" || plan.For(*drifted).Attempt != before {
		t.Error("a resource that has its account makes another attempt")
	}
}

// Where the parent does not grant it, nobody is told to adopt before it does: that would end in NotPermitted.
func TestNobodyIsToldToAdoptWithoutTheGrant(t *testing.T) {
	in := found("")
	if s := plan.For(*in).Last(); strings.Contains(s.Next, "grant") {
		t.Errorf("next: %s", s.Next)
	}
	in.MayAdopt = false
	s := plan.For(*in).Last()
	if grant := strings.Index(s.Next, "ask the owner of ParentAccount acme to add the grant Adopt"); grant < 0 || strings.Index(s.Next, "spec.adoptionPolicy") < grant {
		t.Errorf("next: %s", s.Next)
	}
}

// Where the parent does not grant it, nobody learns the values and the ids of accounts that are not known as the resource's.
func TestNobodyLearnsOfOtherAccountsWithoutTheGrant(t *testing.T) {
	differing := with(claimless(found("")), func(in *plan.Input) {
		in.View.Account.ID, in.View.Account.State["email"] = "4711", "secret@other.example"
		in.View.Fresh, in.Subject.Intent, in.Subject.Attempt = true, true, &account.Attempt{Sent: account.State{"email": "support@acme.example"}}
	})
	several := with(claimless(found("")), func(in *plan.Input) { in.View.Namesakes = []string{"4711", "4712"} })
	for name, in := range map[string]*plan.Input{"otherwise than was sent": differing, "several accounts": several} {
		for _, granted := range []bool{true, false} {
			in.MayAdopt = granted
			s := plan.For(*in).Last()
			if s.Reason != v1alpha1.ReasonAdoptionRefused || !strings.Contains(s.Message, name) {
				t.Fatalf("%s: %s %s", name, s.Reason, s.Message)
			}
			if learns := strings.Contains(s.Message, "471") || strings.Contains(s.Message, "secret@"); learns != granted {
				t.Errorf("%s, granted %v: %s", name, granted, s.Message)
			}
			if name == "otherwise than was sent" && !strings.Contains(s.Message, "email") {
				t.Errorf("no field is named: %s", s.Message)
			}
		}
	}
}

// Every kind of step occurs in the table above, and reads as something.
func TestPlanKinds(t *testing.T) {
	seen := map[plan.Kind]bool{}
	for _, s := range situations {
		for _, step := range plan.For(*s.in).Steps {
			seen[step.Kind] = true
		}
	}
	for _, k := range plan.Kinds() {
		if !seen[k] {
			t.Errorf("no situation has a step %s", k)
		}
	}
}

func BenchmarkPlanAtRest(b *testing.B) {
	in := bound()
	b.ReportAllocs()
	for b.Loop() {
		plan.For(*in)
	}
}
