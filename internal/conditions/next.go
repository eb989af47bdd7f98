package conditions

import (
	"cmp"
	"strings"

	"cpaas.dev/child-account-operator/api/v1alpha1"
)

// NothingToDo is the next step where there is none. It is not added to a message.
const NothingToDo = "Nothing to do."

const (
	// retries is the next step where nobody has to act.
	retries = "The operator retries automatically."
	// retriesSlowly is what follows the step where somebody has to act outside of the cluster, of which no watch tells.
	retriesSlowly = " The operator retries automatically, after 10 minutes at first."
	// nextIfUnknown is the step where nobody knows whether a refusal passes by itself.
	nextIfUnknown = "If the message is about a value of the spec, correct it; the provider's support knows more." + retriesSlowly
)

// nextOfChildren is what to do next for each reason on a ChildAccount. It ends each condition message and each event, unless the outcome
// has a step of its own (Outcome.Next), with names or a command. A tenant reads it: it names nothing that is another's.
var nextOfChildren = map[string]string{
	v1alpha1.ReasonAvailable:   NothingToDo,
	v1alpha1.ReasonDeactivated: NothingToDo,
	v1alpha1.ReasonObserved:    NothingToDo,
	v1alpha1.ReasonCreating:    retries,
	v1alpha1.ReasonUpdating:    retries,

	v1alpha1.ReasonSuspended:          "To continue, set spec.suspend: false.",
	v1alpha1.ReasonValueNotKept:       "Declare the value that the provider returns, or remove the field from the spec. The operator writes the field again once either value changes.",
	v1alpha1.ReasonFrozen:             "Ask the provider why, and have the account unblocked. The operator notices the change when it next reads the list.",
	v1alpha1.ReasonDriftDetected:      "Change the spec or the account, or set spec.driftPolicy: Correct to have the spec applied.",
	v1alpha1.ReasonDeactivatedEarlier: "Set spec.active: true to activate the account, or spec.active: false to leave it deactivated.",

	v1alpha1.ReasonNamespaceNotAllowed: "Correct spec.parentRef, or ask the owner of the ParentAccount to allow the namespace in its spec.allowedNamespaces.",
	v1alpha1.ReasonNotPermitted:        "Ask the owner of the ParentAccount for the grant, or remove from this resource what needs the grant.",
	v1alpha1.ReasonParentNotFound:      "Create the ParentAccount, or correct spec.parentRef.",
	v1alpha1.ReasonParentNotReady:      "Read the conditions of the ParentAccount, or ask its owner. This resource continues automatically once the ParentAccount is ready.",
	v1alpha1.ReasonProviderMismatch:    "Name a ParentAccount of the right provider in spec.parentRef.",
	v1alpha1.ReasonParentChanged:       "Name a ParentAccount of the former account in spec.parentRef, restore the credentials, or accept the new account with the annotation " + v1alpha1.AnnotationAcceptParent + ".",

	v1alpha1.ReasonSecretMissing:     "Create the Secret in this namespace, with the label " + v1alpha1.LabelInput + `: "true", or correct the reference.`,
	v1alpha1.ReasonSecretNotLabelled: "Give the Secret the label " + v1alpha1.LabelInput + `: "true".`,
	v1alpha1.ReasonSecretInvalid:     "Correct the Secret. The operator retries once the Secret changes.",
	v1alpha1.ReasonPasswordRejected:  "Put another password into the Secret that spec.passwordSecretRef names; if the field is not set, set it to a Secret with a password of your own. The operator tries it as soon as the Secret changes.",
	v1alpha1.ReasonPasswordBlocked:   "Wait, or ask the provider when passwords can be changed again." + retriesSlowly,

	v1alpha1.ReasonNameTaken:         "Choose another spec.accountName in a new resource, as the name can't be changed. If the account is yours, declare it under the parent account that it belongs to.",
	v1alpha1.ReasonEmailTaken:        "Declare another spec.email, or change the e-mail of the account that has it." + retriesSlowly,
	v1alpha1.ReasonAdoptionRefused:   "Choose another spec.accountName in a new resource, or a spec.adoptionPolicy that allows to adopt the account.",
	v1alpha1.ReasonClaimedElsewhere:  "Choose another spec.accountName in a new resource, or ask the owner of the ParentAccount which resource has the account.",
	v1alpha1.ReasonDuplicateResource: "Delete this resource, or the owner. After the owner is deleted, this resource gets the account within seconds if it may have the account; otherwise the owner's deletionPolicy decides whether the account is deactivated.",

	v1alpha1.ReasonRejected:            "Correct the value that the message is about. The operator retries once the spec changes.",
	v1alpha1.ReasonBalanceTooLow:       "Top up the parent account at the provider, or ask its owner to." + retriesSlowly,
	v1alpha1.ReasonBlockedVerification: "Have the parent account verified or activated at the provider, or ask its owner to." + retriesSlowly,
	v1alpha1.ReasonBlockedNotEnabled:   "Have the provider's support enable this for the parent account, or ask its owner to." + retriesSlowly,
	v1alpha1.ReasonBlockedDailyLimit:   "Wait: the operator retries automatically after the next midnight, UTC.",
	v1alpha1.ReasonRoleMissing:         "Give the service account of the parent account the role Owner at the provider, or ask the owner of the ParentAccount to." + retriesSlowly,

	v1alpha1.ReasonAccountMissing:   "Set spec.missingPolicy: Recreate to have an account created in its place, or delete this resource.",
	v1alpha1.ReasonAPIKeyMissing:    "Put the API key into the connection Secret, or have a new password generated with the annotation " + v1alpha1.AnnotationRotatePassword + ".",
	v1alpha1.ReasonAwaitingApproval: "Read status.pendingApprovals of the ParentAccount, which has the command that approves the change, or revert the change.",

	v1alpha1.ReasonWriteRefused: "Change what the message names, or have a cluster admin exempt the operator's ServiceAccount. The operator retries automatically.",

	v1alpha1.ReasonRateLimited:    "The operator retries automatically. The conditions of the ParentAccount have the details.",
	v1alpha1.ReasonAPIUnavailable: "The operator retries automatically. If all calls fail, the conditions of the ParentAccount have the details.",
	v1alpha1.ReasonDeleting:       "The operator retries automatically, for an hour at most.",
}

// nextOfParents is what to do next for each reason on a ParentAccount.
var nextOfParents = map[string]string{
	v1alpha1.ReasonAvailable: NothingToDo,
	v1alpha1.ReasonDeleting:  "Delete the ChildAccounts that the message names, which deactivates their accounts, or set their spec.deletionPolicy: Retain, which leaves the accounts active.",
	v1alpha1.ReasonSuspended: "To continue, set spec.suspend: false.",

	v1alpha1.ReasonEndpointNotAllowed: "Set the endpoint to an allowed one, or ask a cluster admin to add the endpoint to the operator's flag --allowed-endpoints.",
	v1alpha1.ReasonCABundleInvalid:    "Correct the caBundle: it must have the authorities' certificates as PEM, encoded in base64 once.",
	v1alpha1.ReasonInvalidSelector:    "Correct the selector. Until then the operator does nothing for any ChildAccount of this ParentAccount.",
	v1alpha1.ReasonSecretMissing:      "Create the Secret in this namespace, with the label " + v1alpha1.LabelInput + `: "true", or correct the reference.`,
	v1alpha1.ReasonSecretNotLabelled:  "Give the Secret the label " + v1alpha1.LabelInput + `: "true".`,
	v1alpha1.ReasonSecretInvalid:      "Correct the Secret. The operator retries once the Secret changes.",
	v1alpha1.ReasonParentChanged:      "Restore the credentials or the endpoint, or accept the new account with the annotation " + v1alpha1.AnnotationAcceptParent + ".",

	v1alpha1.ReasonUnauthorized:        "Make a new key of the service account at the provider, and put it into the Secret with the credentials. The operator tries it as soon as the Secret changes.",
	v1alpha1.ReasonRoleMissing:         "Give the service account the role Owner at the provider, or put the key of one that has that role into the Secret with the credentials." + retriesSlowly,
	v1alpha1.ReasonRejected:            "Correct what the message is about; the provider's support knows more." + retriesSlowly,
	v1alpha1.ReasonBlockedVerification: "Have the account verified or activated at the provider." + retriesSlowly,
	v1alpha1.ReasonBlockedNotEnabled:   "Have the provider's support enable child accounts for the account." + retriesSlowly,
	v1alpha1.ReasonBalanceTooLow:       "Top up the account at the provider." + retriesSlowly,

	v1alpha1.ReasonRateLimited:    "The operator retries automatically. This ends once calls were answered for 10 seconds without that, or for up to 2 minutes where it comes and goes. If it lasts, set a lower spec.limits.requestsPerSecond, or have others that use the account call less often.",
	v1alpha1.ReasonAPIUnavailable: retries,
}

// nextOfSecrets is what to do next for each reason of ConnectionSecretReady. Only Available has a message without a step of its own.
var nextOfSecrets = map[string]string{
	v1alpha1.ReasonAvailable:       NothingToDo,
	v1alpha1.ReasonPartialAdopted:  "Put the API key into the connection Secret, or ignore this if no workload needs the key.",
	v1alpha1.ReasonPasswordUnknown: "Put the password into the connection Secret, or have a new one generated.",
}

// NextForCredentials is what to do next where the provider refuses the credentials of a ParentAccount, which are under a key of a Secret; ""
// for any other reason.
func NextForCredentials(reason, secret, key string) string {
	switch reason {
	case v1alpha1.ReasonUnauthorized:
		return "The key may have been revoked: make a new one of the service account at the provider, and put its file into key " + key + " of Secret " + secret +
			". The operator tries it as soon as the Secret changes."
	case v1alpha1.ReasonRoleMissing:
		return "Give the service account the role Owner at the provider, or put the key of one that has that role into key " + key + " of Secret " + secret + "." + retriesSlowly
	}
	return ""
}

// NextOfSecret is what to do next for a reason of ConnectionSecretReady: that of the ChildAccount where the two share a reason.
func NextOfSecret(reason string) string {
	return cmp.Or(nextOfSecrets[reason], nextOfChildren[reason], retries)
}

// NextStep is what to do next for a reason; "" where there is nothing to do.
func (t Table) NextStep(reason string) string {
	if next := t.next[reason]; next != NothingToDo {
		return next
	}
	return ""
}

// nextStep is what to do next after an outcome.
func (t Table) nextStep(o Outcome) string {
	switch o.Next {
	case "":
		return t.NextStep(o.Reason)
	case NothingToDo:
		return ""
	}
	return o.Next
}

// Advise is a message with what to do next.
func Advise(message, next string) string {
	message = strings.TrimRight(message, " ")
	switch {
	case next == "" || next == NothingToDo:
		return message
	case message == "":
		return next
	case strings.HasSuffix(message, ".") || strings.HasSuffix(message, "?") || strings.HasSuffix(message, ellipsis):
		return message + " " + next
	}
	return message + ". " + next
}

// Text is all that there is to say of an outcome, in at most so many bytes: what happened, why, and what to do next. Where there is little
// room the message is cut, and what to do next stays whole.
func (t Table) Text(o Outcome, most int) string {
	next := strings.ToValidUTF8(t.nextStep(o), "")
	room := most - len(next) - len(". ")
	if next == "" || room < most/4 {
		return Truncated(Advise(o.Within(most), next), most)
	}
	return Advise(Truncated(o.Within(room), room), next)
}

// ForEvent is the text for an event.
func (t Table) ForEvent(o Outcome) string { return t.Text(o, longestNote) }
