package plan

import (
	"fmt"
	"slices"
	"strings"

	"cpaas.dev/child-account-operator/api/v1alpha1"
)

// Start is how the operator's start holds the writes of a resource (startPolicy Observe).
type Start struct {
	// Awaited is set before the parent's first complete list was read: nobody knows yet what is pending.
	Awaited bool
	// Rule is why writes wait, and Next how they are approved, for people.
	Rule, Next string
	// Password is the Mark of a password that the account is known not to have.
	Password string
}

// afterStart is a plan without the writes that the operator's start holds. Reads, and what only this cluster gets to see, continue: what
// they find decides whether there is anything to write. A password that the connection Secret may say to be in its place is looked for
// there, and then held by the step itself.
func afterStart(in *Input, p Plan) Plan {
	if in.Start == nil {
		return p
	}
	certain, open := in.Start.writes(in, p)
	switch {
	case len(certain) > 0:
		for _, i := range open { // an approval lets these pass, too
			certain = append(certain, "perhaps "+writeText(p.Steps[i]))
		}
		return in.Start.wait(in, strings.Join(certain, ", "))
	case len(open) == 0:
		return p
	case in.Start.Awaited:
		return in.Start.wait(in, "")
	}
	p.Steps = slices.Clone(p.Steps)
	for _, i := range open {
		s := &p.Steps[i]
		s.Held, s.Change = true, writeText(*s)
		s.Message, s.Next = s.Change+in.Start.Rule, in.Start.Next
	}
	return p
}

// writes are the texts of the writes that a plan certainly has, and the steps that find out whether they have anything to write.
func (start *Start) writes(in *Input, p Plan) (certain []string, open []int) {
	recreates := p.Begins(Recreate)
	for i, s := range p.Steps {
		switch known := start.Password != "" && start.Password == in.Password.Mark && !in.Secret.Recheck; {
		case !kinds[s.Kind].writes, s.Kind.Creates() && recreates, s.If == PasswordRotated: // the last follows a step that is held
		case s.If == SaltNotRemembered, (s.If == PasswordNotRemembered || s.If == RotationPending) && !known:
			open = append(open, i)
		default:
			certain = append(certain, writeText(s))
		}
	}
	return certain, open
}

// wait is the plan of a resource whose writes are held.
func (start *Start) wait(in *Input, change string) Plan {
	s := Step{Kind: Wait, Held: true, Change: change, Stalled: true, Reason: v1alpha1.ReasonAwaitingApproval, Message: change + start.Rule, Next: start.Next}
	switch {
	case start.Awaited && in.Deletion != nil:
		s = deleting("waiting for ParentAccount " + in.Resource.Parent)
	case start.Awaited: // the first list wakes it
		s = Step{Kind: Wait}
	case in.Deletion != nil && in.Deletion.Expired:
		return Release(*in, s.Message)
	}
	return Plan{Steps: []Step{s}}
}

// writeText is what a step writes, for people.
func writeText(s Step) string {
	switch s.Kind {
	case Deactivate:
		return changeByDeletion
	case Update, ChangePlan:
		return strings.Join(changeTexts(s.Changes), ", ")
	case Clone:
		return fmt.Sprintf(kinds[s.Kind].text, s.account()) + " as a clone of " + s.Template.String()
	}
	return fmt.Sprintf(kinds[s.Kind].text, s.account())
}

// changeTexts are what each change writes, for people.
func changeTexts(changes []FieldChange) []string {
	parts := make([]string, len(changes))
	for i, c := range changes {
		parts[i] = c.Field + "=" + brief(c.To)
	}
	return parts
}

// Within says whether all that the step changes is among the writes that a start held, whose text Step.Change had.
func (s *Step) Within(held string) bool {
	parts := changeTexts(s.Changes)
	if len(parts) == 0 {
		parts = []string{s.Change}
	}
	return among(parts, held)
}

// OwnWithin says whether all changes of the parent account itself in a text are among those that a start held, whose text is held.
func OwnWithin(text, held string) bool { return among(strings.Split(text, separator), held) }

// separator is between the changes in a text.
const separator = ", "

// among says whether each part of a text stands in another one.
func among(parts []string, text string) bool {
	return !slices.ContainsFunc(parts, func(part string) bool {
		return !strings.Contains(separator+text+separator, separator+part+separator)
	})
}
