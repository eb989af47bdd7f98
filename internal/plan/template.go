package plan

import (
	"cmp"
	"fmt"
	"time"

	"cpaas.dev/child-account-operator/api/v1alpha1"
	"cpaas.dev/child-account-operator/internal/account"
)

// Template is what is known of the account that the resource's account is cloned from when it is created.
type Template struct {
	// AccountName is its name as the resource declares it; "" where the account is created empty, or exists.
	AccountName string
	// AccountID is its id where it may be cloned now; "" where it may not, for what State says.
	AccountID string
	State     TemplateState
	// Resource is the resource that the template is to be that of, "namespace/name"; "" where there is none, or where this one may not be
	// told of it. Trouble is the reason why somebody has to act before that one has its account, "" where nobody has to. Of an unknown template it is
	// a resource that declares the account and creates none: it is suspended, only observes the account, or is being deleted. Trouble is the reason,
	// "" for one that is not known yet.
	Resource, Trouble string
	// Grace is set while the resource is so young that the resource of the template may still be on its way to the Kubernetes API, or from
	// there. Retry is when to look again after that.
	Grace bool
	Retry time.Duration
	// Recreates is set where the account that the resource had is missing, and is to be created again.
	Recreates bool
	// Unsupported is set where the provider can't clone accounts, and the resource declares a template.
	Unsupported bool
}

// TemplateState says why a template can't be cloned.
type TemplateState string

// The states of a template. The zero value is of one that can be cloned.
const (
	// TemplateAwaited: a resource declares the account, and does not have it yet, or has not set it up.
	TemplateAwaited TemplateState = "Awaited"
	// TemplateUnknown: there is no such account, or none that this resource may clone.
	TemplateUnknown TemplateState = "Unknown"
	// TemplateMissing: its resource has the account, and lists don't.
	TemplateMissing TemplateState = "Missing"
	// TemplateRing: the template is to be cloned from this very account, if only by way of others.
	TemplateRing TemplateState = "Ring"
	// TemplateNotGranted: the parent lets no resource of other namespaces clone accounts.
	TemplateNotGranted TemplateState = "NotGranted"
)

// templateField is where a resource declares its template.
const templateField = "spec.cloneFrom.accountName"

// unsupportedTemplate refuses a template where the provider can't clone accounts; nil where it can.
func unsupportedTemplate(in *Input) *Step {
	if !in.Template.Unsupported || in.Subject.Policy.Observe {
		return nil
	}
	return &Step{
		Kind: Refuse, Reason: v1alpha1.ReasonRejected, Message: "spec.cloneFrom: this provider can't clone accounts",
		Next: fmt.Sprintf("Delete this %s and declare it again without spec.cloneFrom, which can't be removed.", in.Resource.Kind),
	}
}

// NextForGrant is what to do next where a resource lacks a grant; "" for what its reason has.
func NextForGrant(grant v1alpha1.Grant) string {
	if grant != v1alpha1.GrantClone {
		return ""
	}
	return "Ask the owner of the ParentAccount for the grant, or delete this resource and declare it again without spec.cloneFrom, which can't be removed."
}

// templateProblem is the end for an account that can't be created as there is nothing to clone it from; nil where there is.
func templateProblem(in *Input, d account.Decision) *Step {
	t := &in.Template
	if t.AccountName == "" || t.AccountID != "" || d.Step != account.StepCreate && !readsToCreate(in, d) {
		return nil
	}
	s := &Step{Kind: Wait, Reason: v1alpha1.ReasonCreating}
	switch t.State {
	case TemplateAwaited:
		awaitedTemplate(s, t)
	case TemplateNotGranted:
		s.Kind, s.Reason = Refuse, v1alpha1.ReasonNotPermitted
		s.Message = fmt.Sprintf("spec.cloneFrom needs the grant %s in spec.allowedNamespaces.grants of ParentAccount %s, which is in another namespace", v1alpha1.GrantClone, in.Resource.Parent)
		s.Next = NextForGrant(v1alpha1.GrantClone)
	case TemplateRing:
		s.Kind, s.Reason = Refuse, v1alpha1.ReasonRejected
		s.Message = fmt.Sprintf("%s: account %s is itself to be cloned from this account, directly or by way of others, so none of them can be the first", templateField, t.AccountName)
		s.Next = fmt.Sprintf("Delete one of these %ss, and declare it again without spec.cloneFrom, or with another template.", in.Resource.Kind)
	default:
		unknownTemplate(in, s)
	}
	if t.Recreates { // whatever there is to wait for, the account is missing
		s.Kind, s.Reason, s.RetryAfter = Missing, v1alpha1.ReasonAccountMissing, t.Retry
		s.AccountName, s.Message = in.Subject.Name, fmt.Sprintf("account %s is missing at the provider, and can't be recreated yet: %s", in.Subject.Name, s.Message)
	}
	return s
}

// readsToCreate says whether a decision is to read the account for no other reason than that it is created next. While it can't be, it is
// not read either: whoever waits costs no call, and lists show it if it is there.
func readsToCreate(in *Input, d account.Decision) bool {
	v := &in.View
	return d.Step == account.StepRead && !in.ReadRequested && in.Subject.ID == "" && v.Account == nil && v.Listed && !v.OutcomeUnknown && !v.Awaited
}

// awaitedTemplate is the wait for an account that another resource is to have.
func awaitedTemplate(s *Step, t *Template) {
	s.Message = fmt.Sprintf("waiting for account %s, which this account is cloned from: it is not set up yet", t.AccountName)
	s.Next = "The operator continues automatically once the spec of that account is applied."
	if t.Resource == "" {
		s.Next += " If this lasts, ask the owner of the ParentAccount."
		return
	}
	s.Message += ", see " + t.Resource
	if s.Stalled = t.Trouble != ""; s.Stalled {
		s.Message += fmt.Sprintf(", which needs somebody to act (%s)", t.Trouble)
		s.Next = fmt.Sprintf("Do what the conditions of %s say. The operator continues automatically after that.", t.Resource)
	}
}

// unknownTemplate is the end for a template that there is not, as far as this resource may know. Whether the account is another's is
// not said. While the template may still be applied, it is a wait: both may be of one commit.
func unknownTemplate(in *Input, s *Step) {
	t := &in.Template
	another := fmt.Sprintf(" To clone another account, delete this %s and declare it again: spec.cloneFrom can't be changed.", in.Resource.Kind)
	switch {
	case t.State == TemplateMissing:
		s.Message = fmt.Sprintf("%s: account %s is missing at the provider", templateField, t.AccountName)
		if s.Next = fmt.Sprintf("Read the conditions of %s, which has the account.", t.Resource); t.Resource == "" {
			s.Next = "Ask the owner of the ParentAccount."
		}
	case in.SeesAll && t.Resource != "":
		s.Message = fmt.Sprintf("%s: the operator knows of no account %s of the parent account, and %s, which declares it, creates none%s", templateField, t.AccountName, t.Resource, inBrackets(t.Trouble))
		s.Next = nextOfIdle(t) + another
	case in.SeesAll:
		s.Message = fmt.Sprintf("%s: the operator knows of no account %s of the parent account, and no %s declares it", templateField, t.AccountName, in.Resource.Kind)
		s.Next = fmt.Sprintf("Create the template: declare it with a %s of the same parent account; for one that exists spec.managementPolicy: Observe is enough.", in.Resource.Kind) + another
	default:
		s.Message = fmt.Sprintf("%s: there is no account %s that this resource may clone: only those of %ss in its own namespace, or in the ParentAccount's", templateField, t.AccountName, in.Resource.Kind)
		s.Next = fmt.Sprintf("Declare the template with a %s in this namespace, or ask the owner of ParentAccount %s to declare it with one in the ParentAccount's.", in.Resource.Kind, in.Resource.Parent) + another
		if t.Resource != "" {
			s.Next = fmt.Sprintf("%s declares the template, but creates no account%s. ", t.Resource, inBrackets(t.Trouble)) + nextOfIdle(t) + another
		}
	}
	if t.Grace && !t.Recreates {
		s.Message = "waiting for the account to clone: " + s.Message
		return
	}
	s.Kind, s.Reason, s.RetryAfter = Refuse, v1alpha1.ReasonRejected, t.Retry
}

// nextOfIdle is what to do with a resource that declares the template and creates none.
func nextOfIdle(t *Template) string {
	return fmt.Sprintf("Read the conditions of %s: it creates no account while it has spec.suspend: true or spec.managementPolicy: Observe, or while it is being deleted.", t.Resource)
}

// inBrackets is a reason behind a text; "" for none.
func inBrackets(reason string) string {
	if reason == "" {
		return ""
	}
	return " (" + reason + ")"
}

// creation is the step that makes the account, with the fields that it sets and the state that the account is known to have after it.
func creation(in *Input) (made Step, born account.State) {
	made = Step{Kind: Create, Reason: ReasonNoAccount, AccountName: in.Subject.Name}
	cloned := in.Template.AccountName != ""
	if cloned {
		made.Kind, made.Reason = Clone, ReasonTemplateDeclared
		made.Template = &StepTemplate{AccountName: in.Template.AccountName, AccountID: in.Template.AccountID}
	}
	var set []account.Change
	born = account.State{}
	for _, f := range in.Schema {
		v, declared := in.Subject.Desired[f.Path]
		if f.NameOnly() || !f.Settable || cloned && !f.Clonable || !declared && (f.CreateDefault == "" || cloned) {
			continue
		}
		v = cmp.Or(v, f.CreateDefault)
		born[f.Path] = f.Normal(v)
		if declared {
			set = append(set, account.Change{Field: f, To: v, Origin: account.FromSpec})
		}
	}
	made.Changes = fieldChanges(set)
	return made, born
}
