package conditions

import (
	"cmp"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"

	"cpaas.dev/child-account-operator/api/v1alpha1"
	"cpaas.dev/child-account-operator/internal/account"
)

// OwnAccounts are the reasons of AccountSynced on ParentAccounts.
var OwnAccounts = withOwn(map[string]Row{
	v1alpha1.ReasonAvailable:         {yes, "The parent account itself has the declared values. Nothing to do."},
	v1alpha1.ReasonValueNotKept:      {no, "The provider accepts a value and does not keep it. The message names the field and both values. Declare the value that the provider returns, or remove the field from the spec."},
	v1alpha1.ReasonSecretMissing:     {no, "The Secret with the salt of the account's callbacks does not exist. Until then the operator writes nothing of spec.account."},
	v1alpha1.ReasonSecretNotLabelled: {no, "The Secret with the salt of the account's callbacks lacks the label that lets the operator read it. The message has the command. Until then the operator writes nothing of spec.account."},
	v1alpha1.ReasonSecretInvalid:     {no, "The Secret with the salt of the account's callbacks can't be used. The message says why. Until then the operator writes nothing of spec.account."},
	v1alpha1.ReasonBalanceTooLow:     {no, "The account's balance is too low for the change. Top it up. The operator retries after 10 minutes to 6 hours."},
})

// OwnPlans are the reasons of PlansSynced on ParentAccounts.
var OwnPlans = withOwn(map[string]Row{
	v1alpha1.ReasonAvailable:     {yes, "The parent account has the declared plans. Nothing to do."},
	v1alpha1.ReasonBalanceTooLow: {no, "The account's balance is too low for the plan. Top it up. The operator retries after 10 minutes to 6 hours."},
	v1alpha1.ReasonValueNotKept:  {no, "The provider accepted a change of the plan, and returns another plan after it. The operator does not request the change again."},
})

// withOwn adds the reasons that both have.
func withOwn(rows map[string]Row) map[string]Row {
	for reason, row := range map[string]Row{
		v1alpha1.ReasonUpdating:            {unknown, "The operator has not compared the spec with the account yet, or does not know yet whether a change was made. The operator continues automatically; while the account is frozen or deactivated its plans stay as they are."},
		v1alpha1.ReasonDuplicateResource:   {no, "An older ParentAccount of the same account declares this field, too, and its Ready is not False; or a younger one does, while Ready of this one is False. The message names the other ParentAccount. Remove the field from one of the two."},
		v1alpha1.ReasonAwaitingApproval:    {no, "The change waits for an approval (limits.massChange, or startPolicy Observe). The message has the command."},
		v1alpha1.ReasonRejected:            {no, "The provider, or the operator before any call, refuses a value. The message names the field where the provider names one, and of a plan those that are offered. The operator retries once the spec changes; a refusal that it does not know after 10 minutes to 6 hours."},
		v1alpha1.ReasonRoleMissing:         {no, "The service account lacks the role for this. The message names the roles where they are documented. The operator retries after 10 minutes to 6 hours."},
		v1alpha1.ReasonBlockedVerification: {no, "The account must be verified or activated at the provider first. The operator retries after 10 minutes to 6 hours."},
		v1alpha1.ReasonBlockedNotEnabled:   {no, "The provider does not allow this for the account. Ask its support. The operator retries after 10 minutes to 6 hours."},
		v1alpha1.ReasonUnauthorized:        {no, "The provider refuses the credentials; Ready says so, too, after the next list. The operator retries after 10 minutes to 6 hours; where the clock of its node is off, after a minute to 6 hours."},
		v1alpha1.ReasonRateLimited:         {unknown, "The provider rate-limits the calls. The operator retries automatically."},
		v1alpha1.ReasonAPIUnavailable:      {unknown, "The provider does not answer, or not consistently. The operator retries automatically."},
	} {
		if _, has := rows[reason]; !has {
			rows[reason] = row
		}
	}
	return rows
}

// nextOfOwn is what to do next for each reason where the outcome has no step of its own.
var nextOfOwn = map[string]string{
	v1alpha1.ReasonRejected:            "Correct the value that the message is about. The operator retries once the spec changes.",
	v1alpha1.ReasonRoleMissing:         "Give the service account the role Owner at the provider." + retriesSlowly,
	v1alpha1.ReasonBalanceTooLow:       "Top up the account at the provider." + retriesSlowly,
	v1alpha1.ReasonBlockedVerification: "Have the account verified or activated at the provider." + retriesSlowly,
	v1alpha1.ReasonBlockedNotEnabled:   "Ask the provider's support to enable this for the account." + retriesSlowly,
	v1alpha1.ReasonUnauthorized:        "Read the condition Ready." + retriesSlowly,
	v1alpha1.ReasonRateLimited:         retries,
	v1alpha1.ReasonAPIUnavailable:      retries,
	v1alpha1.ReasonUpdating:            retries,
}

// FailedOwn is the Outcome of a call for the parent account itself that the provider did not carry out. Its retries are those of Children, but
// for what is only refused for as long as the credentials are.
func FailedOwn(err error) Outcome {
	e := account.AsError(err)
	out := Children.Failed(err)
	switch _, known := OwnPlans[out.Reason]; {
	case e.Class == account.Unauthorized: // the credentials are this resource's own, and may be good again without having changed
		out.Reason, out.Retry = v1alpha1.ReasonUnauthorized, &slow
		if e.MayPass {
			out.Retry = &sooner
		}
	case e.Class == account.NotFound, !known: // the account acts as itself
		out.Reason, out.Retry, out.Next = v1alpha1.ReasonRejected, &slow, cmp.Or(out.Next, nextIfUnknown)
	}
	out.Next = cmp.Or(out.Next, nextOfOwn[out.Reason])
	return out
}

// Own is the condition that says an outcome, for AccountSynced or PlansSynced.
func Own(kind string, out Outcome) State {
	return State{Status: OwnRows(kind)[out.Reason].Status, Reason: out.Reason, Message: Children.Text(out, longestMessage)}
}

// OwnRows are the reasons of a condition about the parent account itself.
func OwnRows(kind string) map[string]Row {
	if kind == v1alpha1.ConditionPlansSynced {
		return OwnPlans
	}
	return OwnAccounts
}

// EmitOwn tells in an event, once, of what keeps the parent account itself from matching the spec.
func EmitOwn(recorder EventRecorder, about runtime.Object, was, is []metav1.Condition) {
	for _, kind := range []string{v1alpha1.ConditionAccountSynced, v1alpha1.ConditionPlansSynced} {
		c := meta.FindStatusCondition(is, kind)
		if c == nil || c.Status != no || HadReason(was, kind, c.Reason) {
			continue
		}
		recorder.Eventf(about, nil, corev1.EventTypeWarning, c.Reason, "Update", "%s", c.Message)
	}
}
