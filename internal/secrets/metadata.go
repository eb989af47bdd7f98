package secrets

import (
	"encoding/json"
	"maps"
	"slices"

	corev1 "k8s.io/api/core/v1"

	"cpaas.dev/child-account-operator/api/v1alpha1"
)

// declared names the labels and annotations that the resource declares for its connection Secret.
type declared struct {
	Labels      []string `json:"labels,omitempty"`
	Annotations []string `json:"annotations,omitempty"`
}

// applyMetadata puts the declared labels and annotations onto the Secret, and takes away those that were declared before.
// Others' are not changed.
func applyMetadata(secret *corev1.Secret, c Connection) {
	var before declared
	_ = json.Unmarshal([]byte(secret.Annotations[v1alpha1.AnnotationMetadata]), &before) // there may be none
	now := declared{Labels: slices.Sorted(maps.Keys(c.Labels)), Annotations: slices.Sorted(maps.Keys(c.Annotations))}
	replace(&secret.Labels, before.Labels, c.Labels)
	replace(&secret.Annotations, before.Annotations, c.Annotations)
	if len(now.Labels)+len(now.Annotations) == 0 {
		delete(secret.Annotations, v1alpha1.AnnotationMetadata)
		return
	}
	text, err := json.Marshal(now)
	if err != nil { // strings always marshal
		panic(err)
	}
	set(&secret.Annotations, v1alpha1.AnnotationMetadata, string(text))
}

func replace(m *map[string]string, before []string, now map[string]string) {
	for _, k := range before {
		delete(*m, k)
	}
	for k, v := range now {
		set(m, k, v)
	}
}
