package engine

import (
	"cmp"
	"fmt"

	"cpaas.dev/child-account-operator/api/v1alpha1"
	"cpaas.dev/child-account-operator/internal/account"
	"cpaas.dev/child-account-operator/internal/plan"
)

// Whoever could read Secrets in the namespace of an account's previous owner knows the account's password and API key for good. So nobody can
// plant an account that others come to use unawares: a resource gets the account of another namespace only if it says that it accepts that.
// Within a namespace, and from the ParentAccount's own, whose users can get at all accounts anyway, nothing has to be accepted.

// accepts says whether a resource accepts the account of a resource of the namespace owner. This is the one place that knows how a resource
// says so: by a policy that adopts pre-existing accounts, or by the annotation takeover with the id of this installation.
func accepts(m Managed, parent *Parent, owner, installation string) bool {
	o := m.Object()
	takesOver := installation != "" && o.GetAnnotations()[v1alpha1.AnnotationTakeover] == installation
	return owner == o.GetNamespace() || owner == parent.Key.Namespace || takesOver || len(adopters([]Managed{m})) > 0
}

// acceptStep is how a resource accepts an account. It may end a list of steps, and follows "To accept the account, ".
const acceptStep = "set spec.adoptionPolicy: IfIdentical (or Always)"

// notAcceptedText is why a resource does not get the account of another namespace.
const notAcceptedText = "it does not accept the account of another namespace"

// formerOwner names the previous owner of an account, as far as the resource may be told of it.
func formerOwner(s *scope, owner account.Claim) string {
	if s.canSee(owner.Namespace) {
		return fmt.Sprintf("%s %s/%s", s.declared.Kind, owner.Namespace, owner.Name)
	}
	return fmt.Sprintf("a %s of another namespace", s.declared.Kind)
}

// notAccepted is why a resource does not get the account of its previous owner, and how to have it. s.previous is that owner.
func notAccepted(s *scope, a account.Account) *plan.Stop {
	return &plan.Stop{
		Reason: v1alpha1.ReasonAdoptionRefused,
		Message: fmt.Sprintf("account %s (id %s) belonged to %s, which is deleted, and this %s does not accept the account of another namespace, whose users still know the account's password and API key",
			a.Name, a.ID, formerOwner(s, *s.previous), s.declared.Kind),
		Next: fmt.Sprintf("To accept the account, %s, or the annotation %s: %q. Otherwise choose another spec.accountName in a new resource. Once the account is accepted and this resource is Ready: %s",
			acceptStep, v1alpha1.AnnotationTakeover, s.claim.Installation, replaceCredentials(s)),
	}
}

// knownElsewhere is what the users of another namespace still know of an account that the resource takes over from there; "" where they have
// to know it, as they own the ParentAccount, or where the account stays in its namespace.
func knownElsewhere(s *scope) string {
	if s.previous == nil || s.previous.Namespace == s.obj.GetNamespace() || s.previous.Namespace == s.parent.Key.Namespace {
		return ""
	}
	users := "users of another namespace, the account's former one,"
	if s.canSee(s.previous.Namespace) {
		users = fmt.Sprintf("users of namespace %s, the account's former one,", s.previous.Namespace)
	}
	if s.declared.PasswordSecret != nil && s.declared.Policy.Adopt == account.AdoptAlways { // it gets the declared password
		return users + " know its API key"
	}
	return users + " know its password and API key"
}

// replaceCredentials is what to do about that. A command comes last.
func replaceCredentials(s *scope) string {
	const key = "ask the provider to replace the API key, which the operator can't replace"
	switch {
	case s.declared.PasswordSecret == nil:
		return key + ", and have a new password generated: " + rotateCommand(s)
	case s.declared.Policy.Adopt == account.AdoptAlways:
		return key + ". The account gets the declared password: declare one that nobody of the former namespace knows."
	}
	return key + ", and set spec.adoptionPolicy: Always to have the declared password set."
}

// ownedElsewhere completes why a resource is not to have the account of another namespace's resource: who knows the account's credentials, and
// what the resource has to accept to get the account once that one is gone.
func ownedElsewhere(e *observer, s *scope, owner Managed, stop *plan.Stop) {
	own, theirs := s.obj.GetNamespace(), owner.Object().GetNamespace()
	if theirs == own {
		return
	}
	advice := fmt.Sprintf("Choose another spec.accountName in a new resource, or ask the owner of ParentAccount %s which resource is to have the account.", s.parent.Key.Name)
	if s.canSee(theirs) {
		advice = fmt.Sprintf("Choose another spec.accountName in a new resource, or agree with the users of namespace %s on which of the two is deleted.", theirs)
	}
	stop.Next = cmp.Or(stop.Next, advice)
	if !mayHave(own, s.parent, theirs) || theirs == s.parent.Key.Namespace {
		return
	}
	if owner.Status().Origin != "" {
		stop.Message += "; the users of that namespace know the account's password and API key"
	}
	if !accepts(s.managed, s.parent, theirs, e.Installation) {
		stop.Next = fmt.Sprintf("This resource gets the account of another namespace only if it accepts that: before the owner is deleted, %s. %s", acceptStep, stop.Next)
	}
}
