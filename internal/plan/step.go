package plan

import (
	"fmt"
	"strings"
	"time"

	"cpaas.dev/child-account-operator/internal/account"
)

// Kind is what a step does.
type Kind string

// The kinds of steps that read or write something.
const (
	// Read reads the account.
	Read Kind = "Read"
	// ReadSuccessor gives up an account that is missing, and reads whether another one was created in its place.
	ReadSuccessor Kind = "ReadSuccessor"
	// ReadSurroundings reads whether the namespace or the CRD is being deleted.
	ReadSurroundings Kind = "ReadSurroundings"
	// AddFinalizer adds the operator's finalizer to the resource.
	AddFinalizer Kind = "AddFinalizer"
	// RemoveFinalizer takes away a finalizer that the resource does not need any more.
	RemoveFinalizer Kind = "RemoveFinalizer"
	// PrepareSecret makes sure of the connection Secret before the account is created: it records the attempt, and a generated
	// password is in it then.
	PrepareSecret Kind = "PrepareSecret"
	// StoreAttempt stores the attempt to create the account in the resource's status, where the provider's accounts carry no claims.
	StoreAttempt Kind = "StoreAttempt"
	// ReadResource reads the resource itself again, and ends where it is being deleted or has changed.
	ReadResource Kind = "ReadResource"
	// DiscardSecret deletes a connection Secret that says nothing of any account.
	DiscardSecret Kind = "DiscardSecret"
	// WithdrawPassword takes a password out of the connection Secret that was prepared for an account that is not the resource's.
	WithdrawPassword Kind = "WithdrawPassword"
	// Create creates the account with Changes.
	Create Kind = "Create"
	// Clone creates the account as a clone of Template, with Changes.
	Clone Kind = "Clone"
	// ReadPreviousOwner reads whether the resource that the account's claim names is deleted, and whether another one has the account.
	ReadPreviousOwner Kind = "ReadPreviousOwner"
	// ProveOwnership tries the password in the connection Secret with the account.
	ProveOwnership Kind = "ProveOwnership"
	// Bind binds the resource to an account that carries its claim.
	Bind Kind = "Bind"
	// Adopt binds the resource to a pre-existing account.
	Adopt Kind = "Adopt"
	// RecordDeactivation counts a deactivation in the parent's status.
	RecordDeactivation Kind = "RecordDeactivation"
	// Update writes Changes.
	Update Kind = "Update"
	// Claim writes the resource's claim into the account.
	Claim Kind = "Claim"
	// StoreSecret writes all that is known of the account into the connection Secret.
	StoreSecret Kind = "StoreSecret"
	// SettlePassword finds out which of two generated passwords the account has.
	SettlePassword Kind = "SettlePassword"
	// SetPassword gives the account the declared password.
	SetPassword Kind = "SetPassword"
	// SetSalt gives the account's callbacks the declared salt.
	SetSalt Kind = "SetSalt"
	// StoreBinding stores in the resource's status which account is its own.
	StoreBinding Kind = "StoreBinding"
	// RotatePassword gives the account a new generated password.
	RotatePassword Kind = "RotatePassword"
	// RecoverKey finds the account's API key again and stores it.
	RecoverKey Kind = "RecoverKey"
	// Verify signs in with the account's password, and compares the API key with what the provider shows.
	Verify Kind = "Verify"
	// CreateServiceKey makes a service-account key of the account and stores it in the connection Secret.
	CreateServiceKey Kind = "CreateServiceKey"
	// DeleteServiceKeys lists the account's service-account keys, and deletes those that the operator made and that are not needed.
	DeleteServiceKeys Kind = "DeleteServiceKeys"
	// VerifyServiceKey lists the account's service-account keys, and has another one made where that in the Secret is missing.
	VerifyServiceKey Kind = "VerifyServiceKey"
	// ReadPlans reads the account's subscription plans.
	ReadPlans Kind = "ReadPlans"
	// ChangePlan reads the account's plans, and changes those of Changes that the account does not have. That costs money.
	ChangePlan Kind = "ChangePlan"
	// Recreate gives up an account that is missing, so that another one is created.
	Recreate Kind = "Recreate"
	// Deactivate deactivates the account of a resource that is being deleted.
	Deactivate Kind = "Deactivate"
	// HandOver reports that an account is not deactivated because another resource is to have it.
	HandOver Kind = "HandOver"
	// LeaveActive reports that an account is not deactivated although the deletion policy says so.
	LeaveActive Kind = "LeaveActive"
	// ReleaseFinalizer takes the operator's finalizer away, so that the resource can be deleted.
	ReleaseFinalizer Kind = "ReleaseFinalizer"
)

// The kinds of steps that only concern the status.
const (
	// Confirm notes that the account matches the spec, but for Differs and NotKept.
	Confirm Kind = "Confirm"
	// Observe notes what an account is like that is only read.
	Observe Kind = "Observe"
	// Wait: nothing can be done now.
	Wait Kind = "Wait"
	// AwaitPlans: the account matches the spec but for its plans, and nothing can be done for them now.
	AwaitPlans Kind = "AwaitPlans"
	// Refuse: the account must not be touched; somebody has to act.
	Refuse Kind = "Refuse"
	// Missing: the account that the resource is bound to, or observes, is not there.
	Missing Kind = "Missing"
	// Report: nothing is left to do.
	Report Kind = "Report"
)

// kinds says of every kind what it does, for people, whether it concerns the status alone, and whether it writes to the provider or
// decides which account is written to.
var kinds = map[Kind]struct {
	text   string
	status bool
	writes bool
}{
	Read:               {text: "read account %s"},
	ReadSuccessor:      {text: "read whether there is another account %s"},
	ReadSurroundings:   {text: "read whether the namespace or the CRD is being deleted"},
	AddFinalizer:       {text: "add the finalizer"},
	RemoveFinalizer:    {text: "take away the finalizer"},
	PrepareSecret:      {text: "prepare connection Secret %s"},
	StoreAttempt:       {text: "store in the status the attempt to create account %s"},
	ReadResource:       {text: "read the resource again"},
	DiscardSecret:      {text: "delete connection Secret %s"},
	WithdrawPassword:   {text: "remove what was prepared from connection Secret %s"},
	Create:             {text: "create account %s", writes: true},
	Clone:              {text: "create account %s", writes: true},
	ReadPreviousOwner:  {text: "read whether the previous owner of account %s is deleted"},
	ProveOwnership:     {text: "prove with the password in connection Secret %s who owns the account"},
	Bind:               {text: "bind account %s"},
	Adopt:              {text: "adopt account %s", writes: true},
	RecordDeactivation: {text: "count the deactivation of account %s"},
	Update:             {text: "update account %s", writes: true},
	Claim:              {text: "write the claim into account %s", writes: true},
	StoreSecret:        {text: "store connection Secret %s"},
	SettlePassword:     {text: "find out which generated password account %s has"},
	SetPassword:        {text: "set the declared password of account %s", writes: true},
	SetSalt:            {text: "set the declared salt of the callbacks of account %s", writes: true},
	StoreBinding:       {text: "store in the status that account %s is the resource's"},
	RotatePassword:     {text: "rotate the generated password of account %s", writes: true},
	RecoverKey:         {text: "recover the API key of account %s"},
	CreateServiceKey:   {text: "make a service-account key of account %s", writes: true},
	DeleteServiceKeys:  {text: "delete what is not needed of the operator's service-account keys of account %s", writes: true},
	VerifyServiceKey:   {text: "read whether account %s has its service-account key"},
	Recreate:           {text: "give up account %s and create another one", writes: true},
	Deactivate:         {text: "deactivate account %s", writes: true},
	HandOver:           {text: "hand over account %s", writes: true}, // it decides that the account stays active
	ReadPlans:          {text: "read the plans of account %s"},
	ChangePlan:         {text: "change the plans of account %s", writes: true},
	Verify:             {text: "verify the password and the API key of account %s"},
	LeaveActive:        {text: "leave account %s as it is"},
	ReleaseFinalizer:   {text: "remove the finalizer"},
	Confirm:            {text: "confirm account %s", status: true},
	Observe:            {text: "observe account %s", status: true},
	Wait:               {text: "wait", status: true},
	AwaitPlans:         {text: "wait with the plans", status: true},
	Refuse:             {text: "refuse", status: true},
	Missing:            {text: "report account %s missing", status: true},
	Report:             {text: "report", status: true},
}

// StatusOnly says whether a step of the kind concerns the status alone.
func (k Kind) StatusOnly() bool { return kinds[k].status }

// Creates says whether a step of the kind makes an account.
func (k Kind) Creates() bool { return k == Create || k == Clone }

// Writes says whether a step of the kind writes to the provider, or decides which account is written to.
func (k Kind) Writes() bool { return kinds[k].writes }

// MayLeadToWrites says whether a step of the kind writes, or whether what it finds out, or waits for, decides about a write.
func (k Kind) MayLeadToWrites() bool {
	return k.Writes() || k == VerifyServiceKey || k == ReadPlans || k == AwaitPlans
}

// Kinds are all kinds of steps.
func Kinds() []Kind {
	out := make([]Kind, 0, len(kinds))
	for k := range kinds {
		out = append(out, k)
	}
	return out
}

// Condition is what a step depends on that only an earlier step of the plan finds out.
type Condition string

// The conditions. The zero value is none.
const (
	// KeyMissing: the connection Secret lacks the account's API key.
	KeyMissing Condition = "KeyMissing"
	// NextPasswordStored: the connection Secret holds a password that the account may have.
	NextPasswordStored Condition = "NextPasswordStored"
	// PasswordNotRemembered: the connection Secret does not say that the account has the declared password.
	PasswordNotRemembered Condition = "PasswordNotRemembered"
	// SaltNotRemembered: the connection Secret does not say that the account has the declared salt.
	SaltNotRemembered Condition = "SaltNotRemembered"
	// RotationPending: the connection Secret does not say that the rotation was done.
	RotationPending Condition = "RotationPending"
	// PasswordRotated: the plan's RotatePassword gave the account another password.
	PasswordRotated Condition = "PasswordRotated"
	// PlanDiffers: the account does not have the declared plans.
	PlanDiffers Condition = "PlanDiffers"
	// SurroundingsRemain: neither the namespace nor the CRD is being deleted.
	SurroundingsRemain Condition = "SurroundingsRemain"
)

// conditionTexts says of every condition what it is, for people.
var conditionTexts = map[Condition]string{ //nolint:gosec // texts about passwords, none of them one
	KeyMissing:            "if the Secret lacks it",
	NextPasswordStored:    "if the Secret holds two",
	PasswordNotRemembered: "unless the Secret says that it has it",
	SaltNotRemembered:     "unless the Secret says that it has it",
	RotationPending:       "unless the Secret says that it was done",
	PasswordRotated:       "if it was rotated",
	PlanDiffers:           "unless it has them",
	SurroundingsRemain:    "if neither is",
}

// FieldChange is one field that is written, or differs.
type FieldChange struct {
	// Field is the path below spec.
	Field string `json:"field"`
	// From is what was seen; nil where nobody knows.
	From *string `json:"from,omitempty"`
	// To is the declared value.
	To string `json:"to"`
	// Origin tells an edit of the spec from drift.
	Origin account.Origin `json:"origin"`
}

// Step is one thing to do. It holds no secret.
type Step struct {
	// Kind is what it does.
	Kind Kind `json:"kind"`
	// Reason is why: that of the conditions for a step that ends the plan, one of the reasons of this package for others.
	Reason string `json:"reason,omitempty"`
	// Message is what the conditions, or an event, say, for people.
	Message string `json:"message,omitempty"`
	// Next is what to do next, for people, where it is otherwise than the reason's.
	Next string `json:"next,omitempty"`
	// Cause is the reason whose next step is this one's, where Reason only says what waits; "" for Reason's own.
	Cause string `json:"cause,omitempty"`
	// Brief is the message where there is little room for it; "" where it is short.
	Brief string `json:"brief,omitempty"`
	// AccountName and AccountID name the account; the ID is "" where there is none yet.
	AccountName string `json:"accountName,omitempty"`
	AccountID   string `json:"accountID,omitempty"`
	// Secret is the name of the connection Secret, for the steps that read or write it.
	Secret string `json:"secret,omitempty"`
	// Template is the account that is cloned; nil for none.
	Template *StepTemplate `json:"template,omitempty"`
	// Changes are the fields that are written.
	Changes []FieldChange `json:"changes,omitempty"`
	// Differs are the differences that are not changed, or that prevent adopting the account.
	Differs []FieldChange `json:"differs,omitempty"`
	// NotKept are the differences that are not changed because the provider does not keep the values.
	NotKept []FieldChange `json:"notKept,omitempty"`
	// NotGranted are the differences that are not written for now, because the provider refused to act as the account itself.
	NotGranted []FieldChange `json:"notGranted,omitempty"`
	// Delegated is set where all of Changes are made acting as the account itself.
	Delegated bool `json:"delegated,omitempty"`
	// If is what the step depends on beyond the plan's inputs.
	If Condition `json:"if,omitempty"`
	// Guarded is set where the change guard decides whether Change may be made now.
	Guarded bool   `json:"guarded,omitempty"`
	Change  string `json:"change,omitempty"`
	// Attempt tells the step from others that were tried for the resource, where it is an attempt of its own; "" for the plan's.
	Attempt string `json:"attempt,omitempty"`
	// Held is set where a start holds the write that Change names: in place of the write, or on a step that finds out whether there is
	// anything to write.
	Held bool `json:"held,omitempty"`
	// Backoff is set where an earlier attempt failed and is not repeated yet.
	Backoff bool `json:"backoff,omitempty"`
	// RetryAfter is when to plan again, in nanoseconds; 0 for when the resource is woken or as its reason has it.
	RetryAfter time.Duration `json:"retryAfter,omitempty"`
	// Stalled is set where somebody has to act although the reason alone does not say so.
	Stalled bool `json:"stalled,omitempty"`
}

// StepTemplate names the account that an account is cloned from.
type StepTemplate struct {
	AccountName string `json:"accountName"`
	AccountID   string `json:"accountID"`
}

// String names it for people.
func (t StepTemplate) String() string { return fmt.Sprintf("%s (id %s)", t.AccountName, t.AccountID) }

// Plan is the steps for one resource, in order.
type Plan struct {
	// Steps end with one that concerns the status, or with ReleaseFinalizer. Where what a step finds decides how to continue,
	// they end with that step.
	Steps []Step `json:"steps"`
	// Attempt tells these steps from others that were tried for the resource; "" where nothing is tried.
	Attempt string `json:"attempt,omitempty"`
}

// Work says whether there is anything to read or write.
func (p Plan) Work() bool {
	for i := range p.Steps {
		if !p.Steps[i].Kind.StatusOnly() {
			return true
		}
	}
	return false
}

// Begins says whether the first step is of a kind.
func (p Plan) Begins(k Kind) bool { return len(p.Steps) > 0 && p.Steps[0].Kind == k }

// Last is the last step; the zero value where there is none.
func (p Plan) Last() Step {
	if len(p.Steps) == 0 {
		return Step{}
	}
	return p.Steps[len(p.Steps)-1]
}

// Guarded is the step that the change guard has to let pass; nil where there is none. What follows a creation is asked about once there is an
// account.
func (p Plan) Guarded() *Step {
	for i := range p.Steps {
		if p.Steps[i].Kind.Creates() {
			return nil
		}
		if p.Steps[i].Guarded && !p.Steps[i].Kind.StatusOnly() {
			return &p.Steps[i]
		}
	}
	return nil
}

// Round are the steps to execute before planning again: what a read or a write of the account leads to is seen then. A created
// account's API key is stored first, as nobody shows it again.
func (p Plan) Round() []Step {
	created := false
	for i := range p.Steps {
		switch p.Steps[i].Kind {
		case Create, Clone:
			created = true
		case Read, ReadSuccessor, ReadSurroundings, Update, Recreate, StoreBinding:
			return p.Steps[:i+1]
		case StoreSecret:
			if created {
				return p.Steps[:i+1]
			}
		}
	}
	return p.Steps
}

// String says in one line what is done, for people.
func (p Plan) String() string {
	if len(p.Steps) == 0 {
		return "nothing to do"
	}
	parts := make([]string, len(p.Steps))
	for i := range p.Steps {
		parts[i] = p.Steps[i].String()
	}
	return strings.Join(parts, "; ")
}

// String says what the step does and why, for people.
func (s Step) String() string {
	var b strings.Builder
	text := kinds[s.Kind].text
	subject := s.Secret
	if subject == "" {
		subject = s.account()
	}
	if strings.Contains(text, "%s") {
		fmt.Fprintf(&b, text, subject)
	} else {
		b.WriteString(text)
	}
	if s.Template != nil {
		b.WriteString(" as a clone of " + s.Template.String())
	}
	bracketed(&b, "", s.Changes)
	bracketed(&b, "differs: ", s.Differs)
	bracketed(&b, "not kept: ", s.NotKept)
	bracketed(&b, "not granted: ", s.NotGranted)
	if s.If != "" {
		b.WriteString(", " + conditionTexts[s.If])
	}
	if s.Reason != "" {
		b.WriteString(" [" + s.Reason + "]")
	}
	if s.Message != "" {
		b.WriteString(": " + s.Message)
	}
	if s.Next != "" {
		b.WriteString(". " + s.Next)
	}
	if s.RetryAfter > 0 {
		fmt.Fprintf(&b, ", again in %s", s.RetryAfter)
	}
	return b.String()
}

// account names the account for people.
func (s *Step) account() string {
	if s.AccountID == "" {
		return s.AccountName
	}
	return fmt.Sprintf("%s (id %s)", s.AccountName, s.AccountID)
}

// bracketed lists fields: " (email=b@acme.example, was a@acme.example)".
func bracketed(b *strings.Builder, what string, changes []FieldChange) {
	if len(changes) == 0 {
		return
	}
	b.WriteString(" (" + what)
	for i, c := range changes {
		if i > 0 {
			b.WriteString(", ")
		}
		b.WriteString(c.Field + "=" + word(c.To))
		if c.From != nil {
			b.WriteString(" was " + word(*c.From))
		}
	}
	b.WriteString(")")
}

// longestWord is how many bytes of a value a text for people has.
const longestWord = 100

// word quotes a value where it could be taken for something else, and cuts one that is very long.
func word(v string) string {
	if len(v) > longestWord {
		v = strings.ToValidUTF8(v[:longestWord], "") + "…"
	}
	if account.PlainWord(v) && !strings.ContainsAny(v, `,;()"`) {
		return v
	}
	return fmt.Sprintf("%q", v)
}

// fieldChanges are changes as data.
func fieldChanges(changes []account.Change) []FieldChange {
	if len(changes) == 0 {
		return nil
	}
	out := make([]FieldChange, len(changes))
	for i, c := range changes {
		out[i] = FieldChange{Field: c.Field.Path, To: c.To, Origin: c.Origin}
		if c.Known {
			from := c.From
			out[i].From = &from
		}
	}
	return out
}

// AccountChanges are changes as the provider's client takes them, by the field table.
func AccountChanges(schema account.Schema, changes []FieldChange) []account.Change {
	var out []account.Change
	for _, c := range changes {
		f, ok := schema.Field(c.Field)
		if !ok {
			continue
		}
		change := account.Change{Field: f, To: c.To, Origin: c.Origin}
		if c.From != nil {
			change.From, change.Known = *c.From, true
		}
		out = append(out, change)
	}
	return out
}
