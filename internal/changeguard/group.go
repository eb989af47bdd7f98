package changeguard

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/types"
)

// shownChanges is how many of those that wait a message names, beside the resource's own.
const shownChanges = 5

// everyPercent are the percent that stop no change.
const everyPercent = 100

// group is what is known of the resources that are counted together.
type group struct {
	// parent is the one of the last change.
	parent Parent
	// changed are those that were changed within the window, or are just being changed.
	changed map[types.UID]changed
	// stopped are the changes that wait for approval, approved what was approved of them.
	stopped  map[types.UID]intent
	approved map[types.UID]intent
	// summary is what a message says of all that are stopped, nil where that is to be put together again.
	summary *summary
	// settled is set once no other change was stopped for a while; shown once it was told then that changes wait.
	settled, shown bool
	// stopTimer stops the timer that settles the group, nil where none runs.
	stopTimer func() bool
	// window is as of the last change, and so are most, how many may be changed within it, and total, how many there are.
	window      time.Duration
	most, total int
}

// intent is a change that is stopped: of this resource, in this state of its spec.
type intent struct {
	key        types.NamespacedName
	uid        types.UID
	generation int64
	text       string
}

// changed is a resource whose change counts.
type changed struct {
	at time.Time
	// made is set once a change was made, or may have been.
	made bool
}

// summary has the hash of all that is stopped, and the first few of them by name.
type summary struct{ hash, list string }

func newGroup() *group {
	return &group{changed: map[types.UID]changed{}, stopped: map[types.UID]intent{}}
}

// judge says whether the change may be made, whether that is by approval, and if not, what rule stops it. wait is how long
// the deactivation budget has no room. It changes nothing.
func (o *group) judge(c Change, wait time.Duration, now time.Time) (v Verdict, approved bool) {
	if o.approvedOf(c.UID, c.Approvals) == c.intent() {
		return Verdict{Allowed: true, Approved: true}, true
	}
	within := 0
	for _, one := range o.changed {
		if !one.at.Before(now.Add(-c.Limits.Window)) {
			within++
		}
	}
	own, counted := o.changed[c.UID]
	counted = counted && !own.at.Before(now.Add(-c.Limits.Window))
	_, waits := o.stopped[c.UID]
	waits = waits || c.Waited
	most := c.most()
	over := !counted && !waits && within+1 > most || waits && !(o.settled && within+len(o.stopped) <= most)
	switch {
	case over && c.Limits.Percent < everyPercent: // the changes of deleted resources count, too, so there may be more of them than resources
		return Verdict{Rule: massChangeRule(c, len(o.stopped)), Settled: o.settled}, false
	case c.Deactivates && wait > 0:
		return Verdict{Rule: deactivationRule(c), Wait: wait, Settled: o.settled}, false
	}
	return Verdict{Allowed: true}, false
}

// tell adds to a verdict what there is to say of all that is stopped.
func (o *group) tell(v Verdict) Verdict {
	if !v.Allowed && v.Settled {
		s := o.summarize()
		v.Hash, v.List = s.hash, s.list
	}
	return v
}

// approves says whether one of the hashes names exactly what is stopped.
func (o *group) approves(hashes []string) bool {
	return len(hashes) > 0 && len(o.stopped) > 0 && slices.Contains(hashes, o.summarize().hash)
}

// approve remembers what the hashes approve.
func (o *group) approve(hashes []string) {
	if o.approves(hashes) {
		o.approved = maps.Clone(o.stopped)
	}
}

// approvedOf is what is approved of a resource's change, by these hashes or earlier ones.
func (o *group) approvedOf(uid types.UID, hashes []string) intent {
	if o.approves(hashes) {
		return o.stopped[uid]
	}
	return o.approved[uid]
}

// waits says whether anything is stopped that is not approved.
func (o *group) waits() bool {
	for uid, one := range o.stopped {
		if o.approved[uid] != one {
			return true
		}
	}
	return false
}

// slide forgets what was changed before the window.
func (o *group) slide(now time.Time) {
	since := now.Add(-o.window)
	maps.DeleteFunc(o.changed, func(_ types.UID, c changed) bool { return c.at.Before(since) })
}

// remembers says whether there is anything to remember of a resource.
func (o *group) remembers(uid types.UID) bool {
	if o == nil {
		return false
	}
	_, counted := o.changed[uid]
	_, waits := o.stopped[uid]
	_, approved := o.approved[uid]
	return counted || waits || approved
}

// idle says whether there is nothing to remember.
func (o *group) idle() bool { return len(o.changed)+len(o.stopped)+len(o.approved) == 0 }

// pass counts a change that may be made.
func (o *group) pass(uid types.UID, now time.Time) {
	o.changed[uid] = changed{now, o.changed[uid].made}
	o.withdraw(uid)
}

func (o *group) withdraw(uid types.UID) {
	if _, waits := o.stopped[uid]; waits {
		delete(o.stopped, uid)
		o.summary = nil
	}
}

// stop has a change wait. It says whether that is new, so that the group has to settle first.
func (o *group) stop(c Change) (isNew bool) {
	if o.stopped[c.UID] == c.intent() {
		return false
	}
	o.stopped[c.UID] = c.intent()
	o.summary, o.settled = nil, false
	return true
}

// settle puts a timer in the place of the one that runs.
func (o *group) settle(stopTimer func() bool) {
	if o.stopTimer != nil {
		o.stopTimer()
	}
	o.stopTimer = stopTimer
}

// summarize puts together what a message says of all that is stopped; the hash tells it from anything else.
func (o *group) summarize() summary {
	if o.summary != nil {
		return *o.summary
	}
	all := slices.SortedFunc(maps.Values(o.stopped), func(a, b intent) int { return cmp.Compare(a.key.String(), b.key.String()) })
	made := summarize(all, func(i intent) (hashed, shown string) {
		return fmt.Sprintf("%s %s %d %q\n", i.key, i.uid, i.generation, i.text), fmt.Sprintf("%s (%s)", i.key.Name, i.text)
	})
	o.summary = &made
	return made
}

// summarize puts together the hash that tells all of these, in their order, from anything else, and a list of the first few. of returns
// what the hash is of, which ends with a line feed, and what the list shows.
func summarize[T any](all []T, of func(T) (hashed, shown string)) summary {
	h := sha256.New()
	var parts []string
	for _, one := range all {
		hashed, shown := of(one)
		h.Write([]byte(hashed))
		if len(parts) < shownChanges {
			parts = append(parts, shown)
		}
	}
	if more := len(all) - len(parts); more > 0 {
		parts = append(parts, fmt.Sprintf("and %d more", more))
	}
	return summary{hex.EncodeToString(h.Sum(nil)[:16]), strings.Join(parts, ", ")}
}
