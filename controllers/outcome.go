package controllers

import (
	"cmp"
	"math/rand/v2"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"cpaas.dev/child-account-operator/api/v1alpha1"
	"cpaas.dev/child-account-operator/internal/account"
)

// outcome is how a reconcile ended: a row of the condition table, in words.
type outcome struct {
	// reason is a row of the condition table; "" leaves the conditions as they are (nothing can be said yet).
	reason string
	// message is for people. It never holds a secret.
	message string
	// brief is what is said instead where there is no room for the message; "" truncates the message.
	brief string
	// retry is how to come back where it is otherwise than the table's row has it.
	retry *retry
	// after is how long the provider asked to wait at least.
	after time.Duration
	// pastGrace is set where what was last seen is too old to be believed.
	pastGrace bool
	// stuck makes it Stalled instead of Reconciling.
	stuck bool
	// secret is what there is to say of the connection Secret; nil leaves its condition as it is.
	secret *secretState
	// asked is set where the connection Secret lacks what the provider was asked for in vain.
	asked bool
	// plan is what was tried in vain, so that it is not tried again before its time; "" where trying again costs nothing.
	plan string
	// held is set where nothing was tried, because of an earlier hold; after is then what remains of it.
	held bool
	// err is a failure on the way to the API server: to be tried again as the workqueue sees fit.
	err error
}

// within is the text for a place with room for so many bytes, where it may still have to be truncated.
func (o outcome) within(most int) string {
	if len(o.message) <= most {
		return o.message
	}
	return cmp.Or(o.brief, o.message)
}

// secretState is the ConnectionSecretReady condition.
type secretState struct {
	status          metav1.ConditionStatus
	reason, message string
}

// undecided is the outcome while nothing can be said yet; somebody will wake the resource.
var undecided = outcome{}

// classes says for each class of failures which reason it is reported as.
var classes = map[account.Class]string{
	account.Unavailable:         v1alpha1.ReasonAPIUnavailable,
	account.Incomplete:          v1alpha1.ReasonAPIUnavailable,
	account.NotFound:            v1alpha1.ReasonUpdating, // looked at anew before anything is believed
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
	account.PasswordRejected:    v1alpha1.ReasonPasswordRejected,
	account.PasswordReused:      v1alpha1.ReasonPasswordRejected,
	account.PasswordBlocked:     v1alpha1.ReasonPasswordBlocked,
}

// failed is the outcome of a call that the provider did not carry out.
func (t table) failed(err error) outcome {
	e := account.AsError(err)
	reason := classes[e.Class]
	if other, ok := t.renamed[reason]; ok {
		reason = other
	}
	if _, ok := t.rows[reason]; !ok {
		reason = v1alpha1.ReasonRejected
	}
	out := outcome{reason: reason, message: e.Error(), after: e.RetryAfter}
	if e.Class == account.Unknown {
		out.retry = &slow // nobody knows whether it passes by itself
	}
	return out
}

// retry says how to come back without being woken: after as long as the state has lasted, within bounds.
// So the pauses double, and survive a restart, without anything being counted.
type retry struct {
	min, max time.Duration
	// nextDay waits for the next UTC day instead.
	nextDay bool
}

var (
	none     = retry{}
	soon     = retry{min: time.Second, max: time.Minute}
	often    = retry{min: 10 * time.Second, max: 10 * time.Minute} // costs the provider nothing
	slow     = retry{min: 10 * time.Minute, max: 6 * time.Hour}
	tomorrow = retry{nextDay: true}
)

// dayJitter is over how long those spread who come back with a new day.
const dayJitter = 10 * time.Minute

// jitterPart keeps many resources with the same trouble from coming back together.
const jitterPart = 0.1

// next is the pause before the next try: 0 for none. since is when the state began, now when the last try was made,
// after what the provider asked for.
func (r retry) next(since, now time.Time, after time.Duration) time.Duration {
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
func (r retry) spread(pause time.Duration) time.Duration {
	switch {
	case r == none:
		return pause
	case r.nextDay: // not a part of the day that is left
		return pause + time.Duration(rand.Float64()*float64(dayJitter))
	}
	return pause + time.Duration(rand.Float64()*jitterPart*float64(pause))
}

// retryOf is how to come back after an outcome.
func (t table) retryOf(o outcome) retry {
	if o.retry != nil {
		return *o.retry
	}
	return t.row(o.reason).retry
}

// pause is when to come back after a try at now that ended with o, in a state that began at since; 0 for when it is
// woken. Jitter is not in it yet.
func (t table) pause(o outcome, since, now time.Time) time.Duration {
	if o.reason == "" || o.held {
		return o.after
	}
	return t.retryOf(o).next(since, now, o.after)
}

// requeue is the pause with its jitter, for the workqueue.
func (t table) requeue(o outcome, pause time.Duration) time.Duration {
	if o.reason == "" || o.held {
		return pause
	}
	return t.retryOf(o).spread(pause)
}

// troubledSince is when the present Stalled or Reconciling began; now where there is neither.
func troubledSince(conditions []metav1.Condition, now time.Time) time.Time {
	for _, kind := range []string{v1alpha1.ConditionStalled, v1alpha1.ConditionReconciling} {
		if c := meta.FindStatusCondition(conditions, kind); c != nil {
			return c.LastTransitionTime.Time
		}
	}
	return now
}
