package controllers

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/types"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"cpaas.dev/child-account-operator/api/v1alpha1"
	"cpaas.dev/child-account-operator/internal/account"
)

// governor stops changes that reach too many accounts in too short a time, until somebody approves exactly those.
// The children of each namespace are counted for themselves, so that one tenant's mistake stops nobody else.
type governor struct {
	mu     sync.Mutex
	groups map[groupKey]*group
	// off are the deactivations of the last hour.
	off deactivations
}

// groupKey names the children of one parent in one namespace.
type groupKey struct {
	parent    types.NamespacedName
	namespace string
}

func groupOf(c *v1alpha1.ChildAccount) groupKey { return groupKey{c.ParentKey(), c.Namespace} }

// group is what is known of such children.
type group struct {
	// changed are those that were changed within the window, or are just being changed.
	changed map[types.UID]changed
	// stopped are those that wait for approval, approved what was approved of them.
	stopped  map[types.UID]intent
	approved map[types.UID]intent
	// shown is what a message says of all that are stopped, nil where that is to be put together anew.
	shown *summing
	// settled is set once nobody new was stopped for a while: only then the hash is shown.
	settled bool
	timer   *time.Timer
	// total is how many there are, as of counted.
	total   int
	counted time.Time
}

// intent is a change that is stopped: of this resource, in this state of its spec.
type intent struct {
	req        ctrl.Request
	uid        types.UID
	generation int64
	what       string
}

// changed is one that counts.
type changed struct {
	at time.Time
	// made is set once a change was made, or may have been.
	made bool
}

// summing are the hash of all that is stopped, and the first few of them by name.
type summing struct{ hash, list string }

const (
	// settlesAfter is how long nobody new must have been stopped before the hash is shown.
	settlesAfter = time.Second
	// countsFor is how long the number of children is good for.
	countsFor = 10 * time.Second
	// shownChanges is how many of the stopped changes a message names, beside the resource's own.
	shownChanges = 5
)

// govern stops a change of an account that is one of too many; nil lets it pass, and counts it.
func (r *ChildAccountReconciler) govern(ctx context.Context, s *childScope, what string, switchesOff bool) *outcome {
	g := &r.governor
	now := r.Clock.Now()
	g.mu.Lock()
	defer g.mu.Unlock()
	key := groupOf(s.child)
	one := g.group(key)
	if one.counted.IsZero() || now.Sub(one.counted) > countsFor {
		one.total, one.counted = r.countChildren(ctx, key), now
	}
	limits := s.parent.MassChange()
	uid, wants := s.child.UID, intent{ctrl.Request{NamespacedName: client.ObjectKeyFromObject(s.child)}, s.child.UID, s.child.Generation, what}
	one.approve(s.parent.Annotations[v1alpha1.AnnotationApproveMassChange])
	one.slide(now.Add(-limits.Window))
	if one.approved[uid] == wants { // it was let pass beside those that count
		one.withdraw(uid)
		return nil
	}
	most := max(limits.Minimum, (one.total*limits.Percent+99)/100)
	_, counted := one.changed[uid]
	_, waits := one.stopped[uid]
	waits = waits || hadReason(s.was.Conditions, childTable.second, v1alpha1.ReasonAwaitingApproval)
	switch {
	case !counted && !waits && len(one.changed)+1 > most,
		waits && !(one.settled && len(one.changed)+len(one.stopped) <= most):
		return one.stop(s, wants, r.wakeStopped(key), fmt.Sprintf("no more than %d accounts (of %d) may change within %s", most, one.total, limits.Window))
	}
	if switchesOff {
		if wait := g.off.reserve(s.parent, accountKey(s.child), s.parent.MaxDeactivationsPerHour(), now); wait > 0 {
			out := one.stop(s, wants, r.wakeStopped(key), fmt.Sprintf("no more than %d accounts may be switched off within an hour", s.parent.MaxDeactivationsPerHour()))
			out.after, out.retry = wait, &retry{min: wait, max: wait}
			return out
		}
	}
	one.pass(uid, now)
	return nil
}

// stopMassChange stops a decision that would be one change of too many. What a creation leaves to do is none.
func (r *ChildAccountReconciler) stopMassChange(ctx context.Context, s *childScope, d account.Decision) *outcome {
	edits := slices.ContainsFunc(d.Changes, func(c account.Change) bool { return c.Origin == account.FromSpec })
	ownCreation := s.child.Status.Origin == v1alpha1.OriginCreated && len(s.child.Status.LastApplied) == 0
	if d.Step == account.StepLook {
		return nil // what it leads to is not known yet
	}
	if d.Step != account.StepUpdate || ownCreation || !edits && !account.Deactivates(d.Changes) {
		r.governor.forget(s)
		return nil
	}
	if _, held := r.holds.active(s.child.UID, s.plan(d), r.Clock.Now()); held {
		r.governor.withdraw(s) // it was tried in vain and is not tried now: nothing to count, nothing to approve
		return nil
	}
	return r.govern(ctx, s, described(d.Changes), account.Deactivates(d.Changes))
}

func (g *governor) group(key groupKey) *group {
	if g.groups == nil {
		g.groups = map[groupKey]*group{}
	}
	if g.groups[key] == nil {
		g.groups[key] = &group{changed: map[types.UID]changed{}, stopped: map[types.UID]intent{}}
	}
	return g.groups[key]
}

// forget drops a resource that has nothing to change any more.
func (g *governor) forget(s *childScope) {
	g.off.release(s.child.ParentKey(), accountKey(s.child))
	g.mu.Lock()
	defer g.mu.Unlock()
	if one := g.groups[groupOf(s.child)]; one != nil {
		one.withdraw(s.child.UID)
		delete(one.approved, s.child.UID)
	}
}

// withdraw takes a resource from those that wait, and leaves what is approved or counted of it.
func (g *governor) withdraw(s *childScope) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if one := g.groups[groupOf(s.child)]; one != nil {
		one.withdraw(s.child.UID)
	}
}

// tried says how a change went that was let pass. One that was refused, after none that was made, counts for nothing.
func (g *governor) tried(s *childScope, err error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	one := g.groups[groupOf(s.child)]
	if one == nil {
		return
	}
	c, counted := one.changed[s.child.UID]
	switch refused := err != nil && !account.AsError(err).Doubt; {
	case !counted:
	case !refused:
		c.made = true
		one.changed[s.child.UID] = c
	case !c.made:
		delete(one.changed, s.child.UID)
	}
}

func (o *group) withdraw(uid types.UID) {
	if _, waits := o.stopped[uid]; waits {
		delete(o.stopped, uid)
		o.shown = nil
	}
}

// slide forgets what was changed before the window.
func (o *group) slide(since time.Time) {
	maps.DeleteFunc(o.changed, func(_ types.UID, c changed) bool { return c.at.Before(since) })
}

// pass counts a change that may be made.
func (o *group) pass(uid types.UID, now time.Time) {
	o.changed[uid] = changed{now, o.changed[uid].made}
	o.withdraw(uid)
}

// approve lets pass what is stopped, where one of the approved hashes names exactly that.
func (o *group) approve(hashes string) {
	if hashes == "" || len(o.stopped) == 0 || !slices.Contains(strings.Split(hashes, ","), o.show().hash) {
		return
	}
	o.approved = maps.Clone(o.stopped)
}

// stop keeps a change back. Until nobody new comes any more nothing is said: what is approved is to be all of it.
func (o *group) stop(s *childScope, wants intent, wake func(), why string) *outcome {
	if o.stopped[s.child.UID] != wants {
		o.stopped[s.child.UID] = wants
		o.shown, o.settled = nil, false
		if o.timer != nil {
			o.timer.Stop()
		}
		o.timer = time.AfterFunc(settlesAfter, wake)
	}
	if !o.settled {
		return &outcome{}
	}
	return awaitingApproval(wants.what, why, o.show().list, fmt.Sprintf("To let exactly these pass: kubectl annotate parentaccount -n %s %s --overwrite %s=%s",
		s.parent.Namespace, s.parent.Name, v1alpha1.AnnotationApproveMassChange, o.show().hash))
}

// awaitingApproval is the outcome of a change that waits. Where there is little room, the command is whole and the list left out.
func awaitingApproval(what, why, list, approve string) *outcome {
	rest := fmt.Sprintf(" waits: %s. %s", why, approve)
	return &outcome{
		reason:  v1alpha1.ReasonAwaitingApproval,
		message: fmt.Sprintf("%s waits: %s: %s. %s", what, why, list, approve),
		brief:   truncated(what, longestNote-len(rest)) + rest,
	}
}

// show puts together what a message says of all that is stopped; the hash tells it from anything else.
func (o *group) show() summing {
	if o.shown != nil {
		return *o.shown
	}
	all := slices.SortedFunc(maps.Values(o.stopped), func(a, b intent) int { return cmp.Compare(a.req.String(), b.req.String()) })
	var parts []string
	h := sha256.New()
	for _, i := range all {
		fmt.Fprintf(h, "%s %s %d %q\n", i.req, i.uid, i.generation, i.what)
		if len(parts) < shownChanges {
			parts = append(parts, fmt.Sprintf("%s (%s)", i.req.Name, i.what))
		}
	}
	if more := len(all) - len(parts); more > 0 {
		parts = append(parts, fmt.Sprintf("and %d more", more))
	}
	o.shown = &summing{hex.EncodeToString(h.Sum(nil)[:16]), strings.Join(parts, ", ")}
	return *o.shown
}

// wakeStopped has all that are stopped looked at again, once nobody new was stopped for a while.
func (r *ChildAccountReconciler) wakeStopped(key groupKey) func() {
	return func() {
		g := &r.governor
		g.mu.Lock()
		defer g.mu.Unlock()
		one := g.group(key)
		one.settled = true
		for _, i := range one.stopped {
			r.enqueue(i.req, false)
		}
	}
}

// countChildren is how many accounts there are, or are to be: what has none and wants none makes no room for changes.
func (r *ChildAccountReconciler) countChildren(ctx context.Context, key groupKey) int {
	var children v1alpha1.ChildAccountList
	if r.List(ctx, &children, append(childrenOfParent(key.parent), client.InNamespace(key.namespace), client.UnsafeDisableDeepCopy)...) != nil {
		return 0
	}
	count := 0
	for _, c := range children.Items {
		if c.Status.Origin != "" || !c.Suspended() {
			count++
		}
	}
	return count
}

// accountKey names the account of a resource among those of its parent.
func accountKey(c *v1alpha1.ChildAccount) types.NamespacedName {
	return types.NamespacedName{Namespace: c.Namespace, Name: c.AccountName()}
}

// described says what would be written, for people. No secret is among the changes.
func described(changes []account.Change) string {
	var parts []string
	for _, c := range changes {
		parts = append(parts, c.Field.Path+"="+c.To)
	}
	return strings.Join(parts, ", ")
}
