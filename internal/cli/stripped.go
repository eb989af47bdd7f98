package cli

import (
	"cmp"
	"maps"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"

	"cpaas.dev/child-account-operator/api/v1alpha1"
)

// What is cached of one object at most: memory must not be what whoever may create Secrets or ChildAccounts makes of it.
const (
	longestAnnotation = 4 << 10
	allAnnotations    = 32 << 10
	// longestValue is one byte more than any value may have that is read: whoever checks still sees that it is too large.
	longestValue = 64<<10 + 1
	allValues    = 256 << 10
	// perEntry is roughly what an entry of a map takes beside its key and value.
	perEntry = 64
)

// stripped leaves out of a cached object what nobody reads. The operator's patches say only what changes between two copies
// of it, so they don't take it away either.
func stripped(in any) (any, error) {
	o, err := meta.Accessor(in)
	if err != nil {
		return in, nil //nolint:nilerr // a tombstone, of what was stripped before
	}
	o.SetManagedFields(nil)
	o.SetOwnerReferences(nil)
	annotations := maps.Clone(o.GetAnnotations())
	maps.DeleteFunc(annotations, func(name, _ string) bool { return !strings.HasPrefix(name, v1alpha1.GroupVersion.Group+"/") })
	o.SetAnnotations(bounded(annotations, longestAnnotation, allAnnotations))
	switch o := in.(type) {
	case *v1alpha1.ChildAccount:
		o.Labels = nil
	case *v1alpha1.SubAccount:
		o.Labels = nil
	case *corev1.Secret:
		o.Annotations, o.Labels = nil, map[string]string{v1alpha1.LabelInput: o.Labels[v1alpha1.LabelInput]}
		o.Data = bounded(o.Data, longestValue, allValues)
	}
	return in, nil
}

// bounded are the smallest entries of a map that together have no more than so many bytes, each cut to so many: what is
// meant to be read is small. Nothing of the rest is held on to.
func bounded[V ~string | ~[]byte](in map[string]V, each, together int) map[string]V {
	size := func(key string) int { return perEntry + len(key) + min(len(in[key]), each) }
	smallestFirst := func(a, b string) int { return cmp.Or(cmp.Compare(len(in[a]), len(in[b])), cmp.Compare(a, b)) }
	var out map[string]V
	for _, key := range slices.SortedFunc(maps.Keys(in), smallestFirst) {
		if together -= size(key); together < 0 {
			break
		}
		if out == nil {
			out = map[string]V{}
		}
		value := in[key]
		if len(value) > each {
			value = V(append([]byte(nil), value[:each]...))
		}
		out[key] = value
	}
	return out
}
