package attempts

import "k8s.io/apimachinery/pkg/types"

// index has the resources that wait for something, by what they wait for.
type index[K comparable] map[K]map[types.UID]bool

// add notes that a resource waits for a key.
func (x index[K]) add(key K, uid types.UID) {
	if x[key] == nil {
		x[key] = map[types.UID]bool{}
	}
	x[key][uid] = true
}

// remove has a resource wait for a key no more. Keys that nobody waits for are dropped.
func (x index[K]) remove(key K, uid types.UID) {
	if delete(x[key], uid); len(x[key]) == 0 {
		delete(x, key)
	}
}
