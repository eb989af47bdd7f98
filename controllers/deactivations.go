package controllers

import (
	"context"
	"maps"
	"slices"
	"sync"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"cpaas.dev/child-account-operator/api/v1alpha1"
)

// deactivations count, for each parent, which accounts were switched off within the last hour: each once, however often it was
// tried and by whatever resource, and those of each namespace for themselves. They are kept in the parent's status.
type deactivations struct {
	mu      sync.Mutex
	parents map[types.NamespacedName]map[types.NamespacedName]deactivation
	// writing orders what is written to the statuses.
	writing sync.Mutex
}

// deactivation is one of them; noted once it is to be kept.
type deactivation struct {
	at    time.Time
	noted bool
}

// of are the parent's deactivations of the last hour. The caller holds the lock.
func (d *deactivations) of(parent *v1alpha1.ParentAccount, now time.Time) map[types.NamespacedName]deactivation {
	key := client.ObjectKeyFromObject(parent)
	if d.parents == nil {
		d.parents = map[types.NamespacedName]map[types.NamespacedName]deactivation{}
	}
	if d.parents[key] == nil {
		d.parents[key] = map[types.NamespacedName]deactivation{}
		for _, one := range parent.Status.Deactivations {
			d.parents[key][types.NamespacedName{Namespace: one.Namespace, Name: one.Name}] = deactivation{one.Time.Time, true}
		}
	}
	maps.DeleteFunc(d.parents[key], func(_ types.NamespacedName, one deactivation) bool { return !one.at.After(now.Add(-time.Hour)) })
	return d.parents[key]
}

// reserve counts one more; where there are too many, it says how long to wait instead.
func (d *deactivations) reserve(parent *v1alpha1.ParentAccount, account types.NamespacedName, most int, now time.Time) (wait time.Duration) {
	d.mu.Lock()
	defer d.mu.Unlock()
	all := d.of(parent, now)
	if _, counted := all[account]; counted {
		return 0
	}
	var same []time.Time
	for other, one := range all {
		if other.Namespace == account.Namespace {
			same = append(same, one.at)
		}
	}
	switch {
	case most == 0:
		return time.Hour
	case len(same) >= most:
		slices.SortFunc(same, time.Time.Compare)
		return max(same[len(same)-most].Add(time.Hour).Sub(now), time.Second)
	}
	all[account] = deactivation{at: now}
	return 0
}

// release gives up what was reserved and not used.
func (d *deactivations) release(parent, account types.NamespacedName) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if one, ok := d.parents[parent][account]; ok && !one.noted {
		delete(d.parents[parent], account)
	}
}

// note makes sure that the account's is kept, and returns all that are, the oldest first.
func (d *deactivations) note(parent *v1alpha1.ParentAccount, account types.NamespacedName, now time.Time) []v1alpha1.Deactivation {
	d.mu.Lock()
	defer d.mu.Unlock()
	all := d.of(parent, now)
	one, ok := all[account]
	if !ok { // approved beyond the count
		one.at = now
	}
	one.noted = true
	all[account] = one
	var out []v1alpha1.Deactivation
	for name, one := range all {
		if one.noted {
			out = append(out, v1alpha1.Deactivation{Time: metav1.NewTime(one.at).Rfc3339Copy(), Namespace: name.Namespace, Name: name.Name})
		}
	}
	slices.SortFunc(out, func(a, b v1alpha1.Deactivation) int { return a.Time.Compare(b.Time.Time) })
	return out[max(0, len(out)-longestDeactivations):]
}

// longestDeactivations is how many a status holds (ParentAccountStatus.Deactivations).
const longestDeactivations = 1000

// noteDeactivation keeps in the parent's status that an account is being switched off, before it is.
func (r *ChildAccountReconciler) noteDeactivation(ctx context.Context, s *childScope) error {
	d := &r.governor.off
	d.writing.Lock()
	defer d.writing.Unlock() // in order: each status has all that came before
	ctx, cancel := context.WithTimeout(ctx, lastingFor)
	defer cancel()
	after := s.parent.DeepCopy()
	after.Status.Deactivations = d.note(s.parent, accountKey(s.child), r.Clock.Now())
	before := s.parent.DeepCopy()
	before.Status.Deactivations = nil // whatever the cache has: all is written
	return r.Status().Patch(ctx, after, client.MergeFrom(before))
}
