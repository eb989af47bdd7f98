package conditions

import (
	"cmp"
	"math/rand/v2"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"cpaas.dev/child-account-operator/api/v1alpha1"
	"cpaas.dev/child-account-operator/internal/account"
)

// Outcome is how a reconcile ended: a row of the condition table, in words.
type Outcome struct {
	// Reason is a row of the condition table; "" leaves the conditions as they are (nothing can be said yet).
	Reason string
	// Message says what happened and why, for people. It never holds a secret.
	Message string
	// Next is what to do next where it is otherwise than the table's row has it; NothingToDo for nothing.
	Next string
	// Brief is what is said instead where there is no room for the message; "" truncates the message.
	Brief string
	// Retry is how to come back where it is otherwise than the table's row has it.
	Retry *Retry
	// After is how long the provider asked to wait at least.
	After time.Duration
	// PastGrace is set where what was last seen is too old to be believed.
	PastGrace bool
	// Stuck makes it Stalled instead of Reconciling.
	Stuck bool
	// Cause is the reason for which the resource waits where Reason only says what waits: a Ready that would stay as before is False with it, where the
	// table has that for the cause. "" is Reason itself.
	Cause string
	// Ended is set where the operator does nothing more for the resource: a Ready that would stay as before becomes False.
	Ended bool
	// Quiet is set where it is no event, as the parent's is enough.
	Quiet bool
	// DoubtsCredentials is set where the provider may have refused the credentials, which the parent's next list shows. Unsettled is set until it was
	// read: the outcome may be the parent's trouble, and is no event yet.
	DoubtsCredentials, Unsettled bool
	// Seen is what is seen of an account whose Ready stays as before; nil where nothing is. Where Ready says otherwise it is corrected.
	Seen *Seen
	// Secret is what there is to say of the connection Secret; nil leaves its condition as it is.
	Secret *SecretState
	// SecretUnanswered is set where the connection Secret lacks what the provider was asked for without success.
	SecretUnanswered bool
	// Fingerprint is what was tried without success, so that it is not retried before its time; "" where trying again costs nothing.
	Fingerprint string
	// InBackoff is set where nothing was tried, because an earlier attempt failed; After is then what remains of its backoff.
	InBackoff bool
	// Taken is set where the provider refused a value because another account has it: the resource is woken once the value is free.
	Taken *Taken
	// Err is a failure on the way to the Kubernetes API: to be retried as the workqueue sees fit.
	Err error
}

// Taken is the refusal of a value that one account at a time can have.
type Taken struct {
	// Class says which value: account.EmailTaken or account.NameTaken.
	Class account.Class
	// Message is what the provider said.
	Message string
}

// Within is the text for a place with room for so many bytes, where it may still have to be truncated.
func (o Outcome) Within(most int) string {
	if len(o.Message) <= most {
		return o.Message
	}
	return cmp.Or(o.Brief, o.Message)
}

// SecretState is the ConnectionSecretReady condition.
type SecretState struct {
	Status          metav1.ConditionStatus
	Reason, Message string
}

// Undecided is the Outcome while nothing can be said yet; the resource is woken.
var Undecided = Outcome{}

// classes says for each class of failures which reason it is reported as.
var classes = map[account.Class]string{
	account.Unavailable:         v1alpha1.ReasonAPIUnavailable,
	account.Incomplete:          v1alpha1.ReasonAPIUnavailable,
	account.NotFound:            v1alpha1.ReasonUpdating, // read again before anything is believed
	account.Throttled:           v1alpha1.ReasonRateLimited,
	account.Unauthorized:        v1alpha1.ReasonUnauthorized,
	account.RoleMissing:         v1alpha1.ReasonRoleMissing,
	account.Invalid:             v1alpha1.ReasonRejected,
	account.Unknown:             v1alpha1.ReasonRejected,
	account.NameTaken:           v1alpha1.ReasonNameTaken,
	account.EmailTaken:          v1alpha1.ReasonEmailTaken,
	account.BalanceTooLow:       v1alpha1.ReasonBalanceTooLow,
	account.BlockedVerification: v1alpha1.ReasonBlockedVerification,
	account.BlockedNotEnabled:   v1alpha1.ReasonBlockedNotEnabled,
	account.BlockedDailyLimit:   v1alpha1.ReasonBlockedDailyLimit,
	account.InProgress:          v1alpha1.ReasonUpdating,
	account.Outdated:            v1alpha1.ReasonUpdating, // read again, too
	account.PasswordRejected:    v1alpha1.ReasonPasswordRejected,
	account.PasswordReused:      v1alpha1.ReasonPasswordRejected,
	account.PasswordBlocked:     v1alpha1.ReasonPasswordBlocked,
}

// Failed is the Outcome of a call that the provider did not carry out.
func (t Table) Failed(err error) Outcome {
	e := account.AsError(err)
	reason := classes[e.Class]
	if other, ok := t.renamed[reason]; ok {
		reason = other
	}
	if _, ok := t.rows[reason]; !ok {
		reason = v1alpha1.ReasonRejected
	}
	out := Outcome{Reason: reason, Message: e.Error(), Next: e.Next, After: e.RetryAfter, DoubtsCredentials: e.DoubtsCredentials}
	if e.Class == account.EmailTaken || e.Class == account.NameTaken {
		out.Taken = &Taken{Class: e.Class, Message: out.Message}
	}
	if e.MayPass && reason == v1alpha1.ReasonUnauthorized { // a parent's: its list wakes the resources
		out.Retry = &sooner
	}
	if e.Class == account.Unknown {
		out.Retry = &slow // nobody knows whether it passes by itself
		out.Next = nextIfUnknown
	}
	return out
}

// Explained is the outcome of a value that is taken, with another message and next step. Where waits is set, a reason is reported that is none of a
// failure: another resource is about to give the value up. It is retried as before all the same, since the resource is woken.
func (t Table) Explained(o Outcome, waits bool, working, message, next string) Outcome {
	o.Reason, o.Message, o.Next, o.Retry = classes[o.Taken.Class], message, next, nil
	if waits {
		retry := t.retryOf(o)
		o.Reason, o.Retry = working, &retry
	}
	return o
}

// Retry says how to come back without being woken: after as long as the state has lasted, within bounds.
// So the pauses double, and survive a restart, without anything being counted.
type Retry struct {
	min, max time.Duration
	// nextDay waits for the next UTC day instead.
	nextDay bool
}

// What passes without anybody's doing is retried after SoonAtLeast to SoonAtMost.
const (
	SoonAtLeast = time.Second
	SoonAtMost  = time.Minute
)

var (
	none     = Retry{}
	soon     = Retry{min: SoonAtLeast, max: SoonAtMost}
	often    = Retry{min: 10 * time.Second, max: 10 * time.Minute} // costs the provider nothing
	sooner   = Retry{min: time.Minute, max: 6 * time.Hour}
	slow     = Retry{min: 10 * time.Minute, max: 6 * time.Hour}
	tomorrow = Retry{nextDay: true}
)

// Every is a retry after the same pause each time.
func Every(pause time.Duration) *Retry { return &Retry{min: pause, max: pause} }

// dayJitter is over how long those spread who come back with a new day.
const dayJitter = 10 * time.Minute

// jitterPart keeps many resources with the same trouble from coming back together.
const jitterPart = 0.1

// next is the pause before the next try: 0 for none. since is when the state began, now when the last try was made,
// after what the provider asked for.
func (r Retry) next(since, now time.Time, after time.Duration) time.Duration {
	switch {
	case r.nextDay:
		day := now.UTC().Truncate(24 * time.Hour).Add(24 * time.Hour)
		return max(day.Sub(now)+time.Minute, after)
	case r.max == 0:
		return after
	}
	return max(min(max(now.Sub(since), r.min), r.max), after)
}

// spread lengthens the pause by a part drawn by chance.
func (r Retry) spread(pause time.Duration) time.Duration {
	switch {
	case r == none:
		return pause
	case r.nextDay: // not a part of the day that is left
		return pause + time.Duration(rand.Float64()*float64(dayJitter))
	}
	return pause + time.Duration(rand.Float64()*jitterPart*float64(pause))
}

// PassesByItself says whether an Outcome is of what passes without anybody's doing, and is retried soon.
func (t Table) PassesByItself(o Outcome) bool { return t.retryOf(o) == soon }

// retryOf is how to come back after an outcome.
func (t Table) retryOf(o Outcome) Retry {
	if o.Retry != nil {
		return *o.Retry
	}
	return t.Row(o.Reason).retry
}

// Pause is when to come back after a try at now that ended with o, in a state that began at since; 0 for when it is
// woken. Jitter is not in it yet.
func (t Table) Pause(o Outcome, since, now time.Time) time.Duration {
	if o.Reason == "" || o.InBackoff {
		return o.After
	}
	return t.retryOf(o).next(since, now, o.After)
}

// Requeue is the pause with its jitter, for the workqueue.
func (t Table) Requeue(o Outcome, pause time.Duration) time.Duration {
	if o.Reason == "" || o.InBackoff {
		return pause
	}
	return t.retryOf(o).spread(pause)
}

// TroubledSince is when the present Stalled or Reconciling began; now where there is neither.
func TroubledSince(conditions []metav1.Condition, now time.Time) time.Time {
	for _, kind := range []string{v1alpha1.ConditionStalled, v1alpha1.ConditionReconciling} {
		if c := meta.FindStatusCondition(conditions, kind); c != nil {
			return c.LastTransitionTime.Time
		}
	}
	return now
}

// HadReason says whether a condition has the reason.
func HadReason(conditions []metav1.Condition, kind, reason string) bool {
	c := meta.FindStatusCondition(conditions, kind)
	return c != nil && c.Reason == reason
}
