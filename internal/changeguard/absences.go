package changeguard

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/types"
)

// calmAfter is how many lists in a row must have few accounts missing, after one that had too many, until that is believed.
const calmAfter = 2

// Absent is a resource whose account several complete lists in a row did not have.
type Absent struct {
	UID types.UID
	Key types.NamespacedName
	// AccountID is the account that its status names.
	AccountID string
	// Reported is set where its status says already that the account is missing.
	Reported bool
}

// Listing is what is missing of a parent's accounts as of its last complete list.
type Listing struct {
	Parent Parent
	// List tells the list from others of the same parent.
	List int
	// Total is how many resources of all namespaces have an account, Absent those whose account is missing.
	Total  int
	Absent []Absent
	Limits Limits
	// Approvals are the hashes that were approved.
	Approvals []string
}

// Disbelief is that more accounts are missing at once than is believed.
type Disbelief struct {
	// Count is how many accounts are missing, of Total; no more than Most are believed to be, with the Counted others that were believed to be
	// missing within the window.
	Count, Total, Most, Counted int
	// Hash tells these accounts from any others, and List names them.
	Hash, List string
}

// Absences says which missing accounts are believed to be missing. It counts those of a parent in all namespaces together: they
// come from one list, and no tenant has a say in it. Only what Judge has believed is; after a restart that is nothing, until
// Judge is asked again. Its methods may be called by several workers at once, and make no call.
type Absences struct {
	mu      sync.Mutex
	parents map[Parent]*absences
}

// absences are those of one parent.
type absences struct {
	believed map[types.UID]belief
	held     map[types.UID]Absent
	verdict  *Disbelief
	// list is the last one that was judged; sinceOver is how many there were since one had too many missing.
	list      int
	sinceOver int
}

// belief is an account that is believed to be missing, counted as of at, or not where that is zero.
type belief struct {
	accountID string
	at        time.Time
}

// NewAbsences returns Absences that believe nothing.
func NewAbsences() *Absences { return &Absences{parents: map[Parent]*absences{}} }

// Judge believes what is missing, or nothing of it: where that are more accounts, with those believed within the window, than the
// limits let change at once, and exactly these are not approved. After too many it takes two lists in a row with few. changed
// says that there is something to do or to say that was not before.
func (a *Absences) Judge(l Listing, now time.Time) (verdict *Disbelief, changed bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	of := a.parents[l.Parent]
	if of == nil {
		of = &absences{believed: map[types.UID]belief{}, sinceOver: calmAfter}
		a.parents[l.Parent] = of
	}
	if l.List != of.list {
		of.list = l.List
		of.sinceOver++
	}
	fresh := of.fresh(l, now)
	before := of.verdict
	of.held, of.verdict = nil, nil
	counted := 0
	for uid, b := range of.believed {
		again := slices.ContainsFunc(fresh, func(one Absent) bool { return one.UID == uid }) // an account that is missing once more counts once
		if !again && b.at.After(now.Add(-l.Limits.Window)) {
			counted++
		}
	}
	most := Change{Total: l.Total, Limits: l.Limits}.most()
	sum := summarizeAbsences(fresh)
	approved := slices.Contains(l.Approvals, sum.hash)
	if !approved && len(fresh) > 0 && counted+len(fresh) > most {
		of.sinceOver = 0
	}
	switch {
	case len(fresh) == 0:
	case approved:
		of.believe(fresh, time.Time{})
	case of.sinceOver < calmAfter:
		of.hold(fresh, &Disbelief{Count: len(fresh), Total: l.Total, Most: most, Counted: counted, Hash: sum.hash, List: sum.list})
	default:
		of.believe(fresh, now)
	}
	if len(of.believed)+len(of.held) == 0 && of.sinceOver >= calmAfter {
		delete(a.parents, l.Parent)
	}
	return of.verdict, len(fresh) > 0 && of.verdict == nil || (before == nil) != (of.verdict == nil)
}

// fresh is what is missing and not believed yet, in order. What is not missing any more is believed no more, and counts as long as it
// would have.
func (o *absences) fresh(l Listing, now time.Time) (fresh []Absent) {
	missing := make(map[types.UID]string, len(l.Absent))
	for _, one := range l.Absent {
		missing[one.UID] = one.AccountID
		if b, ok := o.believed[one.UID]; ok && b.accountID == one.AccountID {
			continue
		}
		if one.Reported {
			o.believed[one.UID] = belief{accountID: one.AccountID}
			continue
		}
		fresh = append(fresh, one)
	}
	since := now.Add(-l.Limits.Window)
	maps.DeleteFunc(o.believed, func(uid types.UID, b belief) bool {
		return (b.accountID == "" || missing[uid] != b.accountID) && !b.at.After(since)
	})
	for uid, b := range o.believed {
		if missing[uid] != b.accountID {
			o.believed[uid] = belief{at: b.at}
		}
	}
	slices.SortFunc(fresh, func(a, b Absent) int { return cmp.Compare(a.Key.String(), b.Key.String()) })
	return fresh
}

func (o *absences) believe(all []Absent, at time.Time) {
	for _, one := range all {
		o.believed[one.UID] = belief{one.AccountID, at}
	}
}

func (o *absences) hold(all []Absent, why *Disbelief) {
	o.held, o.verdict = make(map[types.UID]Absent, len(all)), why
	for _, one := range all {
		o.held[one.UID] = one
	}
}

// summarizeAbsences tells these accounts from any others.
func summarizeAbsences(all []Absent) summary {
	return summarize(all, func(one Absent) (hashed, shown string) {
		return fmt.Sprintf("missing %s %s %q\n", one.Key, one.UID, one.AccountID), fmt.Sprintf("%s (%s)", one.Key, one.AccountID)
	})
}

// Believed says whether the account that a resource's status names is believed to be missing, where no list has it.
func (a *Absences) Believed(p Parent, uid types.UID, accountID string) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	of := a.parents[p]
	return of != nil && accountID != "" && of.believed[uid].accountID == accountID
}

// Held says whether too many accounts are missing for a resource's account to be believed missing.
func (a *Absences) Held(p Parent, uid types.UID) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	of := a.parents[p]
	if of == nil {
		return false
	}
	_, held := of.held[uid]
	return held
}

// Verdict is the last one of Judge.
func (a *Absences) Verdict(p Parent) *Disbelief {
	a.mu.Lock()
	defer a.mu.Unlock()
	if of := a.parents[p]; of != nil {
		return of.verdict
	}
	return nil
}

// Remembers says whether anything is remembered of a resource.
func (a *Absences) Remembers(uid types.UID) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, of := range a.parents {
		_, believed := of.believed[uid]
		if _, held := of.held[uid]; held || believed {
			return true
		}
	}
	return false
}

// Forget drops a resource that is deleted.
func (a *Absences) Forget(uid types.UID) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, of := range a.parents {
		delete(of.believed, uid)
		delete(of.held, uid)
	}
}

// ForgetParent drops all that is remembered of a parent that is deleted.
func (a *Absences) ForgetParent(key types.NamespacedName) {
	a.mu.Lock()
	defer a.mu.Unlock()
	maps.DeleteFunc(a.parents, func(p Parent, _ *absences) bool { return p.Key == key })
}
