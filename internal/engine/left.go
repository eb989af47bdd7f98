package engine

import (
	"context"
	"fmt"
	"maps"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"cpaas.dev/child-account-operator/api/v1alpha1"
	"cpaas.dev/child-account-operator/internal/account"
	"cpaas.dev/child-account-operator/internal/plan"
)

// A resource that is deleted and recreated, by Git for instance, leaves its account without an owner for a moment. With the grant Adopt a
// tenant could have the account by then, and its API key. So for a while the account of a resource that was deleted is left to the namespace
// of that resource, to that of the ParentAccount, and to whom the resource has named.

// leftFor is for how long after the deletion of a resource its account is left to its namespace.
const leftFor = 10 * time.Minute

// leftRememberedFor is for how long an account that was left is remembered that nobody wants: longer than any pause between two lists, at each of
// which whoever waits for the account asks.
const leftRememberedFor = 40 * time.Hour

// pruneLeftEvery is how often those are dropped.
const pruneLeftEvery = time.Hour

// leftAccounts are the accounts whose resources were deleted, and which no resource has had since. All methods may be called by several workers at
// once.
type leftAccounts struct {
	mu sync.Mutex
	by map[leftKey]leftAccount
	// pruned is when those that nobody wants were last dropped.
	pruned time.Time
}

// leftKey is an account by the ids of its parent account and of its own.
type leftKey struct{ parentAccountID, id string }

// leftAccount is who had an account, since when that resource is known to be deleted, and when somebody last asked.
type leftAccount struct {
	owner     types.NamespacedName
	at, asked time.Time
}

// note notes that the resource of an account is deleted. Of one that finalizers of others keep the first note counts.
func (l *leftAccounts) note(key leftKey, owner types.NamespacedName, now time.Time) leftAccount {
	l.mu.Lock()
	defer l.mu.Unlock()
	if now.Sub(l.pruned) > pruneLeftEvery { // not each time, as thousands may be deleted at once
		l.pruned = now
		maps.DeleteFunc(l.by, func(_ leftKey, one leftAccount) bool { return now.Sub(one.asked) > leftRememberedFor })
	}
	if l.by == nil {
		l.by = map[leftKey]leftAccount{}
	}
	one := leftAccount{owner, now, now}
	if before, known := l.by[key]; known && before.owner == owner {
		one.at = before.at
	}
	l.by[key] = one
	return one
}

// of is who had an account last; false where nobody is known.
func (l *leftAccounts) of(key leftKey, now time.Time) (leftAccount, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	one, known := l.by[key]
	if known {
		one.asked = now
		l.by[key] = one
	}
	return one, known
}

// drop drops an account that a resource has.
func (l *leftAccounts) drop(key leftKey) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.by, key)
}

// noteLeft notes that a resource is deleted that has an account, and what that one has requested.
func (s stores) noteLeft(m Managed, now time.Time) {
	if st := m.Status(); st.Origin != "" {
		key := leftKey{st.ParentAccountID, st.AccountID}
		s.left.note(key, client.ObjectKeyFromObject(m.Object()), now)
		s.owners.note(key, client.ObjectKeyFromObject(m.Object()), true)
		s.bought.see(key, st.PlanChanges, now)
	}
}

// mayTake says whether a resource may take an account that is not its own by the claim: another reason to refuse the account is told otherwise.
func mayTake(s *scope, a account.Account) bool {
	if _, claimed := a.Claim(); !claimed {
		return len(adopters([]Managed{s.managed})) > 0
	}
	return s.previous != nil || s.takesOver(a)
}

// leftWithout says whether the account of a resource of the namespace owner is left without a resource of another namespace for a while.
func leftWithout(namespace string, parent *Parent, owner string) bool {
	return namespace != owner && namespace != parent.Key.Namespace
}

// leftToOthers stops a resource that is to have the account of another namespace's resource, which was deleted a short while ago and may come
// back. Of an owner that the claim names it counts when it was first seen to be gone: the cache may lack it before its deletion is told.
func leftToOthers(ctx context.Context, e *observer, s *scope, a *account.Account) *plan.Stop {
	if a == nil || s.boundID() != "" || s.former != nil || s.obj.GetNamespace() == s.parent.Key.Namespace || !mayTake(s, *a) {
		return nil
	}
	now, key := e.Clock.Now(), leftKey{s.dir.AccountID, a.ID}
	had, known := e.left.of(key, now)
	if claim, ok := a.Claim(); ok && claim.Installation == e.Installation {
		if owner := (types.NamespacedName{Namespace: claim.Namespace, Name: claim.Name}); owner.Namespace != s.obj.GetNamespace() && had.owner != owner {
			had, known = e.left.note(key, owner, now), true
		}
	}
	itself := client.ObjectKeyFromObject(s.obj).String()
	if !known || !now.Before(had.at.Add(leftFor)) || !leftWithout(s.obj.GetNamespace(), s.parent, had.owner.Namespace) || e.secretHandedOverTo(ctx, s.declared.Kind, had.owner) == itself {
		return nil
	}
	return &plan.Stop{
		Reason:  v1alpha1.ReasonClaimedElsewhere,
		Message: fmt.Sprintf("account %s belonged until recently to a %s of another namespace, which may be applied again", s.declared.AccountName, s.declared.Kind),
		Next: fmt.Sprintf("Wait: unless that resource is applied again, this resource may have the account %d minutes after the deletion, with the next list. To have it at once, ask whoever deleted that resource to give its connection Secret the annotation %s: %s.",
			leftFor/time.Minute, v1alpha1.AnnotationHandOverTo, itself),
	}
}
