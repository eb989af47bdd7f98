package conditions

import (
	"strings"
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
	// help is what it means and what to do, for people.
	help string
}

// Stalled says whether nothing goes on until something is changed.
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
	// renamed are reasons of failures that are called otherwise on this kind.
	renamed map[string]string
	// noEvent are reasons that are no event on this kind.
	noEvent []string
}

// Children says what each reason means on a ChildAccount.
var Children = Table{second: v1alpha1.ConditionSynced, rows: map[string]Verdict{
	v1alpha1.ReasonCreating:           {ready: asBefore, second: unknown, reconciling: true, retry: soon, help: "The account is being created. Nothing to do."},
	v1alpha1.ReasonUpdating:           {ready: asBefore, second: unknown, reconciling: true, retry: soon, help: "The account is being changed. Nothing to do."},
	v1alpha1.ReasonAvailable:          {ready: yes, second: yes, help: "The account is as declared."},
	v1alpha1.ReasonDeactivated:        {ready: yes, second: yes, help: "The account is switched off: by active: false, or by somebody else where active is not declared."},
	v1alpha1.ReasonValueNotKept:       {ready: yes, second: no, help: "The provider accepts a value and does not keep it. The message names the field. Declare what it shows, or leave the field out."},
	v1alpha1.ReasonFrozen:             {ready: no, second: yes, stalled: true, help: "The provider has blocked the account. Ask the provider; the next resync sees it unblocked."},
	v1alpha1.ReasonDriftDetected:      {ready: yes, second: no, help: "The account was changed at the provider and driftPolicy is Report: status.drift lists the fields. Change the spec, the account, or the policy."},
	v1alpha1.ReasonObserved:           {ready: yes, second: yes, help: "The account is there; managementPolicy is Observe, so nothing is written. status.drift lists the differences."},
	v1alpha1.ReasonDeactivatedEarlier: {ready: no, second: yes, stalled: true, help: "The account was found again, switched off, and active is not declared: an earlier deletion with deletionPolicy Deactivate did that, most likely. Declare active: true to switch it on, active: false to leave it off."},
	v1alpha1.ReasonSuspended:          {ready: asBefore, second: unknown, help: "The resource or its parent is suspended. Remove suspend to go on."},

	v1alpha1.ReasonNamespaceNotAllowed: {ready: no, second: no, stalled: true, retry: slow, help: "There is no such ParentAccount in the other namespace, or it does not let the resource's namespace in. Its owner has to name it in spec.allowedNamespaces. An account that is there stays as it is."},
	v1alpha1.ReasonNotPermitted:        {ready: no, second: no, stalled: true, retry: none, help: "A resource of another namespace may not do this with the ParentAccount: its owner has to grant it in spec.allowedNamespaces.grants. An account that is there stays as it is."},

	v1alpha1.ReasonParentNotFound: {ready: no, second: no, stalled: true, help: "There is no such ParentAccount in the namespace. Create it or correct the manifest."},
	v1alpha1.ReasonParentNotReady: {ready: no, second: no, stalled: true, retry: slow, help: "The ParentAccount can't be used; its own conditions say why, or the message where the operator can't read the ParentAccount's namespace."},
	v1alpha1.ReasonParentChanged:  {ready: no, second: no, stalled: true, help: "The ParentAccount in spec.parentRef belongs to another account than the one this account was made under. Nothing is done but to serve a deletion. Name a ParentAccount of that account, restore the credentials, or accept the new account with the annotation accounts.cpaas.dev/accept-parent: <new parent account id>."},

	v1alpha1.ReasonSecretMissing:     {ready: no, second: no, stalled: true, retry: slow, help: "A Secret that is referred to does not exist. Create it, with the label accounts.cpaas.dev/input: \"true\"."},
	v1alpha1.ReasonSecretNotLabelled: {ready: no, second: no, stalled: true, retry: slow, help: "A Secret that is referred to lacks the label accounts.cpaas.dev/input: \"true\". The message has the command."},
	v1alpha1.ReasonSecretInvalid:     {ready: no, second: no, stalled: true, retry: slow, help: "A Secret can't be used: a key is missing, its text was saved in another way than UTF-8 or has characters that nobody sees, or the connection Secret's name is taken by somebody else's Secret. The message says which, and how to go on. A connection Secret may hold the only copy of a password: don't remove it unread."},
	v1alpha1.ReasonPasswordRejected:  {ready: no, second: no, stalled: true, retry: slow, help: "The provider refused the password; the message has the rule. Put another one into the Secret of passwordSecretRef: it is tried as soon as that changes."},
	v1alpha1.ReasonPasswordBlocked:   {ready: no, second: no, stalled: true, retry: slow, help: "The provider allows no change of the password now. It is tried again."},

	v1alpha1.ReasonNameTaken:         {ready: no, second: no, stalled: true, retry: slow, help: "Somebody else's account has the name. Choose another accountName in a new ChildAccount."},
	v1alpha1.ReasonEmailTaken:        {ready: no, second: no, stalled: true, retry: slow, help: "Another account has the e-mail. Choose another one, or free it."},
	v1alpha1.ReasonAdoptionRefused:   {ready: no, second: no, stalled: true, retry: none, help: "The parent already has an account with this name, and it was not made by this resource. It is left alone. Choose another accountName in a new ChildAccount, or an adoptionPolicy that takes it; the message names what stands against that."},
	v1alpha1.ReasonClaimedElsewhere:  {ready: no, second: no, stalled: true, retry: none, help: "The account belongs to a resource of another installation, or of this cluster, that this one may not come after. It is left alone; the message names the holder where it may. A resource that was renamed or moved has its account by itself within seconds, once the former one is gone, in the same namespace, in the ParentAccount's, or in one with the grant Adopt (see guide.md). Another installation's holder that is gone for good: the annotation accounts.cpaas.dev/takeover: <its installation id> takes the account."},
	v1alpha1.ReasonDuplicateResource: {ready: no, second: no, stalled: true, retry: none, help: "Another ChildAccount of this cluster has the same account. Delete one of the two: the account stays as it is, and the other one has it within seconds, where it may."},

	v1alpha1.ReasonRejected:            {ready: no, second: no, stalled: true, retry: none, help: "The value of a field is refused, by the provider or before any call. The message names the field. Change it."},
	v1alpha1.ReasonBalanceTooLow:       {ready: no, second: no, stalled: true, retry: slow, help: "The parent account's balance is too low. Top it up."},
	v1alpha1.ReasonBlockedVerification: {ready: no, second: no, stalled: true, retry: slow, help: "The provider wants the parent account verified or activated first."},
	v1alpha1.ReasonBlockedNotEnabled:   {ready: no, second: no, stalled: true, retry: slow, help: "The provider has not enabled child accounts for the parent. Ask its support."},
	v1alpha1.ReasonBlockedDailyLimit:   {ready: no, second: no, stalled: true, retry: tomorrow, help: "No more child accounts today. It goes on with the next UTC day."},
	v1alpha1.ReasonRoleMissing:         {ready: no, second: no, stalled: true, retry: slow, help: "The service account lacks the role for a method. Give it the role Owner."},

	v1alpha1.ReasonAccountMissing: {ready: no, second: no, stalled: true, retry: none, help: "The account is gone at the provider, or has another name now; the message says which. For one that is gone, missingPolicy Recreate makes it anew; so does deleting the resource and applying it again. Under Observe: there is none with this name."},
	v1alpha1.ReasonAPIKeyMissing:  {ready: no, second: yes, stalled: true, retry: slow, help: "The account is as declared, but its API key was lost on the way and can't be recovered. The message says how to go on."},

	v1alpha1.ReasonAwaitingApproval: {ready: asBefore, second: no, stalled: true, retry: none, help: "Too many accounts would change, or be switched off, in too short a time (limits.massChange, limits.maxDeactivationsPerHour of the ParentAccount): by edits, deletions or corrections of drift. Ready stays as before, unless the account is seen to be otherwise. The message names them, and the command that lets exactly these pass. It is said of deletions too (deletionPolicy Deactivate): without an approval within an hour those go with their accounts active. Reverting the edits ends it too, and so does time, once all that waits fits within the window: the message says where it does not. Or the write was pending when the operator started and startPolicy is Observe: status.pendingApprovals of the ParentAccount has the command, and nothing else ends that but a spec that needs no write."},

	v1alpha1.ReasonRateLimited:    {ready: asBefore, second: no, reconciling: true, retry: soon, help: "The provider asks for patience. It is tried again by itself."},
	v1alpha1.ReasonAPIUnavailable: {ready: asBefore, second: no, reconciling: true, retry: soon, help: "The provider does not answer, or not consistently: the ParentAccount says more. It is tried again by itself; after a while Ready becomes Unknown."},
	v1alpha1.ReasonDeleting:       {ready: asBefore, second: unknown, reconciling: true, retry: soon, help: "The resource is being deleted and its account is to be switched off first; it is kept back for at most an hour. Stalled says that somebody has to act; the message says why."},
}, renamed: map[string]string{
	v1alpha1.ReasonUnauthorized: v1alpha1.ReasonParentNotReady, // the credentials are the parent's
}, noEvent: []string{v1alpha1.ReasonAPIUnavailable, v1alpha1.ReasonRateLimited, v1alpha1.ReasonParentNotReady}} // thousands have them at once: the parent's event is enough

// Parents says what each reason means on a ParentAccount.
var Parents = Table{second: v1alpha1.ConditionAPIAvailable, rows: map[string]Verdict{
	v1alpha1.ReasonAvailable: {ready: yes, second: yes, help: "The account can be worked with."},
	v1alpha1.ReasonDeleting:  {ready: asBefore, second: yes, reconciling: true, retry: soon, help: "The ParentAccount is being deleted, and is kept for an hour at most while ChildAccounts with deletionPolicy Deactivate need it. The message names them: delete them, or set their deletionPolicy to Retain."},
	v1alpha1.ReasonSuspended: {ready: asBefore, second: unknown, help: "The ParentAccount is suspended: no call is made. Remove suspend to go on."},

	v1alpha1.ReasonEndpointNotAllowed: {ready: no, second: unknown, stalled: true, help: "The endpoint is not one of the operator's --allowed-endpoints."},
	v1alpha1.ReasonCABundleInvalid:    {ready: no, second: unknown, stalled: true, help: "The authorities in spec.voximplant.caBundle can't be read, so no call is made. The message says what is wrong and what to do."},
	v1alpha1.ReasonInvalidSelector:    {ready: no, second: unknown, stalled: true, help: "The selector in spec.allowedNamespaces can't be read; the message says why. Nothing is done for any child until it is corrected."},
	v1alpha1.ReasonSecretMissing:      {ready: no, second: unknown, stalled: true, retry: often, help: "The credentials Secret does not exist. Create it, with the label accounts.cpaas.dev/input: \"true\"."},
	v1alpha1.ReasonSecretNotLabelled:  {ready: no, second: unknown, stalled: true, retry: often, help: "The credentials Secret lacks the label accounts.cpaas.dev/input: \"true\". The message has the command."},
	v1alpha1.ReasonSecretInvalid:      {ready: no, second: unknown, stalled: true, retry: slow, help: "The credentials, or the API key, can't be used; the message names the key and what is wrong with it: how its text was saved, for example."},
	v1alpha1.ReasonParentChanged:      {ready: no, second: unknown, stalled: true, help: "The credentials or the endpoint belong to another account than before, so everything stops. Restore them, or accept with the annotation accounts.cpaas.dev/accept-parent: <new account id>."},

	v1alpha1.ReasonUnauthorized:        {ready: no, second: yes, stalled: true, retry: slow, help: "The provider refuses the credentials. Make a new service account key and put it into the Secret."},
	v1alpha1.ReasonRoleMissing:         {ready: no, second: yes, stalled: true, retry: slow, help: "The service account lacks the role Owner, which listing child accounts needs."},
	v1alpha1.ReasonRejected:            {ready: no, second: yes, stalled: true, retry: slow, help: "The provider refuses to list the child accounts; the message has its words."},
	v1alpha1.ReasonBlockedVerification: {ready: no, second: yes, stalled: true, retry: slow, help: "The provider wants the account verified or activated first."},
	v1alpha1.ReasonBlockedNotEnabled:   {ready: no, second: yes, stalled: true, retry: slow, help: "The provider has not enabled child accounts. Ask its support."},
	v1alpha1.ReasonBalanceTooLow:       {ready: no, second: yes, stalled: true, retry: slow, help: "The account's balance is too low. Top it up."},

	v1alpha1.ReasonRateLimited:    {ready: asBefore, second: no, reconciling: true, retry: soon, help: "The provider asks for patience. It is tried again by itself."},
	v1alpha1.ReasonAPIUnavailable: {ready: asBefore, second: no, reconciling: true, retry: soon, help: "The provider does not answer, or not consistently. It is tried again by itself."},
}}

// Second is the type of the condition beside Ready.
func (t Table) Second() string { return t.second }

// Row returns the Verdict for a reason. A reason without a row is a programming error that a test finds.
func (t Table) Row(reason string) Verdict {
	v, ok := t.rows[reason]
	if !ok {
		panic("no row in the condition table for reason " + reason)
	}
	return v
}

// longestMessage is how many bytes a condition's message may have: the API server takes 32 KiB, nobody reads as much, and a
// status that is not taken says nothing at all.
const longestMessage = 4 << 10

func shortened(message string) string {
	if len(message) <= longestMessage {
		return message
	}
	return strings.ToValidUTF8(message[:longestMessage], "") + "…"
}

// Write is the only place where conditions are set. pastGrace turns a Ready that would stay as before into Unknown.
func (t Table) Write(conditions *[]metav1.Condition, generation int64, o Outcome, now time.Time) {
	v := t.Row(o.Reason)
	message := shortened(o.Within(longestMessage))
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
	case ready == nil, o.PastGrace:
		set(v1alpha1.ConditionReady, unknown)
	case o.Seen != nil:
		o.Seen.correct(ready, now)
	} // else as before, its observedGeneration too: it speaks of the spec that was applied then
	set(t.second, v.second)
	setOrRemove(v1alpha1.ConditionReconciling, v.reconciling && !o.Stuck)
	setOrRemove(v1alpha1.ConditionStalled, v.stalled || o.Stuck)
}
