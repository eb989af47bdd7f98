package secrets

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	fakeclient "sigs.k8s.io/controller-runtime/pkg/client/fake"

	"cpaas.dev/child-account-operator/api/v1alpha1"
)

// left is a connection Secret that a resource, which is gone, has left in the namespace sales.
func left(name, resource, accountName, to string) *corev1.Secret {
	s := newSecret(Connection{Namespace: "sales", Name: name})
	s.Labels = map[string]string{v1alpha1.LabelConnection: "true"}
	s.Annotations = map[string]string{v1alpha1.AnnotationResource: resource, v1alpha1.AnnotationAccount: accountName}
	if to != "" {
		s.Annotations[v1alpha1.AnnotationHandOverTo] = to
	}
	return s
}

func TestOfPrevious(t *testing.T) {
	unlabelled := left("unlabelled", "Kind/old", "1/acme", "telephony/new")
	unlabelled.Labels = nil
	client := fakeclient.NewClientBuilder().WithObjects(
		left("silent", "Kind/old", "1/acme", ""), left("says-so", "Kind/old", "1/acme", "telephony/new"), left("names-another", "Kind/old", "1/acme", "telephony/newer"),
		left("another-account", "Kind/old", "1/other", "telephony/new"), left("another-resource", "Kind/older", "1/acme", "telephony/new"), unlabelled,
	).Build()
	store := Store{Client: client, Live: client}
	for namespace, want := range map[string][]string{
		"sales":     {"names-another", "says-so", "silent"},
		"telephony": {"says-so"},
	} {
		found, err := OfPrevious(t.Context(), store, Connection{Namespace: "sales", Resource: "Kind/old", Account: "1/acme"}, namespace, namespace+"/new")
		var names []string
		for i := range found {
			names = append(names, found[i].Name)
		}
		if slices.Sort(names); err != nil || !slices.Equal(names, want) {
			t.Errorf("for a resource in %s: %v, want %v (%v)", namespace, names, want, err)
		}
	}
}

// What a connection Secret says of handing over is known without a call, whoever wrote it; what is too long is not kept.
func TestHandedOverTo(t *testing.T) {
	slim := SlimMetadata()
	secret := func(name, to, declaredBefore string) *metav1.PartialObjectMetadata {
		meta := of(name, "Kind/old", nil)
		meta.Annotations[v1alpha1.AnnotationHandOverTo] = to
		if to == "" {
			delete(meta.Annotations, v1alpha1.AnnotationHandOverTo)
		}
		if declaredBefore != "" {
			text, err := json.Marshal(declared{Annotations: []string{declaredBefore}})
			if err != nil {
				t.Fatal(err)
			}
			meta.Annotations[v1alpha1.AnnotationMetadata] = string(text)
		}
		if _, err := slim(meta); err != nil {
			t.Fatal(err)
		}
		return meta
	}
	for name, c := range map[string]struct {
		secrets []*metav1.PartialObjectMetadata
		to      string
		// silent says whether the Secret is as it should where the resource says nothing, said where it names telephony/new.
		silent, said bool
	}{
		"none":                       {nil, "", true, true},
		"a Secret that says nothing": {[]*metav1.PartialObjectMetadata{secret("old-connection", "", "")}, "", true, false},
		"a person's":                 {[]*metav1.PartialObjectMetadata{secret("old-connection", "telephony/new", "")}, "telephony/new", true, true},
		"the resource's":             {[]*metav1.PartialObjectMetadata{secret("old-connection", "telephony/new", v1alpha1.AnnotationHandOverTo)}, "telephony/new", false, true},
		"another one's":              {[]*metav1.PartialObjectMetadata{secret("old-connection", "telephony/other", v1alpha1.AnnotationHandOverTo)}, "telephony/other", false, false},
		"too long":                   {[]*metav1.PartialObjectMetadata{secret("old-connection", strings.Repeat("x", 600), "")}, "", true, false},
		"of several the first by name": {[]*metav1.PartialObjectMetadata{
			secret("old-connection", "telephony/b", ""), secret("login", "telephony/a", ""),
		}, "telephony/a", true, false},
	} {
		t.Run(name, func(t *testing.T) {
			w := &Watched{Cache: &cached{secrets: c.secrets}, DefaultName: usual}
			if err := w.Index(t.Context()); err != nil {
				t.Fatal(err)
			}
			of := Connection{Namespace: "telephony", Name: "old-connection", Resource: "Kind/old"}
			if to := w.HandedOverTo(t.Context(), of); to != c.to {
				t.Errorf("handed over to %q, want %q", to, c.to)
			}
			if silent, said := w.SaysHandOver(t.Context(), of, ""), w.SaysHandOver(t.Context(), of, "telephony/new"); silent != c.silent || said != c.said {
				t.Errorf("as it should: %v and %v, want %v and %v", silent, said, c.silent, c.said)
			}
		})
	}
}

// A new owner's Secret gets what the previous owner's holds, whether it is made now or was there.
func TestWriteTakesAlong(t *testing.T) {
	c := Connection{Namespace: "telephony", Name: "new-connection", Resource: "Kind/new", Account: "1/acme"}
	previous := left("old-connection", "Kind/old", "1/acme", "")
	previous.Data = map[string][]byte{KeyAccountID: []byte("6"), KeyPassword: []byte("p1"), KeyAPIKey: []byte("key")}
	c.Previous = []corev1.Secret{*previous}
	for name, there := range map[string]map[string][]byte{
		"made now": nil, "was there": {}, "had prepared a password": {KeyPassword: []byte("prepared")},
	} {
		t.Run(name, func(t *testing.T) {
			b := fakeclient.NewClientBuilder()
			if there != nil {
				own := newSecret(c)
				own.Data = there
				fill(own, Connection{Resource: c.Resource, Account: c.Account}, nil)
				b = b.WithObjects(own)
			}
			client := b.Build()
			c := c
			c.Try = found{has: "p1"}.try
			held, err := Store{Client: client, Live: client}.Write(t.Context(), c, Values{KeyAccountID: "6"})
			if err != nil || held[KeyPassword] != "p1" || held[KeyAPIKey] != "key" || held[KeyPasswordNext] != "" {
				t.Errorf("it holds %d values (%v)", len(held), err)
			}
		})
	}
}
