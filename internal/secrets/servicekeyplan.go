package secrets

import (
	"errors"
	"slices"
	"time"

	"k8s.io/apimachinery/pkg/types"

	"cpaas.dev/child-account-operator/internal/account"
)

// ErrNoConnectionSecret says that a connection Secret is missing which was there before.
var ErrNoConnectionSecret = errors.New("the connection Secret is missing")

// KeyOverlap is for how long a key that was replaced can still be used.
const KeyOverlap = time.Hour

// ListedKey is a key that the provider lists.
type ListedKey struct{ ID, Name string }

// Settlement is what follows from a list of an account's keys.
type Settlement struct {
	// Keys is the record once Delete are deleted.
	Keys ServiceKeys
	// Delete are the keys to delete. The operator made each: the record has its id and name, or its name is that of an attempt for the
	// resource.
	Delete []ListedKey
	// Renamed are the ids of recorded keys that have another name by now: they are left, since nothing proves any more whose they are.
	Renamed []string
	// Lost is set where the current key is not listed: somebody deleted it.
	Lost bool
}

// Settle compares the record with the keys that the provider lists: no key stays whose private key was lost, and none is deleted that the
// operator did not make. A key that nobody knows anything of but its name is kept for the overlap: a workload may have its credentials
// from a Secret that is gone. So is the name of an attempt whose request may still be on its way. all has every key of the operator's
// deleted at once, as the resource does not declare one any more.
func (k ServiceKeys) Settle(uid types.UID, listed []ListedKey, all bool, now time.Time) Settlement {
	out := Settlement{Keys: k.clone()}
	next := &out.Keys
	known := map[string]bool{}
	if all && next.Current != nil {
		next.retire(*next.Current, now)
		next.Current = nil
	}
	if c := next.Current; c != nil {
		known[c.ID] = true
		out.Lost = !slices.ContainsFunc(listed, func(l ListedKey) bool { return l.ID == c.ID })
		if out.Lost {
			next.Current = nil
		}
	}
	if next.Pending != "" {
		next.retire(RecordedKey{Name: next.Pending}, now.Add(KeyOverlap))
		for _, l := range listed {
			if l.Name == next.Pending && serviceKeyName.MatchString(l.Name) && !known[l.ID] && !k.records(l.ID) {
				known[l.ID], out.Delete = true, append(out.Delete, l)
			}
		}
		if len(out.Delete) > 0 { // the request has arrived
			next.Retired = next.Retired[:len(next.Retired)-1]
		}
		next.Pending = ""
	}
	settleRetired(&out, known, listed, all, now)
	for _, l := range listed {
		attempt, own := attemptOf(uid, l.Name)
		if !own {
			continue
		}
		next.Attempt = max(next.Attempt, attempt)
		switch {
		case known[l.ID]:
		case all:
			out.Delete = append(out.Delete, l)
		case len(next.Retired) < keptServiceKeys: // else the next list has it
			next.retire(RecordedKey{ID: l.ID, Name: l.Name, Created: now}, now.Add(KeyOverlap))
		}
	}
	return out
}

// records says whether the record names a key by its id.
func (k ServiceKeys) records(id string) bool {
	return k.Current != nil && k.Current.ID == id || slices.ContainsFunc(k.Retired, func(r RecordedKey) bool { return r.ID == id })
}

// settleRetired deletes the keys whose time has come.
func settleRetired(out *Settlement, known map[string]bool, listed []ListedKey, all bool, now time.Time) {
	var kept []RecordedKey
	for _, r := range out.Keys.Retired {
		due := all || !now.Before(r.Until)
		found := slices.IndexFunc(listed, func(l ListedKey) bool {
			return !known[l.ID] && (l.ID == r.ID || r.ID == "" && l.Name == r.Name)
		})
		switch {
		case found < 0 && (due || r.ID != ""): // it is gone, or never came
		case found < 0:
			kept = append(kept, r)
		case listed[found].Name != r.Name || !serviceKeyName.MatchString(r.Name):
			known[listed[found].ID] = true
			out.Renamed = append(out.Renamed, listed[found].ID)
		case due || r.ID == "": // the private key of the latter was never stored
			known[listed[found].ID] = true
			out.Delete = append(out.Delete, listed[found])
		default:
			known[listed[found].ID] = true
			kept = append(kept, r)
		}
	}
	out.Keys.Retired = kept
}

// Begun is the record of one more attempt to make a key, and the key's name.
func (k ServiceKeys) Begun(uid types.UID, accountID string) (ServiceKeys, string) {
	next := k.clone()
	next.AccountID = accountID
	next.Attempt = next.Attempt%lastAttempt + 1
	next.Pending = ServiceKeyName(uid, next.Attempt)
	return next, next.Pending
}

// Made is the record once the pending key was made: the former one is deleted after the overlap.
func (k ServiceKeys) Made(id, rolesMark string, credentials account.Secret, now time.Time) ServiceKeys {
	next := k.clone()
	now = now.UTC().Truncate(time.Second)
	if next.Current != nil {
		next.retire(*next.Current, now.Add(KeyOverlap))
	}
	next.Current = &RecordedKey{ID: id, Name: next.Pending, Created: now, Roles: rolesMark, Digest: digestOf(credentials.Reveal())}
	next.Pending = ""
	return next
}

// Same says whether two records tell the same.
func (k ServiceKeys) Same(other ServiceKeys) bool {
	same := func(a, b RecordedKey) bool {
		return a.ID == b.ID && a.Name == b.Name && a.Roles == b.Roles && a.Digest == b.Digest && a.Created.Equal(b.Created) && a.Until.Equal(b.Until)
	}
	if (k.Current == nil) != (other.Current == nil) || k.Current != nil && !same(*k.Current, *other.Current) {
		return false
	}
	return k.AccountID == other.AccountID && k.Attempt == other.Attempt && k.Pending == other.Pending && slices.EqualFunc(k.Retired, other.Retired, same)
}
