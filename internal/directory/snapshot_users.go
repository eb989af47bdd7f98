package directory

import (
	"cmp"
	"maps"
	"slices"
	"sync"

	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/clock"

	"cpaas.dev/child-account-operator/internal/account"
	"cpaas.dev/child-account-operator/internal/provider"
)

// Source is what a snapshot is of. ParentAccounts with one source share one snapshot.
type Source struct {
	// Provider is the provider's name, Endpoint the API's address.
	Provider, Endpoint string
	// CABundle holds the authorities that are trusted there, as PEM: an answer is worth as much as whoever vouches for it.
	CABundle string
	// AccountID is the parent account's id as the provider says it, whatever the credentials claim.
	AccountID string
}

// sharedSnapshot is what is known of the accounts of one source, and who uses it. It is safe for concurrent use: mu guards users and
// joined.
type sharedSnapshot struct {
	cache *accountCache
	// written is told of the users beside the one that has written to the account of that name; nil tells nobody. It is called without
	// any lock.
	written func(others []types.NamespacedName, accountName string)
	// concerned is told of a user whose list is due, or that another's list concerns; nil tells nobody. It is called without any lock.
	concerned func(user types.NamespacedName)
	// freed is told of values that accounts have no more; nil tells nobody. It is called without any lock.
	freed func([]Freed)

	mu    sync.Mutex
	users map[types.NamespacedName]*Directory
	// joined counts all users that there ever were.
	joined int
}

func newSharedSnapshot(schema account.Schema) *sharedSnapshot {
	return &sharedSnapshot{cache: newAccountCache(schema), users: map[types.NamespacedName]*Directory{}}
}

// join makes the directory of a user, in the place of one that it had.
func (s *sharedSnapshot) join(user types.NamespacedName, remote provider.Remote, c clock.Clock) *Directory {
	d := newDirectory(s, remote, c)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.joined++
	s.users[user] = d
	return d
}

// leave takes a user out; unused says that nobody is left.
func (s *sharedSnapshot) leave(user types.NamespacedName) (unused bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.users, user)
	return len(s.users) == 0
}

// exclusive says whether there was never more than one user.
func (s *sharedSnapshot) exclusive() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.joined == 1
}

// beside are the users that have another directory than d, in the order of their names.
func (s *sharedSnapshot) beside(d *Directory) []types.NamespacedName {
	s.mu.Lock()
	defer s.mu.Unlock()
	others := maps.Clone(s.users)
	maps.DeleteFunc(others, func(_ types.NamespacedName, other *Directory) bool { return other == d })
	return slices.SortedFunc(maps.Keys(others), compareNames)
}

// userOf is whose directory d is; ok is false once it is nobody's.
func (s *sharedSnapshot) userOf(d *Directory) (user types.NamespacedName, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for user, of := range s.users {
		if of == d {
			return user, true
		}
	}
	return types.NamespacedName{}, false
}

// wroteTo tells that a user has written to the account with an id.
func (s *sharedSnapshot) wroteTo(by *Directory, id string) {
	if s.written == nil {
		return
	}
	if others := s.beside(by); len(others) > 0 {
		if name, ok := s.cache.nameOf(id); ok {
			s.written(others, name)
		}
	}
}

// listed tells the others that a user has read the list.
func (s *sharedSnapshot) listed(by *Directory) {
	if s.concerned == nil {
		return
	}
	for _, user := range s.beside(by) {
		s.concerned(user)
	}
}

// refused records that the provider has refused a user's credentials in a call, for certain or perhaps: the list shows whether they are good.
func (s *sharedSnapshot) refused(d *Directory, certain bool) {
	if due := certain && d.access.doubt() || d.access.noteRefused(d.lists.clock.Now()); !due || s.concerned == nil {
		return
	}
	if user, ok := s.userOf(d); ok {
		s.concerned(user)
	}
}

func compareNames(a, b types.NamespacedName) int { return cmp.Compare(a.String(), b.String()) }
