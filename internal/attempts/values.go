package attempts

import (
	"cmp"
	"slices"
	"sync"

	"k8s.io/apimachinery/pkg/types"
)

// Value is a value that one account of a provider at a time can have: a name, or an e-mail address.
type Value struct {
	// Provider tells the provider from others, Path is the field's, and Value is in canonical spelling.
	Provider, Path, Value string
}

// Applicant is a resource whose account is to have a value.
type Applicant struct {
	Key types.NamespacedName
	UID types.UID
	// ParentAccountID is the account at the provider that its account is a child of. Owner is set where the resource is in the namespace
	// of its parent's resource.
	ParentAccountID string
	Owner           bool
}

// Values remembers which resources try to give their accounts values that another account may have, so that they are woken once a value
// is free. All methods may be called by several workers at once.
type Values struct {
	mu sync.Mutex
	of map[types.UID]*application
	by index[Value]
}

// application is what a resource applies for.
type application struct {
	Applicant

	values []Value
	// freed are those of the values that were freed since the last attempt began.
	freed map[Value]bool
	// secondChance is set once a value was freed, until an attempt after that was refused.
	secondChance bool
}

// NewValues returns an empty Values.
func NewValues() *Values {
	return &Values{of: map[types.UID]*application{}, by: index[Value]{}}
}

// Try notes, before the call, that a resource is about to apply for values: whatever is freed from now on may be after the provider's answer.
func (v *Values) Try(a Applicant, values ...Value) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.note(a, values)
	clear(v.of[a.UID].freed)
}

// News is what a resource should know that waits for a value.
type News struct {
	// Freed is set where the value was freed since the last attempt began. Missed is set where the resource has not applied for it all the
	// time, so that it may have been.
	Freed, Missed bool
	// FreedBefore is set for the first refusal after the value was freed: the provider may not know yet.
	FreedBefore bool
}

// Await notes that a resource waits for a value, and no other; refused says that an attempt has just been refused.
func (v *Values) Await(a Applicant, value Value, refused bool) News {
	v.mu.Lock()
	defer v.mu.Unlock()
	news := News{Missed: !v.by[value][a.UID]}
	v.note(a, []Value{value})
	noted := v.of[a.UID]
	if news.Freed = noted.freed[value]; refused && !news.Freed {
		news.FreedBefore, noted.secondChance = noted.secondChance, false
	}
	return news
}

// note replaces what a resource applies for. The caller holds the lock.
func (v *Values) note(a Applicant, values []Value) {
	noted := &application{Applicant: a, values: values, freed: map[Value]bool{}}
	if before := v.of[a.UID]; before != nil {
		noted.freed, noted.secondChance = before.freed, before.secondChance
		v.forget(a.UID)
	}
	v.of[a.UID] = noted
	for _, value := range values {
		v.by.add(value, a.UID)
	}
}

// Free notes that a value is free, and returns those that are to try again. Where some of those that apply for it come first, the others go
// on waiting: whoever waits for the value of a stranger is not to snatch it from those that its owner means to have it.
func (v *Values) Free(value Value, first func(Applicant) bool) []Applicant {
	v.mu.Lock()
	defer v.mu.Unlock()
	all := v.applicants(value)
	if slices.ContainsFunc(all, first) {
		all = slices.DeleteFunc(all, func(a Applicant) bool { return !first(a) })
	}
	for _, a := range all {
		v.of[a.UID].freed[value], v.of[a.UID].secondChance = true, true
	}
	return all
}

// Applicants are those that apply for a value, in the order of their names.
func (v *Values) Applicants(value Value) []Applicant {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.applicants(value)
}

func (v *Values) applicants(value Value) (all []Applicant) {
	for uid := range v.by[value] {
		all = append(all, v.of[uid].Applicant)
	}
	slices.SortFunc(all, func(a, b Applicant) int { return cmp.Compare(a.Key.String(), b.Key.String()) })
	return all
}

// Idle says whether no resource applies for anything.
func (v *Values) Idle() bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	return len(v.of) == 0
}

// Remembers says whether a resource applies for a value.
func (v *Values) Remembers(uid types.UID) bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.of[uid] != nil
}

// Forget drops what a resource applies for: it has what it wants, or is deleted.
func (v *Values) Forget(uid types.UID) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.forget(uid)
}

func (v *Values) forget(uid types.UID) {
	a := v.of[uid]
	if a == nil {
		return
	}
	delete(v.of, uid)
	for _, value := range a.values {
		v.by.remove(value, uid)
	}
}
