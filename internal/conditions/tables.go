package conditions

import (
	"iter"
	"maps"
	"slices"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"cpaas.dev/child-account-operator/api/v1alpha1"
)

// asBefore keeps the Ready condition as it is; where there is none yet, it becomes Unknown.
const asBefore metav1.ConditionStatus = "AsBefore"

const (
	yes     = metav1.ConditionTrue
	no      = metav1.ConditionFalse
	unknown = metav1.ConditionUnknown
)

// Verdict is one row of the condition table: what a reason means for each condition, and when to come back.
type Verdict struct {
	// ready is the Ready condition.
	ready metav1.ConditionStatus
	// second is Synced on ChildAccounts, APIAvailable on ParentAccounts.
	second metav1.ConditionStatus
	// reconciling and stalled are the abnormal-true conditions.
	reconciling, stalled bool
	// retry is how soon to try again without being woken.
	retry Retry
	// help is what it means, for people.
	help string
}

// Stalled says whether nothing continues until something is changed.
func (v Verdict) Stalled() bool { return v.stalled }

// Reconciling says whether the operator retries automatically.
func (v Verdict) Reconciling() bool { return v.reconciling }

// Unsynced says whether the second condition is False.
func (v Verdict) Unsynced() bool { return v.second == no }

// Table is the condition table of a kind.
type Table struct {
	// second is the type of the condition beside Ready.
	second string
	rows   map[string]Verdict
	// next is what to do next for each reason: see NextStep.
	next map[string]string
	// renamed are reasons of failures that are called otherwise on this kind.
	renamed map[string]string
	// noEvent are reasons that are no event on this kind.
	noEvent []string
	// recovered are reasons whose end is an event on this kind, with what it says. everyRecovery is set where the end of every other
	// trouble is one, too.
	recovered     map[string]string
	everyRecovery bool
}

// Children says what each reason means on a ChildAccount.
var Children = Table{second: v1alpha1.ConditionSynced, next: nextOfChildren, rows: map[string]Verdict{
	v1alpha1.ReasonCreating:           {ready: asBefore, second: unknown, reconciling: true, retry: soon, help: "The account is being created, or waits for an e-mail or a name that another resource is about to give up, or for the account that it is cloned from. The message says which."},
	v1alpha1.ReasonUpdating:           {ready: asBefore, second: unknown, reconciling: true, retry: soon, help: "The account is being changed, or waits for an e-mail that another resource is about to give up, or for a change of its plan that may be under way. The message says which."},
	v1alpha1.ReasonAvailable:          {ready: yes, second: yes, help: "The account matches the spec."},
	v1alpha1.ReasonDeactivated:        {ready: yes, second: yes, help: "The account is deactivated: by active: false, or by somebody at the provider where active is not declared."},
	v1alpha1.ReasonValueNotKept:       {ready: yes, second: no, help: "The provider accepts a value and does not keep it. The message names the field and both values."},
	v1alpha1.ReasonFrozen:             {ready: no, second: yes, stalled: true, help: "The provider has blocked the account."},
	v1alpha1.ReasonDriftDetected:      {ready: yes, second: no, help: "The account was changed at the provider and driftPolicy is Report. The message and status.drift have the differing fields with their values."},
	v1alpha1.ReasonObserved:           {ready: yes, second: yes, help: "Under managementPolicy Observe the account is read and never written to. The message says whether it matches the spec; the message and status.drift have the differing fields."},
	v1alpha1.ReasonDeactivatedEarlier: {ready: no, second: yes, stalled: true, help: "The account was found again, deactivated, and active is not declared. Most likely an earlier deletion with deletionPolicy Deactivate deactivated it."},
	v1alpha1.ReasonSuspended:          {ready: asBefore, second: unknown, help: "The resource or its parent is suspended: the operator reads and writes nothing for it."},

	v1alpha1.ReasonNamespaceNotAllowed: {ready: no, second: no, stalled: true, retry: slow, help: "There is no such ParentAccount in the other namespace, or it does not allow the resource's namespace. An account that the resource has stays as it is."},
	v1alpha1.ReasonNotPermitted:        {ready: no, second: no, stalled: true, retry: none, help: "A resource of another namespace may not do this with the ParentAccount without a grant in spec.allowedNamespaces.grants. An account that the resource has stays as it is."},

	v1alpha1.ReasonParentNotFound:   {ready: no, second: no, stalled: true, help: "There is no such ParentAccount in the namespace."},
	v1alpha1.ReasonParentNotReady:   {ready: no, second: no, stalled: true, retry: slow, help: "The ParentAccount can't be used. Its own conditions say why, or the message where the operator can't read the ParentAccount's namespace."},
	v1alpha1.ReasonProviderMismatch: {ready: no, second: no, stalled: true, help: "The ParentAccount in spec.parentRef is of another provider than resources of this kind; the message names both providers. The operator makes no call for the resource."},
	v1alpha1.ReasonParentChanged:    {ready: no, second: no, stalled: true, help: "The ParentAccount in spec.parentRef belongs to another account than the one this account was created under. The operator does nothing but serve a deletion."},

	v1alpha1.ReasonSecretMissing:     {ready: no, second: no, stalled: true, retry: slow, help: "A Secret that is referred to does not exist."},
	v1alpha1.ReasonSecretNotLabelled: {ready: no, second: no, stalled: true, retry: slow, help: "A Secret that is referred to lacks the label that lets the operator read it. The message has the command."},
	v1alpha1.ReasonSecretInvalid:     {ready: no, second: no, stalled: true, retry: slow, help: "A Secret can't be used. A key is missing; or its text is not UTF-8, or has invisible characters; or another Secret has the connection Secret's name; or the Kubernetes API refuses to write the connection Secret, which the operator retries after 10 seconds to an hour. The message says which. A connection Secret may hold the only copy of a password: read it before you remove it."},
	v1alpha1.ReasonPasswordRejected:  {ready: no, second: no, stalled: true, retry: slow, help: "The provider refused the password. The message has the rule."},
	v1alpha1.ReasonPasswordBlocked:   {ready: no, second: no, stalled: true, retry: slow, help: "The provider allows no change of the password now."},

	v1alpha1.ReasonNameTaken:         {ready: no, second: no, stalled: true, retry: slow, help: "An account of another parent account has the name."},
	v1alpha1.ReasonEmailTaken:        {ready: no, second: no, stalled: true, retry: slow, help: "Another account has the e-mail. The message names that account where this resource may know it. While the account's resource is about to give the e-mail up, the reason is Creating or Updating instead (see guide.md)."},
	v1alpha1.ReasonAdoptionRefused:   {ready: no, second: no, stalled: true, retry: none, help: "The parent already has an account with this name, which this resource did not create. Or the account belonged to a deleted resource of another namespace, and this resource has to accept the account (see guide.md). The account is unchanged. The message names the differing fields, or how to accept the account."},
	v1alpha1.ReasonClaimedElsewhere:  {ready: no, second: no, stalled: true, retry: none, help: "The account is owned by another installation, or by another resource of this cluster that this one may not succeed. The account is unchanged; the message names the owner where it may. A resource that was renamed or moved gets its account automatically, within seconds after the former resource is deleted: in the same namespace, in the ParentAccount's namespace, or in one with the grant Adopt (see guide.md)."},
	v1alpha1.ReasonDuplicateResource: {ready: no, second: no, stalled: true, retry: none, help: "Another ChildAccount of this cluster has the same account."},

	v1alpha1.ReasonRejected:            {ready: no, second: no, stalled: true, retry: none, help: "The provider, or the operator before any call, refuses the value of a field. The message names the field where the provider names one. A refusal that the operator does not know is retried after 10 minutes to 6 hours."},
	v1alpha1.ReasonBalanceTooLow:       {ready: no, second: no, stalled: true, retry: slow, help: "The parent account's balance is too low, or of a plan the account's own. The message says which."},
	v1alpha1.ReasonBlockedVerification: {ready: no, second: no, stalled: true, retry: slow, help: "The provider requires the parent account to be verified or activated first."},
	v1alpha1.ReasonBlockedNotEnabled:   {ready: no, second: no, stalled: true, retry: slow, help: "The provider has not enabled child accounts for the parent, or forbids to change the account's plan. The message says which."},
	v1alpha1.ReasonBlockedDailyLimit:   {ready: no, second: no, stalled: true, retry: tomorrow, help: "The provider allows no more child accounts today."},
	v1alpha1.ReasonRoleMissing:         {ready: no, second: no, stalled: true, retry: slow, help: "The service account lacks the role for a method."},

	v1alpha1.ReasonAccountMissing: {ready: no, second: no, stalled: true, retry: none, help: "The account is missing at the provider, or has another name now; the message says which. Under Observe: there is no account with this name."},
	v1alpha1.ReasonAPIKeyMissing:  {ready: no, second: yes, stalled: true, retry: slow, help: "The account matches the spec, but its API key was lost after the account was created, and can't be recovered."},

	v1alpha1.ReasonAwaitingApproval: {ready: asBefore, second: no, stalled: true, retry: none, help: "Too many accounts would change, or be deactivated, in too short a time (limits.massChange, limits.maxDeactivationsPerHour of the ParentAccount): by edits, deletions or corrections of drift. Ready stays as before, unless what was read of the account contradicts it. A Ready that was False for another reason has the reason AwaitingApproval once that reason ends. The message names the accounts, and the command that approves exactly these changes. Deletions (deletionPolicy Deactivate) wait too: without an approval within an hour these resources are deleted with their accounts active. Reverting the edits ends the wait too, and so does time, once all pending changes fit within the window: the message says if they never do. The reason also stands for a write that was pending when the operator started under startPolicy Observe: only an approval, or a spec that needs no write, ends that wait."},

	v1alpha1.ReasonWriteRefused: {ready: no, second: no, stalled: true, retry: refusedWrite, help: "The Kubernetes API refuses what the operator has to write to the ChildAccount, or to the status of its ParentAccount: a webhook, a policy or a missing right. The message has its words."},

	v1alpha1.ReasonRateLimited:    {ready: asBefore, second: no, reconciling: true, retry: soon, help: "The provider rate-limits the calls."},
	v1alpha1.ReasonAPIUnavailable: {ready: asBefore, second: no, reconciling: true, retry: soon, help: "The provider does not answer, or not consistently. After a while Ready becomes Unknown."},
	v1alpha1.ReasonDeleting:       {ready: asBefore, second: unknown, reconciling: true, retry: soon, help: "The resource is being deleted, and the operator deactivates its account first, for at most an hour. If Stalled is True somebody has to act; the message says why. Ready is False if the resource could not be Ready without the deletion either, for example because its ParentAccount is not ready. Ready is also False once the operator has nothing left to do: then finalizers of others, which the message names, keep the resource."},
}, renamed: map[string]string{
	v1alpha1.ReasonUnauthorized: v1alpha1.ReasonParentNotReady, // the credentials are the parent's
}, noEvent: []string{v1alpha1.ReasonAPIUnavailable, v1alpha1.ReasonRateLimited, v1alpha1.ReasonParentNotReady}, // thousands have them at once: the parent's event is enough
	recovered: map[string]string{v1alpha1.ReasonFrozen: "the provider has unblocked the account"}}

// Parents says what each reason means on a ParentAccount.
var Parents = Table{second: v1alpha1.ConditionAPIAvailable, next: nextOfParents, rows: map[string]Verdict{
	v1alpha1.ReasonAvailable: {ready: yes, second: yes, help: "The account can be worked with."},
	v1alpha1.ReasonDeleting:  {ready: asBefore, second: yes, reconciling: true, retry: soon, help: "The ParentAccount is being deleted, and is kept for an hour at most while ChildAccounts with deletionPolicy Deactivate need it. The message names them. Or finalizers of others, which the message names, keep it for longer: then Stalled is True, and its ChildAccounts are served as before."},
	v1alpha1.ReasonSuspended: {ready: asBefore, second: unknown, help: "The ParentAccount is suspended: the operator makes no call."},

	v1alpha1.ReasonEndpointNotAllowed: {ready: no, second: unknown, stalled: true, help: "The endpoint is not one of the operator's --allowed-endpoints, which the message lists."},
	v1alpha1.ReasonCABundleInvalid:    {ready: no, second: unknown, stalled: true, help: "The authorities in the caBundle can't be read, so the operator makes no call. The message says what is wrong."},
	v1alpha1.ReasonInvalidSelector:    {ready: no, second: unknown, stalled: true, help: "The selector in spec.allowedNamespaces can't be read; the message says why."},
	v1alpha1.ReasonSecretMissing:      {ready: no, second: unknown, stalled: true, retry: often, help: "The credentials Secret does not exist."},
	v1alpha1.ReasonSecretNotLabelled:  {ready: no, second: unknown, stalled: true, retry: often, help: "The credentials Secret lacks the label that lets the operator read it. The message has the command."},
	v1alpha1.ReasonSecretInvalid:      {ready: no, second: unknown, stalled: true, retry: slow, help: "The credentials, or the API key, can't be used. The message names the key and what is wrong with it: how its text was saved, for example."},
	v1alpha1.ReasonParentChanged:      {ready: no, second: unknown, stalled: true, help: "The credentials or the endpoint belong to another account than before, so the operator does nothing for this ParentAccount and its ChildAccounts."},

	v1alpha1.ReasonUnauthorized:        {ready: no, second: yes, stalled: true, retry: slow, help: "The provider refuses the credentials: the key was revoked, for example. The message names the Secret. Where the clock of the operator's node is off, the message says so, and the operator retries after a minute to 6 hours."},
	v1alpha1.ReasonRoleMissing:         {ready: no, second: yes, stalled: true, retry: slow, help: "The service account lacks the role Owner, which listing child accounts needs."},
	v1alpha1.ReasonRejected:            {ready: no, second: yes, stalled: true, retry: slow, help: "The provider refuses to list the child accounts; the message has its words."},
	v1alpha1.ReasonBlockedVerification: {ready: no, second: yes, stalled: true, retry: slow, help: "The provider requires the account to be verified or activated first."},
	v1alpha1.ReasonBlockedNotEnabled:   {ready: no, second: yes, stalled: true, retry: slow, help: "The provider has not enabled child accounts."},
	v1alpha1.ReasonBalanceTooLow:       {ready: no, second: yes, stalled: true, retry: slow, help: "The account's balance is too low."},

	v1alpha1.ReasonRateLimited:    {ready: asBefore, second: no, reconciling: true, retry: soon, help: "The provider rate-limits calls for the account, whichever ParentAccount made them. It begins with the first call that is rate-limited. It ends once calls were answered for 10 seconds without that; where it is back within 10 minutes, that time doubles, up to 2 minutes. An outage takes its place."},
	v1alpha1.ReasonAPIUnavailable: {ready: asBefore, second: no, reconciling: true, retry: soon, help: "The provider does not answer, or not consistently. Once it answers again, all that waits for it is retried within seconds, as the limits of the ParentAccount allow."},
}, everyRecovery: true, recovered: map[string]string{
	v1alpha1.ReasonAPIUnavailable: "the provider answers again",
	v1alpha1.ReasonRateLimited:    "the provider does not rate-limit any more",
	v1alpha1.ReasonUnauthorized:   "the provider accepts the credentials again",
}}

// Second is the type of the condition beside Ready.
func (t Table) Second() string { return t.second }

// States are the reasons of the table, each with the statuses that Ready may have beside it.
func (t Table) States() iter.Seq2[string, metav1.ConditionStatus] {
	return func(yield func(string, metav1.ConditionStatus) bool) {
		for _, reason := range slices.Sorted(maps.Keys(t.rows)) {
			statuses := []metav1.ConditionStatus{t.rows[reason].ready}
			if statuses[0] == asBefore {
				statuses = []metav1.ConditionStatus{yes, no, unknown}
			}
			for _, ready := range statuses {
				if !yield(reason, ready) {
					return
				}
			}
		}
	}
}

// Row returns the Verdict for a reason. A reason without a row is a programming error that a test finds.
func (t Table) Row(reason string) Verdict {
	v, ok := t.rows[reason]
	if !ok {
		panic("no row in the condition table for reason " + reason)
	}
	return v
}

// longestMessage is how many bytes a condition's message may have: the Kubernetes API takes 32 KiB, nobody reads as much, and a
// status that is not taken says nothing at all.
const longestMessage = 4 << 10

// Bounded is a message that a condition has room for.
func Bounded(message string) string { return Truncated(message, longestMessage) }

// Write is the only place where conditions are set. pastGrace turns a Ready that would stay as before into Unknown.
func (t Table) Write(conditions *[]metav1.Condition, generation int64, o Outcome, now time.Time) {
	v := t.Row(o.Reason)
	message := t.Text(o, longestMessage)
	set := func(kind string, status metav1.ConditionStatus) {
		meta.SetStatusCondition(conditions, metav1.Condition{
			Type: kind, Status: status, Reason: o.Reason, Message: message,
			ObservedGeneration: generation, LastTransitionTime: metav1.NewTime(now),
		})
	}
	setOrRemove := func(kind string, on bool) {
		if on {
			set(kind, yes)
		} else {
			meta.RemoveStatusCondition(conditions, kind)
		}
	}
	ready := meta.FindStatusCondition(*conditions, v1alpha1.ConditionReady)
	switch {
	case v.ready != asBefore:
		set(v1alpha1.ConditionReady, v.ready)
	case o.Ended:
		set(v1alpha1.ConditionReady, no)
	case t.rows[o.Cause].ready == no:
		set(v1alpha1.ConditionReady, no)
		meta.FindStatusCondition(*conditions, v1alpha1.ConditionReady).Reason = o.Cause
	case ready == nil, o.PastGrace:
		set(v1alpha1.ConditionReady, unknown)
	default:
		waiting(t, *conditions, ready, o, now)
	} // as before, its observedGeneration is, too: it speaks of the spec that was applied then
	set(t.second, v.second)
	setOrRemove(v1alpha1.ConditionReconciling, v.reconciling && !o.Stuck)
	setOrRemove(v1alpha1.ConditionStalled, v.stalled || o.Stuck)
}
