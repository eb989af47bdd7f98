package controllers

import (
	"context"
	"sync"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"cpaas.dev/child-account-operator/api/v1alpha1"
	"cpaas.dev/child-account-operator/internal/conditions"
	"cpaas.dev/child-account-operator/internal/directory"
	"cpaas.dev/child-account-operator/internal/engine"
)

// resync reads the whole list if it is time to.
func (r *ParentAccountReconciler) resync(ctx context.Context, s *parentScope, dir *directory.Parent) conditions.Outcome {
	wait := r.untilResync(s, dir)
	if down, probe := dir.Budget.Unavailable(); down && dir.Listings().Err == nil {
		wait = 0 // the children's calls have no answer: the list tells for all of them
	} else if down {
		wait = probe
	}
	if s.requested() != dir.Requested {
		wait, dir.Requested = 0, s.requested()
	}
	if wait <= 0 {
		s.wakes = true
		_ = dir.Refresh(ctx, knownTo(ctx, r, s, dir)) // how it ended is in the directory
		wait = nextList(r, s, dir, r.Clock.Now()).Sub(r.Clock.Now())
	}
	if dir.News() { // another ParentAccount of the account has read the list
		s.wakes = true
	}
	if dir.Listings().Complete > 0 {
		begin(ctx, accountsOf(r, s.parent), s)
	}
	return r.listed(ctx, s, dir, wait)
}

// untilResync is how long the next list can wait.
func (r *ParentAccountReconciler) untilResync(s *parentScope, dir *directory.Parent) time.Duration {
	now, l := r.Clock.Now(), dir.Listings()
	switch {
	case l.AttemptedAt.IsZero(), directory.RateLimitOver(dir, now):
		return 0
	case l.Err == nil && r.Parents.TakeListRequest(s.key()):
		return 0
	case l.Err == nil:
		return directory.UntilChecked(dir.Directory, l.AttemptedAt, nextList(r, s, dir, l.AttemptedAt).Sub(now))
	}
	out := conditions.Parents.Failed(l.Err)
	since := r.troubledSince(out, s.parent.Status.Conditions, l.AttemptedAt)
	return l.AttemptedAt.Add(conditions.Parents.Pause(out, since, l.AttemptedAt)).Sub(now)
}

// troubledSince is when the trouble began that the pauses grow with. What passes by itself is retried by every process as
// if it had just begun: a new leader whose first call has no answer would otherwise idle for as long as its predecessors did
// in vain, up to a minute, and so would all the children.
func (r *ParentAccountReconciler) troubledSince(out conditions.Outcome, was []metav1.Condition, now time.Time) time.Time {
	since := conditions.TroubledSince(was, now)
	if began := r.began.orNow(now); conditions.Parents.PassesByItself(out) && since.Before(began) {
		return began
	}
	return since
}

// firstTime keeps the time of its first call. It is safe for concurrent use.
type firstTime struct {
	once sync.Once
	time time.Time
}

func (f *firstTime) orNow(now time.Time) time.Time {
	f.once.Do(func() { f.time = now })
	return f.time
}

// listed says how the last list went, and when the next one is due.
func (r *ParentAccountReconciler) listed(ctx context.Context, s *parentScope, dir *directory.Parent, next time.Duration) conditions.Outcome {
	l := dir.Listings()
	if l.Err != nil {
		out := conditions.OfList(r.failed(s, l.Err))
		if down, probe := dir.Budget.Unavailable(); down {
			probe = max(probe, conditions.SoonAtLeast)
			out.Retry = conditions.Every(probe)
		}
		return out
	}
	judgeMissing(ctx, r, s, dir)
	s.parent.Status.ChildAccounts = countChildren(ctx, r, s, dir)
	if conditions.HadReason(s.was.Conditions, v1alpha1.ConditionAPIAvailable, v1alpha1.ReasonAPIUnavailable) {
		dir.Budget.OtherTroubleOver()
	}
	if limited, left := dir.Budget.Throttled(); limited {
		return conditions.RateLimited(min(next, left))
	}
	return conditions.Outcome{Reason: v1alpha1.ReasonAvailable, Message: "the account can be worked with", After: next}
}

// known is what the children know of: their ids, and the names of those without one. Nothing is asked for those that may
// not use the parent.
func (r *parentAccounts) known(ctx context.Context, kind *Kind, children []engine.Managed) directory.Known {
	k := directory.Known{More: !seesAll(r.read, kind)}
	for _, child := range children {
		if !r.Usable(ctx, child) {
			continue
		}
		if id := child.Status().AccountID; id != "" {
			k.IDs = append(k.IDs, id)
		} else {
			k.Names = append(k.Names, child.Declaration().AccountName)
		}
	}
	return k
}
