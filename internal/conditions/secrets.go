package conditions

import (
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"

	"cpaas.dev/child-account-operator/api/v1alpha1"
)

// Row is what a reason means on a condition beside Ready: ConnectionSecretReady, ServiceAccountKeyReady, PlansSynced, ProfileSynced, AccountSynced.
type Row struct {
	// Status is the condition's status.
	Status metav1.ConditionStatus
	// Help is what it means and what to do, for people.
	Help string
}

// Secrets are the reasons of ConnectionSecretReady, but for those of calls that failed: these are in Children.
var Secrets = map[string]Row{
	v1alpha1.ReasonAvailable:       {yes, "The connection Secret holds all that is known of the account. Nothing to do."},
	v1alpha1.ReasonPartialAdopted:  {no, "The account is pre-existing, and its API key is not known. To have the operator read the key, give the ParentAccount an apiKeySecretRef, or request a new password with the annotation accounts.cpaas.dev/rotate-password."},
	v1alpha1.ReasonPasswordUnknown: {no, "The connection Secret lacks the account's password, or holds one that the provider refused. The message has the command that makes a new password; see [the guide](guide.md#a-password-is-unknown-or-wrong). Where the API key is missing, too, Ready is False (APIKeyMissing)."},
	v1alpha1.ReasonAPIKeyMissing:   {no, "The API key was lost and can't be recovered, and Ready is False. The message says how to continue."},
	v1alpha1.ReasonSecretInvalid:   {no, "The connection Secret can't be written, or its name is taken by another Secret, and Ready is False. The message says which. **It may hold the only copy of a password: read it before you remove it.**"},
}

// ServiceKeys are the reasons of ServiceAccountKeyReady, but for most of those of calls that were refused: these are in Children.
var ServiceKeys = map[string]Row{
	v1alpha1.ReasonAvailable:     {yes, "The connection Secret holds the declared key. Nothing to do."},
	v1alpha1.ReasonRoleMissing:   {no, "The provider does not allow the parent's service account to make, list or delete keys as this child account. The operator retries after 10 minutes to 6 hours. A key that is in the Secret stays there and stays valid."},
	v1alpha1.ReasonRejected:      {no, "The provider refuses to make the key: it does not know one of the roles, for example. The message names the field where the provider names one. The operator retries once the spec changes, and after 10 minutes to 6 hours."},
	v1alpha1.ReasonSecretInvalid: {no, "The Kubernetes API refuses to store the key in the connection Secret. The operator has deleted the key again, and retries after 10 minutes to 6 hours."},
}

// EmitPasswordUnknown tells in an event, once, that an account's password is not known, when that begins, and once when the connection Secret holds
// the password again. It comes after the conditions are stored.
func EmitPasswordUnknown(recorder EventRecorder, about runtime.Object, was, is []metav1.Condition) {
	const kind, reason = v1alpha1.ConditionConnectionSecretReady, v1alpha1.ReasonPasswordUnknown
	before, now := HadReason(was, kind, reason), HadReason(is, kind, reason)
	switch {
	case now && !before:
		recorder.Eventf(about, nil, corev1.EventTypeWarning, reason, "Reconcile", "%s", meta.FindStatusCondition(is, kind).Message)
	case before && meta.IsStatusConditionTrue(is, kind):
		recorder.Eventf(about, nil, corev1.EventTypeNormal, "Recovered", "Reconcile", "%s", "what was reported as "+reason+" is over: nothing to do")
	}
}
