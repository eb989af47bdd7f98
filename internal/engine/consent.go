package engine

import (
	"cmp"
	"fmt"

	corev1 "k8s.io/api/core/v1"

	"cpaas.dev/child-account-operator/api/v1alpha1"
	"cpaas.dev/child-account-operator/internal/account"
	"cpaas.dev/child-account-operator/internal/conditions"
	"cpaas.dev/child-account-operator/internal/plan"
)

// Whoever could read Secrets in the namespace of an account's previous owner knows the account's password and API key for good. So nobody can
// plant an account that others come to use unawares: a resource gets the account of another namespace only if it says that it accepts that. Which
// namespace that was is known by statuses (lastowner.go); by the account's claim only where these are forgotten.
// Within a namespace, and from the ParentAccount's own, whose users can get at all accounts anyway, nothing has to be accepted.

// accepts says whether a resource accepts the account of a resource of the namespace owner. This is the one place that knows how a resource
// says so: by a policy that adopts pre-existing accounts, or by the annotation takeover with the id of this installation.
func accepts(m Managed, parent *Parent, owner, installation string) bool {
	o := m.Object()
	takesOver := installation != "" && o.GetAnnotations()[v1alpha1.AnnotationTakeover] == installation
	return owner == o.GetNamespace() || owner == parent.Key.Namespace || takesOver || len(adopters([]Managed{m})) > 0
}

// acceptStep is how a resource accepts an account. It may end a list of steps, and follows "To accept the account, ". acceptPolicy is the field
// and its values.
const (
	acceptStep   = "set " + acceptPolicy
	acceptPolicy = "spec.adoptionPolicy: IfIdentical (or Always)"
)

// notAcceptedText is why a resource does not get the account of another namespace.
const notAcceptedText = "it does not accept the account of another namespace"

// anybodyWrites is why a claim proves nothing.
const anybodyWrites = "whoever has had the account can write that"

// lastOwnerText names the resource that had the account last, as far as the resource may be told of it.
func lastOwnerText(s *scope) string {
	switch last := s.lastOwner; {
	case last.former:
		return fmt.Sprintf("a %s of a namespace that is deleted", s.declared.Kind)
	case s.canSee(last.Namespace):
		return fmt.Sprintf("%s %s", s.declared.Kind, last.NamespacedName)
	}
	return fmt.Sprintf("a %s of another namespace", s.declared.Kind)
}

// belonged says who had the account: as this process knows, or else as the account's claim has it, which is that of s.previous.
func belonged(s *scope, a account.Account) string {
	switch {
	case s.lastOwner != nil:
		fate := "is deleted"
		if s.lastOwner.gaveUp {
			fate = "has it no more"
		}
		return fmt.Sprintf("account %s (id %s) belonged to %s, which %s", a.Name, a.ID, lastOwnerText(s), fate)
	case s.canSee(s.previous.Namespace):
		return fmt.Sprintf("by its custom data, account %s (id %s) belonged to %s %s/%s, which is deleted", a.Name, a.ID, s.declared.Kind, s.previous.Namespace, s.previous.Name)
	}
	return fmt.Sprintf("by its custom data, account %s (id %s) belonged to a %s of another namespace, which is deleted", a.Name, a.ID, s.declared.Kind)
}

// notAccepted is why a resource does not get the account that a resource of another namespace had, and how to have it. s.lastOwner or s.previous is
// that resource.
func notAccepted(s *scope, a account.Account) *plan.Stop {
	return &plan.Stop{
		Reason: v1alpha1.ReasonAdoptionRefused,
		Message: fmt.Sprintf("%s, and this %s does not accept the account of another namespace, whose users still know the account's password and API key",
			belonged(s, a), s.declared.Kind),
		Next: fmt.Sprintf("To accept the account, %s, or the annotation %s: %q. Otherwise choose another spec.accountName in a new resource. Once the account is accepted and this resource is Ready: %s",
			adoptStep(s, acceptPolicy), v1alpha1.AnnotationTakeover, s.claim.Installation, replaceCredentials(s)),
	}
}

// formerNamespace is the namespace whose users know what a resource's account had as credentials, and whether that is certain; "" where there is none
// or where they have to know it, as they own the ParentAccount, or the account stays in its namespace.
func formerNamespace(s *scope) (namespace string, certain bool) {
	switch {
	case s.lastOwner != nil && (s.lastOwner.former || s.lastOwner.Namespace != s.parent.Key.Namespace):
		return s.lastOwner.Namespace, true
	case s.lastOwner != nil, s.previous == nil, s.previous.Namespace == s.obj.GetNamespace(), s.previous.Namespace == s.parent.Key.Namespace:
		return "", false
	}
	return s.previous.Namespace, false
}

// knownElsewhere is what the users of another namespace still know of an account that the resource has from there; "" for nothing.
func knownElsewhere(s *scope) string {
	namespace, certain := formerNamespace(s)
	if namespace == "" {
		return ""
	}
	users, know := "users of another namespace, the account's former one", ", know"
	switch {
	case certain && s.lastOwner.former:
		users = "users of a namespace that is deleted, the account's former one"
	case s.canSee(namespace):
		users = fmt.Sprintf("users of namespace %s, the account's former one", namespace)
	}
	if !certain { // whoever has had the account can have written that
		know = " by its custom data, know"
	}
	if s.declared.PasswordSecret != nil && s.declared.Policy.Adopt == account.AdoptAlways { // it gets the declared password
		return users + know + " its API key"
	}
	return users + know + " its password and API key"
}

// tellKnownElsewhere emits the event of an account whose credentials users of another namespace know.
func (r *run) tellKnownElsewhere(a account.Account) {
	known := knownElsewhere(r.s)
	if known == "" {
		return
	}
	text := r.Table.ForEvent(conditions.Outcome{
		Message: fmt.Sprintf("account %s (id %s): %s; %s", a.Name, a.ID, known, staysBehind),
		Next:    "Remove that from the account. For the credentials, " + replaceCredentials(r.s),
	})
	r.Recorder.Eventf(r.s.obj, nil, corev1.EventTypeWarning, "CredentialsKnownElsewhere", "Adopt", "%s", text)
}

// staysBehind is what new credentials do not end.
const staysBehind = "whatever they have set up there with these stays, for example a callback URL, users and service-account keys"

// replaceCredentials is what to do about that. A command comes last.
func replaceCredentials(s *scope) string {
	const key = "ask the provider to replace the API key, which the operator can't replace"
	switch {
	case s.declared.PasswordSecret == nil:
		return key + ", and have a new password generated: " + rotateCommand(s)
	case s.declared.Policy.Adopt == account.AdoptAlways:
		return key + ". The account gets the declared password: declare one that nobody of the former namespace knows."
	}
	return key + ", and " + adoptStep(s, "spec.adoptionPolicy: Always") + " to have the declared password set."
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
