package engine

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"cpaas.dev/child-account-operator/api/v1alpha1"
	"cpaas.dev/child-account-operator/internal/account"
	"cpaas.dev/child-account-operator/internal/conditions"
	"cpaas.dev/child-account-operator/internal/golden"
	"cpaas.dev/child-account-operator/internal/plan"
	"cpaas.dev/child-account-operator/internal/voximplant"
)

// foreign is a namespace that a tenant must not hear of.
const foreign = "foreign-tenant"

var (
	ownClaim     = account.Claim{Installation: "prod", Namespace: "telephony", Name: "acme-support"}
	foreignClaim = account.Claim{Installation: "prod", Namespace: foreign, Name: "acme-support"}
)

// said collects what is said in all states, by reason.
type said map[string]map[string]bool

// note notes what the conditions and events say at the end of a plan; the same is said an hour later.
func (s said) note(t *testing.T, in plan.Input) {
	t.Helper()
	at := time.Date(2026, 11, 27, 12, 0, 0, 0, time.UTC)
	in.Now = at
	step, text := ending(in)
	in.Now = at.Add(time.Hour)
	if _, later := ending(in); later != text {
		t.Errorf("a status that is written again and again: %q, then %q", text, later)
	}
	if text == "" || s[step.Reason][text] {
		return
	}
	if s[step.Reason] == nil {
		s[step.Reason] = map[string]bool{}
	}
	s[step.Reason][text] = true
	if step.Kind == plan.LeaveActive || step.Kind == plan.ReleaseFinalizer {
		if step.Next == "" {
			t.Errorf("an event without a next step: %q", text)
		}
	} else {
		checkSaid(t, step, text)
	}
	if !in.SeesAll && strings.Contains(text, foreign) {
		t.Errorf("a tenant hears of another's namespace: %q", text)
	}
}

// ending is the step that a plan ends with, and what is said of it; "" where nothing is.
func ending(in plan.Input) (plan.Step, string) {
	for _, step := range slices.Backward(plan.For(in).Steps) {
		if step.Message == "" || step.Kind == plan.HandOver {
			continue
		}
		r := &run{Engine: &Engine{Config: Config{Table: conditions.Children}}}
		reason := step.Reason
		if step.Kind == plan.LeaveActive || step.Kind == plan.ReleaseFinalizer {
			reason = ""
		}
		return step, conditions.Children.Text(conditions.Outcome{Reason: reason, Message: step.Message, Brief: step.Brief, Next: r.nextStep(step)}, 4096)
	}
	return plan.Step{}, ""
}

// checkSaid says what is wrong with what a condition says.
func checkSaid(t *testing.T, step plan.Step, text string) {
	t.Helper()
	row := conditions.Children.Row(step.Reason)
	next := strings.TrimPrefix(strings.TrimPrefix(text, strings.TrimSuffix(step.Message, ".")), ".")
	differs := len(step.Differs) > 0 || strings.Contains(step.Message, "differs")
	acts := row.Stalled() || row.Reconciling() || row.Unsynced() || differs || strings.Contains(step.Message, "is not set")
	switch {
	case acts && len(next) < len(conditions.NothingToDo):
		t.Errorf("%s has no next step: %q", step.Reason, text)
	case strings.Contains(text, ".."), strings.Contains(text, ". ."), strings.HasSuffix(text, " "):
		t.Errorf("%s: %q", step.Reason, text)
	case len(text) > 32<<10:
		t.Errorf("%s has %d bytes", step.Reason, len(text))
	}
}

// subject is a resource that matches its account, in the middle of all states.
func subject() plan.Input {
	schema := voximplant.Fields()
	desired := account.State{"email": "support@acme.example", "location": "Europe/Berlin"}
	return plan.Input{
		MayAdopt: true,
		Schema:   schema,
		Resource: plan.Resource{Kind: "ChildAccount", Namespace: ownClaim.Namespace, Name: ownClaim.Name, Generation: 1, Parent: "acme"},
		Subject:  account.Subject{Claim: ownClaim, Name: "acme-support", Desired: desired, LastApplied: schema.Normal(desired)},
		View:     account.View{Listed: true, Fresh: true, Confirmed: true},
		Secret:   plan.Secret{Name: "acme-support-connection", Settled: true, HoldsKey: true},
	}
}

// accounts are what there may be of the account, by name.
var accounts = map[string]func(in *plan.Input, a *account.Account) *account.Account{
	"none":    func(*plan.Input, *account.Account) *account.Account { return nil },
	"matches": func(_ *plan.Input, a *account.Account) *account.Account { return a },
	"drifted": func(_ *plan.Input, a *account.Account) *account.Account {
		a.State["email"] = "other@acme.example"
		return a
	},
	"not kept": func(in *plan.Input, a *account.Account) *account.Account {
		a.State["location"] = "Etc/GMT"
		in.View.NotKept = map[string]string{"location": "Europe/Berlin"}
		return a
	},
	"frozen": func(_ *plan.Input, a *account.Account) *account.Account {
		a.State["frozen"] = "true"
		return a
	},
	"inactive": func(_ *plan.Input, a *account.Account) *account.Account {
		a.State["active"] = "false"
		return a
	},
	"renamed": func(_ *plan.Input, a *account.Account) *account.Account {
		a.Name = "acme-renamed"
		return a
	},
}

// every calls f with each combination of yes and no.
func every(n int, f func(flags []bool)) {
	for bits := range 1 << n {
		flags := make([]bool, n)
		for i := range flags {
			flags[i] = bits>>i&1 == 1
		}
		f(flags)
	}
}

// states calls f with the product of what an account, its claim, the policies and the resource may be.
func states(f func(in plan.Input)) {
	claims := []string{"", "somebody's data", ownClaim.CustomData(), foreignClaim.CustomData()}
	for _, name := range slices.Sorted(maps.Keys(accounts)) {
		for _, customData := range claims {
			for _, adopt := range []account.Adoption{account.AdoptNever, account.AdoptIfIdentical, account.AdoptAlways} {
				for _, active := range []string{"", "true", "false"} {
					every(7, func(is []bool) { f(state(name, customData, adopt, active, is)) })
				}
			}
		}
	}
}

func state(name, customData string, adopt account.Adoption, active string, is []bool) plan.Input {
	in := subject()
	bound, observe := is[0], is[1]
	if active != "" {
		in.Subject.Desired["active"], in.Subject.LastApplied["active"] = active, active
	}
	in.Subject.Policy = account.Policy{Adopt: adopt, Observe: observe, ReportDrift: is[2], Recreate: is[3]}
	in.FoundInactive, in.SeesAll, in.OthersUnseen = is[4], is[5], is[6]
	if bound {
		in.Resource.Origin, in.Resource.ObservedID, in.Subject.ID = plan.Created, "7", "7"
	}
	in.View.Account = accounts[name](&in, &account.Account{ID: "7", Name: "acme-support", CustomData: customData, State: account.State{
		"email": "support@acme.example", "location": "Europe/Berlin", "active": "true", "frozen": "false",
	}})
	if in.View.Account == nil {
		in.View.Absences = account.AbsencesUntilMissing
	}
	return in
}

// stops are what may keep the engine from the account.
func stops() map[string]func(in *plan.Input) {
	awaited := conditions.AwaitingApproval("email=a@acme.example", "no more than 5 accounts (of 9) may change within 10m0s", "acme-one (email=a)", "To approve exactly these: kubectl annotate parentaccount -n telephony acme")
	return map[string]func(in *plan.Input){
		"nothing":   func(*plan.Input) {},
		"suspended": func(in *plan.Input) { in.Resource.Suspended = true },
		"parent suspended": func(in *plan.Input) {
			in.Stop = &plan.Stop{Reason: v1alpha1.ReasonSuspended, Message: "ParentAccount acme is suspended", ParentSuspended: true}
		},
		"parent not ready": func(in *plan.Input) {
			in.Stop = &plan.Stop{Reason: v1alpha1.ReasonParentNotReady, Message: "ParentAccount acme is not ready: Unauthorized"}
		},
		"denied": func(in *plan.Input) {
			in.Stop = &plan.Stop{Reason: v1alpha1.ReasonNotPermitted, Message: "adoptionPolicy Always needs the grant Adopt", Denied: true}
		},
		"given up": func(in *plan.Input) {
			in.Stop = &plan.Stop{Reason: v1alpha1.ReasonParentChanged, Message: "the account belongs to parent account 1, and the annotation gives it up", Left: true}
		},
		"unread":      func(in *plan.Input) { in.Stop = &plan.Stop{Unread: true} },
		"unconnected": func(in *plan.Input) { in.Stop = &plan.Stop{} },
		"outage": func(in *plan.Input) {
			in.Outage, in.Stale = &plan.Stop{Reason: v1alpha1.ReasonAPIUnavailable, Message: "the provider does not answer"}, true
		},
		"duplicate": func(in *plan.Input) {
			in.Duplicate = &plan.Stop{Reason: v1alpha1.ReasonDuplicateResource, Message: "account acme-support is owned by another ChildAccount"}
		},
		"plan waits": func(in *plan.Input) {
			in.Plans.Declared = []account.Plan{{Type: "MAU", ID: "11"}}
			in.Guard = &plan.Guarded{Change: "plans.MAU=11", Reason: awaited.Reason, Message: awaited.Message, Brief: awaited.Brief, Next: awaited.Next}
		},
		"plan not shown": func(in *plan.Input) {
			in.Plans.Declared, in.Plans.Seen = []account.Plan{{Type: "MAU", ID: "11"}}, []account.Plan{{Type: "MAU", ID: "10", Name: "Free", Charge: "0"}}
			in.Plans.NotShown = in.Plans.Declared
		},
		"plan of an earlier resource": func(in *plan.Input) {
			in.Plans.Declared, in.Plans.Seen = []account.Plan{{Type: "MAU", ID: "11"}}, []account.Plan{{Type: "MAU", ID: "10", Name: "Free", Charge: "0"}}
			in.Plans.Unsure, in.Plans.Resource = in.Plans.Declared, "childaccount -n telephony acme-support"
		},
		"plan drifted": func(in *plan.Input) {
			in.Plans.Declared, in.Plans.Seen = []account.Plan{{Type: "MAU", ID: "11"}}, []account.Plan{{Type: "MAU", ID: "10", Name: "Free", Charge: "0"}}
			in.Subject.LastApplied["plans.MAU"], in.Subject.Policy.ReportDrift = "11", true
		},
		"no plans at the provider": func(in *plan.Input) {
			in.Plans.Declared, in.NoPlans = []account.Plan{{Type: "MAU", ID: "11"}}, true
		},
		"can't be cloned at the provider": func(in *plan.Input) { in.Template.Unsupported = true },
		"template of a resource": func(in *plan.Input) {
			in.Template = plan.Template{AccountName: "acme-template", State: plan.TemplateAwaited}
			if in.SeesAll {
				in.Template.Resource = "ChildAccount " + foreign + "/template"
			}
		},
		"template in trouble": func(in *plan.Input) {
			in.Template = plan.Template{AccountName: "acme-template", State: plan.TemplateAwaited, Resource: "ChildAccount telephony/template", Trouble: v1alpha1.ReasonEmailTaken}
		},
		"template not there yet": func(in *plan.Input) {
			in.Template = plan.Template{AccountName: "acme-template", State: plan.TemplateUnknown, Grace: true}
		},
		"no template": func(in *plan.Input) {
			in.Template = plan.Template{AccountName: "acme-template", State: plan.TemplateUnknown, Retry: time.Minute}
		},
		"template suspended": func(in *plan.Input) {
			in.Template = plan.Template{AccountName: "acme-template", State: plan.TemplateUnknown, Retry: time.Minute, Resource: "ChildAccount telephony/template", Trouble: v1alpha1.ReasonSuspended}
		},
		"template missing": func(in *plan.Input) {
			in.Template = plan.Template{AccountName: "acme-template", State: plan.TemplateMissing}
		},
		"templates in a ring": func(in *plan.Input) {
			in.Template = plan.Template{AccountName: "acme-template", State: plan.TemplateRing}
		},
		"cloning not granted": func(in *plan.Input) {
			in.Template = plan.Template{AccountName: "acme-template", State: plan.TemplateNotGranted}
		},
		"invalid": func(in *plan.Input) { in.Subject.Desired["email"] = "nobody" },
		"no Secret": func(in *plan.Input) {
			in.Password = plan.Password{Declared: true, Problem: &plan.Stop{Reason: v1alpha1.ReasonSecretMissing, Message: "Secret p does not exist"}}
		},
		"held": func(in *plan.Input) {
			in.Start = &plan.Start{Rule: " waits: this change was pending when the operator started", Next: "To approve it: kubectl"}
		},
		"guarded": func(in *plan.Input) {
			in.Guard = &plan.Guarded{Change: "email=support@acme.example", Reason: awaited.Reason, Message: awaited.Message, Brief: awaited.Brief, Next: awaited.Next}
			in.View.Account.State["email"] = "other@acme.example"
		},
	}
}

// deletions are what there may be of a deletion; nil is none.
func deletions() map[string]*plan.Deletion {
	return map[string]*plan.Deletion{
		"none":        nil,
		"deactivated": {Deactivate: true, Surroundings: plan.SurroundingsStay},
		"forbidden":   {Deactivate: true, Surroundings: plan.SurroundingsForbidden, Forbidden: "it is not known whether telephony is being deleted: forbidden"},
		"expired":     {Deactivate: true, Surroundings: plan.SurroundingsStay, Expired: true},
		"forbidden, expired": {
			Deactivate: true, Surroundings: plan.SurroundingsForbidden, Forbidden: "it is not known whether telephony is being deleted: forbidden", Expired: true,
		},
	}
}

// foreignChild declares the account, and does not accept it.
var foreignChild = &v1alpha1.ChildAccount{ObjectMeta: metav1.ObjectMeta{Namespace: foreign, Name: "new"}}

// Whatever state a resource is in, what its conditions and events say has a next step, names nothing of other tenants, and is the same as
// long as the state is. internal/engine/testdata/messages.txt has all that is said.
func TestMessagesOfAllStates(t *testing.T) {
	all := said{}
	states(func(in plan.Input) { all.note(t, in) })
	for _, stop := range stops() {
		for _, deletion := range deletions() {
			for _, recipient := range []*plan.Recipient{nil, {Namespace: foreign, Name: "new"}, asRecipient(&candidate{managed: ownedChild{foreignChild}})} {
				every(4, func(is []bool) {
					in := state("matches", ownClaim.CustomData(), account.AdoptNever, "", []bool{is[0], false, false, false, false, is[1], false})
					in.Recipient, in.View.Doubted = recipient, is[2]
					if stop(&in); is[2] || is[3] {
						in.View.Account = nil
					}
					if deletion != nil {
						copied := *deletion
						in.Deletion, in.Resource.Finalizer = &copied, true
					}
					all.note(t, in)
				})
			}
		}
	}
	var b strings.Builder
	for _, reason := range slices.Sorted(maps.Keys(all)) {
		fmt.Fprintf(&b, "%s\n", reason)
		for _, text := range slices.Sorted(maps.Keys(all[reason])) {
			fmt.Fprintf(&b, "    %s\n", text)
		}
	}
	golden.Check(t, "testdata/messages.txt", b.String(), "UPDATE_DOCS=1 go test ./internal/engine -run MessagesOfAllStates")
}

// What a resource waits for that can't be worked with is the cause of what is reported, which may keep it from being Ready.
func TestTheCauseOfAWait(t *testing.T) {
	r := &run{Engine: &Engine{Config: Config{Table: conditions.Children}}, s: &scope{}}
	in := subject()
	in.Deletion, in.Resource.Finalizer, in.Resource.Origin = &plan.Deletion{Deactivate: true, Surroundings: plan.SurroundingsStay}, true, plan.Created
	in.Stop = &plan.Stop{Reason: v1alpha1.ReasonParentNotReady, Message: "ParentAccount acme is not ready: Unauthorized"}
	if out := end(t.Context(), r, plan.For(in).Last()); out.Reason != v1alpha1.ReasonDeleting || out.Cause != v1alpha1.ReasonParentNotReady || !out.Stuck {
		t.Errorf("%+v", out)
	}
}

// Of the previous owner's connection Secrets the resource is told those that it may know of, and not its own.
func TestFormerSecretsAreNamed(t *testing.T) {
	secret := func(namespace, name string) corev1.Secret {
		return corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name}, Data: map[string][]byte{"password": []byte("s3cret")}}
	}
	for name, c := range map[string]struct {
		parent   string
		previous []corev1.Secret
		names    string
	}{
		"none":                         {parent: "telephony"},
		"one in the same namespace":    {"telephony", []corev1.Secret{secret("telephony", "old-connection")}, ": old-connection. Delete"},
		"several":                      {"telephony", []corev1.Secret{secret("telephony", "b"), secret("telephony", "a")}, ": a, b. Delete"},
		"its own":                      {"telephony", []corev1.Secret{secret("telephony", "acme-connection")}, ""},
		"one that it may know of":      {"telephony", []corev1.Secret{secret(foreign, "old-connection")}, ": " + foreign + "/old-connection. Delete"},
		"one of another tenant":        {"shared", []corev1.Secret{secret(foreign, "old-connection")}, ""},
		"its own beside one of theirs": {"shared", []corev1.Secret{secret("telephony", "old-connection"), secret(foreign, "old-connection")}, ": old-connection. Delete"},
	} {
		s := &scope{
			obj:             &v1alpha1.ChildAccount{ObjectMeta: metav1.ObjectMeta{Namespace: "telephony", Name: "acme"}},
			parent:          &Parent{Key: types.NamespacedName{Namespace: c.parent, Name: "acme"}},
			previousSecrets: c.previous,
		}
		s.declared.ConnectionSecret.Name = "acme-connection"
		text := formerSecrets(s)
		if (text == "") != (c.names == "") || !strings.Contains(text, c.names) || strings.Contains(text, "s3cret") {
			t.Errorf("%s: %q, want %q", name, text, c.names)
		}
		if c.parent != "telephony" && strings.Contains(text, foreign) {
			t.Errorf("%s: a tenant hears of another's namespace: %q", name, text)
		}
	}
}
