package directory

import (
	"maps"
	"sync"
	"time"
	"weak"

	"k8s.io/apimachinery/pkg/types"

	"cpaas.dev/child-account-operator/internal/pacing"
)

// Parent is a parent account that can be worked with: who it is, and its directory.
type Parent struct {
	*Directory
	// Budget bounds its calls. ParentAccounts of one account share it.
	Budget *pacing.Budget
	// AccountID and AccountName are the parent account's at the provider.
	AccountID, AccountName string
	// Endpoint is the API's address.
	Endpoint string
	// Connection tells one connection from the next: it changes with credentials, endpoint and authorities.
	Connection string
	// Target says where the connection leads, whatever its credentials: the resource, the endpoint and the authorities.
	Target string
	// APIKey tells the parent account's own API key from another, without giving it away.
	APIKey string
	// Verified names the state of the resource that the connection was last found good for: its UID and generation.
	Verified string
	// Requested is the last request for a look (the annotation reconcile-requested-at) that was acted on.
	Requested string
	// Refused is the last connection to the same target that did not come about, while this one goes on; nil where none is.
	Refused *Refusal
}

// Refusal is a connection that did not come about.
type Refusal struct {
	// Connection is what Parent.Connection would have been.
	Connection string
	// At is when it was tried, Err how the provider refused it.
	At  time.Time
	Err error
}

// Registry holds the parents that can be worked with, by the name of their resource.
type Registry struct {
	mu      sync.RWMutex
	parents map[types.NamespacedName]*Parent
	// budgets are those in use: one goes with the last parent or call that has it.
	budgets map[string]weak.Pointer[pacing.Budget]
}

// Get returns the parent, nil where it can't be worked with (yet, or any more).
func (r *Registry) Get(key types.NamespacedName) *Parent {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return r.parents[key]
}

// All are the parents that can be worked with.
func (r *Registry) All() map[types.NamespacedName]*Parent {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return maps.Clone(r.parents)
}

// Put makes the parent known, nil takes it away.
func (r *Registry) Put(key types.NamespacedName, p *Parent) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if old := r.parents[key]; old != nil && old.Budget != nil && (p == nil || p.Budget != old.Budget) {
		old.Budget.Drop(key.String())
	}
	if p == nil {
		delete(r.parents, key)
		return
	}
	if r.parents == nil {
		r.parents = map[types.NamespacedName]*Parent{}
	}
	r.parents[key] = p
}

// Budget returns the budget of a provider's account, which all ParentAccounts that lead there share; made is taken where
// there is none yet.
func (r *Registry) Budget(endpoint, accountID string, made *pacing.Budget) *pacing.Budget {
	r.mu.Lock()
	defer r.mu.Unlock()
	maps.DeleteFunc(r.budgets, func(_ string, b weak.Pointer[pacing.Budget]) bool { return b.Value() == nil })
	key := endpoint + " " + accountID
	if shared := r.budgets[key].Value(); shared != nil {
		return shared
	}
	if r.budgets == nil {
		r.budgets = map[string]weak.Pointer[pacing.Budget]{}
	}
	r.budgets[key] = weak.Make(made)
	return made
}
