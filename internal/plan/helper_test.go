package plan_test

import (
	"strconv"
	"time"

	"pgregory.net/rapid"

	"cpaas.dev/child-account-operator/internal/account"
	"cpaas.dev/child-account-operator/internal/plan"
	"cpaas.dev/child-account-operator/internal/voximplant"
)

// schema is a real field table.
var schema = voximplant.Fields()

var now = time.Date(2026, 11, 27, 12, 0, 0, 0, time.UTC)

var (
	ours    = account.Claim{Installation: "prod", Namespace: "telephony", Name: "acme-support"}
	theirs  = account.Claim{Installation: "other", Namespace: "sales", Name: "acme-support"}
	another = account.Claim{Installation: "prod", Namespace: "sales", Name: "acme-support"}
)

// values are those that fields are declared with; all are good.
var values = map[string][]string{
	"email":              {"a@acme.example", "A@Acme.Example", "b@acme.example"},
	"languageCode":       {"en", "he", "iw"},
	"location":           {"Europe/Berlin", "Europe/Kyiv", "Europe/Kiev"},
	"minBalanceToNotify": {"5", "5.0", "12.5"},
	"callback.url":       {"https://a.example", "https://b.example"},

	"profile.mobilePhone":                {"+4915112345678", "4915112345678", "4915187654321"},
	"profile.billingAddress.countryCode": {"DE", "FR"},
}

// drawState draws values for some of the declarable fields, the e-mail always.
func drawState(t *rapid.T, label string) account.State {
	state := account.State{}
	for _, f := range schema {
		customData := f.Mark == account.MarkCustomData && label != "desired" // an account has one text, which is drawn by itself
		if f.ReadOnly() || f.NameOnly() || customData || f.Path != "email" && !rapid.Bool().Draw(t, label+" has "+f.Path) {
			continue
		}
		of, ok := values[f.Path]
		if !ok {
			of = []string{"true", "false"}
		}
		state[f.Path] = rapid.SampledFrom(of).Draw(t, label+" "+f.Path)
	}
	return state
}

// world is a provider, a resource and a connection Secret in memory: what the steps do to them, and no more.
type world struct {
	in plan.Input
	// accounts are those with the resource's name, and the one that it is bound to.
	accounts []*account.Account
	// seen is what the operator knows of each by id: after a creation only what was sent.
	seen   map[string]account.State
	secret *plan.Content
	// settled is set once the Secret was written for the account, passwordOf is the account that has the password.
	// has are the plans of the account.
	has                []account.Plan
	settled            bool
	passwordOf, saltOf string
	// prepared is set where the Secret holds a password for an account that was to be created.
	prepared bool
	fresh    bool
	released bool
}

func (w *world) account(id string) *account.Account {
	for _, a := range w.accounts {
		if a.ID == id || id == "" && a.Name == w.in.Subject.Name {
			return a
		}
	}
	return nil
}

// observe is the inputs as they are now.
func (w *world) observe() plan.Input {
	in := w.in
	in.View.Account = nil
	if a := w.account(in.Subject.ID); a != nil {
		shown := *a
		shown.State = w.seen[a.ID]
		in.View.Account = &shown
		in.View.Absences = 0
	}
	in.View.Fresh = w.fresh
	if w.fresh {
		in.View.OutcomeUnknown, in.ReadRequested = false, false
	}
	if in.View.Account == nil && in.Subject.ID != "" && in.Subject.Policy.Recreate {
		successor := in.View
		successor.Fresh = false
		if a := w.account(""); a != nil {
			shown := *a
			shown.State = w.seen[a.ID]
			successor.Account = &shown
		}
		in.Successor = &successor
	}
	in.Secret.Prepared = w.prepared && in.Subject.Intent
	in.Secret.Settled = w.settled && in.Subject.ID != ""
	in.Secret.HoldsKey = w.secret != nil && w.secret.APIKey
	in.Password.Settled = in.Password.Mark != "" && w.passwordOf == in.Subject.ID && in.Subject.ID != ""
	in.Salt.Settled = in.Salt.Mark != "" && w.saltOf == in.Subject.ID && in.Subject.ID != ""
	if in.Deletion != nil {
		d := *in.Deletion
		in.Deletion = &d
	}
	return in
}

// run executes steps in their order.
func (w *world) run(steps []plan.Step) {
	w.fresh = false
	rotated := false
	for _, s := range steps {
		if w.skips(s, rotated) {
			continue
		}
		rotated = rotated || s.Kind == plan.RotatePassword
		w.execute(s)
	}
}

func (w *world) skips(s plan.Step, rotated bool) bool {
	switch s.If {
	case plan.KeyMissing:
		return w.secret == nil || w.secret.APIKey
	case plan.NextPasswordStored:
		return w.secret == nil || !w.secret.NextPassword
	case plan.PasswordRotated:
		return !rotated
	case plan.SurroundingsRemain:
		return w.in.Deletion.Surroundings != plan.SurroundingsStay
	}
	return false
}

func (w *world) execute(s plan.Step) {
	a := w.account(w.in.Subject.ID)
	switch s.Kind {
	case plan.Read:
		w.fresh, w.in.View.Listed = true, true
		w.in.View.OutcomeUnknown, w.in.ReadRequested = false, false
		if a != nil {
			w.seen[a.ID] = shownOf(a)
		}
	case plan.ReadSuccessor:
		w.giveUp()
		w.fresh = true
		if a = w.account(""); a != nil {
			w.seen[a.ID] = shownOf(a)
		}
	case plan.ReadSurroundings:
		w.in.Deletion.Surroundings = plan.SurroundingsStay
	case plan.AddFinalizer:
		w.in.Resource.Finalizer = true
	case plan.RemoveFinalizer:
		w.in.Resource.Finalizer = false
	case plan.PrepareSecret:
		w.in.Subject.Intent = true
		if w.secret == nil {
			w.secret = &plan.Content{}
		}
	case plan.DiscardSecret:
		w.secret = nil
	case plan.WithdrawPassword:
		w.prepared = false
	case plan.Create, plan.Clone:
		w.create(s)
	case plan.Bind, plan.Adopt:
		w.bind(s)
	case plan.Update, plan.Deactivate:
		changes := account.Applied(plan.AccountChanges(schema, s.Changes))
		a.State = a.State.With(changes)
		w.seen[a.ID] = w.seen[a.ID].With(changes)
		w.in.Subject.LastApplied = w.in.Subject.LastApplied.With(changes)
		if data, ok := changes[customData]; ok {
			a.CustomData = data
		}
	case plan.Claim:
		a.CustomData = w.in.Subject.Claim.CustomData()
		w.seen[a.ID] = w.seen[a.ID].With(account.State{customData: a.CustomData})
	case plan.StoreBinding:
		w.in.Delegated.BindingStored = true
	case plan.SetSalt:
		w.saltOf = a.ID
	case plan.StoreSecret:
		if w.secret == nil {
			w.secret = &plan.Content{}
		}
		w.in.Secret.Content, w.in.Secret.Recheck, w.settled, w.prepared = w.secret, false, true, false
	case plan.SettlePassword:
		w.secret.NextPassword = false
	case plan.SetPassword, plan.RotatePassword:
		w.passwordOf = a.ID
	case plan.Verify:
		w.in.Secret.Verify = false
	case plan.RecoverKey:
		w.secret.APIKey = true
	case plan.Recreate:
		w.giveUp()
	case plan.ReleaseFinalizer:
		w.in.Resource.Finalizer, w.released = false, true
	case plan.ReadPlans:
		w.in.Plans.ReadRequested = false
		w.in.Plans.Seen = w.has
	case plan.ChangePlan:
		w.in.Plans.ReadRequested = false
		w.has = w.in.Plans.Declared
		w.in.Plans.Seen = w.has
		w.in.Subject.LastApplied = w.in.Subject.LastApplied.With(account.State{"plans.MAU": "11"})
	case plan.Confirm:
		applied, ok := w.in.Subject.LastApplied["plans.MAU"]
		w.in.Subject.LastApplied = schema.Normal(w.in.Subject.Desired)
		if ok {
			w.in.Subject.LastApplied["plans.MAU"] = applied
		}
	}
}

// giveUp has the resource look for another account.
func (w *world) giveUp() {
	w.in.Subject.ID, w.in.Resource.Origin, w.in.Resource.ObservedID, w.in.Subject.LastApplied = "", "", "", nil
	w.has, w.in.Plans.Seen = nil, nil
	w.in.Secret.Verify, w.in.Delegated.BindingStored, w.in.Resource.Completing = false, false, false
}

// customData is the field that is an account's custom data.
const customData = "profile.customData"

// shownOf is what the provider shows of an account.
func shownOf(a *account.Account) account.State {
	shown := account.State{}
	for _, f := range schema {
		if v, ok := a.State[f.Path]; ok && f.Readable && !f.NameOnly() {
			shown[f.Path] = f.Normal(v)
		}
	}
	if a.CustomData != "" {
		shown[customData] = a.CustomData
	}
	return shown
}

// create makes an account with what creation takes; the fields that it does not take are off.
func (w *world) create(s plan.Step) {
	a := &account.Account{ID: strconv.Itoa(100 + len(w.accounts)), Name: s.AccountName, CustomData: w.in.Subject.Claim.CustomData(), State: account.State{}}
	if w.in.View.Claimless {
		a.CustomData = ""
	}
	sent := account.State{}
	for _, f := range schema {
		if !f.Settable || f.NameOnly() {
			continue
		}
		if f.CreateDefault != "" && s.Kind == plan.Create {
			sent[f.Path] = f.CreateDefault
		}
	}
	sent = sent.With(account.Applied(plan.AccountChanges(schema, s.Changes)))
	a.State = a.State.With(sent)
	w.accounts, w.has, w.in.Plans.Seen = append(w.accounts, a), nil, nil
	w.seen[a.ID] = sent
	w.in.Subject.ID, w.in.Resource.ObservedID, w.in.Resource.Origin = a.ID, a.ID, plan.Created
	w.in.Subject.LastApplied, w.secret.APIKey = nil, true
	w.in.Delegated.BindingStored, w.in.Resource.Completing = false, true
	w.in.Secret.Verify = false
	if w.in.Password.Declared {
		w.passwordOf = a.ID
	}
}

func (w *world) bind(s plan.Step) {
	a := w.account("")
	w.in.Subject.ID, w.in.Resource.ObservedID = s.AccountID, s.AccountID
	w.in.Resource.Origin = plan.Adopted
	claim, claimed := a.Claim()
	if claimed = claimed && claim == ours; w.in.Subject.Intent && (claimed || w.in.View.Claimless && !w.in.Subject.Refused && w.in.Subject.Attempt.Made(schema, account.Account{ID: a.ID, State: w.seen[a.ID]})) {
		w.in.Resource.Origin, w.in.Resource.Completing = plan.Created, true
		if w.in.Subject.Attempt != nil {
			w.in.Subject.LastApplied = w.in.Subject.Attempt.Sent
		}
	}
	w.in.Delegated.BindingStored, w.saltOf = false, ""
	_, declared := w.in.Subject.Desired["active"]
	claimed = claimed || w.in.Subject.Succeeds(claim)
	w.in.FoundInactive = claimed && w.in.Resource.Origin == plan.Adopted && !declared && w.seen[a.ID]["active"] == "false"
	w.in.Secret.Verify = w.in.Resource.Origin == plan.Adopted && (!w.in.NoPasswords || !w.in.NoKeys)
	w.settled, w.passwordOf = false, ""
}

// drawWorld draws a situation; whatever it is, the plan has to come to an end in it.
func drawWorld(t *rapid.T) *world {
	w := &world{seen: map[string]account.State{}}
	flag := func(label string) bool { return rapid.Bool().Draw(t, label) }
	w.in = plan.Input{
		Now: now, Schema: schema, Shared: flag("shared"), SeesAll: flag("sees all"), MayAdopt: flag("may adopt"), ReadRequested: flag("read requested"),
		Resource: plan.Resource{Kind: "ChildAccount", Namespace: ours.Namespace, Name: ours.Name, Generation: 2, Parent: "acme", Finalizer: flag("finalizer"), NeedsFinalizer: flag("needs finalizer"), Edited: flag("edited")},
		Subject: account.Subject{
			Claim: ours, Name: "acme-support", Intent: flag("intent"), Retried: flag("retried"), Desired: drawState(t, "desired"),
			Takeover: rapid.SampledFrom([]string{"", "other", "prod"}).Draw(t, "takeover"),
			Policy: account.Policy{
				Adopt:   rapid.SampledFrom([]account.Adoption{"", account.AdoptNever, account.AdoptIfIdentical, account.AdoptAlways}).Draw(t, "adopt"),
				Observe: flag("observe"), ReportDrift: flag("report drift"), Recreate: flag("recreate"),
			},
		},
		View:   account.View{Listed: flag("listed"), Partial: flag("partial"), OutcomeUnknown: flag("outcome unknown")},
		Secret: plan.Secret{Name: "acme-support-connection", Recheck: flag("recheck")},
	}
	w.in.View.Claimless, w.in.NoKeys, w.in.NoPasswords = flag("claimless"), flag("no keys"), flag("no passwords")
	w.drawAccount(t)
	if w.in.View.Claimless && w.in.Subject.Intent {
		w.in.Subject.Attempt = &account.Attempt{Sent: schema.Normal(drawState(t, "sent"))}
		if flag("as sent") {
			w.in.Subject.Attempt.Sent = w.seen["7"].With(nil)
		}
	}
	switch rapid.IntRange(0, 2).Draw(t, "password") {
	case 1:
		w.in.Password = plan.Password{Declared: true, Mark: "mark-of-the-password"}
	case 2:
		w.in.Password = plan.Password{Rotation: "2026-11", Mark: "rotation 2026-11"}
	}
	if flag("plan declared") {
		w.in.Plans.Declared, w.has = []account.Plan{start}, []account.Plan{rapid.SampledFrom([]account.Plan{free, start}).Draw(t, "plan")}
		w.in.Plans.ReadRequested = w.in.ReadRequested
		if w.in.Subject.ID != "" && flag("plans read") {
			w.in.Plans.Seen = []account.Plan{start}
			w.in.Subject.LastApplied = w.in.Subject.LastApplied.With(account.State{"plans.MAU": "11"})
		}
	}
	if flag("template declared") {
		w.in.Template = plan.Template{AccountName: "acme-template", AccountID: "5"}
	}
	if flag("salt") {
		w.in.Salt = plan.Salt{Declared: true, Mark: "mark-of-the-salt"}
	}
	if flag("previous owner gone") {
		w.in.Subject.PreviousOwner = &another
	}
	if flag("recipient") {
		w.in.Recipient = &plan.Recipient{Namespace: "telephony", Name: "acme-support-2"}
		if flag("recipient lacks something") {
			w.in.Recipient.Lacks, w.in.Recipient.Next = "it does not accept it", "Have it accept it."
		}
	}
	w.in.Secret.LacksPassword = flag("lacks password")
	w.in.Secret.Verify = w.in.Subject.ID != "" && (!w.in.NoPasswords || !w.in.NoKeys) && flag("verify")
	if flag("deleted") {
		w.in.Deletion = &plan.Deletion{Deactivate: flag("deactivate")}
	}
	return w
}

// drawAccount draws what there is at the provider, and whether the resource is bound to it.
func (w *world) drawAccount(t *rapid.T) {
	flag := func(label string) bool { return rapid.Bool().Draw(t, label) }
	if flag("secret") {
		w.secret = &plan.Content{APIKey: flag("key stored"), NextPassword: flag("next password stored")}
		w.settled, w.prepared = flag("settled"), flag("prepared")
	}
	if flag("account there") {
		a := &account.Account{ID: "7", Name: w.in.Subject.Name, State: drawState(t, "account")}
		a.CustomData = rapid.SampledFrom([]string{"", "somebody's data", ours.CustomData(), theirs.CustomData(), another.CustomData()}).Draw(t, "custom data")
		if w.in.View.Claimless {
			a.CustomData = ""
		}
		w.accounts, w.seen["7"] = []*account.Account{a}, shownOf(a)
		w.in.View.Listed = true
	}
	w.in.Attempts.NoAccount = len(w.accounts) == 0 && flag("no account made")
	w.in.Subject.Refused = w.in.Attempts.NoAccount
	if !flag("bound") {
		return
	}
	w.in.Subject.ID, w.in.Resource.ObservedID, w.in.Delegated.BindingStored = "7", "7", true
	w.in.Resource.Origin = rapid.SampledFrom([]plan.Origin{plan.Created, plan.Adopted}).Draw(t, "origin")
	w.in.Subject.LastApplied = schema.Normal(drawState(t, "last applied"))
	w.in.View.Listed = true
	if w.account("7") == nil {
		w.in.View.Absences = rapid.IntRange(0, 3).Draw(t, "absences")
		if flag("successor") {
			a := &account.Account{ID: "9", Name: w.in.Subject.Name, State: drawState(t, "successor")}
			a.CustomData = rapid.SampledFrom([]string{"", ours.CustomData(), theirs.CustomData()}).Draw(t, "successor's custom data")
			if w.in.View.Claimless {
				a.CustomData = ""
			}
			w.accounts, w.seen["9"] = append(w.accounts, a), shownOf(a)
		}
	}
}
