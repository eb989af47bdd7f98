package engine_test

import (
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"cpaas.dev/child-account-operator/api/v1alpha1"
	"cpaas.dev/child-account-operator/internal/provider/fake"
)

// Whatever is wrong with the Secret of a declared password, the message names the field that refers to it. Nobody is told to label a connection Secret.
func TestWhatIsSaidOfADeclaredPassword(t *testing.T) {
	t.Parallel()
	for what, c := range map[string]struct {
		labels          map[string]string
		data            string
		said, says, not string
	}{
		"not labelled":        {map[string]string{}, "p", "False SecretNotLabelled", "Add the label: kubectl label secret -n telephony declared", ""},
		"a connection Secret": {map[string]string{v1alpha1.LabelConnection: "true"}, "p", "False SecretNotLabelled", "Create a Secret of its own", "kubectl label"},
		"empty":               {map[string]string{v1alpha1.LabelInput: "true"}, "", "False SecretInvalid", "or it is empty", ""},
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, fake.Options{})
			s := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "declared", Labels: c.labels}, Data: map[string][]byte{"password": []byte(c.data)}}
			if err := w.client.Create(t.Context(), s); err != nil {
				t.Fatal(err)
			}
			l := w.declared(name)
			l.Spec.Password = "declared"
			w.apply(l)
			w.expect(name, c.said)
			m := w.message(name)
			if !strings.HasPrefix(m, "spec.passwordSecretRef: Secret declared ") || !strings.Contains(m, c.says) || c.not != "" && strings.Contains(m, c.not) {
				t.Errorf("message: %s", m)
			}
		})
	}
}
